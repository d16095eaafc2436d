"""The page in other languages than English: nothing is left untranslated, and nothing is lost by changing."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from eimg_core.messages import LIST_SEPARATOR, message, with_messages
from eimg_core.options import OPTIONS
from eimg_core.shipped import EXAMPLES
from eimg_core.ui import app
from eimg_core.ui.languages import (
    CATALOGUES,
    NAMES,
    catalogue,
    english,
    i18n,
    in_language_of,
    language_picker,
    marked,
    term,
)
from eimg_core.ui.widgets.photo_input import example_photos
from tests.fake_studio import FakeStudio
from tests.shots import give_photo
from tests.visits import Visit

browser_test = pytest.mark.browser
OTHERS = [language for language in NAMES if language != "en"]
CORE = Path(__file__).parents[1] / "eimg_core"
HOLE = re.compile(r"\{(\w+)\}")
CHINESE = re.compile("[一-鿿]")

# Texts that programs or operators read, never a visitor of the page.
UNSEEN = (
    "__main__.py", "agents", "api", "baselines", "batch.py", "cli", "dask_engine.py", "from_midi.py", "midi",
    "midi_evaluation.py", "quality.py", "start.py",
)  # fmt: skip
SPEAKING = ("message", "term")  # their first argument is a key …
FAILING = ("InputError", "RenderError")  # … and so is what these are made of, where it is no message
JOINTS = {LIST_SEPARATOR}  # what language.js and messages.py put between the items of a list

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
NAMED = re.compile(r"`[^`]*`|test engine|plain tones|Beach day(\.jpg| – \w+.*\.\w+)|IEEE Transactions on Multimedia")
SENTENCE = re.compile(r"[A-Za-z]{3,} [a-z]{2,}")


def left_in_english(page: Any) -> list[str]:
    """Texts with two English words in a row, and whole texts for which there would have been a translation."""
    texts = [NAMED.sub("", text) for text in page.evaluate(TEXTS)]
    known = {text for text, said in catalogue("zh-CN").items() if text != said}
    return sorted({text for text in texts if SENTENCE.search(text) or text in known})


# ---- keys --------------------------------------------------------------------------------------------------------


def keys_of_python() -> Iterator[str]:
    """Every key that the Python of the page, and what it calls, can say."""
    for path in sorted(CORE.rglob("*.py")):
        if any(part in UNSEEN for part in path.relative_to(CORE).parts):
            continue
        source = path.read_text("utf-8")
        for node in ast.walk(ast.parse(source)):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            name, first = getattr(node.func, "id", ""), node.args[0]
            if name in FAILING:
                assert not isinstance(first, ast.JoinedStr), f"{path.name}:{node.lineno} needs a message"
            if name in (*SPEAKING, *FAILING) and isinstance(first, ast.Constant):
                yield str(first.value)
        yield from marked_texts(source) if "data-say" in source and "languages" not in path.parts else ()


def keys_of_scripts() -> Iterator[str]:
    for path in sorted(CORE.rglob("*.js")):
        for text in re.findall(r"\bmessage\(\s*(\"(?:[^\"\\\\]|\\\\.)*\")", path.read_text("utf-8")):
            yield json.loads(text)


def keys_of_templates() -> Iterator[str]:
    for path in sorted(CORE.rglob("*.html")):
        yield from marked_texts(path.read_text("utf-8"))


def marked_texts(html: str) -> Iterator[str]:
    """The texts that are marked with ``data-say`` in markup, as language.js reads them."""
    for tag in re.finditer(r"<(\w+)[^<>]*\bdata-say[^<>]*>", html):
        for name in re.findall(r"data-say-([\w-]+)", tag[0]):
            if name != "html" and "{marked" not in tag[0]:
                yield re.search(rf"\b{name}=\"([^\"]*)\"", tag[0])[1]
        if re.search(r"data-say(-html)?[\s>]", tag[0]):
            inner = html[tag.end() : html.index(f"</{tag[1]}>", tag.end())]
            yield re.sub(r"\s+", " ", re.sub(r"[\"']\s*\n\s*f?[\"']", "", inner)).strip()


def keys() -> set[str]:
    regular = {*keys_of_python(), *keys_of_scripts(), *keys_of_templates()}
    named = {path.stem.replace("_", " ").capitalize() for path in example_photos(EXAMPLES)}
    of_options = {text for one in OPTIONS.values() for text in (one.title, one.info) if text}
    return regular | named | of_options | JOINTS


@pytest.mark.parametrize("language", OTHERS)
def test_a_catalogue_has_every_key_and_no_other(language: str) -> None:
    known = set(catalogue(language))
    assert sorted(keys() - known) == [], "these are shown in English"
    assert sorted(known - keys()) == [], "nobody says these"


@pytest.mark.parametrize("language", OTHERS)
def test_a_translation_is_no_blank_and_keeps_holes_and_tags(language: str) -> None:
    pairs = json.loads((CATALOGUES / f"{language}.json").read_text("utf-8"), object_pairs_hook=list)
    texts = [text for text, _ in pairs]
    assert len(texts) == len(set(texts)), "a text stands there twice"
    for text, said in pairs:
        assert said.strip() or text == " ", f"{text!r} has an empty translation"
        if text:
            assert sorted(HOLE.findall(said)) == sorted(HOLE.findall(text)), f"{text!r} has other holes than {said!r}"
        assert sorted(re.findall("<[^>]+>", text)) == sorted(re.findall("<[^>]+>", said)), f"{text!r}: other tags"


def test_the_keys_are_found_in_every_kind_of_source() -> None:
    for found in (set(keys_of_python()), set(keys_of_scripts()), set(keys_of_templates())):
        assert len(found) > 60
    assert list(marked_texts('<p title="Long" data-say-title><b data-say>Two\n  words</b></p>')) == [
        "Long",
        "Two words",
    ]


def test_every_catalogue_is_offered_and_handed_to_gradio() -> None:
    assert set(OTHERS) == {path.stem for path in CATALOGUES.glob("*.json")}
    assert set(i18n().translations_dict) == set(NAMES)
    assert all(f'value="{language}"' in language_picker() for language in NAMES)
    assert "" not in catalogue("zh-CN"), "Gradio would show it for every empty label"


# ---- what leaves the server --------------------------------------------------------------------------------------


def test_a_warning_is_worded_for_the_page_that_asks_and_in_english_for_programs() -> None:
    wrong = message("{name} cannot be opened; please choose another photo.", name='"a.jpg"')
    assert in_language_of(wrong, {"eimg-studio-language": "zh-CN"}) == '"a.jpg" 无法打开；请选择另一张照片。'
    for cookies in ({}, {"eimg-studio-language": "en"}, {"eimg-studio-language": "../x"}):
        assert in_language_of(wrong, cookies) == wrong


def test_markup_holds_what_the_page_needs_to_say_it_again() -> None:
    assert marked("VQ-VAE") == "", "a name is the same in every language"
    assert marked(message("Seed")) == " data-say"
    told = marked(message("needs {part}", part="<x's>"), "title")
    assert told.startswith(" data-say-title='")
    assert "<" not in told
    assert told.count("'") == 2
    assert json.loads(unescape(told.split("'")[1])) == {"key": "needs {part}", "values": {"part": "<x's>"}}


def test_a_value_tells_of_its_messages_and_keeps_its_english() -> None:
    said = message("{name} removed.", name="a")
    assert with_messages({"fault": said}) == {"fault": "a removed.", "messages": {"a removed.": said.wire()}}
    assert with_messages({"fault": "Plain."}) == {"fault": "Plain."}


def test_programs_read_labels_in_english(studio: FakeStudio, tmp_path: Path) -> None:
    info = app.build_ui(studio, examples=tmp_path, pieces=tmp_path).get_api_info()
    labels = {each["label"] for one in info["named_endpoints"].values() for each in one["parameters"]}
    assert {"Seed", "Length in seconds", "Play with expression"} <= labels
    assert english(f"{term('Composer:')} ALAE") == "Composer: ALAE"


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
    assert page.text_content(".player-done h3") == "一首恬静的曲子"
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


@browser_test
def test_a_warning_of_gradio_is_told_in_chinese(visit: Visit, tmp_path: Path) -> None:
    page, drawing = visit.page, tmp_path / "drawing.jpg"
    drawing.write_text("<svg></svg>")
    page.select_option("#language", "zh-CN")
    page.wait_for_function("document.querySelector('#compose').textContent.trim() === '谱曲'")
    page.set_input_files("#photo input[type=file]", str(drawing))
    page.wait_for_selector("[data-testid=toast-body]")
    assert "SVG 图形" in page.inner_text("[data-testid=toast-body]")
    assert left_in_english(page) == []
