"""The tools for language models, through the client that such programs use; and what a caller can name as a file."""

from __future__ import annotations

import base64
import io
import json
import re
import threading
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import pytest
from gradio.utils import get_upload_folder
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.fuzz import one_sentence
from eimg_core.agents.files import given_file
from eimg_core.emotion import VA
from eimg_core.errors import InputError
from eimg_core.midi.reading import read_midi
from eimg_core.options import USUAL_TAKES, ComposeOptions
from tests.fake_studio import FakeStudio, scene
from tests.own_loop import awaited
from tests.proxy import PREFIX, proxied
from tests.test_security import ask, upload

ROOT = Path(__file__).resolve().parents[1]
NO_MCP = "the package mcp is not installed: pip install 'mcp>=1.30,<2'"
MCP = "/gradio_api/mcp"
TOOLS = {
    "pairings", "read_photo", "explain_photo", "compose", "compare", "story", "retell", "extend", "fill", "export",
    "evaluate_midi",
}  # fmt: skip


def jpeg(kind: str = "beach") -> bytes:
    buffer = io.BytesIO()
    scene(kind, (96, 64)).save(buffer, "JPEG")
    return buffer.getvalue()


def data_address(content: bytes, kind: str = "image/jpeg") -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


class Agent:
    """A program that talks to the tools; each call is a connection of its own."""

    def __init__(self, url: str) -> None:
        self.url, self.progress = url, []

    def tools(self) -> list[Any]:
        return self._talk(lambda session: session.list_tools()).tools

    def call(self, tool: str, **arguments: Any) -> Any:
        """The answer of a tool; a sentence where it failed."""

        async def heard(share: float, total: float | None, message: str | None) -> None:
            self.progress.append((share, message))

        result = self._talk(lambda session: session.call_tool(tool, arguments, progress_callback=heard))
        text = "\n".join(each.text for each in result.content)
        return text if result.isError else json.loads(text)

    def _talk(self, say: Any) -> Any:
        from mcp import ClientSession
        from mcp.client.streamable_http import streamablehttp_client

        async def talk() -> Any:
            async with (
                streamablehttp_client(self.url) as (read, write, _),
                ClientSession(read, write) as session,
            ):
                await session.initialize()
                return await say(session)

        return awaited(talk())


@pytest.fixture(scope="module")
def served(studio: FakeStudio, folder: Path) -> Iterator[str]:
    """The page with the tools beside it."""
    pytest.importorskip("mcp", reason=NO_MCP)
    from eimg_core.agents.server import agent_server
    from eimg_core.ui import app

    pieces = folder / "pieces"
    demo = app.build_ui(studio, examples=folder / "none", pieces=pieces)
    tools = agent_server(studio, pieces, most_waiting=1)
    _, address, _ = app.launch(
        demo, pieces, tools, prevent_thread_lock=True, quiet=True, server_name="127.0.0.1"
    )  # fmt: skip
    yield address.rstrip("/")
    demo.close(verbose=False)


@pytest.fixture
def agent(served: str, studio: FakeStudio) -> Agent:
    studio.before_composing, studio.before = None, {}
    return Agent(served + MCP)


def fetched(link: str) -> bytes:
    with urllib.request.urlopen(link, timeout=60) as answer:
        return answer.read()


# --- what is offered --------------------------------------------------------------------------------------------------


def test_every_tool_and_every_argument_says_what_it_is(agent: Agent) -> None:
    tools = {tool.name: tool for tool in agent.tools()}
    assert set(tools) == TOOLS, "no handler of the page among them"
    for name, tool in tools.items():
        assert len(tool.description) > 80, name
        assert "  " not in tool.description, name
        assert tool.annotations.readOnlyHint is not None
        for argument, schema in tool.inputSchema["properties"].items():
            kinds = [schema, *schema.get("anyOf", [])]
            assert any("description" in kind or "enum" in kind for kind in kinds), f"{name}.{argument}"
            for kind in kinds:
                if kind.get("type") in ("number", "integer") and "enum" not in kind:
                    assert {"minimum", "maximum"} <= set(kind), f"{name}.{argument} has no range"
    assert "required" not in tools["compose"].inputSchema, "a photo may be left out"


def test_the_documentation_lists_the_tools() -> None:
    text = (ROOT / "docs" / "agents.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(\w+)` \|", text, flags=re.MULTILINE)) == TOOLS
    assert MCP in text
    assert "pip install 'mcp>=1.30,<2'" in text


# --- what they do -----------------------------------------------------------------------------------------------------


