"""The evaluator of Emotion Matching: music → valence and arousal, by kernel ridge regression on counted features.

It stands for a listener in the evaluation, so it must stay out of what it evaluates: fitted to real clips only,
never part of training or choosing generated music. (Takes are chosen by the *guide*, another model on another input.)

With standardised features x, each kept within ±clip, and F of them, the kernel is

    k(x, x') = exp(-γ |x - x'|₁ / F) + β xᵀx' / F,

and the prediction is m + Σᵢ aᵢ k(x, xᵢ) over the fitted clips, where (K + λI) a = y - m. The first term lets clips vote
for music that resembles them, the second carries on straight where no clip is near. Predictions are kept inside 1-9
and are not stretched: like every regression to noisy labels their spread is smaller than that of the labels.

Reference: Saunders, Gammerman and Vovk (1998), "Ridge regression learning algorithm in dual variables"; the paper's
Section V for the measure it serves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eimg_core.checkpoints import load_component
from eimg_core.emotion import HIGH, LOW, VA
from eimg_core.errors import CheckpointError, InputError
from eimg_core.midi.notes import Piece
from eimg_core.va.music_features import FEATURE_NAMES, feature_table

__all__ = ["EVALUATOR_FOLDER", "Evaluator", "EvaluatorConfig"]

Array = NDArray[np.float64]

EVALUATOR_FOLDER = Path("va_predictor") / "evaluator"


@dataclass(frozen=True)
class EvaluatorConfig:
    """The four numbers of the kernel machine; chosen by cross-validation over pieces on train and val.

    Args:
        gamma: γ, how fast clips stop resembling one another.
        linear: β, weight of the linear term.
        ridge: λ, how little a single label is trusted.
        clip: largest distance of a feature from its mean, in standard deviations.
    """

    gamma: float = 0.7
    linear: float = 0.2
    ridge: float = 0.5
    clip: float = 4.0


class Evaluator:
    """A fitted evaluator. Make one with ``fit`` or ``load``.

    Args:
        config: the kernel.
        centre, scale: mean and standard deviation of each feature, (F,).
        clips: standardised features of the M fitted clips, (M, F).
        weights: a, (M, 2).
        mean: m, the mean label, (2,).
    """

    def __init__(
        self, config: EvaluatorConfig, centre: Array, scale: Array, clips: Array, weights: Array, mean: Array
    ) -> None:
        self.config = config
        self.centre, self.scale, self.clips, self.weights, self.mean = centre, scale, clips, weights, mean

    @classmethod
    def fit(cls, table: Array, va: Array, config: EvaluatorConfig | None = None) -> Evaluator:
        """Fit the evaluator to described clips.

        Args:
            table: features of M real clips, (M, F), finite.
            va: their labels on 1-9, (M, 2).
            config: the kernel.
        Raises:
            ValueError: shapes disagree or a feature is not finite.
        """
        config = config or EvaluatorConfig()
        if table.ndim != 2 or va.shape != (len(table), 2) or not np.isfinite(table).all():
            raise ValueError(f"expected finite features (M, F) and labels (M, 2), got {table.shape} and {va.shape}")
        centre, scale = table.mean(axis=0), table.std(axis=0)
        scale = np.where(scale > 1e-9, scale, 1.0)
        centre, scale = _as_shipped(centre, np.float32), _as_shipped(scale, np.float32)
        clips = _as_shipped(_standardised(table, centre, scale, config.clip), np.float16)
        mean = _as_shipped(va.mean(axis=0), np.float32)
        kernel = _kernel(clips, clips, config) + config.ridge * np.eye(len(clips))
        weights = _as_shipped(np.linalg.solve(kernel, va - mean), np.float32)
        return cls(config, centre, scale, clips, weights, mean)

    @classmethod
    def load(cls, root: Path) -> Evaluator:
        """The evaluator in ``root/va_predictor/evaluator``.

        Raises:
            CheckpointError: it is missing or damaged, or it was fitted to another list of features.
        """
        tensors, card = load_component(root / EVALUATOR_FOLDER)
        try:
            config = EvaluatorConfig(**card["config"]["kernel"])
            arrays = [tensors[name].double().numpy() for name in ("centre", "scale", "clips", "weights", "mean")]
            same = tuple(card["config"]["features"]) == FEATURE_NAMES
        except (KeyError, TypeError) as error:
            raise CheckpointError("The evaluator was made by another version; retrain that component.") from error
        if not same:
            raise CheckpointError("The evaluator was fitted to other features than this version counts; retrain it.")
        return cls(config, *arrays)

    def component(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """What ``save_component`` stores: the tensors, and the config of the card."""
        tensors = {
            "centre": torch.tensor(self.centre, dtype=torch.float32),
            "scale": torch.tensor(self.scale, dtype=torch.float32),
            "clips": torch.tensor(self.clips, dtype=torch.float16),
            "weights": torch.tensor(self.weights, dtype=torch.float32),
            "mean": torch.tensor(self.mean, dtype=torch.float32),
        }
        return tensors, {"kernel": asdict(self.config), "features": list(FEATURE_NAMES)}

    def estimate(self, piece: Piece) -> VA:
        """Where a listener is expected to place the piece.

        Raises:
            InputError: the piece has no notes.
        """
        if not piece.notes:
            raise InputError("This piece has no notes, so no emotion can be estimated; compose or choose another.")
        valence, arousal = self.estimate_many([piece])[0].tolist()
        return VA(valence, arousal)

    def estimate_many(self, pieces: Sequence[Piece]) -> Array:
        """Valence and arousal of each piece, (N, 2), within 1-9; NaN in the row of a piece without notes."""
        return self.estimate_features(feature_table(pieces))

    def estimate_features(self, table: Array) -> Array:
        """The same for pieces that ``feature_table`` has described: (N, F) → (N, 2)."""
        rows = _standardised(table, self.centre, self.scale, self.config.clip)
        return np.clip(self.mean + _kernel(rows, self.clips, self.config) @ self.weights, LOW, HIGH)


def _standardised(table: Array, centre: Array, scale: Array, clip: float) -> Array:
    return np.clip((table - centre) / scale, -clip, clip)


def _kernel(a: Array, b: Array, config: EvaluatorConfig) -> Array:
    """k of all rows of ``a`` with all rows of ``b``, (N, F) and (M, F) → (N, M)."""
    count = b.shape[1]
    # Row by row: a table of all differences at once would be N·M·F numbers.
    apart = np.array([np.abs(b - row).sum(axis=1) for row in a]).reshape(len(a), len(b))
    return np.exp(-config.gamma * apart / count) + config.linear * (a @ b.T) / count


def _as_shipped(values: NDArray[np.floating], precision: type[np.floating]) -> Array:
    """Rounded to what the weight file holds, so that an evaluator that was just fitted equals the one loaded later."""
    return values.astype(precision).astype(np.float64)
