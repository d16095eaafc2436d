"""Fine-tuning of the planning composer: what a batch is made of, and where it begins."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

from eimg_core.emotion import VA
from eimg_core.errors import CheckpointError
from eimg_core.music_ae.tvae import TransformerVAE, TransformerVAEConfig
from tests.test_composer_stage import passage
from train.data.passages import KeptPassage
from train.stages.composer import ComposerRequest, Window
from train.stages.composer_tuning import MixedBatches, _begin_with_pretrained


def windows(count: int, va: VA) -> list[Window]:
    return [Window(KeptPassage(passage(4), f"{i}.mid", "train", va), 0, 4, va) for i in range(count)]


def counts(batches: MixedBatches, index: int) -> Counter[float]:
    return Counter(float(va) for batch in batches.epoch(index) for va in batch.va[:, 0])


def test_an_epoch_has_fixed_shares_and_goes_through_every_set():
    sets = windows(4, VA(2, 5)), windows(2, VA(4, 5)), windows(8, VA(6, 5))
    batches = MixedBatches(sets, (0.4, 0.1, 0.5), 10, 2, seed=0)
    assert counts(batches, 0) == {2.0: 8, 4.0: 2, 6.0: 10}
    assert [len(batch.steps) for batch in batches.epoch(0)] == [10, 10]
    drawn = [id(window) for window in batches._drawn(0, 0, 8)]
    assert Counter(drawn) == Counter({id(window): 2 for window in sets[0]})
    assert len(set(drawn[:4])) == 4  # everything once before anything twice
    later = [id(window) for window in batches._drawn(0, 3, 3)]
    assert later == drawn[3:6]  # an epoch that is begun in the middle is the same


def test_an_empty_set_leaves_its_share_to_the_last():
    batches = MixedBatches((windows(2, VA(2, 5)), [], windows(2, VA(6, 5))), (0.4, 0.1, 0.5), 10, 1, seed=0)
    assert counts(batches, 0) == {2.0: 4, 6.0: 6}


def test_it_begins_with_the_averaged_weights_of_the_pretraining(tmp_path):
    request = ComposerRequest(data=tmp_path, runs=tmp_path, preset="smoke")
    torch.manual_seed(0)
    pretrained, model = TransformerVAE(TransformerVAEConfig.tiny()), TransformerVAE(TransformerVAEConfig.tiny())
    with pytest.raises(CheckpointError, match=r"train\.composer"):
        _begin_with_pretrained(model, request)
    folder = tmp_path / "composer" / "tvae"
    folder.mkdir(parents=True)
    torch.save({"average": pretrained.state_dict(), "model": model.state_dict(), "step": 7}, folder / "state.pt")
    assert _begin_with_pretrained(model, request)["steps"] == 7
    for name, weight in pretrained.state_dict().items():
        assert torch.equal(model.state_dict()[name], weight)
