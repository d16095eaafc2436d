"""The trunk: a frozen backbone whose maps image autoencoders encode, and the painter that leads back from a map.

An autoencoder that learns from a few hundred photos keeps colours and light. One with a trunk is given maps that know
objects and scenes (EfficientNet-Lite, trained on ImageNet), and is asked for these maps again as well as for the
picture; what lies between is each paper's own bottleneck. Sauer et al. show why frozen features make even an
adversarial game learnable from little data.

References: Tan and Le 2019, "EfficientNet"; Sauer et al. 2021, "Projected GANs Converge Faster".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from eimg_core.autoencoder import ImageAutoencoder
from eimg_core.backbones.effnet_lite import EfficientNetLite, LiteVariant, load_lite
from eimg_core.checkpoints import read_card
from eimg_core.errors import CheckpointError

__all__ = [
    "BackboneConfig",
    "FrozenBackbone",
    "Painter",
    "TrunkAutoencoder",
    "TrunkConfig",
    "View",
    "balanced",
    "principal",
]

_AT_ONCE = 4  # photos: the maps of more do not fit into the processor's cache, and take twice as long each
_STILL = 1e-3  # a channel with a smaller standard deviation says nothing and is not blown up


# --- a backbone that is borrowed ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class BackboneConfig:
    """EfficientNet-Lite1.

    Args:
        backbone: the component whose weights are taken over before training; "" leaves them at random.
        width, depth, side: its variant, see ``LiteVariant``.
    """

    backbone: str = "efficientnet_lite1"
    width: float = 1.0
    depth: float = 1.1
    side: int = 240


class FrozenBackbone(ImageAutoencoder):
    """An image autoencoder with a backbone that it does not train and does not ship: its component borrows it."""

    config: Any

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__()
        self.config = config
        backbone = EfficientNetLite(LiteVariant(config.width, config.depth, config.side)).fuse()
        if not config.backbone:
            for module in backbone.modules():
                if isinstance(module, nn.Conv2d):  # PyTorch's own first weights would dim the light at every layer
                    nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        self.backbone = backbone.requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @property
    def image_size(self) -> int:
        return int(self.config.side)

    def start_from(self, root: Path) -> dict[str, Any]:
        """Put the trained weights of ``config.backbone`` into the backbone. The card keeps their hash and licence, and
        says that they are borrowed: the component itself holds everything else.

        Raises:
            CheckpointError: they are missing, damaged or of another variant.
        """
        name = self.config.backbone
        if not name:
            return {}
        folder = root / "backbone" / name
        if not folder.exists():
            raise CheckpointError(
                f"{self.title} sees through {name}, which is not there; run `python -m train.image_va backbone`."
            )
        trained = load_lite(folder)
        if trained.variant != self.backbone.variant:
            raise CheckpointError(f"The config of {self.title} describes another variant than {name}; make them agree.")
        self.backbone.load_state_dict(trained.state_dict())
        card = read_card(folder)
        return {
            "depends_on": {"backbone": card["sha256"]},
            "borrows": {"backbone.": f"backbone/{name}"},
            "licence_of_backbone": card.get("licence", "not stated"),
        }

    def train(self, mode: bool = True) -> FrozenBackbone:
        """The backbone always evaluates."""
        super().train(mode)
        self.backbone.eval()
        return self

    def maps_of(self, images: Tensor) -> Iterator[tuple[Tensor, ...]]:
        """The backbone's maps of photos (B, 3, S, S), a few photos at a time."""
        for part in images.contiguous(memory_format=torch.channels_last).split(_AT_ONCE):
            yield self.backbone.maps(part)


# --- what is seen, and what is painted ----------------------------------------------------------------------------


class View(NamedTuple):
    """Photos as a trunk sees them, or as they are painted.

    maps: (B, C, G, G), what the backbone says of each cell of one grid.
    pixels: (B, 3, P, P) in [-1, 1], the photos at the size at which they are painted.
    """

    maps: Tensor
    pixels: Tensor


@dataclass(frozen=True)
class TrunkConfig(BackboneConfig):
    """What is taken of the backbone, and how it is painted.

    Args:
        stages: which maps are looked at, see ``EfficientNetLite.maps``; all are brought to one grid and stacked.
        grid: G, cells on each side.
        fine_stages: how many of ``stages``, the first ones, say what is where rather than what it is.
        fine, coarse: directions of these maps, and of the others, that are kept: those in which cells differ most.
        channels: of the painter: of the grid that it is given, then of one map after each doubling of the side.
    """

    stages: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7)
    grid: int = 8
    fine_stages: int = 3
    fine: int = 64
    coarse: int = 192
    channels: tuple[int, ...] = (128, 64, 32, 16)

    @classmethod
    def tiny(cls) -> TrunkConfig:
        return cls(
            backbone="", width=0.25, depth=0.5, side=32,
            stages=(1, 3, 5), grid=4, fine_stages=1, fine=6, coarse=12, channels=(12, 8),
        )  # fmt: skip

    def __post_init__(self) -> None:
        object.__setattr__(self, "stages", tuple(self.stages))
        object.__setattr__(self, "channels", tuple(self.channels))


