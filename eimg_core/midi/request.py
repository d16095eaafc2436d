"""What can be asked of a music autoencoder that composes, beyond its v_y.

Conventions: B pieces, P points of a path; pitches are MIDI numbers in the key of the piece.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from eimg_core.midi.notes import Note

__all__ = ["BeatNote", "Request", "notes_in_beats"]


class BeatNote(NamedTuple):
    """A note in beats: onset and length in quarter notes, a MIDI pitch and velocity."""

    onset: float
    pitch: int
    length: float
    velocity: int = 80


def notes_in_beats(notes: Sequence[Note], tempo_bpm: float) -> tuple[BeatNote, ...]:
    """Notes of a piece, by its tempo."""
    beats = tempo_bpm / 60.0
    return tuple(BeatNote(n.start_s * beats, n.pitch, n.duration_s * beats, n.velocity) for n in notes)


@dataclass(frozen=True)
class Request:
    """All of it is optional but the length and the targets.

    Args:
        seconds: length of the piece; with a tune, its bars decide instead.
        targets: valence and arousal on 1-9 at P points spread evenly over the piece, (B, P, 2); NaN leaves it open.
        tonic: 0-11 of all pieces; drawn from v_y where ``None``.
        minor: mode of all pieces; that of v_y where ``None``.
        tempo_bpm: drawn where ``None``; with a tune, the tempo that the tune had: the new one stays near it.
        exact_tempo: ``tempo_bpm`` is kept to the digit, and the length is that of whole bars.
        tempo_factor: times the tempo that would be taken otherwise; not with an opening, which has a tempo.
        meter: drawn where ``None``, or where it is none that the composer knows.
        density: octaves of notes per second above or below what would be composed otherwise.
        tune: a melody that is kept note for note, on top of what is composed.
        opening: notes that the pieces begin with, before they go on freely.
        anew: the first of some bars of the opening that are composed anew, and the one after the last; the piece is
            then as long as its opening.
        goes_on: so many bars, after the opening where there is one, and no end: the piece goes on after them.
        loop_bars: so many bars whose end meets their beginning; 0 for a piece that ends.
    """

    seconds: float
    targets: Tensor
    tonic: int | None = None
    minor: bool | None = None
    tempo_bpm: float | None = None
    meter: tuple[int, int] | None = None
    density: float = 0.0
    tune: Sequence[BeatNote] = ()
    opening: Sequence[BeatNote] = ()
    anew: tuple[int, int] | None = None
    goes_on: int = 0
    tempo_factor: float = 1.0
    exact_tempo: bool = False
    loop_bars: int = 0
