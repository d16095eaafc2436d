"""How long a visitor of the page waits, in a browser on the machine that serves it.

    python -m benchmarks.page [--photos 9] [--moves 12] [--out FILE.json]

- **photo → first sound**: from the moment a photo is given until the player sounds; the page composes at once, as it
  does for people. The first photo warms everything and is not counted.
- **move → changed music**: while music plays live, from a move of the target across the plane until the first bar
  sounds that was composed for where it went. A move comes at a random moment of a bar.
- **open → first paint, → plane**: of a browser that has nothing of the page yet.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from benchmarks.load import app_running
from benchmarks.record import keep, of_run
from eimg_core.batch import photos_in
from eimg_core.shipped import CHECKPOINTS, RESULTS
from tests.shots import CHROMIUM, FLAGS, open_page

__all__ = ["bars_until", "main", "summary"]

SIZE = (1280, 900)
PIECES = 3  # of live music: each has bars of its own
PLACES = ({"x": 240, "y": 60}, {"x": 70, "y": 230})  # of the plane: happy and lively, sad and calm

_WATCH = """
window.sounded = null;
document.addEventListener("playing", () => { window.sounded ??= performance.now(); }, true);
new MutationObserver((_, observer) => {
  if (document.querySelector(".plane-map[data-target]")) { window.drawn = performance.now(); observer.disconnect(); }
}).observe(document, { subtree: true, childList: true, attributes: true });

// Bars that play live, in the order in which they were asked for: when, for which target, from when on they sound.
window.bars = [];
let asked = null;
const send = window.fetch;
window.fetch = async (...call) => {
  const body = String((call[1] || {}).body || "");
  if (!body.includes("next_bars")) return send(...call);
  asked = { asked: performance.now(), target: JSON.parse(body).data.target };
  const mine = asked, answer = await send(...call), told = await answer.clone().json();
  mine.bar_s = told.bar_s;
  return answer;
};
const begin = AudioBufferSourceNode.prototype.start;
AudioBufferSourceNode.prototype.start = function (when = 0) {
  const waits_s = Math.max(0, when - this.context.currentTime);
  if (asked) window.bars.push({ ...asked, sounds: performance.now() + 1000 * waits_s });
  return begin.apply(this, arguments);
};
"""


def bars_until(bars: Sequence[dict[str, Any]], moved: float, place: tuple[float, float]) -> tuple[float, float]:
    """Seconds from a move until music that was composed for its place, and the same in bars.

    Args:
        bars: as the page's script writes them, in milliseconds of the page's clock.
        moved: when the target moved, on the same clock.
        place: valence and arousal to which it went.
    """
    there = next(_following(bars, moved, place))
    waited = (there["sounds"] - moved) / 1000
    return waited, waited / there["bar_s"]


def _following(bars: Sequence[dict[str, Any]], moved: float, place: tuple[float, float]) -> Iterator[dict[str, Any]]:
    """The bars that were asked for after a move, for the place to which it went."""
    for bar in bars:
        target = bar["target"]
        if bar["asked"] >= moved and abs(target["valence"] - place[0]) + abs(target["arousal"] - place[1]) < 0.1:
            yield bar


def summary(values: Sequence[float]) -> dict[str, float]:
    return {"median": round(statistics.median(values), 2), "slowest": round(max(values), 2), "n": len(values)}


def _opened(browser: Any, url: str, *, at_once: bool = False) -> Any:
    """A page of a new visitor whose clock is watched."""

    class Watched:
        @staticmethod
        def new_context(**options: Any) -> Any:
            context = browser.new_context(**options)
            context.add_init_script(_WATCH)
            return context

    return open_page(Watched, url, SIZE, "light", at_once=at_once)


def opening(browser: Any, url: str, repeats: int) -> dict[str, Any]:
    paints, planes = [], []
    for _ in range(repeats):
        page = _opened(browser, url)
        page.wait_for_function("window.drawn")
        paint = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null"
        paints.append(page.evaluate(paint) / 1000)
        planes.append(page.evaluate("window.drawn") / 1000)
        page.context.close()
    return {"open → first paint": summary(paints), "open → plane": summary(planes)}


def first_sounds(browser: Any, url: str, photos: Sequence[Path]) -> list[float]:
    """Seconds from each photo to its first sound."""
    waits = []
    page = _opened(browser, url, at_once=True)
    for photo in photos:
        page.mouse.click(5, 5)
        page.evaluate("document.querySelectorAll('audio').forEach((one) => one.pause()), window.sounded = null")
        started = page.evaluate("performance.now()")
        page.set_input_files("#photo input[type=file]", str(photo))
        page.wait_for_function("window.sounded")
        waits.append((page.evaluate("window.sounded") - started) / 1000)
        page.wait_for_timeout(500)
        page.click("[aria-label='Remove Image']")
        page.wait_for_selector("#photo input[type=file]", state="attached")
    page.context.close()
    return waits


def moves(browser: Any, url: str, count: int, rng: random.Random) -> list[tuple[float, float]]:
    """Seconds and bars from each move of the target to music for its new place."""
    page, waits = _opened(browser, url), []
    page.click(".plane-map", position=PLACES[0])
    page.click(".live-start")
    page.wait_for_function("window.bars.length > 2")
    for number in range(1, count + 1):
        page.wait_for_timeout(rng.uniform(2_000, 6_000))
        moved = page.evaluate("performance.now()")
        page.click(".plane-map", position=PLACES[number % 2])
        valence, arousal = map(float, page.get_attribute(".plane-map", "data-target").split(","))
        while not any(_following(bars := page.evaluate("window.bars"), moved, (valence, arousal))):
            page.wait_for_timeout(100)
        waits.append(bars_until(bars, moved, (valence, arousal)))
    page.click(".live-stop")
    page.context.close()
    return waits


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=9)
    parser.add_argument("--moves", type=int, default=24)
    parser.add_argument("--out", type=Path, default=RESULTS / "page.json")
    args = parser.parse_args(argv)
    photos = photos_in(CHECKPOINTS.parent / "examples")[: args.photos + 1]
    with (
        tempfile.TemporaryDirectory(prefix="eimg-page-") as name,
        app_running(Path(name)) as (url, _),
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        opened = opening(browser, url, 5)
        sounds = first_sounds(browser, url, photos)
        print(sounds, file=sys.stderr, flush=True)
        rng = random.Random(0)
        followed = [one for _ in range(PIECES) for one in moves(browser, url, args.moves // PIECES, rng)]
        print(followed, file=sys.stderr, flush=True)
        version = browser.version
    record = {
        **of_run(f"python -m benchmarks.page --photos {args.photos} --moves {args.moves}"),
        "browser": f"Chromium {version}",
        "seconds": {
            **opened,
            "photo → first sound": summary(sounds[1:]),
            "move → changed music": summary([seconds for seconds, _ in followed]),
        },
        "bars": summary([bars for _, bars in followed]),
        "bar_s": [round(end(seconds / bars for seconds, bars in followed), 2) for end in (min, max)],
    }
    keep(record, args.out)


if __name__ == "__main__":
    main()