def test_a_point_becomes_a_piece_whose_files_can_be_fetched(agent: Agent, studio: FakeStudio) -> None:
    answer = agent.call("compose", valence=7, arousal=3, seconds=60, seed=4)
    assert studio.asked[-1] == ComposeOptions(4, 60.0, VA(7.0, 3.0), USUAL_TAKES)
    assert len(json.dumps(answer)) < 4000, "a language model reads all of it"
    assert answer["pairing"] == "vqvae+fnt"
    assert answer["target"]["region"] == "calm"
    assert len(answer["takes"]) == USUAL_TAKES
    piece = read_midi(fetched(answer["files"]["mid"]))
    assert len(piece.notes) == answer["note_count"] > 50
    assert fetched(answer["files"]["wav"])[:4] == b"RIFF"
    assert json.loads(fetched(answer["files"]["json"]))["seed"] == 4
    assert agent.progress[-1][0] > 0.7
    assert {"composing", "playing the piano"} <= {message for _, message in agent.progress}


def test_a_photo_is_the_same_however_it_is_given(agent: Agent, served: str) -> None:
    path = upload(served, "beach.jpg", jpeg())
    ways = (
        data_address(jpeg()),
        path,
        f"{served}/gradio_api/file={path}",
        f"https://else.example/x/gradio_api/file={path}",
    )
    answers = [agent.call("read_photo", photo=way) for way in ways]
    assert 1 <= answers[0]["valence"] <= 9
    assert answers[0]["region"]
    assert all(answer == answers[0] for answer in answers)
    why = agent.call("explain_photo", photo=path)
    assert why["words"]["arousal"] == "The blue makes it calmer."
    assert why["classes"][0]["name"] == "seashore"
    assert [len(row) for row in why["maps"]["valence"]] == [6] * 6
    composed = agent.call("compose", photo=path, valence=2, arousal=2, seconds=8)
    assert composed["photo"]["valence"] == pytest.approx(answers[0]["valence"], abs=0.01)
    assert composed["target"] == {"valence": 2.0, "arousal": 2.0, "region": "sad"}
    own = agent.call("compose", photo=path, seconds=8)["target"]
    assert own == pytest.approx(answers[0]["target"]), "what was told is what is aimed at"


def test_a_piece_of_one_answer_is_what_the_next_call_works_with(agent: Agent, studio: FakeStudio) -> None:
    midi = agent.call("compose", valence=4, arousal=4, seconds=8)["files"]["mid"]
    assert agent.call("evaluate_midi", midi=midi)["note_count"] > 4
    told = agent.call("retell", midi=midi, valence=8, arousal=7, pairing="effnet+tvae", seed=3)
    assert studio.retold[-1][1] == VA(8.0, 7.0)
    assert told["pairing"] == "effnet+tvae"
    agent.call("extend", midi=midi, seconds=30)
    assert studio.extended[-1][1] == 30.0
    agent.call("fill", midi=midi, first_bar=2, last_bar=3)
    assert studio.filled[-1][1] == (1, 3)
    assert fetched(agent.call("export", midi=midi, kind="png")["file"]).startswith(b"\x89PNG")


def test_a_score_of_our_own_piece_is_as_written_and_of_any_other_as_played(agent: Agent, served: str) -> None:
    ours = agent.call("compose", valence=7, arousal=3, seconds=8)["files"]["mid"]
    score = fetched(agent.call("export", midi=ours, kind="musicxml")["file"])
    assert b"A calm piece" in score
    assert b"seed" in score
    other = upload(served, "My tune.mid", fetched(ours))
    score = fetched(agent.call("export", midi=other, kind="musicxml")["file"])
    assert b"My tune" in score
    assert b"A calm piece" not in score


def test_composers_are_listed_and_compared_the_nearest_first(agent: Agent, studio: FakeStudio) -> None:
    known = {one["key"]: one["keys"] for one in agent.call("pairings")["pairings"]}
    assert known["vqvae+lsr"] == ["vqvae+lsr", "vqvae+lsr@paper"]

    def broken() -> None:
        raise InputError("It will not.")

    studio.before = {"alae+lsr": broken}
    wanted = ["alae+lsr", "vqvae+lsr@paper", "effnet+tvae"]
    answer = agent.call("compare", valence=6, arousal=6, pairings=wanted, seconds=8)
    assert [row["pairing"] for row in answer["pieces"]] == ["effnet+tvae", "vqvae+lsr@paper", "alae+lsr"]
    assert answer["pieces"][-1]["fault"] == "It will not."
    assert fetched(answer["files"]["zip"])[:2] == b"PK"
    assert agent.progress[-1][0] == 1.0


