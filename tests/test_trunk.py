"""The autoencoders with a frozen backbone: what they take over, what training must leave alone, what is seen once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from eimg_core.backbones.effnet_lite import VARIANTS, LiteVariant, load_lite
from eimg_core.checkpoints import half, load_component, load_model, read_card, save_component, save_model
from eimg_core.emotion import VA
from eimg_core.errors import CheckpointError
from eimg_core.image_ae import IMAGE_AUTOENCODERS, image_key_of, image_keys
from eimg_core.image_ae.effnet import EffNet, EffNetConfig
from eimg_core.image_ae.trunk import FrozenBackbone, TrunkAutoencoder, View, balanced
from eimg_core.images import to_tensor
from eimg_core.va.image_reader import ImageReader
from tests.factories import make_mini_data, make_photo
from train.stages.image_ae import COPIES, ImageAERequest, ViewBatches, copy_of, train_image_ae, views_of
from train.stages.stage import make_config

WITH_BACKBONE = [key for key, kind in IMAGE_AUTOENCODERS.items() if issubclass(kind, FrozenBackbone)]
WITH_TRUNK = [key for key, kind in IMAGE_AUTOENCODERS.items() if issubclass(kind, TrunkAutoencoder)]


def config_of(key: str):
    """Tiny, with a backbone to borrow."""
    return replace(IMAGE_AUTOENCODERS[key].Config.tiny(), backbone="seen")


def tiny(key: str):
    torch.manual_seed(0)
    return IMAGE_AUTOENCODERS[key](IMAGE_AUTOENCODERS[key].Config.tiny())


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A folder of components with one trained backbone; its weights are large enough to see something."""
    config = EffNetConfig.tiny()
    monkeypatch.setitem(VARIANTS, "seen", LiteVariant(config.width, config.depth, config.side))
    torch.manual_seed(1)
    save_component(
        tmp_path / "backbone/seen", EffNet(config).backbone.state_dict(), {"kind": "backbone", "key": "seen"}
    )
    return tmp_path


# --- the backbone ---------------------------------------------------------------------------------------------------


def test_effnet_sees_what_the_photo_reader_sees(root):
    model = EffNet(replace(config_of("effnet"), stages=(5, 6, 7))).eval()  # the last ones, as the reader
    origin = model.start_from(root)
    assert origin["depends_on"]["backbone"] == read_card(root / "backbone/seen")["sha256"]
    photos = [make_photo(VA(v, 5), np.random.default_rng(1)).resize((48, 48)) for v in (2, 4, 5, 6, 8)]
    seen = model.encode(torch.stack([to_tensor(photo, model.image_size) for photo in photos]))
    reader = ImageReader([load_lite(root / "backbone/seen")], 3, spreads=True)
    assert seen.std(dim=0).max() > 0.1
    np.testing.assert_allclose(seen.numpy(), reader.features(photos), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("key", WITH_BACKBONE)
def test_training_leaves_the_backbone_alone(key):
    model = tiny(key).train()
    assert not any(module.training for module in model.backbone.modules())
    images = torch.rand(6, 3, model.image_size, model.image_size) * 2 - 1
    before = [maps.clone() for maps in model.backbone.maps(images)]
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], 1e-2, weight_decay=0.1)
    for step in range(3):
        for objective in model.objectives():
            optimizer.zero_grad()
            objective.loss(images, step).total.backward()
            optimizer.step()
    assert all(torch.equal(a, b) for a, b in zip(before, model.backbone.maps(images), strict=True))


@pytest.mark.parametrize("key", WITH_BACKBONE)
def test_a_component_borrows_its_backbone(key, root):
    model = IMAGE_AUTOENCODERS[key](config_of(key)).half().float().eval()  # components are float16
    folder = root / "image_ae" / key
    save_model(folder, model, {"kind": "image_ae", "key": key, **model.start_from(root)})
    tensors, _ = load_component(folder)
    assert tensors.keys() == {name for name in model.state_dict() if not name.startswith("backbone.")}
    again, _ = load_model(folder, IMAGE_AUTOENCODERS)
    image = torch.rand(1, 3, 32, 32)
    torch.testing.assert_close(again.encode(image), model.encode(image))
    save_component(root / "backbone/seen", EffNet(EffNetConfig.tiny()).backbone.state_dict(), {"key": "seen"})
    with pytest.raises(CheckpointError, match="trained with another backbone/seen"):
        load_model(folder, IMAGE_AUTOENCODERS)


