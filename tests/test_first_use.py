"""From a photo to sound without another press, and what the page does where something is missing."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import Any

import pytest

from eimg_core import figures
from eimg_core.ui.session.rights import rights
from tests.fake_studio import PAIRINGS, FakePairing, FakeStudio, scene
from tests.shots import give_photo
from tests.visits import CONTRAST, Visit

browser_test = pytest.mark.browser
AUDIO = "document.querySelector('#piece audio')"
at_once = pytest.mark.parametrize("visit", [{"at_once": True}, {"at_once": True, "size": (390, 844)}], indirect=True)


# ---- without a browser -------------------------------------------------------------------------------------------


def test_hands_have_the_same_colours_in_the_page_and_in_pictures() -> None:
    day = (Path(figures.__file__).parent / "ui/style/colours.css").read_text(encoding="utf-8").split(".dark")[0]
    right, left = (re.findall(rf"--{name}: (#\w{{6}})", day)[0] for name in ("upper", "lower"))
    assert (right, left) == (figures.HIGH_HAND, figures.LOW_HAND)


def test_what_a_composers_pieces_may_be_used_for_is_what_its_card_says() -> None:
    said = rights([*PAIRINGS, FakePairing("effnet+tvae", "EffNet + TVAE"), FakePairing("nobody+knows", "")])
    assert said["effnet+tvae"]["commercial"] is False
    assert {"EIMG", "OASIS"} <= set(said["effnet+tvae"]["data"])
    assert "POP909" not in said["effnet+tvae"]["data"], "what is free is no obstacle"
    assert "nobody+knows" not in said


# ---- ten seconds to joy ------------------------------------------------------------------------------------------


@browser_test
@at_once
def test_a_photo_alone_is_read_composed_and_played(visit: Visit, studio: FakeStudio, beach: Path) -> None:
    page, asked = visit.page, len(studio.asked)
    page.mouse.click(5, 5)  # browsers let a page play after a gesture
    give_photo(page, beach)
    page.wait_for_function(f"{AUDIO} && {AUDIO}.currentTime > 0.2")
    assert len(studio.asked) == asked + 1
    page.keyboard.press("Space")
    page.wait_for_function(f"{AUDIO}.paused")
    assert len(studio.asked) == asked + 1, "the space bar plays, and composes nothing"
    page.uncheck(".at-once input")
    page.click("[aria-label='Remove Image']")
    give_photo(page, beach)
    page.wait_for_timeout(500)
    assert len(studio.asked) == asked + 1


@browser_test
def test_a_mood_is_chosen_and_composed_for_at_one_tap(visit: Visit, studio: FakeStudio, beach: Path) -> None:
    page = visit.page
    give_photo(page, beach)
    assert page.locator(".plane-moods button").count() == 8
    for mood in ("sad", "excited"):
        before = page.evaluate(f"{AUDIO} ? {AUDIO}.src : ''")
        page.click(f".plane-moods [data-region={mood}]")
        page.wait_for_function(f"(before) => {AUDIO} && {AUDIO}.src && {AUDIO}.src !== before", arg=before)
        assert studio.asked[-1].target.region == mood
        assert mood in page.inner_text("#piece .player-done h3")
        assert page.get_attribute(f".plane-moods [data-region={mood}]", "aria-pressed") == "true"
    page.click("#plane .plane-map", position={"x": 190, "y": 170})  # near the middle
    visit.compose()
    assert "neutral" not in page.inner_text("#piece .player-done h3")


@browser_test
@pytest.mark.parametrize("visit", [{"size": (390, 844)}, {"size": (390, 844), "theme": "dark"}], indirect=True)
def test_play_and_compose_stay_in_reach_on_a_phone(visit: Visit, beach: Path) -> None:
    page = visit.page
    assert page.locator(".quick-compose").bounding_box()["y"] > 700
    assert page.is_hidden(".quick-play"), "there is nothing to play yet"
    give_photo(page, beach)
    before = page.evaluate(f"{AUDIO} ? {AUDIO}.src : ''")
    page.click(".quick-compose")
    page.wait_for_function(f"(before) => {AUDIO} && {AUDIO}.src && {AUDIO}.src !== before", arg=before)
    page.click(".quick-play")
    page.wait_for_function(f"{AUDIO}.currentTime > 0.1")
    assert page.is_visible(".quick-play .glyph-pause")
    assert page.evaluate(CONTRAST) == []
    assert "terms do not plainly allow commercial use" in page.inner_text("#piece .player-rights")


@browser_test
def test_after_composing_the_space_bar_plays_and_composes_nothing(visit: Visit, studio: FakeStudio) -> None:
    page, gate = visit.page, threading.Event()
    page.click("#plane .plane-map", position={"x": 200, "y": 120})
    studio.before_composing = lambda: gate.wait(60) and None
    page.focus("#compose")
    page.keyboard.press("Space")
    page.wait_for_selector("#piece .player[data-state=working]")
    page.keyboard.press("Space")  # there is nothing to play yet
    gate.set()
    studio.before_composing = None
    page.wait_for_selector("#piece .player[data-state=done]:not(.pending)")
    asked = len(studio.asked)
    page.wait_for_function(f"{AUDIO}.duration > 1")
    page.keyboard.press("Space")
    page.wait_for_function(f"!{AUDIO}.paused")
    page.keyboard.press("Space")
    page.wait_for_function(f"{AUDIO}.paused")
    assert len(studio.asked) == asked


# ---- where something is missing ----------------------------------------------------------------------------------


@browser_test
def test_composing_for_nothing_offers_an_example_or_a_mood(visit: Visit, studio: FakeStudio) -> None:
    page = visit.page
    page.click("#compose")
    page.wait_for_selector(".player-offer button")
    assert page.locator(".player-offer button").count() == 9
    page.click(".player-offer button:text-is('calm')")
    page.wait_for_selector("#piece .player[data-state=done]")
    assert studio.asked[-1].target.region == "calm"


@browser_test
def test_an_example_is_offered_where_there_is_no_photo(visit: Visit) -> None:
    page = visit.page
    page.click("#compose")
    page.click(".player-offer button >> nth=0")
    page.wait_for_selector("#photo img")
    page.wait_for_selector(".plane-map[data-photo*=',']")


@browser_test
def test_a_missing_camera_is_one_sentence(visit: Visit) -> None:
    page = visit.page
    page.click("#photo [aria-label='Capture from camera']")
    if page.is_visible("#photo [title='grant webcam access'] button"):
        page.click("#photo [title='grant webcam access'] button")
    page.wait_for_function("document.querySelector('.photo-said').textContent.startsWith('There is no camera')")
    assert page.locator("[data-testid=toast-body]").count() == 0


@browser_test
def test_a_new_photo_marks_the_piece_before_as_old(visit: Visit, beach: Path, folder: Path) -> None:
    page, night = visit.page, folder / "night.jpg"
    scene("night").save(night)
    give_photo(page, beach)
    visit.compose()
    assert page.is_hidden(".player-old")
    page.click("[aria-label='Remove Image']")
    give_photo(page, night)
    page.wait_for_selector("#piece .player-old:visible")
    visit.compose()
    page.wait_for_selector("#piece .player-old", state="hidden")
    beach_target = page.evaluate("JSON.parse(localStorage.getItem('eimg-studio-history'))[0].target")
    page.click(".history li:nth-child(2) .entry-open")
    page.wait_for_selector("#piece .player-old:visible")
    shown = [float(number) for number in page.get_attribute("#plane .plane-map", "data-target").split(",")]
    assert shown == pytest.approx([beach_target["valence"], beach_target["arousal"]], abs=0.06), "with its own target"


@browser_test
def test_the_photo_can_be_replaced_while_a_map_shows(visit: Visit, beach: Path, folder: Path) -> None:
    page, night = visit.page, folder / "night.jpg"
    scene("night").save(night)
    give_photo(page, beach)
    before = page.get_attribute("#plane .plane-map", "data-photo")
    page.click("label:has-text('Why pleasant?')")
    page.wait_for_selector(".why[data-state=shown]")
    with page.expect_file_chooser() as choosing:
        page.click(".why-replace")
    choosing.value.set_files(str(night))
    page.wait_for_function(
        "(before) => { const now = document.querySelector('#plane .plane-map').dataset.photo;"
        " return now && now !== before; }",
        arg=before,
    )
    assert page.is_visible("#photo img"), "the new photo is shown, and not the map of the old one"


@browser_test
def test_a_story_waits_for_photos_that_are_being_read(visit: Visit, studio: FakeStudio, monkeypatch: Any) -> None:
    page, gate, read = visit.page, threading.Event(), studio.read_photo
    monkeypatch.setattr(studio, "read_photo", lambda photo: (gate.wait(60), read(photo))[1])
    page.get_by_role("tab", name="Story").click()
    page.click("#story-start")
    page.wait_for_selector("#story-piece .player[data-state=failed]")
    assert "add some first" in page.inner_text("#story-piece .player-failed p")
    assert " 0" not in page.inner_text("#story-piece .player-failed p")
    page.click(".story-examples")
    page.wait_for_selector(".story-list li.coming")
    page.click("#story-start")
    page.wait_for_selector("#story-piece .player[data-state=working]")
    page.wait_for_timeout(600)
    gate.set()
    page.wait_for_selector("#story-piece .player[data-state=done]")
    assert page.locator(".story-strip li").count() == 4


@browser_test
@pytest.mark.parametrize("visit", [{"size": (1440, 900)}, {"size": (360, 640)}], indirect=True)
def test_twelve_presses_of_tab_lead_to_compose_and_arrow_keys_move_within_rows(visit: Visit) -> None:
    page = visit.page
    focused = "document.activeElement.matches('{}')"
    presses = 0
    while not page.evaluate(focused.format("#compose")):
        page.keyboard.press("Tab")
        presses += 1
        assert presses <= 12
    page.focus("#examples .gallery button")
    page.keyboard.press("ArrowRight")
    assert page.evaluate(focused.format("#examples .gallery button:nth-of-type(2)"))
    page.keyboard.press("Home")
    page.keyboard.press("ArrowLeft")
    assert page.evaluate(focused.format("#examples .gallery button:last-of-type")), "and round"
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")
    assert page.evaluate(focused.format("#examples .gallery button:last-of-type")), "one stop, where it was left"
