"""The player, alone on a page, in a real browser: what is seen, heard, steered and taken away."""

from __future__ import annotations

import io
import json
import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import mido
import pytest
from PIL import Image

from eimg_core.emotion import VA
from eimg_core.options import ComposeOptions
from eimg_core.ui.server.files import new_folder, pieces_root
from eimg_core.ui.session.downloads import export_file, sheet_music
from eimg_core.ui.session.photo import OpenedPhoto
from eimg_core.ui.session.piece_values import COMPOSING, Take, make_take, take_value
from eimg_core.ui.widgets.player import Player, failed, working
from tests.fake_studio import FakeStudio, scene
from tests.visits import CONTRAST, Watched

pytestmark = pytest.mark.browser

AUDIO = "document.querySelector('.player audio')"
STEM = "Beach – happy"


@pytest.fixture(scope="module")
def take() -> Take:
    app_settings()
    options = ComposeOptions(seed=3, seconds=12.0, target=VA(7.5, 6.0))
    photo = OpenedPhoto(scene("beach", (320, 200)), "beach.jpg")
    return make_take(FakeStudio(), photo, "vqvae+fnt", options, new_folder(pieces_root()), lambda stage, done: None)


def app_settings() -> Any:
    """``app`` says where pieces are kept; it must be read before one is made."""
    from eimg_core.ui import app

    return app


