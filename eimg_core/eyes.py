"""Frozen networks that the photo reader looks through, whatever family they come from.

Shipped are EfficientNet-Lite 0, 1 and 2 (``effnet_lite``). Any convolutional classifier of torchvision can take their
place: ``python -m train.image_va --data DIR --encoder torchvision:convnext_tiny`` fetches its weights, keeps them as
a component of kind ``backbone`` and fits the reader to what it sees.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from eimg_core.checkpoints import load_component, read_card
from eimg_core.effnet_lite import load_lite
from eimg_core.errors import CheckpointError

__all__ = ["TORCHVISION", "Eyes", "TorchvisionEyes", "load_eyes"]

TORCHVISION = "torchvision:"  # what the name of such an encoder begins with


class Eyes(Protocol):
    """What the reader asks of a network: the side of its square pictures, and feature maps from fine to coarse."""

    @property
    def side(self) -> int: ...

    def maps(self, images: Tensor) -> Sequence[Tensor]:
        """(B, 3, S, S) in [-1, 1] → maps (B, C, H, W), at least five for the usual reader."""
        ...


class TorchvisionEyes(nn.Module):
    """The convolutional stages of a torchvision classifier, without its last layer.

    Args:
        name: as ``torchvision.models.get_model`` knows it: ``convnext_tiny``, ``resnet50``, ``efficientnet_v2_s``, …
        pretrained: fetch the weights torchvision recommends; needs the internet once.
    Raises:
        CheckpointError: torchvision has no such model, or it has no chain of convolutional stages.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, name: str, pretrained: bool = False) -> None:
        super().__init__()
        from torchvision import models

        try:
            weights = models.get_model_weights(name).DEFAULT  # type: ignore[attr-defined]
            net = models.get_model(name, weights=weights if pretrained else None)
        except ValueError as fault:
            raise CheckpointError(f"torchvision has no classifier called {name!r}.") from fault
        prepare = weights.transforms()
        self.name, self._side = name, int(prepare.crop_size[0])
        self.register_buffer("mean", torch.tensor(prepare.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(prepare.std).view(1, 3, 1, 1), persistent=False)
        self.stages = _stages(net, name)

    @property
    def side(self) -> int:
        return self._side

    def maps(self, images: Tensor) -> tuple[Tensor, ...]:
        """Output of every stage, (B, 3, S, S) in [-1, 1] → maps (B, C, H, W)."""
        x = ((images + 1.0) / 2.0 - self.mean) / self.std
        found = []
        for stage in self.stages:
            x = stage(x)
            found.append(x)
        return tuple(found)


def load_eyes(folder: Path) -> Eyes:
    """A frozen, evaluating network from a checkpoint folder of kind ``backbone``.

    Raises:
        CheckpointError: a file is missing or damaged, or the card names a network unknown here.
    """
    if not read_card(folder).get("key", "").startswith(TORCHVISION):
        return load_lite(folder)
    tensors, card = load_component(folder)
    eyes = TorchvisionEyes(card["key"].removeprefix(TORCHVISION))
    try:
        eyes.load_state_dict(tensors)
    except RuntimeError as fault:
        raise CheckpointError(
            f"The tensors of {folder.name} do not fit this version of torchvision; fetch them again."
        ) from fault
    return eyes.eval().requires_grad_(False)


def _stages(net: nn.Module, name: str) -> nn.ModuleList:
    """The parts of a classifier whose outputs are (B, C, H, W) maps, in order."""
    if hasattr(net, "layer4"):  # ResNet, ResNeXt, Wide ResNet
        stem = nn.Sequential(*(net.get_submodule(part) for part in ("conv1", "bn1", "relu", "maxpool")))
        return nn.ModuleList([stem, *(net.get_submodule(f"layer{number}") for number in (1, 2, 3, 4))])
    features = getattr(net, "features", None)
    if not isinstance(features, nn.Sequential) or hasattr(net, "permute"):  # Swin puts the channels last
        raise CheckpointError(
            f"{name} has no chain of convolutional stages; take one that has, such as torchvision:convnext_tiny."
        )
    return nn.ModuleList(features.children())
