"""The quality metrics: equal to muspy's on the same file, right on examples worked out by hand, NaN on nothing."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import mido
import numpy as np
import pytest

from eimg_core.errors import InputError
from eimg_core.metrics import (
    Quality,
    bar_groove,
    bar_pitch_class_entropy,
    polyphony_rate_2,
    quality,
    quality_of_ticks,
    read_ticks,
)
from eimg_core.midi.notes import Note, Pedal, Piece
from eimg_core.midi.writing import write_midi

EMPTY = Piece(())


def muspy_quality(path: Path) -> Quality:
    muspy = pytest.importorskip("muspy")
    music = muspy.read_midi(path)
    return Quality(
        muspy.polyphony_rate(music, threshold=2),
        muspy.pitch_entropy(music),
        muspy.groove_consistency(music, measure_resolution=4),
    )


def values(result: Quality) -> tuple[float, float, float]:
    return result.polyphony_rate, result.pitch_entropy, result.groove_consistency


def random_midi(path: Path, seed: int) -> Path:
    """Two tracks of notes that overlap themselves, touch, form chords and leave rests; a late control change."""
    rng = np.random.default_rng(seed)
    midi = mido.MidiFile(type=1, ticks_per_beat=int(rng.choice([24, 480, 1024])))
    for channel in range(2):
        events = []
        for _ in range(int(rng.integers(5, 60))):
            on, length, pitch = int(rng.integers(0, 900)), int(rng.integers(0, 200)), int(rng.integers(58, 66))
            # A release that is written before its strike at one tick, a zero velocity that releases: both occur.
            events.append((on, 1, mido.Message("note_on", note=pitch, velocity=64, channel=channel)))
            release = rng.choice(["note_off", "note_on"])
            events.append((on + length, 0, mido.Message(release, note=pitch, velocity=0, channel=channel)))
        events.append((int(rng.integers(0, 1500)), 2, mido.Message("control_change", control=64, value=0)))
        track, now = mido.MidiTrack(), 0
        for tick, _, message in sorted(events, key=lambda event: event[:2]):
            track.append(message.copy(time=tick - now))
            now = tick
        midi.tracks.append(track)
    midi.save(path)
    return path


@pytest.mark.parametrize("seed", range(12))
def test_a_file_on_its_own_ticks_equals_muspy(tmp_path: Path, seed: int) -> None:
    path = random_midi(tmp_path / "random.mid", seed)
    ticks = read_ticks(path)
    ours = quality_of_ticks(ticks.onsets, ticks.offsets, ticks.pitches, ticks.length)
    assert values(ours) == pytest.approx(values(muspy_quality(path)), abs=1e-12)


@pytest.mark.parametrize("seed", range(6))
def test_a_piece_equals_muspy_on_the_file_written_at_120_bpm(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    notes = []
    for _ in range(80):
        start = float(rng.choice([round(rng.uniform(0, 9), 2), rng.uniform(0, 9)]))
        notes.append(Note(start, int(rng.integers(60, 68)), start + float(rng.uniform(1e-4, 1.5))))
    piece = Piece((*notes, *notes[:5]), tempo_bpm=73.0)  # some notes twice
    write_midi(replace(piece, tempo_bpm=120.0), tmp_path / "piece.mid")
    assert values(quality(piece)) == pytest.approx(values(muspy_quality(tmp_path / "piece.mid")), abs=1e-12)


def test_metrics_worked_out_by_hand() -> None:
    # Ticks 0-3: C alone, 4-7: C E G, 8-9: rest, 10-11: C. Three pitches sound on 4 of 12 ticks.
    result = quality_of_ticks([0, 4, 4, 10], [8, 8, 8, 12], [60, 64, 67, 60])
    assert result.polyphony_rate == pytest.approx(4 / 12)
    # Half of the notes are C, a quarter each E and G: 0.5·1 + 2·0.25·2 bits.
    assert result.pitch_entropy == pytest.approx(1.5)
    # Measures 1000 1000 0010 0000: distances 0, 2 and 1 of 4, so 1 - 3/12.
    assert result.groove_consistency == pytest.approx(0.75)


def test_two_notes_of_one_pitch_are_one_pitch() -> None:
    result = quality_of_ticks([0, 0, 2, 0], [10, 10, 6, 10], [60, 60, 60, 64])
    assert result.polyphony_rate == 0.0


def test_silence_counts_as_time() -> None:
    chord = [Note(0.0, 60, 1.0), Note(0.0, 64, 1.0), Note(0.0, 67, 1.0)]
    assert quality(Piece(tuple(chord))).polyphony_rate == 1.0
    assert quality(Piece((*chord, Note(3.0, 60, 4.0)))).polyphony_rate == pytest.approx(0.25)


def test_tempo_mark_meter_and_pedal_do_not_change_the_papers_metrics() -> None:
    piece = Piece((Note(0.0, 60, 1.0), Note(0.4, 64, 1.2), Note(0.8, 67, 2.0)))
    other = replace(piece, tempo_bpm=61.0, meter=(3, 4), pedals=(Pedal(0.0, 9.0),))
    assert quality(piece) == quality(other)


def test_nothing_gives_nan() -> None:
    assert all(math.isnan(value) for value in values(quality(EMPTY)))
    assert all(math.isnan(metric(EMPTY)) for metric in (bar_groove, polyphony_rate_2, bar_pitch_class_entropy))
    assert all(math.isnan(value) for value in values(quality_of_ticks([], [], [], length=3)))


def test_faulty_ticks_are_refused() -> None:
    with pytest.raises(ValueError, match="one shape"):
        quality_of_ticks([0, 1], [2], [60])
    with pytest.raises(ValueError, match="not end before"):
        quality_of_ticks([5], [4], [60])
    with pytest.raises(ValueError, match="after the given length"):
        quality_of_ticks([0], [9], [60], length=8)


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.mid"
    broken.write_bytes(b"no music")
    with pytest.raises(InputError, match=r"broken\.mid is not a MIDI file"):
        read_ticks(broken)
    with pytest.raises(InputError, match=r"Cannot read none\.mid"):
        read_ticks(tmp_path / "none.mid")


def _bars(patterns: list[list[int]], tempo_bpm: float = 90.0, meter: tuple[int, int] = (4, 4)) -> Piece:
    step = 60.0 / tempo_bpm / 4
    length = 16 * meter[0] // meter[1]
    starts = [(bar * length + place) * step for bar, pattern in enumerate(patterns) for place in pattern]
    return Piece(tuple(Note(s, 60, s + step) for s in starts), tempo_bpm, meter)


def test_bar_groove_reads_bars_and_not_ticks() -> None:
    waltz = [[0, 4, 8], [0, 4, 8], [0, 4, 8]]
    assert bar_groove(_bars(waltz, meter=(3, 4))) == 1.0
    assert bar_groove(_bars(waltz, tempo_bpm=171.0, meter=(3, 4))) == 1.0
    assert bar_groove(replace(_bars(waltz, meter=(3, 4)), meter=(4, 4))) < 1.0
    # Two bars that differ on 2 of 16 steps; a third equal to the second.
    assert bar_groove(_bars([[0, 8], [0, 4, 8, 12], [0, 4, 8, 12]])) == pytest.approx(1 - (2 / 16) / 2)
    assert math.isnan(bar_groove(_bars([[0, 4, 8]])))


def test_two_pitches_and_bar_entropy_by_hand() -> None:
    piece = Piece((Note(0.0, 60, 2.0), Note(1.0, 72, 2.0), Note(2.0, 65, 4.0)), tempo_bpm=120.0)
    assert polyphony_rate_2(piece) == pytest.approx(0.25)
    assert bar_pitch_class_entropy(piece) == 0.0  # C in two octaves, then F
    both = Piece((Note(0.0, 60, 1.0), Note(1.0, 65, 2.0), Note(2.0, 65, 4.0)), tempo_bpm=120.0)
    assert bar_pitch_class_entropy(both) == pytest.approx(0.5)  # one bar of 1 bit, one of 0
