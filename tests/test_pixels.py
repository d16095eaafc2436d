"""What the samples of picture files mean: a scene that is known comes out of every layout that people have."""

from __future__ import annotations

import io
import json
import random
import struct
import warnings
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from benchmarks import fuzz_pictures
from benchmarks.fuzz_pictures import (
    DEFLATE,
    LZW,
    PACK_BITS,
    Layout,
    bmp,
    chunk,
    gray,
    in_space,
    png,
    profile,
    sampled,
    scene,
    tiff,
)
from eimg_core.errors import InputError
from eimg_core.images import open_photo
from eimg_core.pixels.levels import levels_of
from eimg_core.shipped import RESULTS

SCENE = scene(96, 64)
GRAY = gray(SCENE)


def shown(data: bytes) -> np.ndarray:
    """What is read, as values in [0, 1]."""
    return np.asarray(open_photo(data), dtype=float) / 255


def assert_shows(data: bytes, expected: np.ndarray, levels: float = 2.0) -> None:
    assert np.abs(shown(data) - expected).max() * 255 <= levels


# --- TIFF -----------------------------------------------------------------------------------------------------------

KINDS = [
    ("u", 10),
    ("u", 12),
    ("u", 14),
    ("u", 16),
    ("u", 24),
    ("u", 32),
    ("i", 8),
    ("i", 16),
    ("i", 32),
    ("f", 16),
    ("f", 32),
]


@pytest.mark.parametrize("big_endian", [False, True], ids=["II", "MM"])
@pytest.mark.parametrize("photometric", [0, 1], ids=["white is 0", "black is 0"])
@pytest.mark.parametrize(("kind", "bits"), [*KINDS, ("f", 64)])
def test_gray_samples_of_any_depth_are_neither_black_nor_negative(kind, bits, photometric, big_endian):
    stored = 1 - GRAY if photometric == 0 else GRAY
    assert_shows(tiff(sampled(stored, kind, bits), Layout(kind, bits, photometric, big_endian)), GRAY)


@pytest.mark.parametrize(("kind", "bits"), [("u", 8), *KINDS])
@pytest.mark.parametrize("planar", [False, True], ids=["pixels", "planes"])
def test_colours_of_any_depth_are_themselves(kind, bits, planar):
    if planar and bits % 8:
        pytest.skip("such files do not exist")
    assert_shows(tiff(sampled(SCENE, kind, bits), Layout(kind, bits, 2, planar=planar)), SCENE)


@pytest.mark.parametrize(
    ("compression", "kind", "predictor"),
    [(PACK_BITS, "u", 1), (PACK_BITS, "f", 1), *((c, k, p) for c in (LZW, DEFLATE) for k, p in ("u1", "u2", "f3"))],
)
@pytest.mark.parametrize("tile", [0, 32], ids=["strips", "tiles"])
def test_compressed_strips_and_tiles_are_unpacked(compression, kind, predictor, tile):
    bits = 16 if kind == "u" else 32
    layout = Layout(kind, bits, compression=compression, predictor=int(predictor), tile=tile, strip_rows=7)
    assert_shows(tiff(sampled(GRAY, kind, bits), layout), GRAY)
    colours = replace(layout, photometric=2, big_endian=True)
    assert_shows(tiff(sampled(SCENE, kind, bits), colours), SCENE)


@pytest.mark.parametrize("big_endian", [False, True], ids=["II", "MM"])
def test_files_with_long_offsets_are_read(big_endian):
    assert_shows(tiff(sampled(GRAY, "u", 8), Layout(big_endian=big_endian, long=True)), GRAY)


@pytest.mark.parametrize("value", [-3.4028235e38, np.nan, np.inf, -np.inf, -9999.0, 1e20])
def test_pixels_without_data_leave_the_rest_as_it_is(value):
    for scale in (1, 255):
        samples = (GRAY * scale).astype(np.float32)
        samples[3, 5] = value
        expected = GRAY.copy()
        expected[3, 5] = 1.0
        assert_shows(tiff(samples, Layout("f", 32)), expected)


