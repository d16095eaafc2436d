"""The critic: how likely a piece is a real clip and not one of a composer's, by its descriptors.

It serves composing alone: among takes, those that sound composed count more. It learns from clips and from the
composer's own pieces for the labels of the train split; the evaluation of realness has a classifier of its own, which
sees the test split only.

Several small networks of different seeds are averaged. Layer: linear, ReLU, dropout; the last one is linear.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from eimg_core.layers import perceptrons
from eimg_core.metrics.analysis import as_notated
from eimg_core.metrics.descriptors import DESCRIPTORS, table
from eimg_core.midi.notes import Piece
from eimg_core.trainable import LossTerms, Objective, Trainable

__all__ = ["CRITIC_FOLDER", "Critic", "CriticBatch", "CriticConfig", "descriptors_of"]


CRITIC_FOLDER = "critic"  # of the components; in it a critic for a music autoencoder


def descriptors_of(pieces: Sequence[Piece]) -> Tensor:
    """The descriptors of N pieces as a score would say them, NaN where one is not defined: (N, D)."""
    return torch.from_numpy(table(map(as_notated, pieces))).float()


@dataclass(frozen=True)
class CriticConfig:
    """Sizes of the networks.

    Args:
        hidden: widths of the two hidden layers.
        members: networks that are averaged.
        dropout: share of hidden units dropped while training.
    """

    hidden: tuple[int, int] = (64, 32)
    members: int = 5
    dropout: float = 0.3

    @classmethod
    def tiny(cls) -> CriticConfig:
        return cls(hidden=(8, 4), members=2)


class CriticBatch(NamedTuple):
    """Descriptors (B, D), and 1 for real clips, 0 for composed pieces: (B,)."""

    descriptors: Tensor
    real: Tensor


class Critic(Trainable):
    """An ensemble of three-layer perceptrons on descriptors."""

    Config = CriticConfig
    config: CriticConfig

    def __init__(self, config: CriticConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or CriticConfig()
        D = len(DESCRIPTORS)
        self.members = perceptrons(config.members, 2 * D, config.hidden, 1, config.dropout)
        self.centre: Tensor
        self.spread: Tensor
        self.register_buffer("centre", torch.zeros(D))
        self.register_buffer("spread", torch.ones(D))

    def calibrate(self, descriptors: Tensor) -> None:
        """Take the means and spreads of real clips (N, D)."""
        known = ~descriptors.isnan()
        count = known.sum(dim=0).clamp_min(1)
        self.centre.copy_(descriptors.nan_to_num().sum(dim=0) / count)
        variance = ((descriptors - self.centre).nan_to_num() ** 2).sum(dim=0) / count
        self.spread.copy_(variance.sqrt().clamp_min(1e-3))

    def each(self, descriptors: Tensor) -> Tensor:
        """The logit of every member, (N, D) → (members, N)."""
        x = ((descriptors - self.centre) / self.spread).clamp(-5, 5)
        told = torch.cat([x.nan_to_num(0.0), x.isnan().to(x.dtype)], dim=1)
        return torch.stack([member(told)[:, 0] for member in self.members])

    def forward(self, descriptors: Tensor) -> Tensor:
        """The mean logit of being real, (N, D) → (N,)."""
        return self.each(descriptors).mean(dim=0)

    def objectives(self) -> tuple[Objective, ...]:
        return (Objective("tell apart", ("model",), self.loss),)

    def loss(self, batch: CriticBatch, step: int) -> LossTerms:
        """Cross-entropy, summed over members: each gets the gradient of its own."""
        logits = self.each(batch.descriptors)
        nats = F.binary_cross_entropy_with_logits(logits, batch.real.expand_as(logits), reduction="none")
        return LossTerms({"nats": nats.mean(dim=1).sum()}, {"nats": 1.0})

    @torch.no_grad()
    def realness(self, pieces: Sequence[Piece]) -> list[float]:
        """The logit of being real of each piece; 0 cannot be told from a clip."""
        logits: list[float] = self(descriptors_of(pieces)).tolist()
        return logits
