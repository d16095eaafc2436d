"""What a note is related to: the note that a bar taken up has next, the bass and the tune at a place.

Notes are (place, pitch, length) as classes, see ``eimg_core.midi.bar_codec``; places are in twelfths of a quarter.
"""

from __future__ import annotations

from collections.abc import Sequence

from eimg_core.annotation.chords import half_bars
from eimg_core.midi.bar_codec import END, LENGTHS, tick_of_place
from eimg_core.midi.sheet import TICKS

__all__ = ["NONE", "NoteClasses", "lowest_at", "next_of", "places_per_bar", "second_half_place", "sounding_at"]

NONE = -1  # there is none
NoteClasses = tuple[int, int, int]  # place, pitch and length, as classes


def places_per_bar(meter: tuple[int, int]) -> int:
    """Places of a bar, twelve to a quarter: 24, 36, 48 or, in 6/8, 36."""
    return meter[0] * 48 // meter[1]


def second_half_place(meter: tuple[int, int]) -> int:
    """The place at which the second chord of a bar begins."""
    first, _ = half_bars(meter, meter[0] * 4 * TICKS // meter[1])
    return first // 2


def next_of(source: Sequence[NoteClasses], written: Sequence[NoteClasses]) -> NoteClasses:
    """The note of a stream of the bar taken up that comes next; place END where there is none.

    At one place it is told by rank, not by pitch, so that a chord can be taken up in another place of the scale.

    Args:
        source: the notes of that bar and stream, in order.
        written: those of the new bar so far.
    """
    if not written:
        return source[0] if source else (END, NONE, NONE)
    now = written[-1][0]
    struck = sum(place == now for place, _, _ in written)
    for note in source:
        if note[0] > now:
            return note
        if note[0] == now:
            if struck == 0:
                return note
            struck -= 1
    return END, NONE, NONE


def lowest_at(notes: Sequence[NoteClasses], place: int) -> int:
    """The lowest of the notes struck last at or before a place; NONE where none is."""
    for note in reversed(notes):
        if note[0] <= place:
            return min(pitch for at, pitch, _ in notes if at == note[0])
    return NONE


def sounding_at(line: Sequence[NoteClasses], place: int) -> int:
    """The pitch of a one-voiced line that sounds at a place; NONE where it is silent."""
    for start, pitch, length in reversed(line):
        if start <= place:
            return pitch if tick_of_place(start) + int(LENGTHS[length]) > tick_of_place(place) else NONE
    return NONE
