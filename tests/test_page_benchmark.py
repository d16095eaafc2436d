"""What is said of waiting in the browser: from which bar on live music follows a move."""

from __future__ import annotations

import pytest

from benchmarks.page import bars_until, summary
from benchmarks.tables import page

SAD, HAPPY = {"valence": 2.0, "arousal": 3.0}, {"valence": 8.0, "arousal": 7.0}


def bar(asked: float, target: dict[str, float], sounds: float) -> dict[str, object]:
    return {"asked": asked, "target": target, "sounds": sounds, "bar_s": 2.0}


def test_a_move_is_followed_from_the_first_bar_that_was_asked_for_after_it() -> None:
    bars = [
        bar(0, HAPPY, 1000),
        bar(1000, HAPPY, 3000),  # waits, and gives way
        bar(1600, SAD, 3000),
        bar(3000, SAD, 5000),
    ]
    assert bars_until(bars, 1500, (2.0, 3.0)) == pytest.approx((1.5, 0.75))
    late = [*bars[:2], bar(3000, SAD, 5000)]
    assert bars_until(late, 2900, (2.0, 3.0)) == pytest.approx((2.1, 1.05)), "the bar that waited was too near"


def test_the_table_says_what_was_measured() -> None:
    seconds = {"photo → first sound": summary([1.0, 3.0, 2.0])}
    record = {
        "seconds": seconds,
        "bars": summary([0.5, 0.7, 0.6]),
        "bar_s": [0.7, 1.8],
        "browser": "Chromium 1",
        "cores": 2,
    }
    table = page({**record, "python": "3.11", "command": "x", "date": "2026-01-01"})
    assert "| photo → first sound | **2.00** s | 3.00 s | 3 |" in table
    assert "in bars of the music, of 0.70 to 1.80 s | **0.60** | 0.70 | 3 |" in table
