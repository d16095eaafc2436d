"""Our variant: every photo and clip of a batch counts, by how near its emotion is, and photos learn the way back.

It differs from the paper's in four ways.

- Instead of n nearest against n farthest, whose corners of the plane serve as negatives again and again, each pair of a
  batch is wanted together as much as its emotions are near.
- The way back is trained from photos too, not only from music: what is decoded from z_x must carry the photo's emotion,
  as read by a frozen linear head, and look like the features of clips with that emotion.
- An emotion fixes only the mean of ṽ_y. Played as it is, a mean of many pieces is no piece: decoders make thick, bright
  music of it. So part of what the emotion leaves open is drawn at random, with the covariance of the training clips.
- What is asked for is corrected by what was heard: a straight line from requests to what the guide hears in the pieces
  made for them, inverted, stands before the emotion map. The evaluator has no part in it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from eimg_core.bridge.base import Bridge, BridgeConfig, EmotionData
from eimg_core.emotion import MUSIC_REACH, VA, within_music
from eimg_core.losses import cosine_scores, emotion_shares, latent_reconstruction, soft_contrast
from eimg_core.trainable import LossTerms

__all__ = ["LabelledBatch", "SoftBridge", "SoftConfig"]

_NOISE_ROOT = 15.0  # chosen on the val split with image autoencoders of 128, 512 and 3968 numbers


@dataclass(frozen=True)
class SoftConfig(BridgeConfig):
    """All numbers were chosen on the validation split.

    Args:
        image_noise: at most; where v_x has few numbers, there is less noise on each, see ``SoftBridge.image_noise``.
        sigma: how near two emotions must be to belong together, in units of the 1-9 scale.
        weight_inter, weight_intra: of the soft contrasts between and within modalities.
        weight_emotion: of the decoded emotion, squared error on the 1-9 scale.
        weight_neighbours: of the decoded features against those of clips with near emotions.
        head_penalty: λ of the ridge regression behind the frozen head.
        reach: how far from the middle of the music a decoder is told to go, see ``within_music``; further where it has
            learnt from music in the corners of the plane.
        liveliness: how much of what the emotion leaves open is drawn, from 0 (nothing, the mean) to 1 (all of it).
    """

    image_noise: float = 4.0
    music_noise: float = 0.5
    temperature: float = 0.3
    sigma: float = 0.5
    weight_inter: float = 1.0
    weight_intra: float = 0.5
    weight_emotion: float = 2.0
    weight_neighbours: float = 1.0
    head_penalty: float = 100.0
    reach: float = MUSIC_REACH
    liveliness: float = 0.4


@dataclass(frozen=True)
class LabelledBatch:
    """Raw features with their labels: v_x (B, image_dim) and v_y (M, music_dim), labels (B, 2) and (M, 2)."""

    images: Tensor
    image_va: Tensor
    music: Tensor
    music_va: Tensor


class SoftBridge(Bridge):
    """Soft contrast within a batch, and a way back that photos have practised."""

    Config = SoftConfig
    variant = "eimg2"
    closes_gap = True

    def __init__(self, config: Any = None) -> None:
        super().__init__(config)
        self.register_buffer("head_weights", torch.zeros(self.config.music_dim, 2))
        self.register_buffer("head_centre", torch.zeros(2))
        # What an emotion leaves open: residuals are ε @ rest with ε of unit variance.
        self.register_buffer("rest", torch.zeros(self.config.music_dim, self.config.music_dim))
        # Heard = request @ heard_slope + heard_offset, before the correction.
        self.register_buffer("heard_slope", torch.eye(2))
        self.register_buffer("heard_offset", torch.zeros(2))
        self.head_weights: Tensor
        self.head_centre: Tensor
        self.rest: Tensor
        self.heard_slope: Tensor
        self.heard_offset: Tensor

    @property
    def image_noise(self) -> float:
        """What a projection finds in D numbers grows with √D against the noise on each of them, so that noise which
        keeps 4000 numbers from being learnt by heart would hide what 128 say: at most √D / 15."""
        return min(float(self.config.image_noise), math.sqrt(self.config.image_dim) / _NOISE_ROOT)

    def prepare(self, images: EmotionData, music: EmotionData) -> None:
        """Statistics, and the frozen head: ridge regression from standardised v_y to emotion, in closed form."""
        super().prepare(images, music)
        x, centre = self.standard_music(music.latents), music.va.mean(dim=0)
        gram = x.T @ x + self.config.head_penalty * torch.eye(x.shape[1])
        self.head_weights.copy_(torch.linalg.solve(gram, x.T @ (music.va - centre)))
        self.head_centre.copy_(centre)

    @torch.no_grad()
    def survey(self, images: EmotionData, music: EmotionData) -> None:
        """As every bridge, and the covariance of what the training clips' emotions do not explain."""
        super().survey(images, music)
        explained = self.to_music(torch.stack([self._mapped(VA(*va)) for va in music.va.tolist()]))
        # Numbers that are 0 or 1 name a class, such as the key: they are drawn by the player and not blurred here.
        named = ((music.latents == 0) | (music.latents == 1)).all(dim=0)
        residuals = (music.latents - explained).masked_fill(named, 0.0)
        covariance = residuals.T @ residuals / len(residuals)
        # In float32 LAPACK finds NaN for some covariances of few clips, where most eigenvalues are 0.
        variances, directions = torch.linalg.eigh(covariance.double())
        self.rest.copy_((directions * variances.clamp_min(0.0).sqrt()).T)

    @torch.no_grad()
    def correct(self, asked: Tensor, heard: Tensor) -> None:
        """Learn from requests and what was heard in the pieces made for them, both (N, 2), while uncorrected."""
        ones = torch.ones(len(asked), 1, dtype=asked.dtype)
        line = torch.linalg.lstsq(torch.cat([asked, ones], dim=1), heard).solution
        self.heard_slope.copy_(line[:2])
        self.heard_offset.copy_(line[2])

    def decoder_target(self, va: VA) -> VA:
        """The request that is heard as ``va``, by the line that ``correct`` has learnt, as far as there is music."""
        heard = torch.tensor([va.valence, va.arousal], dtype=self.heard_slope.dtype) - self.heard_offset
        return within_music(VA(*torch.linalg.solve(self.heard_slope.T, heard).tolist()), self.config.reach)

    def vary(self, v_y: Tensor, generator: torch.Generator) -> Tensor:
        """ṽ_y plus a share of the residuals of real clips, so that a seed is a piece of its own."""
        noise = torch.randn(v_y.shape, generator=generator, dtype=v_y.dtype)
        return v_y + self.config.liveliness * noise @ self.rest

    def loss(self, batch: Any, step: int) -> LossTerms:
        """Soft contrasts, Eq. 3, and the two terms of the way back from photos."""
        z_x = self.embed_images(self.noisy_images(batch.images))
        z_y = self.embed_music(self.noisy_music(batch.music))
        sigma, temperature = self.config.sigma, self.config.temperature
        across = emotion_shares(batch.image_va, batch.music_va, sigma)
        back = emotion_shares(batch.music_va, batch.image_va, sigma)
        scores = cosine_scores(z_x, z_y, temperature)
        music = self.standard_music(batch.music)
        from_photos, from_clips = self.to_standard_music(z_x), self.to_standard_music(z_y)
        terms = {
            "inter_modal": (soft_contrast(scores, across) + soft_contrast(scores.T, back)) / 2,
            "intra_image": self._within(z_x, batch.image_va),
            "intra_music": self._within(z_y, batch.music_va),
            "latent_reconstruction": latent_reconstruction(from_clips, music),
            "decoded_emotion": (self._heard(from_photos) - batch.image_va).pow(2).mean(),
            "decoded_emotion_of_clips": (self._heard(from_clips) - batch.music_va).pow(2).mean(),
            "decoded_neighbours": latent_reconstruction(from_photos, across @ music),
        }
        weights = {
            "inter_modal": self.config.weight_inter,
            "intra_image": self.config.weight_intra,
            "intra_music": self.config.weight_intra,
            "latent_reconstruction": self.config.weight_reconstruction,
            "decoded_emotion": self.config.weight_emotion,
            "decoded_emotion_of_clips": self.config.weight_emotion,
            "decoded_neighbours": self.config.weight_neighbours,
        }
        return LossTerms(terms, weights)

    def _heard(self, standard_music: Tensor) -> Tensor:
        """Emotion of decoded features by the frozen head: (B, music_dim) → (B, 2)."""
        return standard_music @ self.head_weights + self.head_centre

    def _within(self, z: Tensor, va: Tensor) -> Tensor:
        """The soft contrast of one modality with itself; nobody is their own neighbour."""
        itself = torch.eye(len(z), dtype=torch.bool)
        scores = cosine_scores(z, z, self.config.temperature).masked_fill(itself, -torch.inf)
        return soft_contrast(scores, emotion_shares(va, va, self.config.sigma, skip=itself))
