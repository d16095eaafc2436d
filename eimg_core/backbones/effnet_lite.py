"""EfficientNet-Lite: a small convolutional network that has seen ImageNet and is used here as a frozen backbone.

The plain EfficientNet of Tan and Le (2019, arXiv 1905.11946) with three changes by its authors for phones: no
squeeze-and-excitation, ReLU6 instead of swish, a stem and a head of fixed width. The classifier is left out.

Conventions: images are (B, 3, S, S) in [-1, 1], as ``images.to_tensor`` makes them, where S is the variant's
``side``; other sizes work too. The trained weights expect TensorFlow's "same" padding: an odd pixel goes to
the right and the bottom.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from eimg_core.checkpoints import load_component
from eimg_core.errors import CheckpointError

__all__ = ["FEATURES", "VARIANTS", "EfficientNetLite", "LiteVariant", "load_lite", "pooled"]

FEATURES = 1280  # channels of the head, in every variant
_STEM = 32
_BATCH_NORM_EPS = 1e-3

# Repeats, kernel, stride, expansion, channels: one row per stage, before width and depth are scaled.
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


@dataclass(frozen=True, slots=True)
class LiteVariant:
    """Size of one member of the family.

    Args:
        width: factor on the channels of every stage.
        depth: factor on the repeats of every stage but the first and the last.
        side: side of the square pictures it was trained on, in pixels.
    """

    width: float
    depth: float
    side: int


VARIANTS: dict[str, LiteVariant] = {
    "efficientnet_lite0": LiteVariant(1.0, 1.0, 224),
    "efficientnet_lite1": LiteVariant(1.0, 1.1, 240),
    "efficientnet_lite2": LiteVariant(1.1, 1.2, 260),
}


class SameConv2d(nn.Conv2d):
    """Convolution whose output has ceil(side / stride) pixels per side, padded as TensorFlow does."""

    def forward(self, x: Tensor) -> Tensor:
        kernel, stride = self.kernel_size[0], self.stride[0]
        rows, columns = (max((math.ceil(side / stride) - 1) * stride + kernel - side, 0) for side in x.shape[-2:])
        if rows % 2 == 0 and columns % 2 == 0:  # the usual case needs no padded copy
            padding = (rows // 2, columns // 2)
            return F.conv2d(x, self.weight, self.bias, self.stride, padding, groups=self.groups)
        x = F.pad(x, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2))
        return F.conv2d(x, self.weight, self.bias, self.stride, groups=self.groups)


class ConvNorm(nn.Module):
    """Convolution, batch normalisation and, if ``active``, ReLU6."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1, active: bool = True
    ) -> None:
        super().__init__()
        self.conv = SameConv2d(inputs, outputs, kernel, stride, groups=groups, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(outputs, eps=_BATCH_NORM_EPS)
        self.active = active

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.conv(x))
        return F.relu6(x, inplace=True) if self.active else x

    @torch.no_grad()
    def fuse(self) -> None:
        """Fold the normalisation into the convolution: in eval mode both are linear, so one is enough."""
        norm = self.norm
        if not isinstance(norm, nn.BatchNorm2d):
            return
        assert norm.running_mean is not None
        assert norm.running_var is not None
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()  # (C,)
        self.conv.weight.mul_(scale[:, None, None, None])
        self.conv.bias = nn.Parameter(norm.bias - norm.running_mean * scale)
        self.norm = nn.Identity()


