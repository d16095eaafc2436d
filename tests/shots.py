"""Pictures of the page for people to look at: ``python -m tests.shots --out DIR``.

Desktop (1280 px) and phone (390 px), light and dark; the empty page, a photo read, work in progress, a piece, errors.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.fake_studio import FakeStudio, scene

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --autoplay-policy=no-user-gesture-required"
).split()
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}


@contextmanager
def serving(studio: FakeStudio, folder: Path) -> Iterator[str]:
    """The app with four painted photos as examples; the address it serves at."""
    import app

    examples = folder / "examples"
    examples.mkdir(parents=True)
    for kind in ("beach", "night", "fog", "dusk"):
        scene(kind).save(examples / f"{kind}.jpg")
    # Gradio serves what lies in its temporary folder, so the pieces of a test go there too.
    demo = app.build_ui(studio, examples=examples, pieces=app.PIECES)
    _, url, _ = app.launch(demo, prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
    try:
        yield url
    finally:
        demo.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", default="", help="only pictures whose name contains this")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    studio = FakeStudio()
    with tempfile.TemporaryDirectory() as folder, serving(studio, Path(folder)) as url:
        shoot(url, studio, Path(folder), arguments.out, arguments.only)


def shoot(url: str, studio: FakeStudio, folder: Path, out: Path, only: str) -> None:
    from playwright.sync_api import sync_playwright

    photo = folder / "beach.jpg"
    scene("beach").save(photo)
    bad = folder / "letter.png"
    bad.write_text("this is not a picture")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        for device, (width, height) in SIZES.items():
            for theme in ("light", "dark"):
                name = f"{device}-{theme}"
                if only and only not in name:
                    continue
                context = browser.new_context(
                    viewport={"width": width, "height": height}, color_scheme=theme, device_scale_factor=1.5
                )
                page = context.new_page()

                def take(state: str, name: str = name, page=page) -> None:
                    page.screenshot(path=str(out / f"{name}-{state}.png"), full_page=True)

                page.goto(url)
                page.wait_for_selector("#compose")
                page.wait_for_timeout(700)
                take("1-empty")
                page.set_input_files("#photo input[type=file]", str(photo))
                page.wait_for_selector(".plane-map[data-photo*=',']")
                page.wait_for_timeout(500)
                take("2-photo")
                studio.before_composing = lambda: time.sleep(2.0)
                page.click("#compose")
                page.wait_for_selector(".player[data-state=working]")
                page.wait_for_timeout(900)
                take("3-working")
                page.wait_for_selector(".player[data-state=done]")
                studio.before_composing = None
                page.wait_for_timeout(300)
                page.click(".player-play")
                page.wait_for_timeout(2600)
                take("4-piece")
                page.click(".player-play")
                context.close()

                context = browser.new_context(
                    viewport={"width": width, "height": height}, color_scheme=theme, device_scale_factor=1.5
                )
                page = context.new_page()
                page.goto(url)
                page.wait_for_selector("#compose")
                page.click("#compose")
                page.wait_for_selector(".player[data-state=failed]")
                page.set_input_files("#photo input[type=file]", str(bad))
                page.wait_for_selector("[data-testid=toast-body]")
                page.wait_for_timeout(400)
                page.screenshot(path=str(out / f"{name}-5-error.png"), full_page=True)
                context.close()
        browser.close()


if __name__ == "__main__":
    main()
