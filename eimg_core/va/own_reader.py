"""A photo reader of one's own: any network of torchvision or timm, with a head fitted to the rated photos.

It is one folder with two components, the network and the reader, just as the shipped reader has them in the checkpoints
folder, so that it is loaded in the same way, offline, and checked by its hashes.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eimg_core.backbones import component_of, library_network, library_origin, load_backbone
from eimg_core.checkpoints import half, read_card, save_component
from eimg_core.data import SPLITS, Corpus
from eimg_core.errors import CheckpointError, DataError
from eimg_core.images import open_photo
from eimg_core.va.image_reader import ALL, LATE, READER_FOLDER, TRAIN, ImageReader, reader_config
from eimg_core.va.kernel_head import AXES, KernelHead, pack

__all__ = ["fit_own_reader"]

Array = NDArray[np.float64]

_BATCH = 16  # photos whose features are taken between two steps of the progress


def fit_own_reader(
    encoder: str, corpus: Corpus, folder: Path, progress: Callable[[float], None] = lambda done: None
) -> dict[str, Any]:
    """Fit a reader and write it; one that is there already is replaced once the new one is whole.

    Args:
        encoder: ``timm:NAME`` or ``torchvision:NAME``; the library may fetch the weights.
        corpus: photos with a label each, in the splits train, val and test.
        folder: gets ``backbone/…`` and ``va_predictor/image``.
        progress: told the share of the photos that the network has seen.
    Returns:
        How the head of the train photos reads the test photos: ``distance``, and ``r_valence`` and ``r_arousal``.
    Raises:
        CheckpointError: the library is not installed, or has no such model.
        DataError: a photo has no label, or a split is empty.
    """
    items = [item for split in SPLITS for item in corpus.split(split)]  # train first, as ``pack`` wants it
    ratings = np.array([(item.va.valence, item.va.arousal) for item in items if item.va])
    counts = {split: len(corpus.split(split)) for split in SPLITS}
    if len(ratings) != len(items) or not all(counts.values()):
        raise DataError(f"{corpus.title} needs a label on every photo and photos in train, val and test.")
    net = library_network(encoder, pretrained=True)
    if net is None:
        raise CheckpointError(f"There is no encoder {encoder!r}: take torchvision:NAME or timm:NAME.")
    name, today = component_of(encoder), datetime.date.today().isoformat()
    card = {"kind": "backbone", "key": encoder, **library_origin(encoder), "date": today}
    save_component(folder / name, half(net.state_dict()), card)
    reader = ImageReader([load_backbone(folder / name)], LATE, spreads=True)
    features = _features(reader, [item.path for item in items], progress)
    groups, known = [item.group for item in items], counts["train"]
    train = KernelHead.fit(features[:known], ratings[:known], groups[:known])
    heads = {ALL: KernelHead.fit(features, ratings, groups, scaling=(train.centre, train.spread)), TRAIN: train}
    start = known + counts["val"]
    metrics = _scores(train.readings(features[start:]), ratings[start:])
    card = {
        "kind": "va_predictor",
        "key": "image",
        "depends_on": {name: read_card(folder / name)["sha256"]},
        "config": reader_config([name], [], LATE, True, heads),
        "trained_on": [
            {"data": corpus.title, "licence": corpus.licence, "source": corpus.source, "items": dict(counts)}
        ],
        "metrics": {"test": metrics},
        "date": today,
    }
    save_component(folder / READER_FOLDER, pack(heads), card)
    return metrics


def _features(reader: ImageReader, paths: Sequence[Path], progress: Callable[[float], None]) -> Array:
    """What the head compares, (N, F)."""
    parts = []
    for start in range(0, len(paths), _BATCH):
        parts.append(reader.features([open_photo(path) for path in paths[start : start + _BATCH]]))
        progress(min(1.0, (start + _BATCH) / len(paths)))
    return np.concatenate(parts)


def _scores(readings: Array, ratings: Array) -> dict[str, float]:
    found = {"distance": float(np.hypot(*(readings - ratings).T).mean())}
    for axis, name in enumerate(AXES):
        r = float(np.corrcoef(readings[:, axis], ratings[:, axis])[0, 1])
        found[f"r_{name}"] = r if math.isfinite(r) else 0.0  # all readings alike
    return {name: round(value, 4) for name, value in found.items()}
