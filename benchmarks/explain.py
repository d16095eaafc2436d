"""How long the *why* maps take, and how much the largest effect in them is.

    python -m benchmarks.explain [--out FILE.json]

The photos are the examples that ship.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import numpy as np

from benchmarks.record import keep, of_run
from eimg_core.images import open_photo
from eimg_core.shipped import CHECKPOINTS
from eimg_core.va.explain import explain
from eimg_core.va.image_reader import ImageReader
from eimg_core.va.kernel_head import AXES


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=CHECKPOINTS.parent / "results" / "explain.json")
    args = parser.parse_args(argv)
    reader = ImageReader.load(CHECKPOINTS)
    photos = [open_photo(path) for path in sorted((CHECKPOINTS.parent / "examples").glob("*.jpg"))]
    explain(reader, photos[0])  # warm
    seconds, largest = [], []
    for photo in photos:
        started = time.perf_counter()
        told = explain(reader, photo)
        seconds.append(time.perf_counter() - started)
        largest.append([float(np.abs(rows).max()) for rows in (told.valence, told.arousal)])
    record = {
        **of_run("python -m benchmarks.explain"),
        "n": len(photos),
        "seconds_median": round(statistics.median(seconds), 2),
        "seconds_slowest": round(max(seconds), 2),
        "largest_effect_mean": dict(zip(AXES, np.mean(largest, axis=0).round(2).tolist(), strict=True)),
    }
    keep(record, args.out)


if __name__ == "__main__":
    main()
