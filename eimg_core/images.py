"""Photos: any file a visitor hands over becomes an upright RGB picture, or one sentence that says why not.

Conventions: a photo is a ``PIL.Image`` in mode RGB whose longest side is at most ``LONGEST_SIDE`` pixels; an
image tensor is (3, S, S), float32, in [-1, 1]. A file is judged by its content, never by its name, and its
size is read from the header before a pixel is decoded. Colours become sRGB by the file's profile; then its metadata
(place, camera, profile) is dropped.

Memory is bounded: a photo of more than 40 megapixels is decoded while no other one of that size is, takes at most five
bytes for each of its 120 million pixels, and is shrunk before anything else is made of it. A JPEG is decoded at a
fraction of its size in the first place.
"""

from __future__ import annotations

import io
import threading
import warnings
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from eimg_core.errors import InputError
from eimg_core.messages import Message, message
from eimg_core.pixels.colour import gamma_table, to_srgb
from eimg_core.pixels.levels import WHITE, levels_of
from eimg_core.pixels.mpo import mended_mpo
from eimg_core.pixels.tiff import DeepTiff, deep_tiff, is_raw

__all__ = [
    "FORMATS",
    "LONGEST_SIDE",
    "MAX_FILE_BYTES",
    "MAX_PIXELS",
    "SMALLEST_SIDE",
    "open_photo",
    "to_image",
    "to_tensor",
]

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")  # HEIC joins them where pillow-heif is installed
MAX_FILE_BYTES = 20 * 1024 * 1024
MAX_PIXELS = 120_000_000
_PIXELS_AT_ONCE = 40_000_000  # photos with more are decoded one after the other, and shrunk before all else
_REDUCIBLE = ("RGB", "RGBA", "LA", "CMYK", "I", "F")
_ONE_LARGE = threading.Lock()
LONGEST_SIDE = 1024  # px; no model here looks at more than 260, and the page shows no more
SMALLEST_SIDE = 16  # px of the file; below this there is no photo to look at
_NARROWEST = 8  # px after scaling down; a longer strip is not a photo either

# EXIF orientation → the turn that makes the picture upright. Orientation 1 needs none.
_ORIENTATION_TAG = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


_RARE: dict[str, bytes | tuple[bytes, ...]] = {
    "JPEG": b"\xff\xd8\xff",
    "PNG": b"\x89PNG",
    "GIF": b"GIF8",
    "TIFF": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
}
"""First bytes of formats that are read, but not in all their kinds."""

