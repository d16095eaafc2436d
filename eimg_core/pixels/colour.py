"""From the colours that a file means to sRGB, which everything else here sees.

A profile says what the numbers of a picture mean: without it, the colours of a phone or a camera with a wide gamut
come out pale. A profile that cannot be used is left out, as viewers do.
"""

from __future__ import annotations

import io
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

try:
    from PIL import ImageCms
except ImportError:  # Pillow without LittleCMS
    ImageCms = None  # type: ignore[assignment]

__all__ = ["gamma_table", "to_srgb"]

_NEAR = 2  # levels; a profile that changes no colour by more is sRGB under another name
_USUAL_GAMMA, _GAMMAS = 2.2, (0.1, 5.0)


def to_srgb(picture: Image.Image, profile: bytes | None = None, gamma: float | None = None) -> Image.Image:
    """A picture in mode L, RGB, RGBA, CMYK or LAB as RGB or RGBA.

    Args:
        picture: its samples as stored.
        profile: ICC profile; ``None`` for sRGB, for plain CMYK, or for CIE L*a*b* in mode LAB.
        gamma: exponent that the samples were written with, as in the gAMA chunk of PNG; counts without a profile.
    """
    if picture.mode == "RGBA":
        colours = to_srgb(picture.convert("RGB"), profile, gamma)
        colours.putalpha(picture.getchannel("A"))
        return colours
    if picture.mode == "LAB" and ImageCms is not None:
        picture = _transformed(picture, ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))) or picture
    elif profile and ImageCms is not None:
        picture = _by_profile(picture, profile)
    elif gamma is not None:
        picture = _by_gamma(picture, gamma)
    return picture.convert("RGB")


def _by_profile(picture: Image.Image, profile: bytes) -> Image.Image:
    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    except (OSError, ImageCms.PyCMSError):
        return picture
    sample = _colours(picture.mode)
    shown = _transformed(sample, opened)
    if shown is None:
        return picture
    change = np.subtract(np.asarray(shown, dtype=int), np.asarray(sample.convert("RGB"), dtype=int))
    if picture.mode != "CMYK" and np.abs(change).max() <= _NEAR:
        return picture
    return _transformed(picture, opened) or picture


def _transformed(picture: Image.Image, profile: ImageCms.ImageCmsProfile) -> Image.Image | None:
    """A picture in sRGB; ``None`` where its profile is of another kind than the picture, or damaged."""
    try:
        srgb = ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(picture, profile, srgb, outputMode="RGB")
    except (OSError, ValueError, ImageCms.PyCMSError):
        return None


@lru_cache(maxsize=3)
def _colours(mode: str) -> Image.Image:
    """Colours all over a mode: what a profile does to them it does to all."""
    axis = np.linspace(0, 255, 6).round().astype(np.uint8)
    if mode == "L":
        return Image.fromarray(axis[None, :])
    grid = np.stack(np.meshgrid(*[axis] * Image.getmodebands(mode), indexing="ij"), -1)
    flat = np.ascontiguousarray(grid.reshape(1, -1, grid.shape[-1]))
    return Image.frombytes(mode, (flat.shape[1], 1), flat.tobytes())


def gamma_table(gamma: float | None, levels: int) -> NDArray[np.int_] | None:
    """Sample → sample of an sRGB picture, for samples that were written with a gamma; ``None`` where none changes.

    Args:
        gamma: exponent that the samples were written with; ``None`` for that of sRGB.
        levels: how many values a sample can have.
    """
    exponent = 1 / (gamma * _USUAL_GAMMA) if gamma else 1.0
    if not _GAMMAS[0] <= exponent <= _GAMMAS[1] or abs(exponent - 1) < 0.02:
        return None
    return np.asarray(((levels - 1) * np.linspace(0, 1, levels) ** exponent).round(), dtype=np.int_)


def _by_gamma(picture: Image.Image, gamma: float) -> Image.Image:
    table = gamma_table(gamma, 256)
    return picture if table is None else picture.point(table.tolist() * len(picture.getbands()))
