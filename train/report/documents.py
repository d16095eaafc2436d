"""Results → docs/results.md, its figures, and the numbers of docs/findings.md.

    python -m train.results [--assets assets] [--docs docs]

Every text is a pure function of the results, and a test checks that the documents are what it returns.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from eimg_core.shipped import CHECKPOINTS
from train.report.charts import draw_all
from train.report.findings import fill_findings
from train.report.results import Results
from train.report.results_page import results_page

__all__ = ["main"]


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--assets", type=Path, default=CHECKPOINTS.parent)
    parser.add_argument("--docs", type=Path, default=Path("docs"))
    args = parser.parse_args(argv)
    results = Results(args.assets / "results")
    (args.docs / "figures").mkdir(parents=True, exist_ok=True)
    (args.docs / "results.md").write_text(results_page(results), encoding="utf-8")
    draw_all(results, args.docs / "figures")
    page = args.docs / "findings.md"
    if page.exists():
        page.write_text(fill_findings(page.read_text(encoding="utf-8"), results), encoding="utf-8")


if __name__ == "__main__":
    main()
