"""One trained component is one folder: ``weights.safetensors`` and a readable ``card.json`` beside it.

The card says what the tensors are (kind, key, config), where they come from (data, licence, split, seed, steps),
how good they are (metrics) and what they belong to (``depends_on``: hashes of other components). Loading checks the
hash of the weights, so a damaged or half-written file is an error and never a strange sound. No pickles.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from eimg_core.atomic import replace_file
from eimg_core.errors import CheckpointError

__all__ = [
    "CARD_FORMAT",
    "half",
    "load_component",
    "load_model",
    "quantised",
    "read_card",
    "save_component",
    "save_model",
]

CARD_FORMAT = 1
_COMPONENT = re.compile(r"\w+/[\w+@-]+", re.ASCII)

_SCALE = ".scale_of_rows"
_LARGE = 4096  # numbers of a matrix that is worth it

M = TypeVar("M", bound=nn.Module)


def half(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Floating tensors as float16, to ship half the bytes. Values that float16 cannot hold stay float32."""

    def narrow(tensor: Tensor) -> Tensor:
        if not tensor.is_floating_point():
            return tensor
        small = tensor.to(torch.float16)
        return small if bool(torch.isfinite(small).all()) else tensor.to(torch.float32)

    return {name: narrow(tensor) for name, tensor in tensors.items()}


