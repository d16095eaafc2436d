"""Building blocks that more than one model uses."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["PackedLinear", "ProjectionHead", "ResidualBlock", "linear_ramp", "pack_linears", "perceptrons"]

_PACKING = ("x86", "fbgemm")  # PyTorch's kernels that have linear layers in float16


class ProjectionHead(nn.Sequential):
    """Fully connected layers with batch normalisation and ReLU between them; the last layer is linear.

    "Three fully connected layers with batch normalization (bn) layers and ReLU activation functions" (Section V-A).
    A ReLU after the last layer could not reach the negative half of its target, see PAPER.md.

    Args:
        widths: of the input, the hidden layers and the output; two widths make one linear layer.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        if len(widths) < 2:
            raise ValueError(f"a head needs at least an input and an output width, got {list(widths)}")
        layers: list[nn.Module] = []
        for inner, outer in pairwise(widths[:-1]):
            layers += [nn.Linear(inner, outer, bias=False), nn.BatchNorm1d(outer), nn.ReLU()]
        super().__init__(*layers, nn.Linear(widths[-2], widths[-1]))


class ResidualBlock(nn.Module):
    """x + 1×1( ReLU( 3×3( ReLU(x) ) ) ), as in VQ-VAE (van den Oord et al. 2017, Section 4.1)."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.spatial = nn.Conv2d(channels, hidden, 3, padding=1)
        self.pointwise = nn.Conv2d(hidden, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.pointwise(F.relu(self.spatial(F.relu(x))))


def linear_ramp(step: int, start: int, full: int) -> float:
    """0 up to ``start``, 1 from ``full`` on, a straight line between: how a loss weight is warmed up."""
    if step <= start:
        return 0.0
    return min(1.0, (step - start) / max(1, full - start))


def perceptrons(members: int, inputs: int, hidden: tuple[int, int], outputs: int, dropout: float) -> nn.ModuleList:
    """An ensemble of three-layer perceptrons, each (..., inputs) → (..., outputs)."""
    wide, narrow = hidden
    return nn.ModuleList(
        nn.Sequential(
            nn.Linear(inputs, wide),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(wide, narrow),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(narrow, outputs),
        )
        for _ in range(members)
    )


class PackedLinear(nn.Module):
    """A linear layer with float16 weights that are packed for the processor; it plays and cannot be trained.

    Products and sums are float32.
    """

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.in_features, self.out_features = layer.in_features, layer.out_features
        self._packed = torch.ops.quantized.linear_prepack_fp16(layer.weight.detach(), layer.bias)
        self._multiply = torch.ops.quantized.linear_dynamic_fp16.default  # found once: it is called thousands of times

    def forward(self, x: Tensor) -> Tensor:
        """(…, inputs) → (…, outputs)."""
        product: Tensor = self._multiply(x, self._packed)
        return product


def pack_linears(module: nn.Module) -> None:
    """Keep the weights of all linear layers inside of a module in float16, packed for the processor; it can no longer
    be trained.

    To multiply a few rows by a matrix is to wait for the bytes of the matrix: half as many of them, laid out as they
    are read, take a quarter of the time. Products and sums stay float32, and weights that were shipped in float16 are
    the same. Processors for which PyTorch has no such layers keep theirs as they are.
    """
    if torch.backends.quantized.engine not in _PACKING:
        return
    for name, layer in module.named_children():
        if type(layer) is nn.Linear:
            setattr(module, name, PackedLinear(layer))
        else:
            pack_linears(layer)
