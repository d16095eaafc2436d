"""Train a baseline that goes from photo to notes: TF-IM, its two variants, or GAN-IM.

    python -m train.baseline tf_im --data DIR [--sight photo|fixed|none] [--preset paper|smoke] [--seed 0]
    python -m train.baseline gan_im --data DIR

Writes ``baseline/<key>`` under ``--out``. The direct mapping stands between two autoencoders and is trained by
``train.experiments``, which trains these too.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from eimg_core.baselines import BASELINES, GanIM, TransformerIM
from eimg_core.checkpoints import save_model
from eimg_core.data import load_pieces, read_eimg, read_oasis
from eimg_core.midi.batch import MusicSample
from eimg_core.music_ae.decoder import token_cross_entropy
from train.stages.image_ae import photo_tensor
from train.stages.loop import fit
from train.stages.photo_music_pairs import BarBatches, PairBatches, Photos
from train.stages.stage import arguments, card, make_config, stage_of

__all__ = ["main", "train_baseline"]


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


def train_baseline(
    key: str, args: argparse.Namespace, changes: Mapping[str, Any], folder: Path, out: Path
) -> dict[str, Any]:
    """Train one and save it.

    Args:
        key: ``tf_im`` or ``gan_im``.
        args: data, runs, preset and seed, as every stage has them.
        changes: of the model's config.
        folder: for the states of the run; a run that was killed goes on from there.
        out: where the component is written.
    Returns:
        The numbers of the weights that were kept.
    """
    stage = stage_of(args, "baseline", key)
    photos, clips = read_oasis(args.data), read_eimg(args.data)
    pieces = load_pieces(clips, args.runs / "cache")
    model_class = BASELINES[key]
    model: Any = model_class(replace(make_config(model_class.Config, stage.model), **changes))

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
        held = PairBatches(photos_of("val"), clips_of("val"), stage.batch_size, args.seed)
        evaluate = lambda trained: _held_out(trained, held)  # noqa: E731
    make = BarBatches if isinstance(model, GanIM) else PairBatches
    batches: Any = make(train, clips_of("train"), stage.batch_size, args.seed)
    numbers = fit(model, batches, stage.loop, folder=folder, evaluate=evaluate, label=f"{key}, seed {args.seed}")
    if isinstance(model, GanIM):
        model.eval().calibrate(train.images, torch.from_numpy(np.concatenate(batches.bars).mean(axis=(0, 2, 3))))
    save_model(out, model, card(args, "baseline", key, stage, [photos, clips], metrics={"val": numbers}))
    return numbers


def main(argv: list[str] | None = None) -> None:
    parser = arguments(__doc__, ["tf_im", "gan_im"])
    parser.add_argument("--sight", choices=("photo", "fixed", "none"), default="photo", help="of tf_im, Table VI")
    args = parser.parse_args(argv)
    seen = args.key == "tf_im" and args.sight != "photo"
    name = f"baseline/{args.key}" + (f"-{args.sight}" if seen else "")
    changes = {"sight": args.sight} if seen else {}
    train_baseline(args.key, args, changes, args.runs / name, args.out / name)


if __name__ == "__main__":
    main()
