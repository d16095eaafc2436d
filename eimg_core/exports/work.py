"""What writers make files of: a composition with all that belongs to it, or a piece of which nothing else is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from eimg_core.composer import Composition
from eimg_core.exports.tags import Tags, tags_of
from eimg_core.midi.notes import Piece

__all__ = ["MidiWork", "Work"]


@dataclass(frozen=True)
class Work:
    """A composition, its photo, its sound as WAV, what played it, and the files that are being written, by format."""

    composition: Composition
    photo: Image.Image | None = None
    wav: bytes | None = None
    sound: Mapping[str, str] | None = None
    files: Mapping[str, Path] = field(default_factory=dict)

    @property
    def piece(self) -> Piece:
        """The piece as written."""
        return self.composition.piece

    @property
    def title(self) -> str:
        return self.tags.title

    @property
    def tags(self) -> Tags:
        return tags_of(self.composition)


@dataclass(frozen=True)
class MidiWork:
    """A piece, the title that stands above it, and its sound as WAV, where a format needs it."""

    piece: Piece
    title: str
    wav: bytes | None = None

    @property
    def tags(self) -> None:
        """Nobody knows for which emotion the piece was written."""
