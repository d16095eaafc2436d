"""VQ-VAE: a photo as a small map of codes.

The encoder halves the picture ``stages`` times; each cell of the resulting map is replaced by the nearest of K codes;
the decoder paints the picture from the codes. v_x is the flattened map of codes: 8 × 8 cells of 64 numbers, 4096 in
all, at 128 pixels. (The paper says only that its v_x is wider than ALAE's 512.)

Reference: van den Oord, Vinyals, Kavukcuoglu 2017, "Neural Discrete Representation Learning"; codes follow the moving
averages of its Appendix A.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from eimg_core.autoencoder import ImageAutoencoder
from eimg_core.layers import ResidualBlock
from eimg_core.losses import vq_commitment
from eimg_core.trainable import LossTerms, Objective

__all__ = ["VQVAE", "Quantised", "VQVAEConfig", "VectorQuantiser", "perplexity"]


@dataclass(frozen=True)
class VQVAEConfig:
    """Defaults are the paper's where it states them (codes, commitment), else sized for the CPU."""

    image_size: int = 128
    channels: tuple[int, ...] = (32, 64, 128, 128)  # one stride-2 stage each
    residual_blocks: int = 2
    residual_channels: int = 48
    code_dim: int = 64
    codes: int = 512
    commitment_cost: float = 0.25
    decay: float = 0.97  # of the moving averages
    revive_below: float = 0.1  # a code chosen less often than this in a batch is moved onto an encoded cell

    @classmethod
    def tiny(cls) -> VQVAEConfig:
        return cls(image_size=16, channels=(8, 16), residual_blocks=1, residual_channels=8, code_dim=4, codes=16)

    def __post_init__(self) -> None:
        object.__setattr__(self, "channels", tuple(self.channels))
        if self.image_size % 2 ** len(self.channels):
            raise ValueError(f"{len(self.channels)} halvings do not fit an image of {self.image_size} pixels")


class Quantised(NamedTuple):
    """codes: (B, C, H, W) nearest codes; indices: (B, H, W)."""

    codes: Tensor
    indices: Tensor


class VectorQuantiser(nn.Module):
    """The codebook (K, C), its moving averages, and the nearest-code rule (VQ-VAE, Eq. 1-2)."""

    def __init__(self, codes: int, dim: int) -> None:
        super().__init__()
        self.register_buffer("codebook", torch.randn(codes, dim))
        self.register_buffer("usage", torch.zeros(codes))  # nothing is used yet: the first update places every code
        self.register_buffer("sums", self.codebook.clone())
        self.codebook: Tensor
        self.usage: Tensor
        self.sums: Tensor

    def forward(self, encoded: Tensor) -> Quantised:
        rows = encoded.movedim(1, -1)  # (B, H, W, C)
        distances = (
            rows.pow(2).sum(-1, keepdim=True) - 2 * rows @ self.codebook.T + self.codebook.pow(2).sum(-1)
        )  # (B, H, W, K)
        indices = distances.argmin(dim=-1)
        return Quantised(self.codebook[indices].movedim(-1, 1), indices)

    @torch.no_grad()
    def update(self, encoded: Tensor, indices: Tensor, decay: float, revive_below: float) -> None:
        """Move every code towards the mean of the cells that chose it; give unused codes a random cell."""
        rows = encoded.movedim(1, -1).reshape(-1, encoded.shape[1])  # (N, C)
        chosen = F.one_hot(indices.reshape(-1), len(self.codebook)).to(rows.dtype)  # (N, K)
        self.usage.lerp_(chosen.sum(dim=0), 1 - decay)
        self.sums.lerp_(chosen.T @ rows, 1 - decay)
        dead = self.usage < revive_below
        if dead.any():
            picks = torch.randint(len(rows), (int(dead.sum()),), device=rows.device)
            self.sums[dead] = rows[picks]
            self.usage[dead] = 1.0
        self.codebook.copy_(self.sums / self.usage.clamp_min(1e-5)[:, None])


