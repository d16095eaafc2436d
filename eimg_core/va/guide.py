"""The guide: music → valence and arousal by three fully connected layers, the predictor of the paper's Section V.

It serves composing: of several takes the one whose estimate is nearest to the target is kept. For that it has to differ
from the evaluator (``evaluator.py``) in data (train only), model and input: it never sees the evaluator's counted
features. Its input is a coarse picture of the sounding notes in seconds: a piano roll of registers × eighths of the
piece, the lengths and waits of the notes on a logarithmic ruler, steps of the melody, intervals, velocities. Where
the released predictor reads raw ticks, this reads seconds, so the grid of a file does not matter.

Several networks of different seeds are averaged. Layer: linear, ReLU, dropout; the last one is linear.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eimg_core.checkpoints import load_model
from eimg_core.emotion import HIGH, LOW, VA
from eimg_core.errors import InputError
from eimg_core.layers import perceptrons
from eimg_core.midi.notes import Piece
from eimg_core.trainable import LossTerms, Objective, Trainable
from eimg_core.va.music_features import STRIKE_S, note_parts

__all__ = ["GUIDE_FOLDER", "INPUT_SIZE", "Guide", "GuideConfig", "PictureBatch", "picture", "pictures", "varied"]

Array = NDArray[np.float64]

GUIDE_FOLDER = Path("va_predictor") / "guide"

_REGISTERS = 11  # bands of 8 keys
_COLUMNS = 8  # eighths of the piece
_KEYS = 44  # bands of 2 keys
_RULER_S = np.geomspace(0.04, 4.0, 16)  # lengths and waits; a value between two marks counts for both
_LOUDNESS = 8  # bands of 16 velocity steps
_WIDEST_STEP = 12  # wider steps of the melody count as an octave
_LOWEST = 21

_BLOCKS = {
    "roll": _REGISTERS * _COLUMNS,
    "sounding": _COLUMNS,
    "keys": 2 * _KEYS,
    "lengths": _REGISTERS * len(_RULER_S),
    "waits": 2 * len(_RULER_S),
    "steps": 2 * _WIDEST_STEP + 1,
    "intervals": 24,
    "classes": 24,
    "loudness": _LOUDNESS + 1,
}
INPUT_SIZE = sum(_BLOCKS.values())


def picture(piece: Piece) -> Array:
    """The input of the guide.

    Args:
        piece: any length; longer than 20 s it is drawn in equal parts and the drawings are averaged.
    Returns:
        Rates per second and shares, all ≥ 0, (INPUT_SIZE,); NaN for a piece without notes.
    """
    if not piece.notes:
        return np.full(INPUT_SIZE, np.nan)
    drawings = []
    for notes in note_parts(piece):
        rows = np.array([(n.start_s, n.end_s, n.pitch, n.velocity) for n in notes], dtype=np.float64)
        drawings.append(_draw(rows[:, 0] - rows[0, 0], rows[:, 1] - rows[0, 0], rows[:, 2].astype(int), rows[:, 3]))
    return np.mean(drawings, axis=0)


def pictures(pieces: Sequence[Piece]) -> Array:
    """The inputs of many pieces, (N, INPUT_SIZE)."""
    return np.array([picture(piece) for piece in pieces]).reshape(len(pieces), INPUT_SIZE)


def varied(piece: Piece, rng: np.random.Generator) -> Piece:
    """The same music a little higher or lower (±3 semitones), faster or slower (±5 %) and louder or softer (±6)."""
    stretch, louder = float(rng.uniform(0.95, 1.05)), int(rng.integers(-6, 7))
    moved = piece.transposed(int(rng.integers(-3, 4)))
    return moved.with_notes(
        replace(
            note,
            start_s=note.start_s * stretch,
            end_s=note.end_s * stretch,
            velocity=min(127, max(1, note.velocity + louder)),
        )
        for note in moved.notes
    )


def _draw(on: Array, off: Array, pitch: NDArray[np.int64], velocity: Array) -> Array:
    span, length = max(float(off.max()), 0.5), off - on
    blocks = {
        **_where(on, off, pitch, span),
        **_when(on, length, pitch, span),
        **_between(on, off, pitch, length),
        "loudness": np.append(
            np.bincount((velocity // 16).astype(int), minlength=_LOUDNESS) / len(on), velocity.mean() / 128
        ),
    }
    return np.concatenate([np.ravel(blocks[name]) for name in _BLOCKS])


def _where(on: Array, off: Array, pitch: NDArray[np.int64], span: float) -> dict[str, Array]:
    """The piano roll: which keys, in which eighth of the piece."""
    key = np.clip(pitch - _LOWEST, 0, 87)
    column = np.minimum((on / span * _COLUMNS + 1e-4).astype(int), _COLUMNS - 1)
    roll = np.zeros((_REGISTERS, _COLUMNS))
    np.add.at(roll, (key // 8, column), 1)
    width = span / _COLUMNS
    edges = np.arange(_COLUMNS) * width
    overlap = np.clip(np.minimum(off[:, None], edges + width) - np.maximum(on[:, None], edges), 0, None)
    strikes = np.bincount(key // 2, minlength=_KEYS) / span
    held = np.bincount(key // 2, weights=off - on, minlength=_KEYS) / span
    return {"roll": roll / width, "sounding": overlap.sum(axis=0) / width, "keys": np.concatenate([strikes, held])}


def _when(on: Array, length: Array, pitch: NDArray[np.int64], span: float) -> dict[str, Array]:
    """How long notes last in each register, how long the music waits between them, and the steps of its top line."""
    first = np.flatnonzero(np.diff(on, prepend=-1.0) >= STRIKE_S)
    lengths = np.zeros((_REGISTERS, len(_RULER_S)))
    np.add.at(lengths, np.clip(pitch - _LOWEST, 0, 87) // 8, _ruled(length))
    waits = _ruled(np.diff(on[first])).sum(axis=0)
    step = np.clip(np.diff(np.maximum.reduceat(pitch, first)), -_WIDEST_STEP, _WIDEST_STEP) + _WIDEST_STEP
    gaps = max(1, len(first) - 1)
    return {
        "lengths": lengths / span,
        "waits": np.concatenate([waits / gaps, waits / span]),
        "steps": np.bincount(step, minlength=2 * _WIDEST_STEP + 1) / gaps,
    }


def _between(on: Array, off: Array, pitch: NDArray[np.int64], length: Array) -> dict[str, Array]:
    """Pairs of notes that sound together, in the bass and above; pitch classes seen from two reference notes."""
    i, j = np.nonzero((on[:, None] < off) & (on[:, None] >= on) & (pitch[:, None] != pitch))
    bass = np.minimum(pitch[i], pitch[j]) < 60
    intervals = np.bincount(np.abs(pitch[i] - pitch[j]) % 12 + 12 * bass, minlength=24) / max(1, len(i))
    weight = np.bincount(pitch % 12, weights=length, minlength=12) / length.sum()
    longest, lowest = int(weight.argmax()), int(pitch.min() % 12)
    return {"intervals": intervals, "classes": np.concatenate([np.roll(weight, -longest), np.roll(weight, -lowest)])}


def _ruled(seconds: Array) -> Array:
    """Times on the logarithmic ruler, (N,) → (N, R): each counts one, shared between the two marks around it."""
    position = np.log(np.clip(seconds, _RULER_S[0], _RULER_S[-1]) / _RULER_S[0]) / math.log(_RULER_S[1] / _RULER_S[0])
    return np.clip(1 - np.abs(position[:, None] - np.arange(len(_RULER_S))), 0, None)


@dataclass(frozen=True)
class GuideConfig:
    """Sizes of the networks.

    Args:
        hidden: widths of the two hidden layers.
        members: networks that are averaged.
        dropout: share of hidden units dropped while training.
    """

    hidden: tuple[int, int] = (256, 64)
    members: int = 5
    dropout: float = 0.3

    @classmethod
    def tiny(cls) -> GuideConfig:
        return cls(hidden=(16, 8), members=2)


class PictureBatch(NamedTuple):
    """Inputs (B, INPUT_SIZE) and labels on 1-9 (B, 2)."""

    inputs: Tensor
    va: Tensor


class Guide(Trainable):
    """An ensemble of three-layer perceptrons on ``picture``."""

    Config = GuideConfig
    config: GuideConfig

    def __init__(self, config: GuideConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or GuideConfig()
        self.members = perceptrons(config.members, INPUT_SIZE, config.hidden, 2, config.dropout)
        self.centre: Tensor
        self.spread: Tensor
        self.label_mean: Tensor
        self.label_spread: Tensor
        self.register_buffer("centre", torch.zeros(INPUT_SIZE))
        self.register_buffer("spread", torch.ones(INPUT_SIZE))
        self.register_buffer("label_mean", torch.full((2,), 5.0))
        self.register_buffer("label_spread", torch.ones(2))

    def calibrate(self, inputs: Tensor, va: Tensor) -> None:
        """Take the means and spreads of the training inputs (N, INPUT_SIZE) and labels (N, 2)."""
        roots = inputs.sqrt()
        self.centre.copy_(roots.mean(dim=0))
        # An input that hardly ever moves would be blown up by its tiny spread, so there is a floor under it.
        self.spread.copy_(roots.std(dim=0).clamp(min=0.02))
        self.label_mean.copy_(va.mean(dim=0))
        self.label_spread.copy_(va.std(dim=0))

    def each(self, inputs: Tensor) -> Tensor:
        """The reading of every member, (N, INPUT_SIZE) → (members, N, 2) on the 1-9 scale."""
        # Rates spread like counts: their square root has nearly the same noise at every level.
        x = ((inputs.sqrt() - self.centre) / self.spread).clamp(-5, 5)
        return torch.stack([member(x) for member in self.members]) * self.label_spread + self.label_mean

    def forward(self, inputs: Tensor) -> Tensor:
        """The mean reading, (N, INPUT_SIZE) → (N, 2)."""
        return self.each(inputs).mean(dim=0)

    def objectives(self) -> tuple[Objective, ...]:
        return (Objective("estimate", ("model",), self.loss),)

    def loss(self, batch: PictureBatch, step: int) -> LossTerms:
        """Squared error in units of the labels' spread, summed over members: each gets the gradient of its own."""
        errors = (self.each(batch.inputs) - batch.va) / self.label_spread
        return LossTerms({"error": errors.pow(2).mean(dim=(1, 2)).sum()}, {"error": 1.0})

    @classmethod
    def load(cls, root: Path) -> Guide:
        """The guide in ``root/va_predictor/guide``.

        Raises:
            CheckpointError: it is missing or damaged.
        """
        return load_model(root / GUIDE_FOLDER, {"guide": cls})[0]

    def estimate(self, piece: Piece) -> VA:
        """Where the guide places a piece.

        Raises:
            InputError: the piece has no notes.
        """
        if not piece.notes:
            raise InputError("This piece has no notes, so no emotion can be estimated; compose or choose another.")
        valence, arousal = self.estimate_many([piece])[0].tolist()
        return VA(valence, arousal)

    @torch.no_grad()
    def estimate_many(self, pieces: Sequence[Piece]) -> Array:
        """Valence and arousal of each piece, (N, 2), within 1-9; NaN in the row of a piece without notes."""
        inputs = torch.tensor(pictures(pieces), dtype=torch.float32, device=self.centre.device)
        readings: Array = self(inputs).clamp(LOW, HIGH).double().cpu().numpy()
        return readings
