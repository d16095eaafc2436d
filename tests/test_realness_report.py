"""The reports on realness and obedience: rows, controls and results on synthetic clips, and the tables from them."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from eimg_core.emotion import VA
from eimg_core.metrics.descriptors import DESCRIPTORS
from eimg_core.midi.notes import Note, Piece
from eimg_core.options import USUAL_TAKES
from tests.factories import make_mini_data
from tests.tiny import random_clip, save_tiny_pairing
from train.evaluation import obedience, realness
from train.report import realness_tables

needs_sklearn = pytest.mark.skipif(find_spec("sklearn") is None, reason="scikit-learn is not installed")


class Listener:
    """Estimates half of what a piece says of itself: its lowest and its highest pitch, in tenths."""

    def estimate_many(self, pieces):
        return np.array([[min(n.pitch for n in p.notes), max(n.pitch for n in p.notes)] for p in pieces]) / 20.0


def saying(va: VA, tempo_bpm: float = 100.0) -> Piece:
    low, high = round(va.valence * 10), round(va.arousal * 10)
    return Piece((Note(0.0, low, 0.6, 60), Note(0.6, high, 1.2, 60)), tempo_bpm)


def test_requests_and_retellings_are_measured_as_asked():
    points = realness.grid(3, 2.1, 8.1)
    tempi = [60.0 + 10 * point.arousal for point in points]
    pieces = [saying(point, tempo) for point, tempo in zip(points, tempi, strict=True)]
    found = obedience.of_requests(pieces, points, Listener(), 0)
    assert found["slope_valence"] < 0.6  # low and high change places where valence is above arousal
    same = [saying(VA(2.0, point.arousal), tempo) for point, tempo in zip(points, tempi, strict=True)]
    found = obedience.of_requests(same, points, Listener(), 0)
    assert found["slope_valence"] == pytest.approx(0.0, abs=0.03)
    assert found["slope_arousal"] == pytest.approx(0.5, abs=0.03)
    assert found["r_tempo"] > 0.99
    assert found["tempo_ratio"] == pytest.approx(141 / 81, abs=0.01)
    assert found["loudness_db"] > 6

    told = obedience.of_retellings(same, [saying(point) for point in points], points, Listener())
    assert told["slope_arousal"] == pytest.approx(0.5, abs=0.03)
    assert told["tempo_ratio"] == pytest.approx(141 / 81, abs=0.01)


@needs_sklearn
@pytest.mark.slow
def test_a_composer_is_compared_with_clips_and_clips_with_themselves():
    rng = np.random.default_rng(0)
    clips = [random_clip(seed, bool(seed % 2)) for seed in range(60)]
    groups = [str(seed // 2) for seed in range(60)]
    noise = [
        Piece(tuple(Note(float(t), int(rng.integers(30, 90)), float(t) + 0.3) for t in rng.uniform(0, 6, 30)))
        for _ in clips
    ]
    views = realness.VIEWS
    real, made = ({v: realness.table([seen(p) for p in ps]) for v, seen in views.items()} for ps in (clips, noise))
    found = realness.compared(real, made, groups, 0)
    halves = realness.control(real, groups, 0)
    for view in views:
        assert found[f"auc_{view}"] > 0.95
        assert found[f"frechet_{view}"] > 2.0 > halves[f"frechet_{view}"] == 1.0
        assert halves[f"auc_{view}"] < 0.8
        assert set(found["descriptors"][view]) == set(DESCRIPTORS)
    assert realness.form(clips)["density_variation"] == pytest.approx(0.0, abs=0.2)


@pytest.fixture(scope="module")
def measured(tmp_path_factory) -> Path:
    """Results of a tiny pairing on synthetic data, where results of the assets would be."""
    folder = tmp_path_factory.mktemp("realness")
    clips = {"train": 4, "val": 2, "test": 20}
    data = make_mini_data(folder / "data", {"train": 2, "val": 2, "test": 2}, clips, pop909_songs=27)
    root = folder / "assets" / "checkpoints"
    save_tiny_pairing(root, "effnet", "tvae", "eimg2")
    out = folder / "assets" / "results"
    where = ["--data", str(data), "--root", str(root), "--out", str(out), "--runs", str(folder / "runs")]
    realness.main([*where, "--seeds", "0", "1", "--grid", "2", "--long", "8"])
    return folder / "assets"


@needs_sklearn
@pytest.mark.slow
def test_every_row_has_a_result_for_each_seed_and_a_place_in_the_tables(measured: Path):
    results = [json.loads(path.read_text()) for path in sorted((measured / "results").glob("realness-*.json"))]
    pairing = "effnet+tvae@eimg2"
    rows = {(result["row"], result["seed"]) for result in results}
    assert rows == {
        *((row, seed) for row in (pairing, f"{pairing} best of {USUAL_TAKES}", "real", "codec") for seed in (0, 1)),
        ("pop909", 0),
    }
    for result in results:
        assert result["command"].startswith("python -m train.realness")
        assert result["n"] > 0
        assert bool(result["components"]) == (pairing in result["row"])
    table = realness_tables.realness(measured).splitlines()
    assert [line.split("|")[1].strip() for line in table[2:7]] == [
        "*real clips*, halves of them",
        "*real clips* through the codec",
        "*POP909*, the first minute of each song",
        f"**effnet+tvae** (eimg2), best of {USUAL_TAKES} by the guide",
        "**effnet+tvae** (eimg2)",
    ]
    assert "20 clips" in table[-1]
    assert "motifs of three notes" in realness_tables.descriptors(measured)


def test_tables_without_controls_are_refused(tmp_path: Path):
    (tmp_path / "results").mkdir()
    with pytest.raises(ValueError, match=r"run train\.realness"):
        realness_tables.realness(tmp_path)
    with pytest.raises(ValueError, match=r"run train\.obedience"):
        realness_tables.obedience(tmp_path)
