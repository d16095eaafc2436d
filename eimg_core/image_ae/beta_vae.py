"""β-VAE: a photo as 128 independent Gaussian numbers.

The pressure towards independence follows Burgess et al.: the divergence from the prior is held near a capacity C that
rises while training, so that the latent first learns what matters most and then takes on more. v_x is the posterior
mean, 128 numbers.

``GaussianLatent`` is the bottleneck. ``BetaVAE`` learns to see from scratch, at 64 pixels. ``TrunkBetaVAE`` encodes the
maps of a frozen backbone.

References: Higgins et al. 2017, "beta-VAE"; Burgess et al. 2018, "Understanding disentangling in beta-VAE".
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from eimg_core.autoencoder import ImageAutoencoder
from eimg_core.image_ae.trunk import Painter, TrunkAutoencoder, TrunkConfig, View, balanced, principal
from eimg_core.losses import gaussian_kl
from eimg_core.trainable import LossTerms, Objective

__all__ = ["BetaVAE", "BetaVAEConfig", "Capacity", "GaussianLatent", "Posterior", "TrunkBetaVAE", "TrunkBetaVAEConfig"]


@dataclass(frozen=True)
class Capacity:
    """The latent and its price.

    Args:
        latent: D, numbers in v_x.
        beta: weight of |KL − C|, per nat against half the summed squared error.
        capacity: final C in nats.
        capacity_steps: over which C rises from 0.
    """

    latent: int = 128
    beta: float = 4.0
    capacity: float = 80.0
    capacity_steps: int = 1500


@dataclass(frozen=True)
class BetaVAEConfig(Capacity):
    """Four halvings and a wide layer as in Burgess et al.; twice their channels, since photos are not sprites."""

    image_size: int = 64
    channels: tuple[int, ...] = (32, 64, 128, 128)
    hidden: int = 512

    @classmethod
    def tiny(cls) -> BetaVAEConfig:
        return cls(image_size=16, channels=(8, 16), hidden=24, latent=6, capacity_steps=20)

    def __post_init__(self) -> None:
        object.__setattr__(self, "channels", tuple(self.channels))
        if self.image_size % 2 ** len(self.channels):
            raise ValueError(f"{len(self.channels)} halvings do not fit an image of {self.image_size} pixels")


@dataclass(frozen=True)
class TrunkBetaVAEConfig(TrunkConfig, Capacity):
    """With a trunk. It begins with components, so C need not rise for the latent to learn what matters first.

    Args:
        layout: numbers of each cell that are read beside the means of the maps.
    """

    capacity_steps: int = 0
    layout: int = 4

    @classmethod
    def tiny(cls) -> TrunkBetaVAEConfig:
        return cls(**asdict(TrunkConfig.tiny()), layout=2, latent=6)


class Posterior(NamedTuple):
    """q(z | photo): mu and logvar, (B, D)."""

    mu: Tensor
    logvar: Tensor


class GaussianLatent(ImageAutoencoder):
    """The bottleneck; a subclass has the networks on its two sides.

    Attributes:
        spreads: σ of p(x | z) for each of ``errors``, near the error that is left after training.
        mu, logvar: what ``hidden_of`` gives → the posterior's parameters, (B, D).
        decoder: z → what ``errors`` compares with what ``look`` gave.
    """

    config: Any
    spreads: ClassVar[dict[str, float]]
    mu: nn.Module
    logvar: nn.Module
    decoder: nn.Module

    @abstractmethod
    def hidden_of(self, seen: Any) -> Tensor:
        """What ``look`` gives → (B, hidden)."""

    @property
    def latent_dim(self) -> int:
        return int(self.config.latent)

    def posterior(self, seen: Any) -> Posterior:
        """q(z | photo) of what ``look`` gives."""
        hidden = self.hidden_of(seen)
        return Posterior(self.mu(hidden), self.logvar(hidden).clamp(-10.0, 4.0))

    def encode(self, images: Tensor) -> Tensor:
        return self.posterior(self.look(images)).mu

    def capacity_at(self, step: int) -> float:
        """C in nats: a straight line from 0 to the final capacity."""
        return float(self.config.capacity * min(1.0, step / max(1, self.config.capacity_steps)))

    def objectives(self) -> tuple[Objective, ...]:
        return (Objective("autoencode", ("model",), self.loss),)

    def loss(self, images: Any, step: int) -> LossTerms:
        """Burgess et al. 2018, Eq. 8: −log p(x | z) + β |KL − C|, with a Gaussian of variance σ² as p(x | z).

        The first term is ½ ‖x − x̂‖² / σ², and both terms are divided by the number of pixels' values, so that the
        learning rate does not depend on the size of the picture. Maps, where they are asked for too, count as if they
        had as many values.
        """
        seen = self.look(images)
        posterior = self.posterior(seen)
        noise = torch.randn_like(posterior.mu) if self.training else torch.zeros_like(posterior.mu)
        errors = self.errors(self.decoder(posterior.mu + (0.5 * posterior.logvar).exp() * noise), seen)
        per_dimension = gaussian_kl(posterior.mu, posterior.logvar).mean(dim=0)
        kl = per_dimension.sum()
        return LossTerms(
            {
                **{name: error / (2 * self.spreads[name] ** 2) for name, error in errors.items()},
                "capacity": (kl - self.capacity_at(step)).abs() / self.pixel_values,
            },
            {**dict.fromkeys(errors, 1.0), "capacity": self.config.beta},
            {"kl": kl, "active_units": (per_dimension > 0.01).sum()},
        )

    @property
    @abstractmethod
    def pixel_values(self) -> int:
        """How many numbers the painted picture has."""


class BetaVAE(GaussianLatent):
    """The continuous, disentangled autoencoder of the paper."""

    Config = BetaVAEConfig
    config: BetaVAEConfig
    title = "β-VAE"
    reference = "Higgins et al. 2017"
    spreads: ClassVar[dict[str, float]] = {"pixels": 0.3}

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
    def pixel_values(self) -> int:
        return 3 * self.image_size**2

    def hidden_of(self, seen: Any) -> Tensor:
        return self.encoder(seen)

    def decode(self, latents: Tensor) -> Tensor:
        return self.decoder(latents).clamp(-1.0, 1.0)


class _ReadMaps(nn.Module):
    """Maps as one row of numbers: the mean of each, and a few combinations of them in each cell."""

    def __init__(self, config: TrunkBetaVAEConfig, maps: int) -> None:
        super().__init__()
        self.layout = nn.Conv2d(maps, config.layout, 1)
        self.width = maps + config.layout * config.grid**2

    def forward(self, maps: Tensor) -> Tensor:
        return torch.cat([maps.mean(dim=(2, 3)), self.layout(maps).flatten(1)], dim=1)


class _PaintedLatent(nn.Module):
    """z → a ``View``: a line leads to the mean of each map, and cells lead to what differs from place to place and to
    the pixels."""

    def __init__(self, config: TrunkBetaVAEConfig, maps: int) -> None:
        super().__init__()
        width, grid = config.channels[0], config.grid
        self.means = nn.Linear(config.latent, maps)
        self.cells = nn.Sequential(
            nn.Linear(config.latent, width * grid**2), nn.Unflatten(1, (width, grid, grid)), nn.ReLU()
        )
        self.maps = nn.Conv2d(width, maps, 1)
        self.pixels = Painter(config.channels)

    def forward(self, z: Tensor) -> View:
        cells = self.cells(z)
        return View(self.maps(cells) + self.means(z)[:, :, None, None], self.pixels(cells))


class TrunkBetaVAE(TrunkAutoencoder, GaussianLatent):
    """The same bottleneck, on the maps of a frozen backbone."""

    Config = TrunkBetaVAEConfig
    config: TrunkBetaVAEConfig
    mu: nn.Linear
    logvar: nn.Linear
    decoder: _PaintedLatent
    title = BetaVAE.title
    reference = BetaVAE.reference
    spreads: ClassVar[dict[str, float]] = {"pixels": 0.3, "maps": 0.4}

    def __init__(self, config: TrunkBetaVAEConfig | None = None) -> None:
        config = config or TrunkBetaVAEConfig()
        super().__init__(config)
        self.encoder = _ReadMaps(config, self.seen_width)
        self.mu = nn.Linear(self.encoder.width, config.latent)
        self.logvar = nn.Linear(self.encoder.width, config.latent)
        self.decoder = _PaintedLatent(config, self.seen_width)

    @property
    def pixel_values(self) -> int:
        return 3 * self.painted_size**2

    @torch.no_grad()
    def begin(self, maps: Tensor) -> None:
        """Besides: z begins as the directions in which the means of the maps differ most, turned until they share that
        evenly, each number at unit variance and known so well that together they cost about C nats."""
        super().begin(maps)
        means = torch.cat([self.reduced(View(part, part)).maps.mean(dim=(2, 3)) for part in maps.split(64)])
        axes = balanced(principal(means, self.config.latent))
        spread = (means @ axes.T).std(dim=0, keepdim=True).clamp_min(1e-3).T
        lengths = axes.pow(2).sum(dim=1, keepdim=True).clamp_min(1e-12)
        self.mu.weight.zero_()
        self.mu.weight[:, : self.seen_width] = axes / spread
        self.mu.bias.copy_(-self.mu.weight[:, : self.seen_width] @ means.mean(dim=0))
        self.logvar.weight.zero_()
        self.logvar.bias.fill_(-2.0 * self.config.capacity / self.config.latent)
        self.decoder.means.weight.copy_((axes * spread / lengths).T)
        self.decoder.means.bias.copy_(means.mean(dim=0))
        self.decoder.maps.weight.zero_()
        self.decoder.maps.bias.zero_()  # type: ignore[union-attr]

    def hidden_of(self, seen: Any) -> Tensor:
        return self.encoder(seen.maps)

    def decode(self, latents: Tensor) -> Tensor:
        return self.enlarged(self.decoder(latents).pixels)
