"""The page Results: its numbers are those of the records, and it can be read everywhere."""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from eimg_core.results import BEST_OF, CONTROLS, PAPER_TABLE_V, Spread, by_row, load_results, spread
from eimg_core.shipped import RESULTS
from eimg_core.ui.pages.results import results_html
from eimg_core.ui.pages.results_cards import model_cards
from eimg_core.ui.pages.results_charts import Mark, Row, dot_chart, share_bar
from eimg_core.ui.pages.results_method import BOXES, method
from tests.visits import CONTRAST, Visit

browser_test = pytest.mark.browser

CHECKPOINTS = RESULTS.parent
TITLES = (("vqvae+fnt", "VQ-VAE + FNT"),)


def text_of(html: str) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", html)))


# ---- without a browser -------------------------------------------------------------------------------------------


def test_every_row_of_the_records_stands_in_the_table_with_its_mean_over_seeds() -> None:
    html = results_html(TITLES, CHECKPOINTS)
    matching = re.search(r'<section class="card" id="results-matching">.*?</section>', html, re.DOTALL)
    assert matching
    text = text_of(matching.group())
    rows = by_row(load_results(RESULTS))
    assert set(CONTROLS) < set(rows)
    for row, records in rows.items():
        values = [record["summary"]["emotion_matching"] for record in records]
        mean = f"{sum(values) / len(values):.2f}"
        title = {"mean point": "constant: the mean point", "oracle": "oracle: told the label"}.get(row)
        if title or row.startswith("vqvae+fnt@"):
            variant, _, takes = row.partition("@")[2].partition(BEST_OF)
            title = title or f"VQ-VAE + FNT ({variant})" + (f", best of {takes}" if takes else "")
            assert re.search(rf"{re.escape(title)} {mean}", text), row
        else:
            assert mean in text, row
    for printed in PAPER_TABLE_V.values():
        assert f"{printed['emotion_matching']:.2f}" in text_of(html)


def test_without_records_the_page_says_how_to_make_them(tmp_path: Path) -> None:
    text = text_of(results_html(TITLES, tmp_path))
    assert text.count("python -m train.reproduce") == 4
    assert "Emotion space" in text


def test_nothing_that_a_card_or_a_record_says_becomes_markup() -> None:
    bad = "<img src=x onerror=alert(1)>"
    card = {"date": bad, "limits": bad, "trained_on": [{"data": bad, "licence": bad, "items": {bad: 1}}],
            "metrics": {bad: {bad: 1.5}}, "sha256": bad, "licence": {bad: bad}}  # fmt: skip
    html = model_cards({f"image_ae/{bad}": card})
    html += dot_chart([Row(bad, (Mark(Spread(1.0, 0.1, 3), "ours"),))], bad, bad, 0, 2, 1, (1.0, bad))
    html += share_bar([(bad, 1.0)], bad)
    assert "<img" not in html
    assert html.count("&lt;img") >= 15


def test_a_dot_lies_where_its_number_is() -> None:
    rows = [Row("low", (Mark(Spread(0.0, 0.0, 1), "ours"),)), Row("high", (Mark(Spread(4.0, 1.0, 3), "ours"),))]
    wide = dot_chart(rows, "said", "axis", 0, 4, 1).split("</svg>")[0]
    low, high = (float(x) for x in re.findall(r'<circle cx="([\d.]+)"', wide))
    ticks = {text: float(x) for x, text in re.findall(r'class="chart-tick" x="([\d.]+)" y="\d+">([\d.]+)<', wide)}
    assert (low, high) == (ticks["0"], ticks["4"])
    left, right = map(float, re.search(r'<path d="M([\d.]+) [\d.]+H([\d.]+)"', wide).groups())
    assert left == pytest.approx(ticks["3"], abs=0.1)
    assert right == high, "a bar ends where the scale ends"
    assert wide.count("<title>") == 2
    assert "4.00 ± 1.00" in wide
    assert "0.00 ±" not in wide, "one seed has no deviation"


def test_the_picture_has_a_sentence_and_its_equations_for_each_box() -> None:
    text = text_of(method())
    for box in BOXES.values():
        assert box.words in text
    equations = " ".join(box.equations for box in BOXES.values())
    paper = (Path(__file__).parents[1] / "PAPER.md").read_text(encoding="utf-8")
    for number in re.findall(r"\d+", equations.replace("Fig. 2", "")):
        assert re.search(rf"^\| [^|]*\b{number}\b", paper, re.MULTILINE), f"Eq. {number} is not in PAPER.md"


def test_a_spread_leaves_out_what_is_unknown() -> None:
    assert spread([1.0, None, 3.0]) == Spread(2.0, pytest.approx(2**0.5), 2)
    assert spread([5.0]) == Spread(5.0, 0.0, 1)
    assert spread([None]) is None


# ---- the page ----------------------------------------------------------------------------------------------------


def open_results(visit: Visit) -> Any:
    page = visit.page
    assert page.locator(".results").count() == 0, "nobody waits for what is not yet asked for"
    page.get_by_role("tab", name="Results").click()
    page.wait_for_selector(".results section")
    return page


@browser_test
def test_the_page_comes_when_it_is_opened_and_its_charts_have_words(visit: Visit) -> None:
    page = open_results(visit)
    assert page.locator("#inputs").is_hidden()
    charts = page.locator(".results svg.chart:visible")
    assert charts.count() == 6
    assert all(
        len(said) > 40 for said in charts.evaluate_all("(all) => all.map((one) => one.getAttribute('aria-label'))")
    )
    record = json.loads((RESULTS / "pairings-test-mean_point-seed0.json").read_text(encoding="utf-8"))
    page.focus("#results-matching summary")
    page.keyboard.press("Enter")
    row = page.locator("#results-matching tr", has_text="constant: the mean point")
    assert f"{record['summary']['emotion_matching']:.2f}" in row.inner_text()
    page.click("#results-cards summary >> nth=0")
    assert "sha-256" in page.inner_text("#results-cards details >> nth=0")
    page.click(".results nav a:has-text('Limits')")
    page.wait_for_function("document.querySelector('#results-limits').getBoundingClientRect().top < innerHeight")
    assert "CC BY-NC-SA" in page.inner_text("#results-limits")


@browser_test
@pytest.mark.parametrize(
    "visit",
    [{"size": (390, 844), "theme": "dark"}, {"size": (390, 844)}, {"size": (320, 700)}, {"theme": "dark"}],
    indirect=True,
)
def test_it_can_be_read_on_any_screen(visit: Visit) -> None:
    page = open_results(visit)
    page.evaluate("for (const one of document.querySelectorAll('.results details')) one.open = true")
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert page.evaluate(CONTRAST) == []
    small = """[...document.querySelectorAll('.results svg.chart text')].filter((e) => e.getBoundingClientRect().width)
      .map((e) => e.getBoundingClientRect().height).filter((height) => height < 8.5)"""
    assert page.evaluate(small) == [], "the words of a picture do not shrink with it"
