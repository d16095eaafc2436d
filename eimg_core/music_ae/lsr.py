"""LSR: a VAE of notes whose first dimensions are musical attributes.

Each of four latent dimensions is made to rise with one attribute over all pairs of a batch: rhythm density, note
density, pitch height and articulation (how much of the time between two notes is filled), all of which carry emotion.

v_y = [z (256), key (24)], 280 numbers as in the paper; the posterior mean and the estimated key.

References: Pati and Lerch 2019, "Latent space regularization for explicit control of musical attributes"; the spread
factor and the absolute error are theirs. The paper's Section V-A.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from eimg_core.autoencoder import MusicAutoencoder
from eimg_core.emotion import VA
from eimg_core.layers import linear_ramp
from eimg_core.losses import attribute_regularisation, gaussian_kl
from eimg_core.midi import codec
from eimg_core.midi.batch import MusicBatch
from eimg_core.midi.notes import Piece
from eimg_core.music_ae.decoder import NoteDecoder, NoteEmbedding, Sampling, token_cross_entropy
from eimg_core.music_ae.encoder import Posterior, StepEncoder
from eimg_core.music_ae.keys import KEYS, draw_keys, played_in
from eimg_core.trainable import LossTerms, Objective

__all__ = ["LSRVAE", "LSRConfig"]

_ATTRIBUTES = ("rhythm_density", "note_density", "pitch_height", "articulation")


@dataclass(frozen=True)
class LSRConfig:
    """γ = 1 and δ = 10 are Pati and Lerch's; the weights of tokens and KL those of the released code."""

    field_widths: tuple[int, int, int, int] = (32, 64, 32, 16)
    phase_width: int = 16
    encoder_hidden: int = 256
    decoder_hidden: int = 256
    latent: int = 256
    dropout: float = 0.2
    input_dropout: float = 0.25
    spread: float = 10.0
    weight_tokens: float = 5.0
    weight_kl: float = 0.2
    weight_attributes: float = 1.0
    kl_full: int = 600  # steps of the warm-up
    temperature: float = 0.85  # this and top_p: nearest to real clips on the validation split
    top_p: float = 0.95

    @classmethod
    def tiny(cls) -> LSRConfig:
        return cls(
            field_widths=(4, 8, 4, 4),
            phase_width=4,
            encoder_hidden=12,
            decoder_hidden=16,
            latent=8,
            dropout=0.0,
            input_dropout=0.0,
        )

    def __post_init__(self) -> None:
        object.__setattr__(self, "field_widths", tuple(self.field_widths))


class LSRVAE(MusicAutoencoder):
    """The attribute-regularised VAE."""

    Config = LSRConfig
    config: LSRConfig
    title = "LSR"
    reference = "Pati and Lerch 2019"

    def __init__(self, config: LSRConfig | None = None) -> None:
        super().__init__()
        config = config or LSRConfig()
        self.config = config
        self.embedding = NoteEmbedding(config.field_widths, config.phase_width)
        self.tempo_embedding = nn.Embedding(codec.TEMPO_CLASSES, config.phase_width)
        self.encoder = StepEncoder(
            self.embedding.width + config.phase_width, config.encoder_hidden, config.latent, first_logvar=-2.0
        )
        self.decoder = NoteDecoder(
            NoteEmbedding(config.field_widths, config.phase_width),
            self.latent_dim,
            config.decoder_hidden,
            dropout=config.dropout,
        )
        self.dropout = nn.Dropout(config.dropout)

    @property
    def latent_dim(self) -> int:
        return self.config.latent + KEYS

    def posterior(self, batch: MusicBatch) -> Posterior:
        """q(z | piece)."""
        tempo = self.tempo_embedding(batch.tempo_class)[:, None].expand(-1, batch.steps.shape[1], -1)
        embedded = torch.cat([self.embedding(batch.steps, NoteEmbedding.phases(batch.steps)), tempo], dim=-1)
        posterior: Posterior = self.encoder(self.dropout(embedded), batch.lengths)
        return posterior

    def encode(self, batch: MusicBatch) -> Tensor:
        mu = self.posterior(batch).mu
        return torch.cat([mu, batch.key.to(mu.dtype)], dim=-1)

    def objectives(self) -> tuple[Objective, ...]:
        return (Objective("autoencode", ("model",), self.loss),)

    def loss(self, batch: MusicBatch, step: int) -> LossTerms:
        """Pati and Lerch 2019, Eq. 2-5: reconstruction, KL to N(0, 1), and one attribute term per dimension."""
        posterior = self.posterior(batch)
        z = posterior.draw() if self.training else posterior.mu
        condition = torch.cat([z, batch.key.to(z.dtype)], dim=-1)
        logits = self.decoder(batch.steps, batch.tempo_class, condition, input_dropout=self.config.input_dropout)
        attributes = {
            name: attribute_regularisation(
                z[:, dimension], getattr(batch, name), spread=self.config.spread, absolute=True
            )
            for dimension, name in enumerate(_ATTRIBUTES)
        }
        terms = {
            "tokens": token_cross_entropy(logits, batch.steps, batch.mask),
            "tempo": F.cross_entropy(self.decoder.tempo(condition), batch.tempo_class),
            "kl": gaussian_kl(posterior.mu, posterior.logvar).mean(),
            **attributes,
        }
        weights = {
            "tokens": self.config.weight_tokens,
            "tempo": 1.0,
            "kl": self.config.weight_kl * linear_ramp(step, 0, self.config.kl_full),
            **dict.fromkeys(attributes, self.config.weight_attributes),
        }
        return LossTerms(terms, weights)

    def generate(
        self, latents: Tensor, *, seconds: float, generator: torch.Generator, va: Sequence[VA] | None = None
    ) -> list[Piece]:
        z, weights = latents.split([self.config.latent, KEYS], dim=-1)
        keys = draw_keys(weights, generator)
        condition = torch.cat([z, F.one_hot(keys, KEYS).to(z.dtype)], dim=-1)
        sampling = Sampling(self.config.temperature, self.config.top_p)
        return played_in(self.decoder.play(condition, seconds=seconds, sampling=sampling, generator=generator), keys)
