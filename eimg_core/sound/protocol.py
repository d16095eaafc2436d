"""What rendered sound says of itself, whoever rendered it."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Sound"]


class Sound(Protocol):
    """Rendered sound, and the names of the synthesizer and the soundfont that played it."""

    @property
    def engine(self) -> str: ...
    @property
    def soundfont(self) -> str: ...
    def wav_bytes(self) -> bytes: ...
