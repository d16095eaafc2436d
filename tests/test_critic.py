"""The critic: it learns to tell clips from pieces, and counts when a take is chosen."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.ensemble import GradientBoostingClassifier

from eimg_core.checkpoints import save_model
from eimg_core.composer import Take
from eimg_core.critic import CRITIC_FOLDER, Critic, CriticConfig, Trees, descriptors_of
from eimg_core.emotion import VA
from eimg_core.errors import CheckpointError
from eimg_core.metrics.descriptors import DESCRIPTORS
from eimg_core.midi.notes import Piece
from eimg_core.pipeline import Pipeline
from eimg_core.takes import best_take, weigh
from tests.tiny import random_clip, save_tiny_pairing
from train.evaluation.evaluate import components_of
from train.stages.critic import Pool, grow

POINT = VA(5.0, 5.0)


@pytest.fixture(scope="module")
def critic() -> Critic:
    return Critic(CriticConfig.tiny()).eval()


def pool_of(descriptors: torch.Tensor, each: int) -> Pool:
    """Takes that are equally near to their targets."""
    rows = list(descriptors.split(each))
    return Pool([[Take(Piece(()), POINT, 0.5) for _ in range(len(row))] for row in rows], rows)


def test_descriptors_of_pieces_are_a_row_each():
    pieces = [random_clip(0), random_clip(1)]
    assert descriptors_of(pieces).shape == (2, len(DESCRIPTORS))


def test_what_is_not_defined_does_not_reach_the_logit_as_nan(critic):
    row = torch.full((1, len(DESCRIPTORS)), torch.nan)
    assert math.isfinite(critic(row))
    assert math.isfinite(critic.realness([Piece(())])[0])


def test_the_logit_is_the_mean_of_the_rounds():
    critic = Critic(CriticConfig(rounds=2, trees=1, leaves=3))
    node = torch.zeros(1, 5)
    first = Trees(node - 1, *(node.clone() for _ in range(4)))
    first.feature[0, :2] = torch.tensor([3, 0])  # x3 <= 1, then x0 <= 0 or leaf 4
    first.threshold[0, :2] = torch.tensor([1.0, 0.0])
    first.low[0, :2], first.high[0, :2] = torch.tensor([1.0, 2.0]), torch.tensor([4.0, 3.0])
    first.value[0] = torch.tensor([0.0, 0.0, 1.0, 2.0, 4.0])
    critic.plant(0, first)
    critic.plant(1, Trees(node - 1, node, node, node, node + torch.tensor([1.0, 0, 0, 0, 0])))
    x = torch.zeros(4, len(DESCRIPTORS))
    x[1, 0] = x[2, 3] = 2.0
    x[3, 3] = torch.nan  # counts as the mean of real pieces, 0
    assert critic(x).tolist() == [1.0, 1.5, 2.5, 1.0]


def test_it_learns_what_differs_as_the_library_does():
    torch.manual_seed(0)
    real, made = torch.randn(64, len(DESCRIPTORS)) + 1.0, torch.randn(64, len(DESCRIPTORS))
    real[::7, 5] = torch.nan
    critic = grow(real, pool_of(made, 4), CriticConfig(rounds=1, trees=20, leaves=4), 0)
    x = torch.cat([real, made])
    assert float((critic(real)[:, None] > critic(made)).float().mean()) > 0.95
    assert critic.centre.mean() == pytest.approx(1.0, abs=0.1)
    model = GradientBoostingClassifier(
        n_estimators=20, learning_rate=0.06, max_depth=None, max_leaf_nodes=4, min_samples_leaf=10, subsample=0.7,
        init="zero", random_state=0,
    ).fit(critic.inputs(x).numpy(), np.arange(128) < 64, sample_weight=np.ones(128))  # fmt: skip
    assert np.allclose(critic(x), model.decision_function(critic.inputs(x).numpy()), atol=1e-4)


def test_a_later_round_is_grown_against_what_the_first_would_keep():
    """Two faults: the first round sees that most takes have one; among those kept it is rare, and the other counts."""
    torch.manual_seed(0)
    real = torch.randn(200, len(DESCRIPTORS))
    made = torch.randn(400, len(DESCRIPTORS))
    made[:, 0] += 6.0 * (torch.arange(400) % 4 > 0)  # three of four takes
    made[:, 1] += 1.5
    pool = pool_of(made, 4)
    config = CriticConfig(rounds=1, trees=30, leaves=4)
    first, both = grow(real, pool, config, 0), grow(real, pool, replace(config, rounds=2), 0)
    plain, second = torch.zeros(1, len(DESCRIPTORS)), torch.zeros(1, len(DESCRIPTORS))
    second[0, 1] = 1.5
    assert float(both(plain) - both(second)) > float(first(plain) - first(second))
    assert (pool.kept(first)[:, 0] > 3).float().mean() < 0.1
    assert (pool.all[:, 0] > 3).float().mean() > 0.6


def test_of_equally_near_takes_the_one_that_sounds_composed_is_kept():
    piece = random_clip(0)
    plain, composed = Take(piece, POINT, 0.5), Take(piece, POINT, 0.5, realness=1.0)
    assert best_take([plain, composed]) is composed
    assert best_take([Take(piece, POINT, 0.0), Take(piece, POINT, 9.0, realness=50.0, missed=9.0)]).distance == 0.0
    assert [take.realness for take in weigh([piece, piece], [POINT, POINT], POINT, [0.5, -0.5])] == [0.5, -0.5]


def test_a_critic_belongs_to_its_music_autoencoder(tmp_path, critic):
    save_tiny_pairing(tmp_path, "vqvae", "fnt", "eimg2")
    assert Pipeline.load("vqvae+fnt", tmp_path).critic is None
    card = {"kind": "critic", "key": "critic", "depends_on": {"music": "another"}}
    save_model(tmp_path / CRITIC_FOLDER / "fnt", critic, card)
    with pytest.raises(CheckpointError, match=r"train\.critic fnt"):
        Pipeline.load("vqvae+fnt", tmp_path)
    assert Pipeline.load("vqvae+fnt", tmp_path, critic=False).critic is None


def test_a_result_of_chosen_takes_follows_from_the_critic(tmp_path, critic):
    rows = ("vqvae+fnt@eimg2", "vqvae+fnt@eimg2 best of 4")
    assert not any("critic/fnt" in components_of(row, tmp_path) for row in rows)
    save_model(tmp_path / CRITIC_FOLDER / "fnt", critic, {"kind": "critic", "key": "critic"})
    assert ["critic/fnt" in components_of(row, tmp_path) for row in rows] == [False, True]
