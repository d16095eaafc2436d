"""The page as a visitor meets it, in a real browser, with a studio that needs no weights; and its small helpers."""

from __future__ import annotations

import gzip
import itertools
import logging
import os
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

import eimg_core.ui
from eimg_core.emotion import VA, photo_target
from eimg_core.errors import InputError, RenderError
from eimg_core.exports.formats import formats_on_demand
from eimg_core.midi.reading import read_midi
from eimg_core.options import USUAL_TAKES, ComposeOptions
from tests.fake_studio import FakeStudio, scene
from tests.shots import give_photo
from tests.visits import CONTRAST, Visit, unfold

browser_test = pytest.mark.browser
HERE = Path(__file__).resolve().parents[1]


# ---- without a browser -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("photo", "stem"),
    [
        ("beach.jpg", "Beach – calm"),
        ("My Café (1).JPEG", "My Café (1) – calm"),
        ("evening_meadow.jpg", "Evening meadow – calm"),
        ("../../etc/passwd", "Passwd – calm"),
        ("C:\\photos\\a b.png", "A b – calm"),
        ("海滩.jpg", "海滩 – calm"),
        ("Cafe\u0301\u202egpj.png", "Café gpj – calm"),
        ("<img src=x>\n.png", "Img src x – calm"),
        ("---.png", "Photo – calm"),
        (None, "Piece – calm"),
    ],
)
def test_downloads_have_a_safe_name_that_says_what_they_are(photo: str | None, stem: str) -> None:
    from eimg_core.ui.server.files import file_stem

    assert file_stem(photo, "calm") == stem


def test_a_very_long_photo_name_still_fits_a_file_system() -> None:
    from eimg_core.ui.server.files import file_stem

    for letter in "a海😀":
        assert len(file_stem(letter * 4000 + ".jpg", "calm", "vqvae+fnt@paper").encode()) < 240


def test_only_folders_older_than_an_hour_are_swept(tmp_path: Path) -> None:
    from eimg_core.ui.server.files import KEEP_S, new_folder

    old, young = new_folder(tmp_path), new_folder(tmp_path)
    (old / "piece.mid").write_bytes(b"MThd")
    past = time.time() - KEEP_S - 60
    os.utime(old, (past, past))
    latest = new_folder(tmp_path)
    assert not old.exists()
    assert young.exists()
    assert latest.exists()


def test_too_many_files_go_before_their_hour(tmp_path: Path) -> None:
    from eimg_core.ui.server.files import sweep, trim

    def aged(path: Path, seconds: float, size: int) -> Path:
        (path / "piece.wav" if path.is_dir() else path).write_bytes(bytes(size))
        os.utime(path, (time.time() - seconds,) * 2)
        return path

    folders = []
    for number, seconds in enumerate((900, 600, 300, 10)):
        (tmp_path / str(number)).mkdir()
        folders.append(aged(tmp_path / str(number), seconds, 1000))
    assert sweep(tmp_path, most=2500) == 2
    assert [folder.exists() for folder in folders] == [False, False, True, True], "the oldest go"
    assert sweep(tmp_path, most=500) == 1
    assert folders[3].exists(), "somebody may be at work with a young one"

    uploads = [aged(tmp_path / f"{n}.jpg", seconds, 1000) for n, seconds in enumerate((500, 400))]
    assert trim([*uploads, tmp_path / "gone.jpg"], 1500) == 1
    assert [upload.exists() for upload in uploads] == [False, True]


def test_stages_arrive_in_order_and_then_the_result() -> None:
    from eimg_core.ui.server.stages import stages_of

    def work(tell: Any) -> str:
        tell("one", 0.0)
        tell("two", 0.5)
        return "made"

    def wait_for_it() -> Any:
        result = yield from stages_of(work, lambda stage, done: (stage, done))
        yield result

    assert list(wait_for_it()) == [("one", 0.0), ("two", 0.5), "made"]


