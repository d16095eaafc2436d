"""Pictures of the page for people to look at: ``python -m tests.shots --out DIR``.

Desktop (1280 px), wide (1720 px), tablet (820 px) and phone (390 px), light and dark; the empty page, a photo read,
work in progress, a piece that plays, errors, a comparison from its start to its end, a story, a listening test, and the
results. ``--readme`` instead makes
the README's pictures, with the trained studio.
"""

from __future__ import annotations

import argparse
import io
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

from eimg_core.errors import InputError
from tests.fake_studio import FakeStudio, scene

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SIZES = {"desktop": (1280, 900), "wide": (1720, 1000), "tablet": (820, 1100), "phone": (390, 844)}
PATIENCE_MS = 120_000  # a computer that is busy with something else is slow, not wrong


@contextmanager
def serving(studio: FakeStudio, folder: Path) -> Iterator[str]:
    """The app with four painted photos as examples; the address it serves at."""
    from eimg_core.ui import app

    examples = folder / "examples"
    examples.mkdir(parents=True)
    for kind in ("beach", "night", "fog", "dusk"):
        scene(kind).save(examples / f"{kind}.jpg")
    demo = app.build_ui(studio, examples=examples)
    _, url, _ = app.launch(demo, prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
    try:
        yield url
    finally:
        demo.close(verbose=False)


def open_page(
    browser: Any,
    url: str,
    size: tuple[int, int],
    theme: str,
    scale: float = 1.0,
    language: str = "en-US",
    at_once: bool = False,
    offline_copy: bool = False,
) -> Any:
    """A fresh visitor's page, ready to use.

    Args:
        at_once: whether it composes as soon as there is a photo, as it does for people.
        offline_copy: whether the browser may keep a copy of the page, as those of people do.
    """
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme=theme,
        device_scale_factor=scale,
        locale=language,
        service_workers="allow" if offline_copy else "block",
    )
    context.set_default_timeout(PATIENCE_MS)
    if not at_once:
        context.add_init_script("try { localStorage.setItem('eimg-studio-at-once', 'false') } catch {}")
    page = context.new_page()
    page.goto(url)
    page.wait_for_selector("#compose")
    page.wait_for_selector(".plane-map[data-target]")
    return page


def give_photo(page: Any, photo: Path) -> None:
    """Upload a photo and wait until the plane shows its point."""
    page.set_input_files("#photo input[type=file]", str(photo))
    page.wait_for_selector(".plane-map[data-photo*=',']")


def shoot_journey(page: Any, studio: FakeStudio, photo: Path, stem: str) -> None:
    """From the empty page to a playing piece."""

    def shoot(state: str) -> None:
        page.wait_for_timeout(700)  # let transitions end
        page.screenshot(path=f"{stem}-{state}.png", full_page=True)

    shoot("1-empty")
    give_photo(page, photo)
    shoot("2-photo")
    gate = threading.Event()
    studio.before_composing = lambda: gate.wait(60) and None
    page.click("#compose")
    page.wait_for_selector(".player-stages li.now:nth-child(2)")
    shoot("3-working")
    gate.set()
    studio.before_composing = None
    page.wait_for_selector(".player[data-state=done]")
    play_on(page, ".player", 3)
    shoot("4-piece")


def open_comparison(page: Any) -> None:
    """Turn to the page Compare."""
    page.get_by_role("tab", name="Compare").click()
    page.wait_for_selector("#compare-start")


def shoot_comparison(page: Any, studio: FakeStudio, photo: Path, stem: str) -> None:
    """From waiting cards to a finished comparison in which one composer failed."""

    def shoot(state: str) -> None:
        page.wait_for_timeout(700)
        page.screenshot(path=f"{stem}-{state}.png", full_page=True)

    def fail() -> None:
        raise InputError("This composer knows no photo without colours. Try another photo, or another composer.")

    give_photo(page, photo)
    open_comparison(page)
    shoot("6-compare")
    gate = threading.Event()
    studio.before = {"alae+lsr": lambda: gate.wait(60) and None, "beta_vae+lsr": fail}
    page.click("#compare-start")
    page.wait_for_selector(".entry:nth-child(3)[data-state=working]")
    shoot("7-half")
    gate.set()
    page.wait_for_selector(".comparison[data-state=done]")
    studio.before = {}
    page.click(".entry:nth-child(2) .transport-play")
    page.wait_for_function("document.querySelector('.entry:nth-child(2) audio').currentTime > 3")
    shoot("8-compared")


def shoot_others(page: Any, photo: Path, stem: str) -> None:
    """A story that plays, a trial of the listening test, and the results."""

    def shoot(state: str) -> None:
        page.wait_for_timeout(700)
        page.screenshot(path=f"{stem}-{state}.png", full_page=True)

    tell_story(page)
    play_on(page, "#story-piece .player", 9)
    shoot("9-story")
    page.get_by_role("tab", name="Create").click()
    give_photo(page, photo)
    page.get_by_role("tab", name="Listen").click()
    page.click("#listen-start")
    page.click(".listening-go")
    page.wait_for_selector(".listening[data-state=trial]")
    shoot("10-listen")
    page.get_by_role("tab", name="Results").click()
    page.wait_for_selector(".results section")
    shoot("11-results")


