"""What a screen reader and a keyboard meet on every page, as axe-core judges it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.shots import give_photo

pytestmark = pytest.mark.browser
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")


@pytest.mark.parametrize("visit", [{"theme": "light"}, {"theme": "dark", "size": (390, 844)}], indirect=True)
def test_no_page_has_a_serious_fault(visit: Any, beach: Path) -> None:
    page = visit.page
    give_photo(page, beach)
    visit.compose()
    for tab in ("Create", "Compare", "Listen", "Story", "Results"):
        page.get_by_role("tab", name=tab).click()
        page.wait_for_timeout(1000)  # let the page settle
        found = axe.Axe().run(page).response["violations"]
        faults = [
            (fault["id"], node["html"][:120])
            for fault in found
            if fault["impact"] in ("serious", "critical")
            for node in fault["nodes"]
        ]
        assert not faults, f"{tab}: {faults}"


def test_every_example_has_a_name(visit: Any) -> None:
    names = visit.page.locator("#examples .gallery-item").evaluate_all("all => all.map((b) => b.ariaLabel)")
    assert names == ["Example: Beach", "Example: Dusk", "Example: Fog", "Example: Night"]
