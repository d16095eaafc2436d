"""Reading label tables: columns by header, rows by key, and a clear sentence for every defect."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from eimg_core.errors import DataError

__all__ = ["FETCH", "check_files", "number", "read_table", "shown"]

FETCH = "run `python -m train.download --out DATA` to fetch it again"


def read_table(path: Path, columns: Sequence[str], *, remedy: str = FETCH) -> list[dict[str, str]]:
    """The rows of a CSV file with a header line.

    Args:
        path: the file, UTF-8.
        columns: headers that must be there; others are kept too.
        remedy: what to do when the file cannot be used, as the end of a sentence.
    Returns:
        One dict per row, header → text without surrounding blanks, in file order.
    Raises:
        DataError: the file is missing, not CSV text, empty, or lacks a column.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, strict=True)
            header = [name.strip() for name in reader.fieldnames or ()]
            # A cell beyond the header has the key None, a missing one the value None: both are damage.
            records = list(reader)
    except FileNotFoundError as error:
        raise DataError(f"{_short(path)} is missing; {remedy}.") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{_short(path)} cannot be read as a CSV table; {remedy}.") from error
    absent = [name for name in columns if name not in header]
    if absent:
        raise DataError(f"{_short(path)} has no column {_listed(absent)}; {remedy}.")
    if not records:
        raise DataError(f"{_short(path)} has a header but no rows; {remedy}.")
    for line, record in enumerate(records, start=2):
        if None in record or None in record.values():
            raise DataError(f"{_short(path)} has the wrong number of cells in row {line}; {remedy}.")
    return [{name.strip(): text.strip() for name, text in record.items()} for record in records]


def number(
    row: Mapping[str, str], column: str, *, where: str, low: float | None = None, high: float | None = None
) -> float:
    """The number in one cell.

    Args:
        row: a row of ``read_table``.
        column: its header.
        where: which row this is, for the message: "I1.jpg in images/oasis/labels.csv".
        low, high: the ends of the scale, when the number must lie on one.
    Raises:
        DataError: the cell is not a finite number, or lies outside the scale.
    """
    text = row[column]
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    on_scale = (low is None or value >= low) and (high is None or value <= high)
    if not (math.isfinite(value) and on_scale):
        scale = "" if low is None or high is None else f" from {low:g} to {high:g}"
        raise DataError(f'{shown(where)} has the {column} "{shown(text)}", expected a number{scale}; {FETCH}.')
    return value


def check_files(paths: Iterable[Path], *, table: Path, remedy: str = FETCH) -> None:
    """Refuse a table that lists files which are not on disk.

    Raises:
        DataError: names the first missing file and how many more are missing.
    """
    missing = [path.name for path in paths if not path.is_file()]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        verb = "are" if more else "is"
        raise DataError(f"{_short(table)} lists {missing[0]}{more}, which {verb} missing on disk; {remedy}.")


def shown(text: str, longest: int = 60) -> str:
    """Text of a stranger's table for a message: short, and without what would steer a terminal."""
    plain = "".join(letter for letter in text if letter.isprintable())
    return plain if len(plain) <= longest else f"{plain[: longest - 1]}…"


def _short(path: Path) -> str:
    """The file with its folder, "oasis/labels.csv": enough to find it, and no private path."""
    return "/".join(path.parts[-2:])


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