@pytest.mark.parametrize("key", WITH_BACKBONE)
def test_a_missing_or_different_backbone_is_one_sentence(key, root):
    kind = IMAGE_AUTOENCODERS[key]
    with pytest.raises(CheckpointError, match=f"{kind.title} sees through unseen"):
        kind(replace(config_of(key), backbone="unseen")).start_from(root)
    with pytest.raises(CheckpointError, match="another variant than seen"):
        kind(replace(config_of(key), depth=1.0)).start_from(root)
    assert tiny(key).start_from(root / "nowhere") == {}  # it names none, so it needs none


@pytest.mark.parametrize("key", WITH_BACKBONE)
def test_what_ships_by_default_is_the_backbone_that_its_config_describes(key):
    config = IMAGE_AUTOENCODERS[key].Config()
    assert VARIANTS[config.backbone] == LiteVariant(config.width, config.depth, config.side)


def test_v_x_is_as_wide_with_a_trunk_as_from_scratch():
    widths = {key: IMAGE_AUTOENCODERS[key]().latent_dim for key in IMAGE_AUTOENCODERS}
    assert widths["effnet"] == 3968
    assert {key: widths[key] for key in image_keys()} == {"alae": 512, "vqvae": 4096, "beta_vae": 128, "effnet": 3968}
    assert all(widths[f"{key}@paper"] == widths[key] for key in ("alae", "vqvae", "beta_vae"))


def test_a_variant_looks_through_its_own_autoencoder_where_there_is_one():
    assert image_key_of("vqvae", "paper") == "vqvae@paper"
    assert image_key_of("vqvae", "eimg2") == "vqvae"
    assert image_key_of("effnet", "paper") == "effnet"


# --- what a trunk sees ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", WITH_TRUNK)
def test_a_view_stands_for_the_photos(key):
    model = tiny(key).eval()
    images = torch.rand(5, 3, model.image_size, model.image_size) * 2 - 1
    model.begin(model.view(images).maps)
    seen = model.reduced(model.view(images))
    assert seen.maps.shape == (5, model.seen_width, model.config.grid, model.config.grid)
    assert seen.pixels.shape == (5, 3, model.painted_size, model.painted_size)
    torch.testing.assert_close(seen.maps, model.look(images).maps)
    for objective in model.objectives():
        losses = []
        for batch in (images, seen):
            torch.manual_seed(3)
            losses.append(objective.loss(batch, 1).total.detach())
        torch.testing.assert_close(*losses)


def test_a_trunk_keeps_the_directions_in_which_cells_differ_most():
    model = tiny("alae")
    generator = torch.Generator().manual_seed(1)
    width = len(model.centre)
    wide = torch.randn(40, 3, 4, 4, generator=generator)  # three directions hold nearly all that differs
    mixing = torch.randn(width, 3, generator=generator)
    maps = torch.einsum("bkhw,ck->bchw", wide, mixing) + 0.01 * torch.randn(40, width, 4, 4, generator=generator)
    maps[:, -1] = 2.5  # and one channel never changes
    model.begin(maps)
    seen = model.reduced(View(maps, maps[:, :3])).maps
    fine = model.config.fine
    assert (model.directions[:fine, model.fine_width :] == 0).all()
    assert (model.directions[fine:, : model.fine_width] == 0).all()
    assert (model.directions[:, -1] == 0).all()
    for part in (seen[:, :fine], seen[:, fine:]):
        variances = part.var(dim=(0, 2, 3))
        assert variances.mean() == pytest.approx(1.0, abs=0.2)
        assert variances[:3].sum() > 0.99 * variances.sum()


def test_directions_that_are_balanced_span_the_same_and_differ_about_evenly():
    spread = torch.tensor([8.0, 4.0, 2.0, 1.0] + [0.5] * 60)
    turned = balanced(torch.diag(spread))
    torch.testing.assert_close(turned.T @ turned, torch.diag(spread**2), atol=1e-4, rtol=1e-5)
    lengths = turned.pow(2).sum(dim=1)
    assert lengths.max() < 2 * lengths.mean(), "one of 64 had two thirds of it all"


