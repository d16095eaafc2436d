"""Reading label tables: columns by header, rows by key, and a clear sentence for every defect."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from eimg_core.errors import DataError

__all__ = ["FETCH", "Table", "check_files", "decimal", "number", "read_cells", "read_table", "shown", "whole"]

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)

FETCH = "run `python -m train.download --out DATA` to fetch it again"


def read_table(path: Path, columns: Sequence[str], *, remedy: str = FETCH) -> list[dict[str, str]]:
    """The rows of a CSV file with a header line, each with as many cells as the header.

    Args:
        path: the file, as ``read_cells`` reads it.
        columns: headers that must be there; others are kept too.
        remedy: what to do when the file cannot be used, as the end of a sentence.
    Returns:
        One dict per row, header → text without surrounding blanks, in file order.
    Raises:
        DataError: the file is missing, not CSV text, empty, or lacks a column or a cell.
    """
    table = read_cells(path, columns, remedy=remedy)
    if not table.rows:
        raise DataError(f"{_short(path)} has a header but no rows; {remedy}.")
    for line, cells in table.rows:
        if len(cells) != len(table.header):
            raise DataError(f"{_short(path)} has the wrong number of cells in line {line}; {remedy}.")
    return [dict(zip(table.header, cells, strict=True)) for _, cells in table.rows]


@dataclass(frozen=True, slots=True)
class Table:
    """A CSV file: its header, and (line of the file, cells) of each row that says something."""

    header: list[str]
    rows: list[tuple[int, list[str]]]


def read_cells(path: Path, columns: Sequence[str], *, remedy: str = FETCH) -> Table:
    """A CSV file as it is written, for those who judge each row by itself.

    Commas, semicolons or tabs stand between its cells, whichever the header has most of. Cells lose surrounding blanks.
    Blank lines and rows of empty cells are left out, and so are empty cells beyond the header: spreadsheets write them.

    Args:
        path: the file, UTF-8.
        columns: headers that must be there.
        remedy: what to do when the file cannot be used, as the end of a sentence.
    Raises:
        DataError: the file is missing, not CSV text, lacks a column or has one twice.
    """
    name = _short(path)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        raise DataError(f"{name} is missing; {remedy}.") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{name} is not UTF-8 text, as a CSV table has to be here; {remedy}.") from error
    except (OSError, ValueError) as error:  # ValueError: a null character in a path
        raise DataError(f"{name} cannot be read as a CSV table; {remedy}.") from error
    try:
        (_, header), *rows = _rows_of(text) or [(1, [])]
    except csv.Error as error:
        raise DataError(f"{name} is no CSV table, {error}; {remedy}.") from error
    if absent := [column for column in columns if column not in header]:
        raise DataError(f"{name} has no column {_listed(absent)}; {remedy}.")
    if twice := [column for column in dict.fromkeys(header) if header.count(column) > 1]:
        raise DataError(f"{name} has the column {_listed(twice[:1])} twice; {remedy}.")
    return Table(header, [(line, _trimmed(cells, len(header))) for line, cells in rows])


def _rows_of(text: str) -> list[tuple[int, list[str]]]:
    """The line on which each row begins, counted from 1, and its cells; the header is the first.

    Raises:
        csv.Error: with the line.
    """
    first = next((line for line in text.split("\n") if line.strip()), "")
    between = max(",;\t", key=first.count)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=between, strict=True)
    rows: list[tuple[int, list[str]]] = []
    begins = 1
    try:
        for cells in lines:
            stripped = [cell.strip() for cell in cells]
            if any(stripped):
                rows.append((begins, stripped if rows else _trimmed(stripped, 0)))
            begins = lines.line_num + 1
    except csv.Error as error:
        raise csv.Error(f"{error} in line {begins}") from error
    return rows


def _trimmed(cells: list[str], least: int) -> list[str]:
    """The cells without empty ones at the end, but never fewer than ``least`` of those that are there."""
    while len(cells) > least and not cells[-1]:
        cells = cells[:-1]
    return cells


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
    # On a scale of a few points a comma can only stand where others write a point: no thousand is on it.
    value = decimal(text, comma=high is not None and high < 1000)
    on_scale = (low is None or value >= low) and (high is None or value <= high)
    if not (math.isfinite(value) and on_scale):
        scale = "" if low is None or high is None else f" from {low:g} to {high:g}"
        raise DataError(f'{shown(where)} has the {column} "{shown(text)}", expected a number{scale}; {FETCH}.')
    return value


def decimal(text: str, *, comma: bool = False) -> float:
    """The number that a cell says in plain digits; NaN where it says none.

    Args:
        comma: whether a comma may stand for the point, as in 6,5.
    """
    plain = text.replace(",", ".") if comma and text.count(",") == 1 and "." not in text else text
    return float(plain) if _NUMBER.fullmatch(plain) else math.nan


def whole(text: str) -> int | None:
    """The whole number that a cell says, also as 7.0, which programs write that know fractions alone."""
    value = decimal(text)
    return int(value) if math.isfinite(value) and value.is_integer() else None


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
