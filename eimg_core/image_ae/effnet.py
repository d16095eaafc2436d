"""EfficientNet-Lite as an image autoencoder: the encoder has seen ImageNet and is frozen, the decoder is trained.

The autoencoders of the paper learn to see from a few hundred photos, and keep colours and light. This one is given
features that know objects and scenes. v_x is what the photo reader looks at: mean and standard deviation of every
feature map of the late stages, 3968 numbers. The decoder only shows how much of a photo they still hold.

References: Tan and Le 2019, "EfficientNet"; Dosovitskiy and Brox 2016, "Inverting Visual Representations with
Convolutional Networks".
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from eimg_core.autoencoder import ImageAutoencoder
from eimg_core.backbones.effnet_lite import EfficientNetLite, LiteVariant, load_lite, pooled
from eimg_core.checkpoints import read_card
from eimg_core.errors import CheckpointError
from eimg_core.trainable import LossTerms, Objective

__all__ = ["EffNet", "EffNetConfig"]

_SEED_SIDE = 4  # the decoder's first map, in pixels
_AT_ONCE = 4  # photos: the maps of more do not fit into the processor's cache, and take twice as long each


@dataclass(frozen=True)
class EffNetConfig:
    """EfficientNet-Lite1 and a decoder of 1.7 million weights.

    Args:
        backbone: the component whose weights the encoder takes over before training; "" leaves it untrained.
        width, depth, side: the encoder's variant, see ``LiteVariant``.
        stages: which of its maps are looked at, see ``EfficientNetLite.maps``.
        hidden: numbers that v_x is squeezed into before it is painted.
        channels: of the decoder's maps, 4 pixels wide at first and twice as wide after each.
    """

    backbone: str = "efficientnet_lite1"
    width: float = 1.0
    depth: float = 1.1
    side: int = 240
    stages: tuple[int, ...] = (3, 4, 5, 6, 7)
    hidden: int = 256
    channels: tuple[int, ...] = (128, 96, 64, 32)

    @classmethod
    def tiny(cls) -> EffNetConfig:
        return cls(backbone="", width=0.25, depth=0.5, side=32, stages=(1, 3, 5), hidden=32, channels=(16, 8))

    def __post_init__(self) -> None:
        object.__setattr__(self, "stages", tuple(self.stages))
        object.__setattr__(self, "channels", tuple(self.channels))


class EffNet(ImageAutoencoder):
    """A frozen backbone and a trained decoder."""

    Config = EffNetConfig
    config: EffNetConfig
    title = "EffNet"
    reference = "Tan & Le 2019"

    def __init__(self, config: EffNetConfig | None = None) -> None:
        super().__init__()
        config = config or EffNetConfig()
        self.config = config
        backbone = EfficientNetLite(LiteVariant(config.width, config.depth, config.side)).fuse()
        if not config.backbone:
            for module in backbone.modules():
                if isinstance(module, nn.Conv2d):  # PyTorch's own first weights would dim the light at every layer
                    nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        self.backbone = backbone.requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        with torch.no_grad():
            self._width = self.encode(torch.zeros(1, 3, 32, 32)).shape[1]
        up: list[nn.Module] = []
        for inner, outer in pairwise((*config.channels, 3)):
            up += [nn.ReLU(), nn.Upsample(scale_factor=2), nn.Conv2d(inner, outer, 3, padding=1)]
        self.decoder = nn.Sequential(
            # The features differ in size by orders of magnitude: it keeps their mean and variance over the photos.
            nn.BatchNorm1d(self._width, affine=False),
            nn.Linear(self._width, config.hidden),
            nn.ReLU(),
            nn.Linear(config.hidden, config.channels[0] * _SEED_SIDE**2),
            nn.Unflatten(1, (config.channels[0], _SEED_SIDE, _SEED_SIDE)),
            *up,
        )

    @property
    def image_size(self) -> int:
        return self.config.side

    @property
    def latent_dim(self) -> int:
        return self._width

    @property
    def painted_size(self) -> int:
        """Pixels on each side of what the decoder paints, before it is enlarged: 64."""
        return int(_SEED_SIDE * 2 ** len(self.config.channels))

    def start_from(self, root: Path) -> dict[str, Any]:
        """Put the trained weights of ``config.backbone`` into the encoder. The card keeps their hash and licence, and
        says that they are borrowed: the component itself holds the decoder alone.

        Raises:
            CheckpointError: they are missing, damaged or of another variant.
        """
        name = self.config.backbone
        if not name:
            return {}
        folder = root / "backbone" / name
        if not folder.exists():
            raise CheckpointError(
                f"effnet sees through {name}, which is not there; run `python -m train.image_va backbone`."
            )
        trained = load_lite(folder)
        if trained.variant != self.backbone.variant:
            raise CheckpointError(f"The config of effnet describes another variant than {name}; make them agree.")
        self.backbone.load_state_dict(trained.state_dict())
        card = read_card(folder)
        return {
            "depends_on": {"backbone": card["sha256"]},
            "borrows": {"backbone.": f"backbone/{name}"},
            "licence_of_backbone": card.get("licence", "not stated"),
        }

    def train(self, mode: bool = True) -> EffNet:
        """The encoder always evaluates."""
        super().train(mode)
        self.backbone.eval()
        return self

    def parameter_groups(self) -> dict[str, tuple[nn.Module, ...]]:
        return {"decoder": (self.decoder,)}

    def encode(self, images: Tensor) -> Tensor:
        parts = images.contiguous(memory_format=torch.channels_last).split(_AT_ONCE)
        return torch.cat([self._seen(part) for part in parts])

    def _seen(self, images: Tensor) -> Tensor:
        maps = self.backbone.maps(images)
        return pooled([maps[stage] for stage in self.config.stages], spreads=True)

    def decode(self, latents: Tensor) -> Tensor:
        painted = self.decoder(latents).clamp(-1.0, 1.0)
        return F.interpolate(painted, self.image_size, mode="bilinear", align_corners=False)

    def objectives(self) -> tuple[Objective, ...]:
        return (Objective("autoencode", ("decoder",), self.loss),)

    def loss(self, images: Any, step: int) -> LossTerms:
        """Mean squared error in [-1, 1], at the size that the decoder paints."""
        wanted = F.interpolate(images, self.painted_size, mode="bilinear", antialias=True, align_corners=False)
        error = F.mse_loss(self.decoder(self.encode(images)), wanted)
        return LossTerms({"reconstruction": error}, {"reconstruction": 1.0})
