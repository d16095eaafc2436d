"""The experiments as named differences, the intervals, and the documents that are written from the records."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from eimg_core.emotion import VA
from train.evaluation.dataset import on_grid
from train.evaluation.experiments import (
    EXPERIMENTS,
    TABLES,
    experiments_of,
    result_path,
    slug,
)
from train.report.findings import fill_findings
from train.report.intervals import Estimate, Row, difference
from train.report.results import PAPER, Results, cell, parts, sizes, verdict
from train.report.results_page import results_page
from train.reproduce import needed, stages

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "assets" / "results"


@pytest.fixture(scope="module")
def results() -> Results:
    return Results(RESULTS)


# --- experiments ------------------------------------------------------------------------------------------------


def test_every_row_of_the_papers_tables_is_an_experiment():
    assert len(sizes("vqvae+fnt")) == 4
    assert len(parts("vqvae+fnt")) == 5
    assert {e.name for e in experiments_of(["table6"])} == {"TF-IM", "TF/IMG", "TF-FI"}
    assert len({slug(e.name) for e in EXPERIMENTS}) == len(EXPERIMENTS)
    names = {e.name for e in EXPERIMENTS} | {"real"}
    assert {row for row in PAPER if "@" not in row} <= names


def test_an_ablation_is_one_change():
    full, image, music, inter = (
        next(e for e in EXPERIMENTS if e.name == f"vqvae+fnt {name}")
        for name in ("n = 8", "inter + image", "inter + music", "inter")
    )
    assert full.change == {}
    assert image.change == {"weight_intra_music": 0.0}
    assert music.change == {"weight_intra_image": 0.0}
    assert inter.change == image.change | music.change
    assert full.tables == ("table4", "table7")


def test_a_table_trains_what_it_needs_and_nothing_else():
    assert needed(["table1"]) == []
    four = {stage.component for stage in needed(["table4"])}
    assert {"image_ae/vqvae@paper", "image_ae/effnet", "music_ae/fnt", "va_predictor/evaluator"} <= four
    assert not any(name.startswith("bridge") or name == "music_ae/tvae" for name in four)
    five = {stage.component for stage in needed(["table5"])}
    assert sum(name.startswith("bridge") for name in five) == 6
    everything = [stage.component for stage in stages()]
    assert [s.component for s in needed(["table5"])] == [name for name in everything if name in five]  # order is kept


# --- intervals --------------------------------------------------------------------------------------------------


def row_of(name: str, points: np.ndarray, labels: np.ndarray, **numbers) -> Row:
    """Points (S, N, 2) as records."""
    records = [
        {
            "row": name,
            "seed": seed,
            "items": [
                {"key": str(i), "valence": v, "arousal": a, **{k: n[seed][i] for k, n in numbers.items()}}
                for i, (v, a) in enumerate(one.tolist())
            ],
        }
        for seed, one in enumerate(points)
    ]
    return Row(records, {str(i): tuple(label) for i, label in enumerate(labels.tolist())})


def test_estimates_by_hand():
    labels = np.array([[8.0, 8.0], [2.0, 8.0], [2.0, 2.0], [8.0, 2.0]])
    points = np.stack([labels + np.array([1.0, 0.0]), labels + np.array([0.0, 3.0])])
    row = row_of("x", points, labels, polyphony_rate=[[0.1, None, 0.3, 0.2], [0.4, 0.4, 0.4, 0.4]])
    matching = row.emotion_matching()
    assert matching.value == pytest.approx(2.0)
    assert (matching.low, matching.high) == pytest.approx((1.0, 3.0))  # the seeds differ, the photos do not
    assert row.emotion_matching("LVLA").value == pytest.approx(2.0)
    assert row.r(0).value == pytest.approx(1.0)
    assert row.mean("polyphony_rate").value == pytest.approx(0.3)
    assert np.isnan(row.mean("unknown").value)
    assert cell(row.mean("unknown"), 2) == "–"


def test_a_constant_has_no_correlation():
    labels = np.random.default_rng(0).uniform(1, 9, (20, 2))
    row = row_of("constant", np.full((1, 20, 2), 5.0), labels)
    assert np.isnan(row.r(0).value)
    assert cell(row.r(1), 2) == "–"


def test_the_interval_covers_as_often_as_it_says():
    """Means of 40 normal distances: some 95 of 100 intervals must hold the truth."""
    rng = np.random.default_rng(1)
    labels = np.full((40, 2), 5.0)
    hits = 0
    for trial in range(60):
        points = labels[None] + np.stack([rng.normal(2.0, 0.5, (1, 40)), np.zeros((1, 40))], axis=2)
        found = row_of(f"trial {trial}", points, labels).emotion_matching()
        hits += found.low <= 2.0 <= found.high
    assert 51 <= hits <= 60


def test_rows_are_compared_on_the_same_photos():
    """Photos differ widely, the two rows by exactly 0.5: only a paired comparison can see it."""
    rng = np.random.default_rng(0)
    labels = np.full((30, 2), 5.0)
    away = rng.uniform(0.5, 3.0, (1, 30))
    ours, theirs = (
        row_of(name, labels[None] + np.stack([away + more, 0 * away], axis=2), labels)
        for name, more in (("ours", 0.0), ("theirs", 0.5))
    )
    found = difference(ours.emotion_matching(), theirs.emotion_matching())
    assert (found.low, found.value, found.high) == pytest.approx((-0.5, -0.5, -0.5))
    assert verdict(found) == "helps"
    assert verdict(Estimate(0.1, -0.2, 0.4, np.zeros(1))) == "cannot be told from 0"
    assert verdict(Estimate(0.3, 0.2, 0.4, np.zeros(1))) == "harms"


def test_rows_about_other_photos_are_refused():
    labels = np.full((3, 2), 5.0)
    one, two = (row_of("x", np.full((1, 3, 2), 5.0), labels).records[0] for _ in range(2))
    two["items"] = two["items"][::-1]
    with pytest.raises(ValueError, match="about different items"):
        Row([one, two], {str(i): (5.0, 5.0) for i in range(3)})
    with pytest.raises(ValueError, match="1 items of x have no label, for example 2"):
        Row([one], {"0": (5.0, 5.0), "1": (5.0, 5.0)})


# --- what the groove metric measures ------------------------------------------------------------------------------


def test_groove_rises_with_the_ticks_of_a_file():
    from tests.tiny import random_clip

    values = [on_grid(random_clip(0), ticks) for ticks in (24, 220, 480, 1000)]
    assert values == sorted(values)
    # One minus twice the share of ticks on which a note begins, as long as no two are four ticks apart.
    piece = random_clip(0)
    onsets = len({note.start_s for note in piece.notes})
    assert values[2] == pytest.approx(1 - 2 * onsets / (960 * piece.duration_s), abs=2e-4)


# --- records and documents --------------------------------------------------------------------------------------


def test_every_experiment_has_its_records(results):
    for experiment in EXPERIMENTS:
        seeds = [0] if experiment.kind == "retrieval" else [0, 1, 2]
        for seed in seeds:
            record = json.loads(result_path(RESULTS, experiment, seed).read_text())
            assert record["row"] == experiment.name
            assert record["seed"] == seed
            assert record["n"] == len(record["items"]) == results.rows["constant"].n
            assert set(record["tables"]) <= set(TABLES)
            assert record["setup"]["preset"] == "full"
            assert set(record["musicality"]["distributions"]) >= {"bar_groove", "key_clarity"}


def test_summaries_of_records_follow_from_their_items(results):
    for experiment in EXPERIMENTS:
        for record in results.rows[experiment.name].records:
            one = Row([record], {i["key"]: (i["label_valence"], i["label_arousal"]) for i in record["items"]})
            assert one.emotion_matching().value == pytest.approx(record["summary"]["emotion_matching"], abs=2e-3)
            assert one.r(0).value == pytest.approx(record["summary"]["r_valence"], abs=2e-3)


def test_the_results_page_is_what_the_records_say(results):
    page = (ROOT / "docs/results.md").read_text(encoding="utf-8")
    assert page == results_page(results), "run `python -m train.results`"
    for figure in re.findall(r"\]\((figures/[^)]+)\)", page):
        assert (ROOT / "docs" / figure).exists()


def test_every_number_of_the_findings_is_in_the_records(results):
    page = (ROOT / "docs/findings.md").read_text(encoding="utf-8")
    assert "<!--=" in page
    assert page == fill_findings(page, results), "run `python -m train.results`"
    assert "-->–<!--/-->" not in page, "a number is still to come"
    with pytest.raises(ValueError, match="no number 'unheard"):
        fill_findings("<!--=unheard.of-->1<!--/-->", results)


def test_labels_of_quadrants_are_those_of_the_plane(results):
    row = results.rows["constant"]
    assert [VA(*label).quadrant for label in row.labels.tolist()] == row.quadrants.tolist()