def test_a_fault_in_the_work_reaches_the_one_who_waits() -> None:
    from eimg_core.ui.server.stages import stages_of

    def work(tell: Any) -> None:
        tell("one", 0.0)
        raise InputError("no such photo")

    with pytest.raises(InputError, match="no such photo"):
        list(stages_of(work, lambda stage, done: stage))


def test_the_work_ends_soon_after_the_visitor_left() -> None:
    from eimg_core.ui.server.stages import stages_of

    ended = threading.Event()

    def work(tell: Any) -> None:
        try:
            for step in range(10_000):
                tell("composing", step / 10_000)
                time.sleep(0.001)
        finally:
            ended.set()

    steps = stages_of(work, lambda stage, done: stage)
    next(steps)
    steps.close()
    assert ended.wait(2.0)


def test_the_work_ends_in_the_middle_of_a_decoder() -> None:
    from eimg_core.progress import EVERY_S, step_done, steps_told
    from eimg_core.ui.server.stages import stages_of

    ended = threading.Event()

    def work(tell: Any) -> None:
        try:
            tell("composing", 0.3)
            with steps_told(tell, "composing", since=0.3):
                for step in range(100_000):
                    step_done(lambda share=step / 100_000: share)
                    time.sleep(0.001)
        finally:
            ended.set()

    steps = stages_of(work, lambda stage, done: done)
    shown = [next(steps) for _ in range(3)]
    assert shown == sorted(shown), "it goes on"
    assert shown[0] < shown[-1] < 0.4
    steps.close()
    assert ended.wait(5 * EVERY_S)


def test_a_piece_that_cannot_be_played_is_still_given_with_the_reason(tmp_path: Path) -> None:
    from eimg_core.ui.session.piece_values import make_take, take_value

    class Mute(FakeStudio):
        def render(self, *_: Any) -> Any:
            raise RenderError("The piano sound is missing; install it again.")

    options = ComposeOptions(seed=3, seconds=8.0, target=VA(7.0, 6.0))
    take = make_take(Mute(), None, "vqvae+fnt", options, tmp_path, lambda stage, done: None)
    value = take_value(take, "VQ-VAE + FNT")
    assert "wav" not in value["files"]
    assert value["remarks"] == ["The piano sound is missing; install it again."]
    assert read_midi(take.files["mid"]).notes


def test_unexpected_faults_are_logged_and_told_in_general_words(caplog: pytest.LogCaptureFixture) -> None:
    from eimg_core.ui.server.faults import GENERAL, sentence

    with caplog.at_level(logging.ERROR):
        assert sentence(RuntimeError("/srv/secret/weights.bin")) == GENERAL
    assert "/srv/secret/weights.bin" in caplog.text
    assert sentence(InputError("The seed must be a number.")) == "The seed must be a number."


# ---- the page ----------------------------------------------------------------------------------------------------


@browser_test
def test_from_a_photo_to_music_one_can_hear_and_keep(visit: Visit, studio: FakeStudio, beach: Path) -> None:
    page = visit.page
    asked = len(studio.asked)
    give_photo(page, beach)
    va = studio.read_photo(scene("beach")).va
    assert page.get_attribute(".plane-map", "data-photo") == f"{va.valence:.1f},{va.arousal:.1f}"
    assert va.region in page.inner_text("[data-row=photo]")
    assert len(studio.asked) == asked, "the photo's point is shown before any music is made"

    visit.compose()
    assert studio.asked[-1].target is None, "untouched, the target is the photo's own"
    assert page.inner_text("[data-row=piece] td:nth-child(2)") != "", "the plane shows where the piece lies"
    assert "from the target" in page.inner_text(".player-landing")
    assert "test engine" in page.text_content(".player-played")
    notes = int(page.get_attribute(".player canvas", "data-notes") or 0)

    page.click(".player .transport-play")
    page.wait_for_function("document.querySelector('.player audio').currentTime > 0.4")
    page.keyboard.press("Space")  # the play button has the focus: the key must not toggle twice
    page.wait_for_function("document.querySelector('.player audio').paused")

    boxes = [link.bounding_box() for link in page.locator(".player-files a").all()]
    assert all(b["x"] - (a["x"] + a["width"]) >= 4 for a, b in itertools.pairwise(boxes)), "links stand apart"
    assert min(box["height"] for box in boxes) >= 30, "and are large enough for a finger"
    name, midi = visit.download("MIDI")
    assert name == f"Beach day – {photo_target(va).region}.mid"
    assert notes * 0.8 < len(read_midi(midi).notes) <= notes, "a file has no two notes on one key at once"
    name, wav = visit.download("WAV")
    assert name.endswith(".wav")
    assert wav[:4] == b"RIFF"
    assert len(wav) > 100_000


