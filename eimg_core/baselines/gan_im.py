"""GAN-IM: the paper's adversarial baseline, MidiNet with a photo in place of chords (Fig. 5).

The *generator* takes a photo down through six residual layers to one vector, adds noise, and comes up through six
residual layers to one bar of a piano roll; the bar before it is a condition at every level, as in MidiNet. The
*discriminator* has three convolutions and one fully connected layer; it sees the bar, the bar before and what the
generator saw in the photo. Beside the adversarial loss, the means of the bars and of the discriminator's first layer
must agree (feature matching). Resolution, roll, losses and optimiser are not published; MidiNet's are used: smoothed
labels, two steps of the generator for one of the discriminator, weights 0.1 and 0.01 of the feature matching.

Tempo and key of a piece cannot be seen in a bar: they are drawn from two linear heads on the photo's vector.

Shapes: B batch, S image side; a bar is (B, 2, 128, 16), see ``eimg_core.baselines.rolls``.

Reference: Yang, Chou, Yang 2017, "MidiNet".
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from eimg_core.baselines.rolls import BAR_STEPS, PITCHES, notes_of
from eimg_core.midi import codec
from eimg_core.midi.attributes import home_shift
from eimg_core.midi.notes import HIGHEST_PITCH, LOWEST_PITCH, Piece
from eimg_core.music_ae.decoder import Sampling, draw
from eimg_core.music_ae.keys import KEYS, draw_keys
from eimg_core.trainable import LossTerms, Objective, Trainable

__all__ = ["BarBatch", "GanIM", "GanIMConfig"]

_CHANNELS = 2
_UPS = ((2, 1), (2, 1), (2, 2), (2, 2), (2, 2), (2, 2))  # (2, 1) → (128, 16): pitches and sixteenths
_START = (2, 1)
_AT_ONCE = 64  # photos in a batch when thresholds are chosen


@dataclass(frozen=True)
class GanIMConfig:
    """Six layers down and six up as in the paper; widths are sized for the CPU.

    Args:
        image_size: 64, or another power of two from 64 up: six halvings, the rest is averaged.
        down, up: channels after each layer.
        condition: channels of the bar before at each level.
        noise_dim: of the noise beside the photo's vector.
        judge: channels of the discriminator's three convolutions.
        smooth: the label of real bars.
        weight_features, weight_mean: of the feature matching, MidiNet's.
    """

    image_size: int = 64
    down: tuple[int, ...] = (8, 16, 32, 48, 64, 96)
    up: tuple[int, ...] = (96, 64, 48, 32, 16, 8)
    condition: int = 4
    noise_dim: int = 64
    judge: tuple[int, int, int] = (32, 64, 64)
    smooth: float = 0.9
    weight_features: float = 0.1
    weight_mean: float = 0.01

    @classmethod
    def tiny(cls) -> GanIMConfig:
        return cls(down=(4,) * 6, up=(4,) * 6, condition=2, noise_dim=4, judge=(4, 4, 4))

    def __post_init__(self) -> None:
        for name in ("down", "up", "judge"):
            object.__setattr__(self, name, tuple(getattr(self, name)))


@dataclass(frozen=True)
class BarBatch:
    """Photos (B, 3, S, S), and bars of clips whose emotion is near, with the bars before (zeros before the first).

    Attributes:
        bars, before: (B, 2, 128, 16) float, 0 or 1.
        tempo_class, key: of the clips, (B,).
    """

    images: Tensor
    bars: Tensor
    before: Tensor
    tempo_class: Tensor
    key: Tensor


class Down(nn.Module):
    """A residual layer that halves both sides."""

    def __init__(self, inner: int, outer: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inner, outer, 3, stride=2, padding=1)
        self.second = nn.Conv2d(outer, outer, 3, padding=1)
        self.skip = nn.Conv2d(inner, outer, 1, stride=2)
        self.norms = nn.ModuleList(nn.BatchNorm2d(outer) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.norms[0](self.first(x)))
        return F.relu(self.norms[1](self.second(y)) + self.skip(x))


class Up(nn.Module):
    """A residual layer that enlarges by ``scale`` (pitches, sixteenths)."""

    def __init__(self, inner: int, outer: int, scale: tuple[int, int]) -> None:
        super().__init__()
        self.scale = scale
        self.first, self.second = nn.Conv2d(inner, outer, 3, padding=1), nn.Conv2d(outer, outer, 3, padding=1)
        self.skip = nn.Conv2d(inner, outer, 1)
        self.norms = nn.ModuleList(nn.BatchNorm2d(outer) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        y = F.interpolate(F.relu(self.norms[0](self.first(x))), scale_factor=self.scale)
        return F.relu(self.norms[1](self.second(y)) + F.interpolate(self.skip(x), scale_factor=self.scale))


class Generator(nn.Module):
    """Photo, noise and the bar before → a bar's logits."""

    def __init__(self, config: GanIMConfig) -> None:
        super().__init__()
        self.down = nn.Sequential(*(Down(i, o) for i, o in zip((3, *config.down[:-1]), config.down, strict=True)))
        c = config.condition
        # From the finest to the coarsest map of the bar before, one for each layer on the way up.
        self.conditions = nn.ModuleList(
            nn.Conv2d(_CHANNELS if not level else c, c, scale, stride=scale) for level, scale in enumerate(_UPS[::-1])
        )
        self.start = nn.Linear(config.down[-1] + config.noise_dim, config.up[0] * math.prod(_START))
        inners = (config.up[0], *config.up[:-1])
        self.up = nn.ModuleList(Up(i + c, o, scale) for i, o, scale in zip(inners, config.up, _UPS, strict=True))
        self.out = nn.Conv2d(config.up[-1] + _CHANNELS, _CHANNELS, 3, padding=1)

    def read(self, images: Tensor) -> Tensor:
        """The photo's vector: (B, 3, S, S) → (B, D)."""
        return self.down(images).mean(dim=(2, 3))

    def forward(self, seen: Tensor, noise: Tensor, before: Tensor) -> Tensor:
        maps, x = [], before
        for conv in self.conditions:
            x = F.leaky_relu(conv(x), 0.2)
            maps.append(x)
        x = self.start(torch.cat([seen, noise], dim=1)).view(len(seen), -1, *_START)
        for layer, condition in zip(self.up, maps[::-1], strict=True):
            x = layer(torch.cat([x, condition], dim=1))
        return self.out(torch.cat([x, before], dim=1))


