"""Where phrases begin, and which of them are one and the same.

A phrase begins where the one before comes to rest, on a long note, a silence or a cadence, and where bars begin or stop
to take up earlier ones; most have four bars, then eight, then two (cf. Dai, Zhang and Dannenberg 2020). Phrases whose
bars take up those of an earlier phrase have its letter.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from eimg_core.annotation.chords import NO_CHORD
from eimg_core.annotation.returns import EXACT, NEW_ENDING, ORNAMENTED, TRANSPOSED
from eimg_core.midi.sheet import LENGTH, ONSET, TICKS, Ints, Sheet

__all__ = ["cadences_of", "letters_of", "phrase_starts"]

_LONGEST = 8  # bars
_LENGTH_WORTH = (0.0, -1.2, -0.5, -0.7, 0.0, -0.8, -0.6, -0.9, -0.35)  # of a phrase of so many bars
_RESTS, _CADENCE, _RUN_BEGINS, _RUN_ENDS = 0.4, 0.35, 0.35, 0.2
_LONG = 1.5 * TICKS
_SAME = 0.5  # of the bars of a phrase


def phrase_starts(sheet: Sheet, tune: NDArray[np.bool_], chords: Ints, ref: Ints, tonic: int) -> list[int]:
    """The bars on which phrases begin; the first is 0.

    Args:
        sheet, tune: as ever.
        chords: of the half bars, (2 · bars,).
        ref: bars back, (bars,).
        tonic: pitch class.
    """
    bars = len(ref)
    starts = np.zeros(bars + 1)
    line = sheet.notes[tune]
    last = np.searchsorted(line[:, ONSET], np.arange(1, bars + 1) * sheet.bar) - 1  # of each bar or before
    for bar in range(1, bars):
        at = last[bar - 1]
        if at >= 0:
            begins, length = int(line[at, ONSET]), int(line[at, LENGTH])
            following = int(line[at + 1, ONSET]) if at + 1 < len(line) else begins + 4 * TICKS
            starts[bar] += _RESTS * (min(following - begins, sheet.bar) >= _LONG or length >= _LONG)
        starts[bar] += _CADENCE * (_cadence(chords, bar - 1, tonic) > 0)
        starts[bar] += _RUN_BEGINS * (ref[bar] > 0 and ref[bar] != ref[bar - 1])
        starts[bar] += _RUN_ENDS * (ref[bar - 1] > 0 and ref[bar] != ref[bar - 1])
    best, came = np.full(bars + 1, -np.inf), np.zeros(bars + 1, dtype=np.int64)
    best[0] = 0.0
    for end in range(1, bars + 1):
        for length in range(1, min(_LONGEST, end) + 1):
            score = best[end - length] + _LENGTH_WORTH[length] + starts[end]
            if score > best[end]:
                best[end], came[end] = score, end - length
    found, at = [], bars
    while at > 0:
        at = int(came[at])
        found.append(at)
    return found[::-1] or [0]


def letters_of(starts: list[int], ref: Ints, kind: Ints) -> tuple[Ints, Ints]:
    """For each bar the letter of its phrase, 0 for A, and the bars that are left in it, this one included.

    Args:
        starts: bars on which phrases begin.
        ref, kind: which earlier bar each bar takes up, and how.
    """
    bars = len(ref)
    letter, left = np.zeros(bars, dtype=np.int64), np.zeros(bars, dtype=np.int64)
    taken_up = np.isin(kind, (EXACT, ORNAMENTED, TRANSPOSED, NEW_ENDING))
    letters = 0
    for start, end in zip(starts, [*starts[1:], bars], strict=True):
        span = np.arange(start, end)
        left[span] = end - span
        sources = [letter[bar - ref[bar]] for bar in span if taken_up[bar] and bar - ref[bar] < start]
        if len(sources) >= _SAME * len(span):
            letter[span] = np.bincount(sources).argmax()
        else:
            letter[span] = letters
            letters += 1
    return letter, left


def cadences_of(left: Ints, chords: Ints, tonic: int) -> Ints:
    """How the phrase that ends with each bar closes: 0 it does not end here or not on a cadence, 1 on the dominant,
    2 on the tonic after its dominant: (bars,)."""
    return np.array([_cadence(chords, bar, tonic) if left[bar] == 1 else 0 for bar in range(len(left))], dtype=np.int64)


def _cadence(chords: Ints, bar: int, tonic: int) -> int:
    roots = [
        None if chord == NO_CHORD else (int(chord) // 8 - tonic) % 12
        for chord in chords[max(0, 2 * bar - 1) : 2 * bar + 2]
    ]
    if roots[-1] == 7:
        return 1
    return 2 if roots[-1] == 0 and 7 in roots[:-1] else 0
