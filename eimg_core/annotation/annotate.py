"""All that is known of a piece as a score: its sheet with hands, and tune, key, chords, phrases and returns."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from eimg_core.annotation.beat import find_beat
from eimg_core.annotation.chords import chords_of
from eimg_core.annotation.hands import hands_of
from eimg_core.annotation.phrases import letters_of, phrase_starts
from eimg_core.annotation.returns import contents_of, returns_of
from eimg_core.annotation.tune import tune_of
from eimg_core.midi.attributes import MAJOR_PROFILE, MINOR_PROFILE
from eimg_core.midi.notes import Piece
from eimg_core.midi.sheet import HAND, LENGTH, METERS, PITCH, Ints, Sheet, sheet_of

__all__ = ["Annotation", "annotate", "annotate_piece", "key_of_notes", "sheet_of_piece", "written_meter"]

_UNKNOWN_BPM = 120.0  # a tempo mark of exactly this means that none was known
_PROFILES = np.stack([np.roll(profile, tonic) for profile in (MAJOR_PROFILE, MINOR_PROFILE) for tonic in range(12)])


@dataclass(frozen=True)
class Annotation:
    """A passage of N notes and B bars.

    Attributes:
        sheet: with a hand for every note.
        tune: which notes are the tune, (N,).
        key: 0-11 major, 12-23 minor, by the tonic.
        chords, inversions: of each half bar, see ``chords_of``: (2 B,) each.
        ref, kind: which earlier bar each bar takes up, in bars back, and how, see ``returns_of``: (B,) each.
        letter, left: the phrase of each bar, and the bars that are left in it, this one included: (B,) each.
    """

    sheet: Sheet
    tune: NDArray[np.bool_]
    key: int
    chords: Ints
    inversions: Ints
    ref: Ints
    kind: Ints
    letter: Ints
    left: Ints

    @property
    def bars(self) -> int:
        return len(self.ref)


def annotate(sheet: Sheet, *, tune: NDArray[np.bool_] | None = None, starts: list[int] | None = None) -> Annotation:
    """Everything about a sheet.

    Args:
        sheet: hands that are not known are found.
        tune: which notes are the tune, (N,), where that is known.
        starts: bars on which phrases begin, where they are known; the first is 0.
    Raises:
        ValueError: the sheet has no notes.
    """
    if not len(sheet.notes):
        raise ValueError("a sheet without notes cannot be annotated")
    if (sheet.notes[:, HAND] < 0).any():
        sheet = replace(sheet, notes=np.column_stack([sheet.notes[:, :HAND], hands_of(sheet)]))
    tune = tune_of(sheet) if tune is None else tune
    key = key_of_notes(sheet.notes)
    tonic = key % 12
    chords, inversions = chords_of(sheet)
    # A minor key has its steps from the relative major's tonic, so that both share their diatonic steps.
    ref, kind = returns_of(contents_of(sheet, tune, (tonic + 3) % 12 if key >= 12 else tonic), sheet.bar // 2)
    starts = phrase_starts(sheet, tune, chords, ref, tonic) if starts is None else starts
    letter, left = letters_of([start for start in starts if start < len(ref)], ref, kind)
    return Annotation(sheet, tune, key, chords, inversions, ref, kind, letter, left)


def annotate_piece(piece: Piece) -> Annotation:
    """Everything about a piece that is known in seconds, its beat included; see ``sheet_of_piece``."""
    return annotate(sheet_of_piece(piece))


def sheet_of_piece(piece: Piece) -> Sheet:
    """A piece on bars: its own tempo and meter count, but a tempo of exactly 120 and a meter that no sheet has."""
    tempo = None if abs(piece.tempo_bpm - _UNKNOWN_BPM) < 1e-3 else piece.tempo_bpm
    beat = find_beat(piece, written_meter(piece.meter), tempo)
    return sheet_of(piece, tempo_bpm=beat.tempo_bpm, first_s=beat.first_s, meter=beat.meter)


def written_meter(meter: tuple[int, int]) -> tuple[int, int]:
    """The meter of a sheet that is nearest to a written one: by twos, threes or, in eighths, by both."""
    above, below = meter
    if meter in METERS:
        return meter
    if below >= 8:
        return (6, 8) if above in (6, 12) else (3, 4) if above % 3 == 0 else (2, 4)
    return (3, 4) if above % 3 == 0 else (4, 4)


def key_of_notes(notes: Ints) -> int:
    """The best-fitting of the 24 keys by how long each pitch class sounds (Krumhansl and Kessler 1982)."""
    weights = np.bincount(notes[:, PITCH] % 12, np.minimum(notes[:, LENGTH], 96), minlength=12)
    if weights.std() == 0:
        return 0
    return int(np.argmax([np.corrcoef(weights, profile)[0, 1] for profile in _PROFILES]))
