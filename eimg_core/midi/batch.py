"""Clips as the music models see them: one example with named arrays, and a batch with named tensors.

Shapes: B batch, T steps of the codec, F frames of 0.125 s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eimg_core.emotion import VA
from eimg_core.midi import codec
from eimg_core.midi.attributes import (
    FRAME_S,
    ONSET,
    articulation,
    home_shift,
    key_of,
    note_series,
    pitch_height,
    rhythm_series,
)
from eimg_core.midi.codec import FOLDED, TempoScale
from eimg_core.midi.notes import Piece

__all__ = ["CLIP_S", "FRAMES", "MusicBatch", "MusicSample"]

CLIP_S = 15.0
FRAMES = int(CLIP_S / FRAME_S)
_KEYS = 24
_UNKNOWN = float("nan")


@dataclass(frozen=True)
class MusicSample:
    """The first 15 s of a piece, moved to its home key, C major or A minor.

    In one key a small corpus teaches harmony twelve times as fast; ``key`` remembers where the piece came from.

    Attributes:
        steps: codec steps in the home key, (T, 4).
        tempo_bpm: that the steps are counted in, of some ``TempoScale``.
        key: the estimated key, 0-23.
        rhythm, note_counts: the two series that the factors rebuild, (F,).
        pitch_height, articulation: see ``eimg_core.midi.attributes``.
        va: the label, where there is one.
    """

    steps: NDArray[np.int64]
    tempo_bpm: float
    key: int
    rhythm: NDArray[np.int64]
    note_counts: NDArray[np.int64]
    pitch_height: float
    articulation: float
    va: VA | None = None

    @classmethod
    def of(cls, piece: Piece, va: VA | None = None, tempi: TempoScale = FOLDED) -> MusicSample:
        """Tokens and attributes of a piece.

        Args:
            piece: at any tempo.
            va: its label, where there is one.
            tempi: that the steps are counted in.
        Raises:
            ValueError: no note starts within the first 15 s.
        """
        clip = piece.cropped(CLIP_S)
        if not clip.notes:
            raise ValueError("a piece without notes cannot be a training example")
        key = key_of(clip)
        score = codec.encode(clip.transposed(home_shift(key)), tempi)
        return cls(
            score.steps,
            score.tempo_bpm,
            key,
            rhythm_series(clip, FRAMES),
            note_series(clip, FRAMES),
            pitch_height(clip),
            articulation(clip),
            va,
        )

    def __len__(self) -> int:
        return len(self.steps)


@dataclass(frozen=True)
class MusicBatch:
    """Named tensors of B examples; ``steps`` is padded with zeros beyond ``lengths``.

    Attributes:
        steps: (B, T, 4) int64 in the home key, see ``eimg_core.midi.codec``.
        lengths: (B,) int64, at least 1.
        tempo_class: (B,) int64, classes of the scale that the steps are counted in.
        key: (B, 24) one-hot, the key before the move home.
        rhythm: (B, F) int64 in {REST, ONSET, HOLD}.
        note_counts: (B, F) int64, 0-15.
        pitch_height: (B,) mean MIDI pitch.
        articulation: (B,), 1 is legato.
        va: (B, 2) on 1-9, NaN where unknown.
    """

    steps: Tensor
    lengths: Tensor
    tempo_class: Tensor
    key: Tensor
    rhythm: Tensor
    note_counts: Tensor
    pitch_height: Tensor
    articulation: Tensor
    va: Tensor

    @classmethod
    def of(cls, samples: Sequence[MusicSample], tempi: TempoScale = FOLDED) -> MusicBatch:
        """A batch of samples whose steps are counted in ``tempi``."""
        lengths = torch.tensor([len(sample) for sample in samples])
        steps = torch.zeros(len(samples), int(lengths.max()), len(codec.FIELDS), dtype=torch.int64)
        for row, sample in zip(steps, samples, strict=True):
            row[: len(sample)] = torch.from_numpy(sample.steps)
        labels = [(s.va.valence, s.va.arousal) if s.va else (_UNKNOWN, _UNKNOWN) for s in samples]
        keys = torch.tensor([sample.key for sample in samples])
        return cls(
            steps,
            lengths,
            torch.tensor([tempi.class_of(sample.tempo_bpm) for sample in samples]),
            torch.nn.functional.one_hot(keys, _KEYS).to(torch.get_default_dtype()),
            torch.from_numpy(np.stack([sample.rhythm for sample in samples])),
            torch.from_numpy(np.stack([sample.note_counts for sample in samples])),
            torch.tensor([sample.pitch_height for sample in samples], dtype=torch.get_default_dtype()),
            torch.tensor([sample.articulation for sample in samples], dtype=torch.get_default_dtype()),
            torch.tensor(labels, dtype=torch.get_default_dtype()),
        )

    @property
    def mask(self) -> Tensor:
        """(B, T) bool, true on real steps."""
        return torch.arange(self.steps.shape[1]) < self.lengths[:, None]

    @property
    def rhythm_density(self) -> Tensor:
        """Share of frames in which a note starts, (B,)."""
        return (self.rhythm == ONSET).to(self.key.dtype).mean(dim=1)

    @property
    def note_density(self) -> Tensor:
        """Mean number of sounding notes, (B,)."""
        return self.note_counts.to(self.key.dtype).mean(dim=1)
