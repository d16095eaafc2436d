"""The page Compare as a visitor meets it, and the line-up behind it."""

from __future__ import annotations

import io
import json
import math
import re
import threading
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from eimg_core.emotion import VA, distance, photo_target
from eimg_core.errors import InputError
from eimg_core.options import ComposeOptions
from eimg_core.results import PAPER_TABLE_V
from eimg_core.shipped import RESULTS
from eimg_core.sound.loudness import COMPARED_LUFS
from eimg_core.ui.session.comparison_run import compose_all, pack, start_comparison
from eimg_core.ui.session.composers import chosen, pairing_variants, papers_six, usual_choice
from eimg_core.ui.session.points import point
from eimg_core.ui.session.scorecard import control_rows, published
from tests.fake_studio import PAIRINGS, FakePairing, FakeStudio, scene
from tests.shots import give_photo, open_comparison
from tests.visits import CONTRAST, Visit, unfold

browser_test = pytest.mark.browser

WHERE = ComposeOptions(seed=3, seconds=8.0, target=VA(7.0, 6.0))
SIX = [each for each in pairing_variants(PAIRINGS) if each.key in PAPER_TABLE_V]
STATES = "[...document.querySelectorAll('.entry')].map((card) => card.dataset.state)"
SOUNDING = "[...document.querySelectorAll('audio')].filter((audio) => !audio.paused).length"


def fail() -> None:
    raise InputError("This composer knows no photo without colours.")


# ---- without a browser -------------------------------------------------------------------------------------------


def test_nobody_to_compare_and_nothing_to_compose_for_are_told(tmp_path: Path) -> None:
    studio = FakeStudio()
    with pytest.raises(InputError, match="at least one composer"):
        start_comparison(studio, None, WHERE, [], tmp_path)
    with pytest.raises(InputError, match="Add a photo"):
        start_comparison(studio, None, ComposeOptions(), SIX, tmp_path)


def test_every_composer_gets_the_same_and_one_that_fails_does_not_stop_the_others(tmp_path: Path) -> None:
    studio = FakeStudio(before={"alae+lsr": fail})
    steps = list(compose_all(studio, start_comparison(studio, None, WHERE, SIX, tmp_path)))
    last = [entry.card for entry in steps[-1].entries]
    assert [card["state"] for card in last] == ["done", "done", "failed", "done", "done", "done"]
    assert last[2]["message"] == "This composer knows no photo without colours."
    assert studio.asked == [WHERE] * 6
    assert studio.levels == [COMPARED_LUFS] * 5
    order = [n for step in steps for n, entry in enumerate(step.entries) if entry.card["state"] == "working"]
    assert order == sorted(order), "one after the other, in the order of the cards"


def test_pieces_stay_when_their_files_cannot_be_packed(tmp_path: Path) -> None:
    class Full(FakeStudio):
        def save_comparison(self, *_: Any, **__: Any) -> Any:
            raise OSError("/srv/secret: no space left on device")

    studio = Full()
    *_, run = compose_all(studio, start_comparison(studio, None, WHERE, SIX[:2], tmp_path))
    packed = pack(studio, run)
    assert packed.state == "done"
    assert packed.fault is not None
    assert "secret" not in packed.fault
    assert [entry.card["state"] for entry in packed.entries] == ["done", "done"]


def test_a_variant_is_named_only_where_it_is_not_the_usual_one() -> None:
    assert [each.key for each in SIX] == usual_choice(PAIRINGS) == [info.key for info in PAIRINGS[:6]]
    found = chosen(PAIRINGS, ["vqvae+lsr@paper", "effnet+tvae", "effnet+tvae@eimg2", "vqvae+lsr@eimg2"])
    assert [each.key for each in found] == ["vqvae+lsr", "vqvae+lsr@paper", "effnet+tvae"], "each once, as in the menu"
    assert [each.title for each in found][:2] == ["VQ-VAE + LSR (eimg2)", "VQ-VAE + LSR (paper)"]
    with pytest.raises(InputError, match=r"no composer 'effnet\+tvae@paper'; choose from: vqvae\+fnt, "):
        chosen(PAIRINGS, ["effnet+tvae@paper"])


def test_a_comparison_begins_with_the_default_and_five_others() -> None:
    six = [replace(info, default=False) for info in PAIRINGS if info.key != "effnet+tvae"]
    real = [FakePairing("effnet+tvae", "EffNet + TVAE", default=True), FakePairing("effnet+fnt", "EffNet + FNT"), *six]
    begun = usual_choice(real)
    assert begun[0] == "effnet+tvae"
    assert len(begun) == 6
    assert set(begun[1:]) < set(papers_six(real))
    assert usual_choice(real[:2]) == ["effnet+tvae", "effnet+fnt"]


