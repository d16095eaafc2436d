"""Commercial use: what it needs, what it says, and that no other weights are loaded."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from eimg_core.checkpoints import load_component, save_model
from eimg_core.clean import CLEAN_PAIRING, CleanStudio, ColourEncoder, Prior
from eimg_core.cli.main import main
from eimg_core.emotion import VA
from eimg_core.errors import CheckpointError, InputError
from eimg_core.images import to_tensor
from eimg_core.licences import CLEAN_COMPOSER, permission
from eimg_core.music_ae.tvae import TransformerVAE, TransformerVAEConfig
from eimg_core.options import ComposeOptions
from eimg_core.ui.app import build_ui
from eimg_core.ui.pages.story import moving
from eimg_core.va.colour import ColourReader
from tests.tiny import random_clip

SCORES = {"data": "Mutopia piano scores", "licence": "public domain or CC BY, per piece"}
SONGS = {"data": "OpenScore Lieder, piano parts", "licence": "CC0"}
SHORT = ComposeOptions(seconds=5.0, takes=3, seed=4)


def make_clean(root: Path, *trained_on: dict[str, str]) -> Path:
    """A folder of components with a tiny clean composer and nothing else."""
    torch.manual_seed(0)
    config = replace(TransformerVAEConfig.tiny(), style="mutopia", dynamics=False)
    card = {"kind": "music_ae", "key": "tvae", "preset": "smoke", "trained_on": list(trained_on)}
    save_model(root / CLEAN_COMPOSER, TransformerVAE(config), card)
    return root


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    return make_clean(tmp_path_factory.mktemp("clean"), SCORES, SONGS)


@pytest.fixture
def photo() -> Image.Image:
    pixels = np.zeros((60, 90, 3), dtype=np.uint8)
    pixels[:, :, 0] = 230
    pixels[:, :, 1] = np.linspace(120, 240, 90)
    return Image.fromarray(pixels)


# --- permission -------------------------------------------------------------------------------------------------------


def test_it_says_in_one_line_why_it_may(root):
    said = permission(root)
    assert "\n" not in said
    assert "Mutopia piano scores (public domain or CC BY, per piece)" in said
    assert "OpenScore Lieder, piano parts (CC0)" in said


def test_without_the_clean_composer_it_says_in_one_sentence_how_to_get_it(tmp_path):
    with pytest.raises(CheckpointError, match=r"^Commercial use needs .*tvae_clean.*train\.composer.*--clean`\.$"):
        CleanStudio(tmp_path)


@pytest.mark.parametrize(
    ("trained_on", "named"),
    [((SCORES, {"data": "EMOPIA clips", "licence": "CC BY-NC-SA 4.0"}), "EMOPIA clips"), ((), "does not name")],
)
def test_a_composer_of_other_data_is_refused_by_its_card(tmp_path, trained_on, named):
    with pytest.raises(CheckpointError, match=named):
        CleanStudio(make_clean(tmp_path, *trained_on))


# --- the studio -------------------------------------------------------------------------------------------------------


def test_it_composes_for_a_photo_with_the_clean_composer_and_no_other_weights(root, photo, monkeypatch):
    loaded = []

    def watched(folder: Path):
        loaded.append(f"{folder.parent.name}/{folder.name}")
        return load_component(folder)

    for name, module in list(sys.modules.items()):
        if name.startswith("eimg_core") and getattr(module, "load_component", None) is load_component:
            monkeypatch.setattr(module, "load_component", watched)
    studio = CleanStudio(root)
    made = studio.compose(photo, options=SHORT)
    assert loaded == [CLEAN_COMPOSER]
    assert made.photo_va == made.target_va == ColourReader().read(photo).va
    assert made.pairing == CLEAN_PAIRING
    assert made.piece_va is None  # there is no evaluator
    assert len(made.takes) == 3
    assert all(take.estimate for take in made.takes if take.piece.notes)  # the rules chose among them
    assert made.played != made.piece  # performed, though all is written equally loud
    assert {note.velocity for note in made.piece.notes} <= {88}


def test_the_same_seed_makes_the_same_piece_and_another_another(root, photo):
    first, again = (CleanStudio(root).compose(photo, options=SHORT).piece for _ in range(2))
    assert first == again
    assert CleanStudio(root).compose(photo, options=replace(SHORT, seed=5)).piece != first


def test_it_retells_goes_on_and_tells_stories_as_a_pairing_does(root, photo):
    studio = CleanStudio(root)
    clip, target = random_clip(3), VA(3.0, 6.0)
    assert studio.retell(clip, CLEAN_PAIRING, target, SHORT).target_va == target
    assert studio.extend(clip, CLEAN_PAIRING, target, replace(SHORT, seconds=12.0)).piece.duration_s > 10
    assert studio.story([photo, VA(2.0, 3.0)], CLEAN_PAIRING, replace(SHORT, seconds=10.0)).piece.duration_s > 8
    assert 1 <= studio.listen(clip).valence <= 9


def test_what_needs_other_weights_says_so(root, photo):
    studio = CleanStudio(root)
    with pytest.raises(InputError, match="Only the colours"):
        studio.explain_photo(photo)
    with pytest.raises(InputError, match="There is no pairing 'effnet\\+tvae'"):
        studio.compose(photo, "effnet+tvae", SHORT)


def test_the_page_offers_the_clean_composer_alone(root, tmp_path):
    studio = CleanStudio(root)
    (only,) = studio.pairings()
    assert (only.key, only.default, only.composes) == (CLEAN_PAIRING, True, True)
    build_ui(studio, tmp_path, tmp_path)
    assert [info.key for info in moving(studio.pairings())] == [CLEAN_PAIRING]  # it composes stories as well


# --- between photos and music ----------------------------------------------------------------------------------------


def test_colours_are_read_alike_from_a_photo_and_from_its_tensor(photo):
    square = photo.crop((15, 0, 75, 60))
    point = ColourReader().read(square).va
    found = ColourEncoder().encode(to_tensor(square, ColourEncoder.image_size)[None])
    assert found[0].tolist() == pytest.approx([point.valence, point.arousal], abs=0.05)


def test_the_mode_goes_with_the_valence_and_the_rest_is_drawn():
    prior = Prior(6)
    v_y = prior.to_music(torch.tensor([[7.0, 3.0], [3.0, 3.0]]))
    assert v_y.shape == (2, 6 + 24 + 2)
    assert v_y[0, 6:18].sum() == pytest.approx(1.0)
    assert v_y[1, 18:30].sum() == pytest.approx(1.0)
    drawn = prior.vary(v_y.expand(2, -1), torch.Generator().manual_seed(0))
    assert torch.equal(drawn[:, 6:], v_y[:, 6:])
    assert drawn[:, :6].abs().min() > 0


def test_targets_choose_the_mode_of_the_piece(root):
    studio = CleanStudio(root)
    for valence, is_minor in ((8.0, False), (2.0, True)):
        thirds = set()
        for seed in range(3):  # a last chord may have no third
            piece = studio.compose(options=replace(SHORT, seed=seed, target=VA(valence, 5.0), seconds=10.0)).piece
            last = [note.pitch for note in piece.notes if note.start_s == piece.notes[-1].start_s]
            thirds |= {(pitch - min(last)) % 12 for pitch in last} & {3, 4}  # it stands on its root
        assert thirds == {3 if is_minor else 4}


def test_the_clean_composer_that_ships_may_be_used_and_follows_the_target():
    studio = CleanStudio()
    assert "Mutopia" in studio.permission
    calm, excited = (
        studio.compose(options=ComposeOptions(seed=2, seconds=8.0, target=VA(6.0, arousal), takes=1)).piece
        for arousal in (2.0, 8.0)
    )
    assert len(excited.notes) > len(calm.notes) > 4
    assert calm.key is not None


# --- the command line -------------------------------------------------------------------------------------------------


def test_the_command_line_composes_and_says_why_it_may(root, photo, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(CleanStudio.__init__, "__defaults__", (root,))
    photo.save(tmp_path / "photo.png")
    asked = ["compose", str(tmp_path / "photo.png"), "--commercial-safe", "--seconds", "5", "--no-audio", "--no-figure"]
    assert main([*asked, "--out", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().err.startswith("eimg: For commercial use: the composer learnt from Mutopia")
    assert (tmp_path / "out" / "photo.mid").exists()
    assert main(["pairings", "--commercial-safe"]) == 0
    assert CLEAN_PAIRING in capsys.readouterr().out


def test_a_batch_composes_with_the_same_studio(root, photo, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(CleanStudio.__init__, "__defaults__", (root,))
    (tmp_path / "in").mkdir()
    photo.save(tmp_path / "in" / "photo.png")
    asked = ["compose", str(tmp_path / "in"), "--commercial-safe", "--seconds", "5", "--no-audio", "--no-figure"]
    assert main([*asked, "--out", str(tmp_path / "out")]) == 0
    assert CLEAN_PAIRING in (tmp_path / "out" / "index.csv").read_text()


@pytest.mark.parametrize("command", ["compose --valence 5 --arousal 5", "story a.png b.png", "pairings", "app"])
def test_every_command_refuses_in_one_sentence_without_the_weights(command, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(CleanStudio.__init__, "__defaults__", (tmp_path,))
    assert main([*command.split(), "--commercial-safe"]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1
    assert said[0].startswith("eimg: Commercial use needs the component music_ae/tvae_clean")
