"""TIFF pictures whose samples Pillow cannot read, or reads as if they were something else.

Pillow knows unsigned samples of up to 8 bits, and colours of 16. Beyond that it refuses most layouts, and forgets of
others that 0 is white, how many bits a sample has, or its sign. Here the bytes of each row are taken out by Pillow,
which unpacks every compression, as if they were a gray picture of 8 bits, and are then read as what they are.

Reference: "TIFF Revision 6.0" and its technical notes on predictors; GDAL's tag for values without data.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from eimg_core.pixels.levels import levels_of

__all__ = ["DeepTiff", "deep_tiff", "is_raw"]

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _SAMPLES = 256, 257, 258, 259, 262, 277
_FILL_ORDER, _PLANAR, _PREDICTOR, _EXTRA, _FORMAT = 266, 284, 317, 338, 339
_STRIP_OFFSETS, _STRIP_ROWS, _STRIP_BYTES = 273, 278, 279
_TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS, _TILE_BYTES = 322, 323, 324, 325
_ORIENTATION, _PROFILE, _NO_DATA = 274, 34675, 42113
_KEPT = (_COMPRESSION, _FILL_ORDER, _STRIP_OFFSETS, _STRIP_ROWS, _STRIP_BYTES, _TILE_HEIGHT, _TILE_OFFSETS, _TILE_BYTES)
_PREDICTING = (5, 8, 32946, 34925, 50000)  # compressions that a predictor may stand before
_BYTEWISE = (1, 32773, *_PREDICTING)  # compressions that know nothing of samples
_WHITE_IS_ZERO, _GRAY, _RGB = 0, 1, 2
_ASSOCIATED, _UNASSOCIATED = 1, 2  # extra samples that are alpha
_UNSIGNED, _SIGNED, _FLOAT = "u", "i", "f"
_LONG = 4  # type of values in a directory
_KINDS = {1: _UNSIGNED, 2: _SIGNED, 3: _FLOAT, 4: _UNSIGNED}  # 4: not said
_INTEGERS = (*range(1, 25), 32, 64)  # bits
_BIG, _MOST_TAGS, _MOST_VALUES = 43, 4096, 1 << 17
_DNG, _SENSOR = 50706, (32803, 34892)  # a tag; photometric interpretations
_USED = frozenset((
    _WIDTH, _HEIGHT, _BITS, _PHOTOMETRIC, _SAMPLES, _PLANAR, _PREDICTOR, _EXTRA, _FORMAT, _TILE_WIDTH, _ORIENTATION,
    _PROFILE, _NO_DATA, _DNG, *_KEPT,
))  # fmt: skip
_RAW_MARKS = (b"FUJIFILMCCD-RAW", b"FOVb", b"IIU\0", b"IIRO", b"IIRS", b"MMOR")
_TYPES = {1: "B", 2: "B", 3: "H", 4: "I", 6: "b", 7: "B", 8: "h", 9: "i", 16: "Q", 17: "q"}
_BROKEN = (KeyError, ValueError, OverflowError, struct.error)  # what tags lead to that may hold anything
_LONGEST_ROW, _MOST_BYTES = 1 << 24, 80_000_000  # the latter has room for 40 megapixels of 16 bits

Tags = dict[int, Sequence[int]]
"""Tag → its values; bytes and text are ``bytes``."""


@dataclass(frozen=True)
class DeepTiff:
    """The first picture of a file, not yet decoded.

    Args:
        size: width and height.
        orientation: as in EXIF.
        profile: ICC profile, if there is one.
    """

    size: tuple[int, int]
    orientation: int
    profile: bytes | None
    _content: bytes
    _tags: Tags
    _kind: str
    _bits: int
    _channels: int

    @property
    def order(self) -> str:
        """Of bytes: ``<`` or ``>``, as in ``struct``."""
        return "<" if self._content[:2] == b"II" else ">"

    def decode(self) -> Image.Image:
        """The picture in mode L, RGB or RGBA, as stored: not turned, its profile not applied.

        Raises:
            MemoryError: the samples take over 80 MB.
            NotImplementedError: their layout is one that nobody reads here.
            Exception: of any other kind; the file is damaged.
        """
        colours = 3 if _number(self._tags, _PHOTOMETRIC) == _RGB else 1
        rows = _Rows(self)
        full = self._bits if self._kind == _UNSIGNED and self._bits <= 16 else None
        levels = levels_of(
            lambda start, stop: rows.samples(start, stop)[..., :colours],
            self.size[1],
            self.size[0] * colours,
            depth=full,
            inverted=_number(self._tags, _PHOTOMETRIC) == _WHITE_IS_ZERO,
            no_data=_no_data(self._tags),
        )
        picture = Image.fromarray(levels if colours == 3 else levels[..., 0])
        extra = _number(self._tags, _EXTRA, 0)
        if self._channels == colours or extra not in (_ASSOCIATED, _UNASSOCIATED):
            return picture
        alpha = levels_of(
            lambda start, stop: rows.samples(start, stop)[..., colours], self.size[1], self.size[0], depth=full
        )
        planes = (*picture.convert("RGB").split(), Image.fromarray(alpha))
        return Image.merge("RGBa" if extra == _ASSOCIATED else "RGBA", planes).convert("RGBA")


def deep_tiff(content: bytes) -> DeepTiff | None:
    """The first picture of a TIFF file with gray or RGB samples that Pillow does not read right.

    Returns:
        ``None`` for other files, for layouts that Pillow reads, and for those that nobody here reads.
    """
    try:
        tags = _tags_of(content)
        width, height, photometric = _number(tags, _WIDTH), _number(tags, _HEIGHT), _number(tags, _PHOTOMETRIC)
        channels, bits, kind = _number(tags, _SAMPLES, 1), _only(tags[_BITS]), _KINDS[_only(tags.get(_FORMAT, (1,)))]
    except _BROKEN:
        return None  # Pillow says what it is
    readable = (
        min(width, height) > 0
        and channels >= (3 if photometric == _RGB else 1)
        and bits in ((16, 32, 64) if kind == _FLOAT else _INTEGERS)
        and photometric in (_WHITE_IS_ZERO, _GRAY, _RGB)
        and _number(tags, _COMPRESSION, 1) in _BYTEWISE
        and width * channels * bits <= 8 * _LONGEST_ROW
    )
    if not readable or _pillow_reads(content, tags, kind, bits, channels):
        return None
    orientation, profile = _number(tags, _ORIENTATION, 1), tags.get(_PROFILE)
    profile = profile if isinstance(profile, bytes) else None
    return DeepTiff((width, height), orientation, profile, content, tags, kind, bits, channels)


def is_raw(content: bytes) -> bool:
    """Whether this is what a camera's sensor saw, before it is a picture."""
    if content.startswith(_RAW_MARKS) or (content.startswith(b"II*\0") and content[8:10] == b"CR"):
        return True
    try:
        tags = _tags_of(content)
        return _DNG in tags or _number(tags, _PHOTOMETRIC) in _SENSOR
    except _BROKEN:
        return False


