"""The page Story as a visitor meets it, and what stands behind it."""

from __future__ import annotations

import base64
import io
import itertools
import threading
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from eimg_core.errors import InputError
from eimg_core.midi.reading import read_midi
from eimg_core.options import USUAL_TAKES, ComposeOptions
from eimg_core.ui.session.photo import OpenedPhoto
from eimg_core.ui.session.story_timeline import make_story, sections, thumbnail
from eimg_core.ui.widgets.story_board import open_upload
from tests.fake_studio import FakeStudio, scene
from tests.visits import CONTRAST, Visit

browser_test = pytest.mark.browser

KINDS = ("night", "fog", "beach", "dusk")
NAMES = "[...document.querySelectorAll('.story-list li p span')].map((name) => name.textContent)"


@pytest.fixture(scope="module")
def photos(folder: Path) -> list[Path]:
    paths = [folder / f"{kind}.png" for kind in KINDS]
    for kind, path in zip(KINDS, paths, strict=True):
        scene(kind, (320, 200)).save(path)
    return paths


# ---- without a browser -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [2, 3, 8])
def test_each_moment_of_a_story_has_one_photo(count: int) -> None:
    parts = sections(count, 40.0)
    assert [part["label"] for part in parts] == [str(n + 1) for n in range(count)]
    assert parts[0]["start_s"] == 0.0
    assert parts[-1]["end_s"] == 40.0
    assert all(one["end_s"] == other["start_s"] for one, other in itertools.pairwise(parts))
    middle = parts[1]["start_s"] + (parts[1]["end_s"] - parts[1]["start_s"]) / 2
    assert count == 2 or middle == pytest.approx(40.0 / (count - 1), abs=0.01), "the piece is at its point halfway"


def test_a_thumbnail_is_small_and_keeps_nothing_of_the_file() -> None:
    picture = scene("beach", (1000, 500))
    picture.info["comment"] = "home address"
    head, _, data = thumbnail(picture).partition(",")
    assert head == "data:image/jpeg;base64"
    content = base64.b64decode(data)
    small = Image.open(io.BytesIO(content))
    assert small.size == (240, 120)
    assert b"home address" not in content
    assert not small.getexif()


def test_a_story_of_one_photo_or_of_nine_or_of_five_minutes_is_refused(tmp_path: Path) -> None:
    one = OpenedPhoto(scene("beach", (64, 64)), "beach.jpg")

    def tell(count: int, seconds: float) -> None:
        options = ComposeOptions(seconds=seconds)
        make_story(FakeStudio(), [one] * count, "effnet+tvae", "EffNet", options, tmp_path, lambda *_: None)

    for count, why in ((0, "2 to 8 photos; add some first"), (1, "2 to 8 photos, not 1"), (9, "photos, not 9")):
        with pytest.raises(InputError, match=why):
            tell(count, 40)
    with pytest.raises(InputError, match="from 20 to 120, not 10"):
        tell(3, 10)


@pytest.mark.parametrize("file", [{"path": "/etc/hostname"}, {"path": "../app.py"}, {"path": None}, "text", None, {}])
def test_only_files_that_were_uploaded_are_opened(file: Any) -> None:
    with pytest.raises(InputError, match="not here any more") as told:
        open_upload(file)
    assert "etc" not in str(told.value)


# ---- the page ----------------------------------------------------------------------------------------------------


def open_story(visit: Visit, photos: list[Path]) -> Any:
    page = visit.page
    page.get_by_role("tab", name="Story").click()
    page.wait_for_selector(".story-drop")
    page.set_input_files(".story-drop input", [str(path) for path in photos])
    page.wait_for_function(f"document.querySelectorAll('.story-list li:not(.coming)').length === {len(photos)}")
    return page


def compose(page: Any) -> None:
    page.click("#story-start")
    page.wait_for_selector("#story-piece .player[data-state=done]")


@browser_test
def test_photos_become_one_piece_that_shows_where_it_is(visit: Visit, studio: FakeStudio, photos: list[Path]) -> None:
    page = open_story(visit, photos[:3])
    page.fill("#story-seconds input[type=number]", "20")
    page.fill("#story-seed input", "5")
    page.keyboard.press("Tab")
    assert page.locator(".story-stops > g").count() == 3
    assert page.locator(".story-path line").count() == 2
    compose(page)
    assert studio.asked[-1] == ComposeOptions(5, 20.0, None, USUAL_TAKES)
    strip = page.locator("#story-piece .story-strip li")
    assert strip.count() == 3
    wide = strip.evaluate_all("(items) => items.map((item) => item.offsetWidth)")
    assert wide[1] == pytest.approx(2 * wide[0], rel=0.1), "a photo is as wide as it is long"

    audio = "document.querySelector('#story-piece audio')"
    dot = "document.querySelector('.story-dot').style.transform"
    page.click("#story-piece .transport-play")
    page.wait_for_function(f"{audio}.currentTime > 0.3 && {dot}")
    assert page.get_attribute(".story-strip li.on button", "aria-label").startswith("1: night.png")
    before = page.evaluate(dot)
    page.click(".story-strip li:nth-child(3) button")
    page.wait_for_function(f"{audio}.currentTime > 14.9")
    page.wait_for_selector(".story-strip li:nth-child(3).on")
    page.wait_for_selector(".story-list li:nth-child(3).on")
    page.wait_for_selector(".story-stops > g:nth-child(3).on")
    assert page.evaluate(dot) != before

    with page.expect_download() as waiting:
        page.click("#story-piece .player-files a:text-is('MIDI')")
    assert waiting.value.suggested_filename.startswith("Story – ")
    piece = read_midi(Path(waiting.value.path()).read_bytes())
    assert len(piece.notes) > 20
    page.get_by_role("tab", name="Create").click()
    page.wait_for_function(f"{audio}.paused")
    page.get_by_role("tab", name="Story").click()
    assert page.locator(".story-list li").count() == 3, "a story waits for its visitor"


