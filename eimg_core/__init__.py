"""EIMG Studio: a photo becomes a piece of piano music with the same emotion.

    from eimg_core import ComposeOptions, Studio, open_photo

    studio, photo = Studio(), open_photo("holiday.jpg")
    piece = studio.compose(photo, options=ComposeOptions(seed=7, seconds=20, takes=4))
    files = studio.save(piece, studio.render(piece.played), "music", "holiday", photo)

The names of ``__all__`` are the public interface. Each is imported when it is first used, so that ``import eimg_core``
takes a moment and brings neither PyTorch nor NumPy along.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from eimg_core.version import __version__

if TYPE_CHECKING:
    from eimg_core.composer import Composition
    from eimg_core.emotion import VA
    from eimg_core.errors import EimgError
    from eimg_core.images import open_photo
    from eimg_core.midi.notes import Note, Piece
    from eimg_core.midi.reading import read_midi
    from eimg_core.midi.writing import write_midi
    from eimg_core.options import ComposeOptions
    from eimg_core.sound.render import Waveform
    from eimg_core.studio import Studio

__all__ = [
    "VA",
    "ComposeOptions",
    "Composition",
    "EimgError",
    "Note",
    "Piece",
    "Studio",
    "Waveform",
    "__version__",
    "open_photo",
    "read_midi",
    "write_midi",
]

_MODULES = {
    "ComposeOptions": "options",
    "Composition": "composer",
    "EimgError": "errors",
    "Note": "midi.notes",
    "Piece": "midi.notes",
    "Studio": "studio",
    "VA": "emotion",
    "Waveform": "sound.render",
    "open_photo": "images",
    "read_midi": "midi.reading",
    "write_midi": "midi.writing",
}


def __getattr__(name: str) -> object:
    """Import a public name at its first use (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
