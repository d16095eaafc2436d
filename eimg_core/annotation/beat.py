"""Where the beats and bars of a piece lie that is known in seconds only, or begins at any phase of its beat.

One shift and one tempo for a whole piece: clips of some 15 s hold their tempo, and those that were cut from scores
stand still on their grid. Every place where a bar could begin is scored by what is struck on its bar lines, beats,
halves and quarters of a beat: how many notes, how long, whether basses, how large chords, how long nothing follows, how
much the harmony changes.

References for the signs of a beat: Lerdahl and Jackendoff 1983, metrical preference rules; Temperley 2001, chapter 2.
The weights of the signs are those of a conditional logit (McFadden 1974).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eimg_core.midi.notes import Piece
from eimg_core.midi.sheet import TICKS, bar_ticks

__all__ = ["LEVELS", "SIGNS", "Beat", "bar_candidates", "find_beat", "find_tempo"]

Floats = NDArray[np.float64]

SIGNS = ("notes", "length", "bass", "bass length", "gap", "chord", "change", "tune length")
LEVELS = ("bar", "half", "beat", "eighth", "triplet", "sixteenth", "other")

# How much each sign on each level speaks for a bar line: a row for each of SIGNS, a column for each of LEVELS. Fitted
# on excerpts of Mutopia, the Lieder and POP909 that were shifted at random.
_WEIGHTS = np.array(
    [
        [-0.49, 1.10, -0.04, -0.27, 0.94, 0.11, -1.35],
        [4.16, 0.83, 0.00, -2.05, -1.19, -1.04, -0.71],
        [3.67, 1.08, -0.68, -1.25, -0.38, -1.72, -0.72],
        [4.14, 0.20, 1.21, -0.92, -2.59, -1.29, -0.76],
        [-3.62, -0.20, 0.04, 1.78, -0.37, 1.48, 0.88],
        [-0.57, 0.47, 0.41, 1.38, 0.02, -0.20, -1.51],
        [1.77, -0.61, -1.12, 0.38, 1.51, -0.06, -1.86],
        [2.56, 0.61, 0.82, -0.90, -0.49, -1.50, -1.10],
    ]
)

_ON_PLACE = np.full(TICKS, 0.0)  # how strong each tick of a quarter is, for the tempo
_ON_PLACE[::6], _ON_PLACE[[8, 16]], _ON_PLACE[12], _ON_PLACE[0] = 0.45, 0.45, 0.7, 1.0
_ON_PLACE[[3, 9, 15, 21, 4, 20]] = 0.1
_LONGEST = 4.0  # beats of a note, as a sign of strength
_TEMPI = (50.0, 180.0)
_CANDIDATES = 260  # 0.5 % apart
_USUAL_BPM, _OCTAVES = 95.0, 0.75  # of an estimated tempo: centre and standard deviation in octaves
_PER_OCTAVE = 0.03  # how much that counts, in shares of the weight on the grid


@dataclass(frozen=True, slots=True)
class Beat:
    """A beat: ``tempo_bpm`` quarters a minute, a bar of ``meter`` begins at ``first_s`` (may be before 0), and
    ``fit`` says how well the onsets lie on sixteenths and triplets: their share within 1/32 beat of one."""

    tempo_bpm: float
    first_s: float
    meter: tuple[int, int]
    fit: float


def find_beat(piece: Piece, meter: tuple[int, int], tempo_bpm: float | None = None) -> Beat:
    """The beat of a piece.

    Args:
        piece: at least one note.
        meter: one of ``eimg_core.midi.sheet.METERS``; bars are sought for this one.
        tempo_bpm: quarters a minute; estimated where ``None``.
    Raises:
        ValueError: no notes.
    """
    if not piece.notes:
        raise ValueError("a beat needs at least one note")
    tempo = float(round(find_tempo(piece))) if tempo_bpm is None else tempo_bpm
    shift, features = bar_candidates(piece, meter, tempo)
    first = shift + int((features * _WEIGHTS).sum(axis=(1, 2)).argmax())
    ticks = np.array([note.start_s for note in piece.notes]) * tempo / 60.0 * TICKS - first
    beside = np.minimum(np.abs(ticks - 6 * np.round(ticks / 6)), np.abs(ticks - 8 * np.round(ticks / 8)))
    return Beat(tempo, first / TICKS * 60.0 / tempo, meter, float((beside <= 0.75).mean()))


def find_tempo(piece: Piece) -> float:
    """Quarters a minute, 50 to 180, by the grid of sixteenths and triplets that fits best.

    Raises:
        ValueError: no notes.
    """
    if not piece.notes:
        raise ValueError("a tempo needs at least one note")
    notes = np.array([(n.start_s, n.pitch, n.duration_s) for n in piece.notes])
    weights = np.sqrt(np.minimum(notes[:, 2], 2.0)) * (1.0 + (notes[:, 1] < 55))
    best, most = 120.0, -math.inf
    for tempo in np.geomspace(*_TEMPI, _CANDIDATES):
        strength = _strengths(notes[:, 0] * tempo / 60.0 * TICKS, weights).max()
        usual = math.log2(tempo / _USUAL_BPM) / _OCTAVES
        score = strength - _PER_OCTAVE * usual**2
        if score > most:
            best, most = float(tempo), score
    return best


def bar_candidates(piece: Piece, meter: tuple[int, int], tempo_bpm: float) -> tuple[float, Floats]:
    """Every place where a bar could begin, and what speaks for it.

    Returns:
        The first candidate in ticks after 0 s, from -1 to 1; the others follow tick by tick. And for each of them, how
        much of each sign falls on each level: (bar ticks, signs, levels), adding up to 1 for each sign.
    """
    notes = np.array([(n.start_s, n.end_s, n.pitch) for n in piece.notes])
    ticks = notes[:, :2] * tempo_bpm / 60.0 * TICKS
    shift = _fine_shift(ticks[:, 0])
    onsets = np.round(ticks[:, 0] - shift).astype(np.int64)
    lengths = np.clip((ticks[:, 1] - ticks[:, 0]) / TICKS, 1 / 24, _LONGEST)
    signs = _signs(onsets, lengths, notes[:, 2])
    bar = bar_ticks(meter)
    folded = np.stack([np.bincount(onsets % bar, sign, minlength=bar) for sign in signs])
    folded = folded / np.maximum(folded.sum(axis=1, keepdims=True), 1e-9)
    level = _levels(meter)
    at_level = np.stack([level == index for index in range(len(LEVELS))]).astype(float)  # (levels, bar)
    rolled = np.stack([np.roll(folded, -start, axis=1) for start in range(bar)])  # (bar, signs, bar)
    return shift, rolled @ at_level.T


def _fine_shift(ticks: Floats) -> float:
    """What moves most onsets onto whole ticks, -1 to 1, by their mean direction within a sixth of a beat."""
    turns = np.exp(2j * np.pi * ticks / 2.0)
    return float(np.angle(turns.mean()) / np.pi)


def _levels(meter: tuple[int, int]) -> NDArray[np.int64]:
    """The level of each tick of a bar, as index into ``LEVELS``: (bar ticks,)."""
    tick = np.arange(bar_ticks(meter))
    beat = 36 if meter[1] == 8 else TICKS
    level = np.full(len(tick), LEVELS.index("other"))
    level[tick % 6 == 0] = LEVELS.index("sixteenth")
    level[tick % 8 == 0] = LEVELS.index("triplet")
    level[tick % 12 == 0] = LEVELS.index("eighth")
    level[tick % beat == 0] = LEVELS.index("beat")
    if meter == (4, 4):
        level[48] = LEVELS.index("half")
    level[0] = LEVELS.index("bar")
    return level


def _signs(onsets: NDArray[np.int64], lengths: Floats, pitches: Floats) -> Floats:
    """What each note says of the strength of its place: (signs, N)."""
    moments, at = np.unique(onsets, return_inverse=True)
    size = np.bincount(at).astype(float)
    low, high = np.full(len(moments), 128.0), np.zeros(len(moments))
    np.minimum.at(low, at, pitches)
    np.maximum.at(high, at, pitches)
    gaps = np.minimum(np.diff(moments, append=moments[-1] + 2 * TICKS) / TICKS, _LONGEST)
    first = np.zeros(len(onsets), dtype=bool)
    first[np.unique(at, return_index=True)[1]] = True
    middle = float(np.median(pitches))
    bass = (pitches == low[at]) & (pitches < middle)
    depth = np.clip((middle - pitches) / 24, 0, 1)
    tune = (pitches == high[at]) & (pitches >= middle)
    change = _changes(onsets, lengths, pitches, moments)
    return np.stack(
        [
            np.ones(len(onsets)),
            lengths,
            bass * depth,
            bass * depth * lengths,
            first * gaps[at],
            first * (size[at] - 1),
            first * change[at],
            tune * lengths,
        ]
    )


def _changes(onsets: NDArray[np.int64], lengths: Floats, pitches: Floats, moments: NDArray[np.int64]) -> Floats:
    """How much the pitch classes struck in the two beats before and after each moment differ, 0 to 1."""
    reach = 2 * TICKS
    classes = np.zeros((len(onsets), 12))
    classes[np.arange(len(onsets)), pitches.astype(int) % 12] = np.sqrt(lengths)
    total = np.vstack([np.zeros(12), classes.cumsum(axis=0)])
    here = np.searchsorted(onsets, moments)
    before = total[here] - total[np.searchsorted(onsets, moments - reach)]
    after = total[np.searchsorted(onsets, moments + reach)] - total[here]
    norms = np.linalg.norm(before, axis=1) * np.linalg.norm(after, axis=1)
    return np.where(norms > 0, 1.0 - (before * after).sum(axis=1) / np.maximum(norms, 1e-9), 0.0)


def _strengths(ticks: Floats, weights: Floats) -> Floats:
    """Of each of the 48 shifts by half a tick, the mean strength of what is struck: (48,)."""
    halves = np.round(ticks * 2).astype(np.int64) % (2 * TICKS)
    histogram = np.bincount(halves, weights, minlength=2 * TICKS)
    fine = np.zeros(2 * TICKS)
    fine[::2] = _ON_PLACE
    fine[1::2] = 0.6 * np.maximum(_ON_PLACE, np.roll(_ON_PLACE, -1))  # a little beside a place
    return np.array([histogram @ np.roll(fine, shift) for shift in range(2 * TICKS)]) / weights.sum()
