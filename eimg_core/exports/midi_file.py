"""The performance as a MIDI file with the facts in its texts."""

from __future__ import annotations

from eimg_core.exports.tags import SOFTWARE
from eimg_core.exports.work import Work
from eimg_core.midi.notes import write_midi

__all__ = ["midi_file"]


def midi_file(work: Work) -> bytes:
    """A piece as it is played."""
    tags = work.tags
    texts = [SOFTWARE, *(f"{name}: {value}" for name, value in tags.facts.items())]
    return write_midi(work.composition.played, title=tags.title, texts=texts)
