"""Picture files whose samples mean something unusual, of a scene that is known: what is read must be that scene.

    python -m benchmarks.fuzz_pictures [--inputs 20000] [--seed 0] [--out FILE.json]

Writers of TIFF, BMP and PNG put one scene into every layout that they know: photometric interpretations, depths,
signs, floats, byte orders, strips, tiles and planes, compressions, alpha, profiles and gammas. The reader must show
the scene. Then headers lie: the reader must say one sentence or show a picture, soon. Where Pillow by itself reads
a file right, it is asked, too.
"""

from __future__ import annotations

import io
import random
import struct
import sys
import time
import warnings
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.fuzz_record import fuzz_and_record
from eimg_core.errors import InputError
from eimg_core.images import open_photo

Samples = NDArray[Any]
LUMA = np.array([0.299, 0.587, 0.114])
SLOWEST_S = 5.0


def scene(width: int = 48, height: int = 32) -> NDArray[np.float64]:
    """(height, width, 3) in [0, 1]: red grows to the right, green downwards, blue to the left."""
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    return np.stack([x, y, 1 - x], axis=-1)


def gray(picture: NDArray[np.float64]) -> NDArray[np.float64]:
    """(height, width, 1): how bright it is."""
    return (picture @ LUMA)[..., None]


def sampled(values: NDArray[np.float64], kind: str, bits: int) -> Samples:
    """Values in [0, 1] as unsigned (u), signed (i) or floating (f) samples that span their type; floats stay."""
    if kind == "f":
        return values.astype(f"f{bits // 8}")
    low = -(2 ** (bits - 1)) if kind == "i" else 0
    return np.round(values * (2**bits - 1) + low).astype(np.int64)


# --- TIFF -----------------------------------------------------------------------------------------------------------

RAW, LZW, DEFLATE, PACK_BITS = 1, 5, 8, 32773
_FORMATS = {"u": 1, "i": 2, "f": 3}


@dataclass
class Layout:
    """How a TIFF file keeps its samples.

    Args:
        stated: tag → numbers or text to write instead of what is true; ``None`` leaves the tag out.
        profile: ICC profile.
    """

    kind: str = "u"
    bits: int = 8
    photometric: int = 1
    big_endian: bool = False
    long: bool = False
    compression: int = RAW
    predictor: int = 1
    tile: int = 0
    planar: bool = False
    strip_rows: int = 0
    extra: Sequence[int] = ()
    profile: bytes = b""
    stated: Mapping[int, Any] = field(default_factory=dict)


def tiff(samples: Samples, layout: Layout) -> bytes:
    """A TIFF file of samples, (height, width, channels)."""
    height, width, channels = samples.shape
    order = ">" if layout.big_endian else "<"
    planes = [samples[..., c : c + 1] for c in range(channels)] if layout.planar else [samples]
    tall, wide = (layout.tile, layout.tile) if layout.tile else (layout.strip_rows or height, width)
    blocks = [
        _packed(_padded(plane[top : top + tall, left : left + wide], wide, tall if layout.tile else 0), layout, order)
        for plane in planes
        for top in range(0, height, tall)
        for left in range(0, width, wide)
    ]
    start = 16 if layout.long else 8
    offsets = [start + sum(len(block) for block in blocks[:n]) for n in range(len(blocks))]
    tags: dict[int, Any] = {
        256: [width], 257: [height], 258: [layout.bits] * channels, 259: [layout.compression],
        262: [layout.photometric], 277: [channels], 284: [2 if layout.planar else 1],
        339: [_FORMATS[layout.kind]] * channels,
        **({317: [layout.predictor]} if layout.predictor > 1 else {}),
        **({338: list(layout.extra)} if layout.extra else {}),
        **({34675: layout.profile} if layout.profile else {}),
        **({322: [wide], 323: [tall], 324: offsets, 325: [len(b) for b in blocks]} if layout.tile
           else {273: offsets, 278: [tall], 279: [len(b) for b in blocks]}),
    }  # fmt: skip
    tags |= layout.stated
    return _tiff_file(
        {tag: value for tag, value in tags.items() if value is not None}, b"".join(blocks), layout.long, order
    )


def _padded(block: Samples, wide: int, tall: int) -> Samples:
    down, right = max(0, tall - block.shape[0]), wide - block.shape[1]
    return np.pad(block, ((0, down), (0, right), (0, 0))) if down or right else block


