"""Fetch the public data sets and lay them out as the readers of ``eimg_core.data`` expect.

Archives go to ``DATA/archives``, the photos and clips to ``DATA/images`` and ``DATA/music``. A broken-off download
resumes; an archive saved there by hand is used as it is. IAPS and NAPS are given out on request only: ``BY_HAND`` says
where to ask and where to put them.

Which items we use, in which split, and the estimated pieces of the EIMG clips stand in
``eimg_core/data/splits``; ratings, photos and clips come from their sources only.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from PIL import Image
from tqdm import tqdm

from eimg_core.data import READERS
from eimg_core.data.fetch import content_digest, download, open_zip, read_member
from eimg_core.data.tables import read_table
from eimg_core.errors import DataError

__all__ = ["BY_HAND", "SOURCES", "Source", "fetch"]

_SPLITS = Path(__file__).parents[2] / "eimg_core" / "data" / "splits"

_OASIS_SIZE, _OASIS_QUALITY = (320, 256), 92
_EIMG_RATERS = 6
_EIMG_HEADER_ROWS = 2

_OASIS_COLUMNS = {  # ours → OASIS.csv
    "category": "Category",
    "source": "Source",
    "valence": "Valence_mean",
    "valence_sd": "Valence_SD",
    "valence_n": "Valence_N",
    "arousal": "Arousal_mean",
    "arousal_sd": "Arousal_SD",
    "arousal_n": "Arousal_N",
}

BY_HAND = """\
Two photo sets of the paper are given out by their owners on request, for research only:
  IAPS  Center for the Study of Emotion and Attention, University of Florida
        → images/iaps: the pictures and data_new.txt
  NAPS  Laboratory of Brain Imaging, Nencki Institute, lobi.nencki.edu.pl/research/8
        → images/naps: the pictures and NAPS.xls
