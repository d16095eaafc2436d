"""Fit the two predictors of emotion in music: the evaluator of the measurements and the guide of the composer.

The evaluator is fitted to the train and val clips in closed form; the guide is trained on train alone, on the common
loop, with val choosing its epoch. Both cards hold the agreement with the labels of the test split, out of fold by
piece, and with EMOPIA's quadrants, which neither has seen.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from eimg_core.checkpoints import half
from eimg_core.data import Corpus, Item, Split, load_pieces, read_eimg, read_emopia
from eimg_core.errors import DataError
from eimg_core.midi.notes import Piece
from eimg_core.va.evaluator import EVALUATOR_FOLDER, Evaluator
from eimg_core.va.guide import GUIDE_FOLDER, Guide, GuideConfig, PictureBatch, pictures, varied
from eimg_core.va.music_features import feature_table
from train.stages.agreement import Array, Rows, agreement, out_of_fold, quadrant_agreement
from train.stages.loop import fit
from train.stages.stage import (
    ComponentResult,
    LoopRequest,
    Request,
    begin,
    choices_of,
    make_config,
    run_folder,
    save_tensors,
    settings_of,
    use_threads,
)

__all__ = ["EvaluatorRequest", "GuideRequest", "PictureBatches", "train_evaluator", "train_guide"]

_VARIATIONS = {"full": 6, "smoke": 1}  # transposed and stretched copies of each clip


# --- the evaluator -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class EvaluatorRequest(Request):
    """How to fit the evaluator: ``seed`` is that of the folds of its agreement; the fit itself has none."""

    seed: int = 0


def train_evaluator(request: EvaluatorRequest) -> ComponentResult:
    """Fit the evaluator to train and val, and write ``va_predictor/evaluator``.

    Raises:
        DataError: the clips are not there or damaged.
    """
    use_threads(request.threads)
    clips = _read_clips(request)
    items, pieces, labels = clips.of("train", "val")
    table = feature_table(pieces)

    def fit_and_read(fold: int, known: Rows, unknown: Rows) -> Array:
        return Evaluator.fit(table[known], labels[known]).estimate_features(table[unknown])

    evaluator = Evaluator.fit(table, labels)
    _, test_pieces, test_labels = clips.of("test")
    metrics = {
        "test": agreement(evaluator.estimate_many(test_pieces), test_labels, labels.mean(axis=0)),
        "out_of_fold_by_piece": out_of_fold(items, labels, request.seed, fit_and_read),
        **_quadrants(request, evaluator.estimate_many),
    }
    tensors, config = evaluator.component()
    card = {
        "kind": "va_predictor",
        "key": "evaluator",
        "config": config,
        "preset": request.preset,
        "seed": request.seed,
        "trained_on": [_source(clips.corpus, ("train", "val"), "folds of train and val")],
        "training": {"fit": "kernel ridge regression, closed form"},
        "metrics": metrics,
        "date": datetime.date.today().isoformat(),
    }
    return save_tensors(request.out, EVALUATOR_FOLDER.as_posix(), tensors, card)


# --- the guide -----------------------------------------------------------------------------------------------------


class PictureBatches:
    """Clips in random order, each as itself or as one of its variations. An epoch meets every clip once.

    Args:
        variants: inputs of N clips, the true ones first and then their variations, (1 + C, N, INPUT_SIZE).
        va: labels on 1-9, (N, 2).
        size: clips in a batch; the last one of an epoch may have less.
        seed: of the order and of the choice of variations.
    """

    def __init__(self, variants: Tensor, va: Tensor, size: int, seed: int) -> None:
        self.variants, self.va, self.size, self.seed = variants, va, size, seed

    def __len__(self) -> int:
        return -(-len(self.va) // self.size)

    def epoch(self, index: int) -> Iterator[PictureBatch]:
        rng = torch.Generator().manual_seed(self.seed * 100_003 + index)
        for rows in torch.randperm(len(self.va), generator=rng).split(self.size):
            drawn = torch.randint(len(self.variants), (len(rows),), generator=rng)
            yield PictureBatch(self.variants[drawn, rows], self.va[rows])


@dataclass(frozen=True, kw_only=True)
class GuideRequest(LoopRequest):
    """How to train the guide."""


def train_guide(request: GuideRequest) -> ComponentResult:
    """Train the guide on train, choose its epoch on val, and write ``va_predictor/guide``.

    Raises:
        DataError: the clips are not there or damaged.
    """
    stage = settings_of(request, "va_predictor", "guide")
    clips = _read_clips(request)
    items, pieces, labels = clips.of("train", "val")
    variations = _VARIATIONS[request.preset]
    variants, va = _draw(pieces, variations, request.seed), _floats(labels)
    in_train = np.array([item.split == "train" for item in items])
    train, val = np.flatnonzero(in_train), np.flatnonzero(~in_train)
    config = make_config(GuideConfig, stage.model)

    @torch.no_grad()
    def error_on_val(guide: Any) -> Mapping[str, float]:
        return {"loss": float((guide(variants[0, val]) - va[val]).pow(2).mean())}

    def fitted(rows: NDArray[Any], name: str, evaluate: Any = None) -> tuple[Guide, dict[str, float]]:
        begin(request)
        guide = Guide(config)
        guide.calibrate(variants[0, rows], va[rows])
        batches = PictureBatches(variants[:, rows], va[rows], stage.batch_size, request.seed)
        folder = run_folder(request, name, stage, [clips.corpus], variations=variations)
        numbers = fit(guide, batches, stage.loop, folder=folder, evaluate=evaluate, label=name)
        return guide.requires_grad_(False), numbers

    def fit_and_read(fold: int, known: Rows, unknown: Rows) -> Array:
        # Without val to choose an epoch the last one is kept, so no fold chooses by the clips it is asked to read.
        guide, _ = fitted(known, f"{component}/fold-{fold}")
        return guide(variants[0, unknown]).clamp(1, 9).double().numpy()

    component = GUIDE_FOLDER.as_posix()
    guide, numbers = fitted(train, component, error_on_val)
    metrics: dict[str, Any] = {"epoch": numbers["epoch"]}
    for split in ("val", "test"):
        _, split_pieces, split_labels = clips.of(split)
        metrics[split] = agreement(guide.estimate_many(split_pieces), split_labels, labels[train].mean(axis=0))
    metrics["out_of_fold_by_piece"] = out_of_fold(items, labels, request.seed, fit_and_read)
    metrics |= _quadrants(request, guide.estimate_many)
    card = {
        "kind": "va_predictor",
        "key": "guide",
        "config": asdict(config),
        **choices_of(request),
        "trained_on": [_source(clips.corpus, ("train",), "val")],
        "training": {**asdict(stage.loop), "batch_size": stage.batch_size, "variations": variations},
        "metrics": metrics,
        "date": datetime.date.today().isoformat(),
    }
    return save_tensors(request.out, component, half(guide.state_dict()), card)


def _draw(pieces: Sequence[Piece], variations: int, seed: int) -> Tensor:
    """The inputs of pieces and of so many variations of each, (1 + variations, N, INPUT_SIZE)."""
    rng = np.random.default_rng(seed)
    copies = [[varied(piece, rng) for piece in pieces] for _ in range(variations)]
    return _floats(np.stack([pictures(some) for some in tqdm([pieces, *copies], desc="drawing clips", unit="copy")]))


def _floats(values: Array) -> Tensor:
    return torch.tensor(values, dtype=torch.float32)


# --- the clips -----------------------------------------------------------------------------------------------------


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


def _read_clips(request: Request) -> Clips:
    corpus = read_eimg(request.data)
    return Clips(corpus, load_pieces(corpus, request.cache, _watch))


def _source(corpus: Corpus, fitted_on: tuple[Split, ...], chosen_on: str) -> dict[str, Any]:
    """What a card says of the clips."""
    items = corpus.split(*fitted_on)
    return {
        "data": corpus.title,
        "source": corpus.source,
        "licence": corpus.licence,
        "fit_on": " + ".join(fitted_on),
        "chosen_on": chosen_on,
        "items": len(items),
        "groups": len({item.group for item in items}),
    }


def _quadrants(request: Request, read: Callable[[Sequence[Piece]], Array]) -> dict[str, Any]:
    """Agreement with EMOPIA's quadrants, music that neither was fitted to; empty where the set is not there."""
    try:
        corpus = read_emopia(request.data)
    except DataError as error:
        tqdm.write(f"EMOPIA is left out: {error}")
        return {}
    pieces = load_pieces(corpus, request.cache, _watch)
    items = [item for item in corpus.items if pieces[item.key].notes]
    return {"emopia": quadrant_agreement(read([pieces[i.key] for i in items]), [str(item.quadrant) for item in items])}


def _watch(items: Any) -> Any:
    return tqdm(items, desc="reading music", unit="file")
