"""The critic: how likely a piece is a real clip and not one of a composer's, by its descriptors.

It serves composing alone: among takes, those that sound composed count more. It learns from clips and from the
composer's own takes for the labels of the train split; the evaluation of realness has a classifier of its own, which
sees the test split only.

The critic is a mean of boosted trees (Friedman 2001) grown in rounds: the first against any takes, each later one
against those takes that the rounds before would have kept. What one round has learnt to avoid, the next need not look
for.

Shapes: N pieces, D descriptors, T trees of all rounds, M nodes of a tree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from eimg_core.metrics.analysis import as_notated
from eimg_core.metrics.descriptors import DESCRIPTORS, table
from eimg_core.midi.notes import Piece

__all__ = ["CRITIC_FOLDER", "Critic", "CriticConfig", "Trees", "descriptors_of"]


CRITIC_FOLDER = "critic"  # of the components; in it a critic for a music autoencoder
LEAF = -1  # the feature of a node that asks nothing


def descriptors_of(pieces: Sequence[Piece]) -> Tensor:
    """The descriptors of N pieces as a score would say them, NaN where one is not defined: (N, D)."""
    return torch.from_numpy(table(map(as_notated, pieces))).float()


@dataclass(frozen=True)
class CriticConfig:
    """Sizes of the trees.

    Args:
        rounds: of boosted trees, whose logits are averaged.
        trees: of a round.
        leaves: of a tree, at most.
    """

    rounds: int = 3
    trees: int = 200
    leaves: int = 8

    @property
    def nodes(self) -> int:
        return 2 * self.leaves - 1

    @classmethod
    def tiny(cls) -> CriticConfig:
        return cls(rounds=2, trees=3, leaves=3)


class Trees(NamedTuple):
    """The trees of one round, (trees, M) each; node 0 is the root, and what a tree does not need is a leaf of 0.

    Attributes:
        feature: which of the 2 D inputs a node asks about, ``LEAF`` for none.
        threshold: up to it the way goes to ``low``, above it to ``high``, both indices of nodes.
        value: of the leaves, in logits.
    """

    feature: Tensor
    threshold: Tensor
    low: Tensor
    high: Tensor
    value: Tensor


class Critic(nn.Module):
    """Boosted trees on descriptors and on which of them are defined."""

    Config = CriticConfig
    config: CriticConfig

    def __init__(self, config: CriticConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or CriticConfig()
        shape = (config.rounds * config.trees, config.nodes)
        self.centre = nn.Parameter(torch.zeros(len(DESCRIPTORS)), requires_grad=False)
        for name in Trees._fields:
            number = 0.0 if name in ("threshold", "value") else LEAF if name == "feature" else 0
            self.register_parameter(name, nn.Parameter(torch.full(shape, number), requires_grad=False))

    def calibrate(self, descriptors: Tensor) -> None:
        """Take the means of real clips (N, D), which stand for what is not defined."""
        self.centre.copy_(descriptors.nanmean(dim=0).nan_to_num())

    def inputs(self, descriptors: Tensor) -> Tensor:
        """What the trees ask about: (N, D) → (N, 2 D), the second half 1 where a descriptor is not defined."""
        unknown = descriptors.isnan()
        return torch.cat([torch.where(unknown, self.centre, descriptors), unknown.to(descriptors.dtype)], dim=1)

    def plant(self, number: int, trees: Trees) -> None:
        """Set the trees of a round, counted from 0."""
        rows = slice(number * self.config.trees, (number + 1) * self.config.trees)
        for name, values in trees._asdict().items():
            self.get_parameter(name)[rows] = values

    @torch.no_grad()
    def forward(self, descriptors: Tensor) -> Tensor:
        """The mean logit of the rounds of being real, (N, D) → (N,)."""
        x = self.inputs(descriptors)
        feature, threshold, low, high, value = (self.get_parameter(name) for name in Trees._fields)
        rows = torch.arange(len(feature))
        at = torch.zeros(len(x), len(feature), dtype=torch.int64)
        for _ in range(self.config.leaves):  # no path is longer
            asked = feature[rows, at]
            below = x.gather(1, asked.clamp_min(0)) <= threshold[rows, at]
            at = torch.where(asked == LEAF, at, torch.where(below, low[rows, at], high[rows, at]))
        return value[rows, at].sum(dim=1) / self.config.rounds

    def realness(self, pieces: Sequence[Piece]) -> list[float]:
        """The logit of being real of each piece; 0 cannot be told from a clip."""
        logits: list[float] = self(descriptors_of(pieces)).tolist()
        return logits
