"""What is registered in one place is found everywhere: a toy metric and a toy format, one line each in its registry.

Everything that lists metrics or formats is asked for its list; whoever writes one down by hand fails here.
"""

from __future__ import annotations

import csv
import json
import mimetypes
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eimg_core.cli.main import main
from eimg_core.emotion import VA
from eimg_core.exports.comparison import table_row, write_table
from eimg_core.exports.files import export
from eimg_core.exports.formats import FORMATS, Format
from eimg_core.exports.record import describe
from eimg_core.exports.work import MidiWork, Work
from eimg_core.metrics.registry import METRICS, Metric
from eimg_core.midi.notes import Note, Piece
from eimg_core.midi.writing import write_midi
from eimg_core.options import ComposeOptions
from eimg_core.shipped import CHECKPOINTS, RESULTS
from eimg_core.studio import Studio
from eimg_core.ui.api.programs import exported, measured
from eimg_core.ui.app import build_ui, name_media_types
from eimg_core.ui.pages.results import results_html
from eimg_core.ui.server.files import pieces_root
from eimg_core.ui.session.downloads import export_file
from eimg_core.ui.session.piece_values import Take, take_value
from eimg_core.ui.session.scorecard import control_rows
from eimg_core.ui.widgets.comparison import Comparison
from eimg_core.ui.widgets.player import Player
from eimg_core.ui.widgets.story_player import StoryPlayer
from tests.fake_studio import PAIRINGS, FakeStudio
from tests.own_loop import awaited
from train.evaluation.evaluate import numbers_of
from train.evaluation.quality_report import Made, Yardstick, report
from train.report.results import Results
from train.report.results_page import results_page
from train.report.tables import BLOCKS

NOTES = 8
TUNE = Piece(tuple(Note(0.5 * n, 60 + n, 0.5 * n + 0.5, 80) for n in range(NOTES)))
ASSETS = RESULTS.parent


@pytest.fixture
def tune(tmp_path: Path) -> Path:
    write_midi(TUNE, tmp_path / "tune.mid")
    return tmp_path / "tune.mid"


# ---- a metric ----------------------------------------------------------------------------------------------------


