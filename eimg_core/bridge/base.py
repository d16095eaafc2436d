"""The bridge: two projectors into a shared emotion space, and the way back to music (Eq. 2).

    z_x = image_projector(v_x),   z_y = music_projector(v_y),   ṽ_y = music_deprojector(z_y)

Training moves photos and clips of near emotion together and keeps the way back exact; how, is the variant's business
(``paper``, ``eimg2``). At inference a photo's z_x takes the place of z_y. Embeddings are scaled to length 1 before the
way back, since a contrast only shapes their direction.

Both feature spaces are standardised with the training set's mean and standard deviation, which are kept as buffers,
so callers hand over and receive raw v_x and v_y.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from eimg_core.emotion import HIGH, LOW, VA
from eimg_core.layers import ProjectionHead
from eimg_core.trainable import LossTerms, Objective, Trainable

__all__ = ["Bridge", "BridgeConfig", "EmotionData", "keep_statistics"]

_GRID = 17  # points on each axis of the emotion map: steps of half a unit


class EmotionData(NamedTuple):
    """Features of one modality and their labels on 1-9: (N, D) and (N, 2)."""

    latents: Tensor
    va: Tensor


@dataclass(frozen=True)
class BridgeConfig:
    """What every variant has; the defaults are the paper's.

    Args:
        image_dim, music_dim: widths of v_x and v_y.
        embedding_dim: width of the shared space.
        image_hidden: of the three-layer image projector.
        music_hidden: of the two-layer music projector and de-projector.
        temperature: τ of the cosine scores; the paper does not state it, 0.1 is the released code's.
        weight_reconstruction: of Eq. 3.
        image_noise, music_noise: standard deviation of the noise on standardised features while training; against
            learning a few hundred photos by heart.
    """

    image_dim: int = 4096
    music_dim: int = 280
    embedding_dim: int = 256
    image_hidden: tuple[int, ...] = (512, 256)
    music_hidden: tuple[int, ...] = (256,)
    temperature: float = 0.1
    weight_reconstruction: float = 10.0
    image_noise: float = 2.0
    music_noise: float = 1.0

    @classmethod
    def tiny(cls) -> BridgeConfig:
        return cls(image_dim=12, music_dim=10, embedding_dim=8, image_hidden=(16, 8), music_hidden=(16,))

    def __post_init__(self) -> None:
        object.__setattr__(self, "image_hidden", tuple(self.image_hidden))
        object.__setattr__(self, "music_hidden", tuple(self.music_hidden))


class Bridge(Trainable):
    """Projectors, de-projector, and a map of where in the shared space each emotion lies."""

    Config: ClassVar[type] = BridgeConfig
    config: Any
    variant: ClassVar[str]
    closes_gap: ClassVar[bool]
    """Whether photos are moved over the gap that training leaves between the modalities."""

    def __init__(self, config: Any = None) -> None:
        super().__init__()
        config = config or self.Config()
        self.config = config
        E = config.embedding_dim
        self.image_projector = ProjectionHead([config.image_dim, *config.image_hidden, E])
        self.music_projector = ProjectionHead([config.music_dim, *config.music_hidden, E])
        self.music_deprojector = ProjectionHead([E, *config.music_hidden[::-1], config.music_dim])
        for name, width in (("image", config.image_dim), ("music", config.music_dim)):
            self.register_buffer(f"{name}_mean", torch.zeros(width))
            self.register_buffer(f"{name}_std", torch.ones(width))
        self.register_buffer("emotion_map", torch.zeros(_GRID, _GRID, E))
        self.register_buffer("gap", torch.zeros(E))
        self.image_mean: Tensor
        self.image_std: Tensor
        self.music_mean: Tensor
        self.music_std: Tensor
        self.emotion_map: Tensor
        self.gap: Tensor

    # --- Eq. 2 --------------------------------------------------------------------------------------------------

    def embed_images(self, v_x: Tensor) -> Tensor:
        """z_x: (..., image_dim) → (..., E)."""
        return _rowwise(self.image_projector, (v_x - self.image_mean) / self.image_std)

    def embed_music(self, v_y: Tensor) -> Tensor:
        """z_y: (..., music_dim) → (..., E)."""
        return _rowwise(self.music_projector, self.standard_music(v_y))

    def place_images(self, v_x: Tensor) -> Tensor:
        """Where a photo stands among the music: z_x at length 1, moved over the modality gap: (..., E)."""
        return F.normalize(self.embed_images(v_x), dim=-1) + self.gap

    def to_music(self, z: Tensor) -> Tensor:
        """ṽ_y: (..., E) → (..., music_dim), in raw units. Only the direction of z counts."""
        return self.to_standard_music(z) * self.music_std + self.music_mean

    def to_standard_music(self, z: Tensor) -> Tensor:
        """ṽ_y with zero mean and unit variance over the training clips: (..., E) → (..., music_dim)."""
        scale = self.config.embedding_dim**0.5  # unit variance in each dimension, for the first layer
        return _rowwise(self.music_deprojector, scale * F.normalize(z, dim=-1))

    def vary(self, v_y: Tensor, generator: torch.Generator) -> Tensor:
        """ṽ_y as it is played: (..., music_dim), in raw units. A variant may add what an emotion leaves open."""
        return v_y

    def standard_music(self, v_y: Tensor) -> Tensor:
        """v_y with zero mean and unit variance over the training clips."""
        return (v_y - self.music_mean) / self.music_std

    # --- training -----------------------------------------------------------------------------------------------

    def prepare(self, images: EmotionData, music: EmotionData) -> None:
        """Keep mean and standard deviation of the training features. Called once, before the first step."""
        keep_statistics(self, images, music)

    def objectives(self) -> tuple[Objective, ...]:
        return (Objective("align", ("model",), self.loss),)

    @abstractmethod
    def loss(self, batch: Any, step: int) -> LossTerms:
        """What the variant asks for."""

    @property
    def image_noise(self) -> float:
        """Standard deviation of the noise on standardised v_x while training."""
        return float(self.config.image_noise)

    def noisy_images(self, v_x: Tensor) -> Tensor:
        """Training photos with noise on their features."""
        return self._noisy(v_x, self.image_std, self.image_noise)

    def noisy_music(self, v_y: Tensor) -> Tensor:
        """Training clips with noise on their features."""
        return self._noisy(v_y, self.music_std, self.config.music_noise)

    def _noisy(self, features: Tensor, std: Tensor, noise: float) -> Tensor:
        if not (self.training and noise):
            return features
        return features + noise * std * torch.randn_like(features)

    # --- emotion as a place -------------------------------------------------------------------------------------

    @torch.no_grad()
    def survey(self, images: EmotionData, music: EmotionData) -> None:
        """What inference needs beside the weights, measured on the training features in eval mode."""
        self.draw_emotion_map(music)
        if self.closes_gap:
            self.close_gap(images)

    @torch.no_grad()
    def draw_emotion_map(self, music: EmotionData, bandwidth: float = 0.6) -> None:
        """Note where each emotion lies: at every grid point, the mean direction of the clips with near labels.

        Args:
            music: training features and labels.
            bandwidth: of the Gaussian weights, in units of the 1-9 scale. Where clips are sparse the nearest count.
        """
        axis = torch.linspace(LOW, HIGH, _GRID, dtype=music.va.dtype)
        points = torch.cartesian_prod(axis, axis)  # (G², 2), valence first
        squared = torch.cdist(points, music.va).pow(2)
        nearest = squared.min(dim=1, keepdim=True).values
        weights = torch.exp(-(squared - nearest) / (2 * bandwidth**2))
        directions = F.normalize(self.embed_music(music.latents), dim=-1)
        mean = (weights / weights.sum(dim=1, keepdim=True)) @ directions
        self.emotion_map.copy_(mean.view(_GRID, _GRID, -1))

    @torch.no_grad()
    def close_gap(self, images: EmotionData) -> None:
        """Measure how far photos lie beside the music of their emotions, as one shift for all.

        A contrast only asks that the right music be nearer than the wrong; it leaves the two modalities in cones of
        their own (Liang et al. 2022, "Mind the gap"), and the way back has only seen the music's. The shift is the
        mean place of music with the training photos' emotions minus the mean of their embeddings.
        """
        wanted = torch.stack([self.place_of(VA(*point)) for point in images.va.tolist()]).mean(dim=0)
        self.gap.copy_(wanted - F.normalize(self.embed_images(images.latents), dim=-1).mean(dim=0))

    def decoder_target(self, va: VA) -> VA:
        """What a decoder is told so that its music has this emotion; a variant may have learnt that it differs."""
        return va

    def place_of(self, va: VA) -> Tensor:
        """The mean embedding of music that has this emotion, interpolated on the map: (E,)."""
        return self._mapped(self.decoder_target(va))

    def _mapped(self, va: VA) -> Tensor:
        """The map at an emotion, (E,)."""
        point = va.clamped()
        valence, arousal = ((x - LOW) / (HIGH - LOW) * 2 - 1 for x in (point.valence, point.arousal))
        # grid_sample wants (x, y) = (last axis, first axis); the map's first axis is valence.
        where = torch.tensor([[[[arousal, valence]]]], dtype=self.emotion_map.dtype)
        planes = self.emotion_map.movedim(-1, 0)[None]  # (1, E, G, G)
        return F.grid_sample(planes, where, mode="bilinear", align_corners=True)[0, :, 0, 0]


def keep_statistics(model: nn.Module, images: EmotionData, music: EmotionData) -> None:
    """Fill the buffers ``image_mean``, ``image_std``, ``music_mean`` and ``music_std`` of a model."""
    for name, features in (("image", images.latents), ("music", music.latents)):
        getattr(model, f"{name}_mean").copy_(features.mean(dim=0))
        # A dimension that never changes says nothing: leave it as it is instead of dividing by 0.
        std = features.std(dim=0)
        getattr(model, f"{name}_std").copy_(torch.where(std > 1e-4, std, torch.ones_like(std)))


def _rowwise(head: nn.Module, features: Tensor) -> Tensor:
    """Apply a head to the last dimension, all rows in one batch."""
    return head(features.flatten(0, -2)).unflatten(0, features.shape[:-1])
