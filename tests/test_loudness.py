"""Loudness: the meter against the published answers, the one gain of all pieces, and equal loudness for comparing."""

from __future__ import annotations

import io
import math
import wave

import numpy as np
import pytest
from numpy.typing import NDArray

from eimg_core.emotion import VA
from eimg_core.midi.notes import Note, Piece
from eimg_core.performance import perform
from eimg_core.sound.limiter import limiting_gain
from eimg_core.sound.loudness import COMPARED_LUFS, integrated_lufs
from eimg_core.sound.render import SAMPLE_RATE_HZ, render
from tests.engines import each_engine, needs_fluidsynth
from tests.factories import make_piece

PEAK = 10 ** (-1 / 20)


def sine(level_db: float, seconds: float, hz: float = 1000.0, rate_hz: int = 48000, channels: int = 2) -> NDArray:
    wave = 10 ** (level_db / 20) * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate_hz)) / rate_hz)
    return np.stack([wave] * channels, axis=1).astype(np.float32)


# The meter


def test_the_definition_holds():
    """BS.1770-4: a sine of 997 Hz and full scale in one channel is -3.01 LUFS."""
    assert integrated_lufs(sine(0, 5, 997, channels=1), 48000) == pytest.approx(-3.01, abs=0.01)


@pytest.mark.parametrize("rate_hz", [44100, 48000])
@pytest.mark.parametrize(
    "levels",
    [
        [(-23, 20)],
        [(-33, 20)],
        [(-36, 10), (-23, 60), (-36, 10)],
        [(-72, 10), (-36, 10), (-23, 60), (-36, 10), (-72, 10)],
        [(-26, 20), (-20, 20.1), (-26, 20)],
    ],
)
def test_the_cases_of_the_ebu_are_met(levels: list[tuple[float, float]], rate_hz: int):
    """EBU Tech 3341 (2016), cases 1 to 5, whose answers are -23 LUFS but in the second, each within 0.1."""
    sound = np.concatenate([sine(level, seconds, rate_hz=rate_hz) for level, seconds in levels])
    expected = -33.0 if levels == [(-33, 20)] else -23.0
    assert integrated_lufs(sound, rate_hz) == pytest.approx(expected, abs=0.1)


@pytest.mark.parametrize("hz", [20, 38, 100, 500, 2000, 5000, 10000])
def test_every_rate_has_the_curve_that_is_tabulated_for_48_khz(hz: float):
    """Table 1 and 2 of BS.1770-4: a shelf and a high-pass; bass counts less, presence more."""
    z = np.exp(2j * np.pi * np.array([hz, 1000.0]) / 48000)
    shelf = np.polyval([1.19839281085285, -2.69169619938640, 1.53512485958697], z**-1)
    shelf /= np.polyval([0.73248077421585, -1.69065929318241, 1], z**-1)
    high_pass = np.polyval([1, -2, 1], z**-1) / np.polyval([0.99007225036621, -1.99004745483398, 1], z**-1)
    tabulated = 20 * np.log10(np.abs(shelf * high_pass))
    ours = [integrated_lufs(sine(-20, 4, f, SAMPLE_RATE_HZ), SAMPLE_RATE_HZ) for f in (hz, 1000)]
    assert ours[0] - ours[1] == pytest.approx(tabulated[0] - tabulated[1], abs=0.15)


@pytest.mark.parametrize("samples", [0, 1, 100, 17639, 17641, 44100])
def test_silence_and_short_sounds_have_an_answer(samples: int):
    assert integrated_lufs(np.zeros((samples, 2), np.float32), SAMPLE_RATE_HZ) == -math.inf
    assert not math.isnan(integrated_lufs(np.full((samples, 2), 0.1, np.float32), SAMPLE_RATE_HZ))


def test_rests_do_not_make_music_softer():
    tone = sine(-20, 3)
    rest = np.zeros((48000 * 10, 2), np.float32)
    apart = integrated_lufs(np.concatenate([tone, rest, tone]), 48000)
    assert apart == pytest.approx(integrated_lufs(tone, 48000), abs=0.7)


# The limiter


def test_peaks_are_turned_down_and_the_rest_is_left_alone():
    sound = np.abs(sine(-20, 1)) + np.float32(0.02)
    assert (limiting_gain(sound, 48000, PEAK) == 1).all()
    sound[20000:20200] *= 30
    soft = sound * limiting_gain(sound, 48000, PEAK)[:, None]
    assert np.abs(soft).max() <= PEAK * (1 + 1e-6)
    assert np.abs(soft).max() > 0.9 * PEAK
    np.testing.assert_array_equal(soft[:19000], sound[:19000])
    np.testing.assert_array_equal(soft[21200:], sound[21200:])
    assert np.abs(np.diff(soft / sound, axis=0)).max() < 0.01, "the gain glides"


