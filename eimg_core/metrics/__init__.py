"""Measures of generated music."""

from eimg_core.metrics.quality import (
    Gaps,
    Quality,
    Ticks,
    bar_groove,
    bar_pitch_class_entropy,
    circular_wasserstein,
    distribution_gaps,
    piece_ticks,
    polyphony_rate_2,
    quality,
    quality_of_ticks,
    read_ticks,
    wasserstein,
)

__all__ = [
    "Gaps",
    "Quality",
    "Ticks",
    "bar_groove",
    "bar_pitch_class_entropy",
    "circular_wasserstein",
    "distribution_gaps",
    "piece_ticks",
    "polyphony_rate_2",
    "quality",
    "quality_of_ticks",
    "read_ticks",
    "wasserstein",
]
