"""What the commands share: the options of a stage, and what they print. Each is a thin layer over a function."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from eimg_core.shipped import CHECKPOINTS, RESULTS
from train.stages.presets import PRESETS
from train.stages.stage import ComponentResult

__all__ = ["measure_options", "measured", "parser_of", "stage_options", "told"]


def parser_of(description: str | None) -> argparse.ArgumentParser:
    """A parser that shows a module's docstring as it is written."""
    return argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)


class _Changes(argparse.Action):
    """Collects NAME=VALUE into a dict."""

    def __call__(self, parser: argparse.ArgumentParser, options: Any, values: Any, option: str | None = None) -> None:
        name, equals, value = str(values).partition("=")
        if not equals:
            parser.error(f"--set needs NAME=VALUE, got {values!r}")
        options.changes = {**options.changes, name: value}


def stage_options(description: str | None, *, loop: bool = True, needs_data: bool = True) -> argparse.ArgumentParser:
    """The options of every stage, named as the fields of ``Request``; with ``loop`` also those of ``LoopRequest``."""
    parser = parser_of(description)
    parser.add_argument("--data", type=Path, required=needs_data, help="folder with images/ and music/")
    parser.add_argument("--out", type=Path, default=CHECKPOINTS, help="where components are written")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="logs, caches and states for resuming")
    parser.add_argument("--preset", choices=list(PRESETS), default="full", help="the size of the training")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0 leaves the choice to PyTorch")
    if loop:
        parser.add_argument("--seed", type=int, default=0)
        parser.add_argument(
            "--set", action=_Changes, dest="changes", default={}, metavar="NAME=VALUE", help="a setting of the loop"
        )
    return parser


def measure_options(description: str | None) -> argparse.ArgumentParser:
    """The options of measurements of trained components, named as the fields of ``MeasureRequest``."""
    parser = parser_of(description)
    parser.add_argument("--data", type=Path, required=True, help="folder with images/ and music/")
    parser.add_argument("--root", type=Path, default=CHECKPOINTS, dest="components", help="trained components")
    parser.add_argument("--out", type=Path, default=RESULTS, dest="results", help="where results are written")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="caches")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0 leaves the choice to PyTorch")
    parser.add_argument("--force", action="store_true", help="measure again what is up to date")
    return parser


def measured(results: Sequence[Path]) -> str:
    """The names of the results that were written."""
    return "\n".join(f"wrote {path}" for path in results) or "every result is up to date"


def told(made: ComponentResult) -> str:
    """The name of a component and its measured numbers, one line for each split."""
    lines = [made.component]
    metrics: Mapping[str, Any] = made.card.get("metrics", {})
    for split, numbers in metrics.items():
        if isinstance(numbers, Mapping):
            lines.append(f"  {split}: {_numbers(numbers)}")
    return "\n".join(lines)


def _numbers(numbers: Mapping[str, Any], before: str = "") -> str:
    """Every number of a table and of the tables in it."""
    cells: Sequence[str] = [
        _numbers(value, f"{before}{name} ")
        if isinstance(value, Mapping)
        else f"{before}{name} {value:.4g}"
        if isinstance(value, float | int)
        else f"{before}{name} {value}"
        for name, value in numbers.items()
    ]
    return ", ".join(cells)
