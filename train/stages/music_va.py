"""Fit the two readers of emotion in music: the judge of the evaluation and the guide of the composer.

    python -m train.music_va evaluator --data DIR [--preset smoke] [--seed 0]
    python -m train.music_va guide     --data DIR [--preset smoke] [--seed 0]

The evaluator is fitted to the train and val clips, the guide to train alone, with val choosing its epoch. Both cards
hold the agreement with the listeners on the test split, out of fold by piece, and on EMOPIA's quadrants, which
neither has seen. Written to ``va_predictor/<key>`` under ``--out``.
"""

from __future__ import annotations

import argparse
import datetime
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from eimg_core.checkpoints import half, save_component
from eimg_core.data import Corpus, Item, Split, load_pieces, read_eimg, read_emopia
from eimg_core.errors import DataError
from eimg_core.metrics.emotion_match import correlation
from eimg_core.midi.notes import Piece
from eimg_core.shipped import CHECKPOINTS
from eimg_core.va.evaluator import EVALUATOR_FOLDER, Evaluator
from eimg_core.va.guide import GUIDE_FOLDER, Guide, GuideConfig, pictures, varied
from eimg_core.va.music_features import feature_table

__all__ = ["agreement", "area_under_curve", "folds", "main", "train_guide"]

Array = NDArray[np.float64]
Rows = NDArray[np.signedinteger]
KEYS = ("evaluator", "guide")
FOLDS = 5


@dataclass(frozen=True)
class GuideTraining:
    """How the guide is trained.

    Args:
        epochs: passes over the clips, at most; the epoch that reads the val clips best is kept.
        batch_size: clips per step.
        learning_rate: peak of the cosine schedule.
        weight_decay: of AdamW.
        variations: transposed and stretched copies of each clip; every epoch sees one of them.
    """

    epochs: int = 20
    batch_size: int = 64
    learning_rate: float = 1e-3
    weight_decay: float = 3.0
    variations: int = 6


TRAINING = {"paper": GuideTraining(), "smoke": GuideTraining(epochs=3, batch_size=8, variations=1)}


# --- scores --------------------------------------------------------------------------------------------------------


def agreement(read: Array, labels: Array, constant: Array) -> dict[str, Any]:
    """How well readings agree with labels, beside a constant answer.

    Args:
        read, labels: valence and arousal, (N, 2).
        constant: the answer that ignores the music, (2,); the mean label of the clips that were fitted.
    Returns:
        Per axis Pearson r, R², RMSE and the spread of the readings over that of the labels, and the mean distances.
    """
    error = read - labels
    axes: dict[str, Any] = {}
    for index, axis in enumerate(("valence", "arousal")):
        spread, squared = labels[:, index].std(), (error[:, index] ** 2).mean()
        axes[axis] = {
            "r": _rounded(correlation(read[:, index], labels[:, index])),
            "r2": _rounded(1 - squared / spread**2),
            "rmse": _rounded(math.sqrt(squared)),
            "constant_rmse": _rounded(math.sqrt(((constant[index] - labels[:, index]) ** 2).mean())),
            "sd_ratio": _rounded(read[:, index].std() / spread),
        }
    return {
        "n": len(read),
        **axes,
        "distance": _rounded(np.hypot(*error.T).mean()),
        "constant_distance": _rounded(np.hypot(*(constant - labels).T).mean()),
    }


def area_under_curve(scores: Array, positive: NDArray[np.bool_]) -> float:
    """Chance that a positive scores higher than a negative, ties counting half: 0.5 is guessing, 1 perfect."""
    wins = scores[positive][:, None] - scores[~positive]
    return float((np.sign(wins) + 1).mean() / 2) if wins.size else math.nan


def quadrant_agreement(read: Array, quadrants: Sequence[str]) -> dict[str, Any]:
    """How readings sort pieces whose quadrant alone is known, cut at the middle of the scale and at their median."""
    high = np.array([[name[0] == "H", name[2] == "H"] for name in quadrants])
    at_five, at_median = read >= 5, read >= np.median(read, axis=0)
    return {
        "n": len(read),
        "auc_valence": _rounded(area_under_curve(read[:, 0], high[:, 0])),
        "auc_arousal": _rounded(area_under_curve(read[:, 1], high[:, 1])),
        "quadrant_accuracy": _rounded((at_five == high).all(axis=1).mean()),
        "quadrant_accuracy_at_median": _rounded((at_median == high).all(axis=1).mean()),
    }


def folds(groups: Sequence[str], count: int, seed: int) -> NDArray[np.int64]:
    """A fold number per clip, (N,), that never divides a group; each next group joins the smallest fold."""
    names, index, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    shuffled = np.random.default_rng(seed).permutation(len(names))
    fold_of, filled = np.zeros(len(names), dtype=np.int64), np.zeros(count)
    for group in sorted(shuffled.tolist(), key=lambda g: -sizes[g]):
        fold_of[group] = filled.argmin()
        filled[fold_of[group]] += sizes[group]
    return fold_of[index]


