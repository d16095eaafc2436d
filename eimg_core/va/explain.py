"""Why a photo is read as it is: what each of its parts adds to the reading, and which classes that the networks see in
it moved the reading.

The parts follow the picture: what looks alike to a network and lies together is one part. A part is taken away where
the networks' maps are averaged, and an average photo stands in for it. What a part adds is its Shapley value (Shapley
1953; Štrumbelj and Kononenko 2014): the mean change of the reading when it joins other parts, over orders in which all
of them join. So the effects of all parts sum to the reading minus that of an average photo, and one pass of the
networks is enough. They look at the whole photo, not at the squares as well.

A class is taken out of what the networks see by giving its probability to the others; what the reading loses is what
the class contributed.

Conventions: effects are points of the 1-9 scale, rows from the top, columns from the left. A positive effect: the part
or the class makes the photo more pleasant, or more exciting.
"""

from __future__ import annotations

import colorsys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from eimg_core.messages import Message, message
from eimg_core.va.class_knowledge import class_knowledge, probabilities
from eimg_core.va.image_reader import ImageReader, Sight
from eimg_core.va.kernel_head import KernelHead

__all__ = ["CUES", "GRID", "Explanation", "SeenClass", "cues", "effects", "explain", "in_words", "parts_of"]

Array = NDArray[np.float64]

GRID = 24  # cells on each side of a map
PARTS = 9  # the photo is divided into about so many
_MERGED = 0.02  # share of the photo below which a part joins its neighbour
_ROUNDS = 12  # of k-means
_NEARNESS = 0.6  # how much the distance between cells counts beside how they look to the network
_ORDERS = 8  # in which the parts join, and each of them backwards as well
_SPEAKS = 0.05  # points; a part that changes less is not worth a word
_LIKELY = 0.04  # probability from which a class is worth a word
_NAMED = 3  # classes at most
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
class SeenClass:
    """A class that the networks see in a photo, and what it contributes to the reading.

    Args:
        name: its English name in ImageNet.
        probability: the mean over networks and views, in 0-1.
        valence, arousal: effects of this class alone.
    """

    name: str
    probability: float
    valence: float
    arousal: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """What each part of a photo, and each class seen in it, does to the reading.

    Args:
        valence, arousal: effects, ``GRID`` rows of ``GRID`` numbers each; the cells of a part have the same effect.
        words: ``valence`` and ``arousal`` → what the map and the classes show.
        classes: the likeliest, none where the networks have no class layers or recognise nothing.
    """

    valence: tuple[tuple[float, ...], ...]
    arousal: tuple[tuple[float, ...], ...]
    words: Mapping[str, Message]
    classes: tuple[SeenClass, ...]


def explain(reader: ImageReader, photo: Image.Image) -> Explanation:
    """Both maps of one photo (RGB, as ``images.open_photo`` gives it), and what to say about them. Deterministic.

    Raises:
        ValueError: if this reader has no head yet.
    """
    if reader.head is None:
        raise ValueError("this reader has features but no head; fit one first")
    both = effects(reader, photo)
    classes, together = _classes(reader.head, reader.look([photo]))
    maps = [tuple(tuple(round(float(x), 4) for x in row) for row in one) for one in both]
    words = {
        axis: _sentences(
            _classes_in_words(classes, float(effect), axis), in_words(photo, one, axis), _cue_in_words(photo, axis)
        )
        for axis, one, effect in zip(_MORE, both, together, strict=True)
    }
    return Explanation(maps[0], maps[1], words, classes)


def effects(reader: ImageReader, photo: Image.Image) -> Array:
    """What each cell's part adds to the reading of the whole photo: (2, GRID, GRID), valence and arousal.

    Raises:
        ValueError: if this reader has no head yet.
    """
    if reader.head is None:
        raise ValueError("this reader has features but no head; fit one first")
    maps = reader.maps(photo)
    parts = parts_of(maps[0])
    return _added(reader, maps, parts)[:, parts]


def _added(reader: ImageReader, maps: Sequence[Sequence[Tensor]], parts: NDArray[np.int_]) -> Array:
    """Shapley values of the parts, (2, P)."""
    number = int(parts.max()) + 1
    chance = np.random.default_rng(0)
    orders = [chance.permutation(number) for _ in range(_ORDERS)]
    orders += [order[::-1] for order in orders]
    # Before the first part joins, and after each: who is there, (orders, P + 1, P).
    there = np.stack([np.argsort(order)[None] < np.arange(number + 1)[:, None] for order in orders])
    sets, which = np.unique(there.reshape(-1, number), axis=0, return_inverse=True)
    readings = _readings_of(reader, maps, parts, sets)[which.reshape(len(orders), number + 1)]
    joined = np.diff(readings, axis=1)  # (orders, P, 2), in the order of each
    added = np.zeros((number, 2))
    for order, change in zip(orders, joined, strict=True):
        added[order] += change / len(orders)
    return added.T


