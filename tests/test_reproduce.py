"""The whole training, tiny: every component, every pairing in both variants, the evaluation; then a piece from it.

The example autoencoder takes part from the beginning: one file, and one line in a registry.
"""

from __future__ import annotations

import json

import pytest
from PIL import Image

import eimg_core.studio
from eimg_core.bridge import BRIDGES
from eimg_core.cli.main import main as command_line
from eimg_core.emotion import VA
from eimg_core.image_ae import IMAGE_AUTOENCODERS, image_keys
from eimg_core.music_ae import MUSIC_AUTOENCODERS
from eimg_core.options import ComposeOptions
from eimg_core.results import BEST_OF
from eimg_core.studio import Studio
from examples.colour_grid import ColourGrid
from tests.factories import make_mini_data
from train.evaluation.evaluate import known_rows
from train.reproduce import OURS, main, stages

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def registered():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(IMAGE_AUTOENCODERS, "colour_grid", ColourGrid)  # the one line
        yield


@pytest.fixture(scope="module")
def trained(tmp_path_factory, registered):
    folder = tmp_path_factory.mktemp("reproduction")
    data = make_mini_data(
        folder / "data", {"train": 24, "val": 6, "test": 6}, {"train": 24, "val": 6, "test": 6}, scores=True
    )
    arguments = ["--data", str(data), "--out", str(folder / "assets/checkpoints"), "--runs", str(folder / "runs")]
    arguments += ["--preset", "smoke"]
    main(arguments)
    return folder, arguments


@pytest.fixture
def pairings(registered):
    return [f"{image}+{music}" for image in image_keys() for music in MUSIC_AUTOENCODERS]


def variants_of(pairing):
    return {"eimg2"} if OURS & set(pairing.split("+")) else set(BRIDGES)


@pytest.fixture
def studio(trained):
    return Studio(trained[0] / "assets/checkpoints")


def test_every_stage_leaves_a_card_that_says_where_it_comes_from(trained):
    folder, _ = trained
    assert any("colour_grid" in stage.component for stage in stages())
    for stage in stages():
        card = json.loads((folder / "assets/checkpoints" / stage.component / "card.json").read_text())
        assert card["preset"] == "smoke"
        assert card["kind"] == stage.component.split("/")[0]
        assert card["metrics"]
        assert card["sha256"]
        assert all(source["licence"] for source in card["trained_on"])


def test_every_pairing_is_listed_and_plays_in_every_variant(studio, pairings):
    infos = studio.pairings()
    assert {info.key for info in infos} == set(pairings)
    photo = Image.new("RGB", (80, 60), "teal")
    for info in infos:
        assert set(info.variants) == variants_of(info.key)
        for variant in info.variants:
            composition = studio.compose(photo, f"{info.key}@{variant}", ComposeOptions(seed=1, seconds=5.0))
            assert composition.piece.notes, info.key
            assert composition.piece_va is not None
            assert composition.variant == variant
    assert studio.compose(None, pairings[0], ComposeOptions(seconds=5.0, target=VA(2, 8))).piece.notes


def test_the_page_and_the_command_line_know_a_new_autoencoder(studio, monkeypatch, tmp_path, capsys):
    from eimg_core.ui.app import build_ui

    config = build_ui(studio, examples=tmp_path, pieces=tmp_path).get_config_file()
    offered = [str(component["props"].get("choices")) for component in config["components"]]
    assert any("Colour grid + FNT" in choices for choices in offered)

    monkeypatch.setattr(eimg_core.studio, "Studio", lambda: studio)
    assert command_line(["pairings", "--json"]) == 0
    assert "colour_grid+lsr" in {info["key"] for info in json.loads(capsys.readouterr().out)}
    Image.new("RGB", (80, 60), "teal").save(tmp_path / "sea.png")
    keys = "colour_grid+fnt,colour_grid+lsr@paper"
    asked = ["compose", str(tmp_path / "sea.png"), "--pairing", keys, "--seconds", "5"]
    assert command_line([*asked, "--no-audio", "--no-figure", "--out", str(tmp_path / "out")]) == 0
    assert {"sea-colour_grid+fnt.mid", "sea-colour_grid+lsr@paper.mid"} <= {
        path.name for path in (tmp_path / "out").iterdir()
    }


def test_the_evaluation_has_every_row_and_its_controls(trained, pairings):
    folder, _ = trained
    records = [json.loads(path.read_text()) for path in (folder / "runs/results").glob("*.json")]
    rows = {f"{pairing}@{variant}" for pairing in pairings for variant in variants_of(pairing)}
    rows |= {row for row in known_rows(folder / "assets/checkpoints") if BEST_OF in row}
    judged = [record for record in records if record["table"] in ("pairings", "requests")]
    assert {record["row"] for record in judged} == {*rows, "constant", "random", "oracle", "real", "mean point"}
    assert {record["row"] for record in judged if record["table"] == "requests"} == rows
    for record in judged:
        assert record["n"] == (9 if record["table"] == "requests" else 6)
        assert record["summary"]["emotion_matching"] > 0
    examined = {record["key"] for record in records if record["table"] == "latents"}
    assert examined >= {*IMAGE_AUTOENCODERS, *MUSIC_AUTOENCODERS}


def test_what_is_up_to_date_is_not_trained_again(trained, capsys):
    folder, arguments = trained
    cards = sorted((folder / "assets/checkpoints").glob("*/*/card.json"))
    before = [(path, path.stat().st_mtime_ns) for path in cards]
    main(arguments)
    assert [(path, path.stat().st_mtime_ns) for path in cards] == before
    said = capsys.readouterr().out.splitlines()
    assert [line for line in said if line.endswith(": up to date")] == [
        f"{one.component}: up to date" for one in stages()
    ]
    assert "experiments: 21 up to date, 0 to make" in said