def _tags_of(content: bytes) -> Tags:
    """The tags of a file's first picture, those alone that are used here and hold whole numbers or bytes.

    Raises:
        ValueError: this is no TIFF file.
        OverflowError, struct.error: its numbers lead out of the file.
    """
    order = {b"II": "<", b"MM": ">"}.get(content[:2], "")
    (version,) = struct.unpack_from(f"{order}H", content, 2) if order else (0,)
    if version not in (42, _BIG):
        raise ValueError("no TIFF file")
    head, entry, offset = ("Q", "HHQ", "Q") if version == _BIG else ("H", "HHI", "I")
    (at,) = struct.unpack_from(order + offset, content, struct.calcsize(f"={offset}"))
    (count,) = struct.unpack_from(order + head, content, at)
    at += struct.calcsize(f"={head}")
    tags: Tags = {}
    for _ in range(min(count, _MOST_TAGS)):
        tag, kind, length = struct.unpack_from(order + entry, content, at)
        value_at, at = at + struct.calcsize(f"={entry}"), at + struct.calcsize(f"={entry}{offset}")
        letter = _TYPES.get(kind)
        if letter is None or tag not in _USED or tag in tags:
            continue
        size = length * struct.calcsize(letter)
        if size > struct.calcsize(f"={offset}"):
            (value_at,) = struct.unpack_from(order + offset, content, value_at)
        if letter == "B":
            tags[tag] = content[value_at : value_at + size]
        elif length <= _MOST_VALUES:
            tags[tag] = struct.unpack_from(f"{order}{length}{letter}", content, value_at)
    return tags