@browser_test
@pytest.mark.parametrize("visit", [{}, {"size": (390, 844), "language": "zh-CN"}], indirect=True)
def test_nothing_jumps_while_the_page_is_built(visit: Visit) -> None:
    page = visit.page
    page.add_init_script(
        "new PerformanceObserver((list) => list.getEntries().forEach((one) => (window.jumped = (window.jumped || 0)"
        " + one.value))).observe({ type: 'layout-shift', buffered: true })"
    )
    page.reload()
    page.wait_for_selector("body[data-settled]")
    page.wait_for_selector("#compose")
    page.wait_for_timeout(1500)
    assert page.evaluate("window.jumped || 0") < 0.1, "what the web calls good"


@browser_test
def test_the_roll_seeks_and_the_keyboard_plays(visit: Visit) -> None:
    page = visit.page
    page.click(".plane-map", position={"x": 200, "y": 120})
    visit.compose()
    audio = "document.querySelector('.player audio')"
    page.wait_for_function(f"{audio}.duration > 1")
    box = page.locator(".player canvas").bounding_box()
    page.click(".player canvas", position={"x": box["width"] * 0.6, "y": box["height"] / 2})
    page.wait_for_function(f"{audio}.currentTime > {audio}.duration * 0.4")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Space")
    page.wait_for_function(f"!{audio}.paused")
    page.keyboard.press("Space")
    page.wait_for_function(f"{audio}.paused")
    page.focus(".player .transport-seek")
    page.keyboard.press("Home")
    page.wait_for_function(f"{audio}.currentTime < 0.1")
    page.click(".player-loop")
    assert page.evaluate(f"{audio}.loop") is True


@browser_test
def test_the_target_follows_the_mouse_the_arrow_keys_and_the_way_back(
    visit: Visit, studio: FakeStudio, beach: Path
) -> None:
    page = visit.page
    give_photo(page, beach)
    box = page.locator("#plane .plane-frame").bounding_box()
    own = page.get_attribute(".plane-map", "data-target")
    page.mouse.click(box["x"] + box["width"] * 0.25, box["y"] + box["height"] * 0.25)
    visit.compose()
    target = studio.asked[-1].target
    assert target is not None
    assert (target.valence, target.arousal) == pytest.approx((3.0, 7.0), abs=0.15)
    assert page.get_attribute(".plane-map", "data-target") != own

    page.focus(".plane-sliders input[name=arousal]")
    for _ in range(10):
        page.keyboard.press("ArrowDown")
    visit.compose()
    lower = studio.asked[-1].target
    assert (lower.valence, lower.arousal) == pytest.approx((target.valence, target.arousal - 1.0))

    page.click(".plane-back")
    visit.compose()
    assert studio.asked[-1].target is None


@browser_test
def test_without_a_photo_a_point_is_enough_and_nothing_is_not(visit: Visit, studio: FakeStudio) -> None:
    page = visit.page
    page.click("#compose")
    page.wait_for_selector(".player[data-state=failed]")
    assert "Add a photo" in page.inner_text(".player-failed")
    page.focus(".plane-sliders input[name=valence]")
    page.keyboard.press("End")
    visit.compose()
    assert studio.asked[-1].target == VA(9.0, 5.0)


