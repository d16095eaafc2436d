"""A photo that a visitor gave."""

from __future__ import annotations

from dataclasses import dataclass

from PIL.Image import Image

__all__ = ["OpenedPhoto"]


@dataclass(frozen=True)
class OpenedPhoto:
    """A picture that was opened safely, and the name of the file it came in."""

    image: Image
    name: str
