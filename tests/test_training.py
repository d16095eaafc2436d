"""Pairs, the loop, checkpoints: what makes a training run trustworthy."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from torch import nn

from eimg_core.checkpoints import load_component, save_component
from eimg_core.data.pairs import PairSampler, nearest_and_farthest
from eimg_core.errors import CheckpointError
from eimg_core.trainable import LossTerms, Objective, Trainable
from train.stages.loop import LoopConfig, fit
from train.stages.presets import override

# --- pairs ------------------------------------------------------------------------------------------------------


def test_sets_of_a_hand_made_plane():
    """Anchor at (5, 5); clips on a line away from it."""
    music = np.array([[5.0 + 0.5 * i, 5.0] for i in range(6)])
    images = np.array([[5.0, 5.0], [5.2, 5.0], [9.0, 9.0], [1.0, 1.0]])
    sets = PairSampler(images, music, n=2).sets(np.array([0]), np.random.default_rng(0))
    assert sorted(sets.music_positives[0]) == [0, 1]
    assert sorted(sets.music_negatives[0]) == [4, 5]
    assert sorted(sets.image_positives[0]) == [0, 1]
    assert sorted(sets.image_negatives[0]) == [2, 3]


def test_ties_are_broken_at_random_but_by_the_generator():
    distances = np.array([[1.0] * 6 + [0.0, 2.0]])
    picks = {int(nearest_and_farthest(distances, 2, np.random.default_rng(s))[0][0, 1]) for s in range(40)}
    assert picks == set(range(6))
    again = nearest_and_farthest(distances, 2, np.random.default_rng(3))
    assert np.array_equal(again[0], nearest_and_farthest(distances, 2, np.random.default_rng(3))[0])


def test_a_pool_varies_the_sets_and_keeps_the_anchor():
    rng = np.random.default_rng(0)
    va = rng.uniform(1, 9, (60, 2))
    sampler = PairSampler(va, va, n=4, pool=12)
    drawn = [sampler.sets(np.array([7]), rng) for _ in range(30)]
    assert len({tuple(sorted(s.music_positives[0])) for s in drawn}) > 5
    nearest = set(np.linalg.norm(va - va[7], axis=1).argsort()[:12])
    for sets in drawn:
        assert 7 in sets.image_positives[0]
        assert len(set(sets.image_positives[0])) == 4
        assert set(sets.music_positives[0]) <= nearest


def test_n_must_fit():
    with pytest.raises(ValueError, match="n must be from 1 to half"):
        nearest_and_farthest(np.zeros((1, 5)), 3, np.random.default_rng(0))


# --- the loop ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LineConfig:
    dim: int = 3


class Line(Trainable):
    """y = w x with dropout, so that resuming must also resume the noise."""

    Config = LineConfig

    def __init__(self) -> None:
        super().__init__()
        self.config = LineConfig()
        self.layer, self.dropout = nn.Linear(3, 1), nn.Dropout(0.3)
        self.steps_seen: list[int] = []

    def objectives(self):
        return (Objective("fit", ("model",), self.loss),)

    def loss(self, batch, step):
        self.steps_seen.append(step)
        x, y = batch
        return LossTerms({"error": (self.layer(self.dropout(x)) - y).pow(2).mean()}, {"error": 1.0})


class LineBatches:
    def __len__(self) -> int:
        return 5

    def epoch(self, index):
        rng = torch.Generator().manual_seed(index)
        for _ in range(5):
            x = torch.randn(16, 3, generator=rng)
            yield x, x @ torch.tensor([[1.0], [-2.0], [0.5]])


def line(seed: int = 0) -> Line:
    torch.manual_seed(seed)
    return Line()


CONFIG = LoopConfig(epochs=4, learning_rate=0.05, warmup_steps=2, average=0.9, save_every_s=0.0)


class KilledError(Exception):
    pass


@pytest.mark.parametrize("after", [1, 7, 13])
def test_a_killed_run_resumes_exactly(tmp_path, after):
    whole = line()
    fit(whole, LineBatches(), CONFIG, folder=tmp_path / "whole")
    broken = line()
    original = broken.after_step

    def die(step):
        original(step)
        if step == after:
            raise KilledError

    broken.after_step = die  # type: ignore[method-assign]
    with pytest.raises(KilledError):
        fit(broken, LineBatches(), CONFIG, folder=tmp_path / "broken")
    resumed = line(seed=99)
    fit(resumed, LineBatches(), CONFIG, folder=tmp_path / "broken")
    assert resumed.steps_seen[0] == after
    assert torch.equal(resumed.layer.weight, whole.layer.weight)


def test_the_best_weights_are_kept(tmp_path):
    model, scores, seen = line(), iter([3.0, 1.0, 2.0, 4.0]), []

    def evaluate(m):
        seen.append(m.layer.weight.detach().clone())
        return {"loss": next(scores)}

    numbers = fit(model, LineBatches(), CONFIG, folder=tmp_path, evaluate=evaluate)
    assert numbers == {"loss": 1.0, "epoch": 2.0}
    assert torch.equal(model.layer.weight, seen[1])


def test_the_log_can_be_read(tmp_path):
    fit(line(), LineBatches(), CONFIG, folder=tmp_path, evaluate=lambda m: {"loss": 1.0})
    rows = [json.loads(row) for row in (tmp_path / "log.jsonl").read_text().splitlines()]
    losses = [row["train"]["error"] for row in rows if "train" in row]
    assert len(losses) == 4
    assert losses[-1] < losses[0]


def test_terms_need_weights_and_add_up():
    terms = LossTerms({"a": torch.tensor(2.0), "b": torch.tensor(3.0)}, {"a": 0.5, "b": 10.0})
    assert float(terms.total) == 31.0
    with pytest.raises(ValueError, match="without a weight"):
        LossTerms({"a": torch.tensor(1.0)}, {})


def test_settings_are_checked():
    assert override(CONFIG, {"epochs": "7", "learning_rate": 0.5}) == replace(CONFIG, epochs=7, learning_rate=0.5)
    with pytest.raises(ValueError, match=r"unknown setting 'epoch'; known: .*epochs"):
        override(CONFIG, {"epoch": 7})
    with pytest.raises(ValueError, match="epochs needs a int"):
        override(CONFIG, {"epochs": "many"})


# --- checkpoints ------------------------------------------------------------------------------------------------


def test_a_damaged_component_is_refused(tmp_path):
    folder = tmp_path / "music_ae" / "x"
    save_component(folder, {"w": torch.ones(3)}, {"kind": "music_ae", "key": "x"})
    tensors, card = load_component(folder)
    assert tensors["w"].tolist() == [1, 1, 1]
    assert card["key"] == "x"
    weights = folder / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x00")
    with pytest.raises(CheckpointError, match="music_ae/x do not match their card"):
        load_component(folder)
    weights.unlink()
    with pytest.raises(CheckpointError, match="weights of music_ae/x are missing"):
        load_component(folder)
    (folder / "card.json").write_text("{")
    with pytest.raises(CheckpointError, match="card of music_ae/x cannot be read"):
        load_component(folder)


def test_a_missing_component_says_what_to_do(tmp_path):
    with pytest.raises(CheckpointError, match=r"No trained weights for image_ae/alae\. Train them"):
        load_component(tmp_path / "image_ae" / "alae")
