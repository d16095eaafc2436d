"""Train the bridge of a pairing on the frozen features of its two autoencoders.

    python -m train.cross_modal vqvae fnt --data DIR [--preset paper|smoke] [--seed 0]

Writes ``cross_modal/<image>+<music>`` under ``--out``. An epoch meets every training photo once as an anchor.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from eimg_core.autoencoder import ImageAutoencoder, MusicAutoencoder
from eimg_core.checkpoints import load_model, read_card, save_model
from eimg_core.cross_modal import CrossModal, CrossModalBatch, CrossModalConfig
from eimg_core.data import Corpus, load_pieces, read_eimg, read_oasis
from eimg_core.data.pairs import PairSampler
from eimg_core.emotion import pairwise_distance
from eimg_core.image_ae import IMAGE_AUTOENCODERS
from eimg_core.metrics.emotion_match import correlation
from eimg_core.music_ae import MUSIC_AUTOENCODERS
from train.image_ae import photo_tensor
from train.loop import fit
from train.music_ae import samples_of
from train.stage import arguments, card, stage_of

__all__ = ["EmotionBatches", "Features", "VAHead", "features_of", "held_out", "main"]


class Features(NamedTuple):
    """Latents of one split with their labels: (N, D) and (N, 2)."""

    latents: Tensor
    va: Tensor


@torch.no_grad()
def features_of(model: ImageAutoencoder | MusicAutoencoder, inputs: Any, va: Any, batch_size: int = 64) -> Features:
    """Encode photos (a tensor) or clips (a list of samples) with a frozen autoencoder."""
    parts = [inputs[i : i + batch_size] for i in range(0, len(inputs), batch_size)]
    if isinstance(model, MusicAutoencoder):
        parts = [model.collate(part) for part in parts]
    return Features(torch.cat([model.encode(part) for part in parts]), torch.as_tensor(va, dtype=torch.float32))


class EmotionBatches:
    """For each group of anchor photos, the features of their four sets (Eq. 4-5)."""

    def __init__(self, images: Features, music: Features, anchors: int, n: int, pool: int, seed: int) -> None:
        self.images, self.music, self.seed = images, music, seed
        self.anchors = min(anchors, len(images.va))
        self.sampler = PairSampler(images.va.numpy(), music.va.numpy(), n, pool)

    def __len__(self) -> int:
        return len(self.images.va) // self.anchors

    def epoch(self, index: int) -> Iterator[CrossModalBatch]:
        rng = np.random.default_rng([self.seed, index])
        order = rng.permutation(len(self.images.va))[: len(self) * self.anchors]
        for anchors in order.reshape(len(self), self.anchors):
            sets = self.sampler.sets(anchors, rng)
            yield CrossModalBatch(
                self.images.latents[sets.image_positives],
                self.images.latents[sets.image_negatives],
                self.music.latents[sets.music_positives],
                self.music.latents[sets.music_negatives],
            )


class VAHead(NamedTuple):
    """A ridge regression from standardised v_y to VA; it chooses epochs, and is not the evaluator."""

    mean: Tensor
    std: Tensor
    weights: Tensor
    centre: Tensor

    @classmethod
    def fit(cls, music: Features, penalty: float = 100.0) -> VAHead:
        """Closed form on training clips: W = (XᵀX + λI)⁻¹ Xᵀ (y − ȳ)."""
        mean, std = music.latents.mean(dim=0), music.latents.std(dim=0).clamp_min(1e-4)
        x, centre = (music.latents - mean) / std, music.va.mean(dim=0)
        weights = torch.linalg.solve(x.T @ x + penalty * torch.eye(x.shape[1]), x.T @ (music.va - centre))
        return cls(mean, std, weights, centre)

    def __call__(self, latents: Tensor) -> Tensor:
        """(N, D) → (N, 2)."""
        return (latents - self.mean) / self.std @ self.weights + self.centre


@torch.no_grad()
def held_out(model: CrossModal, images: Features, music: Features, head: VAHead) -> dict[str, float]:
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
    target = (music.latents - model.music_mean) / model.music_std
    error = (model.to_music(z_y) - music.latents) / model.music_std
    return {
        "loss": (photo_distance + clip_distance) / 2,
        "photo_distance": photo_distance,
        "clip_distance": clip_distance,
        "photo_r_valence": correlation(images.va[:, 0].numpy(), of_photos[:, 0].numpy()),
        "photo_r_arousal": correlation(images.va[:, 1].numpy(), of_photos[:, 1].numpy()),
        "retrieved_distance": float(between.gather(1, near).mean()),
        "rebuilt": 1.0 - float(error.pow(2).mean() / target.pow(2).mean()),
    }


def survey(model: CrossModal, images: Features, music: Features) -> None:
    """Draw the emotion map and close the modality gap from training features, as inference needs them."""
    model.draw_emotion_map(music.latents, music.va)
    model.close_gap(images.latents, images.va)


def _labels(corpus: Corpus, split: Any) -> Any:
    return np.array([(item.va.valence, item.va.arousal) for item in corpus.split(split) if item.va])


def main(argv: list[str] | None = None) -> None:
    parser = arguments(__doc__)
    parser.add_argument("image", choices=list(IMAGE_AUTOENCODERS))
    parser.add_argument("music", choices=list(MUSIC_AUTOENCODERS))
    parser.add_argument("--n", type=int, default=8, help="size of the positive and negative sets (Table IV)")
    parser.add_argument("--pool", type=int, default=16, help="the sets are drawn from this many nearest and farthest")
    args = parser.parse_args(argv)
    pairing = f"{args.image}+{args.music}"
    stage = stage_of(args, "cross_modal", pairing)
    photos, clips = read_oasis(args.data), read_eimg(args.data)
    folders: dict[str, Path] = {
        "image": args.out / "image_ae" / args.image,
        "music": args.out / "music_ae" / args.music,
    }
    image_ae, _ = load_model(folders["image"], IMAGE_AUTOENCODERS)
    music_ae, _ = load_model(folders["music"], MUSIC_AUTOENCODERS)
    pieces = load_pieces(clips, args.runs / "cache")
    images = {
        split: features_of(image_ae, photo_tensor(photos.split(split), image_ae.image_size), _labels(photos, split))
        for split in ("train", "val")
    }
    music = {
        split: features_of(music_ae, samples_of(music_ae, clips, pieces, split), _labels(clips, split))
        for split in ("train", "val")
    }
    changes = dict(stage.model)
    base = CrossModalConfig.tiny() if changes.pop("tiny", False) else CrossModalConfig()
    model = CrossModal(replace(base, image_dim=image_ae.latent_dim, music_dim=music_ae.latent_dim, **changes))
    head = VAHead.fit(music["train"])
    model.standardise(images["train"].latents, music["train"].latents)
    n = min(args.n, len(images["train"].va) // 2, len(music["train"].va) // 2)

    def evaluate(trained: Any) -> dict[str, float]:
        survey(trained, images["train"], music["train"])
        return held_out(trained, images["val"], music["val"], head)

    numbers = fit(
        model,
        EmotionBatches(images["train"], music["train"], stage.batch_size, n, max(args.pool, n), args.seed),
        stage.loop,
        folder=args.runs / "cross_modal" / pairing,
        evaluate=evaluate,
        label=pairing,
    )
    save_model(
        args.out / "cross_modal" / pairing,
        model,
        card(
            args,
            "cross_modal",
            pairing,
            stage,
            [photos, clips],
            n=n,
            pool=max(args.pool, n),
            depends_on={name: read_card(folder)["sha256"] for name, folder in folders.items()},
            metrics={"val": numbers},
        ),
    )


if __name__ == "__main__":
    main()
