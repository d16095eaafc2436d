"""Piece ↔ tokens: one compound step per note, on a beat grid.

A step has four fields, each a small class index:

    shift     steps of 1/24 beat since the onset of the step before, 0-96
    pitch     0-87 for A0-C8, or REST, which only lets time pass
    duration  steps of 1/24 beat minus one, 0-191 (longer notes are cut at 8 beats)
    velocity  loudness in sixteen levels

The tempo is kept exactly, doubled or halved into a range: 70-140 bpm (``FOLDED``), where a time step is 18 to 36 ms, or
a wider one, see ``eimg_core.midi.bar_codec.PLAIN``. Steps fall on sixteenths as well as on triplets. One step per note
takes a third of the tokens of performance events (note-on, note-off, time shift), which pays in training and in
latency.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eimg_core.midi.notes import HIGHEST_PITCH, LOWEST_PITCH, Note, Piece

__all__ = [
    "DURATION",
    "FIELDS",
    "FIELD_SIZES",
    "FOLDED",
    "LONGEST_SHIFT",
    "PITCH",
    "REST_PITCH",
    "SHIFT",
    "STEPS_PER_BEAT",
    "TEMPO_CLASSES",
    "VELOCITY",
    "Score",
    "TempoScale",
    "decode",
    "encode",
    "fold_tempo",
    "tempo_class",
    "tempo_of_class",
    "velocity_level",
]

STEPS_PER_BEAT = 24
LONGEST_SHIFT = 4 * STEPS_PER_BEAT
LONGEST_DURATION = 8 * STEPS_PER_BEAT
VELOCITY_LEVELS = 16
REST_PITCH = HIGHEST_PITCH - LOWEST_PITCH + 1

FIELDS = ("shift", "pitch", "duration", "velocity")
SHIFT, PITCH, DURATION, VELOCITY = range(4)
FIELD_SIZES = (LONGEST_SHIFT + 1, REST_PITCH + 1, LONGEST_DURATION, VELOCITY_LEVELS)

SLOWEST_BPM = 70.0
TEMPO_CLASSES = 24  # of 2.9 % each, over the octave 70-140 bpm


@dataclass(frozen=True)
class Score:
    """Tokens of a piece: ``steps`` (T, 4) int64, and the tempo that gives them seconds."""

    steps: NDArray[np.int64]
    tempo_bpm: float

    @property
    def step_s(self) -> float:
        """Seconds of one time step."""
        return 60.0 / self.tempo_bpm / STEPS_PER_BEAT


def fold_tempo(bpm: float) -> float:
    """The tempo doubled or halved until it lies in 70-140 bpm."""
    return SLOWEST_BPM * 2.0 ** (math.log2(bpm / SLOWEST_BPM) % 1.0)


def tempo_class(bpm: float) -> int:
    """Index of the tempo's class, 0 to 23."""
    return int(math.log2(fold_tempo(bpm) / SLOWEST_BPM) * TEMPO_CLASSES) % TEMPO_CLASSES


def tempo_of_class(index: int) -> float:
    """The tempo in the middle of a class, in bpm."""
    if not 0 <= index < TEMPO_CLASSES:
        raise ValueError(f"tempo class must be 0-{TEMPO_CLASSES - 1}, got {index}")
    return SLOWEST_BPM * 2.0 ** ((index + 0.5) / TEMPO_CLASSES)


class TempoScale(NamedTuple):
    """The tempi that notes are counted in, and their classes.

    Args:
        classes: how many there are.
        within: doubles or halves a tempo until it is one of them.
        class_of: the class of a tempo, from 0.
        tempo_of: the tempo in the middle of a class.
    """

    classes: int
    within: Callable[[float], float]
    class_of: Callable[[float], int]
    tempo_of: Callable[[int], float]


FOLDED = TempoScale(TEMPO_CLASSES, fold_tempo, tempo_class, tempo_of_class)
"""One octave of tempi: of music twice as fast, the notes are half as long."""


def velocity_level(velocity: int) -> int:
    """Loudness class of a MIDI velocity, 0 to 15."""
    return min(max(round(velocity / 8), 1), VELOCITY_LEVELS) - 1


def _velocity(level: int) -> int:
    return min(8 * (level + 1), 127)


def encode(piece: Piece, tempi: TempoScale = FOLDED) -> Score:
    """Tokens of a piece, counted in a tempo of the scale. Onsets and ends are rounded to the nearest time step; two
    strikes of one key in one step become the longer of the two."""
    tempo = tempi.within(piece.tempo_bpm)
    steps_per_s = tempo / 60.0 * STEPS_PER_BEAT
    longest: dict[tuple[int, int], Note] = {}
    for note in piece.notes:
        if LOWEST_PITCH <= note.pitch <= HIGHEST_PITCH:
            place = (round(note.start_s * steps_per_s), note.pitch)
            if place not in longest or note.end_s > longest[place].end_s:
                longest[place] = note
    rows: list[tuple[int, int, int, int]] = []
    now = 0
    for (onset, pitch), note in sorted(longest.items()):
        while onset - now > LONGEST_SHIFT:
            rows.append((LONGEST_SHIFT, REST_PITCH, 0, 0))
            now += LONGEST_SHIFT
        length = min(max(round(note.end_s * steps_per_s) - onset, 1), LONGEST_DURATION)
        rows.append((onset - now, pitch - LOWEST_PITCH, length - 1, velocity_level(note.velocity)))
        now = onset
    return Score(np.array(rows, dtype=np.int64).reshape(-1, 4), tempo)


def decode(score: Score, meter: tuple[int, int] = (4, 4)) -> Piece:
    """The piece of some tokens; a key struck again is released first."""
    onsets = np.cumsum(score.steps[:, SHIFT])
    released: dict[int, int] = {}
    notes: list[Note] = []
    for onset, (_, pitch, duration, level) in zip(onsets[::-1].tolist(), score.steps[::-1].tolist(), strict=True):
        if pitch == REST_PITCH:
            continue
        end = min(onset + duration + 1, released.get(pitch, onset + duration + 1))
        if end <= onset:
            continue
        released[pitch] = onset
        notes.append(Note(onset * score.step_s, pitch + LOWEST_PITCH, end * score.step_s, _velocity(level)))
    return Piece(tuple(notes), score.tempo_bpm, meter)