def _readings_of(
    reader: ImageReader, maps: Sequence[Sequence[Tensor]], parts: NDArray[np.int_], sets: NDArray[np.bool_]
) -> Array:
    """Readings of the photo with some of its parts, an average photo elsewhere: sets (S, P) → (S, 2)."""
    assert reader.head is not None
    usual, start = reader.head.centre, 0
    blocks, logits = [], []
    for number, net_maps in enumerate(maps):
        width = sum(one.shape[0] for one in net_maps)
        means = [
            _average(one, parts, sets, usual[start + at : start + at + len(one)]) for at, one in _offsets(net_maps)
        ]
        mean = np.concatenate(means, axis=1)
        start += width
        blocks.append(mean)
        if reader.spreads:
            mean_usual, spread_usual = usual[start - width : start], usual[start : start + width]
            power = mean_usual**2 + spread_usual**2
            squares = [_average(one**2, parts, sets, power[at : at + len(one)]) for at, one in _offsets(net_maps)]
            blocks[-1] = np.concatenate(
                [mean, np.sqrt(np.maximum(np.concatenate(squares, axis=1) - mean**2, 0))], axis=1
            )
            start += width
        if reader.class_layers:
            logits.append(reader.class_layers[number].of_means(torch.from_numpy(means[-1]).float()).numpy())
    sight = Sight(tuple(blocks), np.mean(logits, axis=0).astype(np.float64) if logits else None)
    return reader.head.readings(np.concatenate(sight.blocks(), axis=1))


def _offsets(maps: Sequence[Tensor]) -> list[tuple[int, Tensor]]:
    """Each map (C, H, W), and the place of its first channel among all."""
    places = np.cumsum([0, *(len(one) for one in maps)])
    return list(zip(places.tolist(), maps, strict=False))


def _average(one: Tensor, parts: NDArray[np.int_], sets: NDArray[np.bool_], usual: Array) -> Array:
    """Mean of a map (C, H, W) over each set of parts, with ``usual`` (C,) where the others were: (S, C)."""
    cells = np.stack([parts == number for number in range(sets.shape[1])]).astype(np.float32)
    areas = torch.nn.functional.interpolate(torch.from_numpy(cells)[None], one.shape[1:], mode="area")[0]
    shares = areas.flatten(1).double().numpy() / areas[0].numel()  # (P, cells): each cell among the parts
    here = sets @ (shares @ one.flatten(1).T.double().numpy())
    return np.asarray(here + (1.0 - sets @ shares.sum(axis=1))[:, None] * usual)


# --- parts


def parts_of(maps: Sequence[Tensor]) -> NDArray[np.int_]:
    """The number of the part that each cell belongs to, (GRID, GRID), from 0 on without gaps.

    k-means over where the cells lie and how a network sees them; what does not hang together is parted, and what is
    small joins its neighbour.

    Args:
        maps: of one network, finest first, (C, H, W) each; the last of at least half as many cells as a map is taken.
    """
    seen = [one for one in maps if one.shape[-1] >= GRID // 2 or one is maps[0]][-1][None]
    cells = torch.nn.functional.interpolate(seen, (GRID, GRID), mode="bilinear", align_corners=False)[0]
    looks = cells.flatten(1).T.double().numpy()  # (cells, C)
    looks = looks - looks.mean(axis=0)
    looks /= np.sqrt((looks**2).sum(axis=1).mean()) + 1e-9
    place = (np.stack(np.meshgrid(*[np.arange(GRID)] * 2, indexing="ij"), axis=-1).reshape(-1, 2) + 0.5) / GRID
    points = np.concatenate([looks, _NEARNESS * 2 * place], axis=1)
    side = round(PARTS**0.5)
    first = ((np.arange(side) + 0.5) * GRID / side).astype(int)
    centres = points.reshape(GRID, GRID, -1)[first][:, first].reshape(side * side, -1)
    for _ in range(_ROUNDS):
        nearest = ((points[:, None] - centres[None]) ** 2).sum(axis=-1).argmin(axis=1)
        centres = np.stack(
            [points[nearest == n].mean(axis=0) if (nearest == n).any() else c for n, c in enumerate(centres)]
        )
    return _joined(_connected(nearest.reshape(GRID, GRID)), points.reshape(GRID, GRID, -1))


def _connected(labels: NDArray[np.int_]) -> NDArray[np.int_]:
    """Every piece of a label that hangs together by its sides, numbered from 0."""
    found = np.full(labels.shape, -1)
    number = 0
    for start in np.ndindex(labels.shape):
        if found[start] >= 0:
            continue
        waiting = [start]
        while waiting:
            row, column = waiting.pop()
            if found[row, column] >= 0:
                continue
            found[row, column] = number
            for there in ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)):
                inside = all(0 <= n < size for n, size in zip(there, labels.shape, strict=True))
                if inside and labels[there] == labels[start]:
                    waiting.append(there)
        number += 1
    return found


