"""A recurrent decoder over compound note steps: how a latent becomes notes, one after the other.

Each step predicts its four fields in turn, each given the ones before it: shift, then pitch, then duration, then
velocity. So a chord, a run and a held bass are choices made together, at a quarter of the length of event tokens.

Shapes: B batch, T steps, H hidden, D condition.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from eimg_core.midi.codec import (
    DURATION,
    FIELD_SIZES,
    PITCH,
    SHIFT,
    STEPS_PER_BEAT,
    VELOCITY,
    Score,
    TempoScale,
)
from eimg_core.music_ae.step_grammar import StepGrammar
from eimg_core.progress import step_done

__all__ = [
    "NoteDecoder",
    "NoteEmbedding",
    "Sampling",
    "StepDecoder",
    "StepLogits",
    "draw",
    "token_cross_entropy",
]

_NARROW = 64


class Sampling(NamedTuple):
    """How a class is drawn: logits / temperature, then the smallest set of classes that holds ``top_p``."""

    temperature: float = 1.0
    top_p: float = 0.95


class StepLogits(NamedTuple):
    """One tensor (B, T, classes) per field."""

    shift: Tensor
    pitch: Tensor
    duration: Tensor
    velocity: Tensor


class NoteEmbedding(nn.Module):
    """One vector per step: its four fields and the place of its onset within the beat, (B, T, 4) → (B, T, width)."""

    def __init__(self, widths: tuple[int, int, int, int], phase_width: int) -> None:
        super().__init__()
        # One more class than the codec has: "no step yet", the decoder's first input.
        self.tables = nn.ModuleList(nn.Embedding(size + 1, w) for size, w in zip(FIELD_SIZES, widths, strict=True))
        self.phase = nn.Embedding(STEPS_PER_BEAT, phase_width)
        self.width = sum(widths) + phase_width

    def forward(self, steps: Tensor, phases: Tensor) -> Tensor:
        parts = [table(steps[..., field]) for field, table in enumerate(self.tables)]
        return torch.cat([*parts, self.phase(phases)], dim=-1)

    @staticmethod
    def phases(steps: Tensor) -> Tensor:
        """Place of each onset within the beat, 0-23: (B, T, 4) → (B, T)."""
        return steps[..., SHIFT].cumsum(dim=-1) % STEPS_PER_BEAT


class StepDecoder(nn.Module):
    """What every decoder of steps shares: the four field heads, each given the fields before it, and how to play.

    A subclass turns the steps so far into a context (H) and calls ``add_fields`` when it is made.
    """

    heads: nn.ModuleList
    given: nn.ModuleList

    def add_fields(self, hidden: int) -> None:
        """The heads over a context of width H."""
        self.heads = nn.ModuleList(nn.Sequential(nn.LayerNorm(hidden), nn.Linear(hidden, size)) for size in FIELD_SIZES)
        self.given = nn.ModuleList(nn.Embedding(size, hidden) for size in (*FIELD_SIZES[:3], STEPS_PER_BEAT))

    def field_logits(self, context: Tensor, steps: Tensor, phases: Tensor) -> StepLogits:
        """Heads in the order of the fields, each given the fields before it: contexts (B, T, H), steps (B, T, 4)."""
        shift = self.heads[SHIFT](context)
        context = context + self.given[SHIFT](steps[..., SHIFT]) + self.given[3](phases)
        pitch = self.heads[PITCH](context)
        context = context + self.given[PITCH](steps[..., PITCH])
        duration = self.heads[DURATION](context)
        context = context + self.given[DURATION](steps[..., DURATION])
        return StepLogits(shift, pitch, duration, self.heads[VELOCITY](context))

    def play_steps(
        self,
        context_of: Callable[[Tensor, Tensor], Tensor],
        grammar: StepGrammar,
        sampling: Sequence[Sampling],
        generator: torch.Generator,
    ) -> list[Score]:
        """Draw B scores in one batch, by the grammar.

        Args:
            context_of: called with the step before (B, 4) and its onset in time steps (B,), once per step; returns
                the context (B, H) of the next.
            grammar: of the B pieces.
            sampling: of each field.
            generator: the only source of randomness.
        """
        step = torch.tensor(FIELD_SIZES).repeat(len(grammar.now), 1)
        steps: list[Tensor] = []
        while not bool(grammar.done.all()):
            step_done(grammar.share)
            context = context_of(step, grammar.now)
            logits = self.heads[SHIFT](context).masked_fill(grammar.shifts_left_out(), -torch.inf)
            shift = draw(logits, sampling[SHIFT], generator)
            grammar.move(shift)
            context = context + self.given[SHIFT](shift) + self.given[3](grammar.now % STEPS_PER_BEAT)
            logits = (self.heads[PITCH](context) + grammar.lean()).masked_fill(grammar.keys_left_out(), -torch.inf)
            pitch = draw(logits, sampling[PITCH], generator)
            grammar.strike(pitch)
            context = context + self.given[PITCH](pitch)
            duration = grammar.value(draw(self.heads[DURATION](context), sampling[DURATION], generator))
            context = context + self.given[DURATION](duration)
            velocity = draw(self.heads[VELOCITY](context), sampling[VELOCITY], generator)
            step = torch.stack([shift, pitch, duration, velocity], dim=-1)
            steps.append(step)
        return grammar.scores(torch.stack(steps, dim=1))


class NoteDecoder(StepDecoder):
    """Two stacked GRUs over the steps so far and a condition, and the four field heads.

    Args:
        embedding: of the steps.
        condition_dim: D.
        tempi: that the steps are counted in.
        hidden, layers, dropout: of the GRUs.
    """

    def __init__(
        self,
        embedding: NoteEmbedding,
        condition_dim: int,
        tempi: TempoScale,
        hidden: int,
        layers: int = 2,
        dropout: float = 0.1,
    ):
        super().__init__()
        self.embedding, self.tempi = embedding, tempi
        self.start = nn.Linear(condition_dim, layers * hidden)
        self.tempo = nn.Linear(condition_dim, tempi.classes)
        self.tempo_embedding = nn.Embedding(tempi.classes, 32)
        # Every step sees the condition through a narrow layer: the recurrence is where the time goes.
        self.narrow = nn.Linear(condition_dim, _NARROW)
        self.gru = nn.GRU(
            embedding.width + _NARROW + 32,
            hidden,
            layers,
            batch_first=True,
            dropout=dropout if layers > 1 else 0.0,
        )
        self.skip = nn.Linear(condition_dim, hidden)  # lets the condition reach every choice without the recurrence
        self.add_fields(hidden)
        self.layers, self.hidden = layers, hidden

    # --- training -----------------------------------------------------------------------------------------------

    def forward(
        self, steps: Tensor, tempo_class: Tensor, condition: Tensor, *, input_dropout: float = 0.0
    ) -> StepLogits:
        """Teacher-forced logits of every step.

        Args:
            steps: (B, T, 4), the true steps.
            tempo_class: (B,).
            condition: (B, D).
            input_dropout: share of previous steps that are hidden, so that the condition has to be used.
        """
        B, T, _ = steps.shape
        phases = NoteEmbedding.phases(steps)
        before = self.embedding(*self._shifted(steps, phases))
        if input_dropout > 0 and self.training:
            before = before * (torch.rand(B, T, 1, device=steps.device) >= input_dropout)
        outputs, _ = self.gru(self._inputs(before, tempo_class, condition), self._first_state(condition))
        return self.field_logits(outputs + self.skip(condition)[:, None], steps, phases)

    def _shifted(self, steps: Tensor, phases: Tensor) -> tuple[Tensor, Tensor]:
        """Each step's predecessor; the first has "no step yet"."""
        first = torch.tensor(FIELD_SIZES, device=steps.device).expand(len(steps), 1, 4)
        return torch.cat([first, steps[:, :-1]], dim=1), F.pad(phases[:, :-1], (1, 0))

    def _inputs(self, before: Tensor, tempo_class: Tensor, condition: Tensor) -> Tensor:
        constant = torch.cat([self.narrow(condition), self.tempo_embedding(tempo_class)], dim=-1)
        return torch.cat([before, constant[:, None].expand(-1, before.shape[1], -1)], dim=-1)

    def _first_state(self, condition: Tensor) -> Tensor:
        return self.start(condition).tanh().view(-1, self.layers, self.hidden).transpose(0, 1).contiguous()

    # --- playing ------------------------------------------------------------------------------------------------

    @torch.no_grad()
    def play(
        self,
        condition: Tensor,
        keys: Tensor,
        *,
        seconds: float,
        sampling: Sequence[Sampling],
        generator: torch.Generator,
    ) -> list[Score]:
        """Draw a score for every condition (B, D), to sound in keys 0-23 (B,), all in one batch; see ``play_steps``."""
        tempo_class = draw(self.tempo(condition), Sampling(0.7, 0.9), generator)
        grammar = StepGrammar([self.tempi.tempo_of(c) for c in tempo_class.tolist()], keys, seconds)
        state, skip = self._first_state(condition), self.skip(condition)

        def context(before: Tensor, onset: Tensor) -> Tensor:
            nonlocal state
            embedded = self.embedding(before[:, None], (onset % STEPS_PER_BEAT)[:, None])
            output, state = self.gru(self._inputs(embedded, tempo_class, condition), state)
            return output[:, 0] + skip

        return self.play_steps(context, grammar, sampling, generator)