def test_a_story_says_when_each_photo_is_on(agent: Agent) -> None:
    photos = [data_address(jpeg("beach")), data_address(jpeg("night"))]
    answer = agent.call("story", photos=photos, seconds=20, pairing="effnet+tvae")
    assert [stop["start_s"] for stop in answer["stops"]] == [0.0, 10.0]
    assert "thumb" not in json.dumps(answer)
    assert fetched(answer["files"]["mid"])[:4] == b"MThd"


@pytest.mark.parametrize(
    ("tool", "arguments", "words"),
    [
        ("compose", {}, "There is nothing to compose for"),
        ("compose", {"valence": 3}, "belong together"),
        ("compose", {"valence": 99, "arousal": 5}, "valence: Input should be less than or equal to 9"),
        ("compose", {"valence": 5, "arousal": 5, "seconds": 1e9}, "less than or equal to 120"),
        ("compose", {"valence": 5, "arousal": 5, "length": 8}, "compose takes no 'length'; it takes: photo, valence"),
        ("compose", {"valence": 5, "arousal": 5, "pairing": "nobody"}, "no composer 'nobody'; choose from: vqvae"),
        ("retell", {"midi": data_address(b"MThd"), "valence": 5, "arousal": 5}, "is cut off within its header"),
        ("export", {"midi": data_address(b""), "kind": "mp3"}, "Expected a MIDI file"),
        ("export", {"midi": data_address(b"x"), "kind": "exe"}, "Input should be 'mp3', 'wav'"),
        ("story", {"photos": [data_address(jpeg())]}, "at least 2"),
        ("read_photo", {"photo": data_address(b"<svg/>")}, "not a photo"),
        ("follow_address", {}, "Unknown tool"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(agent: Agent, tool: str, arguments: dict[str, Any], words: str) -> None:
    said = agent.call(tool, **arguments)
    assert isinstance(said, str)
    assert words in said
    assert len(said.splitlines()) == 1
    assert len(said) < 400
    assert not re.search(r"/tmp|\.py|Traceback|pydantic", said)


def test_a_fault_of_ours_is_told_without_internals(agent: Agent, studio: FakeStudio) -> None:
    def broken() -> None:
        raise RuntimeError("/secret/path")

    studio.before_composing = broken
    said = agent.call("compose", valence=5, arousal=5)
    assert said.startswith("Something went wrong on our side.")
    assert "secret" not in said


def test_one_call_is_at_work_and_a_crowd_is_asked_to_come_again(agent: Agent, studio: FakeStudio) -> None:
    gate, begun = threading.Event(), threading.Event()

    def slow() -> None:
        begun.set()
        gate.wait(60)

    studio.before_composing = slow
    with ThreadPoolExecutor(4) as visitors:
        first = visitors.submit(agent.call, "compose", valence=5, arousal=5, seconds=8)
        assert begun.wait(60)
        others = [visitors.submit(agent.call, "compose", valence=6, arousal=6, seconds=8) for _ in range(3)]
        crowded = as_completed(others)
        refused = [next(crowded).result() for _ in range(2)]  # one may wait, and does so until the first is done
        gate.set()
        assert all("busy" in said for said in refused), refused
        assert first.result()["target"]["valence"] == 5.0
        assert next(crowded).result()["target"]["valence"] == 6.0


def test_of_calls_that_come_at_the_same_moment_one_works_and_one_waits(tmp_path: Path) -> None:
    pytest.importorskip("mcp", reason=NO_MCP)
    import anyio
    from mcp.server.fastmcp.exceptions import ToolError

    from eimg_core.agents.calls import Calls

    calls, gate = Calls(FakeStudio(), tmp_path, "", most_waiting=1), threading.Event()
    answers: list[Any] = []

    async def call() -> None:
        try:
            answers.append(await calls.working(None, lambda tell: gate.wait(20)))
        except ToolError as refused:
            answers.append(str(refused))

    async def crowd() -> None:
        async with anyio.create_task_group() as visitors:
            for _ in range(4):
                visitors.start_soon(call)
            with anyio.fail_after(10):
                while len(answers) < 2:
                    await anyio.sleep(0.01)
            gate.set()

    awaited(crowd())
    assert answers == ["The studio is busy; please try again in a minute."] * 2 + [True] * 2


# --- what they must not do --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "/etc/passwd",
        "file:///etc/passwd",
        "../../app.py",
        "app.py",
        str(ROOT / "assets" / "examples" / "flower.jpg"),
        "http://127.0.0.1:7860/config",
        "http://169.254.169.254/latest/meta-data/",
        "https://example.org/photo.jpg",
        "http://127.0.0.1/gradio_api/file=/etc/passwd",
        "http://127.0.0.1/gradio_api/file=%2e%2e/app.py",
        "UPLOADS/../../../../../../etc/passwd",
        "x\0y",
        "/" + "a" * 5000,
        "",
    ],
    ids=lambda text: repr(text)[:40],
)
def test_only_files_of_this_server_are_opened(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match="This is no file of this server"):
        given_file(text.replace("UPLOADS", get_upload_folder()), tmp_path)


@given(
    st.one_of(st.text(), st.text().map("data:;base64,{}".format), st.text().map("http://x/gradio_api/file=/{}".format))
)
def test_whatever_is_named_is_bytes_or_one_sentence(text: str) -> None:
    try:
        found: Any = given_file(text, Path("/nowhere"))
    except InputError as refusal:
        found = str(refusal)
    if not isinstance(found, bytes):
        one_sentence(found, Path("/nowhere"))


def test_a_link_out_of_the_folder_of_pieces_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "pieces").mkdir()
    (tmp_path / "secret.jpg").write_bytes(jpeg())
    (tmp_path / "pieces" / "x.jpg").symlink_to(tmp_path / "secret.jpg")
    with pytest.raises(InputError, match="no file of this server"):
        given_file(str(tmp_path / "pieces" / "x.jpg"), tmp_path / "pieces")
    (tmp_path / "pieces" / "y.mid").write_bytes(b"MThd")
    assert given_file(str(tmp_path / "pieces" / "y.mid"), tmp_path / "pieces").read_bytes() == b"MThd"
    with pytest.raises(InputError, match="any more; files are kept for an hour"):
        given_file(str(tmp_path / "pieces" / "z.mid"), tmp_path / "pieces")