def test_a_value_that_is_declared_to_mean_nothing_is_no_darkness():
    samples, expected = sampled(GRAY, "u", 16), GRAY.copy()
    samples[:9], expected[:9] = 77, 1.0
    assert_shows(tiff(samples, Layout("u", 16, stated={42113: "77 "})), expected)


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        (np.array([0.0, 0.5, 1.05]), [0, 128, 255]),  # resampled
        (np.array([-3.0, 0.0, 9.0]), [0, 64, 255]),  # measured
        (np.array([0.0, 100.0, 255.0]), [0, 100, 255]),  # levels in disguise
        (np.array([0, 512, 1023]), [0, 128, 255]),  # ten bits in thirty-two
        (np.array([0, 0, 3]), [0, 0, 3]),
        (np.array([-32768, -20000, 32767]), [0, 50, 255]),  # a sign
        (np.array([-9999, 0, 255]), [255, 0, 255]),  # no data
        (np.array([np.nan, np.nan]), [255, 255]),
        (np.array([7.0, 7.0]), [0, 0]),
    ],
)
def test_white_is_found_where_the_type_does_not_tell(samples, expected):
    assert levels_of(lambda start, stop: samples[None], 1, samples.size)[0].tolist() == expected


@pytest.mark.parametrize("extra", [1, 2], ids=["associated", "unassociated"])
@pytest.mark.parametrize("values", [SCENE, GRAY], ids=["RGB", "gray"])
def test_deep_samples_with_alpha_are_shown_on_white(values, extra):
    alpha = np.full((64, 96, 1), 0.5)
    stored = values / 2 if extra == 1 else values
    for kind, bits in (("u", 16), ("f", 32)):
        layout = Layout(kind, bits, 2 if values is SCENE else 1, extra=[extra])
        assert_shows(tiff(sampled(np.concatenate([stored, alpha], -1), kind, bits), layout), (values + 1) / 2, 3)


def test_samples_beyond_colour_and_alpha_are_left_out():
    more = np.concatenate([GRAY, 1 - GRAY, GRAY / 2], -1)
    assert_shows(tiff(sampled(more, "u", 16), Layout("u", 16, extra=[0, 0])), GRAY)


def test_a_deep_picture_is_turned_upright():
    turned = tiff(sampled(np.rot90(GRAY), "u", 16), Layout("u", 16, stated={274: [6]}))
    assert_shows(turned, GRAY)


def test_lab_is_a_colour_space_too():
    lab = Image.new("LAB", (32, 32), (140, 208, 193))  # L* 55, a* 80, b* 65: red
    buffer = io.BytesIO()
    lab.save(buffer, "TIFF")
    red, green, blue = open_photo(buffer.getvalue()).getpixel((9, 9))
    assert red > 230
    assert max(green, blue) < 60


# --- BMP, PNG, JPEG -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("header", [40, 108, 124])
@pytest.mark.parametrize("top_down", [False, True])
def test_an_empty_fourth_byte_of_a_bmp_hides_nothing(header, top_down):
    levels = sampled(SCENE, "u", 8).astype(np.uint8)
    assert_shows(bmp(levels, 0, header=header, top_down=top_down), SCENE)
    assert_shows(bmp(levels, 255, header=header, top_down=top_down), SCENE)


def test_an_alpha_that_says_something_is_heeded():
    levels = sampled(SCENE, "u", 8).astype(np.uint8)
    assert_shows(bmp(levels, 128), (SCENE * 128 + 127) / 255)
    clear = png(np.concatenate([levels, np.zeros((64, 96, 1), int)], -1), 8)
    assert_shows(clear, np.ones(3))


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_one_gray_of_a_png_is_transparent(bits):
    samples = sampled(GRAY, "u", bits)
    clear = samples[10, 70]
    values = samples / (2**bits - 1)
    data = png(samples, bits, chunk(b"tRNS", struct.pack(">H", clear[0])))
    assert_shows(data, np.where(samples == clear, 1, values))


@pytest.mark.parametrize("bits", [8, 16])
def test_one_colour_of_a_png_is_transparent(bits):
    samples = sampled(SCENE, "u", bits)
    clear = samples[10, 70]
    data = png(samples, bits, chunk(b"tRNS", struct.pack(">3H", *clear)))
    assert_shows(data, np.where((samples == clear).all(-1, keepdims=True), 1, SCENE))


def test_the_gamma_of_a_png_counts_unless_it_says_srgb():
    gamma = chunk(b"gAMA", struct.pack(">I", 100_000))
    linear = sampled(0.2 + 0.7 * GRAY, "u", 16)
    assert_shows(png(linear, 16, gamma), (0.2 + 0.7 * GRAY) ** (1 / 2.2), 3)
    dark = 0.15 * GRAY
    assert_shows(png(sampled(dark**2.2, "u", 16), 16, gamma), dark, 1)  # in eight bits, its shadows are lost
    assert_shows(png(linear, 16, gamma, chunk(b"sRGB", b"\0")), 0.2 + 0.7 * GRAY)
    assert_shows(png(linear, 16, chunk(b"gAMA", struct.pack(">I", 45_455))), 0.2 + 0.7 * GRAY)
    assert_shows(png(linear, 16, chunk(b"gAMA", struct.pack(">I", 1))), 0.2 + 0.7 * GRAY)


