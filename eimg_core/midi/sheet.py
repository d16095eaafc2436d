"""Notes on bars: a passage as a score says it, in one meter and at one tempo.

Time is counted in *ticks* from the first bar line, 24 to a quarter note. Onsets lie on the twelve places of a quarter
that music paper has: its eighths and its sixths.

A score file becomes one ``Sheet`` for each of its passages of one meter. Meters that only differ in how they are
written become one: 2/2 is read as 4/4, 12/8 as two bars of 6/8, 3/8 as 3/4 with values twice as long.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import mido
import numpy as np
from numpy.typing import NDArray

from eimg_core.errors import InputError
from eimg_core.midi.notes import HIGHEST_PITCH, LOWEST_PITCH, Note, Piece

__all__ = [
    "HAND",
    "LENGTH",
    "METERS",
    "ONSET",
    "PITCH",
    "PLACES",
    "TICKS",
    "VELOCITY",
    "Sheet",
    "bar_ticks",
    "nearest_place",
    "one_strike_each",
    "read_score",
    "sheet_of",
]

Ints = NDArray[np.int64]

TICKS = 24  # of a quarter note
METERS = ((2, 4), (3, 4), (4, 4), (6, 8))
ONSET, LENGTH, PITCH, VELOCITY, HAND = range(5)
PLACES = np.array([tick for tick in range(TICKS) if tick % 3 == 0 or tick % 4 == 0])
_NEAREST = np.array([PLACES[np.abs(PLACES - tick).argmin()] for tick in range(22)] + [21, 24])  # 23 is the next beat

_FEWEST_BARS = 2  # of a passage

# Written meter → ours, and the factor on ticks and tempo. Bars of twelve eighths, say, are two bars each.
_READ_AS: dict[tuple[int, int], tuple[tuple[int, int], float]] = {
    **{meter: (meter, 1.0) for meter in METERS},
    (2, 2): ((4, 4), 1.0),
    (4, 2): ((4, 4), 1.0),
    (8, 4): ((4, 4), 1.0),
    (4, 8): ((2, 4), 1.0),
    (2, 8): ((2, 4), 2.0),
    (6, 4): ((3, 4), 1.0),
    (3, 8): ((3, 4), 2.0),
    (3, 2): ((3, 4), 0.5),
    (9, 8): ((3, 4), 2.0 / 3.0),  # a dotted quarter as a quarter, its eighths as a triplet
    (12, 8): ((6, 8), 1.0),
    (6, 16): ((6, 8), 2.0),
}


def bar_ticks(meter: tuple[int, int]) -> int:
    """Ticks of a bar: 48, 72, 96 or, in 6/8, 72."""
    return meter[0] * 4 * TICKS // meter[1]


def nearest_place(ticks: NDArray) -> Ints:
    """Any ticks, fractions included, moved to the nearest place of their quarter."""
    whole = np.floor(np.asarray(ticks) + 0.5).astype(np.int64)
    return whole // TICKS * TICKS + _NEAREST[whole % TICKS]


@dataclass(frozen=True)
class Sheet:
    """A passage.

    Args:
        notes: (N, 5) int64, rows in order of (onset, pitch): onset and length in ticks, MIDI pitch, velocity 1-127,
            hand (0 right, 1 left, -1 not known). Onsets are not before 0; what comes before the first whole bar
            stands at the end of bar 0.
        meter: one of ``METERS``.
        tempo_bpm: quarter notes per minute.
    Raises:
        ValueError: another meter, or notes of another shape.
    """

    notes: Ints
    meter: tuple[int, int]
    tempo_bpm: float

    def __post_init__(self) -> None:
        if self.meter not in METERS:
            raise ValueError(f"a sheet needs one of the meters {METERS}, got {self.meter}")
        if self.notes.ndim != 2 or self.notes.shape[1] != 5:
            raise ValueError(f"the notes of a sheet are (N, 5), got {self.notes.shape}")
        object.__setattr__(self, "notes", self.notes[np.lexsort((self.notes[:, PITCH], self.notes[:, ONSET]))])

    @property
    def bar(self) -> int:
        """Ticks of a bar."""
        return bar_ticks(self.meter)

    @property
    def bars(self) -> int:
        """Bars in which a note begins, the silent ones before it included; at least 1."""
        return int(self.notes[-1, ONSET]) // self.bar + 1 if len(self.notes) else 1

    @property
    def tick_s(self) -> float:
        return 60.0 / self.tempo_bpm / TICKS

    def excerpt(self, first: int, bars: int) -> Sheet:
        """Some bars; notes that ring beyond their end keep their length."""
        inside = (self.notes[:, ONSET] // self.bar >= first) & (self.notes[:, ONSET] // self.bar < first + bars)
        notes = self.notes[inside].copy()
        notes[:, ONSET] -= first * self.bar
        return replace(self, notes=notes)

    def piece(self) -> Piece:
        """The notes in seconds; a key that is struck again is released first."""
        released: dict[int, int] = {}
        notes = []
        for onset, length, pitch, velocity, _ in self.notes[::-1].tolist():
            end = min(onset + length, released.get(pitch, onset + length))
            if end > onset:
                released[pitch] = onset
                notes.append(Note(onset * self.tick_s, pitch, end * self.tick_s, velocity))
        return Piece(tuple(notes), self.tempo_bpm, self.meter)


def sheet_of(
    piece: Piece, *, tempo_bpm: float, first_s: float, meter: tuple[int, int], hands: Sequence[int] | None = None
) -> Sheet:
    """A piece laid on bars.

    Args:
        piece: in seconds.
        tempo_bpm: quarter notes per minute.
        first_s: when a bar begins; whole bars are put before it until no note stands before bar 0.
        meter: one of ``METERS``.
        hands: of each note; not known where ``None``.
    Returns:
        Notes on places; of two strikes of one key at one place the longer is kept.
    """
    if not piece.notes:
        return Sheet(np.empty((0, 5), dtype=np.int64), meter, tempo_bpm)
    raw = np.array([(n.start_s, n.end_s, n.pitch, n.velocity) for n in piece.notes])
    ticks = (raw[:, :2] - first_s) * tempo_bpm / 60.0 * TICKS
    onsets = nearest_place(ticks[:, 0])
    lengths = np.maximum(np.round(ticks[:, 1]).astype(np.int64) - onsets, 1)
    hand = np.full(len(raw), -1) if hands is None else np.asarray(hands)
    notes = np.column_stack([onsets, lengths, raw[:, 2:].astype(np.int64), hand])
    bar = bar_ticks(meter)
    notes[:, ONSET] -= min(int(onsets.min()) // bar, 0) * bar
    return Sheet(one_strike_each(notes), meter, tempo_bpm)


def one_strike_each(notes: Ints) -> Ints:
    """The keys of the piano, each once at a place: of two strikes the longer.

    Args:
        notes: (N, ≥ 4), the columns of a sheet and any others.
    """
    notes = notes[(notes[:, PITCH] >= LOWEST_PITCH) & (notes[:, PITCH] <= HIGHEST_PITCH)]
    notes = notes[np.lexsort((-notes[:, LENGTH], notes[:, PITCH], notes[:, ONSET]))]
    again = np.zeros(len(notes), dtype=bool)
    again[1:] = (notes[1:, [ONSET, PITCH]] == notes[:-1, [ONSET, PITCH]]).all(axis=1)
    return notes[~again]


def read_score(path: Path) -> list[Sheet]:
    """The passages of a score for two hands, written as a MIDI file with a track for each.

    Args:
        path: a file with exactly two tracks that have notes; the one that is higher on average is the right hand.
    Returns:
        One sheet for each passage of one meter, in order; passages in meters that no ``Sheet`` can have, and those
        shorter than two bars, are left out.
    Raises:
        InputError: the file cannot be read, or is not for two hands.
    """
    try:
        midi = mido.MidiFile(file=io.BytesIO(path.read_bytes()), clip=True)
        tracks = [_notes_of(track) for track in midi.tracks]
    except Exception as error:  # mido raises many kinds for a damaged file
        raise InputError(f"{path.name} is not a readable MIDI file; fetch it again.") from error
    parts = sorted((part for part in tracks if len(part)), key=lambda part: -float(part[:, PITCH].mean()))
    if len(parts) != 2:
        raise InputError(f"{path.name} has {len(parts)} tracks with notes, expected one for each of two hands.")
    for hand, part in enumerate(parts):
        part[:, HAND] = hand
    notes = np.concatenate(parts)
    tempi = [(at, 60e6 / message.tempo) for at, message in _messages(midi, "set_tempo")]
    meters = [(at, (m.numerator, m.denominator)) for at, m in _messages(midi, "time_signature")]
    passages = _passages(meters, int(notes[:, ONSET].max()) + 1, midi.ticks_per_beat)
    sheets = (_passage(notes, tempi, midi.ticks_per_beat, *passage) for passage in passages)
    return [sheet for sheet in sheets if sheet is not None and sheet.bars >= _FEWEST_BARS]


def _passages(
    meters: Sequence[tuple[int, tuple[int, int]]], end: int, quarter: int
) -> list[tuple[int, int, int, tuple[int, int]]]:
    """Passages of one meter, in ticks of the file: (first note, first bar line, end, written meter).

    What is shorter than a bar of the passage that follows is an upbeat to it.
    """
    starts: list[tuple[int, tuple[int, int]]] = []
    for at, meter in [(0, (4, 4)), *meters]:
        if starts and starts[-1][0] == at:
            starts.pop()
        if not starts or meter != starts[-1][1] or (at - starts[-1][0]) * meter[1] % (4 * quarter * meter[0]):
            starts.append((at, meter))
    passages, upbeat = [], None
    for (at, meter), (stop, following) in pairwise([*starts, (max(end, starts[-1][0] + 1), (0, 1))]):
        first = at if upbeat is None else upbeat
        upbeat = first if (stop - at) * following[1] < 4 * quarter * following[0] else None
        if upbeat is None:
            passages.append((first, at, stop, meter))
    return passages


def _passage(
    notes: Ints,
    tempi: Sequence[tuple[int, float]],
    quarter: int,
    first: int,
    bar_line: int,
    stop: int,
    written: tuple[int, int],
) -> Sheet | None:
    """One passage as a sheet; ``None`` where its meter cannot be written or nothing sounds."""
    inside = notes[(notes[:, ONSET] >= first) & (notes[:, ONSET] < stop)]
    if written not in _READ_AS or not len(inside):
        return None
    meter, factor = _READ_AS[written]
    scale = TICKS / quarter * factor
    onsets = nearest_place((inside[:, ONSET] - bar_line) * scale)
    ends = np.round((inside[:, ONSET] + inside[:, LENGTH] - bar_line) * scale).astype(np.int64)
    laid = np.column_stack([onsets, np.maximum(ends - onsets, 1), inside[:, PITCH:]])
    laid[:, ONSET] -= min(int(onsets.min()) // bar_ticks(meter), 0) * bar_ticks(meter)
    return Sheet(one_strike_each(laid), meter, _tempo_within(tempi, first, stop) * factor)


def _tempo_within(tempi: Sequence[tuple[int, float]], first: int, stop: int) -> float:
    """The mean tempo of a passage: its quarters over its minutes."""
    marks = [(0, 120.0), *tempi]
    minutes = 0.0
    for (at, tempo), (until, _) in pairwise([*marks, (stop, 0.0)]):
        minutes += max(0, min(until, stop) - max(at, first)) / tempo
    return (stop - first) / minutes


def _notes_of(track: mido.MidiTrack) -> Ints:
    """Notes of a track, in ticks of the file: (N, 5)."""
    now = 0
    open_notes: dict[int, tuple[int, int]] = {}
    rows: list[tuple[int, int, int, int, int]] = []
    for message in track:
        now += message.time
        if message.type not in ("note_on", "note_off"):
            continue
        if message.note in open_notes:
            start, velocity = open_notes.pop(message.note)
            if now > start:
                rows.append((start, now - start, message.note, velocity, -1))
        if message.type == "note_on" and message.velocity > 0:
            open_notes[message.note] = (now, message.velocity)
    return np.array(rows, dtype=np.int64).reshape(-1, 5)


def _messages(midi: mido.MidiFile, kind: str) -> list[tuple[int, mido.MetaMessage]]:
    """Every message of a kind with its time in ticks of the file, in order."""
    found = []
    for track in midi.tracks:
        now = 0
        for message in track:
            now += message.time
            if message.type == kind:
                found.append((now, message))
    return sorted(found, key=lambda pair: pair[0])