@pytest.fixture(scope="module")
def address(take: Take) -> Iterator[str]:
    """A page with a player, and a button for every value it can get."""
    done = take_value(take, "VQ-VAE + FNT")
    sections = [
        {"start_s": 0, "end_s": 6, "label": "Beach"},
        {"start_s": 6, "end_s": 12, "label": "<b>Storm</b>"},
    ]
    values = {
        "notes": {**take_value(Take(take.composition, None, {}, ()), "VQ-VAE + FNT"), "pending": True},
        "sound": done,
        "story": {**done, "sections": sections},
        "work": working(COMPOSING, 0.5),
        "fail": failed("This photo cannot be used. Choose another one."),
        "gone": {**done, "take": "nowhere/at-all"},
    }
    with gr.Blocks() as demo:
        player = Player(elem_id="piece")
        for name, value in values.items():
            gr.Button(name, elem_id=name).click(lambda value=value: value, outputs=player)
    _, url, _ = app_settings().launch(demo, prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
    yield url
    demo.close(verbose=False)


class Guest:
    """A page with the player, and what went wrong on it."""

    def __init__(self, browser: Any, url: str, size: tuple[int, int] = (1280, 900), theme: str = "light") -> None:
        self.url, self.problems = url, []  # type: ignore[var-annotated]
        context = Watched(browser, self).new_context(
            viewport={"width": size[0], "height": size[1]}, color_scheme=theme, accept_downloads=True
        )
        context.set_default_timeout(20_000)
        self.page = context.new_page()
        self.page.goto(url)
        self.page.wait_for_selector("#sound")
        self.page.wait_for_selector(".player[data-state=empty]")

    def give(self, name: str) -> None:
        """Let the player get a value."""
        self.page.click(f"#{name}")
        state = {"work": "working", "fail": "failed"}.get(name, "done")
        self.page.wait_for_selector(f".player[data-state={state}]")
        if name in ("sound", "story"):
            self.page.wait_for_function(f"{AUDIO}.duration > 1")

    def seconds(self) -> float:
        return float(self.page.evaluate(f"{AUDIO}.currentTime"))

    def download(self, label: str) -> tuple[str, bytes]:
        with self.page.expect_download() as waiting:
            self.page.click(f".player-files :text-is('{label}')")
        return waiting.value.suggested_filename, Path(waiting.value.path()).read_bytes()


PHONE = {"size": (390, 844), "theme": "dark"}


@pytest.fixture(params=[{}, PHONE], ids=["desktop", "phone"])
def guest(browser: Any, address: str, request: pytest.FixtureRequest) -> Iterator[Guest]:
    guest = Guest(browser, address, **request.param)
    yield guest
    guest.page.context.close()
    assert guest.problems == []


def test_the_roll_knows_both_hands_and_names_the_chords(guest: Guest, take: Take) -> None:
    guest.give("sound")
    canvas = guest.page.locator(".player canvas")
    value = take_value(take, "")
    assert int(canvas.get_attribute("data-left")) == sum(value["hands"]) > 0
    assert canvas.get_attribute("data-chords").split() == [name for *_, name in value["chords"]]
    assert len(value["chords"]) >= 2
    assert "right hand" in guest.page.text_content(".player-legend")
    assert value["key"] in guest.page.inner_text(".player-facts")


def test_the_roll_is_steered_by_pointer_and_keys(guest: Guest) -> None:
    guest.give("sound")
    page = guest.page
    box = page.locator(".player canvas").bounding_box()
    at = {"x": box["width"] * 0.5, "y": box["height"] * 0.6}
    page.click(".player canvas", position=at)
    page.wait_for_function(f"{AUDIO}.currentTime > 1")
    before = guest.seconds()
    page.keyboard.press("ArrowRight")
    page.wait_for_function(f"Math.abs({AUDIO}.currentTime - {before + 1}) < 0.02")
    page.keyboard.press("Shift+ArrowLeft")
    page.wait_for_function(f"Math.abs({AUDIO}.currentTime - {before + 0.75}) < 0.02")
    page.keyboard.press("Home")
    page.wait_for_function(f"{AUDIO}.currentTime === 0")
    page.keyboard.press("PageDown")
    page.wait_for_function(f"{AUDIO}.currentTime > 0.5")  # the second bar
    page.wait_for_function("document.querySelector('.player canvas').getAttribute('aria-valuenow') !== '0.0'")
    page.keyboard.press("End")
    page.wait_for_function(f"{AUDIO}.currentTime > {AUDIO}.duration - 1")

    x, y = box["x"] + box["width"] * 0.9, box["y"] + box["height"] * 0.6
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(box["x"] + 60, y, steps=5)
    page.mouse.up()
    page.wait_for_function(f"{AUDIO}.currentTime < 6")


def test_on_a_very_large_screen_everything_is_larger_and_a_click_still_meets_its_place(
    browser: Any, address: str, take: Take
) -> None:
    guest = Guest(browser, address, size=(3840, 2160))
    guest.give("sound")
    canvas, page = guest.page.locator(".player canvas"), guest.page
    zoom = float(page.evaluate("getComputedStyle(document.body).zoom"))
    assert zoom == pytest.approx(3840 / 2200, abs=0.01)
    box = canvas.bounding_box()
    assert box["width"] == pytest.approx(zoom * canvas.evaluate("(it) => it.clientWidth"), abs=4)
    assert canvas.evaluate("(it) => it.width") == pytest.approx(box["width"], abs=2), (
        "a dot for every dot of the screen"
    )
    keyboard = 34 * zoom
    page.mouse.click(box["x"] + keyboard + 0.25 * (box["width"] - keyboard), box["y"] + 0.6 * box["height"])
    page.wait_for_function(f"{AUDIO}.currentTime > 0.5")
    length = float(page.evaluate(f"Math.max({take.composition.piece.duration_s}, {AUDIO}.duration)"))
    assert guest.seconds() == pytest.approx(0.25 * length, abs=0.15)
    assert guest.problems == []
    page.context.close()


def test_the_time_is_told_while_it_plays_and_when_it_is_moved(guest: Guest) -> None:
    guest.give("sound")
    page = guest.page
    page.evaluate("window.times = []; document.addEventListener('eimg-time', (e) => window.times.push(e.detail.time))")
    page.click(".player .transport-play")
    page.wait_for_function("window.times.length > 5")
    page.click(".player .transport-play")
    times = page.evaluate("window.times")
    assert times == sorted(times)
    page.focus(".player canvas")
    page.keyboard.press("End")
    page.wait_for_function("window.times.at(-1) > 10")


def test_the_whole_piece_or_a_section_is_looped(guest: Guest) -> None:
    guest.give("sound")
    page = guest.page
    page.click(".player-loop")
    assert page.evaluate(f"{AUDIO}.loop") is True
    page.focus(".player canvas")
    page.evaluate(f"{AUDIO}.currentTime = 3")
    page.click(".player-a")
    page.evaluate(f"{AUDIO}.currentTime = 4.2")
    page.click(".player-b")
    assert page.evaluate(f"{AUDIO}.loop") is False, "the section returns, not the piece"
    assert page.inner_text(".player-loop") == "0:03 – 0:04"
    page.evaluate(
        "window.least = 99, window.most = 0; document.addEventListener('eimg-time', ({ detail: { time } }) =>"
        "((window.least = Math.min(window.least, time)), (window.most = Math.max(window.most, time))))"
    )
    page.click(".player .transport-play")
    page.wait_for_function("window.least < 3.2 && window.most > 4")
    assert page.evaluate("window.most") < 4.6
    page.click(".player-loop")
    assert page.inner_text(".player-loop") == "Loop"
    assert page.get_attribute(".player-loop", "aria-pressed") == "true", "the whole piece is looped as before"
    page.click(".player-loop")
    assert page.get_attribute(".player-loop", "aria-pressed") == "false"


def test_a_drag_along_the_ruler_marks_a_section(guest: Guest) -> None:
    guest.give("sound")
    page = guest.page
    box = page.locator(".player canvas").bounding_box()
    page.locator(".player canvas").scroll_into_view_if_needed()
    box = page.locator(".player canvas").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + 8)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + 8, steps=6)
    page.mouse.up()
    assert "–" in page.inner_text(".player-loop")
    assert page.get_attribute(".player-loop", "aria-pressed") == "true"


