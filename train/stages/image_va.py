"""Fit the photo reader, and put the frozen networks that it looks through in their place.

Two heads are fitted to OASIS: one to the train photos, which reads val and test photos in every table, and one to all
photos, which reads photos for people. Which networks the reader looks through, whether the spreads of their maps count,
and whether the classes do, is chosen by predicting every theme of the train and val photos from the other themes; how
much each of them counts, on each axis, is chosen in the same way whenever a head is fitted, inside of every fold. The
test photos are only reported. What a network sees of the photos is kept with the run, named after the network's hash.
The preset ``smoke`` puts random weights where a network's are missing, so that the whole path can be walked without the
packages.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from eimg_core.backbones import Backbone, load_backbone
from eimg_core.backbones.class_layer import ClassLayer, load_class_layer
from eimg_core.checkpoints import read_card
from eimg_core.data import SPLITS, Corpus, read_oasis
from eimg_core.emotion import MIDDLE
from eimg_core.errors import DataError
from eimg_core.images import open_photo
from eimg_core.va.image_reader import ALL, LATE, READER_FOLDER, TRAIN, ImageReader, Sight, reader_config
from eimg_core.va.kernel_head import AXES, KernelHead, pack
from train.stages.backbones import ENCODERS, ensure_backbone, ensure_class_layer
from train.stages.stage import ComponentResult, Request, save_tensors, use_threads

__all__ = ["ImageVARequest", "NamedNetwork", "features_of", "fit_reader", "read_sights", "train_image_va"]

Array = NDArray[np.float64]

LIMITS = (
    "Fitted on 765 photos rated by online raters in the United States. It knows the 1000 classes of ImageNet: what is "
    "none of them stays weak, such as fire, blood, weapons in hands, faces that cry or laugh, weddings and crowds. It "
    "reads other kinds of pictures much worse: expect little from abstract paintings, silhouettes and drawings."
)
SELECTION = (
    "The networks and the kind of features are the best of `candidates` in cross-validation by theme over the train "
    "and val photos; kernels and shares are chosen inside of each fold. `val` and `test` are read by the head of the "
    "train photos. `by_theme` is out of fold over all photos, by heads that saw no photo of the theme; `test_by_theme` "
    "are the test photos among them: what the head of all photos is worth for a photo of a new theme."
)

# Each kind of features: whether spreads count beside means, and whether what the classes say counts as well.
KINDS = {"means": (False, False), "means and spreads": (True, False), "and classes": (True, True)}
# Candidates for the shares of affect and attributes of the classes; the networks divide the rest. More of them are
# harder to tell apart than they differ: valence takes the first of these nearly always, arousal the second.
SHARES = ((0.25, 0.0), (0.2, 0.3))
FOLDS, SHUFFLES = 10, 3
UNPLEASANT, EXCITING = 4.0, 5.3  # ratings below and above which a misread photo is an embarrassment


@dataclass(frozen=True)
class NamedNetwork:
    """A network and its class layer, each with the name of its component; other families have no class layer."""

    name: str
    net: Backbone
    layer_name: str | None
    layer: ClassLayer | None


def read_sights(networks: Sequence[NamedNetwork], root: Path, corpus: Corpus, runs: Path | None) -> dict[str, Sight]:
    """What each network sees of all photos in corpus order: means, then spreads, and logits where it has classes.

    Args:
        networks: networks.
        root: the checkpoints folder, for their hashes.
        corpus: photos.
        runs: where sights are kept, or None.
    """
    return {one.name: _read_sight(one, root, corpus, runs) for one in networks}


def _read_sight(one: NamedNetwork, root: Path, corpus: Corpus, runs: Path | None) -> Sight:
    keys = np.array([item.key for item in corpus.items])
    digests = "-".join(read_card(root / name)["sha256"][:12] for name in (one.name, one.layer_name) if name)
    cache = runs / "cache" / f"sights-{digests}.npz" if runs else None
    if cache is not None and cache.is_file():
        with np.load(cache) as stored:
            if np.array_equal(stored["keys"], keys):
                logits = stored["logits"].astype(np.float64) if one.layer else None
                return Sight((stored["maps"].astype(np.float64),), logits)
    reader = ImageReader([one.net], LATE, spreads=True, class_layers=[one.layer] if one.layer else [])
    batches = [corpus.items[start : start + 16] for start in range(0, len(keys), 16)]
    seen = [
        reader.look([open_photo(item.path) for item in batch]) for batch in tqdm(batches, f"photos through {one.name}")
    ]
    maps = np.concatenate([part.maps[0] for part in seen])
    logits = np.concatenate([part.logits for part in seen if part.logits is not None]) if one.layer else None
    if cache is not None:
        cache.parent.mkdir(parents=True, exist_ok=True)
        stored_logits = np.zeros(0) if logits is None else logits
        np.savez(cache, keys=keys, maps=maps.astype(np.float32), logits=stored_logits.astype(np.float32))
    return Sight((maps,), logits)


def scores(readings: Array, ratings: Array, margins: Array) -> dict[str, Any]:
    """How near readings come: mean distance, share in the right quadrant, shares of unpleasant photos read pleasant
    and of exciting ones read exciting; and per axis Pearson r, RMSE on 1-9, mean margin, and the share of ratings
    within one and two margins."""
    right = ((readings >= MIDDLE) == (ratings >= MIDDLE)).all(axis=1)
    high = readings >= MIDDLE
    found: dict[str, Any] = {
        "distance": float(np.hypot(*(readings - ratings).T).mean()),
        "right_quadrant": float(right.mean()),
        "unpleasant_read_pleasant": _share(high[ratings[:, 0] < UNPLEASANT, 0]),
        "exciting_read_exciting": _share(high[ratings[:, 1] > EXCITING, 1]),
    }
    for axis, name in enumerate(AXES):
        errors = np.abs(readings[:, axis] - ratings[:, axis])
        found[name] = {
            "r": float(np.corrcoef(readings[:, axis], ratings[:, axis])[0, 1]),
            "rmse": float(np.sqrt(np.mean(errors**2))),
            "mean_sd": float(margins[:, axis].mean()),
            "within_1_sd": float(np.mean(errors <= margins[:, axis])),
            "within_2_sd": float(np.mean(errors <= 2 * margins[:, axis])),
        }
    return {"n": len(ratings), **_rounded(found)}


def _share(hits: NDArray[np.bool_]) -> float:
    return float(hits.mean()) if len(hits) else 0.0


def _rounded(found: Mapping[str, Any]) -> dict[str, Any]:
    return {k: _rounded(v) if isinstance(v, Mapping) else round(v, 4) for k, v in found.items()}


@dataclass(frozen=True)
class _Table:
    """Features of one kind with everything that a head is fitted to.

    Args:
        features: (N, F), in ``blocks``.
        shares: candidates, one share for each block.
    """

    features: Array
    blocks: list[int]
    shares: list[tuple[float, ...]]
    ratings: Array
    groups: list[str]

    def head(self, rows: NDArray[np.int_], scaling: tuple[Array, Array] | None = None) -> KernelHead:
        groups = [self.groups[row] for row in rows]
        return KernelHead.fit(self.features[rows], self.ratings[rows], groups, self.blocks, self.shares, scaling)

    def out_of_fold(self, shuffle: int) -> tuple[Array, Array]:
        """Readings and margins of every photo by heads that saw no photo of its theme, (N, 2) each."""
        names = np.array(sorted(set(self.groups)))
        np.random.default_rng(shuffle).shuffle(names)
        fold_of = {name: place % FOLDS for place, name in enumerate(names)}
        folds = np.array([fold_of[group] for group in self.groups])
        readings, margins = np.empty_like(self.ratings), np.empty_like(self.ratings)
        for fold in range(FOLDS):
            held_out = np.flatnonzero(folds == fold)
            head = self.head(np.flatnonzero(folds != fold))
            readings[held_out], margins[held_out] = head.read(self.features[held_out])
        return readings, margins


def fit_reader(
    corpus: Corpus, networks: Sequence[NamedNetwork], sights: Mapping[str, Sight]
) -> tuple[ImageReader, list[NamedNetwork], dict[str, KernelHead], dict[str, Any]]:
    """Choose networks and features, and fit both heads.

    Args:
        corpus: photos with a label each and the splits train, val and test.
        networks: networks.
        sights: what each of them sees, from ``read_sights``.
    Returns:
        The reader with the head of all photos, its networks, both heads, and its metrics: see ``SELECTION``;
        ``candidates`` are RMSE over both axes on train and val photos, by theme.
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

    def table(chosen: Sequence[NamedNetwork], kind: str) -> _Table:
        parts = _blocks([sights[one.name] for one in chosen], *KINDS[kind])
        shares = _shares(len(chosen), len(parts))
        return _Table(np.concatenate(parts, axis=1), [part.shape[1] for part in parts], shares, ratings, groups)

    known = np.concatenate([rows["train"], rows["val"]])
    sets = [[one] for one in networks] + ([list(networks)] if len(networks) > 1 else [])
    errors: dict[tuple[int, str], float] = {}
    for number, chosen in enumerate(sets):
        for kind in KINDS:
            if not KINDS[kind][1] or all(one.layer for one in chosen):
                head = table(chosen, kind).head(known)
                errors[number, kind] = head.held_out_error(ratings[known], [groups[row] for row in known])
    number, kind = min(errors, key=lambda choice: errors[choice])
    chosen, best = sets[number], table(sets[number], kind)
    train = best.head(rows["train"])
    every = best.head(np.concatenate([rows[split] for split in SPLITS]), (train.centre, train.spread))
    names = {
        (number, kind): " + ".join(one.name.removeprefix("backbone/") for one in sets[number]) + f", {kind}"
        for number, kind in errors
    }
    metrics = {
        "candidates": {names[choice]: round(error, 4) for choice, error in errors.items()},
        **{split: _scores_of(train, best, rows[split]) for split in ("val", "test")},
        **_by_theme(best, rows["test"]),
    }
    spreads, classes = KINDS[kind]
    layers = [one.layer for one in chosen if one.layer] if classes else []
    reader = ImageReader([one.net for one in chosen], LATE, spreads, layers, every)
    return reader, chosen, {ALL: every, TRAIN: train}, metrics


