"""Several pieces side by side as a table with one row per piece.

Conventions: emotions are on 1-9, times in seconds. A cell is empty where a value is not defined or was not measured.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from eimg_core.composer import ONCE_FOR_ALL, Composition
from eimg_core.emotion import distance

__all__ = ["table_row", "write_table"]


def table_row(number: int, composition: Composition, record: Mapping[str, Any]) -> dict[str, Any]:
    """One row of the table.

    Args:
        number: of the piece in the picture, from 1.
        composition: the piece, measured.
        record: the same as plain values; what stands in both the JSON file and the table is taken from here.
    Returns:
        Column → value. ``distance`` is from the target to the estimate of the piece, ``emotion_matching`` from the
        photo to there; ``took_s`` is the pairing's own work, without loading its weights and without reading the
        photo.
    """
    estimate, photo = composition.piece_va, composition.photo_va
    return {
        "number": number,
        **{name: record[name] for name in ("pairing", "variant", "seed", "seconds")},
        **_coordinates("photo", record["photo"]),
        **_coordinates("target", record["target"]),
        **_coordinates("estimate", record["piece"]),
        "distance": None if estimate is None else round(distance(composition.target_va, estimate), 4),
        "emotion_matching": None if estimate is None or photo is None else round(distance(photo, estimate), 4),
        **record["metrics"],
        "note_count": record["note_count"],
        "took_s": round(sum(took for stage, took in record["timings_s"].items() if stage not in ONCE_FOR_ALL), 4),
    }


def _coordinates(name: str, point: Mapping[str, float] | None) -> dict[str, float | None]:
    return {f"{name}_{axis}": None if point is None else point[axis] for axis in ("valence", "arousal")}


def write_table(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Rows of ``table_row`` as CSV: UTF-8, commas, the names of the columns first."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
