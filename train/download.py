"""Fetch the public data sets.

python -m train.download --out DATA [--only oasis eimg emopia pop909]
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from eimg_core.errors import EimgError
from train.commands import parser_of
from train.data.download import BY_HAND, SOURCES, fetch

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    parser = parser_of(__doc__)
    parser.add_argument("--out", type=Path, required=True, help="the folder that gets images/ and music/")
    names = [source.corpus for source in SOURCES]
    parser.add_argument("--only", nargs="+", choices=names, default=names, help="only these data sets")
    options = parser.parse_args(argv)
    failed = False
    for source in (source for source in SOURCES if source.corpus in options.only):
        try:
            print(fetch(source, options.out))
        except EimgError as error:
            failed = True
            print(f"{source.corpus}: {error}", file=sys.stderr)
    print(f"\n{BY_HAND}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
