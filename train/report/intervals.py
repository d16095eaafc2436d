"""Rows of results → numbers with bootstrap intervals. Pure functions of the results, nothing else.

A row has S seeds and N photos. One bootstrap sample draws N photos and S seeds with replacement (Efron 1979; two-level,
since photos and seeds are both only samples); of the statistic in 2000 samples the middle 95 % are the interval. All
rows draw the same photos, so that two rows can be compared photo by photo; seeds are drawn by each row for itself.
With three seeds the part of the interval that they give is rough, and with one it is missing.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eimg_core.emotion import QUADRANTS, VA

__all__ = ["Estimate", "Row", "difference"]

Array = NDArray[np.float64]

_SAMPLES = 2000
_SHARE = 95.0  # per cent


@dataclass(frozen=True)
class Estimate:
    """A number and its interval; all NaN where it is not defined. ``samples`` are those of the bootstrap."""

    value: float
    low: float
    high: float
    samples: Array

    @classmethod
    def of(cls, value: float, samples: Array) -> Estimate:
        known = samples[np.isfinite(samples)]
        if not math.isfinite(value) or not len(known):
            return cls(math.nan, math.nan, math.nan, samples)
        low, high = np.percentile(known, [50 - _SHARE / 2, 50 + _SHARE / 2])
        return cls(value, float(low), float(high), samples)


@lru_cache(maxsize=8)
def _photos(n: int) -> Array:
    """How often each photo is drawn in each sample, (samples, N); the same for all rows."""
    return np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), size=_SAMPLES).astype(np.float64)


class Row:
    """The results of one row, one per seed, all about the same photos in the same order.

    Args:
        records: as ``train.evaluation`` writes them.
        labels: photo or clip → its label, for results that do not hold it.
    Raises:
        ValueError: the results are about different items, or one of them has no label.
    """

    def __init__(self, records: Sequence[Mapping[str, Any]], labels: Mapping[str, tuple[float, float]]) -> None:
        self.records = list(records)
        self.name = str(records[0]["row"])
        self.keys = [item["key"] for item in records[0]["items"]]
        if any([item["key"] for item in record["items"]] != self.keys for record in records):
            raise ValueError(f"the results of {self.name} are about different items")
        if missing := [key for key in self.keys if key not in labels]:
            raise ValueError(f"{len(missing)} items of {self.name} have no label, for example {missing[0]}")
        self.labels = np.array([labels[key] for key in self.keys], dtype=np.float64)

    @property
    def seeds(self) -> int:
        return len(self.records)

    @property
    def n(self) -> int:
        return len(self.keys)

    @cached_property
    def estimates(self) -> Array:
        """The evaluator's estimates for the pieces: (S, N, 2), NaN for a piece without notes."""
        return np.stack([self.column("valence"), self.column("arousal")], axis=2)

    @cached_property
    def quadrants(self) -> NDArray[np.str_]:
        """Of the labels, (N,)."""
        return np.array([VA(*label).quadrant for label in self.labels.tolist()])

    def column(self, name: str) -> Array:
        """One number of each piece: (S, N), NaN where it is not defined or was not measured."""
        rows = [[math.nan if i.get(name) is None else i[name] for i in r["items"]] for r in self.records]
        return np.array(rows, dtype=np.float64)

    # --- estimates ----------------------------------------------------------------------------------------------

    def emotion_matching(self, quadrant: str | None = None) -> Estimate:
        """Mean distance from the photo's label to the estimate for its piece; of one quadrant's photos alone if named.

        Raises:
            ValueError: there is no such quadrant.
        """
        distances = np.linalg.norm(self.estimates - self.labels, axis=2)
        if quadrant is None:
            return self._mean(distances)
        if quadrant not in QUADRANTS:
            raise ValueError(f"the quadrants are {', '.join(QUADRANTS)}, not {quadrant}")
        return self._mean(np.where(self.quadrants == quadrant, distances, np.nan))

    def r(self, axis: int) -> Estimate:
        """Pearson r of label and piece on valence (0) or arousal (1), mean over seeds; NaN for a constant."""
        x, y = np.broadcast_to(self.labels[:, axis], self.estimates.shape[:2]), self.estimates[..., axis]
        if any(np.ptp(row[np.isfinite(row)]) < 1e-9 for row in y):
            return Estimate.of(math.nan, np.full(_SAMPLES, math.nan))
        whole = np.ones((1, self.n))
        values = _correlation(whole, x, y)[0]
        return Estimate.of(float(values.mean()), self._over_seeds(_correlation(_photos(self.n), x, y)))

    def mean(self, name: str) -> Estimate:
        """Mean of one number of the pieces."""
        return self._mean(self.column(name))

    def _mean(self, table: Array) -> Estimate:
        """Of (S, N): mean over what is defined, by seed and then over seeds."""
        known = np.isfinite(table)
        if not known.any(axis=1).all():
            return Estimate.of(math.nan, np.full(_SAMPLES, math.nan))
        filled, weights = np.where(known, table, 0.0), _photos(self.n)
        with np.errstate(invalid="ignore"):  # a sample may hold none of a small quadrant
            samples = (weights @ filled.T) / (weights @ known.T)
        return Estimate.of(float((filled.sum(axis=1) / known.sum(axis=1)).mean()), self._over_seeds(samples))

    def _over_seeds(self, samples: Array) -> Array:
        """Mean over seeds that each sample draws anew: (samples, S) → (samples,)."""
        rng = np.random.default_rng(zlib.crc32(self.name.encode()))
        drawn = rng.integers(self.seeds, size=samples.shape)
        return np.take_along_axis(samples, drawn, axis=1).mean(axis=1)


def difference(ours: Estimate, others: Estimate) -> Estimate:
    """Ours minus the others', with the same photos in every sample. It differs from 0 beyond its interval if the
    interval leaves 0 out."""
    return Estimate.of(ours.value - others.value, ours.samples - others.samples)


def _correlation(weights: Array, x: Array, y: Array) -> Array:
    """Weighted Pearson r of the rows of two tables: (samples, N), (S, N), (S, N) → (samples, S). NaN do not count."""
    known = np.isfinite(y)
    x, y = np.where(known, x, 0.0), np.where(known, y, 0.0)
    total = weights @ known.T
    mean_x, mean_y = (weights @ x.T) / total, (weights @ y.T) / total
    covariance = (weights @ (x * y).T) / total - mean_x * mean_y
    spread_x = (weights @ (x * x).T) / total - mean_x**2
    spread_y = (weights @ (y * y).T) / total - mean_y**2
    with np.errstate(invalid="ignore", divide="ignore"):  # a sample may hold one photo alone
        return covariance / np.sqrt(spread_x * spread_y)
