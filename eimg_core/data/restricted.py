"""The two photo sets of the paper, for people who hold a licence for them.

IAPS and NAPS are given out by their owners on request only. Each lies in one folder: the table of ratings
(both on 1-9) and the pictures, in subfolders or not. Neither has a split: their groups are dealt out by a
stable hash, about 80 / 10 / 10 (``corpus.split_of``).
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from eimg_core.data.corpus import Corpus, Item, split_of
from eimg_core.data.tables import check_files
from eimg_core.emotion import VA
from eimg_core.errors import DataError

__all__ = ["read_iaps", "read_naps"]

_PICTURE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp"}
_REMEDY = "ask the owners of the set for a complete copy"

_IAPS_TABLE = "data_new.txt"
_IAPS_CONTENT, _IAPS_NUMBER, _IAPS_VALENCE, _IAPS_AROUSAL = 0, 1, 2, 4

# The sheet has three header rows, so its columns are known by place, as in the paper's released code: column
# R is the mean valence of all raters, column V their mean arousal.
_NAPS_HEADER_ROWS, _NAPS_VALENCE, _NAPS_AROUSAL = 3, 17, 21
_NAPS_NAME = re.compile(r"((?:Animals|Faces|Landscapes|Objects|People)_\d{2})\d_[hv]", re.IGNORECASE)


def read_iaps(folder: Path) -> Corpus:
    """IAPS: pictures with mean ratings on 1-9.

    ``data_new.txt`` has no header; its columns are parted by tabs: content, picture number, mean valence and
    its SD, mean arousal and its SD, and more. Pictures are named by their number: ``1019.jpg``. A group is a
    content ("Snake"), so that pictures of one thing share a split.

    Args:
        folder: where the table lies, with the pictures in it or below it.
    Raises:
        DataError: the table or a listed picture is missing or damaged.
    Reference: Lang, Bradley and Cuthbert (1997), "International Affective Picture System".
    """
    table = folder / _IAPS_TABLE
    try:
        lines = table.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise DataError(f"{_IAPS_TABLE} of IAPS is missing or cannot be read; {_REMEDY}.") from error

    def items() -> Iterator[Item]:
        pictures = _pictures(folder)
        for where, cells in _filled(_IAPS_TABLE, (line.split("\t") for line in lines)):
            if len(cells) <= _IAPS_AROUSAL:
                raise DataError(f"{where} has fewer than {_IAPS_AROUSAL + 1} cells; {_REMEDY}.")
            path = _picture(pictures, cells[_IAPS_NUMBER])
            va = _rating(cells[_IAPS_VALENCE], cells[_IAPS_AROUSAL], where)
            group = cells[_IAPS_CONTENT].lower()
            yield Item(path.name, path, va, split_of("iaps", group), group)

    return Corpus(
        name="iaps",
        title="IAPS photos",
        licence="on request, for research; not redistributed",
        source="Lang, Bradley, Cuthbert 1997, University of Florida",
        items=_complete(table, items()),
    )


def read_naps(folder: Path) -> Corpus:
    """NAPS: pictures with mean ratings on 1-9.

    ``NAPS.xls`` or, saved from it, ``NAPS.csv`` has three header rows and then a row per picture, with the
    picture's name (``Animals_001_h``) in one of its cells. NAPS names no themes; as a caution, ten
    neighbouring numbers of a category (``Animals_010`` to ``Animals_019``) form a group.

    Args:
        folder: where the table lies, with the pictures in it or below it.
    Raises:
        DataError: the table or a listed picture is missing or damaged, or the package for .xls is missing.
    Reference: Marchewka et al. (2014), "The Nencki Affective Picture System (NAPS)".
    """
    table, rows = _naps_sheet(folder)

    def items() -> Iterator[Item]:
        pictures = _pictures(folder)
        for where, cells in _filled(table.name, rows, skip=_NAPS_HEADER_ROWS):
            name = next(filter(None, map(_NAPS_NAME.fullmatch, cells)), None)
            if name is None or len(cells) <= _NAPS_AROUSAL:
                raise DataError(f"{where} has no picture name or too few cells; {_REMEDY}.")
            path = _picture(pictures, name[0])
            va = _rating(cells[_NAPS_VALENCE], cells[_NAPS_AROUSAL], where)
            group = name[1].lower()
            yield Item(path.name, path, va, split_of("naps", group), group)

    return Corpus(
        name="naps",
        title="NAPS photos",
        licence="on request, for research; not redistributed",
        source="Marchewka et al. 2014, Nencki Institute",
        items=_complete(table, items()),
    )


def _naps_sheet(folder: Path) -> tuple[Path, list[list[str]]]:
    """The table file, and its rows as text; the CSV is preferred because it needs no package."""
    table = folder / "NAPS.csv"
    if table.is_file():
        try:
            with table.open(newline="", encoding="utf-8-sig", errors="replace") as file:
                return table, list(csv.reader(file))
        except (OSError, csv.Error) as error:
            raise DataError("NAPS.csv cannot be read; save the sheet of NAPS.xls as CSV again.") from error
    table = folder / "NAPS.xls"
    if not table.is_file():
        raise DataError(f"Neither NAPS.xls nor NAPS.csv is in the folder of NAPS; {_REMEDY}.")
    try:
        import xlrd  # optional: nothing else needs the old Excel format
    except ImportError as error:
        raise DataError(
            "NAPS.xls needs the package xlrd; run `pip install xlrd`, or save its sheet as NAPS.csv."
        ) from error
    try:
        sheet = xlrd.open_workbook(str(table)).sheet_by_index(0)
        return table, [[str(cell) for cell in sheet.row_values(place)] for place in range(sheet.nrows)]
    except Exception as error:  # xlrd raises many kinds for a damaged workbook
        raise DataError(f"NAPS.xls is not a readable workbook; {_REMEDY}.") from error


def _filled(table: str, rows: Iterable[Sequence[str]], *, skip: int = 0) -> Iterator[tuple[str, list[str]]]:
    """Rows that hold anything, each with its name for messages and its cells without outer blanks."""
    for place, row in enumerate(rows, start=1):
        cells = [cell.strip() for cell in row]
        if place > skip and any(cells):
            yield f"Row {place} of {table}", cells


def _pictures(folder: Path) -> dict[str, Path]:
    """Picture files in and below a folder, by their name in lower case and without the last suffix."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _PICTURE_SUFFIXES)
    return {path.stem.lower(): path for path in paths}


def _picture(pictures: dict[str, Path], name: str) -> Path:
    """The file of a picture. A missing one keeps its likely name, to be reported with all the others."""
    return pictures.get(name.lower(), Path(f"{name}.jpg"))


def _rating(valence: str, arousal: str, where: str) -> VA:
    try:
        va = VA(float(valence), float(arousal))
    except ValueError as error:
        raise DataError(f'{where} has the ratings "{valence}" and "{arousal}", not two numbers; {_REMEDY}.') from error
    if va != va.clamped():
        raise DataError(f"{where} has the ratings {valence} and {arousal}, expected 1 to 9; {_REMEDY}.")
    return va


def _complete(table: Path, items: Iterator[Item]) -> tuple[Item, ...]:
    """The items, once it is sure that there are some and that every picture is on disk."""
    found = tuple(items)
    if not found:
        raise DataError(f"{table.name} lists no pictures; {_REMEDY}.")
    check_files((item.path for item in found), table=table, remedy=_REMEDY)
    return found
