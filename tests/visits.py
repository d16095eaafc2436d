"""A visitor in a real browser, for the tests of the page: what a visitor does, and would complain about."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from tests.shots import open_page

# Texts of our own whose contrast with the ground behind them is under 4.5:1.
CONTRAST = """() => {
  const parse = (css) => (css.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((c) => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, n) => sum + c * [0.2126, 0.7152, 0.0722][n], 0);
  const ground = (e) => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor);
    if (c.length === 3 || c[3] > 0.99) return c; } return [255, 255, 255]; };
  return [...document.querySelectorAll("h1,h2,h3,p,dt,dd,small,td,th,label span,.entry-number,li,a,button")]
    .filter((e) => e.offsetParent && !e.disabled && e.textContent.trim() && !e.closest("footer.svelte-zxu34v"))
    .map((e) => { const [a, b] = [light(parse(getComputedStyle(e).color)), light(ground(e))];
      return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), e.textContent.trim().slice(0, 30)]; })
    .filter(([ratio]) => ratio < 4.5);
}"""

SOUND = "(document.querySelector('.player[data-state=done] audio') || {}).src"


class Visit:
    """A page, and what it asked of the network and complained about."""

    def __init__(self, browser: Any, url: str, **look: Any) -> None:
        self.url = url
        self.problems: list[str] = []
        size, theme = look.get("size", (1280, 900)), look.get("theme", "light")
        language = look.get("language", "en-US")
        more = {name: look.get(name, False) for name in ("at_once", "offline_copy")}
        self.page = open_page(Watched(browser, self), url, size, theme, language=language, **more)

    def compose(self) -> None:
        # Every piece has a sound file of its own; waiting for the state alone could see the piece before, or miss a
        # working state that is over within a frame.
        sound = "document.querySelector('.player audio')"
        before = self.page.evaluate(f"{sound} ? {sound}.src : ''")
        self.page.click("#compose")
        self.page.wait_for_function(
            f"(before) => document.querySelector('.player[data-state=done]') && {sound} && {sound}.src"
            f" && {sound}.src !== before",
            arg=before,
        )

    def download(self, label: str) -> tuple[str, bytes]:
        with self.page.expect_download() as waiting:
            self.page.click(f".player-files a:text-is('{label}')")
        return waiting.value.suggested_filename, Path(waiting.value.path()).read_bytes()


class Watched:
    """A browser whose new pages report console errors, exceptions and requests to other hosts."""

    def __init__(self, browser: Any, visit: Visit) -> None:
        self.browser, self.visit = browser, visit

    def new_context(self, **options: Any) -> Any:
        context = self.browser.new_context(**options)
        host, problems = urlparse(self.visit.url).netloc, self.visit.problems

        def look(request: Any) -> None:
            target = urlparse(request.url)
            if target.scheme not in ("data", "blob") and target.netloc != host:
                problems.append(f"asked another host: {request.url}")

        def listen(page: Any) -> None:
            page.on("console", lambda line: line.type == "error" and problems.append(f"console: {line.text}"))
            page.on("pageerror", lambda error: problems.append(f"exception: {error}"))

        context.on("request", look)
        context.on("page", listen)
        return context


def wait_for_new_sound(visit: Visit, act: Any) -> None:
    """Do something, and wait until the player has another piece with its sound."""
    before = visit.page.evaluate(SOUND)
    act()
    visit.page.wait_for_function(f"(before) => {SOUND} && {SOUND} !== before", arg=before)


def unfold(page: Any, place: str = "#how") -> None:
    """Open a fold of settings, unless it is open, and wait for what is in it."""
    if page.locator(f"{place} .label-wrap.open").count() == 0:
        page.click(f"{place} .label-wrap")
    page.locator(f"{place} input").first.wait_for()