def _number(tags: Tags, tag: int, usual: int | None = None) -> int:
    """A tag's first value.

    Raises:
        KeyError: it has none, and there is no usual one.
    """
    values = tags.get(tag)
    if values:
        return values[0]
    if usual is None:
        raise KeyError(tag)
    return usual


def _only(values: Sequence[int]) -> int:
    """The one value that all are.

    Raises:
        ValueError: they differ.
    """
    (value,) = set(values)
    return value


def _pillow_reads(content: bytes, tags: Tags, kind: str, bits: int, channels: int) -> bool:
    if kind != _UNSIGNED or (content[:3] == b"MM\0" and content[3] == _BIG):
        return False
    if _number(tags, _PHOTOMETRIC) == _RGB:
        return bits == 8 or (bits == 16 and _number(tags, _PLANAR, 1) == 1)
    return bits in (1, 2, 4, 8) and channels == 1


def _no_data(tags: Tags) -> float | None:
    """The value that GDAL declares to mean nothing."""
    try:
        return float(bytes(tags[_NO_DATA]).strip(b"\0 "))
    except (KeyError, ValueError):  # there is none, or it is no number
        return None


class _Rows:
    """The samples of a file, some rows at a time.

    Raises:
        Exception: of any kind; the file is damaged.
    """

    def __init__(self, tiff: DeepTiff) -> None:
        tags = tiff._tags
        self.kind, self.bits, self.width = tiff._kind, tiff._bits, tiff.size[0]
        self.order = tiff.order
        predicts = _number(tags, _COMPRESSION, 1) in _PREDICTING
        self.predictor = _number(tags, _PREDICTOR, 1) if predicts else 1
        planes = tiff._channels if _number(tags, _PLANAR, 1) == 2 else 1
        self.channels = tiff._channels // planes
        self.across = _number(tags, _TILE_WIDTH, self.width)  # samples are packed and predicted within a tile
        row_bytes = (self.across * self.channels * self.bits + 7) // 8
        picture = _as_bytes(tiff, row_bytes, planes)
        self.bytes = np.asarray(picture).reshape(tiff.size[1], -1, row_bytes, planes)  # (height, tiles, bytes, planes)

    def samples(self, start: int, stop: int) -> NDArray:
        """(rows, width, channels) of unsigned or signed integers or floats."""
        packed = np.moveaxis(self.bytes[start:stop], 3, 2)  # (rows, tiles, planes, bytes)
        values = self._values(np.ascontiguousarray(packed))
        values = np.moveaxis(values, 2, 3)  # (rows, tiles, across, planes, channels)
        rows, tiles, across, planes, channels = values.shape
        return values.reshape(rows, tiles * across, planes * channels)[:, : self.width]

    def _values(self, packed: NDArray[np.uint8]) -> NDArray:
        """(rows, tiles, planes, bytes) → (rows, tiles, planes, across, channels)."""
        shape = (*packed.shape[:3], self.across, self.channels)
        if self.bits not in (8, 16, 32, 64):
            return self._unpacked(packed).reshape(shape)
        order, size = self.order, self.bits // 8
        if self.predictor == 3:  # differences of bytes, the highest of all samples first
            order = ">"
            bytes_ = np.cumsum(packed.reshape(*packed.shape[:3], -1, self.channels), axis=3, dtype=np.uint8)
            packed = np.ascontiguousarray(bytes_.reshape(*packed.shape[:3], size, -1).swapaxes(3, 4))
        kind = _UNSIGNED if self.predictor == 2 else self.kind
        values = packed.reshape(-1).view(f"{order}{kind}{size}").reshape(shape)
        if self.predictor == 2:  # differences of samples
            values = np.cumsum(values, axis=3, dtype=f"u{size}").view(f"{self.kind}{size}")
        return values.astype(np.float32 if values.dtype.kind == "f" and size == 2 else values.dtype.newbyteorder("="))

    def _unpacked(self, packed: NDArray[np.uint8]) -> NDArray:
        """Samples of any number of bits, the highest bit first; those of three whole bytes in the file's order."""
        if self.predictor != 1:
            raise NotImplementedError(f"a predictor of samples of {self.bits} bits")
        if self.bits == 24 and self.order == "<":
            packed = packed.reshape(-1, 3)[:, ::-1].reshape(packed.shape)
        count = self.across * self.channels
        bits = np.unpackbits(packed, axis=3)[..., : count * self.bits].reshape(*packed.shape[:3], count, self.bits)
        values = -bits[..., 0].astype(np.int32) if self.kind == _SIGNED else bits[..., 0].astype(np.int32)
        for place in range(1, self.bits):
            values = 2 * values + bits[..., place]
        return values


