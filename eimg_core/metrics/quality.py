"""Music quality: the paper's three metrics, and the musical ones we print beside them.

Conventions: the core works on integer ticks. An onset is the tick a key goes down, an offset the first tick it is up
again. For a ``Piece`` the grid is always 480 ticks per quarter at 120 bpm, 960 ticks per second, whatever its tempo:
the paper's numbers change with the time grid of the file (its "measure" is four ticks long), so real and generated
music must share one. The musical metrics read the bars of the piece's own tempo and meter instead. Whatever is
counted over nothing is NaN; nothing here raises for an empty piece.

References: the paper's Eq. 14-16; Dong et al. (2020), "MusPy", whose values on the same file we reproduce; Wu and
Yang (2020), "The Jazz Transformer on the front line", for groove and entropy by bar.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eimg_core.midi.notes import Piece
from eimg_core.midi.smf import CONTROL, DRUM_CHANNEL, NOTE_OFF, NOTE_ON, load_smf

__all__ = [
    "Quality",
    "Ticks",
    "bar_groove",
    "bar_pitch_class_entropy",
    "piece_ticks",
    "polyphony_rate_2",
    "quality",
    "quality_of_ticks",
    "read_ticks",
]

GRID_TICKS_PER_SECOND = 960  # 480 ticks per quarter at 120 bpm
PAPER_MEASURE_TICKS = 4  # the paper's measure_resolution, counted in ticks of the file
PAPER_POLYPHONY = 3  # "more than two" pitches, as the paper's code counts
STEPS_PER_QUARTER = 4  # the sixteenth-note grid of the musical metrics


@dataclass(frozen=True, slots=True)
class Quality:
    """The paper's three numbers for one piece; each is NaN where it is not defined.

    Args:
        polyphony_rate: share of ticks on which more than two pitches sound, 0-1.
        pitch_entropy: Shannon entropy of the note pitches in bits, 0-7.
        groove_consistency: one minus the mean Hamming distance of neighbouring measures of four ticks, 0-1.
    """

    polyphony_rate: float
    pitch_entropy: float
    groove_consistency: float


@dataclass(frozen=True, slots=True)
class Ticks:
    """Notes on a grid of ticks: three integer arrays of shape (N,), and the length of the file in ticks."""

    onsets: NDArray[np.int64]
    offsets: NDArray[np.int64]
    pitches: NDArray[np.int64]
    length: int


def quality(piece: Piece) -> Quality:
    """The paper's metrics of a piece, on the grid that all pieces share.

    They equal muspy's on the file that ``write_midi`` makes of the notes at 120 bpm.
    """
    ticks = piece_ticks(piece)
    return quality_of_ticks(ticks.onsets, ticks.offsets, ticks.pitches, ticks.length)


def quality_of_ticks(onsets: ArrayLike, offsets: ArrayLike, pitches: ArrayLike, length: int | None = None) -> Quality:
    """The paper's metrics of notes on any grid of ticks.

    Args:
        onsets, offsets: ticks, (N,), with ``0 <= onset <= offset``.
        pitches: MIDI numbers, (N,).
        length: ticks to count over; ``None`` ends with the last note.
    Returns:
        The three numbers. No notes: polyphony and entropy are NaN; shorter than one measure: groove is NaN.
    Raises:
        ValueError: the arrays differ in shape, or a note is out of range.
    """
    on, off, pitch = _validated(onsets, offsets, pitches)
    end = int(off.max(initial=0))
    length = end if length is None else length
    if length < end:
        raise ValueError(f"the last note ends at tick {end}, after the given length {length}")
    return Quality(
        polyphony_rate=_polyphony_rate(on, off, pitch, length, PAPER_POLYPHONY) if len(on) else math.nan,
        pitch_entropy=_entropy(np.bincount(pitch, minlength=128)),
        groove_consistency=_groove(on, length, PAPER_MEASURE_TICKS),
    )


def polyphony_rate_2(piece: Piece) -> float:
    """Share of ticks on which two or more pitches sound, silence included: "multiple pitches" as Eq. 14 words it."""
    ticks = piece_ticks(piece)
    return _polyphony_rate(ticks.onsets, ticks.offsets, ticks.pitches, ticks.length, at_least=2)


def bar_groove(piece: Piece) -> float:
    """Groove by bar: how much neighbouring bars share their onsets, 0-1.

    One minus the mean Hamming distance between the onset patterns of neighbouring bars, from the first bar to the bar
    of the last onset, on sixteenth notes at the tempo and in the meter of the piece. Read files with
    ``straighten=True``, so that a piece with several tempo marks falls on one grid. NaN with fewer than two bars.
    """
    steps, bar = _sixteenths(piece)
    return _groove(steps, int(steps.max(initial=0)), bar)


def bar_pitch_class_entropy(piece: Piece) -> float:
    """Mean over the bars with notes of the entropy of their pitch classes, in bits, 0-3.58. NaN without notes."""
    steps, bar = _sixteenths(piece)
    if not len(steps):
        return math.nan
    classes = np.array([note.pitch % 12 for note in piece.notes])
    table = np.zeros((int(steps.max()) // bar + 1, 12))
    np.add.at(table, (steps // bar, classes), 1)
    return float(np.mean([_entropy(row) for row in table if row.any()]))


# --- ticks ---------------------------------------------------------------------------------------------------------


def piece_ticks(piece: Piece) -> Ticks:
    """A piece on the shared grid, by the rules of ``write_midi``: a key struck again is released first.

    The pedal does not count: what sounds is what the fingers hold. The length ends with the last note.
    """
    # Sorted by pitch, then in the order of the piece; of two strikes of a key at one tick the later entry stays.
    rows = [
        (note.pitch, round(note.start_s * GRID_TICKS_PER_SECOND), round(note.end_s * GRID_TICKS_PER_SECOND))
        for note in piece.notes
    ]
    table = np.array(sorted(rows, key=lambda row: row[:2]), dtype=np.int64).reshape(-1, 3)
    pitch, on, off = table.T
    off = np.maximum(off, on + 1)
    same_key = pitch[1:] == pitch[:-1]
    off[:-1] = np.where(same_key, np.minimum(off[:-1], on[1:]), off[:-1])
    kept = off > on
    pitch, on, off = pitch[kept], on[kept], off[kept]
    return Ticks(on, off, pitch, int(off.max(initial=0)))


def read_ticks(path: str | Path) -> Ticks:
    """Read a MIDI file on its own ticks, as the published numbers were measured.

    As in muspy: a release ends the oldest sounding strike of its key and channel, a key never released ends with its
    track, and the length reaches to the last note or control change. Drums are left out.

    Raises:
        InputError: the file is missing or is no MIDI file.
    """
    rows: list[tuple[int, int, int]] = []
    length = 0
    for track in load_smf(path).tracks:
        sounding: dict[tuple[int, int], list[int]] = {}
        for tick, status, pitch, velocity in track.events:
            kind, channel = status & 0xF0, status & 0x0F
            if channel == DRUM_CHANNEL:
                continue
            if kind == CONTROL:
                length = max(length, tick)
            elif kind == NOTE_ON and velocity > 0:
                sounding.setdefault((channel, pitch), []).append(tick)
            elif kind in (NOTE_ON, NOTE_OFF) and sounding.get((channel, pitch)):
                rows.append((sounding[channel, pitch].pop(0), tick, pitch))
        rows.extend((on, track.end, pitch) for (_, pitch), strikes in sounding.items() for on in strikes)
    on, off, pitches = np.array(sorted(rows), dtype=np.int64).reshape(-1, 3).T
    return Ticks(on, off, pitches, max(length, int(off.max(initial=0))))


def _validated(
    onsets: ArrayLike, offsets: ArrayLike, pitches: ArrayLike
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    on, off, pitch = (np.asarray(values, dtype=np.int64) for values in (onsets, offsets, pitches))
    if on.ndim != 1 or not on.shape == off.shape == pitch.shape:
        raise ValueError(f"expected three arrays of one shape (N,), got {on.shape}, {off.shape} and {pitch.shape}")
    if (on < 0).any() or (off < on).any():
        raise ValueError("a note must start at tick 0 or later and not end before it starts")
    if ((pitch < 0) | (pitch > 127)).any():
        raise ValueError("pitches must be MIDI numbers, 0-127")
    return on, off, pitch


def _polyphony_rate(
    on: NDArray[np.int64], off: NDArray[np.int64], pitch: NDArray[np.int64], length: int, at_least: int
) -> float:
    """Share of ticks with ``at_least`` different pitches, by a sweep over starts and ends instead of a piano roll."""
    if length < 1:
        return math.nan
    starts, ends = _merged(on, off, pitch)
    ticks = np.concatenate([starts, ends])
    change = np.concatenate([np.ones_like(starts), -np.ones_like(ends)])
    order = np.argsort(ticks, kind="stable")
    sounding = np.cumsum(change[order])[:-1]  # between one event and the next
    spans = np.diff(ticks[order])
    return float(spans[sounding >= at_least].sum() / length)


def _merged(
    on: NDArray[np.int64], off: NDArray[np.int64], pitch: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Starts and ends of the spans in which each pitch sounds: overlapping notes of one pitch become one span."""
    order = np.lexsort((on, pitch))
    on, off, pitch = on[order], off[order], pitch[order]
    lane = pitch * (int(off.max(initial=0)) + 1)  # pitches laid end to end on one line, so spans cannot meet
    reach = np.maximum.accumulate(off + lane)
    first = np.ones(len(on), dtype=bool)
    first[1:] = on[1:] + lane[1:] > reach[:-1]
    begin = np.flatnonzero(first)
    last = np.append(begin[1:] - 1, len(on) - 1) if len(on) else begin
    return on[begin], reach[last] - lane[last]