class Discriminator(nn.Module):
    """Three convolutions and a fully connected layer: how real a bar is, after the bar before and for the photo."""

    def __init__(self, config: GanIMConfig) -> None:
        super().__init__()
        a, b, c = config.judge
        # As in MidiNet, the first layer spans all pitches.
        self.first = nn.Conv2d(2 * _CHANNELS, a, (PITCHES, 2), stride=(1, 2))
        self.second = nn.Conv2d(a, b, (1, 4), stride=(1, 2), padding=(0, 1))
        self.third = nn.Conv2d(b, c, (1, 4), stride=(1, 2), padding=(0, 1))
        self.full = nn.Linear(c * BAR_STEPS // 8 + config.down[-1], 1)

    def forward(self, bars: Tensor, before: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B,) and what the first layer found."""
        first = F.leaky_relu(self.first(torch.cat([bars, before], dim=1)), 0.2)
        x = F.leaky_relu(self.third(F.leaky_relu(self.second(first), 0.2)), 0.2)
        return self.full(torch.cat([x.flatten(1), seen], dim=1))[:, 0], first


def _on_the_piano(made: Tensor) -> Tensor:
    """Probabilities (B, 2, 128, 16), 0 where there is no key."""
    pitches = torch.arange(PITCHES)
    return made * ((pitches >= LOWEST_PITCH) & (pitches <= HIGHEST_PITCH)).to(made.dtype)[:, None]


class GanIM(Trainable):
    """The baseline."""

    Config = GanIMConfig
    config: GanIMConfig
    title = "GAN-IM"

    def __init__(self, config: GanIMConfig | None = None) -> None:
        super().__init__()
        config = config or GanIMConfig()
        self.config = config
        self.generator, self.discriminator = Generator(config), Discriminator(config)
        self.tempo = nn.Linear(config.down[-1], codec.TEMPO_CLASSES)
        self.key = nn.Linear(config.down[-1], KEYS)
        # From which probability on a cell of each channel is set, as logits, which float16 keeps apart near one half.
        self.thresholds: Tensor
        self.register_buffer("thresholds", torch.zeros(_CHANNELS))

    @property
    def image_size(self) -> int:
        return self.config.image_size

    def parameter_groups(self) -> dict[str, tuple[nn.Module, ...]]:
        return {"discriminator": (self.discriminator,), "generator": (self.generator, self.tempo, self.key)}

    def objectives(self) -> tuple[Objective, ...]:
        judge = Objective("judge", ("discriminator",), self.judge, adversarial=True)
        compose = Objective("compose", ("generator",), self.compose, adversarial=True)
        return (judge, compose, compose)

    # --- training -----------------------------------------------------------------------------------------------

    def judge(self, batch: BarBatch, step: int) -> LossTerms:
        """The discriminator's cross-entropy, real bars with a label a little below 1."""
        with torch.no_grad():
            seen = self.generator.read(batch.images)
            made = self._bars(seen, batch.before)
        real, _ = self.discriminator(batch.bars, batch.before, seen)
        fake, _ = self.discriminator(made, batch.before, seen)
        wanted = torch.full_like(real, self.config.smooth)
        terms = {
            "real": F.binary_cross_entropy_with_logits(real, wanted),
            "fake": F.binary_cross_entropy_with_logits(fake, torch.zeros_like(fake)),
        }
        return LossTerms(terms, dict.fromkeys(terms, 1.0))

    def compose(self, batch: BarBatch, step: int) -> LossTerms:
        """To be taken for real, feature matching (half the sum of squares), and tempo and key of the clip."""
        seen = self.generator.read(batch.images)
        made = self._bars(seen, batch.before)
        fake, found = self.discriminator(made, batch.before, seen.detach())
        with torch.no_grad():
            _, wanted = self.discriminator(batch.bars, batch.before, seen)
        terms = {
            "taken_for_real": F.binary_cross_entropy_with_logits(fake, torch.ones_like(fake)),
            "features": 0.5 * (found.mean(dim=0) - wanted.mean(dim=0)).pow(2).sum(),
            "mean_bar": 0.5 * (made.mean(dim=0) - batch.bars.mean(dim=0)).pow(2).sum(),
            "tempo": F.cross_entropy(self.tempo(seen), batch.tempo_class),
            "key": F.cross_entropy(self.key(seen), batch.key),
        }
        weights = {
            "taken_for_real": 1.0,
            "features": self.config.weight_features,
            "mean_bar": self.config.weight_mean,
            "tempo": 0.1,
            "key": 0.1,
        }
        return LossTerms(terms, weights)

    def _bars(self, seen: Tensor, before: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Probabilities of a bar, (B, 2, 128, 16)."""
        noise = torch.randn(len(seen), self.config.noise_dim, generator=generator)
        return self.generator(seen, noise, before).sigmoid()

    @torch.no_grad()
    def calibrate(self, images: Tensor, density: Tensor) -> None:
        """Choose the thresholds with which the first bars for photos are, on average, as full as real ones.

        Every later bar is told the one before, so thresholds that left the first one empty could leave all empty.

        The probabilities of a GAN are no chances: at a fixed one half, some trainings play nothing at all.

        Args:
            images: photos of the training split, (N, 3, S, S).
            density: share of the cells that real bars set in each channel, (2,).
        """
        generator = torch.Generator().manual_seed(0)
        before = torch.zeros(_AT_ONCE, _CHANNELS, PITCHES, BAR_STEPS)
        parts = [self.generator.read(part) for part in images.split(_AT_ONCE)]
        made = torch.cat([self._bars(seen, before[: len(seen)], generator) for seen in parts])
        ranked = _on_the_piano(made).transpose(0, 1).flatten(1).sort(dim=1, descending=True).values  # (2, cells)
        places = (density * ranked.shape[1]).long().clamp(0, ranked.shape[1] - 1)
        self.thresholds.copy_(ranked.gather(1, places[:, None])[:, 0].logit())

    def _set(self, made: Tensor) -> Tensor:
        """Probabilities → cells that are set, 0 or 1: (B, 2, 128, 16). A piano has no keys beyond its own."""
        made = _on_the_piano(made)
        return (made > self.thresholds.sigmoid()[:, None, None]).to(made.dtype)

    # --- playing ------------------------------------------------------------------------------------------------

    @torch.no_grad()
    def play(self, images: Tensor, *, seconds: float, generator: torch.Generator) -> list[Piece]:
        seen = self.generator.read(images)
        keys = draw_keys(self.key(seen).softmax(dim=-1), generator)
        tempo_class = draw(self.tempo(seen), Sampling(0.7, 0.9), generator)
        tempi = [codec.tempo_of_class(c) for c in tempo_class.tolist()]
        bars: list[Tensor] = []
        before = torch.zeros(len(images), _CHANNELS, PITCHES, BAR_STEPS)
        for _ in range(math.ceil(seconds * max(tempi) / 240)):
            before = self._set(self._bars(seen, before, generator))
            bars.append(before)
        rolls = torch.stack(bars, dim=1).bool().numpy()  # (B, N, 2, 128, 16)
        return [self._piece(*row, seconds) for row in zip(rolls, tempi, keys.tolist(), strict=True)]

    @staticmethod
    def _piece(bars: Any, tempo: float, key: int, seconds: float) -> Piece:
        piece = Piece(tuple(notes_of(np.asarray(bars), tempo)), tempo)
        return piece.transposed(-home_shift(key)).cropped(seconds)
