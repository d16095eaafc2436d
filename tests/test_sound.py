"""Sound: the shipped piano, both engines, what a listener would notice, and what happens on bad input."""

from __future__ import annotations

import hashlib
import io
import math
import re
import struct
import subprocess
import sys
import threading
import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from eimg_core.errors import InputError, RenderError
from eimg_core.midi.notes import Note, Pedal, Piece
from eimg_core.options import OPTIONS
from eimg_core.sound import fluid
from eimg_core.sound.instruments import INSTRUMENTS
from eimg_core.sound.render import (
    DEFAULT_SOUNDFONT,
    SAMPLE_RATE_HZ,
    available_engine,
    render,
)
from eimg_core.sound.sampler import Sampler, Strike
from eimg_core.sound.soundfont import Gen, Instrument, Preset, SampleHeader, SoundFont, Zone, read_soundfont
from eimg_core.studio import Studio
from tests.engines import each_engine, needs_fluidsynth
from train.data.soundfont import encode_soundfont, subset

ROOT = Path(__file__).resolve().parents[1]

A4 = Piece((Note(0.0, 69, 1.0, 80),))
PHRASE = Piece(
    tuple(Note(0.25 * i, 48 + (7 * i) % 36, 0.25 * i + 0.4, 50 + (13 * i) % 60) for i in range(12)),
    pedals=(Pedal(0.1, 0.9), Pedal(1.0, 1.9)),
)


def rms(sound: NDArray[np.float32], start_s: float, end_s: float) -> float:
    part = sound[round(start_s * SAMPLE_RATE_HZ) : round(end_s * SAMPLE_RATE_HZ)]
    return float(np.sqrt(np.mean(np.square(part)))) if len(part) else 0.0


def centroid_hz(sound: NDArray[np.float32]) -> float:
    power = np.abs(np.fft.rfft(sound.mean(axis=1))) ** 2
    return float((np.fft.rfftfreq(len(sound), 1 / SAMPLE_RATE_HZ) * power).sum() / power.sum())


