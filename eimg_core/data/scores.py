"""Scores for two hands: Mutopia's piano music and the piano parts of the OpenScore Lieder, as sheets.

Both are split by composer, since one composer's pieces resemble one another. What is not piano music for two hands, and
a score that is there twice, is left out when the scores are read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from eimg_core.data.corpus import Corpus, Item, split_of
from eimg_core.data.tables import check_files, read_table
from eimg_core.errors import InputError
from eimg_core.midi.sheet import ONSET, PITCH, Sheet, read_score

__all__ = ["load_scores", "read_lieder", "read_mutopia"]


def read_mutopia(data: Path) -> Corpus:
    """Mutopia: solo piano music in the public domain or under CC BY, without emotion labels. Groups are composers.

    Args:
        data: the folder that holds ``music/mutopia``.
    Raises:
        DataError: the table or a listed file is missing.
    """
    return Corpus(
        name="mutopia",
        title="Mutopia piano scores",
        licence="public domain or CC BY, per piece",
        source="The Mutopia Project, mutopiaproject.org",
        items=_items(data / "music" / "mutopia"),
    )


def read_lieder(data: Path) -> Corpus:
    """OpenScore Lieder: the piano parts of songs, without the sung tune and without emotion labels.

    Args:
        data: the folder that holds ``music/lieder``.
    Raises:
        DataError: the table or a listed file is missing.
    """
    return Corpus(
        name="lieder",
        title="OpenScore Lieder, piano parts",
        licence="CC0",
        source="OpenScore Lieder Corpus, github.com/OpenScore/Lieder",
        items=_items(data / "music" / "lieder"),
    )


def load_scores(
    corpus: Corpus, watch: Callable[[Iterable[Item]], Iterable[Item]] = iter
) -> dict[str, tuple[Sheet, ...]]:
    """The passages of every score that can be used.

    Args:
        corpus: of scores with a track for each hand.
        watch: wraps the loop over the files, for a progress bar.
    Returns:
        Item key → sheets, in corpus order, without scores that are not for two hands and without second copies.
    """
    scores: dict[str, tuple[Sheet, ...]] = {}
    seen: set[str] = set()
    for item in watch(corpus.items):
        try:
            sheets = tuple(read_score(item.path))
        except InputError:
            continue
        music = _digest(sheets)
        if sheets and music not in seen:
            seen.add(music)
            scores[item.key] = sheets
    return scores


def _items(folder: Path) -> tuple[Item, ...]:
    table = folder / "pieces.csv"
    rows = read_table(table, ["file", "composer"])
    check_files((folder / row["file"] for row in rows), table=table)
    return tuple(
        Item(row["file"], folder / row["file"], None, split_of(folder.name, row["composer"]), row["composer"])
        for row in rows
    )


def _digest(sheets: Iterable[Sheet]) -> str:
    """Names the notes of a score in any key: onsets and intervals."""
    total = hashlib.sha256()
    for sheet in sheets:
        total.update(np.diff(sheet.notes[:, [ONSET, PITCH]], axis=0).tobytes())
    return total.hexdigest()
