"""How music follows what is asked for: the size of the answer, and what a listener can name, tempo and loudness.

A correlation says that an answer goes the right way, a slope how far it goes: 1 where the estimates move as far as the
targets, 0 where they stay. Conventions: emotion on 1-9, tables (N, 2) of valence and arousal.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eimg_core.metrics.emotion_match import correlation

__all__ = ["CALM", "EXCITED", "USUAL_BPM", "Obedience", "obedience", "slope"]

Array = NDArray[np.float64]

CALM, EXCITED = 3.5, 6.5  # arousal up to which a target is calm, and from which on it is excited
USUAL_BPM = (115.0, 128.0)  # around 120, which files say where no tempo is known


@dataclass(frozen=True, slots=True)
class Obedience:
    """How pieces follow their targets; NaN where something cannot be told.

    Args:
        slope_valence, slope_arousal: of the estimates on the targets.
        r_tempo: correlation of the arousal asked for with the logarithm of the tempo, -1 to 1.
        usual_tempo: share of the pieces within ``USUAL_BPM``, 0-1.
        tempo_ratio: geometric mean tempo of pieces with excited targets over that with calm ones.
        loudness_db: mean loudness of pieces with excited targets less that with calm ones, in decibels (LU).
    """

    slope_valence: float
    slope_arousal: float
    r_tempo: float
    usual_tempo: float
    tempo_ratio: float
    loudness_db: float


def obedience(targets: Array, estimates: Array, tempi: Array, lufs: Array) -> Obedience:
    """Compare what was asked for with what came.

    Args:
        targets: (N, 2).
        estimates: of the pieces, (N, 2); rows of NaN are left out of the slopes.
        tempi: of the pieces in beats per minute, (N,).
        lufs: loudness of the pieces, (N,); NaN where it was not measured.
    Raises:
        ValueError: lengths differ.
    """
    if not len(targets) == len(estimates) == len(tempi) == len(lufs):
        raise ValueError(
            f"expected a target, an estimate, a tempo and a loudness for each piece, got {len(targets)}, "
            f"{len(estimates)}, {len(tempi)} and {len(lufs)}"
        )
    octaves, arousal = np.log2(tempi), targets[:, 1]
    return Obedience(
        slope(targets[:, 0], estimates[:, 0]),
        slope(arousal, estimates[:, 1]),
        correlation(arousal, octaves),
        float(((tempi >= USUAL_BPM[0]) & (tempi <= USUAL_BPM[1])).mean()) if len(tempi) else math.nan,
        2.0 ** _excited_over_calm(arousal, octaves),
        _excited_over_calm(arousal, lufs),
    )


def slope(asked: Array, came: Array) -> float:
    """Least-squares slope of what came on what was asked for, (N,) each; pairs with a NaN are left out. NaN where
    nothing varied in what was asked for."""
    known = np.isfinite(asked) & np.isfinite(came)
    x, y = asked[known], came[known]
    if len(x) < 2 or np.ptp(x) < 1e-9:
        return math.nan
    return float(np.polyfit(x, y, 1)[0])


def _excited_over_calm(arousal: Array, values: Array) -> float:
    """Mean value at excited targets less that at calm ones."""
    excited, calm = values[(arousal >= EXCITED) & ~np.isnan(values)], values[(arousal <= CALM) & ~np.isnan(values)]
    return float(excited.mean() - calm.mean()) if len(excited) and len(calm) else math.nan
