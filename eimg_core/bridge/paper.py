"""The paper's variant: for each anchor photo, n positives and n negatives of both modalities (Eq. 4-13)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from eimg_core.bridge.base import Bridge, BridgeConfig
from eimg_core.losses import contrastive, latent_reconstruction
from eimg_core.trainable import LossTerms

__all__ = ["PaperBridge", "PaperConfig", "SetBatch"]


@dataclass(frozen=True)
class PaperConfig(BridgeConfig):
    """Weights of the terms of Eq. 12."""

    weight_inter: float = 1.0
    weight_intra_image: float = 1.0
    weight_intra_music: float = 1.0


@dataclass(frozen=True)
class SetBatch:
    """Raw features of the four sets of A anchors: v_x (A, n, image_dim) and v_y (A, n, music_dim)."""

    image_positives: Tensor
    image_negatives: Tensor
    music_positives: Tensor
    music_negatives: Tensor


class PaperBridge(Bridge):
    """Contrast between nearest and farthest sets; a shift at inference for the gap that it leaves."""

    Config = PaperConfig
    variant = "paper"
    closes_gap = True

    def loss(self, batch: Any, step: int) -> LossTerms:
        """Eq. 13. Each projector sees its positive and negative sets in one forward pass: two passes would
        normalise the sets apart and erase the difference that the contrast is about."""
        images = torch.cat([batch.image_positives, batch.image_negatives], dim=1)  # (A, 2n, image_dim)
        music = torch.cat([batch.music_positives, batch.music_negatives], dim=1)
        z_x, z_y = self.embed_images(self.noisy_images(images)), self.embed_music(self.noisy_music(music))
        n, m = batch.image_positives.shape[1], batch.music_positives.shape[1]
        terms = contrastive(z_x[:, :n], z_x[:, n:], z_y[:, :m], z_y[:, m:], self.config.temperature)
        rebuilt = latent_reconstruction(self.to_standard_music(z_y), self.standard_music(music))
        return LossTerms(
            {**terms._asdict(), "latent_reconstruction": rebuilt},
            {
                "inter_modal": self.config.weight_inter,
                "intra_image": self.config.weight_intra_image,
                "intra_music": self.config.weight_intra_music,
                "latent_reconstruction": self.config.weight_reconstruction,
            },
        )
