"""A photo reader without learnt weights: the published effect of brightness and saturation on pleasure and arousal.

    pleasure =  .69 brightness + .22 saturation
    arousal  = −.31 brightness + .60 saturation

Valdez and Mehrabian 1994, "Effects of color on emotions", J. Exp. Psych.: General 123(4), regression equations of the
abstract, from ratings of single colours. Their brightness and saturation are Munsell value and chroma, in standard
deviations over the colours shown. Here, as Machajdik and Hanbury 2010 use the equations for photos, both are means over
the pixels between 0 and 1: brightness is CIE L* / 100, which follows Munsell value / 10 closely, and saturation is the
largest less the smallest of the three sRGB channels, a stand-in for chroma that is defined for every colour of a
screen. Each sum is put on 1-9 by the least and the most that it can be, not by those of any set of photos.

What is in the picture does not count, so the reading is weak: see docs/measurements.md for how weak.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from eimg_core.emotion import VA, map_scale
from eimg_core.va.image_reader import ImageReading

__all__ = ["ColourReader", "brightness_and_saturation", "reading_of"]

_PLEASURE = (0.69, 0.22)  # of brightness, of saturation
_AROUSAL = (-0.31, 0.60)
_SIDE = 128  # px at most: means need no more
# Standard deviation of people's mean ratings around the reading, on the val photos of OASIS: see published-rules.json.
_MARGINS = (2.2, 1.8)


class ColourReader:
    """Reads photos as ``ImageReader`` does, from their colours alone."""

    def read(self, photo: Image.Image) -> ImageReading:
        """The emotion of one photo (RGB); its margin is as wide as the formula is weak."""
        small = photo.convert("RGB")
        small.thumbnail((_SIDE, _SIDE))
        return ImageReading(reading_of(*brightness_and_saturation(np.asarray(small) / 255.0)), *_MARGINS)


def reading_of(brightness: float, saturation: float) -> VA:
    """The point of a mean brightness and saturation, both from 0 to 1."""
    axes = []
    for weights in (_PLEASURE, _AROUSAL):
        total = weights[0] * brightness + weights[1] * saturation
        ends = (sum(min(weight, 0.0) for weight in weights), sum(max(weight, 0.0) for weight in weights))
        axes.append(float(map_scale(total, *ends)))
    return VA(*axes)


def brightness_and_saturation(pixels: NDArray[np.float64]) -> tuple[float, float]:
    """Means over the pixels of a photo, both from 0 to 1: sRGB (H, W, 3) from 0 to 1."""
    linear = np.where(pixels <= 0.04045, pixels / 12.92, ((pixels + 0.055) / 1.055) ** 2.4)
    luminance = linear @ (0.2126, 0.7152, 0.0722)
    lightness = np.where(luminance > 216 / 24389, 116.0 * np.cbrt(luminance) - 16.0, luminance * 24389 / 27)
    return float(lightness.mean()) / 100.0, float(np.ptp(pixels, axis=-1).mean())
