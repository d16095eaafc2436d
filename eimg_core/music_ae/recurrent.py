"""What the recurrent music autoencoders share: how steps are embedded, and how a latent and a key are played."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from eimg_core.autoencoder import MusicAutoencoder
from eimg_core.emotion import VA
from eimg_core.midi import codec
from eimg_core.midi.batch import MusicBatch
from eimg_core.midi.notes import Piece
from eimg_core.music_ae.decoder import NoteDecoder, NoteEmbedding, Sampling, StepLogits
from eimg_core.music_ae.keys import KEYS, draw_keys, played_in

__all__ = ["RecurrentAutoencoder", "RecurrentConfig"]


@dataclass(frozen=True)
class RecurrentConfig:
    """Widths are sized for the CPU (512 → 256); the weights of tokens and KL are those of the released code."""

    field_widths: tuple[int, int, int, int] = (32, 64, 32, 16)
    phase_width: int = 16
    decoder_hidden: int = 256
    dropout: float = 0.2
    input_dropout: float = 0.25
    weight_tokens: float = 5.0
    weight_kl: float = 0.2
    kl_full: int = 600  # steps of the warm-up
    temperature: float = 0.85  # this and top_p: nearest to real clips on the validation split
    top_p: float = 0.95

    def __post_init__(self) -> None:
        object.__setattr__(self, "field_widths", tuple(self.field_widths))


class RecurrentAutoencoder(MusicAutoencoder):
    """v_y = [z, key]: z from encoders over embedded steps, played by a ``NoteDecoder``.

    Args:
        config: see ``RecurrentConfig``.
        z_dim: width of z; v_y has ``KEYS`` more.
    """

    config: Any

    def __init__(self, config: RecurrentConfig, z_dim: int) -> None:
        super().__init__()
        self.config, self.z_dim = config, z_dim
        self.embedding = NoteEmbedding(config.field_widths, config.phase_width)
        self.tempo_embedding = nn.Embedding(codec.TEMPO_CLASSES, config.phase_width)
        self.decoder = NoteDecoder(
            NoteEmbedding(config.field_widths, config.phase_width),
            z_dim + KEYS,
            config.decoder_hidden,
            dropout=config.dropout,
        )
        self.dropout = nn.Dropout(config.dropout)

    @property
    def latent_dim(self) -> int:
        return self.z_dim + KEYS

    @property
    def embedded_width(self) -> int:
        """Width of what ``embedded`` gives to an encoder."""
        return self.embedding.width + int(self.config.phase_width)

    def embedded(self, batch: MusicBatch) -> Tensor:
        """Steps and tempo as an encoder sees them: (B, T, ``embedded_width``)."""
        tempo = self.tempo_embedding(batch.tempo_class)[:, None].expand(-1, batch.steps.shape[1], -1)
        steps = self.embedding(batch.steps, NoteEmbedding.phases(batch.steps))
        return self.dropout(torch.cat([steps, tempo], dim=-1))

    def with_key(self, z: Tensor, batch: MusicBatch) -> Tensor:
        """[z, key]: (B, z_dim) → (B, D)."""
        return torch.cat([z, batch.key.to(z.dtype)], dim=-1)

    def step_logits(self, batch: MusicBatch, latents: Tensor) -> StepLogits:
        return self.decoder(batch.steps, batch.tempo_class, latents)

    def generate(
        self, latents: Tensor, *, seconds: float, generator: torch.Generator, va: Sequence[VA] | None = None
    ) -> list[Piece]:
        z, weights = latents.split([self.z_dim, KEYS], dim=-1)
        keys = draw_keys(weights, generator)
        condition = torch.cat([z, F.one_hot(keys, KEYS).to(z.dtype)], dim=-1)
        sampling = Sampling(self.config.temperature, self.config.top_p)
        scores = self.decoder.play(condition, seconds=seconds, sampling=sampling, generator=generator)
        return played_in(scores, keys)
