"""Files of a piece: written with it, or made later from its JSON record and the WAV beside it.

So nobody waits for files that nobody takes. Which formats there are, and which of them are written when, is said by
``eimg_core.exports.formats``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from PIL import Image

from eimg_core.errors import RenderError
from eimg_core.exports.formats import FORMATS, Format, formats_from_midi, known_formats
from eimg_core.exports.record import composition_of, read_record
from eimg_core.exports.work import MidiWork, Work
from eimg_core.midi.notes import Piece

__all__ = ["PHOTO", "export", "from_midi", "work_of", "write"]

PHOTO = "photo.jpg"  # the photo beside the files of a piece, for pictures that are drawn later


def write(work: Work, folder: Path, stem: str, keys: Iterable[str]) -> dict[str, Path]:
    """Write files of a piece; format → path. What needs sound is left out where there is none.

    Raises:
        InputError: an unknown format.
        RenderError: a format needs a package that is not installed.
    """
    formats = {key: FORMATS[key] for key in known_formats(keys)}
    paths = {key: folder / f"{stem}.{key}" for key, one in formats.items() if work.wav is not None or not one.sound}
    work = replace(work, files=paths)
    for key, path in paths.items():
        path.write_bytes(_writer(formats[key])(work))
    return paths


def export(record: Path, key: str) -> Path:
    """A file of a piece that was saved before, beside its JSON ``record``; made at the first request and kept.

    Raises:
        InputError: an unknown format, or the record is missing or damaged.
        RenderError: the format needs a package that is not installed, or sound where there is none.
    """
    path = record.with_suffix(f".{key}")
    if key in FORMATS and path.exists():
        return path
    work = work_of(record)
    written = write(work, record.parent, record.stem, [key])
    if key not in written:
        raise RenderError("This piece has no sound, so there is nothing to encode; take the MIDI file instead.")
    return written[key]


def from_midi(piece: Piece, key: str, title: str, play: Callable[[Piece], bytes]) -> bytes:
    """A piece of which nothing else is known as a file of one format.

    Args:
        piece: straightened where the format asks for it.
        title: as it stands above the music.
        play: the piece as a WAV file; called where the format needs sound.
    Raises:
        InputError: the format is unknown, or cannot be made of a MIDI file alone.
        RenderError: it needs a package that is not installed.
    """
    (key,) = known_formats([key], formats_from_midi())
    one = FORMATS[key]
    return _writer(one)(MidiWork(piece, title, play(piece) if one.sound else None))


def work_of(record: Path) -> Work:
    """A saved piece with what lies beside its record.

    Raises:
        InputError: the record is missing or damaged.
    """
    saved = read_record(record)
    wav, photo = record.with_suffix(".wav"), record.with_name(PHOTO)
    return Work(
        composition_of(saved),
        Image.open(photo).convert("RGB") if saved.get("photo") and photo.exists() else None,
        wav.read_bytes() if wav.exists() else None,
        saved.get("sound"),
    )


def _writer(one: Format) -> Callable[[Any], bytes]:
    module, _, name = one.writer.partition(":")
    writer: Callable[[Any], bytes] = getattr(import_module(module), name)
    return writer
