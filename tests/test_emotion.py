"""Emotion as a point: scales, regions, and where music lies."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from eimg_core.emotion import (
    MUSIC_CENTRE,
    MUSIC_COVARIANCE,
    MUSIC_REACH,
    PHOTO_CENTRE,
    PHOTO_LIFT,
    PHOTO_REACH,
    VA,
    map_scale,
    photo_target,
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


def test_the_target_of_a_photo_goes_farther_than_its_reading_and_stays_inside_the_plane():
    middle = photo_target(VA(*PHOTO_CENTRE))
    assert (middle.valence, middle.arousal) == pytest.approx((PHOTO_CENTRE[0], PHOTO_CENTRE[1] + PHOTO_LIFT))
    grim = photo_target(VA(3.49, 5.61))
    assert (grim.valence, grim.arousal) == pytest.approx((3.09, 6.11))
    assert photo_target(VA(8.9, 1.0)) == VA(9.0, 1.0)


def test_the_target_of_a_photo_is_the_one_that_was_measured():
    record = json.loads((RESULTS / "photo-target.json").read_text(encoding="utf-8"))
    rows = {(row["reach"], row["lift"]): row for row in record["rows"]}
    literal, chosen = rows[1.0, 0.0], rows[PHOTO_REACH, PHOTO_LIFT]
    assert chosen["distance"] < 1.05 * literal["distance"], "it costs little"
    for row in (literal, chosen):  # the docstring says what was measured
        assert f"{row['exciting_read_exciting']:.2f}".lstrip("0") in photo_target.__doc__
        assert f"{row['distance']:.2f}" in photo_target.__doc__
    assert chosen["exciting_read_exciting"] > 2 * literal["exciting_read_exciting"]


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
