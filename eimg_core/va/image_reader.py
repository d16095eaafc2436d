"""Image → VA: what a photo makes people feel, as a point in the emotion plane with an honest margin.

Frozen networks look at the whole photo; the means and spreads of their feature maps are compared with those of the
rated photos, and the ratings of similar ones count. Three EfficientNet-Lites of different size agree on more than
any one of them sees. The comparison is a Gaussian process: kernel ridge regression with a rational quadratic kernel,
whose two numbers per axis are chosen in closed form, by predicting every theme of photos from all other themes.

Conventions: VA is on 1-9. Features are (N, F), one row per photo, in blocks: one per network. A margin (``sd``) is one
standard deviation of people's mean rating around the reading.

Reference: Rasmussen and Williams (2006), "Gaussian Processes for Machine Learning", Eq. 2.25, 2.26, 4.19 and 5.12 (here
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

from eimg_core.backbones import Backbone, load_backbone
from eimg_core.backbones.effnet_lite import pooled
from eimg_core.checkpoints import load_component, read_card
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
_STEPS = 16  # of a standard deviation: standardised features are whole sixteenths, kept in a byte
_LEVEL = 1.0  # prior variance of the constant part of the kernel, in the units of its fading part


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
    """k(x, x') = 1 / (1 + steepness · mean squared difference) + a constant, with noise on every rating.

    Args:
        steepness: how fast the likeness of two photos fades; > 0.
        noise: variance of the noise, in units of the kernel's fading part; > 0.
        scale: variance of the fading part in squared points of the 1-9 scale. It does not change the reading, only
            the margin.
    """

    steepness: float
    noise: float
    scale: float = 1.0

    def __call__(self, distances: Array) -> Array:
        """Likeness from mean squared differences, same shape."""
        return 1.0 / (1.0 + self.steepness * distances) + _LEVEL

    def inverse(self, distances: Array) -> Array:
        """(K + noise · I)⁻¹ of the training photos, (N, N) → (N, N)."""
        return np.asarray(np.linalg.inv(self(distances) + self.noise * np.eye(len(distances))), dtype=np.float64)


@dataclass(frozen=True)
class KernelHead:
    """Features → VA and margins, by likeness to the photos it was fitted on.

    Args:
        centre, spread: mean and standard deviation of every feature, (F,).
        support: standardised features of the training photos, (N, F), in sixteenths within ±7.94.
        weights: dual weights per photo and axis, (N, 2).
        kernels: for valence and for arousal.
        blocks: widths of the blocks of features; their sum is F, and each counts as much as any other.
    """

    centre: Array
    spread: Array
    support: Array
    weights: Array
    kernels: tuple[Kernel, Kernel]
    blocks: tuple[int, ...]

    def __post_init__(self) -> None:
        distances = _distances(self.support, self.support, self.blocks)
        inverses = tuple(kernel.inverse(distances) for kernel in self.kernels)
        object.__setattr__(self, "_inverses", inverses)

    @classmethod
    def fit(
        cls, features: Array, ratings: Array, groups: Sequence[Hashable], blocks: Sequence[int] | None = None
    ) -> KernelHead:
        """Fit to rated photos; the kernels are those that best predict groups they have not seen.

        Args:
            features: (N, F).
            ratings: valence and arousal on 1-9, (N, 2).
            groups: what must not be split (themes), N names, at least two different ones.
            blocks: widths of the blocks of features; None makes all of them one block.
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
        centre, spread = features.mean(axis=0), features.std(axis=0)
        spread = np.maximum(spread, _FAINT * np.sqrt(np.mean(spread**2)) + 1e-9)
        support = _standardised(features, centre, spread)
        distances = _distances(support, support, blocks)
        targets = ratings - MIDDLE
        kernels = _choose_kernels(distances, targets, groups)
        weights = [kernel.inverse(distances) @ targets[:, axis] for axis, kernel in enumerate(kernels)]
        return cls(centre, spread, support, np.stack(weights, axis=1), kernels, blocks)

    def predict(self, features: Array) -> tuple[Array, Array]:
        """Readings and margins of new photos, (M, F) → (M, 2) and (M, 2)."""
        standardised = _standardised(features, self.centre, self.spread)
        distances = _distances(standardised, self.support, self.blocks)  # (M, N)
        readings, margins = [], []
        inverses: tuple[Array, ...] = self._inverses  # type: ignore[attr-defined]
        for axis, (kernel, inverse) in enumerate(zip(self.kernels, inverses, strict=True)):
            likeness = kernel(distances)
            known = np.einsum("mn,nk,mk->m", likeness, inverse, likeness, optimize=True)
            readings.append(MIDDLE + likeness @ self.weights[:, axis])
            margins.append(np.sqrt(kernel.scale * (1.0 + _LEVEL + kernel.noise - known)))
        return np.stack(readings, axis=1), np.stack(margins, axis=1)

    def distances(self, seen: Sequence[Array | None]) -> Array:
        """Mean squared differences from the training photos by the blocks that are given, (M, width) or ``None`` each:
        (M, N), the mean over those blocks."""
        total, start, given = np.zeros(1), 0, 0
        for width, block in zip(self.blocks, seen, strict=True):
            part = slice(start, start + width)
            start += width
            if block is not None:
                standardised = _standardised(block, self.centre[part], self.spread[part])
                total = total + _distances(standardised, self.support[:, part], (width,))
                given += 1
        return total / given

    def held_out_error(self, ratings: Array, groups: Sequence[Hashable]) -> float:
        """RMSE over both axes on the photos it was fitted on, each read by the photos of other groups only."""
        targets = ratings - MIDDLE
        inverses: tuple[Array, ...] = self._inverses  # type: ignore[attr-defined]
        errors = [out_of_group(inverse, targets, groups)[0][:, axis] for axis, inverse in enumerate(inverses)]
        return float(np.sqrt(np.mean(np.square(errors))))

    def tensors(self) -> dict[str, Tensor]:
        """What ``from_tensors`` needs beside the kernels."""
        return {
            "centre": torch.from_numpy(self.centre),
            "spread": torch.from_numpy(self.spread),
            "support": torch.from_numpy(np.rint(self.support * _STEPS)).to(torch.int8),  # exact: rounded before the fit
            "weights": torch.from_numpy(self.weights),
        }

    @classmethod
    def from_tensors(
        cls, tensors: dict[str, Tensor], kernels: dict[str, dict[str, float]], blocks: Sequence[int]
    ) -> KernelHead:
        """The inverse of ``tensors``; raises ``KeyError`` or ``TypeError`` if something is missing."""
        names = ("centre", "spread", "support", "weights")
        centre, spread, support, weights = (tensors[name].double().numpy() for name in names)
        valence, arousal = (Kernel(**kernels[axis]) for axis in AXES)
        return cls(centre, spread, support / _STEPS, weights, (valence, arousal), tuple(blocks))


class ImageReader:
    """Frozen networks and the head that was fitted on what they see.

    Args:
        nets: evaluating, without gradients; see ``load_backbone``.
        late: how many of each network's last maps are looked at.
        spreads: whether the standard deviation of each map counts beside its mean.
        squares: whether the networks also look closer, at three squares along the photo.
        head: fitted on features of exactly this kind.
    """

    def __init__(
        self, nets: Sequence[Backbone], late: int, spreads: bool, squares: bool = False, head: KernelHead | None = None
    ) -> None:
        self.nets, self.late, self.spreads, self.squares, self.head = tuple(nets), late, spreads, squares, head

    @classmethod
    def load(cls, root: Path) -> ImageReader:
        """The shipped reader.

        Args:
            root: the checkpoints folder, with ``va_predictor/image`` and the networks its card names.
        Raises:
            CheckpointError: something is missing or damaged, or the parts do not belong together.
        """
        tensors, card = load_component(root / READER_FOLDER)
        try:
            config = card["config"]
            expected = {name: card["depends_on"][name] for name in config["networks"]}
            head = KernelHead.from_tensors(tensors, config["kernels"], config["blocks"])
            late, spreads, squares = config["late"], config["spreads"], config["squares"]
        except (AttributeError, KeyError, TypeError, ValueError) as fault:
            raise CheckpointError(
                "The image reader was saved by another version; run `python -m train.image_va` again."
            ) from fault
        for backbone, digest in expected.items():
            if read_card(root / backbone)["sha256"] != digest:
                raise CheckpointError(
                    f"The image reader was fitted on another {backbone}; run `python -m train.image_va` again."
                )
        return cls([load_backbone(root / backbone) for backbone in expected], late, spreads, squares, head)

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

    def features(self, photos: Sequence[Image.Image]) -> Array:
        """What the head sees, (N, F): the blocks side by side."""
        return np.concatenate(self.blocks(photos), axis=1)

    def blocks(self, photos: Sequence[Image.Image]) -> list[Array]:
        """What each network sees, (N, F) each: means and perhaps spreads of its last maps, finest first.

        With ``squares`` a second block follows the first of each network: the means over three squares.
        """
        found = []
        for net in self.nets:
            found.append(self._seen(net, photos, self.spreads))
            if self.squares:
                views = [square for photo in photos for square in _squares(photo)]
                means = self._seen(net, views, spreads=False)
                found.append(means.reshape(len(photos), -1, means.shape[1]).mean(axis=1))
        return found

    def whole(self, photos: Sequence[Image.Image]) -> list[Array]:
        """The blocks of the whole photos alone, one of each network."""
        return [self._seen(net, photos, self.spreads) for net in self.nets]

    @torch.inference_mode()
    def _seen(self, net: Backbone, photos: Sequence[Image.Image], spreads: bool) -> Array:
        rows = []
        for start in range(0, len(photos), _BATCH):
            images = torch.stack([_whole(photo, net.side) for photo in photos[start : start + _BATCH]])
            maps = net.maps(images.contiguous(memory_format=torch.channels_last))
            rows.append(pooled(maps[-self.late :], spreads))
        return torch.cat(rows).double().numpy()


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


def _standardised(features: Array, centre: Array, spread: Array) -> Array:
    """In standard deviations, to a sixteenth; what is farther out than a byte reaches counts as just there."""
    return np.asarray(np.clip(np.rint((features - centre) / spread * _STEPS), -127, 127) / _STEPS)


def _distances(a: Array, b: Array, blocks: Sequence[int]) -> Array:
    """Mean squared differences of all rows, the mean over blocks, (M, F) and (N, F) → (M, N)."""
    total, start = np.zeros((len(a), len(b))), 0
    for width in blocks:
        # Single precision is ample for sixteenths and halves the time to start.
        one, other = (side[:, start : start + width].astype(np.float32) for side in (a, b))
        squares = (one**2).sum(axis=1)[:, None] + (other**2).sum(axis=1)[None, :] - 2.0 * one @ other.T
        total += np.maximum(squares, 0.0) / (width * len(blocks))
        start += width
    return total


def _whole(photo: Image.Image, side: int) -> Tensor:
    """The whole photo squeezed to a square, (3, S, S) in [-1, 1]: an emotion may sit at the edge."""
    square = photo.convert("RGB").resize((side, side), Image.Resampling.BICUBIC)
    pixels = torch.from_numpy(np.array(square, dtype=np.float32))
    return (pixels / 127.5 - 1.0).permute(2, 0, 1)


def _squares(photo: Image.Image) -> list[Image.Image]:
    """The first, the middle and the last square along the longer side, unsqueezed."""
    side = min(photo.size)
    corners = [tuple(int((length - side) * part) for length in photo.size) for part in (0.0, 0.5, 1.0)]
    return [photo.crop((x, y, x + side, y + side)) for x, y in corners]
