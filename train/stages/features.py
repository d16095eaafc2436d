"""Features of photos and clips by frozen autoencoders, computed once for each set of weights, and batches of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from eimg_core.autoencoder import ImageAutoencoder, MusicAutoencoder
from eimg_core.bridge import EmotionData
from eimg_core.bridge.eimg2 import LabelledBatch
from eimg_core.bridge.paper import SetBatch
from eimg_core.checkpoints import load_model
from eimg_core.data import Corpus, load_pieces, read_eimg, read_oasis
from eimg_core.data.pairs import PairSampler
from eimg_core.image_ae import IMAGE_AUTOENCODERS
from eimg_core.music_ae import MUSIC_AUTOENCODERS
from train.stages.image_ae import photo_tensor
from train.stages.music_ae import samples_of

__all__ = ["Material", "MixedBatches", "SetBatches", "features_of", "material"]

_CLIPS_PER_PHOTO = 2  # in a mixed batch


@torch.no_grad()
def features_of(model: ImageAutoencoder | MusicAutoencoder, inputs: Any, va: Any, batch_size: int = 64) -> EmotionData:
    """Encode photos (a tensor) or clips (a list of samples) with a frozen autoencoder."""
    parts = [inputs[i : i + batch_size] for i in range(0, len(inputs), batch_size)]
    if isinstance(model, MusicAutoencoder):
        parts = [model.collate(part) for part in parts]
    return EmotionData(torch.cat([model.encode(part) for part in parts]), torch.as_tensor(va, dtype=torch.float32))


def _labels(corpus: Corpus, split: Any) -> Any:
    return np.array([(item.va.valence, item.va.arousal) for item in corpus.split(split) if item.va])


def _kept(path: Path, make: Any) -> dict[str, EmotionData]:
    """The features of the splits train and val, computed once for each set of weights."""
    if not path.exists():
        made = {split: make(split) for split in ("train", "val")}
        flat = {f"{split}.{name}": x for split, data in made.items() for name, x in data._asdict().items()}
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(flat, path.with_suffix(".part"))
        path.with_suffix(".part").replace(path)
    flat = load_file(path)
    return {split: EmotionData(flat[f"{split}.latents"], flat[f"{split}.va"]) for split in ("train", "val")}


class Material(NamedTuple):
    """What a bridge is trained on: two frozen autoencoders, their cards, and features of the splits train and val."""

    photos: Corpus
    clips: Corpus
    image_ae: ImageAutoencoder
    music_ae: MusicAutoencoder
    cards: dict[str, dict[str, Any]]
    images: dict[str, EmotionData]
    music: dict[str, EmotionData]


def material(image_key: str, music_key: str, data: Path, root: Path, cache: Path) -> Material:
    """Load two autoencoders and encode the photos and clips with them; features are computed once and kept."""
    photos, clips = read_oasis(data), read_eimg(data)
    image_ae, image_card = load_model(root / "image_ae" / image_key, IMAGE_AUTOENCODERS)
    music_ae, music_card = load_model(root / "music_ae" / music_key, MUSIC_AUTOENCODERS)
    pieces = load_pieces(clips, cache)

    def photo_features(split: Any) -> EmotionData:
        return features_of(image_ae, photo_tensor(photos.split(split), image_ae.image_size), _labels(photos, split))

    def clip_features(split: Any) -> EmotionData:
        return features_of(music_ae, samples_of(music_ae, clips, pieces, split), _labels(clips, split))

    images = _kept(cache / f"{image_key}-{image_card['sha256'][:12]}.safetensors", photo_features)
    music = _kept(cache / f"{music_key}-{music_card['sha256'][:12]}.safetensors", clip_features)
    return Material(photos, clips, image_ae, music_ae, {"image": image_card, "music": music_card}, images, music)


# --- batches ---------------------------------------------------------------------------------------------------


class SetBatches:
    """For each group of anchor photos, the features of their four sets (Eq. 4-5). An epoch meets every photo once.

    Args:
        images, music: the training split.
        size: anchors in a batch.
        seed: of the order and of the draws.
        n: size of each set, 8 in the paper (Table IV); less where there are not twice as many items.
        pool: the sets are drawn from so many nearest and farthest.
    """

    def __init__(
        self, images: EmotionData, music: EmotionData, size: int, seed: int, n: int = 8, pool: int = 16
    ) -> None:
        self.images, self.music, self.seed = images, music, seed
        self.anchors = min(size, len(images.va))
        n = min(n, len(images.va) // 2, len(music.va) // 2)
        self.sampler = PairSampler(images.va.numpy(), music.va.numpy(), n, max(pool, n))

    def __len__(self) -> int:
        return len(self.images.va) // self.anchors

    def epoch(self, index: int) -> Iterator[SetBatch]:
        rng = np.random.default_rng([self.seed, index])
        order = rng.permutation(len(self.images.va))[: len(self) * self.anchors]
        for anchors in order.reshape(len(self), self.anchors):
            sets = self.sampler.sets(anchors, rng)
            yield SetBatch(
                self.images.latents[sets.image_positives],
                self.images.latents[sets.image_negatives],
                self.music.latents[sets.music_positives],
                self.music.latents[sets.music_negatives],
            )


class MixedBatches:
    """Photos beside twice as many clips, all at random, with their labels. An epoch meets every photo once."""

    def __init__(self, images: EmotionData, music: EmotionData, size: int, seed: int) -> None:
        self.images, self.music, self.seed = images, music, seed
        self.size = min(size, len(images.va))
        self.clips = min(_CLIPS_PER_PHOTO * self.size, len(music.va))

    def __len__(self) -> int:
        return len(self.images.va) // self.size

    def epoch(self, index: int) -> Iterator[LabelledBatch]:
        rng = torch.Generator().manual_seed(self.seed * 100_003 + index)
        order = torch.randperm(len(self.images.va), generator=rng)
        for rows in order.split(self.size)[: len(self)]:
            clips = torch.randperm(len(self.music.va), generator=rng)[: self.clips]
            yield LabelledBatch(
                self.images.latents[rows], self.images.va[rows], self.music.latents[clips], self.music.va[clips]
            )
