"""From photo to piece with tiny weights: the steps fit, the seed decides, the target is heard of."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from eimg_core.checkpoints import load_component, save_component
from eimg_core.emotion import VA, photo_target
from eimg_core.errors import CheckpointError, InputError
from eimg_core.image_ae.vqvae import VQVAE, TrunkVQVAE
from eimg_core.messages import Message, message
from eimg_core.midi.writing import write_midi
from eimg_core.options import ComposeOptions
from eimg_core.pipeline import Pipeline, available, split_key, variants
from eimg_core.studio import Studio
from eimg_core.va.image_reader import ImageReading
from tests.tiny import save_tiny_pairing

PHOTO_VA = VA(3.0, 6.0)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("assets")
    save_tiny_pairing(folder)
    return folder


@pytest.fixture(scope="module")
def pipeline(root):
    return Pipeline.load("vqvae+fnt", root)


def photo(seed: int = 0) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 255, (40, 50, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def test_what_is_shipped_is_found(root, tmp_path):
    assert available(root) == ["vqvae+fnt"]
    assert available(tmp_path) == []
    with pytest.raises(InputError, match=r"no pairing 'clip\+gpt'; choose one of: vqvae\+fnt"):
        Pipeline.load("clip+gpt", root)


def test_a_plain_name_means_our_variant(tmp_path):
    save_tiny_pairing(tmp_path, variant="paper", heard=1.8)
    save_tiny_pairing(tmp_path, variant="eimg2", heard=1.9)
    assert available(tmp_path) == ["vqvae+fnt"]
    assert variants("vqvae+fnt", tmp_path) == ["eimg2", "paper"]
    assert Pipeline.load("vqvae+fnt", tmp_path).variant == "eimg2"
    assert Pipeline.load("vqvae+fnt@paper", tmp_path).variant == "paper"
    with pytest.raises(InputError, match="no variant 'eimg3'; choose one of: eimg2, paper"):
        Pipeline.load("vqvae+fnt@eimg3", tmp_path)
    assert split_key("vqvae+fnt@paper") == ("vqvae", "fnt", "paper")


def test_what_two_pairings_share_is_loaded_once(tmp_path):
    for variant in ("paper", "eimg2"):
        save_tiny_pairing(tmp_path, variant=variant)
    save_tiny_pairing(tmp_path, music_key="lsr", variant="paper")
    studio = Studio(tmp_path)
    one, other = studio.pipeline("vqvae+fnt@paper"), studio.pipeline("vqvae+fnt@eimg2")
    assert one.music_ae is other.music_ae
    assert one.bridge is not other.bridge
    assert one.image_ae is studio.pipeline("vqvae+lsr@paper").image_ae


def test_the_variants_of_a_pairing_look_through_their_own_autoencoders(tmp_path):
    for variant in ("paper", "eimg2"):
        save_tiny_pairing(tmp_path, variant=variant)
    assert type(Pipeline.load("vqvae+fnt@paper", tmp_path).image_ae) is VQVAE
    assert type(Pipeline.load("vqvae+fnt@eimg2", tmp_path).image_ae) is TrunkVQVAE


def test_the_same_seed_gives_the_same_bytes_and_another_seed_another_piece(pipeline):
    options = ComposeOptions(seed=5, seconds=6.0)
    torch.manual_seed(1)
    first = write_midi(pipeline.compose(photo(), PHOTO_VA, options).piece)
    torch.manual_seed(2)  # the global seed has no say
    assert write_midi(pipeline.compose(photo(), PHOTO_VA, options).piece) == first
    other = pipeline.compose(photo(), PHOTO_VA, ComposeOptions(seed=6, seconds=6.0)).piece
    assert write_midi(other) != first


def test_photos_do_not_share_their_chances(pipeline):
    """One seed, one latent: what is drawn still depends on the photo, or a seed would favour all photos alike."""
    v_y = pipeline.to_music_latent(pipeline.project(pipeline.embed(photo())))
    options = ComposeOptions(seed=5, seconds=6.0)
    drawn = [pipeline.generate(v_y, options, PHOTO_VA, photo(n)) for n in range(6)]
    assert len({write_midi(piece) for piece in drawn}) == 6
    assert pipeline.generate(v_y, options, PHOTO_VA, photo(0)) == drawn[0]


def test_the_photo_decides_the_latent(pipeline):
    z = [pipeline.project(pipeline.embed(photo(seed))) for seed in (0, 1)]
    assert z[0].shape == (1, pipeline.bridge.config.embedding_dim)
    assert not torch.allclose(z[0], z[1])
    assert pipeline.to_music_latent(z[0]).shape == (1, pipeline.music_ae.latent_dim)


def test_a_target_moves_the_photo_and_says_so(pipeline):
    here = pipeline.compose(photo(), PHOTO_VA, ComposeOptions(seconds=6.0, target=PHOTO_VA))
    assert here.remarks == ()
    moved = pipeline.compose(photo(), PHOTO_VA, ComposeOptions(seconds=6.0, target=VA(8.0, 2.0)))
    assert moved.target_va == VA(8.0, 2.0)
    assert "moved" in moved.remarks[0]
    assert moved.piece != here.piece
    alone = pipeline.compose(None, None, ComposeOptions(seconds=6.0, target=VA(8.0, 2.0)))
    assert alone.photo_va is None
    assert alone.piece.notes


def test_a_photo_keeps_its_own_place_where_nobody_chose_a_target(pipeline):
    literal = pipeline.compose(photo(), PHOTO_VA, ComposeOptions(seconds=6.0))
    farther = pipeline.compose(photo(), PHOTO_VA, ComposeOptions(seconds=6.0), photo_target=VA(2.0, 7.0))
    assert (literal.target_va, farther.target_va) == (PHOTO_VA, VA(2.0, 7.0))
    assert farther.piece == literal.piece, "fnt is not told the emotion"
    assert farther.remarks == ()
    assert farther.options.target is None, "the recipe leaves the target to the photo"


def test_a_composer_that_is_told_the_emotion_follows_the_target_of_the_photo(root, monkeypatch):
    pipeline = Pipeline.load("vqvae+fnt", root)
    monkeypatch.setattr(type(pipeline.music_ae), "uses_va", True)
    literal = pipeline.compose(photo(), PHOTO_VA, ComposeOptions(seconds=6.0))
    farther = pipeline.compose(photo(), PHOTO_VA, ComposeOptions(seconds=6.0), photo_target=VA(8.0, 2.0))
    assert farther.piece != literal.piece


def test_the_studio_aims_at_the_target_of_a_photo_and_at_the_reading_of_none(root, monkeypatch):
    studio = Studio(root)
    monkeypatch.setattr(studio, "read_photo", lambda picture: ImageReading(PHOTO_VA, 1.0, 1.0))
    made = studio.compose(photo(), "vqvae+fnt", ComposeOptions(seconds=6.0))
    assert (made.photo_va, made.target_va) == (PHOTO_VA, photo_target(PHOTO_VA))
    known = studio.compose(photo(), "vqvae+fnt", ComposeOptions(seconds=6.0), photo_va=VA(6.0, 4.0))
    assert known.target_va == photo_target(VA(6.0, 4.0)), "a reading that is known is not read again"
    chosen = studio.compose(photo(), "vqvae+fnt", ComposeOptions(seconds=6.0, target=VA(8.0, 2.0)))
    assert chosen.target_va == VA(8.0, 2.0)


def test_a_photo_that_was_read_is_not_read_again_to_compose_for_it(root, monkeypatch):
    read: list[int] = []

    class Reader:
        def __init__(self, remark: Message | None = None) -> None:
            self.remark = remark

        def read(self, picture):
            read.append(1)
            return ImageReading(PHOTO_VA, 1.0, 1.0, self.remark)

    studio, short = Studio(root), ComposeOptions(seconds=6.0)
    monkeypatch.setattr(studio, "_reader", Reader)
    studio.read_photo(photo())
    assert studio.compose(photo(), "vqvae+fnt", short).photo_va == PHOTO_VA
    assert len(read) == 1
    other = photo()
    other.putpixel((0, 0), (1, 2, 3))
    studio.compose(other, "vqvae+fnt", short)
    assert len(read) == 2, "another pixel is another photo"
    failing = Studio(root)
    monkeypatch.setattr(failing, "_reader", lambda: Reader(message("The vision model gave no answer.")))
    failing.read_photo(photo())
    assert failing.compose(photo(), "vqvae+fnt", short).remarks, "what fell back is tried again, and says so again"
    assert len(read) == 4


def test_moving_is_the_difference_of_places(pipeline):
    z = pipeline.project(pipeline.embed(photo()))
    there = pipeline.moved(z, PHOTO_VA, VA(8.0, 2.0))
    bridge = pipeline.bridge
    assert torch.allclose(there - z, (bridge.place_of(VA(8.0, 2.0)) - bridge.place_of(PHOTO_VA))[None], atol=1e-6)


def test_length_is_kept(pipeline):
    for seconds in (4.0, 9.0, 20.0):
        piece = pipeline.compose(photo(), PHOTO_VA, ComposeOptions(seconds=seconds)).piece
        assert piece.duration_s == pytest.approx(seconds)


def test_nothing_to_compose_for(pipeline):
    with pytest.raises(InputError, match="give a photo, or both valence and arousal"):
        pipeline.compose(None, None, ComposeOptions())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"seed": -1}, "Seed must be from 0 to 2147483647, not -1"),
        ({"seconds": 1.0}, "Length in seconds must be from 4 to 120, not 1"),
        ({"target": VA(0.5, 5)}, "from 1 to 9, not 0.5 and 5"),
    ],
)
def test_options_out_of_range_are_one_sentence(values, message):
    with pytest.raises(InputError, match=message):
        ComposeOptions(**values)


def test_a_bridge_of_other_autoencoders_is_refused(tmp_path):
    save_tiny_pairing(tmp_path)
    folder = tmp_path / "music_ae" / "fnt"
    tensors, card = load_component(folder)
    save_component(folder, {name: tensor * 1.01 for name, tensor in tensors.items()}, card)
    with pytest.raises(CheckpointError, match=r"another music autoencoder; run `python -m train.bridge"):
        Pipeline.load("vqvae+fnt", tmp_path)
