"""A visitor's own music: MIDI files that the page opens, bars that are filled anew, and live music."""

from __future__ import annotations

import base64
import io
import math
import re
import threading
import time
import wave
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from eimg_core.emotion import VA
from eimg_core.midi.notes import Note, Piece
from eimg_core.midi.reading import read_midi
from eimg_core.midi.writing import write_midi
from eimg_core.options import ComposeOptions
from eimg_core.progress import step_done
from eimg_core.sound.instruments import INSTRUMENTS
from eimg_core.sound.soundfont import read_soundfont
from eimg_core.ui.session import live as live_session
from eimg_core.ui.session.live import LONGEST_S, live
from eimg_core.ui.session.packed import unpacked
from eimg_core.ui.session.piece_values import FONT_GONE, play_take
from tests.fake_studio import PAIRINGS, FakeStudio, sketch
from tests.visits import Visit, wait_for_new_sound

browser_test = pytest.mark.browser
POINT = VA(6.0, 4.0)
FONT_INPUT = "input[type=file][accept*='.sf2']"
MIDI_INPUT = "input[type=file][accept*='.mid']"
IN_SIGHT = """() => {
  const place = (selector) => document.querySelector(selector).getBoundingClientRect();
  const plane = place("#plane .plane-map"), panel = place(".live");
  return plane.top >= 0 && plane.bottom <= panel.top && panel.bottom <= innerHeight;
}"""  # the plane, all of it, and the panel at the foot
DROP_MIDI = """(data) => {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0)), dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([bytes], "tune.mid"));
  const drop = new DragEvent("drop", { bubbles: true, cancelable: true, dataTransfer });
  document.querySelector("#photo").dispatchEvent(drop);
}"""


# ---- bars between others -----------------------------------------------------------------------------------------


def piece_of(*notes: tuple[float, float, int]) -> Piece:
    return Piece(tuple(Note(start, pitch, end, 80) for start, end, pitch in notes))


def test_notes_between_two_moments_are_another_pieces_and_all_others_stay() -> None:
    piece = piece_of((0.0, 5.0, 60), (0.0, 9.0, 48), (2.0, 3.0, 64), (3.9, 4.5, 65), (4.0, 5.0, 67))
    other = piece_of((0.0, 1.0, 72), (2.5, 3.0, 60), (3.0, 4.8, 71), (4.0, 5.0, 90))
    assert piece.with_between(other, 2.0, 4.0) == piece_of(
        (0.0, 2.5, 60), (0.0, 9.0, 48), (2.5, 3.0, 60), (3.0, 4.0, 71), (4.0, 5.0, 67)
    ), "a key that is struck again is let go; what is put in ends with the span"


def test_a_piece_may_be_entered_in_the_middle() -> None:
    piece = piece_of((0.0, 1.0, 60), (0.0, 4.0, 48), (0.0, 2.2, 52), (2.0, 3.0, 62))
    assert piece.sounding_from(2.0) == piece_of((2.0, 3.0, 62), (2.0, 4.0, 48)), (
        "what is nearly over is not struck anew"
    )


# ---- live music, on the server -----------------------------------------------------------------------------------


def test_live_music_goes_on_where_it_was_towards_the_target_of_now() -> None:
    studio, asked = FakeStudio(), {"target": {"valence": 7, "arousal": 6}, "pairing": "effnet+tvae", "seed": 3}
    first = live(studio)({**asked, "packed": None})
    second = live(studio)({**asked, "packed": first["packed"], "target": {"valence": 2, "arousal": 3}})
    assert (first["start_s"], second["start_s"]) == (0.0, first["end_s"])
    assert (first["region"], second["region"]) == ("happy", "sad")
    assert studio.lived == [(VA(7.0, 6.0), None), (VA(2.0, 3.0), None)]
    assert all(first["end_s"] - 0.2 <= start for start, _, _ in second["notes"])
    whole = unpacked(second["packed"], PAIRINGS)
    assert whole.piece.loop_s == second["end_s"]
    assert whole.made_by.given_id is not None
    assert not whole.made_by.as_given, "it is ours: it is played with expression"
    with wave.open(io.BytesIO(base64.b64decode(second["sound"]))) as sound:
        assert sound.getnframes() > 0


def test_live_music_gives_way_within_a_bar() -> None:
    studio, asked = FakeStudio(), {"target": {"valence": 7, "arousal": 6}, "pairing": "effnet+tvae", "seed": 3}
    first = live(studio)({**asked, "packed": None, "least_s": math.nan})
    assert (first["bar_s"], first["beat_s"]) == (2.0, 0.5)
    second = live(studio)({**asked, "packed": first["packed"], "from_s": 1.0, "target": {"valence": 2, "arousal": 3}})
    assert (second["start_s"], second["end_s"]) == (1.0, 2.0)
    assert studio.lived[-1] == (VA(2.0, 3.0), 1.0)
    assert all(0.99 <= start < 2.0 for start, _, _ in second["notes"])
    heard = {note for note in unpacked(first["packed"], PAIRINGS).piece.notes if note.end_s < 1.0}
    assert heard
    assert heard < set(unpacked(second["packed"], PAIRINGS).piece.notes), "what was heard is kept"


