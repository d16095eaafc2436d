"""A piece taken apart: notes in beats, what is struck together, the tune, the bass, hands, harmonies.

Two views of a piece are usual: *as written*, and *as notated* (``as_notated``), which rounds it as a score would
say it. Sources differ in how finely they store time, and a comparison should not rest on that.

Conventions: a beat is a quarter note of the piece's tempo; pitches are MIDI numbers; intervals are semitones. Notes
that start within 30 ms of the first of a chord are struck together with it (``eimg_core.metrics.lines``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from eimg_core.metrics.lines import TOGETHER_S, melody
from eimg_core.midi.attributes import key_of
from eimg_core.midi.codec import fold_tempo
from eimg_core.midi.notes import Note, Piece
from eimg_core.notation.grid import lay_out
from eimg_core.notation.hands import LEFT, hands_of
from eimg_core.notation.harmony import Chord, chords_of

__all__ = ["Analysis", "Line", "analyse", "as_notated"]

Array = NDArray[np.float64]
Ints = NDArray[np.int64]

_PLACES = 12  # of a beat: sixteenths and triplets
_VALUES = np.array([1 / 6, 1 / 4, 1 / 3, 1 / 2, 2 / 3, 3 / 4, 1, 4 / 3, 3 / 2, 2, 3, 4, 6, 8])  # beats
_SHORTEST_BAR, _LONGEST_BAR = 1.5, 6.0  # beats; a meter outside is no meter, and read as 4/4


@dataclass(frozen=True)
class Line:
    """One note at a time: onsets and lengths in beats and pitches, (M,) each."""

    onsets: Array
    lengths: Array
    pitches: Ints

    @property
    def intervals(self) -> Ints:
        """From note to note, (M - 1,)."""
        return np.diff(self.pitches)

    @property
    def steps(self) -> Ints:
        """Times from note to note in twelfths of a beat, (M - 1,)."""
        return np.rint(np.diff(self.onsets) * _PLACES).astype(np.int64)


@dataclass(frozen=True)
class Analysis:
    """A piece taken apart, for N notes in the order of ``piece.notes``.

    Args:
        piece: what was analysed.
        onsets, lengths: in beats, (N,).
        pitches: (N,).
        hands: of each note, ``RIGHT`` 0 or ``LEFT`` 1, (N,).
        struck: indices of the notes that are struck together, low to high, one array for each moment.
        tune: the upper line.
        bass: the lowest note of every moment at which the left hand strikes.
        harmonies: the chords.
        spans: where each of them begins and ends, in beats, (H, 2).
        key: 0-11 major, 12-23 minor.
        bar: beats in a bar.
    """

    piece: Piece
    onsets: Array
    lengths: Array
    pitches: Ints
    hands: Ints
    struck: tuple[Ints, ...]
    tune: Line
    bass: Line
    harmonies: tuple[Chord, ...]
    spans: Array
    key: int
    bar: float

    @cached_property
    def moments(self) -> Array:
        """When something is struck, in beats, (K,)."""
        return np.array([self.onsets[chord].min() for chord in self.struck])

    @property
    def seconds(self) -> float:
        """From the first onset to the last, in seconds; 0 for fewer than two."""
        return float(np.ptp(self.onsets)) * self.piece.seconds_per_beat if len(self.onsets) else 0.0

    def of_hand(self, hand: int) -> list[Ints]:
        """What one hand strikes, moment by moment, where it strikes at all."""
        mine = [chord[self.hands[chord] == hand] for chord in self.struck]
        return [chord for chord in mine if len(chord)]

    @cached_property
    def sounding(self) -> list[Ints]:
        """For each moment the pitches that are struck or still held there, low to high, each once."""
        late = TOGETHER_S / self.piece.seconds_per_beat
        ends = self.onsets + self.lengths
        return [
            np.unique(self.pitches[np.where(self.onsets < now, ends > now + late, self.onsets < now + late)])
            for now in self.moments
        ]


def as_notated(piece: Piece) -> Piece:
    """The piece as a score would say it: onsets to a twelfth of a beat after the first, lengths to note values.

    The tempo is doubled or halved into 70-140 bpm first, since a score may say the same music in values twice as long
    at twice the tempo. A key that would be struck twice at one place is struck once.
    """
    if not piece.notes:
        return piece
    tempo = fold_tempo(piece.tempo_bpm)
    beat_s, first = 60.0 / tempo, piece.notes[0].start_s
    longest: dict[tuple[int, int], Note] = {}
    for note in piece.notes:
        place = round((note.start_s - first) / beat_s * _PLACES)
        value = float(_VALUES[np.abs(np.log(_VALUES * beat_s / note.duration_s)).argmin()])
        start_s = place / _PLACES * beat_s
        written = replace(note, start_s=start_s, end_s=start_s + value * beat_s)
        key = (place, note.pitch)
        if key not in longest or written.end_s > longest[key].end_s:
            longest[key] = written
    return replace(piece, notes=tuple(longest.values()), tempo_bpm=tempo)


def analyse(piece: Piece) -> Analysis:
    """Take a piece apart; an empty one gives empty parts."""
    beats = 1.0 / piece.seconds_per_beat
    hands = hands_of(piece)
    grid, _ = lay_out(piece, hands)
    struck = _struck(piece)
    sides = np.array(hands, dtype=np.int64)
    harmonies = chords_of(piece, grid)
    bass = [chord[0] for chord in struck if sides[chord[0]] == LEFT]
    return Analysis(
        piece,
        np.array([note.start_s for note in piece.notes]) * beats,
        np.array([note.duration_s for note in piece.notes]) * beats,
        np.array([note.pitch for note in piece.notes], dtype=np.int64),
        sides,
        struck,
        _line([note for (note,) in melody(piece)], beats),
        _line([piece.notes[place] for place in bass], beats),
        harmonies,
        np.array([(grid.seconds(h.start), grid.seconds(h.end)) for h in harmonies]).reshape(-1, 2) * beats,
        key_of(piece),
        _bar(piece),
    )


def _struck(piece: Piece) -> tuple[Ints, ...]:
    moments: list[list[int]] = []
    for index, note in enumerate(piece.notes):
        if moments and note.start_s - piece.notes[moments[-1][0]].start_s < TOGETHER_S:
            moments[-1].append(index)
        else:
            moments.append([index])
    return tuple(np.array(sorted(moment, key=lambda at: piece.notes[at].pitch)) for moment in moments)


def _line(notes: Sequence[Note], beats: float) -> Line:
    return Line(
        np.array([note.start_s for note in notes]) * beats,
        np.array([note.duration_s for note in notes]) * beats,
        np.array([note.pitch for note in notes], dtype=np.int64),
    )


def _bar(piece: Piece) -> float:
    beats = 4.0 * piece.meter[0] / piece.meter[1]
    return beats if _SHORTEST_BAR <= beats <= _LONGEST_BAR else 4.0
