"""Networks of the package timm as backbones; the package is optional.

timm has some thousand image models, and fetches their weights itself where it is asked for pretrained ones.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from eimg_core.errors import CheckpointError

__all__ = ["TIMM", "TimmBackbone"]

TIMM = "timm:"  # what the name of such an encoder begins with


class TimmBackbone(nn.Module):
    """The feature maps of a timm model, convolutional or a transformer.

    Args:
        name: as ``timm.create_model`` knows it: ``resnet50``, ``vit_base_patch16_clip_224.openai``, …
        pretrained: let timm fetch the weights; needs the internet once.
    Raises:
        CheckpointError: timm is not installed, has no such model, or the model gives no feature maps.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, name: str, pretrained: bool = False) -> None:
        super().__init__()
        try:
            import timm
            from timm.data import resolve_model_data_config
        except ImportError as fault:
            raise CheckpointError(
                f"The encoder {TIMM}{name} needs the package timm; run `pip install timm`."
            ) from fault
        if not timm.is_model(name.partition(".")[0]):
            raise CheckpointError(f"timm has no model called {name!r}.")
        try:
            self.net = timm.create_model(name, pretrained=pretrained, features_only=True)
        except (AttributeError, NotImplementedError, RuntimeError) as fault:
            raise CheckpointError(f"timm gives no feature maps of {name!r}; take another model.") from fault
        prepare = resolve_model_data_config(self.net)
        self.name, self._side = name, int(prepare["input_size"][-1])
        self.register_buffer("mean", torch.tensor(prepare["mean"]).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(prepare["std"]).view(1, 3, 1, 1), persistent=False)
        self._channels_last = str(getattr(self.net, "output_fmt", "")).endswith("NHWC")  # of Swin and its kin

    @property
    def side(self) -> int:
        return self._side

    def maps(self, images: Tensor) -> tuple[Tensor, ...]:
        """Output of every stage, (B, 3, S, S) in [-1, 1] → maps (B, C, H, W)."""
        found = self.net(((images + 1.0) / 2.0 - self.mean) / self.std)
        return tuple(one.permute(0, 3, 1, 2) if self._channels_last else one for one in found)
