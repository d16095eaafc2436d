"""A connection that is lost: nothing is wiped, one sentence says so, and one button goes on."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.fake_studio import FakeStudio
from tests.shots import give_photo
from tests.visits import Visit

pytestmark = pytest.mark.browser


def offline(visit: Visit, yes: bool) -> None:
    visit.page.context.set_offline(yes)


def forgive_the_network(visit: Visit) -> None:
    """A browser writes every request that did not get through into its console."""
    known = re.compile("ERR_|Failed to fetch|The connection was lost")
    assert all(known.search(problem) for problem in visit.problems), visit.problems
    visit.problems.clear()


def test_composing_without_a_connection_waits_and_goes_on(visit: Visit, studio: FakeStudio, beach: Path) -> None:
    page = visit.page
    give_photo(page, beach)
    visit.compose()
    page.evaluate("window.sameAsBefore = true")
    composed, sound = len(studio.asked), page.evaluate("document.querySelector('#piece audio').src")
    page.route("**/queue/join*", lambda route: route.abort("internetdisconnected"))
    page.click("#another")
    page.wait_for_selector(".unreached")
    assert "Nothing is lost" in page.inner_text(".unreached")
    assert page.locator(".unreached").count() == page.locator(".unreached button").count() == 1
    page.click(".unreached button")
    page.wait_for_selector(".unreached")
    assert page.locator("[data-testid=toast-body]").count() == 0
    assert len(studio.asked) == composed
    page.unroute("**/queue/join*")
    page.click(".unreached button")
    page.wait_for_function("(before) => document.querySelector('#piece audio').src !== before", arg=sound)
    assert page.locator(".unreached").count() == 0
    assert len(studio.asked) == composed + 1
    assert page.evaluate("window.sameAsBefore"), "the page was not loaded again"
    assert page.is_visible("#photo img")
    forgive_the_network(visit)


def test_a_connection_that_breaks_while_a_piece_is_made_takes_nothing_away(visit: Visit, beach: Path) -> None:
    page = visit.page
    give_photo(page, beach)
    visit.compose()
    page.evaluate("window.sameAsBefore = true")
    notes = page.get_attribute("#piece canvas", "data-notes")
    page.route(
        "**/queue/data*", lambda route: route.fulfill(content_type="text/event-stream", body=": here it breaks\n\n")
    )
    page.click("#another")
    page.wait_for_selector(".unreached")
    assert "The connection was lost" in page.inner_text(".unreached")
    page.wait_for_selector("#piece .player[data-state=done]")
    assert page.get_attribute("#piece canvas", "data-notes") == notes
    page.unroute("**/queue/data*")
    page.wait_for_timeout(2500)
    assert page.evaluate("window.sameAsBefore"), "the page was not loaded again"
    assert page.is_visible("#photo img")
    sound = page.evaluate("document.querySelector('#piece audio').src")
    page.click(".unreached button")
    page.wait_for_function("(before) => document.querySelector('#piece audio').src !== before", arg=sound)
    forgive_the_network(visit)


@pytest.mark.parametrize("visit", [{"offline_copy": True}], indirect=True)
def test_the_page_is_installable_and_opens_without_a_connection(visit: Visit, url: str) -> None:
    page = visit.page
    manifest = page.evaluate("fetch(document.querySelector('link[rel=manifest]').href).then((answer) => answer.json())")
    assert (manifest["name"], manifest["display"]) == ("EIMG Studio", "standalone")
    for icon in manifest["icons"]:
        side = int(icon["sizes"].split("x")[0])
        shown = page.evaluate(
            "(src) => new Promise((said) => { const icon = new Image();"
            " icon.onload = () => said(icon.naturalWidth); icon.src = src; })",
            icon["src"],
        )
        assert shown == side
    page.evaluate("navigator.serviceWorker.ready")
    page.wait_for_function("navigator.serviceWorker.controller")
    page.reload()  # now through the worker, which keeps what it sees
    page.wait_for_selector("body[data-settled] #compose")
    offline(visit, True)
    page.goto(url)
    page.wait_for_selector("#compose")
    assert page.is_visible("#plane .plane-map")
    offline(visit, False)
    forgive_the_network(visit)
