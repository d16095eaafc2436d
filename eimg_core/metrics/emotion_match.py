"""Emotion Matching: how far the emotion estimated for a piece is from the emotion of its photo.

It is a distance in the VA plane on 1-9, lower is better (the paper calls it a score). A constant answer already does
well on it, so the correlation on each axis stands beside it: a constant has none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["EmotionMatch", "correlation", "emotion_match"]


@dataclass(frozen=True, slots=True)
class EmotionMatch:
    """Mean distance over photos, Pearson r per axis (NaN where either side never varies), number of photos."""

    distance: float
    r_valence: float
    r_arousal: float
    n: int


def correlation(a: NDArray, b: NDArray) -> float:
    """Pearson r of two series; NaN where one of them is constant or shorter than 2."""
    if len(a) < 2 or np.ptp(a) < 1e-9 or np.ptp(b) < 1e-9:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])


def emotion_match(photos: NDArray, pieces: NDArray) -> EmotionMatch:
    """Compare the labels of photos with the estimates of their pieces, (N, 2) each.

    A piece without an estimate is a row of NaN; it is left out and ``n`` says so.

    Raises:
        ValueError: shapes differ, or there is no estimate.
    """
    if photos.shape != pieces.shape or photos.ndim != 2 or photos.shape[1] != 2:
        raise ValueError(f"expected two tables of shape (N, 2), got {photos.shape} and {pieces.shape}")
    known = np.isfinite(pieces).all(axis=1)
    if not known.any():
        raise ValueError("no piece has an estimate")
    photos, pieces = photos[known], pieces[known]
    return EmotionMatch(
        float(np.linalg.norm(photos - pieces, axis=1).mean()),
        correlation(photos[:, 0], pieces[:, 0]),
        correlation(photos[:, 1], pieces[:, 1]),
        int(known.sum()),
    )
