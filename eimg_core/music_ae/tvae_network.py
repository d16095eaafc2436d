"""The networks of tvae that play: steps as vectors, the decoder, and the conditions it is told.

Shapes: B batch, T steps, W width.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from eimg_core.emotion import MIDDLE
from eimg_core.midi import codec
from eimg_core.midi.codec import DURATION, FIELD_SIZES, PITCH, SHIFT, STEPS_PER_BEAT
from eimg_core.music_ae.decoder import StepLogits
from eimg_core.music_ae.transformer import Cache, TransformerStack

__all__ = ["BARS", "STYLES", "Conditions", "NoteTransformer", "StepEmbedding"]

BARS = (3, 4, 5, 6)  # beats in a bar, of the folded tempo
STYLES = ("eimg", "pop909", "emopia")  # where training pieces come from; pieces are composed in the first
_LONGEST_BAR = max(BARS)
_COUNTDOWN = 16  # beats before a piece's real end that the decoder is told of; this many or more, or unknown, are one
_FASTEST_LOG = math.log(10.0)  # notes per second, in logarithms, of a piece that counts as dense


class StepEmbedding(nn.Module):
    """One vector per step: its fields, the place of its onset in the beat and the beat in the bar, (..., W)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        # One more class than the codec has: "no step yet", the decoder's first input.
        self.fields = nn.ModuleList(nn.Embedding(size + 1, width) for size in FIELD_SIZES)
        self.phase = nn.Embedding(STEPS_PER_BEAT, width)
        self.beat = nn.Embedding(_LONGEST_BAR, width)
        for table in (*self.fields, self.phase, self.beat):
            nn.init.normal_(table.weight, std=0.4)  # six of them add up

    def forward(self, steps: Tensor, onsets: Tensor, bar: Tensor) -> Tensor:
        """Steps (B, T, 4), their onsets in time steps (B, T) and beats in a bar (B,)."""
        parts = [table(steps[..., field]) for field, table in enumerate(self.fields)]
        return torch.stack([*parts, self.place(onsets, bar)]).sum(dim=0)

    def place(self, onsets: Tensor, bar: Tensor) -> Tensor:
        """The place of onsets in beat and bar, (B, T) → (B, T, W)."""
        beats = onsets.div(STEPS_PER_BEAT, rounding_mode="floor")
        return self.phase(onsets % STEPS_PER_BEAT) + self.beat(beats % bar[:, None])


class NoteTransformer(nn.Module):
    """The decoder: the fields of each step in turn, given those before it and all earlier steps."""

    def __init__(self, width: int, heads: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.embedding = StepEmbedding(width)
        self.countdown = nn.Embedding(_COUNTDOWN + 1, width)
        self.stack = TransformerStack(width, heads, layers, dropout)
        self.given = nn.ModuleList(nn.Embedding(size, width) for size in FIELD_SIZES[:3])
        self.heads = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Linear(width, size))
            for size in FIELD_SIZES
        )

    def context(
        self,
        before: Tensor,
        onsets: Tensor,
        index: Tensor,
        bar: Tensor,
        end: Tensor,
        condition: Tensor,
        *,
        hidden: Tensor | None = None,
        cache: Cache | None = None,
    ) -> Tensor:
        """What is known before each step is chosen: (B, T, W).

        Args:
            before: each step's predecessor, (B, T, 4).
            onsets: of the predecessors in time steps, (B, T).
            index: of the steps in the sequence, (B, T).
            bar: beats in a bar, (B,).
            end: the real end of the piece in beats, (B,); infinite where unknown.
            condition: (B, W).
            hidden: 0 where a predecessor is hidden, else 1: (B, T, 1).
            cache: while playing, T = 1.
        """
        x = self.embedding(before, onsets, bar)
        if hidden is not None:
            x = x * hidden
        beats = onsets / STEPS_PER_BEAT
        left = (end[:, None] - beats).clamp(0, _COUNTDOWN).long()
        places = self.stack.places(index.to(x.dtype), beats.to(x.dtype))
        return self.stack(x + self.countdown(left), places, condition=condition, causal=cache is None, cache=cache)

    def after_shift(self, context: Tensor, shift: Tensor, onsets: Tensor, bar: Tensor) -> Tensor:
        """The context once the onset is known: (B, T, W)."""
        return context + self.given[SHIFT](shift) + self.embedding.place(onsets, bar)

    def forward(
        self, steps: Tensor, bar: Tensor, end: Tensor, condition: Tensor, *, input_dropout: float = 0.0
    ) -> StepLogits:
        """Teacher-forced logits of every step: steps (B, T, 4), condition (B, W)."""
        B, T, _ = steps.shape
        onsets = steps[..., SHIFT].cumsum(dim=1)
        first = torch.tensor(FIELD_SIZES).expand(B, 1, 4)
        before = torch.cat([first, steps[:, :-1]], dim=1)
        earlier = F.pad(onsets[:, :-1], (1, 0))
        hidden = (torch.rand(B, T, 1) >= input_dropout) if input_dropout > 0 and self.training else None
        index = torch.arange(T).expand(B, T)
        context = self.context(before, earlier, index, bar, end, condition, hidden=hidden)
        shift = self.heads[SHIFT](context)
        context = self.after_shift(context, steps[..., SHIFT], onsets, bar)
        pitch = self.heads[PITCH](context)
        context = context + self.given[PITCH](steps[..., PITCH])
        duration = self.heads[DURATION](context)
        context = context + self.given[DURATION](steps[..., DURATION])
        return StepLogits(shift, pitch, duration, self.heads[3](context))


class Conditions(nn.Module):
    """What the decoder is told, as one vector: (B, W)."""

    def __init__(self, z_dim: int, width: int) -> None:
        super().__init__()
        self.z = nn.Linear(z_dim, width)
        self.wishes = nn.Sequential(nn.Linear(5, width), nn.GELU(), nn.Linear(width, width))
        self.style = nn.Embedding(len(STYLES), width)
        self.minor = nn.Embedding(2, width)
        self.tempo = nn.Embedding(codec.TEMPO_CLASSES, width)
        self.bar = nn.Embedding(len(BARS), width)
        self.tempo_head = nn.Sequential(nn.GELU(), nn.Linear(width, codec.TEMPO_CLASSES))
        self.bar_head = nn.Sequential(nn.GELU(), nn.Linear(width, len(BARS)))

    def idea(self, z: Tensor, va: Tensor, log_density: Tensor, style: Tensor, minor: Tensor) -> Tensor:
        """Everything but tempo and bar, which follow from it: (B, W).

        Args:
            z: (B, z_dim), zeros where unknown.
            va: (B, 2) on 1-9, NaN where unknown.
            log_density: logarithm of the notes per second, (B,), NaN where unknown.
            style, minor: classes, (B,).
        """
        wishes = torch.cat([(va - MIDDLE) / 2, (log_density[:, None] - _FASTEST_LOG / 1.3)], dim=1)
        told = ~wishes.isnan()
        known = torch.cat([wishes.nan_to_num(0.0) * told, told[:, 1:].to(wishes.dtype)], dim=1)
        return self.z(z) + self.wishes(known) + self.style(style) + self.minor(minor)

    def forward(self, idea: Tensor, tempo_class: Tensor, bar: Tensor) -> Tensor:
        """With a tempo and a bar: (B, W)."""
        return idea + self.tempo(tempo_class) + self.bar(bar)
