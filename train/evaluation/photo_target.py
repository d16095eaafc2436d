"""How far the target of a photo should go beyond its reading.

The readings of the OASIS val photos, by the head of the train photos, are moved away from the centre of all photos by
some factors and lifted in arousal by some amounts. Of each target: how far it lies from the rating, and how often it is
on the right side of the middle where people are sure. ``eimg_core.emotion.photo_target`` is one of them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eimg_core.data import read_oasis
from eimg_core.emotion import HIGH, LOW, PHOTO_CENTRE, PHOTO_LIFT, PHOTO_REACH
from eimg_core.va.image_reader import READER_FOLDER, TRAIN, ImageReader
from train.evaluation.result import MeasureRequest, dependencies, is_current, write_result
from train.stages.image_va import features_of, scores

__all__ = ["measure_photo_target", "targets_of"]

REACHES, LIFTS = (1.0, 1.2, 1.4), (0.0, 0.3, 0.6)
_TOLD = ("distance", "right_quadrant", "unpleasant_read_pleasant", "exciting_read_exciting")


def targets_of(readings: NDArray[np.float64], reach: float, lift: float) -> NDArray[np.float64]:
    """Readings (N, 2) as targets: ``reach`` times as far from the centre of photos, ``lift`` more arousal."""
    moved = np.array(PHOTO_CENTRE) + reach * (readings - PHOTO_CENTRE) + (0.0, lift)
    return np.clip(moved, LOW, HIGH)


def measure_photo_target(request: MeasureRequest) -> list[Path]:
    """Write ``photo-target.json``, of the OASIS val photos.

    Returns:
        The result, unless it is current.
    Raises:
        CheckpointError: the photo reader is missing or damaged.
        DataError: the photos are missing or damaged.
    """
    corpus = read_oasis(request.data)
    chosen = {"reach": PHOTO_REACH, "lift": PHOTO_LIFT}
    now = dependencies("photo_target", request.components, [READER_FOLDER], [corpus], split="val", chosen=chosen)
    path = request.results / "photo-target.json"
    if is_current(path, now) and not request.force:
        return []
    val = np.array([item.split == "val" for item in corpus.items])
    features = features_of(request.components, corpus, request.runs)[val]
    head = ImageReader.load(request.components, TRAIN).head
    assert head is not None
    readings, margins = head.read(features)
    readings = np.clip(readings, LOW, HIGH)
    rows = [_row(readings, corpus.va_table()[val], margins, reach, lift) for reach in REACHES for lift in LIFTS]
    numbers = {"n": int(val.sum()), "rows": rows}
    write_result(path, "python -m train.photo_target --data DIR", now, numbers)
    return [path]


def _row(
    readings: NDArray[np.float64],
    ratings: NDArray[np.float64],
    margins: NDArray[np.float64],
    reach: float,
    lift: float,
) -> dict[str, Any]:
    found = scores(targets_of(readings, reach, lift), ratings, margins)
    return {"reach": reach, "lift": lift, **{name: found[name] for name in _TOLD}}
