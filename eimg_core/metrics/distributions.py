"""How far the music of a set of pieces is from real music, as distributions, measured in the distance that real
music keeps from itself.

Means hide what distributions show: half very dense and half empty music has an ordinary mean density. So each measure
of ``MEASURES`` is compared by Wasserstein-1 distance, in its own unit. To read such a number one needs a yardstick,
and that is how far two halves of the real clips are apart:

    share = mean distance between the pieces and a half / mean distance between the two halves

over many random halvings, which never divide a group (clips of one piece resemble each other). Distances between
samples shrink as they grow, so all three sets are drawn to one size each time. A share of 1 means that the pieces are
as near to real clips as other real clips are; below 1 is possible and means no more than that.

Every piece has the same weight, however many notes it has: it enters with ``_QUANTILES`` quantiles of its values.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eimg_core.metrics.lines import chords
from eimg_core.metrics.quality import bar_groove, bar_pitch_class_entropy
from eimg_core.midi.attributes import key_correlations
from eimg_core.midi.notes import Piece

__all__ = [
    "MEASURES",
    "Measure",
    "RealMusic",
    "Share",
    "inter_onset_intervals",
    "key_clarity",
    "note_durations",
    "wasserstein",
]

Array = NDArray[np.float64]

_QUANTILES = 32  # of each piece; a clip has some ninety notes
_SPLITS = 20  # halvings of the real clips


# --- what is measured ----------------------------------------------------------------------------------------------


def inter_onset_intervals(piece: Piece) -> list[float]:
    """Times from chord to chord in seconds; none for a piece with fewer than two chords."""
    return np.diff([chord[0].start_s for chord in chords(piece)]).tolist()


def note_durations(piece: Piece) -> list[float]:
    """Lengths of the notes in seconds."""
    return [note.duration_s for note in piece.notes]


def key_clarity(piece: Piece) -> float:
    """How clear the key is: the largest correlation with a key profile, at most 1. NaN without notes."""
    return float(key_correlations(piece).max()) if piece.notes else math.nan


@dataclass(frozen=True, slots=True)
class Measure:
    """What is compared: its heading in tables, and the values of a piece, one or many; NaN does not count."""

    column: str
    values: Callable[[Piece], Sequence[float]]


MEASURES: dict[str, Measure] = {
    "bar_groove": Measure("groove by bar", lambda piece: [bar_groove(piece)]),
    "bar_pitch_class_entropy": Measure("pitch classes by bar", lambda piece: [bar_pitch_class_entropy(piece)]),
    "inter_onset_s": Measure("time between onsets", inter_onset_intervals),
    "duration_s": Measure("note lengths", note_durations),
    "key_clarity": Measure("clarity of key", lambda piece: [key_clarity(piece)]),
}


# --- how it is compared --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Share:
    """Of one measure: how far some pieces are from real clips, and real clips from each other.

    Args:
        distance: mean Wasserstein-1 distance between the pieces and a half of the real clips, in the measure's unit.
        real: mean distance between two halves.
        n: pieces that were drawn from each set, on average over the halvings.
    """

    distance: float
    real: float
    n: float

    @property
    def share(self) -> float:
        """``distance / real``; NaN where one of them is not defined, ∞ where real clips do not differ at all."""
        if self.real == 0.0:
            return math.nan if self.distance == 0.0 else math.inf
        return self.distance / self.real


class RealMusic:
    """Real clips as the yardstick.

    Args:
        pieces: the clips, N.
        groups: which clips belong together, N; at least two different groups.
        splits: random halvings.
        seed: of the halvings and draws; two sets of pieces are measured with the same halvings.
    Raises:
        ValueError: lengths differ, or there are fewer than two groups.
    """

    def __init__(self, pieces: Sequence[Piece], groups: Sequence[str], *, splits: int = _SPLITS, seed: int = 0) -> None:
        if len(pieces) != len(groups) or len(set(groups)) < 2:
            raise ValueError(f"expected clips of two groups or more, got {len(pieces)} clips and {len(groups)} groups")
        self._tables = {name: _table(pieces, measure.values) for name, measure in MEASURES.items()}
        self._groups, self._splits, self._seed = np.array(groups), splits, seed

    def shares(self, pieces: Sequence[Piece]) -> dict[str, Share]:
        """How far some pieces are from the real clips, for each of ``MEASURES``. NaN where nothing can be compared."""
        return {name: self._share(_table(pieces, MEASURES[name].values), real) for name, real in self._tables.items()}

    def _share(self, pieces: Array, real: Array) -> Share:
        rng = np.random.default_rng(self._seed)
        distances: list[float] = []
        yardstick: list[float] = []
        drawn: list[int] = []
        for half in self._halvings(rng):
            sets = [_defined(rows) for rows in (pieces, real[half], real[~half])]
            n = min(len(rows) for rows in sets)
            ours, one, other = (rows[rng.choice(len(rows), n, replace=False)] for rows in sets)
            distances += [wasserstein(ours, one), wasserstein(ours, other)]
            yardstick.append(wasserstein(one, other))
            drawn.append(n)
        return Share(float(np.mean(distances)), float(np.mean(yardstick)), float(np.mean(drawn)))

    def _halvings(self, rng: np.random.Generator) -> Iterator[NDArray[np.bool_]]:
        """Masks of the clips whose groups are in the first half of the groups."""
        names = np.unique(self._groups)
        for _ in range(self._splits):
            yield np.isin(self._groups, rng.permutation(names)[: len(names) // 2])


def wasserstein(a: ArrayLike, b: ArrayLike) -> float:
    """Wasserstein-1 distance of two samples on a line: the area between their cumulative distributions.

    Args:
        a, b: samples of any shape; only their values count.
    Returns:
        The distance in the unit of the samples; NaN if one of them is empty.
    """
    x, y = (np.sort(np.asarray(sample, dtype=np.float64).ravel()) for sample in (a, b))
    if not len(x) or not len(y):
        return math.nan
    support = np.sort(np.concatenate([x, y]))
    below_x, below_y = (np.searchsorted(s, support[:-1], side="right") / len(s) for s in (x, y))
    return float(np.sum(np.abs(below_x - below_y) * np.diff(support)))


def _table(pieces: Sequence[Piece], values: Callable[[Piece], Sequence[float]]) -> Array:
    """Quantiles of each piece's values, (N, Q); a row of NaN for a piece without any."""
    places = (np.arange(_QUANTILES) + 0.5) / _QUANTILES
    table = np.full((len(pieces), _QUANTILES), np.nan)
    for row, piece in zip(table, pieces, strict=True):
        found = np.asarray(values(piece), dtype=np.float64)
        found = found[np.isfinite(found)]
        if len(found):
            row[:] = np.quantile(found, places)
    return table


def _defined(rows: Array) -> Array:
    return rows[np.isfinite(rows[:, 0])]
