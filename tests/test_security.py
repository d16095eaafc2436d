"""A stranger at the door: attacks that a hosted page has to expect, over HTTP. See docs/security.md."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from eimg_core.emotion import VA
from eimg_core.errors import InputError
from eimg_core.images import open_photo
from eimg_core.options import MOST_TAKES, ComposeOptions
from eimg_core.ui.server.guards import LARGEST_BODY, BodyLimit, all_finite
from tests.fake_studio import FakeStudio, scene
from tests.own_loop import awaited
from tests.visits import Visit

POINT = {"target": {"valence": 7.0, "arousal": 3.0}}
GOOD = [None, POINT, "vqvae+fnt", 1, 8, True, 1.0, 0.0]


def ask(url: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, str, dict[str, str]]:
    request = urllib.request.Request(url.rstrip("/") + path, body, headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode("utf-8", "replace"), dict(answer.headers)
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.read().decode("utf-8", "replace"), dict(refusal.headers)


@lru_cache
def usual_values(url: str, endpoint: str) -> tuple[Any, ...]:
    """What an endpoint takes where nothing else is said."""
    described = json.loads(ask(url, "/gradio_api/info")[1])["named_endpoints"][f"/{endpoint}"]
    return tuple(parameter["parameter_default"] for parameter in described["parameters"])


def body_for(url: str, endpoint: str, values: list[Any]) -> bytes:
    """A request with the first values given and the others as usual."""
    return json.dumps({"data": [*values, *usual_values(url, endpoint)[len(values) :]]}).encode()


def call(url: str, endpoint: str, values: list[Any]) -> tuple[str, str]:
    """The last event of an endpoint and its data: ``complete`` or ``error``."""
    body = body_for(url, endpoint, values)
    status, text, _ = ask(url, f"/gradio_api/call/{endpoint}", body, **{"content-type": "application/json"})
    assert status == 200, text
    _, stream, _ = ask(url, f"/gradio_api/call/{endpoint}/{json.loads(text)['event_id']}")
    lines = [line for line in stream.splitlines() if line.startswith(("event:", "data:"))]
    return lines[-2].removeprefix("event: "), lines[-1].removeprefix("data: ")


def upload(url: str, name: str, data: bytes) -> str:
    """Upload a file as a browser does; where the server says it lies."""
    mark = b"--------limit"
    head = f'content-disposition: form-data; name="files"; filename="{name}"\r\ncontent-type: image/png\r\n\r\n'
    body = b"--" + mark + b"\r\n" + head.encode() + data + b"\r\n--" + mark + b"--\r\n"
    kind = f"multipart/form-data; boundary={mark.decode()}"
    status, text, _ = ask(url, "/gradio_api/upload", body, **{"content-type": kind})
    assert status == 200, text
    return json.loads(text)[0]


def photo_at(path: str, **more: Any) -> dict[str, Any]:
    return {"path": path, "meta": {"_type": "gradio.FileData"}, **more}


def told(data: str) -> str:
    """What an error event says; the one sentence, without internals."""
    text = str((json.loads(data) or {}).get("error") or "")
    assert len(text.splitlines()) <= 1
    assert len(text) <= 300
    for internal in ("Traceback", "site-packages", ".py", "/tmp", "/home", "/root"):
        assert internal not in text
    return text


@pytest.fixture(autouse=True)
def calm(studio: FakeStudio) -> None:
    studio.before_composing, studio.before = None, {}


# --- paths and addresses in place of an upload ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        photo_at("/etc/passwd"),
        photo_at("../../../../etc/passwd"),
        photo_at(str(Path("app.py").resolve())),
        photo_at("file:///etc/passwd"),
        photo_at("http://127.0.0.1:7860/config"),
        photo_at("http://169.254.169.254/latest/meta-data/"),
        photo_at("x", url="http://[::1]:22/"),
        {"path": None, "url": "http://localhost:1/x.png", "meta": {"_type": "gradio.FileData"}},
        {"path": None, "url": "file:///etc/passwd", "meta": {"_type": "gradio.FileData"}},
        {"path": "/etc/passwd"},
    ],
    ids=lambda value: str(value.get("path") or value.get("url")),
)
def test_only_what_was_uploaded_is_read(url: str, value: dict[str, Any]) -> None:
    event, data = call(url, "read_photo", [value])
    assert event == "error"
    assert told(data), "a program is told in a sentence, too"
    assert "root:" not in data


@pytest.mark.parametrize("path", ["/etc/passwd", "file:///etc/passwd", "http://127.0.0.1:7860/config"])
def test_no_other_file_is_taken_for_a_visitors_midi_file(url: str, path: str) -> None:
    event, data = call(url, "fill", [photo_at(path), 1, 1, "effnet+tvae", 0, None, None])
    assert event == "error"
    assert told(data)


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "..%2f..%2fapp.py",
        "%2e%2e/app.py",
        "/proc/self/environ",
        "/PROC/self/environ",
        "http://127.0.0.1/",
        "app.py",
        "assets/checkpoints/music_ae/tvae/card.json",
    ],
)
def test_no_file_but_the_pages_own_is_served(url: str, path: str) -> None:
    status, text, _ = ask(url, f"/gradio_api/file={path}")
    assert status in (403, 404, 400)
    assert "root:" not in text


# --- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "<img src=x onerror=alert(1)>.png",
        "../../../evil.png",
        "a%00b.png",
        "con.png",
        "x" * 300 + ".png",
        "'; rm -rf.png",
    ],
)
def test_a_file_name_cannot_do_anything(url: str, tmp_path: Path, name: str) -> None:
    scene("beach", (64, 48)).save(tmp_path / "x.png")
    path = upload(url, name, (tmp_path / "x.png").read_bytes())
    assert "<" not in path
    assert ".." not in path
    event, data = call(url, "compose", [photo_at(path, orig_name=name), *GOOD[1:]])
    assert event == "complete"
    for file in json.loads(data)[0]["files"].values():
        made = Path(file["path"]).name
        assert not set(made) & set("<>\"'&%/\\:*?|;$`")
        assert made.isprintable()
        assert not made.startswith(("-", "."))
        assert len(made) < 120


# --- values out of range ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (1, {"target": {"valence": 99, "arousal": 5}}, "from 1 to 9"),
        (1, {"target": {"valence": "x", "arousal": 5}}, "from 1 to 9"),
        (2, "../../etc", "not in the list"),
        (2, None, "composer"),
        (3, -1, "minimum"),
        (3, 2**40, "maximum"),
        (3, None, "seed"),
        (3, {"a": 1}, "not of the kind"),
        (4, 100_000, "maximum"),
        (4, "long", "not of the kind"),
    ],
)
def test_a_value_out_of_range_is_one_sentence(url: str, place: int, value: Any, words: str) -> None:
    values = list(GOOD)
    values[place] = value
    event, data = call(url, "compose", values)
    assert event == "error"
    assert words in told(data).lower()


def test_numbers_that_json_does_not_know(url: str) -> None:
    body = body_for(url, "compose", [None, POINT, "vqvae+fnt", float("nan"), 8, True])
    status, text, _ = ask(url, "/gradio_api/call/compose", body, **{"content-type": "application/json"})
    if status == 200:
        _, stream, _ = ask(url, f"/gradio_api/call/compose/{json.loads(text)['event_id']}")
        assert "event: error" in stream
    assert not all_finite([{"a": [1.0, (float("inf"),)]}])
    assert all_finite([{"a": [1.0, (2,)]}, "nan", None])


@pytest.mark.parametrize(
    "options",
    [{"seconds": 1e9}, {"seconds": float("nan")}, {"takes": MOST_TAKES + 1}, {"seed": 2**31}, {"target": VA(9.5, 5.0)}],
)
def test_limits_hold_below_the_page_as_well(options: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        ComposeOptions(**options)


# --- size -------------------------------------------------------------------------------------------------------------


def sent(chunks: list[bytes], *headers: tuple[bytes, bytes], path: str = "/call/compose") -> tuple[int, int]:
    """What ``BodyLimit`` answers, and how many bytes the application behind it saw."""
    seen, answers = 0, []
    waiting = list(chunks)

    async def application(scope: Any, receive: Any, send: Any) -> None:
        nonlocal seen
        while True:
            message = await receive()
            seen += len(message["body"])
            if not message["more_body"]:
                break
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": waiting.pop(0), "more_body": bool(waiting)}

    async def send(message: dict[str, Any]) -> None:
        answers.append(message)

    scope = {"type": "http", "path": path, "headers": list(headers)}
    awaited(BodyLimit(application, largest=100)(scope, receive, send))
    return answers[0]["status"], seen


def test_a_request_that_would_fill_the_memory_is_refused_before_it_is_read() -> None:
    assert sent([b"x" * 60, b"x" * 40]) == (200, 100)
    assert sent([b"x" * 101], (b"content-length", b"101")) == (413, 0)
    assert sent([b"x" * 60] * 50) == (413, 60), "also where it does not say how large it is"
    assert sent([b""], (b"content-length", b"-1")) == (413, 0)
    assert sent([b"x" * 60] * 5, path="/gradio_api/upload") == (200, 300), "uploads have a limit of their own"


def test_the_server_goes_on_after_one(url: str) -> None:
    body = b'{"data": ["' + b"x" * (LARGEST_BODY + 1) + b'"]}'
    try:
        status = ask(url, "/gradio_api/call/compose", body, **{"content-type": "application/json"})[0]
    except OSError:  # the answer came, and the connection went, before all was sent
        status = 413
    assert status == 413
    assert call(url, "compose", GOOD)[0] == "complete"


def test_a_deeply_nested_request_does_not_stop_the_server(url: str) -> None:
    body = b'{"data": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    status, _, _ = ask(url, "/gradio_api/call/compose", body, **{"content-type": "application/json"})
    assert status in (400, 422, 500)
    assert call(url, "compose", GOOD)[0] == "complete"


def test_a_file_over_the_limit_is_refused_while_it_comes(url: str) -> None:
    with pytest.raises(AssertionError, match=r"(?i)size|large"):
        upload(url, "big.png", b"\x89PNG" + b"\0" * (21 * 2**20))


# --- files ------------------------------------------------------------------------------------------------------------

SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script><image href="file:///etc/passwd"/></svg>'


@pytest.mark.parametrize("name", ["x.svg", "x.png"])
def test_drawings_with_scripts_are_no_photos(url: str, name: str) -> None:
    event, data = call(url, "read_photo", [photo_at(upload(url, name, SVG))])
    assert event == "error"
    assert "SVG" in told(data)


def test_an_uploaded_page_is_never_shown_as_one(url: str) -> None:
    path = upload(url, "x.html", b"<script>alert(1)</script>")
    status, _, headers = ask(url, f"/gradio_api/file={path}")
    assert status == 200
    assert {name.lower(): value for name, value in headers.items()}["content-disposition"].startswith("attachment")


def test_what_a_camera_knows_is_in_nothing_we_give_back(url: str, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010F], exif[0x013B] = "SECRET-CAMERA", "SECRET-AUTHOR"
    exif.get_ifd(0x8825)[1], exif.get_ifd(0x8825)[2] = "N", (52.0, 31.0, 12.0)
    scene("dusk", (96, 64)).save(tmp_path / "x.jpg", exif=exif, comment=b"SECRET-COMMENT")
    photo = open_photo(tmp_path / "x.jpg")
    assert photo.info == {}
    assert dict(photo.getexif()) == {}
    event, data = call(url, "compose", [photo_at(upload(url, "x.jpg", (tmp_path / "x.jpg").read_bytes())), *GOOD[1:]])
    assert event == "complete"
    for file in json.loads(data)[0]["files"].values():
        assert b"SECRET" not in Path(file["path"]).read_bytes()


# --- the server -------------------------------------------------------------------------------------------------------


def test_browsers_are_told_to_load_nothing_from_elsewhere(url: str) -> None:
    for path in ("/", "/config", "/gradio_api/info"):
        _, _, headers = ask(url, path)
        sent = {name.lower(): value for name, value in headers.items()}
        assert "default-src 'self'" in sent["content-security-policy"]
        assert sent["x-content-type-options"] == "nosniff"
        assert sent["referrer-policy"] == "no-referrer"


def test_another_site_cannot_use_a_visitors_browser(url: str) -> None:
    body = body_for(url, "compose", GOOD)
    headers = {"content-type": "application/json", "origin": "https://evil.example", "host": "127.0.0.1"}
    _, _, answer = ask(url, "/gradio_api/call/compose", body, **headers)
    allowed = {name.lower(): value for name, value in answer.items()}.get("access-control-allow-origin")
    assert allowed not in ("*", "https://evil.example")


def test_nothing_that_could_leak_or_run_is_switched_on(url: str) -> None:
    _, text, _ = ask(url, "/config")
    config = json.loads(text)
    assert not config.get("show_error")
    assert not config.get("enable_monitoring")
    for path in ("/monitoring", "/gradio_api/monitoring/summary", "/gradio_api/mcp/sse", "/docs", "/openapi.json"):
        assert ask(url, path)[0] in (200, 401, 403, 404), path
    named = json.loads(ask(url, "/gradio_api/info")[1])["named_endpoints"]
    assert all(not endpoint.startswith("/js_fn") for endpoint in named)


@pytest.mark.browser
def test_a_page_that_got_a_script_in_a_name_runs_nothing(visit: Visit, tmp_path: Path) -> None:
    page = visit.page
    evil = tmp_path / "<img src=x onerror=window.hacked=1>.png"
    evil.write_text("no picture")
    page.set_input_files("#photo input[type=file]", str(evil))
    page.wait_for_selector("[data-testid=toast-body]")
    page.wait_for_timeout(300)
    assert page.evaluate("window.hacked") is None
    fetched = page.evaluate("fetch('https://example.org/').then(() => 'sent', () => 'blocked')")
    assert fetched == "blocked"
    visit.problems[:] = [problem for problem in visit.problems if "example.org" not in problem]
