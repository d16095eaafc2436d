"""Evaluation for other systems: every metric on anybody's MIDI files, on the footing that our own rows stand on.

Conventions: the paper's three metrics and the evaluator read the notes in seconds on one grid of 480 ticks at 120 bpm,
so that the ticks and the tempo of a file do not count. The metrics by bar read the file's own tempo and meter. A file
without notes has no metrics (null) and counts as *empty*, a damaged one as *unreadable*: neither is dropped in silence.

A table of labels may stand beside the files: column ``file`` with the file's name, its folders in front of it where
files have one name, and ``valence`` and ``arousal`` on
1-9, or ``quadrant`` (HVHA, LVHA, LVLA, HVLA), or both. Labels are those of what the music was made for.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eimg_core.data.tables import number, read_table
from eimg_core.emotion import HIGH, LOW, QUADRANTS, VA, distance
from eimg_core.errors import DataError, EimgError, InputError
from eimg_core.metrics.copying import CopyIndex
from eimg_core.metrics.distributions import RealMusic
from eimg_core.metrics.emotion_match import emotion_match
from eimg_core.metrics.registry import METRICS, measure
from eimg_core.midi.notes import Piece
from eimg_core.midi.reading import load_midi, read_midi
from eimg_core.midi.smf import MIDI_SUFFIXES
from eimg_core.va.evaluator import Evaluator

__all__ = ["Evaluated", "FileEvaluator", "Label", "labels_by_name", "midi_files", "read_labels", "summarise"]

_REMEDY = "expected columns file, and valence with arousal or quadrant"


@dataclass(frozen=True)
class Label:
    """What a piece was made for: a point, a quadrant, or both."""

    va: VA | None
    quadrant: str


@dataclass(frozen=True)
class Evaluated:
    """One file: its numbers, ready for JSON, and its piece; ``None`` where it could not be read.

    Args:
        fault: why it could not be read.
        remark: what was repaired.
    """

    name: str
    item: dict[str, Any]
    piece: Piece | None
    fault: str = ""
    remark: str = ""


def midi_files(paths: Iterable[Path]) -> dict[str, Path]:
    """The files that are named, and for a folder all MIDI files in it and below.

    Returns:
        Name → file, each file once. Files of one name are told apart by their folders, as in x/song.mid.
    Raises:
        InputError: a folder holds none.
    """
    found: list[Path] = []
    for path in paths:
        if not os.path.isdir(path):
            found.append(path)
            continue
        inside = sorted(file for file in path.rglob("*") if file.suffix.lower() in MIDI_SUFFIXES)
        inside = [file for file in inside if not file.name.startswith(".")]
        if not inside:
            suffixes = ", ".join(MIDI_SUFFIXES)
            raise InputError(f"The folder {path.name} holds no MIDI files; expected files that end in {suffixes}.")
        found += inside
    namesakes: dict[str, dict[tuple[str, ...], Path]] = {}
    for path in found:
        namesakes.setdefault(path.name, {}).setdefault(_parts(path), path)
    return {"/".join(tail): path for same in namesakes.values() for tail, path in _apart(same)}


def _parts(path: Path) -> tuple[str, ...]:
    return Path(os.path.abspath(path)).parts


def _apart(files: Mapping[tuple[str, ...], Path]) -> Iterator[tuple[tuple[str, ...], Path]]:
    """The least end of each path that no other has."""
    for parts, path in files.items():
        others = [other for other in files if other != parts]
        length = next(n for n in range(1, len(parts) + 1) if all(other[-n:] != parts[-n:] for other in others))
        yield parts[-length:], path


def read_labels(path: Path) -> dict[str, Label]:
    """File, as the table names it → label.

    Raises:
        DataError: the table is missing or damaged, names a file twice, has neither kind of label, or a value is not on
            its scale.
    """
    labels: dict[str, Label] = {}
    for row in read_table(path, ("file",), remedy=_REMEDY):
        where = f"{row['file']} in {path.name}"
        va = None
        if ("valence" in row) != ("arousal" in row):
            raise DataError(f"{path.name} has one column of valence and arousal without the other; {_REMEDY}.")
        if "valence" in row:
            va = VA(*(number(row, axis, where=where, low=LOW, high=HIGH) for axis in ("valence", "arousal")))
        quadrant = row.get("quadrant") or (va.quadrant if va else "")
        if quadrant not in QUADRANTS:
            raise DataError(f'{where} has the quadrant "{quadrant}"; {_REMEDY}, one of {", ".join(QUADRANTS)}.')
        if row["file"] in labels:
            raise DataError(f"{path.name} has two labels for {row['file']}; keep one.")
        labels[row["file"]] = Label(va, quadrant)
    return labels


def labels_by_name(labels: Mapping[str, Label], files: Mapping[str, Path]) -> tuple[dict[str, Label], list[str]]:
    """Which label belongs to which file.

    Args:
        labels: of ``read_labels``; a file is named by its name, with as many of its folders as tell it from others.
        files: of ``midi_files``.
    Returns:
        Name of a file → its label; and the labels that name no file.
    Raises:
        DataError: a label could mean several files, or a file has two.
    """
    namesakes: dict[str, list[str]] = {}
    for name, path in files.items():
        namesakes.setdefault(path.name, []).append(name)
    found: dict[str, Label] = {}
    unknown: list[str] = []
    for told, label in labels.items():
        parts = PurePosixPath(told.replace("\\", "/")).parts
        meant = [
            name
            for name in namesakes.get(parts[-1] if parts else "", [])
            if _parts(files[name])[-len(parts) :] == parts
        ]
        if len(meant) > 1:
            raise DataError(
                f"The label of {told} could mean {' or '.join(meant[:2])}; write the folder into the table."
            )
        if meant and meant[0] in found:
            raise DataError(f"There are two labels for {meant[0]}; keep one.")
        if meant:
            found[meant[0]] = label
        else:
            unknown.append(told)
    return found, unknown


class FileEvaluator:
    """Measures files one by one.

    Args:
        evaluator: without one there are no estimates, and only metrics are measured.
        seconds: only so much of each file counts; ``None`` counts all of it.
        trained_on: pieces to search for copied runs.
        strict: refuse files that break the MIDI specification.
    Raises:
        InputError: ``seconds`` is no length.
    """

    def __init__(
        self,
        evaluator: Evaluator | None,
        seconds: float | None = None,
        trained_on: Mapping[str, Piece] | None = None,
        *,
        strict: bool = False,
    ) -> None:
        if seconds is not None and not 0 < seconds < math.inf:
            raise InputError(f"The seconds of a file that count must be above 0, not {seconds:g}.")
        self.evaluator, self.seconds, self.strict = evaluator, seconds, strict
        self.index = CopyIndex(trained_on) if trained_on else None

    def read(self, path: Path, straighten: bool = False) -> Piece:
        """The piece of a file, as far as it counts."""
        return self._counted(read_midi(path, straighten=straighten))

    def _counted(self, piece: Piece) -> Piece:
        return piece if self.seconds is None else piece.cropped(self.seconds)

    def evaluate(self, path: Path, label: Label | None = None, name: str = "") -> Evaluated:
        """All numbers of one file, under its own name or another one."""
        name = name or path.name
        try:
            file, by_bar = load_midi(path, strict=self.strict), self.read(path, straighten=True)
        except EimgError as error:
            return Evaluated(name, {"file": name, "error": str(error)}, None, str(error))
        piece = self._counted(file.piece)
        place = self.evaluator.estimate(piece) if self.evaluator and piece.notes else None
        item: dict[str, Any] = {
            "file": name,
            "notes": len(piece.notes),
            "valence": place and round(place.valence, 4),
            "arousal": place and round(place.arousal, 4),
            **{name: _number(value) for name, value in measure(piece, by_bar).items()},
        }
        if self.index is not None:
            item["longest_run"] = asdict(self.index.longest_run(piece))
        if label is not None:
            item["quadrant"] = label.quadrant
            if label.va is not None:
                item["label_valence"], item["label_arousal"] = label.va.valence, label.va.arousal
                item["distance"] = place and _number(distance(place, label.va))
        if file.repairs:
            item["repairs"] = list(file.repairs)
        return Evaluated(name, item, by_bar, remark=file.remark)


def _number(value: float, digits: int = 6) -> float | None:
    return round(value, digits) if math.isfinite(value) else None


def _points(items: Sequence[Mapping[str, Any]], *names: str) -> NDArray[np.float64]:
    """Columns of items, (N, columns), NaN where there is nothing."""
    rows = [[math.nan if item.get(name) is None else item[name] for name in names] for item in items]
    return np.array(rows, dtype=np.float64).reshape(-1, len(names))


def summarise(evaluated: Sequence[Evaluated], real: Mapping[str, Piece] | None = None) -> dict[str, Any]:
    """What a folder of files amounts to.

    Args:
        evaluated: its files.
        real: real music to compare distributions with; each piece is a group of its own.
    Returns:
        ``files``, ``empty``, ``unreadable``; the mean of each metric over the files that have it, and ``n_valid``;
        with points as labels ``emotion_matching`` (a distance), ``r_valence``, ``r_arousal``, ``n_estimated``, and
        ``mean_point``, what the mean of the labels would score; with quadrants the estimates in each; with real music
        ``distributions`` as in ``eimg_core.metrics.distributions``.
    """
    readable = [one.item for one in evaluated if one.piece is not None]
    table = _points(readable, *METRICS)
    found: dict[str, Any] = {
        "files": len(evaluated),
        "empty": sum(item["notes"] == 0 for item in readable),
        "unreadable": len(evaluated) - len(readable),
        "n_valid": {name: int(np.isfinite(column).sum()) for name, column in zip(METRICS, table.T, strict=True)},
        **{name: _mean(column) for name, column in zip(METRICS, table.T, strict=True)},
    }
    found |= _matching([item for item in readable if "label_valence" in item])
    if any("quadrant" in item for item in readable):
        found["quadrants"] = {name: _quadrant(readable, name) for name in QUADRANTS}
    if any("longest_run" in item for item in readable):
        runs = [item["longest_run"]["length"] for item in readable]
        found["longest_run"] = {"mean": round(float(np.mean(runs)), 2), "max": max(runs)}
    if real is not None:
        shares = RealMusic(list(real.values()), list(real)).shares([one.piece for one in evaluated if one.piece])
        found["distributions"] = {
            name: {"share": _number(s.share, 4), "distance": _number(s.distance), "real": _number(s.real)}
            for name, s in shares.items()
        }
    return found


def _mean(values: NDArray[np.float64]) -> float | None:
    valid = values[np.isfinite(values)]
    return round(float(valid.mean()), 6) if len(valid) else None


def _matching(items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Emotion Matching of the files whose labels are points; nothing where there are none or no evaluator."""
    wanted, places = _points(items, "label_valence", "label_arousal"), _points(items, "valence", "arousal")
    if not np.isfinite(places).all(axis=1).any():
        return {}
    match = emotion_match(wanted, places)
    middle = np.repeat(wanted.mean(axis=0, keepdims=True), len(wanted), axis=0)
    return {
        "emotion_matching": _number(match.distance),
        "r_valence": _number(match.r_valence),
        "r_arousal": _number(match.r_arousal),
        "n_estimated": match.n,
        "mean_point": _number(emotion_match(wanted, middle).distance),
    }


def _quadrant(items: Sequence[Mapping[str, Any]], name: str) -> dict[str, Any]:
    """Files of one quadrant: how many, where their estimates lie on average, and how many lie inside it."""
    places = _points([item for item in items if item.get("quadrant") == name], "valence", "arousal")
    known = places[np.isfinite(places).all(axis=1)]
    inside = [VA(*place).quadrant == name for place in known.tolist()]
    return {
        "n": len(places),
        "valence": _mean(known[:, 0]),
        "arousal": _mean(known[:, 1]),
        "estimated_inside": round(sum(inside) / len(inside), 4) if inside else None,
        "distance": _mean(_points([i for i in items if i.get("quadrant") == name], "distance")[:, 0]),
    }
