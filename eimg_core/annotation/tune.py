"""The tune of a sheet: one note at a time, mostly the highest of the right hand.

A path through the two highest notes of each moment at which the right hand strikes: the line may take one of them or
pass the moment by, as an accompaniment below what it holds. It pays to take long and high notes, and costs to leap and
to leave a note before its end.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eimg_core.annotation.hands import RIGHT
from eimg_core.midi.sheet import HAND, LENGTH, ONSET, PITCH, TICKS, Sheet

__all__ = ["TuneCosts", "tune_of"]

_BACK = 10  # candidates that a note may follow
_REACH = 8 * TICKS  # around a note, for the register in which it lies
_FIFTH = 7


class TuneCosts(NamedTuple):
    """Gains and costs of a note of the line; chosen by random search on songs of POP909."""

    taken: float = 0.9  # gain of a note
    length: float = 0.24  # gain of each beat that it lasts, up to two
    low: float = 0.07  # cost of each semitone below the middle of what the right hand plays around it
    second: float = 0.13  # cost of a note that is not the highest of its moment
    leap: float = 0.06  # cost of each semitone to the next note
    far: float = 0.18  # cost of each semitone beyond a fifth
    left: float = 10.0  # cost of each beat that the note before is left early
    silent: float = 0.7  # cost of each beat of silence before it


_COSTS = TuneCosts()


def tune_of(sheet: Sheet, costs: TuneCosts = _COSTS) -> NDArray[np.bool_]:
    """Which notes of ``sheet.notes`` are the tune: (N,).

    Args:
        sheet: with known hands.
        costs: of the line.
    """
    chosen = np.zeros(len(sheet.notes), dtype=bool)
    rows, ranks = _candidates(sheet)
    if not len(rows):
        return chosen
    notes = sheet.notes[rows]
    starts, pitches = notes[:, ONSET], notes[:, PITCH].astype(float)
    ends = starts + notes[:, LENGTH]
    first, last = np.searchsorted(starts, starts - _REACH), np.searchsorted(starts, starts + _REACH)
    sums = np.concatenate([[0.0], pitches.cumsum()])
    middles = (sums[last] - sums[first]) / (last - first)
    gains = costs.taken + costs.length * np.minimum(notes[:, LENGTH] / TICKS, 2.0) - costs.second * ranks
    gains -= costs.low * np.maximum(0.0, middles - pitches)
    best, came = gains.copy(), np.full(len(rows), -1)
    for at in range(1, len(rows)):
        before = slice(max(0, at - _BACK), at)
        leaps = np.abs(pitches[before] - pitches[at])
        cost = costs.leap * leaps + costs.far * np.maximum(0.0, leaps - _FIFTH)
        early = (ends[before] - starts[at]) / TICKS
        cost += costs.left * np.clip(early, 0.0, 2.0) + costs.silent * np.clip(-early, 0.0, 4.0)
        ways = np.where(starts[before] < starts[at], best[before] - cost, -np.inf)
        way = int(ways.argmax())
        if ways[way] > 0:
            best[at] += ways[way]
            came[at] = before.start + way
    at = int(best.argmax())
    while at >= 0:
        chosen[rows[at]] = True
        at = int(came[at])
    return chosen


def _candidates(sheet: Sheet) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of the two highest notes of each moment of the right hand, low to high, and their rank, 0 the highest."""
    rights = np.flatnonzero(sheet.notes[:, HAND] == RIGHT)
    onsets = sheet.notes[rights, ONSET]
    following = np.searchsorted(onsets, onsets, side="right")
    ranks = following - 1 - np.arange(len(rights))
    return rights[ranks < 2], ranks[ranks < 2]
