"""The mapping without contrast: five fully connected layers from v_x to v_y (row 1 of the paper's Table VII).

The paper does not say which music a photo should lead to. Here each photo is paired, anew in every pass, with one of
the clips nearest to it in the plane (Eq. 4), so what is learnt is the mean v_y of music with the photo's emotion.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from eimg_core.bridge import EmotionData, keep_statistics
from eimg_core.layers import ProjectionHead
from eimg_core.losses import latent_reconstruction
from eimg_core.trainable import LossTerms, Objective, Trainable

__all__ = ["DirectConfig", "DirectMapping", "LatentPairs"]


@dataclass(frozen=True)
class DirectConfig:
    """Widths of the four hidden layers; the fifth is linear. The noise is that of the paper's bridge."""

    image_dim: int = 4096
    music_dim: int = 280
    hidden: tuple[int, ...] = (512, 512, 256, 256)
    image_noise: float = 2.0

    @classmethod
    def tiny(cls) -> DirectConfig:
        return cls(image_dim=12, music_dim=10, hidden=(16, 16, 8, 8))

    def __post_init__(self) -> None:
        object.__setattr__(self, "hidden", tuple(self.hidden))


@dataclass(frozen=True)
class LatentPairs:
    """Raw features of photos and of the clips they should lead to: (B, image_dim), (B, music_dim)."""

    images: Tensor
    music: Tensor


class DirectMapping(Trainable):
    """v_x → v_y, without a shared space."""

    Config = DirectConfig
    config: DirectConfig
    title = "Direct mapping"

    def __init__(self, config: DirectConfig | None = None) -> None:
        super().__init__()
        config = config or DirectConfig()
        self.config = config
        self.layers = ProjectionHead([config.image_dim, *config.hidden, config.music_dim])
        self.image_mean: Tensor
        self.image_std: Tensor
        self.music_mean: Tensor
        self.music_std: Tensor
        for name, width in (("image", config.image_dim), ("music", config.music_dim)):
            self.register_buffer(f"{name}_mean", torch.zeros(width))
            self.register_buffer(f"{name}_std", torch.ones(width))

    def prepare(self, images: EmotionData, music: EmotionData) -> None:
        """Keep mean and standard deviation of the training features. Called once, before the first step."""
        keep_statistics(self, images, music)

    def objectives(self) -> tuple[Objective, ...]:
        return (Objective("map", ("model",), self.loss),)

    def loss(self, batch: Any, step: int) -> LossTerms:
        """Squared error of standardised v_y."""
        images = batch.images
        if self.training and self.config.image_noise:
            images = images + self.config.image_noise * self.image_std * torch.randn_like(images)
        wanted = (batch.music - self.music_mean) / self.music_std
        return LossTerms({"mapped": latent_reconstruction(self._standard(images), wanted)}, {"mapped": 1.0})

    def from_photos(self, v_x: Tensor, generator: torch.Generator) -> Tensor:
        """v_y of photos, in raw units; nothing in it is random."""
        return self._standard(v_x) * self.music_std + self.music_mean

    def _standard(self, v_x: Tensor) -> Tensor:
        return self.layers((v_x - self.image_mean) / self.image_std)