def quantised(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Large matrices as whole numbers of eight bits, to ship half the bytes of float16.

    q = round(w / s) with a scale s for each row, whose largest weight is 127. The scales stand beside them, under the
    name and ``_SCALE``.
    """
    stored: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if not tensor.is_floating_point() or tensor.dim() < 2 or tensor.numel() < _LARGE:
            stored[name] = tensor
            continue
        rows = tensor.detach().float().flatten(1)
        scale = rows.abs().amax(dim=1, keepdim=True).clamp_min(1e-12) / 127
        stored[name] = (rows / scale).round().to(torch.int8).reshape(tensor.shape)
        stored[name + _SCALE] = scale[:, 0]
    return stored


def _restored(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The inverse of ``quantised``, up to rounding."""
    found = {name: tensor for name, tensor in tensors.items() if not name.endswith(_SCALE)}
    for name, scale in tensors.items():
        whole = found.get(name.removesuffix(_SCALE)) if name.endswith(_SCALE) else None
        if whole is not None:
            shape = (-1, *[1] * (whole.dim() - 1))
            found[name.removesuffix(_SCALE)] = whole.float() * scale.float().reshape(shape)
    return found


def save_component(folder: Path, tensors: Mapping[str, Tensor], card: Mapping[str, Any]) -> None:
    """Write the two files of a component; ``format`` and ``sha256`` are filled in."""
    folder.mkdir(parents=True, exist_ok=True)
    data = save_tensors({name: tensor.detach().contiguous().clone() for name, tensor in tensors.items()})
    full = {"format": CARD_FORMAT, **card, "sha256": hashlib.sha256(data).hexdigest()}
    replace_file(folder / "weights.safetensors", data)
    replace_file(folder / "card.json", (json.dumps(full, indent=2, ensure_ascii=False) + "\n").encode())


def read_card(folder: Path) -> dict[str, Any]:
    """The card alone, without touching the tensors.

    Raises:
        CheckpointError: it is missing, unreadable or of another format.
    """
    name = f"{folder.parent.name}/{folder.name}"
    try:
        card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError(
            f"No trained weights for {name}. Train them (see README, Training), or restore the assets folder."
        ) from error
    except (OSError, ValueError) as error:
        raise CheckpointError(f"The card of {name} cannot be read; restore or retrain that component.") from error
    if not isinstance(card, dict) or card.get("format") != CARD_FORMAT:
        found = str(card.get("format") if isinstance(card, dict) else None)[:40]
        raise CheckpointError(f"The card of {name} has format {found!r}, this version reads {CARD_FORMAT}; retrain it.")
    return card


def load_component(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors (floating ones as float32) and the card of a component.

    Raises:
        CheckpointError: a file is missing, or the weights do not have the hash that the card states.
    """
    name = f"{folder.parent.name}/{folder.name}"
    card = read_card(folder)
    try:
        data = (folder / "weights.safetensors").read_bytes()
    except OSError as error:
        raise CheckpointError(f"The weights of {name} are missing; restore the assets folder or retrain.") from error
    if hashlib.sha256(data).hexdigest() != card.get("sha256"):
        raise CheckpointError(f"The weights of {name} do not match their card; restore or retrain that component.")
    try:
        tensors = load_tensors(data)
    except (SafetensorError, ValueError, KeyError, RuntimeError) as error:
        raise CheckpointError(f"The weights of {name} are not a safetensors file; restore or retrain them.") from error
    return {k: t.float() if t.is_floating_point() else t for k, t in _restored(tensors).items()}, card


def save_model(folder: Path, model: nn.Module, card: Mapping[str, Any], *, eight_bits: bool = False) -> None:
    """Save a module whose ``config`` is a frozen dataclass; the config goes into the card, floats become float16, and
    with ``eight_bits`` large matrices whole numbers, see ``quantised``.

    Where the card has ``borrows``, names of tensors that begin with its keys are left out: they are those of another
    component, such as ``{"backbone.": "backbone/efficientnet_lite1"}``, whose hash stands in ``depends_on``.
    """
    own = {k: t for k, t in model.state_dict().items() if not k.startswith(tuple(card.get("borrows", ())))}
    small = quantised(half(own)) if eight_bits else half(own)
    save_component(folder, small, {**card, "config": asdict(model.config)})  # type: ignore[call-overload]


def load_model(folder: Path, kinds: Mapping[str, type[M]]) -> tuple[M, dict[str, Any]]:
    """Rebuild a module from its folder: the class is ``kinds[card["key"]]``, its arguments are the card's config.

    Returns:
        The module in eval mode, without gradients, and its card.
    """
    tensors, card = load_component(folder)
    key, config, borrows = card.get("key"), card.get("config"), card.get("borrows", {})
    if not isinstance(key, str) or key not in kinds:
        raise CheckpointError(f"{folder.name} is a {str(key)[:40]!r}; known here: {', '.join(kinds)}.")
    if not isinstance(config, dict) or not isinstance(borrows, dict):
        raise CheckpointError(f"The card of {folder.parent.name}/{folder.name} is damaged; restore it or retrain.")
    for prefix, component in borrows.items():
        if not _COMPONENT.fullmatch(str(component)):  # a card must not lead out of the folder of components
            raise CheckpointError(f"{folder.name} borrows from {str(component)[:40]!r}, which is no component.")
        lent, lender = load_component(folder.parent.parent / component)
        if lender["sha256"] not in dict(card.get("depends_on") or {}).values():
            raise CheckpointError(f"{folder.name} was trained with another {component}; retrain it.")
        tensors |= {f"{prefix}{name}": tensor for name, tensor in lent.items()}
    cls = kinds[key]
    try:
        with _no_larger_than(2 * sum(tensor.numel() for tensor in tensors.values())):
            model = cls(cls.Config(**config))  # type: ignore[attr-defined]
        model.load_state_dict(tensors)
    except Exception as error:  # a config can be wrong in any way, and a constructor fail in as many
        raise CheckpointError(
            f"The weights of {folder.parent.name}/{folder.name} were made by another version; retrain that component."
        ) from error
    return model.eval().requires_grad_(False), card


@contextmanager
def _no_larger_than(elements: int) -> Iterator[None]:
    """Refuse a module with more parameters before their memory is touched: a config is only text in a card."""
    thread, left = threading.get_ident(), elements

    def count(module: nn.Module, name: str, parameter: nn.Parameter | None) -> None:
        nonlocal left
        if parameter is not None and threading.get_ident() == thread:
            left -= parameter.numel()
            if left < 0:
                raise ValueError(f"{type(module).__name__} has more parameters than there are weights")

    hook = register_module_parameter_registration_hook(count)
    try:
        yield
    finally:
        hook.remove()
