"""The performance as a MIDI file for music programs: a track for each hand, key, sections, and the facts as texts."""

from __future__ import annotations

from eimg_core.exports.tags import SOFTWARE
from eimg_core.exports.work import Work
from eimg_core.midi.writing import Parts, write_midi
from eimg_core.notation.following import follow, time_map
from eimg_core.notation.spelling import key_signature
from eimg_core.sound.instruments import INSTRUMENTS

__all__ = ["midi_file"]


def midi_file(work: Work) -> bytes:
    """A piece as it is played; a marker stands where the section begins in the sound."""
    written, played, tags = work.composition.piece, work.composition.played, work.tags
    when = time_map(written, played)
    markers = [(when(section.start_s), section.name) for section in written.sections]
    parts = Parts(follow(written, played).hands, key_signature(written).short_name, markers)
    texts = [SOFTWARE, *(f"{name}: {value}" for name, value in tags.facts.items())]
    return write_midi(
        played,
        title=tags.title,
        texts=texts,
        parts=parts,
        program=INSTRUMENTS[work.composition.options.instrument].program,
    )
