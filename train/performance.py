"""Measure how people play, and how our performances do.

python -m train.performance --data DATA [--cache runs/cache] [--clips 120]
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from eimg_core.errors import EimgError
from train.commands import parser_of
from train.evaluation.performance import compare_performances

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    parser = parser_of(__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with music/emopia and music/eimg")
    parser.add_argument("--cache", type=Path, default=Path("runs/cache"), help="where parsed pieces are kept")
    parser.add_argument("--clips", type=int, default=120, help="clips of EIMG in each half")
    options = parser.parse_args(argv)
    try:
        print(compare_performances(options.data, options.cache, options.clips))
    except EimgError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
