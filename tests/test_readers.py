"""Who reads the photos: a reader of one's own, or a vision model that the host set; never a visitor's choice."""

from __future__ import annotations

import base64
import io
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from eimg_core.backbones import TimmBackbone, component_of, library_network
from eimg_core.checkpoints import read_card
from eimg_core.clean import CleanStudio
from eimg_core.cli.main import main
from eimg_core.data import Corpus, read_oasis
from eimg_core.emotion import VA
from eimg_core.errors import CheckpointError, DataError, InputError
from eimg_core.messages import message
from eimg_core.options import ComposeOptions
from eimg_core.studio import Studio
from eimg_core.ui.app import build_ui
from eimg_core.va import own_reader
from eimg_core.va.image_reader import READER_FOLDER, TRAIN, ImageReader, ImageReading
from eimg_core.va.own_reader import fit_own_reader
from eimg_core.va.readers import own_folder, photo_reader, reader_note
from eimg_core.va.vision_model import MARGINS, SCHEMA, VisionReader
from tests.factories import make_mini_data, make_photo
from tests.fake_studio import FakeStudio, scene
from tests.tiny import save_tiny_pairing

BUILT_IN = ImageReading(VA(5.0, 4.0), 1.0, 1.0)


# ---- a network of one's own --------------------------------------------------------------------------------------


@pytest.fixture
def photos(tmp_path: Path) -> Corpus:
    data = make_mini_data(tmp_path / "data", {"train": 8, "val": 4, "test": 4}, {}, 0, emopia_clips=0, pop909_songs=0)
    return read_oasis(data)


@pytest.fixture
def random_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """The libraries give their networks without fetching anything."""
    torch.manual_seed(0)
    monkeypatch.setattr(own_reader, "library_network", lambda encoder, pretrained: library_network(encoder))


