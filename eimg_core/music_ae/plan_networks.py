"""The networks of tvae: what plans the bars, and what writes the notes to the plan.

Shapes: B batch, T steps, R rows of a plan, F its fields, W width.

References: Su et al. 2021, "RoFormer", for heads that turn; Shaw et al. 2018 for logits by relative position, here of
pitches; Shih et al. 2022, "Theme Transformer", and Yu et al. 2022, "Museformer", for attention to the bars that a bar
varies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import eimg_core.music_ae.plan as plan
from eimg_core.annotation.chords import NO_CHORD, QUALITIES
from eimg_core.emotion import MIDDLE
from eimg_core.midi.bar_codec import END, STEP_SIZES, STREAMS, TEMPO_CLASSES
from eimg_core.midi.notes import LOWEST_PITCH
from eimg_core.midi.sheet import METERS
from eimg_core.music_ae.plan_echoes import ECHOES, FOLLOWED, MANNERS, NEXT, PITCHES
from eimg_core.music_ae.plan_examples import CORPORA, GOES_ON
from eimg_core.music_ae.plan_relations import NONE
from eimg_core.music_ae.transformer import Cache, Rotation, TransformerStack, speeds

__all__ = [
    "LENGTH",
    "PITCH",
    "PLACE",
    "VELOCITY",
    "PlanDecoder",
    "StepLogits",
    "TransformerVAEConfig",
    "impossible_after_end",
]

PLACE, PITCH, LENGTH, VELOCITY = range(4)
_PITCHES = STEP_SIZES[PITCH]
_CODES = 64  # bars with codes of their own
_BAR_PERIODS = (1.0, 64.0)  # shortest and longest turn of the time heads, in quarters
_PLACE_PERIODS = (0.5, 8.0)  # of the reference heads, in quarters from the bar line
_STEP_PERIODS = (6.0, 6000.0)  # in steps
_QUIET = -30.0  # logit of what cannot be


class StepLogits(NamedTuple):
    """Logits of the four fields of every step, (B, T, classes) each."""

    place: Tensor
    pitch: Tensor
    length: Tensor
    velocity: Tensor


@dataclass(frozen=True)
class TransformerVAEConfig:
    """About 9 million weights.

    Args:
        width, heads, layers: of the notes' Transformer; ``ref_heads`` of its heads look at the bar taken up.
        plan_width, plan_heads, plan_layers: of the planner.
        encoder_width, encoder_heads, encoder_layers: of the encoder.
        relative_dim: width of the tables of relative pitches.
        z_dim: width of the latent.
        dropout: of the blocks; ``input_dropout``: share of previous steps hidden from the notes.
        drop_copied, drop_plan, drop_emotion, drop_z: how often a passage lacks what is copied, or an echo, a bar its
            plan, a passage its emotion, its latent.
        weight_tune: of a tune's step beside the others; ``weight_plan`` of the plan beside the notes.
        weight_kl: per nat; ``free_nats`` of a dimension cost nothing.
        weight_heard: of the encoder's estimate of valence and arousal, squared error in units of the scale.
        kl_full: steps of the warm-up of the KL.
        plan_sampling: temperature and nucleus of the plan's fields.
        temperature, top_p: of the notes, one per field (place, pitch, length, velocity).
        stream_temperature: factor of these temperatures, one per stream (tune, left hand, rest).
        step_lean: added to the logits of the steps that a tune may go on by.
        return_lean: added to the logits of taking up an earlier bar, whichever.
        copy_lean: added to the logits of the place and length of a note that is taken up, and of its pitch where
            it returns as it was.
        echo_lean: added to the logits of the place, pitch (moved as before) and length that an echo offers, where the
            note before followed it in time.
        plan_guidance, notes_guidance: how far the emotion is followed, 1 as in training; ``retold_guidance`` of a plan
            under a given tune, which leaves less to follow it with.
        window: steps that playing looks back over.
        style: the corpus in whose manner it plays, one of ``CORPORA`` that it has learnt from.
        dynamics: whether it has learnt how loud notes are. Otherwise all it writes is equally loud.
    """

    width: int = 256
    heads: int = 8
    ref_heads: int = 2
    layers: int = 6
    plan_width: int = 192
    plan_heads: int = 6
    plan_layers: int = 4
    encoder_width: int = 192
    encoder_heads: int = 4
    encoder_layers: int = 2
    relative_dim: int = 24
    z_dim: int = 96
    dropout: float = 0.1
    input_dropout: float = 0.1
    drop_copied: float = 0.15
    drop_plan: float = 0.1
    drop_emotion: float = 0.15
    drop_z: float = 0.1
    weight_tune: float = 1.5
    weight_plan: float = 0.5
    weight_kl: float = 0.004
    free_nats: float = 0.1
    weight_heard: float = 0.3
    kl_full: int = 1500
    plan_sampling: Sequence[float] = (1.0, 0.99)
    temperature: Sequence[float] = (1.0, 1.0, 1.0, 0.45)
    top_p: Sequence[float] = (0.98, 0.98, 0.97, 0.95)
    stream_temperature: Sequence[float] = (1.0, 1.0, 1.0)
    step_lean: float = 0.4
    return_lean: float = 0.8
    copy_lean: float = 0.8
    echo_lean: Sequence[float] = (0.6, 0.6, 0.4)
    plan_guidance: float = 2.5
    retold_guidance: float = 4.0
    notes_guidance: float = 1.0
    window: int = 512
    style: str = "eimg"
    dynamics: bool = True

    @classmethod
    def tiny(cls) -> TransformerVAEConfig:
        return cls(
            width=32, heads=4, ref_heads=2, layers=1, plan_width=16, plan_heads=2, plan_layers=1, encoder_width=16,
            encoder_heads=2, encoder_layers=1, relative_dim=4, z_dim=6, dropout=0.0, input_dropout=0.0,
            drop_copied=0.0, drop_plan=0.0, kl_full=1,
        )  # fmt: skip


class BarPlaces:
    """Where steps stand, for three kinds of heads: by step, by time, and by reference.

    Reference heads ask for the bar that is taken up: half of each is not turned but has the code of its own bar added
    to the keys and that of the bar taken up to the queries; the other half turns with the place in the bar.

    Args:
        index: of the steps, (B, T) float.
        quarters: onset of each step from the beginning, (B, T) float; ``in_bar`` from the bar line.
        bar: number of the bar, (B, T); ``wanted`` that of the bar taken up, NONE where there is none.
        codes: (bars, D/2); ``strength``: of the codes in the queries, (reference heads,).
        heads, head_dim: of the attention.
    """

    def __init__(
        self,
        index: Tensor,
        quarters: Tensor,
        in_bar: Tensor,
        bar: Tensor,
        wanted: Tensor,
        codes: Tensor,
        strength: Tensor,
        heads: int,
        head_dim: int,
    ) -> None:
        half = head_dim // 2
        by_step = index[..., None] * speeds(_STEP_PERIODS, half, index.dtype, index.device)
        by_time = quarters[..., None] * speeds(_BAR_PERIODS, half, index.dtype, index.device)
        turned = in_bar[..., None] * speeds(_PLACE_PERIODS, half // 2, index.dtype, index.device)
        by_place = torch.cat([turned, torch.zeros_like(turned)], dim=-1)
        plain = heads - len(strength)
        kinds = [by_step] * (plain - plain // 2) + [by_time] * (plain // 2) + [by_place] * len(strength)
        self.rotation = Rotation(torch.stack(kinds, dim=1))
        quarter = half // 2  # reference heads do not turn in the later quarter of each half of their dimensions
        refers = (torch.arange(heads) >= plain)[:, None, None]
        strengths = F.pad(strength, (plain, 0))[:, None, None]  # (H, 1, 1)
        first, second = codes.chunk(2, dim=-1)
        spread = torch.cat([F.pad(first, (quarter, 0)), F.pad(second, (quarter, 0))], dim=-1)  # (bars, D)
        own = spread[bar % len(codes)][:, None] * refers
        asked = spread[wanted.clamp_min(0) % len(codes)] * (wanted != NONE)[..., None]
        self.codes = torch.stack([asked[:, None] * strengths, own])  # (2, B, H, T, D)

    def place(self, both: Tensor) -> Tensor:
        """Queries above keys, (2, B, H, T, D)."""
        return self.rotation.turn(both) + self.codes.to(both.dtype)


class PlanRows(nn.Module):
    """One vector per row of a plan: (..., F) → (..., W)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fields = nn.ModuleList(nn.Embedding(size, width) for size in plan.FIELD_SIZES)
        for table in self.fields:
            nn.init.normal_(table.get_parameter("weight"), std=0.25)  # fifteen of them add up

    def forward(self, rows: Tensor) -> Tensor:
        return torch.stack([table(rows[..., field]) for field, table in enumerate(self.fields)]).sum(dim=0)


