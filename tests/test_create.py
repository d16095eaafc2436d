"""The page Create as a visitor meets it: why, takes, the same tune again, undo, history, links, faders."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from eimg_core.emotion import PHOTO_CENTRE, VA, photo_target
from eimg_core.errors import InputError
from eimg_core.midi.writing import write_midi
from eimg_core.options import USUAL_TAKES, ComposeOptions
from eimg_core.recipe import Recipe, Step, photo_id
from eimg_core.remake import remake
from tests.fake_studio import FakeStudio, scene, sketch
from tests.shots import give_photo
from tests.visits import CONTRAST, SOUND, Visit, unfold, wait_for_new_sound

browser_test = pytest.mark.browser
POINT = VA(6.0, 4.0)
OPTIONS = ComposeOptions(seed=3, seconds=9.0, target=POINT, takes=USUAL_TAKES)


# ---- recipes -----------------------------------------------------------------------------------------------------


def test_a_recipe_survives_the_way_through_a_browser() -> None:
    steps = (Step("retell", VA(3.5, 7.25), 12.0, 2), Step("extend", VA(3.5, 7.25), 40.0))
    recipe = Recipe("effnet+tvae", replace(OPTIONS, tempo=0.85, density=-0.5, keep=1), "0123456789abcdef", steps)
    assert Recipe.parse(json.loads(json.dumps(recipe.value()))) == recipe


def test_a_recipe_knows_its_piece_whatever_take_is_kept() -> None:
    recipe = Recipe("a+b", OPTIONS)
    assert recipe.key == recipe.keeping(3).key
    retold = replace(recipe, steps=(Step("retell", POINT, 9.0),))
    assert retold.key == retold.keeping(1).key != recipe.key
    assert replace(retold, options=replace(OPTIONS, keep=2)).key != retold.key, "another take has another tune"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"seed": -1}, "Seed must be"),
        ({"seed": "x"}, "cannot be read"),
        ({"seconds": float("nan")}, "Length in seconds must be"),
        ({"seconds": 1e9}, "Length in seconds must be"),
        ({"tempo": 9}, "Tempo must be from 0.7 to 1.4, not 9"),
        ({"density": "none"}, "cannot be read"),
        ({"keep": USUAL_TAKES}, f"no take {USUAL_TAKES + 1}"),
        ({"target": {"valence": 99, "arousal": 1}}, "from 1 to 9"),
        ({"target": {"valence": float("inf"), "arousal": 1}}, "cannot be read"),
        ({"steps": "retell"}, "at most"),
        ({"steps": [{"do": "delete"}]}, "told again, continued or filled"),
        ({"steps": [{"do": "retell"}] * 400}, "at most"),
        ({"steps": [{"do": "extend", "target": {"valence": 5, "arousal": 5}, "seconds": 1e9, "keep": None}]}, "Length"),
    ],
)
def test_hostile_recipes_get_one_sentence(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        Recipe.parse({**Recipe("a+b", OPTIONS).value(), **change})


@pytest.mark.parametrize("value", [None, [], "recipe", {}, 3])
def test_what_is_no_recipe_at_all_gets_one_sentence_too(value: Any) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        Recipe.parse(value)


def test_following_a_recipe_composes_once_and_steps_on_from_the_take_that_is_kept() -> None:
    studio, known = FakeStudio(), {}
    recipe = Recipe("vqvae+fnt", OPTIONS)
    first = remake(studio, recipe, known=known)
    other = remake(studio, recipe.keeping((first.choice + 1) % 4), known=known)
    assert len(studio.asked) == 1
    assert other.piece == first.takes[other.kept].piece != first.piece
    retold = replace(recipe.keeping(other.kept), steps=(Step("retell", VA(6.0, 2.5), 9.0),))
    remake(studio, retold, known=known)
    assert studio.retold[-1] == (other.piece, VA(6.0, 2.5))
    again = remake(FakeStudio(), retold, known={})
    assert again.piece == remake(studio, retold, known=known).piece, "from memory or anew, it is one piece"
    assert len(studio.retold) == 1


def test_a_recipe_for_a_photo_needs_that_photo() -> None:
    studio, beach = FakeStudio(), scene("beach")
    recipe = Recipe("vqvae+fnt", replace(OPTIONS, target=None), photo_id(beach))
    assert remake(studio, recipe, [beach]).photo_va is not None
    for photos in ([], [scene("night")]):
        with pytest.raises(InputError, match="made for another photo"):
            remake(studio, recipe, photos)


def test_a_visit_remembers_a_bounded_number_of_pieces() -> None:
    studio, known = FakeStudio(), {}
    for seed in range(40):
        remake(studio, Recipe("vqvae+fnt", replace(OPTIONS, seed=seed)), known=known)
    assert len(known) == 16
    remake(studio, Recipe("vqvae+fnt", replace(OPTIONS, seed=39)), known=known)
    assert len(studio.asked) == 40, "the latest are those that are kept"


# ---- the page: why -----------------------------------------------------------------------------------------------


@browser_test
def test_why_is_told_on_demand_in_a_map_and_in_words(visit: Visit, studio: FakeStudio, beach: Path) -> None:
    page, asked = visit.page, []
    studio.before_explaining = lambda: asked.append(1)
    assert not page.is_visible(".why-switch"), "without a photo there is nothing to ask"
    give_photo(page, beach)
    assert not asked
    tall = page.locator("#inputs").bounding_box()["height"]
    page.focus(".why-switch input[value=photo]")
    page.keyboard.press("ArrowRight")  # radio buttons: the keyboard is enough
    page.wait_for_selector(".why[data-state=shown]")
    assert "bright area at the top" in page.inner_text(".why-words")
    assert "bright area at the top" in page.get_attribute(".why-stage canvas", "aria-label")
    assert page.inner_text(".why-legend").replace("\n", " ").startswith("less pleasant −")
    assert not page.is_visible("#photo img")
    painted = "() => { const c = document.querySelector('.why-stage canvas'), p = c.getContext('2d');"
    painted += "return [0.15, 0.8].map(y => [...p.getImageData(c.width / 2, c.height * y, 1, 1).data]); }"
    above, below = page.evaluate(painted)
    assert above[0] > above[2], "a bright sky is pleasant: orange"
    assert below[2] > below[0], "dark water is not: blue"
    page.click("label:has-text('Why exciting?')")
    assert "calmer" in page.inner_text(".why-words")
    assert len(asked) == 1, "both maps come from one look"
    assert abs(page.locator("#inputs").bounding_box()["height"] - tall) < 60, "the page does not jump"
    page.click("label:has(input[value=photo])")
    assert page.is_visible("#photo img")
    studio.before_explaining = None


@browser_test
def test_a_why_that_fails_says_so_and_can_be_asked_again(visit: Visit, studio: FakeStudio, beach: Path) -> None:
    def fail() -> None:
        raise RuntimeError("/srv/secret")

    page = visit.page
    give_photo(page, beach)
    studio.before_explaining = fail
    page.click("label:has-text('Why pleasant?')")
    page.wait_for_selector(".why[data-state=failed]")
    assert "could not be explained" in page.inner_text(".why-words")
    assert "secret" not in page.content()
    studio.before_explaining = None
    page.click("label:has-text('Why exciting?')")
    page.wait_for_selector(".why[data-state=shown]")


def point_shown(page: Any, which: str) -> list[float]:
    """Valence and arousal that the plane shows for ``photo`` or ``target``."""
    return [float(number) for number in page.get_attribute(".plane-map", f"data-{which}").split(",")]


# ---- the page: the plane -----------------------------------------------------------------------------------------


@browser_test
def test_the_map_itself_takes_the_arrow_keys_and_the_way_home(visit: Visit, beach: Path) -> None:
    page = visit.page
    give_photo(page, beach)
    reading, (valence, arousal) = point_shown(page, "photo"), point_shown(page, "target")
    own = photo_target(VA(*reading))
    assert (valence, arousal) == pytest.approx((own.valence, own.arousal), abs=0.11), "apart from the reading"
    page.focus(".plane-map")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowUp")
    moved = point_shown(page, "target")
    assert moved == pytest.approx([valence + 0.1, arousal + 1.0], abs=0.051)
    assert "Target at valence" in page.inner_text(".plane-live")
    offset = float(page.inner_text(".plane-sliders label:nth-child(2) output"))
    assert offset == pytest.approx(moved[1] - reading[1], abs=0.11), "sliders tell how far it is from the reading"
    assert page.evaluate("getComputedStyle(document.querySelector('#plane .plane-map')).outlineStyle") == "solid"
    page.keyboard.press("Home")
    assert point_shown(page, "target") == [valence, arousal]
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Escape")
    assert point_shown(page, "target") == [valence, arousal]
    ellipse = page.locator("#plane .plane-doubt")
    assert float(ellipse.get_attribute("rx")) == pytest.approx(40 * 1.0), "one standard deviation on each axis"
    assert float(ellipse.get_attribute("ry")) == pytest.approx(40 * 0.8)


@browser_test
def test_the_target_can_be_made_stronger_until_the_edge(visit: Visit, beach: Path) -> None:
    page = visit.page
    assert page.is_hidden(".plane-stronger"), "there is nothing to make stronger yet"
    give_photo(page, beach)
    own = point_shown(page, "target")
    page.click("button:text-is('Stronger')")
    target = point_shown(page, "target")
    assert target == pytest.approx(
        [mean + 1.5 * (at - mean) for at, mean in zip(own, PHOTO_CENTRE, strict=True)], abs=0.13
    )
    for _ in range(12):
        if page.is_enabled(".plane-stronger"):
            page.click(".plane-stronger")
    assert page.is_disabled(".plane-stronger"), "there is an edge"
    assert {"1.0", "9.0"} & set(page.get_attribute(".plane-map", "data-target").split(","))
    page.click(".plane-back")
    assert point_shown(page, "target") == own


@browser_test
def test_the_plane_shows_piece_distance_and_every_take(visit: Visit, beach: Path) -> None:
    page = visit.page
    give_photo(page, beach)
    assert page.locator(".plane-take").count() == 0
    visit.compose()
    assert page.locator(".plane-take").all_text_contents() == list("ABCDEFGHIJKLMNOP"[:USUAL_TAKES])
    assert page.locator(".plane-take.kept").count() == 1
    assert page.text_content(".plane-gap") == "0.7", "0.6 to the right and 0.3 up"
    page.get_by_role("tab", name="Compare").click()
    page.wait_for_selector(".plane-gap", state="hidden")


# ---- the page: notes first, takes, the same tune again -----------------------------------------------------------


@browser_test
def test_the_notes_are_there_before_the_sound(visit: Visit, studio: FakeStudio, monkeypatch: Any) -> None:
    gate = threading.Event()
    render = studio.render
    monkeypatch.setattr(studio, "render", lambda *args: (gate.wait(60), render(*args))[1])
    page = visit.page
    page.click(".plane-map", position={"x": 200, "y": 120})
    page.click("#compose")
    page.wait_for_selector(".take >> nth=3")
    assert not page.evaluate(SOUND)
    assert page.is_disabled("button:text-is('Calmer')"), "nothing follows before the piece is whole"
    gate.set()
    page.wait_for_function(SOUND)


@browser_test
def test_any_take_opens_and_the_guides_choice_is_marked(visit: Visit, studio: FakeStudio) -> None:
    page = visit.page
    page.click(".plane-map", position={"x": 200, "y": 120})
    visit.compose()
    asked = len(studio.asked)
    takes = page.locator(".take")
    assert takes.count() == USUAL_TAKES
    chosen = [n for n in range(USUAL_TAKES) if "choice" in takes.nth(n).inner_text()]
    assert len(chosen) == 1
    assert takes.nth(chosen[0]).get_attribute("aria-pressed") == "true"
    _, best = visit.download("MIDI")
    other = (chosen[0] + 1) % USUAL_TAKES
    wait_for_new_sound(visit, takes.nth(other).click)
    assert len(studio.asked) == asked, "it is not composed again"
    assert page.locator(".take").nth(other).get_attribute("aria-pressed") == "true"
    name, midi = visit.download("MIDI")
    assert name.endswith(f", take {'ABCD'[other]}.mid")
    assert midi != best
    assert page.locator(".history li").count() == 1, "another take is the same piece"
    assert f"take {'ABCD'[other]}" in page.inner_text(".history li")
    kept = len(studio.kept)
    wait_for_new_sound(visit, page.locator(".take").nth(chosen[0]).click)
    assert "take" not in page.inner_text(".history li")
    page.click(".entry-star")
    wait_for_new_sound(visit, page.locator(".take").nth(other).click)
    assert page.locator(".history li").count() == 2, "a favourite stays what it is"
    wait_for_new_sound(visit, page.locator(".take").nth(chosen[0]).click)
    assert visit.download("MIDI")[1] == best
    assert len(studio.kept) == kept, "what this page has shown is shown again at once"


@browser_test
def test_a_full_queue_takes_nothing_away(visit: Visit) -> None:
    page = visit.page
    page.click(".plane-map", position={"x": 200, "y": 120})
    visit.compose()
    _, before = visit.download("MIDI")
    full = json.dumps({"detail": "Queue is full. Max size is 24 and size is 24."})
    page.route("**/queue/join*", lambda route: route.fulfill(status=503, content_type="application/json", body=full))
    page.click("button:text-is('Calmer')")
    page.wait_for_selector(".toast-body.error")
    page.wait_for_selector(".player[data-state=done]")
    assert visit.download("MIDI")[1] == before
    assert all("503" in problem for problem in visit.problems), visit.problems
    visit.problems.clear()


@browser_test
def test_the_same_tune_calmer_continued_and_undone(visit: Visit, studio: FakeStudio, beach: Path) -> None:
    page = visit.page
    give_photo(page, beach)
    visit.compose()
    _, first = visit.download("MIDI")
    before = studio.target_for(studio.read_photo(scene("beach")).va)
    wait_for_new_sound(visit, lambda: page.click("button:text-is('Calmer')"))
    _, target = studio.retold[-1]
    assert target.valence == pytest.approx(before.valence, abs=0.01)
    assert target.arousal == pytest.approx(max(1.0, before.arousal - 1.5), abs=0.01)
    shown = [float(number) for number in page.get_attribute(".plane-map", "data-target").split(",")]
    assert shown == pytest.approx([target.valence, target.arousal], abs=0.051), "the target has moved along"
    assert visit.download("MIDI")[0].endswith(", retold.mid")
    wait_for_new_sound(visit, lambda: page.click("button:text-is('Continue')"))
    assert studio.extended[-1][1] == pytest.approx(30.0, abs=1)
    assert page.is_disabled("button:text-is('Redo')")
    wait_for_new_sound(visit, lambda: page.click("button:text-is('Undo')"))
    wait_for_new_sound(visit, lambda: page.click("button:text-is('Undo')"))
    assert visit.download("MIDI")[1] == first
    assert page.is_disabled("button:text-is('Undo')")
    assert page.is_hidden(".plane-back"), "and the target is the photo's own again"
    wait_for_new_sound(visit, lambda: page.click("button:text-is('Redo')"))
    assert visit.download("MIDI")[0].endswith(", retold.mid")
    assert (len(studio.retold), len(studio.extended)) == (1, 1)
    visit.compose()
    asked = studio.asked[-1].target
    assert (asked.valence, asked.arousal) == pytest.approx((target.valence, target.arousal), abs=0.01), (
        "Compose goes on from what the inputs shows"
    )


def open_more(page: Any) -> None:
    page.click("#more button >> nth=0")
    page.wait_for_selector("#tempo input[type=range]")


@browser_test
def test_a_composer_that_cannot_keep_a_tune_says_why_its_buttons_rest(visit: Visit, studio: FakeStudio) -> None:
    page = visit.page
    page.click(".plane-map", position={"x": 200, "y": 120})
    open_more(page)
    page.click("#pairing label:has-text('ALAE + LSR')")
    page.wait_for_function("document.querySelector('#density input[type=range]').disabled")
    visit.compose()
    for name in ("Calmer", "Livelier", "Brighter", "Darker", "Continue"):
        assert page.is_disabled(f"button:text-is('{name}')")
    assert "ALAE + LSR cannot keep a tune" in page.inner_text(".actions-why-not")
    assert page.is_enabled(".take >> nth=0"), "its takes can be opened all the same"


@browser_test
def test_the_faders_reach_the_composer(visit: Visit, studio: FakeStudio) -> None:
    page = visit.page
    page.click(".plane-map", position={"x": 200, "y": 120})
    visit.compose()
    assert (studio.asked[-1].tempo, studio.asked[-1].density) == (1.0, 0.0)
    slow = float(page.inner_text(".player-facts").split(" bpm")[0].split()[-1])
    open_more(page)
    page.fill("#tempo input[type=number]", "1.25")
    page.keyboard.press("Tab")
    page.focus("#density input[type=range]")
    page.keyboard.press("Home")
    page.fill("#seconds input[type=number]", "90")
    page.keyboard.press("Tab")
    visit.compose()
    asked = studio.asked[-1]
    assert (asked.tempo, asked.density, asked.seconds) == (1.25, -1.0, 90.0)
    assert float(page.inner_text(".player-facts").split(" bpm")[0].split()[-1]) == pytest.approx(1.25 * slow, abs=1)


# ---- the page: history and links ---------------------------------------------------------------------------------


@browser_test
def test_the_history_brings_settings_and_piece_back_after_a_reload(visit: Visit, studio: FakeStudio) -> None:
    page = visit.page
    page.click(".plane-map", position={"x": 200, "y": 120})
    unfold(page)
    page.fill("#seed input", "17")
    page.keyboard.press("Tab")
    visit.compose()
    _, midi = visit.download("MIDI")
    target = page.get_attribute(".plane-map", "data-target")
    page.fill("#seed input", "18")
    page.keyboard.press("Tab")
    visit.compose()
    assert page.locator(".history li").count() == 2
    page.click(".history li:nth-child(2) .entry-star")
    page.reload()
    page.wait_for_selector(".history li")
    assert page.get_attribute(".history li:nth-child(2) .entry-star", "aria-pressed") == "true"
    page.wait_for_selector("#piece .player[data-state=done]:not(.pending)")
    wait_for_new_sound(visit, lambda: page.click(".history li:nth-child(2) .entry-open"))
    assert visit.download("MIDI")[1] == midi, "the same piece, note for note"
    unfold(page)
    assert page.input_value("#seed input") == "17"
    assert page.get_attribute(".plane-map", "data-target") == target
    assert page.locator(".history li").count() == 2, "what is heard again is not listed again"
    page.click(".history li:nth-child(1) .entry-drop")
    assert page.locator(".history li").count() == 1
    stored = page.evaluate("localStorage.getItem('eimg-studio-history')")
    assert len(json.loads(stored)) == 1
    assert "data:" not in stored


@browser_test
def test_a_damaged_or_hostile_history_harms_nobody(visit: Visit) -> None:
    page = visit.page
    evil = "<img src=x onerror=document.title='evil'>"
    good = {
        "id": "a", "made": 1, "star": False, "region": evil, "title": evil, "duration": 9,
        "target": {"valence": 6, "arousal": 4}, "piece": None, "roll": [[0, 0, "x"], [1, 2, 3]],
        "recipe": {**Recipe("vqvae+fnt", OPTIONS).value(), "pairing": evil},
    }  # fmt: skip
    for text in ("not json", json.dumps({"a": 1}), json.dumps([None, 3, {"id": "x"}, good])):
        page.evaluate("(text) => localStorage.setItem('eimg-studio-history', text)", text)
        page.reload()
        page.wait_for_selector(".plane-map[data-target]")
    assert page.locator(".history li").count() == 1
    assert evil in page.inner_text(".history li"), "text stays text"
    page.click(".history .entry-open")
    page.wait_for_selector(".player[data-state=failed]")
    assert page.title() == "EIMG Studio"


@browser_test
def test_a_link_puts_the_settings_back_as_well(visit: Visit, browser: Any, beach: Path) -> None:
    page = visit.page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    give_photo(page, beach)
    unfold(page)
    page.fill("#seed input", "23")
    page.fill("#seconds input[type=number]", "20")
    page.keyboard.press("Tab")
    open_more(page)
    page.click("#pairing label:has-text('ALAE + FNT')")
    page.fill("#tempo input[type=number]", "0.8")
    page.keyboard.press("Tab")
    visit.compose()
    page.click("#piece [data-kind=link]")
    page.wait_for_function("document.querySelector('#piece .player-say').textContent.startsWith('Link copied')")
    assert "never the photo" in page.inner_text("#piece .player-say")
    link = page.evaluate("navigator.clipboard.readText()")
    target = page.get_attribute(".plane-map", "data-target")
    other = Visit(browser, link)
    other.page.wait_for_selector(f".plane-map[data-target='{target}']")
    unfold(other.page)
    other.page.wait_for_function("document.querySelector('#seed input').value === '23'")
    assert other.page.input_value("#seconds input[type=number]") == "20"
    open_more(other.page)
    assert other.page.input_value("#tempo input[type=number]") == "0.8"
    assert other.page.is_checked("#pairing label:has-text('ALAE + FNT') input")
    other.compose()
    assert "seed 23" in other.page.inner_text(".player-facts")
    assert "ALAE + FNT" in other.page.inner_text(".player-facts")
    assert other.problems == []
    other.page.context.close()


@browser_test
def test_locks_reach_the_composer(visit: Visit, studio: FakeStudio) -> None:
    page = visit.page
    page.click(".plane-map", position={"x": 200, "y": 120})
    open_more(page)
    chosen = {"key": "Eb", "mode": "minor", "meter": "3/4", "loop": "8", "instrument": "harp"}
    for name, choice in chosen.items():
        page.check(f"#{name} label:has(span:text-is('{choice}')) input")
    page.fill("#bpm input", "96.5")
    page.keyboard.press("Tab")
    visit.compose()
    asked = studio.asked[-1]
    assert (asked.key, asked.mode, asked.bpm, asked.meter, asked.loop) == ("Eb", "minor", 96.5, "3/4", 8)
    assert asked.instrument == "harp"


@browser_test
def test_hostile_addresses_change_nothing(visit: Visit, browser: Any, studio: FakeStudio, url: str) -> None:
    query = "v=99&a=<script>&seed=-4&length=1e9&pairing=../../etc&tempo=NaN&density=Infinity&plain=maybe"
    query += "&key=H&mode=dorian&bpm=1e9&meter=7/8&loop=5&instrument=drums"
    other = Visit(browser, f"{url}?{query}")
    other.page.wait_for_timeout(500)
    assert other.page.get_attribute(".plane-map", "data-target") == ""
    unfold(other.page)
    assert other.page.input_value("#seed input") == "0"
    assert other.page.input_value("#seconds input[type=number]") == "15"
    other.page.click(".plane-map", position={"x": 200, "y": 120})
    other.compose()
    assert studio.asked[-1].tempo == 1.0
    assert studio.asked[-1].density == 0.0
    asked, usual = studio.asked[-1], ComposeOptions()
    for name in ("key", "mode", "bpm", "meter", "loop", "instrument"):
        assert getattr(asked, name) == getattr(usual, name)
    assert other.problems == []
    other.page.context.close()


@browser_test
@pytest.mark.parametrize("visit", [{"size": (390, 844), "theme": "dark"}, {"size": (360, 740)}], indirect=True)
def test_all_of_it_fits_a_phone_and_can_be_read(visit: Visit, beach: Path) -> None:
    page = visit.page
    give_photo(page, beach)
    page.click("label:has-text('Why pleasant?')")
    page.wait_for_selector(".why[data-state=shown]")
    visit.compose()
    open_more(page)
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert page.evaluate(CONTRAST) == []
    small = page.locator(".actions button:visible").evaluate_all("all => all.filter(b => b.offsetHeight < 30).length")
    assert small == 0, "every button is large enough for a finger"


@browser_test
def test_stop_ends_only_my_piece(visit: Visit, browser: Any, url: str, studio: FakeStudio) -> None:
    gate = threading.Event()
    other = Visit(browser, url)
    visit.page.click(".plane-map", position={"x": 200, "y": 120})
    other.page.click(".plane-map", position={"x": 160, "y": 220})
    studio.before_composing = lambda: gate.wait(60) and None
    other.page.click("#compose")
    other.page.wait_for_selector(".player-stages li.now:nth-child(2)")
    visit.page.click("#compose")  # waits in the queue
    visit.page.wait_for_selector(".player[data-state=working]")
    visit.page.click(".player-stop")
    visit.page.wait_for_selector(".player[data-state=empty]")
    studio.before_composing = None
    gate.set()
    other.page.wait_for_selector(".player[data-state=done]")
    assert other.problems == []
    other.page.context.close()


# ---- the API -----------------------------------------------------------------------------------------------------


def test_programs_can_explain_retell_extend_and_fill(url: str, studio: FakeStudio, beach: Path, tmp_path: Path) -> None:
    client_library = pytest.importorskip("gradio_client")
    client = client_library.Client(url, verbose=False, download_files=False)
    named = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    for name in ("/explain_photo", "/retell", "/extend", "/compose"):
        assert named[name].get("description"), f"{name} says what it does"
    why = client.predict(photo=client_library.handle_file(str(beach)), api_name="/explain_photo")
    assert len(why["valence"]) == len(why["arousal"]) == 24
    assert set(why["words"]) == {"valence", "arousal"}
    assert why["classes"] == [{"name": "seashore", "probability": 0.7, "valence": 0.4, "arousal": -0.2}]
    midi = tmp_path / "tune.mid"
    write_midi(sketch(POINT, 1, 9.0), midi)
    tune = client_library.handle_file(str(midi))
    retold = client.predict(midi=tune, valence=3, arousal=7, pairing="vqvae+fnt", seed=4, api_name="/retell")
    assert studio.retold[-1][1] == VA(3.0, 7.0)
    assert set(retold["files"]) == {"mid", "wav", "json"}
    longer = client.predict(midi=tune, seconds=30, pairing="vqvae+fnt", api_name="/extend")
    assert longer["duration_s"] == pytest.approx(30.0, abs=2)
    assert len(longer["takes"]) == USUAL_TAKES
    filled = client.predict(midi=tune, first=2, last=3, pairing="vqvae+fnt", api_name="/fill")
    assert (filled["state"], studio.filled[-1][1]) == ("done", (1, 3))
    letter = tmp_path / "letter.mid"
    letter.write_text("not music")
    for wrong, sentence in (
        ({"midi": client_library.handle_file(str(letter))}, "not a MIDI file"),
        ({"valence": 99}, "from 1 to 9"),
        ({"midi": None}, "no MIDI file"),
    ):
        with pytest.raises(Exception, match=sentence):
            client.predict(
                **{"midi": tune, "valence": 3, "arousal": 7, "pairing": "vqvae+fnt", **wrong}, api_name="/retell"
            )
    with pytest.raises(Exception, match="no photo to explain"):
        client.predict(photo=None, api_name="/explain_photo")


def test_compose_tells_programs_about_takes_and_takes_their_faders(url: str, studio: FakeStudio) -> None:
    client_library = pytest.importorskip("gradio_client")
    studio.before_composing = None
    client = client_library.Client(url, verbose=False, download_files=False)
    wanted = {"emotion": {"target": {"valence": 7.5, "arousal": 6.0}}, "pairing": "vqvae+fnt", "seed": 5, "seconds": 9}
    job = client.submit(photo=None, **wanted, tempo=1.2, density=0.5, api_name="/compose")
    piece = job.result(timeout=60)
    assert studio.asked[-1] == ComposeOptions(5, 9.0, VA(7.5, 6.0), USUAL_TAKES, tempo=1.2, density=0.5)
    assert sum(take["choice"] for take in piece["takes"]) == sum(take["kept"] for take in piece["takes"]) == 1
    early = [value for value in job.outputs() if value.get("pending")]
    assert early
    assert early[0]["notes"] == piece["notes"]
    assert early[0]["files"] == {}
    with pytest.raises(Exception, match="maximum value"):
        client.predict(photo=None, **wanted, tempo=3, api_name="/compose")
