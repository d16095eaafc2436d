"""What the numbers in picture files mean: from samples of any kind to 8-bit sRGB."""