class Planner(nn.Module):
    """The fields of each bar in turn, given those before it and all earlier bars."""

    def __init__(self, width: int, heads: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.rows = PlanRows(width)
        self.start = nn.Parameter(0.1 * torch.randn(width))
        self.number = nn.Embedding(16, width)  # of the bar, modulo 16
        self.after = nn.Embedding(GOES_ON + 1, width)
        self.stack = TransformerStack(width, heads, layers, dropout)
        self.given = nn.ModuleList(nn.Embedding(size, width) for size in plan.FIELD_SIZES[:-1])
        self.taken_up = nn.Linear(width, width)
        self.heads = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Linear(width, size))
            for size in plan.FIELD_SIZES
        )

    def context(
        self, before: Tensor, number: Tensor, after: Tensor, condition: Tensor, cache: Cache | None = None
    ) -> Tensor:
        """What is known before each row is chosen: (B, R, W).

        Args:
            before: embedded predecessors, (B, R, W).
            number: of each bar in the piece, (B, R); ``after``: bars that follow it.
            condition: (B, W).
            cache: while playing, R = 1.
        """
        x = before + self.number(number % 16) + self.after(after.clamp(0, GOES_ON))
        places = self.stack.places(number.to(x.dtype), number.to(x.dtype) * 4)
        return self.stack(x, places, condition=condition, causal=cache is None, cache=cache)

    def forward(self, rows: Tensor, number: Tensor, after: Tensor, condition: Tensor) -> list[Tensor]:
        """Teacher-forced logits of every field: rows (B, R, F) → (B, R, classes) each."""
        embedded = self.rows(rows)
        before = torch.cat([self.start.expand(len(rows), 1, -1), embedded[:, :-1]], dim=1)
        context = self.context(before, number, after, condition)
        ref = rows[..., plan.REF]
        source = (torch.arange(rows.shape[1]) - ref).clamp_min(0)
        sources = embedded.gather(1, source[..., None].expand_as(embedded)) * (ref > 0)[..., None]
        logits = []
        for field, head in enumerate(self.heads):
            logits.append(head(context))
            context = self.told(context, field, rows[..., field], sources)
        return logits

    def told(self, context: Tensor, field: int, value: Tensor, sources: Tensor) -> Tensor:
        """The context once a field is chosen: ``sources`` are the embedded rows taken up, told with ``ref``."""
        if field == len(plan.FIELDS) - 1:
            return context
        context = context + self.given[field](value)
        return context + self.taken_up(sources) if field == plan.REF else context


