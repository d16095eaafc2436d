"""Train the bridge of a pairing on the frozen features of its two autoencoders.

    python -m train.bridge vqvae fnt --data DIR [--variant eimg2|paper] [--preset paper|smoke] [--seed 0]

Writes ``bridge/<image>+<music>@<variant>`` under ``--out``. Of the variants of a pairing, the one whose pieces for
the photos of the validation split are heard nearest to them, by the guide, is what the plain name of the pairing means.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor

from eimg_core.autoencoder import ImageAutoencoder, MusicAutoencoder
from eimg_core.bridge import BRIDGES, Bridge, EmotionData
from eimg_core.bridge.eimg2 import LabelledBatch, SoftBridge
from eimg_core.bridge.paper import SetBatch
from eimg_core.checkpoints import load_model, save_model
from eimg_core.data import Corpus, load_pieces, read_eimg, read_oasis
from eimg_core.data.pairs import PairSampler
from eimg_core.emotion import VA, pairwise_distance
from eimg_core.image_ae import IMAGE_AUTOENCODERS
from eimg_core.images import open_photo
from eimg_core.metrics.emotion_match import correlation, emotion_match
from eimg_core.midi.batch import CLIP_S
from eimg_core.music_ae import MUSIC_AUTOENCODERS
from eimg_core.va.guide import Guide
from eimg_core.va.image_reader import ImageReader
from train.stages.image_ae import photo_tensor
from train.stages.loop import Batches, LoopConfig, fit
from train.stages.music_ae import samples_of
from train.stages.stage import arguments, card, make_config, stage_of

__all__ = [
    "BATCHES",
    "Material",
    "MixedBatches",
    "SetBatches",
    "VAHead",
    "correct_by_ear",
    "features_of",
    "heard",
    "held_out",
    "main",
    "material",
    "train_bridge",
]

_CLIPS_PER_PHOTO = 2  # in a mixed batch
_AT_ONCE = 16  # pieces composed in one batch
_REQUESTS = 400  # pieces that the guide listens to before a bridge is done


# --- features ---------------------------------------------------------------------------------------------------


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


# --- batches ----------------------------------------------------------------------------------------------------


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


BATCHES: dict[str, Any] = {"paper": SetBatches, "eimg2": MixedBatches}


# --- what was learnt --------------------------------------------------------------------------------------------


class VAHead(NamedTuple):
    """A ridge regression from standardised v_y to VA; it chooses epochs, and is not the evaluator."""

    mean: Tensor
    std: Tensor
    weights: Tensor
    centre: Tensor

    @classmethod
    def fit(cls, music: EmotionData, penalty: float = 100.0) -> VAHead:
        """Closed form on training clips: W = (XᵀX + λI)⁻¹ Xᵀ (y − ȳ)."""
        mean, std = music.latents.mean(dim=0), music.latents.std(dim=0).clamp_min(1e-4)
        x, centre = (music.latents - mean) / std, music.va.mean(dim=0)
        weights = torch.linalg.solve(x.T @ x + penalty * torch.eye(x.shape[1]), x.T @ (music.va - centre))
        return cls(mean, std, weights, centre)

    def __call__(self, latents: Tensor) -> Tensor:
        """(N, D) → (N, 2)."""
        return (latents - self.mean) / self.std @ self.weights + self.centre


@torch.no_grad()
def held_out(model: Bridge, images: EmotionData, music: EmotionData, head: VAHead) -> dict[str, float]:
    """What the shared space knows about photos and clips it was not trained on.

    Returns:
        ``photo_distance``, ``clip_distance``: mean VA distance between the label of a photo or clip and what ``head``
        reads from its decoded ṽ_y; ``loss``: their mean, which chooses the epoch (a way back that is not trained yet
        answers with a constant, good for photos and bad for clips); ``photo_r_valence``, ``photo_r_arousal``;
        ``retrieved_distance``: from a photo to the 8 clips nearest to it in the shared space; ``rebuilt``: R² of ṽ_y.
    """
    z_x, z_y = model.place_images(images.latents), F.normalize(model.embed_music(music.latents), dim=-1)
    of_photos, of_clips = head(model.to_music(z_x)), head(model.to_music(z_y))
    photo_distance = float((of_photos - images.va).norm(dim=1).mean())
    clip_distance = float((of_clips - music.va).norm(dim=1).mean())
    between = torch.from_numpy(pairwise_distance(images.va.numpy(), music.va.numpy()))
    near = (F.normalize(z_x, dim=-1) @ z_y.T).topk(min(8, len(z_y)), dim=1).indices
    target = model.standard_music(music.latents)
    error = model.to_standard_music(z_y) - target
    return {
        "loss": (photo_distance + clip_distance) / 2,
        "photo_distance": photo_distance,
        "clip_distance": clip_distance,
        "photo_r_valence": correlation(images.va[:, 0].numpy(), of_photos[:, 0].numpy()),
        "photo_r_arousal": correlation(images.va[:, 1].numpy(), of_photos[:, 1].numpy()),
        "retrieved_distance": float(between.gather(1, near).mean()),
        "rebuilt": 1.0 - float(error.pow(2).mean() / target.pow(2).mean()),
    }


@torch.no_grad()
def _estimates(
    model: Bridge, music_ae: MusicAutoencoder, z: Tensor, targets: Sequence[VA], guide: Guide, seed: int
) -> Any:
    """The guide's estimates of pieces that are composed from embeddings, for targets: (N, E) → (N, 2)."""
    generator = torch.Generator().manual_seed(seed)
    parts = []
    for first in range(0, len(z), _AT_ONCE):
        rows = slice(first, first + _AT_ONCE)
        v_y = model.vary(model.to_music(z[rows]), generator)
        told = [model.decoder_target(va) for va in targets[rows]]
        parts.append(guide.estimate_many(music_ae.generate(v_y, seconds=CLIP_S, generator=generator, va=told)))
    return np.concatenate(parts)