def overwritten_mpo(pictures: int, quality: int, mode: str = "RGB") -> bytes:
    """A multi-picture JPEG with room for two in an index of more, as Pillow before 11.3 wrote it."""
    photo = Image.fromarray(sampled(SCENE, "u", 8).astype(np.uint8)).convert(mode)
    frames = []
    for frame in (photo, *[Image.new(mode, photo.size)] * (pictures - 1)):
        buffer = io.BytesIO()
        frame.save(buffer, "JPEG", quality=quality)
        frames.append(buffer.getvalue())
    index = b"II*\0" + struct.pack("<IH", 8, 3)
    index += struct.pack("<HHI4s", 0xB000, 7, 4, b"0100") + struct.pack("<HHII", 0xB001, 4, 1, pictures)
    index += struct.pack("<HHIII", 0xB002, 7, 16 * pictures, 50, 0)
    index += struct.pack("<IIIHH", 0x30000, len(frames[0]), 0, 0, 0) * pictures
    first = bytearray(frames[0][:20] + b"\xff\xe2" + struct.pack(">H", 88) + b"MPF\0" + b" " * 82 + frames[0][20:])
    first[28 : 28 + len(index)] = index
    return bytes(first) + b"".join(frames[1:])


@pytest.mark.filterwarnings("ignore")  # Pillow's, where nothing can be put back
@pytest.mark.parametrize("pictures", [3, 4, 6, 8])
@pytest.mark.parametrize("quality", [75, 90])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_the_first_picture_of_a_damaged_mpo_is_shown(pictures, quality, mode):
    data = overwritten_mpo(pictures, quality, mode)
    if mode == "L" and pictures > 4:  # nothing is left of its one table
        with pytest.raises(InputError, match="damaged"):
            open_photo(data)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_shows(data, SCENE if mode == "RGB" else GRAY, 40)


# --- profiles -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("space", ["Display P3", "Adobe RGB", "ProPhoto RGB", "gray"])
def test_the_colours_of_a_profile_are_shown_in_srgb(space):
    values = 0.2 + 0.6 * (GRAY if space == "gray" else SCENE)
    icc, samples = profile(space, 1.8), in_space(values, space, 1.8)
    files = [
        png(sampled(samples, "u", 8), 8, chunk(b"iCCP", b"p\0\0" + zlib.compress(icc))),
        tiff(sampled(samples, "u", 8), Layout(photometric=1 if space == "gray" else 2, profile=icc)),
        tiff(sampled(samples, "u", 16), Layout("u", 16, 1 if space == "gray" else 2, profile=icc, planar=True)),
    ]
    for fmt, options in (("JPEG", {"quality": 100, "subsampling": 0}), ("WEBP", {"lossless": True})):
        buffer = io.BytesIO()
        levels = sampled(samples, "u", 8).astype(np.uint8)
        photo = Image.fromarray(levels if levels.shape[-1] == 3 else levels[..., 0])
        photo.save(buffer, fmt, icc_profile=icc, **options)
        files += [buffer.getvalue()] if fmt == "JPEG" or space != "gray" else []
    for data in files:  # a level of a JPEG in a wide space is many levels of sRGB
        assert_shows(data, values, 30 if data.startswith(b"\xff\xd8") else 8)
    assert np.abs(np.asarray(open_photo(files[0])) / 255 - samples).max() > 0.03, "without its profile it is another"


def test_a_profile_leaves_alpha_alone():
    values = np.concatenate(
        [in_space(np.full((32, 32, 3), (0.6, 0.3, 0.2)), "Display P3"), np.full((32, 32, 1), 0.5)], -1
    )
    data = png(sampled(values, "u", 8), 8, chunk(b"iCCP", b"p\0\0" + zlib.compress(profile("Display P3"))))
    assert_shows(data, np.array([0.8, 0.65, 0.6]), 3)


def test_a_profile_that_changes_nothing_costs_no_level():
    buffer, levels = io.BytesIO(), sampled(SCENE, "u", 8).astype(np.uint8)
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(levels).save(buffer, "PNG", icc_profile=srgb)
    assert np.array_equal(np.asarray(open_photo(buffer.getvalue())), levels)


