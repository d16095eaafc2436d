"""tvae: a Transformer VAE that composes, told the emotion it should reach.

Steps of the codec (``eimg_core.midi.codec``), one per note, in the home key, with bars, meter and tempo. The encoder
reads a piece into a latent z and into what it hears as valence and arousal; the decoder plays z under conditions:
valence, arousal, density, tempo, bar, mode and style. In training each condition is now and then unknown, so that at
playing the difference that it makes can be measured and strengthened (guidance).

v_y = [z (96), key (24), valence, arousal], 122 numbers: posterior means, the estimated key, and the encoder's own
reading. Emotion thus has a place of its own: since the decoder is told it anyway, z need not pay for it.

Shapes: B batch, T steps, W width, P points of a path.

References: Kingma and Welling 2014; Jiang et al. 2020, "Transformer VAE"; Wu and Yang 2023, "MuseMorphose", for a
condition added at every layer; Ho and Salimans 2022 for guidance without a classifier.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from eimg_core.autoencoder import ComposingAutoencoder
from eimg_core.emotion import MIDDLE, VA
from eimg_core.layers import linear_ramp
from eimg_core.losses import gaussian_kl
from eimg_core.midi import codec
from eimg_core.midi.batch import CLIP_S, MusicBatch, MusicSample
from eimg_core.midi.codec import SHIFT, STEPS_PER_BEAT
from eimg_core.midi.notes import Piece
from eimg_core.midi.request import Request
from eimg_core.music_ae.composing import Composing
from eimg_core.music_ae.decoder import Sampling, StepLogits, token_cross_entropy
from eimg_core.music_ae.keys import KEYS, draw_keys, in_minor, played_in
from eimg_core.music_ae.transformer import TransformerStack
from eimg_core.music_ae.tvae_network import BARS, Conditions, NoteTransformer, StepEmbedding
from eimg_core.trainable import LossTerms, Objective

__all__ = ["BarBatch", "BarSample", "TransformerVAE", "TransformerVAEConfig", "bar_beats"]


def bar_beats(piece: Piece) -> int:
    """Beats in a bar of the folded tempo, one of ``BARS``: bars of two count in pairs, bars of eight in halves."""
    above, below = piece.meter
    beats = above * 4 / below * codec.fold_tempo(piece.tempo_bpm) / piece.tempo_bpm
    while beats < BARS[0] - 0.5:
        beats *= 2
    while beats > BARS[-1] + 0.5:
        beats /= 2
    return min(BARS, key=lambda bar: abs(bar - beats))


@dataclass(frozen=True)
class BarSample(MusicSample):
    """A training example that knows its bar.

    Attributes:
        bar: beats in a bar, one of ``BARS``.
        style: index into ``STYLES``.
        end_beats: where the piece really ends; infinite where the excerpt was cut.
    """

    bar: int = 4
    style: int = 0
    end_beats: float = math.inf


@dataclass(frozen=True)
class BarBatch(MusicBatch):
    """A ``MusicBatch`` with ``bar`` (B,) as index into ``BARS``, ``style`` (B,) and ``end_beats`` (B,)."""

    bar: Tensor
    style: Tensor
    end_beats: Tensor

    @property
    def minor(self) -> Tensor:
        """1 for pieces in a minor key: (B,)."""
        return self.key[:, KEYS // 2 :].sum(dim=1).long()

    @property
    def log_density(self) -> Tensor:
        """Logarithm of the notes per second, (B,)."""
        seconds_per_step = torch.tensor(
            [60.0 / codec.tempo_of_class(c) / STEPS_PER_BEAT for c in self.tempo_class.tolist()]
        )
        seconds = self.steps[..., SHIFT].sum(dim=1) * seconds_per_step
        return (self.lengths / seconds.clamp(CLIP_S / 3, CLIP_S)).log().to(self.va.dtype)


@dataclass(frozen=True)
class TransformerVAEConfig:
    """About 4 million weights: an epoch of the clips takes about 80 s on two cores.

    Args:
        width, heads, encoder_layers, decoder_layers: of the Transformers.
        z_dim: width of the latent.
        dropout: of the blocks; ``input_dropout``: share of previous steps hidden from the decoder.
        drop_emotion, drop_density, drop_z: how often a condition is unknown in training.
        weight_kl: per nat, beside the mean loss of a step: 0.004 is β = 0.4 for a clip of 100 notes.
        free_nats: KL of a dimension below which it costs nothing more.
        weight_heard: of the encoder's reading of valence and arousal, squared error in units of the scale.
        kl_full: steps of the warm-up of the KL.
        temperature, top_p: of playing, one per field (shift, pitch, duration, velocity), chosen on the validation
            split: a small nucleus cuts off the long durations, and with them half of the chords.
        guidance: how far the emotion is followed, 1 as in training; chosen there too, with the guide.
        window: steps that playing looks back over.
    """

    width: int = 192
    heads: int = 4
    encoder_layers: int = 2
    decoder_layers: int = 6
    z_dim: int = 96
    dropout: float = 0.1
    input_dropout: float = 0.1
    drop_emotion: float = 0.15
    drop_density: float = 0.5
    drop_z: float = 0.1
    weight_kl: float = 0.004
    free_nats: float = 0.1
    weight_heard: float = 0.3
    kl_full: int = 1500
    temperature: Sequence[float] = (0.8, 1.1, 1.2, 0.45)
    top_p: Sequence[float] = (0.9, 0.97, 1.0, 0.95)
    guidance: float = 2.4
    window: int = 384

    @classmethod
    def tiny(cls) -> TransformerVAEConfig:
        return cls(
            width=16, heads=2, encoder_layers=1, decoder_layers=1, z_dim=6, dropout=0.0, input_dropout=0.0, kl_full=1
        )


class TransformerVAE(ComposingAutoencoder):
    """The music autoencoder that composes."""

    Config = TransformerVAEConfig
    config: TransformerVAEConfig
    title = "TVAE"
    reference = "this project"
    pretrains = True

    def __init__(self, config: TransformerVAEConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or TransformerVAEConfig()
        width = config.width
        self.embedding = StepEmbedding(width)
        self.tempo, self.bar = nn.Embedding(codec.TEMPO_CLASSES, width), nn.Embedding(len(BARS), width)
        self.encoder = TransformerStack(width, config.heads, config.encoder_layers, config.dropout)
        self.posterior = nn.Linear(width, 2 * config.z_dim)
        self.listener = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, 2))
        self.conditions = Conditions(config.z_dim, width)
        self.decoder = NoteTransformer(width, config.heads, config.decoder_layers, config.dropout)
        self.bars: Tensor
        self.register_buffer("bars", torch.tensor(BARS), persistent=False)

    @property
    def latent_dim(self) -> int:
        return self.config.z_dim + KEYS + 2

    # --- data ---------------------------------------------------------------------------------------------------

    def sample(self, piece: Piece, va: VA | None = None) -> BarSample:
        return BarSample(**vars(MusicSample.of(piece, va)), bar=bar_beats(piece))

    def collate(self, samples: Sequence[Any]) -> BarBatch:
        return BarBatch(
            **vars(MusicBatch.of(samples)),
            bar=torch.tensor([BARS.index(sample.bar) for sample in samples]),
            style=torch.tensor([sample.style for sample in samples]),
            end_beats=torch.tensor([sample.end_beats for sample in samples]),
        )

    # --- reading ------------------------------------------------------------------------------------------------

    def read(self, batch: BarBatch) -> tuple[Tensor, Tensor, Tensor]:
        """Mean and log-variance of q(z | piece), (B, z_dim) each, and the emotion heard, (B, 2) on 1-9."""
        onsets = batch.steps[..., SHIFT].cumsum(dim=1)
        x = self.embedding(batch.steps, onsets, self.bars[batch.bar])
        x = x + (self.tempo(batch.tempo_class) + self.bar(batch.bar))[:, None]
        index = torch.arange(x.shape[1]).expand(x.shape[:2])
        places = self.encoder.places(index.to(x.dtype), (onsets / STEPS_PER_BEAT).to(x.dtype))
        read = self.encoder(x, places, mask=batch.mask)
        mask = batch.mask[..., None].to(read.dtype)
        mean = (read * mask).sum(dim=1) / mask.sum(dim=1)
        mu, logvar = self.posterior(mean).chunk(2, dim=-1)
        return mu, logvar.clamp(-8.0, 4.0), MIDDLE + 2 * self.listener(mean)

    def encode(self, batch: BarBatch) -> Tensor:
        mu, _, heard = self.read(batch)
        return torch.cat([mu, batch.key.to(mu.dtype), heard], dim=-1)

    # --- training -----------------------------------------------------------------------------------------------

    def objectives(self) -> tuple[Objective, ...]:
        return (Objective("autoencode", ("model",), self.loss),)

    def loss(self, batch: BarBatch, step: int) -> LossTerms:
        """−ELBO with free nats, conditions that are now and then unknown, and the encoder's reading of emotion."""
        config = self.config
        mu, logvar, heard = self.read(batch)
        z, va, density = mu, batch.va, batch.log_density
        if self.training:
            B = len(mu)
            z = mu + torch.randn_like(mu) * (0.5 * logvar).exp()
            z = z * (torch.rand(B, 1) >= config.drop_z)
            va = va.masked_fill(torch.rand(B, 1) < config.drop_emotion, torch.nan)
            density = density.masked_fill(torch.rand(B) < config.drop_density, torch.nan)
        idea = self.conditions.idea(z, va, density, batch.style, batch.minor)
        condition = self.conditions(idea, batch.tempo_class, batch.bar)
        logits = self.decoder(
            batch.steps, self.bars[batch.bar], batch.end_beats, condition, input_dropout=config.input_dropout
        )
        nats = gaussian_kl(mu, logvar, torch.zeros_like(mu), 0.0).mean(dim=0)  # (z_dim,)
        known = ~batch.va.isnan().any(dim=1, keepdim=True)
        error = (heard - batch.va.nan_to_num(MIDDLE)).pow(2) * known
        terms = {
            "tokens": token_cross_entropy(logits, batch.steps, batch.mask),
            "tempo": F.cross_entropy(self.conditions.tempo_head(idea), batch.tempo_class),
            "bar": F.cross_entropy(self.conditions.bar_head(idea), batch.bar),
            "kl": nats.clamp_min(config.free_nats).sum(),
            "heard": error.sum() / (2 * known.sum()).clamp_min(1),
        }
        ramp = linear_ramp(step, 0, config.kl_full)
        weights = {
            "tokens": 1.0,
            "tempo": 0.05,
            "bar": 0.05,
            "kl": config.weight_kl * ramp,
            "heard": config.weight_heard,
        }
        return LossTerms(terms, weights, {"nats": nats.sum()})

    def step_logits(self, batch: BarBatch, latents: Tensor) -> StepLogits:
        """Teacher-forced logits with given v_y (B, D), the emotion in it included."""
        z, _, heard = latents.split([self.config.z_dim, KEYS, 2], dim=-1)
        unknown = torch.full_like(heard[:, 0], torch.nan)
        idea = self.conditions.idea(z, heard, unknown, batch.style, batch.minor)
        condition = self.conditions(idea, batch.tempo_class, batch.bar)
        return self.decoder(batch.steps, self.bars[batch.bar], batch.end_beats, condition)

    # --- playing ------------------------------------------------------------------------------------------------

    def generate(
        self, latents: Tensor, *, seconds: float, generator: torch.Generator, va: Sequence[VA] | None = None
    ) -> list[Piece]:
        targets = torch.tensor([(w.valence, w.arousal) for w in va], dtype=latents.dtype) if va else latents[:, -2:]
        return self.compose(latents, Request(seconds, targets[:, None]), generator)

    def in_minor(self, latents: Tensor) -> bool:
        return bool(in_minor(latents[:, self.config.z_dim : self.config.z_dim + KEYS]).all())

    def compose(self, latents: Tensor, request: Request, generator: torch.Generator) -> list[Piece]:
        """Play v_y (B, D), or paths of them (B, P, D), with everything that can be asked for; see ``Request``.

        Where a density is asked for, the pieces are composed twice: to find how dense each of them would be, and again
        with the same chances, told how dense it should be.
        """
        state = generator.get_state()
        pieces = self._composed(latents, request, None, generator)
        if not request.density:
            return pieces
        usual = torch.tensor([len(piece.notes) / piece.duration_s if piece.notes else 1.0 for piece in pieces])
        generator.set_state(state)
        return self._composed(latents, request, usual.log() + request.density * math.log(2.0), generator)

    def _composed(
        self, latents: Tensor, request: Request, log_density: Tensor | None, generator: torch.Generator
    ) -> list[Piece]:
        z, weights, _ = latents.split([self.config.z_dim, KEYS, 2], dim=-1)
        weights = weights if weights.dim() == 2 else weights.mean(dim=1)
        keys = draw_keys(weights, generator)
        if request.key is not None:
            keys = torch.full_like(keys, request.key)
        sampling = [Sampling(*both) for both in zip(self.config.temperature, self.config.top_p, strict=True)]
        composing = Composing(
            self.decoder,
            self.conditions,
            self.config.window,
            z,
            keys,
            request,
            log_density,
            sampling,
            self.config.guidance,
            generator,
        )
        scores, bars = composing.play()
        return [replace(piece, meter=(bar, 4)) for piece, bar in zip(played_in(scores, keys), bars, strict=True)]
