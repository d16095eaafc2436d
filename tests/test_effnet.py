"""The autoencoder with a borrowed backbone: what it takes over, what training must leave alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from eimg_core.backbones.effnet_lite import VARIANTS, LiteVariant, load_lite
from eimg_core.checkpoints import load_component, load_model, read_card, save_component, save_model
from eimg_core.emotion import VA
from eimg_core.errors import CheckpointError
from eimg_core.image_ae.effnet import EffNet, EffNetConfig
from eimg_core.images import to_tensor
from eimg_core.va.image_reader import ImageReader
from tests.factories import make_photo

CONFIG = replace(EffNetConfig.tiny(), backbone="seen", stages=(5, 6, 7))  # the last ones, as the reader
VARIANT = LiteVariant(CONFIG.width, CONFIG.depth, CONFIG.side)


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A folder of components with one trained backbone; its weights are large enough to see something."""
    monkeypatch.setitem(VARIANTS, "seen", VARIANT)
    torch.manual_seed(1)
    weights = EffNet(EffNetConfig.tiny()).backbone.state_dict()
    save_component(tmp_path / "backbone" / "seen", weights, {"kind": "backbone", "key": "seen"})
    return tmp_path


def test_it_sees_what_the_photo_reader_sees(root):
    model = EffNet(CONFIG).eval()
    origin = model.start_from(root)
    assert origin["depends_on"]["backbone"] == read_card(root / "backbone" / CONFIG.backbone)["sha256"]
    photos = [make_photo(VA(v, 5), np.random.default_rng(1)).resize((48, 48)) for v in (2, 4, 5, 6, 8)]
    seen = model.encode(torch.stack([to_tensor(photo, model.image_size) for photo in photos]))
    reader = ImageReader([load_lite(root / "backbone/seen")], len(CONFIG.stages), spreads=True)
    assert seen.std(dim=0).max() > 0.1
    np.testing.assert_allclose(seen.numpy(), reader.features(photos), rtol=1e-4, atol=1e-5)


def test_training_leaves_the_eyes_alone():
    model = EffNet(EffNetConfig.tiny()).train()
    assert model.decoder.training
    assert not any(module.training for module in model.backbone.modules())
    images = torch.rand(6, 3, 32, 32) * 2 - 1
    before = model.encode(images)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-2, weight_decay=0.1)
    for step in range(3):
        optimizer.zero_grad()
        model.loss(images, step).total.backward()
        optimizer.step()
    assert torch.equal(model.encode(images), before)


def test_its_component_holds_the_decoder_and_borrows_the_eyes(root):
    model = EffNet(CONFIG).eval()
    folder = root / "image_ae" / "effnet"
    save_model(folder, model, {"kind": "image_ae", "key": "effnet", **model.start_from(root)})
    tensors, _ = load_component(folder)
    assert tensors.keys() == {name for name in model.state_dict() if name.startswith("decoder.")}
    again, _ = load_model(folder, {"effnet": EffNet})
    image = torch.rand(1, 3, 32, 32)
    torch.testing.assert_close(again.encode(image), model.encode(image))
    save_component(root / "backbone" / "seen", EffNet(EffNetConfig.tiny()).backbone.state_dict(), {"key": "seen"})
    with pytest.raises(CheckpointError, match="trained with another backbone/seen"):
        load_model(folder, {"effnet": EffNet})


def test_a_missing_or_different_backbone_is_one_sentence(root):
    with pytest.raises(CheckpointError, match="effnet sees through unseen"):
        EffNet(replace(CONFIG, backbone="unseen")).start_from(root)
    with pytest.raises(CheckpointError, match="another variant than seen"):
        EffNet(replace(CONFIG, depth=1.0)).start_from(root)
    EffNet(EffNetConfig.tiny()).start_from(root / "nowhere")  # it names none, so it needs none


def test_what_ships_by_default_is_the_backbone_that_its_config_describes():
    config = EffNetConfig()
    assert VARIANTS[config.backbone] == LiteVariant(config.width, config.depth, config.side)
    model = EffNet(config)
    assert (model.latent_dim, model.painted_size) == (3968, 64)
