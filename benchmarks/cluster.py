"""How many pieces a minute a Dask cluster on this machine makes with one worker and with two, and many would on paper.

    python -m benchmarks.cluster [--photos 40] [--many 64] [--out FILE.json]

Each worker is a process of one thread. A first, short batch warms them; the second one is timed. A piece costs its
worker ``took_s`` and, in between, an overhead; and the one machine that hands out jobs and writes the index its own
processor time. With W workers of that speed a minute holds ``60 W / (took + overhead)`` pieces, but no more than the
one machine can write.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import io
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from benchmarks.record import keep, of_run
from eimg_core.batch import INDEX
from eimg_core.cli.main import main as eimg
from eimg_core.shipped import CHECKPOINTS, RESULTS
from eimg_core.ui.widgets.photo_input import example_photos

__all__ = ["main", "on_paper", "timed"]

WORKERS = (1, 2)


def timed(album: Path, out: Path, scheduler: str) -> dict[str, float]:
    """One batch over a running cluster.

    Returns:
        ``wall_s``; ``took_s``, the mean that a worker needs for a piece; ``here_s``, processor time of this process for
        each piece; ``pieces``.
    Raises:
        RuntimeError: a piece is missing.
    """
    wall, here = time.monotonic(), time.process_time()
    words = ["batch", str(album), "--out", str(out), "--engine", "dask", "--scheduler", scheduler]
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        code = eimg([*words, "--seconds", "15", "--no-figure"])
    wall, here = time.monotonic() - wall, time.process_time() - here
    with (out / INDEX).open(newline="", encoding="utf-8") as file:
        took = [float(row["took_s"]) for row in csv.DictReader(file)]
    if code or not took:
        raise RuntimeError(f"the batch over {scheduler} ended with exit code {code} and {len(took)} pieces")
    return {
        "wall_s": wall,
        "took_s": statistics.fmean(took),
        "here_s": here / len(took),
        "pieces": len(took),
    }


def on_paper(measured: dict[str, float], workers: int, many: int) -> dict[str, float]:
    """What ``many`` workers would make, from what ``workers`` made; rates in pieces a minute.

    Returns:
        ``overhead_s`` of a piece beside its worker's own time; ``rate``; ``most``, what one machine can hand out and
        write; ``many_rate``, the smaller of ``most`` and ``many`` workers' own.
    """
    each_s = measured["wall_s"] * workers / measured["pieces"]
    most = 60.0 / measured["here_s"]
    return {
        "overhead_s": each_s - measured["took_s"],
        "rate": 60.0 * workers / each_s,
        "most": most,
        "many_rate": min(60.0 * many / each_s, most),
    }


def _album(folder: Path, count: int) -> Path:
    """So many photos, no two alike: crops of the examples."""
    folder.mkdir()
    examples = example_photos(CHECKPOINTS.parent / "examples")
    for number in range(count):
        with Image.open(examples[number % len(examples)]) as photo:
            edge = number // len(examples)
            photo.crop((edge, edge, photo.width, photo.height)).save(folder / f"{number:03}.jpg")
    return folder


def main(argv: Sequence[str] | None = None) -> None:
    from distributed import LocalCluster

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=40)
    parser.add_argument("--many", type=int, default=64)
    parser.add_argument("--out", type=Path, default=RESULTS / "cluster.json")
    args = parser.parse_args(argv)
    os.environ.update(OMP_NUM_THREADS="1", HF_HUB_OFFLINE="1")  # of the workers
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="eimg-cluster-") as name:
        few, album = _album(Path(name) / "few", 4), _album(Path(name) / "album", args.photos)
        for workers in WORKERS:
            with LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None) as cluster:
                timed(few, Path(name) / f"warm-{workers}", cluster.scheduler_address)
                measured = timed(album, Path(name) / f"out-{workers}", cluster.scheduler_address)
            rows.append({"workers": workers, **measured, **on_paper(measured, workers, args.many)})
    record = {
        **of_run(f"python -m benchmarks.cluster --photos {args.photos} --many {args.many}"),
        "many": args.many,
        "rows": [{name: round(value, 4) for name, value in row.items()} for row in rows],
    }
    keep(record, args.out)


if __name__ == "__main__":
    main()
