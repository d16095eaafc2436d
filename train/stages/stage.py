"""What the training commands share: their arguments, their folders and the card they write."""

from __future__ import annotations

import argparse
import datetime
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from eimg_core.shipped import CHECKPOINTS
from train.stages.loop import LoopConfig
from train.stages.presets import PRESETS, StageConfig, override

__all__ = ["arguments", "card", "make_config", "split_count", "stage_of"]


def arguments(description: str | None, keys: list[str] | None = None) -> argparse.ArgumentParser:
    """The options that every stage has."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    if keys is not None:
        parser.add_argument("key", choices=keys)
    parser.add_argument("--data", type=Path, required=True, help="folder with images/ and music/")
    parser.add_argument("--out", type=Path, default=CHECKPOINTS, help="where components are written")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="logs, caches and states for resuming")
    parser.add_argument("--preset", choices=list(PRESETS), default="paper")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0 leaves the choice to PyTorch")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="change a setting of the loop")
    return parser


def stage_of(args: argparse.Namespace, kind: str, *keys: str) -> StageConfig:
    """The preset's stage of the first key that it names, with the command line's seed and changes."""
    if args.threads:
        torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)  # the first weights; every later step seeds itself
    stage = PRESETS[args.preset].stage(kind, *keys)
    loop: LoopConfig = override(replace(stage.loop, seed=args.seed), args.set)
    return replace(stage, loop=loop)


def make_config(config_class: Any, changes: dict[str, Any]) -> Any:
    """The model's config: its defaults or its ``tiny()``, with the preset's changes."""
    changes = dict(changes)
    base = config_class.tiny() if changes.pop("tiny", False) else config_class()
    return replace(base, **changes)


def split_count(corpus: Any) -> dict[str, int]:
    """Items per split, for the card."""
    return {split: len(corpus.split(split)) for split in ("train", "val", "test")}


def card(
    args: argparse.Namespace, kind: str, key: str, stage: StageConfig, corpora: list[Any], **more: Any
) -> dict[str, Any]:
    """What a person wants to know about a component; ``save_model`` adds the config and the hash."""
    return {
        "kind": kind,
        "key": key,
        "preset": args.preset,
        "seed": args.seed,
        "trained_on": [
            {
                "data": c.title,
                "licence": c.licence,
                "fit_on": "train",
                "chosen_on": "val",
                "items": split_count(c),
            }
            for c in corpora
        ],
        "epochs": stage.loop.epochs,
        "batch_size": stage.batch_size,
        "learning_rate": stage.loop.learning_rate,
        "date": datetime.date.today().isoformat(),
        **more,
    }
