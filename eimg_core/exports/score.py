"""The score of a piece as written: MusicXML, and sheet music as an SVG file."""

from __future__ import annotations

from html import escape

from eimg_core.exports.tags import SOFTWARE
from eimg_core.exports.work import MidiWork, Work
from eimg_core.notation.engraving import engrave
from eimg_core.notation.following import played_as
from eimg_core.notation.musicxml import to_musicxml
from eimg_core.notation.sheet import engrave_svg
from eimg_core.performance import perform

__all__ = ["musicxml_file", "sheet_file"]

_PAPER = 1100  # px, width of sheet music to take away


def musicxml_file(work: Work | MidiWork) -> bytes:
    """The score, with the facts in it where they are known."""
    score, tags = engrave(work.piece, velocities=_velocities(work)), work.tags
    if tags is None:
        return to_musicxml(score, title=work.title, software=SOFTWARE)
    return to_musicxml(score, title=tags.title, composer=tags.artist, software=SOFTWARE, fields=tags.facts)


def _velocities(work: Work | MidiWork) -> list[int] | None:
    """How loud each note is played where a pianist plays for an emotion: composers write all notes alike."""
    if isinstance(work, MidiWork) or not work.piece.notes:
        return None
    composition = work.composition
    played = composition.performance or perform(work.piece, composition.target_va, composition.options.seed)
    velocities = [note.velocity for note in work.piece.notes]
    for note, index in zip(played.notes, played_as(work.piece, played), strict=True):
        if index is not None:
            velocities[index] = note.velocity
    return velocities


def sheet_file(work: Work | MidiWork) -> bytes:
    """Sheet music on white paper, with its title and what is known of it inside.

    Raises:
        RenderError: Verovio is not installed.
    """
    svg = engrave_svg(musicxml_file(work), _PAPER, header=True).svg
    head = svg.index(">") + 1
    said = SOFTWARE if work.tags is None else f"{SOFTWARE}; {work.tags.comment}"
    facts = f"<title>{escape(work.title, quote=False)}</title><desc>{escape(said, quote=False)}</desc>"
    return (svg[: head - 1] + ' style="background:#fff">' + facts + svg[head:]).encode()