def test_space_letters_speed_and_volume(guest: Guest) -> None:
    guest.give("sound")
    page = guest.page
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Space")
    page.wait_for_function(f"!{AUDIO}.paused")
    page.keyboard.press("Space")
    page.wait_for_function(f"{AUDIO}.paused")
    page.select_option(".player-speed select", "0.5")
    assert page.evaluate(f"{AUDIO}.playbackRate") == 0.5
    page.focus(".player canvas")
    page.keyboard.press("m")
    page.wait_for_selector(".player-mute[aria-pressed=true]")
    assert page.evaluate(f"{AUDIO}.muted") is True
    page.keyboard.press("l")
    assert page.evaluate(f"{AUDIO}.loop") is True
    guest.give("story")
    assert page.evaluate(f"{AUDIO}.playbackRate") == 0.5, "the speed stays for the next piece"


def test_sheet_music_follows_the_sound_and_leads_it(guest: Guest, take: Take) -> None:
    guest.give("sound")
    page = guest.page
    page.click(".player-views [data-view=score]")
    page.wait_for_selector(".player-sheet svg .measure")
    assert page.locator(".player canvas").is_hidden()
    bars = int(page.get_attribute(".player-sheet", "data-bars"))
    starts = take_value(take, "")["bars"]
    assert bars == len(starts) - 1 > 3
    page.evaluate(f"{AUDIO}.currentTime = {starts[2] + 0.2}")
    page.wait_for_selector(".player-sheet[data-bar='3']")
    assert page.locator(".measure.now").count() == 1
    page.locator(".measure").nth(1).scroll_into_view_if_needed()
    page.locator(".measure").nth(1).locator(".sheet-bar").dispatch_event("click")
    page.wait_for_function(f"Math.abs({AUDIO}.currentTime - {starts[1]}) < 0.05")
    ink = page.evaluate("getComputedStyle(document.querySelector('.player-sheet svg use')).fill")
    assert ink == page.evaluate("getComputedStyle(document.querySelector('.player h3')).color"), "ink is the theme's"
    assert page.evaluate(
        "document.querySelector('.player-sheet').scrollWidth <= document.querySelector('.player-sheet').clientWidth"
    )
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    page.click(".player-views [data-view=roll]")
    assert page.locator(".player canvas").is_visible()


def test_every_file_has_a_name_and_says_inside_what_it_is(guest: Guest) -> None:
    pytest.importorskip("soundfile")
    guest.give("sound")
    kinds = {
        "MP3": "mp3", "WAV": "wav", "MIDI": "mid", "MusicXML": "musicxml", "Sheet music": "svg", "Picture": "png",
        "Details": "json", "Everything": "zip", "Stems": "stems.zip",
    }  # fmt: skip
    got = {}
    for label, kind in kinds.items():
        name, got[kind] = guest.download(label)
        assert name == f"{STEM}.{kind}"
    assert guest.page.inner_text(".player-say") == ""
    assert got["mp3"][:3] == b"ID3"
    assert all(b"seed" in got[kind] for kind in ("mp3", "wav", "mid", "musicxml", "svg", "json"))
    assert all(b"vqvae+fnt" in got[kind] for kind in ("mp3", "wav", "mid", "musicxml", "svg", "json"))
    assert "seed: 3" in Image.open(io.BytesIO(got["png"])).text["Description"]
    assert "seed: 3" in [m.text for m in mido.MidiFile(file=io.BytesIO(got["mid"])).tracks[0] if m.type == "text"]
    assert ET.fromstring(got["musicxml"]).tag == "score-partwise"
    assert json.loads(got["json"])["seed"] == 3
    assert set(zipfile.ZipFile(io.BytesIO(got["zip"])).namelist()) == {
        f"{STEM}.{kind}" for kind in kinds.values() if not kind.endswith("zip")
    }


def test_a_connected_instrument_plays_what_the_page_would(guest: Guest) -> None:
    guest.give("sound")
    page = guest.page
    page.evaluate(
        """() => {
          window.sent = [];
          const keys = { name: "Keys", send: (bytes) => window.sent.push([...bytes]) };
          const access = async () => ({ outputs: new Map([["keys", keys]]) });
          Object.defineProperty(navigator, "requestMIDIAccess", { value: access, configurable: true });
        }"""
    )
    page.click(".player-midi")
    page.wait_for_selector(".player-midi[aria-pressed=true]")
    assert page.inner_text(".player-say") == "Playing on Keys."
    assert page.evaluate("document.querySelector('.player audio').muted"), "the page itself is silent"
    page.click(".transport-play")
    page.wait_for_function("window.sent.filter(([status, , loud]) => status === 0x90 && loud).length >= 3")
    page.click(".transport-play")
    page.wait_for_function("window.sent.at(-1)[0] === 0xb0 && window.sent.at(-1)[1] === 123", timeout=2000)
    page.click(".player-midi")
    assert not page.evaluate("document.querySelector('.player audio').muted")