@pytest.fixture
def toy_metric(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    results_html.cache_clear()
    toy = Metric("Toy count", "notes, counted", 1, "higher", "9.9.9", lambda piece: len(piece.notes), column="toy")
    monkeypatch.setitem(METRICS, "toy", toy)
    yield
    results_html.cache_clear()


@pytest.mark.usefixtures("toy_metric")
def test_a_new_metric_is_in_the_numbers_of_a_piece_and_in_the_table_of_a_comparison(tmp_path: Path) -> None:
    made = Studio(CHECKPOINTS).compose(None, "effnet+tvae", ComposeOptions(seconds=4.0, target=VA(6.0, 5.0)))
    record = describe(made, {})
    assert record["metrics"]["toy"] == record["note_count"]
    write_table([table_row(1, made, record)], tmp_path / "table.csv")
    with (tmp_path / "table.csv").open(newline="", encoding="utf-8") as file:
        assert next(csv.DictReader(file))["toy"] == str(record["metrics"]["toy"])


@pytest.mark.usefixtures("toy_metric")
def test_a_new_metric_is_measured_by_the_command_line_and_the_endpoints(
    tune: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate-midi", str(tune.parent)]) == 0
    item, last = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert item["toy"] == last["summary"]["toy"] == NOTES
    assert last["summary"]["n_valid"]["toy"] == 1
    assert measured(FakeStudio(), tune)["metrics"]["toy"] == NOTES


@pytest.mark.usefixtures("toy_metric")
def test_a_new_metric_is_on_the_page() -> None:
    made = FakeStudio().compose(None, "vqvae+fnt", ComposeOptions(seconds=4.0, target=VA(6.0, 5.0)))
    value = take_value(Take(made, None, {}, ()), "VQ-VAE + FNT")
    assert value["metrics"]["toy"] == len(made.piece.notes)
    for player in (Player(), StoryPlayer([])):
        assert ["toy", "Toy count", "notes, counted", 1] in player.props["metrics"]
    assert ["toy", "toy ↑", 1] in Comparison(PAIRINGS).props["metrics"]
    assert {row["metrics"]["toy"] for row in control_rows(None)} == {None}, "nobody measured it of the controls yet"
    assert re.search(r'<th scope="col"[^>]*>toy ↑</th></tr></thead>', results_html((), ASSETS))


@pytest.mark.usefixtures("toy_metric")
def test_a_new_metric_is_in_new_results_and_old_results_show_a_dash() -> None:
    summary = numbers_of("x", 0, "test", ["a"], [TUNE], None, [(5.0, 5.0)])
    assert summary["summary"]["toy"] == summary["items"][0]["toy"] == NOTES
    real = Yardstick(["a", "b"], [TUNE, TUNE], ["a", "b"], np.array([[5.0, 5.0], [5.1, 5.0]]))
    assert report(Made(["a"], [TUNE], ()), real, {})["summary"]["toy"] == NOTES
    head, _, row = BLOCKS["results"](ASSETS).splitlines()[:3]
    assert head.endswith("| toy ↑ |")
    assert row.endswith("| – |")
    assert "| `toy` | Toy count | notes, counted | higher | 9.9.9 |" in BLOCKS["metrics"](ASSETS)
    page = results_page(Results(RESULTS))
    assert "| groove by bar | toy ↑ |" in page
    assert "| – |" in page


# ---- a format ----------------------------------------------------------------------------------------------------


def toy_file(work: Work | MidiWork) -> bytes:
    """The writer of the toy format: how many notes there are, in words."""
    return f"{len(work.piece.notes)} notes".encode()


@pytest.fixture
def toy_format(monkeypatch: pytest.MonkeyPatch) -> None:
    toy = Format("Toy", "the number of notes", "text/x-toy", f"{__name__}:toy_file", from_midi=True)
    monkeypatch.setitem(FORMATS, "toy", toy)


def a_piece() -> Any:
    return FakeStudio().compose(None, "vqvae+fnt", ComposeOptions(seconds=4.0, target=VA(6.0, 5.0)))


def test_the_list_of_formats_costs_nothing_and_every_writer_is_there() -> None:
    code = "import sys, eimg_core.exports.formats; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "numpy", "PIL", "mido", "matplotlib", "verovio", "soundfile"} & set(loaded)
    for one in FORMATS.values():
        module, _, name = one.writer.partition(":")
        assert callable(getattr(import_module(module), name))


@pytest.mark.usefixtures("toy_format")
def test_a_new_format_is_written_by_the_studio_made_later_and_packed(tmp_path: Path) -> None:
    made = a_piece()
    files = Studio(CHECKPOINTS).save(made, None, tmp_path, "piece", figure=False, formats=["toy", "json"])
    said = f"{len(made.piece.notes)} notes"
    assert files["toy"].read_text() == said
    assert json.loads(files["json"].read_text())["files"] == {"json": "piece.json", "toy": "piece.toy"}
    files["toy"].unlink()
    assert export(files["json"], "toy").read_text() == said
    files["toy"].unlink()
    with zipfile.ZipFile(export(files["json"], "zip")) as archive:
        assert archive.read("piece.toy").decode() == said


@pytest.mark.usefixtures("toy_format")
def test_a_new_format_is_taken_by_the_command_line(tune: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tune.with_name("made.toy")
    assert main(["render", str(tune), "--out", str(out)]) == 0
    assert out.read_text() == f"{NOTES} notes"
    words = ["compose", "--valence", "6", "--arousal", "5", "--seconds", "4", "--out", str(tune.parent), "--takes", "1"]
    assert main([*words, "--format", "toy"]) == 0
    assert (tune.parent / "piece.toy").read_text().endswith(" notes")
    with pytest.raises(SystemExit):
        main([*words, "--format", "unheard"])
    assert "zip,toy" in capsys.readouterr().err


@pytest.mark.usefixtures("toy_format")
def test_a_new_format_is_offered_by_the_endpoints(tune: Path) -> None:
    assert exported(FakeStudio(), tune, "toy", tune.parent)[0].read_text() == f"{NOTES} notes"
    api = build_ui(FakeStudio()).get_api_info()["named_endpoints"]["/export"]
    assert "toy: the number of notes" in api["description"]
    assert "'toy'" in str(api["parameters"])
    name_media_types()
    assert mimetypes.guess_type("piece.toy")[0] == "text/x-toy"


async def _tools() -> Any:
    from eimg_core.agents.server import agent_server

    return {one.name: one for one in await agent_server(FakeStudio(), pieces_root()).list_tools()}


@pytest.mark.usefixtures("toy_format", "toy_metric")
def test_a_new_format_and_a_new_metric_are_told_to_language_models() -> None:
    pytest.importorskip("mcp")
    tools = awaited(_tools())
    assert "toy" in tools["export"].inputSchema["properties"]["kind"]["enum"]
    assert "toy: the number of notes" in tools["export"].description
    assert "toy: notes, counted" in tools["evaluate_midi"].description


@pytest.mark.usefixtures("toy_format")
def test_a_new_format_has_a_button_in_every_player(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    made, folder = a_piece(), pieces_root() / "visit"
    folder.mkdir(parents=True)
    value = take_value(Take(made, None, FakeStudio().save(made, None, folder, "piece", figure=False), ()), "")
    assert "toy" in value["exports"]
    assert export_file({"take": value["take"], "kind": "toy"}) == {"name": "piece.toy"}
    for player in (Player(), StoryPlayer([])):
        assert ["toy", "Toy", "the number of notes", False] in [one[:4] for one in player.props["formats"]]
    assert ["toy", "Toy"] in Comparison(PAIRINGS).props["formats"]


@pytest.mark.usefixtures("toy_format")
def test_a_new_format_is_in_the_document() -> None:
    assert "| Toy | `.toy` | the number of notes | – | on demand | yes |" in BLOCKS["formats"](ASSETS)
