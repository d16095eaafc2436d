"""The command line of fuzzers: so many inputs, what was found, and the record of a run without findings."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from eimg_core import __version__
from eimg_core.shipped import RESULTS

__all__ = ["fuzz_and_record"]


def fuzz_and_record(
    name: str, description: str | None, run: Callable[[int, int], dict[str, Any]], argv: Sequence[str] | None = None
) -> int:
    """Run a fuzzer as its arguments say; returns 1 where it has findings.

    Args:
        name: of the module below ``benchmarks``, and of its record.
        description: of the command.
        run: inputs and seed → the record, with its ``findings``.
        argv: the arguments.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", default=RESULTS / f"{name}.json", type=Path)
    args = parser.parse_args(argv)
    command = f"python -m benchmarks.{name} --inputs {args.inputs} --seed {args.seed}"
    record = {"command": command, "version": __version__, **run(args.inputs, args.seed)}
    print(json.dumps(record, indent=1))
    if record["findings"]:
        return 1
    args.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return 0
