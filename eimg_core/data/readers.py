"""From the files of the public data sets to a ``Corpus``.

The folder ``data`` holds ``images/`` and ``music/``::

    images/oasis/labels.csv, *.jpg      music/eimg/labels.csv, *.mid
    images/iaps, images/naps            music/emopia/*.mid    music/pop909/*.mid

OASIS and EIMG carry their split in ``labels.csv``. The others have none: their groups are dealt out by a
stable hash, about 80 / 10 / 10 (``corpus.split_of``).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from eimg_core.data.corpus import SPLITS, Corpus, Item, Split, split_of
from eimg_core.data.restricted import read_iaps, read_naps
from eimg_core.data.tables import FETCH, check_files, number, read_table, shown
from eimg_core.emotion import HIGH, LOW, VA
from eimg_core.errors import DataError

__all__ = ["READERS", "read_eimg", "read_emopia", "read_oasis", "read_pop909"]

# EMOPIA counts the quadrants of Russell's plane from the upper right, counter-clockwise.
_EMOPIA_QUADRANTS = {"1": "HVHA", "2": "LVHA", "3": "LVLA", "4": "HVLA"}
_EMOPIA_NAME = re.compile(r"Q([1-4])_(.{11})_(\d+)\.mid", re.ASCII)  # quadrant, video id, clip of the video
_POP909_NAME = re.compile(r"(\d{3})\.mid", re.ASCII)


def read_oasis(data: Path) -> Corpus:
    """OASIS: photos with mean ratings on 1-7, mapped to 1-9 by the ends of the scale. Groups are themes.

    Args:
        data: the folder that holds ``images/oasis``.
    Raises:
        DataError: the table or a listed photo is missing or damaged.
    Reference: Kurdi, Lozano and Banaji (2017), "Introducing the Open Affective Standardized Image Set".
    """
    table = data / "images" / "oasis" / "labels.csv"
    low, high = 1.0, 7.0  # the scale of the ratings
    items = []
    for row in read_table(table, ("file", "theme", "valence", "arousal", "split")):
        where = f"{row['file']} in oasis/labels.csv"
        items.append(
            Item(
                key=row["file"],
                path=_listed_file(table, row["file"]),
                va=VA.from_scale(*_mean_rating(row, where, low, high), low, high),
                split=_split(row, where),
                group=row["theme"],
            )
        )
    check_files((item.path for item in items), table=table)
    return Corpus(
        name="oasis",
        title="OASIS photos",
        licence="open access for research; the pictures have no single licence and are not redistributed",
        source="Kurdi, Lozano, Banaji 2017, www.benedekkurdi.com/#oasis",
        items=tuple(items),
    )


def read_eimg(data: Path) -> Corpus:
    """The paper's own piano clips with raw labels on 1-9. Groups are estimated pieces.

    The ratings of the single annotators are kept as published: six of them lie outside 1-9 (five times the
    arousal 0, once the valence 10), so clamp them wherever the scale matters. The means all lie on it.

    Args:
        data: the folder that holds ``music/eimg``.
    Raises:
        DataError: the table or a listed clip is missing or damaged.
    Reference: Wang, Chen and Li (2024), "Continuous Emotion-Based Image-to-Music Generation".
    """
    table = data / "music" / "eimg" / "labels.csv"
    items = []
    for row in read_table(table, ("file", "valence", "arousal", "piece", "split")):
        where = f"{row['file']} in eimg/labels.csv"
        items.append(
            Item(
                key=row["file"],
                path=_listed_file(table, row["file"]),
                va=VA(*_mean_rating(row, where, LOW, HIGH)),
                split=_split(row, where),
                group=row["piece"],
                ratings=tuple(_ratings(row, where)),
            )
        )
    check_files((item.path for item in items), table=table)
    return Corpus(
        name="eimg",
        title="EIMG clips",
        licence="none stated; research use",
        source="Wang, Chen, Li 2024, github.com/zBaymax/EIMG",
        items=tuple(items),
    )


def read_emopia(data: Path) -> Corpus:
    """EMOPIA: expressive piano clips with a quadrant each, no VA. Groups are the videos they come from.

    Args:
        data: the folder that holds ``music/emopia``.
    Raises:
        DataError: the folder has no clips, or one with another kind of name.
    Reference: Hung et al. (2021), "EMOPIA: A Multi-Modal Pop Piano Dataset".
    """

    def item(path: Path) -> Item:
        match = _EMOPIA_NAME.fullmatch(path.name)
        if match is None:
            raise DataError(f"{path.name} in music/emopia is not named like Q1_<video>_0.mid; remove or rename it.")
        quadrant, video, _ = match.groups()
        return Item(path.name, path, None, split_of("emopia", video), video, _EMOPIA_QUADRANTS[quadrant])

    return Corpus(
        name="emopia",
        title="EMOPIA clips",
        licence="CC BY-NC-SA 4.0",
        source="Hung et al. 2021, Zenodo record 5090631",
        items=tuple(item(path) for path in _midi_files(data / "music" / "emopia")),
    )


def read_pop909(data: Path) -> Corpus:
    """POP909: piano arrangements of pop songs, without emotion labels. Every song is its own group.

    Args:
        data: the folder that holds ``music/pop909``.
    Raises:
        DataError: the folder has no songs, or one with another kind of name.
    Reference: Wang et al. (2020), "POP909: A Pop-song Dataset for Music Arrangement Generation".
    """

    def item(path: Path) -> Item:
        match = _POP909_NAME.fullmatch(path.name)
        if match is None:
            raise DataError(f"{path.name} in music/pop909 is not named like 001.mid; remove or rename it.")
        return Item(path.name, path, None, split_of("pop909", match[1]), match[1])

    return Corpus(
        name="pop909",
        title="POP909 songs",
        licence="MIT",
        source="Wang et al. 2020, github.com/music-x-lab/POP909-Dataset",
        items=tuple(item(path) for path in _midi_files(data / "music" / "pop909")),
    )


# Every corpus by name, read from the folder that holds images/ and music/.
READERS: Mapping[str, Callable[[Path], Corpus]] = {
    "oasis": read_oasis,
    "eimg": read_eimg,
    "emopia": read_emopia,
    "pop909": read_pop909,
    "iaps": lambda data: read_iaps(data / "images" / "iaps"),
    "naps": lambda data: read_naps(data / "images" / "naps"),
}


def _listed_file(table: Path, name: str) -> Path:
    """The file that a row names, beside its table."""
    if not name or Path(name).name != name:
        raise DataError(f'{table.parent.name}/{table.name} lists "{shown(name)}", expected a file name; {FETCH}.')
    return table.parent / name


def _mean_rating(row: Mapping[str, str], where: str, low: float, high: float) -> tuple[float, float]:
    """Mean valence and arousal of a row, on its own scale."""
    valence = number(row, "valence", where=where, low=low, high=high)
    return valence, number(row, "arousal", where=where, low=low, high=high)


def _split(row: Mapping[str, str], where: str) -> Split:
    for split in SPLITS:
        if row["split"] == split:
            return split
    raise DataError(f'{where} has the split "{row["split"]}", expected {", ".join(SPLITS)}; {FETCH}.')


def _ratings(row: Mapping[str, str], where: str) -> Iterable[VA]:
    """The points of annotators 1, 2, ...; an annotator with an empty cell is left out."""
    for annotator in itertools.count(1):
        columns = (f"valence_{annotator}", f"arousal_{annotator}")
        if not all(name in row for name in columns):
            return
        if all(row[name] for name in columns):
            yield VA(*(number(row, name, where=where) for name in columns))


def _midi_files(folder: Path) -> list[Path]:
    """The MIDI files of a folder by name; hidden files (the "._" twins some archives carry) are left out."""
    paths = sorted(path for path in folder.glob("*.mid") if not path.name.startswith("."))
    if not paths:
        raise DataError(f"music/{folder.name} has no MIDI files; {FETCH}.")
    return paths