def test_the_controls_of_a_score_card_are_what_the_records_say() -> None:
    rows = {row["name"]: row for row in control_rows(VA(7.0, 6.0))}
    record = json.loads((RESULTS / "pairings-test-mean_point-seed0.json").read_text(encoding="utf-8"))
    point = record["point"]
    assert rows["mean point"]["matching"] == pytest.approx(
        math.hypot(7 - point["valence"], 6 - point["arousal"]), abs=0.01
    )
    assert rows["mean point"]["published"]["mean"] == pytest.approx(record["summary"]["emotion_matching"], abs=1e-3)
    assert (
        rows["oracle"]["published"]["mean"]
        < rows["mean point"]["published"]["mean"]
        < rows["constant"]["published"]["mean"]
        < rows["random"]["published"]["mean"]
    )
    assert [row["matching"] for name, row in rows.items() if name != "mean point"] == [None] * 4
    assert control_rows(None)[0]["matching"] is None


def test_a_score_card_without_records_has_no_controls(tmp_path: Path) -> None:
    assert control_rows(VA(7.0, 6.0), tmp_path) == []
    assert published("vqvae+fnt@eimg2", tmp_path) is None


def test_sixteen_marks_differ_and_their_numbers_can_be_read() -> None:
    def light(colour: str) -> float:
        parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return sum(share * part for share, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    sheet = (Path(__file__).parents[1] / "eimg_core/ui/style/colours.css").read_text(encoding="utf-8")
    for theme in sheet.split(".dark"):
        marks = re.findall(r"--mark-\d+: (#\w{6})", theme)
        number = light(re.findall(r"--on-mark: (#\w{6})", theme)[0])
        assert len(set(marks)) == 16
        for mark in marks:
            darker, lighter = sorted((number, light(mark)))
            assert (lighter + 0.05) / (darker + 0.05) >= 4.5, mark


# ---- the page ----------------------------------------------------------------------------------------------------


def aim(visit: Visit) -> Any:
    """On the page Compare, with a target chosen and short pieces."""
    page = visit.page
    page.click("#plane .plane-map", position={"x": 200, "y": 120})
    page.fill("#seconds input[type=number]", "8")
    page.keyboard.press("Tab")
    open_comparison(page)
    return page


@browser_test
def test_cards_fill_one_by_one_in_their_places_and_everything_can_be_kept(
    visit: Visit, studio: FakeStudio, beach: Path
) -> None:
    page = visit.page
    give_photo(page, beach)
    unfold(page)
    page.fill("#seed input", "7")
    page.keyboard.press("Tab")
    open_comparison(page)
    assert page.locator("#compose").is_hidden()
    gate = threading.Event()
    studio.before["alae+lsr"] = lambda: gate.wait(60) and None
    page.click("#compare-start")
    page.wait_for_selector(".entry:nth-child(3)[data-state=working] .player-bar")
    assert page.evaluate(STATES) == ["done", "done", "working", "waiting", "waiting", "waiting"]
    assert page.locator(".mark-entry.placed").count() == 2
    assert page.locator("#compare-start").is_disabled()
    places = "[...document.querySelectorAll('.entry')].map((card) => [card.offsetTop, card.offsetHeight])"
    waiting = page.evaluate(places)
    gate.set()
    page.wait_for_selector(".comparison[data-state=done]")
    assert page.evaluate(STATES) == ["done"] * 6
    assert page.evaluate(places) == waiting, "a card that fills pushes nothing about"
    page.wait_for_selector("#compare-start:enabled")
    assert page.inner_text(".comparison-facts").startswith("Beach day.jpg · seed 7 · 15 s each")

    assert [page.inner_text(f".entry:nth-child({n}) h4") for n in range(1, 7)] == [each.title for each in SIX]
    card = page.inner_text(".entry:nth-child(4)")
    assert "1.6 from the target" in card
    assert "3.61" in card
    assert page.locator(".mark-entry.placed").count() == 6
    assert page.inner_text(".comparison-rows tr:nth-child(4)").split()[-1] == "1.6"
    page.hover(".entry:nth-child(4) h4")
    assert page.text_content(".mark-entry.lit text") == page.inner_text(".comparison-rows .lit .entry-number") == "4"
    page.hover(".mark-entry:has-text('6') .badge")
    assert page.inner_text(".entry.lit h4") == "VQ-VAE + LSR (eimg2)"

    with page.expect_download() as waiting_for:
        page.click(".comparison-files a:has-text('ZIP')")
    assert waiting_for.value.suggested_filename == "Beach day – serene, comparison.zip"
    names = zipfile.ZipFile(io.BytesIO(Path(waiting_for.value.path()).read_bytes())).namelist()
    for each in SIX:
        assert {f"Beach day – serene, {each.key}.{kind}" for kind in ("mid", "wav", "json", "png")} < set(names)
    assert len(names) == 6 * 4 + 2


@browser_test
def test_stop_keeps_what_is_done_and_some_can_be_compared_again(visit: Visit, studio: FakeStudio) -> None:
    page = aim(visit)
    gate = threading.Event()
    studio.before = {"alae+fnt": fail, "beta_vae+fnt": lambda: gate.wait(60) and None}
    page.click("#compare-start")
    page.wait_for_selector(".entry:nth-child(4)[data-state=working]")
    page.click(".comparison-stop")
    page.wait_for_selector(".comparison[data-state=done]")
    gate.set()
    assert page.evaluate(STATES) == ["done", "failed", "done", "stopped", "stopped", "stopped"]
    assert "knows no photo without colours" in page.inner_text(".entry:nth-child(2)")
    with page.expect_download() as waiting:
        page.click(".comparison-files a:has-text('ZIP')")
    assert len(zipfile.ZipFile(waiting.value.path()).namelist()) == 2 * 4 + 2

    studio.before = {}
    asked = len(studio.asked)
    for title in ("VQ-VAE + FNT", "ALAE + FNT", "ALAE + LSR"):
        page.click(f"#pairings label:has-text('{title}')")
    page.click("#compare-start")
    page.wait_for_function(f"{STATES}.join() === 'done,done,done'")
    assert page.inner_text(".entry:nth-child(1) h4") == "β-VAE + FNT"
    assert len(studio.asked) == asked + 3


@browser_test
def test_one_piece_sounds_at_a_time_and_keys_change_between_them_at_the_same_place(visit: Visit) -> None:
    page = aim(visit)
    page.click("#compare-start")
    page.wait_for_selector(".comparison[data-state=done]")
    audio = "document.querySelector('.entry:nth-child({}) audio')"
    page.click(".entry:nth-child(2) .transport-play")
    page.wait_for_function(f"{audio.format(2)}.currentTime > 2")
    page.keyboard.press("5")
    page.wait_for_function(f"{audio.format(2)}.paused && {audio.format(5)}.currentTime > 1.8")
    assert page.evaluate(SOUNDING) == 1
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Space")
    page.wait_for_function(f"{SOUNDING} === 0")
    page.keyboard.press("Space")
    page.wait_for_function(f"!{audio.format(5)}.paused")
    page.click(".entry:nth-child(1) .transport-play")
    page.wait_for_function(f"!{audio.format(1)}.paused && {SOUNDING} === 1")
    unfold(page)
    page.focus("#seed input")
    page.keyboard.press("3")
    assert page.evaluate(f"{audio.format(3)}.paused"), "a digit typed into a field is a digit"
    page.get_by_role("tab", name="Create").click()
    page.wait_for_function(f"{SOUNDING} === 0")


@browser_test
def test_any_pairing_and_variant_can_be_chosen_by_keyboard_and_the_score_card_sets_them_beside_the_controls(
    visit: Visit, studio: FakeStudio, beach: Path
) -> None:
    page = visit.page
    give_photo(page, beach)
    open_comparison(page)
    assert page.inner_text(".choice-count") == "6 of 8"
    page.click("#pairings [data-pick=none]")
    for name in ("VQ-VAE + LSR, paper", "EffNet + TVAE, eimg2", "ALAE + FNT, eimg2"):
        page.get_by_role("checkbox", name=name).focus()
        page.keyboard.press("Space")
    assert page.inner_text(".choice-count") == "3 of 8"
    asked = len(studio.asked)
    page.click("#compare-start")
    page.wait_for_function(f"{STATES}.join() === 'done,done,done'")
    assert len(studio.asked) == asked + 3
    assert page.inner_text(".entry:nth-child(2) h4") == "VQ-VAE + LSR (paper)"

    cells = "[...document.querySelectorAll('.score-made tr')].map((row) => [...row.children].map((e) => e.textContent))"
    made = page.evaluate(cells)
    assert [row[0][1:] for row in made] == ["ALAE + FNT", "VQ-VAE + LSR (paper)", "EffNet + TVAE"]
    many = published("vqvae+lsr@paper")
    measured = ["0.530", "3.61", "0.9800", "0.810"]
    assert made[1][1:7] == ["2.10", f"{many['mean']:.2f} ± {many['sd']:.2f}", *measured]
    assert page.inner_text(".score .best th").endswith("EffNet + TVAE"), "the nearest to the photo stands out"
    controls = page.evaluate(cells.replace("score-made", "score-controls"))
    assert [row[0] for row in controls] == ["mean point", "constant", "random", "oracle", "real clips"]
    assert float(controls[0][1]) > 0
    assert [row[1] for row in controls[1:]] == ["–"] * 4, "chance and labels have no number for one photo"
    for words in ("Constant plays one and the same real clip to every photo", "Random plays any real clip"):
        assert words in page.inner_text(".score-words")


@browser_test
def test_an_address_opens_its_page_and_turning_a_page_changes_the_address(visit: Visit) -> None:
    page = visit.page
    page.goto("about:blank")
    page.goto(f"{visit.url}#compare")
    page.wait_for_selector("#compare-start")
    assert page.locator("#compose").is_hidden()
    page.get_by_role("tab", name="Story").click()
    page.wait_for_selector(".story")
    assert page.evaluate("location.hash") == "#story"
    assert page.locator("#inputs").is_hidden()
    page.evaluate("location.hash = '#create'")
    page.wait_for_selector("#compose")
    assert page.locator("#comparison").is_hidden()


@browser_test
def test_without_photo_and_point_or_composer_the_reason_is_told(visit: Visit) -> None:
    page = visit.page
    open_comparison(page)
    page.click("#compare-start")
    page.wait_for_selector(".comparison[data-state=failed]")
    assert "Add a photo" in page.inner_text(".comparison-facts")
    page.click("#plane .plane-map", position={"x": 200, "y": 120})
    page.click("#pairings [data-pick=none]")
    page.click("#compare-start:enabled")
    page.wait_for_function("document.querySelector('.comparison-facts').textContent.includes('at least one composer')")


@browser_test
@pytest.mark.parametrize("visit", [{"size": (390, 844), "theme": "dark"}, {"size": (390, 844)}], indirect=True)
def test_a_phone_shows_the_comparison_in_one_column_that_can_be_read(visit: Visit, studio: FakeStudio) -> None:
    page = aim(visit)
    studio.before = {"alae+fnt": fail}
    page.click("#compare-start")
    page.wait_for_selector(".comparison[data-state=done]")
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert page.evaluate("new Set([...document.querySelectorAll('.entry')].map((card) => card.offsetLeft)).size") == 1
    assert page.evaluate(CONTRAST) == []


# ---- the API -----------------------------------------------------------------------------------------------------


def test_the_named_endpoint_compares(url: str, studio: FakeStudio, folder: Path) -> None:
    client_library = pytest.importorskip("gradio_client")
    studio.before_composing, studio.before = None, {}
    scene("dusk").save(folder / "dusk.jpg")
    client = client_library.Client(url, verbose=False, download_files=False)
    job = client.submit(
        photo=client_library.handle_file(str(folder / "dusk.jpg")),
        emotion={},
        pairings=["alae+fnt", "vqvae+fnt"],
        seed=5,
        seconds=8,
        api_name="/compare",
    )
    last = job.result(timeout=120)
    assert [card["pairing"] for card in last["cards"]] == ["vqvae+fnt", "alae+fnt"]
    assert all(card["state"] == "done" and card["took_s"] >= 0 for card in last["cards"])
    assert set(last["files"]) == {"zip", "csv", "png"}
    own = photo_target(VA(last["photo"]["valence"], last["photo"]["arousal"]))
    assert last["target"] == pytest.approx({**point(own)}, abs=0.002)
    assert studio.asked[-1] == ComposeOptions(seed=5, seconds=8.0)
    card = last["cards"][0]
    landed = VA(card["piece"]["valence"], card["piece"]["arousal"])
    reading = VA(last["photo"]["valence"], last["photo"]["arousal"])
    assert card["matching"] == pytest.approx(distance(landed, reading), abs=0.02), "as in the tables, from the reading"
    assert last["controls"][0]["name"] == "mean point"
    with pytest.raises(Exception, match="There is no composer 'nobody'"):
        client.predict(None, {}, ["nobody"], 5, 8, api_name="/compare")