def _packed(block: Samples, layout: Layout, order: str) -> bytes:
    """The bytes of a strip or tile."""
    rows, _, channels = block.shape
    size = layout.bits // 8
    if layout.bits not in (8, 16, 32, 64):
        bits = (block.reshape(rows, -1, 1) >> np.arange(layout.bits - 1, -1, -1)) & 1
        packed = np.packbits(bits.reshape(rows, -1).astype(np.uint8), axis=1)
        data = (packed.reshape(-1, 3)[:, ::-1] if layout.bits == 24 and order == "<" else packed).tobytes()
    elif layout.predictor == 3:
        raw = np.frombuffer(block.astype(f">f{size}").tobytes(), np.uint8).reshape(rows, -1, size)
        spread = raw.swapaxes(1, 2).reshape(rows, -1, channels)
        data = np.diff(spread, axis=1, prepend=np.zeros((rows, 1, channels), np.uint8)).tobytes()
    else:
        typed = block.astype(f"{layout.kind}{size}")
        if layout.predictor == 2:
            whole = typed.view(f"u{size}")
            typed = np.diff(whole, axis=1, prepend=np.zeros((rows, 1, channels), whole.dtype))
        data = typed.astype(typed.dtype.newbyteorder(order)).tobytes()
    return {RAW: bytes, LZW: _lzw, DEFLATE: zlib.compress, PACK_BITS: _pack_bits}[layout.compression](data)


def _lzw(data: bytes) -> bytes:
    """Codes of 9 bits alone: the table is cleared before it needs more."""
    codes = []
    for start in range(0, len(data), 250):
        codes += [256, *data[start : start + 250]]
    codes.append(257)
    bits = (np.array(codes)[:, None] >> np.arange(8, -1, -1)) & 1
    return np.packbits(bits.astype(np.uint8).ravel()).tobytes()


def _pack_bits(data: bytes) -> bytes:
    parts = [data[start : start + 128] for start in range(0, len(data), 128)]  # all of them literal
    return b"".join(bytes([len(part) - 1]) + part for part in parts)


def _tiff_file(tags: Mapping[int, Any], body: bytes, long: bool, order: str) -> bytes:
    name, first = (b"II" if order == "<" else b"MM"), 16 if long else 8
    directory = first + len(body) + len(body) % 2
    inline, head, entry = (8, "Q", "HHQ") if long else (4, "H", "HHI")
    values_at = directory + struct.calcsize("<" + head) + len(tags) * (struct.calcsize("<" + entry) + inline) + inline
    entries, values = b"", b""
    for tag, value in sorted(tags.items()):
        if isinstance(value, bytes):
            kind, count, packed = 7, len(value), value
        elif isinstance(value, str):
            kind, count, packed = 2, len(value) + 1, value.encode() + b"\0"
        else:
            kind, count, packed = 4, len(value), struct.pack(f"{order}{len(value)}I", *value)
        if len(packed) > inline:
            values, packed = values + packed, struct.pack(order + ("Q" if long else "I"), values_at + len(values))
        entries += struct.pack(order + entry, tag, kind, count) + packed.ljust(inline, b"\0")
    header = name + struct.pack(
        order + ("HHHQ" if long else "HI"), *((43, 8, 0, directory) if long else (42, directory))
    )
    end = struct.pack(order + ("Q" if long else "I"), 0)
    return header + body.ljust(directory - first, b"\0") + struct.pack(order + head, len(tags)) + entries + end + values


# --- BMP and PNG ----------------------------------------------------------------------------------------------------