def out_of_fold(
    items: Sequence[Item], labels: Array, seed: int, fit_and_read: Callable[[Rows, Rows], Array]
) -> dict[str, Any]:
    """Agreement when every piece is read by a model that never met it, pooled over the folds.

    Args:
        items, labels: the clips, N of them.
        seed: of the folds.
        fit_and_read: (rows to fit, rows to read) → readings of the latter, (n, 2).
    """
    fold = folds([item.group for item in items], FOLDS, seed)
    read = np.zeros_like(labels)
    for number in tqdm(range(FOLDS), desc="out of fold", unit="fold"):
        rows = np.flatnonzero(fold == number)
        if len(rows):
            read[rows] = fit_and_read(np.flatnonzero(fold != number), rows)
    return agreement(read, labels, labels.mean(axis=0))


def _rounded(value: float) -> float | None:
    """Four digits; what is not defined becomes null, since JSON has no NaN."""
    return round(float(value), 4) if math.isfinite(value) else None


# --- the two models ------------------------------------------------------------------------------------------------


def fit_evaluator(clips: Clips, seed: int) -> tuple[Evaluator, dict[str, Any]]:
    """The judge, fitted to train and val, and its agreement with the listeners."""
    items, pieces, labels = clips.of("train", "val")
    table = feature_table(pieces)

    def fit_and_read(known: Rows, unknown: Rows) -> Array:
        return Evaluator.fit(table[known], labels[known]).estimate_features(table[unknown])

    evaluator = Evaluator.fit(table, labels)
    _, test_pieces, test_labels = clips.of("test")
    return evaluator, {
        "test": agreement(evaluator.estimate_many(test_pieces), test_labels, labels.mean(axis=0)),
        "out_of_fold_by_piece": out_of_fold(items, labels, seed, fit_and_read),
    }


def fit_guide(clips: Clips, config: GuideConfig, training: GuideTraining, seed: int) -> tuple[Guide, dict[str, Any]]:
    """The guide, trained on train and chosen on val, and its agreement with the listeners."""
    items, pieces, labels = clips.of("train", "val")
    rng = np.random.default_rng(seed)
    copies = [[varied(piece, rng) for piece in pieces] for _ in range(training.variations)]
    variants = _floats(
        np.stack([pictures(some) for some in tqdm([pieces, *copies], desc="drawing clips", unit="copy")])
    )
    targets = _floats(labels)
    in_train = np.array([item.split == "train" for item in items])
    train, val = np.flatnonzero(in_train), np.flatnonzero(~in_train)
    held_out = (variants[0, val], targets[val])
    guide, epoch = train_guide(variants[:, train], targets[train], config, training, seed, held_out)

    def fit_and_read(known: Rows, unknown: Rows) -> Array:
        # The folds stop at the epoch that val chose, so that no fold chooses by the clips it is then asked to read.
        model, _ = train_guide(variants[:, known], targets[known], config, training, seed, last_epoch=epoch)
        with torch.no_grad():
            return model(variants[0, unknown]).clamp(1, 9).double().numpy()

    constant = labels[train].mean(axis=0)
    metrics: dict[str, Any] = {"epoch": epoch}
    for split in ("val", "test"):
        _, split_pieces, split_labels = clips.of(split)
        metrics[split] = agreement(guide.estimate_many(split_pieces), split_labels, constant)
    metrics["out_of_fold_by_piece"] = out_of_fold(items, labels, seed, fit_and_read)
    return guide, metrics


def train_guide(
    variants: Tensor,
    targets: Tensor,
    config: GuideConfig,
    training: GuideTraining,
    seed: int,
    val: tuple[Tensor, Tensor] | None = None,
    last_epoch: int | None = None,
) -> tuple[Guide, int]:
    """Train a guide; all members see the same clips in different orders of noise, each with its own dropout.

    Args:
        variants: inputs of N clips, the true ones first and then their copies, (1 + C, N, INPUT_SIZE).
        targets: labels on 1-9, (N, 2).
        config, training: sizes and settings.
        seed: of the weights, the order of clips and the dropout.
        val: inputs and labels that choose the epoch; without them the last one is kept.
        last_epoch: where to stop on the schedule of ``training.epochs``.
    Returns:
        The guide in eval mode, and the epoch it was taken from.
    """
    torch.manual_seed(seed)
    guide = Guide(config)
    guide.calibrate(variants[0], targets)
    optimizer = torch.optim.AdamW(guide.parameters(), lr=training.learning_rate, weight_decay=training.weight_decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, training.epochs)
    best, best_loss, best_epoch = guide.state_dict(), math.inf, 0
    for epoch in range(1, (last_epoch or training.epochs) + 1):
        guide.train()
        for rows in torch.randperm(len(targets)).split(training.batch_size):
            drawn = variants[torch.randint(len(variants), (len(rows),)), rows]
            errors = (guide.each(drawn) - targets[rows]) / guide.label_spread
            optimizer.zero_grad()
            # Summed over members: each one gets the gradient it would get alone.
            errors.pow(2).mean(dim=(1, 2)).sum().backward()
            optimizer.step()
        schedule.step()
        guide.eval()
        with torch.no_grad():
            loss = math.inf if val is None else float((guide(val[0]) - val[1]).pow(2).mean())
        if val is None or loss < best_loss:
            best, best_loss, best_epoch = {k: v.clone() for k, v in guide.state_dict().items()}, loss, epoch
    guide.load_state_dict(best)
    return guide.eval().requires_grad_(False), best_epoch


