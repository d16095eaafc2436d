"""Check the data sets, describe them, and parse their music once for all later runs.

python -m train.prepare --data DATA [--out runs/prepared] [--corpora oasis eimg ...]
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from eimg_core.data import READERS
from eimg_core.errors import EimgError
from train.commands import parser_of
from train.data.prepare import prepare, report

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    parser = parser_of(__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder that holds images/ and music/")
    parser.add_argument("--out", type=Path, default=Path("runs/prepared"), help="where the results go")
    parser.add_argument("--corpora", nargs="+", choices=list(READERS), help="only these data sets")
    options = parser.parse_args(argv)
    try:
        summary = prepare(options.data, options.out, options.corpora)
    except EimgError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(report(summary))
    if skipped := [name for name in READERS if name not in summary and not options.corpora]:
        print(f"\nskipped, not on disk: {', '.join(skipped)}")
    print(f"\nwrote {options.out}: summary.json, va-cloud.png, and the parsed music")
    return 0


if __name__ == "__main__":
    sys.exit(main())
