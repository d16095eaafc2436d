"""Published rules of music: where their weights come from, which way each cue moves an estimate, their standards."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from eimg_core.emotion import VA
from eimg_core.errors import InputError
from eimg_core.midi.notes import Note, Piece
from eimg_core.va.rules import CUES, STANDARDS, WEIGHTS, Rules, Standards, cues
from tests.factories import make_mini_data, make_piece
from train.evaluation.result import MeasureRequest
from train.evaluation.rules import agreement_row, measure_rules, quadrant_row

RATINGS = Path(__file__).parent / "data" / "eerola_2013.csv"
VARIED = ("mode", "tempo", "register", "loudness", "articulation")  # by Eerola, Friberg and Bresin


def standardised_weights() -> tuple[np.ndarray, np.ndarray]:
    """Coefficients of valence and arousal on the varied cues (5, 2), and R² of both, from the published ratings."""
    rows = list(csv.DictReader(RATINGS.open(encoding="utf-8")))
    column = {name: np.array([float(row[name]) for row in rows]) for name in rows[0]}
    column["mode"] = 2.0 - column["mode"]  # 1 is major, 2 is minor
    factors = [(column[name] == level).astype(float) for name, most in (("timbre", 3), ("melody", 4))
               for level in range(1, most)]  # fmt: skip
    design = np.column_stack([np.ones(len(rows)), *(column[cue] for cue in VARIED), *factors])
    happy, sad, scary, peaceful = (column[name] for name in ("happy", "sad", "scary", "peaceful"))
    axes = np.column_stack([happy + peaceful - sad - scary, happy + scary - sad - peaceful])
    found, residual, _, _ = np.linalg.lstsq(design, axes, rcond=None)
    spread = np.array([column[cue].std() for cue in VARIED])
    return found[1:6] * spread[:, None] / axes.std(axis=0), 1 - residual / (len(rows) * axes.var(axis=0))


def test_the_weights_follow_from_the_published_ratings():
    weights, explained = standardised_weights()
    assert explained.round(2).tolist() == [0.92, 0.87]
    kept = np.array([WEIGHTS[cue] for cue in VARIED])
    assert weights[0, 1] == pytest.approx(0.421, abs=1e-3)  # of mode for arousal, which is left out
    assert kept[0, 1] == 0.0
    weights[0, 1] = 0.0
    assert kept == pytest.approx(weights, abs=1e-3)


CHORDS = ((0, 4, 7), (5, 9, 12), (7, 11, 14), (0, 4, 7))  # I IV V I; in minor with lowered thirds


def song(*, minor: bool = False, step_s: float = 0.5, up: int = 0, velocities=(70, 74), held: float = 1.0, clash=()):
    """Chords, one after another, with the notes ``clash`` added to each."""
    notes = []
    for index in range(16):
        chord = list(CHORDS[index % 4])
        chord[1] -= minor
        velocity = velocities[index % len(velocities)]
        start = index * step_s
        for tone in (*chord, *(chord[0] + extra for extra in clash)):
            notes.append(Note(start, 60 + up + tone, start + held * step_s, velocity))
    return Piece(tuple(notes))


@pytest.mark.parametrize(
    ("cue", "more"),
    [
        ("mode", {}),
        ("tempo", {"step_s": 0.25, "minor": True}),
        ("register", {"up": 12, "minor": True}),
        ("loudness", {"velocities": (110, 114), "minor": True}),
        ("articulation", {"held": 0.3, "minor": True}),
        ("dissonance", {"clash": (1,), "minor": True}),
    ],
)
def test_every_cue_is_counted_and_weighs_as_published(cue, more):
    plain, changed = song(minor=True), song(**more)
    at = CUES.index(cue)
    assert cues(changed)[at] > cues(plain)[at]
    only = np.tile(cues(plain), (2, 1))
    only[1, at] = cues(changed)[at]  # this cue alone, the others as they were
    mean, spread = dict(zip(CUES, cues(plain), strict=True)), dict.fromkeys(CUES, 10.0)
    rules = Rules(Standards(mean, spread, (1.0, 1.0)))
    moved = rules.points(only)[1] - rules.points(only)[0]
    assert np.sign(moved).tolist() == np.sign(WEIGHTS[cue]).tolist()


def test_a_fast_detached_piece_in_major_is_above_a_slow_legato_one_in_minor():
    rules = Rules()
    lively = rules.estimate(song(step_s=0.2, held=0.4))
    sad = rules.estimate(song(minor=True, step_s=1.2, up=-8))
    assert lively.valence > sad.valence + 2
    assert lively.arousal > sad.arousal + 2


def test_where_nobody_said_how_loud_loudness_counts_as_the_mean():
    even = song(velocities=(100,))
    assert math.isnan(cues(even)[CUES.index("loudness")])
    louder, softer = song(velocities=(90, 94)), song(velocities=(30, 34))
    rules = Rules()
    assert rules.estimate(louder).arousal > rules.estimate(even).arousal > rules.estimate(softer).arousal


def test_a_piece_without_notes_has_no_emotion():
    with pytest.raises(InputError, match="no notes"):
        Rules().estimate(Piece(()))
    estimates = Rules().estimate_many([Piece(()), song()])
    assert np.isnan(estimates[0]).all()
    assert np.isfinite(estimates[1]).all()


def test_estimates_of_the_music_that_the_standards_are_of_have_the_stated_spread():
    rng = np.random.default_rng(0)
    pieces = [make_piece(VA(*rng.uniform(4, 6, 2)), rng) for _ in range(12)]
    rules = Rules(Standards.of(np.array([cues(piece) for piece in pieces])))
    points = rules.points(np.array([cues(piece) for piece in pieces]))
    assert points.mean(axis=0) == pytest.approx([5, 5])
    assert points.std(axis=0) == pytest.approx([1.6, 1.6])
    extreme = replace(rules.standards, total=(1e-3, 1e-3))
    assert set(Rules(extreme).estimate_many(pieces).ravel()) == {1.0, 9.0}  # the plane ends there


def test_the_shipped_standards_name_every_cue_and_say_where_they_are_from():
    text = json.loads(STANDARDS.read_text(encoding="utf-8"))
    assert set(text["corpora"]) == {"mutopia", "lieder"}
    assert set(text["standards"]["mean"]) == set(text["standards"]["spread"]) == set(CUES)
    assert all(value > 0 for value in text["standards"]["spread"].values())


def test_rows_of_the_result():
    labels = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 9.0]])
    row = agreement_row("shifted", labels + np.array([1.0, 0.0]), labels)
    assert (row["r_valence"], row["mae_valence"], row["rmse_valence"]) == (1.0, 1.0, 1.0)
    assert (row["r_arousal"], row["mae_arousal"]) == (1.0, 0.0)
    assert agreement_row("constant", np.full((3, 2), 5.0), labels)["r_valence"] is None
    told = quadrant_row(
        "x", np.array([[6.0, 4.0], [4.0, 4.0], [6.0, 6.0], [7.0, 3.0]]), ["HVLA", "LVLA", "HVHA", "LVLA"]
    )
    assert (told["right_valence"], told["right_arousal"]) == (0.75, 1.0)
    assert told["r_arousal"] > 0.7


@pytest.mark.slow
def test_ratings_measure_the_rules_and_nothing_else_changes(tmp_path):
    data = make_mini_data(
        tmp_path, {"train": 4, "val": 4, "test": 2}, {"train": 8, "val": 8, "test": 2}, emopia_clips=40
    )
    before = STANDARDS.read_bytes()
    request = MeasureRequest(data=data, results=tmp_path / "results", runs=tmp_path / "runs", threads=1)
    (path,) = measure_rules(request)
    result = json.loads(path.read_text())
    assert [row["estimator"] for row in result["eimg"]] == ["middle", "mean of train", "rules", "guide"]
    rules = result["eimg"][2]
    assert rules["r_arousal"] > 0.5  # what is synthetic there is faster and louder on purpose
    assert [row["estimator"] for row in result["oasis"]] == ["middle", "mean of train", "colour", "reader"]
    assert measure_rules(request) == []  # it is current
    assert STANDARDS.read_bytes() == before
