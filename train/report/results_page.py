"""docs/results.md: Tables I, IV, V, VI and VII with intervals, the paper's numbers beside ours."""

from __future__ import annotations

import math
from collections.abc import Sequence

from eimg_core.emotion import QUADRANTS
from eimg_core.metrics.distributions import MEASURES
from eimg_core.metrics.registry import shown_metrics
from eimg_core.results import columns
from train.evaluation.experiments import EXPERIMENTS
from train.report.results import (
    OTHER_PAIRING,
    PAPER,
    PAPER_PAIRING,
    PAPER_TABLE_I,
    Results,
    cell,
    density_by_quadrant,
    effects,
    pairing_rows,
    parts,
    sizes,
    verdict,
)

__all__ = ["results_page"]

CONTROLS = {
    "constant": "*constant*: one real clip for every photo",
    "random": "*random*: any real clip",
    "oracle": "*oracle*: the real clip nearest to the label",
    "real": "*real clips*, against their own labels",
}
_TITLES = {
    **CONTROLS,
    "retrieval": "*retrieval*: the real clip nearest to what is read from the photo",
    "TF-IM": "**TF-IM**",
    "TF/IMG": "**TF/IMG**: without the image branch",
    "TF-FI": "**TF-FI**: one fixed photo",
    "GAN-IM": "**GAN-IM**",
}


# --- pieces of a table


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> list[str]:
    return [
        "| " + " | ".join(head) + " |",
        "|---" * len(head) + "|",
        *("| " + " | ".join(line) + " |" for line in lines),
    ]


def _title(row: str) -> str:
    if row in _TITLES:
        return _TITLES[row]
    pairing, _, variant = row.partition("@")
    return f"**{pairing}** ({variant})" if variant else f"**{row}**"


def _lines(results: Results, row: str) -> list[list[str]]:
    """The paper's numbers, where it prints any, and ours below."""
    lines = []
    if row in PAPER:
        printed = [PAPER[row].get(name) for name, _, _ in columns()]
        cells = ["–" if v is None else f"{v:.{digits}f}" for v, (_, _, digits) in zip(printed, columns(), strict=True)]
        lines.append([f"{row.removesuffix('@paper')}, as printed", "", *cells])
    found = results.rows[row]
    numbers = [cell(results.estimate(row, name), digits) for name, _, digits in columns()]
    lines.append([_title(row), f"{found.n} × {found.seeds}", *numbers])
    return lines


def _block(results: Results, rows: Sequence[str]) -> list[str]:
    """A table of rows; those without results are an error, so that none is forgotten."""
    if missing := [row for row in rows if row not in results.rows]:
        raise ValueError(f"rows without results: {', '.join(missing)}; run `python -m train.experiments`")
    head = ["row", "n × seeds", *(title for _, title, _ in columns())]
    return _table(head, [line for row in rows for line in _lines(results, row)])


# --- the tables


def table_1(results: Results) -> list[str]:
    """Density of notes by quadrant."""
    head = ["density", *(f"{name} ({_WORDS[name]})" for name in QUADRANTS)]
    lines = [
        ["as printed, unit not stated", *(f"{PAPER_TABLE_I[name]:.3f}" for name in QUADRANTS)],
        *(
            [title, *(cell(density_by_quadrant(results, column)[name], 2 if column == 0 else 3) for name in QUADRANTS)]
            for column, title in enumerate(("notes per second", "notes per beat of sounding length"))
        ),
    ]
    return _table(head, lines)


_WORDS = {"HVHA": "happy, excited", "LVHA": "tense, upset", "LVLA": "sad, weary", "HVLA": "calm, serene"}


def table_of_effects(results: Results) -> list[str]:
    """Does each component help, beyond its interval?"""
    lines = []
    for pairing in (PAPER_PAIRING, OTHER_PAIRING):
        lines += [[pairing, name, cell(found, 2), verdict(found)] for name, found in effects(results, pairing)]
    return _table(["pairing", "what changes", "Emotion Matching, difference", "verdict"], lines)


def table_of_quadrants(results: Results, rows: Sequence[str]) -> list[str]:
    """Emotion Matching by quadrant of the photo's label."""
    some = results.rows[rows[0]].quadrants
    head = ["row", *(f"{name}, n = {int((some == name).sum())}" for name in QUADRANTS)]
    return _table(
        head,
        [[_title(row), *(cell(results.rows[row].emotion_matching(q), 2) for q in QUADRANTS)] for row in rows],
    )


def table_of_musicality(results: Results, rows: Sequence[str]) -> list[str]:
    """Distributions, copying and diversity of the rows whose results hold them, mean over seeds."""
    head = ["row", *(measure.column for measure in MEASURES.values()), "longest run, mean / max", "takes alike ↓"]
    lines = []
    for row in rows:
        told = [record["musicality"] for record in results.rows[row].records if "musicality" in record]
        if not told:
            continue
        shares = [_mean([one["distributions"].get(name, {}).get("share") for one in told]) for name in MEASURES]
        copied = [next(iter(one["copying"].values())) for one in told]
        run = f"{_mean([one['mean'] for one in copied]):.1f} / {max(one['max'] for one in copied)}"
        alike = [one["similarity"] / one["similarity_real"] for one in told if one["similarity"] is not None]
        cells = [_plain(share) for share in shares]
        lines.append([_title(row), *cells, run, _plain(_mean(alike)) if alike else "–"])
    return _table(head, lines)


def _mean(values: Sequence[float | None]) -> float:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else math.nan


