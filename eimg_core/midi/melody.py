"""The melody of a piece: its upper line."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise

from eimg_core.midi.notes import Note

__all__ = ["upper_line"]

_TOGETHER_S = 0.03
_WELL_BELOW = 4  # semitones under a melody note that still sounds: this is accompaniment


def upper_line(notes: Iterable[Note]) -> list[Note]:
    """One note at a time: the highest of each onset, unless a clearly higher one still sounds.

    Args:
        notes: in any order.
    Returns:
        Notes in order of time, each cut where the next one starts.
    """
    line: list[Note] = []
    for note in sorted(notes, key=lambda n: (n.start_s, -n.pitch)):
        if line and note.start_s - line[-1].start_s < _TOGETHER_S:
            continue  # the highest of this onset came first
        if line and note.start_s < line[-1].end_s - _TOGETHER_S and note.pitch < line[-1].pitch - _WELL_BELOW:
            continue
        line.append(note)
    cut = [replace(a, end_s=min(a.end_s, b.start_s)) for a, b in pairwise(line)]
    return cut + line[-1:]
