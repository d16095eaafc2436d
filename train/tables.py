"""Records → tables. Every number in the README is put there by this module and by nobody else.

    python -m train.tables [--readme README.md] [--assets assets]

Each block between ``<!-- name -->`` and ``<!-- /name -->`` is replaced. What goes in is a pure function of the records
and cards, and a test checks that the README is what it returns.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from eimg_core.checkpoints import ASSETS
from eimg_core.midi.codec import FIELDS
from train.evaluate import MEAN_POINT, REAL

__all__ = ["BLOCKS", "PAPER_TABLE_V", "fill", "load_records", "main", "render"]

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


def components(assets: Path) -> str:
    """What each shipped component measures on held-out data, from its card."""
    lines = ["| component | held-out measure | value |", "|---|---|---|"]
    for path in sorted((assets / "checkpoints").glob("*/*/card.json")):
        name = f"{path.parent.parent.name}/{path.parent.name}"
        kind = name if name in _CARD_LINES else path.parent.parent.name
        card = json.loads(path.read_text(encoding="utf-8"))
        rows = _CARD_LINES[kind](card) if kind in _CARD_LINES else []
        lines += [f"| `{name}` | {measure} | {value} |" for measure, value in rows]
    return "\n".join(lines)


def _image_ae(card: dict[str, Any]) -> list[tuple[str, str]]:
    return [("reconstruction, PSNR on test photos", f"{card['metrics']['test']['psnr_db']:.1f} dB")]


def _music_ae(card: dict[str, Any]) -> list[tuple[str, str]]:
    test = card["metrics"]["test"]
    fields = ", ".join(f"{name} {test[f'accuracy_{name}']:.2f}" for name in FIELDS)
    return [
        (f"teacher-forced accuracy on test clips ({fields})", f"{test['accuracy']:.2f}"),
        (
            "cross-entropy per note in nats, with the true latent / another clip's",
            f"{test['loss']:.2f} / {test['loss_shuffled_z']:.2f}",
        ),
    ]


def _reader(card: dict[str, Any]) -> list[tuple[str, str]]:
    rows = []
    for group, words in (("by_theme", "themes"), ("out_of_fold_by_piece", "pieces"), ("test", "test")):
        if group in card["metrics"]:
            found = card["metrics"][group]
            where = "on the test split" if group == "test" else f"out of fold by {words}"
            value = f"{found['valence']['r']:.2f} / {found['arousal']['r']:.2f}"
            rows.append((f"r of valence / arousal, {where}, n = {found['n']}", value))
    return rows


def latency(assets: Path) -> str:
    """How long a visitor waits, from the benchmark's record."""
    record = json.loads((assets / "results" / "latency.json").read_text(encoding="utf-8"))
    median = record["median_s"]
    stages = ", ".join(f"{name.replace('_', ' ')} {median[name]:.2f} s" for name in _STAGES if name in median)
    return (
        f"From a photo to {record['seconds']:g} s of playable sound, warm, takes **{median['total']:.2f} s** "
        f"({stages}; median of {record['repeats']}, slowest {record['slowest_total_s']:.2f} s) on {record['cores']} "
        f"CPU cores, {record['engine']}; from a cold start to the first piece {record['cold_start_s']:.0f} s. "
        f"`{record['command']}`, {record['date']}."
    )


def results(assets: Path) -> str:
    """The main table, from the records of the test split."""
    return render(load_records(assets / "results"))


def requests(assets: Path) -> str:
    """How well an emotion that is asked for without a photo is heard, one line per pairing."""
    by_row: dict[str, list[Record]] = {}
    for path in sorted((assets / "results").glob("requests-grid-*.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        by_row.setdefault(record["row"], []).append(record)
    lines = ["| asked for without a photo | distance ↓ | r(V) ↑ | r(A) ↑ |", "|---|---|---|---|"]
    for row, records in by_row.items():
        names = ("emotion_matching", "r_valence", "r_arousal")
        cells = [_cell([record["summary"][name] for record in records], 2) for name in names]
        lines.append(f"| **{row}** | " + " | ".join(cells) + " |")
    first = next(iter(by_row.values()))
    lines += ["", f"n = {first[0]['n']} points over the whole plane, {len(first)} seeds, {first[0]['date']}."]
    return "\n".join(lines)


_STAGES = ("open", "read_photo", "embed", "generate", "measure", "render")
_CARD_LINES: dict[str, Callable[[dict[str, Any]], list[tuple[str, str]]]] = {
    "image_ae": _image_ae,
    "music_ae": _music_ae,
    "va_predictor": _reader,
}
BLOCKS: dict[str, Callable[[Path], str]] = {
    "results": results,
    "requests": requests,
    "components": components,
    "latency": latency,
}


def fill(readme: str, name: str, block: str) -> str:
    """The README with one block replaced, between ``<!-- name -->`` and ``<!-- /name -->``."""
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, found_begin, rest = readme.partition(begin)
    _, found_end, after = rest.partition(end)
    if not (found_begin and found_end):
        raise ValueError(f"the README needs the markers {begin} and {end}")
    return f"{before}{begin}\n{block}\n{end}{after}"


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--readme", type=Path, default=Path("README.md"))
    parser.add_argument("--assets", type=Path, default=ASSETS.parent)
    args = parser.parse_args(argv)
    text = args.readme.read_text(encoding="utf-8")
    for name, block in BLOCKS.items():
        text = fill(text, name, block(args.assets))
    args.readme.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
