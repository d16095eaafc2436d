"""The figures of the documents, drawn from the results alone. Light, small, readable without colour."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from eimg_core.emotion import HIGH, LOW, MIDDLE
from train.report.results import PAPER, Results, pairing_rows, parts, sizes

__all__ = ["FIGURES", "draw_all"]

_INK, _SOFT, _LINE = "#22303c", "#7c8894", "#dde3e8"
_OURS, _THEIRS, _OTHER = "#2a7f8e", "#d97742", "#8c6bb1"
_DPI = 110


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(_LINE)
    axes.tick_params(colors=_INK, length=0, labelsize=8)
    axes.grid(axis="x", color=_LINE, lw=0.6)
    axes.set_axisbelow(True)


def clouds(results: Results) -> Figure:
    """Labels of photos and of clips, with their correlation: how well the two modalities can meet at all."""
    figure = Figure(figsize=(8, 4.1), layout="constrained")
    for axes, (name, colour) in zip(figure.subplots(1, 2), (("photos", _THEIRS), ("clips", _OURS)), strict=True):
        va = np.array([row[2:4] for row in results.dataset[name]])
        axes.scatter(*va.T, s=7, color=colour, alpha=0.35, lw=0)
        axes.set(xlim=(LOW, HIGH), ylim=(LOW, HIGH), aspect="equal", xlabel="valence", ylabel="arousal")
        axes.axhline(MIDDLE, color=_LINE, zorder=0)
        axes.axvline(MIDDLE, color=_LINE, zorder=0)
        r = np.corrcoef(va.T)[0, 1]
        axes.set_title(f"{len(va)} {name}, r = {r:.2f}", fontsize=10, color=_INK, loc="left")
        _plain(axes)
        axes.grid(False)
    return figure


def matching(results: Results) -> Figure:
    """Emotion Matching of every row with its interval, the paper's printed value and the controls."""
    rows = [*pairing_rows(results), "TF-IM", "GAN-IM", "retrieval"]
    rows = sorted((r for r in rows if r in results.rows), key=lambda r: -results.rows[r].emotion_matching().value)
    figure = Figure(figsize=(8, 0.24 * len(rows) + 1.1), layout="constrained")
    axes = figure.subplots()
    for name, words in (("oracle", "oracle"), ("constant", "constant"), ("random", "random")):
        value = results.rows[name].emotion_matching().value
        axes.axvline(value, color=_SOFT, lw=1, ls="--", zorder=1)
        axes.text(value, len(rows) - 0.3, words, ha="center", va="bottom", fontsize=8, color=_SOFT)
    for y, row in enumerate(rows):
        found = results.rows[row].emotion_matching()
        axes.plot([found.low, found.high], [y, y], color=_OURS, lw=2, solid_capstyle="round")
        axes.plot(found.value, y, "o", color=_OURS, ms=5, label="ours, with the interval of 95 %" if not y else None)
    printed = [(PAPER[row]["emotion_matching"], y) for y, row in enumerate(rows) if row in PAPER]
    known = [(value, y) for value, y in printed if value is not None]
    axes.plot(*zip(*known, strict=True), "D", color=_THEIRS, mfc="none", ms=5, label="printed in the paper", ls="none")
    axes.set_yticks(range(len(rows)), [row.replace("@", " ") for row in rows])
    axes.set(xlabel="Emotion Matching, a distance: lower is nearer to the photo", ylim=(-0.7, len(rows) + 0.6))
    axes.legend(loc="lower right", fontsize=8, frameon=False)
    _plain(axes)
    return figure


def contrast(results: Results) -> Figure:
    """Tables VII and IV: printed values and ours, on one scale."""
    figure = Figure(figsize=(8, 3.3), layout="constrained")
    tables: Sequence[tuple[str, Callable[[str], list[str]]]] = (("parts of the contrast", parts), ("size n", sizes))
    for axes, (title, rows_of) in zip(figure.subplots(1, 2, sharey=True), tables, strict=True):
        rows = rows_of("vqvae+fnt")
        printed = [PAPER[row]["emotion_matching"] or math.nan for row in rows]
        axes.plot(range(len(rows)), printed, "D--", color=_THEIRS, mfc="none", ms=5, lw=1, label="vqvae+fnt, printed")
        for pairing, colour, nudge in (("vqvae+fnt", _OURS, -0.08), ("effnet+fnt", _OTHER, 0.08)):
            found = [results.rows[row].emotion_matching() for row in rows_of(pairing)]
            places = np.arange(len(found)) + nudge
            axes.vlines(places, [f.low for f in found], [f.high for f in found], color=colour, lw=2)
            axes.plot(places, [f.value for f in found], "o", color=colour, ms=5, label=f"{pairing}, ours")
        constant = results.rows["constant"].emotion_matching().value
        axes.axhline(constant, color=_SOFT, lw=1, ls=":", zorder=0)
        names = [row.removeprefix("vqvae+fnt ").replace(" + ", "\n+ ") for row in rows]
        if rows_of is parts:
            names[-1] = "all"
        axes.set_xticks(range(len(rows)), names)
        axes.set_title(title, fontsize=10, color=_INK, loc="left")
        _plain(axes)
        axes.grid(False)
        if rows_of is parts:
            axes.set_ylabel("Emotion Matching ↓", fontsize=9)
            axes.text(-0.3, constant + 0.06, "constant", fontsize=8, color=_SOFT)
        else:
            axes.legend(fontsize=8, frameon=False)
    return figure


def groove(results: Results) -> Figure:
    """What the paper's groove measures: how often notes begin, and how fine the file's ticks are."""
    figure = Figure(figsize=(8, 3), layout="constrained")
    left, right = figure.subplots(1, 2)
    row = results.rows["real"]
    density = {key: per_second for key, _, _, _, per_second, _ in results.dataset["clips"]}
    rates = np.array([density[key] for key in row.keys])
    values = row.column("groove_consistency")[0]
    left.scatter(rates, values, s=10, color=_OURS, alpha=0.5, lw=0)
    r = np.corrcoef(rates, values)[0, 1]
    left.set(xlabel="notes per second", ylabel="groove consistency")
    left.set_title(f"held-out clips, r = {r:.2f}", fontsize=10, color=_INK, loc="left")
    grids = results.dataset["groove_by_ticks_per_quarter"]
    bars = right.bar(list(grids), list(grids.values()), color=_OURS, width=0.55)
    right.bar_label(bars, fmt="%.3f", fontsize=8, color=_INK)
    right.set(ylim=(0.8, 1.02), xlabel="ticks per quarter of the file")
    right.set_title("the same clips on other ticks", fontsize=10, color=_INK, loc="left")
    for axes in (left, right):
        _plain(axes)
    right.grid(False)
    return figure


FIGURES: dict[str, Callable[[Results], Figure]] = {
    "va-clouds": clouds,
    "emotion-matching": matching,
    "contrast": contrast,
    "groove": groove,
}


def draw_all(results: Results, folder: Path) -> None:
    """All figures as PNG files, without a date inside, so that the same results give the same bytes."""
    for name, draw in FIGURES.items():
        draw(results).savefig(folder / f"{name}.png", dpi=_DPI, facecolor="white", metadata={"Software": None})