def test_a_file_on_the_servers_disk_cannot_be_smuggled_in_as_a_value(agent: Agent, tmp_path: Path) -> None:
    (tmp_path / "secret.jpg").write_bytes(jpeg())
    file = {"path": str(tmp_path / "secret.jpg"), "meta": {"_type": "gradio.FileData"}}
    before = set(Path(get_upload_folder()).rglob("secret.jpg"))
    assert "valid string" in agent.call("story", photos=[file, file])
    assert "valid string" in agent.call("read_photo", photo=file)
    assert "takes no 'emotion'" in agent.call("compose", valence=5, arousal=5, emotion=file)
    assert set(Path(get_upload_folder()).rglob("secret.jpg")) == before, "and none of it was copied"


def test_a_website_cannot_reach_the_tools_through_a_visitors_browser(served: str) -> None:
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).encode()
    usual = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
    assert ask(served, MCP, body, **usual)[0] == 200
    assert ask(served, f"{MCP}/", body, **usual)[0] == 200
    assert ask(served, MCP, body, **usual, host="evil.example")[0] == 421
    assert ask(served, MCP, body, **usual, origin="https://evil.example")[0] == 403


@pytest.mark.parametrize("root", [PREFIX, "https://music.example/studio"])
def test_behind_a_proxy_any_name_is_answered_and_links_are_the_proxys(
    studio: FakeStudio, tmp_path: Path, root: str
) -> None:
    pytest.importorskip("mcp", reason=NO_MCP)
    from eimg_core.agents.server import agent_server
    from eimg_core.ui import app

    demo = app.build_ui(studio, examples=tmp_path / "none", pieces=tmp_path)
    tools = agent_server(studio, tmp_path, root_path=root, local=False)
    _, address, _ = app.launch(
        demo, tmp_path, tools, prevent_thread_lock=True, quiet=True, server_name="127.0.0.1", root_path=root
    )
    try:
        with proxied(address) as outside:
            link = Agent(outside.rstrip("/") + MCP).call("compose", valence=5, arousal=5, seconds=8)["files"]["mid"]
            assert link.startswith(f"{outside if root == PREFIX else root}".rstrip("/") + "/gradio_api/file=")
            if root == PREFIX:
                assert fetched(link)[:4] == b"MThd"
        listing = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).encode()
        usual = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
        assert ask(address, MCP, listing, **usual, host="music.example")[0] == 200
    finally:
        demo.close(verbose=False)


def test_gradios_own_tools_are_never_served(
    studio: FakeStudio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They open any path on the server's disk that a caller names inside a value."""
    from eimg_core.ui import app

    monkeypatch.setenv("GRADIO_MCP_SERVER", "true")
    demo = app.build_ui(studio, examples=tmp_path / "none", pieces=tmp_path)
    _, address, _ = app.launch(demo, tmp_path, prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
    try:
        assert demo.mcp_server is False
        for path in ("/schema", "/sse", "/"):
            assert ask(address, MCP + path)[0] == 404
    finally:
        demo.close(verbose=False)
