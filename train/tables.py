"""Records → tables. Every number in the README is put there by this module and by nobody else.

    python -m train.tables [--readme README.md] [--results assets/results]

The block between ``<!-- results -->`` and ``<!-- /results -->`` is replaced. ``render`` is a pure function of the
records, and a test checks that the README is what it returns.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from train.evaluate import MEAN_POINT, REAL, RESULTS

__all__ = ["PAPER_TABLE_V", "fill", "load_records", "main", "render"]

BEGIN, END = "<!-- results -->", "<!-- /results -->"
COLUMNS = (
    ("emotion_matching", "Emotion Matching ↓", 2),
    ("r_valence", "r(V) ↑", 2),
    ("r_arousal", "r(A) ↑", 2),
    ("polyphony_rate", "polyphony", 3),
    ("pitch_entropy", "pitch entropy", 2),
    ("groove_consistency", "groove", 4),
    ("bar_groove", "groove by bar", 3),
)
TITLES = {
    MEAN_POINT: "*mean point* (the mean training photo, no music)",
    "constant": "*constant* (one real clip for every photo)",
    "random": "*random* (any real clip)",
    "oracle": "*oracle* (the real clip nearest to the label)",
    REAL: "*real clips* (judged against their own labels)",
}
CONTROL_ORDER = (MEAN_POINT, "constant", "random", "oracle", REAL)

# Table V of the paper, on its own photos and with its own predictor: beside ours for reading, not for ranking.
PAPER_TABLE_V = {
    "vqvae+fnt": {
        "emotion_matching": 1.871,
        "polyphony_rate": 0.5179,
        "pitch_entropy": 3.562,
        "groove_consistency": 0.976,
    }
}

Record = Mapping[str, Any]


def load_records(folder: Path, split: str = "test") -> list[Record]:
    """All records of one split, by file name."""
    records = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("pairings-*.json"))]
    return [record for record in records if record["split"] == split]


def _cell(values: Sequence[float | None], digits: int) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "–"
    mean = f"{statistics.fmean(known):.{digits}f}"
    return f"{mean} ± {statistics.stdev(known):.{digits}f}" if len(known) > 1 else mean


def render(records: Sequence[Record]) -> str:
    """The results block as Markdown.

    Raises:
        ValueError: a control row is missing, or rows were judged by different evaluators.
    """
    by_row: dict[str, list[Record]] = {}
    for record in records:
        by_row.setdefault(record["row"], []).append(record)
    if missing := set(CONTROL_ORDER) - set(by_row):
        raise ValueError(f"rows without which the others mean nothing are missing: {sorted(missing)}")
    judges = {record["components"]["va_predictor/evaluator"] for record in records}
    if len(judges) > 1:
        raise ValueError(f"records of {len(judges)} different evaluators cannot share a table")
    pairings = sorted(row for row in by_row if row not in CONTROL_ORDER)
    lines = [
        "| composer | " + " | ".join(title for _, title, _ in COLUMNS) + " |",
        "|---" * (len(COLUMNS) + 1) + "|",
    ]
    for row in (*pairings, *CONTROL_ORDER):
        cells = [_cell([r["summary"].get(name) for r in by_row[row]], digits) for name, _, digits in COLUMNS]
        lines.append(f"| {TITLES.get(row, f'**{row}**')} | " + " | ".join(cells) + " |")
        if row in PAPER_TABLE_V:
            cells = [_cell([PAPER_TABLE_V[row].get(name)], digits) for name, _, digits in COLUMNS]
            lines.append(f"| the paper's {row}, on its own photos | " + " | ".join(cells) + " |")
    first = by_row[pairings[0]][0] if pairings else records[0]
    seeds = sorted({record["seed"] for row in pairings for record in by_row[row]})
    lines += [
        "",
        f"n = {first['n']} photos of the {first['split']} split, none of whose themes was trained on; "
        f"seeds {', '.join(map(str, seeds))}, mean ± standard deviation over seeds; pieces of {first['seconds']:g} s; "
        f"{max(r['date'] for r in records)}. `{first['command']}`, then `python -m train.tables`.",
    ]
    return "\n".join(lines)


def fill(readme: str, block: str) -> str:
    """The README with its results block replaced."""
    before, found_begin, rest = readme.partition(BEGIN)
    _, found_end, after = rest.partition(END)
    if not (found_begin and found_end):
        raise ValueError(f"the README needs the markers {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{block}\n{END}{after}"


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--readme", type=Path, default=Path("README.md"))
    parser.add_argument("--results", type=Path, default=RESULTS)
    args = parser.parse_args(argv)
    text = args.readme.read_text(encoding="utf-8")
    args.readme.write_text(fill(text, render(load_records(args.results))), encoding="utf-8")


if __name__ == "__main__":
    main()
