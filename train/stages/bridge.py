"""Train the bridge of a pairing on the frozen features of its two autoencoders.

How near the guide estimates the pieces for the photos of the validation split is written into its card.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from eimg_core.autoencoder import MusicAutoencoder
from eimg_core.bridge import BRIDGES, Bridge, EmotionData
from eimg_core.bridge.eimg2 import SoftBridge
from eimg_core.emotion import VA, pairwise_distance
from eimg_core.image_ae import image_key_of
from eimg_core.images import open_photo
from eimg_core.metrics.emotion_match import correlation, emotion_match
from eimg_core.midi.batch import CLIP_S
from eimg_core.va.guide import Guide
from eimg_core.va.image_reader import TRAIN, ImageReader
from train.stages.features import Material, MixedBatches, SetBatches, material
from train.stages.loop import Batches, LoopConfig, fit
from train.stages.stage import (
    ComponentResult,
    LoopRequest,
    begin,
    card_of,
    make_config,
    run_folder,
    save_trained,
    settings_of,
)

__all__ = ["BATCHES", "BridgeRequest", "VAHead", "fit_bridge", "held_out", "train_bridge"]

_AT_ONCE = 16  # pieces composed in one batch
_TARGETS = 400  # pieces that the guide estimates before a bridge is done

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
    """The guide's estimates for pieces of points in the shared space, composed for targets: (N, E) → (N, 2)."""
    generator = torch.Generator().manual_seed(seed)
    parts = []
    for first in range(0, len(z), _AT_ONCE):
        rows = slice(first, first + _AT_ONCE)
        v_y = model.vary(model.to_music(z[rows]), generator)
        told = [model.decoder_target(va) for va in targets[rows]]
        parts.append(guide.estimate_many(music_ae.generate(v_y, seconds=CLIP_S, generator=generator, va=told)))
    return np.concatenate(parts)


@torch.no_grad()
def correct_by_guide(
    model: SoftBridge, music_ae: MusicAutoencoder, guide: Guide, images: EmotionData, music: EmotionData
) -> None:
    """Compose for the emotions of training clips, and let the bridge correct its targets and the gap by the guide."""
    targets = music.va[torch.randperm(len(music.va), generator=torch.Generator().manual_seed(0))[:_TARGETS]]
    points = [VA(*va) for va in targets.tolist()]
    z = torch.stack([model.place_of(va) for va in points])
    estimates = torch.from_numpy(_estimates(model, music_ae, z, points, guide, seed=0)).to(targets.dtype)
    model.correct(targets, estimates)
    model.close_gap(images)


@torch.no_grad()
def matching(
    model: Bridge,
    music_ae: MusicAutoencoder,
    images: EmotionData,
    readings: Sequence[VA],
    guide: Guide,
    seeds: tuple[int, ...] = (0, 1, 2),
) -> dict[str, float]:
    """Compose for photos and estimate by the guide: what chooses between variants.

    Args:
        readings: the photo reader's point for each photo, as the app has it.
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


# --- the stage --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class BridgeRequest(LoopRequest):
    """Which bridge to train.

    Args:
        image, music: keys of the two autoencoders.
        variant: one of ``BRIDGES``.
    """

    image: str
    music: str
    variant: str = "eimg2"


def fit_bridge(
    model: Bridge, batches: Batches, found: Material, loop: LoopConfig, folder: Path, label: str
) -> dict[str, float]:
    """Train a bridge in place; the epoch is chosen by ``held_out`` on the validation split."""
    head = VAHead.fit(found.music["train"])
    model.prepare(found.images["train"], found.music["train"])

    def evaluate(trained: Any) -> dict[str, float]:
        trained.survey(found.images["train"], found.music["train"])
        return held_out(trained, found.images["val"], found.music["val"], head)

    return fit(model, batches, loop, folder=folder, evaluate=evaluate, label=label)


def train_bridge(request: BridgeRequest) -> ComponentResult:
    """Train the bridge of a pairing and write ``bridge/<image>+<music>@<variant>``.

    Raises:
        CheckpointError: an autoencoder, the guide or the photo reader is missing.
        DataError: photos or clips are not there or damaged.
    """
    begin(request)
    pairing, variant = f"{request.image}+{request.music}", request.variant
    component = f"bridge/{pairing}@{variant}"
    keys = (f"{key}@{variant}" for key in (pairing, request.music, request.image))
    stage = settings_of(request, "bridge", *keys, variant)
    image_key = image_key_of(request.image, variant)
    found = material(image_key, request.music, request.data, request.out, request.cache)
    bridge_class = BRIDGES[variant]
    widths = {"image_dim": found.image_ae.latent_dim, "music_dim": found.music_ae.latent_dim}
    model = bridge_class(replace(make_config(bridge_class.Config, stage.model), **widths))
    batches: Batches = BATCHES[variant](found.images["train"], found.music["train"], stage.batch_size, request.seed)
    depends_on = {name: card["sha256"] for name, card in found.cards.items()}
    folder = run_folder(request, component, stage, [found.photos, found.clips], depends_on=depends_on)
    numbers = fit_bridge(model, batches, found, stage.loop, folder, component)
    guide, reader = Guide.load(request.out), ImageReader.load(request.out, TRAIN)
    readings = [reader.read(open_photo(item.path)).va.clamped() for item in found.photos.split("val")]
    if isinstance(model, SoftBridge):
        correct_by_guide(model, found.music_ae, guide, found.images["train"], found.music["train"])
    match = matching(model, found.music_ae, found.images["val"], readings, guide)
    card = card_of(
        request,
        "bridge",
        variant,
        stage,
        [found.photos, found.clips],
        pairing=pairing,
        depends_on=depends_on,
        metrics={"val": numbers, "val_estimates": match},
    )
    return save_trained(request.out, component, model, card)
