"""Attributes of a piece that listeners name: how dense, how full, in which key.

Conventions: everything is measured in seconds, on frames of 0.125 s, so that it does not depend on the tempo mark or
the ticks of a file. Keys are numbered 0-11 for C major … B major and 12-23 for C minor … B minor.

References: Tan and Herremans 2020 (rhythm and note density); Krumhansl and Kessler 1982 (key profiles).
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from eimg_core.midi.notes import Piece

__all__ = [
    "FRAME_S",
    "HOLD",
    "KEY_NAMES",
    "MAJOR_PROFILE",
    "MINOR_PROFILE",
    "MOST_NOTES",
    "ONSET",
    "REST",
    "articulation",
    "home_shift",
    "key_correlations",
    "key_of",
    "note_series",
    "pitch_height",
    "rhythm_series",
    "tonic_shift",
]

FRAME_S = 0.125
REST, ONSET, HOLD = 0, 1, 2
MOST_NOTES = 15  # a frame with more sounding notes counts as this many

_PITCH_NAMES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
KEY_NAMES = tuple(f"{name} major" for name in _PITCH_NAMES) + tuple(f"{name} minor" for name in _PITCH_NAMES)

MAJOR_PROFILE = np.array([6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88])
MINOR_PROFILE = np.array([6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17])
_PROFILES = np.stack([np.roll(profile, tonic) for profile in (MAJOR_PROFILE, MINOR_PROFILE) for tonic in range(12)])


def note_series(piece: Piece, frames: int) -> NDArray[np.int64]:
    """Number of sounding notes in each frame, 0-15: (frames,)."""
    counts = np.zeros(frames + 1, dtype=np.int64)
    for note in piece.notes:
        first = int(note.start_s / FRAME_S)
        last = max(first + 1, int(np.ceil(note.end_s / FRAME_S - 1e-6)))
        if first < frames:
            counts[first] += 1
            counts[min(last, frames)] -= 1
    return np.minimum(np.cumsum(counts[:-1]), MOST_NOTES)


def rhythm_series(piece: Piece, frames: int) -> NDArray[np.int64]:
    """What happens in each frame: REST 0, ONSET 1 (a note starts), HOLD 2: (frames,)."""
    series = np.where(note_series(piece, frames) > 0, HOLD, REST)
    for note in piece.notes:
        frame = int(note.start_s / FRAME_S)
        if frame < frames:
            series[frame] = ONSET
    return series


def key_correlations(piece: Piece) -> NDArray[np.float64]:
    """Correlation of the piece's pitch-class durations with the 24 key profiles: (24,), zeros for an empty piece."""
    weights = np.zeros(12)
    for note in piece.notes:
        weights[note.pitch % 12] += note.duration_s
    if weights.std() == 0:
        return np.zeros(24)
    return np.asarray(np.corrcoef(weights, _PROFILES)[0, 1:])


def key_of(piece: Piece) -> int:
    """The best-fitting of the 24 keys; 0 (C major) for an empty piece."""
    return int(np.argmax(key_correlations(piece)))


def tonic_shift(tonic: int, wanted: int) -> int:
    """Semitones, -6 to 5, from a tonic to another, by the nearer way; both are pitch classes, 0-11."""
    return (wanted - tonic + 6) % 12 - 6


def home_shift(key: int) -> int:
    """Semitones, -6 to 5, from a key to its home: C major for major keys, A minor for minor keys."""
    return tonic_shift(key % 12, 0 if key < 12 else 9)


def pitch_height(piece: Piece) -> float:
    """Mean pitch of the notes as a MIDI number; 60 for an empty piece."""
    return sum(note.pitch for note in piece.notes) / len(piece.notes) if piece.notes else 60.0


def articulation(piece: Piece) -> float:
    """How far notes fill the time to the next onset: below 1 is detached, 1 is legato, more overlaps, 2 at most.

    The mean over notes; the last onset has no next one and does not count. 1 for a piece with fewer than two onsets.
    """
    onsets = sorted({note.start_s for note in piece.notes})
    next_onset = dict(pairwise(onsets))
    shares = [
        min(2.0, note.duration_s / (next_onset[note.start_s] - note.start_s))
        for note in piece.notes
        if note.start_s in next_onset
    ]
    return sum(shares) / len(shares) if shares else 1.0
