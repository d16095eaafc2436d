"""The key of a piece that is about to be played: drawn from v_y, and reached from the home key."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from eimg_core.midi import codec
from eimg_core.midi.attributes import home_shift
from eimg_core.midi.codec import Score
from eimg_core.midi.notes import Piece

__all__ = ["KEYS", "draw_keys", "played_in"]

KEYS = 24


def draw_keys(weights: Tensor, generator: torch.Generator) -> Tensor:
    """One key per row: (B, 24) → (B,).

    The key part of a mapped v_y is near the chance of each key. The stronger mode, major or minor, carries emotion and
    is kept; the tonic, which carries none, is drawn.
    """
    chances = weights.clamp_min(0.0) + 1e-4
    major, minor = chances[:, :12].sum(dim=-1), chances[:, 12:].sum(dim=-1)
    modal = torch.cat([chances[:, :12] * (major >= minor)[:, None], chances[:, 12:] * (minor > major)[:, None]], dim=-1)
    return torch.multinomial(modal, 1, generator=generator)[:, 0]


def played_in(scores: Sequence[Score], keys: Tensor) -> list[Piece]:
    """The pieces of scores in their home keys, moved to the keys (B,) that were drawn."""
    moved = zip(scores, keys.tolist(), strict=True)
    return [codec.decode(score).transposed(-home_shift(key)) for score, key in moved]
