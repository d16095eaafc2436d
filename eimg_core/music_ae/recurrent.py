"""What the recurrent music autoencoders share: how steps are embedded, and how a latent and a key are played."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from eimg_core.annotation.annotate import sheet_of_piece
from eimg_core.autoencoder import MusicAutoencoder
from eimg_core.emotion import VA
from eimg_core.midi.bar_codec import LENGTHS, PLAIN, nearest_length
from eimg_core.midi.batch import MusicBatch, MusicSample
from eimg_core.midi.codec import FOLDED
from eimg_core.midi.notes import Piece
from eimg_core.midi.sheet import LENGTH, ONSET, TICKS, sheet_of
from eimg_core.music_ae.decoder import NoteDecoder, NoteEmbedding, Sampling, StepLogits
from eimg_core.music_ae.keys import KEYS, draw_keys, played_in

__all__ = ["RecurrentAutoencoder", "RecurrentConfig", "notated"]


def notated(piece: Piece) -> Piece:
    """A piece as a score says it: moved onto its beat, at a tempo of ``PLAIN``, onsets on places, lengths note values.

    It begins in the beat of its first note. A tempo of exactly 120 counts as unknown, see ``sheet_of_piece``.
    """
    if not piece.notes:
        return piece
    sheet = sheet_of_piece(piece)
    tempo = PLAIN.within(sheet.tempo_bpm)
    if tempo != sheet.tempo_bpm:
        sheet = sheet_of(sheet.piece(), tempo_bpm=tempo, first_s=0.0, meter=sheet.meter)
    notes = sheet.notes.copy()
    notes[:, ONSET] -= int(notes[0, ONSET]) // TICKS * TICKS
    notes[:, LENGTH] = LENGTHS[nearest_length(notes[:, LENGTH])]
    return replace(sheet, notes=notes).piece()


@dataclass(frozen=True)
class RecurrentConfig:
    """Widths are sized for the CPU (512 → 256); the weights of tokens and KL are those of the released code.

    Args:
        kl_full: steps of the warm-up.
        temperature, top_p: of playing, one per field (shift, pitch, duration, velocity), nearest to real clips on the
            validation split.
        notated: pieces are seen as a score says them, on their beat and at 40-200 quarters a minute; otherwise as
            they are stored, with the tempo folded into 70-140.
    """

    field_widths: tuple[int, int, int, int] = (32, 64, 32, 16)
    phase_width: int = 16
    decoder_hidden: int = 256
    dropout: float = 0.2
    input_dropout: float = 0.25
    weight_tokens: float = 5.0
    weight_kl: float = 0.2
    kl_full: int = 600
    temperature: Sequence[float] = (0.85, 0.85, 0.85, 0.425)
    top_p: Sequence[float] = (0.95, 0.95, 0.95, 0.95)
    notated: bool = True

    def __post_init__(self) -> None:
        for name in ("field_widths", "temperature", "top_p"):
            object.__setattr__(self, name, tuple(getattr(self, name)))


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
        self.tempi = PLAIN if config.notated else FOLDED
        self.embedding = NoteEmbedding(config.field_widths, config.phase_width)
        self.tempo_embedding = nn.Embedding(self.tempi.classes, config.phase_width)
        self.decoder = NoteDecoder(
            NoteEmbedding(config.field_widths, config.phase_width),
            z_dim + KEYS,
            self.tempi,
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

    def sample(self, piece: Piece, va: VA | None = None) -> MusicSample:
        return MusicSample.of(notated(piece) if self.config.notated else piece, va, self.tempi)

    def collate(self, samples: Sequence[MusicSample]) -> MusicBatch:
        return MusicBatch.of(samples, self.tempi)

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
        sampling = [Sampling(*both) for both in zip(self.config.temperature, self.config.top_p, strict=True)]
        scores = self.decoder.play(condition, keys, seconds=seconds, sampling=sampling, generator=generator)
        return played_in(scores, keys)
