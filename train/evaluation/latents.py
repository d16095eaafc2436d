"""Where is emotion lost? What each trained autoencoder rebuilds, how it uses its latent, and what can be read from it.

The read-out is a ridge regression from standardised features to valence and arousal on 1-9. Which column to trust:

- ``test``: fitted on train + val, scored on test, which no autoencoder was trained on. The honest one, for reporting.
- ``out_of_fold``: over train + val, by theme or by piece. The regression never met the group that it reads, but the
  autoencoder was trained on the train split (FNT even knowing whether a clip's arousal is above 5), so it flatters.
- ``val``: fitted on train, scored on val. For choosing settings, so that test stays unseen; it is small.

References: Burda, Grosse and Salakhutdinov 2016, "Importance Weighted Autoencoders" (active units); Hoerl and Kennard
1970, "Ridge Regression", in primal or dual form, whichever is smaller.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from eimg_core.autoencoder import Autoencoder
from eimg_core.backbones import load_backbone
from eimg_core.checkpoints import load_model
from eimg_core.data import SPLITS, Corpus, load_pieces, read_eimg, read_oasis
from eimg_core.errors import CheckpointError
from eimg_core.image_ae import IMAGE_AUTOENCODERS
from eimg_core.music_ae import MUSIC_AUTOENCODERS
from eimg_core.va.music_features import feature_table
from train.evaluation.result import MeasureRequest, dependencies, is_current, write_result
from train.stages.agreement import FOLDS, agreement, folds
from train.stages.backbones import ENCODERS
from train.stages.features import features_of
from train.stages.image_ae import photo_tensor, reconstruction_error
from train.stages.image_va import NamedNetwork, read_sights
from train.stages.music_ae import held_out, samples_of
from train.stages.stage import use_threads

__all__ = [
    "CLIPS",
    "PENALTIES",
    "PHOTOS",
    "LatentsRequest",
    "Ridge",
    "Unseen",
    "fit_ridge",
    "measure_latents",
    "readout",
    "ridge_path",
]

Array = NDArray[np.float64]

PENALTIES = tuple(10.0 ** (step / 2) for step in range(15))  # 1 … 10⁷; the largest answer with the mean
PHOTOS, CLIPS = "photos", "clips"  # the keys of the two baselines
_STILL = 1e-4  # a feature with a smaller standard deviation says nothing and is not blown up


# --- the read-out --------------------------------------------------------------------------------------------------


class Unseen(NamedTuple):
    """Items to be read that no part of a read-out was fitted to: (M, D) and (M, 2)."""

    features: Array
    va: Array


@dataclass(frozen=True)
class Ridge:
    """va = mean + (x − centre) / spread · weights.

    Args:
        centre, spread: of each feature over the fitted items, (D,).
        weights: (D, 2), or (P, D, 2) for P penalties at once.
        mean: mean label of the fitted items, (2,).
        penalty: λ of valence and of arousal, (2,), or all P penalties.
    """

    centre: Array
    spread: Array
    weights: Array
    mean: Array
    penalty: Array

    def __call__(self, features: Array) -> Array:
        """(M, D) → (M, 2), or (P, M, 2)."""
        return self.mean + (features - self.centre) / self.spread @ self.weights


def ridge_path(features: Array, va: Array, penalties: Sequence[float] = PENALTIES) -> Ridge:
    """The regressions of all penalties from one eigendecomposition, of XᵀX (D, D) or of XXᵀ (N, N) if D > N.

    W = (XᵀX + λI)⁻¹ Xᵀy = Xᵀ (XXᵀ + λI)⁻¹ y, with X standardised and y centred.
    """
    count, width = features.shape
    centre, spread, mean = features.mean(axis=0), np.maximum(features.std(axis=0), _STILL), va.mean(axis=0)
    x, y = (features - centre) / spread, va - mean
    dual = width > count
    eigenvalues, vectors = np.linalg.eigh(x @ x.T if dual else x.T @ x)
    turned = vectors.T @ (y if dual else x.T @ y)
    shrunk = turned / (np.maximum(eigenvalues, 0.0)[:, None] + np.array(penalties)[:, None, None])  # (P, N or D, 2)
    weights = (x.T @ vectors if dual else vectors) @ shrunk
    return Ridge(centre, spread, weights, mean, np.array(penalties))


def fit_ridge(features: Array, va: Array, groups: Sequence[str], seed: int = 0) -> Ridge:
    """A regression with the penalty, one per axis, that best reads groups it has not met.

    Args:
        features: (N, D), finite.
        va: labels on 1-9, (N, 2).
        groups: N names of what must not be divided: themes of photos, pieces of clips.
        seed: of the folds.
    Raises:
        ValueError: shapes disagree, a feature is not finite, or there is a single group.
    """
    if features.ndim != 2 or va.shape != (len(features), 2) or len(groups) != len(features):
        raise ValueError(f"expected (N, D), (N, 2) and N groups, got {features.shape}, {va.shape}, {len(groups)}")
    if not np.isfinite(features).all() or len(set(groups)) < 2:
        raise ValueError("expected finite features of at least two groups")
    fold = folds(groups, FOLDS, seed)
    errors = np.zeros((len(PENALTIES), 2))
    for number in np.unique(fold):
        rest, aside = fold != number, fold == number
        read = ridge_path(features[rest], va[rest])(features[aside])  # (P, n, 2)
        errors += ((read - va[aside]) ** 2).sum(axis=1)
    best = errors.argmin(axis=0)
    path = ridge_path(features, va)
    return replace(path, weights=path.weights[best, :, (0, 1)].T, penalty=path.penalty[best])


def readout(
    features: Array, va: Array, groups: Sequence[str], unseen: Unseen | None = None, seed: int = 0
) -> dict[str, Any]:
    """How much valence and arousal a straight line reads from features.

    Args:
        features, va, groups: the items to fit, as for ``fit_ridge``; at least three groups.
        unseen: items to score beside, with all of the former fitted.
        seed: of the folds.
    Returns:
        ``out_of_fold``, and ``unseen`` if given: their ``agreement``, that is r, R² and RMSE per axis and the mean
        distance, beside those of the constant that answers with the mean label. ``penalty``: of the regression fitted
        to all. Where nothing can be read, r out of fold is a little below 0: the mean of the other folds is low
        where a fold is high.
    """
    fold = folds(groups, FOLDS, seed)
    read = np.zeros_like(va)
    for number in np.unique(fold):
        rest, aside = np.flatnonzero(fold != number).tolist(), fold == number
        read[aside] = fit_ridge(features[rest], va[rest], [groups[row] for row in rest], seed)(features[aside])
    ridge = fit_ridge(features, va, groups, seed)
    found = {
        "penalty": dict(zip(("valence", "arousal"), ridge.penalty.round(2).tolist(), strict=True)),
        "out_of_fold": agreement(read, va, va.mean(axis=0)),
    }
    return found if unseen is None else found | {"unseen": agreement(ridge(unseen.features), unseen.va, ridge.mean)}


# --- the results ---------------------------------------------------------------------------------------------------


def read_emotion(features: Array, corpus: Corpus) -> dict[str, Any]:
    """The read-outs of features in corpus order, (N, D): ``out_of_fold``, ``val``, ``test`` and ``penalty``."""
    va, splits = corpus.va_table(), np.array([item.split for item in corpus.items])

    def rows(*names: str) -> tuple[Array, Array, list[str]]:
        chosen = np.isin(splits, names)
        return features[chosen], va[chosen], [i.group for i, here in zip(corpus.items, chosen, strict=True) if here]

    whole = readout(*rows("train", "val"), unseen=Unseen(*rows("test")[:2]))
    val, test = Unseen(*rows("val")[:2]), whole.pop("unseen")
    ridge = fit_ridge(*rows("train"))
    return {**whole, "val": agreement(ridge(val.features), val.va, ridge.mean), "test": test}


def examine(model: Autoencoder, inputs: Any, corpus: Corpus, reconstruction: Mapping[str, float]) -> dict[str, Any]:
    """What is measured on one frozen autoencoder.

    Args:
        inputs: photos (a tensor) or clips (a list of samples) in corpus order.
        corpus: labelled throughout.
        reconstruction: measured on the test split.
    """
    latents = features_of(model, inputs, corpus.va_table()).latents  # type: ignore[arg-type]
    test = [row for row, item in enumerate(corpus.items) if item.split == "test"]
    return {
        "width": model.latent_dim,
        "reconstruction": {name: round(value, 4) for name, value in reconstruction.items()},
        "usage": {name: round(value, 2) for name, value in model.usage(latents[test]).items()},
        "readout": read_emotion(latents.double().numpy(), corpus),
    }


@dataclass(frozen=True, kw_only=True)
class LatentsRequest(MeasureRequest):
    """What to look into: ``only`` of the keys of autoencoders, ``photos`` and ``clips``; ``None`` for all there is."""

    only: Sequence[str] | None = None


@dataclass(frozen=True)
class _Job:
    """One result to make: what it is about, what it depends on, and the function that measures it."""

    kind: str
    key: str
    corpus: Corpus
    components: list[str]
    numbers: Callable[[], dict[str, Any]]


def _photo_jobs(request: LatentsRequest, keys: Sequence[str]) -> Iterator[_Job]:
    """One result per image autoencoder, then the frozen features of the photo reader."""
    corpus = read_oasis(request.data)

    def of_autoencoder(key: str) -> dict[str, Any]:
        model, _ = load_model(request.components / "image_ae" / key, IMAGE_AUTOENCODERS)
        rebuilt = reconstruction_error(model, photo_tensor(corpus.split("test"), model.image_size))
        return examine(model, photo_tensor(corpus.items, model.image_size), corpus, rebuilt)

    def of_reader() -> dict[str, Any]:
        networks = [NamedNetwork(name, load_backbone(request.components / name), None, None) for name in backbones]
        sights = read_sights(networks, request.components, corpus, request.runs).values()
        features = np.concatenate([sight.maps[0] for sight in sights], axis=1)
        return {"width": features.shape[1], "readout": read_emotion(features, corpus)}

    backbones = [f"backbone/{name}" for name in ENCODERS]
    for key in (key for key in keys if key in IMAGE_AUTOENCODERS):
        yield _Job("image_ae", key, corpus, [f"image_ae/{key}"], partial(of_autoencoder, key))
    if PHOTOS in keys:
        yield _Job("baseline", PHOTOS, corpus, backbones, of_reader)


def _clip_jobs(request: LatentsRequest, keys: Sequence[str]) -> Iterator[_Job]:
    """One result per music autoencoder, then the counted features; clips without a note are left out."""
    every = read_eimg(request.data)
    pieces = load_pieces(every, request.cache)
    corpus = replace(every, items=tuple(item for item in every.items if pieces[item.key].notes))

    def of_autoencoder(key: str) -> dict[str, Any]:
        model, _ = load_model(request.components / "music_ae" / key, MUSIC_AUTOENCODERS)
        rebuilt = held_out(model, samples_of(model, corpus, pieces, "test"))
        return examine(model, samples_of(model, corpus, pieces, *SPLITS), corpus, rebuilt)

    def of_counted_features() -> dict[str, Any]:
        table = feature_table([pieces[item.key] for item in corpus.items])
        return {"width": table.shape[1], "readout": read_emotion(table, corpus)}

    for key in (key for key in keys if key in MUSIC_AUTOENCODERS):
        yield _Job("music_ae", key, corpus, [f"music_ae/{key}"], partial(of_autoencoder, key))
    if CLIPS in keys:
        yield _Job("baseline", CLIPS, corpus, [], of_counted_features)


def measure_latents(request: LatentsRequest) -> list[Path]:
    """Write ``latents-<kind>-<key>.json`` for every autoencoder whose weights are there, and for the two baselines:
    the same read-out from the frozen features of the photo reader and from the counted features of the evaluator,
    which says what there was to be read.

    Returns:
        The results that were written; those that are current are left alone.
    Raises:
        CheckpointError: something that ``only`` names is not trained.
        DataError: photos or clips are missing or damaged.
    """
    use_threads(request.threads)
    kinds = {**dict.fromkeys(IMAGE_AUTOENCODERS, "image_ae"), **dict.fromkeys(MUSIC_AUTOENCODERS, "music_ae")}
    there = [key for key, kind in kinds.items() if (request.components / kind / key / "card.json").is_file()]
    keys = [*there, PHOTOS, CLIPS] if request.only is None else list(request.only)
    written: list[Path] = []
    for jobs_of, own in ((_photo_jobs, (*IMAGE_AUTOENCODERS, PHOTOS)), (_clip_jobs, (*MUSIC_AUTOENCODERS, CLIPS))):
        for job in jobs_of(request, keys) if set(keys) & set(own) else ():
            try:
                written += _measure(request, job)
            except CheckpointError as error:
                if request.only:
                    raise
                tqdm.write(f"left out: {error}")
    return written


def _measure(request: LatentsRequest, job: _Job) -> list[Path]:
    """Make one result unless it is current."""
    path = request.results / f"latents-{job.kind}-{job.key}.json"
    now = dependencies("latents", request.components, job.components, [job.corpus])
    if not request.force and is_current(path, now):
        return []
    about = {
        "kind": job.kind,
        "key": job.key,
        "data": job.corpus.name,
        "n": {split: len(job.corpus.split(split)) for split in SPLITS},
        "groups": {split: len({item.group for item in job.corpus.split(split)}) for split in SPLITS},
    }
    write_result(path, "python -m train.latents --data DIR", now, {**about, **job.numbers()})
    return [path]
