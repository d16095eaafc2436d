"""Sheet ↔ steps: bar after bar, in each bar the tune, the left hand and the rest of the right hand in turn.

So that the note before a tune note is a tune note. A step is a note or the end of a stream in a bar:

    place     0-47, the place of the onset in its bar, twelve to a quarter; ``END`` closes the stream
    pitch     0-87 for A0-C8
    length    one of sixteen note values
    velocity  loudness in sixteen levels

An ``END`` has zeros in its other fields. Notes of a stream stand in order of (place, pitch). Tempo is one of 32 classes
from 40 to 200 quarters a minute and is not folded, so that slow music may be slow.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eimg_core.midi.codec import TempoScale, velocity_level
from eimg_core.midi.notes import HIGHEST_PITCH, LOWEST_PITCH
from eimg_core.midi.sheet import HAND, LENGTH, ONSET, PITCH, PLACES, TICKS, VELOCITY, Ints, Sheet

__all__ = [
    "END",
    "LEFT_HAND",
    "LENGTHS",
    "PLAIN",
    "REST",
    "STEP_SIZES",
    "STREAMS",
    "TEMPO_CLASSES",
    "TUNE",
    "BarSteps",
    "decode_bars",
    "encode_bars",
    "nearest_length",
    "tempo_class",
    "tempo_of_class",
    "tick_of_place",
]

STREAMS = ("tune", "left", "rest")
TUNE, LEFT_HAND, REST = range(3)
LENGTHS = np.array([3, 4, 6, 8, 9, 12, 16, 18, 24, 36, 48, 60, 72, 96, 144, 192])  # in ticks
END = 4 * len(PLACES)
VELOCITY_LEVELS = 16
STEP_SIZES = (END + 1, HIGHEST_PITCH - LOWEST_PITCH + 1, len(LENGTHS), VELOCITY_LEVELS)

TEMPO_CLASSES = 32
_SLOWEST, _FASTEST = 40.0, 200.0
_PLACE_OF_TICK = np.array([int(np.abs(PLACES - tick).argmin()) for tick in range(TICKS)])
_LENGTH_CLASS = np.abs(np.log(np.arange(1, 193)[:, None]) - np.log(LENGTHS)).argmin(axis=1)


@dataclass(frozen=True)
class BarSteps:
    """Steps (T, 4) of some bars, and of each step its bar, counted from 0, and its stream: (T,) each."""

    steps: Ints
    bar: Ints
    stream: Ints


def tempo_class(bpm: float) -> int:
    """Index of the class of a tempo, 0 to 31; tempi beyond 40-200 count as the nearest that is within."""
    share = math.log(bpm / _SLOWEST) / math.log(_FASTEST / _SLOWEST)
    return min(max(int(share * TEMPO_CLASSES), 0), TEMPO_CLASSES - 1)


def tempo_of_class(index: int) -> float:
    """The tempo in the middle of a class, in quarters a minute.

    Raises:
        ValueError: no such class.
    """
    if not 0 <= index < TEMPO_CLASSES:
        raise ValueError(f"tempo class must be 0-{TEMPO_CLASSES - 1}, got {index}")
    return float(_SLOWEST * (_FASTEST / _SLOWEST) ** ((index + 0.5) / TEMPO_CLASSES))


def _within(bpm: float) -> float:
    """The tempo, doubled or halved where it is not from 40 to 200 quarters a minute."""
    while bpm > _FASTEST:
        bpm /= 2
    while bpm < _SLOWEST:
        bpm *= 2
    return bpm


PLAIN = TempoScale(TEMPO_CLASSES, _within, tempo_class, tempo_of_class)
"""The tempi of scores, 40 to 200 quarters a minute."""


def nearest_length(ticks: Ints) -> Ints:
    """Lengths in ticks, from 1 up, as classes: indices into ``LENGTHS``, the nearest by ratio."""
    return _LENGTH_CLASS[np.clip(ticks, 1, len(_LENGTH_CLASS)) - 1]


def tick_of_place(place: int) -> int:
    """Ticks from the bar line."""
    return place // len(PLACES) * TICKS + int(PLACES[place % len(PLACES)])


def encode_bars(sheet: Sheet, tune: NDArray[np.bool_], bars: int | None = None) -> BarSteps:
    """Steps of a sheet with known hands.

    Args:
        sheet: any number of bars.
        tune: which notes are the tune, (N,).
        bars: how many; those of the sheet where ``None``.
    """
    bars = sheet.bars if bars is None else bars
    notes = sheet.notes
    bar, tick = notes[:, ONSET] // sheet.bar, notes[:, ONSET] % sheet.bar
    stream = np.where(tune, TUNE, np.where(notes[:, HAND] == 1, LEFT_HAND, REST))
    place = tick // TICKS * len(PLACES) + _PLACE_OF_TICK[tick % TICKS]
    length = nearest_length(notes[:, LENGTH])
    levels = np.array([velocity_level(velocity) for velocity in range(128)])
    rows = np.column_stack([place, notes[:, PITCH] - LOWEST_PITCH, length, levels[notes[:, VELOCITY]], bar, stream])
    rows = rows[bar < bars]
    ends = np.zeros((3 * bars, 6), dtype=np.int64)
    ends[:, 0], ends[:, 4], ends[:, 5] = END, np.repeat(np.arange(bars), 3), np.tile(np.arange(3), bars)
    rows = np.concatenate([rows, ends])
    rows = rows[np.lexsort((rows[:, 1], rows[:, 0], rows[:, 5], rows[:, 4]))]
    return BarSteps(rows[:, :4], rows[:, 4], rows[:, 5])


def decode_bars(steps: BarSteps, meter: tuple[int, int], tempo_bpm: float) -> tuple[Sheet, NDArray[np.bool_]]:
    """The sheet of some steps, and which of its notes are the tune."""
    sounding = steps.steps[:, 0] != END
    place, pitch, length, level = steps.steps[sounding].T
    bar, stream = steps.bar[sounding], steps.stream[sounding]
    sheet_bar = meter[0] * 4 * TICKS // meter[1]
    onset = bar * sheet_bar + place // len(PLACES) * TICKS + PLACES[place % len(PLACES)]
    velocity = np.minimum(8 * (level + 1), 127)
    hand = (stream == LEFT_HAND).astype(np.int64)
    notes = np.column_stack([onset, LENGTHS[length], pitch + LOWEST_PITCH, velocity, hand])
    order = np.lexsort((notes[:, PITCH], notes[:, ONSET]))
    return Sheet(notes[order], meter, tempo_bpm), (stream == TUNE)[order]