class RelativePitch(nn.Module):
    """Logits of pitches by their distance from K other pitches: hidden (B, T, W), pitches (B, T, K) → (B, T, 88)."""

    def __init__(self, width: int, dim: int, count: int) -> None:
        super().__init__()
        self.ask = nn.Linear(width, count * dim, bias=False)
        self.distance = nn.Parameter(0.1 * torch.randn(count, dim, 2 * _PITCHES - 1))

    def forward(self, hidden: Tensor, pitches: Tensor) -> Tensor:
        asked = self.ask(hidden).unflatten(-1, (len(self.distance), -1))
        scores = torch.einsum("btkd,kdn->btkn", asked, self.distance)
        index = torch.arange(_PITCHES) - pitches[..., None].clamp_min(0) + _PITCHES - 1
        return (scores.gather(-1, index) * (pitches != NONE)[..., None]).sum(dim=-2)


class Follow(nn.Module):
    """Logits for classes that are offered, as far as each offer is followed: (B, T, W), (B, T, K) → (B, T, classes)."""

    def __init__(self, width: int, count: int, classes: int) -> None:
        super().__init__()
        self.follow = nn.Linear(width, count)
        nn.init.zeros_(self.follow.weight)
        nn.init.zeros_(self.follow.bias)
        self.classes = classes

    def forward(self, hidden: Tensor, offered: Tensor) -> Tensor:
        followed = self.follow(hidden) * (offered != NONE)
        logits = torch.zeros(*followed.shape[:-1], self.classes, dtype=followed.dtype)
        return logits.scatter_add(-1, offered.clamp_min(0), followed)


class ChordPitch(nn.Module):
    """Logits of pitches by their place in the chord: hidden (B, T, W), chord (B, T) → (B, T, 88)."""

    def __init__(self, width: int, dim: int) -> None:
        super().__init__()
        self.ask = nn.Linear(width, dim, bias=False)
        self.member = nn.Parameter(0.1 * torch.randn(len(QUALITIES) * 12, dim))

    def forward(self, hidden: Tensor, chord: Tensor) -> Tensor:
        scores = self.ask(hidden) @ self.member.T
        root, quality = chord // len(QUALITIES), chord % len(QUALITIES)
        index = quality[..., None] * 12 + (torch.arange(_PITCHES) + LOWEST_PITCH - root[..., None]) % 12
        return scores.gather(-1, index) * (chord != NO_CHORD)[..., None]


