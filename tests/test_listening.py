"""The blind listening test: its rules, and a whole test as a visitor takes it."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path
from typing import Any

import pytest

from eimg_core.ui.widgets.parts import script
from tests.shots import give_photo
from tests.visits import CONTRAST, Visit

pytestmark = pytest.mark.browser

TITLES = ("VQ-VAE + FNT", "ALAE + FNT")


@pytest.fixture
def rules(visit: Visit) -> Any:
    """Runs an expression of the rules in the browser, where they live."""
    return lambda expression: visit.page.evaluate(
        f"() => {{ const element = document.body; {script('listening/rules')}; return {expression}; }}"
    )


# ---- the rules ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("wins", "n"), [(0, 5), (8, 10), (3, 3), (50, 100)])
def test_the_interval_is_wilsons(rules: Any, wins: int, n: int) -> None:
    z, share = 1.959964, wins / n
    # Wilson's bounds are where the score test just does not reject: |share - p| = z · sqrt(p (1 - p) / n).
    for p in rules(f"wilson({wins}, {n})"):
        assert abs(share - p) == pytest.approx(z * math.sqrt(p * (1 - p) / n), abs=1e-6)


def test_without_a_decision_anything_is_possible(rules: Any) -> None:
    assert rules("wilson(0, 0)") == [0, 1]


def test_every_pair_comes_once_before_one_comes_again_with_its_sides_changed(rules: Any) -> None:
    order = rules("trialOrder(4, 12, 7)")
    assert order == rules("trialOrder(4, 12, 7)"), "the same seed, the same order"
    assert order != rules("trialOrder(4, 12, 8)")
    first, second = order[:6], order[6:]
    assert sorted(map(sorted, first)) == [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]
    assert sorted(second) == sorted([b, a] for a, b in first)
    starts = [pair[0] < pair[1] for seed in range(20) for pair in rules(f"trialOrder(3, 3, {seed})")]
    assert 15 < sum(starts) < 45, "neither side is favoured"


def test_ties_are_counted_and_left_out_of_the_share(rules: Any) -> None:
    said = (
        "[{A:'x',B:'y',fits:'A'},{A:'y',B:'x',fits:'B'},{A:'x',B:'y',fits:'B'},{A:'x',B:'z',fits:'none'},{A:'x',B:'z'}]"
    )
    rows = {row["name"]: row for row in rules(f"tally({said}, 'fits')")}
    assert [rows["x"][key] for key in ("wins", "losses", "ties")] == [2, 1, 1]
    assert [rows["y"][key] for key in ("wins", "losses", "ties")] == [1, 2, 0]
    assert rows["x"]["share"] == pytest.approx(2 / 3)
    assert rows["z"]["share"] is None


def test_a_name_in_the_csv_is_no_formula_and_breaks_no_line(rules: Any) -> None:
    text = rules("""answersCsv([{photo: '=cmd|"x",y', A: 'a', B: 'b', fits: 'A', trial: 1}])""")
    (row,) = csv.DictReader(io.StringIO(text))
    assert row["photo"] == '\'=cmd|"x",y'
    assert row["fits"] == "A"


def test_something_else_under_our_name_does_not_break_the_page(visit: Visit, rules: Any) -> None:
    visit.page.evaluate("localStorage.setItem('eimg-studio-listening', '{oh')")
    assert rules("keptAnswers()") == []
    visit.page.evaluate("localStorage.setItem('eimg-studio-listening', '[1, {\"A\": 2}]')")
    assert rules("keptAnswers()") == []


# ---- a whole test ------------------------------------------------------------------------------------------------


def prepare(visit: Visit, beach: Path, titles: tuple[str, ...] = TITLES) -> Any:
    page = visit.page
    give_photo(page, beach)
    page.get_by_role("tab", name="Listen").click()
    page.fill("#seconds input[type=number]", "8")
    page.keyboard.press("Tab")
    page.click("#pairings [data-pick=none]")
    for title in titles:
        page.click(f"#pairings label:text-is('{title}')")
    page.click("#listen-start")
    page.wait_for_selector(".listening-form:visible")
    return page


def hear(page: Any, play: Any) -> None:
    """Listen to both pieces for as long as one must."""
    for side in "AB":
        play(side)
        page.wait_for_selector(f"[data-side={side}] .listening-heard:text-is('heard')")


def test_by_keyboard_nobody_knows_whose_piece_it_is_until_the_end(visit: Visit, beach: Path) -> None:
    page = prepare(visit, beach)
    page.fill(".listening-form [name=trials]", "2")
    page.check(".listening-form [name=better]")
    page.click(".listening-go")
    page.wait_for_selector(".listening[data-state=trial]")
    assert page.locator("#inputs").is_hidden(), "nothing else asks for attention"
    assert page.get_attribute(".listening-photo", "src")
    for trial in (1, 2):
        assert page.inner_text(".listening-trial h3") == f"Trial {trial} of 2"
        page.keyboard.press("1")
        assert page.locator(".listening-question [aria-pressed=true]").count() == 0, "first one listens"
        hear(page, page.keyboard.press if trial == 1 else lambda side: page.click(f"[data-side={side}] button"))
        page.evaluate("document.activeElement.blur()")
        page.keyboard.press("Space")
        page.wait_for_function("[...document.querySelectorAll('audio')].every((audio) => audio.paused)")
        shown = page.inner_html(".listening")
        assert not any(title in shown or title.lower().replace(" ", "") in shown for title in TITLES)
        assert all(
            s.startswith("blob:")
            for s in page.evaluate("[...document.querySelectorAll('.listening audio')].map((a) => a.src)")
        )
        page.keyboard.press("1")
        page.keyboard.press("0")
        page.keyboard.press("ArrowRight")
    page.wait_for_selector(".listening[data-state=result]")

    with page.expect_download() as waiting:
        page.click(".listening-csv")
    answers = list(csv.DictReader(io.StringIO(Path(waiting.value.path()).read_text(encoding="utf-8"))))
    assert waiting.value.suggested_filename == "listening-test.csv"
    assert [(one["trial"], one["fits"], one["better"]) for one in answers] == [("1", "A", "none"), ("2", "A", "none")]
    assert {one["A"] for one in answers} == set(TITLES), "the second round changes sides"
    assert answers[0]["photo"] == "Beach day.jpg"
    rows = page.evaluate(
        "[...document.querySelectorAll('.listening tbody tr')].map((r) => [...r.children].map((c) => c.textContent))"
    )
    assert rows[0] == ["Which fits better"]
    assert [row[1:4] for row in rows[1:3]] == [["1", "1", "0"]] * 2
    assert rows[1][5] == "9 % to 91 %"
    assert [row[1:4] for row in rows[4:]] == [["0", "0", "2"]] * 2

    page.reload()
    page.get_by_role("tab", name="Listen").click()
    assert page.inner_text(".listening-kept").startswith("2 answers of yours")
    page.click(".listening-kept button")
    page.click(".listening-erase")
    assert page.evaluate("localStorage.getItem('eimg-studio-listening')") is None
    assert page.inner_text(".listening-kept") == ""


def test_a_finished_comparison_can_be_used_and_a_test_can_be_left(visit: Visit, beach: Path) -> None:
    page = visit.page
    give_photo(page, beach)
    page.fill("#seconds input[type=number]", "8")
    page.keyboard.press("Tab")
    page.get_by_role("tab", name="Compare").click()
    page.click("#compare-start")
    page.wait_for_selector(".comparison[data-state=done]")
    page.get_by_role("tab", name="Listen").click()
    assert "6 pieces for Beach day.jpg" in page.inner_text(".listening-lead")
    assert page.input_value(".listening-form [name=trials]") == "15"
    page.click(".listening-go")
    page.wait_for_selector(".listening[data-state=trial]")
    page.click(".listening-leave")
    page.wait_for_selector(".listening[data-state=setup]")
    assert page.evaluate("localStorage.getItem('eimg-studio-listening')") is None, "nothing was answered"


@pytest.mark.parametrize("visit", [{"size": (390, 844), "theme": "dark"}, {"size": (390, 844)}], indirect=True)
def test_on_a_phone_the_test_is_taken_with_a_finger(visit: Visit, beach: Path) -> None:
    page = prepare(visit, beach)
    page.click(".listening-go")
    page.wait_for_selector(".listening[data-state=trial]")
    hear(page, lambda side: page.click(f"[data-side={side}] button"))
    page.click("[data-ask=fits] [data-answer=none]")
    assert page.locator("[data-ask=better]").is_hidden()
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert page.evaluate(CONTRAST) == []
    page.click(".listening-next")
    page.wait_for_selector(".listening[data-state=result]")
    assert page.inner_text(".listening-scope") == "1 answer"
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert page.evaluate(CONTRAST) == []
