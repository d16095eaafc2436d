"""Published rules of music psychology: a piece → valence and arousal, without anything learnt from labels of music.

Six cues are counted in a piece, each is measured in standard deviations from the mean of scores without any label, and
the rules add them up. That cues add up, linearly and without interactions, is a finding of Eerola, Friberg and Bresin
2013, who varied mode, tempo, register, loudness and articulation of 200 stimuli on purpose and had each rated as happy,
sad, scary and peaceful. These four stand in the four quadrants of the plane (Vieillard et al. 2008, whose melodies they
used), so valence is taken as happy + peaceful − sad − scary and arousal as happy + scary − sad − peaceful. The weights
are the standardised coefficients of both sums on the five cues, with timbre and melody as further factors, from the
ratings that the authors published (CC0, doi:10.7910/DVN/IFOBRN); R² is .92 and .87.

======================  =======  =======
cue, and its direction  valence  arousal
======================  =======  =======
mode: major               +.68       –
tempo: notes a second     +.15     +.54
register: high            +.36     −.10
loudness: loud            −.19     +.28
articulation: staccato    +.11     +.18
dissonance                −.14       –
======================  =======  =======

Mode: the sums give +.42 for arousal as well. It is left out, because ratings of arousal itself do not follow mode:
Husain, Thompson and Schellenberg 2002 (a sonata, faster or in minor), Battcock and Schutz 2019 (48 pieces of the
Well-Tempered Clavier: the rate of attacks alone). Dissonance: the semi-partial correlation of roughness with ratings of
chords over nine data sets, Eerola and Lahdelma 2021; for arousal there is a direction without a number, so no weight.

The standards that cues are measured by are in ``rules.json``; ``python -m train.rules --standards`` takes them from the
train splits of Mutopia and the OpenScore Lieder.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eimg_core.emotion import HIGH, LOW, MIDDLE, VA
from eimg_core.errors import InputError
from eimg_core.midi.attributes import articulation, pitch_height
from eimg_core.midi.notes import Piece
from eimg_core.va.music_features import FEATURE_NAMES, features

__all__ = ["CUES", "STANDARDS", "WEIGHTS", "Rules", "Standards", "cues"]

Array = NDArray[np.float64]

STANDARDS = Path(__file__).with_name("rules.json")
CUES = ("mode", "tempo", "register", "loudness", "articulation", "dissonance")
WEIGHTS: Mapping[str, tuple[float, float]] = {
    "mode": (0.680, 0.0),
    "tempo": (0.147, 0.538),
    "register": (0.363, -0.096),
    "loudness": (-0.187, 0.282),
    "articulation": (0.106, 0.177),
    "dissonance": (-0.141, 0.0),
}
"""Weights for valence and arousal of each cue in standard deviations; see the top of this module for their sources."""

_SPREAD = 1.6  # points of the scale: 2.5 standard deviations, 99 of 100 windows, reach its ends
# How consonant each interval class is to listeners, from three studies: Huron 1994, "Interval-class content".
_CONSONANCE = {
    "minor_second": -1.428,
    "major_second": -0.582,
    "minor_third": 0.594,
    "major_third": 0.386,
    "fourth": 1.240,
    "tritone": -0.453,
}


def cues(piece: Piece) -> Array:
    """What the rules count in a piece, in the order of ``CUES``: (6,).

    Mode: correlation with the best major key less that with the best minor key (Krumhansl and Kessler 1982). Tempo:
    the logarithm of attacks a second, as in both studies; what is struck together is one. Register: mean pitch.
    Loudness: mean of 40 log₁₀(velocity / 127) in dB, as General MIDI 2 recommends; NaN where all are equally loud,
    which means that nobody has said how loud. Articulation: 1 − length / time to the next attack, on average.
    Dissonance: less consonance of the intervals that sound at each attack.

    Returns:
        All NaN for a piece without notes.
    """
    if not piece.notes:
        return np.full(len(CUES), np.nan)
    counted = dict(zip(FEATURE_NAMES, features(piece).tolist(), strict=True))
    velocities = np.array([note.velocity for note in piece.notes], dtype=np.float64)
    decibels = float(np.mean(40.0 * np.log10(velocities / 127.0))) if np.ptp(velocities) else math.nan
    dissonance = -sum(counted[interval] * consonance for interval, consonance in _CONSONANCE.items())
    return np.array(
        [
            counted["major_minor"],
            counted["log_strikes_per_s"],
            pitch_height(piece),
            decibels,
            1.0 - articulation(piece),
            dissonance,
        ]
    )


@dataclass(frozen=True)
class Standards:
    """Means and standard deviations over music without labels, each of at least two pieces.

    Args:
        mean, spread: of each cue, by name.
        total: standard deviations of the two sums of the rules, valence first.
    """

    mean: Mapping[str, float]
    spread: Mapping[str, float]
    total: tuple[float, float]

    @classmethod
    def of(cls, counted: Array) -> Standards:
        """From the cues of N pieces, (N, 6); a cue that no piece has is left out of the sums by a spread of 0."""
        known = ~np.isnan(counted)
        count = np.maximum(known.sum(axis=0), 1)
        mean = np.nan_to_num(counted).sum(axis=0) / count
        spread = np.sqrt((np.nan_to_num(counted - mean) ** 2).sum(axis=0) / count)
        total = _sums(counted, mean, spread).std(axis=0)
        means, spreads = (dict(zip(CUES, values.tolist(), strict=True)) for values in (mean, spread))
        return cls(means, spreads, (float(total[0]), float(total[1])))

    @classmethod
    @lru_cache(maxsize=1)
    def shipped(cls) -> Standards:
        """Those in ``rules.json``."""
        found = json.loads(STANDARDS.read_text(encoding="utf-8"))["standards"]
        return cls(found["mean"], found["spread"], tuple(found["total"]))


class Rules:
    """Estimates the emotion of pieces by the rules; takes the place of the guide where nothing learnt may.

    Args:
        standards: what cues are measured by; those that are shipped where ``None``.
    """

    def __init__(self, standards: Standards | None = None) -> None:
        self.standards = standards or Standards.shipped()

    def estimate(self, piece: Piece) -> VA:
        """Where the rules place a piece.

        Raises:
            InputError: the piece has no notes.
        """
        if not piece.notes:
            raise InputError("This piece has no notes, so no emotion can be estimated; compose or choose another.")
        valence, arousal = self.estimate_many([piece])[0].tolist()
        return VA(valence, arousal)

    def estimate_many(self, pieces: Sequence[Piece]) -> Array:
        """Valence and arousal of each piece, (N, 2), within 1-9; NaN in the row of a piece without notes."""
        return np.clip(self.points(np.array([cues(piece) for piece in pieces]).reshape(-1, len(CUES))), LOW, HIGH)

    def points(self, counted: Array) -> Array:
        """Where the rules place cues, (N, 6) → (N, 2), beyond the plane as well; NaN where all cues are."""
        mean, spread = (np.array([by[cue] for cue in CUES]) for by in (self.standards.mean, self.standards.spread))
        points = MIDDLE + _SPREAD * _sums(counted, mean, spread) / np.array(self.standards.total)
        return np.where(np.isnan(counted).all(axis=1, keepdims=True), np.nan, points)


def _sums(counted: Array, mean: Array, spread: Array) -> Array:
    """The weighted sums of cues (N, 6): (N, 2). A cue that is not known counts as the mean."""
    standardised = np.nan_to_num((counted - mean) / np.where(spread > 0, spread, np.inf))
    return np.asarray(standardised @ np.array([WEIGHTS[cue] for cue in CUES]))
