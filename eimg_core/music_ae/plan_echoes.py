"""Echoes: what a stream played a bar ago, half a bar ago and a beat ago, as offers for its next note.

Hands repeat figures, and tunes repeat motives a step higher. Each of three lags offers the stream's own past, moved on
by the lag: when it would strike next, what it would play at a place, and whether the stream followed it so far. The
same class serves training, where a passage is walked through once, and playing.

Notes are (place, pitch, length) as classes; lags and places are in twelfths of a quarter.
"""

from __future__ import annotations

import numpy as np

from eimg_core.midi.bar_codec import END, STEP_SIZES, STREAMS, BarSteps
from eimg_core.midi.sheet import Ints
from eimg_core.music_ae.plan_relations import NONE, NoteClasses, next_of, places_per_bar

__all__ = [
    "BEFORE",
    "ECHOES",
    "FOLLOWED",
    "IN_TIME",
    "LENGTHS",
    "MANNERS",
    "MOVED",
    "NEXT",
    "PITCHES",
    "SILENT",
    "Echoes",
    "echoes_of",
]

_LAGS = {(2, 4): (24, 12, 6), (3, 4): (36, 24, 12), (4, 4): (48, 24, 12), (6, 8): (36, 18, 6)}  # a bar, half, a beat
ECHOES = 3  # lags
# Columns of a step's echoes, one for each lag: the next place and how the note before stood to its echo, known before
# the step; pitches, as they were and moved, and lengths, known with the place of the step.
NEXT, FOLLOWED, PITCHES, LENGTHS = [0, 1, 2], [3, 4, 5], [6, 7, 8, 9, 10, 11], [12, 13, 14]
_UNHEARD, _ELSEWHERE, _OTHER_PITCH, _SAME = range(4)
IN_TIME = _OTHER_PITCH  # from here on
BEFORE = 2 * ECHOES  # columns that are known before the step
MOVED = PITCHES[ECHOES:]
MANNERS = 4  # in which a note may follow an echo
SILENT = (*[NONE] * ECHOES, *[_UNHEARD] * ECHOES, *[NONE] * 3 * ECHOES)  # of a step to which nothing is offered
Row = tuple[int, ...]


class Echoes:
    """The echoes of the three streams of one piece, bar after bar.

    Args:
        meter: of the bars, one of ``METERS``.
    """

    def __init__(self, meter: tuple[int, int]) -> None:
        self._places, self._lags = places_per_bar(meter), _LAGS[meter]
        self._streams = [_Stream(self._places, self._lags) for _ in STREAMS]

    def before(self, stream: int) -> Row:
        """What is known before the next step of a stream: for each lag the place where it would strike next, END where
        it would not within this bar, NONE where nothing is known; then how the note before stood to its echo."""
        return self._streams[stream].before()

    def at(self, stream: int, place: int) -> Row:
        """What would be struck at a place next, NONE where nothing would: for each lag the pitch, the pitch moved as
        far as the note before was moved from its echo, and the length; in this order, three of each."""
        return self._streams[stream].at(place)

    def write(self, stream: int, note: NoteClasses) -> None:
        """Add a note to a stream, or end its bar (place END)."""
        self._streams[stream].write(note)


class _Stream:
    """The echoes of one stream; the notes that each lag offers have places of the present bar, or of later ones."""

    def __init__(self, places: int, lags: tuple[int, ...]) -> None:
        self._places, self._lags = places, lags
        self._offers: list[list[NoteClasses]] = [[] for _ in lags]
        self._written: list[NoteClasses] = []
        self._first = True  # bar
        self._followed = [_UNHEARD] * len(lags)
        self._moved = [0] * len(lags)

    def before(self) -> Row:
        return (*map(self._next, range(len(self._lags))), *self._followed)

    def at(self, place: int) -> Row:
        if place == END:
            return SILENT[BEFORE:]
        rank = sum(at == place for at, _, _ in self._written)
        found = [_ranked(offers, place, rank) for offers in self._offers]
        pitches = [pitch for pitch, _ in found]
        moved = [
            min(max(pitch + by, 0), STEP_SIZES[1] - 1) if pitch != NONE else NONE
            for pitch, by in zip(pitches, self._moved, strict=True)
        ]
        return (*pitches, *moved, *(length for _, length in found))

    def write(self, note: NoteClasses) -> None:
        place, pitch, length = note
        if place == END:
            self._offers = [
                [(at - self._places, pitch, length) for at, pitch, length in offers if at >= self._places]
                for offers in self._offers
            ]
            self._written, self._first = [], False
            return
        pitches = self.at(place)[:ECHOES]
        for lag, offered in enumerate(pitches):
            if offered != NONE:
                self._followed[lag] = _SAME if offered == pitch else _OTHER_PITCH
                self._moved[lag] = pitch - offered
            else:
                self._followed[lag] = _UNHEARD if self._next(lag) == NONE else _ELSEWHERE
        self._written.append(note)
        for offers, by in zip(self._offers, self._lags, strict=True):
            offers.append((place + by, pitch, length))

    def _next(self, lag: int) -> int:
        offers = [note for note in self._offers[lag] if note[0] < self._places]
        place, _, _ = next_of(offers, self._written)
        if place != END:
            return place
        heard = (self._written[-1][0] + 1 if self._written else 0) + self._lags[lag]  # places that this lag speaks of
        unheard = heard < self._places or (self._first and self._lags[lag] == self._places)
        return NONE if unheard else END


def _ranked(offers: list[NoteClasses], place: int, rank: int) -> tuple[int, int]:
    """Pitch and length of the note of this rank among those at a place."""
    there = [note for note in offers if note[0] == place]
    return (there[rank][1], there[rank][2]) if rank < len(there) else (NONE, NONE)


def echoes_of(encoded: BarSteps, meter: tuple[int, int]) -> Ints:
    """The echoes of every step of a passage: (T, 15)."""
    out = np.empty((len(encoded.steps), len(SILENT)), dtype=np.int64)
    echoes = Echoes(meter)
    steps, streams = encoded.steps[:, :3].tolist(), encoded.stream.tolist()
    for index, ((place, pitch, length), stream) in enumerate(zip(steps, streams, strict=True)):
        out[index] = (*echoes.before(stream), *echoes.at(stream, place))
        echoes.write(stream, (place, pitch, length))
    return out
