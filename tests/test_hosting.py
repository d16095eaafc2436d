"""Where the app is put: behind a proxy, on a read-only disk, without a home or a network, under other limits."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from eimg_core.errors import InputError
from tests.fake_studio import FakeStudio, scene
from tests.proxy import PREFIX, proxied
from tests.shots import give_photo
from tests.test_security import GOOD, ask, body_for, call
from tests.visits import Visit

ROOT = Path(__file__).resolve().parents[1]

HEAP = """
from eimg_core.ui.server.memory import hand_back, share_arenas
from benchmarks.load import memory_mb
import os
share_arenas()
blocks = [bytes(60_000) for _ in range(2000)]  # small enough to come from the arena
last = blocks[-1]  # which keeps all that lies before it
del blocks
before = memory_mb(os.getpid())
print(hand_back(), before - memory_mb(os.getpid()))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only the GNU C library knows how")
def test_memory_that_is_free_goes_back_to_the_system() -> None:
    told = subprocess.run([sys.executable, "-c", HEAP], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    gave, mb = told.split()
    assert gave == "True"
    assert float(mb) > 80, "of 120 MB"


# Put before everything else: only the own machine can be reached, and whoever tries another one is written down.
NO_NETWORK = """
import os, socket
plain = socket.socket.connect
def connect(self, address):
    host = address[0] if isinstance(address, tuple) else ""
    if isinstance(address, tuple) and host not in ("127.0.0.1", "::1", "localhost"):
        with open(os.environ["ATTEMPTS"], "a") as file:
            file.write(f"{address}\\n")
        raise OSError(101, "Network is unreachable")
    return plain(self, address)
socket.socket.connect = connect
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def can_mount() -> bool:
    """Whether this user may make a folder read-only for one process."""
    if not shutil.which("unshare"):
        return False
    command = ["unshare", "-m", "mount", "--bind", "-o", "ro", str(ROOT), str(ROOT)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@contextmanager
def app_running(
    environment: Mapping[str, str],
    program: Sequence[str] = (sys.executable, "app.py"),
    folder: Path = ROOT,
    read_only: bool = False,
    host: str = "127.0.0.1",
) -> Iterator[str]:
    """The app as a process of its own; its address once the page is there.

    Args:
        environment: its variables, none besides.
        program: what starts it; the port is added.
        folder: where it is started.
        read_only: whether it sees the repository as a disk that cannot be written to.
        host: where it listens, as an address on the web spells it.
    """
    port = free_port()
    command = [*program, "--port", str(port)]
    if read_only:
        script = f'mount --bind -o ro "{ROOT}" "{ROOT}" && cd "{ROOT}" && exec "$@"'
        command = ["unshare", "-m", "sh", "-c", script, "sh", *command]
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    url = f"http://{host}:{port}/"
    try:
        for _ in range(1200):
            assert process.poll() is None, (process.stdout.read() if process.stdout else b"").decode()
            try:
                urllib.request.urlopen(url, timeout=5).read()
                break
            except OSError:
                time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(30)


@pytest.mark.slow
def test_read_only_homeless_and_offline_it_composes(tmp_path: Path) -> None:
    """With the shipped weights: everything is in the folder, and nothing but the temporary folder is written to."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(NO_NETWORK)
    (tmp_path / "tmp").mkdir()
    kept = ("PATH", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "OMP_NUM_THREADS")
    environment = {name: os.environ[name] for name in kept if name in os.environ} | {
        "PYTHONPATH": str(tmp_path / "site"),
        "ATTEMPTS": str(tmp_path / "attempts"),
        "HOME": "/nonexistent",
        "TMPDIR": str(tmp_path / "tmp"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    before = {path for path in ROOT.rglob("*") if ".git" not in path.parts and "__pycache__" not in path.parts}
    with app_running(environment, read_only=can_mount()) as url:
        values = [None, {"target": {"valence": 7.0, "arousal": 6.0}}, "effnet+tvae", 3, 8, True, 1.0, 0.0]
        event, data = call(url, "compose", values)
        assert event == "complete"
        piece = json.loads(data)[0]
        assert piece["state"] == "done"
        assert set(piece["files"]) >= {"mid", "wav", "json"}
        for file in piece["files"].values():
            assert Path(file["path"]).is_relative_to(tmp_path / "tmp")
            with urllib.request.urlopen(file["url"], timeout=30) as answer:
                assert len(answer.read()) > 100
    assert not (tmp_path / "attempts").exists(), (tmp_path / "attempts").read_text()
    after = {path for path in ROOT.rglob("*") if ".git" not in path.parts and "__pycache__" not in path.parts}
    assert {path for path in after - before if path.is_file()} == set()


@pytest.fixture(scope="module")
def behind_proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    from eimg_core.ui import app

    folder = tmp_path_factory.mktemp("proxy")
    demo = app.build_ui(FakeStudio(), examples=folder)
    _, url, _ = app.launch(
        demo, prevent_thread_lock=True, quiet=True, server_name="127.0.0.1", root_path=PREFIX, server_port=free_port()
    )
    port = url.split(":")[2].split("/")[0]
    try:
        with proxied(f"http://127.0.0.1:{port}/") as address:
            yield address
    finally:
        demo.close(verbose=False)


def test_behind_a_proxy_the_api_and_its_files_have_the_proxys_addresses(behind_proxy: str) -> None:
    event, data = call(behind_proxy, "compose", GOOD)
    assert event == "complete"
    file = json.loads(data)[0]["files"]["mid"]
    assert PREFIX in file["url"]
    with urllib.request.urlopen(file["url"], timeout=30) as answer:
        assert answer.read(4) == b"MThd"


@pytest.mark.browser
def test_behind_a_proxy_the_page_works(browser: object, behind_proxy: str, tmp_path: Path) -> None:
    visit = Visit(browser, behind_proxy)
    scene("beach").save(tmp_path / "beach.jpg")
    give_photo(visit.page, tmp_path / "beach.jpg")
    visit.compose()
    visit.page.click(".player .transport-play")
    visit.page.wait_for_function("document.querySelector('.player audio').currentTime > 0.2")
    assert visit.problems == []
    visit.page.context.close()


def test_the_address_for_a_health_check_answers(url: str) -> None:
    status, text, _ = ask(url, "/gradio_api/info")
    assert status == 200
    assert "/compose" in json.loads(text)["named_endpoints"]


def test_models_are_loaded_when_the_page_answers_already(monkeypatch: pytest.MonkeyPatch) -> None:
    import gradio

    from eimg_core.ui import app

    port, studio, answers, warm = free_port(), FakeStudio(), [], threading.Event()

    def warm_up() -> None:
        answers.append(ask(f"http://127.0.0.1:{port}/", "")[0])
        warm.set()

    monkeypatch.setattr(studio, "warm_up", warm_up)
    monkeypatch.setattr(gradio.Blocks, "block_thread", lambda demo: warm.wait(30) and demo.close(verbose=False))
    app.serve(studio, "127.0.0.1", port)
    assert answers == [200]


@pytest.mark.parametrize(("value", "right"), [("7", True), ("", True), ("0", False), ("-3", False), ("many", False)])
def test_limits_come_from_the_environment(value: str, right: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    from eimg_core.ui import app

    monkeypatch.setenv("EIMG_QUEUE", value)
    if right:
        assert app.build_ui(FakeStudio())._queue.max_size == int(value or 24)
    else:
        with pytest.raises(InputError, match="EIMG_QUEUE must be a whole number above 0"):
            app.build_ui(FakeStudio())


def test_a_full_queue_says_so_and_loses_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from eimg_core.ui import app

    monkeypatch.setenv("EIMG_QUEUE", "2")
    gate, studio = threading.Event(), FakeStudio()
    studio.before_composing = lambda: gate.wait(60) and None
    demo = app.build_ui(studio, examples=tmp_path)
    _, url, _ = app.launch(demo, prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
    try:
        body, kind = body_for(url, "compose", GOOD), {"content-type": "application/json"}
        answers = []
        for _ in range(6):
            answers.append(ask(url, "/gradio_api/call/compose", body, **kind))
            time.sleep(0.3)
        gate.set()
        full = [text for status, text, _ in answers if status != 200]
        assert full, "some must wait outside"
        assert all("Queue is full" in text for text in full)
        for status, text, _ in answers:
            if status == 200:
                _, stream, _ = ask(url, f"/gradio_api/call/compose/{json.loads(text)['event_id']}")
                assert "event: complete" in stream
        assert call(url, "compose", GOOD)[0] == "complete"
    finally:
        gate.set()
        demo.close(verbose=False)
