"""The plan of a piece: a row of small classes for every bar, which the notes are then written to.

Fields, in the order in which they are chosen:

    letter        phrases of one letter are one and the same: 0-7 for A-H
    left          bars left in the phrase, this one included, minus 1: 0-7
    ref           bars back to the bar that is taken up, 0 for none: 0-32
    kind          how it is taken up, see ``eimg_core.annotation.returns``
    chord, chord2 of each half: root · 8 + quality, or none
    inversion     which note of the first chord is the bass
    tune, left hand, rest   how many notes each stream has
    height        middle of the tune; ``bass``: middle of the lowest notes
    touch         how much of the time between onsets the left hand and the rest fill
    loudness      mean velocity; the last class where none was recorded
    cadence       how the phrase that ends here closes
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from eimg_core.annotation.annotate import Annotation
from eimg_core.annotation.chords import CHORDS, NO_CHORD
from eimg_core.annotation.phrases import cadences_of
from eimg_core.annotation.returns import FARTHEST, KINDS
from eimg_core.midi.bar_codec import LEFT_HAND, REST, TUNE
from eimg_core.midi.notes import Section
from eimg_core.midi.sheet import HAND, LENGTH, ONSET, PITCH, VELOCITY, Ints

__all__ = [
    "BASS",
    "CADENCE",
    "CHORD",
    "CHORD2",
    "FIELDS",
    "FIELD_SIZES",
    "HEIGHT",
    "INVERSION",
    "KIND",
    "LEFT",
    "LEFT_COUNT",
    "LETTER",
    "LOUDNESS",
    "LOUDNESS_UNKNOWN",
    "REF",
    "REST_COUNT",
    "TOUCH",
    "TUNE_COUNT",
    "moved",
    "plan_of",
    "sections_of",
]

FIELDS = (
    "letter", "left", "ref", "kind", "chord", "chord2", "inversion", "tune", "left hand", "rest", "height", "bass",
    "touch", "loudness", "cadence",
)  # fmt: skip
(
    LETTER, LEFT, REF, KIND, CHORD, CHORD2, INVERSION, TUNE_COUNT, LEFT_COUNT, REST_COUNT, HEIGHT, BASS, TOUCH,
    LOUDNESS, CADENCE,
) = range(len(FIELDS))  # fmt: skip
_COUNTS = np.array([1, 2, 3, 4, 6, 8, 12])  # notes of a stream: below the first is none, from the last on is most
_HEIGHTS = np.array([60, 64, 67, 70, 73, 77, 82])
_BASSES = np.array([36, 40, 43, 46, 49, 53, 58])
_TOUCHES = np.array([0.5, 0.8, 1.05])
_LOUDNESS = np.array([40, 50, 58, 66, 74, 84, 96])
LOUDNESS_UNKNOWN = len(_LOUDNESS) + 1
_INTRODUCTION = 7  # its letter, where a form has one; see ``plan_form``
FIELD_SIZES = (
    8, 8, FARTHEST + 1, len(KINDS), CHORDS + 1, CHORDS + 1, 4, len(_COUNTS) + 1, len(_COUNTS) + 1, len(_COUNTS) + 1,
    len(_HEIGHTS) + 1, len(_BASSES) + 1, len(_TOUCHES) + 1, LOUDNESS_UNKNOWN + 1, 3,
)  # fmt: skip


def plan_of(annotation: Annotation, *, velocities_known: bool = True) -> Ints:
    """The plan that a piece was written to, so to speak, in its own key: (B, fields)."""
    bars, sheet = annotation.bars, annotation.sheet
    rows = np.zeros((bars, len(FIELDS)), dtype=np.int64)
    rows[:, LETTER] = np.minimum(annotation.letter, 7)
    rows[:, LEFT] = np.clip(annotation.left - 1, 0, 7)
    rows[:, REF], rows[:, KIND] = annotation.ref, annotation.kind
    rows[:, CHORD], rows[:, CHORD2] = annotation.chords[0::2], annotation.chords[1::2]
    rows[:, INVERSION] = annotation.inversions[0::2]
    notes = sheet.notes
    bar = notes[:, ONSET] // sheet.bar
    stream = np.where(annotation.tune, TUNE, np.where(notes[:, HAND] == 1, LEFT_HAND, REST))
    for which, field in ((TUNE, TUNE_COUNT), (LEFT_HAND, LEFT_COUNT), (REST, REST_COUNT)):
        counts = np.bincount(bar[stream == which], minlength=bars)[:bars]
        rows[:, field] = np.searchsorted(_COUNTS, counts, side="right")
    rows[:, HEIGHT] = np.searchsorted(_HEIGHTS, _means(bar, notes[:, PITCH], stream == TUNE, bars, 70.0), side="right")
    low = np.full(bars, 48.0)
    for index in range(bars):
        here = (bar == index) & (stream == LEFT_HAND)
        if here.any():
            first = notes[here]
            _, starts = np.unique(first[:, ONSET], return_index=True)  # the lowest note of each moment
            low[index] = first[starts, PITCH].mean()
    rows[:, BASS] = np.searchsorted(_BASSES, low, side="right")
    moments, at = np.unique(notes[:, ONSET], return_inverse=True)
    gaps = np.minimum(np.diff(moments, append=moments[-1] + sheet.bar), sheet.bar)
    filled = np.minimum(notes[:, LENGTH] / gaps[at], 2.0)
    rows[:, TOUCH] = np.searchsorted(_TOUCHES, _means(bar, filled, stream != TUNE, bars, 1.0), side="right")
    loud = np.searchsorted(_LOUDNESS, _means(bar, notes[:, VELOCITY], stream >= 0, bars, 64.0), side="right")
    rows[:, LOUDNESS] = loud if velocities_known else LOUDNESS_UNKNOWN
    rows[:, CADENCE] = cadences_of(annotation.left, annotation.chords, annotation.key % 12)
    return rows


def moved(rows: Ints, semitones: int) -> Ints:
    """The plan with its chords transposed."""
    rows = rows.copy()
    for field in (CHORD, CHORD2):
        chord = rows[:, field]
        rows[:, field] = np.where(chord == NO_CHORD, NO_CHORD, (chord + 8 * semitones) % CHORDS)
    return rows


def sections_of(rows: Sequence[Sequence[int]], bar_s: float) -> tuple[Section, ...]:
    """The phrases of a plan as sections: A, B, and A2 where A comes again; a piece may begin with an introduction.

    Args:
        rows: (B, fields).
        bar_s: length of a bar in seconds.
    """
    sections: list[Section] = []
    count: Counter[str] = Counter()
    for bar, row in enumerate(rows):
        if bar and rows[bar - 1][LEFT]:
            continue
        name = "Introduction" if not bar and row[LETTER] == _INTRODUCTION else chr(ord("A") + row[LETTER])
        count[name] += 1
        sections.append(Section(bar * bar_s, name if count[name] == 1 else f"{name}{count[name]}"))
    return tuple(sections)


def _means(bar: Ints, values: np.ndarray, chosen: np.ndarray, bars: int, otherwise: float) -> np.ndarray:
    """The mean of some values in each bar: (bars,)."""
    counts = np.bincount(bar[chosen], minlength=bars)[:bars]
    sums = np.bincount(bar[chosen], values[chosen], minlength=bars)[:bars]
    return np.where(counts > 0, sums / np.maximum(counts, 1), otherwise)
