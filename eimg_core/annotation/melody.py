"""The melody of a piece on its bars, to be told again, and how it changes its mode."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from eimg_core.annotation.annotate import annotate, sheet_of_piece
from eimg_core.midi.attributes import tonic_shift
from eimg_core.midi.notes import Piece
from eimg_core.midi.request import BeatNote
from eimg_core.midi.sheet import ONSET, TICKS, Ints

__all__ = ["Melody", "melody_of", "mode_shifts"]

_TO_MINOR = {4: -1, 9: -1, 11: -1}  # semitones above the tonic → move: third, sixth, seventh
_TO_MAJOR = {3: 1, 8: 1, 10: 1}


@dataclass(frozen=True)
class Melody:
    """A melody.

    Attributes:
        notes: in quarter notes from a bar line.
        key: 0-11 major, 12-23 minor, of the piece that it is from.
        tempo_bpm: quarter notes a minute.
        meter: of its bars.
    """

    notes: tuple[BeatNote, ...]
    key: int
    tempo_bpm: float
    meter: tuple[int, int]

    def in_mode(self, minor: bool) -> Melody:
        """The same melody over the same tonic, in major or in minor; notes that lead to the tonic stay."""
        if (self.key >= 12) == minor or not self.notes:
            return replace(self, key=self.key % 12 + 12 * minor)
        pitches = np.array([note.pitch for note in self.notes])
        shifts = mode_shifts(pitches, self.key % 12, minor)
        leads = np.append(np.diff(pitches) == 1, False) & ((pitches - self.key) % 12 == 11)
        shifts[leads] = 0
        notes = (note._replace(pitch=note.pitch + int(shift)) for note, shift in zip(self.notes, shifts, strict=True))
        return replace(self, notes=tuple(notes), key=self.key % 12 + 12 * minor)

    def over(self, tonic: int) -> Melody:
        """The same melody over another tonic, 0-11, as near as it lies."""
        moved = tonic_shift(self.key % 12, tonic)
        notes = tuple(note._replace(pitch=note.pitch + moved) for note in self.notes)
        return replace(self, notes=notes, key=self.key // 12 * 12 + tonic)


def melody_of(piece: Piece) -> Melody:
    """The melody of a piece, without what falls on its last chord.

    Raises:
        ValueError: the piece has no notes.
    """
    annotation = annotate(sheet_of_piece(piece))
    sheet = annotation.sheet
    line = sheet.notes[annotation.tune]
    if (line[:, ONSET] < sheet.notes[-1, ONSET]).any():
        line = line[line[:, ONSET] < sheet.notes[-1, ONSET]]
    notes = tuple(
        BeatNote(onset / TICKS, pitch, length / TICKS, velocity) for onset, length, pitch, velocity, _ in line.tolist()
    )
    key = annotation.key if piece.key is None else piece.key
    return Melody(notes, key, sheet.tempo_bpm, sheet.meter)


def mode_shifts(pitches: Ints, tonic: int, minor: bool) -> Ints:
    """How far notes move so that major becomes minor over the same tonic, or minor major, in semitones: (N,)."""
    moves = _TO_MINOR if minor else _TO_MAJOR
    return np.array([moves.get(int(step), 0) for step in (pitches - tonic) % 12], dtype=np.int64)
