"""Nothing that was made is lost: links, undo, reload, Back, two tabs, and walks through all of them by chance."""

from __future__ import annotations

import base64
import json
import os
import random
import zlib
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from eimg_core.emotion import VA
from eimg_core.errors import InputError
from eimg_core.exports.files import write
from eimg_core.exports.work import Work
from eimg_core.midi.notes import MeterChange, Section
from eimg_core.options import ComposeOptions
from eimg_core.recipe import Recipe, Step, photo_id
from eimg_core.remake import remake
from eimg_core.ui.session.packed import packed, unpacked
from tests.fake_studio import PAIRINGS, FakeStudio, scene, sketch
from tests.shots import give_photo
from tests.visits import Visit

browser_test = pytest.mark.browser
OPTIONS = ComposeOptions(seed=3, seconds=9.0, takes=4, tempo=0.85)
MIDI = """async () => {
  const link = [...document.querySelectorAll("PLAYER .player-files a")].find((one) => one.download.endsWith(".mid"));
  const bytes = new Uint8Array(await (await fetch(link.href)).arrayBuffer());
  return btoa(String.fromCharCode(...bytes));
}"""
SOUND = "(document.querySelector('#piece .player[data-state=done] audio') || {}).src"


def midi_of(composition: Any, folder: Path) -> bytes:
    folder.mkdir()
    return write(Work(composition), folder, "piece", ["mid"])["mid"].read_bytes()


# ---- packed pieces -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["photo", "take", "retold", "story", "given", "filled"])
def test_a_packed_piece_comes_back_byte_for_byte_without_its_photo(way: str, tmp_path: Path) -> None:
    studio, beach, night = FakeStudio(), scene("beach"), scene("night")
    recipe = Recipe("effnet+tvae", OPTIONS, photo_id(beach))
    if way in ("given", "filled"):
        changed = replace(sketch(VA(6.0, 4.0), 1, 9.0), meter_changes=(MeterChange(4.0, (3, 4)),))
        given = studio.given(changed, "effnet+tvae")
        steps = (Step("fill", VA(6.0, 4.0), 9.0, bars=(1, 3)),) if way == "filled" else ()
        made = remake(studio, replace(given.made_by, steps=steps), (), {given.made_by.key: given})
    elif way == "story":
        made = studio.story([beach, night], "effnet+tvae", replace(OPTIONS, seconds=20.0))
    else:
        recipe = recipe.keeping(2) if way == "take" else recipe
        steps = (Step("retell", VA(6.0, 2.5), 9.0), Step("extend", VA(6.0, 2.5), 24.0))
        made = remake(studio, replace(recipe, steps=steps if way == "retold" else ()), [beach])
    text = packed(made)
    back = studio.restore(unpacked(text, PAIRINGS))
    assert midi_of(back, tmp_path / "back") == midi_of(studio.restore(made), tmp_path / "made")
    assert (back.made_by, back.photo_va, back.target_va) == (made.made_by, made.photo_va, made.target_va)
    assert replace(back.options, keep=None) == replace(made.options, keep=None)
    assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def test_nothing_of_a_piece_as_written_is_left_out_or_rounded() -> None:
    sections = (Section(0.0, "A"), Section(4.1 / 3, "B"))
    piece = replace(sketch(VA(6.0, 4.0), 1, 9.0).faster(1 / 0.7), key=14, sections=sections, meter=(6, 8), loop_s=14.2)
    made = replace(FakeStudio().compose(None, "effnet+tvae", replace(OPTIONS, target=VA(6.1, 4.2))), piece=piece)
    assert unpacked(packed(made), PAIRINGS).piece == piece
    plain = {field.name for field in fields(piece) if getattr(piece, field.name) == field.default}
    assert plain <= {"pedals", "meter_changes"}, "the test above has changes of meter; this one tries all others"


