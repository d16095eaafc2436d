"""Which hand plays which note.

The notes of one moment are divided once, low notes left, high notes right. The best division of every moment, given
those before, is found by dynamic programming over the places of both hands, with costs for what pianists avoid: a hand
stretched beyond a tenth, more fingers than five, leaps, crossed hands, and a hand far from its side of the keyboard.

Reference for the idea: Nakamura, Ono and Sagayama (2014), "Merged-output HMM for piano fingering of both hands".
"""

from __future__ import annotations

import math
from itertools import groupby
from typing import NamedTuple

from eimg_core.midi.notes import Note, Piece

__all__ = ["LEFT", "RIGHT", "TENTH", "hands_of"]

RIGHT, LEFT = 0, 1
TENTH = 16  # semitones
_FINGERS = 5
_TOGETHER_S = 0.02
_MOST_STATES = 24  # kept at each moment, the cheapest first
_MIDDLE = 60

# Costs, in semitones of a leap.
_PER_STRETCHED = 6.0  # semitone beyond a tenth
_PER_FINGER = 25.0  # beyond five
_PER_FAR = 0.35  # semitone that a note lies on the other hand's side of middle C
_PER_CROSSED = 4.0  # semitone
_SLOW_LEAP_S = 0.6  # time for a leap that costs half of what it costs in no time
_LONGEST_HELD_S = 2.0  # what sounds longer is left to the pedal


class _Hand(NamedTuple):
    """Where a hand is: its last chord, when it was struck, and what it still holds as (end, pitch)."""

    low: int
    high: int
    struck_s: float
    held: tuple[tuple[float, int], ...] = ()


class _Chord(NamedTuple):
    """What a hand may strike at a moment, and what that costs wherever the hand comes from."""

    low: int
    high: int
    struck_s: float
    stays: tuple[tuple[float, int], ...]  # what it holds as (end, pitch)
    stretched: float
    crowded: float
    far: float

    @classmethod
    def of(cls, notes: list[Note], side: int) -> _Chord | None:
        """Of notes low to high; ``None`` without notes."""
        if not notes:
            return None
        low, high, now = notes[0].pitch, notes[-1].pitch, notes[0].start_s
        away = [_MIDDLE - note.pitch if side == RIGHT else note.pitch - _MIDDLE for note in notes]
        return cls(
            low,
            high,
            now,
            tuple((min(note.end_s, now + _LONGEST_HELD_S), note.pitch) for note in notes),
            _PER_STRETCHED * max(0, high - low - TENTH),
            _PER_FINGER * max(0, len(notes) - _FINGERS),
            _PER_FAR * sum(max(0, semitones) for semitones in away),
        )


class _State(NamedTuple):
    cost: float
    right: _Hand
    left: _Hand
    left_counts: tuple[int, ...]  # of each moment so far


def hands_of(piece: Piece) -> tuple[int, ...]:
    """The hand of every note of ``piece.notes``, in their order: ``RIGHT`` 0 or ``LEFT`` 1.

    Depends on the notes alone; the same piece always gives the same hands. A piece may hold more than two hands can
    play: the division is then the least bad one.
    """
    moments = _moments(piece)
    states = [_State(0.0, _Hand(72, 72, -10.0), _Hand(50, 50, -10.0), ())]
    for moment in moments:
        notes = [piece.notes[index] for index in moment]
        counts = range(len(notes) + 1)  # of notes that the left hand takes
        right_chords = [_Chord.of(notes[count:], RIGHT) for count in counts]
        left_chords = [_Chord.of(notes[:count], LEFT) for count in counts]
        # Many states have a hand in common: what each hand may do is worked out once, and equal hands are one object.
        same: dict[_Hand, _Hand] = {}
        rights = {hand: _choices(hand, right_chords, same) for hand in {s.right for s in states}}
        lefts = {hand: _choices(hand, left_chords, same) for hand in {s.left for s in states}}
        reached: dict[tuple[int, int], tuple[float, tuple[int, ...], int, _Hand, _Hand]] = {}
        for state in states:
            for count, (right, cost_right), (left, cost_left) in zip(
                counts, rights[state.right], lefts[state.left], strict=True
            ):
                cost = state.cost + cost_right + cost_left
                if left.high > right.low:
                    cost += _PER_CROSSED * min(left.high - right.low, 6)
                known = reached.get((id(right), id(left)))
                if known is None or cost < known[0]:
                    reached[id(right), id(left)] = (cost, state.left_counts, count, right, left)
        best = sorted(reached.values(), key=lambda way: way[:3])[:_MOST_STATES]
        states = [_State(cost, right, left, (*before, count)) for cost, before, count, right, left in best]
    hands = [RIGHT] * len(piece.notes)
    for moment, count in zip(moments, states[0].left_counts, strict=True):
        for index in moment[:count]:
            hands[index] = LEFT
    return tuple(hands)


def _moments(piece: Piece) -> list[list[int]]:
    """Indices of the notes that are struck together, low to high."""
    places, now = [], -1.0
    for index, note in enumerate(piece.notes):
        if note.start_s - now > _TOGETHER_S:
            now = note.start_s
        places.append((now, note.pitch, index))
    return [[index for _, _, index in sorted(group)] for _, group in groupby(places, key=lambda place: place[0])]


def _choices(hand: _Hand, chords: list[_Chord | None], same: dict[_Hand, _Hand]) -> list[tuple[_Hand, float]]:
    """A hand after it struck each of some chords, or nothing: as the first object in ``same`` that equals it, and what
    that cost."""
    choices: list[tuple[_Hand, float]] = []
    at = math.nan
    for chord in chords:
        if chord is None:
            choices.append((same.setdefault(hand, hand), 0.0))
            continue
        low, high, now = chord.low, chord.high, chord.struck_s
        if now != at:  # mostly all of them are struck at once
            at = now
            held = tuple(key for key in hand.held if key[0] > now + _TOGETHER_S)
            pitches = [pitch for _, pitch in held]
            haste = 0.5 / (1.0 + (now - hand.struck_s) / _SLOW_LEAP_S)  # a leap is cheaper the more time there is
        span = max(high, *pitches) - min(low, *pitches) if pitches else high - low
        # A leap: the hand moves as far as it must to cover the new notes.
        leap = max(0, low - hand.low - 4, hand.high - high - 4) + 0.3 * abs((low + high) - (hand.low + hand.high)) / 2
        cost = chord.stretched + 0.5 * max(0, span - TENTH) + chord.crowded + chord.far + haste * leap
        there = _Hand(low, high, now, held + chord.stays)
        choices.append((same.setdefault(there, there), cost))
    return choices