@pytest.mark.usefixtures("random_weights")
@pytest.mark.parametrize("encoder", ["torchvision:mobilenet_v3_small", "timm:test_resnet"])
def test_a_network_of_a_library_becomes_the_reader_of_the_studio(
    encoder: str, photos: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if encoder.startswith("timm"):
        pytest.importorskip("timm")
    folder = tmp_path / "eyes"
    monkeypatch.setenv("EIMG_READER", str(folder))
    assert reader_note() is None, "there is none yet"
    assert main(["eyes", "--encoder", encoder, "--data", str(tmp_path / "data")]) == 0
    assert "on the test photos: distance" in capsys.readouterr().out
    card = read_card(folder / READER_FOLDER)
    assert list(card["depends_on"]) == [component_of(encoder)]
    reader = photo_reader(tmp_path / "no checkpoints")
    assert isinstance(reader, ImageReader)
    photo = make_photo(VA(5, 5), np.random.default_rng(0))
    assert 0 < reader.read(photo).sd_valence < 5
    assert ImageReader.load(folder, TRAIN).head.support.shape[0] == 8, "and a head for tables"
    assert component_of(encoder).partition("/")[2] in reader_note()
    assert main(["eyes"]) == 0
    assert "a reader of the host’s own" in capsys.readouterr().out
    monkeypatch.setenv("EIMG_READER", "")
    assert own_folder() is None
    assert reader_note() is None


def test_maps_of_timm_models_have_their_channels_second() -> None:
    pytest.importorskip("timm")
    for name in ("test_resnet", "test_vit"):
        net = TimmBackbone(name).eval()
        maps = net.maps(torch.zeros(1, 3, net.side, net.side))
        assert len(maps) > 1
        assert [one.shape[1] for one in maps] == net.net.feature_info.channels()
    with pytest.raises(CheckpointError, match="no model called 'nothing'"):
        TimmBackbone("nothing")


def test_without_timm_one_sentence_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(CheckpointError, match="pip install timm"):
        TimmBackbone("resnet18")


def test_what_cannot_be_fitted_is_told_in_one_sentence(
    photos: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(CheckpointError, match="no encoder 'clip'"):
        fit_own_reader("clip", photos, tmp_path)
    monkeypatch.setattr(own_reader, "library_network", lambda encoder, pretrained: library_network(encoder))
    half = Corpus("oasis", "OASIS", "", "", tuple(photos.split("train")))
    with pytest.raises(DataError, match="train, val and test"):
        fit_own_reader("torchvision:mobilenet_v3_small", half, tmp_path)
    assert main(["eyes", "--encoder", "timm:x"]) == 2
    assert "--data" in capsys.readouterr().err


# ---- a vision model behind an address ----------------------------------------------------------------------------


class BuiltIn:
    def read(self, photo: Image.Image) -> ImageReading:
        return BUILT_IN


class Server:
    """Answers on loopback as a server with an OpenAI-compatible API does; ``answers`` are given one after the other."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.answers: list[Callable[[BaseHTTPRequestHandler], None]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.asked.append({"path": self.path, **json.loads(body)})
                outer.answers[min(len(outer.asked), len(outer.answers)) - 1](self)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}/v1"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.server.shutdown()
    server.server.server_close()


def saying(content: Any, status: int = 200) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(request: BaseHTTPRequestHandler) -> None:
        body = json.dumps({"choices": [{"message": {"content": content}}]}).encode()
        request.send_response(status)
        request.send_header("Content-Length", str(len(body)))
        request.send_header("Location", "http://127.0.0.1:9/elsewhere")
        request.end_headers()
        request.wfile.write(body)

    return answer


def dribbling(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.end_headers()
    try:
        for _ in range(100):
            request.wfile.write(b" ")
            time.sleep(0.05)
    except OSError:
        pass  # nobody waits any more


GOOD = '{"valence": 2.5, "arousal": 7.0}'


def test_the_model_is_asked_for_numbers_and_its_numbers_are_the_reading(server: Server) -> None:
    server.answers = [saying(GOOD)]
    photo = scene("night", (1600, 900))
    photo.info["comment"] = "home address"
    reader = VisionReader(server.address, "qwen-vl", BuiltIn())
    reading = reader.read(photo)
    assert (reading.va, reading.sd_valence, reading.sd_arousal) == (VA(2.5, 7.0), *MARGINS)
    assert reading.remark is None
    asked = server.asked[0]
    assert (asked["path"], asked["model"], asked["temperature"]) == ("/v1/chat/completions", "qwen-vl", 0)
    assert asked["response_format"]["json_schema"] == json.loads(json.dumps(SCHEMA))
    text, picture = asked["messages"][0]["content"]
    assert "valence" in text["text"]
    content = base64.b64decode(picture["image_url"]["url"].partition("base64,")[2])
    assert Image.open(io.BytesIO(content)).size == (768, 432)
    assert b"home address" not in content
    assert reader.read(photo) == reading
    assert len(server.asked) == 1, "a photo is asked for once"


@pytest.mark.parametrize(
    "content", [f"```json\n{GOOD}\n```", f"Here it is: {GOOD}", '{"valence": "2.5", "arousal": 7, "why": "dark"}']
)
def test_words_around_the_numbers_do_no_harm(content: str, server: Server) -> None:
    server.answers = [saying(content)]
    assert VisionReader(server.address, "m", BuiltIn()).read(scene("night")).va == VA(2.5, 7.0)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (saying("a gloomy night"), "not a valence and an arousal"),
        (saying(None), "not a valence and an arousal"),
        (saying('{"valence": NaN, "arousal": 3}'), "not a valence and an arousal"),
        (saying('{"valence": 11, "arousal": 3}'), "not from 1 to 9"),
        (saying(GOOD, 500), "status 500"),
        (saying(GOOD, 302), "status 302"),
        (saying("x" * 1_200_000), "too long"),
        (dribbling, "took too long"),
    ],
)
def test_a_model_that_gives_no_numbers_is_asked_again_and_then_replaced(
    answer: Any, reason: str, server: Server
) -> None:
    server.answers = [answer]
    started = time.monotonic()
    reading = VisionReader(server.address, "m", BuiltIn(), timeout_s=0.3).read(scene("night"))
    assert time.monotonic() - started < 8, "a server that dribbles on is not waited for"
    assert reading.va == BUILT_IN.va
    assert reason in reading.remark
    assert reading.remark.endswith("so the built-in reader read the photo.")
    assert len(server.asked) == 2


def test_one_bad_answer_is_forgiven(server: Server) -> None:
    server.answers = [saying(GOOD, 503), saying(GOOD)]
    assert VisionReader(server.address, "m", BuiltIn()).read(scene("night")).va == VA(2.5, 7.0)


def test_nobody_at_the_address_is_no_fault() -> None:
    reading = VisionReader("http://127.0.0.1:9/v1", "m", BuiltIn(), timeout_s=0.5).read(scene("night"))
    assert "cannot be reached" in reading.remark


@pytest.mark.parametrize("address", ["localhost:11434", "file:///etc/passwd", "ftp://host/v1", "http://", "http://h:x"])
def test_an_address_that_is_none_is_told_at_the_start(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="EIMG_VISION_URL must be an address"):
        VisionReader(address, "m", BuiltIn())
    monkeypatch.setenv("EIMG_VISION_URL", address)
    with pytest.raises(InputError, match="EIMG_VISION_URL must be an address"):
        reader_note()


def test_the_host_sets_it_and_the_note_names_the_address_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eimg_core.va.readers.ImageReader.load", lambda root: BuiltIn())
    assert isinstance(photo_reader(Path("x")), BuiltIn), "off unless it is set"
    monkeypatch.setenv("EIMG_VISION_URL", "https://me:secret@vision.example:8443/v1")
    with pytest.raises(InputError, match="EIMG_VISION_MODEL"):
        photo_reader(Path("x"))
    monkeypatch.setenv("EIMG_VISION_MODEL", "llava")
    assert isinstance(photo_reader(Path("x")), VisionReader)
    assert reader_note() == "Photos go to vision.example:8443, where the vision model llava reads their emotion."
    assert CleanStudio.reader_note(None) is None, "the mode for commercial use reads colours"


def test_a_process_without_a_home_reads_with_the_built_in_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("EIMG_READER")
    monkeypatch.setattr(Path, "home", homeless)
    assert own_folder() is None
    assert reader_note() is None


def test_a_piece_says_that_another_reader_stood_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_tiny_pairing(tmp_path)
    reader = VisionReader("http://127.0.0.1:9/v1", "m", BuiltIn(), timeout_s=0.5)
    monkeypatch.setattr("eimg_core.studio.photo_reader", lambda root: reader)
    made = Studio(tmp_path).compose(scene("night"), "vqvae+fnt", ComposeOptions(seconds=5.0))
    assert "so the built-in reader read the photo" in made.remarks[0]
    with pytest.raises(InputError, match="does not say which parts count"):
        Studio(tmp_path).explain_photo(scene("night"))


def test_the_page_says_where_photos_go_before_one_is_given(tmp_path: Path) -> None:
    note = message("Photos go to {host}, where the vision model {model} reads their emotion.", host="<b>", model="m")
    with_note, without = (
        str(build_ui(FakeStudio(note=one), pieces=tmp_path).get_config_file()) for one in (note, None)
    )
    assert "Photos go to &lt;b&gt;, where" in with_note
    assert "photo-note" not in without
