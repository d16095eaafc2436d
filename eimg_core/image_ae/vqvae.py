"""VQ-VAE: a photo as a small map of codes.

An encoder turns the photo into a map of cells; each cell is replaced by the nearest of K codes; a decoder paints from
the codes. v_x is the flattened map of codes: 8 × 8 cells of 64 numbers, 4096 in all. (The paper says only that its v_x
is wider than ALAE's 512.)

``VectorQuantised`` is the bottleneck. ``VQVAE`` learns to see from scratch: its encoder halves a picture of 128 pixels
four times. ``TrunkVQVAE`` encodes the maps of a frozen backbone.

Reference: van den Oord, Vinyals, Kavukcuoglu 2017, "Neural Discrete Representation Learning"; codes follow the moving
averages of its Appendix A.1.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from eimg_core.autoencoder import ImageAutoencoder
from eimg_core.image_ae.trunk import Painter, TrunkAutoencoder, TrunkConfig, View, balanced
from eimg_core.layers import ResidualBlock
from eimg_core.losses import vq_commitment
from eimg_core.trainable import LossTerms, Objective

__all__ = [
    "VQVAE",
    "Codebook",
    "Quantised",
    "TrunkVQVAE",
    "TrunkVQVAEConfig",
    "VQVAEConfig",
    "VectorQuantised",
    "VectorQuantiser",
    "perplexity",
]


@dataclass(frozen=True)
class Codebook:
    """Defaults are the paper's where it states them (codes, commitment).

    Args:
        codes, code_dim: K, and numbers in each code.
        commitment_cost: β of VQ-VAE, Eq. 3.
        decay: of the moving averages.
        revive_below: a code chosen less often than this in a batch is moved onto an encoded cell.
    """

    codes: int = 512
    code_dim: int = 64
    commitment_cost: float = 0.25
    decay: float = 0.97
    revive_below: float = 0.1


@dataclass(frozen=True)
class VQVAEConfig(Codebook):
    """From scratch, sized for the CPU."""

    image_size: int = 128
    channels: tuple[int, ...] = (32, 64, 128, 128)  # one stride-2 stage each
    residual_blocks: int = 2
    residual_channels: int = 48

    @classmethod
    def tiny(cls) -> VQVAEConfig:
        return cls(image_size=16, channels=(8, 16), residual_blocks=1, residual_channels=8, code_dim=4, codes=16)

    def __post_init__(self) -> None:
        object.__setattr__(self, "channels", tuple(self.channels))
        if self.image_size % 2 ** len(self.channels):
            raise ValueError(f"{len(self.channels)} halvings do not fit an image of {self.image_size} pixels")


@dataclass(frozen=True)
class TrunkVQVAEConfig(TrunkConfig, Codebook):
    """With a trunk: 32 × 32 cells of 4 numbers, as many numbers as from scratch in smaller parts.

    Args:
        split: cells on each side that one of the trunk's grid is divided into.
        residual_blocks, residual_channels: of the decoder, before the painter.
    """

    code_dim: int = 4
    split: int = 4
    residual_blocks: int = 2
    residual_channels: int = 48

    @classmethod
    def tiny(cls) -> TrunkVQVAEConfig:
        small: dict[str, Any] = asdict(TrunkConfig.tiny())
        return cls(**small, code_dim=3, codes=16, split=2, residual_blocks=1, residual_channels=8)


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

    @torch.autocast("cpu", enabled=False)  # type: ignore[untyped-decorator]  # near codes differ by little
    def forward(self, encoded: Tensor) -> Quantised:
        rows = encoded.float().movedim(1, -1)  # (B, H, W, C)
        distances = (
            rows.pow(2).sum(-1, keepdim=True) - 2 * rows @ self.codebook.T + self.codebook.pow(2).sum(-1)
        )  # (B, H, W, K)
        indices = distances.argmin(dim=-1)
        return Quantised(self.codebook[indices].movedim(-1, 1), indices)

    @torch.no_grad()
    def update(self, encoded: Tensor, indices: Tensor, decay: float, revive_below: float) -> None:
        """Move every code towards the mean of the cells that chose it; give unused codes a random cell."""
        rows = encoded.float().movedim(1, -1).reshape(-1, encoded.shape[1])  # (N, C)
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


class VectorQuantised(ImageAutoencoder):
    """The bottleneck; a subclass has the networks on its two sides.

    Attributes:
        encoder: what ``look`` gives → cells, (B, C, G, G).
        decoder: codes in the place of cells → what ``errors`` compares with what ``look`` gave.
    """

    config: Any
    encoder: nn.Module
    decoder: nn.Module
    quantiser: VectorQuantiser
    _chosen: tuple[Tensor, Tensor] | None = None  # cells and indices of the last step

    @property
    @abstractmethod
    def grid(self) -> int:
        """G, cells on each side of the map of codes."""

    @property
    def latent_dim(self) -> int:
        return int(self.config.code_dim * self.grid**2)

    def cells_of(self, seen: Any) -> Tensor:
        """The encoder's cells, before they are replaced by codes: (B, C, G, G)."""
        return self.encoder(seen)

    def encode(self, images: Tensor) -> Tensor:
        return self.quantiser(self.cells_of(self.look(images))).codes.flatten(1)

    def codes_of(self, latents: Tensor) -> Tensor:
        """v_x as a map of codes: (B, D) → (B, C, G, G)."""
        return latents.view(-1, self.config.code_dim, self.grid, self.grid)

    def usage(self, latents: Tensor) -> dict[str, float]:
        """Besides: ``perplexity`` of the codes over all cells, and ``codes_used``, how many were chosen at all."""
        indices = self.quantiser(self.codes_of(latents)).indices
        return {
            **super().usage(latents),
            "perplexity": float(perplexity(indices)),
            "codes_used": float(len(indices.unique())),
        }

    def objectives(self) -> tuple[Objective, ...]:
        return (Objective("autoencode", ("model",), self.loss),)

    def loss(self, images: Any, step: int) -> LossTerms:
        """VQ-VAE, Eq. 3; its second term is replaced by moving averages in ``after_step``."""
        seen = self.look(images)
        cells = self.cells_of(seen)
        quantised = self.quantiser(cells)
        self._chosen = (cells.detach(), quantised.indices)
        # Straight-through: forward uses the code, backward reaches the encoder.
        straight = cells + (quantised.codes - cells).detach()
        errors = self.errors(self.decoder(straight), seen)
        return LossTerms(
            {**errors, "commitment": vq_commitment(cells, quantised.codes)},
            {**dict.fromkeys(errors, 1.0), "commitment": self.config.commitment_cost},
            {"perplexity": perplexity(quantised.indices)},
        )

    def after_step(self, step: int) -> None:
        if self._chosen is not None:
            self.quantiser.update(*self._chosen, self.config.decay, self.config.revive_below)
            self._chosen = None