def test_a_piece_that_came_back_is_gone_on_from_without_its_photo() -> None:
    studio, beach = FakeStudio(), scene("beach")
    recipe = Recipe("effnet+tvae", replace(OPTIONS, keep=2), photo_id(beach))
    retold = replace(recipe, steps=(Step("retell", VA(6.0, 2.5), 9.0),))
    expected = remake(studio, retold, [beach])
    back = unpacked(packed(remake(studio, recipe, [beach])), PAIRINGS)
    asked = len(studio.asked)
    known = {back.made_by.key: back}
    assert remake(studio, retold, (), known).piece == expected.piece
    assert len(studio.asked) == asked, "nothing was composed anew"
    with pytest.raises(InputError, match="another photo"):
        remake(studio, recipe.keeping(1), (), {back.made_by.key: back})  # this take alone is at hand


def _text(value: Any) -> str:
    return base64.urlsafe_b64encode(zlib.compress(json.dumps(value).encode())).decode().rstrip("=")


def test_what_is_no_packed_piece_is_refused_in_a_sentence() -> None:
    made = FakeStudio().compose(scene("beach"), "effnet+tvae", OPTIONS)
    good = json.loads(zlib.decompress(base64.urlsafe_b64decode(packed(made) + "==")))
    bombs = base64.urlsafe_b64encode(zlib.compress(b" " * 50_000_000)).decode()
    hostile = [
        None, 7, "", "x", "?" * 40, "A" * 300_000, bombs, packed(made)[:-9], _text([]), _text({}),
        *(_text({**good, **change}) for change in (
            {"notes": []}, {"notes": [[0, 1, 60, 80]] * 9000}, {"notes": [[0, 1e9, 60, 80]]},
            {"notes": [[2, 1, 60, 80]]},
            {"notes": [[0, float("nan"), 60, 80]]}, {"notes": [[0, 1, 600, 80]]}, {"tempo": 0}, {"tempo": 1e9},
            {"meter": [0, 4]}, {"meter": [4, 3]}, {"target": [0, 99]}, {"target": None}, {"photo": "x"},
            {"recipe": {**good["recipe"], "pairing": "<b>+c"}}, {"recipe": {**good["recipe"], "seconds": 1e9}},
            {"stops": [[1]]}, {"pedals": [[0, -1]]}, {"key": 24}, {"sections": [[-1, "A"]]}, {"loop": 1e9},
            {"loop": 0.5},
        )),
    ]  # fmt: skip
    for text in hostile:
        with pytest.raises(InputError):
            unpacked(text, PAIRINGS)
    assert unpacked(_text({**good, "variant": "<b>"}), PAIRINGS).variant == ""


# ---- on the page -------------------------------------------------------------------------------------------------


def midi(page: Any, player: str = "#piece") -> str:
    page.wait_for_selector(f"{player} .player[data-state=done]:not(.pending)")
    return str(page.evaluate(MIDI.replace("PLAYER", player)))


def until_new_sound(page: Any, act: Any) -> None:
    before = page.evaluate(SOUND)
    act()
    page.wait_for_function(f"(before) => {SOUND} && {SOUND} !== before", arg=before)


def link_of(page: Any, player: str = "#piece") -> str:
    page.click(f"{player} [data-kind=link]")
    page.wait_for_selector(f"{player} .player[data-link]")
    link = str(page.get_attribute(f"{player} .player", "data-link"))
    page.evaluate("(player) => document.querySelector(player + ' .player').removeAttribute('data-link')", player)
    return link


@browser_test
def test_a_link_opens_the_same_piece_playable_at_once_and_it_goes_on(
    visit: Visit, browser: Any, studio: FakeStudio, beach: Path
) -> None:
    page = visit.page
    give_photo(page, beach)
    visit.compose()
    until_new_sound(page, lambda: page.click("button:text-is('Calmer')"))
    link, piece, target = link_of(page), midi(page), page.get_attribute(".plane-map", "data-target")
    assert len(link) < 8000
    composed = len(studio.asked)
    other = Visit(browser, link)
    assert midi(other.page) == piece
    assert len(studio.asked) == composed, "it is the piece itself that the link holds"
    other.page.click("#piece .transport-play")
    other.page.wait_for_function("document.querySelector('#piece audio').currentTime > 0.2")
    assert other.page.get_attribute(".plane-map", "data-target") == target
    assert other.page.url.endswith("#create"), "the address is short again"
    until_new_sound(other.page, lambda: other.page.click("button:text-is('Brighter')"))
    assert other.page.locator(".history li").count() == 2
    assert other.problems == []
    other.page.context.close()


