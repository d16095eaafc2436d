"""Check the data sets, describe them, and parse their music once for all later runs.

``DATA`` holds ``images/`` and ``music/``, as `python -m train.download` leaves them. Every photo is decoded
and every MIDI file read. Into ``--out`` go ``<corpus>.npz`` (the parsed pieces), ``summary.json`` (all
numbers) and ``va-cloud.png`` (photos and clips in the emotion plane). OASIS and EIMG must be there; other
sets are skipped, and named, when their folder is not.

Note density is reported twice, because the paper's Table I does not say what it counted: notes per second,
and notes over the sum of note lengths in quarter-note beats, the definition that comes closest to its
numbers. Both are means over the clips of a quadrant; quadrants are cut by "more than 5".
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from tqdm import tqdm

from eimg_core.data import READERS, SPLITS, Corpus, Item, load_pieces
from eimg_core.emotion import HIGH, LOW, MIDDLE, QUADRANTS
from eimg_core.errors import DataError, InputError
from eimg_core.images import open_photo
from eimg_core.midi.notes import Piece

__all__ = ["densities", "prepare", "report"]

REQUIRED = ("oasis", "eimg")
_FOLDERS = {
    "oasis": "images/oasis",
    "eimg": "music/eimg",
    "emopia": "music/emopia",
    "pop909": "music/pop909",
    "iaps": "images/iaps",
    "naps": "images/naps",
}
_TABLE_ORDER = ("LVHA", "HVHA", "LVLA", "HVLA")  # columns of the paper's Table I
_PAPER_DENSITY = {"LVHA": 1.710, "HVHA": 1.720, "LVLA": 1.044, "HVLA": 1.286}
_SHORT_S, _LONG_S = 14.5, 15.5  # most clips last 15 s; the others are worth a count

Summary = dict[str, Any]


def prepare(data: Path, out: Path, corpora: Sequence[str] | None = None) -> Summary:
    """Check and describe data sets; write the caches, the summary and the figure.

    Args:
        data: the folder that holds ``images/`` and ``music/``.
        out: where the results go.
        corpora: names of data sets, all of which must be there. ``None`` takes every set that is there;
            those in ``REQUIRED`` must be.
    Returns:
        Corpus name → its numbers, as in ``summary.json``.
    Raises:
        DataError: a data set is missing or damaged; names the first file at fault.
    """
    wanted = tuple(corpora) if corpora else tuple(name for name in READERS if _is_wanted(name, data))
    out.mkdir(parents=True, exist_ok=True)
    read, summary = [], {}
    for name in wanted:
        corpus = READERS[name](data)
        is_music = _FOLDERS[name].startswith("music/")
        numbers = describe(corpus)
        numbers |= describe_music(corpus, out) if is_music else describe_photos(corpus)
        read.append(corpus)
        summary[name] = numbers
    (out / "summary.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    labelled = [corpus for corpus in read if any(item.va for item in corpus.items)]
    if labelled:
        va_cloud(labelled).savefig(out / "va-cloud.png", dpi=150)
    return summary


def describe(corpus: Corpus) -> Summary:
    """Counts by split and quadrant; mean, SD, range and correlation of the labels, where there are any."""
    numbers: Summary = {
        "title": corpus.title,
        "licence": corpus.licence,
        "source": corpus.source,
        "items": len(corpus.items),
        "groups": len({item.group for item in corpus.items}),
        "splits": {
            split: {"items": len(items), "groups": len({item.group for item in items})}
            for split in SPLITS
            for items in [corpus.split(split)]
        },
    }
    quadrants = [item.va.quadrant if item.va else item.quadrant for item in corpus.items]
    if any(quadrants):
        numbers["quadrants"] = {quadrant: quadrants.count(quadrant) for quadrant in QUADRANTS}
    table = corpus.va_table()
    table = table[~np.isnan(table).any(axis=1)]
    if len(table):
        numbers["valence"], numbers["arousal"] = _spread(table[:, 0]), _spread(table[:, 1])
    if len(table) > 1:
        numbers["correlation"] = round(float(np.asarray(np.corrcoef(table.T))[0, 1]), 3)
    ratings = [rating for item in corpus.items for rating in item.ratings]
    if ratings:
        numbers["ratings"] = {"points": len(ratings), "off_scale": sum(va != va.clamped() for va in ratings)}
    return numbers


def describe_photos(corpus: Corpus) -> Summary:
    """Decode every photo as training does.

    Raises:
        DataError: names the first photo that cannot be decoded.
    """
    for item in tqdm(corpus.items, desc=f"{corpus.title}: decoding", unit="photo", leave=False):
        try:
            open_photo(item.path)
        except InputError as error:
            raise DataError(f"{item.key} of the {corpus.title} is damaged: {error}") from error
    return {}


def describe_music(corpus: Corpus, cache: Path) -> Summary:
    """Read every MIDI file into the cache; numbers on length, notes and, where there is VA, density.

    Raises:
        DataError: names the first file that cannot be read, or that holds no note.
    """

    def watch(items: Iterable[Item]) -> Iterable[Item]:
        yield from tqdm(items, desc=f"{corpus.title}: reading", unit="file", leave=False)

    pieces = load_pieces(corpus, cache, watch)
    for key, piece in pieces.items():
        if not piece.notes:
            raise DataError(f"{key} of the {corpus.title} holds no note; remove it from the data set.")
    seconds = np.array([piece.duration_s for piece in pieces.values()])
    numbers: Summary = {
        "seconds": _spread(seconds)
        | {"below_14.5": int((seconds < _SHORT_S).sum()), "above_15.5": int((seconds > _LONG_S).sum())},
        "notes": _spread(np.array([len(piece.notes) for piece in pieces.values()])),
        "notes_per_second": _spread(np.array([_per_second(piece) for piece in pieces.values()])),
    }
    if any(item.va for item in corpus.items):
        numbers["density"] = densities(corpus.items, pieces)
    return numbers


def densities(items: Iterable[Item], pieces: Mapping[str, Piece]) -> dict[str, dict[str, float]]:
    """Note density by quadrant, in the two definitions of the module docstring.

    Args:
        items: labelled clips; those without VA are left out.
        pieces: item key → piece, with notes.
    Returns:
        "notes_per_second" and "notes_per_sounding_beat" → quadrant → mean over its clips, 3 digits.
        A quadrant without clips is left out.
    """
    clips: dict[str, list[Piece]] = {quadrant: [] for quadrant in _TABLE_ORDER}
    for item in items:
        if item.va is not None:
            valence = "HV" if item.va.valence > MIDDLE else "LV"
            arousal = "HA" if item.va.arousal > MIDDLE else "LA"
            clips[valence + arousal].append(pieces[item.key])
    definitions = {"notes_per_second": _per_second, "notes_per_sounding_beat": _per_sounding_beat}
    return {
        name: {q: round(float(np.mean([density(p) for p in clips[q]])), 3) for q in _TABLE_ORDER if clips[q]}
        for name, density in definitions.items()
    }


def _per_second(piece: Piece) -> float:
    return len(piece.notes) / piece.duration_s


def _per_sounding_beat(piece: Piece) -> float:
    """One over the mean note length in quarter-note beats."""
    return len(piece.notes) * piece.seconds_per_beat / sum(note.duration_s for note in piece.notes)


def _spread(values: NDArray) -> dict[str, float]:
    return {
        "mean": round(float(values.mean()), 3),
        "sd": round(float(values.std()), 3),
        "min": round(float(values.min()), 3),
        "median": round(float(np.median(values)), 3),
        "max": round(float(values.max()), 3),
    }


def va_cloud(corpora: Sequence[Corpus]) -> Figure:
    """The labels of every corpus as a cloud of points in the emotion plane."""
    figure = Figure(figsize=(6.4, 6.4), layout="constrained")
    axes = figure.add_subplot()
    axes.axhline(MIDDLE, color="#c9c4ba", linewidth=0.8, zorder=0)
    axes.axvline(MIDDLE, color="#c9c4ba", linewidth=0.8, zorder=0)
    colours = ("#2f6f8f", "#d0783c", "#6b8f4e", "#8a5a83")
    # The larger set lies below, so that it does not hide the smaller one.
    for colour, corpus in sorted(zip(colours, corpora, strict=False), key=lambda pair: -len(pair[1].items)):
        valence, arousal = corpus.va_table().T
        label = f"{corpus.title} ({len(corpus.items)})"
        axes.scatter(valence, arousal, s=9, color=colour, alpha=0.5, linewidths=0, label=label)
    axes.set(xlim=(LOW, HIGH), ylim=(LOW, HIGH), aspect="equal")
    axes.set_xlabel("valence: unpleasant → pleasant")
    axes.set_ylabel("arousal: calm → excited")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="lower left", frameon=False, markerscale=2)
    return figure


def report(summary: Mapping[str, Summary]) -> str:
    """The summary as plain text tables."""
    lines = [_row("corpus", "items", *SPLITS, "groups", *QUADRANTS)]
    for name, numbers in summary.items():
        quadrants = [numbers.get("quadrants", {}).get(quadrant, "-") for quadrant in QUADRANTS]
        splits = [numbers["splits"][split]["items"] for split in SPLITS]
        lines.append(_row(name, numbers["items"], *splits, numbers["groups"], *quadrants))
    lines += ["", _row("labels", "mean", "sd", "min", "max", "r(V,A)")]
    for name, numbers in summary.items():
        for axis in ("valence", "arousal"):
            if axis in numbers:
                spread = (f"{numbers[axis][key]:.2f}" for key in ("mean", "sd", "min", "max"))
                lines.append(_row(f"{name} {axis[0].upper()}", *spread, numbers.get("correlation", "-")))
        if "ratings" in numbers:
            off_scale, points = numbers["ratings"]["off_scale"], numbers["ratings"]["points"]
            lines.append(f"  {off_scale} of {points} single ratings lie outside 1-9 and are kept as published")
    lines += ["", _row("music", "mean", "sd", "min", "median", "max")]
    for name, numbers in summary.items():
        for measure in ("seconds", "notes", "notes_per_second"):
            if measure in numbers:
                spread = (f"{numbers[measure][key]:.1f}" for key in ("mean", "sd", "min", "median", "max"))
                lines.append(_row(f"{name} {measure.replace('_per_second', '/s')}", *spread))
    for name, numbers in summary.items():
        if "density" in numbers:
            lines += ["", _row("note density", *_TABLE_ORDER)]
            for definition, values in numbers["density"].items():
                label = f"{name} {definition.replace('notes_per_', 'per ').replace('_', ' ')}"
                lines.append(_row(label, *(f"{values[q]:.3f}" if q in values else "-" for q in _TABLE_ORDER)))
            lines.append(_row("paper, Table I", *(f"{_PAPER_DENSITY[q]:.3f}" for q in _TABLE_ORDER)))
    return "\n".join(lines)


def _row(label: str, *cells: object) -> str:
    return f"{label:<26}" + "".join(f"{cell!s:>8}" for cell in cells)


def _is_wanted(name: str, data: Path) -> bool:
    return name in REQUIRED or (data / _FOLDERS[name]).is_dir()