class VQVAE(VectorQuantised):
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
        down: list[nn.Module] = []
        for inner, outer in zip((3, *config.channels[:-1]), config.channels, strict=True):
            down += [nn.Conv2d(inner, outer, 4, stride=2, padding=1), nn.ReLU()]
        self.encoder = nn.Sequential(
            *down[:-1],
            *_residuals(config, widest),
            nn.ReLU(),
            nn.Conv2d(widest, config.code_dim, 1),
            nn.BatchNorm2d(config.code_dim),
        )
        self.quantiser = VectorQuantiser(config.codes, config.code_dim)
        up: list[nn.Module] = []
        for inner, outer in zip(config.channels[::-1], (*config.channels[-2::-1], 3), strict=True):
            up += [nn.ReLU(), nn.ConvTranspose2d(inner, outer, 4, stride=2, padding=1)]
        self.decoder = nn.Sequential(nn.Conv2d(config.code_dim, widest, 3, padding=1), *_residuals(config, widest), *up)

    @property
    def image_size(self) -> int:
        return self.config.image_size

    @property
    def grid(self) -> int:
        return self.config.image_size // 2 ** len(self.config.channels)

    def decode(self, latents: Tensor) -> Tensor:
        return self.decoder(self.codes_of(latents)).clamp(-1.0, 1.0)


class _PaintedCodes(nn.Module):
    """Codes → a ``View``: a line leads to the maps, and a painter to the pixels."""

    def __init__(self, config: TrunkVQVAEConfig, maps: int) -> None:
        super().__init__()
        width, inside = config.channels[0], config.code_dim * config.split**2
        self.gather = nn.PixelUnshuffle(config.split)
        self.maps = nn.Conv2d(inside, maps, 1)
        self.pixels = nn.Sequential(
            nn.Conv2d(inside, width, 3, padding=1), *_residuals(config, width), nn.ReLU(), Painter(config.channels)
        )

    def forward(self, codes: Tensor) -> View:
        cells = self.gather(codes)
        return View(self.maps(cells), self.pixels(cells))


class TrunkVQVAE(TrunkAutoencoder, VectorQuantised):
    """The same bottleneck, on the maps of a frozen backbone."""

    Config = TrunkVQVAEConfig
    config: TrunkVQVAEConfig
    title = VQVAE.title
    reference = VQVAE.reference

    def __init__(self, config: TrunkVQVAEConfig | None = None) -> None:
        config = config or TrunkVQVAEConfig()
        super().__init__(config)
        kept = config.code_dim * config.split**2
        self.encoder: nn.Sequential = nn.Sequential(
            nn.BatchNorm2d(self.seen_width, affine=False),
            nn.Conv2d(self.seen_width, kept, 1),
            nn.PixelShuffle(config.split),
            nn.BatchNorm2d(config.code_dim),
        )
        self.quantiser = VectorQuantiser(config.codes, config.code_dim)
        self.decoder: _PaintedCodes = _PaintedCodes(config, self.seen_width)

    @property
    def grid(self) -> int:
        return self.config.grid * self.config.split

    @torch.no_grad()
    def begin(self, maps: Tensor) -> None:
        """Besides: cells begin as the first coarse directions of the maps, which say what is there, turned until all of
        them differ evenly, at unit variance, and the line back as its inverse."""
        super().begin(maps)
        config, combine, back = self.config, self.encoder[1], self.decoder.maps
        assert isinstance(combine, nn.Conv2d)
        kept, seen = combine.out_channels, slice(config.fine, config.fine + combine.out_channels)
        # PixelShuffle makes cells of its channels number by number: the numbers of one cell are split² apart.
        places = torch.arange(kept).unflatten(0, (config.code_dim, -1)).T.flatten()
        spread = self.reduced(View(maps[:, :, ::2, ::2], maps)).maps.std(dim=(0, 2, 3))
        for parameter in (*combine.parameters(), *back.parameters()):
            parameter.zero_()
        turn, scale = balanced(torch.eye(kept)), spread[seen].pow(2).mean().sqrt()
        combine.weight[places, seen, 0, 0] = turn * spread[seen] / scale  # of channels at unit variance
        back.weight[seen, places, 0, 0] = turn.T * scale

    def cells_of(self, seen: Any) -> Tensor:
        return self.encoder(seen.maps)

    def decode(self, latents: Tensor) -> Tensor:
        return self.enlarged(self.decoder(self.codes_of(latents)).pixels)


def _residuals(config: Any, channels: int) -> list[nn.Module]:
    return [ResidualBlock(channels, config.residual_channels) for _ in range(config.residual_blocks)]
