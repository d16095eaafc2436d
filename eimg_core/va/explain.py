"""Why a photo is read as it is: how the reading changes when one part of the photo is blurred away.

Occlusion sensitivity (Zeiler and Fergus 2014): soft windows on a coarse grid are replaced by their own blur, so that a
part loses what is in it but keeps its mean colour, and the networks look again. What the reading loses is what the part
contributed. The networks look at the whole photo only, not at the three squares as well: that is a quarter of the work,
and `benchmarks/explain.py` measures how well the maps agree.

Conventions: effects are points of the 1-9 scale, rows from the top, columns from the left. A positive effect: the part
makes the photo more pleasant, or more exciting.
"""

from __future__ import annotations

import colorsys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from eimg_core.emotion import MIDDLE
from eimg_core.messages import Message, message
from eimg_core.va.image_reader import ImageReader

__all__ = ["CUES", "GRID", "Explanation", "cues", "effects", "explain", "in_words"]

Array = NDArray[np.float64]

GRID = 6  # windows on each side
_VIEW = 320  # px of the square that is blurred; no network looks at more than 260
_BLUR = 1 / 12  # radius of the blur, in sides of the square
_SPEAKS = 0.05  # points; a part that changes less is not worth a word
_APART = 0.12  # difference of luminance, 0-1, from the whole photo that makes a part bright or dark
_COLOURED = 0.3  # saturation from which a part has a colour to name
# Colours by the end of their hues in degrees, and where a part lies, row by row.
_HUES = (
    (15, message("red")),
    (45, message("orange")),
    (70, message("yellow")),
    (165, message("green")),
    (255, message("blue")),
    (320, message("purple")),
    (361, message("red")),
)
_PLACES = (
    (message("at the upper left"), message("at the top"), message("at the upper right")),
    (message("on the left"), message("in the middle"), message("on the right")),
    (message("at the lower left"), message("at the bottom"), message("at the lower right")),
)
# Of each axis the one cue that goes along with people's ratings beyond chance, however weakly: its mean and standard
# deviation over the rated photos, how a photo with much of it is called, and r. See assets/results/photo-cues.json.
_BACKED = {
    "valence": ("colourfulness", 0.161, 0.103, message("colourful"), 0.215),
    "arousal": ("contrast", 0.211, 0.06, message("rich in contrast"), 0.232),
}
_MORE = {
    "valence": (message("more pleasant"), message("less pleasant")),
    "arousal": (message("more exciting"), message("calmer")),
}
_QUALITY = {"valence": message("pleasant"), "arousal": message("exciting")}


@dataclass(frozen=True, slots=True)
class Explanation:
    """What each part of a photo does to the reading.

    Args:
        valence, arousal: effects, ``GRID`` rows of ``GRID`` numbers each.
        words: ``valence`` and ``arousal`` → what the map shows.
    """

    valence: tuple[tuple[float, ...], ...]
    arousal: tuple[tuple[float, ...], ...]
    words: Mapping[str, Message]


def explain(reader: ImageReader, photo: Image.Image) -> Explanation:
    """Both maps of one photo (RGB, as ``images.open_photo`` gives it), and what to say about them. Deterministic."""
    both = effects(reader, photo)
    maps = [tuple(tuple(round(float(x), 4) for x in row) for row in one) for one in both]
    words = {
        axis: _both(in_words(photo, one, axis), _cue_in_words(photo, axis))
        for axis, one in zip(_MORE, both, strict=True)
    }
    return Explanation(maps[0], maps[1], words)


def effects(reader: ImageReader, photo: Image.Image, grid: int = GRID, squares: bool = False) -> Array:
    """Reading of the photo minus its reading without each part: (2, grid, grid), valence and arousal.

    Args:
        squares: whether the networks also look at the squares, as they do for the reading itself: slow.
    Raises:
        ValueError: if this reader has no head yet.
    """
    if reader.head is None:
        raise ValueError("this reader has features but no head; fit one first")
    views = _without_each_part(photo, grid)
    if squares:
        distances = reader.head.distances(reader.blocks([view.resize(photo.size) for view in views]))
    else:
        width = 2 if reader.squares else 1  # blocks of one network: the whole photo, then the squares
        blocks: list[Array | None] = [None] * len(reader.head.blocks)
        blocks[::width] = reader.whole(views)
        distances = reader.head.distances(blocks)
    readings = np.stack(
        [MIDDLE + kernel(distances) @ reader.head.weights[:, axis] for axis, kernel in enumerate(reader.head.kernels)]
    )
    return (readings[:, :1] - readings[:, 1:]).reshape(2, grid, grid)


def _without_each_part(photo: Image.Image, grid: int) -> list[Image.Image]:
    """The photo as a square, then once for every window of the grid with that window blurred."""
    sharp = photo.convert("RGB").resize((_VIEW, _VIEW), Image.Resampling.BICUBIC)
    blurred = sharp.filter(ImageFilter.GaussianBlur(_VIEW * _BLUR))
    place = (np.arange(_VIEW) + 0.5) / _VIEW
    centres = (np.arange(grid) + 0.5) / grid
    # Flat in the middle of a window, half gone at its edge: no hard edge for a network to see.
    bumps = np.exp(-0.5 * ((place[None] - centres[:, None]) * 2 * grid / 1.08) ** 4)  # (grid, _VIEW)
    masks = (Image.fromarray((255 * np.outer(row, column)).astype(np.uint8)) for row in bumps for column in bumps)
    return [sharp, *(Image.composite(blurred, sharp, mask) for mask in masks)]


