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

__all__ = ["BackboneConfig", "FrozenBackbone", "Painter", "TrunkAutoencoder", "TrunkConfig", "View", "components"]

_AT_ONCE = 4  # photos: the maps of more do not fit into the processor's cache, and take twice as long each
_CHUNK = 64  # views that are looked at together where all of them would need gigabytes
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
    """Photos as a trunk sees them, or as a painter paints them.

    maps: (B, C, G, G), the backbone's maps on one grid.
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
        channels: of the painter: of the grid that it is given, then of one map after each doubling of the side.
    """

    stages: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7)
    grid: int = 8
    channels: tuple[int, ...] = (128, 64, 32, 16)

    @classmethod
    def tiny(cls) -> TrunkConfig:
        return cls(backbone="", width=0.25, depth=0.5, side=32, stages=(1, 3, 5), grid=4, channels=(12, 8))

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
        self.widths = tuple(maps[stage].shape[1] for stage in config.stages)
        self.map_channels = sum(self.widths)
        self.register_buffer("map_mean", torch.zeros(self.map_channels, 1, 1))
        self.register_buffer("map_std", torch.ones(self.map_channels, 1, 1))
        self.map_mean: Tensor
        self.map_std: Tensor

    @property
    def painted_size(self) -> int:
        """P, pixels on each side of what is painted, before it is enlarged to the photo's size."""
        return int(self.config.grid * 2 ** (len(self.config.channels) - 1))

    @torch.no_grad()
    def view(self, images: Tensor) -> View:
        """Photos (B, 3, S, S) through the trunk, in the units of the backbone. Training does this once."""
        stacked = [
            torch.cat([F.adaptive_avg_pool2d(maps[stage], self.config.grid) for stage in self.config.stages], dim=1)
            for maps in self.maps_of(images)
        ]
        small = F.interpolate(images, self.painted_size, mode="bilinear", antialias=True, align_corners=False)
        return View(torch.cat(stacked).contiguous(), small)

    def look(self, images: Tensor | View) -> View:
        """Photos, or what ``view`` has kept of them, with each channel of the maps standardised."""
        seen = images if isinstance(images, View) else self.view(images)
        return View((seen.maps - self.map_mean) / self.map_std, seen.pixels)

    @torch.no_grad()
    def begin(self, maps: Tensor) -> None:
        """Keep mean and standard deviation of each channel of the training views, (N, C, G, G). Called once, before the
        first step."""
        count, total, squares = 0, torch.zeros(self.map_channels), torch.zeros(self.map_channels)
        for part in maps.split(_CHUNK):
            part = part.float()
            count += part.shape[0] * part.shape[2] * part.shape[3]
            total += part.sum(dim=(0, 2, 3))
            squares += part.pow(2).sum(dim=(0, 2, 3))
        mean = total / count
        std = (squares / count - mean.pow(2)).clamp_min(0.0).sqrt()
        self.map_mean.copy_(mean[:, None, None])
        self.map_std.copy_(torch.where(std > _STILL, std, torch.ones_like(std))[:, None, None])

    @staticmethod
    def errors(painted: View, seen: View) -> Mapping[str, Tensor]:
        """Mean squared error of the maps, standardised, and of the pixels, in [-1, 1]."""
        return {name: F.mse_loss(getattr(painted, name), getattr(seen, name)) for name in View._fields}

    def enlarged(self, pixels: Tensor) -> Tensor:
        """What was painted, at the size of the photos: (B, 3, P, P) → (B, 3, S, S) in [-1, 1]."""
        size = self.image_size
        return F.interpolate(pixels.clamp(-1.0, 1.0), size, mode="bilinear", align_corners=False).clamp(-1.0, 1.0)


def components(rows: Tensor, count: int) -> Tensor:
    """The directions in which rows differ most: (N, C) → (count, C), at such lengths that ``rows @ components.T`` has
    unit variance; the first differs most. Directions in which nothing differs are 0."""
    centred = rows - rows.mean(dim=0)
    variances, axes = torch.linalg.eigh(centred.T @ centred / len(rows))
    scale = torch.where(variances > _STILL**2, variances, torch.inf).rsqrt()
    return (axes * scale).T.flip(0)[:count]
