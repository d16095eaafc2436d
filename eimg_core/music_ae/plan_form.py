"""The form of a piece that is all new: its phrases, which of them return, and how dense each of them is.

A short piece is a period: a phrase, and one that takes it up and closes. A longer one has an introduction, a theme that
returns varied, a contrast, a climax and an ending, in phrases of four bars: A A' B A', then C C' B A' and so on; the
last of them is the theme at its fullest. What returns is never pasted: the bar that opens a phrase may be the same note
for note, the others are ornamented, moved, laid out anew or end in another way, as the planner likes.

The planner chooses within this frame; see ``eimg_core.music_ae.plan`` for the fields.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

import eimg_core.music_ae.plan as plan
from eimg_core.annotation.returns import EXACT, FARTHEST, KINDS, NEW, NEW_ENDING, ORNAMENTED, RHYTHM, TRANSPOSED

__all__ = ["Frame", "denser", "form_of", "form_of_loop"]

_PHRASE = 4  # bars of a phrase of a longer piece
_FEWEST_PHRASES = 3  # of a longer piece
_FORM = "AABACCBA"
# Octaves of density: of the introduction, of a phrase that is new, that returns, of the contrast, climax and ending.
_INTRODUCTION, _THEME, _RETURN, _CONTRAST, _CLIMAX, _ENDING = -1.0, 0.0, 0.0, -1.5, 0.5, -0.5
_CLASSES = {plan.TUNE_COUNT: 1.0, plan.LEFT_COUNT: 2.0, plan.REST_COUNT: 2.0}  # of note counts, to an octave
_VARIED = np.array([kind not in (NEW, EXACT) for kind in range(len(KINDS))])
_RECOGNISED = np.isin(np.arange(len(KINDS)), (EXACT, ORNAMENTED, TRANSPOSED, RHYTHM, NEW_ENDING))


@dataclass(frozen=True)
class Frame:
    """What is settled of a bar before the planner chooses.

    Attributes:
        letter: its phrase; ``None`` where the planner decides.
        left: bars left in the phrase, this one included.
        ref: bars back to the bar that it takes up; ``None`` where the planner decides.
        kinds: how it may take it up, (KINDS,) bool.
        density: octaves above or below what the planner would choose.
    """

    letter: int | None = None
    left: int | None = None
    ref: int | None = None
    kinds: NDArray[np.bool_] | None = None
    density: float = 0.0


def form_of(bars: int) -> list[Frame]:
    """The frames of a piece of so many bars, the one of its last chord included; at least 1."""
    if bars < _FEWEST_PHRASES * _PHRASE:
        return _period(bars)
    introduction = bars % _PHRASE
    frames = [
        Frame(7, introduction - bar, density=_INTRODUCTION, ref=0 if bar == 0 else None) for bar in range(introduction)
    ]
    phrases = (bars - introduction) // _PHRASE
    letters = "ABA" if phrases == _FEWEST_PHRASES else (_FORM * (phrases // len(_FORM) + 1))[: phrases - 1] + "A"
    last: dict[str, int] = {}
    for index, letter in enumerate(letters):
        start = introduction + index * _PHRASE
        density = (
            _CLIMAX if index == phrases - 1 else _CONTRAST if letter == "B" else _RETURN if letter in last else _THEME
        )
        frames += _phrase(ord(letter) - ord("A"), start, last.get(letter), density)
        last[letter] = start
    return [*frames[:-2], replace(frames[-2], density=_ENDING), replace(frames[-1], ref=0, kinds=None)]


def form_of_loop(bars: int) -> list[Frame]:
    """The frames of a loop and of the chord with which it begins again: phrases of four bars, the second like the
    first.

    Args:
        bars: of the loop, 4 or 8.
    """
    frames: list[Frame] = []
    for start in range(0, bars, _PHRASE):
        frames += _phrase(0, start, 0 if start else None, _THEME)
    return [*frames, Frame(0, 1, ref=0)]


def denser(field: int, drawn: int, density: float) -> int:
    """A field of the plan as it was drawn, or, for note counts, so many octaves denser; what is silent stays silent."""
    if field not in _CLASSES or not drawn:
        return drawn
    return min(max(drawn + round(_CLASSES[field] * density), 1), plan.FIELD_SIZES[field] - 1)


def _period(bars: int) -> list[Frame]:
    """A phrase and its answer, which begins alike; pieces of fewer than four bars are one phrase."""
    if bars < 4:
        return [Frame(0, bars - bar) for bar in range(bars)]
    first = min(bars - bars // 2, 8)
    frames = [Frame(0, first - bar) for bar in range(first)]
    for bar in range(first, bars):
        alike = bar - first < max(1, bars - first - 2)  # the last bars close
        frames.append(Frame(0, min(bars - bar, 8), first if alike else None, _RECOGNISED if alike else None))
    return frames


def _phrase(letter: int, start: int, source: int | None, density: float) -> list[Frame]:
    if source is None or start - source > FARTHEST:
        return [Frame(letter, _PHRASE - bar, density=density) for bar in range(_PHRASE)]
    back = start - source
    return [
        Frame(letter, _PHRASE - bar, back, _VARIED | (_RECOGNISED if bar == 0 else False), density)
        for bar in range(_PHRASE)
    ]
