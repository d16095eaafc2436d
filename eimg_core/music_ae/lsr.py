"""LSR: a VAE of notes whose first dimensions are musical attributes.

Each of four latent dimensions is made to rise with one attribute over all pairs of a batch: rhythm density, note
density, pitch height and articulation (how much of the time between two notes is filled), all of which carry emotion.

v_y = [z (256), key (24)], 280 numbers as in the paper; the posterior mean and the estimated key.

References: Pati and Lerch 2019, "Latent space regularization for explicit control of musical attributes"; the spread
factor and the absolute error are theirs. The paper's Section V-A.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from eimg_core.layers import linear_ramp
from eimg_core.losses import attribute_regularisation, gaussian_kl
from eimg_core.midi.batch import MusicBatch
from eimg_core.music_ae.decoder import token_cross_entropy
from eimg_core.music_ae.encoder import Posterior, StepEncoder
from eimg_core.music_ae.recurrent import RecurrentAutoencoder, RecurrentConfig
from eimg_core.trainable import LossTerms, Objective

__all__ = ["LSRVAE", "LSRConfig"]

_ATTRIBUTES = ("rhythm_density", "note_density", "pitch_height", "articulation")


@dataclass(frozen=True)
class LSRConfig(RecurrentConfig):
    """γ = 1 and δ = 10 are Pati and Lerch's."""

    encoder_hidden: int = 256
    latent: int = 256
    spread: float = 10.0
    weight_attributes: float = 1.0

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


class LSRVAE(RecurrentAutoencoder):
    """The attribute-regularised VAE."""

    Config = LSRConfig
    config: LSRConfig
    title = "LSR"
    reference = "Pati and Lerch 2019"

    def __init__(self, config: LSRConfig | None = None) -> None:
        config = config or LSRConfig()
        super().__init__(config, z_dim=config.latent)
        self.encoder = StepEncoder(self.embedded_width, config.encoder_hidden, config.latent, first_logvar=-2.0)

    def posterior(self, batch: MusicBatch) -> Posterior:
        """q(z | piece)."""
        posterior: Posterior = self.encoder(self.embedded(batch), batch.lengths)
        return posterior

    def encode(self, batch: MusicBatch) -> Tensor:
        return self.with_key(self.posterior(batch).mu, batch)

    def objectives(self) -> tuple[Objective, ...]:
        return (Objective("autoencode", ("model",), self.loss),)

    def loss(self, batch: MusicBatch, step: int) -> LossTerms:
        """Pati and Lerch 2019, Eq. 2-5: reconstruction, KL to N(0, 1), and one attribute term per dimension."""
        posterior = self.posterior(batch)
        z = posterior.draw() if self.training else posterior.mu
        condition = self.with_key(z, batch)
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
