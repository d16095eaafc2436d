"""Every piece of the music corpora as a ``Passage``: annotated once, then kept in a cache.

A cache file ``passages-<corpus>.npz`` holds plain arrays, no pickles: all steps, plans and so on in a row with the
places where each passage begins, and the key of its item. It names the files and the layout that it was made from; a
cache that names others is made again.
"""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from eimg_core.annotation.annotate import Annotation, annotate, sheet_of_piece
from eimg_core.data import Corpus, Item, load_pieces, load_scores, read_eimg, read_emopia, read_lieder, read_mutopia
from eimg_core.data import read_pop909 as read_songs
from eimg_core.data.pop909_labels import read_song_labels, sheet_of_song
from eimg_core.emotion import VA
from eimg_core.midi.beats import find_grid, on_grid
from eimg_core.midi.sheet import sheet_of
from eimg_core.music_ae.plan_examples import Passage

__all__ = ["CORPORA", "KeptPassage", "annotations_of", "passages_of"]

CORPORA = {
    "eimg": read_eimg,
    "emopia": read_emopia,
    "pop909": read_songs,
    "mutopia": read_mutopia,
    "lieder": read_lieder,
}
VELOCITIES_KNOWN = ("eimg", "emopia", "pop909")
_LAYOUT = "passages 2"  # change it when the arrays or the annotations change
_ARRAYS = ("steps", "bar", "stream", "around", "echoes", "rows")
_STEADY = 0.7  # least fit of the grid of a performance
_FEWEST = 12  # notes


@dataclass(frozen=True)
class KeptPassage:
    """A passage, the item that it is from, and its label where it has one."""

    passage: Passage
    key: str
    split: str
    va: VA | None


def annotations_of(corpus: Corpus, data: Path, cache: Path, items: list[Item]) -> Iterator[tuple[Item, Annotation]]:
    """The annotations of some items, each piece giving none, one or several; shows its progress.

    Args:
        corpus: one of ``CORPORA``.
        data: the folder that it was read from.
        cache: folder for parsed notes.
        items: of the corpus.
    """
    bar = tqdm(items, desc=f"annotating {corpus.title}", unit="piece")
    if corpus.name in ("mutopia", "lieder"):
        scores = load_scores(corpus)
        for item in bar:
            for passage in scores.get(item.key, ()):
                if len(passage.notes) >= _FEWEST:
                    yield item, annotate(passage)
    elif corpus.name == "pop909":
        labels = read_song_labels(data)
        for item in bar:
            song = sheet_of_song(item.path, labels[item.group])
            if song is not None:
                yield item, annotate(song[0], tune=song[1], starts=song[2])
    else:
        pieces = load_pieces(corpus, cache)
        for item in bar:
            piece = pieces[item.key]
            if len(piece.notes) < _FEWEST:
                continue
            if corpus.name == "eimg":
                yield item, annotate(sheet_of_piece(piece))
                continue
            grid = find_grid(piece)  # a performance: its tempo mark means nothing
            if grid.fit >= _STEADY:
                placed = on_grid(piece, grid)
                if placed.notes:
                    tempo = placed.tempo_bpm
                    yield item, annotate(sheet_of(placed, tempo_bpm=tempo, first_s=0.0, meter=(4, 4)))


def passages_of(name: str, data: Path, cache: Path, *, most: int | None = None) -> list[KeptPassage]:
    """All passages of a corpus.

    Args:
        name: one of ``CORPORA``.
        data: the folder that holds ``music``.
        cache: where they are kept.
        most: only so many items, evenly spread, for a quick run.
    """
    corpus = CORPORA[name](data)
    items = list(corpus.items)
    if most is not None and most < len(items):
        items = items[:: len(items) // most][:most]
    labels = {item.key: item for item in items}
    path, digest = cache / f"passages-{name}{'' if most is None else f'-{most}'}.npz", _digest(items)
    kept = _load(path, digest)
    if kept is None:
        found = [
            (item.key, Passage.of(annotation, name, velocities_known=name in VELOCITIES_KNOWN))
            for item, annotation in annotations_of(corpus, data, cache, items)
        ]
        _save(path, digest, found)
        kept = found
    return [KeptPassage(passage, key, labels[key].split, labels[key].va) for key, passage in kept]


def _digest(items: list[Item]) -> str:
    total = hashlib.sha256(_LAYOUT.encode())
    for item in items:
        total.update(f"{item.key} {item.path.stat().st_size}\n".encode())
    return total.hexdigest()


def _save(path: Path, digest: str, found: list[tuple[str, Passage]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    arrays: dict[str, Any] = {
        name: np.concatenate([getattr(p, name) for _, p in found]).astype(np.int16) for name in _ARRAYS
    }
    arrays |= {f"{name}_end": np.cumsum([len(getattr(p, name)) for _, p in found]) for name in ("steps", "rows")}
    arrays["digest"], arrays["keys"] = np.array(digest), np.array([key for key, _ in found])
    arrays["header"] = np.array([(p.meter, p.tempo_bpm, p.corpus) for _, p in found])
    with part.open("wb") as file:
        np.savez_compressed(
            file,
            **arrays,
        )
    part.replace(path)


def _load(path: Path, digest: str) -> list[tuple[str, Passage]] | None:
    """The passages of a cache file; ``None`` where there is none, it is damaged, or it was made from other things."""
    try:
        with np.load(path, allow_pickle=False) as file:
            if str(file["digest"]) != digest:
                return None
            arrays = {name: file[name].astype(np.int64) for name in _ARRAYS}
            steps_end, rows_end = file["steps_end"], file["rows_end"]
            keys, header = file["keys"].tolist(), file["header"].tolist()
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    ends = {name: rows_end if name == "rows" else steps_end for name in _ARRAYS}
    parts = {name: np.split(array, ends[name][:-1]) for name, array in arrays.items()}
    return [
        (
            key,
            Passage(**{name: part[index] for name, part in parts.items()}, meter=int(m), tempo_bpm=bpm, corpus=int(c)),
        )
        for index, (key, (m, bpm, c)) in enumerate(zip(keys, header, strict=True))
    ]
