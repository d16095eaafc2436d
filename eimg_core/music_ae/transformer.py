"""Transformer blocks for note steps: rotary places in steps and in musical time, and a cache for playing.

Shapes: B batch, T steps, W width, H heads, D = W / H.

Half of the heads turn with the index of a step, the other half with the time of its onset in beats. So attention can
ask for "the note before" as well as for "the same place one bar ago", which is how accompaniments and motifs recur.

References: Vaswani et al. 2017; Su et al. 2021, "RoFormer"; pre-norm as in Xiong et al. 2020.
"""

from __future__ import annotations

from contextlib import nullcontext
from functools import lru_cache
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

__all__ = ["Cache", "Places", "Placing", "Rotation", "TransformerStack", "speeds"]

_STEP_PERIODS = (6.0, 6000.0)  # shortest and longest turn, in steps
_BEAT_PERIODS = (1.0, 256.0)  # in beats
_ROOM = 128  # steps in a new cache


class Places:
    """Rotations of a sequence, for half of the heads by step index and for half by time.

    Args:
        index: (B, T) float.
        beats: onset of each step in beats, (B, T) float.
        heads, head_dim: of the attention.
    """

    def __init__(self, index: Tensor, beats: Tensor, heads: int, head_dim: int) -> None:
        by_step = index[..., None] * speeds(_STEP_PERIODS, head_dim // 2, index.dtype, index.device)
        by_time = beats[..., None] * speeds(_BEAT_PERIODS, head_dim // 2, beats.dtype, beats.device)
        angles = torch.stack([by_step, by_time], dim=1).repeat_interleave(heads // 2, dim=1)  # (B, H, T, D/2)
        self.rotation = Rotation(angles)

    def place(self, both: Tensor) -> Tensor:
        return self.rotation.turn(both)


class Rotation:
    """Turns pairs of dimensions, i and i + D/2, by angles (B, H, T, D/2)."""

    def __init__(self, angles: Tensor) -> None:
        cos, sin = angles.cos(), angles.sin()
        self._cos, self._sin = torch.cat([cos, cos], dim=-1), torch.cat([-sin, sin], dim=-1)

    def turn(self, x: Tensor) -> Tensor:
        """(…, B, H, T, D) → the same."""
        return x * self._cos.to(x.dtype) + x.roll(x.shape[-1] // 2, -1) * self._sin.to(x.dtype)


@lru_cache(maxsize=32)  # asked for at every step that is played
def speeds(periods: tuple[float, float], count: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Angular speeds whose periods are spread geometrically, (count,)."""
    shortest, longest = (torch.tensor(period).log() for period in periods)
    steps: Tensor = torch.linspace(float(shortest), float(longest), count, dtype=dtype, device=device)
    return 2 * torch.pi / steps.exp()


class Placing(Protocol):
    """How a stack tells where steps stand; ``Places`` is the plain way."""

    def place(self, both: Tensor) -> Tensor:
        """Queries above keys, (2, B, H, T, D), that know their places."""


class Cache:
    """Keys and values of the steps played so far; attention looks back over the last ``window`` of them.

    They are written in place into buffers that double when full: to append by copying would cost more than attention.
    """

    def __init__(self, layers: int, window: int) -> None:
        self.window = window
        self._kept: list[tuple[Tensor, Tensor] | None] = [None] * layers  # keys and values, (B, H, room, D) each
        self._steps = [0] * layers

    def extend(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Add the newest step of a layer, (B, H, 1, D) each, or the first T to an empty cache; returns all that the
        last one may look at."""
        at, new = self._steps[layer], keys.shape[2]
        end = at + new
        kept = self._kept[layer]
        if kept is None or end > kept[0].shape[2]:
            kept = _roomier(kept, keys, max(_ROOM, end))
        first = max(0, end - self.window)
        for buffer, newest in zip(kept, (keys, values), strict=True):
            buffer.narrow(2, at, new).copy_(newest)
        self._kept[layer], self._steps[layer] = kept, end
        return kept[0].narrow(2, first, end - first), kept[1].narrow(2, first, end - first)

    def keep(self, rows: Tensor) -> None:
        """Go on with these rows of the batch alone, (B',)."""
        self._kept = [None if kept is None else (kept[0][rows], kept[1][rows]) for kept in self._kept]


def _roomier(kept: tuple[Tensor, Tensor] | None, like: Tensor, room: int) -> tuple[Tensor, Tensor]:
    """New buffers, or the old ones with as much room again."""
    if kept is None:
        B, H, _, D = like.shape
        return like.new_empty(B, H, room, D), like.new_empty(B, H, room, D)
    keys, values = (torch.cat([buffer, torch.empty_like(buffer)], dim=2) for buffer in kept)
    return keys, values


class Block(nn.Module):
    """Self-attention and a feed-forward layer, each after a LayerNorm and added to what came in."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm_attention, self.norm_feedforward = nn.LayerNorm(width), nn.LayerNorm(width)
        self.project = nn.Linear(width, 3 * width, bias=False)
        self.merge = nn.Linear(width, width)
        # The place of a layer that drew too many numbers is kept, so that older weights fit.
        self.feedforward = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Identity(), nn.Linear(4 * width, width)
        )
        self.drop = nn.Dropout(dropout)

    def forward(
        self, x: Tensor, places: Placing, mask: Tensor | None, causal: bool, cache: Cache | None, layer: int
    ) -> Tensor:
        B, T, W = x.shape
        parts = self.project(self.norm_attention(x)).view(B, T, 3, self.heads, W // self.heads)
        parts = parts.permute(2, 0, 3, 1, 4)  # queries, keys, values; (B, H, T, D) each
        queries, keys = places.place(parts[:2])
        values = parts[2]
        if cache is not None:
            keys, values = cache.extend(layer, keys, values)
        # Attention weights are not dropped, and backward passes take the plain kernels: on a processor, drawing
        # (B, H, T, T) numbers and the fused kernel's backward pass would take a third of the training.
        with sdpa_kernel(SDPBackend.MATH) if self.training else nullcontext():
            attended = F.scaled_dot_product_attention(queries, keys, values, attn_mask=mask, is_causal=causal)
        x = x + self._dropped(self.merge(attended.transpose(1, 2).reshape(B, T, W)))
        return x + self._dropped(self.feedforward(self.norm_feedforward(x)))

    def _dropped(self, x: Tensor) -> Tensor:
        return self.drop(x) if self.training else x  # even to do nothing takes time at every step that is played


class TransformerStack(nn.Module):
    """Blocks in a row, with a last LayerNorm.

    A ``condition`` (B, W) is added before every block, so that it is not forgotten on the way up.
    """

    def __init__(self, width: int, heads: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.width, self.heads = width, heads
        self.blocks = nn.ModuleList(Block(width, heads, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def places(self, index: Tensor, beats: Tensor) -> Places:
        """Rotations for this stack's heads; see ``Places``."""
        return Places(index, beats, self.heads, self.width // self.heads)

    def forward(
        self,
        x: Tensor,
        places: Placing,
        *,
        condition: Tensor | None = None,
        mask: Tensor | None = None,
        causal: bool = False,
        cache: Cache | None = None,
    ) -> Tensor:
        """(B, T, W) → (B, T, W).

        Args:
            x: embedded steps.
            places: where they stand.
            condition: (B, W).
            mask: (B, T) bool, true on real steps; what is false is not looked at.
            causal: each step sees itself and earlier ones only.
            cache: while playing, the steps before; ``x`` is then the newest step alone, T = 1, or, where there are none
                before, the first T of them, at most as many as the cache's window.
        """
        keys = mask[:, None, None] if mask is not None else None
        told = condition[:, None] if condition is not None else None
        for layer, block in enumerate(self.blocks):
            if told is not None:
                x = x + told
            x = block(x, places, keys, causal, cache, layer)
        return self.norm(x)
