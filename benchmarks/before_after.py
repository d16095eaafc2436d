"""How fast the package is beside an older version of itself, both measured in one run on the same machine.

    git worktree add ../before COMMIT
    python -m benchmarks.before_after ../before [--rounds 3] [--repeats 5] [--out FILE.json]

Each round asks both versions in turn, each in a process of its own with its own weights and ``benchmarks.speed``, so
that a machine that slows down slows both. A composer may have grown meanwhile; what can be compared then is how often
its time holds that of its limit, its matrices alone in float32. Medians over the rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.load import ROOT
from benchmarks.record import keep, of_run
from eimg_core.shipped import RESULTS

__all__ = ["SHOWN", "compared", "main"]

SHOWN = ("`python app.py`", "photo → emotion", "emotion → MIDI of 15 s", "emotion → MIDI of 60 s")
"""How the rows begin that both versions have; what they say further, as of takes, may differ."""

_ASK = """
import json, sys
from benchmarks.speed import cold_start, composing, reading
from eimg_core.studio import Studio
repeats, rows = int(sys.argv[1]), cold_start()
studio = Studio()
studio.warm_up()
rows += reading(studio, repeats) + composing(studio, repeats)
print(json.dumps(rows))
"""

Rows = Sequence[Mapping[str, Any]]


def compared(rounds: Sequence[tuple[Rows, Rows]]) -> list[dict[str, Any]]:
    """For each row of ``SHOWN``, seconds and limit of both versions, medians over rounds of (before, after)."""
    found = []
    for begins in SHOWN:
        both = {}
        for index, which in enumerate(("before", "after")):
            ours = [_row(one[index], begins) for one in rounds]
            limits = [_limit_s(one[index], row) for one, row in zip(rounds, ours, strict=True)]
            both[which] = {
                "what": ours[0]["what"],
                "seconds": round(statistics.median(row["ours"] for row in ours), 4),
                "limit": ours[0]["limit"][0],
                "limit_s": round(statistics.median(limits), 4),
                "over": round(
                    statistics.median(row["ours"] / limit for row, limit in zip(ours, limits, strict=True)), 3
                ),
            }
        found.append(both)
    return found


def _row(rows: Rows, begins: str) -> Mapping[str, Any]:
    return next(row for row in rows if row["what"].startswith(begins))


def _limit_s(rows: Rows, row: Mapping[str, Any]) -> float:
    """Its limit; that of a composer with its matrices in float32, as every version has them."""
    length = row["what"].removeprefix("emotion → MIDI of").split(",")[0]
    packed = [one for one in rows if one["what"].startswith(f"the decoder's matrices of{length},")]
    limit: float = packed[0]["plain"][1] if packed else row["limit"][1]
    return limit


def _asked(checkout: Path, repeats: int) -> Rows:
    env = {**os.environ, "PYTHONPATH": str(checkout), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-c", _ASK, str(repeats)]
    told = subprocess.run(command, cwd=checkout, env=env, check=True, stdout=subprocess.PIPE, text=True).stdout
    rows: Rows = json.loads(told.splitlines()[-1])
    return rows


def _commit(checkout: Path) -> str:
    command = ["git", "-C", str(checkout), "log", "-1", "--format=%h of %as"]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path, help="a checkout of the older version")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, default=RESULTS / "before-after.json")
    args = parser.parse_args(argv)
    rounds = []
    for number in range(args.rounds):
        rounds.append((_asked(args.before.resolve(), args.repeats), _asked(ROOT, args.repeats)))
        print(f"round {number + 1} of {args.rounds}", file=sys.stderr, flush=True)
    record = {
        **of_run(f"python -m benchmarks.before_after ../before --rounds {args.rounds} --repeats {args.repeats}"),
        "before": _commit(args.before),
        "rows": compared(rounds),
    }
    keep(record, args.out)


if __name__ == "__main__":
    main()