@pytest.mark.parametrize("icc", [b"", b"no profile", profile("gray"), profile("Display P3")[:300], b"\0" * 9999])
def test_a_profile_that_cannot_be_used_costs_no_photo(icc):
    buffer, levels = io.BytesIO(), sampled(SCENE, "u", 8).astype(np.uint8)
    Image.fromarray(levels).save(buffer, "PNG", icc_profile=icc)
    assert np.array_equal(np.asarray(open_photo(buffer.getvalue())), levels)


# --- what is refused ------------------------------------------------------------------------------------------------

RARE_TIFF = "a TIFF picture that is badly damaged or of a rare kind"
RARE_JPEG = "a JPEG picture that is badly damaged or of a rare kind"
RAW = "a raw file of a camera and not a finished photo"
OTHER = "a picture in {} format, which is not supported here"
UNUSABLE = {
    "LogLuv": (tiff(sampled(GRAY, "u", 16), Layout("u", 16, 32844)), RARE_TIFF),
    "predicted bits": (tiff(sampled(GRAY, "u", 12), Layout("u", 12, compression=LZW, stated={317: [2]})), RARE_TIFF),
    "mixed depths": (tiff(sampled(SCENE, "u", 16), Layout("u", 16, 2, stated={258: [16, 8, 16]})), RARE_TIFF),
    "sensor": (tiff(sampled(GRAY, "u", 16), Layout("u", 16, 32803)), RAW),
    "Fujifilm": (b"FUJIFILMCCD-RAW 0201" + b"\0" * 99, RAW),
    "Canon": (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", RAW),
    "JPEG 2000": (b"\0\0\0\x0cjP  \r\n\x87\n" + b"\0" * 99, OTHER.format("JPEG 2000")),
    "JPEG XL": (b"\xff\x0a" + b"\1" * 99, OTHER.format("JPEG XL")),
    "Photoshop": (b"8BPS\0\1" + b"\0" * 99, OTHER.format("Photoshop")),
    "12-bit JPEG": (b"\xff\xd8\xff\xc1\0\x11\x0c" + b"\0\x20\0\x20\3" + b"\1\x11\0" * 3, RARE_JPEG),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_a_file_that_is_no_use_is_told_what_it_is(name):
    data, kind = UNUSABLE[name]
    with pytest.raises(InputError) as refusal:
        open_photo(data)
    assert str(refusal.value) == f"The photo is {kind}; please use a JPEG, PNG or WebP photo."


@pytest.mark.parametrize("tag", [256, 257, 277, 258, 273, 278, 279])
@pytest.mark.parametrize("number", [0, 1, 2**16 - 1, 2**31 - 1, 2**32 - 1])
def test_no_number_of_a_directory_is_trusted(tag, number):
    for layout in (Layout("u", 16), Layout("f", 32, compression=DEFLATE, tile=32)):
        try:
            photo = open_photo(tiff(sampled(GRAY, layout.kind, layout.bits), replace(layout, stated={tag: [number]})))
        except InputError as refusal:
            assert len(str(refusal).splitlines()) == 1  # noqa: PT017
        else:
            assert photo.mode == "RGB"


# --- against what was written ---------------------------------------------------------------------------------------


def test_the_large_run_is_told_as_it_was():
    record = json.loads((RESULTS / "fuzz_pictures.json").read_text(encoding="utf-8"))
    told = " ".join((Path(__file__).parent.parent / "docs" / "robustness.md").read_text(encoding="utf-8").split())
    inputs, known, findings = record["inputs"], record["known"], len(record["findings"])
    lies = sum(sum(count.values()) for count in record["lies"].values())
    assert f"{inputs} files of {record['layouts']} kinds, {known} of them sound and {lies} that lie" in told
    assert f"{findings} differences." in told


@pytest.mark.filterwarnings("ignore")
def test_generated_files_show_what_was_written():
    record = fuzz_pictures.run(150, seed=7)
    assert record["findings"] == []
    assert record["known"] > 80
    assert record["layouts"] > 40
    assert set(record["lies"]) == {"bmp that lies", "png that lies", "profile that lies", "tiff that lies"}


def test_the_comparison_would_see_a_difference():
    made = next(m for m in (fuzz_pictures.make(random.Random(seed)) for seed in range(99)) if m.expected is not None)
    with pytest.raises(AssertionError, match="levels off"):
        fuzz_pictures.check(replace(made, expected=made.expected[::-1]))
    with pytest.raises(AssertionError, match="is not a photo"):
        fuzz_pictures.check(replace(made, data=b"no photo"))
