"""Image → VA: what a photo makes people feel, as a point in the emotion plane with an honest margin.

A frozen EfficientNet-Lite looks at the whole photo; the means and spreads of its feature maps are compared with
those of the rated photos, and the ratings of similar ones count. The comparison is a Gaussian process: kernel ridge
regression with an RBF kernel, whose two numbers per axis are chosen in closed form, by predicting every theme of
photos from all other themes.

Conventions: VA is on 1-9. Features are (N, F), one row per photo. A margin (``sd``) is one standard deviation of
people's mean rating around the reading.

Reference: Rasmussen and Williams (2006), "Gaussian Processes for Machine Learning", Eq. 2.25, 2.26 and 5.12 (here
for groups).
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from eimg_core.checkpoints import load_component, read_card
from eimg_core.effnet_lite import EfficientNetLite, load_lite, pooled
from eimg_core.emotion import MIDDLE, VA
from eimg_core.errors import CheckpointError

__all__ = ["READER_FOLDER", "ImageReader", "ImageReading", "Kernel", "KernelHead", "out_of_group"]

Array = NDArray[np.float64]

READER_FOLDER = "va_predictor/image"
AXES = ("valence", "arousal")
_BATCH = 16  # photos per forward pass

# Candidates for the two numbers of a kernel; those of the best held-out error are taken.
_STEEPNESS = (0.1, 0.2, 0.3, 0.5, 0.8, 1.2)
_NOISE = (0.05, 0.1, 0.2, 0.4, 0.8)
_FAINT = 1e-3  # a feature that varies less than this share of the others is mostly rounding: leave it small
_LEVEL = 1.0  # prior variance of the constant part of the kernel, in the units of its RBF part


@dataclass(frozen=True, slots=True)
class ImageReading:
    """The emotion read from one photo.

    Args:
        va: the reading, inside the plane.
        sd_valence: one standard deviation of the valence, in points of the 1-9 scale.
        sd_arousal: the same for the arousal.
    """

    va: VA
    sd_valence: float
    sd_arousal: float


@dataclass(frozen=True, slots=True)
class Kernel:
    """k(x, x') = exp(-steepness · mean squared difference) + a constant, with noise on every rating.

    Args:
        steepness: how fast the likeness of two photos fades; > 0.
        noise: variance of the noise, in units of the kernel's RBF part; > 0.
        scale: variance of the RBF part in squared points of the 1-9 scale. It does not change the reading, only
            the margin.
    """

    steepness: float
    noise: float
    scale: float = 1.0

    def __call__(self, distances: Array) -> Array:
        """Likeness from mean squared differences, same shape."""
        return np.exp(-self.steepness * distances) + _LEVEL

    def inverse(self, distances: Array) -> Array:
        """(K + noise · I)⁻¹ of the training photos, (N, N) → (N, N)."""
        return np.asarray(np.linalg.inv(self(distances) + self.noise * np.eye(len(distances))), dtype=np.float64)


@dataclass(frozen=True)
class KernelHead:
    """Features → VA and margins, by likeness to the photos it was fitted on.

    Args:
        centre, spread: mean and standard deviation of every feature, (F,).
        support: standardised features of the training photos, (N, F), rounded to float16.
        weights: dual weights per photo and axis, (N, 2).
        kernels: for valence and for arousal.
    """

    centre: Array
    spread: Array
    support: Array
    weights: Array
    kernels: tuple[Kernel, Kernel]

    def __post_init__(self) -> None:
        distances = _distances(self.support, self.support)
        inverses = tuple(kernel.inverse(distances) for kernel in self.kernels)
        object.__setattr__(self, "_inverses", inverses)

    @classmethod
    def fit(cls, features: Array, ratings: Array, groups: Sequence[Hashable]) -> KernelHead:
        """Fit to rated photos; the kernels are those that best predict groups they have not seen.

        Args:
            features: (N, F).
            ratings: valence and arousal on 1-9, (N, 2).
            groups: what must not be split (themes), N names, at least two different ones.
        Raises:
            ValueError: if shapes disagree or there is a single group.
        """
        if features.ndim != 2 or ratings.shape != (len(features), 2) or len(groups) != len(features):
            raise ValueError(f"expected (N, F), (N, 2) and N, got {features.shape}, {ratings.shape}, {len(groups)}")
        if len(set(groups)) < 2:
            raise ValueError("expected at least two groups, to hold one out")
        centre, spread = features.mean(axis=0), features.std(axis=0)
        spread = np.maximum(spread, _FAINT * np.sqrt(np.mean(spread**2)) + 1e-9)
        support = ((features - centre) / spread).astype(np.float16).astype(np.float64)
        distances = _distances(support, support)
        targets = ratings - MIDDLE
        kernels = _choose_kernels(distances, targets, groups)
        weights = [kernel.inverse(distances) @ targets[:, axis] for axis, kernel in enumerate(kernels)]
        return cls(centre, spread, support, np.stack(weights, axis=1), kernels)

    def predict(self, features: Array) -> tuple[Array, Array]:
        """Readings and margins of new photos, (M, F) → (M, 2) and (M, 2)."""
        distances = _distances((features - self.centre) / self.spread, self.support)  # (M, N)
        readings, margins = [], []
        inverses: tuple[Array, ...] = self._inverses  # type: ignore[attr-defined]
        for axis, (kernel, inverse) in enumerate(zip(self.kernels, inverses, strict=True)):
            likeness = kernel(distances)
            known = np.einsum("mn,nk,mk->m", likeness, inverse, likeness, optimize=True)
            readings.append(MIDDLE + likeness @ self.weights[:, axis])
            margins.append(np.sqrt(kernel.scale * (1.0 + _LEVEL + kernel.noise - known)))
        return np.stack(readings, axis=1), np.stack(margins, axis=1)

    def tensors(self) -> dict[str, Tensor]:
        """What ``from_tensors`` needs beside the kernels."""
        return {
            "centre": torch.from_numpy(self.centre),
            "spread": torch.from_numpy(self.spread),
            "support": torch.from_numpy(self.support).to(torch.float16),  # exact: it was rounded before the fit
            "weights": torch.from_numpy(self.weights),
        }

    @classmethod
    def from_tensors(cls, tensors: dict[str, Tensor], kernels: dict[str, dict[str, float]]) -> KernelHead:
        """The inverse of ``tensors``; raises ``KeyError`` or ``TypeError`` if something is missing."""
        names = ("centre", "spread", "support", "weights")
        centre, spread, support, weights = (tensors[name].double().numpy() for name in names)
        valence, arousal = (Kernel(**kernels[axis]) for axis in AXES)
        return cls(centre, spread, support, weights, (valence, arousal))


class ImageReader:
    """A frozen network and the head that was fitted on its features.

    Args:
        net: evaluating, without gradients; see ``load_lite``.
        stages: which of the network's maps are looked at, see ``EfficientNetLite.maps``.
        spreads: whether the standard deviation of each map counts beside its mean.
        head: fitted on features of exactly this kind.
    """

    def __init__(
        self, net: EfficientNetLite, stages: Sequence[int], spreads: bool, head: KernelHead | None = None
    ) -> None:
        self.net, self.stages, self.spreads, self.head = net, tuple(stages), spreads, head

    @classmethod
    def load(cls, root: Path) -> ImageReader:
        """The shipped reader.

        Args:
            root: the checkpoints folder, with ``va_predictor/image`` and the ``backbone`` its card names.
        Raises:
            CheckpointError: something is missing or damaged, or the two do not belong together.
        """
        tensors, card = load_component(root / READER_FOLDER)
        try:
            config, (backbone, expected) = card["config"], next(iter(card["depends_on"].items()))
            head = KernelHead.from_tensors(tensors, config["kernels"])
            stages, spreads = config["stages"], config["spreads"]
        except (KeyError, TypeError, ValueError, StopIteration) as fault:
            raise CheckpointError(
                "The image reader was saved by another version; run `python -m train.image_va` again."
            ) from fault
        if read_card(root / backbone)["sha256"] != expected:
            raise CheckpointError(
                f"The image reader was fitted on another {backbone}; run `python -m train.image_va` again."
            )
        return cls(load_lite(root / backbone), stages, spreads, head)

    def read(self, photo: Image.Image) -> ImageReading:
        """The emotion of one photo (RGB, as ``images.open_photo`` gives it). Deterministic."""
        return self.read_many([photo])[0]

    def read_many(self, photos: Sequence[Image.Image]) -> list[ImageReading]:
        """The emotions of several photos, in their order. No photos, no readings.

        Raises:
            ValueError: if this reader has no head yet.
        """
        if self.head is None:
            raise ValueError("this reader has features but no head; fit one first")
        if not photos:
            return []
        readings, margins = self.head.predict(self.features(photos))
        return [
            ImageReading(VA(float(v), float(a)).clamped(), float(sd_v), float(sd_a))
            for (v, a), (sd_v, sd_a) in zip(readings, margins, strict=True)
        ]

    @torch.inference_mode()
    def features(self, photos: Sequence[Image.Image]) -> Array:
        """What the head sees: (N, F), means and perhaps spreads of the chosen maps, finest first."""
        rows = []
        for start in range(0, len(photos), _BATCH):
            images = torch.stack([_whole(photo, self.net.variant.side) for photo in photos[start : start + _BATCH]])
            maps = self.net.maps(images.contiguous(memory_format=torch.channels_last))
            rows.append(pooled([maps[stage] for stage in self.stages], self.spreads))
        return torch.cat(rows).double().numpy() if rows else np.zeros((0, 0))


def out_of_group(inverse: Array, targets: Array, groups: Sequence[Hashable]) -> tuple[Array, Array]:
    """Errors and variances of every item when its whole group is left out, without refitting.

    With A = (K + noise · I)⁻¹, leaving group g out gives the errors A_gg⁻¹ (A y)_g, with covariance A_gg⁻¹.

    Args:
        inverse: A, (N, N).
        targets: y, (N, T), one column per axis.
        groups: N names.
    Returns:
        Errors ``y - prediction`` (N, T) and predictive variances (N,) in units of the kernel's RBF part.
    """
    weights = inverse @ targets
    errors, variances = np.empty_like(targets), np.empty(len(targets))
    members: dict[Hashable, list[int]] = {}
    for row, group in enumerate(groups):
        members.setdefault(group, []).append(row)
    for rows in members.values():
        covariance = np.linalg.inv(inverse[np.ix_(rows, rows)])
        errors[rows] = covariance @ weights[rows]
        variances[rows] = np.diag(covariance)
    return errors, variances


def _choose_kernels(distances: Array, targets: Array, groups: Sequence[Hashable]) -> tuple[Kernel, Kernel]:
    """Per axis the kernel with the smallest held-out error, scaled so that errors are as large as foretold."""
    best = [Kernel(_STEEPNESS[0], _NOISE[0])] * 2
    least = [np.inf] * 2
    for kernel in itertools.starmap(Kernel, itertools.product(_STEEPNESS, _NOISE)):
        errors, variances = out_of_group(kernel.inverse(distances), targets, groups)
        for axis, squares in enumerate((errors**2).T):
            if squares.mean() < least[axis]:
                least[axis] = float(squares.mean())
                best[axis] = replace(kernel, scale=float(np.mean(squares / variances)))
    return best[0], best[1]


def _distances(a: Array, b: Array) -> Array:
    """Mean squared differences of all rows, (M, F) and (N, F) → (M, N)."""
    squares = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1)[None, :] - 2.0 * a @ b.T
    return np.maximum(squares, 0.0) / a.shape[1]


def _whole(photo: Image.Image, side: int) -> Tensor:
    """The whole photo squeezed to a square, (3, S, S) in [-1, 1]: an emotion may sit at the edge."""
    square = photo.convert("RGB").resize((side, side), Image.Resampling.BICUBIC)
    pixels = torch.from_numpy(np.array(square, dtype=np.float32))
    return (pixels / 127.5 - 1.0).permute(2, 0, 1)