def perplexity(indices: Tensor) -> Tensor:
    """How many equally frequent codes would be as hard to guess: the exponential of the entropy, from 1 to K."""
    share = torch.bincount(indices.reshape(-1)) / indices.numel()
    return torch.exp(torch.special.entr(share).sum())


class VQVAE(ImageAutoencoder):
    """The discrete autoencoder of the pairing that the paper reports as its best."""

    Config = VQVAEConfig
    config: VQVAEConfig
    title = "VQ-VAE"
    reference = "van den Oord et al. 2017"

    def __init__(self, config: VQVAEConfig | None = None) -> None:
        super().__init__()
        config = config or VQVAEConfig()
        self.config = config
        widest = config.channels[-1]

        def residuals() -> list[nn.Module]:
            return [ResidualBlock(widest, config.residual_channels) for _ in range(config.residual_blocks)]

        down: list[nn.Module] = []
        for inner, outer in zip((3, *config.channels[:-1]), config.channels, strict=True):
            down += [nn.Conv2d(inner, outer, 4, stride=2, padding=1), nn.ReLU()]
        self.encoder = nn.Sequential(
            *down[:-1],
            *residuals(),
            nn.ReLU(),
            nn.Conv2d(widest, config.code_dim, 1),
            nn.BatchNorm2d(config.code_dim),
        )
        self.quantiser = VectorQuantiser(config.codes, config.code_dim)
        up: list[nn.Module] = []
        for inner, outer in zip(config.channels[::-1], (*config.channels[-2::-1], 3), strict=True):
            up += [nn.ReLU(), nn.ConvTranspose2d(inner, outer, 4, stride=2, padding=1)]
        self.decoder = nn.Sequential(nn.Conv2d(config.code_dim, widest, 3, padding=1), *residuals(), *up)
        self._seen: tuple[Tensor, Tensor] | None = None

    @property
    def image_size(self) -> int:
        return self.config.image_size

    @property
    def grid(self) -> int:
        """Cells on each side of the map of codes."""
        return self.config.image_size // 2 ** len(self.config.channels)

    @property
    def latent_dim(self) -> int:
        return self.config.code_dim * self.grid**2

    def encode(self, images: Tensor) -> Tensor:
        return self.quantiser(self.encoder(images)).codes.flatten(1)

    def decode(self, latents: Tensor) -> Tensor:
        cells = latents.view(-1, self.config.code_dim, self.grid, self.grid)
        return self.decoder(cells).clamp(-1.0, 1.0)

    def usage(self, latents: Tensor) -> dict[str, float]:
        """Besides: ``perplexity`` of the codes over all cells, and ``codes_used``, how many were chosen at all."""
        cells = latents.view(-1, self.config.code_dim, self.grid, self.grid)
        indices = self.quantiser(cells).indices
        return {
            **super().usage(latents),
            "perplexity": float(perplexity(indices)),
            "codes_used": float(len(indices.unique())),
        }

    def objectives(self) -> tuple[Objective, ...]:
        return (Objective("autoencode", ("model",), self.loss),)

    def loss(self, images: Any, step: int) -> LossTerms:
        """VQ-VAE, Eq. 3; its second term is replaced by moving averages in ``after_step``."""
        encoded = self.encoder(images)
        quantised = self.quantiser(encoded)
        self._seen = (encoded.detach(), quantised.indices)
        # Straight-through: forward uses the code, backward reaches the encoder.
        straight = encoded + (quantised.codes - encoded).detach()
        return LossTerms(
            {
                "reconstruction": F.mse_loss(self.decoder(straight), images),
                "commitment": vq_commitment(encoded, quantised.codes),
            },
            {"reconstruction": 1.0, "commitment": self.config.commitment_cost},
            {"perplexity": perplexity(quantised.indices)},
        )

    def after_step(self, step: int) -> None:
        if self._seen is not None:
            self.quantiser.update(*self._seen, self.config.decay, self.config.revive_below)
            self._seen = None
