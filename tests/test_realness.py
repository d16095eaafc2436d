"""AUC and Fréchet distance where the answer is known: Gaussians, equal sets, sets that a child tells apart."""

from __future__ import annotations

import itertools
from importlib.util import find_spec

import numpy as np
import pytest

from eimg_core.metrics.realness import COMPONENTS, auc, frechet, frechet_over_halves, halves

needs_sklearn = pytest.mark.skipif(find_spec("sklearn") is None, reason="scikit-learn is not installed")


def groups(n: int, size: int = 2) -> list[str]:
    return [str(index // size) for index in range(n)]


# --- AUC ---------------------------------------------------------------------------------------------------------


@needs_sklearn
def test_what_differs_is_told_apart_and_what_does_not_is_not():
    rng = np.random.default_rng(0)
    real, same, far = rng.normal(0, 1, (200, 6)), rng.normal(0, 1, (200, 6)), rng.normal(0, 1, (200, 6))
    far[:, 3] += 3.0
    assert auc(real, same, groups(200), groups(200)) == pytest.approx(0.5, abs=0.1)
    assert auc(real, far, groups(200), groups(200)) > 0.95
    assert auc(real, real, groups(200), groups(200)) == pytest.approx(0.5, abs=0.1)


@needs_sklearn
def test_a_shift_of_one_feature_gives_about_the_auc_of_two_gaussians():
    # P(N(1, 1) > N(0, 1)) = Φ(1/√2) = .760; trees with little data find a little less.
    rng = np.random.default_rng(1)
    real, made = rng.normal(1, 1, (600, 1)), rng.normal(0, 1, (600, 1))
    assert 0.68 < auc(real, made, groups(600), groups(600)) < 0.79


@needs_sklearn
def test_folds_do_not_divide_groups():
    """Each group has a place of its own and one label: who has seen a group's other half knows all of it."""
    rng = np.random.default_rng(2)
    places = rng.normal(0, 10, (40, 4))
    table = np.repeat(places, 10, axis=0) + rng.normal(0, 0.1, (400, 4))
    together = [f"g{index // 10}" for index in range(400)]
    apart = [f"g{index}" for index in range(400)]
    order = rng.permutation(40)
    is_real = np.repeat(np.isin(np.arange(40), order[:20]), 10)
    for names, low, high in ((together, 0.2, 0.8), (apart, 0.95, 1.0)):
        named = np.array(names)
        found = auc(table[is_real], table[~is_real], named[is_real], named[~is_real])
        assert low <= found <= high


@needs_sklearn
def test_undefined_descriptors_are_read_and_wrong_groups_refused():
    rng = np.random.default_rng(3)
    real, made = rng.normal(0, 1, (100, 3)), rng.normal(0, 1, (100, 3))
    made[:80, 1] = np.nan
    assert auc(real, made, groups(100), groups(100)) > 0.8
    real[:, 2] = made[:, 2] = np.nan
    assert auc(real, made, groups(100), groups(100)) > 0.8
    assert np.isfinite(frechet_over_halves(real, made, groups(100))[0])
    with pytest.raises(ValueError, match="a group for each"):
        auc(real, made, groups(99), groups(101))
    with pytest.raises(ValueError, match="5 groups or more"):
        auc(real, made, ["a"] * 100, ["b"] * 100)


# --- Fréchet -------------------------------------------------------------------------------------------------------


def exactly(mean: np.ndarray, covariance: np.ndarray, n: int, seed: int) -> np.ndarray:
    """A sample with just this mean and covariance."""
    x = np.random.default_rng(seed).normal(size=(n, len(mean)))
    x = x - x.mean(axis=0)
    white = x @ np.linalg.inv(np.linalg.cholesky(np.cov(x, rowvar=False))).T
    return white @ np.linalg.cholesky(covariance).T + mean


def test_the_distance_of_two_gaussians_is_the_closed_form():
    a = exactly(np.array([1.0, 2.0]), np.diag([4.0, 9.0]), 200, 0)
    b = exactly(np.array([4.0, -2.0]), np.diag([1.0, 25.0]), 300, 1)
    # 3² + 4² + (2 − 1)² + (3 − 5)²
    assert frechet(a, b) == pytest.approx(30.0)
    assert frechet(a, a) == pytest.approx(0.0, abs=1e-9)
    assert frechet(b, a) == pytest.approx(frechet(a, b))
    one = np.random.default_rng(2).normal(size=(50, 1))
    assert frechet(one, one + 3.0) == pytest.approx(9.0)


def test_the_distance_of_gaussians_that_do_not_commute_equals_scipys_root():
    linalg = pytest.importorskip("scipy.linalg")
    rng = np.random.default_rng(4)
    a, b = rng.normal(size=(60, 5)) @ rng.normal(size=(5, 5)), rng.normal(size=(70, 5)) @ rng.normal(size=(5, 5))
    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    apart = a.mean(axis=0) - b.mean(axis=0)
    root = np.real(linalg.sqrtm(cov_a @ cov_b))
    assert frechet(a, b) == pytest.approx(float(apart @ apart + np.trace(cov_a + cov_b - 2 * root)))


def test_other_real_pieces_are_at_one_and_others_farther():
    rng = np.random.default_rng(5)
    mixing = rng.normal(size=(30, 30))
    real, other = rng.normal(size=(400, 30)) @ mixing, rng.normal(size=(400, 30)) @ mixing
    other[::7, 2] = np.nan
    ratio, n = frechet_over_halves(real, other, groups(400))
    assert (ratio, n) == (pytest.approx(1.0, abs=0.2), 200)
    far, n = frechet_over_halves(real, other[:90] * 1.5, groups(400))
    assert far > 1.5
    assert n == 90
    assert far == frechet_over_halves(real, other[:90] * 1.5, groups(400))[0], "the same seed, the same number"
    assert real.shape[1] > COMPONENTS


def test_halves_never_divide_a_group():
    names = groups(40, size=4)
    for mask in itertools.islice(halves(names, np.random.default_rng(0)), 5):
        assert mask.sum() == 20
        assert len({(name, bool(half)) for name, half in zip(names, mask, strict=True)}) == 10
