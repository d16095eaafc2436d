"""From features of a photo to valence and arousal, by likeness to photos that people rated.

A Gaussian process: kernel ridge regression with a rational quadratic kernel per axis. Its numbers, and how much each
block of features counts, are those that best predict every theme of photos from all other themes, in closed form.

Conventions: features are (N, F), one row per photo, in blocks: one per network, and what the classes say. Distances
are mean squared differences of standardised features, per block: (B, M, N).

Reference: Rasmussen and Williams (2006), "Gaussian Processes for Machine Learning", Eq. 2.25, 2.26, 4.19 and 5.12 (here
for groups).
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eimg_core.emotion import MIDDLE

__all__ = ["AXES", "Kernel", "KernelHead", "out_of_group", "pack", "unpack"]

Array = NDArray[np.float64]

AXES = ("valence", "arousal")

# Candidates for the two numbers of a kernel; those of the best held-out error are taken.
_STEEPNESS = (0.2, 0.3, 0.5, 0.8)
_NOISE = (0.02, 0.05, 0.1, 0.2, 0.4)
_FAINT = 1e-3  # a feature that varies less than this share of the others is mostly rounding: leave it small
_STEPS = 16  # of a standard deviation: standardised features are whole sixteenths, kept in a byte
_LEVEL = 1.0  # prior variance of the constant part of the kernel, in the units of its fading part


@dataclass(frozen=True, slots=True)
class Kernel:
    """k(x, x') = 1 / (1 + steepness · distance) + a constant, with noise on every rating.

    Args:
        steepness: how fast the likeness of two photos fades; > 0.
        noise: variance of the noise, in units of the kernel's fading part; > 0.
        shares: how much each block of features counts in the distance; they sum to 1.
        scale: variance of the fading part in squared points of the 1-9 scale. It does not change the reading, only
            the margin.
    """

    steepness: float
    noise: float
    shares: tuple[float, ...]
    scale: float = 1.0

    def __call__(self, distances: Array) -> Array:
        """Likeness from the distances by block, (B, M, N) → (M, N)."""
        return np.asarray(1.0 / (1.0 + self.steepness * np.tensordot(self.shares, distances, 1)) + _LEVEL)

    def inverse(self, distances: Array) -> Array:
        """(K + noise · I)⁻¹ of the training photos, (B, N, N) → (N, N)."""
        likeness = self(distances)
        return np.asarray(np.linalg.inv(likeness + self.noise * np.eye(len(likeness))), dtype=np.float64)


@dataclass(frozen=True)
class KernelHead:
    """Features → VA and margins, by likeness to the photos it was fitted on.

    Args:
        centre, spread: what features are standardised by, (F,) each.
        support: standardised features of the training photos, (N, F), in sixteenths within ±7.94; single precision
            holds them exactly.
        weights: dual weights per photo and axis, (N, 2).
        kernels: for valence and for arousal.
        blocks: widths of the blocks of features; their sum is F.
    """

    centre: Array
    spread: Array
    support: NDArray[np.float32]
    weights: Array
    kernels: tuple[Kernel, Kernel]
    blocks: tuple[int, ...]

    def __post_init__(self) -> None:
        lengths = _lengths(self.support, self.blocks)
        distances = _distances(self.support, self.support, self.blocks, lengths)
        inverses = tuple(kernel.inverse(distances) for kernel in self.kernels)
        object.__setattr__(self, "_lengths", lengths)
        object.__setattr__(self, "_inverses", inverses)

    @classmethod
    def fit(
        cls,
        features: Array,
        ratings: Array,
        groups: Sequence[Hashable],
        blocks: Sequence[int] | None = None,
        shares: Sequence[tuple[float, ...]] = (),
        scaling: tuple[Array, Array] | None = None,
    ) -> KernelHead:
        """Fit to rated photos; the kernels are those that best predict groups they have not seen.

        Args:
            features: (N, F).
            ratings: valence and arousal on 1-9, (N, 2).
            groups: what must not be split (themes), N names, at least two different ones.
            blocks: widths of the blocks of features; None makes all of them one block.
            shares: candidates for how much each block counts; none lets all count the same.
            scaling: centre and spread of the features, (F,) each; None takes those of ``features``.
        Raises:
            ValueError: if shapes disagree or there is a single group.
        """
        if features.ndim != 2 or ratings.shape != (len(features), 2) or len(groups) != len(features):
            raise ValueError(f"expected (N, F), (N, 2) and N, got {features.shape}, {ratings.shape}, {len(groups)}")
        if len(set(groups)) < 2:
            raise ValueError("expected at least two groups, to hold one out")
        blocks = tuple(blocks or (features.shape[1],))
        if sum(blocks) != features.shape[1]:
            raise ValueError(f"expected blocks of {features.shape[1]} features together, got {blocks}")
        centre, spread = scaling or _scaling(features)
        support = _standardised(features, centre, spread)
        distances = _distances(support, support, blocks)
        targets = ratings - MIDDLE
        kernels = _choose_kernels(distances, targets, groups, shares or [(1.0 / len(blocks),) * len(blocks)])
        weights = [kernel.inverse(distances) @ targets[:, axis] for axis, kernel in enumerate(kernels)]
        return cls(centre, spread, support, np.stack(weights, axis=1), kernels, blocks)

    def readings(self, features: Array) -> Array:
        """Valence and arousal of new photos, (M, F) → (M, 2), not held inside the plane."""
        return self._readings(self._from_support(features))

    def margins(self, features: Array) -> Array:
        """One standard deviation of people's mean rating around each reading, (M, F) → (M, 2)."""
        return self._margins(self._from_support(features))

    def read(self, features: Array) -> tuple[Array, Array]:
        """Readings and margins, (M, F) → (M, 2) each; faster than one after the other."""
        distances = self._from_support(features)
        return self._readings(distances), self._margins(distances)

    def _readings(self, distances: Array) -> Array:
        axes = [kernel(distances) @ self.weights[:, axis] for axis, kernel in enumerate(self.kernels)]
        return MIDDLE + np.stack(axes, axis=1)

    def _margins(self, distances: Array) -> Array:
        margins = []
        inverses: tuple[Array, ...] = self._inverses  # type: ignore[attr-defined]
        for kernel, inverse in zip(self.kernels, inverses, strict=True):
            likeness = kernel(distances)
            known = np.einsum("mn,nk,mk->m", likeness, inverse, likeness, optimize=True)
            margins.append(np.sqrt(kernel.scale * (1.0 + _LEVEL + kernel.noise - known)))
        return np.stack(margins, axis=1)

    def _from_support(self, features: Array) -> Array:
        new = _standardised(features, self.centre, self.spread)
        return _distances(new, self.support, self.blocks, self._lengths)  # type: ignore[attr-defined]

    def held_out_error(self, ratings: Array, groups: Sequence[Hashable]) -> float:
        """RMSE over both axes on the photos it was fitted on, each read by the photos of other groups only."""
        targets = ratings - MIDDLE
        inverses: tuple[Array, ...] = self._inverses  # type: ignore[attr-defined]
        errors = [out_of_group(inverse, targets, groups)[0][:, axis] for axis, inverse in enumerate(inverses)]
        return float(np.sqrt(np.mean(np.square(errors))))


def pack(heads: Mapping[str, KernelHead]) -> dict[str, Tensor]:
    """Tensors of several heads that share one scaling, and whose photos are the first so many of the largest's.

    Args:
        heads: by name.
    """
    largest = max(heads.values(), key=lambda head: len(head.support))
    whole = torch.from_numpy(np.rint(largest.support * _STEPS)).to(torch.int8)  # exact: rounded before the fit
    shared = {"centre": torch.from_numpy(largest.centre), "spread": torch.from_numpy(largest.spread), "support": whole}
    return shared | {f"weights.{name}": torch.from_numpy(head.weights) for name, head in heads.items()}


def unpack(
    tensors: Mapping[str, Tensor], name: str, kernels: Mapping[str, Mapping[str, object]], blocks: Sequence[int]
) -> KernelHead:
    """One of the heads of ``pack``; raises ``KeyError`` or ``TypeError`` if something is missing."""
    centre, spread, weights = (tensors[part].double().numpy() for part in ("centre", "spread", f"weights.{name}"))
    support = (tensors["support"][: len(weights)].float() / _STEPS).numpy()
    valence, arousal = (
        Kernel(**{**kernels[axis], "shares": tuple(kernels[axis]["shares"])})  # type: ignore[arg-type]
        for axis in AXES
    )
    return KernelHead(centre, spread, support, weights, (valence, arousal), tuple(blocks))


def out_of_group(inverse: Array, targets: Array, groups: Sequence[Hashable]) -> tuple[Array, Array]:
    """Errors and variances of every item when its whole group is left out, without refitting.

    With A = (K + noise · I)⁻¹, leaving group g out gives the errors A_gg⁻¹ (A y)_g, with covariance A_gg⁻¹.

    Args:
        inverse: A, (N, N).
        targets: y, (N, T), one column per axis.
        groups: N names.
    Returns:
        Errors ``y - prediction`` (N, T) and predictive variances (N,) in units of the kernel's fading part.
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


def _choose_kernels(
    distances: Array, targets: Array, groups: Sequence[Hashable], shares: Sequence[tuple[float, ...]]
) -> tuple[Kernel, Kernel]:
    """Per axis the kernel with the smallest held-out error, scaled so that errors are as large as foretold."""
    best = [Kernel(_STEEPNESS[0], _NOISE[0], shares[0])] * 2
    least = [np.inf] * 2
    for kernel in itertools.starmap(Kernel, itertools.product(_STEEPNESS, _NOISE, shares)):
        errors, variances = out_of_group(kernel.inverse(distances), targets, groups)
        for axis, squares in enumerate((errors**2).T):
            if squares.mean() < least[axis]:
                least[axis] = float(squares.mean())
                best[axis] = replace(kernel, scale=float(np.mean(squares / variances)))
    return best[0], best[1]


def _scaling(features: Array) -> tuple[Array, Array]:
    """Mean and standard deviation of every feature, the latter never next to nothing."""
    spread = features.std(axis=0)
    return features.mean(axis=0), np.maximum(spread, _FAINT * np.sqrt(np.mean(spread**2)) + 1e-9)


def _standardised(features: Array, centre: Array, spread: Array) -> NDArray[np.float32]:
    """In standard deviations, to a sixteenth; what is farther out than a byte reaches counts as just there."""
    steps = np.clip(np.rint((features - centre) / spread * _STEPS), -127, 127)
    return np.asarray(steps / _STEPS, dtype=np.float32)


def _lengths(rows: NDArray[np.float32], blocks: Sequence[int]) -> list[NDArray[np.float32]]:
    """Sums of the squares of each block of every row, (N,) each."""
    ends = np.cumsum(blocks)
    return [(rows[:, end - width : end] ** 2).sum(axis=1) for width, end in zip(blocks, ends, strict=True)]


def _distances(
    a: NDArray[np.float32],
    b: NDArray[np.float32],
    blocks: Sequence[int],
    lengths: Sequence[NDArray[np.float32]] | None = None,
) -> Array:
    """Mean squared differences of all rows by block, (M, F) and (N, F) → (B, M, N).

    Args:
        lengths: those of ``b``, if they are known.
    """
    found, start = [], 0
    for width, of_a, of_b in zip(blocks, _lengths(a, blocks), lengths or _lengths(b, blocks), strict=True):
        one, other = (side[:, start : start + width] for side in (a, b))
        found.append(np.maximum(of_a[:, None] + of_b[None, :] - 2.0 * one @ other.T, 0.0) / width)
        start += width
    return np.stack(found)
