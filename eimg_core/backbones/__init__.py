"""Frozen networks that the photo reader and ``effnet`` take their features from.

Shipped are EfficientNet-Lite 0, 1 and 2 (``effnet_lite``); any convolutional classifier of torchvision, and any model
of timm that gives feature maps, can take their place.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from eimg_core.backbones.effnet_lite import load_lite
from eimg_core.backbones.protocol import Backbone
from eimg_core.backbones.timm import TIMM, TimmBackbone
from eimg_core.backbones.torchvision import TORCHVISION, TorchvisionBackbone
from eimg_core.checkpoints import load_component, read_card
from eimg_core.errors import CheckpointError

__all__ = [
    "TIMM",
    "TORCHVISION",
    "Backbone",
    "TimmBackbone",
    "TorchvisionBackbone",
    "component_of",
    "library_network",
    "library_origin",
    "load_backbone",
]


def component_of(encoder: str) -> str:
    """The name of the component of an encoder: ``backbone/timm_resnet50`` of ``timm:resnet50``."""
    return f"backbone/{re.sub(r'[^A-Za-z0-9_.-]', '_', encoder)}"


def library_origin(encoder: str) -> dict[str, Any]:
    """What a card says of the weights that a library brings for an encoder."""
    library = encoder.partition(":")[0]
    return {
        "source": f"the weights that {library} brings for this model",
        "trained_on": [{"data": f"see the description of the model in {library}"}],
        "licence": "that of the weights, see the description of the model; some forbid commercial use",
    }


def library_network(encoder: str, pretrained: bool = False) -> TimmBackbone | TorchvisionBackbone | None:
    """The network of an encoder such as ``timm:resnet50`` or ``torchvision:convnext_tiny``; ``None`` where its name
    begins with neither library.

    Args:
        encoder: library and model.
        pretrained: let the library fetch its weights; otherwise they are random.
    Raises:
        CheckpointError: the library is not installed or has no such model.
    """
    if encoder.startswith(TIMM):
        return TimmBackbone(encoder.removeprefix(TIMM), pretrained)
    if encoder.startswith(TORCHVISION):
        return TorchvisionBackbone(encoder.removeprefix(TORCHVISION), pretrained)
    return None


def load_backbone(folder: Path) -> Backbone:
    """A frozen, evaluating network from a checkpoint folder of kind ``backbone``.

    Raises:
        CheckpointError: a file is missing or damaged, or the card names a network unknown here.
    """
    backbone = library_network(str(read_card(folder).get("key", "")))
    if backbone is None:
        return load_lite(folder)
    tensors, _ = load_component(folder)
    try:
        backbone.load_state_dict(tensors)
    except RuntimeError as fault:
        raise CheckpointError(
            f"The tensors of {folder.name} do not fit this version of their library; fetch them again."
        ) from fault
    return backbone.eval().requires_grad_(False)