def _joined(parts: NDArray[np.int_], points: Array) -> NDArray[np.int_]:
    """Parts below ``_MERGED`` of the photo, the smallest first, join the neighbour that looks most alike."""
    while True:
        sizes = np.bincount(parts.ravel())
        smallest = int(np.argmin(sizes))
        if sizes[smallest] >= _MERGED * parts.size or len(sizes) == 1:
            return parts
        own = parts == smallest
        beside = np.zeros_like(own)
        beside[1:] |= own[:-1]
        beside[:-1] |= own[1:]
        beside[:, 1:] |= own[:, :-1]
        beside[:, :-1] |= own[:, 1:]
        centre = points[own].mean(axis=0)
        likely = min(
            set(parts[beside & ~own].tolist()),
            key=lambda n: float(((points[parts == n].mean(axis=0) - centre) ** 2).sum()),
        )
        parts = np.where(own, likely, parts)
        parts = np.unique(parts, return_inverse=True)[1].reshape(parts.shape)


# --- classes


def _classes(head: KernelHead, sight: Sight) -> tuple[tuple[SeenClass, ...], Array]:
    """The likeliest classes of one photo with the effect of each, and the effect of all of them together, (2,)."""
    if sight.logits is None:
        return (), np.zeros(2)
    found = probabilities(sight.logits)[0]  # (T, 1000)
    likely = [int(n) for n in np.argsort(-found[0], kind="stable")[:_NAMED] if found[0, n] >= _LIKELY]
    if not likely:
        return (), np.zeros(2)
    taken_out = [[], *([n] for n in likely), likely]
    maps = tuple(np.repeat(one, len(taken_out), axis=0) for one in sight.maps)
    rows = np.stack([_without(found, out) for out in taken_out])
    lost = _lost(head, np.concatenate(Sight(maps, sight.logits).blocks(rows), axis=1))
    names = class_knowledge().names
    seen = tuple(
        SeenClass(names[n], round(float(found[0, n]), 4), *(round(float(x), 4) for x in lost[:, place]))
        for place, n in enumerate(likely)
    )
    return seen, lost[:, -1]


def _lost(head: KernelHead, features: Array) -> Array:
    """The reading of the first row minus those of the others: (1 + P, F) → (2, P)."""
    readings = head.readings(features)
    return (readings[:1] - readings[1:]).T


def _without(found: Array, classes: Sequence[int]) -> Array:
    """Probabilities (T, 1000) with those of some classes given to the others."""
    left = found.copy()
    left[:, list(classes)] = 0.0
    return np.asarray(left / left.sum(axis=1, keepdims=True))


# --- in words


def _sentences(*told: Message | None) -> Message:
    """What there is to say, as one text."""
    first, *others = [one for one in told if one]
    for one in others:
        first = message("{before} {after}", before=first, after=one)
    return first


def _classes_in_words(classes: Sequence[SeenClass], together: float, axis: str) -> Message | None:
    """What the photo looks like to the networks, and what that does to the reading."""
    if not classes:
        return None
    likely = [message("{name} ({percent} %)", name=one.name, percent=round(100 * one.probability)) for one in classes]
    if abs(together) < _SPEAKS:
        return message("It looks like: {classes}; that changes little.", classes=likely)
    return message(
        "It looks like: {classes}; that makes it {effect}, by {points} points.",
        classes=likely,
        effect=_MORE[axis][0 if together > 0 else 1],
        points=f"{abs(together):.1f}",
    )


def in_words(photo: Image.Image, effect: Array, axis: str) -> Message:
    """What a map (grid, grid) of an axis shows: the part that adds most, the one that takes most away, and how much.

    Only what was measured is said: where the part lies, whether it is brighter or darker than the photo, its colour.
    """
    strongest = float(np.abs(effect).max())
    if strongest < _SPEAKS:
        return message(
            "No single part of the photo decides how {quality} it is.",
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
    limit = message(
        "Compared with an average photo, no part adds or takes more than {points} points.", points=f"{strongest:.1f}"
    )
    return _sentences(parts, limit)


def _part(photo: Image.Image, effect: Array) -> Message:
    """``bright area at the top``: the part of the photo with the largest effect."""
    cells = effect >= effect.max() - 1e-9
    row, column = (float(np.mean(place)) + 0.5 for place in np.nonzero(cells))
    place = _PLACES[int(row * 3 / len(effect))][int(column * 3 / len(effect))]
    return message("{area} {place}", area=_look(photo, cells), place=place)


def _look(photo: Image.Image, cells: NDArray[np.bool_]) -> Message:
    """``bright blue area``: how the part in these cells differs from the photo, as far as it does."""
    side = 4 * len(cells)
    pixels = np.asarray(photo.convert("RGB").resize((side, side)), dtype=np.float64) / 255.0
    part = pixels[np.kron(cells, np.ones((4, 4), dtype=bool))].mean(axis=0)
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
