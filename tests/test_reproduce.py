"""The whole training, tiny: every component, every pairing, the evaluation; then a piece from what was trained."""

from __future__ import annotations

import json

import pytest
from PIL import Image

from eimg_core.composer import ComposeOptions
from eimg_core.emotion import VA
from eimg_core.image_ae import IMAGE_AUTOENCODERS
from eimg_core.music_ae import MUSIC_AUTOENCODERS
from eimg_core.studio import Studio
from tests.factories import make_mini_data
from train.reproduce import main, stages

PAIRINGS = [f"{image}+{music}" for image in IMAGE_AUTOENCODERS for music in MUSIC_AUTOENCODERS]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reproduction")
    data = make_mini_data(
        folder / "data", {"train": 24, "val": 6, "test": 6}, {"train": 24, "val": 6, "test": 6}, emopia_clips=0
    )
    arguments = ["--data", str(data), "--out", str(folder / "assets/checkpoints"), "--runs", str(folder / "runs")]
    arguments += ["--preset", "smoke"]
    main(arguments)
    return folder, arguments


@pytest.mark.slow
def test_every_stage_leaves_a_card_that_says_where_it_comes_from(trained):
    folder, _ = trained
    for stage in stages():
        card = json.loads((folder / "assets/checkpoints" / stage.component / "card.json").read_text())
        assert card["preset"] == "smoke"
        assert card["kind"] == stage.component.split("/")[0]
        assert card["metrics"]
        assert card["sha256"]
        assert all(source["licence"] for source in card["trained_on"])


@pytest.mark.slow
def test_every_pairing_is_listed_and_plays(trained):
    folder, _ = trained
    studio = Studio(folder / "assets/checkpoints")
    assert {info.key for info in studio.pairings()} == set(PAIRINGS)
    photo = Image.new("RGB", (80, 60), "teal")
    for pairing in PAIRINGS:
        composition = studio.compose(photo, pairing, ComposeOptions(seed=1, seconds=5.0))
        assert composition.piece.notes, pairing
        assert composition.piece_va is not None
    assert studio.compose(None, PAIRINGS[0], ComposeOptions(seconds=5.0, target=VA(2, 8))).piece.notes


@pytest.mark.slow
def test_the_evaluation_has_every_row_and_its_controls(trained):
    folder, _ = trained
    records = [json.loads(path.read_text()) for path in (folder / "runs/results").glob("*.json")]
    assert {record["row"] for record in records} == {*PAIRINGS, "constant", "random", "oracle", "real", "mean point"}
    assert {record["row"] for record in records if record["table"] == "requests"} == set(PAIRINGS)
    for record in records:
        assert record["n"] == (100 if record["table"] == "requests" else 6)
        assert record["summary"]["emotion_matching"] > 0


@pytest.mark.slow
def test_what_is_up_to_date_is_not_trained_again(trained, capsys):
    folder, arguments = trained
    cards = sorted((folder / "assets/checkpoints").glob("*/*/card.json"))
    before = [(path, path.stat().st_mtime_ns) for path in cards]
    main(arguments)
    assert [(path, path.stat().st_mtime_ns) for path in cards] == before
    assert capsys.readouterr().out.count("up to date") == len(stages())
