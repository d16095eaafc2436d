"""An autoencoder as a newcomer would add it: this file, and one line in a registry. It keeps 4 × 4 average colours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from eimg_core.autoencoder import ImageAutoencoder
from eimg_core.trainable import LossTerms, Objective

__all__ = ["ToyAutoencoder"]

_SIDE = 4


@dataclass(frozen=True)
class ToyConfig:
    image_size: int = 32

    @classmethod
    def tiny(cls) -> ToyConfig:
        return cls(image_size=16)


class ToyAutoencoder(ImageAutoencoder):
    """Average colours in, and a learnt blur out."""

    Config = ToyConfig
    config: ToyConfig
    title = "Toy"
    reference = "nobody"

    def __init__(self, config: ToyConfig | None = None) -> None:
        super().__init__()
        self.config = config or ToyConfig()
        self.blur = nn.Conv2d(3, 3, 3, padding=1)

    @property
    def image_size(self) -> int:
        return self.config.image_size

    @property
    def latent_dim(self) -> int:
        return 3 * _SIDE * _SIDE

    def encode(self, images: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(images, _SIDE).flatten(1)

    def decode(self, latents: Tensor) -> Tensor:
        pixels = F.interpolate(latents.unflatten(1, (3, _SIDE, _SIDE)), self.image_size, mode="bilinear")
        return self.blur(pixels).clamp(-1.0, 1.0)

    def objectives(self) -> tuple[Objective, ...]:
        return (Objective("autoencode", ("model",), self.loss),)

    def loss(self, images: Any, step: int) -> LossTerms:
        error = F.mse_loss(self.decode(self.encode(images)), images)
        return LossTerms({"reconstruction": error}, {"reconstruction": 1.0})
