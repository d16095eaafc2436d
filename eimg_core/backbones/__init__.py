"""Frozen networks that the photo reader and ``effnet`` take their features from.

Shipped are EfficientNet-Lite 0, 1 and 2 (``effnet_lite``); any convolutional classifier of torchvision can take their
place (``torchvision``).
"""

from __future__ import annotations

from pathlib import Path

from eimg_core.backbones.effnet_lite import load_lite
from eimg_core.backbones.protocol import Backbone
from eimg_core.backbones.torchvision import TORCHVISION, TorchvisionBackbone
from eimg_core.checkpoints import load_component, read_card
from eimg_core.errors import CheckpointError

__all__ = ["TORCHVISION", "Backbone", "TorchvisionBackbone", "load_backbone"]


def load_backbone(folder: Path) -> Backbone:
    """A frozen, evaluating network from a checkpoint folder of kind ``backbone``.

    Raises:
        CheckpointError: a file is missing or damaged, or the card names a network unknown here.
    """
    if not read_card(folder).get("key", "").startswith(TORCHVISION):
        return load_lite(folder)
    tensors, card = load_component(folder)
    backbone = TorchvisionBackbone(card["key"].removeprefix(TORCHVISION))
    try:
        backbone.load_state_dict(tensors)
    except RuntimeError as fault:
        raise CheckpointError(
            f"The tensors of {folder.name} do not fit this version of torchvision; fetch them again."
        ) from fault
    return backbone.eval().requires_grad_(False)