def test_the_limiter_finds_the_lowest_gain_of_each_neighbourhood():
    rng = np.random.default_rng(0)
    sound = rng.uniform(-1, 1, (3000, 2)).astype(np.float32) ** 15 * 4
    soft = sound * limiting_gain(sound, 1000, 0.5)[:, None]
    wanted = 0.5 / np.maximum(np.abs(sound).max(axis=1).astype(np.float64), 0.5)
    padded = np.pad(wanted, 10, constant_values=1)
    lowest = np.lib.stride_tricks.sliding_window_view(padded, 11).min(axis=1)
    expected = np.lib.stride_tricks.sliding_window_view(lowest, 11).mean(axis=1)
    np.testing.assert_allclose(soft, sound * expected[:, None], atol=1e-6)


# One gain for all pieces


def chords(velocity: int) -> Piece:
    return Piece(tuple(Note(0.5 * i, p + i % 5, 0.5 * i + 0.5, velocity) for i in range(8) for p in (45, 57, 64, 72)))


@each_engine
def test_loudness_follows_velocity(engine: str):
    """The square law of General MIDI: 40 dB for ten times the velocity."""
    soft, middle, loud = (render(chords(velocity), engine=engine).lufs for velocity in (30, 60, 90))
    assert middle - soft == pytest.approx(40 * math.log10(60 / 30), abs=0.7)
    assert loud - middle == pytest.approx(40 * math.log10(90 / 60), abs=0.7)


@needs_fluidsynth
@pytest.mark.parametrize("velocity", [40, 100])
def test_the_engines_are_equally_loud(velocity: int):
    theirs, ours = (render(chords(velocity), engine=engine).lufs for engine in ("fluidsynth", "numpy"))
    assert ours == pytest.approx(theirs, abs=1.0)


def test_excited_pieces_are_louder_than_calm_ones():
    """Real performances differ by 8.5 dB between the halves of EMOPIA; composed alike, touch alone has to give 6."""
    score = chords(80)
    levels = {
        (v, a): np.mean([render(perform(score, VA(v, a), seed), engine="numpy").lufs for seed in range(4)])
        for v in (2, 8)
        for a in (2, 8)
    }
    for valence in (2, 8):
        assert 6 < levels[valence, 8] - levels[valence, 2] < 14
    assert levels[8, 8] == pytest.approx(levels[2, 8], abs=1.5), "valence is not loudness"


def test_a_piece_in_the_middle_of_the_plane_is_as_loud_as_what_is_compared():
    middle = VA(5, 5)
    pieces = [make_piece(middle, np.random.default_rng(seed), 10) for seed in range(4)]
    levels = [render(perform(piece, middle, seed), engine="numpy").lufs for seed, piece in enumerate(pieces)]
    assert np.mean(levels) == pytest.approx(COMPARED_LUFS, abs=4)


@each_engine
def test_the_loudest_piece_does_not_clip(engine: str):
    """Twenty keys at once, four times a second, as hard as MIDI allows: far more than any pianist."""
    notes = tuple(Note(0.25 * i, 30 + 3 * k, 0.25 * i + 0.25, 127) for i in range(12) for k in range(20))
    sound = render(Piece(notes), engine=engine)
    assert 0.8 < sound.peak <= PEAK * (1 + 1e-6)
    with wave.open(io.BytesIO(sound.wav_bytes())) as file:
        pcm = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    assert np.abs(pcm.astype(int)).max() < 32767 * 0.9


def test_the_limiter_leaves_usual_pieces_alone():
    for va in (VA(5, 2), VA(2, 5), VA(8, 5), VA(5, 6)):
        piece = perform(make_piece(va, np.random.default_rng(0), 10), va)
        assert render(piece, engine="numpy").peak < PEAK, va


# Equal loudness, for comparing


def test_compared_pieces_are_equally_loud():
    for va in (VA(2, 1), VA(8, 2), VA(5, 5), VA(2, 8), VA(9, 9)):
        piece = perform(make_piece(va, np.random.default_rng(1), 8), va)
        sound = render(piece, engine="numpy", lufs=COMPARED_LUFS)
        assert sound.lufs == pytest.approx(COMPARED_LUFS, abs=0.2)
        assert sound.peak <= PEAK * (1 + 1e-6)


def test_a_tiny_piece_can_be_compared_and_an_inaudible_one_is_not_made_noise():
    tiny = render(Piece((Note(0.0, 96, 0.02, 60),)), engine="numpy", tail_s=0.1, lufs=COMPARED_LUFS)
    assert len(tiny.samples) < 0.4 * SAMPLE_RATE_HZ
    assert tiny.lufs == pytest.approx(COMPARED_LUFS, abs=1)
    inaudible = Piece((Note(0.0, 60, 0.5, 1),))
    assert render(inaudible, engine="numpy").lufs == -math.inf
    assert render(inaudible, engine="numpy", lufs=COMPARED_LUFS).peak == render(inaudible, engine="numpy").peak
