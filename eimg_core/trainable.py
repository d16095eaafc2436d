"""The contract of anything we train: it says what it minimises, in named terms with named weights.

A model has one or more objectives. A variational autoencoder has one; an adversarial model has several, each of which
moves some of the model's parameter groups. ``train/stages/loop.py`` serves all of them with the same few lines.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

__all__ = ["LossTerms", "Objective", "Trainable"]


@dataclass(frozen=True)
class LossTerms:
    """Named scalars and their weights; ``metrics`` are logged beside them and never minimised."""

    terms: Mapping[str, Tensor]
    weights: Mapping[str, float]
    metrics: Mapping[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if unweighted := set(self.terms) - set(self.weights):
            raise ValueError(f"loss terms without a weight: {sorted(unweighted)}")

    @property
    def total(self) -> Tensor:
        """Σ weight · term."""
        return torch.stack([self.weights[name] * term for name, term in self.terms.items()]).sum()

    def log(self) -> dict[str, float]:
        """Every number as a float, ``total`` included."""
        numbers = {**self.terms, **self.metrics, "total": self.total}
        return {name: float(value.detach()) for name, value in numbers.items()}


@dataclass(frozen=True)
class Objective:
    """One thing to minimise: ``loss(batch, step)`` moves the parameters of ``groups``.

    An ``adversarial`` objective plays against another one: it settles at a balance, not at a minimum.
    """

    name: str
    groups: tuple[str, ...]
    loss: Callable[[Any, int], LossTerms]
    adversarial: bool = False


class Trainable(nn.Module, ABC):
    """A module that knows its objectives. ``Config`` is a frozen dataclass with every default and a ``tiny()``."""

    Config: ClassVar[type]
    config: Any

    @abstractmethod
    def objectives(self) -> tuple[Objective, ...]:
        """What to minimise, in the order of one training step."""

    def parameter_groups(self) -> dict[str, tuple[nn.Module, ...]]:
        """Group name → modules; each group has an optimiser of its own."""
        return {"model": (self,)}

    def after_step(self, step: int) -> None:
        """Moving averages, unused codes and the like; called after every optimiser step."""
