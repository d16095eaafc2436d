"""Diversity: how much several takes of one photo resemble each other, beside real clips of like emotion.

The *similarity* of two pieces is the cosine of their fingerprints: 1 for the same piece, 0 if nothing is in common,
the same in both directions. A fingerprint is made of histograms, each of which counts equally:

- pitch classes, weighted by duration, counted from the piece's own key, so that a change of key is no change;
- pairs of neighbouring intervals of the melody, larger ones than an octave counted as an octave;
- times from chord to chord, and lengths of notes, in half octaves of time;
- register: pitches in half octaves;
- rhythm of the bar: in which sixteenth of its bar each chord stands, in the piece's tempo and meter.

Music of one kind always has something in common, so the number is read beside that of real clips: pairs from different
pieces that people rated with nearly the same point.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from eimg_core.emotion import pairwise_distance
from eimg_core.metrics.distributions import inter_onset_intervals, note_durations
from eimg_core.metrics.lines import chords, melody
from eimg_core.midi.attributes import home_shift, key_of
from eimg_core.midi.notes import Piece

__all__ = ["NEAR", "fingerprint", "near_similarity", "similarity", "takes_similarity"]

Array = NDArray[np.float64]

NEAR = 0.5  # VA distance of two clips that were rated alike
_OCTAVE = 12
_SHORTEST_S, _TIME_BINS = 1 / 32, 16  # half octaves of time from 1/32 s to 8 s; what lies outside counts at the ends
_PLACES = 16  # of a bar


def fingerprint(piece: Piece) -> Array:
    """The histograms of a piece side by side, (F,), of length 1; zeros for an empty piece."""
    blocks = [
        _pitch_classes(piece),
        _interval_pairs(piece),
        _times(inter_onset_intervals(piece)),
        _times(note_durations(piece)),
        _registers(piece),
        _bar_places(piece),
    ]
    return _unit(np.concatenate([_unit(np.asarray(block, dtype=np.float64)) for block in blocks]))


def similarity(a: Piece, b: Piece) -> float:
    """How alike two pieces are, 0 to 1; NaN if one is empty."""
    return _mean_similarity([a, b], np.ones((2, 2), dtype=np.bool_))


def takes_similarity(takes: Sequence[Sequence[Piece]]) -> float:
    """The mean similarity of two takes of one photo: over the pairs of each photo, then over photos.

    Args:
        takes: the takes of each photo, two or more; empty pieces are left out.
    Returns:
        0 to 1; NaN where no photo has two takes with notes.
    """
    means = [_mean_similarity(pieces, np.ones((len(pieces), len(pieces)), dtype=np.bool_)) for pieces in takes]
    known = [mean for mean in means if not math.isnan(mean)]
    return sum(known) / len(known) if known else math.nan


def near_similarity(pieces: Sequence[Piece], va: Array, groups: Sequence[str], near: float = NEAR) -> float:
    """The mean similarity of real clips of like emotion: pairs from different groups, nearer than ``near``.

    Args:
        pieces: N clips.
        va: their labels, (N, 2).
        groups: which clips come from one piece, N.
    Returns:
        0 to 1; NaN where there is no such pair.
    Raises:
        ValueError: lengths differ.
    """
    if not len(pieces) == len(va) == len(groups):
        raise ValueError(f"expected as many labels and groups as clips, got {len(pieces)}, {len(va)}, {len(groups)}")
    names = np.array(groups)
    alike = (pairwise_distance(va, va) < near) & (names[:, None] != names[None, :])
    return _mean_similarity(pieces, alike)


def _mean_similarity(pieces: Sequence[Piece], chosen: NDArray[np.bool_]) -> float:
    """Mean cosine over the pairs of different pieces that a table (N, N) names; an empty piece has no pairs."""
    if not pieces:
        return math.nan
    prints = np.stack([fingerprint(piece) for piece in pieces])
    known = np.linalg.norm(prints, axis=1) > 0
    pairs = np.triu(chosen & known[:, None] & known, k=1)
    return float((prints @ prints.T)[pairs].mean()) if pairs.any() else math.nan


def _pitch_classes(piece: Piece) -> Array:
    shift = home_shift(key_of(piece))
    weights = np.zeros(_OCTAVE)
    for note in piece.notes:
        weights[(note.pitch + shift) % _OCTAVE] += note.duration_s
    return weights


def _interval_pairs(piece: Piece) -> NDArray[np.int64]:
    pitches = np.array([chord[0].pitch for chord in melody(piece)], dtype=np.int64)
    intervals = np.diff(pitches).clip(-_OCTAVE, _OCTAVE) + _OCTAVE
    kinds = 2 * _OCTAVE + 1
    return np.bincount(intervals[:-1] * kinds + intervals[1:], minlength=kinds * kinds)


def _times(seconds: Sequence[float]) -> NDArray[np.int64]:
    octaves = np.log2(np.maximum(np.asarray(seconds, dtype=np.float64), _SHORTEST_S) / _SHORTEST_S)
    return np.bincount(np.minimum(2 * octaves, _TIME_BINS - 1).astype(np.int64), minlength=_TIME_BINS)


def _registers(piece: Piece) -> NDArray[np.int64]:
    halves = np.array([2 * note.pitch // _OCTAVE for note in piece.notes], dtype=np.int64)
    return np.bincount(halves, minlength=2 * 128 // _OCTAVE + 1)


def _bar_places(piece: Piece) -> NDArray[np.int64]:
    bar_s = piece.seconds_per_beat * 4 * piece.meter[0] / piece.meter[1]
    bars = np.array([chord[0].start_s for chord in chords(piece)], dtype=np.float64) / bar_s
    return np.bincount(np.rint(bars % 1 * _PLACES).astype(np.int64) % _PLACES, minlength=_PLACES)


def _unit(vector: Array) -> Array:
    length = float(np.linalg.norm(vector))
    return vector / length if length else vector