# --- in words


def in_words(photo: Image.Image, effect: Array, axis: str) -> Message:
    """What a map (grid, grid) of an axis shows: the part that adds most, the one that takes most away, and how much.

    Only what was measured is said: where the part lies, whether it is brighter or darker than the photo, its colour.
    """
    strongest = float(np.abs(effect).max())
    if strongest < _SPEAKS:
        return message(
            "No single part of the photo decides how {quality} it is: blurring any of them changes little.",
            quality=_QUALITY[axis],
        )
    said = [
        {"part": _part(photo, signed), "effect": word}
        for signed, word in zip((effect, -effect), _MORE[axis], strict=True)
        if signed.max() >= _SPEAKS
    ]
    parts = (
        message("The {part} makes it {effect}.", **said[0])
        if len(said) == 1
        else message(
            "The {part} makes it {effect}, the {other} makes it {opposite}.",
            **said[0],
            other=said[1]["part"],
            opposite=said[1]["effect"],
        )
    )
    limit = message("Blurring one such part changes the reading by {points} points at most.", points=f"{strongest:.1f}")
    return _both(parts, limit)


def _both(before: Message, after: Message | None) -> Message:
    """Two sentences as one text."""
    return message("{before} {after}", before=before, after=after) if after else before


def _part(photo: Image.Image, effect: Array) -> Message:
    """``bright area at the top``: the part of the photo with the largest effect."""
    grid = len(effect)
    row, column = (int(n) for n in np.unravel_index(int(np.argmax(effect)), effect.shape))
    return message(
        "{area} {place}", area=_look(photo, row, column, grid), place=_PLACES[row * 3 // grid][column * 3 // grid]
    )


def _look(photo: Image.Image, row: int, column: int, grid: int) -> Message:
    """``bright blue area``: how the part differs from the photo, as far as it does."""
    pixels = np.asarray(photo.convert("RGB").resize((8 * grid, 8 * grid)), dtype=np.float64) / 255.0
    part = pixels[8 * row : 8 * row + 8, 8 * column : 8 * column + 8].reshape(-1, 3).mean(axis=0)
    lighter = float(_luminance(part) - _luminance(pixels).mean())
    hue, saturation, value = colorsys.rgb_to_hsv(*part.tolist())
    if saturation < _COLOURED or value < _COLOURED:
        if abs(lighter) <= _APART:
            return message("area")
        return message("bright area") if lighter > 0 else message("dark area")
    colour = next(name for end, name in _HUES if hue * 360 < end)
    if abs(lighter) <= _APART:
        return message("{colour} area", colour=colour)
    return (
        message("bright {colour} area", colour=colour) if lighter > 0 else message("dark {colour} area", colour=colour)
    )


# --- what can be measured about a photo as a whole


def cues(photo: Image.Image) -> dict[str, float]:
    """Plain properties of a photo: mean luminance (0-1), colourfulness (Hasler and Süsstrunk 2003, 0 for grey), warmth
    (mean of red minus blue, -1 to 1) and contrast (standard deviation of the luminance)."""
    pixels = np.asarray(photo.convert("RGB").resize((64, 64)), dtype=np.float64) / 255.0
    red, green, blue = np.moveaxis(pixels, -1, 0)
    opponents = np.stack([red - green, (red + green) / 2 - blue])
    spread, centre = opponents.std(axis=(1, 2)), opponents.mean(axis=(1, 2))
    luminance = _luminance(pixels)
    return {
        "brightness": float(luminance.mean()),
        "colourfulness": float(np.hypot(*spread) + 0.3 * np.hypot(*centre)),
        "warmth": float((red - blue).mean()),
        "contrast": float(luminance.std()),
    }


def _cue_in_words(photo: Image.Image, axis: str) -> Message | None:
    """What a property of the whole photo suggests, where it has much more or less of it than usual."""
    cue, mean, sd, name, r = _BACKED[axis]
    unusual = (cues(photo)[cue] - mean) / sd
    if abs(unusual) < 1.0:
        return None
    more, less = _MORE[axis]
    correlation = f"{r:.1f}"
    if unusual > 0:
        return message(
            "It is more {property} than most photos; people tend to find such photos slightly {effect} (r = {r}).",
            property=name,
            effect=more,
            r=correlation,
        )
    return message(
        "It is less {property} than most photos; people tend to find such photos slightly {effect} (r = {r}).",
        property=name,
        effect=less,
        r=correlation,
    )


CUES: Sequence[str] = ("brightness", "colourfulness", "warmth", "contrast")


def _luminance(rgb: Array) -> Array:
    """Rec. 601 luma of (..., 3) in 0-1."""
    return np.asarray(rgb @ np.array([0.299, 0.587, 0.114]))
