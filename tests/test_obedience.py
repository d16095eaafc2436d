"""How music follows what is asked for, on numbers made up so that the answer is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from eimg_core.metrics.obedience import CALM, EXCITED, obedience, slope

GRID = np.array([(v, a) for v in np.linspace(1.5, 8.5, 8) for a in np.linspace(1.5, 8.5, 8)])


def test_a_slope_is_the_closed_form_and_forgets_what_was_not_judged():
    rng = np.random.default_rng(0)
    x, noise = rng.uniform(1, 9, 500), rng.normal(0, 0.5, 500)
    y = 0.6 * x + 2.0 + noise
    assert slope(x, y) == pytest.approx(np.cov(x, y)[0, 1] / np.var(x, ddof=1))
    assert slope(x, y) == pytest.approx(0.6, abs=0.05)
    assert slope(np.append(x, 5.0), np.append(y, np.nan)) == pytest.approx(slope(x, y))
    assert math.isnan(slope(np.full(5, 3.0), np.arange(5.0)))
    assert math.isnan(slope(np.array([1.0]), np.array([1.0])))


def test_pieces_that_obey_and_pieces_that_do_not():
    arousal = GRID[:, 1]
    tempi = 60.0 * 2 ** ((arousal - 1.5) / 7)  # 60 to 120
    found = obedience(GRID, 0.5 * GRID + 2.5, tempi, 2.0 * arousal)
    assert (found.slope_valence, found.slope_arousal) == pytest.approx((0.5, 0.5))
    assert found.r_tempo == pytest.approx(1.0)
    calm, excited = arousal[arousal <= CALM].mean(), arousal[arousal >= EXCITED].mean()
    assert found.tempo_ratio == pytest.approx(2 ** ((excited - calm) / 7))
    assert found.loudness_db == pytest.approx(2.0 * (excited - calm))
    assert found.usual_tempo == pytest.approx(np.mean(tempi >= 115))

    same = obedience(GRID, np.full_like(GRID, 5.0), np.full(len(GRID), 120.0), np.full(len(GRID), np.nan))
    assert (same.slope_valence, same.slope_arousal) == pytest.approx((0.0, 0.0), abs=1e-9)
    assert math.isnan(same.r_tempo)
    assert (same.usual_tempo, same.tempo_ratio) == pytest.approx((1.0, 1.0))
    assert math.isnan(same.loudness_db)


def test_missing_values_are_refused():
    with pytest.raises(ValueError, match="for each piece"):
        obedience(GRID, GRID, np.full(3, 100.0), np.zeros(len(GRID)))
