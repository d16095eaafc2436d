"""The studio for commercial use: nothing in it goes back to data whose terms do not plainly allow that.

Photos are read by a published formula of colour, the clean composer writes the music, and published rules choose among
its takes. Between the two stands no learnt bridge: the target tells the composer valence and arousal, the key is major
above the middle of valence and minor below, and the rest of v_y is drawn from the prior of the composer's latent.
"""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import torch
from PIL.Image import Image
from torch import Tensor

from eimg_core.checkpoints import load_model, read_card
from eimg_core.emotion import MIDDLE, VA
from eimg_core.errors import InputError
from eimg_core.layers import pack_linears
from eimg_core.licences import CLEAN_COMPOSER, permission
from eimg_core.messages import message
from eimg_core.midi.notes import Piece
from eimg_core.music_ae.keys import KEYS
from eimg_core.music_ae.tvae import TransformerVAE
from eimg_core.options import ComposeOptions
from eimg_core.pipeline import Pipeline
from eimg_core.shipped import CHECKPOINTS
from eimg_core.studio import PairingInfo, Studio
from eimg_core.va.colour import ColourReader, brightness_and_saturation, reading_of
from eimg_core.va.image_reader import ImageReading
from eimg_core.va.rules import Rules

__all__ = ["CLEAN_PAIRING", "CleanStudio", "ColourEncoder", "Prior", "clean_pipeline"]

CLEAN_PAIRING = "colour+tvae_clean"


class ColourEncoder:
    """Photos as points of the plane, by their colours: stands where a pairing has its image autoencoder."""

    title = "Colour"
    image_size = 128

    def encode(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) in [-1, 1] → (B, 2) on 1-9."""
        pixels = (images.movedim(1, -1).double().numpy() + 1.0) / 2.0
        points = [reading_of(*brightness_and_saturation(photo)) for photo in pixels]
        return torch.tensor([(point.valence, point.arousal) for point in points], dtype=images.dtype)


class Prior:
    """Stands where a pairing has its bridge. Its shared space is the plane itself; it has learnt nothing.

    Args:
        z_dim: of the composer's latent.
    """

    variant = ""

    def __init__(self, z_dim: int) -> None:
        self.z_dim = z_dim

    def place_images(self, v_x: Tensor) -> Tensor:
        """Points stay where they are: (..., 2)."""
        return v_x

    def place_of(self, va: VA) -> Tensor:
        """A point as a vector: (2,)."""
        return torch.tensor([va.valence, va.arousal])

    def to_music(self, z: Tensor) -> Tensor:
        """v_y at the mean of the prior, with any key of the mode that goes with the valence: (..., 2) → (...,
        z_dim + 26)."""
        major = (z[..., :1] >= MIDDLE).to(z.dtype).expand(*z.shape[:-1], KEYS // 2)
        mean = z.new_zeros(*z.shape[:-1], self.z_dim)
        return torch.cat([mean, major / major.shape[-1], (1 - major) / major.shape[-1], z], dim=-1)

    def vary(self, v_y: Tensor, generator: torch.Generator) -> Tensor:
        """v_y with its latent drawn from the prior, the normal distribution: (..., z_dim + 26)."""
        drawn = torch.randn(*v_y.shape[:-1], self.z_dim, generator=generator, dtype=v_y.dtype)
        return torch.cat([drawn, v_y[..., self.z_dim :]], dim=-1)

    def decoder_target(self, va: VA) -> VA:
        return va


def clean_pipeline(root: Path = CHECKPOINTS) -> Pipeline:
    """The clean composer at work.

    Raises:
        CheckpointError: it is missing or damaged.
    """
    composer, _ = load_model(root / CLEAN_COMPOSER, {"tvae": TransformerVAE})
    pack_linears(composer)
    return Pipeline(CLEAN_PAIRING, ColourEncoder(), Prior(composer.config.z_dim), composer, Rules())


class CleanStudio(Studio):
    """A studio that loads the clean composer and no other weights.

    Args:
        root: folder of trained components.
    Attributes:
        permission: why it may be used commercially, in one line.
    Raises:
        CheckpointError: the clean composer is not there, or has learnt from data that does not plainly allow that.
    """

    usual = CLEAN_PAIRING

    def __init__(self, root: Path = CHECKPOINTS) -> None:
        self.permission = permission(root)
        super().__init__(root)

    def pairings(self) -> list[PairingInfo]:
        folder = self.root / CLEAN_COMPOSER
        megabytes = round((folder / "weights.safetensors").stat().st_size / 1e6, 1)
        title = f"{ColourEncoder.title} + {TransformerVAE.title}"
        return [PairingInfo(CLEAN_PAIRING, title, str(read_card(folder).get("preset", "")), megabytes, True, (), True)]

    def pipeline(self, pairing: str) -> Pipeline:
        if pairing != CLEAN_PAIRING:
            template = "There is no pairing {pairing}; choose one of: {known}."
            raise InputError(message(template, pairing=repr(pairing), known=[CLEAN_PAIRING]))
        return self._once(pairing, lambda: clean_pipeline(self.root))

    def warm_up(self, pairing: str | None = None) -> None:
        self.render(self.compose(options=ComposeOptions(seconds=4.0, target=VA(6.0, 5.0))).played)

    def read_photo(self, photo: Image) -> ImageReading:
        """The emotion of a photo by its colours, which are a weak sign of it; the margin says how weak."""
        return ColourReader().read(photo)

    def reader_note(self) -> None:
        """None: the formula of colour reads the photos, whatever reader the host has beside it."""

    def target_for(self, reading: VA) -> VA:
        """The reading itself: what is known of how readings of rated photos lean has no part in this mode."""
        return reading

    def explain_photo(self, photo: Image) -> NoReturn:
        """Not shown here: no part of a photo counts more than its colour says."""
        raise InputError(
            message("Only the colours of a photo count in the mode for commercial use, so there are no parts to show.")
        )

    def listen(self, piece: Piece) -> VA:
        """The estimate of published rules; there is no evaluator here."""
        return Rules().estimate(piece)

    def _evaluator(self) -> None:
        return None
