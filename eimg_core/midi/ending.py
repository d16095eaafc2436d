"""How a piece stops: on its last beat, ringing, never cut."""

from __future__ import annotations

from dataclasses import replace

from eimg_core.midi.notes import Note, Piece

__all__ = ["ring_out"]

_LEAST_RING_S = 1.0  # of the last notes


def ring_out(piece: Piece, seconds: float) -> Piece:
    """Bring a piece to rest at ``seconds``: the last strike comes at least a second before the end and rings to it.

    The last strike is the last one on a beat where there is one in the last three seconds, since music that stops
    between two beats sounds cut off.

    Args:
        piece: any piece; what starts after the last strike is left out.
        seconds: where the last notes end.
    Returns:
        The piece; unchanged where no note starts early enough.
    """
    latest = seconds - _LEAST_RING_S
    onsets = sorted({note.start_s for note in piece.notes if note.start_s <= latest})
    if not onsets:
        return piece
    on_beat = [onset for onset in onsets if onset > latest - 2.0 and _on_beat(onset, piece.seconds_per_beat)]
    last = on_beat[-1] if on_beat else onsets[-1]

    def placed(note: Note) -> Note:
        return replace(note, end_s=seconds if note.start_s == last else min(note.end_s, seconds))

    return piece.with_notes(placed(note) for note in piece.notes if note.start_s <= last)


def _on_beat(onset_s: float, seconds_per_beat: float) -> bool:
    beats = onset_s / seconds_per_beat
    return abs(beats - round(beats)) < 0.05