def test_a_vqvae_with_a_trunk_begins_with_codes_that_give_the_maps_back():
    model = tiny("vqvae").train()
    seen = model.view(torch.rand(40, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1)
    model.begin(seen.maps)
    seen = model.reduced(seen)
    cells = model.cells_of(seen)
    assert cells.std(dim=(0, 2, 3)).tolist() == pytest.approx([1.0] * 3, abs=0.05)
    coarse = slice(model.config.fine, None)
    lost = (model.decoder(cells).maps - seen.maps)[:, coarse].pow(2).mean()
    assert float(lost.detach()) < 0.2 * float(seen.maps[:, coarse].var())


def test_a_beta_vae_with_a_trunk_begins_with_what_differs_between_photos():
    model = tiny("beta_vae").eval()
    photos = torch.rand(40, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    views = model.view(photos)
    model.begin(views.maps)
    z, means = model.encode(photos), model.reduced(views).maps.mean(dim=(2, 3))
    torch.testing.assert_close(z.var(dim=0), torch.ones(6), atol=0.01, rtol=0)
    torch.testing.assert_close(z.mean(dim=0), torch.zeros(6), atol=0.01, rtol=0)
    lost = (model.decoder.means(z) - means).pow(2).sum()
    assert float(lost) < 0.5 * float((means - means.mean(dim=0)).pow(2).sum())


def test_views_are_seen_once_and_kept(tmp_path, monkeypatch):
    model = tiny("vqvae").eval()
    photos = torch.rand(6, 3, model.image_size, model.image_size) * 2 - 1
    path = tmp_path / "cache" / "views.safetensors"
    views = views_of(model, photos, range(6), path)
    assert len(views.maps) == len(views.pixels) == 6 * COPIES
    torch.testing.assert_close(views.maps[:6].float(), model.view(photos).maps, rtol=1e-2, atol=1e-2)
    assert not torch.equal(views.pixels[:6], views.pixels[6:12])  # a varied copy
    assert torch.equal(views.pixels[6 + 2], half({"": model.view(copy_of(photos[2], 2, 1)[None]).pixels})[""][0])
    monkeypatch.setattr(type(model), "view", None)  # nothing is looked at again
    again = views_of(model, photos, range(6), path)
    assert all(torch.equal(a, b) for a, b in zip(views, again, strict=True))


def test_an_epoch_meets_every_photo_once_in_one_of_its_copies():
    count = 8
    rows = torch.arange(count * COPIES, dtype=torch.float16)
    batches = ViewBatches(View(rows[:, None, None, None], rows[:, None, None, None]), 4, seed=1)
    epochs = [torch.cat([batch.maps.flatten() for batch in batches.epoch(index)]).long() for index in range(20)]
    assert all(sorted((epoch % count).tolist()) == list(range(count)) for epoch in epochs)
    assert {int(row) for epoch in epochs for row in epoch} == set(range(count * COPIES))
    again = torch.cat([batch.maps.flatten() for batch in batches.epoch(3)]).long()
    assert torch.equal(again, epochs[3])


class _KilledError(Exception):
    """Stands for a process that ends in the middle of a run."""


@pytest.mark.parametrize("key", WITH_TRUNK)
def test_a_training_that_was_stopped_ends_with_the_same_weights(key, tmp_path, monkeypatch):
    counts = {"train": 16, "val": 4, "test": 4}
    data = make_mini_data(tmp_path / "data", counts, counts, emopia_clips=0, pop909_songs=0)

    def request(name: str) -> ImageAERequest:
        folder = tmp_path / name
        return ImageAERequest(
            key=key, data=data, out=folder / "out", runs=folder / "runs", preset="smoke", changes={"save_every_s": 0.0}
        )

    whole = train_image_ae(request("whole"))
    epochs = ViewBatches.epoch

    def stopped(self: ViewBatches, index: int):
        if index == 1:
            raise _KilledError
        yield from epochs(self, index)

    with monkeypatch.context() as patch:
        patch.setattr(ViewBatches, "epoch", stopped)
        with pytest.raises(_KilledError):
            train_image_ae(request("stopped"))
    assert not Path(tmp_path / "stopped/out").exists()
    resumed = train_image_ae(request("stopped"))
    assert whole.card["sha256"] == resumed.card["sha256"]
    assert whole.card["metrics"]["test"]["psnr_db"] > 0

    def narrower(kind, settings):
        return replace(make_config(kind, settings), channels=(10, 8))

    monkeypatch.setattr("train.stages.image_ae.make_config", narrower)
    anew = train_image_ae(request("stopped"))
    assert anew.card["sha256"] != whole.card["sha256"], "a state of other widths is no state of this training"
