"""Where the score is while it is played: hands, chords and bar lines in the seconds of a performance.

A pianist moves onsets, changes lengths and adds pedal, but plays every note and keeps their order. So the k-th stroke
of a key in the score is its k-th stroke in the performance, and the time of anything between two onsets follows from
theirs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from eimg_core.midi.notes import Piece
from eimg_core.notation.grid import lay_out
from eimg_core.notation.hands import RIGHT, hands_of
from eimg_core.notation.harmony import chord_name, chords_of
from eimg_core.notation.spelling import key_signature

__all__ = ["Followed", "follow", "played_as", "time_map"]


@dataclass(frozen=True)
class Followed:
    """A piece with its reading.

    Args:
        hands: of each note of the performance, 0 right, 1 left.
        chords: (start, end, name) in seconds of the performance.
        bars: when each bar begins in the performance, and when the last one ends, in seconds.
        key: its name, such as ``Bb major``.
        tempo_bpm: as the score is written, which may be twice the composer's.
    """

    hands: tuple[int, ...]
    chords: tuple[tuple[float, float, str], ...]
    bars: tuple[float, ...]
    key: str
    tempo_bpm: float


@lru_cache(maxsize=32)  # the page, the JSON and the figure ask for the same piece within a moment
def follow(written: Piece, played: Piece) -> Followed:
    """Read a piece and follow it through its performance.

    Args:
        written: the score.
        played: its performance, or the same piece again.
    """
    hands = hands_of(written)
    grid, _ = lay_out(written, hands)
    key = key_signature(written)
    when = time_map(written, played)
    end = max(played.duration_s, 0.0)
    chords = []
    for chord in chords_of(written, grid):
        start_s, end_s = when(grid.seconds(chord.start)), min(when(grid.seconds(chord.end)), end)
        if end_s > start_s:
            chords.append((round(start_s, 3), round(end_s, 3), chord_name(chord, key)))
    bars = [when(grid.seconds(tick)) for tick in (*(measure.start for measure in grid.measures), grid.end)]
    return Followed(
        tuple(hands[index] if index is not None else RIGHT for index in played_as(written, played)),
        tuple(chords),
        tuple(round(bar, 3) for bar in bars),
        key.name,
        grid.tempo_bpm,
    )


def played_as(written: Piece, played: Piece) -> list[int | None]:
    """For each note of a performance its index in the score; ``None`` for a note that the score does not have."""
    strokes: dict[int, list[int]] = defaultdict(list)
    for index, note in enumerate(written.notes):
        strokes[note.pitch].append(index)
    count: dict[int, int] = defaultdict(int)
    found: list[int | None] = []
    for note in played.notes:
        mine = strokes[note.pitch]
        found.append(mine[count[note.pitch]] if count[note.pitch] < len(mine) else None)
        count[note.pitch] += 1
    return found


def time_map(written: Piece, played: Piece) -> Callable[[float], float]:
    """From seconds of the score to seconds of its performance: straight between onsets, in step beyond the last."""
    moments: dict[float, list[float]] = defaultdict(list)
    for note, index in zip(played.notes, played_as(written, played), strict=True):
        if index is not None:
            moments[round(written.notes[index].start_s, 3)].append(note.start_s)
    if not moments:
        return lambda seconds: seconds
    score = np.array(sorted(moments))
    sound = np.maximum.accumulate(np.array([np.mean(moments[start]) for start in score.tolist()]))
    first, last = float(sound[0] - score[0]), float(sound[-1] - score[-1])

    def when(seconds: float) -> float:
        if seconds <= score[0]:
            return max(0.0, seconds + first) if seconds > 0 else 0.0
        if seconds >= score[-1]:
            return seconds + last
        return float(np.interp(seconds, score, sound))

    return when
