"""How long a visitor waits: photo → playable audio, warm, stage by stage.

    python -m benchmarks.latency [--pairing effnet+fnt] [--seconds 15] [--repeats 10] [--out FILE.json]

The photo is an example that ships. The first run warms everything and is not counted; start-up is measured apart, in a
fresh process. Medians over the repeats, each with another seed.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.pairings import example
from benchmarks.record import keep, of_run
from eimg_core.images import open_photo
from eimg_core.options import USUAL_TAKES, ComposeOptions
from eimg_core.pipeline import DEFAULT_PAIRING
from eimg_core.shipped import CHECKPOINTS
from eimg_core.sound.render import available_engine
from eimg_core.studio import Studio

_COLD = """
import time; started = time.perf_counter()
from eimg_core.studio import Studio
studio = Studio(); studio.warm_up(); print(time.perf_counter() - started)
"""


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairing", default=DEFAULT_PAIRING)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--takes", type=int, default=USUAL_TAKES)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--out", type=Path, default=CHECKPOINTS.parent / "results" / "latency.json")
    args = parser.parse_args(argv)

    path = example()
    studio = Studio()
    runs: list[dict[str, float]] = []
    for repeat in range(args.repeats + 1):
        started = time.perf_counter()
        photo = open_photo(path)
        opened = time.perf_counter()
        photo.putpixel((0, 0), (repeat, 0, 0))  # a new photo, or it would not be read again
        composition = studio.compose(photo, args.pairing, ComposeOptions(repeat, args.seconds, takes=args.takes))
        composed = time.perf_counter()
        data = studio.render(composition.played).wav_bytes()
        ended = time.perf_counter()
        assert len(data) > 44
        stages = {name: value for name, value in composition.timings_s.items() if name != "load"}
        runs.append(
            {"open": opened - started, **stages, "render": ended - composed, "total": ended - started}
            | {"notes": float(len(composition.piece.notes))}
        )
    cold = subprocess.run([sys.executable, "-c", _COLD], capture_output=True, text=True, check=True)
    record = {
        **of_run(
            f"python -m benchmarks.latency --pairing {args.pairing} --seconds {args.seconds:g} --takes {args.takes}"
        ),
        "pairing": args.pairing,
        "seconds": args.seconds,
        "takes": args.takes,
        "repeats": args.repeats,
        "engine": available_engine(),
        "cold_start_s": round(float(cold.stdout.split()[-1]), 2),
        "median_s": {name: round(statistics.median(run[name] for run in runs[1:]), 4) for name in runs[1]},
        "slowest_total_s": round(max(run["total"] for run in runs[1:]), 3),
    }
    keep(record, args.out)


if __name__ == "__main__":
    main()