def test_a_beat_is_what_one_counts() -> None:
    meters = {(2, 4): 0.5, (3, 4): 0.5, (4, 4): 0.5, (6, 8): 0.75, (9, 8): 0.75, (5, 8): 0.25}
    assert {meter: live_session._beat_s(replace(piece_of(), meter=meter)) for meter in meters} == meters


@pytest.mark.parametrize("from_s", ["1", -0.1, 2.0, 1e300, math.nan, [0.5]])
@pytest.mark.parametrize("begun", [False, True])
def test_a_moment_that_the_music_does_not_have_is_refused(from_s: Any, begun: bool) -> None:
    asked = {"target": {"valence": 5, "arousal": 5}, "pairing": "effnet+tvae", "seed": 1}
    packed = live(FakeStudio())(asked)["packed"] if begun else None
    assert "settings cannot be read" in live(FakeStudio())({**asked, "packed": packed, "from_s": from_s})["fault"]


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        (None, "settings cannot be read"),
        ({}, "Choose an emotion"),
        ({"target": {"valence": "x", "arousal": 1}}, "Choose an emotion"),
        ({"target": {"valence": 5, "arousal": 5}, "packed": "no piece"}, "damaged"),
        ({"target": {"valence": 5, "arousal": 5}, "packed": 7}, "damaged"),
    ],
)
def test_whatever_a_browser_asks_for_is_answered_with_music_or_a_sentence(asked: Any, sentence: str) -> None:
    assert sentence in live(FakeStudio())(asked)["fault"]


def test_who_asks_again_does_not_wait_for_bars_that_nobody_wants(monkeypatch: pytest.MonkeyPatch) -> None:
    studio, asked = FakeStudio(), {"target": {"valence": 7, "arousal": 6}, "pairing": "effnet+tvae", "run": "mine"}
    begun, answers = threading.Event(), {}
    compose = studio.go_on

    def slowly(*args: Any, **how: Any) -> Piece:
        begun.set()
        until = time.monotonic() + 20
        while not studio.lived and time.monotonic() < until:
            step_done(lambda: 0.0)
        return compose(*args, **how)

    monkeypatch.setattr(studio, "go_on", slowly)
    first = threading.Thread(target=lambda: answers.update(first=live(studio)(asked)))
    first.start()
    begun.wait(20)
    monkeypatch.setattr(studio, "go_on", compose)
    another = threading.Thread(target=lambda: answers.update(another=live(studio)({**asked, "run": "another's"})))
    another.start()
    another.join(0.2)
    assert another.is_alive(), "others wait"
    assert "packed" in live(studio)(asked)
    first.join(20)
    another.join(20)
    assert answers["first"] == {}
    assert "packed" in answers["another"]


def test_live_music_comes_to_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    studio, asked = FakeStudio(), {"target": {"valence": 7, "arousal": 6}, "pairing": "none", "seed": "x"}
    first = live(studio)(asked)
    long = replace(unpacked(first["packed"], PAIRINGS), piece=replace(sketch(POINT, 1, 9.0), loop_s=LONGEST_S + 1))
    assert "minutes at most" in live(studio)({**asked, "packed": live_session.packed(long)})["fault"]
    monkeypatch.setattr(live_session, "_WAIT_S", 0.01)
    with live_session._TURNS.busy:
        assert "Too many people" in live(studio)(asked)["fault"]
    assert "packed" in live(studio)(asked), "and then goes on"


# ---- on the page -------------------------------------------------------------------------------------------------


@browser_test
@pytest.mark.parametrize("way", ["chosen", "dropped on the photo"])
def test_a_midi_file_is_opened_filled_and_undone(visit: Visit, studio: FakeStudio, tmp_path: Path, way: str) -> None:
    page, midi = visit.page, tmp_path / "tune.mid"
    write_midi(sketch(POINT, 1, 12.0), midi)
    if way == "chosen":
        wait_for_new_sound(visit, lambda: page.set_input_files(MIDI_INPUT, str(midi)))
    else:
        data = base64.b64encode(midi.read_bytes()).decode()
        wait_for_new_sound(visit, lambda: page.evaluate(DROP_MIDI, data))
    assert "a piece of your own" in page.inner_text(".player-facts")
    assert page.inner_text(".player-rights") == "", "whose it is, its owner knows"
    name, opened = visit.download("MIDI")
    assert name.endswith(", as it was.mid")
    assert page.is_disabled(".actions-fill")
    roll = page.locator("#piece .transport-roll canvas")
    roll.scroll_into_view_if_needed()
    canvas = roll.bounding_box()
    for move, share in ((page.mouse.move, 0.3), (page.mouse.down, None), (page.mouse.move, 0.6), (page.mouse.up, None)):
        move() if share is None else move(canvas["x"] + canvas["width"] * share, canvas["y"] + 6)
    label = page.inner_text(".actions-fill")
    first, end = (int(number) for number in re.findall(r"\d+", label))
    wait_for_new_sound(visit, lambda: page.click(".actions-fill"))
    piece, bars = studio.filled[-1]
    assert bars == (first - 1, end)
    assert piece.notes[0].pitch == read_midi(midi).notes[0].pitch
    assert visit.download("MIDI")[0].endswith(", filled.mid")
    assert "filled" in page.inner_text(".history li")
    page.reload()
    page.wait_for_selector("#piece .player[data-state=done]")
    wait_for_new_sound(visit, lambda: page.click("button:text-is('Undo')"))
    assert visit.download("MIDI")[1] == opened