def bmp(colours: NDArray[np.uint8], alpha: int | None = None, *, header: int = 108, top_down: bool = False) -> bytes:
    """A BMP file of 24 bits, or of 32 with one alpha for all; its header has 40, 108 or 124 bytes."""
    height, width, _ = colours.shape
    rows = colours[..., ::-1] if top_down else colours[::-1, :, ::-1]
    if alpha is not None:
        rows = np.concatenate([rows, np.full((height, width, 1), alpha, np.uint8)], axis=-1)
    bits = 24 if alpha is None else 32
    masked = bits == 32 and header > 40
    body = b"".join(row.tobytes() + b"\0" * (-row.nbytes % 4) for row in np.ascontiguousarray(rows))
    start = 14 + header
    info = struct.pack("<IiiHHIIiiII", header, width, -height if top_down else height, 1, bits, 3 if masked else 0,
                       len(body), 2835, 2835, 0, 0)  # fmt: skip
    if header > 40:
        info += struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000 if masked else 0) + b"BGRs"
    return b"BM" + struct.pack("<IHHI", start + len(body), 0, 0, start) + info.ljust(header, b"\0") + body


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(samples: Samples, bits: int, *chunks: bytes) -> bytes:
    """A PNG file of samples, (height, width, channels): gray, gray and alpha, RGB, or RGBA."""
    height, width, channels = samples.shape
    flat = samples.reshape(height, -1)
    if bits < 8:
        places = np.arange(bits - 1, -1, -1)
        rows = np.packbits(((flat[..., None] >> places) & 1).reshape(height, -1).astype(np.uint8), axis=1)
    else:
        rows = np.frombuffer(flat.astype(f">u{bits // 8}").tobytes(), np.uint8).reshape(height, -1)
    body = np.pad(rows, ((0, 0), (1, 0))).tobytes()
    head = struct.pack(">IIBBBBB", width, height, bits, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    parts = (chunk(b"IHDR", head), *chunks, chunk(b"IDAT", zlib.compress(body)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


# --- profiles -------------------------------------------------------------------------------------------------------

# Red, green and blue in XYZ under D50, as the profiles of these spaces state them.
SPACES = {
    "sRGB": ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410)),
    "Display P3": ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407)),
    "Adobe RGB": ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457)),
    "ProPhoto RGB": ((0.79767, 0.28804, 0.0), (0.13519, 0.71188, 0.0), (0.03135, 0.00008, 0.82491)),
}


def profile(space: str, gamma: float = 2.2) -> bytes:
    """An ICC profile with three primaries and a gamma; for the space "gray", a gamma alone."""
    curve = b"curv" + struct.pack(">IIH", 0, 1, round(gamma * 256)) + b"\0\0"
    tags = {b"wtpt": _xyz(0.9642, 1.0, 0.82491)}
    if space == "gray":
        tags[b"kTRC"] = curve
    else:
        tags |= {name: _xyz(*place) for name, place in zip((b"rXYZ", b"gXYZ", b"bXYZ"), SPACES[space], strict=True)}
        tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    at = 128 + 4 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for name, data in tags.items():
        table += name + struct.pack(">II", at + len(body), len(data))
        body += data
    kind = b"GRAY" if space == "gray" else b"RGB "
    header = struct.pack(">I", at + len(body)) + b"test" + struct.pack(">I", 0x02400000) + b"mntr" + kind + b"XYZ "
    header = (header.ljust(36, b"\0") + b"acsp").ljust(68, b"\0") + struct.pack(">iii", 63190, 65536, 54061)
    return header.ljust(128, b"\0") + table + body


def _xyz(*values: float) -> bytes:
    return b"XYZ " + struct.pack(">Iiii", 0, *(round(value * 65536) for value in values))


def in_space(picture: NDArray[np.float64], space: str, gamma: float = 2.2) -> NDArray[np.float64]:
    """sRGB values in [0, 1] as values of another space, which must hold them."""
    linear = np.where(picture <= 0.04045, picture / 12.92, ((picture + 0.055) / 1.055) ** 2.4)
    if space != "gray":
        linear = linear @ np.array(SPACES["sRGB"]) @ np.linalg.inv(np.array(SPACES[space]))
    return np.clip(linear, 0, 1) ** (1 / gamma)


# --- files with a known scene ---------------------------------------------------------------------------------------


@dataclass
class Made:
    """A file, the picture that it means, (height, width, 3) in levels, and how near the reader must come.

    Args:
        expected: ``None`` where the header lies and no picture is known.
        plain: whether Pillow by itself reads it right.
    """

    data: bytes = field(repr=False)
    expected: NDArray[np.float64] | None = field(repr=False)
    name: str
    tolerance: float = 1.5
    plain: bool = False


def make(rng: random.Random) -> Made:
    """A file of any kind."""
    made = rng.choice([_any_tiff, _any_tiff, _any_tiff, _any_png, _any_bmp, _any_profile])(rng)
    return _lying(made, rng) if rng.random() < 0.3 else made


def _size(rng: random.Random) -> NDArray[np.float64]:
    return scene(rng.randrange(16, 70), rng.randrange(16, 70))


