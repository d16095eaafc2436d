"""The tables that say how composed the music sounds, and how far it follows what is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from eimg_core.pipeline import DEFAULT_PAIRING
from eimg_core.results import REAL, Result, by_row, read_results, takes_of
from train.evaluation.realness import CODEC, POP909
from train.report.cells import cell, row_title

__all__ = ["descriptors", "obedience", "realness"]

_CONTROLS = {
    REAL: "*real clips*, halves of them",
    CODEC: "*real clips* through the codec",
    POP909: "*POP909*, the first minute of each song",
}
# What the table of descriptors shows: name, title, digits.
_DESCRIPTORS = (
    ("motifs_again", "motifs of three notes that come again (intervals and rhythm)", 3),
    ("rhythms_again", "rhythms of four notes that come again", 2),
    ("tune_steps", "steps in the tune", 2),
    ("minor_ninths", "moments with a minor ninth sounding", 3),
    ("struck_semitones", "moments that strike a semitone or its octaves", 3),
    ("low_seconds", "moments with a second sounding below E3", 3),
    ("length_entropy", "entropy of note lengths, bits", 2),
    ("most_at_once", "most notes at once", 1),
    ("wide_hands", "chords of a hand wider than an octave", 2),
    ("bass_repeats", "bass that repeats its note", 2),
    ("cadences", "V–I among changes of harmony", 3),
    ("high_notes", "notes above B5", 3),
    ("left_patterns_again", "patterns of four bass notes that come again", 2),
    ("notes_per_second", "notes per second", 1),
)
_FORM = ("verbatim_bars", "varied_returns", "density_variation")
_OBEDIENCE: tuple[tuple[str, str, int], ...] = (
    ("slope_valence", "slope, valence", 2),
    ("slope_arousal", "slope, arousal", 2),
    ("r_tempo", "r(arousal asked, tempo)", 2),
    ("usual_tempo", "115–128 bpm", 2),
    ("tempo_ratio", "tempo, excited / calm", 2),
    ("loudness_db", "loudness, excited − calm, dB", 1),
)


def realness(assets: Path) -> str:
    """How hard pieces are to tell from real clips, and the form of longer ones.

    Raises:
        ValueError: the halves of real clips are missing.
    """
    rows = _rows(assets, "realness")
    titles = (
        *("AUC as written ↓", "AUC as notated ↓", "Fréchet ↓"),
        *("motifs", "steps", "struck semitones", "bars: verbatim", "varied", "density CV"),
    )
    lines = [_line(("composer", *titles)), "|---" * (len(titles) + 1) + "|"]
    lines += [_line((_title(row), *_realness_cells(results))) for row, results in rows.items()]
    first = rows[REAL][0]
    seeds = "–".join(str(n) for n in sorted({len(results) for row, results in rows.items() if row != POP909}))
    long = next(results[0] for row, results in rows.items() if "form" in results[0]["summary"] and row != POP909)
    lines += [
        "",
        "*AUC*: how well a boosted classifier on hand-written descriptors tells pieces from real clips of the same "
        "labels, asked about pieces it has not seen; .5 is chance. *As notated*, both are rounded as a score would say "
        "them. *Fréchet*: distance over the descriptors as notated, where 1 is how far two halves of the real clips "
        "are from each other. *Motifs* of three notes of the tune that come again, *steps* among its intervals, "
        "moments that *strike a semitone* or its octaves: near the real clips is good. *Bars* of pieces of "
        f"{long['summary']['form']['seconds']:g} s that return as they were or varied, and how density varies over "
        f"sixths. n = {first['n']} clips of the {first['split']} split and a piece for each, "
        f"{long['summary']['form']['n']} long pieces over the plane, {rows[POP909][0]['n']} songs; {seeds} seeds, "
        f"mean ± standard deviation; {_date(rows)}. `{first['command']}`.",
    ]
    return "\n".join(lines)


def descriptors(assets: Path) -> str:
    """Some descriptors of the notated pieces, a column for each composer."""
    rows = {row: results for row, results in _rows(assets, "realness").items() if row not in (POP909, CODEC)}
    lines = [_line(("as notated", *(_title(row) for row in rows))), "|---" * (len(rows) + 1) + "|"]
    for name, title, digits in _DESCRIPTORS:
        lines.append(_line((title, *(_cells(results, _described(name), digits) for results in rows.values()))))
    first = rows[REAL][0]
    lines += [
        "",
        f"Means over {first['n']} pieces, shares where no unit is named; definitions in "
        f"`eimg_core/metrics/descriptors.py`. {_date(rows)}.",
    ]
    return "\n".join(lines)


def obedience(assets: Path) -> str:
    """How far requests and retellings are followed."""
    asked, retold = _rows(assets, "obedience"), _rows(assets, "retelling")
    titles = (*(title for _, title, _ in _OBEDIENCE), "retold: slope, valence", "arousal", "tempo, excited / calm")
    lines = [_line(("composer", *titles)), "|---" * (len(titles) + 1) + "|"]
    for row, results in asked.items():
        cells = [_cells(results, _summary(name), digits) for name, _, digits in _OBEDIENCE]
        names = ("slope_valence", "slope_arousal", "tempo_ratio")
        cells += [_cells(retold.get(row, []), _summary(name), 2) for name in names]
        lines.append(_line((_title(row), *cells)))
    first, told = next(iter(asked.values())), next(iter(retold.values()))
    lines += [
        "",
        "*Slope* of the evaluator's estimate on the target: 1 if the music moves as far as it is asked to. "
        "*Excited* targets have an arousal of 6.5 or more, *calm* ones of 3.5 or less. "
        "*Loudness*: integrated (ITU-R BS.1770), of the sound as the app plays it, with one gain for all pieces. "
        "*Retold*: clips of the test split, each told again for nine points. "
        f"n = {first[0]['n']} requests over the whole plane and {told[0]['n']} retellings, {len(first)} seeds, "
        f"mean ± standard deviation; {_date(asked)}. `{first[0]['command']}`.",
    ]
    return "\n".join(lines)


def _rows(assets: Path, table: str) -> dict[str, list[Result]]:
    """Row → its results: controls first, then the default, then the others.

    Raises:
        ValueError: there are none, or controls are missing beside which alone the others can be read.
    """
    rows = by_row(read_results(assets / "results", f"{table}-*.json"))
    if not rows or (table == "realness" and set(_CONTROLS) - set(rows)):
        raise ValueError(
            f"results of {table} are missing: run train.{'realness' if table == 'realness' else 'obedience'}"
        )
    controls = list(_CONTROLS)

    def place(row: str) -> tuple[int, bool, str, int]:
        key, takes = takes_of(row)
        where = controls.index(row) if row in controls else len(controls)
        return where, not key.startswith(f"{DEFAULT_PAIRING}@"), key, -takes

    return {row: rows[row] for row in sorted(rows, key=place)}


def _realness_cells(results: Sequence[Result]) -> list[str]:
    cells = [_cells(results, _summary(name), 2) for name in ("auc_written", "auc_notated", "frechet_notated")]
    for name, digits in (("motifs_again", 3), ("tune_steps", 2), ("struck_semitones", 3)):
        cells.append(_cells(results, _described(name), digits))
    return cells + [_cells(results, _formed(name), 2) for name in _FORM]


def _cells(results: Sequence[Result], value: Callable[[Result], float | None], digits: int) -> str:
    found = [value(record) for record in results]
    return cell(found[:1] if len(set(found)) == 1 else found, digits)  # what no seed changes has no deviation


def _summary(name: str) -> Callable[[Result], float | None]:
    return lambda record: record["summary"].get(name)


def _described(name: str) -> Callable[[Result], float | None]:
    return lambda record: record["summary"].get("descriptors", {}).get("notated", {}).get(name)


def _formed(name: str) -> Callable[[Result], float | None]:
    return lambda record: record["summary"].get("form", {}).get(name)


def _title(row: str) -> str:
    return _CONTROLS.get(row) or row_title(row)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _date(rows: Mapping[str, Sequence[Result]]) -> str:
    return max(record["date"] for results in rows.values() for record in results)
