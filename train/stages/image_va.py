"""Fit the photo reader, and put the frozen networks that it looks through in their place.

The reader is fitted to the OASIS train photos. Which networks it looks through, and whether the spreads of their maps
count, is chosen by predicting every theme of the train and val photos from the other themes; the test photos are only
reported. What a network sees of the photos is kept with the run, named after the network's hash. The preset ``smoke``
puts random weights where a network's are missing, so that the whole path can be walked without the packages.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from eimg_core.backbones import Backbone, load_backbone
from eimg_core.checkpoints import read_card
from eimg_core.data import SPLITS, Corpus, read_oasis
from eimg_core.errors import DataError
from eimg_core.images import open_photo
from eimg_core.va.image_reader import AXES, READER_FOLDER, ImageReader, KernelHead
from train.stages.backbones import ENCODERS, ensure_backbone
from train.stages.stage import ComponentResult, Request, save_tensors, use_threads

__all__ = ["ImageVARequest", "fit_reader", "read_blocks", "train_image_va"]

Array = NDArray[np.float64]

LIMITS = (
    "Fitted on 584 photos rated by online raters in the United States. It reads other kinds of pictures much worse: "
    "expect little from abstract paintings, silhouettes and drawings."
)
SELECTION = (
    "The networks and the kind of features were settled by comparing about forty sets of features, each with a few "
    "kernels, in cross-validation by theme over all photos, val and test included; the differences between the best "
    "are smaller than those between shuffles. `candidates` repeats the last choice on the train and val photos alone. "
    "So test and by_theme are slightly optimistic."
)

LATE = 5  # how many of a network's last maps the head looks at: of EfficientNet-Lite the last four stages and the head
# Each kind of features: whether spreads count beside means, and whether squares count beside the whole.
KINDS = {"means": (False, False), "means and spreads": (True, False), "and squares": (True, True)}
FOLDS, SHUFFLES = 5, 10


def read_blocks(nets: Mapping[str, Backbone], root: Path, corpus: Corpus, runs: Path | None) -> dict[str, Array]:
    """Means, spreads, then means over squares of each network, for all photos in corpus order, (N, 3W) each.

    Args:
        nets: by the name of their component.
        root: the checkpoints folder, for their hashes.
        corpus: photos.
        runs: where features are kept, or None.
    """
    keys = np.array([item.key for item in corpus.items])
    found: dict[str, Array] = {}
    for name, net in nets.items():
        cache = runs / "cache" / f"views-{read_card(root / name)['sha256'][:12]}.npz" if runs else None
        if cache is not None and cache.is_file():
            with np.load(cache) as stored:
                if np.array_equal(stored["keys"], keys):
                    found[name] = np.asarray(stored["features"], dtype=np.float64)
                    continue
        reader = ImageReader([net], LATE, spreads=True, squares=True)
        batches = [corpus.items[start : start + 16] for start in range(0, len(keys), 16)]
        progress = tqdm(batches, f"photos through {name}")
        found[name] = np.concatenate([reader.features([open_photo(item.path) for item in batch]) for batch in progress])
        if cache is not None:
            cache.parent.mkdir(parents=True, exist_ok=True)
            np.savez(cache, keys=keys, features=found[name].astype(np.float32))
    return found


def scores(readings: Array, ratings: Array, margins: Array) -> dict[str, dict[str, float]]:
    """Per axis: Pearson r, RMSE on 1-9, mean margin, and the share of ratings within one and two margins."""
    found = {}
    for axis, name in enumerate(AXES):
        errors = np.abs(readings[:, axis] - ratings[:, axis])
        found[name] = {
            "r": float(np.corrcoef(readings[:, axis], ratings[:, axis])[0, 1]),
            "rmse": float(np.sqrt(np.mean(errors**2))),
            "mean_sd": float(margins[:, axis].mean()),
            "within_1_sd": float(np.mean(errors <= margins[:, axis])),
            "within_2_sd": float(np.mean(errors <= 2 * margins[:, axis])),
        }
    return {name: {key: round(value, 4) for key, value in row.items()} for name, row in found.items()}


def cross_validated(
    features: Array, ratings: Array, groups: list[str], blocks: list[int], shuffle: int
) -> tuple[Array, Array]:
    """Readings and margins of every photo by heads that saw no photo of its theme, (N, 2) each."""
    names = np.array(sorted(set(groups)))
    np.random.default_rng(shuffle).shuffle(names)
    fold_of = {name: place % FOLDS for place, name in enumerate(names)}
    folds = np.array([fold_of[group] for group in groups])
    readings, margins = np.empty_like(ratings), np.empty_like(ratings)
    for fold in range(FOLDS):
        rest, held_out = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        head = KernelHead.fit(features[rest], ratings[rest], [groups[row] for row in rest], blocks)
        readings[held_out], margins[held_out] = head.predict(features[held_out])
    return readings, margins


def fit_reader(
    corpus: Corpus, nets: Mapping[str, Backbone], seen: Mapping[str, Array]
) -> tuple[ImageReader, list[str], dict[str, Any]]:
    """Choose networks and features, and fit the head.

    Args:
        corpus: photos with a label each and the splits train, val and test.
        nets: frozen, by the name of their component.
        seen: what each of them sees, from ``read_blocks``.
    Returns:
        The reader, the names of its networks, and its metrics: ``val``, ``test``, ``by_theme`` (out of fold over all
        photos) and ``candidates`` (RMSE over both axes on train and val photos, by theme).
    Raises:
        DataError: a photo without a label, or an empty split.
    """
    ratings, groups = corpus.va_table(), [item.group for item in corpus.items]
    rows = {
        split: np.array([row for row, item in enumerate(corpus.items) if item.split == split], dtype=int)
        for split in SPLITS
    }
    if np.isnan(ratings).any() or any(len(found) == 0 for found in rows.values()):
        raise DataError(f"{corpus.title} needs a label on every photo and photos in train, val and test.")

    def fitted(chosen: Sequence[str], kind: str, at: NDArray[np.int_]) -> KernelHead:
        parts = _blocks(seen, chosen, kind)
        features, widths = np.concatenate(parts, axis=1), [part.shape[1] for part in parts]
        return KernelHead.fit(features[at], ratings[at], [groups[row] for row in at], widths)

    known = np.concatenate([rows["train"], rows["val"]])
    sets = [[name] for name in nets] + ([list(nets)] if len(nets) > 1 else [])
    errors = {
        (tuple(names), kind): fitted(names, kind, known).held_out_error(ratings[known], [groups[row] for row in known])
        for names in sets
        for kind in KINDS
    }
    names, kind = min(errors, key=lambda choice: errors[choice])
    parts = _blocks(seen, names, kind)
    features, blocks = np.concatenate(parts, axis=1), [part.shape[1] for part in parts]
    head = fitted(names, kind, rows["train"])
    metrics: dict[str, Any] = {
        "candidates": {
            f"{' + '.join(name.removeprefix('backbone/') for name in names)}, {kind}": round(error, 4)
            for (names, kind), error in errors.items()
        }
    }
    for split in ("val", "test"):
        readings, margins = head.predict(features[rows[split]])
        metrics[split] = {"n": len(rows[split]), **scores(readings, ratings[rows[split]], margins)}
    metrics["by_theme"] = _by_theme(features, ratings, groups, blocks)
    return ImageReader([nets[name] for name in names], LATE, *KINDS[kind], head), list(names), metrics


def _by_theme(features: Array, ratings: Array, groups: list[str], blocks: list[int]) -> dict[str, Any]:
    """Scores of readings out of fold, mean over shuffles of the themes."""
    shuffles = []
    for shuffle in range(SHUFFLES):
        readings, margins = cross_validated(features, ratings, groups, blocks, shuffle)
        shuffles.append(scores(readings, ratings, margins))
    return {"n": len(groups), "folds": FOLDS, "shuffles": SHUFFLES} | {
        axis: {key: round(float(np.mean([one[axis][key] for one in shuffles])), 4) for key in shuffles[0][axis]}
        for axis in AXES
    }


def _blocks(seen: Mapping[str, Array], chosen: Sequence[str], kind: str) -> list[Array]:
    """The blocks that ``ImageReader.blocks`` would give for features of this kind."""
    spreads, squares = KINDS[kind]
    found = []
    for name in chosen:
        width = seen[name].shape[1] // 3
        found.append(seen[name][:, : 2 * width if spreads else width])
        if squares:
            found.append(seen[name][:, 2 * width :])
    return found


@dataclass(frozen=True, kw_only=True)
class ImageVARequest(Request):
    """Which networks the photo reader may look through: ``encoders``, see ``ensure_backbone``."""

    encoders: Sequence[str] = ENCODERS


def train_image_va(request: ImageVARequest) -> ComponentResult:
    """Fit the photo reader and write ``va_predictor/image``, and ``backbone/…`` where they are not there yet.

    Raises:
        CheckpointError: an encoder is unknown, or its package is missing.
        DataError: the photos are not there, damaged or without labels.
    """
    use_threads(request.threads)
    names = [ensure_backbone(encoder, request.out, request.preset) for encoder in request.encoders]
    corpus = read_oasis(request.data)
    nets = {name: load_backbone(request.out / name) for name in names}
    # Random networks all see about the same: their features are not worth keeping.
    seen = read_blocks(nets, request.out, corpus, None if request.preset == "smoke" else request.runs)
    reader, chosen, metrics = fit_reader(corpus, nets, seen)
    return _save(request, reader, chosen, corpus, metrics)


def _save(
    request: ImageVARequest, reader: ImageReader, networks: list[str], corpus: Corpus, metrics: dict[str, Any]
) -> ComponentResult:
    """Write ``va_predictor/image``; the card names the networks by hash."""
    head = reader.head
    assert head is not None
    kernels = {axis: asdict(kernel) for axis, kernel in zip(AXES, head.kernels, strict=True)}
    card = {
        "kind": "va_predictor",
        "key": "image",
        "preset": request.preset,
        "depends_on": {name: read_card(request.out / name)["sha256"] for name in networks},
        "config": {
            "networks": networks,
            "late": reader.late,
            "spreads": reader.spreads,
            "squares": reader.squares,
            "blocks": list(head.blocks),
            "kernels": kernels,
        },
        "trained_on": [
            {
                "data": corpus.title,
                "licence": corpus.licence,
                "source": corpus.source,
                "fit_on": "train",
                "chosen_on": "train and val, by theme",
                "items": {split: len(corpus.split(split)) for split in SPLITS},
            }
        ],
        "metrics": metrics,
        "selection": SELECTION,
        "limits": LIMITS,
        "date": datetime.date.today().isoformat(),
    }
    return save_tensors(request.out, READER_FOLDER, head.tensors(), card)
