"""EIMG Studio: a photo becomes a piece of piano music with the same emotion."""
