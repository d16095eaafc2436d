"""Copied material: the longest run of notes that a piece shares with any of a set of other pieces.

Conventions
- A piece is compared as two lines: all its notes, chord by chord and from low to high, and its melody alone
  (``eimg_core.metrics.lines``). Whichever shares the longer run counts.
- From note to note there is one *step*: the interval in semitones, and how the rhythm goes on. A note of the same
  chord is one sign; otherwise the time since the last chord, over the time before that, is one of five: much
  shorter, shorter, the same, longer, much longer. So a run is found again in another key and at another tempo, and
  played with another touch. The classes are wide on purpose: chance makes runs a little longer, but a copy is not
  missed because it is played a few milliseconds apart.
- The length of a run is its number of notes, where nothing in it repeats. Of what repeats inside the run, only the
  first time counts: the length is the number of *different* groups of three steps in the run, plus three. A note
  struck fifty times is a run of 4, a major scale through the whole keyboard one of 7, an accompaniment that goes on
  with a figure of k notes one of k + 3.

The same rules hold for real clips, which tell how long runs grow between pieces that have nothing to do with each
other; the number means nothing without them.

Method: all steps of all pieces are one long text, one character a step, with its suffixes in order (Manber and Myers
1993). The longest run from each note of a piece is found by bisection, in a few milliseconds for a whole piece.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eimg_core.metrics.lines import chords, melody
from eimg_core.midi.notes import Note, Piece

__all__ = ["LONGEST_COMPARED", "CopyIndex", "Run", "run_length", "steps_of"]

LONGEST_COMPARED = 256  # steps; a run this long is a copy, whatever follows
_PATTERN = 3  # steps that are one pattern, four notes
_SAME, _MUCH = 0.3, 1.3  # octaves of tempo; no simple ratio (4:3, 3:2, 2:1, 3:1) lies near these borders
_AS_BEFORE, _CHORD, _RHYTHMS = 2, 5, 6  # five ways in which the rhythm goes on, then "in the same chord"
_END = "\0"  # between two lines; no step is written so


@dataclass(frozen=True, slots=True)
class Run:
    """The longest run that a piece shares with another.

    Args:
        length: in notes, see the conventions; 0 if not even one step is shared.
        source: key of the piece it is shared with; "" if there is none.
    """

    length: int
    source: str


def steps_of(line: Sequence[Sequence[Note]]) -> str:
    """The steps of a line of chords, one character each: N - 1 for N notes."""
    steps: list[str] = []
    last: Note | None = None
    for index, chord in enumerate(line):
        rhythm = _rhythm([here[0].start_s for here in line[max(0, index - 2) : index + 1]])
        for place, note in enumerate(chord):
            if last is not None:
                steps.append(_step(note.pitch - last.pitch, rhythm if place == 0 else _CHORD))
            last = note
    return "".join(steps)


def run_length(steps: str) -> int:
    """The notes of a run that are not repeats of it, from its steps: as many as notes if no pattern comes twice."""
    patterns = {steps[at : at + _PATTERN] for at in range(len(steps) - _PATTERN + 1)}
    return len(patterns) + _PATTERN if patterns else len(steps) + bool(steps)


class CopyIndex:
    """The pieces to search in.

    Args:
        pieces: key → piece; 2000 clips take about a second, 1000 songs about ten.
    """

    def __init__(self, pieces: Mapping[str, Piece]) -> None:
        lines = {key: [steps_of(chords(piece)), steps_of(melody(piece))] for key, piece in pieces.items()}
        self._keys = list(lines)
        texts = [_END.join(pair) for pair in lines.values()]
        self._begins = np.cumsum([0, *(len(text) + 1 for text in texts)])
        self._text = _END.join(texts)
        self._order = _suffix_order(self._text)

    def longest_run(self, piece: Piece) -> Run:
        """The longest run of a piece that one of the indexed pieces has too."""
        best = Run(0, "")
        for steps in (steps_of(chords(piece)), steps_of(melody(piece))):
            reached = 0  # end of the last run found: a run that ends there too is a part of it
            for start in range(len(steps)):
                shared, at = self._longest_prefix(steps[start : start + LONGEST_COMPARED])
                if start + shared <= reached:
                    continue
                reached = start + shared
                length = run_length(steps[start:reached])
                if length > best.length:
                    best = Run(length, self._keys[int(np.searchsorted(self._begins, at, side="right")) - 1])
        return best

    def _longest_prefix(self, steps: str) -> tuple[int, int]:
        """How many of the first steps occur together in the text, and where: next to their place in the order."""

        def suffix(start: int) -> str:
            return self._text[start : start + LONGEST_COMPARED]

        place = bisect_left(self._order, steps, key=suffix)
        neighbours = self._order[max(0, place - 1) : place + 1].tolist()
        return max(((_shared(steps, suffix(at)), at) for at in neighbours), default=(0, 0))


def _rhythm(onsets: Sequence[float]) -> int:
    """How the last of up to three onsets goes on: 0 much shorter, 2 the same, 4 much longer; fewer than three:
    the same."""
    if len(onsets) < 3:
        return _AS_BEFORE
    octaves = math.log2((onsets[2] - onsets[1]) / (onsets[1] - onsets[0]))
    return bisect_left((-_MUCH, -_SAME, _SAME, _MUCH), octaves)


def _step(interval: int, rhythm: int) -> str:
    return chr(1 + (interval + 127) * _RHYTHMS + rhythm)


def _shared(a: str, b: str) -> int:
    """Length of the common beginning of two texts."""
    return next((at for at, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def _suffix_order(text: str) -> NDArray[np.int64]:
    """The starts of all suffixes of a text in the order of their first ``LONGEST_COMPARED`` characters.

    Prefix doubling: from the ranks of beginnings of k characters follow those of 2k.
    """
    ranks = np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32).astype(np.int64)
    order = np.argsort(ranks, kind="stable")
    known = 1
    while known < LONGEST_COMPARED:
        pairs = ranks * (int(ranks.max(initial=0)) + 2)
        pairs[:-known] += ranks[known:] + 1  # a text that ends comes first
        order = np.argsort(pairs, kind="stable")
        sorted_pairs = pairs[order]
        ranks[order] = np.concatenate([[0], np.cumsum(sorted_pairs[1:] != sorted_pairs[:-1])])[: len(text)]
        known *= 2
    return order
