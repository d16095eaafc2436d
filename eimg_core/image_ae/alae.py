"""ALAE: an adversarial autoencoder whose latent is the style of a StyleGAN-like generator.

Four networks: F maps noise to a style w, G paints a picture from w, E reads a w from a picture, and D tells, from w
alone, whether the picture was real. G and F play against E and D; besides, E must find the very w that G painted from
(reciprocity in latent space). So E(x) is a style that G understands. v_x is E(x).

``AdversarialLatent`` is the game. ``ALAE`` plays it with pictures, from scratch: at 64 pixels with narrow layers, which
is what two CPU cores can do; the paper's config goes to 256. ``TrunkALAE`` plays it with the maps of a frozen backbone.

References: Pidhorskyi, Adjeroh, Doretto 2020, "Adversarial Latent Autoencoders"; Karras et al. 2018 (equalised learning
rate, minibatch-free variant); Karras et al. 2019 (style modulation, noise); Mescheder et al. 2018 (R1).
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from eimg_core.autoencoder import ImageAutoencoder
from eimg_core.image_ae.trunk import Painter, TrunkAutoencoder, TrunkConfig, View
from eimg_core.losses import adversarial_discriminator, adversarial_generator, r1_penalty
from eimg_core.trainable import LossTerms, Objective

__all__ = ["ALAE", "ALAEConfig", "AdversarialLatent", "Game", "TrunkALAE", "TrunkALAEConfig"]


@dataclass(frozen=True)
class Game:
    """γ of R1, the learning-rate multipliers and the depth of F and D are the original's.

    Args:
        latent: W, numbers in a style and so in v_x.
        noise_dim, mapping_layers: numbers that F begins with, and its layers.
        head_layers: of D.
        slow: learning rate of F and D, as a share of the others'.
        r1_gamma, r1_every: γ; R1 is computed every so many steps and weighted by as much (lazy regularisation).
        weight_latent: of Eq. 10.
    """

    latent: int = 512
    noise_dim: int = 128
    mapping_layers: int = 4
    head_layers: int = 3
    slow: float = 0.1
    r1_gamma: float = 10.0
    r1_every: int = 4
    weight_latent: float = 1.0


@dataclass(frozen=True)
class ALAEConfig(Game):
    """From scratch.

    Args:
        channels: of the generator from 4 × 4 up, each level doubles the side; the encoder mirrors it.
    """

    channels: tuple[int, ...] = (128, 128, 96, 48, 24)

    @classmethod
    def tiny(cls) -> ALAEConfig:
        return cls(channels=(12, 8, 6), latent=10, noise_dim=6, mapping_layers=2, r1_every=1)

    def __post_init__(self) -> None:
        object.__setattr__(self, "channels", tuple(self.channels))


@dataclass(frozen=True)
class TrunkALAEConfig(TrunkConfig, Game):
    """With a trunk.

    Args:
        weight_rebuilt: of what is painted from the styles of real photos against these photos.
    """

    weight_rebuilt: float = 1.0

    @classmethod
    def tiny(cls) -> TrunkALAEConfig:
        return cls(**asdict(TrunkConfig.tiny()), latent=10, noise_dim=6, mapping_layers=2, r1_every=1)


class _Equalised(nn.Module):
    """Weights of unit variance, scaled when used, so that every layer learns at the same rate (Karras et al. 2018)."""

    def __init__(self, shape: tuple[int, ...], gain: float, rate: float, bias: bool) -> None:
        super().__init__()
        fan_in = math.prod(shape[1:])
        self.weight = nn.Parameter(torch.randn(shape) / rate)
        self.bias = nn.Parameter(torch.zeros(shape[0])) if bias else None
        self.scale = gain / math.sqrt(fan_in) * rate
        self.rate = rate

    def scaled(self) -> tuple[Tensor, Tensor | None]:
        return self.weight * self.scale, None if self.bias is None else self.bias * self.rate


class EqualisedLinear(_Equalised):
    def __init__(self, inner: int, outer: int, gain: float = 2**0.5, rate: float = 1.0) -> None:
        super().__init__((outer, inner), gain, rate, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, *self.scaled())


class EqualisedConv(_Equalised):
    """3 × 3 by default; the picture keeps its size."""

    def __init__(self, inner: int, outer: int, size: int = 3, gain: float = 2**0.5) -> None:
        super().__init__((outer, inner, size, size), gain, 1.0, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, *self.scaled(), padding="same")


def _leaky(x: Tensor) -> Tensor:
    return F.leaky_relu(x, 0.2)


class Mapping(nn.Module):
    """F: noise on the unit sphere → style w, (B, Z) → (B, W)."""

    def __init__(self, config: Game) -> None:
        super().__init__()
        widths = [config.noise_dim, *[config.latent] * config.mapping_layers]
        self.layers = nn.ModuleList(
            EqualisedLinear(inner, outer, rate=config.slow) for inner, outer in pairwise(widths)
        )

    def forward(self, noise: Tensor) -> Tensor:
        x = noise * (noise.pow(2).mean(dim=1, keepdim=True) + 1e-8).rsqrt()
        for layer in self.layers:
            x = _leaky(layer(x))
        return x


class StyledLayer(nn.Module):
    """A convolution, noise of a learnt strength, and adaptive instance normalisation by w."""

    def __init__(self, inner: int, outer: int, latent: int) -> None:
        super().__init__()
        self.conv = EqualisedConv(inner, outer)
        self.noise_strength = nn.Parameter(torch.zeros(outer, 1, 1))
        self.style = EqualisedLinear(latent, 2 * outer, gain=1.0)

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None) -> Tensor:
        x = self.conv(x)
        if noise is not None:
            x = x + self.noise_strength * noise
        scale, shift = self.style(w)[:, :, None, None].chunk(2, dim=1)
        return F.instance_norm(_leaky(x)) * (1.0 + scale) + shift


class Generator(nn.Module):
    """G: style → picture, (B, W) → (B, 3, S, S). Without a noise generator the same style gives the same picture."""

    def __init__(self, config: ALAEConfig) -> None:
        super().__init__()
        self.constant = nn.Parameter(torch.randn(1, config.channels[0], 4, 4))
        pairs = zip((config.channels[0], *config.channels[:-1]), config.channels, strict=True)
        self.levels = nn.ModuleList(
            nn.ModuleList([StyledLayer(inner, outer, config.latent), StyledLayer(outer, outer, config.latent)])
            for inner, outer in pairs
        )
        self.to_rgb = EqualisedConv(config.channels[-1], 3, size=1, gain=1.0)

    def forward(self, w: Tensor, *, noisy: bool) -> Tensor:
        x = self.constant.expand(len(w), -1, -1, -1)
        for index, level in enumerate(self.levels):
            if index:
                x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            for layer in level:  # type: ignore[attr-defined]
                noise = torch.randn(len(w), 1, *x.shape[2:]) if noisy else None
                x = layer(x, w, noise)
        return self.to_rgb(x)


class Encoder(nn.Module):
    """E: picture → style, (B, 3, S, S) → (B, W). Each layer's means and deviations are mapped to W and summed."""

    def __init__(self, config: ALAEConfig) -> None:
        super().__init__()
        channels = config.channels[::-1]
        self.from_rgb = EqualisedConv(3, channels[0], size=1)
        pairs = zip(channels, (*channels[1:], channels[-1]), strict=True)
        self.convs = nn.ModuleList(
            nn.ModuleList([EqualisedConv(inner, inner), EqualisedConv(inner, outer)]) for inner, outer in pairs
        )
        self.reads = nn.ModuleList(
            nn.ModuleList(EqualisedLinear(2 * conv.weight.shape[0], config.latent, gain=1.0) for conv in level)  # type: ignore[attr-defined,union-attr]
            for level in self.convs
        )

    def forward(self, images: Tensor) -> Tensor:
        x = _leaky(self.from_rgb(images))
        w = images.new_zeros(())
        for index, (convs, reads) in enumerate(zip(self.convs, self.reads, strict=True)):
            if index:
                x = F.avg_pool2d(x, 2)
            for conv, read in zip(convs, reads, strict=True):  # type: ignore[call-overload]
                x = _leaky(conv(x))
                mean = x.mean(dim=(2, 3), keepdim=True)
                x = x - mean
                std = (x.pow(2).mean(dim=(2, 3), keepdim=True) + 1e-6).sqrt()
                w = w + read(torch.cat([mean, std], dim=1).flatten(1))
                x = x / std
        return w


