"""Train a baseline that goes from photo to notes: TF-IM, its two variants, or GAN-IM.

The direct mapping stands between two autoencoders and is trained by ``train.evaluation.experiments``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import torch

from eimg_core.baselines import BASELINES, GanIM, TransformerIM
from eimg_core.data import load_pieces, read_eimg, read_oasis
from eimg_core.midi.batch import MusicSample
from eimg_core.music_ae.decoder import token_cross_entropy
from train.stages.image_ae import photo_tensor
from train.stages.loop import fit
from train.stages.photo_music_pairs import BarBatches, PairBatches, Photos
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

__all__ = ["BaselineRequest", "train_baseline"]


@torch.no_grad()
def _held_out(model: TransformerIM, pairs: PairBatches) -> dict[str, float]:
    """Cross-entropy per note of held-out clips, each seen beside the held-out photo nearest to it."""
    order = np.argsort([len(clip) for clip in pairs.clips], kind="stable")
    total, notes = 0.0, 0
    for rows in np.array_split(order, min(8, len(order))):
        batch = pairs.of(rows.tolist(), pairs.near[rows, 0])
        n = int(batch.music.mask.sum())
        _, logits = model.step_logits(batch.images, batch.music)
        total, notes = total + n * float(token_cross_entropy(logits, batch.music.steps, batch.music.mask)), notes + n
    return {"loss": total / notes}


@dataclass(frozen=True, kw_only=True)
class BaselineRequest(LoopRequest):
    """Which baseline to train.

    Args:
        key: ``tf_im`` or ``gan_im``.
        component: its name, ``baseline/<key>`` where none is given.
        model: what differs from the model's defaults, such as ``{"sight": "none"}``.
    """

    key: str
    component: str = ""
    model: Mapping[str, Any] = field(default_factory=dict)


def train_baseline(request: BaselineRequest) -> ComponentResult:
    """Train a baseline and write it.

    Raises:
        DataError: photos or clips are not there or damaged.
    """
    begin(request)
    component = request.component or f"baseline/{request.key}"
    stage = settings_of(request, "baseline", request.key)
    photos, clips = read_oasis(request.data), read_eimg(request.data)
    pieces = load_pieces(clips, request.cache)
    model_class = BASELINES[request.key]
    config = replace(make_config(model_class.Config, stage.model), **request.model)
    model: Any = model_class(config)

    def photos_of(split: Any) -> Photos:
        items = photos.split(split)
        va = np.array([(item.va.valence, item.va.arousal) for item in items if item.va])
        return Photos(photo_tensor(items, model.image_size), va)

    def clips_of(split: Any) -> Sequence[MusicSample]:
        return [MusicSample.of(pieces[item.key], item.va) for item in clips.split(split)]

    train = photos_of("train")
    evaluate = None
    if isinstance(model, TransformerIM):
        middle = np.linalg.norm(train.va - train.va.mean(axis=0), axis=1).argmin()
        model.fixed_photo.copy_(train.images[int(middle)])
        held = PairBatches(photos_of("val"), clips_of("val"), stage.batch_size, request.seed)
        evaluate = lambda trained: _held_out(trained, held)  # noqa: E731
    make = BarBatches if isinstance(model, GanIM) else PairBatches
    batches: Any = make(train, clips_of("train"), stage.batch_size, request.seed)
    folder = run_folder(request, component, stage, [photos, clips], config=asdict(config))
    numbers = fit(model, batches, stage.loop, folder=folder, evaluate=evaluate, label=component)
    if isinstance(model, GanIM):
        model.eval().calibrate(train.images, torch.from_numpy(np.concatenate(batches.bars).mean(axis=(0, 2, 3))))
    card = card_of(request, "baseline", request.key, stage, [photos, clips], metrics={"val": numbers})
    return save_trained(request.out, component, model, card)