@browser_test
def test_a_damaged_link_is_told_in_a_sentence(visit: Visit) -> None:
    page = visit.page
    page.evaluate("location.hash = '#create=AAAA'")
    page.wait_for_selector("[data-testid=toast-body]")
    assert "is damaged" in page.inner_text("[data-testid=toast-body]")
    page.wait_for_selector("#piece .player[data-state=empty]")
    page.click(".plane-map", position={"x": 200, "y": 120})
    visit.compose()


@browser_test
def test_a_storys_link_and_its_place_in_the_history_open_the_story(visit: Visit, studio: FakeStudio) -> None:
    page = visit.page
    page.get_by_role("tab", name="Story").click()
    page.click(".story-examples")
    page.wait_for_function("document.querySelectorAll('.story-list li:not(.coming)').length === 4")
    page.click("#story-start")
    piece, composed = midi(page, "#story-piece"), len(studio.asked)
    other = page.context.new_page()
    other.goto(link_of(page, "#story-piece"))
    assert midi(other, "#story-piece") == piece
    assert other.locator(".story-strip li").count() == 4
    other.close()
    page.reload()
    page.get_by_role("tab", name="Create").click()
    page.click(".history .entry-open")
    assert midi(page, "#story-piece") == piece
    assert len(studio.asked) == composed


@browser_test
def test_undo_after_undo_leads_to_the_first_piece(visit: Visit) -> None:
    page = visit.page
    page.click(".plane-map", position={"x": 200, "y": 120})
    visit.compose()
    first = midi(page)
    until_new_sound(page, lambda: page.click("button:text-is('Calmer')"))
    calmer = midi(page)
    until_new_sound(page, lambda: page.click("button:text-is('Undo')"))
    until_new_sound(page, lambda: page.click("button:text-is('Livelier')"))
    until_new_sound(page, lambda: page.click("button:text-is('Undo')"))
    assert midi(page) == first
    assert page.is_disabled("button:text-is('Undo')")
    assert page.locator(".history li").count() == 3, "what was undone is in the history all the same"
    until_new_sound(page, lambda: page.click(".history li:nth-child(2) .entry-open"))
    assert midi(page) == calmer
    until_new_sound(page, lambda: page.click("button:text-is('Undo')"))
    assert midi(page) == first


@browser_test
def test_a_reload_brings_the_piece_back_and_back_turns_the_page(visit: Visit, studio: FakeStudio, beach: Path) -> None:
    page = visit.page
    give_photo(page, beach)
    visit.compose()
    piece, target, composed = midi(page), page.get_attribute(".plane-map", "data-target"), len(studio.asked)
    page.reload()
    assert midi(page) == piece
    assert page.get_attribute(".plane-map", "data-target") == target, "the photo is gone, its point is not"
    assert len(studio.asked) == composed
    for name in ("Compare", "Results"):
        page.get_by_role("tab", name=name).click()
        page.wait_for_selector(f"body[data-page={name.lower()}]")
    page.go_back()
    page.wait_for_selector("body[data-page=compare]")
    page.go_back()
    page.wait_for_selector("body[data-page=create]")
    page.go_forward()
    page.wait_for_selector("body[data-page=compare]")


@browser_test
def test_two_tabs_keep_each_others_pieces(visit: Visit, url: str) -> None:
    page, other = visit.page, visit.page.context.new_page()
    other.goto(url)
    other.wait_for_selector(".plane-map[data-target]")
    for tab, x in ((page, 200), (other, 120), (page, 160)):
        tab.bring_to_front()
        tab.click(".plane-map", position={"x": x, "y": 120})
        until_new_sound(tab, lambda tab=tab: tab.click("#compose"))
    for tab in (page, other):
        tab.wait_for_function("document.querySelectorAll('.history li').length === 3")
    assert page.is_enabled("button:text-is('Undo')"), "each tab undoes its own"
    assert other.is_disabled("button:text-is('Undo')")


