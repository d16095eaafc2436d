"""FNT: Music FaderNets, a Gaussian-mixture VAE with two factors, rhythm and note.

Two encoders read the same steps and give two latents. Each factor has its own small decoder, which rebuilds the
factor's series (what happens in each frame; how many notes sound), its own mixture of Gaussians, one component for low
and one for high arousal, and one dimension that rises with the factor's density: the "faders". The global decoder
plays the notes from both latents and the key.

v_y = [z_rhythm (128), z_note (128), key (24)], 280 numbers as in the paper; posterior means, and a real key where the
released code has 24 constant ones.

References: Tan and Herremans 2020, "Music FaderNets"; the paper's Section V-A.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from eimg_core.emotion import MIDDLE
from eimg_core.layers import linear_ramp
from eimg_core.losses import attribute_regularisation, gaussian_kl, mixture_log_posterior
from eimg_core.midi.attributes import MOST_NOTES
from eimg_core.midi.batch import MusicBatch
from eimg_core.music_ae.decoder import token_cross_entropy
from eimg_core.music_ae.encoder import Posterior, StepEncoder
from eimg_core.music_ae.recurrent import RecurrentAutoencoder, RecurrentConfig
from eimg_core.trainable import LossTerms, Objective

__all__ = ["FaderNet", "FaderNetConfig", "arousal_class"]

_RHYTHM_CLASSES = 3
_CLASSES = 2  # low and high arousal


@dataclass(frozen=True)
class FaderNetConfig(RecurrentConfig):
    """Latent sizes and the prior are those of the released code."""

    encoder_hidden: int = 192
    factor_hidden: int = 96
    factor_dim: int = 128
    prior_logvar: float = -4.0
    kl_start: int = 0  # steps

    @classmethod
    def tiny(cls) -> FaderNetConfig:
        return cls(
            field_widths=(4, 8, 4, 4),
            phase_width=4,
            encoder_hidden=12,
            decoder_hidden=16,
            factor_hidden=8,
            factor_dim=6,
            dropout=0.0,
            input_dropout=0.0,
        )


def arousal_class(va: Tensor) -> Tensor:
    """0 for arousal below 5, 1 from 5 up: (B, 2) → (B,). Both factors are supervised by it, as in FaderNets."""
    return (va[:, 1] >= MIDDLE).long()


class SeriesDecoder(nn.Module):
    """A GRU that rebuilds a factor's series of classes, given the class before and z: (B, F), (B, D) → (B, F, C)."""

    def __init__(self, classes: int, dim: int, hidden: int) -> None:
        super().__init__()
        self.classes = classes
        self.before = nn.Embedding(classes + 1, hidden)  # the last class: nothing before
        self.gru = nn.GRU(hidden + dim, hidden, batch_first=True)
        self.head = nn.Linear(hidden, classes)

    def forward(self, series: Tensor, z: Tensor) -> Tensor:
        before = self.before(F.pad(series[:, :-1], (1, 0), value=self.classes))
        outputs, _ = self.gru(torch.cat([before, z[:, None].expand(-1, series.shape[1], -1)], dim=-1))
        return self.head(outputs)


class FaderNet(RecurrentAutoencoder):
    """The GM-VAE with faders."""

    Config = FaderNetConfig
    config: FaderNetConfig
    title = "FNT"
    reference = "Tan and Herremans 2020"

    def __init__(self, config: FaderNetConfig | None = None) -> None:
        config = config or FaderNetConfig()
        dim = config.factor_dim
        super().__init__(config, z_dim=2 * dim)
        width = self.embedded_width
        self.rhythm_encoder = StepEncoder(width, config.encoder_hidden, dim, config.prior_logvar)
        self.note_encoder = StepEncoder(width, config.encoder_hidden, dim, config.prior_logvar)
        self.rhythm_decoder = SeriesDecoder(_RHYTHM_CLASSES, dim, config.factor_hidden)
        self.note_decoder = SeriesDecoder(MOST_NOTES + 1, dim, config.factor_hidden)
        self.rhythm_means = nn.Parameter(nn.init.xavier_uniform_(torch.empty(_CLASSES, dim)))
        self.note_means = nn.Parameter(nn.init.xavier_uniform_(torch.empty(_CLASSES, dim)))

    def posteriors(self, batch: MusicBatch) -> tuple[Posterior, Posterior]:
        """q(z_rhythm | piece) and q(z_note | piece)."""
        embedded = self.embedded(batch)
        return self.rhythm_encoder(embedded, batch.lengths), self.note_encoder(embedded, batch.lengths)

    def encode(self, batch: MusicBatch) -> Tensor:
        rhythm, note = self.posteriors(batch)
        return self.with_key(torch.cat([rhythm.mu, note.mu], dim=-1), batch)

    def objectives(self) -> tuple[Objective, ...]:
        return (Objective("autoencode", ("model",), self.loss),)

    def loss(self, batch: MusicBatch, step: int) -> LossTerms:
        """Music FaderNets, Eq. 1-5, with the weights of the paper's code: tokens 5, KL 0.2 (mean over dimensions)."""
        rhythm, note = self.posteriors(batch)
        z_rhythm, z_note = (rhythm.draw(), note.draw()) if self.training else (rhythm.mu, note.mu)
        condition = self.with_key(torch.cat([z_rhythm, z_note], dim=-1), batch)
        logits = self.decoder(batch.steps, batch.tempo_class, condition, input_dropout=self.config.input_dropout)
        label = arousal_class(batch.va)
        terms = {
            "tokens": token_cross_entropy(logits, batch.steps, batch.mask),
            "tempo": F.cross_entropy(self.decoder.tempo(condition), batch.tempo_class),
            "rhythm_series": _series_loss(self.rhythm_decoder(batch.rhythm, z_rhythm), batch.rhythm),
            "note_series": _series_loss(self.note_decoder(batch.note_counts, z_note), batch.note_counts),
            "kl": self._kl(rhythm, self.rhythm_means, label) + self._kl(note, self.note_means, label),
            "mixture_class": self._class_loss(z_rhythm, self.rhythm_means, label)
            + self._class_loss(z_note, self.note_means, label),
            "rhythm_fader": attribute_regularisation(z_rhythm[:, 0], batch.rhythm_density),
            "note_fader": attribute_regularisation(z_note[:, 0], batch.note_density),
        }
        ramp = linear_ramp(step, self.config.kl_start, self.config.kl_full)
        weights = {
            **dict.fromkeys(terms, 1.0),
            "tokens": self.config.weight_tokens,
            "kl": self.config.weight_kl * ramp,
            "mixture_class": 0.1 * ramp,
        }
        return LossTerms(terms, weights)

    def _kl(self, posterior: Posterior, means: Tensor, label: Tensor) -> Tensor:
        """KL to the component of the clip's class, mean over batch and dimensions."""
        return gaussian_kl(posterior.mu, posterior.logvar, means[label], self.config.prior_logvar).mean()

    def _class_loss(self, z: Tensor, means: Tensor, label: Tensor) -> Tensor:
        """−log q(class | z): the mixture must tell the classes apart."""
        return F.nll_loss(mixture_log_posterior(z, means, self.config.prior_logvar), label)


def _series_loss(logits: Tensor, series: Tensor) -> Tensor:
    """Cross-entropy over the classes (the last dimension), mean over frames."""
    return F.cross_entropy(logits.transpose(1, 2), series)
