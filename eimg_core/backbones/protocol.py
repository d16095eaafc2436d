"""What the photo reader asks of a frozen network, whatever family it comes from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor

__all__ = ["Backbone"]


class Backbone(Protocol):
    """What the reader asks of a network: the side of its square pictures, and feature maps from fine to coarse."""

    @property
    def side(self) -> int: ...

    def maps(self, images: Tensor) -> Sequence[Tensor]:
        """(B, 3, S, S) in [-1, 1] → maps (B, C, H, W), at least five for the usual reader."""
        ...
