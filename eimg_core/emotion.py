"""Emotion as a point in the valence-arousal (VA) plane.

Conventions: valence runs from unpleasant (1) to pleasant (9), arousal from calm (1) to excited (9), and 5 is
the middle of both. Every VA in this project is on this 1-9 scale; other corpora are mapped by the end points of
their scales (``VA.from_scale``), never by the extremes of their values.

Reference: Russell (1980), "A circumplex model of affect"; the paper's Section III.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eimg_core.messages import Message, message

__all__ = [
    "HIGH",
    "LOW",
    "MIDDLE",
    "MUSIC_CENTRE",
    "MUSIC_COVARIANCE",
    "MUSIC_REACH",
    "NEUTRAL",
    "NEUTRAL_RADIUS",
    "PHOTO_CENTRE",
    "PHOTO_LIFT",
    "PHOTO_REACH",
    "QUADRANTS",
    "REGIONS",
    "VA",
    "distance",
    "map_scale",
    "pairwise_distance",
    "photo_target",
    "similarity",
    "within_music",
]

LOW, MIDDLE, HIGH = 1.0, 5.0, 9.0
QUADRANTS = ("HVHA", "LVHA", "LVLA", "HVLA")

# Names people use, with the direction of each (degrees from positive valence, counter-clockwise), after Russell.
REGIONS: tuple[tuple[Message, float], ...] = (
    (message("happy"), 22.5),
    (message("excited"), 67.5),
    (message("tense"), 112.5),
    (message("upset"), 157.5),
    (message("sad"), 202.5),
    (message("weary"), 247.5),
    (message("calm"), 292.5),
    (message("serene"), 337.5),
)
NEUTRAL = message("neutral")
NEUTRAL_RADIUS = 0.75  # closer to the middle than this, no direction is worth naming

# The mean rating of the training photos (584 of OASIS), valence first. A reader that cannot be sure leans towards it.
PHOTO_CENTRE = (5.49, 4.61)

# The target of a photo: so many times as far from ``PHOTO_CENTRE`` as its reading, then so much more arousal.
PHOTO_REACH, PHOTO_LIFT = 1.2, 0.3

# Where music lies: mean and covariance of the labels of the paper's training clips (2151), valence first, and the
# Mahalanobis distance from the mean that 99 of 100 of them keep to.
MUSIC_CENTRE = (5.18, 5.30)
MUSIC_COVARIANCE = ((1.82, 0.83), (0.83, 2.66))
MUSIC_REACH = 2.47


@dataclass(frozen=True, slots=True)
class VA:
    """A point in the emotion plane.

    Args:
        valence: unpleasant 1 … 9 pleasant.
        arousal: calm 1 … 9 excited.
    Raises:
        ValueError: if a coordinate is not a finite number. Values a little outside 1-9 (a predictor's, say) are
            allowed; use ``clamped`` at a border where they are not.
    """

    valence: float
    arousal: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.valence) and math.isfinite(self.arousal)):
            raise ValueError(f"valence and arousal must be finite, got {self.valence} and {self.arousal}")

    @classmethod
    def from_scale(cls, valence: float, arousal: float, low: float, high: float) -> VA:
        """A rating on the scale ``low``-``high`` as a point on 1-9, by the end points of the scale."""
        return cls(float(map_scale(valence, low, high)), float(map_scale(arousal, low, high)))

    def clamped(self) -> VA:
        """The nearest point inside the plane."""
        return VA(min(max(self.valence, LOW), HIGH), min(max(self.arousal, LOW), HIGH))

    @property
    def quadrant(self) -> str:
        """``HVHA``, ``LVHA``, ``LVLA`` or ``HVLA``; exactly 5 counts as high."""
        return ("H" if self.valence >= MIDDLE else "L") + "V" + ("H" if self.arousal >= MIDDLE else "L") + "A"

    @property
    def region(self) -> Message:
        """A word for the point: one of eight directions, or "neutral" near the middle."""
        x, y = self.valence - MIDDLE, self.arousal - MIDDLE
        if math.hypot(x, y) < NEUTRAL_RADIUS:
            return NEUTRAL
        angle = math.degrees(math.atan2(y, x)) % 360.0
        return min(REGIONS, key=lambda named: abs((angle - named[1] + 180.0) % 360.0 - 180.0))[0]


def photo_target(reading: VA) -> VA:
    """What a piece for a photo aims at where nobody chose a target, inside the plane.

    A reader that cannot be sure leans towards the mean of all photos, and photos are calmer than music: their mean
    arousal is 4.6, that of music 5.3. So the target lies ``PHOTO_REACH`` times as far from ``PHOTO_CENTRE`` as the
    reading, and ``PHOTO_LIFT`` more excited. Of the validation photos that people rated above 5.3 in arousal, .69 of
    the targets are above the middle and .19 of the readings; the mean distance from all ratings grows from 1.24 to
    1.28. See ``assets/results/photo-target.json``.
    """
    valence, arousal = (
        centre + PHOTO_REACH * (read - centre)
        for centre, read in zip(PHOTO_CENTRE, (reading.valence, reading.arousal), strict=True)
    )
    return VA(valence, arousal + PHOTO_LIFT).clamped()


def map_scale(value: float | NDArray, low: float, high: float) -> float | NDArray:
    """Map ratings from the scale ``low``-``high`` to 1-9 by the end points: ``low`` → 1, ``high`` → 9."""
    if not high > low:
        raise ValueError(f"a scale needs low < high, got {low} and {high}")
    return LOW + (value - low) * (HIGH - LOW) / (high - low)


def distance(a: VA, b: VA) -> float:
    """Euclidean distance in the plane, the paper's Emotion Matching of one pair. Lower is better."""
    return math.hypot(a.valence - b.valence, a.arousal - b.arousal)


def similarity(a: VA, b: VA) -> float:
    """Eq. 1: one over the distance. At distance 0, where the equation has no value, it is +infinity.

    Rank pairs by ``distance``; the order is the same and every number is finite.
    """
    d = distance(a, b)
    return math.inf if d == 0.0 else 1.0 / d


def within_music(va: VA, reach: float = MUSIC_REACH) -> VA:
    """The point itself where there is music, else where the way from it to ``MUSIC_CENTRE`` enters.

    Models know nothing of music beyond: asked for it, they play what no clip is like.

    Args:
        va: any point.
        reach: Mahalanobis distance from the centre up to which there is music.
    """
    (a, b), (_, c) = MUSIC_COVARIANCE
    x, y = va.valence - MUSIC_CENTRE[0], va.arousal - MUSIC_CENTRE[1]
    far = math.sqrt((c * x * x - 2 * b * x * y + a * y * y) / (a * c - b * b))
    share = min(1.0, reach / far) if far else 1.0
    return VA(MUSIC_CENTRE[0] + share * x, MUSIC_CENTRE[1] + share * y)


def pairwise_distance(a: NDArray, b: NDArray) -> NDArray:
    """Distances between all rows of two VA tables, (N, 2) and (M, 2) → (N, M)."""
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != 2 or b.shape[1] != 2:
        raise ValueError(f"expected tables of shape (N, 2), got {a.shape} and {b.shape}")
    return np.sqrt(((a[:, None, :] - b[None, :, :]) ** 2).sum(axis=-1))
