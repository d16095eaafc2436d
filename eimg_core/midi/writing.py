"""From a piece to a MIDI file: 480 ticks per quarter note, and the same bytes for the same piece.

A file for music programs has a track for each hand, on a channel of its own so that each can be given its own sound,
below one with tempo, meter, key and markers (type 1). Without knowledge of the hands all stands on one track (type 0).
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import mido

from eimg_core.midi.notes import Piece

__all__ = ["TICKS_PER_QUARTER", "Parts", "write_midi"]

TICKS_PER_QUARTER = 480
_HANDS = ("Right hand", "Left hand")
_RELEASE, _PEDAL, _STRIKE = range(3)  # at one tick: so repeated keys and changes of pedal sound right

_Event = tuple[int, int, int, mido.Message]  # tick, order within it, pitch or value, message


@dataclass(frozen=True, slots=True)
class Parts:
    """What a file with a track for each hand says beyond the notes.

    Args:
        hands: of each note of the piece, 0 right, 1 left.
        key: its signature, such as ``Bb`` or ``F#m``; "" for none.
        markers: seconds of the piece and what begins there.
    """

    hands: Sequence[int]
    key: str = ""
    markers: Sequence[tuple[float, str]] = ()


def write_midi(
    piece: Piece,
    path: str | Path | None = None,
    *,
    title: str = "",
    texts: Iterable[str] = (),
    parts: Parts | None = None,
    program: int = 0,
) -> bytes:
    """Write a MIDI file; a key that is struck again while it still sounds is released first, as on a piano. The tracks
    of a loop end where it begins again.

    Args:
        piece: what to write.
        path: where to; ``None`` only returns the bytes.
        title: name of the first track, for the programs that show one.
        texts: remarks that are kept inside, as text events at the start.
        parts: hands, key and markers; without them the file is of type 0.
        program: General MIDI number of the instrument, from 0.
    Returns:
        The bytes of the file.
    Raises:
        ValueError: there is not one hand for each note.
    """
    if parts is not None and len(parts.hands) != len(piece.notes):
        raise ValueError(f"expected a hand for each of {len(piece.notes)} notes, got {len(parts.hands)}")
    tick = _Ticks(piece)
    end = 0 if piece.loop_s is None else tick(piece.loop_s)
    head = mido.MidiTrack([mido.MetaMessage("track_name", name=_latin(title))] if title else [])
    head.extend(mido.MetaMessage("text", text=_latin(text)) for text in texts)
    head.append(mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(piece.tempo_bpm)))
    head.append(mido.MetaMessage("time_signature", numerator=piece.meter[0], denominator=piece.meter[1]))
    if parts is not None and parts.key:
        head.append(mido.MetaMessage("key_signature", key=parts.key))
    above = [(tick(c.start_s), -1, 0, _signature(c.meter)) for c in piece.meter_changes]
    if parts is None:
        head.append(mido.Message("program_change", program=program))
        notes = [event for _, event in _notes(piece, tick, (0,) * len(piece.notes))]
        tracks = [_filled(head, [*above, *notes, *_pedals(piece, tick)], end)]
    else:
        above += [(tick(at), -1, 1, mido.MetaMessage("marker", text=_latin(text))) for at, text in parts.markers]
        tracks = [_filled(head, above, end), *_hand_tracks(piece, parts.hands, tick, program, end)]
    midi = mido.MidiFile(type=0 if parts is None else 1, ticks_per_beat=TICKS_PER_QUARTER, tracks=tracks)
    buffer = io.BytesIO()
    midi.save(file=buffer)
    if path is not None:
        Path(path).write_bytes(buffer.getvalue())
    return buffer.getvalue()


class _Ticks:
    """From seconds of a piece to ticks of its tempo."""

    def __init__(self, piece: Piece) -> None:
        self._per_second = TICKS_PER_QUARTER / piece.seconds_per_beat

    def __call__(self, seconds: float) -> int:
        return round(seconds * self._per_second)


def _hand_tracks(piece: Piece, hands: Sequence[int], tick: _Ticks, program: int, end: int) -> Iterator[mido.MidiTrack]:
    """A track for each hand, both with the pedal, since a player of one alone needs it as well."""
    notes = list(_notes(piece, tick, hands))
    for hand, name in enumerate(_HANDS):
        track = mido.MidiTrack([mido.MetaMessage("track_name", name=name)])
        track.append(mido.Message("program_change", channel=hand, program=program))
        mine = [event for whose, event in notes if whose == hand]
        yield _filled(track, [*mine, *(_pedals(piece, tick, hand) if mine else ())], end)


def _notes(piece: Piece, tick: _Ticks, hands: Sequence[int]) -> Iterator[tuple[int, _Event]]:
    """Strikes and releases, each with its hand, which is its channel."""
    struck_next: dict[int, int] = {}
    for note, hand in zip(reversed(piece.notes), reversed(hands), strict=True):
        start = tick(note.start_s)
        again = struck_next.get(note.pitch)
        if again is not None and again <= start:
            continue
        end = max(start + 1, tick(note.end_s))
        struck_next[note.pitch] = start
        strike = mido.Message("note_on", channel=hand, note=note.pitch, velocity=note.velocity)
        yield hand, (start, _STRIKE, note.pitch, strike)
        release = mido.Message("note_off", channel=hand, note=note.pitch, velocity=0)
        yield hand, (end if again is None else min(end, again), _RELEASE, note.pitch, release)


def _pedals(piece: Piece, tick: _Ticks, channel: int = 0) -> Iterator[_Event]:
    for pedal in piece.pedals:
        for seconds, value in ((pedal.start_s, 127), (pedal.end_s, 0)):
            change = mido.Message("control_change", channel=channel, control=64, value=value)
            yield tick(seconds), _PEDAL, value, change


def _filled(track: mido.MidiTrack, events: Iterable[_Event], end: int) -> mido.MidiTrack:
    """A track with its events in their order, which ends at a tick or with the last of them."""
    now = 0
    for tick, _, _, message in sorted(events, key=lambda event: event[:3]):
        track.append(message.copy(time=tick - now))
        now = tick
    track.append(mido.MetaMessage("end_of_track", time=max(0, end - now)))
    return track


def _signature(meter: tuple[int, int]) -> mido.MetaMessage:
    return mido.MetaMessage("time_signature", numerator=meter[0], denominator=meter[1])


def _latin(text: str) -> str:
    """What a MIDI file can say."""
    return text.encode("latin-1", "replace").decode("latin-1")
