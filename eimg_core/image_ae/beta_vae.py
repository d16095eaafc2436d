"""β-VAE: a photo as 128 independent Gaussian numbers.

The pressure towards independence follows Burgess et al.: the divergence from the prior is held near a capacity C that
rises while training, so that the latent first learns what matters most and then takes on more. v_x is the posterior
mean, 128 numbers.

References: Higgins et al. 2017, "beta-VAE"; Burgess et al. 2018, "Understanding disentangling in beta-VAE".
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from eimg_core.autoencoder import ImageAutoencoder
from eimg_core.losses import gaussian_kl
from eimg_core.trainable import LossTerms, Objective

__all__ = ["BetaVAE", "BetaVAEConfig", "Posterior"]


@dataclass(frozen=True)
class BetaVAEConfig:
    """Four halvings and a wide layer as in Burgess et al.; twice their channels, since photos are not sprites.

    Args:
        beta: weight of |KL − C|, per nat against half the summed squared error.
        capacity: final C in nats.
        capacity_steps: over which C rises from 0.
    """

    image_size: int = 64
    channels: tuple[int, ...] = (32, 64, 128, 128)
    hidden: int = 512
    latent: int = 128
    beta: float = 4.0
    capacity: float = 80.0
    capacity_steps: int = 1500

    @classmethod
    def tiny(cls) -> BetaVAEConfig:
        return cls(image_size=16, channels=(8, 16), hidden=24, latent=6, capacity_steps=20)

    def __post_init__(self) -> None:
        object.__setattr__(self, "channels", tuple(self.channels))
        if self.image_size % 2 ** len(self.channels):
            raise ValueError(f"{len(self.channels)} halvings do not fit an image of {self.image_size} pixels")


class Posterior(NamedTuple):
    """q(z | photo): mu and logvar, (B, D)."""

    mu: Tensor
    logvar: Tensor


class BetaVAE(ImageAutoencoder):
    """The continuous, disentangled autoencoder of the paper."""

    Config = BetaVAEConfig
    config: BetaVAEConfig
    title = "β-VAE"
    reference = "Higgins et al. 2017"

    def __init__(self, config: BetaVAEConfig | None = None) -> None:
        super().__init__()
        config = config or BetaVAEConfig()
        self.config = config
        side = config.image_size // 2 ** len(config.channels)
        widest = config.channels[-1]
        down: list[nn.Module] = []
        for inner, outer in zip((3, *config.channels[:-1]), config.channels, strict=True):
            down += [nn.Conv2d(inner, outer, 4, stride=2, padding=1), nn.ReLU()]
        self.encoder = nn.Sequential(*down, nn.Flatten(), nn.Linear(widest * side**2, config.hidden), nn.ReLU())
        self.mu = nn.Linear(config.hidden, config.latent)
        self.logvar = nn.Linear(config.hidden, config.latent)
        up: list[nn.Module] = []
        for inner, outer in zip(config.channels[::-1], (*config.channels[-2::-1], 3), strict=True):
            up += [nn.ReLU(), nn.ConvTranspose2d(inner, outer, 4, stride=2, padding=1)]
        self.decoder = nn.Sequential(
            nn.Linear(config.latent, config.hidden),
            nn.ReLU(),
            nn.Linear(config.hidden, widest * side**2),
            nn.Unflatten(1, (widest, side, side)),
            *up,
        )

    @property
    def image_size(self) -> int:
        return self.config.image_size

    @property
    def latent_dim(self) -> int:
        return self.config.latent

    def posterior(self, images: Tensor) -> Posterior:
        hidden = self.encoder(images)
        return Posterior(self.mu(hidden), self.logvar(hidden).clamp(-10.0, 4.0))

    def encode(self, images: Tensor) -> Tensor:
        return self.posterior(images).mu

    def decode(self, latents: Tensor) -> Tensor:
        return self.decoder(latents).clamp(-1.0, 1.0)

    def capacity_at(self, step: int) -> float:
        """C in nats: a straight line from 0 to the final capacity."""
        return self.config.capacity * min(1.0, step / max(1, self.config.capacity_steps))

    def objectives(self) -> tuple[Objective, ...]:
        return (Objective("autoencode", ("model",), self.loss),)

    def loss(self, images: Any, step: int) -> LossTerms:
        """Burgess et al. 2018, Eq. 8: −log p(x | z) + β |KL − C|, with a Gaussian of variance σ² as p(x | z).

        The first term is ½ ‖x − x̂‖² / σ² with σ = 0.3, near the error that is left after training, and both terms are
        divided by the number of pixels' values, so that the learning rate does not depend on the size of the picture.
        """
        posterior = self.posterior(images)
        noise = torch.randn_like(posterior.mu) if self.training else torch.zeros_like(posterior.mu)
        rebuilt = self.decoder(posterior.mu + (0.5 * posterior.logvar).exp() * noise)
        values = math.prod(images.shape[1:])
        per_dimension = gaussian_kl(posterior.mu, posterior.logvar).mean(dim=0)
        kl = per_dimension.sum()
        return LossTerms(
            {
                "reconstruction": F.mse_loss(rebuilt, images) / (2 * 0.3**2),
                "capacity": (kl - self.capacity_at(step)).abs() / values,
            },
            {"reconstruction": 1.0, "capacity": self.config.beta},
            {"kl": kl, "active_units": (per_dimension > 0.01).sum()},
        )
