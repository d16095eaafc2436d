"""Write docs/results.md, its figures and the numbers of docs/findings.md from the results.

python -m train.results [--assets assets] [--docs docs]
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from eimg_core.shipped import SHIPPED
from train.commands import parser_of
from train.report.documents import write_documents

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--assets", type=Path, default=SHIPPED, help="where results and checkpoints are")
    parser.add_argument("--docs", type=Path, default=Path("docs"))
    options = parser.parse_args(argv)
    write_documents(options.assets, options.docs)


if __name__ == "__main__":
    main()
