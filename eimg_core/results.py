"""What was measured: the JSON results of ``assets/results``, read for tables and for the page.

A result is one row and one seed: ``row`` (a pairing such as ``vqvae+fnt@paper``, or a control), ``seed``, ``n`` and a
``summary`` of name → number. Emotions and distances are on the 1-9 scale. Nothing here measures anything.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eimg_core.metrics.registry import printed_metrics, shown_metrics

__all__ = [
    "BEST_OF",
    "CONTROLS",
    "MEAN_POINT",
    "PAPER_TABLE_V",
    "PRINTED",
    "REAL",
    "Result",
    "Spread",
    "by_row",
    "columns",
    "load_cards",
    "load_results",
    "read_results",
    "spread",
    "takes_of",
]

REAL, MEAN_POINT = "real", "mean point"
CONTROLS = (MEAN_POINT, "constant", "random", "oracle", REAL)
BEST_OF = " best of "

# Table V of the paper, on its own photos and with its own predictor: beside ours for reading, not for ranking.
PRINTED = (*printed_metrics(), "emotion_matching")
PAPER_TABLE_V = {
    pairing: dict(zip(PRINTED, values, strict=True))
    for pairing, values in {
        "alae+fnt": (0.5156, 3.3632, 0.9777, 2.1327),
        "vqvae+fnt": (0.5179, 3.5620, 0.9760, 1.8710),
        "beta_vae+fnt": (0.5053, 3.3231, 0.9457, 2.4609),
        "alae+lsr": (0.5006, 3.2602, 0.9241, 2.7460),
        "vqvae+lsr": (0.5019, 3.2803, 0.9265, 2.5149),
        "beta_vae+lsr": (0.4992, 3.2013, 0.8928, 2.9398),
    }.items()
}

Result = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Spread:
    """A number over its seeds: the mean, the standard deviation (0 for one seed), and how many seeds."""

    mean: float
    sd: float
    n: int


def columns() -> list[tuple[str, str, int]]:
    """What tables show of a row: name in its summary, heading, digits. The metrics are those of the registry."""
    return [
        ("emotion_matching", "Emotion Matching ↓", 2),
        ("r_valence", "r(V) ↑", 2),
        ("r_arousal", "r(A) ↑", 2),
        *((name, metric.heading, metric.digits) for name, metric in shown_metrics().items()),
    ]


def read_results(folder: Path, pattern: str) -> list[Result]:
    """The results whose file name matches, in the order of their names; none where there is no such folder."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob(pattern))]


def load_results(folder: Path, split: str = "test") -> list[Result]:
    """All results of pairings and controls on one split, by file name."""
    return [result for result in read_results(folder, "pairings-*.json") if result["split"] == split]


def by_row(results: Iterable[Result]) -> dict[str, list[Result]]:
    """Row → its results, one for each seed."""
    rows: dict[str, list[Result]] = {}
    for result in results:
        rows.setdefault(result["row"], []).append(result)
    return rows


def spread(values: Sequence[float | None]) -> Spread | None:
    """Mean and deviation of what is known; ``None`` where nothing is."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    return Spread(statistics.fmean(known), statistics.stdev(known) if len(known) > 1 else 0.0, len(known))


def takes_of(row: str) -> tuple[str, int]:
    """``effnet+tvae@eimg2 best of 4`` → the composer's key and its number of takes, 1 where none is named."""
    key, _, takes = row.partition(BEST_OF)
    return key, int(takes or 1)


def load_cards(checkpoints: Path) -> dict[str, dict[str, Any]]:
    """``kind/name`` → the card of each shipped component, without touching a tensor."""
    paths = sorted(checkpoints.glob("*/*/card.json"))
    return {f"{p.parent.parent.name}/{p.parent.name}": json.loads(p.read_text(encoding="utf-8")) for p in paths}
