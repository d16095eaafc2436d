"""What a data set is to this project: named items, each in one split and one group.

Conventions: emotion is on the 1-9 scale of ``eimg_core.emotion``; a *group* (a photo theme, a piece, a
video, a song) holds items that resemble one another, and no group lies in more than one split.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from eimg_core.emotion import VA
from eimg_core.errors import DataError

__all__ = ["SPLITS", "Corpus", "Item", "Split", "split_of"]

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")

_TRAIN_SHARE, _VAL_SHARE = 0.8, 0.1  # what is left is the test split


@dataclass(frozen=True, slots=True)
class Item:
    """One photo or one piece of music.

    Args:
        key: a stable name, the file name without its folder: ``I1.jpg``, ``0002.mid``.
        path: where the file lies.
        va: the mean label on 1-9; ``None`` where the corpus has none.
        split: ``train``, ``val`` or ``test``.
        group: what it must share a split with: the theme of a photo, the piece of a clip, and so on.
        quadrant: ``HVHA``, ``LVHA``, ``LVLA`` or ``HVLA`` where the corpus labels quadrants only.
        ratings: one point per annotator where they are known, exactly as published. Some lie outside 1-9.
    """

    key: str
    path: Path
    va: VA | None
    split: Split
    group: str
    quadrant: str | None = None
    ratings: tuple[VA, ...] = ()


@dataclass(frozen=True, slots=True)
class Corpus:
    """A named data set.

    Args:
        name: short key, also the name of its folder.
        title: how to call it in a table or a card.
        licence: what the source says may be done with it.
        source: who made it and where it is found.
        items: in the order of the label table, or of the file names where there is none.
    Raises:
        DataError: a key appears twice, or a group lies in two splits.
    """

    name: str
    title: str
    licence: str
    source: str
    items: tuple[Item, ...]

    def __post_init__(self) -> None:
        keys: set[str] = set()
        split_of_group: dict[str, Split] = {}
        for item in self.items:
            if item.key in keys:
                raise DataError(f"{self.title} lists {item.key} twice; remove one of the two rows.")
            keys.add(item.key)
            if split_of_group.setdefault(item.group, item.split) != item.split:
                raise DataError(
                    f'{self.title} has group "{item.group}" in the splits {split_of_group[item.group]} and '
                    f"{item.split}; items that resemble one another must share a split, so correct the split "
                    f"of {item.key}."
                )

    def split(self, *names: Split) -> tuple[Item, ...]:
        """The items of the named splits, in corpus order. Without a name there are none.

        Raises:
            ValueError: a name is not a split.
        """
        unknown = set(names) - set(SPLITS)
        if unknown:
            raise ValueError(f"the splits are {', '.join(SPLITS)}; got {', '.join(sorted(unknown))}")
        return tuple(item for item in self.items if item.split in names)

    def digest(self) -> str:
        """Twelve hexadecimal digits that follow from the keys, groups and splits of all items, in any order."""
        rows = sorted(f"{item.key}\t{item.group}\t{item.split}\n" for item in self.items)
        return hashlib.sha256("".join(rows).encode()).hexdigest()[:12]

    def va_table(self) -> NDArray[np.float64]:
        """Valence and arousal of every item, (N, 2); NaN where an item has no label."""
        rows = [(item.va.valence, item.va.arousal) if item.va else (np.nan, np.nan) for item in self.items]
        return np.array(rows, dtype=np.float64).reshape(-1, 2)


def split_of(corpus: str, group: str) -> Split:
    """The split of a group in a corpus that comes without one: about 80 / 10 / 10 of the groups.

    The first 8 bytes of SHA-256 of ``corpus/group`` are read as a fraction of 1, so the answer depends on the
    two names only: not on the order of files, the machine, or which other files are there.
    """
    digest = hashlib.sha256(f"{corpus}/{group}".encode()).digest()
    fraction = int.from_bytes(digest[:8], "big") / 2**64
    if fraction < _TRAIN_SHARE:
        return "train"
    return "val" if fraction < _TRAIN_SHARE + _VAL_SHARE else "test"
