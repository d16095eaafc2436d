"""A small image autoencoder to begin with: a photo as a grid of colours. CONTRIBUTING.md says how to add one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from eimg_core.autoencoder import ImageAutoencoder
from eimg_core.trainable import LossTerms, Objective

__all__ = ["ColourGrid", "ColourGridConfig"]


@dataclass(frozen=True)
class ColourGridConfig:
    """Sizes.

    Args:
        image_size: pixels on each side of a photo.
        grid: cells on each side.
        width: numbers that are kept of a photo.
    """

    image_size: int = 64
    grid: int = 8
    width: int = 48

    @classmethod
    def tiny(cls) -> ColourGridConfig:
        """For tests."""
        return cls(image_size=16, grid=4, width=12)


class ColourGrid(ImageAutoencoder):
    """Mean colours of the cells of a grid, a linear map to v_x, and a linear map back to pixels."""

    Config = ColourGridConfig
    config: ColourGridConfig
    title = "Colour grid"
    reference = "an example of this repository"

    def __init__(self, config: ColourGridConfig | None = None) -> None:
        super().__init__()
        self.config = config or ColourGridConfig()
        self.encoder = nn.Linear(3 * self.config.grid**2, self.config.width)
        self.decoder = nn.Linear(self.config.width, 3 * self.config.image_size**2)

    @property
    def image_size(self) -> int:
        return self.config.image_size

    @property
    def latent_dim(self) -> int:
        return self.config.width

    def encode(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) in [-1, 1] → v_x (B, D)."""
        return self.encoder(F.adaptive_avg_pool2d(images, self.config.grid).flatten(1))

    def decode(self, latents: Tensor) -> Tensor:
        """v_x (B, D) → (B, 3, S, S) in [-1, 1]."""
        return self.decoder(latents).tanh().unflatten(1, (3, self.image_size, self.image_size))

    def objectives(self) -> tuple[Objective, ...]:
        return (Objective("autoencode", ("model",), self.loss),)

    def loss(self, images: Any, step: int) -> LossTerms:
        """Mean squared error of the pixels."""
        error = F.mse_loss(self.decode(self.encode(images)), images)
        return LossTerms({"reconstruction": error}, {"reconstruction": 1.0})
