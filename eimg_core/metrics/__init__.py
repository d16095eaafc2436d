"""Measures of generated music."""

from eimg_core.metrics.quality import (
    Quality,
    Ticks,
    bar_groove,
    bar_pitch_class_entropy,
    piece_ticks,
    polyphony_rate_2,
    quality,
    quality_of_ticks,
    read_ticks,
)

__all__ = [
    "Quality",
    "Ticks",
    "bar_groove",
    "bar_pitch_class_entropy",
    "piece_ticks",
    "polyphony_rate_2",
    "quality",
    "quality_of_ticks",
    "read_ticks",
]
