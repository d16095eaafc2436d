"""Positive and negative sets by emotion (Eq. 4 and 5).

For an anchor photo, the n items nearest to it in the VA plane are its positives and the n farthest its negatives, for
clips (Eq. 4) and for photos (Eq. 5) alike. Items are ranked by distance, the reciprocal of Eq. 1's similarity, so that
nothing is infinite; ties, which are common since labels are means of six whole numbers, are broken at random.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eimg_core.emotion import pairwise_distance

__all__ = ["EmotionSets", "PairSampler", "nearest_and_farthest"]


class EmotionSets(NamedTuple):
    """Rows of the photo and clip tables, each (anchors, n)."""

    image_positives: NDArray[np.int64]
    image_negatives: NDArray[np.int64]
    music_positives: NDArray[np.int64]
    music_negatives: NDArray[np.int64]


def nearest_and_farthest(
    distances: NDArray, n: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """T_n and B_n of Eq. 4-5: the n smallest and the n largest entries of each row, nearest and farthest first.

    Args:
        distances: (anchors, N) with N ≥ 2 n.
        n: size of each set.
        rng: breaks ties.
    """
    if not 1 <= n <= distances.shape[1] // 2:
        raise ValueError(f"n must be from 1 to half of the {distances.shape[1]} items, got {n}")
    shuffle = rng.random(distances.shape)
    order = np.lexsort((shuffle, distances), axis=-1)
    return order[:, :n], order[:, : -n - 1 : -1]


class PairSampler:
    """The sets of any anchors.

    Args:
        image_va: (N, 2), labels of the photos.
        music_va: (M, 2), labels of the clips.
        n: size of each set; the paper chooses 8.
        pool: the sets are drawn anew each time from the ``pool`` nearest and farthest (pool ≥ n), so that the
            model does not learn one fixed list by heart. ``pool = n`` gives the equations as printed.
    """

    def __init__(self, image_va: NDArray, music_va: NDArray, n: int, pool: int | None = None) -> None:
        self.image_va, self.music_va, self.n, self.pool = image_va, music_va, n, pool or n
        if self.pool < n:
            raise ValueError(f"the pool ({self.pool}) must hold at least n = {n} items")

    def sets(self, anchors: NDArray[np.int64], rng: np.random.Generator) -> EmotionSets:
        """Eq. 4 and 5 for each anchor photo. An anchor is in its own positive set, as in the paper."""
        positives_y, negatives_y = self._drawn(pairwise_distance(self.image_va[anchors], self.music_va), rng)
        positives_x, negatives_x = self._drawn(pairwise_distance(self.image_va[anchors], self.image_va), rng)
        # The anchor's own distance is 0, so it ranks first; drawing from a pool must not lose it.
        positives_x[:, 0] = np.where((positives_x == anchors[:, None]).any(axis=1), positives_x[:, 0], anchors)
        return EmotionSets(positives_x, negatives_x, positives_y, negatives_y)

    def _drawn(self, distances: NDArray, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        near, far = nearest_and_farthest(distances, min(self.pool, distances.shape[1] // 2), rng)
        return self._choice(near, rng), self._choice(far, rng)

    def _choice(self, ranked: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
        picks = rng.permuted(np.broadcast_to(np.arange(ranked.shape[1]), ranked.shape), axis=1)[:, : self.n]
        return np.take_along_axis(ranked, np.sort(picks, axis=1), axis=1)