def _any_tiff(rng: random.Random) -> Made:
    kind, bits = rng.choice([
        ("u", 1), ("u", 2), ("u", 4), ("u", 8), ("u", 8), ("u", 10), ("u", 12), ("u", 12), ("u", 14), ("u", 16),
        ("u", 16), ("u", 24), ("u", 32), ("i", 8), ("i", 12), ("i", 16), ("i", 32), ("f", 16), ("f", 32),
        ("f", 32), ("f", 64),
    ])  # fmt: skip
    colour = rng.random() < 0.3 and bits >= 8
    layout = Layout(kind, bits, 2 if colour else rng.choice([0, 1]))
    layout.big_endian, layout.long = rng.random() < 0.4, rng.random() < 0.2
    layout.compression = rng.choice([RAW, RAW, LZW, DEFLATE, PACK_BITS])
    layout.tile, layout.strip_rows = rng.choice([0, 0, 16, 32]), rng.choice([0, 1, 5, 16])
    layout.planar = colour and rng.random() < 0.3 and bits in (8, 16, 32)
    if layout.compression in (LZW, DEFLATE) and bits in (8, 16, 32):
        layout.predictor = rng.choice([1, 3 if kind == "f" else 2])
    picture = _size(rng)
    values = picture if colour else gray(picture)
    known = _three(values)
    stored = 1 - values if layout.photometric == 0 else values
    samples = sampled(stored, kind, bits)
    if kind == "f" and rng.random() < 0.3:
        samples, known = _with_gaps(samples, known, layout, rng)
    if rng.random() < 0.2 and not layout.planar and bits >= 8:
        alpha = np.full((*samples.shape[:2], 1), 0.5)
        if kind == "u":
            samples, layout.extra = np.concatenate([samples, sampled(alpha, kind, bits)], axis=-1), [2]
            known = (known + 1) / 2
    plain = kind == "u" and bits == 8 and not layout.extra and not (layout.big_endian and layout.long)
    if bits < 8 and kind == "u":  # as written: few levels are far apart
        written = _three(samples[..., :1]) / (2**bits - 1)
        known = 1 - written if layout.photometric == 0 else written
    return Made(tiff(samples, layout), known * 255, f"tiff {kind}{bits} {layout.photometric}", 2.0, plain)


def _with_gaps(
    samples: Samples, known: NDArray[np.float64], layout: Layout, rng: random.Random
) -> tuple[Samples, NDArray[np.float64]]:
    """Some samples without data, which show as white."""
    value = rng.choice([np.nan, np.inf, -np.inf, *([-9999.0, -3.4e38, 1e20] if layout.bits > 16 else [])])
    if rng.random() < 0.3:
        value = -0.5
        layout.stated = {42113: "-0.5"}
    rows, columns = rng.randrange(1, 4), rng.randrange(1, 9)
    samples, known = samples.copy(), known.copy()
    samples[:rows, :columns], known[:rows, :columns] = value, 1.0
    return samples, known


def _any_png(rng: random.Random) -> Made:
    bits, colour = rng.choice([1, 2, 4, 8, 16]), rng.random() < 0.4
    bits = 8 if colour and bits < 8 else bits
    picture = _size(rng)
    values = picture if colour else gray(picture)
    samples, chunks = sampled(values, "u", bits), []
    known = np.round(values * (2**bits - 1)) / (2**bits - 1)
    match rng.randrange(4):
        case 0:  # one colour is transparent
            clear = samples[0, 0]
            chunks.append(chunk(b"tRNS", struct.pack(f">{len(clear)}H", *clear.tolist())))
            known = np.where((samples == clear).all(axis=-1, keepdims=True), 1.0, known)
        case 1 if bits >= 8:
            samples = np.concatenate([samples, sampled(np.full((*samples.shape[:2], 1), 0.25), "u", bits)], axis=-1)
            known = known / 4 + 3 / 4
        case 2 if bits >= 8:
            gamma = rng.choice([1.0, 0.8, 1 / 2.2])
            samples = sampled(values ** (2.2 * gamma), "u", bits)
            chunks.append(chunk(b"gAMA", struct.pack(">I", round(gamma * 1e5))))
            seen = samples >> 8 if colour and bits == 16 else samples  # Pillow gives eight bits of a colour
            known = (seen / (255 if colour or bits == 8 else 65535)) ** (1 / 2.2 / gamma)
            return Made(png(samples, bits, *chunks), _three(known) * 255, f"png {bits} gamma", 12.0)
        case _:
            pass
    return Made(png(samples, bits, *chunks), _three(known) * 255, f"png {bits}", 2.0, bits == 8 and not chunks)


