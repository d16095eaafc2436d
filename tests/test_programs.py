"""The endpoints for programs, through the client that programs use."""

from __future__ import annotations

import subprocess
import sys
import wave
from pathlib import Path
from typing import Any

import pytest

from eimg_core.errors import InputError
from eimg_core.exports.files import from_midi
from eimg_core.exports.formats import formats_from_midi
from eimg_core.metrics.registry import METRICS
from eimg_core.midi.notes import Note, Piece
from eimg_core.midi.writing import write_midi
from eimg_core.sound.instruments import INSTRUMENTS
from eimg_core.ui.api.programs import exported, open_midi
from tests.fake_studio import PAIRINGS, FakeStudio

client_library = pytest.importorskip("gradio_client")

ROOT = Path(__file__).resolve().parents[1]
TUNE = Piece(tuple(Note(0.5 * n, 60 + n, 0.5 * n + 0.5, 80) for n in range(8)))


@pytest.fixture(scope="module")
def client(url: str, folder: Path) -> Any:
    return client_library.Client(url, verbose=False, download_files=str(folder))


@pytest.fixture
def tune(tmp_path: Path) -> Path:
    write_midi(TUNE, tmp_path / "My tune.mid")
    return tmp_path / "My tune.mid"


def test_all_endpoints_have_a_name_and_say_what_they_do(client: Any) -> None:
    endpoints = client.view_api(return_format="dict")["named_endpoints"]
    assert set(endpoints) == {
        "/read_photo", "/explain_photo", "/compose", "/retell", "/extend", "/fill", "/compare", "/story", "/pairings",
        "/render", "/export", "/evaluate_midi",
    }  # fmt: skip
    for name, endpoint in endpoints.items():
        assert len(endpoint["description"]) > 40, name


def test_the_composers_are_listed_with_their_variants(client: Any) -> None:
    found = client.predict(api_name="/pairings")
    assert [one["key"] for one in found] == [info.key for info in PAIRINGS]
    assert found[5]["variants"] == ["eimg2", "paper"]
    assert [one["key"] for one in found if one["default"]] == ["vqvae+fnt"]
    assert [one["key"] for one in found if not one["composes"]] == ["alae+lsr"]


def test_a_midi_file_is_played(client: Any, tune: Path) -> None:
    path = Path(client.predict(client_library.handle_file(str(tune)), api_name="/render"))
    assert path.name == "My tune.wav"
    with wave.open(str(path)) as sound:
        assert sound.getnframes() / sound.getframerate() == pytest.approx(4.5, abs=0.1)


def test_a_midi_file_is_played_by_another_instrument_or_ones_own(
    client: Any, studio: FakeStudio, tune: Path, tmp_path: Path
) -> None:
    midi = client_library.handle_file(str(tune))
    client.predict(midi, "harp", api_name="/render")
    own = client_library.handle_file(str(INSTRUMENTS["music box"].path))
    client.predict(midi, "piano", own, api_name="/render")
    assert studio.instruments[-2:] == ["harp", "Fluid R3 GM: Music Box"]
    (tmp_path / "no.sf2").write_bytes(b"no")
    with pytest.raises(Exception, match=r"no\.sf2 is not a complete SoundFont 2 file"):
        client.predict(midi, "piano", client_library.handle_file(str(tmp_path / "no.sf2")), api_name="/render")
    with pytest.raises(InputError, match="Instrument must be one of piano, "):
        exported(FakeStudio(), tune, "wav", tmp_path, "drums")


STARTS = {"mp3": b"\xff", "wav": b"RIFF", "musicxml": b"<?xml", "svg": b"<svg", "png": b"\x89PNG"}


@pytest.mark.parametrize("kind", formats_from_midi())
def test_a_midi_file_becomes_any_other_file(client: Any, tune: Path, kind: str) -> None:
    path = Path(client.predict(client_library.handle_file(str(tune)), kind, api_name="/export"))
    assert path.name == f"My tune.{kind}"
    assert path.read_bytes().startswith(STARTS[kind])
    if kind == "musicxml":
        assert path.read_text().count("<pitch>") >= 8
    if kind in ("musicxml", "svg"):
        assert "My tune" in path.read_text()


def test_an_unknown_kind_is_refused_with_the_known_ones(client: Any, tune: Path) -> None:
    with pytest.raises(Exception, match="not in the list of choices"):
        client.predict(client_library.handle_file(str(tune)), "exe", api_name="/export")
    with pytest.raises(InputError, match="There is no format 'exe'; choose from: mp3, wav, musicxml"):
        from_midi(TUNE, "exe", "x", lambda piece: b"")


def test_a_score_of_too_many_notes_is_refused_before_it_is_engraved(tmp_path: Path) -> None:
    many = Piece(tuple(Note(0.1 * n, 40 + n % 40, 0.1 * n + 0.1, 80) for n in range(3001)))
    with pytest.raises(InputError, match="3001 notes; scores and pictures hold up to 3000"):
        exported(FakeStudio(), write_midi(many), "svg", tmp_path)


def test_a_midi_file_is_measured_and_heard(client: Any, tune: Path) -> None:
    found = client.predict(client_library.handle_file(str(tune)), api_name="/evaluate_midi")
    assert found["note_count"] == 8
    assert found["duration_s"] == pytest.approx(4.0)
    assert list(found["metrics"]) == list(METRICS)
    assert found["metrics"]["pitch_entropy"] == pytest.approx(3.0), "eight pitches, each as often"
    assert found["metrics"]["polyphony_rate"] == 0.0
    assert found["estimate"]["region"]


@pytest.mark.parametrize("endpoint", ["/render", "/export", "/evaluate_midi"])
@pytest.mark.parametrize("content", [b"", b"MThd", b"MThd\x00\x00\x00\x06\xff\xff\xff\xff\xff\xff", b"<svg/>" * 999])
def test_what_is_no_midi_file_gets_one_sentence(client: Any, tmp_path: Path, endpoint: str, content: bytes) -> None:
    bad = tmp_path / "bad.mid"
    bad.write_bytes(content)
    with pytest.raises(
        Exception, match=r"^bad\.mid (is (empty|cut off|not a MIDI file)|has a MIDI header, but no track)[^\n]*\.$"
    ):
        client.predict(client_library.handle_file(str(bad)), api_name=endpoint)
    with pytest.raises(Exception, match="Expected a MIDI file"):
        client.predict(None, api_name=endpoint)


def test_a_piece_that_is_empty_or_endless_is_refused(tmp_path: Path) -> None:
    for name, piece, reason in (
        ("silent", Piece(()), "has no notes"),
        (
            "long",
            Piece((Note(0.0, 60, 1.0, 80), Note(1200.0, 60, 1201.0, 80))),
            "lasts 20 minutes; MIDI files up to 10",
        ),
        ("dense", Piece(tuple(Note(0.02 * n, 40 + n % 40, 0.02 * n + 0.02, 80) for n in range(20_001))), "20001 notes"),
    ):
        write_midi(piece, tmp_path / f"{name}.mid")
        with pytest.raises(InputError, match=reason):
            open_midi(str(tmp_path / f"{name}.mid"))


def test_without_its_extra_the_mcp_server_says_what_to_install() -> None:
    code = (
        "import importlib.util, sys\nreal = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *rest: None if name == 'mcp' else real(name, *rest)\n"
        "sys.argv = ['app.py', '--mcp']\nimport runpy\nrunpy.run_path('app.py', run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "pip install 'mcp>=1.30,<2'" in done.stderr
    assert "Traceback" not in done.stderr