class Notes(nn.Module):
    """The fields of each step in turn, given the plan, what is copied, those before it and all earlier steps."""

    def __init__(self, config: TransformerVAEConfig) -> None:
        super().__init__()
        width, self.config = config.width, config
        # One more class than there are: nothing comes before, nothing is copied.
        self.before = nn.ModuleList(nn.Embedding(size + 1, width) for size in STEP_SIZES)
        self.copied = nn.ModuleList(nn.Embedding(size + 1, width) for size in STEP_SIZES[:3])
        self.stream = nn.Embedding(len(STREAMS), width)
        self.rows = PlanRows(width)
        self.unplanned = nn.Parameter(0.1 * torch.randn(width))
        self.after = nn.Embedding(GOES_ON + 1, width)
        self.next = nn.ModuleList(nn.Embedding(END + 2, width) for _ in range(ECHOES))
        self.followed = nn.ModuleList(nn.Embedding(MANNERS, width) for _ in range(ECHOES))
        for module in (*self.before, *self.copied, self.stream, self.after, *self.next, *self.followed):
            nn.init.normal_(module.get_parameter("weight"), std=0.35)
        self.stack = TransformerStack(width, config.heads, config.layers, config.dropout)
        self.codes: Tensor
        head_dim = width // config.heads
        signs = torch.randint(0, 2, (_CODES, head_dim // 2), generator=torch.Generator().manual_seed(0)) * 2 - 1
        self.register_buffer("codes", signs.float(), persistent=False)
        self.strength = nn.Parameter(torch.ones(config.ref_heads))
        self.given = nn.ModuleList(nn.Embedding(size, width) for size in STEP_SIZES[:3])
        self.heads = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Linear(width, size))
            for size in STEP_SIZES
        )
        self.norm = nn.LayerNorm(width)
        self.relative = RelativePitch(width, config.relative_dim, 4 + len(PITCHES))
        self.follow_place = Follow(width, 1 + ECHOES, STEP_SIZES[PLACE])
        self.follow_length = Follow(width, 1 + ECHOES, STEP_SIZES[LENGTH])
        self.in_chord = ChordPitch(width, config.relative_dim)

    def embed_plan(self, rows: Tensor, after: Tensor, planned: Tensor) -> Tensor:
        """The plan of some bars, (B, R, F), with the bars that follow each, (B, R): (B, R, W); ``planned`` (B, R) is
        false where it is kept secret."""
        known = torch.where(planned[..., None], self.rows(rows), self.unplanned)
        return known + self.after(after.clamp(0, GOES_ON))

    def context(
        self,
        before: Tensor,
        stream: Tensor,
        copied: Tensor,
        echoes: Tensor,
        bar_plan: Tensor,
        places: BarPlaces,
        condition: Tensor,
        *,
        hidden: Tensor | None = None,
        cache: Cache | None = None,
    ) -> Tensor:
        """What is known before each step is chosen: (B, T, W).

        Args:
            before: each step's predecessor, (B, T, 4).
            stream: of the steps, (B, T).
            copied: what the bar taken up has next, (B, T, 3), NONE where nothing is.
            echoes: (B, T, E), of which ``NEXT`` and ``FOLLOWED`` are seen.
            bar_plan: embedded plan of each step's bar, (B, T, W).
            places: where the steps stand.
            condition: (B, W).
            hidden: 0 where a predecessor is hidden, else 1: (B, T, 1).
            cache: while playing; T = 1, or T steps to begin with.
        """
        x = torch.stack([table(before[..., field]) for field, table in enumerate(self.before)]).sum(dim=0)
        if hidden is not None:
            x = x * hidden
        for field, table in enumerate(self.copied):
            x = x + table(torch.where(copied[..., field] == NONE, STEP_SIZES[field], copied[..., field]))
        for lag in range(ECHOES):
            following = echoes[..., NEXT[lag]]
            x = x + self.next[lag](torch.where(following == NONE, END + 1, following))
            x = x + self.followed[lag](echoes[..., FOLLOWED[lag]])
        x = x + self.stream(stream) + bar_plan
        causal = cache is None or x.shape[1] > 1
        return self.stack(x, places, condition=condition, causal=causal, cache=cache)

    def places(self, index: Tensor, place: Tensor, bar: Tensor, ref: Tensor, per_bar: Tensor) -> BarPlaces:
        """Where steps stand.

        Args:
            index: in the sequence, (B, T).
            place: of the cursor in its bar, in twelfths of a quarter, (B, T).
            bar: number, (B, T); ``ref``: bars back to the one taken up, 0 for none.
            per_bar: places of a bar, (B,).
        """
        in_bar = place / 12
        quarters = bar * (per_bar[:, None] / 12) + in_bar
        bar = bar + _CODES  # so that bars before the first one have numbers above 0, and codes, too
        wanted = torch.where(ref > 0, bar - ref, torch.full_like(ref, NONE))
        config = self.config
        return BarPlaces(
            index.float(), quarters.float(), in_bar.float(), bar, wanted, self.codes, self.strength,
            config.heads, config.width // config.heads,
        )  # fmt: skip

    def place_logits(self, context: Tensor, offered: Tensor) -> Tensor:
        """Logits of the place: (B, T, 49).

        Args:
            context: (B, T, W).
            offered: by the bar taken up and the echoes, (B, T, 4); NONE where there is none.
        """
        return self.heads[PLACE](context) + self.follow_place(self.norm(context), offered)

    def pitch_logits(self, context: Tensor, pitches: Tensor, chord: Tensor) -> Tensor:
        """Logits of the pitch, once the place is known: (B, T, 88).

        Args:
            context: (B, T, W).
            pitches: that it may relate to, (B, T, 10): copied, before, bass, tune, echoes; NONE where there is none.
            chord: (B, T).
        """
        hidden = self.norm(context)
        return self.heads[PITCH](context) + self.in_chord(hidden, chord) + self.relative(hidden, pitches)

    def length_logits(self, context: Tensor, offered: Tensor) -> Tensor:
        """Logits of the length, once the pitch is known: (B, T, 16); ``offered`` (B, T, 4) as for the place."""
        return self.heads[LENGTH](context) + self.follow_length(self.norm(context), offered)


