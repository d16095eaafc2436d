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
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from eimg_core.backbones.effnet_lite import pooled
from eimg_core.image_ae.trunk import BackboneConfig, FrozenBackbone
from eimg_core.trainable import LossTerms, Objective

__all__ = ["EffNet", "EffNetConfig"]

_SEED_SIDE = 4  # the decoder's first map, in pixels


@dataclass(frozen=True)
class EffNetConfig(BackboneConfig):
    """EfficientNet-Lite1 and a decoder of 1.7 million weights.

    Args:
        stages: which of the backbone's maps are looked at, see ``EfficientNetLite.maps``.
        hidden: numbers that v_x is squeezed into before it is painted.
        channels: of the decoder's maps, 4 pixels wide at first and twice as wide after each.
    """

    stages: tuple[int, ...] = (3, 4, 5, 6, 7)
    hidden: int = 256
    channels: tuple[int, ...] = (128, 96, 64, 32)

    @classmethod
    def tiny(cls) -> EffNetConfig:
        return cls(backbone="", width=0.25, depth=0.5, side=32, stages=(1, 3, 5), hidden=32, channels=(16, 8))

    def __post_init__(self) -> None:
        object.__setattr__(self, "stages", tuple(self.stages))
        object.__setattr__(self, "channels", tuple(self.channels))


class EffNet(FrozenBackbone):
    """A frozen backbone and a trained decoder."""

    Config = EffNetConfig
    config: EffNetConfig
    title = "EffNet"
    reference = "Tan & Le 2019"

    def __init__(self, config: EffNetConfig | None = None) -> None:
        config = config or EffNetConfig()
        super().__init__(config)
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
    def latent_dim(self) -> int:
        return self._width

    @property
    def painted_size(self) -> int:
        """Pixels on each side of what the decoder paints, before it is enlarged: 64."""
        return int(_SEED_SIDE * 2 ** len(self.config.channels))

    def parameter_groups(self) -> dict[str, tuple[nn.Module, ...]]:
        return {"decoder": (self.decoder,)}

    def encode(self, images: Tensor) -> Tensor:
        stages = self.config.stages
        return torch.cat([pooled([maps[i] for i in stages], spreads=True) for maps in self.maps_of(images)])

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