def token_cross_entropy(logits: Sequence[Tensor], steps: Tensor, mask: Tensor) -> Tensor:
    """Mean over real steps of the summed cross-entropies of the four fields, in nats. Padding does not count."""
    per_step = torch.stack(
        [
            F.cross_entropy(field_logits.transpose(1, 2), steps[..., field], reduction="none")
            for field, field_logits in enumerate(logits)
        ]
    ).sum(dim=0)  # (B, T)
    return (per_step * mask).sum() / mask.sum()


def draw(logits: Tensor, sampling: Sampling, generator: torch.Generator) -> Tensor:
    """One class per row by nucleus sampling (Holtzman et al. 2020): (B, classes) → (B,)."""
    if sampling.temperature != 1.0:
        logits = logits / max(sampling.temperature, 1e-3)
    probabilities = logits.softmax(dim=-1)
    ranked, order = probabilities.sort(dim=-1, descending=True)
    # A class is kept while the classes before it hold less than top_p; the first is always kept.
    ranked = ranked.masked_fill(ranked.cumsum(dim=-1) - ranked >= sampling.top_p, 0.0)
    # Of independent exponential times of rates p_i the first is that of class i with probability p_i / Σp. This is how
    # ``multinomial`` draws one class, too; it spends most of its time on checks.
    times = torch.empty_like(ranked).exponential_(generator=generator)
    chosen = (ranked / times).argmax(dim=-1, keepdim=True)
    return order.gather(-1, chosen)[:, 0]
