"""What every trained baseline can do, and how it becomes a ``Composer`` like any other.

A player turns photos into pieces. ``Mapped`` is one made of two autoencoders and anything that leads from v_x to v_y,
so the bridges of an ablation and the direct mapping play in the same way as TF-IM and GAN-IM.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from PIL.Image import Image
from torch import Tensor

from eimg_core.autoencoder import ImageAutoencoder, MusicAutoencoder
from eimg_core.bridge import Bridge
from eimg_core.composer import Composer, Composition
from eimg_core.emotion import MIDDLE, VA
from eimg_core.errors import InputError
from eimg_core.images import to_tensor
from eimg_core.messages import message
from eimg_core.midi.notes import Piece
from eimg_core.options import ComposeOptions
from eimg_core.progress import Progress

__all__ = ["Baseline", "Mapped", "Mapping", "PhotoPlayer"]


class PhotoPlayer(Protocol):
    """Photos → pieces. Images are (B, 3, S, S) in [-1, 1]."""

    @property
    def image_size(self) -> int:
        """S, pixels on each side."""
        ...

    def play(self, images: Tensor, *, seconds: float, generator: torch.Generator) -> list[Piece]:
        """One piece of about ``seconds`` for each photo; all randomness comes from ``generator``."""
        ...


class Mapping(Protocol):
    """Anything that leads from v_x (B, image_dim) to v_y (B, music_dim), both in raw units."""

    def from_photos(self, v_x: Tensor, generator: torch.Generator) -> Tensor: ...


@dataclass(frozen=True)
class BridgeMapping:
    """A bridge as a mapping: its projector, the way back, and what it leaves to chance."""

    bridge: Bridge

    def from_photos(self, v_x: Tensor, generator: torch.Generator) -> Tensor:
        return self.bridge.vary(self.bridge.to_music(self.bridge.place_images(v_x)), generator)


@dataclass(frozen=True)
class Mapped:
    """An image autoencoder, a mapping and a music autoencoder."""

    image_ae: ImageAutoencoder
    mapping: Mapping
    music_ae: MusicAutoencoder

    @property
    def image_size(self) -> int:
        return self.image_ae.image_size

    def play(self, images: Tensor, *, seconds: float, generator: torch.Generator) -> list[Piece]:
        v_y = self.mapping.from_photos(self.image_ae.encode(images), generator)
        return self.music_ae.generate(v_y, seconds=seconds, generator=generator)


class Baseline(Composer):
    """A player as a composer. It follows the photo alone: another target it cannot follow, and says so."""

    def __init__(self, key: str, title: str, player: PhotoPlayer) -> None:
        self.key, self.title, self.player = key, title, player

    def compose(
        self, photo: Image | None, photo_va: VA | None, options: ComposeOptions, progress: Progress | None = None
    ) -> Composition:
        if photo is None:
            raise InputError(message("{composer} composes for photos only; give one.", composer=self.title))
        # The photo's pixels join the seed, so that two photos of one seed do not share their chances as well.
        seed = zlib.crc32(photo.tobytes(), options.seed)
        (piece,) = self.compose_many([photo], seed, options.seconds)
        remarks = (
            (message("{composer} cannot be asked for an emotion; it follows the photo.", composer=self.title),)
            if options.target
            else ()
        )
        target = options.target or photo_va or VA(MIDDLE, MIDDLE)
        return Composition(piece, self.key, options, photo_va, target, remarks=remarks)

    @torch.inference_mode()
    def compose_many(self, photos: Sequence[Image], seed: int, seconds: float) -> list[Piece]:
        """One piece for each photo, in one batch, which is many times as fast as one after the other."""
        images = torch.stack([to_tensor(photo, self.player.image_size) for photo in photos])
        generator = torch.Generator().manual_seed(seed)
        return self.player.play(images, seconds=seconds, generator=generator)