def _plain(value: float | None, digits: int = 2) -> str:
    return "–" if value is None or not math.isfinite(value) else f"{value:.{digits}f}"


def table_of_midi_evaluations(results: Results) -> list[str]:
    """What evaluate-midi says of folders of files."""
    head = [
        "folder",
        "files",
        "empty",
        "estimated",
        "Emotion Matching",
        "r(V) / r(A)",
        "polyphony",
        "entropy",
        "groove",
    ]
    lines = []
    for record in results.midi_evaluations.values():
        told = record["summary"]
        matching = told.get("emotion_matching")
        both = f"{told['r_valence']:.2f} / {told['r_arousal']:.2f}" if told.get("r_valence") is not None else "–"
        lines.append(
            [
                record["title"],
                str(told["files"]),
                str(told["empty"]),
                str(told.get("n_estimated", "–")),
                _plain(matching),
                both,
                *(_plain(told.get(key), metric.digits) for key, metric in shown_metrics().items()),
            ]
        )
    return _table(head, lines)


def table_of_emopia(results: Results) -> list[str]:
    """The evaluator's estimates for EMOPIA, whose people named quadrants."""
    told = results.midi_evaluations["emopia"]["summary"]["quadrants"]
    lines = [
        [name, str(one["n"]), f"{one['valence']:.2f}", f"{one['arousal']:.2f}", f"{one['estimated_inside']:.0%}"]
        for name, one in told.items()
    ]
    return _table(["quadrant", "clips", "estimated valence", "estimated arousal", "estimated inside"], lines)


def results_page(results: Results) -> str:
    """The whole document."""
    baselines = [e.name for e in EXPERIMENTS if e.kind in ("tf_im", "gan_im")]
    experiments = list(
        dict.fromkeys([*sizes(PAPER_PAIRING), *parts(PAPER_PAIRING), *sizes(OTHER_PAIRING), *parts(OTHER_PAIRING)])
    )
    pairings = pairing_rows(results)
    rows = results.rows
    newest = max(record["date"] for row in rows.values() for record in row.records)
    n = rows["constant"].n
    lines = [
        "# Results",
        "",
        "Every table of the paper beside ours. This page is written by `python -m train.results` from the results in",
        "`assets/results`; how to make the results again is in the README. What it all means is in",
        "[findings.md](findings.md).",
        "",
        f"**How to read it.** Each of our rows is {n} photos of the test split, none of whose themes was trained on, "
        "times so many seeds; pieces of 15 s. In brackets is the interval of 95 % of a bootstrap over photos and "
        "seeds (2000 samples). Seeds of *pairings* are of playing, since their weights ship; seeds of *experiments* "
        "(Tables IV, VI and VII, TF-IM, GAN-IM) are of training and playing alike. Emotion Matching is a distance on "
        "the 1–9 plane, lower is better, estimated by an evaluator that took part in no training and no choice. Rows "
        "*as printed* are the paper's, on other photos (IAPS and NAPS) and with another evaluator: to be read beside "
        f"ours, not ranked with them. Newest result: {newest}.",
        "",
        "## Table I: density of notes by quadrant",
        "",
        *table_1(results),
        "",
        f"n = {results.dataset['n']['clips']} clips, bootstrap over clips. The order is the paper's in either meaning; "
        "its numbers are those of the second, which measures how short notes are and not how many.",
        "",
        "![Labels of photos and clips](figures/va-clouds.png)",
        "",
        "## Table IV: size n of the sets",
        "",
        f"The paper's pairing, {PAPER_PAIRING}, and {OTHER_PAIRING}, whose photo side carries emotion.",
        "",
        *_block(results, [*sizes(PAPER_PAIRING), *sizes(OTHER_PAIRING)]),
        "",
        "## Table V: pairings, baselines, controls",
        "",
        *_block(results, [*pairings, "TF-IM", "GAN-IM", "retrieval", *CONTROLS]),
        "",
        "## Table VI: TF-IM and its variants",
        "",
        *_block(results, ["TF/IMG", "TF-FI", "TF-IM", "real"]),
        "",
        "## Table VII: parts of the contrast",
        "",
        *_block(results, [*parts(PAPER_PAIRING), *parts(OTHER_PAIRING)]),
        "",
        "**Does each part help, beyond its interval?** Differences of Emotion Matching on the same photos; below 0 "
        "the part helps.",
        "",
        *table_of_effects(results),
        "",
        "![Parts of the contrast and sizes of the sets](figures/contrast.png)",
        "",
        "## By quadrant of the photo",
        "",
        "Emotion Matching of the photos of each quadrant.",
        "",
        *table_of_quadrants(results, [*pairings, *experiments, *baselines, "retrieval", "constant", "oracle"]),
        "",
        "## Musicality",
        "",
        "How far distributions are from those of real clips, where 1 is how far two halves of the real clips are from "
        "each other; notes in a row shared with a training clip; how alike takes of one photo are, where 1 is how "
        "alike real clips of like emotion are.",
        "",
        *table_of_musicality(results, [*baselines, *experiments, "retrieval"]),
        "",
        "## What evaluate-midi says",
        "",
        "`python -m eimg_core evaluate-midi DIR --labels FILE.csv` on files written to disk: the footing for any other "
        "system. It reads files as they come, in seconds; our tables lay real clips on one beat first, so their "
        "numbers differ a little.",
        "",
        *table_of_midi_evaluations(results),
        "",
        "EMOPIA's people named a quadrant for each clip; these are the estimates of the evaluator, which learnt from "
        "other clips:",
        "",
        *table_of_emopia(results),
    ]
    return "\n".join(lines) + "\n"
