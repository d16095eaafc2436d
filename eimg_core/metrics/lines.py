"""The lines that two pieces can be compared by: their chords in order of time, and the melody on top of them.

Conventions: onsets that follow the first of a chord by less than 30 ms belong to it, since hands are never exactly
together, and the chord begins with its first note. Within a chord notes stand from low to high.
"""

from __future__ import annotations

from dataclasses import replace

from eimg_core.midi.melody import upper_line
from eimg_core.midi.notes import Note, Piece

__all__ = ["TOGETHER_S", "chords", "melody"]

TOGETHER_S = 0.03  # seconds; shorter than any rhythm that is played


def chords(piece: Piece) -> list[list[Note]]:
    """The notes that are struck together, chord by chord; none for an empty piece. All begin with their chord."""
    found: list[list[Note]] = []
    for note in piece.notes:
        if found and note.start_s - found[-1][0].start_s < TOGETHER_S:
            found[-1].append(replace(note, start_s=found[-1][0].start_s))
        else:
            found.append([note])
    return [sorted(chord, key=lambda note: note.pitch) for chord in found]


def melody(piece: Piece) -> list[list[Note]]:
    """The upper line as chords of one note."""
    return [[note] for note in upper_line(note for chord in chords(piece) for note in chord)]
