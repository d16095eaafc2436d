"""The page Results: how it works, what was measured, and what it is worth. Built from records and cards when opened.

Everything is text and inline SVG that this module makes; every word that comes from a file is escaped.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from pathlib import Path

import gradio as gr

from eimg_core.results import (
    CONTROLS,
    MEAN_POINT,
    PAPER_TABLE_V,
    PRINTED,
    Record,
    Spread,
    by_row,
    columns,
    load_cards,
    load_records,
    read_records,
    spread,
    takes_of,
)
from eimg_core.shipped import SHIPPED
from eimg_core.ui.pages.results_cards import model_cards
from eimg_core.ui.pages.results_charts import Mark, Row, dot_chart, share_bar
from eimg_core.ui.pages.results_method import method
from eimg_core.ui.server.faults import sentence

__all__ = ["LEAD", "results_html", "results_page"]

LEAD = "What the pairings achieve on photos that nobody trained on, beside the controls that they have to beat."

_CONTROL_WORDS = {
    MEAN_POINT: "constant: the mean point",
    "constant": "constant: one real clip",
    "random": "random: any real clip",
    "oracle": "oracle: told the label",
    "real": "real clips, own labels",
}
_SPELLED = {"r_valence": "r valence ↑", "r_arousal": "r arousal ↑"}  # there is room for it
_BASELINES = {"photos": "frozen features, no autoencoder", "clips": "counted features, no autoencoder"}

Titles = Mapping[str, str]


LIMITS = Path(__file__).parent / "results_limits.html"


def results_page(titles: Titles, assets: Path = SHIPPED) -> tuple[gr.HTML, Callable[[], str]]:
    """The empty place on the page, and what fills it when the page is first opened.

    Args:
        titles: key of a pairing → its title.
        assets: folder with ``results`` and ``checkpoints``.
    """

    def results() -> str:
        try:
            return results_html(tuple(sorted(titles.items())), assets)
        except Exception as error:
            raise gr.Error(sentence(error), print_exception=False) from error

    return gr.HTML(
        '<p class="results-wait">Reading the records …</p>', elem_id="results-page", apply_default_css=False
    ), results


@functools.lru_cache(maxsize=2)
def results_html(titles: tuple[tuple[str, str], ...], assets: Path) -> str:
    """The whole page as HTML."""
    names = dict(titles)
    parts = (
        _section("How a photo becomes music", "method", method()),
        _section("Emotion Matching, with its controls", "matching", _matching(load_records(assets / "results"), names)),
        _section("Beside the paper’s Table V", "table-v", _table_v(load_records(assets / "results"), names)),
        _section(
            "Asked for, and heard",
            "requests",
            _requests(read_records(assets / "results", "requests-grid-*.json"), names),
        ),
        _section("Where is emotion lost?", "latents", _latents(read_records(assets / "results", "latents-*.json"))),
        _section("How long it takes", "latency", _latency(assets / "results", names)),
        _section("Model cards", "cards", model_cards(load_cards(assets / "checkpoints"))),
        _section("Limits, data and licences", "limits", LIMITS.read_text(encoding="utf-8")),
    )
    links = "".join(f'<li><a href="#results-{name}">{escape(title)}</a></li>' for title, name, _ in parts)
    body = "".join(html for _, _, html in parts)
    return f'<div class="results"><nav aria-label="On this page"><ul>{links}</ul></nav>{body}</div>'


def _section(title: str, name: str, inner: str) -> tuple[str, str, str]:
    html = f'<section class="card" id="results-{name}"><h2>{escape(title)}</h2>{inner}</section>'
    return title, name, html


def _title(row: str, names: Titles) -> str:
    if row in _CONTROL_WORDS:
        return _CONTROL_WORDS[row]
    key, takes = takes_of(row)
    pairing, _, variant = key.partition("@")
    title = names.get(pairing, pairing) + (f" ({variant})" if variant else "")
    return title if takes == 1 else f"{title}, best of {takes}"


def _columns() -> list[tuple[str, str, int]]:
    return [(name, _SPELLED.get(name, title), digits) for name, title, digits in columns()]


def _cell(found: Spread | None, digits: int) -> str:
    if found is None:
        return "–"
    return f"{found.mean:.{digits}f}" + (f" ± {found.sd:.{digits}f}" if found.n > 1 else "")


def _table(head: Sequence[str], rows: Iterable[tuple[str, Sequence[str], str]]) -> str:
    """A table that scrolls by itself on a narrow page; ``rows`` are label, cells and a class."""
    top = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    lines = "".join(
        f'<tr class="{kind}"><th scope="row">{escape(label)}</th>{"".join(f"<td>{escape(c)}</td>" for c in cells)}</tr>'
        for label, cells, kind in rows
    )
    return (
        '<div class="scrolls" tabindex="0" role="region" aria-label="Table"><table>'
        f"<thead><tr>{top}</tr></thead><tbody>{lines}</tbody></table></div>"
    )


def _table_of(
    shown: Sequence[tuple[str, str, int]],
    rows: Mapping[str, Sequence[Record]],
    ordered: Sequence[tuple[str, Spread]],
    names: Titles,
) -> str:
    """A table of rows in their order, with some of ``columns``."""
    lines = (
        (_title(row, names), [_cell(_mean(rows[row], name), digits) for name, _, digits in shown], _kind(row))
        for row, _ in ordered
    )
    return _table(["composer", *(title for _, title, _ in shown)], lines)


def _folded(summary: str, inner: str) -> str:
    return f"<details><summary>{escape(summary)}</summary>{inner}</details>"


def _mean(records: Sequence[Record], name: str) -> Spread | None:
    return spread([record["summary"].get(name) for record in records])


def _kind(row: str) -> str:
    if row in CONTROLS:
        return "control"
    key, takes = takes_of(row)
    return "best" if takes > 1 else "paper" if key.endswith("@paper") else "ours"


def _distances(rows: Mapping[str, Sequence[Record]]) -> list[tuple[str, Spread]]:
    """Rows with their distance, the nearest first."""
    found = [(row, _mean(records, "emotion_matching")) for row, records in rows.items()]
    return sorted(((row, value) for row, value in found if value), key=lambda pair: pair[1].mean)


def _chart_of(ordered: Sequence[tuple[str, Spread]], names: Titles, axis: str, line: tuple[float, str] | None) -> str:
    ends = [edge for _, found in ordered for edge in (found.mean - found.sd, found.mean + found.sd)]
    low, high = math.floor(min(ends) * 4) / 4, math.ceil(max(ends) * 4) / 4
    rows = [Row(_title(row, names), (Mark(found, _kind(row)),), row in CONTROLS) for row, found in ordered]
    said = f"{axis}: " + "; ".join(f"{_title(row, names)} {found.mean:.2f}" for row, found in ordered) + "."
    return dot_chart(rows, said, axis, low, high, 0.25, line)


def _legend(controls: str = "") -> str:
    return (
        '<p class="chart-legend"><span class="ours">eimg2</span> <span class="paper">as in the paper</span> '
        f'<span class="best">best of several takes, chosen by the guide</span> {controls}'
        "bars: one standard deviation over seeds</p>"
    )


def _matching(records: Sequence[Record], names: Titles) -> str:
    rows = by_row(records)
    if not rows:
        return _NONE
    ordered = _distances(rows)
    constant = next((found.mean for row, found in ordered if row == MEAN_POINT), None)
    line = (constant, "answering without looking") if constant else None
    first = next(iter(rows.values()))[0]
    seeds = sorted({record["seed"] for record in records})
    table = _table_of(_columns(), rows, ordered, names)
    return (
        "<p>The distance, on a plane from 1 to 9, between the emotion of a photo and the emotion heard in its piece; "
        "lower is better. A machine that plays the same to every photo gets the value of the line: <strong>whoever "
        "lies to the right of it has not looked at the photo</strong>. Random plays any real clip; the oracle is told "
        "the label and plays the real clip nearest to it, which is as near as real music comes.</p>"
        + _legend('<span class="control">controls</span> ')
        + _chart_of(ordered, names, "Emotion Matching, lower is better", line)
        + _folded("All numbers, with correlations and the paper’s three quality metrics", table)
        + _source(
            f"n = {first['n']} photos of the {first['split']} split, none of whose themes was trained on; seeds "
            f"{', '.join(map(str, seeds))}; pieces of {first['seconds']:g} s",
            records,
        )
    )


def _source(what: str, records: Sequence[Record]) -> str:
    newest = max(str(record["date"]) for record in records)
    return f'<p class="source">{escape(what)}; {escape(newest)}. <code>{escape(str(records[0]["command"]))}</code></p>'


def _table_v(records: Sequence[Record], names: Titles) -> str:
    rows = by_row(records)
    printed = [column for column in _columns() if column[0] in PRINTED]
    lines: list[tuple[str, Sequence[str], str]] = []
    for pairing, numbers in PAPER_TABLE_V.items():
        cells = [f"{numbers[name]:.{digits}f}" for name, _, digits in printed]
        lines.append((f"{names.get(pairing, pairing)}, as printed", cells, "printed"))
        for row in sorted(row for row in rows if row.startswith(f"{pairing}@")):
            cells = [_cell(_mean(rows[row], name), digits) for name, _, digits in printed]
            lines.append((_title(row, names), cells, _kind(row)))
    return (
        "<p>The paper’s numbers come from other photos, and its judge was trained on the clips that it judges: read "
        "them beside ours, do not rank them together. Its best Emotion Matching is about what a constant answer gets "
        "on its labels, and its groove counts ticks of the file rather than rhythm.</p>"
        + _table(["composer", *(title for _, title, _ in printed)], lines)
    )


def _requests(records: Sequence[Record], names: Titles) -> str:
    rows = by_row(records)
    if not rows:
        return _NONE
    ordered = _distances(rows)
    distance, *others = _columns()[:3]
    table = _table_of([(distance[0], "distance ↓", distance[2]), *others], rows, ordered, names)
    return (
        "<p>Without a photo, each bridge can be asked for a point of the plane, which is what happens when you drag "
        "the target: this is what the music side can do by itself.</p>"
        + _legend()
        + _chart_of(ordered, names, "distance from the wish, lower is better", None)
        + _folded("All numbers", table)
        + _source(f"n = {records[0]['n']} points over the whole plane", records)
    )


def _latents(records: Sequence[Record]) -> str:
    if not records:
        return _NONE
    order = sorted(records, key=lambda r: (r["data"] != "oasis", r["kind"] == "baseline", r["key"]))
    rows, lines = [], []
    for record in order:
        name = _BASELINES.get(record["key"], f"{record['kind'].removesuffix('_ae')} · {record['key']}")
        found = {axis: record["readout"]["test"][axis]["r"] for axis in ("valence", "arousal")}
        known = {axis: r for axis, r in found.items() if r is not None}
        marks = tuple(Mark(Spread(r, 0.0, 1), axis) for axis, r in known.items())
        rows.append(Row(name, marks, record["kind"] == "baseline"))
        cells = [f"{r:.2f}" if r is not None else "–" for r in found.values()]
        lines.append((name, [str(record["width"]), *cells], "control" if record["kind"] == "baseline" else ""))
    lowest = min((mark.spread.mean for row in rows for mark in row.marks), default=0.0)
    said = "Correlation read from the latents on test items: " + "; ".join(
        f"{name}: valence {cells[1]}, arousal {cells[2]}" for name, cells, _ in lines
    )
    n = {("photos" if r["data"] == "oasis" else "clips"): r["n"]["test"] for r in records}
    return (
        "<p>How much valence and arousal a straight line can read from each autoencoder’s vector. What a photo’s "
        "vector does not hold, no bridge can pass on to the music.</p>"
        '<p class="chart-legend"><span class="valence">valence</span> <span class="arousal">arousal</span></p>'
        + dot_chart(rows, said, "r on test items, higher is better", min(0.0, math.floor(lowest * 5) / 5), 1.0, 0.2)
        + _folded("All numbers", _table(["read from", "width", "r valence", "r arousal"], lines))
        + _source(", ".join(f"{count} test {items}" for items, count in n.items()), records)
    )


def _latency(folder: Path, names: Titles) -> str:
    one, many = read_records(folder, "latency.json"), read_records(folder, "latency-pairings.json")
    if not one or not many:
        return _NONE
    record, compared = one[0], many[0]
    median = record["median_s"]
    stages = [
        (name.replace("_", " "), value)
        for name, value in median.items()
        if name not in ("total", "notes") and value > 0
    ]
    said = f"{median['total']:.2f} seconds in all: " + ", ".join(f"{name} {value:.2f}" for name, value in stages)
    each = sorted(compared["warm"]["each_s"].items(), key=lambda pair: pair[1])
    rows = [Row(_title(key, names), (Mark(Spread(value, 0.0, 1), "ours"),)) for key, value in each]
    highest = max(value for _, value in each)
    return (
        f"<p>From a photo to {record['seconds']:g} s of sound, the best of {record['takes']} takes: "
        f"<strong>{median['total']:.2f} s</strong> (median of {record['repeats']}, slowest "
        f"{record['slowest_total_s']:.2f} s) on {record['cores']} CPU cores; from a cold start to the first piece "
        f"{record['cold_start_s']:.0f} s. All {len(compared['pairings'])} pairings for one photo: "
        f"{compared['warm']['all_s']:.1f} s.</p>"
        + share_bar(stages, "s", said)
        + dot_chart(
            rows,
            "Seconds for one piece: " + ", ".join(f"{_title(key, names)} {value:.2f}" for key, value in each),
            "seconds for one piece and its sound",
            0.0,
            math.ceil(highest * 5) / 5,
            0.2,
        )
        + _source(f"{record['machine']}, Python {record['python']}, {record['engine']}", one)
    )


_NONE = "<p>No records of this are here; <code>python -m train.reproduce</code> writes them.</p>"