def impossible_after_end(logits: Tensor, ended: Tensor) -> Tensor:
    """Where a stream ends its step has zeros in the other fields for certain: (B, T, classes)."""
    certain = torch.full_like(logits[:1, :1], _QUIET)
    certain[..., 0] = 0.0
    return torch.where(ended[..., None], certain, logits)


class Header(nn.Module):
    """What planner or notes are told of the whole piece, as one vector: (B, W)."""

    def __init__(self, z_dim: int, width: int) -> None:
        super().__init__()
        self.z = nn.Linear(z_dim, width)
        self.wishes = nn.Sequential(nn.Linear(4, width), nn.GELU(), nn.Linear(width, width))
        self.corpus, self.minor = nn.Embedding(len(CORPORA), width), nn.Embedding(2, width)
        self.tempo, self.meter = nn.Embedding(TEMPO_CLASSES, width), nn.Embedding(len(METERS), width)

    def idea(self, z: Tensor, va: Tensor, corpus: Tensor, minor: Tensor) -> Tensor:
        """Everything but tempo and meter, which follow from it: z (B, z_dim), va (B, 2) on 1-9 or NaN, classes (B,)."""
        told = ~va.isnan()
        wishes = torch.cat([((va - MIDDLE) / 2).nan_to_num(0.0), told.to(va.dtype)], dim=1)
        return self.z(z) + self.wishes(wishes) + self.corpus(corpus) + self.minor(minor)

    def forward(self, idea: Tensor, tempo: Tensor, meter: Tensor) -> Tensor:
        return idea + self.tempo(tempo) + self.meter(meter)


class PlanDecoder(nn.Module):
    """What plays: the planner and the notes, each with its header, and the heads of tempo and meter."""

    def __init__(self, config: TransformerVAEConfig) -> None:
        super().__init__()
        self.config = config
        self.plan_header = Header(config.z_dim, config.plan_width)
        self.tempo_head = nn.Sequential(nn.GELU(), nn.Linear(config.plan_width, TEMPO_CLASSES))
        self.meter_head = nn.Sequential(nn.GELU(), nn.Linear(config.plan_width, len(METERS)))
        self.planner = Planner(config.plan_width, config.plan_heads, config.plan_layers, config.dropout)
        self.notes_header = Header(config.z_dim, config.width)
        self.notes = Notes(config)
        self.per_bar: Tensor
        self.register_buffer(
            "per_bar", torch.tensor([above * 48 // below for above, below in METERS]), persistent=False
        )