class MapGenerator(nn.Module):
    """The first levels of G, up to the grid of a trunk: style → cells, (B, W) → (B, C, G, G)."""

    def __init__(self, channels: int, latent: int, grid: int) -> None:
        super().__init__()
        self.constant = nn.Parameter(torch.randn(1, channels, grid // 2, grid // 2))
        self.layers = nn.ModuleList(StyledLayer(channels, channels, latent) for _ in range(3))

    def forward(self, w: Tensor, *, noisy: bool) -> Tensor:
        x = self.constant.expand(len(w), -1, -1, -1)
        for index, layer in enumerate(self.layers):
            if index == 1:
                x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            noise = torch.randn(len(w), 1, *x.shape[2:]) if noisy else None
            x = layer(x, w, noise)
        return x


class MapEncoder(nn.Module):
    """E for the maps of a trunk: their means and deviations, those of a layer above, and last its cells are mapped to W
    and summed: (B, C, G, G) → (B, W)."""

    def __init__(self, maps: int, channels: int, latent: int, grid: int) -> None:
        super().__init__()
        self.conv = EqualisedConv(maps, channels, size=1)
        self.reads = nn.ModuleList(EqualisedLinear(2 * width, latent, gain=1.0) for width in (maps, channels))
        self.read_cells = EqualisedLinear(channels * (grid // 2) ** 2, latent, gain=1.0)
        for later in (self.reads[1], self.read_cells):  # a style begins as what the maps themselves say
            nn.init.zeros_(later.weight)  # type: ignore[arg-type]

    def forward(self, maps: Tensor) -> Tensor:
        w = self.reads[0](_moments(maps))
        x = _leaky(self.conv(maps))
        w = w + self.reads[1](_moments(x))
        return w + self.read_cells(F.avg_pool2d(x, 2).flatten(1))


def _moments(x: Tensor) -> Tensor:
    """Mean and standard deviation of each channel: (B, C, H, W) → (B, 2 C)."""
    return torch.cat([x.mean(dim=(2, 3)), (x.var(dim=(2, 3), correction=0) + 1e-6).sqrt()], dim=1)


class Head(nn.Module):
    """D: style → how real, (B, W) → (B,)."""

    def __init__(self, config: Game) -> None:
        super().__init__()
        hidden = [
            EqualisedLinear(config.latent, config.latent, rate=config.slow) for _ in range(config.head_layers - 1)
        ]
        self.hidden = nn.ModuleList(hidden)
        self.out = EqualisedLinear(config.latent, 1, gain=1.0, rate=config.slow)

    def forward(self, w: Tensor) -> Tensor:
        for layer in self.hidden:
            w = _leaky(layer(w))
        return self.out(w)[:, 0]


class AdversarialLatent(ImageAutoencoder):
    """The game of four networks; x is what a subclass gives them for a photo.

    Attributes:
        mapping, head: F and D.
        encoder: E, x → style.
        generator: G, style → x.
    """

    config: Any
    mapping: nn.Module
    head: nn.Module
    encoder: nn.Module
    generator: nn.Module

    @abstractmethod
    def generated(self, w: Tensor) -> Tensor:
        """G with noise: styles (B, W) → x."""

    @abstractmethod
    def played(self, seen: Any) -> Tensor:
        """x of the equations, from what ``look`` gives."""

    @property
    def latent_dim(self) -> int:
        return int(self.config.latent)

    def encode(self, images: Tensor) -> Tensor:
        return self.encoder(self.played(self.look(images)))

    def parameter_groups(self) -> dict[str, tuple[nn.Module, ...]]:
        return {
            "encoder": (self.encoder,),
            "head": (self.head,),
            "mapping": (self.mapping,),
            "generator": (self.generator,),
        }

    def objectives(self) -> tuple[Objective, ...]:
        return (
            Objective("discriminate", ("encoder", "head"), self.discriminate, adversarial=True),
            Objective("generate", ("mapping", "generator"), self.generate, adversarial=True),
            Objective("reconstruct", ("encoder", "generator"), self.reconstruct),
        )

    def discriminate(self, images: Any, step: int) -> LossTerms:
        """ALAE, Eq. 8 (Algorithm 1, step I), with R1 on real photos."""
        x = self.played(self.look(images))
        with torch.no_grad():
            generated = self.generated(self._styles(len(x)))
        terms = {"discriminator": adversarial_discriminator(self._real(x), self._real(generated))}
        if step % self.config.r1_every == 0:
            real = x.clone().requires_grad_()
            terms["r1"] = r1_penalty(self._real(real), real)
        weights = {"discriminator": 1.0, "r1": 0.5 * self.config.r1_gamma * self.config.r1_every}
        return LossTerms(terms, weights)

    def generate(self, images: Any, step: int) -> LossTerms:
        """ALAE, Eq. 9 (Algorithm 1, step II)."""
        generated = self.generated(self._styles(len(self.played(self.look(images)))))
        return LossTerms({"generator": adversarial_generator(self._real(generated))}, {"generator": 1.0})

    def reconstruct(self, images: Any, step: int) -> LossTerms:
        """ALAE, Eq. 10 (Algorithm 1, step III): E(G(w)) must be w. w itself does not move."""
        w = self._styles(len(self.played(self.look(images)))).detach()
        error = F.mse_loss(self.encoder(self.generated(w)), w)
        return LossTerms({"latent": error}, {"latent": self.config.weight_latent})

    def _styles(self, count: int) -> Tensor:
        return self.mapping(torch.randn(count, self.config.noise_dim))

    def _real(self, x: Tensor) -> Tensor:
        return self.head(self.encoder(x))


class ALAE(AdversarialLatent):
    """Adversarial latent autoencoder: three objectives, four networks."""

    Config = ALAEConfig
    config: ALAEConfig
    title = "ALAE"
    reference = "Pidhorskyi et al. 2020"

    def __init__(self, config: ALAEConfig | None = None) -> None:
        super().__init__()
        config = config or ALAEConfig()
        self.config = config
        self.mapping, self.generator = Mapping(config), Generator(config)
        self.encoder, self.head = Encoder(config), Head(config)

    @property
    def image_size(self) -> int:
        return 4 * 2 ** (len(self.config.channels) - 1)

    def generated(self, w: Tensor) -> Tensor:
        return self.generator(w, noisy=True)

    def played(self, seen: Any) -> Tensor:
        return seen

    def decode(self, latents: Tensor) -> Tensor:
        return self.generator(latents, noisy=False).clamp(-1.0, 1.0)


class TrunkALAE(TrunkAutoencoder, AdversarialLatent):
    """The same game, played with the maps of a frozen backbone, which a painter leads to pixels.

    Besides, maps and pixels of the photos themselves are asked for: with a few hundred photos the game alone would not
    bring G to them.
    """

    Config = TrunkALAEConfig
    config: TrunkALAEConfig
    title = ALAE.title
    reference = ALAE.reference

    def __init__(self, config: TrunkALAEConfig | None = None) -> None:
        config = config or TrunkALAEConfig()
        super().__init__(config)
        self.mapping, self.head = Mapping(config), Head(config)
        width = config.channels[0]
        self.encoder = MapEncoder(self.seen_width, width, config.latent, config.grid)
        self.generator = MapGenerator(width, config.latent, config.grid)
        self.maps = nn.Conv2d(width, self.seen_width, 1)
        self.painter = Painter(config.channels)

    def played(self, seen: Any) -> Tensor:
        maps: Tensor = seen.maps
        return maps

    def generated(self, w: Tensor) -> Tensor:
        return self.maps(self.generator(w, noisy=True))

    def decode(self, latents: Tensor) -> Tensor:
        return self.enlarged(self.painter(self.generator(latents, noisy=False)))

    def parameter_groups(self) -> dict[str, tuple[nn.Module, ...]]:
        groups = AdversarialLatent.parameter_groups(self)
        return groups | {"generator": (self.generator, self.maps), "painter": (self.painter,)}

    def objectives(self) -> tuple[Objective, ...]:
        return (
            *AdversarialLatent.objectives(self),
            Objective("rebuild", ("encoder", "generator", "painter"), self.rebuild),
        )

    def rebuild(self, images: Any, step: int) -> LossTerms:
        """Maps and pixels that are painted from E(x) must be those of the photo."""
        seen = self.look(images)
        cells = self.generator(self.encoder(seen.maps), noisy=True)
        errors = self.errors(View(self.maps(cells), self.painter(cells)), seen)
        return LossTerms(errors, dict.fromkeys(errors, self.config.weight_rebuilt))
