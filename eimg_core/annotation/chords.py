"""The chord of each half bar.

How well a chord explains a half bar: the weight of its own notes less that of the others, weight being how long a pitch
class sounds there, the bass counting twice; what follows the same chord is explained a little better (after Pardo and
Birmingham 2002, "Algorithms for chordal analysis"). Bars of three beats divide after the second.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from eimg_core.midi.sheet import Ints, Sheet

__all__ = ["CHORDS", "CHORD_CLASSES", "NO_CHORD", "QUALITIES", "QUALITY_NOTES", "chords_of", "half_bars"]

QUALITIES = ("major", "minor", "dominant", "minor seventh", "major seventh", "diminished", "suspended", "augmented")
QUALITY_NOTES: tuple[tuple[int, ...], ...] = (
    (0, 4, 7),
    (0, 3, 7),
    (0, 4, 7, 10),
    (0, 3, 7, 10),
    (0, 4, 7, 11),
    (0, 3, 6, 9),
    (0, 5, 7),
    (0, 4, 8),
)
CHORDS = 12 * len(QUALITIES)  # root · 8 + quality
NO_CHORD = CHORDS

_RARITY = np.array([0.0, 0.0, 0.06, 0.08, 0.08, 0.05, 0.09, 0.14])
CHORD_CLASSES = np.zeros((CHORDS, 12))
for _chord in range(CHORDS):
    CHORD_CLASSES[_chord, [(_chord // 8 + note) % 12 for note in QUALITY_NOTES[_chord % 8]]] = 1.0
_HALF_DIMINISHED = np.zeros((12, 12))  # a minor seventh above a diminished triad is one of its kind
for _root in range(12):
    _HALF_DIMINISHED[_root, [(_root + note) % 12 for note in (0, 3, 6, 10)]] = 1.0

_FOREIGN = 1.1  # weight of notes outside the chord
_MISSING = 0.13  # cost of each note of the chord that is not heard
_HALF_HEARD = 0.04  # of the weight: less does not count as heard
_BASS_IS_ROOT = 0.22
_STAYS = 0.22  # gain where the chord before goes on
_LEAST_INSIDE = 0.45  # of the weight, for a chord
_FADES = 96  # ticks: a piano note is soft after this


def half_bars(meter: tuple[int, int], bar: int) -> tuple[int, int]:
    """Ticks of the two parts of a bar."""
    first = 48 if meter == (3, 4) else bar // 2
    return first, bar - first


def chords_of(sheet: Sheet, bars: int | None = None) -> tuple[Ints, Ints]:
    """The chord and the inversion of each half bar.

    Args:
        sheet: any.
        bars: how many; those of the sheet where ``None``.
    Returns:
        Chords as ``root · 8 + quality`` or ``NO_CHORD``, and which of its notes is the bass, 0 for the root to 3:
        (2 · bars,) each.
    """
    bars = sheet.bars if bars is None else bars
    weights, basses = _heard(sheet, bars)
    total = weights.sum(axis=1)
    bass_weight = np.zeros_like(weights)
    rows = np.flatnonzero(basses >= 0)
    bass_weight[rows, basses[rows] % 12] = 0.5 * weights[rows].max(axis=1)
    shares = (weights + bass_weight) / np.maximum((weights + bass_weight).sum(axis=1, keepdims=True), 1e-9)
    fits = _fits(shares, basses)  # (halves, CHORDS)
    best = _path(fits, total)
    inversions = np.zeros(2 * bars, dtype=np.int64)
    for row in rows:
        if best[row] != NO_CHORD:
            notes = QUALITY_NOTES[best[row] % 8]
            above = (int(basses[row]) - int(best[row]) // 8) % 12
            inversions[row] = notes.index(above) if above in notes else 0
    return best, inversions


def _heard(sheet: Sheet, bars: int) -> tuple[NDArray[np.float64], Ints]:
    """How long each pitch class sounds in each half bar, (2 · bars, 12), and the lowest pitch struck there, or -1."""
    first, second = half_bars(sheet.meter, sheet.bar)
    edges = np.concatenate([[0], np.cumsum(np.tile([first, second], bars))])
    weights, basses = np.zeros((2 * bars, 12)), np.full(2 * bars, -1)
    for onset, length, pitch, _, _ in sheet.notes.tolist():
        end = onset + min(length, _FADES)
        half = int(np.searchsorted(edges, onset, side="right")) - 1
        if half < 2 * bars and (basses[half] < 0 or pitch < basses[half]):
            basses[half] = pitch
        while half < 2 * bars and edges[half] < end:
            weights[half, pitch % 12] += min(end, edges[half + 1]) - max(onset, edges[half])
            half += 1
    return weights, basses


def _fits(shares: NDArray[np.float64], basses: Ints) -> NDArray[np.float64]:
    """How well each chord explains each half bar: (halves, CHORDS)."""
    heard = (shares > _HALF_HEARD).astype(float)

    def fit(templates: NDArray[np.float64]) -> NDArray[np.float64]:
        inside = shares @ templates.T
        missing = templates.sum(axis=1) - heard @ templates.T
        score = inside - _FOREIGN * (1 - inside) - _MISSING * missing
        return np.where(inside < _LEAST_INSIDE, -1.0, score)

    fits = fit(CHORD_CLASSES) - np.tile(_RARITY, 12)
    half_diminished = fit(_HALF_DIMINISHED) - 0.09
    diminished = QUALITIES.index("diminished")
    columns = np.arange(12) * 8 + diminished
    fits[:, columns] = np.maximum(fits[:, columns], half_diminished)
    roots = np.repeat(np.arange(12), 8)
    return fits + _BASS_IS_ROOT * (basses[:, None] % 12 == roots) * (basses[:, None] >= 0)


def _path(fits: NDArray[np.float64], total: NDArray[np.float64]) -> Ints:
    """The best chord of each half bar, given those before it; ``NO_CHORD`` where next to nothing sounds."""
    halves = len(fits)
    scores = np.column_stack([fits, np.full(halves, -0.6)])
    scores[total < 6] = -1.0
    scores[total < 6, NO_CHORD] = 0.5
    best, came = scores[0], np.zeros((halves, CHORDS + 1), dtype=np.int64)
    for row in range(1, halves):
        top = int(best.argmax())
        stays = best + _STAYS
        came[row] = np.where(stays >= best[top], np.arange(CHORDS + 1), top)
        best = np.maximum(stays, best[top]) + scores[row]
    path = np.zeros(halves, dtype=np.int64)
    path[-1] = int(best.argmax())
    for row in range(halves - 1, 0, -1):
        path[row - 1] = came[row, path[row]]
    return path