@browser_test
def test_a_picture_of_the_photo_is_kept_only_where_the_visitor_agrees(visit: Visit, beach: Path) -> None:
    page = visit.page
    give_photo(page, beach)
    visit.compose()
    assert "data:" not in page.evaluate("localStorage.getItem('eimg-studio-history')")
    page.check(".history-pictures input")
    page.click("#another")
    page.wait_for_selector(".history .entry-picture")
    page.reload()
    page.wait_for_selector(".history .entry-picture")
    assert page.is_checked(".history-pictures input")
    page.uncheck(".history-pictures input")
    assert page.locator(".history .entry-picture").count() == 0
    assert "data:" not in page.evaluate("localStorage.getItem('eimg-studio-history')")


@browser_test
def test_entries_of_the_history_differ(visit: Visit, beach: Path) -> None:
    page = visit.page
    give_photo(page, beach)
    visit.compose()
    for button in ("Calmer", "Undo", "Livelier", "Undo", "Brighter", "Undo", "Darker"):
        until_new_sound(page, lambda button=button: page.click(f"button:text-is('{button}')"))
    texts = page.locator(".history .entry-words strong").all_text_contents()
    assert len(set(texts)) == 5
    for word in ("calmer", "livelier", "brighter", "darker"):
        assert sum(word in text for text in texts) == 1, texts


@browser_test
def test_no_walk_through_the_page_loses_a_piece(visit: Visit, browser: Any, beach: Path) -> None:
    """Compose, retell, open a take, undo, redo, reload, turn pages and open links by chance; a list says what must be
    on show. ``EIMG_WALKS`` sets how many walks."""
    page, rng = visit.page, random.Random(7)
    give_photo(page, beach)
    for _ in range(int(os.environ.get("EIMG_WALKS", "2"))):
        trail, at, made = _begun(page, visit)
        for _ in range(7):
            can = ["compose", "retell", "take", "reload", "turn", "link"]
            can += ["undo"] * 3 * (at > 0) + ["redo"] * 2 * (at < len(trail) - 1)
            step = rng.choice([one for one in can if one != "take" or page.locator(".take").count()])
            if step in ("undo", "redo"):
                at += 1 if step == "redo" else -1
                until_new_sound(page, lambda step=step: page.click(f".actions-{step}"))
            elif step in ("compose", "retell", "take"):
                _act(page, step, rng)
                if midi(page) != trail[at]:
                    trail, at = [*trail[: at + 1], midi(page)], at + 1
                made.add(trail[at])
            elif step == "reload":
                page.reload()
            elif step == "turn":
                page.get_by_role("tab", name=rng.choice(["Compare", "Results"])).click()
                page.wait_for_selector("body:not([data-page=create])")
                page.go_back()
                page.wait_for_selector("body[data-page=create]")
            else:
                other = Visit(browser, link_of(page))
                assert midi(other.page) == trail[at]
                other.page.context.close()
            assert midi(page) == trail[at], step
        states = json.loads(page.evaluate("localStorage.getItem('eimg-studio-history')"))
        assert len({state["packed"] for state in states}) >= len(made)


def _begun(page: Any, visit: Visit) -> tuple[list[str], int, set[str]]:
    """A first piece in a history that is empty."""
    page.evaluate("localStorage.clear(), sessionStorage.clear()")
    page.reload()
    page.click(".plane-map", position={"x": 200, "y": 120})
    visit.compose()
    return [midi(page)], 0, {midi(page)}


def _act(page: Any, step: str, rng: random.Random) -> None:
    if step == "compose":
        until_new_sound(page, lambda: page.click("#another"))
    elif step == "retell":
        buttons = [one for one in page.locator("[data-move]").all() if one.is_enabled()]
        until_new_sound(page, rng.choice(buttons).click)
    else:
        until_new_sound(page, lambda: page.locator(".take[aria-pressed=false]").first.click())