@torch.no_grad()
def correct_by_ear(
    model: SoftBridge, music_ae: MusicAutoencoder, guide: Guide, images: EmotionData, music: EmotionData
) -> None:
    """Ask for the emotions of training clips, listen, and let the bridge correct its requests and the gap by it."""
    asked = music.va[torch.randperm(len(music.va), generator=torch.Generator().manual_seed(0))[:_REQUESTS]]
    points = [VA(*va) for va in asked.tolist()]
    z = torch.stack([model.place_of(va) for va in points])
    model.correct(asked, torch.from_numpy(_estimates(model, music_ae, z, points, guide, seed=0)).to(asked.dtype))
    model.close_gap(images)


@torch.no_grad()
def heard(
    model: Bridge,
    music_ae: MusicAutoencoder,
    images: EmotionData,
    readings: Sequence[VA],
    guide: Guide,
    seeds: tuple[int, ...] = (0, 1, 2),
) -> dict[str, float]:
    """Compose for photos and let the guide listen: what chooses between variants.

    Args:
        readings: the emotion that the photo reader sees in each photo, as the app has it.
    Returns:
        ``distance``: mean VA distance from photo to piece over all seeds; ``r_valence``, ``r_arousal``; ``n``.
    """
    z = model.place_images(images.latents)
    points = [_estimates(model, music_ae, z, readings, guide, seed) for seed in seeds]
    match = emotion_match(np.tile(images.va.numpy(), (len(seeds), 1)), np.concatenate(points))
    return {
        "distance": match.distance,
        "r_valence": match.r_valence,
        "r_arousal": match.r_arousal,
        "n": float(match.n),
    }


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


def train_bridge(
    model: Bridge, batches: Batches, found: Material, loop: LoopConfig, folder: Path, label: str
) -> dict[str, float]:
    """Train a bridge in place; the epoch is chosen by ``held_out`` on the validation split."""
    head = VAHead.fit(found.music["train"])
    model.prepare(found.images["train"], found.music["train"])

    def evaluate(trained: Any) -> dict[str, float]:
        trained.survey(found.images["train"], found.music["train"])
        return held_out(trained, found.images["val"], found.music["val"], head)

    return fit(model, batches, loop, folder=folder, evaluate=evaluate, label=label)


def main(argv: list[str] | None = None) -> None:
    parser = arguments(__doc__)
    parser.add_argument("image", choices=list(IMAGE_AUTOENCODERS))
    parser.add_argument("music", choices=list(MUSIC_AUTOENCODERS))
    parser.add_argument("--variant", choices=list(BRIDGES), default="eimg2")
    args = parser.parse_args(argv)
    pairing = f"{args.image}+{args.music}"
    component = f"bridge/{pairing}@{args.variant}"
    stage = stage_of(
        args,
        "bridge",
        f"{pairing}@{args.variant}",
        *(f"{key}@{args.variant}" for key in (args.music, args.image)),
        args.variant,
    )
    found = material(args.image, args.music, args.data, args.out, args.runs / "cache")
    photos, clips, image_ae, music_ae, cards, images, music = found
    bridge_class = BRIDGES[args.variant]
    widths = {"image_dim": image_ae.latent_dim, "music_dim": music_ae.latent_dim}
    model = bridge_class(replace(make_config(bridge_class.Config, stage.model), **widths))
    batches: Batches = BATCHES[args.variant](images["train"], music["train"], stage.batch_size, args.seed)
    numbers = train_bridge(model, batches, found, stage.loop, args.runs / component, component)
    guide, reader = Guide.load(args.out), ImageReader.load(args.out)
    readings = [reader.read(open_photo(item.path)).va.clamped() for item in photos.split("val")]
    if isinstance(model, SoftBridge):
        correct_by_ear(model, music_ae, guide, images["train"], music["train"])
    save_model(
        args.out / component,
        model,
        card(
            args,
            "bridge",
            args.variant,
            stage,
            [photos, clips],
            pairing=pairing,
            depends_on={name: found_card["sha256"] for name, found_card in cards.items()},
            metrics={"val": numbers, "val_heard": heard(model, music_ae, images["val"], readings, guide)},
        ),
    )


if __name__ == "__main__":
    main()
