"""How long a visitor waits for a comparison: one photo → every shipped pairing as playable audio, card after card.

    python -m benchmarks.pairings [--pairing all] [--seconds 15] [--repeats 5] [--out FILE.json]

A card is composed, measured and rendered to WAV bytes at the level of a comparison. The photo is an example that ships;
it is read once for all cards. Warm: the first run is not counted, medians over the repeats, each with another seed.
Cold: everything from the first import on, in fresh processes, medians over three.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.record import keep, of_run
from eimg_core.emotion import VA
from eimg_core.images import open_photo
from eimg_core.options import ComposeOptions
from eimg_core.shipped import CHECKPOINTS
from eimg_core.sound.loudness import COMPARED_LUFS
from eimg_core.sound.render import available_engine
from eimg_core.studio import Studio

_COLD_RUNS = 3
_COLD = """
import time; started = time.perf_counter()
import json, sys
from benchmarks.pairings import arrivals, example
from eimg_core.studio import Studio
print(json.dumps(arrivals(Studio(), sys.argv[3:], example(), int(sys.argv[1]), float(sys.argv[2]), started)))
"""


def example() -> Path:
    """The first example photo."""
    folder = CHECKPOINTS.parent / "examples"
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    return folder / (manifest[0] if isinstance(manifest, list) else manifest["examples"][0])["file"]


def arrivals(
    studio: Studio, pairings: Sequence[str], path: Path, seed: int, seconds: float, started: float
) -> list[float]:
    """When each card was there, in seconds since ``started``."""
    photo = open_photo(path)
    photo_va: VA | None = None
    times = []
    for pairing in pairings:
        options = ComposeOptions(seed=seed, seconds=seconds)
        composition = studio.compose(photo, pairing, options, photo_va=photo_va)
        photo_va = composition.photo_va
        assert len(studio.render(composition.played, COMPARED_LUFS).wav_bytes()) > 44
        times.append(time.perf_counter() - started)
    return times


def summary(pairings: Sequence[str], runs: Sequence[Sequence[float]]) -> dict[str, object]:
    """Medians over runs of ``arrivals``: the first card, all cards, and each card's own seconds and share."""
    own = [[end - start for start, end in zip((0.0, *run), run, strict=False)] for run in runs]
    median = {key: statistics.median(column) for key, column in zip(pairings, zip(*own, strict=True), strict=True)}
    return {
        "first_card_s": round(statistics.median(run[0] for run in runs), 3),
        "all_s": round(statistics.median(run[-1] for run in runs), 3),
        "slowest_all_s": round(max(run[-1] for run in runs), 3),
        "each_s": {key: round(value, 3) for key, value in median.items()},
        "share": {key: round(value / sum(median.values()), 3) for key, value in median.items()},
    }


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairing", default="all", help="all that are shipped, or a list with commas between")
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, default=CHECKPOINTS.parent / "results" / "latency-pairings.json")
    args = parser.parse_args(argv)

    studio = Studio()
    pairings = [info.key for info in studio.pairings()] if args.pairing == "all" else args.pairing.split(",")
    warm = [
        arrivals(studio, pairings, example(), repeat, args.seconds, time.perf_counter())
        for repeat in range(args.repeats + 1)
    ]
    command = [sys.executable, "-c", _COLD, "0", str(args.seconds), *pairings]
    cold = [
        json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1])
        for _ in range(_COLD_RUNS)
    ]
    record = {
        **of_run(f"python -m benchmarks.pairings --pairing {args.pairing} --seconds {args.seconds:g}"),
        "pairings": pairings,
        "photo": example().name,
        "seconds": args.seconds,
        "repeats": args.repeats,
        "engine": available_engine(),
        "warm": summary(pairings, warm[1:]),
        "cold": summary(pairings, cold),
    }
    keep(record, args.out)


if __name__ == "__main__":
    main()
