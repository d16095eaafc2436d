"""Results → tables. Every number in a table of the README and of docs/measurements.md is put there by this module.

Each block between ``<!-- name -->`` and ``<!-- /name -->`` is replaced. What goes in is a pure function of the results
and cards, and a test checks that the documents are what it returns.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from eimg_core.exports.formats import FORMATS
from eimg_core.metrics.distributions import MEASURES
from eimg_core.metrics.registry import METRICS, printed_metrics
from eimg_core.midi.codec import FIELDS
from eimg_core.options import options_table
from eimg_core.pipeline import available, variants
from eimg_core.results import (
    CONTROLS,
    PAPER_TABLE_V,
    REAL,
    Result,
    columns,
    load_results,
    spread,
    takes_of,
)
from train.evaluation.quality_report import COPIED, NEAREST
from train.report.cells import cell, row_title
from train.report.realness_tables import descriptors, obedience, realness
from train.report.rules_table import published_rules

__all__ = [
    "BLOCKS",
    "DOCUMENTS",
    "PAPER_TABLE_V",
    "fill",
    "load_results",
    "render",
    "render_musicality",
    "write_tables",
]

CONTROL_ORDER = CONTROLS


def render(results: Sequence[Result]) -> str:
    """The results block as Markdown.

    Raises:
        ValueError: a control row is missing, or the estimates are those of different evaluators.
    """
    by_row: dict[str, list[Result]] = {}
    for record in results:
        by_row.setdefault(record["row"], []).append(record)
    if missing := set(CONTROL_ORDER) - set(by_row):
        raise ValueError(f"rows without which the others mean nothing are missing: {sorted(missing)}")
    evaluators = {record["components"]["va_predictor/evaluator"] for record in results}
    if len(evaluators) > 1:
        raise ValueError(f"results of {len(evaluators)} different evaluators cannot share a table")
    pairings = sorted(row for row in by_row if row not in CONTROL_ORDER)
    lines = _head()
    for row in sorted(by_row, key=lambda row: _matching(by_row[row])):
        lines.append(f"| {row_title(row)} | {_cells(by_row[row])} |")
    first = by_row[pairings[0]][0] if pairings else results[0]
    seeds = sorted({record["seed"] for row in pairings for record in by_row[row]})
    lines += [
        "",
        f"n = {first['n']} photos of the {first['split']} split, none of whose themes was trained on; "
        f"seeds {', '.join(map(str, seeds))}, mean ± standard deviation over seeds; pieces of {first['seconds']:g} s; "
        f"{max(r['date'] for r in results)}. `{first['command']}`, then `python -m train.tables`.",
    ]
    return "\n".join(lines)


def _head() -> list[str]:
    """The first two lines of a table of rows."""
    titles = ["composer", *(title for _, title, _ in columns())]
    return ["| " + " | ".join(titles) + " |", "|---" * len(titles) + "|"]


def _matching(results: Sequence[Result]) -> float:
    """Emotion Matching of a row, by which rows are ordered; a row without any comes last."""
    found = spread([record["summary"].get("emotion_matching") for record in results])
    return found.mean if found else math.inf


def _cells(results: Sequence[Result]) -> str:
    """Every column of one row, over its seeds."""
    return " | ".join(cell([r["summary"].get(name) for r in results], digits) for name, _, digits in columns())


def table_v(assets: Path) -> str:
    """Both variants of each pairing under the paper's own row."""
    by_row: dict[str, list[Result]] = {}
    for record in load_results(assets / "results"):
        by_row.setdefault(record["row"], []).append(record)
    lines = _head()
    for pairing, printed in PAPER_TABLE_V.items():
        cells = " | ".join(cell([printed.get(name)], digits) for name, _, digits in columns())
        lines.append(f"| {pairing}, the paper's Table V | {cells} |")
        lines += [
            f"| {row_title(row)} | {_cells(by_row[row])} |" for row in sorted(by_row) if row.startswith(f"{pairing}@")
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
    if card["key"] == "tvae":
        return _tvae(card["metrics"]["val"])
    test = card["metrics"]["test"]
    fields = ", ".join(f"{name} {test[f'accuracy_{name}']:.2f}" for name in FIELDS)
    return [
        (f"teacher-forced accuracy on test clips ({fields})", f"{test['accuracy']:.2f}"),
        (
            "cross-entropy per note in nats, with the true latent / another clip's",
            f"{test['loss']:.2f} / {test['loss_shuffled_z']:.2f}",
        ),
    ]


def _tvae(val: Mapping[str, float]) -> list[tuple[str, str]]:
    tune = " / ".join(f"{val[f'tune_pitch{way}']:.2f}" for way in ("", "_shuffled", "_uncopied"))
    return [
        ("cross-entropy per step in nats, on windows of the val splits, the mean over corpora", f"{val['loss']:.2f}"),
        ("the same of a tune's pitches, with their plan / another / without what is taken up", tune),
    ]


def _reader(card: dict[str, Any]) -> list[tuple[str, str]]:
    rows = []
    for group, words in (("by_theme", "themes"), ("out_of_fold_by_piece", "pieces"), ("test", "test")):
        if group in card["metrics"]:
            found = card["metrics"][group]
            where = "on the test split" if group == "test" else f"out of fold by {words}"
            value = f"{found['valence']['r']:.2f} / {found['arousal']['r']:.2f}"
            rows.append((f"r of valence / arousal, {where}, n = {found['n']}", value))
            if "right_quadrant" in found:
                rows.append((f"mean distance, {where}", f"{found['distance']:.2f}"))
                shares = " / ".join(
                    f"{found[share]:.2f}"
                    for share in ("right_quadrant", "unpleasant_read_pleasant", "exciting_read_exciting")
                )
                rows.append(
                    (
                        f"share in the right quadrant / of unpleasant read pleasant / of exciting read so, {where}",
                        shares,
                    )
                )
    return rows


def latency(assets: Path) -> str:
    """How long a visitor waits, from the benchmarks' results."""
    record = json.loads((assets / "results" / "latency.json").read_text(encoding="utf-8"))
    median = record["median_s"]
    stages = ", ".join(f"{name.replace('_', ' ')} {median[name]:.2f} s" for name in _STAGES if name in median)
    return (
        f"From a photo to {record['seconds']:g} s of playable sound, the best of {record['takes']} takes, warm: "
        f"**{median['total']:.2f} s** "
        f"({stages}; median of {record['repeats']}, slowest {record['slowest_total_s']:.2f} s) on {record['cores']} "
        f"CPU cores, {record['engine']}; from a cold start to the first piece {record['cold_start_s']:.0f} s. "
        f"`{record['command']}`, {record['date']}."
    ) + _compared(assets / "results" / "latency-pairings.json")


def _compared(path: Path) -> str:
    """How long the cards of a comparison take."""
    record = json.loads(path.read_text(encoding="utf-8"))
    warm, cold = record["warm"], record["cold"]
    return (
        f"\n\nAll {len(record['pairings'])} pairings for one photo, warm: the first card after "
        f"**{warm['first_card_s']:.1f} s**, all after **{warm['all_s']:.1f} s** (slowest of {record['repeats']}: "
        f"{warm['slowest_all_s']:.1f} s); from a cold start {cold['first_card_s']:.1f} s and {cold['all_s']:.1f} s. "
        f"`{record['command']}`, {record['date']}."
    )


def results(assets: Path) -> str:
    """The main table, from the results of the test split: each pairing in the variant that its plain name means, one
    take, and the default as the page composes."""
    shown = [f"{key}@{variants(key, assets / 'checkpoints')[0]}" for key in available(assets / "checkpoints")]
    default, results = shown[:1], load_results(assets / "results")
    rows = {*shown, *CONTROL_ORDER}
    return render([record for record in results if record["row"] in rows or takes_of(record["row"])[0] in default])


def requests(assets: Path) -> str:
    """How near pieces for a target without a photo are to it, one line per pairing."""
    by_row: dict[str, list[Result]] = {}
    for path in sorted((assets / "results").glob("requests-grid-*.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        by_row.setdefault(record["row"], []).append(record)
    lines = ["| target without a photo | distance ↓ | r(V) ↑ | r(A) ↑ |", "|---|---|---|---|"]
    for row, results in by_row.items():
        names = ("emotion_matching", "r_valence", "r_arousal")
        cells = [cell([record["summary"][name] for record in results], 2) for name in names]
        lines.append(f"| {row_title(row)} | " + " | ".join(cells) + " |")
    first = next(iter(by_row.values()))
    lines += ["", f"n = {first[0]['n']} points over the whole plane, {len(first)} seeds, {first[0]['date']}."]
    return "\n".join(lines)


def latents(assets: Path) -> str:
    """What each autoencoder rebuilds and what a straight line reads from its latent, beside what there was to read."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in (assets / "results").glob("latents-*.json")]
    results = sorted(found, key=lambda r: (r["data"] != "oasis", r["kind"] == "baseline", r["key"]))
    lines = [
        "| read from | width | active / effective | rebuilt | r(V) / r(A) out of fold | r(V) / r(A) on test |",
        "|---|---|---|---|---|---|",
    ]
    for record in results:
        name = _BASELINES.get(record["key"], f"`{record['kind']}/{record['key']}`")
        usage = record.get("usage")
        used = f"{usage['active']:.0f} / {usage['effective']:.1f}" if usage else "–"
        cells = [str(record["width"]), used, _rebuilt(record.get("reconstruction", {}))]
        for group in ("out_of_fold", "test"):
            axes = [record["readout"][group][axis]["r"] for axis in ("valence", "arousal")]
            cells.append(" / ".join(cell([r], 2) for r in axes))
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    n = {("photos" if r["data"] == "oasis" else "clips"): r["n"] for r in results}
    tests = " and ".join(f"{counts['test']} {items}" for items, counts in n.items())
    others = " and ".join(f"{counts['train'] + counts['val']} {items}" for items, counts in n.items())
    lines += [
        "",
        "A ridge regression reads valence and arousal from standardised latents; its penalty is chosen inside each "
        "training fold, and no theme or piece is divided. *Italic* rows read what is no autoencoder's latent: what "
        f"there was to be read. **On test** ({tests}) is the honest column. Out of fold ({others} of train and val) "
        "flatters the autoencoders: they were trained on the train split, FNT even knowing whether the arousal of a "
        "clip is above 5, TVAE its label. Active: dimensions that vary by more than 0.01 over the test items; "
        "effective: participation ratio of their covariance. Rebuilt: PSNR of photos; accuracy of teacher-forced "
        "notes, and cross-entropy per note in nats with the true latent / another clip's. "
        f"`{results[0]['command']}`, {max(r['date'] for r in results)}.",
    ]
    return "\n".join(lines)


def musicality(assets: Path) -> str:
    """How near the pieces are to real clips, what they copy and how takes differ, from its results."""
    paths = sorted((assets / "results").glob("musicality-*.json"))
    return render_musicality([json.loads(path.read_text(encoding="utf-8")) for path in paths])


def render_musicality(results: Sequence[Result]) -> str:
    """The table of musicality as Markdown.

    Raises:
        ValueError: the row of the real clips is missing, or does not tell of a training set that a row learnt from.
    """
    by_row = {record["row"]: record for record in results}
    if REAL not in by_row:
        raise ValueError("real clips, without which the others mean nothing, are missing: run train.quality_report")
    real = by_row[REAL]["summary"]
    controls = [row for row in reversed(_YARDSTICKS) if row in by_row]
    shares = (measure.column for measure in MEASURES.values())
    titles = ("three metrics, gap ↓", *shares, "longest run, mean / max", f"above {COPIED}", "takes alike ↓")
    lines = ["| composer | " + " | ".join(titles) + " |", "|---" * (len(titles) + 1) + "|"]
    for row in (*(row for row in by_row if row not in controls), *controls):
        cells = _musical_cells(by_row[row]["summary"], real, beside_real=row != REAL)
        lines.append(f"| {_YARDSTICKS.get(row) or row_title(row)} | " + " | ".join(cells) + " |")
    first = next((record for row, record in by_row.items() if row not in controls), by_row[REAL])
    takes = f"{len(first['takes'])} of them in {max(first['takes'], default=0)} takes; " if first["takes"] else ""
    lines += [
        "",
        "*Gap*: the sum over polyphony, pitch entropy and groove of the distance from real clips, as a share of "
        "theirs. *The next five*: how far the distribution is from that of real clips, where 1 is how far two halves "
        "of the real clips are from each other. *Longest run*: notes in a row that stand, in any key and at any tempo, "
        "in a piece which the music autoencoder learnt from; what repeats inside a run counts once. In brackets: real "
        "clips of the test split, searched for in the same pieces. *Takes alike*: how alike the takes of a photo are, "
        f"where 1 is how alike real clips of like emotion are. n = {first['n']} photos of the {first['split']} split, "
        f"{takes}{by_row[REAL]['n']} real clips; `{first['command']}`, {max(r['date'] for r in results)}.",
    ]
    return "\n".join(lines)


def _musical_cells(summary: Mapping[str, Any], real: Mapping[str, Any], *, beside_real: bool) -> list[str]:
    """The cells of one row; of what is copied, that of the first training set it names."""
    gap = sum(abs(summary[name] - real[name]) / real[name] for name in printed_metrics())
    shares = [cell([summary["distributions"].get(name, {}).get("share")], 2) for name in MEASURES]
    searched, copied = next(iter(summary["copying"].items()))
    run, many = f"{copied['mean']:.1f} / {copied['max']}", f"{copied['copied']:.0%}"
    if beside_real:
        if searched not in real["copying"]:
            raise ValueError(f"real clips were not searched for in {searched}: run train.quality_report --only {REAL}")
        base = real["copying"][searched]
        run, many = f"{run} ({base['mean']:.1f} / {base['max']})", f"{many} ({base['copied']:.0%})"
    alike = None if summary["similarity"] is None else summary["similarity"] / summary["similarity_real"]
    return [f"{gap:.2f}", *shares, run, many, cell([alike], 2)]


def formats(_: Path) -> str:
    """The formats of a piece, from the registry."""
    lines = ["| format | file | what it holds | needs | made | of a MIDI file alone |", "|---|---|---|---|---|---|"]
    for key, one in FORMATS.items():
        needs = ", ".join(["sound"] * one.sound + [f"`{one.package}`"] * bool(one.package)) or "–"
        made = "with the piece" if one.light else "on demand" + ", and by the command line" * one.usual
        lines.append(f"| {one.title} | `.{key}` | {one.help} | {needs} | {made} | {'yes' if one.from_midi else 'no'} |")
    return "\n".join(lines)


def metrics(_: Path) -> str:
    """What is measured of every piece, from the registry."""
    lines = ["| key | metric | what it says | better | since |", "|---|---|---|---|---|"]
    for key, metric in METRICS.items():
        better = "near real clips" if metric.better == "real" else metric.better
        title = metric.title + (" (the paper's)" if metric.printed else "")
        lines.append(f"| `{key}` | {title} | {metric.help} | {better} | {metric.since} |")
    return "\n".join(lines)


def _rebuilt(measured: Mapping[str, float]) -> str:
    if "psnr_db" in measured:
        return f"{measured['psnr_db']:.1f} dB"
    if "accuracy" in measured:
        return f"{measured['accuracy']:.2f}; {measured['loss']:.2f} / {measured['loss_shuffled_z']:.2f}"
    return "–"


_BASELINES = {
    "photos": "*frozen features of the photo reader*",
    "clips": "*counted features of the evaluator*",
}
_YARDSTICKS = {REAL: "*real clips*", NEAREST: "*nearest* (the training clip nearest to the photo's label)"}


_STAGES = ("open", "read_photo", "embed", "generate", "measure", "perform", "render")
_CARD_LINES: dict[str, Callable[[dict[str, Any]], list[tuple[str, str]]]] = {
    "image_ae": _image_ae,
    "music_ae": _music_ae,
    "va_predictor": _reader,
}
BLOCKS: dict[str, Callable[[Path], str]] = {
    "results": results,
    "table_v": table_v,
    "requests": requests,
    "latents": latents,
    "realness": realness,
    "descriptors": descriptors,
    "obedience": obedience,
    "musicality": musicality,
    "published_rules": published_rules,
    "metrics": metrics,
    "formats": formats,
    "options": lambda assets: options_table(),
    "components": components,
    "latency": latency,
}

DOCUMENTS: Mapping[str, Sequence[str]] = {
    "README.md": ("results", "realness", "latency"),
    "docs/formats.md": ("formats",),
    "docs/measurements.md": (
        "table_v",
        "latents",
        "requests",
        "obedience",
        "descriptors",
        "metrics",
        "musicality",
        "published_rules",
        "components",
    ),
    "docs/options.md": ("options",),
}


def fill(document: str, name: str, block: str) -> str:
    """A document with one block replaced, between ``<!-- name -->`` and ``<!-- /name -->``."""
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, found_begin, rest = document.partition(begin)
    _, found_end, after = rest.partition(end)
    if not (found_begin and found_end):
        raise ValueError(f"the document needs the markers {begin} and {end}")
    return f"{before}{begin}\n{block}\n{end}{after}"


def write_tables(root: Path, assets: Path) -> None:
    """Fill every block of the documents under ``root`` from the results and cards under ``assets``."""
    for document, names in DOCUMENTS.items():
        path = root / document
        text = path.read_text(encoding="utf-8")
        for name in names:
            text = fill(text, name, BLOCKS[name](assets))
        path.write_text(text, encoding="utf-8")