@browser_test
def test_the_seed_makes_the_piece_and_another_take_is_another(visit: Visit, studio: FakeStudio) -> None:
    page = visit.page
    page.click(".plane-map", position={"x": 200, "y": 120})
    unfold(page)
    page.fill("#seed input", "41")
    page.keyboard.press("Tab")
    visit.compose()
    _, first = visit.download("MIDI")
    visit.compose()
    assert visit.download("MIDI")[1] == first
    page.click("#another")
    page.wait_for_function("document.querySelector('.player-facts').textContent.includes('seed 42')")
    assert page.input_value("#seed input") == "42"
    assert visit.download("MIDI")[1] != first
    page.click("#dice")
    page.wait_for_function("document.querySelector('#seed input').value !== '42'")


@browser_test
def test_a_file_that_is_no_photo_is_refused_in_a_sentence_and_the_page_goes_on(
    visit: Visit, folder: Path, beach: Path
) -> None:
    page = visit.page
    letter = folder / "letter.png"
    letter.write_text("Dear reader, this is not a picture.")
    page.set_input_files("#photo input[type=file]", str(letter))
    page.wait_for_selector("[data-testid=toast-body]")
    message = page.inner_text("[data-testid=toast-body]")
    assert "letter.png" in message
    assert "Traceback" not in message
    assert str(folder) not in message
    page.wait_for_selector("#photo img", state="detached")
    give_photo(page, beach)
    visit.compose()


@browser_test
def test_an_unexpected_fault_shows_no_internals_and_can_be_tried_again(visit: Visit, studio: FakeStudio) -> None:
    def fail() -> None:
        raise RuntimeError("/srv/secret/weights.bin")

    page = visit.page
    studio.before_composing = fail
    page.click(".plane-map", position={"x": 200, "y": 120})
    page.click("#compose")
    page.wait_for_selector(".player[data-state=failed]")
    assert "went wrong on our side" in page.inner_text(".player-failed")
    assert "secret" not in page.content()
    studio.before_composing = None
    visit.compose()


@browser_test
def test_stop_gives_the_page_back_at_once(visit: Visit, studio: FakeStudio) -> None:
    page = visit.page
    gate = threading.Event()
    studio.before_composing = lambda: gate.wait(30) and None
    page.click(".plane-map", position={"x": 200, "y": 120})
    page.click("#compose")
    page.wait_for_selector(".player-stages li.now:nth-child(2)")
    page.click(".player-stop")
    page.wait_for_selector(".player[data-state=empty]")
    studio.before_composing = None
    gate.set()
    visit.compose()


@browser_test
@pytest.mark.parametrize("visit", [{"size": (390, 844), "theme": "dark"}, {"size": (360, 740)}], indirect=True)
def test_a_phone_needs_no_sideways_scrolling_and_every_word_can_be_read(visit: Visit, beach: Path) -> None:
    page = visit.page
    give_photo(page, beach)
    visit.compose()
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    faint = page.evaluate(CONTRAST)
    assert faint == []


@browser_test
@pytest.mark.parametrize("visit", [{"theme": "dark"}], indirect=True)
def test_the_dark_theme_is_dark_and_words_for_regions_are_the_librarys(visit: Visit) -> None:
    page = visit.page
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
    assert max(paper[:3]) < 60
    grid = [[1 + 0.37 * i, 1 + 0.41 * j] for i in range(22) for j in range(20)]
    named = page.evaluate(
        "(grid) => { const plane = document.querySelector('#plane .plane').parentElement;"
        "return grid.map(([v, a]) => plane.regionOf(v, a)); }",
        grid,
    )
    assert named == [VA(valence, arousal).region for valence, arousal in grid]


# ---- the API and the server --------------------------------------------------------------------------------------