def shoot_errors(page: Any, folder: Path, stem: str) -> None:
    """Compose with nothing to compose for, and a letter instead of a photo."""
    page.click("#compose")
    page.wait_for_selector(".player[data-state=failed]")
    letter = folder / "letter.png"
    letter.write_text("this is not a picture")
    page.set_input_files("#photo input[type=file]", str(letter))
    page.wait_for_selector("[data-testid=toast-body]")
    page.wait_for_timeout(700)
    page.screenshot(path=f"{stem}-5-errors.png", full_page=True)


def shoot_readme(folder: Path) -> None:
    """The page with trained models: by day and night, on a phone, a score, a comparison and a story."""
    from playwright.sync_api import sync_playwright

    from eimg_core.studio import Studio
    from eimg_core.ui import app

    studio = Studio()
    studio.warm_up()
    _, url, _ = app.launch(app.build_ui(studio), prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        for name, device, theme, language in (
            ("studio", "desktop", "light", "en-US"),
            ("studio-dark", "desktop", "dark", "en-US"),
            ("phone-dark", "phone", "dark", "en-US"),
            ("phone-chinese", "phone", "light", "zh-CN"),
        ):
            page = open_page(browser, url, SIZES[device], theme, scale=1.25, language=language)
            give_photo(page, app.EXAMPLES / "evening_meadow.jpg")
            page.click("#compose")
            page.wait_for_selector(".player[data-state=done]")
            play_on(page, ".player", 4)
            if device == "phone":  # what the hand holds, and not the whole page
                part = "#piece" if language == "zh-CN" else "#plane"
                page.locator(part).evaluate("(node) => node.scrollIntoView()")
                page.wait_for_timeout(700)
            keep_small(page, folder / f"{name}.png", whole=device != "phone")
            if name == "studio":
                page.click("[data-view=score]")
                page.wait_for_selector(".player-sheet svg .sheet-bar")
                play_on(page, ".player", 8)
                keep_small(page, folder / "score.png", "#piece")
            page.context.close()
        page = open_page(browser, url, SIZES["desktop"], "light", scale=1.25)
        give_photo(page, app.EXAMPLES / "evening_meadow.jpg")
        open_comparison(page)
        page.click("#compare-start")
        page.wait_for_selector(".comparison[data-state=done]")
        page.mouse.move(4, 4)  # so that no card is lit up
        page.wait_for_timeout(700)
        keep_small(page, folder / "compare.png", ".comparison")
        page.context.close()
        page = open_page(browser, url, SIZES["desktop"], "dark", scale=1.25)
        tell_story(page)
        play_on(page, "#story-piece .player", 17)
        keep_small(page, folder / "story.png")
        browser.close()


def play_on(page: Any, player: str, seconds: float) -> None:
    """Let a player play until it is there, or from where it is."""
    if page.evaluate(f"document.querySelector('{player} audio').paused"):
        page.click(f"{player} .transport-play")
    page.wait_for_function(f"document.querySelector('{player} audio').currentTime > {seconds}")
    page.wait_for_timeout(700)


def tell_story(page: Any) -> None:
    """A story of the examples, up to its sound."""
    page.get_by_role("tab", name="Story").click()
    page.click(".story-examples")
    page.wait_for_function("document.querySelectorAll('.story-list li:not(.coming)').length === 4")
    page.click("#story-start")
    page.wait_for_selector("#story-piece .player[data-state=done]:not(:has(.pending))")


def keep_small(page: Any, path: Path, part: str | None = None, whole: bool = True) -> None:
    """The whole page, what of it is in sight, or one part of it, in 256 colours: a third of the bytes."""
    shot = page.locator(part).screenshot() if part else page.screenshot(full_page=whole)
    Image.open(io.BytesIO(shot)).convert("RGB").quantize(256, kmeans=8).save(path, optimize=True)


def main() -> None:
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", default="", help="only devices and themes whose name contains this: phone-dark")
    parser.add_argument("--readme", action="store_true", help="the README's pictures, with the trained studio")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    if arguments.readme:
        shoot_readme(arguments.out)
        return
    studio = FakeStudio()
    with tempfile.TemporaryDirectory() as name, serving(studio, Path(name)) as url, sync_playwright() as play:
        browser = play.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        photo = Path(name) / "beach.jpg"
        scene("beach").save(photo)
        for device, size in SIZES.items():
            for theme in ("light", "dark"):
                if arguments.only not in f"{device}-{theme}":
                    continue
                stem = str(arguments.out / f"{device}-{theme}")
                for shoot in (
                    lambda page, stem=stem: shoot_journey(page, studio, photo, stem),
                    lambda page, stem=stem: shoot_comparison(page, studio, photo, stem),
                    lambda page, stem=stem: shoot_others(page, photo, stem),
                    lambda page, stem=stem: shoot_errors(page, Path(name), stem),
                ):
                    page = open_page(browser, url, size, theme, scale=1.5)
                    shoot(page)
                    page.context.close()
        browser.close()


if __name__ == "__main__":
    main()
