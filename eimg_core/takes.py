"""Choosing among takes: how near its estimate is to the target, and whether a pianist would play it.

The estimates are the guide's, never the evaluator's, so that the evaluation stays honest. A retelling follows valence
less surely than arousal, so among its takes valence counts more. Where a music autoencoder has a critic, it says how
composed each take sounds. The checks say how far a piece strays beyond what 95 of 100 real clips keep to; within that
range all pieces are equally good.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from eimg_core.composer import Take
from eimg_core.emotion import VA, distance
from eimg_core.midi.attributes import key_correlations, key_of
from eimg_core.midi.notes import Note, Piece

__all__ = [
    "CHECKS",
    "REALNESS_WEIGHT",
    "RETOLD_VALENCE_SHARE",
    "RETOLD_WEIGHT",
    "VALENCE_SHARE",
    "best_take",
    "strain",
    "weigh",
]

_TOGETHER_S = 0.03
_SCALES = (frozenset((0, 2, 4, 5, 7, 9, 11)), frozenset((0, 2, 3, 5, 7, 8, 10, 11)))  # major, minor
_STRAIN_WEIGHT = 1.0  # one full fault counts as much as one point of distance in the plane
VALENCE_SHARE = 0.5  # of the squared distance of a take
RETOLD_VALENCE_SHARE = 0.7  # the same where the tune is given, which leaves the mood less room than the motion
REALNESS_WEIGHT = 1.0  # points of distance for each unit of the critic's logit
RETOLD_WEIGHT = 0.25  # the same where the tune is given: its realness is given, too, and there is less to follow with
_SURE = 3.0  # beyond this, a logit says no more


def best_take(takes: Sequence[Take], realness_weight: float = REALNESS_WEIGHT) -> Take:
    """The take that misses and strains least and sounds realest, all together, the first of equals.

    Args:
        takes: of one target.
        realness_weight: points of distance for each unit of the critic's logit.
    Raises:
        ValueError: there is no take.
    """

    def cost(take: Take) -> float:
        realness = min(max(take.realness, -_SURE), _SURE)
        return take.missed + _STRAIN_WEIGHT * take.strain - realness_weight * realness

    return min(takes, key=cost)


def _missed(estimate: VA | None, target: VA, valence_share: float) -> float:
    """The distance of an estimate, to which valence adds its share; as large as any where there is none."""
    if estimate is None:
        return math.inf
    valence, arousal = estimate.valence - target.valence, estimate.arousal - target.arousal
    return math.sqrt(2 * (valence_share * valence**2 + (1 - valence_share) * arousal**2))


def weigh(
    pieces: Sequence[Piece],
    estimates: Sequence[VA | None],
    target: VA,
    realness: Sequence[float] | None = None,
    valence_share: float = VALENCE_SHARE,
) -> list[Take]:
    """Takes of pieces, given the guide's estimates and the critic's logits."""
    return [
        Take(
            piece, va, distance(va, target) if va else math.inf, strain(piece), real, _missed(va, target, valence_share)
        )
        for piece, va, real in zip(pieces, estimates, realness or [0.0] * len(pieces), strict=True)
    ]


def strain(piece: Piece) -> float:
    """The sum of all checks: 0 for most real clips, 1 for each thing that is badly wrong."""
    if not piece.notes:
        return float(len(CHECKS))
    return sum(_beyond(check(piece), usual, bad) for check, usual, bad in CHECKS.values())


def _beyond(value: float, usual: float, bad: float) -> float:
    """0 up to the usual value, 1 from the bad one on; ``bad`` may lie below ``usual``."""
    return min(max((value - usual) / (bad - usual), 0.0), 1.0)


def longest_wait(piece: Piece) -> float:
    """Longest time between two strikes, in seconds."""
    onsets = [note.start_s for note in piece.notes]
    return max((b - a for a, b in pairwise(onsets)), default=piece.duration_s)


def stubbornness(piece: Piece) -> float:
    """Share of the notes on the two most frequent pitches."""
    counts = np.sort(np.bincount([note.pitch for note in piece.notes]))
    return float(counts[-2:].sum() / len(piece.notes))


def key_clarity(piece: Piece) -> float:
    """Correlation with the best of the 24 key profiles."""
    return float(key_correlations(piece).max())


def clash(piece: Piece) -> float:
    """Share of notes struck together with one a semitone away, or two in the deep register."""
    chords: list[list[Note]] = []
    for note in piece.notes:
        if chords and note.start_s - chords[-1][0].start_s < _TOGETHER_S:
            chords[-1].append(note)
        else:
            chords.append([note])
    clashing = 0
    for chord in chords:
        pitches = sorted({note.pitch for note in chord})
        clashing += sum(b - a == 1 or (b - a == 2 and b < 52) for a, b in pairwise(pitches))
    return clashing / len(piece.notes)


def wandering(piece: Piece) -> float:
    """Mean size of the steps between the highest notes of successive onsets, in semitones."""
    tops: list[Note] = []
    for note in piece.notes:
        if tops and note.start_s - tops[-1].start_s < _TOGETHER_S:
            tops[-1] = note  # notes are sorted by pitch within an onset
        else:
            tops.append(note)
    return float(np.mean([abs(b.pitch - a.pitch) for a, b in pairwise(tops)])) if len(tops) > 1 else 0.0


def crowding(piece: Piece) -> float:
    """Notes per second."""
    return len(piece.notes) / max(piece.duration_s, 1.0)


def straying(piece: Piece) -> float:
    """Share of the sounding time of all notes outside the scale of the key: major, or natural and harmonic minor."""
    key = key_of(piece)
    scale = _SCALES[key // 12]
    away = sum(note.duration_s for note in piece.notes if (note.pitch - key) % 12 not in scale)
    return away / sum(note.duration_s for note in piece.notes)


CHECKS = {
    # name: measure, the value that 95 of 100 training clips keep to, and the one that 199 of 200 do
    "longest_wait": (longest_wait, 2.5, 4.4),
    "stubbornness": (stubbornness, 0.46, 0.68),
    "key_clarity": (key_clarity, 0.63, 0.47),
    "clash": (clash, 0.02, 0.08),
    "wandering": (wandering, 17.5, 25.0),
    "crowding": (crowding, 15.7, 21.7),
    "straying": (straying, 0.23, 0.36),
}