def _as_bytes(tiff: DeepTiff, row_bytes: int, planes: int) -> Image.Image:
    """The bytes of all rows, as a gray picture or, where colours have planes of their own, as three.

    Raises:
        MemoryError: there are too many.
        NotImplementedError: there are two planes, or more than three.
    """
    tags = tiff._tags
    if planes not in (1, 3):
        raise NotImplementedError(f"{planes} planes")
    tiles = -(-tiff.size[0] // _number(tags, _TILE_WIDTH, tiff.size[0]))
    if tiles * row_bytes * planes * tiff.size[1] > _MOST_BYTES:
        raise MemoryError
    stated = {tag: tags[tag] for tag in _KEPT if tag in tags}
    stated |= {_WIDTH: (tiles * row_bytes,), _HEIGHT: (tiff.size[1],), _BITS: (8,) * planes, _SAMPLES: (planes,)}
    stated |= {_PHOTOMETRIC: (_RGB if planes == 3 else _GRAY,), _PLANAR: (2 if planes == 3 else 1,)}
    if _TILE_WIDTH in tags:
        stated[_TILE_WIDTH] = (row_bytes,)
    content = tiff._content + _directory(stated, len(tiff._content), tiff.order)
    header = struct.pack(f"{tiff.order}2sHI", content[:2], 42, len(tiff._content))
    picture = Image.open(io.BytesIO(header + content[len(header) :]), formats=("TIFF",))
    picture.load()
    return picture


def _directory(tags: Tags, start: int, order: str) -> bytes:
    """An image file directory that stands at byte ``start``."""
    entries, values = b"", b""
    values_start = start + 2 + 12 * len(tags) + 4
    for tag, numbers in sorted(tags.items()):
        packed = struct.pack(f"{order}{len(numbers)}I", *numbers)
        if len(numbers) > 1:
            values, packed = values + packed, struct.pack(f"{order}I", values_start + len(values))
        entries += struct.pack(f"{order}HHI", tag, _LONG, len(numbers)) + packed
    return struct.pack(f"{order}H", len(tags)) + entries + struct.pack(f"{order}I", 0) + values
