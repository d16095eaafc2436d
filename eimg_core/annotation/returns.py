"""Which earlier bar each bar takes up, and how: self-similarity by kinds of variation.

Bars are compared in pairs, tune and accompaniment apart. What a bar takes up is then chosen for all bars together:
returns come in runs, and after one, two, four or eight bars more often than after others.

The kinds follow MELONS (Zou et al. 2022) and PopMNet (Wu et al. 2020), which name relations between bars, extended by
those of accompaniments.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eimg_core.midi.sheet import ONSET, PITCH, Ints, Sheet

__all__ = [
    "EXACT",
    "FARTHEST",
    "KINDS",
    "NEW",
    "NEW_ENDING",
    "ORNAMENTED",
    "RHYTHM",
    "TEXTURE",
    "TRANSPOSED",
    "BarContent",
    "compare",
    "contents_of",
    "returns_of",
]

KINDS = ("new", "exact", "ornamented", "transposed", "rhythm", "new ending", "texture")
NEW, EXACT, ORNAMENTED, TRANSPOSED, RHYTHM, NEW_ENDING, TEXTURE = range(7)
FARTHEST = 32  # bars back

_SAME = 0.9  # Dice of two bars that are one and the same
_ALIKE = 0.8  # of a rhythm, a transposed tune or an accompaniment
_SKELETON = 0.55  # of a tune that is ornamented
_FEWEST = 3  # notes of a tune or of an accompaniment that can be recognised
_DIATONIC = (0, 0, 1, 1, 2, 3, 3, 4, 4, 5, 5, 6)  # step of each semitone above the tonic

_WORTH = {EXACT: 1.0, NEW_ENDING: 0.7, ORNAMENTED: 0.65, TRANSPOSED: 0.65, RHYTHM: 0.4, TEXTURE: 0.35}
_NOTHING = 0.3  # worth of a new bar
_RUN = 0.2  # gain where the bar before takes up the bar before
_USUAL = 0.06  # gain of the distances 1, 2, 4, 8, 16

Strikes = frozenset[tuple[int, int]]


class BarContent(NamedTuple):
    """A bar: (tick, pitch) of its tune and of its accompaniment, the tune in diatonic steps, the accompaniment in
    semitones above its lowest note, and the ticks of the tune."""

    tune: Strikes
    accompaniment: Strikes
    steps: Strikes
    pattern: Strikes
    rhythm: frozenset[int]


def contents_of(sheet: Sheet, tune: NDArray[np.bool_], tonic: int, bars: int | None = None) -> list[BarContent]:
    """The content of every bar.

    Args:
        sheet: any.
        tune: which notes are the tune, (N,).
        tonic: pitch class from which diatonic steps count.
        bars: how many; those of the sheet where ``None``.
    """
    bars = sheet.bars if bars is None else bars
    split: list[tuple[list[tuple[int, int]], list[tuple[int, int]]]] = [([], []) for _ in range(bars)]
    for onset, pitch, sings in zip(sheet.notes[:, ONSET].tolist(), sheet.notes[:, PITCH].tolist(), tune, strict=True):
        if onset // sheet.bar < bars:
            split[onset // sheet.bar][0 if sings else 1].append((onset % sheet.bar, pitch))
    contents = []
    for line, others in split:
        lowest = min((pitch for _, pitch in others), default=0)
        steps = frozenset((at, (p - tonic) // 12 * 7 + _DIATONIC[(p - tonic) % 12]) for at, p in line)
        pattern = frozenset((at, pitch - lowest) for at, pitch in others)
        contents.append(BarContent(frozenset(line), frozenset(others), steps, pattern, frozenset(at for at, _ in line)))
    return contents


def compare(new: BarContent, old: BarContent, half: int) -> int:
    """How a bar takes up an earlier one: one of ``KINDS``, ``NEW`` where it does not.

    Args:
        new, old: the two bars.
        half: ticks of half a bar.
    """
    if not new.tune and not new.accompaniment:
        return NEW
    tune = _dice(new.tune, old.tune)
    accompaniment = _dice(new.accompaniment, old.accompaniment)
    total = len(new.tune) + len(old.tune) + len(new.accompaniment) + len(old.accompaniment)
    both = 2 * (len(new.tune & old.tune) + len(new.accompaniment & old.accompaniment)) / total
    if both >= _SAME:
        return EXACT
    if len(new.tune & old.tune) >= 2 and tune >= _SKELETON:
        return ORNAMENTED
    if _first_half_alike(new, old, half):
        return NEW_ENDING
    if len(new.rhythm) >= _FEWEST and 2 * len(new.rhythm & old.rhythm) >= _ALIKE * (len(new.rhythm) + len(old.rhythm)):
        return TRANSPOSED if _moved_alike(new.steps, old.steps) else RHYTHM
    fewest = min(len(new.accompaniment), len(old.accompaniment))
    if fewest >= _FEWEST and max(accompaniment, _dice(new.pattern, old.pattern)) >= _ALIKE:
        return TEXTURE
    return NEW


def returns_of(contents: list[BarContent], half: int) -> tuple[Ints, Ints]:
    """Which earlier bar each bar takes up, and how.

    Returns:
        Bars back, 1 to ``FARTHEST`` or 0 for none, and the kind: (bars,) each.
    """
    bars = len(contents)
    kinds = np.zeros((bars, FARTHEST + 1), dtype=np.int64)
    for bar in range(bars):
        for back in range(1, min(bar, FARTHEST) + 1):
            kinds[bar, back] = compare(contents[bar], contents[bar - back], half)
    worth = np.array([_WORTH.get(kind, -np.inf) for kind in range(len(KINDS))])[kinds]
    worth[:, [1, 2, 4, 8, 16]] += _USUAL
    worth[:, 0] = _NOTHING
    best, came = worth[0] if bars else np.zeros(0), np.zeros((bars, FARTHEST + 1), dtype=np.int64)
    gain = np.full(FARTHEST + 1, _RUN)
    gain[0] = 0.0
    for bar in range(1, bars):
        top = int(best.argmax())
        goes_on = best + gain
        came[bar] = np.where(goes_on >= best[top], np.arange(FARTHEST + 1), top)
        best = np.maximum(goes_on, best[top]) + worth[bar]
    ref = np.zeros(bars, dtype=np.int64)
    if bars:
        ref[-1] = int(best.argmax())
        for bar in range(bars - 1, 0, -1):
            ref[bar - 1] = came[bar, ref[bar]]
    return ref, kinds[np.arange(bars), ref]


def _dice(a: Strikes, b: Strikes) -> float:
    return 2 * len(a & b) / (len(a) + len(b)) if a or b else 0.0


def _first_half_alike(new: BarContent, old: BarContent, half: int) -> bool:
    a, b = (
        {
            (at, pitch, sung)
            for line, sung in ((bar.tune, True), (bar.accompaniment, False))
            for at, pitch in line
            if at < half
        }
        for bar in (new, old)
    )
    return len(a) >= _FEWEST and 2 * len(a & b) >= _SAME * (len(a) + len(b))


def _moved_alike(new: Strikes, old: Strikes) -> bool:
    """Whether a tune is another one moved by some steps."""
    old_at = dict(old)
    moves = Counter(step - old_at[at] for at, step in new if at in old_at)
    if not moves:
        return False
    move, count = moves.most_common(1)[0]
    return move != 0 and 2 * count >= _ALIKE * (len(new) + len(old))
