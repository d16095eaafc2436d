"""How well readings and estimates of emotion agree with labels, beside constants and out of fold."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from eimg_core.data import Item
from eimg_core.metrics.emotion_match import correlation

__all__ = ["FOLDS", "agreement", "area_under_curve", "folds", "out_of_fold", "quadrant_agreement"]

Array = NDArray[np.float64]
Rows = NDArray[np.signedinteger]
FOLDS = 5


def agreement(read: Array, labels: Array, constant: Array) -> dict[str, Any]:
    """How well readings agree with labels, beside a constant answer.

    Args:
        read, labels: valence and arousal, (N, 2).
        constant: the answer that ignores the music, (2,); the mean label of the clips that were fitted.
    Returns:
        Per axis Pearson r, R², RMSE and the spread of the readings over that of the labels, and the mean distances.
    """
    error = read - labels
    axes: dict[str, Any] = {}
    for index, axis in enumerate(("valence", "arousal")):
        spread, squared = labels[:, index].std(), (error[:, index] ** 2).mean()
        axes[axis] = {
            "r": _rounded(correlation(read[:, index], labels[:, index])),
            "r2": _rounded(1 - squared / spread**2),
            "rmse": _rounded(math.sqrt(squared)),
            "constant_rmse": _rounded(math.sqrt(((constant[index] - labels[:, index]) ** 2).mean())),
            "sd_ratio": _rounded(read[:, index].std() / spread),
        }
    return {
        "n": len(read),
        **axes,
        "distance": _rounded(np.hypot(*error.T).mean()),
        "constant_distance": _rounded(np.hypot(*(constant - labels).T).mean()),
    }


def area_under_curve(scores: Array, positive: NDArray[np.bool_]) -> float:
    """Chance that a positive scores higher than a negative, ties counting half: 0.5 is guessing, 1 perfect."""
    wins = scores[positive][:, None] - scores[~positive]
    return float((np.sign(wins) + 1).mean() / 2) if wins.size else math.nan


def quadrant_agreement(read: Array, quadrants: Sequence[str]) -> dict[str, Any]:
    """How readings sort pieces whose quadrant alone is known, cut at the middle of the scale and at their median."""
    high = np.array([[name[0] == "H", name[2] == "H"] for name in quadrants])
    at_five, at_median = read >= 5, read >= np.median(read, axis=0)
    return {
        "n": len(read),
        "auc_valence": _rounded(area_under_curve(read[:, 0], high[:, 0])),
        "auc_arousal": _rounded(area_under_curve(read[:, 1], high[:, 1])),
        "quadrant_accuracy": _rounded((at_five == high).all(axis=1).mean()),
        "quadrant_accuracy_at_median": _rounded((at_median == high).all(axis=1).mean()),
    }


def folds(groups: Sequence[str], count: int, seed: int) -> NDArray[np.int64]:
    """A fold number per clip, (N,), that never divides a group; each next group joins the smallest fold."""
    names, index, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    shuffled = np.random.default_rng(seed).permutation(len(names))
    fold_of, filled = np.zeros(len(names), dtype=np.int64), np.zeros(count)
    for group in sorted(shuffled.tolist(), key=lambda g: -sizes[g]):
        fold_of[group] = filled.argmin()
        filled[fold_of[group]] += sizes[group]
    return fold_of[index]


def out_of_fold(
    items: Sequence[Item], labels: Array, seed: int, fit_and_read: Callable[[int, Rows, Rows], Array]
) -> dict[str, Any]:
    """Agreement when every piece is read by a model that never met it, pooled over the folds.

    Args:
        items, labels: the clips, N of them.
        seed: of the folds.
        fit_and_read: (number of the fold, rows to fit, rows to read) → readings of the latter, (n, 2).
    """
    fold = folds([item.group for item in items], FOLDS, seed)
    read = np.zeros_like(labels)
    for number in tqdm(range(FOLDS), desc="out of fold", unit="fold"):
        rows = np.flatnonzero(fold == number)
        if len(rows):
            read[rows] = fit_and_read(number, np.flatnonzero(fold != number), rows)
    return agreement(read, labels, labels.mean(axis=0))


def _rounded(value: float) -> float | None:
    """Four digits; what is not defined becomes null, since JSON has no NaN."""
    return round(float(value), 4) if math.isfinite(value) else None
