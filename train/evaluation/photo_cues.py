"""Which plain properties of a photo go along with how people rate it.

Pearson's r of each cue of ``eimg_core.va.explain`` with mean ratings of valence and arousal, on the OASIS train photos,
with a 95 % interval (Fisher's z; photos of one theme resemble each other, so the interval is a little too narrow).
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from eimg_core.data import read_oasis
from eimg_core.images import open_photo
from eimg_core.va.explain import CUES, cues
from eimg_core.va.kernel_head import AXES
from train.evaluation.result import MeasureRequest, dependencies, is_current, write_result

__all__ = ["correlations", "measure_photo_cues"]


def correlations(
    found: list[dict[str, float]], ratings: list[tuple[float, float]]
) -> dict[str, dict[str, list[float]]]:
    """Cue → axis → r and the ends of its 95 % interval, of N ≥ 4 photos."""
    half_width = 1.96 / math.sqrt(len(found) - 3)
    table: dict[str, dict[str, list[float]]] = {}
    for cue in CUES:
        values = np.array([one[cue] for one in found])
        table[cue] = {}
        for axis, rated in zip(AXES, np.array(ratings).T, strict=True):
            r = float(np.corrcoef(values, rated)[0, 1])
            ends = (math.tanh(math.atanh(r) - half_width), math.tanh(math.atanh(r) + half_width))
            table[cue][axis] = [round(number, 3) for number in (r, *ends)]
    return table


def measure_photo_cues(request: MeasureRequest) -> list[Path]:
    """Write ``photo-cues.json``, of the OASIS train photos.

    Returns:
        The result, unless it is current.
    Raises:
        DataError: the photos are missing or damaged.
    """
    photos = read_oasis(request.data)
    now = dependencies("photo_cues", request.components, [], [photos])
    path = request.results / "photo-cues.json"
    if is_current(path, now) and not request.force:
        return []
    items = photos.split("train")
    found = [cues(open_photo(item.path)) for item in items]
    numbers = {
        "data": "OASIS, train split",
        "n": len(items),
        "r_low_high": correlations(found, [(item.va.valence, item.va.arousal) for item in items if item.va]),
        "mean": {cue: round(float(np.mean([one[cue] for one in found])), 3) for cue in CUES},
        "sd": {cue: round(float(np.std([one[cue] for one in found])), 3) for cue in CUES},
    }
    write_result(path, "python -m train.photo_cues --data DIR", now, numbers)
    return [path]