Both tables of ratings are also in the EIMG archive, in the folder Metrics/emotionmatch."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a data set comes from.

    Args:
        corpus: its name in ``READERS``.
        folder: where it goes, below the data folder.
        urls: places of the archive, tried in order.
        archive: file name for it.
        items: how many photos or clips we use.
        arrange: unpacks the archive into the folder, ``labels.csv`` last.
        compared: suffix of the files whose bytes are compared with ours.
        contents: ``content_digest`` of those files as this project was measured on them.
        checksum: of the archive, where its publisher gives one.
    """

    corpus: str
    folder: str
    urls: tuple[str, ...]
    archive: str
    items: int
    arrange: Callable[[Path, Path], None]
    compared: tuple[str, ...]
    contents: str
    checksum: str | None = None


def fetch(source: Source, data: Path) -> str:
    """Download one data set and arrange it, unless it is complete.

    Args:
        source: what to fetch.
        data: the folder that gets ``images/``, ``music/`` and ``archives/``.
    Returns:
        A sentence on what was done.
    Raises:
        DataError: the archive cannot be fetched, is another one than published, or lacks files.
    """
    if _is_complete(source, data):
        return f"{source.corpus}: all {source.items} items are there"
    archive = data / "archives" / source.archive
    _download_any(source, archive)
    folder = data / source.folder
    folder.mkdir(parents=True, exist_ok=True)
    source.arrange(archive, folder)
    count = len(READERS[source.corpus](data).items)
    if count != source.items:
        raise DataError(f"{source.archive} gave {count} items of {source.corpus}, expected {source.items}.")
    same = content_digest(_compared(source, folder)) == source.contents
    verdict = "the same bytes as ours" if same else "not the bytes our results were measured on"
    return f"{source.corpus}: {count} items; {' and '.join(source.compared)} files are {verdict}"


def _is_complete(source: Source, data: Path) -> bool:
    try:
        return len(READERS[source.corpus](data).items) == source.items
    except DataError:
        return False


def _compared(source: Source, folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.suffix in source.compared]


def _download_any(source: Source, archive: Path) -> None:
    """Try the places in order; the error of the last one is the one to tell."""
    for last, url in enumerate(source.urls, start=1 - len(source.urls)):
        with tqdm(desc=source.archive, unit="B", unit_scale=True, leave=False) as bar:

            def watch(done: int, total: int | None, bar: Any = bar) -> None:
                bar.total = total
                bar.update(done - bar.n)

            try:
                download(url, archive, checksum=source.checksum, watch=watch)
            except DataError:
                if last == 0:
                    raise
            else:
                return


def arrange_oasis(archive: Path, folder: Path) -> None:
    """The listed photos at 320×256, and their ratings as published.

    Raises:
        DataError: the archive lacks the table, a column or a listed photo.
    """
    listed = _split_table("oasis")
    with open_zip(archive, archive.name) as zipped:
        names = _by_name(zipped.namelist())
        table = read_member(zipped, _member(names, "oasis.csv", archive.name)).decode("utf-8-sig")
        published = {row[""]: row for row in csv.DictReader(io.StringIO(table))}  # I1, I2, ... have no header
        rows = []
        for key, (group, split) in tqdm(listed.items(), desc="OASIS photos", unit="photo", leave=False):
            row = published.get(Path(key).stem, {})
            try:
                title = row["Theme"].strip()  # two names end with a blank
                ratings = {ours: row[theirs].strip() for ours, theirs in _OASIS_COLUMNS.items()}
            except KeyError as error:
                raise DataError(f"OASIS.csv has no row or no column for {key}; fetch the archive again.") from error
            photo = read_member(zipped, _member(names, f"{title}.jpg".lower(), archive.name))
            _scaled_down(photo, title).save(folder / key, quality=_OASIS_QUALITY)
            rows.append({"file": key, "title": title, "theme": group, **ratings, "split": split})
    _write_labels(folder, rows)


def _scaled_down(photo: bytes, title: str) -> Image.Image:
    try:
        with Image.open(io.BytesIO(photo)) as picture:
            return picture.convert("RGB").resize(_OASIS_SIZE, Image.Resampling.LANCZOS)
    except OSError as error:
        raise DataError(f'The photo "{title}" of OASIS is damaged; fetch the archive again.') from error


def arrange_eimg(archive: Path, folder: Path) -> None:
    """The listed clips, and the ratings of ``labels.xlsx`` with the means of all six raters.

    Raises:
        DataError: the archive lacks the table or a listed clip, or the package that reads .xlsx is missing.
    """
    listed = _split_table("eimg")
    wanted = re.compile(r"(\d{4}\.mid|labels\.xlsx|all\.xlsx)")
    found: dict[str, bytes] = {}
    with open_zip(archive, archive.name) as zipped:
        for name in zipped.namelist():
            if name.endswith("Dataset/dataset.zip"):  # the clips lie in an archive of their own
                with open_zip(read_member(zipped, name), "dataset.zip") as inner:
                    found |= _matching(inner, wanted)
        found |= _matching(zipped, wanted)
    # The table is in the archive under two names, with the same bytes.
    sheet = found.get("labels.xlsx") or found.get("all.xlsx")
    if sheet is None:
        raise DataError(f"{archive.name} holds no labels.xlsx; delete it and fetch it again.")
    ratings = eimg_ratings(_workbook_rows(sheet))
    absent = [key for key in listed if key not in found or key not in ratings]
    if absent:
        raise DataError(
            f"{archive.name} lacks {len(absent)} clips or their ratings, the first is {absent[0]}; fetch it again."
        )
    for key in listed:
        (folder / key).write_bytes(found[key])
    _write_labels(folder, [_eimg_row(key, *place, *ratings[key]) for key, place in listed.items()])


def eimg_ratings(rows: Iterable[Sequence[object]]) -> dict[str, tuple[list[int], list[int]]]:
    """The single ratings of the authors' sheet.

    Each row holds a clip's name, then valence and arousal of annotators 1 to 6 in turn. One cell is the text
    "4`"; it is read as 4, so that the mean of clip 1691 is that of all six raters.

    Args:
        rows: cell values below the header.
    Returns:
        File name → six valences, six arousals.
    Raises:
        DataError: a rating is not a whole number.
    """
    ratings = {}
    for row in rows:
        name = re.match(r"\d+", str(row[0] if row else ""))
        if name is None:
            continue  # an empty row below the table
        key = f"{int(name[0]):04d}.mid"
        cells = [re.fullmatch(r"(\d+)(?:\.0)?`?", str(cell).strip()) for cell in row[1 : 1 + 2 * _EIMG_RATERS]]
        values = [int(cell[1]) for cell in cells if cell]
        if len(values) != 2 * _EIMG_RATERS:
            raise DataError(f"labels.xlsx has not {2 * _EIMG_RATERS} whole numbers for {key}; fetch it again.")
        ratings[key] = (values[0::2], values[1::2])
    return ratings


def arrange_emopia(archive: Path, folder: Path) -> None:
    """All clips, without the tables and the video ids."""
    _unpack(archive, folder, re.compile(r"Q[1-4]_.{11}_\d+\.mid"))


def arrange_pop909(archive: Path, folder: Path) -> None:
    """The main arrangement of every song, without the other versions and the annotations."""
    _unpack(archive, folder, re.compile(r"\d{3}\.mid"))


def _unpack(archive: Path, folder: Path, wanted: re.Pattern[str]) -> None:
    with open_zip(archive, archive.name) as zipped:
        for name, content in _matching(zipped, wanted).items():
            (folder / name).write_bytes(content)


def _matching(zipped: Any, wanted: re.Pattern[str]) -> dict[str, bytes]:
    """Members whose file name matches, by that name. Resource forks of macOS are left out."""
    return {
        PurePosixPath(name).name: read_member(zipped, name)
        for name in zipped.namelist()
        if wanted.fullmatch(PurePosixPath(name).name) and "__MACOSX" not in name
    }


def _by_name(names: Iterable[str]) -> dict[str, str]:
    """Full member names by their file name in lower case."""
    return {PurePosixPath(name).name.lower(): name for name in names if "__MACOSX" not in name}


def _member(names: Mapping[str, str], name: str, archive: str) -> str:
    if name not in names:
        raise DataError(f"{archive} holds no {name}; delete it and fetch it again.")
    return names[name]


def _split_table(corpus: str) -> dict[str, tuple[str, str]]:
    """Key → group and split, as shipped with the code."""
    rows = read_table(_SPLITS / f"{corpus}.csv", ("key", "group", "split"), remedy="install this project again")
    return {row["key"]: (row["group"], row["split"]) for row in rows}


def _workbook_rows(sheet: bytes) -> Iterator[tuple[object, ...]]:
    try:
        import openpyxl  # optional: only this table is an Excel file
    except ImportError as error:
        raise DataError("The EIMG labels need the package openpyxl; run `pip install openpyxl` first.") from error
    try:
        book = openpyxl.load_workbook(io.BytesIO(sheet), read_only=True, data_only=True)
        yield from book.worksheets[0].iter_rows(min_row=_EIMG_HEADER_ROWS + 1, values_only=True)
    except Exception as error:  # openpyxl raises many kinds for a damaged workbook
        raise DataError("labels.xlsx is not a readable workbook; fetch the archive again.") from error


def _eimg_row(key: str, piece: str, split: str, valences: list[int], arousals: list[int]) -> dict[str, object]:
    row: dict[str, object] = {
        "file": key,
        "valence": round(sum(valences) / len(valences), 4),
        "arousal": round(sum(arousals) / len(arousals), 4),
        "piece": piece,
        "split": split,
    }
    row |= {f"valence_{k}": value for k, value in enumerate(valences, start=1)}
    return row | {f"arousal_{k}": value for k, value in enumerate(arousals, start=1)}


def _write_labels(folder: Path, rows: Sequence[Mapping[str, object]]) -> None:
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


# What was verified. The ``contents`` digests were computed over the files that our results were measured on;
# for OASIS over labels.csv only, since the photos are scaled and encoded again. Those files were not unpacked from
# these very archives by this program, so a difference is reported and not refused. The checksum of EMOPIA is
# the MD5 that a public download script gives for this Zenodo record; we have not computed it. For the other
# archives we know of no published checksum.
SOURCES: tuple[Source, ...] = (
    Source(
        corpus="oasis",
        folder="images/oasis",
        urls=("https://osf.io/download/uxvpb/", "https://www.benedekkurdi.com/oasis.php"),
        archive="OASIS.zip",
        items=765,
        arrange=arrange_oasis,
        compared=(".csv",),
        contents="96bb05d4922081d59cb31fbd061cc92ed74361b43921bec3fe4470aa446f9b28",
    ),
    Source(
        corpus="eimg",
        folder="music/eimg",
        urls=("https://github.com/zBaymax/EIMG/archive/b7a0f91334dac138f1b35ae085709064a0c14c9b.zip",),
        archive="EIMG.zip",
        items=2693,
        arrange=arrange_eimg,
        compared=(".csv", ".mid"),
        contents="c50e2060521eeb375f46ccd792f6d5a93e4a83bba144572a88f0fb90b33d41cd",
    ),
    Source(
        corpus="emopia",
        folder="music/emopia",
        urls=("https://zenodo.org/records/5090631/files/EMOPIA_1.0.zip",),
        archive="EMOPIA_1.0.zip",
        items=1078,
        arrange=arrange_emopia,
        compared=(".mid",),
        contents="bcab884747229f0e6bff30d046d96fb8033c753978d9778ae655ab593371ba25",
        checksum="md5:8f760ddcc014d144f1e2c5451bf003ac",
    ),
    Source(
        corpus="pop909",
        folder="music/pop909",
        urls=("https://github.com/music-x-lab/POP909-Dataset/archive/efa0bce09b0b8dc241957412270aba6740bd0bf5.zip",),
        archive="POP909.zip",
        items=909,
        arrange=arrange_pop909,
        compared=(".mid",),
        contents="afc5836f76963996945ffc6ef0897d821acc763e8c631b34ccceb422861fa9ac",
    ),
)