def _scores_of(head: KernelHead, table: _Table, rows: NDArray[np.int_]) -> dict[str, Any]:
    readings, margins = head.read(table.features[rows])
    return scores(readings, table.ratings[rows], margins)


def _by_theme(table: _Table, test: NDArray[np.int_]) -> dict[str, Any]:
    """Scores of readings out of fold over all photos, and over the test photos among them: means over shuffles."""
    everywhere, on_test = [], []
    for shuffle in range(SHUFFLES):
        readings, margins = table.out_of_fold(shuffle)
        everywhere.append(scores(readings, table.ratings, margins))
        on_test.append(scores(readings[test], table.ratings[test], margins[test]))
    how = {"folds": FOLDS, "shuffles": SHUFFLES}
    return {"by_theme": {**_mean(everywhere), **how}, "test_by_theme": {**_mean(on_test), **how}}


def _mean(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The mean of each number."""
    return {
        key: _mean([one[key] for one in found])
        if isinstance(value, Mapping)
        else round(sum(one[key] for one in found) / len(found), 4)
        for key, value in found[0].items()
    }


def features_of(root: Path, corpus: Corpus, runs: Path) -> Array:
    """What the heads of a trained reader compare, of all photos in corpus order, (N, F).

    Args:
        root: the checkpoints folder, with the reader, its networks and its class layers.
        corpus: photos.
        runs: where sights are kept.
    Raises:
        CheckpointError: a component is missing or damaged.
    """
    config = read_card(root / READER_FOLDER)["config"]
    layers = config["class_layers"] or [None] * len(config["networks"])
    networks = [
        NamedNetwork(name, load_backbone(root / name), layer, load_class_layer(root / layer) if layer else None)
        for name, layer in zip(config["networks"], layers, strict=True)
    ]
    sights = read_sights(networks, root, corpus, runs)
    blocks = _blocks([sights[one.name] for one in networks], config["spreads"], bool(config["class_layers"]))
    return np.concatenate(blocks, axis=1)


def _blocks(sights: Sequence[Sight], spreads: bool, classes: bool) -> list[Array]:
    """The blocks that a reader through these networks would give for features of this kind."""
    maps = tuple(
        one.maps[0] if spreads else one.maps[0][:, : one.maps[0].shape[1] // 2] for one in sights
    )  # means, then spreads
    logits = [one.logits for one in sights if one.logits is not None]
    return Sight(maps, np.mean(logits, axis=0) if classes else None).blocks()


def _shares(count: int, blocks: int) -> list[tuple[float, ...]]:
    """Candidates for how much each block counts."""
    if blocks == count:
        return [(1.0 / count,) * count]
    return [((1.0 - sum(classes)) / count,) * count + classes for classes in SHARES]


@dataclass(frozen=True, kw_only=True)
class ImageVARequest(Request):
    """Which networks the photo reader may look through: ``encoders``, see ``ensure_backbone``."""

    encoders: Sequence[str] = ENCODERS


def train_image_va(request: ImageVARequest) -> ComponentResult:
    """Fit the photo reader and write ``va_predictor/image``, and its networks and class layers where they are missing.

    Raises:
        CheckpointError: an encoder is unknown, or its package is missing.
        DataError: the photos are not there, damaged or without labels.
    """
    use_threads(request.threads)
    networks = [_network(encoder, request) for encoder in request.encoders]
    corpus = read_oasis(request.data)
    # Random networks all see about the same: their features are not worth keeping.
    sights = read_sights(networks, request.out, corpus, None if request.preset == "smoke" else request.runs)
    reader, chosen, heads, metrics = fit_reader(corpus, networks, sights)
    return _save(request, reader, chosen, heads, corpus, metrics)


def _network(encoder: str, request: ImageVARequest) -> NamedNetwork:
    """A network and its class layer, put in their place and loaded."""
    name = ensure_backbone(encoder, request.out, request.preset)
    layer = ensure_class_layer(encoder, request.out, request.preset)
    return NamedNetwork(
        name, load_backbone(request.out / name), layer, load_class_layer(request.out / layer) if layer else None
    )


def _save(
    request: ImageVARequest,
    reader: ImageReader,
    networks: Sequence[NamedNetwork],
    heads: Mapping[str, KernelHead],
    corpus: Corpus,
    metrics: dict[str, Any],
) -> ComponentResult:
    """Write ``va_predictor/image``; the card names the networks and class layers by hash."""
    names = [one.name for one in networks]
    layers = [one.layer_name for one in networks if one.layer_name] if reader.class_layers else []
    card = {
        "kind": "va_predictor",
        "key": "image",
        "preset": request.preset,
        "depends_on": {name: read_card(request.out / name)["sha256"] for name in (*names, *layers)},
        "config": reader_config(names, layers, reader.late, reader.spreads, heads),
        "trained_on": [
            {
                "data": corpus.title,
                "licence": corpus.licence,
                "source": corpus.source,
                "fit_on": {ALL: "train, val and test: reads photos for people", TRAIN: "train: reads them in tables"},
                "chosen_on": "train and val, by theme",
                "items": {split: len(corpus.split(split)) for split in SPLITS},
            }
        ],
        "metrics": metrics,
        "selection": SELECTION,
        "limits": LIMITS,
        "date": datetime.date.today().isoformat(),
    }
    return save_tensors(request.out, READER_FOLDER, pack(heads), card)