def _floats(values: Array) -> Tensor:
    return torch.tensor(values, dtype=torch.float32)


# --- the command ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Clips:
    """The labelled clips with their music."""

    corpus: Corpus
    pieces: dict[str, Piece]

    def of(self, *splits: Split) -> tuple[tuple[Item, ...], list[Piece], Array]:
        """Items, pieces and labels (N, 2) of some splits; clips without a note are left out."""
        items = tuple(item for item in self.corpus.split(*splits) if item.va and self.pieces[item.key].notes)
        labels = np.array([(item.va.valence, item.va.arousal) for item in items if item.va], dtype=np.float64)
        return items, [self.pieces[item.key] for item in items], labels.reshape(-1, 2)


def read_quadrants(data: Path, cache: Path, read: Callable[[Sequence[Piece]], Array]) -> dict[str, Any]:
    """Agreement with EMOPIA's quadrants, music that no reader was fitted to; empty where the set is not at hand."""
    try:
        corpus = read_emopia(data)
    except DataError as error:
        tqdm.write(f"EMOPIA is left out: {error}")
        return {}
    pieces = load_pieces(corpus, cache, _watch)
    items = [item for item in corpus.items if pieces[item.key].notes]
    return {"emopia": quadrant_agreement(read([pieces[i.key] for i in items]), [str(item.quadrant) for item in items])}


def _watch(items: Any) -> Any:
    return tqdm(items, desc="reading music", unit="file")


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("key", choices=KEYS)
    parser.add_argument("--data", type=Path, required=True, help="folder with music/")
    parser.add_argument("--out", type=Path, default=CHECKPOINTS, help="where the component is written")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where parsed music is kept")
    parser.add_argument("--preset", choices=list(TRAINING), default="paper")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0 leaves the choice to PyTorch")
    return parser


def main(argv: list[str] | None = None) -> None:
    args = arguments().parse_args(argv)
    if args.threads:
        torch.set_num_threads(args.threads)
    corpus = read_eimg(args.data)
    clips = Clips(corpus, load_pieces(corpus, args.runs / "cache", _watch))
    fitted_on: tuple[Split, ...]
    if args.key == "evaluator":
        folder, fitted_on, chosen_on = EVALUATOR_FOLDER, ("train", "val"), "folds of train and val"
        evaluator, metrics = fit_evaluator(clips, args.seed)
        read = evaluator.estimate_many
        tensors, config = evaluator.component()
        settings: dict[str, Any] = {"fit": "kernel ridge regression, closed form"}
    else:
        folder, fitted_on, chosen_on = GUIDE_FOLDER, ("train",), "val"
        sizes = GuideConfig.tiny() if args.preset == "smoke" else GuideConfig()
        guide, metrics = fit_guide(clips, sizes, TRAINING[args.preset], args.seed)
        read = guide.estimate_many
        tensors, config = half(guide.state_dict()), asdict(sizes)
        settings = asdict(TRAINING[args.preset])
    metrics |= read_quadrants(args.data, args.runs / "cache", read)
    items = corpus.split(*fitted_on)
    card = {
        "kind": "va_predictor",
        "key": args.key,
        "config": config,
        "preset": args.preset,
        "seed": args.seed,
        "trained_on": [
            {
                "data": corpus.title,
                "source": corpus.source,
                "licence": corpus.licence,
                "fit_on": " + ".join(fitted_on),
                "chosen_on": chosen_on,
                "items": len(items),
                "groups": len({item.group for item in items}),
            }
        ],
        "training": settings,
        "metrics": metrics,
        "date": datetime.date.today().isoformat(),
    }
    save_component(args.out / folder, tensors, card)
    for name in ("val", "test", "out_of_fold_by_piece", "emopia"):
        if name in metrics:
            tqdm.write(f"{name}: {metrics[name]}")


if __name__ == "__main__":
    main()