@browser_test
def test_a_file_that_is_no_midi_is_one_sentence(visit: Visit, tmp_path: Path) -> None:
    (tmp_path / "letter.mid").write_text("not music")
    visit.page.set_input_files(MIDI_INPUT, str(tmp_path / "letter.mid"))
    visit.page.wait_for_selector("#piece .player[data-state=failed]")
    assert "not a MIDI file" in visit.page.inner_text("#piece .player-failed")


@browser_test
@pytest.mark.parametrize("visit", [{}, {"size": (390, 844), "theme": "dark"}], indirect=True)
def test_live_music_follows_the_target_and_is_kept(visit: Visit, studio: FakeStudio) -> None:
    page = visit.page
    page.click(".live-start")
    assert "Choose an emotion" in page.inner_text(".live-said"), "there is nothing to follow yet"
    page.click(".plane-map", position={"x": 240, "y": 70})
    page.wait_for_function("document.querySelector('.plane-map').dataset.target")
    page.click(".live-start")
    page.wait_for_function("/happy|excited/.test(document.querySelector('.live-where').textContent)")
    page.wait_for_function(IN_SIGHT)
    page.click(".plane-map", position={"x": 90, "y": 215})
    page.wait_for_function("/(weary|sad)\\W+[2-9] s/.test(document.querySelector('.live-where').textContent)")
    assert studio.lived[0][0].arousal > 5 > studio.lived[-1][0].arousal
    wait_for_new_sound(visit, lambda: page.click(".live-stop"))
    assert "live" in page.inner_text(".history li")
    assert page.is_visible(".live-start")
    seconds = float(re.search(r"(\d+) s", page.inner_text(".player-facts"))[1])
    assert seconds >= 2, "what was heard of it"


@browser_test
def test_a_move_is_heard_within_the_bar_that_sounds(visit: Visit, studio: FakeStudio) -> None:
    page = visit.page
    studio.lived.clear()
    page.click(".plane-map", position={"x": 240, "y": 70})
    page.wait_for_function("document.querySelector('.plane-map').dataset.target")
    page.click(".live-start")
    page.wait_for_function("/[2-9] s/.test(document.querySelector('.live-where').textContent)")
    places = ({"x": 90, "y": 215}, {"x": 240, "y": 70})
    within = [0.5, 1.0]  # of a bar: the first beat is the bar line, and the last one gives way to it
    for number in range(60):
        page.click(".plane-map", position=places[number % 2])
        page.wait_for_timeout(430)  # no part of a bar: moves come at all its moments
        moments = [moment for _, moment in studio.lived if moment is not None]
        if any(moment % 2.0 > 0.01 for moment in moments):
            break
    assert any(moment % 2.0 == pytest.approx(beat, abs=1e-6) for moment in moments for beat in within)
    assert all(moment % 0.5 == pytest.approx(0.0, abs=1e-6) for moment in moments), "at beats"
    page.click(".live-stop")


@browser_test
def test_a_soundfont_of_ones_own_plays_until_it_is_put_away(visit: Visit, studio: FakeStudio, tmp_path: Path) -> None:
    page, own = visit.page, INSTRUMENTS["music box"].path
    damaged = tmp_path / "half.sf2"
    damaged.write_bytes(own.read_bytes()[:5000])
    page.click("#more .label-wrap")
    page.set_input_files(FONT_INPUT, str(damaged))
    page.wait_for_selector("[data-testid=toast-body]")
    assert "half.sf2 is not a complete SoundFont" in page.inner_text("[data-testid=toast-body]")
    page.set_input_files(FONT_INPUT, str(own))
    page.wait_for_selector("#load-font:has-text('music_box.sf2')")
    page.click(".plane-map", position={"x": 240, "y": 70})
    visit.compose()
    assert studio.instruments[-1] == read_soundfont(own).name
    assert page.locator(".player-files button[data-kind=stems]").count() == 0, "they are made by the instrument"
    page.click("#drop-font")
    page.wait_for_selector("#drop-font", state="hidden")
    visit.compose()
    assert studio.instruments[-1] == "piano"


def test_a_soundfont_that_is_gone_is_a_remark_and_the_instrument_plays(tmp_path: Path) -> None:
    studio = FakeStudio()
    made = studio.compose(None, "effnet+tvae", ComposeOptions(target=POINT))
    take = play_take(studio, made, tmp_path, lambda stage, done: None, soundfont=tmp_path / "gone.sf2")
    assert FONT_GONE in take.remarks
    assert studio.instruments[-1] == "piano"