class InvertedResidual(nn.Module):
    """Widen with 1 × 1, filter each channel alone, narrow with 1 × 1 (MobileNetV2, arXiv 1801.04381)."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = inputs * expansion
        self.expand: nn.Module = ConvNorm(inputs, inner, 1) if expansion > 1 else nn.Identity()
        self.depthwise = ConvNorm(inner, inner, kernel, stride, groups=inner)
        self.project = ConvNorm(inner, outputs, 1, active=False)
        self.keeps_shape = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.project(self.depthwise(self.expand(x)))
        return x + y if self.keeps_shape else y


class EfficientNetLite(nn.Module):
    """Stem, seven stages of inverted residuals and a 1 × 1 head; untrained until weights are loaded.

    Args:
        variant: a size from ``VARIANTS``, or one of your own for tests.
    """

    def __init__(self, variant: LiteVariant) -> None:
        super().__init__()
        self.variant = variant
        self.stem = ConvNorm(3, _STEM, 3, stride=2)
        self.stages = nn.ModuleList()
        channels = _STEM
        for index, (repeats, kernel, stride, expansion, outputs) in enumerate(_STAGES):
            outputs = _scaled_channels(outputs, variant.width)
            if 0 < index < len(_STAGES) - 1:
                repeats = math.ceil(repeats * variant.depth)
            blocks = [InvertedResidual(channels, outputs, kernel, stride, expansion)]
            blocks += [InvertedResidual(outputs, outputs, kernel, 1, expansion) for _ in range(repeats - 1)]
            self.stages.append(nn.Sequential(*blocks))
            channels = outputs
        self.head = ConvNorm(channels, FEATURES, 1)

    @property
    def side(self) -> int:
        """Side of the square pictures it was trained on, in pixels."""
        return self.variant.side

    def forward(self, images: Tensor) -> Tensor:
        """Mean of the head's map, (B, 3, S, S) in [-1, 1] → (B, 1280)."""
        return self.maps(images)[-1].mean(dim=(2, 3))

    def maps(self, images: Tensor) -> tuple[Tensor, ...]:
        """Feature maps from fine to coarse: the output of each of the seven stages, then of the head.

        Args:
            images: (B, 3, S, S) in [-1, 1].
        Returns:
            Eight maps (B, C, H, W) with strides 2, 4, 8, 16, 16, 32, 32 and 32; the last has 1280 channels.
        """
        x = self.stem(_as_trained(images))
        found = []
        for stage in self.stages:
            x = stage(x)
            found.append(x)
        found.append(self.head(x))
        return tuple(found)

    def fuse(self) -> EfficientNetLite:
        """Fold every batch normalisation into its convolution, in place. For frozen networks only."""
        for module in self.modules():
            if isinstance(module, ConvNorm):
                module.fuse()
        return self


def load_lite(folder: Path) -> EfficientNetLite:
    """A frozen, fused, evaluating network from a checkpoint folder of kind ``backbone``.

    Raises:
        CheckpointError: a file is missing or damaged, the card names an unknown variant, or the tensors are
            not those of a fused network of that variant.
    """
    tensors, card = load_component(folder)
    key = card.get("key")
    if key not in VARIANTS:
        raise CheckpointError(f"{folder.name} is a {key!r}; backbones known here: {', '.join(VARIANTS)}.")
    net = EfficientNetLite(VARIANTS[key]).fuse()
    try:
        net.load_state_dict(tensors)
    except RuntimeError as fault:
        raise CheckpointError(f"The tensors of {folder.name} do not fit {key}; convert them again.") from fault
    return net.to(memory_format=torch.channels_last).eval().requires_grad_(False)  # type: ignore[call-overload,no-any-return]


def pooled(maps: Sequence[Tensor], spreads: bool) -> Tensor:
    """Mean, and on wish standard deviation, over the area of each map: (B, C, H, W) each → (B, F)."""
    means = [one.mean(dim=(2, 3)) for one in maps]
    return torch.cat(means + [one.std(dim=(2, 3), correction=0) for one in maps] if spreads else means, dim=1)


def _as_trained(images: Tensor) -> Tensor:
    """[-1, 1] → (x - 127) / 128 of 0..255, the scale of the trained weights."""
    return ((images + 1.0) * 127.5 - 127.0) / 128.0


def _scaled_channels(channels: int, width: float, divisor: int = 8) -> int:
    """Scaled and rounded to a multiple of 8, but never down by more than a tenth."""
    scaled = channels * width
    rounded = max(divisor, int(scaled + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * scaled else rounded
