"""The music of a corpus as pieces, read once and kept in a cache.

A cache file ``<corpus>.npz`` holds plain arrays, no pickles. With M pieces, N notes and P pedal spans in all:

- ``notes`` (N, 4): start in seconds, pitch, end in seconds, velocity; ``pedals`` (P, 2): start and end;
- ``note_offsets``, ``pedal_offsets`` (M + 1,): where the rows of each piece begin;
- ``tempi`` (M,) in quarter notes per minute; ``meters`` (M, 2);
- ``digest``: names the bytes of all files, their keys and this layout. A cache with another one is rebuilt.
"""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from eimg_core.data.corpus import Corpus, Item
from eimg_core.data.tables import FETCH
from eimg_core.errors import DataError, InputError
from eimg_core.midi.notes import Note, Pedal, Piece
from eimg_core.midi.reading import read_midi

__all__ = ["load_pieces"]

_LAYOUT = "pieces 2, straightened"  # change it when the arrays or the way of reading change


def load_pieces(
    corpus: Corpus,
    cache: Path | None,
    watch: Callable[[Iterable[Item]], Iterable[Item]] = iter,
) -> dict[str, Piece]:
    """Every piece of a music corpus, on one beat grid (``read_midi(..., straighten=True)``).

    Args:
        corpus: whose items are MIDI files.
        cache: folder for the parsed notes; it is made when it is not there. ``None`` parses all files each
            time, about 2 ms each.
        watch: wraps the loop over the files while they are parsed, for a progress bar.
    Returns:
        Item key → piece, in corpus order.
    Raises:
        DataError: a file is missing or is not a readable MIDI file.
    """
    if cache is None:
        return {item.key: _read(item) for item in watch(corpus.items)}
    path, digest = cache / f"{corpus.name}.npz", _digest(corpus)
    pieces = _load(path, digest)
    if pieces is None:
        pieces = [_read(item) for item in watch(corpus.items)]
        _save(path, digest, pieces)
    return {item.key: piece for item, piece in zip(corpus.items, pieces, strict=True)}


def _digest(corpus: Corpus) -> str:
    """SHA-256 over the cache layout and the key and bytes of every file, in corpus order.

    Raises:
        DataError: a file cannot be read.
    """
    total = hashlib.sha256(_LAYOUT.encode())
    for item in corpus.items:
        try:
            content = item.path.read_bytes()
        except OSError as error:
            raise DataError(f"{item.key} of the {corpus.title} cannot be read; {FETCH}.") from error
        total.update(f"{item.key} {hashlib.sha256(content).hexdigest()}\n".encode())
    return total.hexdigest()


def _read(item: Item) -> Piece:
    try:
        return replace(read_midi(item.path, straighten=True), meter_changes=())  # which the cache does not hold
    except InputError as error:
        raise DataError(f"{item.key} is missing or not a readable MIDI file; {FETCH}.") from error


def _save(path: Path, digest: str, pieces: list[Piece]) -> None:
    notes = [(n.start_s, n.pitch, n.end_s, n.velocity) for piece in pieces for n in piece.notes]
    pedals = [(p.start_s, p.end_s) for piece in pieces for p in piece.pedals]
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")  # two runs may build the same cache at once
    with part.open("wb") as file:
        np.savez_compressed(
            file,
            digest=np.array(digest),
            notes=np.array(notes, dtype=np.float64).reshape(-1, 4),
            note_offsets=np.cumsum([0, *(len(piece.notes) for piece in pieces)]),
            pedals=np.array(pedals, dtype=np.float64).reshape(-1, 2),
            pedal_offsets=np.cumsum([0, *(len(piece.pedals) for piece in pieces)]),
            tempi=np.array([piece.tempo_bpm for piece in pieces], dtype=np.float64),
            meters=np.array([piece.meter for piece in pieces], dtype=np.int64).reshape(-1, 2),
        )
    part.replace(path)


def _load(path: Path, digest: str) -> list[Piece] | None:
    """The pieces of a cache file; ``None`` when there is none, it is damaged, or it tells of other files."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            if str(arrays["digest"]) != digest:
                return None
            notes = [Note(start, int(pitch), end, int(v)) for start, pitch, end, v in arrays["notes"].tolist()]
            pedals = [Pedal(start, end) for start, end in arrays["pedals"].tolist()]
            note_spans = pairwise(arrays["note_offsets"].tolist())
            pedal_spans = pairwise(arrays["pedal_offsets"].tolist())
            tempi, meters = arrays["tempi"].tolist(), arrays["meters"].tolist()
        return [
            Piece(tuple(notes[n0:n1]), tempo, (above, below), tuple(pedals[p0:p1]))
            for (n0, n1), (p0, p1), tempo, (above, below) in zip(note_spans, pedal_spans, tempi, meters, strict=True)
        ]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