def _three(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.repeat(values, 3, axis=-1) if values.shape[-1] == 1 else values


def _any_bmp(rng: random.Random) -> Made:
    levels = sampled(_size(rng), "u", 8).astype(np.uint8)
    alpha, header = rng.choice([None, 0, 0, 255, 128]), rng.choice([40, 108, 124])
    data = bmp(levels, alpha, header=header, top_down=rng.random() < 0.3)
    mixed = alpha == 128 and header > 40
    expected = levels * (128 / 255) + 255 * (127 / 255) if mixed else levels.astype(np.float64)
    return Made(data, expected, f"bmp {alpha} {header}", plain=alpha is None)


def _any_profile(rng: random.Random) -> Made:
    space = rng.choice([*SPACES, "gray"])
    gamma = rng.choice([1.8, 2.2])
    picture = 0.15 + 0.7 * _size(rng)
    picture = gray(picture) if space == "gray" else picture
    samples = sampled(in_space(picture, space, gamma), "u", 8)
    name, icc = f"profile {space}", profile(space, gamma)
    if rng.random() < 0.5:
        data = png(samples, 8, chunk(b"iCCP", b"p\0\0" + zlib.compress(icc)))
    else:
        data = tiff(samples, Layout(photometric=1 if space == "gray" else 2, profile=icc))
    return Made(data, _three(picture) * 255, name, 10.0 if space == "ProPhoto RGB" else 6.0)  # 8 bits are few for it


def _lying(made: Made, rng: random.Random) -> Made:
    """The same file with another number somewhere in its header."""
    data = bytearray(made.data)
    for _ in range(rng.choice([1, 1, 2, 4])):
        size, order = rng.choice([1, 2, 4]), rng.choice(["big", "little"])
        near_end = rng.random() < 0.5  # where the directory of a TIFF stands
        at = len(data) - rng.randrange(4, min(300, len(data))) if near_end else rng.randrange(min(150, len(data)))
        number = rng.choice([0, 1, 3, 7, 9, 17, 64, 127, 255, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1])
        data[at : at + size] = (number % 256**size).to_bytes(size, order)  # type: ignore[arg-type]
    return Made(bytes(data), None, f"{made.name.split()[0]} that lies")


# --- judgement ------------------------------------------------------------------------------------------------------


def check(made: Made) -> str:
    """``shown`` or ``refused``, the latter only where the header lies.

    Raises:
        AssertionError: the picture is another one, or took too long.
    """
    started = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        photo, refusal = _opened(made.data)
        assert time.perf_counter() - started < SLOWEST_S, f"{made.name} took too long"
        if photo is None:
            assert made.expected is None, f"{made.name}: {refusal}"
            assert len(refusal.splitlines()) == 1
            return "refused"
        if made.expected is not None:
            _near(np.asarray(photo, dtype=float), made)
        if made.plain:
            _near(np.asarray(_plainly(made.data), dtype=float), made)
    return "shown"


def _opened(data: bytes) -> tuple[Image.Image | None, str]:
    """The picture, or why there is none."""
    try:
        return open_photo(data), ""
    except InputError as refusal:
        return None, str(refusal)


def _plainly(data: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(data))
    white = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(white, picture.convert("RGBA")).convert("RGB")


def _near(found: NDArray[np.float64], made: Made) -> None:
    assert made.expected is not None
    assert found.shape == made.expected.shape, f"{made.name}: {found.shape}"
    off = float(np.abs(found - made.expected).max())
    assert off <= made.tolerance, f"{made.name}: a pixel is {off:.1f} levels off"


def run(inputs: int, seed: int) -> dict[str, Any]:
    """Make, read and count."""
    rng, findings = random.Random(seed), []
    counts: dict[str, Counter[str]] = {}
    slowest = 0.0
    for number in range(inputs):
        made = make(rng)
        started = time.perf_counter()
        try:
            outcome = check(made)
        except Exception as error:
            outcome = "finding"
            findings.append(f"{number}: {type(error).__name__}: {str(error)[:200]}")
        slowest = max(slowest, time.perf_counter() - started)
        counts.setdefault(made.name, Counter())[outcome] += 1
    return {
        "inputs": inputs,
        "layouts": len(counts),
        "known": sum(sum(count.values()) for name, count in counts.items() if "lies" not in name),
        "lies": {name: dict(sorted(count.items())) for name, count in sorted(counts.items()) if "lies" in name},
        "slowest_s": round(slowest, 3),
        "findings": findings[:50],
    }


def main(argv: Sequence[str] | None = None) -> int:
    return fuzz_and_record("fuzz_pictures", __doc__, run, argv)


if __name__ == "__main__":
    sys.exit(main())
