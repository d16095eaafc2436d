"""Fixtures for the tests of the page: an app with a studio that needs no weights, a browser, and a visitor."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fake_studio import FakeStudio, scene
from tests.shots import CHROMIUM, FLAGS, serving
from tests.visits import Visit

# Gradio removes what it kept when a server ends, and the photos of other tests have the same names: each process has a
# folder of its own. A process that runs tests beside others inherits the folder of the one that started it.
os.environ["GRADIO_TEMP_DIR"] = tempfile.mkdtemp(prefix="eimg-tests-")
atexit.register(shutil.rmtree, os.environ["GRADIO_TEMP_DIR"], ignore_errors=True)

os.environ.update(EIMG_READER="", EIMG_VISION_URL="")  # the reader that ships, whatever this computer has besides


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("visit")


@pytest.fixture(scope="module")
def studio() -> FakeStudio:
    return FakeStudio()


@pytest.fixture(scope="module")
def url(studio: FakeStudio, folder: Path) -> Iterator[str]:
    with serving(studio, folder) as address:
        yield address


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    driver = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM.exists():
        pytest.skip(f"no browser at {CHROMIUM}")
    with driver.sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser: Any, url: str, studio: FakeStudio, request: pytest.FixtureRequest) -> Iterator[Visit]:
    studio.before_composing, studio.before = None, {}
    visit = Visit(browser, url, **getattr(request, "param", {}))
    yield visit
    visit.page.context.close()
    assert visit.problems == []


@pytest.fixture(scope="module")
def beach(folder: Path) -> Path:
    scene("beach").save(folder / "Beach day.jpg")
    return folder / "Beach day.jpg"
