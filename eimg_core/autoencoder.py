"""The two contracts: what an image autoencoder and a music autoencoder must be able to do.

``encode`` is deterministic and returns the feature that the bridge works on, v_x or v_y of the paper
(Eq. 2). A new autoencoder is one file with a class that keeps its contract, and one line in its registry.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from eimg_core.emotion import VA
from eimg_core.midi.batch import MusicBatch, MusicSample
from eimg_core.midi.notes import Piece
from eimg_core.midi.request import Request
from eimg_core.trainable import Trainable

__all__ = ["Autoencoder", "ComposingAutoencoder", "ImageAutoencoder", "MusicAutoencoder"]

_ACTIVE = 0.01  # variance


class Autoencoder(Trainable):
    """What the two contracts share."""

    title: ClassVar[str]
    reference: ClassVar[str]

    @property
    @abstractmethod
    def latent_dim(self) -> int:
        """D, the width of v_x or v_y."""

    def usage(self, latents: Tensor) -> dict[str, float]:
        """How much of the latent is used, by the latents of N ≥ 2 different items: (N, D) → name → number.

        Returns:
            ``active``: dimensions whose variance over the items is above 0.01 (Burda et al. 2016).
            ``effective``: participation ratio (Σλ)² / Σλ² of the eigenvalues λ of the covariance: D for a round cloud,
            1 for a line, at most N − 1; 0 where nothing varies.
        """
        centred = latents.double() - latents.double().mean(dim=0)
        # Σλ and Σλ² are the trace and the squared norm of XᵀX, and the same of XXᵀ, which is smaller if D > N.
        products = centred.T @ centred if centred.shape[1] <= len(centred) else centred @ centred.T
        squares = float(products.pow(2).sum())
        return {
            "active": float((centred.var(dim=0) > _ACTIVE).sum()),
            "effective": float(products.trace()) ** 2 / squares if squares else 0.0,
        }


class ImageAutoencoder(Autoencoder):
    """Photo ↔ v_x. Images are (B, 3, S, S) in [-1, 1]."""

    @property
    @abstractmethod
    def image_size(self) -> int:
        """S, pixels on each side."""

    def start_from(self, root: Path) -> dict[str, Any]:
        """Take over what others have learnt; called once before training. Most models begin from nothing.

        Args:
            root: folder of trained components.
        Returns:
            What the model's card should say of where it began: hashes and licences.
        Raises:
            CheckpointError: a component that this model begins with is missing or does not fit.
        """
        return {}

    @abstractmethod
    def encode(self, images: Tensor) -> Tensor:
        """v_x: (B, 3, S, S) → (B, D)."""

    @abstractmethod
    def decode(self, latents: Tensor) -> Tensor:
        """The picture of a v_x: (B, D) → (B, 3, S, S) in [-1, 1]."""

    def look(self, images: Any) -> Any:
        """Photos as the trained part sees them and is asked for them again: the photos themselves, (B, 3, S, S), where
        nothing frozen stands before it."""
        return images

    def errors(self, painted: Any, seen: Any) -> Mapping[str, Tensor]:
        """By name, how far what was painted is from what ``look`` gave: here the mean squared error in [-1, 1]."""
        return {"pixels": F.mse_loss(painted, seen)}


class MusicAutoencoder(Autoencoder):
    """Piece ↔ v_y."""

    uses_va: ClassVar[bool] = False
    """Whether ``generate`` follows a given emotion beyond what v_y says."""

    def sample(self, piece: Piece, va: VA | None = None) -> Any:
        """One training example of a piece, at most 15 s of it, as ``collate`` takes it."""
        return MusicSample.of(piece, va)

    def collate(self, samples: Sequence[Any]) -> Any:
        """A batch of examples, as named tensors."""
        return MusicBatch.of(samples)

    @abstractmethod
    def encode(self, batch: Any) -> Tensor:
        """v_y: a batch of B examples → (B, D). Posterior means, never samples."""

    @abstractmethod
    def step_logits(self, batch: Any, latents: Tensor) -> Sequence[Tensor]:
        """Teacher-forced logits of the steps of a batch, played from given v_y (B, D): one (B, T, classes) per field
        of its codec."""

    @abstractmethod
    def generate(
        self, latents: Tensor, *, seconds: float, generator: torch.Generator, va: Sequence[VA] | None = None
    ) -> list[Piece]:
        """Play v_y: (B, D) → B pieces of about ``seconds``. All randomness comes from ``generator``."""


class ComposingAutoencoder(MusicAutoencoder):
    """One that composes: it follows a target emotion, keeps a tune, goes on from an opening, moves along a path."""

    uses_va = True

    @abstractmethod
    def in_minor(self, latents: Tensor) -> bool:
        """Whether pieces of v_y (1, D) are mostly in minor."""

    @abstractmethod
    def compose(self, latents: Tensor, request: Request, generator: torch.Generator) -> list[Piece]:
        """Play v_y (B, D), or paths of them (B, P, D), with everything that a ``Request`` asks for."""
