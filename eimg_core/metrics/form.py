"""Form: bars that come again, as they were or varied, and how the density of a piece moves.

A *bar* is a set of strokes, each a place on a grid of sixteenths and a pitch. Bars are counted from the start of the
piece in its own meter; silent bars do not count. Where a source begins in the middle of a bar, every bar is shifted by
as much, and bars that come again still do.

How alike two bars are is the share of strokes that they have in common (Jaccard 1912), in the best of all
transpositions of the one: 1 for the same bar in any key. A bar is *verbatim* if an earlier one has the same strokes in
the same key, and a *varied return* if it is not, but at least ``VARIED`` alike to an earlier one.
"""

from __future__ import annotations

import math
from collections import Counter

import numpy as np

from eimg_core.metrics.analysis import Analysis

__all__ = ["VARIED", "alike", "bars_of", "density_variation", "varied_returns", "verbatim_bars"]

Bar = frozenset[tuple[int, int]]

VARIED = 0.5
_PLACES = 4  # of a beat
_SIXTHS = 6


def bars_of(analysis: Analysis) -> list[Bar]:
    """The bars of a piece in order, without silent ones: (place, pitch) of every stroke."""
    places = np.rint(analysis.onsets * _PLACES).astype(np.int64)
    length = max(1, round(analysis.bar * _PLACES))
    bars: dict[int, set[tuple[int, int]]] = {}
    for place, pitch in zip(places.tolist(), analysis.pitches.tolist(), strict=True):
        bars.setdefault(place // length, set()).add((place % length, pitch))
    return [frozenset(bars[number]) for number in sorted(bars)]


def alike(a: Bar, b: Bar) -> float:
    """How alike two bars are, 0-1; the same in both directions."""
    shifts = Counter(q - p for place, p in a for other, q in b if place == other)
    common = max(shifts.values(), default=0)
    return common / (len(a) + len(b) - common) if common else 0.0


def verbatim_bars(analysis: Analysis) -> float:
    """Bars with the strokes of an earlier bar. Share of the bars, 0-1; NaN for fewer than two."""
    bars = bars_of(analysis)
    return 1.0 - len(set(bars)) / len(bars) if len(bars) > 1 else math.nan


def varied_returns(analysis: Analysis) -> float:
    """Bars that are at least ``VARIED`` alike to an earlier bar, but no copies. Share of the bars, 0-1; NaN for fewer
    than two."""
    bars = bars_of(analysis)
    if len(bars) < 2:
        return math.nan
    seen: set[Bar] = set()
    varied = 0
    for bar in bars:
        varied += bar not in seen and any(alike(bar, earlier) >= VARIED for earlier in seen)
        seen.add(bar)
    return varied / len(bars)


def density_variation(analysis: Analysis) -> float:
    """Coefficient of variation of the moments at which something is struck in six equal parts of the piece, from its
    first onset to its last. Ratio, 0 upwards; NaN for fewer than two moments."""
    moments = analysis.moments
    if len(moments) < 2:
        return math.nan
    counts, _ = np.histogram(moments, _SIXTHS)
    return float(counts.std() / counts.mean())
