"""The score card of a comparison: what each number is worth, beside the published ones and beside the controls.

Emotion Matching is a distance on the 1-9 plane, lower is better: for one photo from its point to where the piece was
estimated, and on the test photos the mean over all of them, with the standard deviation over seeds.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from eimg_core.emotion import VA, distance
from eimg_core.messages import message
from eimg_core.metrics.registry import shown_metrics
from eimg_core.results import MEAN_POINT, REAL, Result, by_row, load_results, spread
from eimg_core.shipped import RESULTS

__all__ = ["control_rows", "published"]

_CONTROLS = (
    (
        MEAN_POINT,
        message("mean point"),
        message("Mean point makes no music: its answer to every photo is the mean of the training photos"),
    ),
    ("constant", message("constant"), message("Constant plays one and the same real clip to every photo")),
    ("random", message("random"), message("Random plays any real clip")),
    ("oracle", message("oracle"), message("Oracle is told the photo’s label and plays the real clip nearest to it")),
    (REAL, message("real clips"), message("Real clips are measured against their own labels")),
)


@functools.lru_cache(maxsize=4)
def _rows(folder: Path) -> Mapping[str, Sequence[Result]]:
    return by_row(load_results(folder))


def _mean(results: Sequence[Result], name: str) -> float | None:
    found = spread([record["summary"].get(name) for record in results])
    return None if found is None else round(found.mean, 4)


def published(row: str, folder: Path = RESULTS) -> dict[str, Any] | None:
    """Emotion Matching of a row such as ``vqvae+fnt@paper`` on the test photos; ``None`` where nobody measured it."""
    results = _rows(folder).get(row)
    found = spread([record["summary"].get("emotion_matching") for record in results]) if results else None
    if results is None or found is None:
        return None
    return {"mean": round(found.mean, 3), "sd": round(found.sd, 3), "seeds": found.n, "photos": results[0]["n"]}


def control_rows(photo: VA | None, folder: Path = RESULTS) -> list[dict[str, Any]]:
    """What the rows of a comparison are to be held against; a control that nobody measured is left out.

    Only *mean point* has a number for one photo: the others would need its label, or chance.
    """
    rows = []
    for row, name, words in _CONTROLS:
        results = _rows(folder).get(row)
        if not results:
            continue
        point = results[0].get("point")
        here = distance(photo, VA(point["valence"], point["arousal"])) if photo and point else None
        rows.append(
            {
                "name": name,
                "words": words,
                "matching": None if here is None else round(here, 2),
                "published": published(row, folder),
                "metrics": {metric: _mean(results, metric) for metric in shown_metrics()},
            }
        )
    return rows