def test_the_named_endpoints_read_and_compose(url: str, studio: FakeStudio, beach: Path) -> None:
    client_library = pytest.importorskip("gradio_client")
    studio.before_composing = None
    client = client_library.Client(url, verbose=False, download_files=False)
    named = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert {"/read_photo", "/compose"} <= set(named)

    reading = client.predict(photo=client_library.handle_file(str(beach)), api_name="/read_photo")
    assert 1 <= reading["photo"]["valence"] <= 9
    own = photo_target(studio.read_photo(scene("beach")).va)
    told = reading["photo"]["target"]
    assert (told["valence"], told["arousal"]) == pytest.approx((own.valence, own.arousal), abs=0.05)
    wanted = {"emotion": {"target": {"valence": 7.5, "arousal": 6.0}}, "pairing": "vqvae+fnt", "seed": 5, "seconds": 9}
    piece = client.predict(photo=None, **wanted, api_name="/compose")
    again = client.predict(photo=None, **wanted, api_name="/compose")
    assert piece["notes"] == again["notes"]
    assert set(piece["files"]) == {"mid", "wav", "json"}
    assert set(piece["exports"]) == set(formats_on_demand())
    assert studio.asked[-1] == ComposeOptions(5, 9.0, VA(7.5, 6.0), USUAL_TAKES)
    with pytest.raises(Exception, match="from 1 to 9"):
        client.predict(photo=None, **{**wanted, "emotion": {"target": {"valence": "high"}}}, api_name="/compose")
    with pytest.raises(Exception, match="from 1 to 9"):
        client.predict(
            photo=None, **{**wanted, "emotion": {"target": {"valence": 99, "arousal": 5}}}, api_name="/compose"
        )


def test_the_page_travels_compressed(url: str) -> None:
    plain = urllib.request.urlopen(url, timeout=30).read()
    with urllib.request.urlopen(urllib.request.Request(url, headers={"Accept-Encoding": "gzip"}), timeout=30) as answer:
        packed = answer.read()
        assert answer.headers["content-encoding"] == "gzip"
        assert answer.headers["content-security-policy"]
    assert len(packed) < len(plain) / 3
    assert gzip.decompress(packed) == plain


def test_the_pages_own_files_stay_small() -> None:
    kinds = (".js", ".css", ".html", ".json", ".png")
    own = [file for file in Path(eimg_core.ui.__file__).parent.rglob("*") if file.suffix in kinds]
    assert len(own) > 40
    assert sum(len(gzip.compress(file.read_bytes())) for file in own) < 250_000


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../app.py", "app.py", "assets/../app.py", str(Path("app.py").resolve())]
)
def test_the_server_gives_away_no_other_file(url: str, path: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(f"{url}gradio_api/file={path}", timeout=30)
    assert refusal.value.code == 403


@browser_test
def test_the_trained_studio_behind_the_page_makes_the_command_lines_piece(browser: Any, tmp_path: Path) -> None:
    """With the shipped weights: example photo → music that sounds → the very MIDI that ``compose`` writes."""
    from eimg_core.cli.main import main
    from eimg_core.studio import Studio
    from eimg_core.ui import app

    photo = app.EXAMPLES / "flower.jpg"
    assert main(["compose", str(photo), "--seconds", "8", "--no-figure", "--no-audio", "--out", str(tmp_path)]) == 0
    demo = app.build_ui(Studio())
    _, url, _ = app.launch(demo, prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
    try:
        visit = Visit(browser, url)
        give_photo(visit.page, photo)
        visit.page.fill("#seconds input[type=number]", "8")
        visit.page.keyboard.press("Tab")
        visit.compose()
        visit.page.click(".player .transport-play")
        visit.page.wait_for_function("document.querySelector('.player audio').currentTime > 0.4")
        _, midi = visit.download("MIDI")
        assert midi == (tmp_path / "flower.mid").read_bytes()
        _, wav = visit.download("WAV")
        assert len(wav) > 44_100 * 4 * 8
        assert visit.problems == []
        visit.page.context.close()
    finally:
        demo.close(verbose=False)
