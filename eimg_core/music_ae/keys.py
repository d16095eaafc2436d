"""The key of a piece that is about to be played: drawn from v_y, and reached from the home key."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from eimg_core.midi import codec
from eimg_core.midi.attributes import home_shift
from eimg_core.midi.codec import Score
from eimg_core.midi.notes import Piece

__all__ = ["KEYS", "draw_keys", "in_minor", "played_in"]

KEYS = 24
_HARD_TO_READ = (1, 6, 11, 12 + 3, 12 + 8, 12 + 10)  # five or six sharps or flats: Db, F#, B; Eb, G#, Bb minor


def draw_keys(
    weights: Tensor,
    generator: torch.Generator,
    tonic: int | None = None,
    minor: bool | None = None,
    *,
    readable: bool = False,
) -> Tensor:
    """One key per row: (B, 24) → (B,).

    The key part of a mapped v_y is near the chance of each key. The stronger mode, major or minor, carries emotion and
    is kept; the tonic, which carries none, is drawn.

    Args:
        weights: the key part.
        generator: the only source of randomness.
        tonic: 0-11 of all rows, instead of a drawn one.
        minor: mode of all rows, instead of the stronger one.
        readable: draw among the keys that are read at sight, with at most four sharps or flats.
    """
    chances = _chances(weights)
    if readable:
        chances[:, _HARD_TO_READ] = 0.0
    in_mode = (in_minor(weights) if minor is None else torch.full((len(weights),), minor))[:, None]
    modal = torch.cat([chances[:, :12] * ~in_mode, chances[:, 12:] * in_mode], dim=-1)
    keys = torch.multinomial(modal, 1, generator=generator)[:, 0]
    return keys if tonic is None else keys // 12 * 12 + tonic


def in_minor(weights: Tensor) -> Tensor:
    """Whether the minor keys are the stronger mode of each row: (B, 24) → (B,) bool."""
    chances = _chances(weights)
    return chances[:, 12:].sum(dim=-1) > chances[:, :12].sum(dim=-1)


def _chances(weights: Tensor) -> Tensor:
    return weights.clamp_min(0.0) + 1e-4


def played_in(scores: Sequence[Score], keys: Tensor) -> list[Piece]:
    """The pieces of scores in their home keys, moved to the keys (B,) that were drawn."""
    moved = zip(scores, keys.tolist(), strict=True)
    return [codec.decode(score).transposed(-home_shift(key)) for score, key in moved]
