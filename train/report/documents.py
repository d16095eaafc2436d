"""Results → docs/results.md, its figures, and the numbers of docs/findings.md.

Every text is a pure function of the results, and a test checks that the documents are what it returns.
"""

from __future__ import annotations

from pathlib import Path

from train.report.charts import draw_all
from train.report.findings import fill_findings
from train.report.results import Results
from train.report.results_page import results_page

__all__ = ["write_documents"]


def write_documents(assets: Path, docs: Path) -> None:
    """Write the page of results with its figures, and fill the findings where they are there."""
    results = Results(assets / "results")
    (docs / "figures").mkdir(parents=True, exist_ok=True)
    (docs / "results.md").write_text(results_page(results), encoding="utf-8")
    draw_all(results, docs / "figures")
    page = docs / "findings.md"
    if page.exists():
        page.write_text(fill_findings(page.read_text(encoding="utf-8"), results), encoding="utf-8")
