"""Recurrent encoders over compound note steps."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

__all__ = ["Posterior", "StepEncoder"]


class Posterior(NamedTuple):
    """q(z | piece): mu and logvar, (B, D)."""

    mu: Tensor
    logvar: Tensor

    def draw(self) -> Tensor:
        return self.mu + (0.5 * self.logvar).exp() * torch.randn_like(self.mu)


class StepEncoder(nn.Module):
    """Two GRUs, one from each end, over the real steps; their last states give mu and logvar of one factor.

    The steps are turned around within their own length instead of being packed: the result is the same, and the
    backward pass of packed sequences on the CPU takes time quadratic in their length.
    """

    def __init__(self, width: int, hidden: int, dim: int, first_logvar: float) -> None:
        super().__init__()
        self.onward = nn.GRU(width, hidden, batch_first=True)
        self.homeward = nn.GRU(width, hidden, batch_first=True)
        self.mu = nn.Linear(2 * hidden, dim)
        self.logvar = nn.Linear(2 * hidden, dim)
        # Begin at the prior's width, or the first KL is hundreds of nats.
        nn.init.constant_(self.logvar.bias, first_logvar)

    def forward(self, embedded: Tensor, lengths: Tensor) -> Posterior:
        rows = torch.arange(len(embedded))
        turned = (lengths[:, None] - 1 - torch.arange(embedded.shape[1])).clamp_min(0)  # (B, T)
        onward, _ = self.onward(embedded)
        back, _ = self.homeward(embedded[rows[:, None], turned])
        last = torch.cat([onward[rows, lengths - 1], back[rows, lengths - 1]], dim=-1)
        return Posterior(self.mu(last), self.logvar(last).clamp(-10.0, 2.0))
