"""Batches of photos beside music of near emotion, for the baselines that learn both at once.

The paper does not say which music belongs to a photo when there is no contrast to say it. Here each clip is paired,
anew in every pass, with a photo drawn from those nearest to it in the plane, as Eq. 4 pairs a photo with clips.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eimg_core.baselines.direct import LatentPairs
from eimg_core.baselines.gan_im import BarBatch
from eimg_core.baselines.rolls import BAR_STEPS, PITCHES, bars_of
from eimg_core.baselines.tf_im import PairBatch
from eimg_core.bridge import EmotionData
from eimg_core.emotion import pairwise_distance
from eimg_core.midi import codec
from eimg_core.midi.batch import MusicBatch, MusicSample
from train.stages.image_ae import varied

__all__ = ["NEAREST", "BarBatches", "LatentBatches", "PairBatches", "Photos", "nearest"]

NEAREST = 16  # items among which a partner is drawn
_POOL = 8  # batches whose clips are sorted by length together, to spare padding


@dataclass(frozen=True)
class Photos:
    """Photos (N, 3, S, S) with labels (N, 2)."""

    images: Tensor
    va: NDArray[np.float64]


def nearest(va: NDArray, others: NDArray, count: int = NEAREST) -> NDArray[np.int64]:
    """For each row the ``count`` rows of the others that are nearest in the plane: (N, 2), (M, 2) → (N, count)."""
    return np.argsort(pairwise_distance(va, others), axis=1, kind="stable")[:, :count]


def _labels(clips: Sequence[MusicSample]) -> NDArray[np.float64]:
    return np.array([(clip.va.valence, clip.va.arousal) for clip in clips if clip.va])


class PairBatches:
    """For TF-IM: clips in batches of like length, each with a photo. An epoch meets every clip once."""

    def __init__(self, photos: Photos, clips: Sequence[MusicSample], size: int, seed: int) -> None:
        self.photos, self.clips, self.seed = photos, clips, seed
        self.size = min(size, len(clips))
        self.near = nearest(_labels(clips), photos.va)

    def __len__(self) -> int:
        return len(self.clips) // self.size

    def epoch(self, index: int) -> Iterator[PairBatch]:
        rng = np.random.default_rng([self.seed, index])
        chances = torch.Generator().manual_seed(self.seed * 100_003 + index)
        order = rng.permutation(len(self.clips))[: len(self) * self.size]
        by_length = [
            pool[np.argsort([len(self.clips[i]) for i in pool], kind="stable")]
            for pool in (order[i : i + self.size * _POOL] for i in range(0, len(order), self.size * _POOL))
        ]
        batches = np.concatenate(by_length).reshape(len(self), self.size)
        for rows in batches[rng.permutation(len(self))]:
            yield self.of(rows, self.near[rows, rng.integers(self.near.shape[1], size=self.size)], chances)

    def of(self, clips: Sequence[int], photos: NDArray[np.int64], chances: torch.Generator | None = None) -> PairBatch:
        """A batch of named clips and photos; with chances the photos are varied."""
        images = self.photos.images[torch.from_numpy(photos)]
        return PairBatch(
            images if chances is None else varied(images, chances),
            torch.from_numpy(self.photos.va[photos]).float(),
            MusicBatch.of([self.clips[i] for i in clips]),
        )


class BarBatches:
    """For GAN-IM: one bar of every clip that has one, and the bar before, each with a photo."""

    def __init__(self, photos: Photos, clips: Sequence[MusicSample], size: int, seed: int) -> None:
        self.photos, self.seed = photos, seed
        self.clips = [clip for clip in clips if bars_of(clip).shape[0]]
        self.bars = [bars_of(clip) for clip in self.clips]
        self.size = min(size, len(self.clips))
        self.near = nearest(_labels(self.clips), photos.va)

    def __len__(self) -> int:
        return len(self.clips) // self.size

    def epoch(self, index: int) -> Iterator[BarBatch]:
        rng = np.random.default_rng([self.seed, index])
        chances = torch.Generator().manual_seed(self.seed * 100_003 + index)
        order = rng.permutation(len(self.clips))[: len(self) * self.size].reshape(len(self), self.size)
        for rows in order:
            photos = self.near[rows, rng.integers(self.near.shape[1], size=self.size)]
            bars, before = zip(*(self._bar(i, rng) for i in rows), strict=True)
            yield BarBatch(
                varied(self.photos.images[torch.from_numpy(photos)], chances),
                torch.from_numpy(np.stack(bars)).float(),
                torch.from_numpy(np.stack(before)).float(),
                torch.tensor([codec.tempo_class(self.clips[i].tempo_bpm) for i in rows]),
                torch.tensor([self.clips[i].key for i in rows]),
            )

    def _bar(self, clip: int, rng: np.random.Generator) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        bars = self.bars[clip]
        at = int(rng.integers(len(bars)))
        return bars[at], bars[at - 1] if at else np.zeros((2, PITCHES, BAR_STEPS), dtype=np.bool_)


class LatentBatches:
    """For the direct mapping: features of photos, each with those of a clip. An epoch meets every photo once."""

    def __init__(self, images: EmotionData, music: EmotionData, size: int, seed: int) -> None:
        self.images, self.music, self.seed = images, music, seed
        self.size = min(size, len(images.va))
        self.near = nearest(images.va.numpy(), music.va.numpy())

    def __len__(self) -> int:
        return len(self.images.va) // self.size

    def epoch(self, index: int) -> Iterator[LatentPairs]:
        rng = np.random.default_rng([self.seed, index])
        order = rng.permutation(len(self.images.va))[: len(self) * self.size].reshape(len(self), self.size)
        for rows in order:
            clips = self.near[rows, rng.integers(self.near.shape[1], size=self.size)]
            yield LatentPairs(self.images.latents[rows], self.music.latents[clips])
