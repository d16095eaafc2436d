"""The table that says how far published rules stand behind what is learnt from ratings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["published_rules"]

_DATA = {"eimg": "EIMG clips", "emopia": "EMOPIA clips", "oasis": "OASIS photos"}
_TITLES = {
    "middle": "*the middle of the scale*",
    "mean of train": "*the mean of the training labels*",
    "rules": "**published rules of music**",
    "guide": "guide",
    "colour": "**published formula of colour**",
    "reader": "photo reader",
}


def published_rules(assets: Path) -> str:
    """How near published rules come to ratings, beside constants and what is learnt from them."""
    result = json.loads((assets / "results" / "published-rules.json").read_text(encoding="utf-8"))
    lines = ["| data | estimates by | r(V) ↑ | r(A) ↑ | error V ↓ | error A ↓ |", "|---|---|---|---|---|---|"]
    for name, title in _DATA.items():
        lines += [f"| {title} | {_TITLES[row['estimator']]} | {_cells(row)} |" for row in result[name]]
    cues = ", ".join(f"{row['cue']} {row['r_valence']:.2f} / {row['r_arousal']:.2f}" for row in result["cues"])
    counts = (
        f"{result['eimg_clips']} clips of EIMG, {result['emopia_clips']} of EMOPIA, {result['oasis_photos']} photos"
    )
    return "\n".join(
        [
            *lines,
            "",
            f"The {result['split']} split: {counts}. Error: mean absolute, in points of the scale; of EMOPIA, which has"
            " quadrants and no points, the share on the wrong side of the middle, and r with being on the high one. "
            "The guide and the photo reader learnt from the train splits of EIMG and OASIS. r of each cue alone with"
            f" the labels of EIMG, V / A: {cues}. `{result['command']}`, {result['date']}.",
        ]
    )


def _cells(row: Mapping[str, Any]) -> str:
    found = [row[f"r_{axis}"] for axis in ("valence", "arousal")]
    for axis in ("valence", "arousal"):
        found.append(row[f"mae_{axis}"] if f"mae_{axis}" in row else 1.0 - row[f"right_{axis}"])
    return " | ".join("–" if value is None else f"{value:.2f}" for value in found)