def envelope(sound: NDArray[np.float32], frame: int = 882) -> NDArray[np.float32]:
    return np.sqrt(np.square(sound[: len(sound) // frame * frame]).reshape(-1, 2 * frame).mean(axis=1))


def strongest_hz(sound: NDArray[np.float32], near_hz: float) -> float:
    spectrum = np.abs(np.fft.rfft(sound.mean(axis=1) * np.hanning(len(sound)), 1 << 19))
    frequency = np.fft.rfftfreq(1 << 19, 1 / SAMPLE_RATE_HZ)
    spectrum[(frequency < near_hz / 1.4) | (frequency > near_hz * 1.4)] = 0
    return float(frequency[spectrum.argmax()])


def sine_font(*, loop: bool = True, silent: bool = False, generators: tuple[tuple[int, int], ...] = ()) -> SoundFont:
    """Two presets with one sample each: 100 periods of a sine, 500 Hz (program 0) and 250 Hz (program 5)."""
    rate, periods = 32000, 100
    waves, headers, position = [], [], 0
    for name, hz in (("high", 500), ("low", 250)):
        length = rate // hz * periods
        waves += [np.sin(2 * np.pi * hz * np.arange(length) / rate), np.zeros(46)]
        end = position + length
        headers.append(SampleHeader(name, position, end, end - 10 * rate // hz, end, rate, 60, 0))
        position = end + 46
    samples = np.round(np.concatenate(waves) * (0 if silent else 20000)).astype(np.int16)
    mode = (int(Gen.SAMPLE_MODE), int(loop))
    return SoundFont(
        info=(("ifil", b"\2\0\1\0"), ("INAM", b"Two sines\0"), ("ICMT", b"For tests only.\0")),
        samples=samples,
        headers=tuple(headers),
        presets=tuple(Preset(f"sine {p}", 0, p, (Zone(((int(Gen.INSTRUMENT), i),)),)) for i, p in enumerate((0, 5))),
        instruments=tuple(
            Instrument(f"sine {i}", (Zone((*generators, mode, (int(Gen.SAMPLE), i))),)) for i in range(2)
        ),
    )


@pytest.fixture
def font_file(tmp_path: Path) -> Path:
    path = tmp_path / "sines.sf2"
    path.write_bytes(encode_soundfont(sine_font()))
    return path


# The font


def test_the_shipped_piano_is_the_documented_file_with_its_licence() -> None:
    folder = DEFAULT_SOUNDFONT.parent
    digest = hashlib.sha256(DEFAULT_SOUNDFONT.read_bytes()).hexdigest()
    assert digest in (folder / "README.md").read_text()
    licence = (folder / "LICENSE.txt").read_text()
    assert all(words in licence for words in ("Frank Wen", "Toby Smithe", "Permission is hereby granted"))
    font = read_soundfont(DEFAULT_SOUNDFONT)
    assert b"MIT" in dict(font.info)["ICMT"]
    assert len(font.headers) == 40
    voices = {(key, v): Sampler(font).voices(key, v) for key in range(21, 109) for v in (1, 64, 127)}
    assert all(len(pair) == 2 for pair in voices.values()), "left and right for every key of a piano"


@pytest.mark.parametrize("name", INSTRUMENTS)
def test_every_instrument_is_documented_and_has_all_keys(name: str) -> None:
    instrument = INSTRUMENTS[name]
    told = (instrument.path.parent / "README.md").read_text()
    assert hashlib.sha256(instrument.path.read_bytes()).hexdigest() in told
    font = read_soundfont(instrument.path)
    assert b"MIT" in dict(font.info)["ICMT"]
    assert len(font.presets) == 1
    assert font.usual.program == instrument.program
    sampler = Sampler(font, SAMPLE_RATE_HZ, font.usual.bank, font.usual.program)
    assert all(sampler.voices(key, v) for key in range(21, 109) for v in (1, 64, 127))


def test_instruments_are_few_and_those_of_the_option() -> None:
    assert tuple(INSTRUMENTS) == OPTIONS["instrument"].choices
    assert INSTRUMENTS[OPTIONS["instrument"].usual].path == DEFAULT_SOUNDFONT
    assert sum(one.path.stat().st_size for one in INSTRUMENTS.values()) < 16e6


@each_engine
@pytest.mark.parametrize("name", [name for name in INSTRUMENTS if name != "piano"])
def test_another_instrument_sounds_different_and_as_loud(name: str, engine: str) -> None:
    one, piano = INSTRUMENTS[name], render(PHRASE, engine=engine)
    other = render(PHRASE, engine=engine, soundfont=one.path, gain_db=one.gain_db)
    assert other.soundfont != piano.soundfont
    assert abs(other.lufs - piano.lufs) < 3.5
    n = min(len(other.samples), len(piano.samples))
    assert abs(np.corrcoef(other.samples[:n].ravel(), piano.samples[:n].ravel())[0, 1]) < 0.5


@each_engine
def test_a_font_whose_only_preset_has_another_number_plays(engine: str, tmp_path: Path) -> None:
    font = sine_font()
    elsewhere = replace(font, presets=(replace(font.presets[0], bank=3, program=12),))
    (tmp_path / "other.sf2").write_bytes(encode_soundfont(elsewhere))
    (tmp_path / "usual.sf2").write_bytes(encode_soundfont(font))
    other, usual = (render(A4, engine=engine, soundfont=tmp_path / f"{name}.sf2") for name in ("other", "usual"))
    np.testing.assert_array_equal(other.samples, usual.samples)
    with pytest.raises(RenderError, match="has no instrument"):
        replace(font, presets=()).usual  # noqa: B018


def test_a_font_survives_writing_and_reading(font_file: Path) -> None:
    original, copy = sine_font(), read_soundfont(font_file)
    assert (copy.info, copy.headers, copy.presets, copy.instruments) == (
        original.info, original.headers, original.presets, original.instruments,
    )  # fmt: skip
    np.testing.assert_array_equal(copy.samples, original.samples)
    assert encode_soundfont(copy) == font_file.read_bytes()


def test_a_subset_plays_like_the_whole_font() -> None:
    whole = sine_font()
    part = subset(whole, program=5)
    assert len(part.samples) < len(whole.samples)
    assert [h.name for h in part.headers] == ["low"]
    assert dict(part.info)["ICMT"] == dict(whole.info)["ICMT"]
    strikes = [Strike(0.0, 57, 90, 2.0)]
    expected = Sampler(whole, program=5).render(strikes, SAMPLE_RATE_HZ)
    np.testing.assert_array_equal(Sampler(part, program=5).render(strikes, SAMPLE_RATE_HZ), expected)


@pytest.mark.parametrize("keep", [0, 10, 3000, -100])
def test_a_cut_font_says_what_to_do(font_file: Path, keep: int) -> None:
    font_file.write_bytes(font_file.read_bytes()[:keep])
    with pytest.raises(RenderError, match=r"sines\.sf2 is not a complete SoundFont 2 file .*choose another"):
        render(A4, soundfont=font_file)


def test_a_font_with_wrong_indexes_is_refused_and_never_noise(font_file: Path) -> None:
    data = font_file.read_bytes()
    rng = np.random.default_rng(0)
    start = data.index(b"pdta")
    for _ in range(100):  # change one byte of the index tables: either it still plays, or it says so
        damaged = bytearray(data)
        damaged[int(rng.integers(start, len(data)))] ^= int(rng.integers(1, 256))
        font_file.write_bytes(bytes(damaged))
        try:
            sound = Sampler(read_soundfont(font_file)).render([Strike(0.0, 69, 80, 0.2)], 10000)
        except RenderError:
            continue
        assert np.isfinite(sound).all()
        assert np.abs(sound).max() < 1


def test_a_hostile_font_costs_little(tmp_path: Path) -> None:
    font = sine_font()
    zone = font.instruments[0].zones[-1]
    others = tuple(pair for pair in zone.generators if pair[0] != Gen.SAMPLE)
    high = Zone((*others, (Gen.COARSE_TUNE, 32000), (Gen.SAMPLE, 0)))
    for name, zones in (("high", (high,)), ("crowded", (zone,) * 2000)):
        hostile = replace(font, instruments=tuple(Instrument("x", zones) for _ in font.instruments))
        (tmp_path / f"{name}.sf2").write_bytes(encode_soundfont(hostile))
    crowded = Sampler(read_soundfont(tmp_path / "crowded.sf2"))
    assert max(len(crowded.voices(key, 80)) for key in range(21, 109)) == 32
    with pytest.raises(RenderError, match="transposes its recordings too far"):
        Studio().render(Piece((Note(0.0, 69, 500.0, 80),)), soundfont=tmp_path / "high.sf2")
    tables = b"pdta" + struct.pack("<4sI", b"igen", 5 * 2**20) + bytes(5 * 2**20)
    body = b"sfbk" + struct.pack("<4sI", b"LIST", len(tables)) + tables
    (tmp_path / "long.sf2").write_bytes(struct.pack("<4sI", b"RIFF", len(body)) + body)
    with pytest.raises(RenderError, match="its part igen is too long"):
        read_soundfont(tmp_path / "long.sf2")


def test_a_font_that_is_too_large_is_not_even_read(tmp_path: Path) -> None:
    with (tmp_path / "large.sf2").open("wb") as file:
        file.truncate(512 * 2**20 + 1)  # a hole in a file takes no room
    with pytest.raises(RenderError, match=r"large\.sf2 is too large; soundfonts up to 512 MB can be read\."):
        read_soundfont(tmp_path / "large.sf2")


def test_a_missing_font_and_a_font_without_piano_are_errors(tmp_path: Path) -> None:
    with pytest.raises(RenderError, match=r"Cannot read the soundfont nowhere\.sf2"):
        render(A4, soundfont=tmp_path / "nowhere.sf2")
    with pytest.raises(RenderError, match="no instrument at bank 0, program 1"):
        Sampler(sine_font(), program=1).render([Strike(0.0, 60, 80, 1.0)], 100)


# The built-in sampler, on sines with known answers


def test_the_sampler_transposes_and_loops() -> None:
    strikes = [Strike(0.0, 65, 127, 4.0)]
    looped = Sampler(sine_font()).render(strikes, 3 * SAMPLE_RATE_HZ)
    once = Sampler(sine_font(loop=False)).render(strikes, 3 * SAMPLE_RATE_HZ)
    expected = 500 * 2 ** (5 / 12)
    assert strongest_hz(looped, expected) == pytest.approx(expected, rel=1e-4)
    # 20000 / 32768 at full velocity, shared by two speakers; a seam in the loop would show in the residue.
    assert rms(looped, 0.5, 2.9) == pytest.approx(20000 / 32768 / 2, rel=1e-3)
    time = np.arange(SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    part = looped[SAMPLE_RATE_HZ : 2 * SAMPLE_RATE_HZ, 0]
    basis = np.stack([np.sin(2 * np.pi * expected * time), np.cos(2 * np.pi * expected * time)], axis=1)
    residue = part - basis @ np.linalg.lstsq(basis, part, rcond=None)[0]
    assert np.abs(residue).max() < 2e-3
    assert rms(once, 0.0, 0.14) > 0.2
    assert rms(once, 0.2, 3.0) == 0


@pytest.mark.parametrize(("pan", "left", "right"), [(-500, 1, 0), (0, math.sqrt(0.5), math.sqrt(0.5)), (500, 0, 1)])
def test_the_sampler_places_sound_between_the_speakers(pan: int, left: float, right: float) -> None:
    sound = Sampler(sine_font(generators=((int(Gen.PAN), pan),))).render([Strike(0, 60, 127, 1.0)], SAMPLE_RATE_HZ)
    full = 20000 / 32768
    np.testing.assert_allclose(np.abs(sound).max(axis=0), [left * full, right * full], atol=0.01)


def test_velocity_follows_the_square_law_and_decay_is_linear_in_decibels() -> None:
    decay = ((int(Gen.VOL_DECAY), 1200), (int(Gen.VOL_SUSTAIN), 1000))  # 96 dB in 2 s
    sampler = Sampler(sine_font(generators=decay))
    loud, soft = (sampler.render([Strike(0, 60, v, 3.0)], SAMPLE_RATE_HZ) for v in (120, 60))
    np.testing.assert_allclose(loud, 4 * soft, atol=1e-6)
    drop_db = 20 * math.log10(rms(loud, 0.1, 0.2) / rms(loud, 0.6, 0.7))
    assert drop_db == pytest.approx(24, abs=0.1)


def test_the_sampler_release_takes_its_time() -> None:
    release = ((int(Gen.VOL_RELEASE), 0),)  # 96 dB in 1 s
    sound = Sampler(sine_font(generators=release)).render([Strike(0, 60, 127, 0.5)], 2 * SAMPLE_RATE_HZ)
    drop_db = 20 * math.log10(rms(sound, 0.4, 0.5) / rms(sound, 0.99, 1.01))
    assert drop_db == pytest.approx(48, abs=0.2)
    assert rms(sound, 1.51, 2.0) == 0


def test_the_sampler_filter_has_its_cutoff_where_the_font_says() -> None:
    cents = round(1200 * math.log2(500 / 8.176))
    fonts = [sine_font(), sine_font(generators=((int(Gen.FILTER_CUTOFF), cents),))]
    gain_db = {}
    for key in (36, 60, 84):  # two octaves below, at, and two octaves above the cutoff
        plain, filtered = (Sampler(font).render([Strike(0, key, 127, 1.0)], 20000) for font in fonts)
        gain_db[key] = 20 * math.log10(rms(filtered, 0.1, 0.4) / rms(plain, 0.1, 0.4))
    assert gain_db[60] - gain_db[36] == pytest.approx(-3.0, abs=0.1)
    assert gain_db[84] - gain_db[36] == pytest.approx(-24.0, abs=0.5)


# The engines agree


@needs_fluidsynth
@pytest.mark.parametrize("key", [28, 45, 60, 69, 81, 96])
@pytest.mark.parametrize("velocity", [40, 110])
def test_the_sampler_is_fluidsynth_note_by_note(key: int, velocity: int) -> None:
    strikes = [Strike(0.0, key, velocity, 0.7)]
    theirs = fluid.play(strikes, 2 * SAMPLE_RATE_HZ, font=DEFAULT_SOUNDFONT)
    ours = Sampler(read_soundfont(DEFAULT_SOUNDFONT)).render(strikes, 2 * SAMPLE_RATE_HZ)
    assert np.corrcoef(theirs.ravel(), ours.ravel())[0, 1] > 0.995
    assert abs(20 * math.log10(rms(ours, 0, 2) / rms(theirs, 0, 2))) < 1.0
    assert centroid_hz(ours) == pytest.approx(centroid_hz(theirs), rel=0.02)


@needs_fluidsynth
def test_the_sampler_is_fluidsynth_for_a_phrase() -> None:
    theirs, ours = (render(PHRASE, engine=engine).samples for engine in ("fluidsynth", "numpy"))
    n = min(len(theirs), len(ours))
    assert abs(len(theirs) - len(ours)) < 0.1 * SAMPLE_RATE_HZ
    assert np.corrcoef(envelope(theirs[:n]), envelope(ours[:n]))[0, 1] > 0.97
    assert centroid_hz(ours) == pytest.approx(centroid_hz(theirs), rel=0.10)


# What a listener would notice


@each_engine
def test_the_sound_is_clean(engine: str) -> None:
    sound = render(PHRASE, engine=engine)
    x = sound.samples
    assert x.dtype == np.float32
    assert x.shape == (len(x), 2)
    assert np.isfinite(x).all()
    assert 0.1 < sound.peak < 0.9
    assert np.abs(x[[0, -1]]).max() < 1e-4, "no click at either end"
    assert np.std(x[:, 0] - x[:, 1]) > 0.05 * np.std(x), "left and right differ"
    assert rms(x, 0.0, 0.1) > 0.01, "the music starts at once"


@each_engine
def test_a_loop_begins_with_what_rings_from_its_end(engine: str) -> None:
    loop = Piece((Note(0.0, 60, 0.5, 80), Note(1.5, 48, 2.0, 80)), pedals=(Pedal(1.5, 2.0),), loop_s=2.0)
    once, again = render(loop, engine=engine).samples, render(replace(loop, loop_s=None), engine=engine).samples
    assert len(once) == 2 * SAMPLE_RATE_HZ
    ring = again[2 * SAMPLE_RATE_HZ :][: len(once)]
    assert np.abs(ring).max() > 1e-3
    middle = slice(SAMPLE_RATE_HZ // 10, len(ring) - SAMPLE_RATE_HZ // 10)  # but for the fades of a piece that ends
    np.testing.assert_allclose(once[: len(ring)][middle], (again[: len(ring)] + ring)[middle], atol=1e-4)
    seam = np.abs(once[0] - once[-1]).max()
    assert seam <= 1.5 * np.abs(np.diff(once, axis=0)).max(), "no jump that the music does not have itself"


@each_engine
def test_the_last_note_rings_out_and_silence_is_cut(engine: str) -> None:
    short, long = (render(A4, engine=engine, tail_s=tail) for tail in (0.1, 8.0))
    assert short.duration_s == pytest.approx(1.1, abs=0.01)
    assert 1.3 < long.duration_s < 3.0, "it ends when the sound has died away"
    assert rms(long.samples, 1.0, 1.2) > 10 ** (-50 / 20)
    assert rms(long.samples, long.duration_s - 0.05, long.duration_s) < 10 ** (-50 / 20)


@each_engine
@pytest.mark.parametrize(("pitch", "hz"), [(57, 220.0), (69, 440.0), (81, 880.0)])
def test_the_piano_is_in_tune(engine: str, pitch: int, hz: float) -> None:
    sound = render(Piece((Note(0.0, pitch, 1.5, 80),)), engine=engine)
    assert strongest_hz(sound.samples, hz) == pytest.approx(hz, rel=0.005)


@each_engine
def test_a_louder_note_is_louder(engine: str) -> None:
    sound = render(Piece((Note(0.0, 60, 0.5, 40), Note(2.0, 60, 2.5, 100))), engine=engine).samples
    assert 20 * math.log10(rms(sound, 2.0, 2.5) / rms(sound, 0.0, 0.5)) == pytest.approx(16, abs=2)


@each_engine
def test_the_pedal_holds_notes_and_a_new_pedal_does_not(engine: str) -> None:
    notes = (Note(0.0, 60, 0.3, 90), Note(3.0, 72, 3.2, 90))
    level = {}
    for name, pedals in (
        ("none", ()), ("held", (Pedal(0.1, 2.0),)), ("changed", (Pedal(0.1, 1.0), Pedal(1.0, 2.0))),
        ("late", (Pedal(0.3, 2.0),)),
    ):  # fmt: skip
        sound = render(Piece(notes, pedals=pedals), engine=engine).samples
        level[name] = 20 * math.log10(rms(sound, 1.7, 1.9) + 1e-9)
    assert level["held"] > level["none"] + 30
    assert level["changed"] < level["held"] - 15, "the damper falls when the pedal changes"
    assert level["late"] == pytest.approx(level["none"], abs=1)


@each_engine
def test_a_key_struck_again_sounds_again_although_the_first_note_ends_later(engine: str) -> None:
    sound = render(Piece((Note(0.0, 60, 1.2, 90), Note(1.0, 60, 3.0, 90))), engine=engine).samples
    assert rms(sound, 1.3, 1.5) == pytest.approx(rms(sound, 0.3, 0.5), rel=0.15)


@each_engine
def test_the_same_piece_gives_the_same_bits_also_in_threads(engine: str) -> None:
    expected = render(PHRASE, engine=engine).wav_bytes()
    results: list[bytes] = []
    threads = [threading.Thread(target=lambda: results.append(render(PHRASE, engine=engine).wav_bytes()))
               for _ in range(3)]  # fmt: skip
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [expected] * 3


@each_engine
def test_the_softest_note_is_there(engine: str) -> None:
    soft = render(Piece((Note(0.0, 60, 0.5, 1),)), engine=engine)
    assert strongest_hz(soft.samples, 261.6) == pytest.approx(261.6, rel=0.01)


@each_engine
def test_a_wav_file_holds_the_sound(engine: str) -> None:
    sound = render(A4, engine=engine)
    with wave.open(io.BytesIO(sound.wav_bytes())) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, 44100)
        pcm = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
    np.testing.assert_allclose(pcm / 32767, sound.samples, atol=1 / 32767)
    assert sound.duration_s == len(pcm) / 44100


# What cannot be played


@each_engine
def test_a_silent_font_is_an_error_and_not_noise(engine: str, tmp_path: Path) -> None:
    path = tmp_path / "silent.sf2"
    path.write_bytes(encode_soundfont(sine_font(silent=True)))
    with pytest.raises(RenderError, match=r"silent\.sf2 gives no sound"):
        render(A4, engine=engine, soundfont=path)


def test_nothing_and_too_much_are_errors() -> None:
    with pytest.raises(RenderError, match="no notes"):
        render(Piece(()))
    with pytest.raises(InputError, match="11 minutes; at most 10"):
        render(Piece((Note(660.0, 60, 661.0),)))
    with pytest.raises(ValueError, match="unknown engine"):
        render(A4, engine="organ")  # type: ignore[arg-type]


def test_without_the_library_the_built_in_sampler_plays() -> None:
    script = """
import ctypes.util, os
ctypes.util.find_library = lambda name: None
os.environ.pop("HOMEBREW_PREFIX", None)
from eimg_core.errors import RenderError
from eimg_core.midi.notes import Note, Piece
from eimg_core.sound.render import available_engine, render
piece = Piece((Note(0.0, 69, 0.5),))
sound = render(piece)
try:
    render(piece, engine="fluidsynth")
except RenderError as error:
    print(available_engine(), sound.engine, sound.peak > 0.1, error, sep="|")
"""
    result = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    available, engine, heard, error = result.stdout.strip().split("|")
    assert (available, engine, heard) == ("built-in sampler", "built-in sampler", "True")
    assert "libfluidsynth3" in error


@needs_fluidsynth
def test_the_engine_is_named_with_its_version() -> None:
    assert re.fullmatch(r"FluidSynth \d+\.\d+\.\d+", available_engine())
    assert render(A4).engine == available_engine()
