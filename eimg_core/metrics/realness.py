"""How hard generated pieces are to tell from real ones, by their descriptors.

Two numbers, each beside what real pieces give among themselves:

- **AUC**: a boosted classifier learns to tell the two sets apart and is asked about pieces it has not seen. It is the
  chance that it finds a generated piece less real than a real one: .5 where it cannot tell, 1 where it always can.
  Folds never divide a group, since clips of one piece resemble each other.
- **Fréchet distance**: each set is a Gaussian over the 20 principal components of the standardised descriptors of real
  pieces (the idea of Heusel et al. 2017). Distances of samples shrink as they grow, so it is divided by the distance
  of two halves of the real pieces, with as many pieces in every set.

The AUC needs scikit-learn (requirements-dev.txt), which the app does without.

Conventions: tables are (pieces, descriptors), NaN where a descriptor is not defined.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["COMPONENTS", "auc", "frechet", "frechet_over_halves", "halves"]

Table = NDArray[np.float64]

COMPONENTS = 20
_FOLDS = 5
_TREES = {"max_iter": 150, "learning_rate": 0.08, "max_leaf_nodes": 8, "min_samples_leaf": 10, "l2_regularization": 1.0}


def auc(real: Table, made: Table, groups: Sequence[str], made_groups: Sequence[str], *, seed: int = 0) -> float:
    """How well a classifier tells two sets of pieces apart on pieces it has not seen.

    Args:
        real, made: descriptors, (N, D) and (M, D).
        groups, made_groups: which pieces belong together, N and M; a name that occurs in both ties pieces of both
            sets, as where a piece was made for, or from, a real one.
        seed: of the folds and the classifier.
    Returns:
        0-1, about .5 where the two cannot be told apart.
    Raises:
        ValueError: tables and groups differ in length, or there are fewer groups than folds.
        ImportError: scikit-learn is not installed.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedGroupKFold

    table, names = np.concatenate([real, made]), np.array([*groups, *made_groups])
    is_real = np.arange(len(table)) < len(real)
    if len(names) != len(table) or len(groups) != len(real) or len(set(names.tolist())) < _FOLDS:
        raise ValueError(
            f"expected a group for each of {len(real)} and {len(made)} pieces and {_FOLDS} groups or more, "
            f"got {len(groups)} and {len(made_groups)} in {len(set(names.tolist()))}"
        )
    scores = np.empty(len(table))
    for train, test in StratifiedGroupKFold(_FOLDS, shuffle=True, random_state=seed).split(table, is_real, names):
        defined = np.isfinite(table[train]).any(axis=0)
        trees = HistGradientBoostingClassifier(**_TREES, random_state=seed)
        trees.fit(table[np.ix_(train, defined)], is_real[train])
        scores[test] = trees.decision_function(table[np.ix_(test, defined)])
    return float(roc_auc_score(is_real, scores))


def frechet(a: Table, b: Table) -> float:
    """Fréchet distance of two samples, each taken for a Gaussian: (N, D) and (M, D) without NaN.

    ``|μ_a − μ_b|² + tr(Σ_a + Σ_b − 2 (Σ_a Σ_b)^½)``, in squared units of the columns; 0 for equal samples.
    """
    cov_a, cov_b = (np.atleast_2d(np.cov(sample, rowvar=False)) for sample in (a, b))
    values, vectors = np.linalg.eigh(cov_a)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    cross = np.sqrt(np.linalg.eigvalsh(root @ cov_b @ root).clip(0)).sum()
    apart = a.mean(axis=0) - b.mean(axis=0)
    return float(apart @ apart + np.trace(cov_a) + np.trace(cov_b) - 2 * cross)


def frechet_over_halves(
    real: Table, made: Table, groups: Sequence[str], *, splits: int = 5, seed: int = 0
) -> tuple[float, int]:
    """Fréchet distance from ``made`` to real pieces, over that of real pieces from each other.

    Args:
        real, made: descriptors, (N, D) and (M, D).
        groups: which real pieces belong together, N; no half divides one.
        splits: random halvings, over which distances are averaged.
        seed: of halvings and draws.
    Returns:
        The ratio, 1 where the pieces are as near to real ones as other real ones are, and the pieces in every set.
    """
    axes = _Axes(real)
    ours, theirs = axes.of(made), axes.of(real)
    rng = np.random.default_rng(seed)
    masks = [half for half, _ in zip(halves(groups, rng), range(splits), strict=False)]
    n = min(len(made), *(min(half.sum(), (~half).sum()) for half in masks))
    far, near = 0.0, 0.0
    for half in masks:
        sets = (rows[rng.choice(len(rows), n, replace=False)] for rows in (ours, theirs[half], theirs[~half]))
        drawn, one, other = sets
        far += (frechet(drawn, one) + frechet(drawn, other)) / 2
        near += frechet(one, other)
    return far / near, int(n)


def halves(groups: Sequence[str], rng: np.random.Generator) -> Iterator[NDArray[np.bool_]]:
    """Masks (N,) of the pieces whose group is in one half of the groups, at random, without end."""
    names = np.unique(np.array(groups))
    while True:
        yield np.isin(np.array(groups), rng.permutation(names)[: len(names) // 2])


class _Axes:
    """Standardised descriptors on the first principal components of real pieces; what is not defined counts as the
    mean of real pieces, and what is defined for none of them does not count."""

    def __init__(self, real: Table) -> None:
        self._defined = np.isfinite(real).any(axis=0)
        known = real[:, self._defined]
        self._mean, deviation = np.nanmean(known, axis=0), np.nanstd(known, axis=0)
        self._scale = np.where(deviation > 0, deviation, 1.0)
        _, _, axes = np.linalg.svd(self._standard(real), full_matrices=False)
        self._axes = axes[:COMPONENTS]

    def _standard(self, table: Table) -> Table:
        return np.nan_to_num((table[:, self._defined] - self._mean) / self._scale)

    def of(self, table: Table) -> Table:
        """(N, D) → (N, COMPONENTS)."""
        return self._standard(table) @ self._axes.T
