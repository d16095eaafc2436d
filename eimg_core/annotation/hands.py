"""Which hand plays which note of a sheet, where its tracks do not say.

The notes struck at one moment are divided once, low notes left and high notes right. The best division of every
moment, given the one before it, is found by dynamic programming. It costs to stretch a hand, to use more fingers than
there are, to leap, to cross the hands and to play far from the middle of one's register; it pays to go on where a line
of the same hand has just ended.

Reference for the idea: Nakamura, Ono and Sagayama 2014, "Merged-output HMM for piano fingering of both hands".
"""

from __future__ import annotations

from itertools import groupby
from typing import NamedTuple

import numpy as np

from eimg_core.midi.sheet import LENGTH, ONSET, PITCH, Ints, Sheet

__all__ = ["LEFT", "RIGHT", "HandCosts", "hands_of"]

RIGHT, LEFT = 0, 1
_TENTH = 16  # semitones
_FINGERS = 5
_FADES = 96  # ticks: what is held longer is left to the pedal
_ALWAYS_LEFT, _ALWAYS_RIGHT = 43, 79  # pitches below, and above, are not in question


class HandCosts(NamedTuple):
    """Costs in semitones of a leap; chosen by random search on excerpts of Mutopia and the Lieder."""

    stretched: float = 5.2  # each semitone beyond a tenth, among the notes struck
    held: float = 2.4  # the same with what is held
    finger: float = 20.0  # each beyond five
    far: float = 0.06  # each semitone on the other hand's side of the middle
    crossed: float = 15.0  # each semitone under, or over, the other hand
    leap: float = 0.14  # each semitone that the middle of the hand moves at once
    slow: float = 1.2  # ticks in which a leap costs half
    line: float = 2.9  # gain of a note within a fourth of one of the hand that ends there
    states: int = 8  # kept at each moment, the cheapest first


_COSTS = HandCosts()


class _Hand(NamedTuple):
    """Where a hand is: the middle of its last chord, when it was struck, what it holds as (end, pitch)."""

    middle: float
    struck: int
    held: tuple[tuple[int, int], ...] = ()


class _State(NamedTuple):
    cost: float
    right: _Hand
    left: _Hand
    lefts: tuple[object, ...]  # notes of the left hand at each moment so far, the last one first, as a linked list


def hands_of(sheet: Sheet, costs: HandCosts = _COSTS) -> Ints:
    """The hand of every note of ``sheet.notes``, ``RIGHT`` 0 or ``LEFT`` 1: (N,)."""
    notes = sheet.notes[:, [ONSET, LENGTH, PITCH]].tolist()
    if not notes:
        return np.empty(0, dtype=np.int64)
    middle = float(np.clip(np.median(sheet.notes[:, PITCH]), 55, 65))
    states = [_State(0.0, _Hand(middle + 10, -96), _Hand(middle - 10, -96), ())]
    counts: list[int] = []
    for onset, group in groupby(notes, key=lambda note: note[0]):
        struck = [(pitch, onset + min(length, _FADES)) for _, length, pitch in group]
        counts.append(len(struck))
        least = sum(pitch < _ALWAYS_LEFT for pitch, _ in struck)
        most = sum(pitch <= _ALWAYS_RIGHT for pitch, _ in struck)
        new = [
            _divided(state, onset, struck, lefts, middle, costs) for state in states for lefts in range(least, most + 1)
        ]
        new.sort(key=lambda state: state.cost)
        states = _distinct(new, costs.states)
    hands, lefts_at = np.zeros(len(notes), dtype=np.int64), states[0].lefts
    end = len(notes)
    for count in reversed(counts):
        lefts, lefts_at = lefts_at  # type: ignore[misc,assignment]
        hands[end - count : end - count + lefts] = LEFT  # type: ignore[operator]
        end -= count
    return hands


def _distinct(states: list[_State], most: int) -> list[_State]:
    """The cheapest states, one for each place of the two hands."""
    kept: dict[tuple[float, float], _State] = {}
    for state in states:
        kept.setdefault((state.right.middle, state.left.middle), state)
        if len(kept) == most:
            break
    return list(kept.values())


def _divided(
    state: _State, onset: int, struck: list[tuple[int, int]], lefts: int, middle: float, costs: HandCosts
) -> _State:
    """The state after the ``lefts`` lowest notes went to the left hand and the others to the right."""
    right, cost_right = _moved(state.right, onset, struck[lefts:], costs)
    left, cost_left = _moved(state.left, onset, struck[:lefts], costs)
    cost = state.cost + cost_right + cost_left
    for pitch, _ in struck[:lefts]:
        cost += costs.far * max(0.0, pitch - middle)
    for pitch, _ in struck[lefts:]:
        cost += costs.far * max(0.0, middle - pitch)
    if left.held and right.held:
        top, bottom = max(pitch for _, pitch in left.held), min(pitch for _, pitch in right.held)
        cost += costs.crossed * min(max(0, top - bottom), 7)
    return _State(cost, right, left, (lefts, state.lefts))


def _moved(hand: _Hand, onset: int, struck: list[tuple[int, int]], costs: HandCosts) -> tuple[_Hand, float]:
    """A hand after it struck some notes, none perhaps, and what that cost."""
    held = tuple(item for item in hand.held if item[0] > onset)
    if not struck:
        return hand._replace(held=held), 0.0
    low, high = struck[0][0], struck[-1][0]
    cost = costs.stretched * max(0, high - low - _TENTH) + costs.finger * max(0, len(struck) - _FINGERS)
    if held:
        span = max(high, *(p for _, p in held)) - min(low, *(p for _, p in held))
        cost += costs.held * max(0, span - _TENTH) + costs.finger * max(0, len(struck) + len(held) - _FINGERS)
    middle = (low + high) / 2
    cost += costs.leap * abs(middle - hand.middle) / (1.0 + (onset - hand.struck) / costs.slow)
    ending = [pitch for end, pitch in hand.held if onset - 6 <= end <= onset + 3]
    if ending:
        near = sum(any(abs(pitch - before) <= 5 for before in ending) for pitch, _ in struck)
        cost -= costs.line * near
    return _Hand(middle, onset, held + tuple((end, pitch) for pitch, end in struck)), cost