class Painter(nn.Sequential):
    """From a grid of cells to pixels: (B, W, G, G) → (B, 3, P, P), the side doubled with each of ``channels`` after the
    first."""

    def __init__(self, channels: tuple[int, ...]) -> None:
        up: list[nn.Module] = []
        for inner, outer in pairwise(channels):
            up += [nn.ConvTranspose2d(inner, outer, 4, stride=2, padding=1), nn.ReLU()]
        super().__init__(*up, nn.Conv2d(channels[-1], 3, 3, padding=1))


class TrunkAutoencoder(FrozenBackbone):
    """An image autoencoder that encodes and paints a ``View``. The bottleneck is a subclass's business."""

    config: Any

    def __init__(self, config: TrunkConfig) -> None:
        super().__init__(config)
        with torch.no_grad():
            maps = self.backbone.maps(torch.zeros(1, 3, 32, 32))
        widths = [maps[stage].shape[1] for stage in config.stages]
        self.fine_width = sum(widths[: config.fine_stages])
        self.seen_width = config.fine + config.coarse
        self.register_buffer("centre", torch.zeros(sum(widths)))
        self.register_buffer("directions", torch.eye(self.seen_width, sum(widths)))
        self.centre: Tensor
        self.directions: Tensor

    def parameter_groups(self) -> dict[str, tuple[nn.Module, ...]]:
        """All but the backbone."""
        return {"model": tuple(child for child in self.children() if child is not self.backbone)}

    @property
    def painted_size(self) -> int:
        """P, pixels on each side of what is painted, before it is enlarged to the photo's size."""
        return int(self.config.grid * 2 ** (len(self.config.channels) - 1))

    @torch.no_grad()
    def view(self, images: Tensor) -> View:
        """Photos (B, 3, S, S) through the backbone: all its maps, in its units."""
        stacked = [
            torch.cat([F.adaptive_avg_pool2d(maps[stage], self.config.grid) for stage in self.config.stages], dim=1)
            for maps in self.maps_of(images)
        ]
        small = F.interpolate(images, self.painted_size, mode="bilinear", antialias=True, align_corners=False)
        return View(torch.cat(stacked).contiguous(), small)

    @torch.no_grad()
    def begin(self, maps: Tensor) -> None:
        """Learn from the training photos, once and before the first step, in which directions cells differ most.

        Args:
            maps: of ``view``, (N, all maps, G, G).
        """
        rows = maps[..., ::2, ::2].float().movedim(1, -1).flatten(0, 2)  # a quarter of the cells is enough
        centre, spread = rows.mean(dim=0), rows.std(dim=0)
        spread = torch.where(spread > _STILL, spread, torch.inf)
        rows = (rows - centre) / spread
        cut, directions = self.fine_width, torch.zeros_like(self.directions)
        directions[: self.config.fine, :cut] = principal(rows[:, :cut], self.config.fine)
        directions[self.config.fine :, cut:] = principal(rows[:, cut:], self.config.coarse)
        self.centre.copy_(centre)
        self.directions.copy_(directions / spread)

    @torch.no_grad()
    def reduced(self, view: View) -> View:
        """What is encoded of a view: its cells along the directions, (B, C, G, G) with C = ``seen_width``."""
        maps = view.maps.float() - self.centre[:, None, None]
        return View(F.conv2d(maps, self.directions[:, :, None, None]), view.pixels.float())

    def look(self, images: Tensor | View) -> View:
        """What is encoded of photos, (B, 3, S, S); training looks once, and gives what it kept."""
        return images if isinstance(images, View) else self.reduced(self.view(images))

    def errors(self, painted: View, seen: View) -> Mapping[str, Tensor]:
        """Mean squared error of the maps, whose variance is 1 on average, and of the pixels, in [-1, 1]."""
        return {name: F.mse_loss(getattr(painted, name), getattr(seen, name)) for name in View._fields}

    def enlarged(self, pixels: Tensor) -> Tensor:
        """What was painted, at the size of the photos: (B, 3, P, P) → (B, 3, S, S) in [-1, 1]."""
        size = self.image_size
        return F.interpolate(pixels.clamp(-1.0, 1.0), size, mode="bilinear", align_corners=False).clamp(-1.0, 1.0)


def balanced(directions: Tensor) -> Tensor:
    """Directions, (K, C), turned within the space that they span until all of them show about the same variance.

    What is read from a latent, or put into codes of a few numbers each, gives every number of it the same weight, and a
    bottleneck the same precision. Along principal directions that blows up what hardly differs from photo to photo;
    turned, a number differs as much as the next (Ge et al. 2013, "Optimized Product Quantization", Section 3.2).
    """
    count = len(directions)
    rows, columns = torch.arange(count)[:, None], torch.arange(count)
    turn = (2.0 / count) ** 0.5 * torch.cos(torch.pi * (columns + 0.5) * rows / count)  # the discrete cosine transform:
    turn[0] /= 2.0**0.5  # orthogonal, and no entry is larger than twice the mean
    return turn @ directions


def principal(rows: Tensor, count: int) -> Tensor:
    """The directions in which rows differ most, (N, C) → (count, C), the first most: orthogonal and of one length, such
    that the variance along them is 1 on average."""
    centred = rows - rows.mean(dim=0)
    variances, axes = torch.linalg.eigh(centred.T @ centred / len(rows))
    return axes.T.flip(0)[:count] / variances[-count:].mean().clamp_min(1e-12).sqrt()
