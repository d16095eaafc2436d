"""The critic: it learns to tell clips from pieces, and counts when a take is chosen."""

from __future__ import annotations

import math

import pytest
import torch

from eimg_core.checkpoints import save_model
from eimg_core.composer import Take
from eimg_core.critic import CRITIC_FOLDER, Critic, CriticBatch, CriticConfig, descriptors_of
from eimg_core.emotion import VA
from eimg_core.errors import CheckpointError
from eimg_core.metrics.descriptors import DESCRIPTORS
from eimg_core.midi.notes import Piece
from eimg_core.pipeline import Pipeline
from eimg_core.takes import best_take, weigh
from tests.tiny import random_clip, save_tiny_pairing
from train.evaluation.evaluate import components_of
from train.stages.critic import CriticBatches

POINT = VA(5.0, 5.0)


@pytest.fixture(scope="module")
def critic() -> Critic:
    torch.manual_seed(0)
    return Critic(CriticConfig.tiny()).eval()


def test_descriptors_of_pieces_are_a_row_each():
    pieces = [random_clip(0), random_clip(1)]
    assert descriptors_of(pieces).shape == (2, len(DESCRIPTORS))


def test_what_is_not_defined_does_not_reach_the_logit_as_nan(critic):
    row = torch.full((1, len(DESCRIPTORS)), torch.nan)
    assert math.isfinite(critic(row))
    assert math.isfinite(critic.realness([Piece(())])[0])


def test_the_loss_is_the_cross_entropy_of_every_member(critic):
    x, real = torch.randn(6, len(DESCRIPTORS)), torch.tensor([1.0, 0, 1, 0, 1, 1])
    total = 0.0
    for logits in critic.each(x):
        total += sum(
            -math.log(1 / (1 + math.exp(-float(logit)))) if label else -math.log(1 - 1 / (1 + math.exp(-float(logit))))
            for logit, label in zip(logits, real, strict=True)
        ) / len(real)
    assert float(critic.loss(CriticBatch(x, real), 0).total) == pytest.approx(total, rel=1e-4)


def test_it_learns_what_differs():
    torch.manual_seed(0)
    real, made = torch.randn(64, len(DESCRIPTORS)) + 1.0, torch.randn(64, len(DESCRIPTORS))
    critic = Critic(CriticConfig.tiny()).train()
    critic.calibrate(real)
    assert critic.centre.mean() == pytest.approx(1.0, abs=0.1)
    optimizer = torch.optim.Adam(critic.parameters(), 1e-2)
    batches = CriticBatches(real, made, 32, 0)
    for epoch in range(12):
        for step, batch in enumerate(batches.epoch(epoch)):
            assert batch.real.mean() == 0.5
            optimizer.zero_grad()
            critic.loss(batch, step).total.backward()
            optimizer.step()
    critic.eval()
    assert float((critic(real)[:, None] > critic(made)).float().mean()) > 0.95


def test_of_equally_near_takes_the_one_that_sounds_composed_is_kept():
    piece = random_clip(0)
    plain, composed = Take(piece, POINT, 0.5), Take(piece, POINT, 0.5, realness=1.0)
    assert best_take([plain, composed]) is composed
    assert best_take([Take(piece, POINT, 0.0), Take(piece, POINT, 9.0, realness=50.0)]).distance == 0.0
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