def _entropy(counts: NDArray) -> float:
    """Shannon entropy of a histogram in bits; NaN if it is empty."""
    total = counts.sum()
    if not total:
        return math.nan
    share = counts[counts > 0] / total
    return float(-np.sum(share * np.log2(share))) + 0.0  # + 0.0 turns -0.0 into 0.0


def _groove(onsets: NDArray[np.int64], length: int, measure: int) -> float:
    """1 - mean Hamming distance of neighbouring measures; NaN with fewer than two measures.

    As in muspy there are ``length // measure + 1`` measures. Step t differs from step t + measure unless both or
    neither hold an onset, so two sets of onsets, one of them shifted by a measure, are all that must be compared.
    """
    steps = length // measure * measure  # steps that have a partner one measure later
    if steps < 1:
        return math.nan
    onsets = np.unique(onsets)
    here = onsets[onsets < steps]
    later = onsets[onsets >= measure] - measure
    return 1.0 - len(np.setxor1d(here, later, assume_unique=True)) / steps


def _sixteenths(piece: Piece) -> tuple[NDArray[np.int64], int]:
    """Onsets of a piece in sixteenth notes, (N,), and the sixteenths in one bar of its meter."""
    numerator, denominator = piece.meter
    bar = max(1, round(4 * STEPS_PER_QUARTER * numerator / denominator))
    beats = np.array([note.start_s for note in piece.notes], dtype=np.float64) / piece.seconds_per_beat
    return np.rint(beats * STEPS_PER_QUARTER).astype(np.int64), bar
