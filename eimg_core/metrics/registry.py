"""The metrics of a piece: one line each, read by everything that measures pieces or shows what was measured.

A new metric is a function and a line in ``METRICS``. The JSON record of a piece, ``evaluate-midi``, ``train.evaluate``
and the endpoints measure all of them; those with a ``column`` stand on the page and in tables as well. Results that
were measured before a metric was defined lack it and show a dash.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from eimg_core.messages import message
from eimg_core.metrics.quality import bar_groove, bar_pitch_class_entropy, polyphony_rate_2, quality
from eimg_core.midi.notes import Piece

__all__ = ["METRICS", "Metric", "measure", "printed_metrics", "shown_metrics"]


@dataclass(frozen=True, slots=True)
class Metric:
    """A number that is measured of a piece, and how it is shown.

    Args:
        title: its name on the page and in documents; a ``message`` where the page shows it.
        help: what it says, with its unit or range, in a few words.
        digits: behind the decimal point, where it is shown.
        better: ``higher``, ``lower``, or ``real``: near what real clips have.
        since: the version that measured it first.
        function: of a piece; NaN where it is not defined.
        column: its heading in tables; without one it is measured, but stands in no table and not on the page.
        printed: whether the paper's tables have it.
        straight: whether it reads bars, so that MIDI files are read with ``straighten=True`` for it.
    """

    title: str
    help: str
    digits: int
    better: str
    since: str
    function: Callable[[Piece], float]
    column: str = ""
    printed: bool = False
    straight: bool = False

    @property
    def heading(self) -> str:
        """``column`` with an arrow to the better side, where one side is better."""
        arrow = {"higher": "↑", "lower": "↓", "real": ""}[self.better]
        return f"{self.column} {arrow}" if arrow else self.column


METRICS: dict[str, Metric] = {
    "polyphony_rate": Metric(
        message("Polyphony rate"), message("share of the time with more than two notes sounding"), 3, "real", "0.1.0",
        lambda piece: quality(piece).polyphony_rate, column=message("polyphony"), printed=True,
    ),
    "pitch_entropy": Metric(
        message("Pitch entropy"), message("variety of the pitches, in bits"), 2, "real", "0.1.0",
        lambda piece: quality(piece).pitch_entropy, column=message("pitch entropy"), printed=True,
    ),
    "groove_consistency": Metric(
        message("Groove consistency"), message("steadiness of the rhythm, up to 1"), 4, "real", "0.1.0",
        lambda piece: quality(piece).groove_consistency, column=message("groove"), printed=True,
    ),
    "bar_groove": Metric(
        message("Groove by bar"), message("likeness of neighbouring bars in rhythm, up to 1"), 3, "real", "0.1.0",
        bar_groove, column=message("groove by bar"), straight=True,
    ),
    "polyphony_rate_2": Metric(
        "Polyphony rate of two", "share of the time with two notes or more sounding", 3, "real", "0.1.0",
        polyphony_rate_2,
    ),
    "bar_pitch_class_entropy": Metric(
        "Pitch classes by bar", "variety of the pitch classes within a bar, in bits", 2, "real", "0.1.0",
        bar_pitch_class_entropy, straight=True,
    ),
}  # fmt: skip


def measure(piece: Piece, straight: Piece | None = None) -> dict[str, float]:
    """Every metric of a piece by key; NaN where one is not defined.

    Args:
        piece: with its notes as they are.
        straight: the same, read with ``straighten=True``, for metrics by bar; without it they read ``piece``, which is
            right for pieces of ours.
    """
    by_bar = piece if straight is None else straight
    return {key: metric.function(by_bar if metric.straight else piece) for key, metric in METRICS.items()}


def shown_metrics() -> dict[str, Metric]:
    """The metrics that stand in tables and on the page."""
    return {key: metric for key, metric in METRICS.items() if metric.column}


def printed_metrics() -> list[str]:
    """The keys of the metrics that the paper prints, in its order."""
    return [key for key, metric in METRICS.items() if metric.printed]
