"""Write the tables of the README and of docs/measurements.md from the results.

python -m train.tables [--root .] [--assets assets]
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from eimg_core.shipped import SHIPPED
from train.commands import parser_of
from train.report.tables import write_tables

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--root", type=Path, default=Path("."), help="where the documents are")
    parser.add_argument("--assets", type=Path, default=SHIPPED, help="where results and checkpoints are")
    options = parser.parse_args(argv)
    write_tables(options.root, options.assets)


if __name__ == "__main__":
    main()
