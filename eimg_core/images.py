"""Photos: any file a visitor hands over becomes an upright RGB picture, or one sentence that says why not.

Conventions: a photo is a ``PIL.Image`` in mode RGB whose longest side is at most ``LONGEST_SIDE`` pixels; an
image tensor is (3, S, S), float32, in [-1, 1]. A file is judged by its content, never by its name, and its
size is read from the header before a pixel is decoded. Metadata (place, camera, colour profile) is dropped.

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
from numpy.typing import NDArray
from PIL import Image

from eimg_core.errors import InputError
from eimg_core.messages import Message, message

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


def open_photo(source: Path | str | bytes) -> Image.Image:
    """Read a photo that may be anything at all.

    Animations give their first frame, transparent parts become white, the EXIF orientation is applied, and
    16-bit values are scaled down rather than cut off.

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
    picture = _open_header(content, name)
    _check_shape(picture.size, name)
    try:
        return _decode(picture)
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
        raise InputError(
            message("{name} is {kind}; please use a JPEG, PNG or WebP photo.", name=name, kind=_describe(content))
        ) from fault


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


def _kind_of(content: bytes) -> str | None:
    """What common files that are no usable photo say about themselves in their first bytes."""
    if content[4:8] == b"ftyp":
        brand = content[8:12]
        if brand in (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"):
            return "AVIF" if b"avif" in content[12:64] else "HEIC"
        return "AVIF" if brand in (b"avif", b"avis") else "video"
    if content.startswith(b"%PDF"):
        return "PDF"
    start = content[:1024].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if b"<svg" in start and start.startswith(b"<"):
        return "SVG"
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "HTML"
    return None


def _describe(content: bytes) -> Message:
    kind = _kind_of(content)
    named = {
        "SVG": message("an SVG drawing and not a photo"),
        "HTML": message("a web page and not a photo"),
        "PDF": message("a PDF document and not a photo"),
        "video": message("a video and not a photo"),
        "AVIF": message("an AVIF picture, a format that is not supported here"),
        "HEIC": message("a damaged HEIC photo"),
    }
    return named[kind] if kind else message("not a photo, or is badly damaged")


def _register_heif() -> bool:
    """Let Pillow read HEIC, if the optional package is there. Registering twice changes nothing."""
    try:
        from pillow_heif import register_heif_opener  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        return False
    register_heif_opener()
    return True


# The way through: pixels.


def _decode(picture: Image.Image) -> Image.Image:
    """All that touches pixels: decode frame 0, make it 8-bit RGB(A), shrink, put on white, turn upright."""
    with _turn_of(picture):
        target = _fitting_size(picture.size)
        # A large JPEG is decoded at 1/2, 1/4 or 1/8 of its size: less memory, same picture after the resize.
        picture.draft(None, (2 * target[0], 2 * target[1]))
        picture.load()
        orientation = _orientation(picture)  # after load: TIFF and HEIC turn themselves there and say so
        target = _fitting_size(picture.size)
        plain = _eight_bit(_shrunk(picture, target))
    if plain.size != target:
        plain = plain.resize(target, Image.Resampling.LANCZOS, reducing_gap=3.0)
    upright = _on_white(plain)
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


def _eight_bit(picture: Image.Image) -> Image.Image:
    """Any mode → RGB, or RGBA where some part may be transparent."""
    mode = picture.mode
    if mode in ("RGB", "RGBA"):
        return picture.convert("RGBA") if "transparency" in picture.info else picture
    if mode.startswith(("I", "F")):
        return Image.fromarray(_gray_levels(np.asarray(picture))).convert("RGB")
    has_alpha = mode in ("LA", "La", "PA", "RGBa") or "transparency" in picture.info
    return picture.convert("RGBA" if has_alpha else "RGB")


def _gray_levels(values: NDArray) -> NDArray[np.uint8]:
    """Gray values of more than 8 bits → 0..255, by the range of their type.

    16-bit values span 0..65535. 32-bit and float files do not say what white is: values that fit into
    0..65535 (0..1 for floats) are read as such; others are stretched from their smallest to their largest.
    """
    if values.dtype.kind == "u" and values.dtype.itemsize == 2:
        return (values >> 8).astype(np.uint8)
    numbers = np.nan_to_num(values.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(numbers.min()), float(numbers.max())
    full_scale = 1.0 if values.dtype.kind == "f" else 65535.0
    if low >= 0.0 and high <= full_scale:
        low, high = 0.0, full_scale
    numbers -= low
    numbers *= 255.0 / max(high - low, 1e-12)
    return np.round(numbers).astype(np.uint8)


def _on_white(picture: Image.Image) -> Image.Image:
    if picture.mode != "RGBA":
        return picture.copy()
    white = Image.new("RGB", picture.size, "white")
    white.paste(picture, mask=picture.getchannel("A"))
    return white