_MARKS: dict[str, bytes | tuple[bytes, ...]] = {
    **_RARE,
    "PDF": b"%PDF",
    "JPEG 2000": (b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51"),
    "JPEG XL": (b"\0\0\0\x0cJXL ", b"\xff\x0a"),
    "Photoshop": b"8BPS",
    "OpenEXR": b"v/1\x01",
    "Radiance": b"#?RADIANCE",
}
"""First bytes of formats that are recognised."""


def open_photo(source: Path | str | bytes) -> Image.Image:
    """Read a photo that may be anything at all.

    Animations give their first frame, transparent parts become white, the EXIF orientation is applied, and
    samples of other depths than 8 bits are read as what they mean (``eimg_core.pixels``).

    Args:
        source: a file (path), or the bytes of one.
    Returns:
        A new, fully loaded RGB picture; longest side at most ``LONGEST_SIDE``, shortest at least 8 pixels.
    Raises:
        InputError: one sentence with the file's name (never its folder) and what to do, if the file is
            missing, empty, over 20 MB, over 120 megapixels, damaged, not a photo, or too small or narrow.
    """
    name: str = message("The photo") if isinstance(source, bytes) else _shown_name(source)
    content = source if isinstance(source, bytes) else _read_file(Path(source), name)
    _check_file_size(len(content), name)
    content = mended_mpo(content)
    picture = deep_tiff(content) or _open_header(content, name)
    _check_shape(picture.size, name)
    try:
        return _decode(picture)
    except NotImplementedError as fault:
        raise _unusable(content, name) from fault
    except MemoryError as fault:
        raise InputError(
            message(
                "{name} needs more memory than there is; please use a JPEG, PNG or WebP photo of a smaller size.",
                name=name,
            )
        ) from fault
    except Exception as fault:  # hostile bytes raise OSError, SyntaxError, struct.error, zlib.error, ...
        raise InputError(
            message(
                "{name} is damaged or incomplete and cannot be read to its end; "
                "please save or download it again, or choose another photo.",
                name=name,
            )
        ) from fault


def to_tensor(photo: Image.Image, size: int) -> torch.Tensor:
    """The centre square of a photo as numbers.

    Args:
        photo: any PIL picture; other modes than RGB are converted.
        size: S, side of the result in pixels.
    Returns:
        (3, S, S), float32, in [-1, 1]; black is -1 and white is 1.
    Raises:
        ValueError: if ``size`` is below 1.
    """
    if size < 1:
        raise ValueError(f"the side of an image tensor must be at least 1, got {size}")
    width, height = photo.size
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    square = photo.convert("RGB").crop((left, top, left + side, top + side))
    # Pillow's bicubic filter widens with the scale, so fine patterns are averaged and do not shimmer.
    square = square.resize((size, size), Image.Resampling.BICUBIC)
    pixels = torch.from_numpy(np.array(square, dtype=np.float32))  # (S, S, 3), 0..255
    return (pixels / 127.5 - 1.0).permute(2, 0, 1).contiguous()


def to_image(tensor: torch.Tensor) -> Image.Image:
    """The inverse of ``to_tensor``: (3, H, W) in [-1, 1] → RGB picture. Values outside are clamped.

    Raises:
        ValueError: if the tensor is not (3, H, W).
    """
    if tensor.ndim != 3 or tensor.shape[0] != 3:
        raise ValueError(f"expected an image tensor of shape (3, H, W), got {tuple(tensor.shape)}")
    levels = (tensor.detach().float().clamp(-1.0, 1.0) + 1.0) * 127.5
    pixels = levels.round().to(torch.uint8).permute(1, 2, 0).contiguous().cpu().numpy()
    return Image.fromarray(pixels)


# The way in: name, size, format, shape. Nothing is decoded yet.


def _shown_name(source: Path | str) -> str:
    """The file's own name in quotes, short and printable, fit to be shown to anybody."""
    name = "".join(letter for letter in Path(source).name if letter.isprintable())
    if not name:
        return message("The file")
    return f'"{name[:28]}…{name[-8:]}"' if len(name) > 40 else f'"{name}"'


def _read_file(path: Path, name: str) -> bytes:
    try:
        if not path.is_file():
            raise InputError(message("{name} is not a file that can be opened; please choose a photo.", name=name))
        _check_file_size(path.stat().st_size, name)
        return path.read_bytes()
    except (OSError, ValueError) as fault:
        raise InputError(message("{name} cannot be opened; please choose another photo.", name=name)) from fault


def _check_file_size(n_bytes: int, name: str) -> None:
    if n_bytes == 0:
        raise InputError(
            message("{name} is empty (0 bytes); please save or download it again, or choose another photo.", name=name)
        )
    if n_bytes > MAX_FILE_BYTES:
        raise InputError(
            message(
                "{name} has {size} MB, and the limit is {limit} MB; please save a smaller copy.",
                name=name,
                size=f"{n_bytes / 2**20:.0f}",
                limit=MAX_FILE_BYTES // 2**20,
            )
        )


def _open_header(content: bytes, name: str) -> Image.Image:
    """Recognise the format and read the header, with only the decoders of ``FORMATS`` in play."""
    formats: tuple[str, ...] = FORMATS
    if _kind_of(content) == "HEIC":
        if not _register_heif():
            raise InputError(
                message(
                    "{name} is a HEIC photo, which this installation cannot read; "
                    "please save it as JPEG, or install pillow-heif.",
                    name=name,
                )
            )
        formats = ("HEIF",)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # we have a limit of our own
            return Image.open(io.BytesIO(content), formats=formats)
    except Image.DecompressionBombError as fault:
        raise _too_many_pixels(name) from fault
    except Exception as fault:  # see open_photo: a broken header can raise nearly anything
        raise _unusable(content, name) from fault


def _check_shape(size: tuple[int, int], name: str) -> None:
    width, height = size
    if width * height > MAX_PIXELS:
        raise _too_many_pixels(name, size)
    shortest, longest = sorted(size)
    if shortest < SMALLEST_SIDE:
        raise InputError(
            message(
                "{name} is {width} × {height} pixels; please choose a photo with at least {least} pixels on each side.",
                name=name,
                width=width,
                height=height,
                least=SMALLEST_SIDE,
            )
        )
    if shortest * LONGEST_SIDE < _NARROWEST * longest:
        raise InputError(
            message(
                "{name} is a strip of {width} × {height} pixels; please crop it to a shape nearer to a photo.",
                name=name,
                width=width,
                height=height,
            )
        )


def _too_many_pixels(name: str, size: tuple[int, int] | None = None) -> InputError:
    found = (
        message("{width} × {height} pixels", width=size[0], height=size[1]) if size else message("far too many pixels")
    )
    return InputError(
        message(
            "{name} has {found}, and the limit is {limit} megapixels; please save a smaller copy.",
            name=name,
            found=found,
            limit=MAX_PIXELS // 10**6,
        )
    )


def _unusable(content: bytes, name: str) -> InputError:
    return InputError(
        message("{name} is {kind}; please use a JPEG, PNG or WebP photo.", name=name, kind=_describe(content))
    )


def _kind_of(content: bytes) -> str | None:
    """What common files that are no usable photo say about themselves in their first bytes."""
    if content[4:8] == b"ftyp":
        brand = content[8:12]
        if brand in (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"):
            return "AVIF" if b"avif" in content[12:64] else "HEIC"
        return {b"avif": "AVIF", b"avis": "AVIF", b"crx ": "raw"}.get(brand, "video")
    start = content[:1024].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if b"<svg" in start and start.startswith(b"<"):
        return "SVG"
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "HTML"
    if is_raw(content):
        return "raw"
    return next((kind for kind, marks in _MARKS.items() if content.startswith(marks)), None)


def _describe(content: bytes) -> Message:
    kind = _kind_of(content)
    named = {
        None: message("not a photo, or is badly damaged"),
        "SVG": message("an SVG drawing and not a photo"),
        "HTML": message("a web page and not a photo"),
        "PDF": message("a PDF document and not a photo"),
        "video": message("a video and not a photo"),
        "raw": message("a raw file of a camera and not a finished photo"),
        "HEIC": message("a damaged HEIC photo"),
    }
    if kind in _RARE:
        return message("a {format} picture that is badly damaged or of a rare kind", format=kind)
    return named.get(kind) or message("a picture in {format} format, which is not supported here", format=kind)


def _register_heif() -> bool:
    """Let Pillow read HEIC, if the optional package is there. Registering twice changes nothing."""
    try:
        from pillow_heif import register_heif_opener  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        return False
    register_heif_opener()
    return True


# The way through: pixels.


def _decode(picture: Image.Image | DeepTiff) -> Image.Image:
    """All that touches pixels: decode frame 0, make it 8-bit, shrink, make it sRGB on white, turn upright."""
    if isinstance(picture, DeepTiff):
        plain, orientation, profile, gamma = picture.decode(), picture.orientation, picture.profile, None
    else:
        with _turn_of(picture):
            width, height = _fitting_size(picture.size)
            # A large JPEG is decoded at 1/2, 1/4 or 1/8 of its size: less memory, same picture after the resize.
            picture.draft(None, (2 * width, 2 * height))
            clear = _transparency(picture)
            picture.load()
            orientation = _orientation(picture)  # after load: TIFF and HEIC turn themselves there and say so
            profile = picture.info.get("icc_profile")
            gamma = None if "srgb" in picture.info or profile else picture.info.get("gamma")
            deep = picture.mode.startswith("I")
            plain = _eight_bit(_shrunk(picture, _fitting_size(picture.size)), clear, gamma)
            gamma = None if deep else gamma  # shadows of linear samples would be lost in eight bits
    target = _fitting_size(plain.size)
    if plain.size != target:
        plain = plain.resize(target, Image.Resampling.LANCZOS, reducing_gap=3.0)
    upright = _on_white(to_srgb(plain, profile, gamma))
    if orientation in _TURNS:
        upright = upright.transpose(_TURNS[orientation])
    upright.info = {}
    return upright


def _turn_of(picture: Image.Image) -> AbstractContextManager[object]:
    """The right to decode a photo: at once, unless it is one of the large ones."""
    return _ONE_LARGE if picture.width * picture.height > _PIXELS_AT_ONCE else nullcontext()


def _shrunk(picture: Image.Image, target: tuple[int, int]) -> Image.Image:
    """A picture of too many pixels at a whole fraction of its size, at least twice the target; others as they are, and
    so are modes whose numbers are no levels, or which have one byte for each pixel."""
    factor = min(picture.width // (2 * target[0]), picture.height // (2 * target[1]))
    large = picture.width * picture.height > _PIXELS_AT_ONCE
    return picture.reduce(factor) if large and factor > 1 and picture.mode in _REDUCIBLE else picture


def _fitting_size(size: tuple[int, int]) -> tuple[int, int]:
    scale = min(1.0, LONGEST_SIDE / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _orientation(picture: Image.Image) -> int:
    """EXIF orientation 1..8. EXIF blocks are often broken; a photo is not refused for that."""
    try:
        value = picture.getexif().get(_ORIENTATION_TAG, 1)
    except Exception:  # the EXIF parser raises whatever its bytes lead it to
        return 1
    return value if value in _TURNS else 1


def _transparency(picture: Image.Image) -> object:
    """What is transparent, before loading: a level, a colour or a table of a palette; ``None`` where nothing is.

    Of gray PNG files with 2 or 4 bits and of colours with 16, Pillow scales the samples and forgets this value.
    """
    tiles = getattr(picture, "tile", None)
    clear, raw = picture.info.get("transparency"), tiles[0][3] if tiles else None
    if isinstance(clear, int) and raw in ("L;2", "L;4"):
        return clear * (85 if raw == "L;2" else 17)
    if isinstance(clear, tuple) and raw == "RGB;16B":
        return tuple(level >> 8 for level in clear)
    return clear


def _eight_bit(picture: Image.Image, clear: object, gamma: float | None) -> Image.Image:
    """Any mode → L, RGB, CMYK or LAB of 8 bits, or RGBA where some part may be transparent; samples of more bits
    without their gamma."""
    mode = picture.mode
    if mode.startswith("I"):  # a PNG of 16 bits; such TIFF files come another way
        samples, (width, height), table = np.asarray(picture), picture.size, gamma_table(gamma, 1 << 16)
        even = samples if table is None else table[np.clip(samples, 0, len(table) - 1)]
        levels = Image.fromarray(levels_of(lambda start, stop: even[start:stop], height, width, depth=16))
        if not isinstance(clear, int):
            return levels
        opaque = Image.fromarray(np.where(samples == clear, 0, WHITE).astype(np.uint8))
        return Image.merge("RGBA", (levels, levels, levels, opaque))
    if mode == "RGBA" and picture.format == "BMP" and not np.asarray(picture)[..., 3].any():
        return picture.convert("RGB")  # written by programs that left the fourth byte empty
    if clear is not None:
        picture.info["transparency"] = clear
    if mode in ("RGBA", "LA", "La", "PA", "RGBa") or clear is not None:
        return picture.convert("RGBA")
    return picture if mode in ("L", "RGB", "CMYK", "LAB") else picture.convert("RGB")


def _on_white(picture: Image.Image) -> Image.Image:
    if picture.mode != "RGBA":
        return picture
    white = Image.new("RGB", picture.size, "white")
    white.paste(picture, mask=picture.getchannel("A"))
    return white
