"""The page in other languages than English: nothing is left untranslated, and nothing is lost by changing."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from eimg_core.ui.languages import CATALOGUES, NAMES, catalogue, i18n, language_picker
from tests.fake_studio import FakeStudio
from tests.shots import give_photo
from tests.visits import Visit

browser_test = pytest.mark.browser
OTHERS = [language for language in NAMES if language != "en"]
CORE = Path(__file__).parents[1] / "eimg_core"
HOLE = re.compile(r"\{#?(\d)\}")
CHINESE = re.compile("[一-鿿]")

# Texts that programs or operators read, never a visitor of the page.
UNSEEN = (
    "__main__.py", "agents", "api", "baselines", "batch.py", "cli", "from_midi.py", "metrics", "midi",
    "midi_evaluation.py",
)  # fmt: skip

# Every text and every name on the page, seen or unseen, that is meant to be translated.
TEXTS = """() => {
  const kept = "script, style, code, cite, [translate=no], .player-sheet svg *", found = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const node = walk.currentNode;
    if (node.parentElement && !node.parentElement.closest(kept)) found.push(node.data.trim());
  }
  for (const element of document.querySelectorAll("*"))
    if (!element.closest(kept))
      for (const name of ["aria-label", "aria-valuetext", "title", "placeholder", "alt"])
        if (element.hasAttribute(name)) found.push(element.getAttribute(name));
  return found;
}"""
NAMED = re.compile(r"`[^`]*`|test engine|plain tones|[\w+-]*-seed\d\S*|Beach day\.jpg|IEEE Transactions on Multimedia")
SENTENCE = re.compile(r"[A-Za-z]{3,} [a-z]{2,}")


def left_in_english(page: Any) -> list[str]:
    """Texts with two English words in a row, and whole texts for which there would have been a translation."""
    texts = [NAMED.sub("", text) for text in page.evaluate(TEXTS)]
    known = {text for text, said in catalogue("zh-CN").items() if text != said}
    return sorted({text for text in texts if SENTENCE.search(text) or text in known})


# ---- catalogues --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", OTHERS)
def test_a_catalogue_has_every_text_once_and_keeps_its_holes(language: str) -> None:
    pairs = json.loads((CATALOGUES / f"{language}.json").read_text("utf-8"), object_pairs_hook=list)
    texts = [text for text, _ in pairs]
    assert len(texts) == len(set(texts)), "a text stands there twice"
    for text, said in pairs:
        assert said.strip(), f"{text!r} has an empty translation"
        assert set(HOLE.findall(said)) <= set(HOLE.findall(text)), f"{text!r} has other holes than {said!r}"
        assert sorted(re.findall("<[^>]+>", text)) == sorted(re.findall("<[^>]+>", said)), f"{text!r}: other tags"


def test_every_catalogue_is_offered_and_handed_to_gradio() -> None:
    assert set(OTHERS) == {path.stem for path in CATALOGUES.glob("*.json")}
    assert set(i18n().translations_dict) == set(NAMES)
    assert all(f'value="{language}"' in language_picker() for language in NAMES)


def faults() -> Iterator[str]:
    """Every sentence that an ``InputError`` or a ``RenderError`` can tell a visitor, with 7 where it says a value."""
    for path in sorted(CORE.rglob("*.py")):
        if any(part in UNSEEN for part in path.relative_to(CORE).parts):
            continue
        tree = ast.parse(path.read_text("utf-8"))
        constants = {
            target.id: node.value.value
            for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
            for target in node.targets
            if isinstance(target, ast.Name) and isinstance(node.value.value, str)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("InputError", "RenderError"):
                yield "".join(_spoken(node.args[0], constants))


def _spoken(node: ast.AST, constants: dict[str, str]) -> Iterator[str]:
    if isinstance(node, ast.Constant):
        yield str(node.value)
    elif isinstance(node, ast.JoinedStr):
        for part in node.values:
            yield from _spoken(part, constants)
    elif isinstance(node, ast.FormattedValue) and isinstance(node.value, ast.Name):
        yield constants.get(node.value.id, "7")
    elif isinstance(node, ast.Name):
        yield constants.get(node.id, "7")
    elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "message":
        yield re.sub(r"{\w+}", "7", node.args[0].value)
    else:
        yield "7"


@browser_test
@pytest.mark.parametrize("visit", [{"language": "zh-CN"}], indirect=True)
def test_every_fault_is_told_in_the_visitors_language(visit: Visit) -> None:
    told = list(dict.fromkeys(faults()))
    assert len(told) > 40
    said = visit.page.evaluate("(texts) => texts.map((text) => window.eimgSay(text))", told)
    assert [text for text, words in zip(told, said, strict=True) if not CHINESE.search(words)] == []
    assert [words for words in said if SENTENCE.search(NAMED.sub("", words))] == []


# ---- the page ----------------------------------------------------------------------------------------------------


@browser_test
@pytest.mark.parametrize("visit", [{"language": "zh-CN"}], indirect=True)
def test_a_chinese_visitor_reads_no_english(visit: Visit, beach: Path) -> None:
    page = visit.page
    page.wait_for_function("document.querySelector('#compose').textContent.trim() === '谱曲'")
    assert page.evaluate("document.documentElement.lang") == "zh-CN"
    assert page.input_value("#language") == "zh-CN"
    assert left_in_english(page) == []
    give_photo(page, beach)
    page.click(".why-switch label:nth-of-type(2)")
    page.wait_for_selector(".why[data-state=shown]")
    page.click("#more button")
    visit.compose()
    assert page.text_content(".player-done h3") == "一首平静的曲子"
    assert left_in_english(page) == []
    page.click("[data-view=score]")
    page.click("[data-move]:not([disabled])")
    page.wait_for_selector(".history li:nth-child(2)")
    assert left_in_english(page) == []
    for tab, start, done in (
        ("对比", "#compare-start", ".comparison[data-state=done]"),
        ("盲听", ".listening-go", ".listening[data-state=trial]"),
    ):
        page.get_by_role("tab", name=tab).click()
        page.click(start)
        page.wait_for_selector(done)
        assert left_in_english(page) == []
    page.get_by_role("tab", name="故事").click()
    page.click(".story-examples")
    page.wait_for_function("document.querySelectorAll('.story-list li:not(.coming)').length === 4")
    page.click("#story-start")
    page.wait_for_selector("#story-piece .player[data-state=done]")
    assert left_in_english(page) == []
    page.get_by_role("tab", name="结果").click()
    page.wait_for_selector(".results")
    assert left_in_english(page) == []


@browser_test
@pytest.mark.parametrize("visit", [{"language": "zh-TW"}, {"language": "zh"}], indirect=True)
def test_a_language_without_a_catalogue_gets_its_nearest_relative(visit: Visit) -> None:
    visit.page.wait_for_function("document.querySelector('.masthead p').textContent.startsWith('让一张照片')")


@browser_test
@pytest.mark.parametrize("visit", [{"language": "fr-FR"}], indirect=True)
def test_other_visitors_read_english(visit: Visit) -> None:
    assert visit.page.inner_text("#compose") == "Compose"
    assert visit.page.input_value("#language") == "en"


@browser_test
def test_changing_the_language_keeps_the_piece_and_comes_back_to_the_same_words(visit: Visit, beach: Path) -> None:
    page = visit.page
    give_photo(page, beach)
    visit.compose()
    before, notes = page.evaluate(TEXTS), page.get_attribute(".player canvas", "data-notes")
    page.select_option("#language", "zh-CN")
    page.wait_for_function("document.querySelector('#compose').textContent.trim() === '谱曲'")
    assert page.get_attribute(".player canvas", "data-notes") == notes
    assert left_in_english(page) == []
    page.select_option("#language", "en")
    page.wait_for_function("document.querySelector('#compose').textContent.trim() === 'Compose'")
    assert page.evaluate(TEXTS) == before


@browser_test
@pytest.mark.parametrize("visit", [{"language": "zh-CN"}], indirect=True)
def test_who_begins_in_chinese_can_go_on_in_english(visit: Visit, beach: Path) -> None:
    page = visit.page
    give_photo(page, beach)
    page.click("#more button")
    visit.compose()
    page.select_option("#language", "en")
    page.get_by_role("tab", name="Compare").wait_for()
    assert [text for text in page.evaluate(TEXTS) if CHINESE.search(text)] == []
    page.reload()
    page.get_by_role("tab", name="Compare").click()
    assert page.evaluate("document.body.dataset.page") == "compare"


@browser_test
def test_the_choice_of_a_language_is_kept_and_the_address_still_opens_its_page(visit: Visit) -> None:
    page = visit.page
    page.select_option("#language", "zh-CN")
    page.wait_for_function("document.querySelector('#compose').textContent.trim() === '谱曲'")
    page.goto(f"{visit.url}#story")
    page.reload()
    page.wait_for_function("document.body.dataset.page === 'story'")
    page.wait_for_function("document.querySelector('#story-start').textContent.trim() === '谱写故事'")
    assert page.input_value("#language") == "zh-CN"


@browser_test
def test_a_fault_of_the_page_is_told_in_chinese(visit: Visit, studio: FakeStudio) -> None:
    page = visit.page
    page.select_option("#language", "zh-CN")
    page.wait_for_function("document.querySelector('#compose').textContent.trim() === '谱曲'")
    page.click("#compose")
    page.wait_for_selector(".player[data-state=failed]")
    assert CHINESE.search(page.text_content(".player-failed p"))
    assert left_in_english(page) == []
