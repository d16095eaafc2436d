"""Bad input from strangers: whatever it is, one sentence of ours comes out, soon. ``benchmarks.fuzz`` does it by the
ten thousand; here Hypothesis looks for a smallest failing case in a few hundred."""

from __future__ import annotations

import io
import json
import random
import struct
import time
import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from benchmarks.fuzz import Target, damaged, judged, one_sentence, peak_mb, run, targets
from eimg_core.checkpoints import load_model
from eimg_core.errors import CheckpointError, InputError
from eimg_core.image_ae import IMAGE_AUTOENCODERS
from eimg_core.images import open_photo
from eimg_core.midi.reading import read_midi

NAMES = ["photo", "midi", "requests", "labels", "weights", "card", "api"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@pytest.fixture(scope="module")
def readers(folder) -> dict[str, Target]:
    return targets(folder)


def test_every_reader_of_foreign_input_is_here(readers):
    assert sorted(readers) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_whole_files_are_accepted(name, readers, folder):
    for data in readers[name].seeds[:1]:
        if name != "api":
            assert judged(readers[name], data, folder) == "accepted"


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(seed=st.integers(0, 2**32), garbage=st.binary(max_size=200), kind=st.sampled_from(["damage", "garbage", "cut"]))
def test_damaged_input_gives_one_sentence(name, readers, folder, seed, garbage, kind):
    rng = random.Random(seed)
    whole = rng.choice(readers[name].seeds)
    data = {"damage": damaged(whole, readers[name].seeds, rng), "garbage": garbage, "cut": whole[: seed % len(whole)]}
    judged(readers[name], data[kind], folder)


def test_the_large_run_finds_nothing_and_would_tell(folder):
    record = run(60, 1, "photo", folder)
    assert record["findings"] == []
    assert sum(record["outcomes"]["photo"].values()) == 60
    with pytest.raises(ZeroDivisionError):
        judged(Target("broken", [b"x"], lambda data: 1 / 0), b"x", folder)
    with pytest.raises(AssertionError, match="path"):
        one_sentence(f"Cannot read {folder}/x.", folder)


# --- bombs: small files that ask for a lot --------------------------------------------------------------------------


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *more: bytes, mode: int = 0) -> bytes:
    rows = zlib.compress(b"\0" * min(1 + width, 10**6) * min(height, 100), 9)
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, mode, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(more) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def gif_bomb() -> bytes:
    frame = Image.new("P", (64, 64))
    buffer = io.BytesIO()
    frame.save(buffer, "GIF")
    data = bytearray(buffer.getvalue())
    data[6:10] = struct.pack("<HH", 65535, 65535)
    return bytes(data)


BOMBS = {
    "pixels.png": png(20_000, 20_000),
    "widest.png": png(2**31 - 1, 2**31 - 1),
    "text.png": png(64, 64, chunk(b"zTXt", b"k\0\0" + zlib.compress(b"\0" * 50_000_000, 9))),
    "profile.png": png(64, 64, chunk(b"iCCP", b"p\0\0" + zlib.compress(b"\0" * 50_000_000, 9))),
    "screen.gif": gif_bomb(),
    "layers.tif": b"II*\0\x08\0\0\0" + struct.pack("<H", 3)
    + b"".join(struct.pack("<HHII", tag, 4, 1, 2**31 - 1) for tag in (256, 257, 278)) + struct.pack("<I", 8),
    "header.bmp": b"BM" + struct.pack("<IHHI", 100, 0, 0, 54)
    + struct.pack("<IiiHHIIiiII", 40, 2**30, 2**30, 1, 24, *[0] * 6),
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_defused_before_it_fills_the_memory(name):
    before, started = peak_mb(), time.perf_counter()
    assert len(BOMBS[name]) < 300_000
    with pytest.raises(InputError) as refusal:
        open_photo(BOMBS[name])
    assert len(str(refusal.value).splitlines()) == 1
    assert peak_mb() - before < 120
    assert time.perf_counter() - started < 10


def var_length(value: int) -> bytes:
    out = [value & 0x7F]
    while value := value >> 7:
        out.append(value & 0x7F | 0x80)
    return bytes(reversed(out))


def midi(events: bytes, ticks: int = 480) -> bytes:
    track = events + b"\x00\xff\x2f\x00"
    return b"MThd" + struct.pack(">IHHH", 6, 0, 1, ticks) + b"MTrk" + struct.pack(">I", len(track)) + track


@pytest.mark.parametrize(
    "data",
    [
        midi(b"\x00\x90\x3c\x40" + var_length(0x0FFFFFFF) + b"\x80\x3c\x00"),  # one note, longer than a lifetime
        midi(b"\x00\xff\x51\x03\xff\xff\xff\x00\x90\x3c\x40" + var_length(9_000_000) + b"\x80\x3c\x00", ticks=1),
        midi(b"\x00\x90\x3c\x40\x01\x80\x3c\x00" * 60_000),
        midi(b"\x00\x90\x3c\x40\x01\x80\x3c\x00" * 200_000),
        midi(b"", ticks=0),
        b"MThd" + struct.pack(">IHHH", 6, 1, 65535, 480) + b"MTrk\x00\x00\x00\x04\x00\xff\x2f\x00" * 20_000,
    ],
    ids=["long", "slow", "many", "large", "no-ticks", "tracks"],
)
def test_a_midi_file_cannot_ask_for_a_lifetime(data, tmp_path):
    before, started = peak_mb(), time.perf_counter()
    with pytest.raises(InputError) as refusal:
        read_midi(data)
    assert len(str(refusal.value).splitlines()) == 1
    assert peak_mb() - before < 250
    assert time.perf_counter() - started < 10


@pytest.mark.parametrize(
    "change",
    [
        {"config": {"hidden": 2**31}},
        {"config": {"latent": 10**9}},
        {"config": []},
        {"key": ["beta_vae@paper"]},
        {"key": None},
        {"borrows": {"x.": "../../../../etc/passwd"}},
        {"borrows": {"x.": "backbone/.."}},
        {"depends_on": None, "borrows": {"x.": "image_ae/beta_vae@paper"}},
        {"format": {"a": 1}},
    ],
)
def test_a_card_cannot_ask_for_more_than_its_weights_hold(change, readers, folder):
    """The memory of a module is touched only as far as there are weights for it, and cards lead to no other folder."""
    path = folder / "image_ae" / "beta_vae@paper"
    readers["card"].run(readers["card"].seeds[0])  # writes the whole one
    card = json.loads((path / "card.json").read_text())
    if isinstance(change.get("config"), dict):
        change = {"config": card["config"] | change["config"]}
    (path / "card.json").write_text(json.dumps(card | change))
    before = peak_mb()
    with pytest.raises(CheckpointError) as refusal:
        load_model(path, IMAGE_AUTOENCODERS)
    assert len(str(refusal.value)) < 300
    assert peak_mb() - before < 100