@browser_test
def test_a_file_that_is_no_photo_is_named_and_the_others_stay(visit: Visit, photos: list[Path], folder: Path) -> None:
    letter = folder / "<b>letter.png"
    letter.write_text("this is not a picture")
    page = visit.page
    page.get_by_role("tab", name="Story").click()
    page.set_input_files(".story-drop input", [str(photos[0]), str(letter), str(photos[1])])
    page.wait_for_selector(".story-faults li")
    page.wait_for_function(f"{NAMES}.length === 2")
    assert page.evaluate(NAMES) == ["night.png", "fog.png"]
    assert "letter.png" in page.inner_text(".story-faults")
    assert page.locator(".story-faults b").count() == 0, "a name is text"
    page.set_input_files(".story-drop input", [str(path) for path in [*photos, *photos]])
    page.wait_for_function(f"{NAMES}.length === 8")
    assert "at most 8 photos; the last 2 were left out" in page.inner_text(".story-faults")
    assert page.locator(".story-drop").is_hidden()


@browser_test
def test_the_order_can_be_changed_by_keyboard_and_by_dragging(visit: Visit, photos: list[Path]) -> None:
    page = open_story(visit, photos[:3])
    page.get_by_role("button", name="Move beach.png up").focus()
    page.keyboard.press("Enter")
    assert page.evaluate(NAMES) == ["night.png", "beach.png", "fog.png"]
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Move beach.png up"
    assert page.inner_text(".story-live") == "beach.png is now number 2 of 3."
    page.keyboard.press("Enter")
    assert page.evaluate(NAMES) == ["beach.png", "night.png", "fog.png"]
    assert page.get_by_role("button", name="Move beach.png up").is_disabled()
    page.drag_and_drop(".story-list li:nth-child(3)", ".story-list li:nth-child(1)")
    assert page.evaluate(NAMES) == ["fog.png", "beach.png", "night.png"]
    page.get_by_role("button", name="Remove beach.png").click()
    assert page.evaluate(NAMES) == ["fog.png", "night.png"]
    assert page.locator(".story-stops > g").count() == 2


@browser_test
def test_too_few_photos_are_told_and_stop_gives_the_button_back(
    visit: Visit, studio: FakeStudio, photos: list[Path]
) -> None:
    page = open_story(visit, photos[:1])
    page.click("#story-start")
    page.wait_for_selector("#story-piece .player[data-state=failed]")
    assert page.inner_text("#story-piece .player-failed p") == "A story needs 2 to 8 photos, not 1."
    page.set_input_files(".story-drop input", str(photos[1]))
    page.wait_for_function(f"{NAMES}.length === 2")
    gate = threading.Event()
    studio.before_composing = lambda: gate.wait(60) and None
    page.click("#story-start:enabled")
    page.wait_for_selector("#story-piece .player-stages li.now:nth-child(2)")
    assert page.locator("#story-start").is_disabled()
    page.click("#story-piece .player-stop")
    gate.set()
    studio.before_composing = None
    page.wait_for_selector("#story-start:enabled")
    compose(page)


@browser_test
def test_a_visitor_without_photos_can_start_with_the_examples(visit: Visit) -> None:
    page = visit.page
    page.get_by_role("tab", name="Story").click()
    page.click(".story-examples")
    page.wait_for_function(f"{NAMES}.length === 4")
    assert page.locator(".story-examples").is_hidden()
    page.click(".story-clear")
    assert page.evaluate(NAMES) == []


@browser_test
@pytest.mark.parametrize("visit", [{"size": (390, 844), "theme": "dark"}, {"size": (390, 844)}], indirect=True)
def test_a_phone_shows_the_story_in_one_column_that_can_be_read(visit: Visit, photos: list[Path]) -> None:
    page = open_story(visit, photos)
    compose(page)
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert page.evaluate(CONTRAST) == []


# ---- the API -----------------------------------------------------------------------------------------------------


def test_the_named_endpoint_tells_a_story(url: str, studio: FakeStudio, photos: list[Path], folder: Path) -> None:
    client_library = pytest.importorskip("gradio_client")
    studio.before_composing = None
    client = client_library.Client(url, verbose=False, download_files=False)
    files = [client_library.handle_file(str(path)) for path in photos[:3]]
    found = client.predict(files, "effnet+tvae", 3, 24, True, api_name="/story")
    assert [stop["name"] for stop in found["stops"]] == ["night.png", "fog.png", "beach.png"]
    assert [stop["start_s"] for stop in found["stops"]] == [0.0, 6.0, 18.0]
    assert set(found["files"]) == {"mid", "wav", "json", "png"}
    with pytest.raises(Exception, match="2 to 8 photos, not 1"):
        client.predict(files[:1], "effnet+tvae", 3, 24, True, api_name="/story")
    letter = folder / "letter.png"
    letter.write_text("this is not a picture")
    with pytest.raises(Exception, match=r"letter\.png"):
        client.predict([*files, client_library.handle_file(str(letter))], "effnet+tvae", 3, 24, True, api_name="/story")
