"""Photos as they come from the world: odd ones are read properly, bad ones get one kind sentence."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import eimg_core.images
from eimg_core.errors import InputError
from eimg_core.images import LONGEST_SIDE, MAX_FILE_BYTES, open_photo, to_image, to_tensor

RED, GREEN, BLUE, WHITE = (220, 30, 30), (30, 200, 40), (30, 40, 210), (255, 255, 255)


def corners(width: int = 96, height: int = 64) -> Image.Image:
    """A photo whose corners tell which way is up: red, green / blue, white."""
    middle_x, middle_y = width // 2, height // 2
    photo = Image.new("RGB", (width, height), RED)
    photo.paste(GREEN, (middle_x, 0, width, middle_y))
    photo.paste(BLUE, (0, middle_y, middle_x, height))
    photo.paste(WHITE, (middle_x, middle_y, width, height))
    return photo


def encoded(photo: Image.Image, fmt: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    photo.save(buffer, fmt, **options)
    return buffer.getvalue()


def png_header_only(width: int, height: int) -> bytes:
    """A valid 1-bit PNG of any size without its pixels, a few dozen bytes long."""

    def chunk(tag: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + tag + body + struct.pack(">I", zlib.crc32(tag + body))

    ihdr = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    idat = zlib.compress(b"\0" * 1000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", ihdr) + chunk(b"IDAT", idat) + chunk(b"IEND", b"")


def assert_upright_corners(photo: Image.Image, tolerance: int = 12) -> None:
    assert photo.mode == "RGB"
    width, height = photo.size
    spots = {RED: (0.25, 0.25), GREEN: (0.75, 0.25), BLUE: (0.25, 0.75), WHITE: (0.75, 0.75)}
    for colour, (x, y) in spots.items():
        found = photo.getpixel((int(x * width), int(y * height)))
        assert np.abs(np.subtract(found, colour)).max() <= tolerance, f"at {x}, {y}: {found}, not {colour}"


def plain_png(width: int, height: int) -> bytes:
    """A black RGB PNG of any size, made without holding its pixels."""

    def chunk(tag: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + tag + body + struct.pack(">I", zlib.crc32(tag + body))

    packing = zlib.compressobj(1)
    row = b"\0" * (1 + 3 * width)
    pixels = b"".join(packing.compress(row) for _ in range(height)) + packing.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


# --- photos that must be read


@pytest.mark.parametrize("size", [(9000, 6000), (11600, 8640)])
def test_a_photo_of_54_or_100_megapixels_is_shrunk(size: tuple[int, int]) -> None:
    photo = open_photo(encoded(corners(*size), "JPEG"))
    assert max(photo.size) == LONGEST_SIDE
    assert_upright_corners(photo)


PEAK = """
import resource, sys
from eimg_core.images import open_photo
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
photo = open_photo(sys.argv[1])
print(*photo.size, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems count the memory of a process in other units")
def test_a_photo_of_100_megapixels_takes_four_bytes_a_pixel_and_no_more(tmp_path: Path) -> None:
    path = tmp_path / "poster.png"
    path.write_bytes(plain_png(11_600, 8_640))
    run = subprocess.run([sys.executable, "-c", PEAK, str(path)], capture_output=True, text=True, check=True)
    width, height, megabytes = map(int, run.stdout.split())
    assert (width, height) == (1024, 763)
    assert megabytes < 4 * 101 + 60


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1", "I;16", "I", "CMYK"])
def test_a_large_photo_of_any_mode_is_the_same_picture(monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    grey = Image.linear_gradient("L").resize((2100, 2310))
    if mode in ("I;16", "I"):
        picture = Image.fromarray(np.asarray(grey).astype(np.uint16 if mode == "I;16" else np.int32) * 257)
    else:
        picture = grey.convert("RGB").convert(mode)
    content = encoded(picture, "TIFF" if mode == "CMYK" else "PNG")
    usual = np.asarray(open_photo(content), dtype=float)
    monkeypatch.setattr(eimg_core.images, "LONGEST_SIDE", 500)
    monkeypatch.setattr(eimg_core.images, "_PIXELS_AT_ONCE", 1_000_000)
    large = open_photo(content)
    there = np.asarray(Image.fromarray(usual.astype(np.uint8)).resize(large.size, Image.Resampling.BOX), dtype=float)
    assert np.abs(np.asarray(large, dtype=float) - there).mean() < (8 if mode == "1" else 2)


@pytest.mark.parametrize("fmt", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_every_format_is_read_whatever_its_file_is_called(tmp_path: Path, fmt: str) -> None:
    path = tmp_path / "holiday.txt"
    options = {"quality": 95, "subsampling": 0} if fmt == "JPEG" else {}
    path.write_bytes(encoded(corners(), fmt, **options))
    photo = open_photo(path)
    assert photo.size == (96, 64)
    assert_upright_corners(photo, tolerance=40 if fmt == "WEBP" else 12)


@pytest.mark.parametrize("fmt", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_is_turned_upright(orientation: int, fmt: str) -> None:
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = corners()
    if orientation in undo:
        stored = stored.transpose(undo[orientation])
    exif = Image.Exif()
    exif[0x0112] = orientation
    photo = open_photo(encoded(stored, fmt, exif=exif))
    assert photo.size == (96, 64)
    assert_upright_corners(photo, tolerance=60)
    assert not photo.getexif()


def test_large_jpeg_is_upright_and_shrunk() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = corners(3000, 2000).transpose(Image.Transpose.ROTATE_90)
    photo = open_photo(encoded(stored, "JPEG", exif=exif))
    assert photo.size == (LONGEST_SIDE, round(LONGEST_SIDE * 2 / 3))
    assert_upright_corners(photo)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_broken_exif_does_not_cost_the_photo() -> None:
    photo = open_photo(encoded(corners(), "JPEG", quality=95, exif=b"Exif\0\0II*\0\xff\xff\xff\xff garbage"))
    assert photo.size == (96, 64)


@pytest.mark.parametrize("mode", ["L", "1", "P", "LA", "CMYK", "YCbCr"])
def test_every_colour_mode_becomes_rgb(mode: str) -> None:
    fmt = "JPEG" if mode in ("CMYK", "YCbCr") else "PNG"
    photo = open_photo(encoded(corners().convert(mode), fmt))
    assert photo.mode == "RGB"
    bright, dark = photo.getpixel((72, 48)), photo.getpixel((24, 48))
    assert min(bright) > 240
    assert sum(dark) < sum(bright)
    if mode == "CMYK":  # an inverted CMYK photo would show cyan here
        red, green, blue = photo.getpixel((24, 16))
        assert red > 150 > max(green, blue)


def test_sixteen_bit_gray_is_scaled_not_clipped() -> None:
    ramp = np.linspace(0, 65535, 64 * 64).astype(np.uint16).reshape(64, 64)
    for fmt in ("PNG", "TIFF"):
        levels = np.asarray(open_photo(encoded(Image.fromarray(ramp), fmt)))[..., 0]
        expected = ramp / 65535 * 255
        assert np.abs(levels - expected).max() <= 1.0


def test_float_tiff_keeps_its_contrast_in_spite_of_nan() -> None:
    values = np.linspace(-3.0, 900.0, 64 * 64, dtype=np.float32).reshape(64, 64)
    values[0, 0] = np.nan
    levels = np.asarray(open_photo(encoded(Image.fromarray(values), "TIFF")))[..., 0]
    assert levels.min() == 0
    assert levels.max() == 255


def test_transparent_parts_become_white() -> None:
    clear = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    clear.paste((*RED, 255), (0, 0, 32, 64))
    assert open_photo(encoded(clear, "PNG")).getpixel((60, 32)) == WHITE

    palette = Image.new("P", (64, 64), 1)
    palette.putpalette([*RED, 0, 0, 0])
    palette.paste(0, (0, 0, 32, 64))
    for fmt in ("PNG", "GIF"):
        photo = open_photo(encoded(palette, fmt, transparency=1))
        assert photo.getpixel((60, 32)) == WHITE
        assert photo.getpixel((4, 32)) == RED


def test_half_transparent_is_mixed_with_white_also_after_shrinking() -> None:
    veil = Image.new("RGBA", (2048, 64), (0, 0, 0, 128))
    found = open_photo(encoded(veil, "PNG")).getpixel((500, 10))
    assert np.abs(np.subtract(found, 127)).max() <= 1


@pytest.mark.parametrize("fmt", ["GIF", "WEBP", "PNG", "TIFF", "MPO"])
def test_animations_and_stacks_give_their_first_picture(fmt: str) -> None:
    others = [Image.new("RGB", (96, 64), colour) for colour in ("black", "white")]
    photo = open_photo(encoded(corners(), fmt, save_all=True, append_images=others))
    assert_upright_corners(photo, tolerance=60)


def test_the_shortest_and_the_longest_photo_still_accepted() -> None:
    assert open_photo(encoded(Image.new("RGB", (16, 16)), "PNG")).size == (16, 16)
    assert open_photo(encoded(Image.new("RGB", (16, 2048)), "PNG")).size == (8, 1024)


def test_the_result_is_free_of_metadata_and_of_the_file() -> None:
    photo = open_photo(encoded(corners(), "PNG", dpi=(300, 300)))
    assert type(photo) is Image.Image
    assert photo.info == {}


# --- files that must be refused

NOT_PHOTOS = {
    "empty.jpg": (b"", "empty"),
    "notes.png": (b"Dear diary, today I took a photo.\n" * 20, "not a photo"),
    "drawing.png": (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
    "drawing.svg": (b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>', "SVG"),
    "page.jpg": (b"<!DOCTYPE html><html><body>404</body></html>", "web page"),
    "paper.jpg": (b"%PDF-1.7 ...", "PDF"),
    "clip.jpg": (b"\0\0\0\x18ftypisom\0\0\2\0isomiso2mp41", "video"),
    "phone.heic": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 64, "HEIC"),
    "new.avif": (b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf" + b"\0" * 64, "AVIF"),
    "icon.ico": (b"\0\0\1\0\1\0\x10\x10\0\0\1\0\x20\0" + b"\0" * 64, "not a photo"),
    "truncated.jpg": (encoded(corners(600, 400), "JPEG")[:3000], "damaged or incomplete"),
    "truncated.png": (encoded(Image.effect_noise((64, 64), 90), "PNG")[:900], "damaged or incomplete"),
    "truncated.gif": (encoded(Image.effect_noise((64, 64), 90), "GIF")[:1200], "damaged"),
    "header-only.jpg": (b"\xff\xd8\xff\xe0", "badly damaged"),
    "huge.png": (png_header_only(20_000, 20_000), "120 megapixels"),
    "big.png": (png_header_only(13_000, 13_000), "120 megapixels"),
    "wide.png": (png_header_only(1_000, 121_000), "120 megapixels"),
    "dot.png": (encoded(Image.new("RGB", (1, 1)), "PNG"), "at least 16 pixels on each side"),
    "line.png": (encoded(Image.new("RGB", (1, 5000)), "PNG"), "at least 16 pixels on each side"),
    "strip.png": (encoded(Image.new("RGB", (5000, 20)), "PNG"), "strip"),
}


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("name", NOT_PHOTOS)
def test_a_bad_file_gets_one_sentence_that_names_it(tmp_path: Path, name: str) -> None:
    content, expected = NOT_PHOTOS[name]
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=expected) as caught:
        open_photo(path)
    sentence = str(caught.value)
    assert sentence.startswith(f'"{name}"')
    assert sentence.endswith(".")
    assert "please" in sentence
    assert str(tmp_path) not in sentence
    assert "\n" not in sentence


@pytest.mark.filterwarnings("error::PIL.Image.DecompressionBombWarning")
def test_bomb_warnings_turned_into_errors_still_give_the_sentence() -> None:
    with pytest.raises(InputError, match="120 megapixels"):
        open_photo(png_header_only(13_000, 13_000))


def test_a_file_over_the_limit_is_refused_without_being_read(tmp_path: Path) -> None:
    path = tmp_path / "film.jpg"
    with path.open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    with pytest.raises(InputError, match="limit is 20 MB"):
        open_photo(path)


@pytest.mark.parametrize("name", ["missing.jpg", "a\0b.jpg", "x" * 400 + ".jpg", "."])
def test_a_path_that_leads_nowhere_is_one_short_sentence(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="choose") as caught:
        open_photo(tmp_path / name)
    assert len(str(caught.value)) < 140
    assert "\0" not in str(caught.value)


def test_every_cut_of_a_photo_is_read_or_refused_kindly() -> None:
    for fmt in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"):
        whole = encoded(corners(), fmt)
        for end in range(1, len(whole), max(1, len(whole) // 25)):
            try:
                open_photo(whole[:end])
            except InputError as refusal:
                assert str(refusal).startswith("The photo")  # noqa: PT017


# --- photos as tensors


def test_to_tensor_takes_the_centre_square() -> None:
    photo = Image.new("RGB", (300, 100), "black")
    photo.paste("white", (100, 0, 200, 100))
    tensor = to_tensor(photo, 32)
    assert tensor.shape == (3, 32, 32)
    assert tensor.dtype == torch.float32
    assert tensor.min() == tensor.max() == 1.0


def test_to_tensor_averages_fine_patterns() -> None:
    stripes = np.zeros((512, 512, 3), dtype=np.uint8)
    stripes[:, ::2] = 255
    tensor = to_tensor(Image.fromarray(stripes), 64)
    assert tensor[:, :, 4:-4].abs().max() < 0.02


@pytest.mark.parametrize("mode", ["L", "RGBA", "P"])
def test_to_tensor_accepts_other_modes(mode: str) -> None:
    assert to_tensor(corners().convert(mode), 16).shape == (3, 16, 16)


def test_there_and_back_changes_nothing() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)
    assert np.array_equal(np.asarray(to_image(to_tensor(Image.fromarray(pixels), 40))), pixels)


def test_to_image_clamps_and_checks_its_shape() -> None:
    assert to_image(torch.full((3, 4, 4), 7.0)).getpixel((0, 0)) == WHITE
    with pytest.raises(ValueError, match=r"\(3, H, W\)"):
        to_image(torch.zeros(4, 4, 3))
    with pytest.raises(ValueError, match="at least 1"):
        to_tensor(corners(), 0)
