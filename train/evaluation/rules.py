"""How well the published rules estimate what people rated: of music and, by colour alone, of photos.

The labels serve to measure and for nothing else: no number of the rules follows from them. On the val splits; beside
them, a constant (the middle of the scale, and the mean of the train labels) and our trained models.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eimg_core.data import load_pieces, read_eimg, read_emopia, read_oasis
from eimg_core.emotion import MIDDLE
from eimg_core.images import open_photo
from eimg_core.midi.batch import CLIP_S
from eimg_core.va.colour import ColourReader
from eimg_core.va.guide import GUIDE_FOLDER, Guide
from eimg_core.va.image_reader import READER_FOLDER, TRAIN, ImageReader
from eimg_core.va.kernel_head import AXES
from eimg_core.va.rules import CUES, Rules, Standards, cues
from train.evaluation.result import MeasureRequest, dependencies, is_current, write_result
from train.stages.stage import use_threads

__all__ = ["agreement_row", "measure_rules", "quadrant_row"]

Array = NDArray[np.float64]


def agreement_row(name: str, estimates: Array, labels: Array) -> dict[str, Any]:
    """How near estimates (N, 2) lie to labels (N, 2): Pearson's r, mean absolute error and root mean squared error."""
    row: dict[str, Any] = {"estimator": name}
    for index, axis in enumerate(AXES):
        found, label = estimates[:, index], labels[:, index]
        r = float(np.corrcoef(found, label)[0, 1]) if found.std() > 1e-9 else None
        row[f"r_{axis}"] = None if r is None else round(r, 3)
        row[f"mae_{axis}"] = round(float(np.abs(found - label).mean()), 3)
        row[f"rmse_{axis}"] = round(float(np.sqrt(np.square(found - label).mean())), 3)
    return row


def quadrant_row(name: str, estimates: Array, quadrants: Sequence[str]) -> dict[str, Any]:
    """How well estimates (N, 2) tell quadrants apart: r with high or low of each axis, and the share on its side of the
    middle."""
    row: dict[str, Any] = {"estimator": name}
    for index, axis in enumerate(AXES):
        high = np.array([quadrant[2 * index] == "H" for quadrant in quadrants], dtype=np.float64)
        found = estimates[:, index]
        row[f"r_{axis}"] = round(float(np.corrcoef(found, high)[0, 1]), 3) if found.std() > 1e-9 else None
        row[f"right_{axis}"] = round(float(((found >= MIDDLE) == (high > 0.5)).mean()), 3)
    return row


def measure_rules(request: MeasureRequest) -> list[Path]:
    """Write ``published-rules.json``.

    Returns:
        The result, unless it is current.
    Raises:
        DataError: a data set is missing or damaged.
        CheckpointError: the guide or the photo reader is missing.
    """
    use_threads(request.threads)
    corpora = [read_eimg(request.data), read_emopia(request.data), read_oasis(request.data)]
    standards = Standards.shipped()
    now = dependencies(
        "published_rules",
        request.components,
        [GUIDE_FOLDER.as_posix(), READER_FOLDER],
        corpora,
        standards={cue: [standards.mean[cue], standards.spread[cue]] for cue in CUES},
    )
    path = request.results / "published-rules.json"
    if is_current(path, now) and not request.force:
        return []
    numbers = {"split": "val", **_music(request), **_photos(request)}
    write_result(path, "python -m train.rules --data DIR", now, numbers)
    return [path]


def _music(request: MeasureRequest) -> dict[str, Any]:
    """The rules, each of their cues, and the guide, on EIMG and EMOPIA."""
    estimators: dict[str, Rules | Guide] = {"rules": Rules(), "guide": Guide.load(request.components)}
    eimg, emopia = read_eimg(request.data), read_emopia(request.data)
    pieces = load_pieces(eimg, request.cache)
    items = [item for item in eimg.split("val") if pieces[item.key].notes]
    clips = [pieces[item.key].cropped(CLIP_S) for item in items]
    labels = _labels(items)
    constants = {
        "middle": np.full((1, 2), MIDDLE),
        "mean of train": _labels(eimg.split("train")).mean(0, keepdims=True),
    }
    rows = [agreement_row(name, np.repeat(point, len(items), 0), labels) for name, point in constants.items()]
    rows += [agreement_row(name, one.estimate_many(clips), labels) for name, one in estimators.items()]
    counted = np.array([cues(clip) for clip in clips])
    single = [{"cue": cue, **_r(np.nan_to_num(counted[:, i]), labels)} for i, cue in enumerate(CUES)]
    videos = load_pieces(emopia, request.cache)
    apart = [item for item in emopia.split("val") if item.quadrant and videos[item.key].notes]
    played = [videos[item.key].cropped(CLIP_S) for item in apart]
    quadrants = [str(item.quadrant) for item in apart]
    told = [quadrant_row(name, one.estimate_many(played), quadrants) for name, one in estimators.items()]
    return {"eimg_clips": len(items), "eimg": rows, "cues": single, "emopia_clips": len(apart), "emopia": told}


def _photos(request: MeasureRequest) -> dict[str, Any]:
    """The colour formula and the trained reader, on OASIS."""
    oasis = read_oasis(request.data)
    items = oasis.split("val")
    labels = _labels(items)
    photos = [open_photo(item.path) for item in items]
    rows = [
        agreement_row("middle", np.full((len(items), 2), MIDDLE), labels),
        agreement_row(
            "mean of train", np.repeat(_labels(oasis.split("train")).mean(0, keepdims=True), len(items), 0), labels
        ),
    ]
    readers: dict[str, ColourReader | ImageReader] = {
        "colour": ColourReader(),
        "reader": ImageReader.load(request.components, TRAIN),
    }
    for name, reader in readers.items():
        points = [reader.read(photo).va for photo in photos]
        rows.append(agreement_row(name, np.array([(p.valence, p.arousal) for p in points]), labels))
    return {"oasis_photos": len(items), "oasis": rows}


def _labels(items: Sequence[Any]) -> Array:
    return np.array([(item.va.valence, item.va.arousal) for item in items])


def _r(values: Array, labels: Array) -> dict[str, float]:
    return {f"r_{axis}": round(float(np.corrcoef(values, labels[:, i])[0, 1]), 3) for i, axis in enumerate(AXES)}
