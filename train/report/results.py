"""The results of ``assets/results`` as rows with intervals, and the paper's numbers, for pages and figures."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eimg_core.results import PAPER_TABLE_V, PRINTED
from train.evaluation.dataset import DATASET
from train.evaluation.experiments import EXPERIMENTS
from train.report.intervals import Estimate, Row, difference

__all__ = [
    "OTHER_PAIRING",
    "PAPER",
    "PAPER_PAIRING",
    "PAPER_TABLE_I",
    "Results",
    "cell",
    "density_by_quadrant",
    "effects",
    "pairing_rows",
    "parts",
    "sizes",
    "verdict",
]

# Numbers printed in the paper, by our name of the row: polyphony, pitch entropy, groove, Emotion Matching.
_PRINTED: dict[str, tuple[float | None, ...]] = {
    "real": (0.5303, 3.9860, 0.9922, 0.1374),
    "TF-IM": (0.4104, 2.7635, 0.8101, 4.0601),
    "GAN-IM": (0.3069, 1.8993, 0.6132, 4.9076),
    "TF/IMG": (0.4983, 3.4126, 0.9389, None),
    "TF-FI": (0.5094, 3.4022, 0.9110, None),
    "vqvae+fnt n = 2": (0.4713, 2.8129, 0.8601, 5.7670),
    "vqvae+fnt n = 4": (0.4921, 3.2839, 0.9229, 2.9825),
    "vqvae+fnt n = 8": (0.5179, 3.5620, 0.9760, 1.8710),
    "vqvae+fnt n = 16": (0.5116, 3.3909, 0.9578, 3.2618),
    "vqvae+fnt direct": (0.3882, 3.0010, 0.8351, 4.8211),
    "vqvae+fnt inter": (0.4121, 3.1403, 0.8713, 3.2540),
    "vqvae+fnt inter + image": (0.4643, 3.3583, 0.9264, 2.8423),
    "vqvae+fnt inter + music": (0.4572, 3.3992, 0.9417, 2.8964),
}
PAPER: dict[str, Mapping[str, float | None]] = {
    name: dict(zip(PRINTED, values, strict=True)) for name, values in _PRINTED.items()
} | {f"{pairing}@paper": values for pairing, values in PAPER_TABLE_V.items()}
PAPER_PAIRING, OTHER_PAIRING = "vqvae+fnt", "effnet+fnt"  # the paper's best; one whose photo side carries emotion
PAPER_TABLE_I = {"LVHA": 1.710, "HVHA": 1.720, "LVLA": 1.044, "HVLA": 1.286}


@dataclass(frozen=True)
class Results:
    """All results of a folder.

    Args:
        folder: ``assets/results``.
    """

    folder: Path

    @cached_property
    def dataset(self) -> dict[str, Any]:
        """The result of ``train.evaluation.dataset``."""
        return self._read(self.folder / DATASET)

    @cached_property
    def rows(self) -> dict[str, Row]:
        """Row name → its results: experiments, pairings of the test split, and controls.

        Raises:
            ValueError: their estimates are those of different evaluators.
        """
        found: dict[str, list[dict[str, Any]]] = {}
        paths = [*self.folder.glob("pairings-test-*.json"), *self.folder.glob("experiment-*.json")]
        for path in sorted(paths):
            record = self._read(path)
            if "items" in record:
                found.setdefault(record["row"], []).append(record)
        evaluators = {r["components"]["va_predictor/evaluator"] for records in found.values() for r in records}
        if len(evaluators) > 1:
            raise ValueError(f"results of {len(evaluators)} different evaluators cannot share a table")
        labels = {key: (v, a) for name in ("photos", "clips") for key, _, v, a, *_ in self.dataset[name]}
        return {name: Row(records, labels) for name, records in found.items()}

    @cached_property
    def midi_evaluations(self) -> dict[str, dict[str, Any]]:
        """What ``evaluate-midi`` says of whole folders, by name."""
        start = "midi-evaluation-"
        return {path.stem.removeprefix(start): self._read(path) for path in sorted(self.folder.glob(f"{start}*.json"))}

    @staticmethod
    def _read(path: Path) -> Any:
        return json.loads(path.read_text(encoding="utf-8"))

    def estimate(self, row: str, column: str) -> Estimate:
        """One number of a row."""
        found = self.rows[row]
        if column == "emotion_matching":
            return found.emotion_matching()
        if column in ("r_valence", "r_arousal"):
            return found.r(int(column == "r_arousal"))
        return found.mean(column)


def cell(estimate: Estimate, digits: int) -> str:
    """``2.18 [2.03, 2.33]``; a dash where nothing is defined."""
    if not math.isfinite(estimate.value):
        return "–"
    return f"{estimate.value:.{digits}f} [{estimate.low:.{digits}f}, {estimate.high:.{digits}f}]"


def density_by_quadrant(results: Results, column: int) -> dict[str, Estimate]:
    """Table I: mean density of the clips whose label lies strictly on either side of 5.

    Args:
        column: 0 for notes per second, 1 for notes per beat of sounding length.
    """
    rows = results.dataset["clips"]
    va = np.array([row[2:4] for row in rows])
    values = np.array([row[4 + column] for row in rows])
    high = va > 5.0
    masks = {
        "HVHA": high[:, 0] & high[:, 1],
        "LVHA": ~high[:, 0] & high[:, 1],
        "LVLA": ~high[:, 0] & ~high[:, 1],
        "HVLA": high[:, 0] & ~high[:, 1],
    }
    return {name: _bootstrapped(values[mask]) for name, mask in masks.items()}


def _bootstrapped(values: NDArray[np.float64]) -> Estimate:
    drawn = np.random.default_rng(0).integers(len(values), size=(2000, len(values)))
    return Estimate.of(float(values.mean()), values[drawn].mean(axis=1))


def sizes(pairing: str) -> list[str]:
    """The rows of Table IV."""
    return [e.name for e in EXPERIMENTS if "table4" in e.tables and e.pairing == pairing]


def parts(pairing: str) -> list[str]:
    """The rows of Table VII, in the paper's order."""
    return [e.name for e in EXPERIMENTS if "table7" in e.tables and e.pairing == pairing]


def pairing_rows(results: Results) -> list[str]:
    """The pairings with results, the paper's six in its variant first, then every other row of theirs."""
    six = [f"{pairing}@paper" for pairing in PAPER_TABLE_V]
    return [*six, *sorted(row for row in results.rows if "@" in row and row not in six)]


def effects(results: Results, pairing: str) -> list[tuple[str, Estimate]]:
    """Table VII as questions: what each part of the contrast changes in Emotion Matching (below 0 helps)."""
    direct, inter, image, music, full = (results.estimate(row, "emotion_matching") for row in parts(pairing))
    return [
        ("inter-modal contrast instead of the direct mapping", difference(inter, direct)),
        ("intra-image contrast added to inter-modal", difference(image, inter)),
        ("intra-music contrast added to inter-modal", difference(music, inter)),
        ("both intra-modal contrasts added to inter-modal", difference(full, inter)),
        ("the complete contrast instead of the direct mapping", difference(full, direct)),
    ]


def verdict(effect: Estimate) -> str:
    """What an interval of a difference says."""
    if effect.high < 0:
        return "helps"
    return "harms" if effect.low > 0 else "cannot be told from 0"
