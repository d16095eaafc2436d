"""The photo reader without learnt weights: what it counts, and the published equations."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from eimg_core.va.colour import ColourReader, brightness_and_saturation


def plain(*colour: int) -> Image.Image:
    return Image.new("RGB", (300, 200), colour)


def counted(photo: Image.Image) -> tuple[float, float]:
    return brightness_and_saturation(np.asarray(photo) / 255.0)


@pytest.mark.parametrize(
    ("colour", "brightness", "saturation"),
    [((0, 0, 0), 0, 0), ((255, 255, 255), 1, 0), ((119, 119, 119), 0.5, 0), ((255, 0, 0), 0.532, 1)],
)
def test_brightness_is_lightness_and_saturation_the_span_of_the_channels(colour, brightness, saturation):
    assert counted(plain(*colour)) == pytest.approx((brightness, saturation), abs=0.003)


def test_what_is_counted_is_the_mean_over_the_photo():
    half = np.zeros((100, 100, 3), dtype=np.uint8)
    half[:50] = (255, 0, 0)
    found = counted(Image.fromarray(half))
    assert found == pytest.approx((0.266, 0.5), abs=0.01)


def test_readings_follow_the_equations_from_end_to_end_of_the_scale():
    reader = ColourReader()
    black, white, red = (reader.read(plain(*c)).va for c in ((0, 0, 0), (255, 255, 255), (255, 0, 0)))
    assert (black.valence, white.arousal) == pytest.approx((1.0, 1.0))  # pleasure 0, arousal -.31: the least there is
    assert black.arousal == pytest.approx(1 + 8 * 0.31 / 0.91)
    assert white.valence == pytest.approx(1 + 8 * 0.69 / 0.91)
    assert red.valence == pytest.approx(1 + 8 * (0.69 * 0.532 + 0.22) / 0.91, abs=0.02)
    assert red.arousal == pytest.approx(1 + 8 * (0.31 - 0.31 * 0.532 + 0.60) / 0.91, abs=0.02)


def test_the_margin_is_wider_than_half_the_plane():
    reading = ColourReader().read(plain(100, 120, 140))
    assert reading.sd_valence > 1.5
    assert reading.sd_arousal > 1.5
