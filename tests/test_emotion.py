"""Emotion as a point: scales, regions, and where music lies."""

from __future__ import annotations

import math

import numpy as np
import pytest

from eimg_core.emotion import (
    MUSIC_CENTRE,
    MUSIC_COVARIANCE,
    MUSIC_REACH,
    PHOTO_CENTRE,
    VA,
    map_scale,
    similarity,
    within_music,
)
from eimg_core.results import MEAN_POINT, by_row, load_results
from eimg_core.shipped import RESULTS


def test_scales_are_mapped_by_their_ends():
    assert (map_scale(1, 1, 7), map_scale(4, 1, 7), map_scale(7, 1, 7)) == (1, 5, 9)
    with pytest.raises(ValueError, match="low < high"):
        map_scale(1, 7, 7)


def test_the_similarity_of_equation_1_is_infinite_at_distance_0():
    assert similarity(VA(2, 2), VA(5, 6)) == pytest.approx(0.2)
    assert similarity(VA(2, 2), VA(2, 2)) == math.inf


def test_the_centre_of_photos_is_what_the_constant_of_the_records_answers():
    point = by_row(load_results(RESULTS))[MEAN_POINT][0]["point"]
    assert (point["valence"], point["arousal"]) == pytest.approx(PHOTO_CENTRE, abs=0.006)


@pytest.mark.parametrize("point", [VA(5, 5), VA(7.2, 7.4), VA(3, 3)])
def test_where_there_is_music_a_point_stays(point):
    assert within_music(point) == point


@pytest.mark.parametrize("point", [VA(2, 8), VA(8, 2), VA(12, -3), VA(-1, 9.8)])
def test_where_there_is_none_the_way_to_it_is_followed_to_the_border(point):
    centre = np.array(MUSIC_CENTRE)
    there, found = (np.array([va.valence, va.arousal]) - centre for va in (point, within_music(point)))
    assert there[0] * found[1] == pytest.approx(there[1] * found[0])  # the same direction
    assert found @ np.linalg.inv(MUSIC_COVARIANCE) @ found == pytest.approx(MUSIC_REACH**2)


def test_the_centre_is_its_own_place():
    assert within_music(VA(*MUSIC_CENTRE)) == VA(*MUSIC_CENTRE)
