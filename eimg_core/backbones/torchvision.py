"""Convolutional classifiers of torchvision as backbones.

``python -m train.image_va --data DIR --encoder torchvision:convnext_tiny`` fetches the weights of one, keeps them as a
component of kind ``backbone`` and fits the photo reader to its features.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from eimg_core.errors import CheckpointError

__all__ = ["TORCHVISION", "TorchvisionBackbone"]

TORCHVISION = "torchvision:"  # what the name of such an encoder begins with


class TorchvisionBackbone(nn.Module):
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
