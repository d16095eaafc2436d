"""A piece as a picture: photo, emotion plane and piano roll, or the roll alone where nothing else is known."""

from __future__ import annotations

import io

from eimg_core.exports.tags import SOFTWARE
from eimg_core.exports.work import MidiWork, Work
from eimg_core.figures import save_figure, save_roll

__all__ = ["picture_file"]


def picture_file(work: Work | MidiWork) -> bytes:
    """A PNG with the facts in its text chunks."""
    buffer = io.BytesIO()
    if isinstance(work, MidiWork):
        save_roll(work.piece, buffer, work.title)
        return buffer.getvalue()
    tags = work.tags
    facts = {"Title": tags.title, "Author": tags.artist, "Software": SOFTWARE, "Description": tags.comment}
    save_figure(work.composition, buffer, work.photo, facts)
    return buffer.getvalue()
