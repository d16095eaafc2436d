"""tvae: a Transformer VAE that plans a piece bar by bar, then writes the notes to the plan.

An encoder reads a passage into a latent z and an estimate of its valence and arousal. A planner lays out its bars:
phrases, which earlier bar each bar takes up and how, chords, densities, registers, cadences. The notes follow, bar
after bar, the tune first, then the left hand, then the rest; each step sees its plan, the note that the bar taken up
has next at this place, and echoes of what its stream played shortly before. "Plan, then write" is how Yao et al. 2019
divide the work for stories; explicit reference to an earlier bar is what gives the music of MELONS and PopMNet a form.

v_y = [z (96), key (24), valence, arousal], 122 numbers: posterior means, the estimated key, and the encoder's own
estimate. Emotion thus has a place of its own: since the decoder is told it anyway, z need not pay for it.

Shapes: B batch, T steps, R rows of a plan, F its fields, W width.

References: Kingma and Welling 2014; Yao et al. 2019, "Plan-And-Write"; Wu et al. 2020, "PopMNet"; Zou et al. 2022,
"MELONS"; Wu and Yang 2023, "MuseMorphose", for a condition added at every layer.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import eimg_core.music_ae.plan as plan
from eimg_core.annotation.annotate import annotate_piece
from eimg_core.annotation.chords import NO_CHORD
from eimg_core.autoencoder import ComposingAutoencoder
from eimg_core.emotion import MIDDLE, VA
from eimg_core.layers import linear_ramp
from eimg_core.losses import gaussian_kl
from eimg_core.midi.bar_codec import END, STEP_SIZES, STREAMS, TEMPO_CLASSES, TUNE
from eimg_core.midi.batch import CLIP_S
from eimg_core.midi.notes import Piece
from eimg_core.midi.request import Request
from eimg_core.midi.sheet import METERS
from eimg_core.music_ae.keys import KEYS, draw_keys, in_minor
from eimg_core.music_ae.plan_echoes import ECHOES, LENGTHS, NEXT, PITCHES, SILENT
from eimg_core.music_ae.plan_examples import Passage, PlanBatch, PlanSample
from eimg_core.music_ae.plan_networks import (
    LENGTH,
    PITCH,
    PLACE,
    VELOCITY,
    PlanDecoder,
    StepLogits,
    TransformerVAEConfig,
    impossible_after_end,
)
from eimg_core.music_ae.plan_playing import Playing
from eimg_core.music_ae.plan_relations import NONE
from eimg_core.music_ae.transformer import TransformerStack
from eimg_core.trainable import LossTerms, Objective

__all__ = ["TransformerVAE", "TransformerVAEConfig"]

_MOST_BARS = 32  # of an example


class TransformerVAE(ComposingAutoencoder):
    """The music autoencoder that plans."""

    Config = TransformerVAEConfig
    config: TransformerVAEConfig
    title = "TVAE"
    reference = "this project"

    def __init__(self, config: TransformerVAEConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or TransformerVAEConfig()
        width = config.encoder_width
        self.embedding = nn.ModuleList(nn.Embedding(size, width) for size in STEP_SIZES)
        self.stream, self.quarter = nn.Embedding(len(STREAMS), width), nn.Embedding(4, width)
        self.tempo, self.meter = nn.Embedding(TEMPO_CLASSES, width), nn.Embedding(len(METERS), width)
        for table in (*self.embedding, self.stream, self.quarter, self.tempo, self.meter):
            nn.init.normal_(table.weight, std=0.4)
        self.encoder = TransformerStack(width, config.encoder_heads, config.encoder_layers, config.dropout)
        self.posterior = nn.Linear(width, 2 * config.z_dim)
        self.listener = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, 2))
        self.decoder = PlanDecoder(config)

    @property
    def latent_dim(self) -> int:
        return self.config.z_dim + KEYS + 2

    # --- data ---------------------------------------------------------------------------------------------------

    def sample(self, piece: Piece, va: VA | None = None) -> PlanSample:
        """The first 15 s of a piece.

        Raises:
            ValueError: no note starts within them.
        """
        clip = piece.cropped(CLIP_S)
        if not clip.notes:
            raise ValueError("a piece without notes cannot be a training example")
        passage = Passage.of(annotate_piece(clip), self.config.style)
        return passage.sample(0, min(passage.bars, _MOST_BARS), va)

    def collate(self, samples: Sequence[PlanSample]) -> PlanBatch:
        return PlanBatch.of(samples)

    # --- reading ------------------------------------------------------------------------------------------------

    def read(self, batch: PlanBatch) -> tuple[Tensor, Tensor, Tensor]:
        """Mean and log-variance of q(z | passage), (B, z_dim) each, and the estimate of its emotion, (B, 2) on 1-9."""
        place = batch.steps[..., PLACE]
        x = torch.stack([table(batch.steps[..., field]) for field, table in enumerate(self.embedding)]).sum(dim=0)
        x = x + self.stream(batch.stream) + self.quarter((place // 12).clamp(max=3))
        x = x + (self.tempo(batch.tempo) + self.meter(batch.meter))[:, None]
        index = torch.arange(x.shape[1]).expand(x.shape[:2])
        quarters = (batch.bar * self.decoder.per_bar[batch.meter][:, None] + place.clamp(max=END - 1)) / 12
        read = self.encoder(x, self.encoder.places(index.to(x.dtype), quarters.to(x.dtype)), mask=batch.mask)
        mask = batch.mask[..., None].to(read.dtype)
        mean = (read * mask).sum(dim=1) / mask.sum(dim=1)
        mu, logvar = self.posterior(mean).chunk(2, dim=-1)
        return mu, logvar.clamp(-8.0, 4.0), MIDDLE + 2 * self.listener(mean)

    def encode(self, batch: PlanBatch) -> Tensor:
        mu, _, heard = self.read(batch)
        return torch.cat([mu, batch.key.to(mu.dtype), heard], dim=-1)

    # --- training -----------------------------------------------------------------------------------------------

    def objectives(self) -> tuple[Objective, ...]:
        return (Objective("autoencode", ("model",), self.loss),)

    def write(self, batch: PlanBatch, z: Tensor, va: Tensor) -> StepLogits:
        """Teacher-forced logits of every step, with what training hides now and then."""
        config, notes = self.config, self.decoder.notes
        B, T, _ = batch.steps.shape
        condition = self.decoder.notes_header(
            self.decoder.notes_header.idea(z, va, batch.corpus, batch.minor), batch.tempo, batch.meter
        )
        row = batch.before[:, None] + batch.bar
        planned = torch.ones(batch.rows.shape[:2], dtype=torch.bool)
        around, echoes, chord, hidden = batch.around, batch.echoes, batch.chord, None
        if self.training:
            planned = torch.rand(planned.shape) >= config.drop_plan
            chord = torch.where(planned.gather(1, row), chord, NO_CHORD)
            lacking = (torch.rand(B, 1, 1) < config.drop_copied) & (torch.arange(around.shape[2]) < 3)
            around = around.masked_fill(lacking, NONE)
            unheard = torch.rand(B, 1, ECHOES) < config.drop_copied
            echoes = torch.where(unheard.tile(1, 1, echoes.shape[2] // ECHOES), torch.tensor(SILENT), echoes)
            hidden = torch.rand(B, T, 1) >= config.input_dropout
        bars_after = (batch.after + batch.row_count - 1)[:, None] - torch.arange(batch.rows.shape[1])
        plans = notes.embed_plan(batch.rows, bars_after, planned)
        first = torch.tensor(STEP_SIZES).expand(B, 1, 4)
        before = torch.cat([first, batch.steps[:, :-1]], dim=1)
        cursor = torch.where(before[..., PLACE] >= END, 0, before[..., PLACE])  # a stream begins at its bar line
        ref = batch.rows[..., plan.REF].gather(1, row)
        places = notes.places(torch.arange(T).expand(B, T), cursor, batch.bar, ref, self.decoder.per_bar[batch.meter])
        bar_plan = plans.gather(1, row[..., None].expand(-1, -1, plans.shape[2]))
        copied = around[..., :3]
        context = notes.context(before, batch.stream, copied, echoes, bar_plan, places, condition, hidden=hidden)
        place = notes.place_logits(context, torch.cat([copied[..., :1], echoes[..., NEXT]], dim=-1))
        context = context + notes.given[PLACE](batch.steps[..., PLACE])
        pitch = notes.pitch_logits(context, torch.cat([around[..., [1, 3, 4, 5]], echoes[..., PITCHES]], dim=-1), chord)
        context = context + notes.given[PITCH](batch.steps[..., PITCH])
        length = notes.length_logits(context, torch.cat([copied[..., 2:], echoes[..., LENGTHS]], dim=-1))
        context = context + notes.given[LENGTH](batch.steps[..., LENGTH])
        ended = batch.steps[..., PLACE] == END
        later = (impossible_after_end(logits, ended) for logits in (pitch, length, notes.heads[VELOCITY](context)))
        return StepLogits(place, *later)

    def plan_losses(self, batch: PlanBatch, condition: Tensor) -> Tensor:
        """Mean cross-entropy of each field of the plan, in nats: (F,)."""
        R = batch.rows.shape[1]
        number = (batch.first - batch.before)[:, None] + torch.arange(R)
        after = (batch.after + batch.row_count - 1)[:, None] - torch.arange(R)
        logits = self.decoder.planner(batch.rows, number, after.clamp_min(0), condition)
        mask = (torch.arange(R) < batch.row_count[:, None]).to(condition.dtype)
        losses = []
        for field, of_field in enumerate(logits):
            nats = F.cross_entropy(of_field.transpose(1, 2), batch.rows[..., field], reduction="none")
            losses.append((nats * mask).sum() / mask.sum())
        return torch.stack(losses)

    def loss(self, batch: PlanBatch, step: int) -> LossTerms:
        """−ELBO with free nats: plan, notes, tempo and meter, and the encoder's estimate of emotion."""
        config = self.config
        mu, logvar, heard = self.read(batch)
        z, va = mu, batch.va
        if self.training:
            B = len(mu)
            z = mu + torch.randn_like(mu) * (0.5 * logvar).exp()
            z = z * (torch.rand(B, 1) >= config.drop_z)
            va = va.masked_fill(torch.rand(B, 1) < config.drop_emotion, torch.nan)
        idea = self.decoder.plan_header.idea(z, va, batch.corpus, batch.minor)
        plan_losses = self.plan_losses(batch, self.decoder.plan_header(idea, batch.tempo, batch.meter))
        fields = self.step_losses(self.write(batch, z, va), batch)
        weight = torch.where(batch.stream == TUNE, config.weight_tune, 1.0) * batch.mask
        nats = gaussian_kl(mu, logvar, torch.zeros_like(mu), 0.0).mean(dim=0)  # (z_dim,)
        known = ~batch.va.isnan().any(dim=1, keepdim=True)
        error = (heard - batch.va.nan_to_num(MIDDLE)).pow(2) * known
        terms = {
            "notes": (fields.sum(dim=0) * weight).sum() / weight.sum(),
            "plan": plan_losses.sum(),
            "tempo": F.cross_entropy(self.decoder.tempo_head(idea), batch.tempo),
            "meter": F.cross_entropy(self.decoder.meter_head(idea), batch.meter),
            "kl": nats.clamp_min(config.free_nats).sum(),
            "heard": error.sum() / (2 * known.sum()).clamp_min(1),
        }
        weights = {
            "notes": 1.0,
            "plan": config.weight_plan,
            "tempo": 0.05,
            "meter": 0.05,
            "kl": config.weight_kl * linear_ramp(step, 0, config.kl_full),
            "heard": config.weight_heard,
        }
        return LossTerms(terms, weights, {"nats": nats.sum()})

    def step_losses(self, logits: StepLogits, batch: PlanBatch) -> Tensor:
        """Cross-entropy of every field of every step in nats: (4, B, T); 0 for velocities that were not recorded."""
        losses = torch.stack(
            [
                F.cross_entropy(of_field.transpose(1, 2).float(), batch.steps[..., field], reduction="none")
                for field, of_field in enumerate(logits)
            ]
        )
        recorded = batch.rows[:, :1, plan.LOUDNESS] != plan.LOUDNESS_UNKNOWN  # (B, 1), the same for all bars
        return torch.cat([losses[:VELOCITY], (losses[VELOCITY] * recorded)[None]])

    def step_logits(self, batch: PlanBatch, latents: Tensor) -> StepLogits:
        """Teacher-forced logits with given v_y (B, D), the emotion in it included, and the plan of the batch."""
        z, _, heard = latents.split([self.config.z_dim, KEYS, 2], dim=-1)
        return self.write(batch, z, heard)

    # --- playing ------------------------------------------------------------------------------------------------

    def generate(
        self, latents: Tensor, *, seconds: float, generator: torch.Generator, va: Sequence[VA] | None = None
    ) -> list[Piece]:
        targets = torch.tensor([(t.valence, t.arousal) for t in va], dtype=latents.dtype) if va else latents[:, -2:]
        return self.compose(latents, Request(seconds, targets[:, None]), generator)

    @torch.no_grad()
    def in_minor(self, latents: Tensor) -> bool:
        return bool(in_minor(latents[:, self.config.z_dim : self.config.z_dim + KEYS]).all())

    def compose(self, latents: Tensor, request: Request, generator: torch.Generator) -> list[Piece]:
        """Play v_y (B, D), or paths of them (B, P, D), with everything that can be asked for; see ``Request``."""
        z, weights, _ = latents.split([self.config.z_dim, KEYS, 2], dim=-1)
        weights = weights if weights.dim() == 2 else weights.mean(dim=1)
        keys = draw_keys(weights, generator, request.tonic, request.minor, readable=True)
        return Playing(self.decoder, z, keys, request, generator).play()
