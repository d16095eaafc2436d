"""Keep what the fast tests came to on one Python, with one set of versions, for the table of the documents.

    python -m benchmarks.versions lowest|newest LOG [--out FILE.json]

To be run by the Python whose environment was tested; ``LOG`` is what pytest printed. ``.ci/versions`` does it where
``EIMG_RECORD`` is set. A run that failed is kept as well, with its count.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import json
import platform
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eimg_core.shipped import RESULTS

__all__ = ["SHOWN", "counts", "main"]

SHOWN = ("torch", "gradio", "numpy", "pillow")  # versions that most depends on


def counts(log: str) -> dict[str, int]:
    """How many tests passed, failed and were skipped, from the last line of pytest's output that counts them.

    Raises:
        ValueError: there is no such line.
    """
    lines = [line for line in log.splitlines() if re.search(r"\b\d+ (passed|failed|error)", line)]
    if not lines:
        raise ValueError("the log has no line that counts tests")
    found = dict.fromkeys(("passed", "failed", "skipped"), 0)
    for number, what in re.findall(r"(\d+) (passed|failed|errors?|skipped)", lines[-1]):
        found["failed" if what.startswith("error") else what] += int(number)
    return found


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("which", choices=["lowest", "newest"])
    parser.add_argument("log", type=Path)
    parser.add_argument("--out", type=Path, default=RESULTS / "versions.json")
    args = parser.parse_args(argv)
    row = {
        "python": platform.python_version(),
        "which": args.which,
        **counts(args.log.read_text(encoding="utf-8")),
        "versions": {name: importlib.metadata.version(name) for name in SHOWN},
        "date": datetime.date.today().isoformat(),
    }
    kept: list[dict[str, Any]] = json.loads(args.out.read_text(encoding="utf-8")) if args.out.exists() else []
    others = [one for one in kept if (one["python"], one["which"]) != (row["python"], row["which"])]
    rows = sorted([*others, row], key=lambda one: (tuple(map(int, one["python"].split("."))), one["which"]))
    args.out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