def test_a_file_is_dragged_out_under_its_name(guest: Guest) -> None:
    guest.give("sound")
    dragged, href = guest.page.evaluate(
        """() => {
          const link = document.querySelector('.player-files a[download$=".mid"]'), dataTransfer = new DataTransfer();
          link.dispatchEvent(new DragEvent("dragstart", { dataTransfer, bubbles: true }));
          return [dataTransfer.getData("DownloadURL"), link.href];
        }"""
    )
    assert dragged == f"audio/midi:{STEM}.mid:{href}"


def test_a_file_that_cannot_be_made_is_explained(guest: Guest) -> None:
    guest.give("gone")
    guest.page.click(".player-files :text-is('MP3')")
    guest.page.wait_for_function("document.querySelector('.player-say').textContent.includes('no longer kept')")
    guest.page.click(".player-views [data-view=score]")
    guest.page.wait_for_selector(".player-sheet[data-state=words]:has-text('no longer kept')")


def test_the_notes_are_there_before_the_sound_and_nothing_jumps_when_it_comes(guest: Guest) -> None:
    page = guest.page
    guest.give("notes")
    assert page.locator(".transport-play").is_disabled()
    assert "being recorded" in page.inner_text(".player-say")
    assert int(page.get_attribute(".player canvas", "data-notes")) > 10
    parts = ".transport-roll, .transport-bar, .player-notes, .player-files"
    places = f"[...document.querySelectorAll('{parts}')].map((e) => [e.offsetTop, e.offsetHeight])"
    waiting = page.evaluate(places)
    page.click(".player-views [data-view=score]")
    page.wait_for_selector(".player-sheet:has-text('comes with the sound')")
    guest.give("sound")
    page.wait_for_selector(".player-sheet svg .measure")
    page.click(".player-views [data-view=roll]")
    assert page.inner_text(".player-say") == ""
    assert not page.locator(".transport-play").is_disabled()
    assert page.evaluate(places) == waiting


def test_every_state_can_be_read_and_fits(guest: Guest) -> None:
    page = guest.page
    assert page.inner_text(".player-empty h3") == "No piece yet"
    for name in ("work", "fail", "story"):
        guest.give(name)
        assert page.evaluate(CONTRAST) == []
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    guest.give("work")
    page.click(".player-stop")
    page.wait_for_selector(".player[data-state=done]")  # the piece before it is back


def test_stopping_the_first_piece_says_so(guest: Guest) -> None:
    guest.give("work")
    guest.page.click(".player-stop")
    guest.page.wait_for_selector(".player[data-state=empty]")
    assert guest.page.inner_text(".player-empty h3") == "Stopped"


def test_everything_has_a_name_for_those_who_do_not_see_it(guest: Guest) -> None:
    guest.give("sound")
    nameless = guest.page.evaluate(
        "[...document.querySelectorAll('.player :is(button, input, select, a, canvas)')]"
        ".filter((e) => e.checkVisibility() &&"
        "!(e.getAttribute('aria-label') || e.textContent.trim() || (e.labels && e.labels[0]?.textContent.trim())))"
        ".map((e) => e.outerHTML)"
    )
    assert nameless == []
    small = guest.page.evaluate(
        "[...document.querySelectorAll('.player :is(button, a, select)')].filter((e) => e.checkVisibility() &&"
        "e.getBoundingClientRect().height < 30).map((e) => e.outerHTML)"
    )
    assert small == []


# ---- without a browser -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "asked",
    [
        {"take": "../../etc/passwd", "kind": "mp3"},
        {"take": "a/../../b", "kind": "mp3"},
        {"take": "/etc/passwd", "kind": "mp3"},
        {"take": "..", "kind": "mp3"},
        {"take": 7, "kind": "mp3"},
        {"kind": "mp3"},
        "mp3",
        None,
        [],
    ],
)
def test_nothing_outside_the_pieces_is_read(asked: Any) -> None:
    assert set(export_file(asked)) == {"fault"}
    assert set(sheet_music(asked)) == {"fault"}


def test_only_known_kinds_are_made(take: Take) -> None:
    name = take_value(take, "")["take"]
    for kind in ("exe", "json/../..", "", None, "photo.jpg"):
        assert set(export_file({"take": name, "kind": kind})) == {"fault"}
    assert set(export_file({"take": name, "kind": "musicxml"})) == {"name"}
    for width in (-5, 1e9, "wide", None, float("nan")):
        assert set(sheet_music({"take": name, "width": width})) in ({"svg"}, {"fault"})
