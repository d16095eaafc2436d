"""What is registered in one place is found everywhere: a toy metric, one line in its registry.

Everything that lists metrics is asked for its list; whoever writes one down by hand fails here.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from eimg_core.cli.main import main
from eimg_core.composer import ComposeOptions
from eimg_core.emotion import VA
from eimg_core.exports.comparison import table_row, write_table
from eimg_core.exports.record import describe
from eimg_core.metrics.registry import METRICS, Metric
from eimg_core.midi.notes import Note, Piece, write_midi
from eimg_core.shipped import CHECKPOINTS, RESULTS
from eimg_core.studio import Studio
from eimg_core.ui.api.programs import measured
from eimg_core.ui.pages.results import results_html
from eimg_core.ui.session.piece_values import Take, take_value
from eimg_core.ui.session.scorecard import control_rows
from eimg_core.ui.widgets.comparison import Comparison
from eimg_core.ui.widgets.player import Player
from eimg_core.ui.widgets.story_player import StoryPlayer
from tests.fake_studio import PAIRINGS, FakeStudio
from train.evaluation.evaluate import record_of
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
def test_a_new_metric_is_in_the_record_of_a_piece_and_in_the_table_of_a_comparison(tmp_path: Path) -> None:
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
    for player in (Player(), StoryPlayer()):
        assert ["toy", "Toy count", "notes, counted", 1] in player.props["metrics"]
    assert ["toy", "toy ↑", 1] in Comparison(PAIRINGS).props["metrics"]
    assert {row["metrics"]["toy"] for row in control_rows(None)} == {None}, "nobody measured it of the controls yet"
    assert '<th scope="col">toy ↑</th></tr></thead>' in results_html((), ASSETS)


@pytest.mark.usefixtures("toy_metric")
def test_a_new_metric_is_in_new_results_and_old_results_show_a_dash() -> None:
    summary = record_of("x", 0, "test", ["a"], [TUNE], None, [(5.0, 5.0)])
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
