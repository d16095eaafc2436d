"""How long the *why* maps take, and how well they agree with maps of the whole reader, squares included.

    python -m benchmarks.explain [--out FILE.json]

The photos are the examples that ship. The agreement is Pearson's r over the cells of one map, and how often the slow
map's strongest part is the quick one's.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import statistics
import time
from pathlib import Path

import numpy as np

from eimg_core import __version__
from eimg_core.images import open_photo
from eimg_core.shipped import CHECKPOINTS
from eimg_core.va.explain import effects, explain
from eimg_core.va.image_reader import ImageReader
from eimg_core.va.kernel_head import AXES


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=CHECKPOINTS.parent / "results" / "explain.json")
    args = parser.parse_args(argv)
    reader = ImageReader.load(CHECKPOINTS)
    photos = [open_photo(path) for path in sorted((CHECKPOINTS.parent / "examples").glob("*.jpg"))]
    explain(reader, photos[0])  # warm
    seconds, agreement, strongest, largest = [], [], [], []
    for photo in photos:
        started = time.perf_counter()
        told = explain(reader, photo)
        seconds.append(time.perf_counter() - started)
        quick, slow = np.array([told.valence, told.arousal]), effects(reader, photo, squares=True)
        agreement.append([float(np.corrcoef(q.ravel(), s.ravel())[0, 1]) for q, s in zip(quick, slow, strict=True)])
        strongest.append(
            [abs(q.flat[np.abs(s).argmax()]) > 0.99 * np.abs(q).max() for q, s in zip(quick, slow, strict=True)]
        )
        largest.append([float(np.abs(q).max()) for q in quick])

    def by_axis(rows: list[list[float]], digits: int = 3) -> dict[str, float]:
        return {
            axis: round(float(np.mean(column)), digits)
            for axis, column in zip(AXES, zip(*rows, strict=True), strict=True)
        }

    record = {
        "command": "python -m benchmarks.explain",
        "n": len(photos),
        "seconds_median": round(statistics.median(seconds), 2),
        "seconds_slowest": round(max(seconds), 2),
        "r_with_whole_reader": by_axis(agreement),
        "r_lowest": round(min(map(min, agreement)), 3),
        "strongest_part_the_same": by_axis(strongest, 2),
        "largest_effect_mean": by_axis(largest, 2),
        "cores": os.cpu_count(),
        "version": __version__,
        "date": datetime.date.today().isoformat(),
    }
    args.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(record, indent=1))


if __name__ == "__main__":
    main()
