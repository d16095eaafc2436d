"""Finding the beat of a performance: which tempo and offset put its onsets on a grid of sixteenths.

Transcribed recordings come in plain seconds. A score model wants beats and bars, so their excerpts are laid on the
grid that fits best, or left out where none does.

Reference for the fit: the length of the mean resultant vector of circular statistics (Mardia and Jupp 2000), here of
the onsets' places within a sixteenth.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from eimg_core.midi.notes import Piece

__all__ = ["Grid", "find_grid", "on_grid"]

Array = NDArray[np.float64]

_TEMPI = (55.0, 150.0)  # quarter notes per minute; what lies outside is heard at half or double speed
_CANDIDATES = 1500
_SIXTEENTHS = 4  # per beat
_BAR = 4  # beats


@dataclass(frozen=True, slots=True)
class Grid:
    """A beat.

    Args:
        tempo_bpm: quarter notes per minute.
        downbeat_s: a moment at which a bar of four beats begins, not before 0.
        fit: 1 if every onset lies on a sixteenth, near 0 if they fall anywhere.
    """

    tempo_bpm: float
    downbeat_s: float
    fit: float


def find_grid(piece: Piece, tempo_bpm: float | None = None) -> Grid:
    """The best grid for the onsets of a piece; an excerpt of 10 to 30 s works best, since performances drift.

    Args:
        piece: at least two notes.
        tempo_bpm: where the tempo is known; only small corrections of it are tried.
    Raises:
        ValueError: fewer than two notes.
    """
    if len(piece.notes) < 2:
        raise ValueError("a beat needs at least two notes")
    onsets = np.array([note.start_s for note in piece.notes])
    low, high = (tempo_bpm * 0.995, tempo_bpm * 1.005) if tempo_bpm else _TEMPI
    tempi = np.geomspace(low, high, _CANDIDATES if tempo_bpm is None else 101)
    turns = np.exp(2j * np.pi * np.outer(tempi / 60 * _SIXTEENTHS, onsets))
    fits = np.abs(turns.mean(axis=1))
    best = int(fits.argmax())
    tempo = float(tempi[best])
    sixteenth = 60 / tempo / _SIXTEENTHS
    offset = float(np.angle(turns[best].mean()) / (2 * np.pi) * sixteenth) % sixteenth
    weights = _accents(piece)
    places = np.round((onsets - offset) / sixteenth).astype(int)
    beat = _strongest(places, weights, _SIXTEENTHS)
    on_beat = (places - beat) % _SIXTEENTHS == 0
    bar = _strongest((places[on_beat] - beat) // _SIXTEENTHS, weights[on_beat], _BAR) if on_beat.any() else 0
    downbeat = offset + (beat + bar * _SIXTEENTHS) * sixteenth
    return Grid(tempo, downbeat, float(fits[best]))


def on_grid(piece: Piece, grid: Grid) -> Piece:
    """The piece from its first downbeat on, moved there to 0 s, with the grid's tempo."""

    def moved(seconds: float) -> float:
        return seconds - grid.downbeat_s

    early = 60 / grid.tempo_bpm / (2 * _SIXTEENTHS)  # a note this little before the bar belongs to it
    notes = [
        replace(note, start_s=max(0.0, moved(note.start_s)), end_s=moved(note.end_s))
        for note in piece.notes
        if moved(note.start_s) > -early and moved(note.end_s) > 0
    ]
    return Piece(tuple(notes), grid.tempo_bpm, (_BAR, 4))


def _accents(piece: Piece) -> Array:
    """Weight of each note as a sign of a beat: long and low notes stand on strong beats."""
    return np.array([min(note.duration_s, 2.0) * (1.0 + (note.pitch < 55)) for note in piece.notes])


def _strongest(places: NDArray[np.int64], weights: Array, cycle: int) -> int:
    """The residue of ``places`` modulo ``cycle`` that carries the most weight."""
    return int(np.bincount(places % cycle, weights, minlength=cycle).argmax())
