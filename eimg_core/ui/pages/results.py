"""The page Results: how it works, what was measured, and what it is worth. Built from results and cards when opened.

Everything is text and inline SVG that this module makes; every word that comes from a file is escaped.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from pathlib import Path

import gradio as gr

from eimg_core.messages import Message, message
from eimg_core.results import (
    CONTROLS,
    MEAN_POINT,
    PAPER_TABLE_V,
    PRINTED,
    Result,
    Spread,
    by_row,
    columns,
    load_cards,
    load_results,
    read_results,
    spread,
    takes_of,
)
from eimg_core.shipped import SHIPPED
from eimg_core.ui.languages import marked
from eimg_core.ui.pages.results_cards import model_cards
from eimg_core.ui.pages.results_charts import Mark, Row, dot_chart, share_bar
from eimg_core.ui.pages.results_method import method
from eimg_core.ui.server.faults import toast
from eimg_core.ui.widgets.parts import words

__all__ = ["LEAD", "results_html", "results_page"]

LEAD = message(
    "What the pairings achieve on photos that nobody trained on, beside the controls that they have to beat."
)

_CONTROL_WORDS = {
    MEAN_POINT: message("constant: the mean point"),
    "constant": message("constant: one real clip"),
    "random": message("random: any real clip"),
    "oracle": message("oracle: told the label"),
    "real": message("real clips, own labels"),
}
_SPELLED = {  # there is room for it
    "emotion_matching": message("Emotion Matching ↓"),
    "r_valence": message("r valence ↑"),
    "r_arousal": message("r arousal ↑"),
}
_BASELINES = {
    "photos": message("frozen features, no autoencoder"),
    "clips": message("counted features, no autoencoder"),
}

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
            raise toast(error) from error

    return words('<p class="results-wait" data-say>Reading the results …</p>', elem_id="results-page"), results


@functools.lru_cache(maxsize=2)
def results_html(titles: tuple[tuple[str, str], ...], assets: Path) -> str:
    """The whole page as HTML."""
    names = dict(titles)
    parts = (
        _section(message("How a photo becomes music"), "method", method()),
        _section(
            message("Emotion Matching, with its controls"),
            "matching",
            _matching(load_results(assets / "results"), names),
        ),
        _section(message("Beside the paper’s Table V"), "table-v", _table_v(load_results(assets / "results"), names)),
        _section(
            message("Targets, and the estimates of what was composed for them"),
            "requests",
            _requests(read_results(assets / "results", "requests-grid-*.json"), names),
        ),
        _section(
            message("Where is emotion lost?"), "latents", _latents(read_results(assets / "results", "latents-*.json"))
        ),
        _section(message("How long it takes"), "latency", _latency(assets / "results", names)),
        _section(message("Model cards"), "cards", model_cards(load_cards(assets / "checkpoints"))),
        _section(message("Limits, data and licences"), "limits", LIMITS.read_text(encoding="utf-8")),
    )
    links = "".join(
        f'<li><a href="#results-{name}"{marked(title)}>{escape(title)}</a></li>' for title, name, _ in parts
    )
    body = "".join(html for _, _, html in parts)
    return f'<div class="results"><nav aria-label="On this page" data-say-aria-label><ul>{links}</ul></nav>{body}</div>'


def _section(title: str, name: str, inner: str) -> tuple[str, str, str]:
    html = f'<section class="card" id="results-{name}"><h2{marked(title)}>{escape(title)}</h2>{inner}</section>'
    return title, name, html


def _title(row: str, names: Titles) -> str:
    if row in _CONTROL_WORDS:
        return _CONTROL_WORDS[row]
    key, takes = takes_of(row)
    pairing, _, variant = key.partition("@")
    title = names.get(pairing, pairing) + (f" ({variant})" if variant else "")
    return title if takes == 1 else message("{title}, best of {takes}", title=title, takes=takes)


def _columns() -> list[tuple[str, Message, int]]:
    return [(name, _SPELLED.get(name, message(title)), digits) for name, title, digits in columns()]


def _cell(found: Spread | None, digits: int) -> str:
    if found is None:
        return "–"
    return f"{found.mean:.{digits}f}" + (f" ± {found.sd:.{digits}f}" if found.n > 1 else "")


def _table(head: Sequence[str], rows: Iterable[tuple[str, Sequence[str], str]]) -> str:
    """A table that scrolls by itself on a narrow page; ``rows`` are label, cells and a class."""
    top = "".join(f'<th scope="col"{marked(name)}>{escape(name)}</th>' for name in head)
    lines = "".join(
        f'<tr class="{kind}"><th scope="row"{marked(label)}>{escape(label)}</th>'
        f"{''.join(f'<td>{escape(c)}</td>' for c in cells)}</tr>"
        for label, cells, kind in rows
    )
    return (
        '<div class="scrolls" tabindex="0" role="region" aria-label="Table" data-say-aria-label><table>'
        f"<thead><tr>{top}</tr></thead><tbody>{lines}</tbody></table></div>"
    )


def _table_of(
    shown: Sequence[tuple[str, Message, int]],
    rows: Mapping[str, Sequence[Result]],
    ordered: Sequence[tuple[str, Spread]],
    names: Titles,
) -> str:
    """A table of rows in their order, with some of ``columns``."""
    lines = (
        (_title(row, names), [_cell(_mean(rows[row], name), digits) for name, _, digits in shown], _kind(row))
        for row, _ in ordered
    )
    return _table([message("composer"), *(title for _, title, _ in shown)], lines)


def _paragraph(markup: str) -> str:
    """A message in HTML as a paragraph."""
    return f"<p{marked(markup, 'html')}>{markup}</p>"


def _listed(what: str, rows: Iterable[tuple[str, float]]) -> Message:
    """A chart for those who cannot see it."""
    found = [message("{name} {value}", name=name, value=f"{value:.2f}") for name, value in rows]
    return message("{what}: {rows}.", what=what, rows=found)


def _folded(summary: str, inner: str) -> str:
    return f"<details><summary{marked(summary)}>{escape(summary)}</summary>{inner}</details>"


def _mean(results: Sequence[Result], name: str) -> Spread | None:
    return spread([record["summary"].get(name) for record in results])


def _kind(row: str) -> str:
    if row in CONTROLS:
        return "control"
    key, takes = takes_of(row)
    return "best" if takes > 1 else "paper" if key.endswith("@paper") else "ours"


def _distances(rows: Mapping[str, Sequence[Result]]) -> list[tuple[str, Spread]]:
    """Rows with their distance, the nearest first."""
    found = [(row, _mean(results, "emotion_matching")) for row, results in rows.items()]
    return sorted(((row, value) for row, value in found if value), key=lambda pair: pair[1].mean)


def _chart_of(ordered: Sequence[tuple[str, Spread]], names: Titles, axis: str, line: tuple[float, str] | None) -> str:
    ends = [edge for _, found in ordered for edge in (found.mean - found.sd, found.mean + found.sd)]
    low, high = math.floor(min(ends) * 4) / 4, math.ceil(max(ends) * 4) / 4
    rows = [Row(_title(row, names), (Mark(found, _kind(row)),), row in CONTROLS) for row, found in ordered]
    said = _listed(axis, [(_title(row, names), found.mean) for row, found in ordered])
    return dot_chart(rows, said, axis, low, high, 0.25, line)


def _legend(controls: str = "") -> str:
    return (
        '<p class="chart-legend"><span class="ours">eimg2</span> <span class="paper" data-say>as in the paper</span> '
        f'<span class="best" data-say>best of several takes, chosen by the guide</span> {controls}'
        "<span data-say>bars: one standard deviation over seeds</span></p>"
    )


def _matching(results: Sequence[Result], names: Titles) -> str:
    rows = by_row(results)
    if not rows:
        return _NONE
    ordered = _distances(rows)
    constant = next((found.mean for row, found in ordered if row == MEAN_POINT), None)
    line = (constant, message("answering without looking")) if constant else None
    first = next(iter(rows.values()))[0]
    seeds = sorted({record["seed"] for record in results})
    table = _table_of(_columns(), rows, ordered, names)
    return (
        _paragraph(
            message(
                "The distance, on a plane from 1 to 9, between the emotion of a photo and the estimate of its piece; "
                "lower is better. A machine that plays the same to every photo gets the value of the line: <strong>"
                "whoever lies to the right of it has not looked at the photo</strong>. Random plays any real clip; the "
                "oracle is told the label and plays the real clip nearest to it, which is as near as real music comes."
            )
        )
        + _legend('<span class="control" data-say>controls</span> ')
        + _chart_of(ordered, names, message("Emotion Matching, lower is better"), line)
        + _folded(message("All numbers, with correlations and the paper’s three quality metrics"), table)
        + _source(
            message(
                "n = {n} photos of the {split} split, none of whose themes was trained on; seeds {seeds}; pieces of "
                "{seconds} s",
                n=first["n"],
                split=first["split"],
                seeds=seeds,
                seconds=f"{first['seconds']:g}",
            ),
            results,
        )
    )


def _source(what: str, results: Sequence[Result]) -> str:
    newest = max(str(record["date"]) for record in results)
    words_of_it = f"<span{marked(what)}>{escape(what)}</span>"
    return f'<p class="source">{words_of_it}; {escape(newest)}. <code>{escape(str(results[0]["command"]))}</code></p>'


def _table_v(results: Sequence[Result], names: Titles) -> str:
    rows = by_row(results)
    printed = [column for column in _columns() if column[0] in PRINTED]
    lines: list[tuple[str, Sequence[str], str]] = []
    for pairing, numbers in PAPER_TABLE_V.items():
        cells = [f"{numbers[name]:.{digits}f}" for name, _, digits in printed]
        lines.append((message("{title}, as printed", title=names.get(pairing, pairing)), cells, "printed"))
        for row in sorted(row for row in rows if row.startswith(f"{pairing}@")):
            cells = [_cell(_mean(rows[row], name), digits) for name, _, digits in printed]
            lines.append((_title(row, names), cells, _kind(row)))
    return _paragraph(
        message(
            "The paper’s numbers come from other photos, and its evaluator was trained on the clips that it "
            "evaluates: read them beside ours, do not rank them together. Its best Emotion Matching is about what "
            "a constant answer gets on its labels, and its groove counts ticks of the file rather than rhythm."
        )
    ) + _table([message("composer"), *(title for _, title, _ in printed)], lines)


def _requests(results: Sequence[Result], names: Titles) -> str:
    rows = by_row(results)
    if not rows:
        return _NONE
    ordered = _distances(rows)
    distance, *others = _columns()[:3]
    table = _table_of([(distance[0], message("distance ↓"), distance[2]), *others], rows, ordered, names)
    return (
        _paragraph(
            message(
                "Without a photo, each bridge can be given a point of the plane as its target, which is what happens "
                "when you drag the target: this is what the music side can do by itself."
            )
        )
        + _legend()
        + _chart_of(ordered, names, message("distance from the target, lower is better"), None)
        + _folded(message("All numbers"), table)
        + _source(message("n = {n} points over the whole plane", n=results[0]["n"]), results)
    )


def _latents(results: Sequence[Result]) -> str:
    if not results:
        return _NONE
    order = sorted(results, key=lambda r: (r["data"] != "oasis", r["kind"] == "baseline", r["key"]))
    rows, lines = [], []
    for record in order:
        name = _BASELINES.get(record["key"]) or _AUTOENCODERS[record["kind"]](record["key"])
        found = {axis: record["readout"]["test"][axis]["r"] for axis in ("valence", "arousal")}
        known = {axis: r for axis, r in found.items() if r is not None}
        marks = tuple(Mark(Spread(r, 0.0, 1), axis) for axis, r in known.items())
        rows.append(Row(name, marks, record["kind"] == "baseline"))
        cells = [f"{r:.2f}" if r is not None else "–" for r in found.values()]
        lines.append((name, [str(record["width"]), *cells], "control" if record["kind"] == "baseline" else ""))
    lowest = min((mark.spread.mean for row in rows for mark in row.marks), default=0.0)
    said = message(
        "Correlation read from the features on test items: {items}",
        items=[
            message("{name}: valence {valence}, arousal {arousal}", name=name, valence=cells[1], arousal=cells[2])
            for name, cells, _ in lines
        ],
    )
    tested = {r["data"] == "oasis": r["n"]["test"] for r in results}
    counts = [
        message("{count} test photos", count=n) if photos else message("{count} test clips", count=n)
        for photos, n in tested.items()
    ]
    return (
        _paragraph(
            message(
                "How much valence and arousal a straight line can read from each autoencoder’s feature. What a photo’s "
                "feature does not hold, no bridge can pass on to the music."
            )
        )
        + '<p class="chart-legend"><span class="valence" data-say>valence</span> '
        '<span class="arousal" data-say>arousal</span></p>'
        + dot_chart(
            rows, said, message("r on test items, higher is better"), min(0.0, math.floor(lowest * 5) / 5), 1.0, 0.2
        )
        + _folded(
            message("All numbers"),
            _table([message("read from"), message("width"), message("r valence"), message("r arousal")], lines),
        )
        + _source(message("n = {counts}", counts=counts), results)
    )


def _latency(folder: Path, names: Titles) -> str:
    one, many = read_results(folder, "latency.json"), read_results(folder, "latency-pairings.json")
    if not one or not many:
        return _NONE
    record, compared = one[0], many[0]
    median = record["median_s"]
    stages = [
        (_STAGES.get(name, name), value)
        for name, value in median.items()
        if name not in ("total", "notes") and value > 0
    ]
    said = _listed(message("{seconds} seconds in all", seconds=f"{median['total']:.2f}"), stages)
    each = sorted(compared["warm"]["each_s"].items(), key=lambda pair: pair[1])
    rows = [Row(_title(key, names), (Mark(Spread(value, 0.0, 1), "ours"),)) for key, value in each]
    highest = max(value for _, value in each)
    return (
        _paragraph(
            message(
                "From a photo to {seconds} s of sound, the best of {takes} takes: <strong>{total} s</strong> (median "
                "of {repeats}, slowest {slowest} s) on {cores} CPU cores; from a cold start to the first piece {cold} "
                "s. All {pairings} pairings for one photo: {all} s.",
                seconds=f"{record['seconds']:g}",
                takes=record["takes"],
                total=f"{median['total']:.2f}",
                repeats=record["repeats"],
                slowest=f"{record['slowest_total_s']:.2f}",
                cores=record["cores"],
                cold=f"{record['cold_start_s']:.0f}",
                pairings=len(compared["pairings"]),
                all=f"{compared['warm']['all_s']:.1f}",
            )
        )
        + share_bar(stages, said)
        + dot_chart(
            rows,
            _listed(message("Seconds for one piece"), [(_title(key, names), value) for key, value in each]),
            message("seconds for one piece and its sound"),
            0.0,
            math.ceil(highest * 5) / 5,
            0.2,
        )
        + _source(f"{record['machine']}, Python {record['python']}, {record['engine']}", one)
    )


_NONE = _paragraph(message("No results of this are here; <code>python -m train.reproduce</code> writes them."))
_AUTOENCODERS: Mapping[str, Callable[[str], str]] = {
    "image_ae": lambda key: message("image · {key}", key=key),
    "music_ae": lambda key: message("music · {key}", key=key),
}
_STAGES = {
    "open": message("open"),
    "read_photo": message("read photo"),
    "embed": message("embed"),
    "generate": message("generate"),
    "measure": message("measure"),
    "perform": message("perform"),
    "render": message("render"),
}
