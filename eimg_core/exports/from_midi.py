"""What can be made of a MIDI file alone, of which nobody knows for which emotion it was written."""

from __future__ import annotations

import io
from collections.abc import Callable

from eimg_core.errors import InputError
from eimg_core.exports.audio import mp3_of
from eimg_core.exports.formats import sheet_file
from eimg_core.exports.tags import SOFTWARE
from eimg_core.figures import save_roll
from eimg_core.midi.notes import Piece
from eimg_core.notation.engraving import engrave
from eimg_core.notation.musicxml import to_musicxml

__all__ = ["FROM_MIDI", "STRAIGHT", "made_from"]

FROM_MIDI = ("mp3", "wav", "musicxml", "svg", "png")
STRAIGHT = ("musicxml", "svg")  # what is written on staves needs notes on their beats: ``read_midi(straighten=True)``
_MOST_SCORED = 3_000  # notes; engraving them takes some seconds, and the time grows faster than their number


def made_from(piece: Piece, kind: str, title: str, play: Callable[[Piece], bytes]) -> bytes:
    """A piece as a file of one kind of ``FROM_MIDI``: sound, a score, sheet music or a picture of its piano roll.

    Args:
        piece: straightened where ``kind`` is in ``STRAIGHT``.
        title: as printed above the music.
        play: the piece as a WAV file; called for sound alone.
    Raises:
        InputError: an unknown kind, or more notes than a score can hold.
        RenderError: the kind needs a package that is not installed.
    """
    if kind not in FROM_MIDI:
        raise InputError(f"There is no kind {kind[:20]!r}; choose from: {', '.join(FROM_MIDI)}.")
    if kind in ("wav", "mp3"):
        wav = play(piece)
        return wav if kind == "wav" else mp3_of(wav)
    if len(piece.notes) > _MOST_SCORED:
        raise InputError(f"The piece has {len(piece.notes)} notes; scores and pictures hold up to {_MOST_SCORED}.")
    if kind == "png":
        buffer = io.BytesIO()
        save_roll(piece, buffer, title)
        return buffer.getvalue()
    score = to_musicxml(engrave(piece), title=title, software=SOFTWARE)
    return score if kind == "musicxml" else sheet_file(score, title, SOFTWARE)
