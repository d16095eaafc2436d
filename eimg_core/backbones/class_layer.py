"""The last layer of an EfficientNet-Lite, which its backbone leaves out: from its last map to classes of ImageNet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from eimg_core.checkpoints import load_component
from eimg_core.errors import CheckpointError

__all__ = ["ClassLayer", "load_class_layer"]


@dataclass(frozen=True)
class ClassLayer:
    """A linear layer on the mean of the last map.

    Args:
        weight: (classes, channels).
        bias: (classes,).
    """

    weight: Tensor
    bias: Tensor

    def __call__(self, maps: Sequence[Tensor]) -> Tensor:
        """Logits of the classes from a network's maps (B, C, H, W): (B, classes)."""
        return self.of_means(maps[-1].mean(dim=(2, 3)))

    def of_means(self, means: Tensor) -> Tensor:
        """Logits from the means of the last map's channels, (B, C) → (B, classes)."""
        return means @ self.weight.T + self.bias


def load_class_layer(folder: Path) -> ClassLayer:
    """From a checkpoint folder of kind ``class_layer``.

    Raises:
        CheckpointError: a file is missing or damaged, or its tensors are not those of a class layer.
    """
    tensors, _ = load_component(folder)
    try:
        return ClassLayer(tensors["weight"], tensors["bias"])
    except KeyError as fault:
        raise CheckpointError(f"{folder.name} holds no class layer; convert it again.") from fault
