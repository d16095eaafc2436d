"""From a MIDI file to a piece: which notes sound when, on the clock or on the beat.

Conventions: tempo and meter count for all tracks, on whichever they stand. A key belongs to its channel and track.
Where it has as many releases as strikes, what was struck first is released first; otherwise each release ends all that
sounds on the key, as on an instrument. What nobody releases ends with its track.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from eimg_core.errors import InputError
from eimg_core.midi.notes import MeterChange, Note, Pedal, Piece
from eimg_core.midi.smf import BEND, CONTROL, DRUM_CHANNEL, NOTE_OFF, NOTE_ON, Smf, Track, load_smf, name_of

__all__ = ["MidiFile", "load_midi", "read_midi"]

_LONGEST_S, _MOST_NOTES, _MOST_BEATS = 3600.0, 50_000, 40_000  # of a file: some hundred bytes can claim years
_USUAL_METER = (4, 4)  # where a file says nothing
_SUSTAIN = 64  # the controller of the pedal, down from this value on, too


@dataclass(frozen=True, slots=True)
class MidiFile:
    """What a file holds.

    Args:
        name: as sentences call it.
        piece: all instruments but drums as one piano part; without notes if there are none.
        repairs: what was mended, each in a few words; none for a file that keeps to the specification.
        drums: how many strokes of drums were left out.
    """

    name: str
    piece: Piece
    repairs: tuple[str, ...]
    drums: int

    @property
    def remark(self) -> str:
        """One line about the repairs; empty without any."""
        return f"{self.name} was repaired while it was read: {'; '.join(self.repairs)}." if self.repairs else ""


def read_midi(source: str | Path | bytes, *, straighten: bool = False) -> Piece:
    """The piece of a Standard MIDI File; ``load_midi`` tells of repairs, too.

    Args:
        source, straighten: as for ``load_midi``.
    Raises:
        InputError: as for ``load_midi``.
    """
    return load_midi(source, straighten=straighten).piece


def load_midi(
    source: str | Path | bytes, *, straighten: bool = False, strict: bool = False, need_notes: bool = False
) -> MidiFile:
    """Read a Standard MIDI File; all instruments but drums are joined into one piano part.

    Args:
        source: a path, or the bytes of a file.
        straighten: place the notes by their position in the score at the mean tempo, so that a file with many
            tempo marks falls on one beat grid again. Otherwise the notes keep their times in seconds.
        strict: refuse a file that must be repaired.
        need_notes: refuse a file without notes.
    Returns:
        The piece and what was repaired. Its tempo is the mean tempo when the file changes tempo.
    Raises:
        InputError: the file is missing, over 512 kB, over an hour or over 50 000 notes, is no MIDI file, or breaks
            ``strict`` or ``need_notes``; one sentence that says which.
    """
    name, smf = name_of(source), load_smf(source)
    parts = [part for track in smf.tracks for part in _parts(track, smf)]
    piece = _piece(smf, [part for part in parts if part.channel != DRUM_CHANNEL], straighten, name)
    drums = sum(len(part.notes) for part in parts if part.channel == DRUM_CHANNEL)
    found = MidiFile(name, piece, smf.repairs.told(), drums)
    if strict and found.repairs:
        raise InputError(f"{name} breaks the MIDI specification: {'; '.join(found.repairs)}.")
    if need_notes and not piece.notes:
        raise InputError(_why_empty(found))
    return found


def _why_empty(file: MidiFile) -> str:
    if file.drums:
        return f"{file.name} has drums alone, which are not read; choose a file with pitched notes."
    if file.repairs:
        return f"{file.name} holds no note that can be read; what is wrong with it: {'; '.join(file.repairs)}."
    return f"{file.name} has no notes; choose another MIDI file."


# --- ticks ----------------------------------------------------------------------------------------------------------


@dataclass
class _Part:
    """One channel of one track, in ticks.

    Args:
        notes: (start, end, pitch, velocity), each end after its start.
        pedal: (tick, whether it is down), in order.
        last: the last tick of a note, a controller or a bend.
    """

    channel: int
    notes: list[tuple[int, int, int, int]]
    pedal: list[tuple[int, bool]]
    last: int


def _parts(track: Track, smf: Smf) -> Iterator[_Part]:
    """The channels of a track that have notes."""
    keys: dict[int, dict[int, list[tuple[int, int]]]] = defaultdict(lambda: defaultdict(list))
    pedals: dict[int, list[tuple[int, bool]]] = defaultdict(list)
    last: dict[int, int] = defaultdict(int)
    for tick, status, first, second in track.events:
        kind, channel = status & 0xF0, status & 0x0F
        if kind == NOTE_ON:
            keys[channel][first].append((tick, second))
        elif kind == NOTE_OFF:
            keys[channel][first].append((tick, 0))
        elif kind == CONTROL:
            last[channel] = tick
            if first == _SUSTAIN:
                pedals[channel].append((tick, second >= _SUSTAIN))
        elif kind == BEND:
            last[channel] = tick
    quarter = max(1, round(smf.ticks_per_quarter))
    for channel, struck in keys.items():
        notes = []
        for pitch, changes in struck.items():
            spans, hanging = _spans(changes)
            for start, velocity in hanging:
                if channel != DRUM_CHANNEL:
                    smf.repairs.add("a note that is never released ended with its track")
                spans.append((start, track.end if track.end > start else start + quarter, velocity))
            for start, end, _ in spans:
                if end == start:
                    smf.repairs.add("a note of no length left out")
            notes += [(start, end, pitch, velocity) for start, end, velocity in spans if end > start]
        if notes:
            end = max(last[channel], max(note[1] for note in notes))
            yield _Part(channel, notes, pedals[channel], end)


def _spans(changes: Sequence[tuple[int, int]]) -> tuple[list[tuple[int, int, int]], list[tuple[int, int]]]:
    """Strikes and releases of a key, (tick, velocity or 0), as notes.

    Returns:
        (start, end, velocity) of what is released, and (start, velocity) of what never is.
    """
    spans: list[tuple[int, int, int]] = []
    waiting: deque[tuple[int, int]] = deque()
    for tick, velocity in changes:
        if velocity:
            waiting.append((tick, velocity))
        elif waiting:
            start, loud = waiting.popleft()
            spans.append((start, tick, loud))
    return _all_released(changes) if waiting else (spans, [])


def _all_released(changes: Sequence[tuple[int, int]]) -> tuple[list[tuple[int, int, int]], list[tuple[int, int]]]:
    """As ``_spans``, if a release ends everything that was struck before its tick."""
    spans: list[tuple[int, int, int]] = []
    sounding: list[tuple[int, int]] = []
    for tick, velocity in changes:
        if velocity:
            sounding.append((tick, velocity))
            continue
        before = bisect_left(sounding, (tick,))
        spans += [(start, tick, loud) for start, loud in sounding[:before]]
        sounding = sounding[before:] if before else []
    return spans, sounding


# --- seconds --------------------------------------------------------------------------------------------------------


def _piece(smf: Smf, parts: Sequence[_Part], straighten: bool, name: str) -> Piece:
    """The parts as one piece.

    Raises:
        InputError: it has too many notes or lasts too long.
    """
    count = sum(len(part.notes) for part in parts)
    if count > _MOST_NOTES:
        raise InputError(f"{name} has {count} notes; pieces with up to {_MOST_NOTES} can be read.")
    clock = _clock(smf)
    sounding = max((note[1] for part in parts for note in part.notes), default=0)
    end = max([part.last for part in parts] + [track.last_mark for track in smf.tracks] + [smf.tempi[-1][0]])
    tempo = _tempo(smf, clock, end)
    seconds_per_tick = 60.0 / tempo / smf.ticks_per_quarter

    def time(tick: int) -> float:
        return tick * seconds_per_tick if straighten else clock(tick)

    longest = max(clock(sounding), time(sounding))
    if longest > _LONGEST_S:
        raise InputError(f"{name} lasts {longest / 3600:.1f} hours; pieces up to one hour can be read.")
    if sounding > _MOST_BEATS * smf.ticks_per_quarter:
        raise InputError(
            f"{name} has {sounding / smf.ticks_per_quarter:.0f} beats; pieces with up to {_MOST_BEATS} can be read."
        )
    notes = [
        Note(time(start), pitch, time(stop), velocity) for part in parts for start, stop, pitch, velocity in part.notes
    ]
    pedals = {  # one foot on one pedal, also where a file tells each hand of it
        Pedal(time(down), min(time(up), _LONGEST_S))
        for part in parts
        for down, up in _held(part.pedal, end)
        if time(down) < _LONGEST_S
    }
    (_, meter), *later = _meters(smf)
    changes = [MeterChange(time(tick), other) for tick, other in later if tick < sounding]
    return Piece(tuple(notes), tempo, meter, tuple(pedals), tuple(changes))


def _clock(smf: Smf) -> Callable[[int], float]:
    """From ticks to seconds."""
    starts: list[int] = []
    segments: list[tuple[float, float]] = []
    end_s, before, scale = 0.0, 0, 0.0
    for tick, tempo in smf.tempi:
        end_s += scale * (tick - before)
        before, scale = tick, 60.0 / ((6e7 / tempo) * smf.ticks_per_quarter)
        segments.append((end_s, scale))
        starts.append(tick)

    def seconds(tick: int) -> float:
        at = bisect_right(starts, tick) - 1
        start_s, seconds_per_tick = segments[at]
        return start_s + seconds_per_tick * (tick - starts[at])

    return seconds


def _tempo(smf: Smf, clock: Callable[[int], float], end: int) -> float:
    """Quarter notes per minute: of the file, or where it changes up to tick ``end``, the one that keeps the length."""
    if len(smf.tempi) == 1 or end == 0:
        return 60.0 / (60.0 / ((6e7 / smf.tempi[0][1]) * smf.ticks_per_quarter) * smf.ticks_per_quarter)
    return 60.0 * (end / smf.ticks_per_quarter) / clock(end)


def _held(changes: Sequence[tuple[int, bool]], end: int) -> Iterator[tuple[int, int]]:
    """Spans of ticks in which the pedal is down; one that is never released is held to ``end``."""
    down: int | None = None
    for tick, is_down in [*changes, (end, False)]:
        if is_down and down is None:
            down = tick
        elif not is_down and down is not None:
            if tick > down:
                yield down, tick
            down = None


def _meters(smf: Smf) -> list[tuple[int, tuple[int, int]]]:
    """(tick, meter) of all tracks in one line, from tick 0 on, each where it differs; the first of one tick counts."""
    changes = sorted((change for track in smf.tracks for change in track.meters), key=lambda change: change[0])
    by_tick: dict[int, tuple[int, int]] = {}
    for tick, above, below in changes:
        by_tick.setdefault(tick, (above, below))
    found = [(0, by_tick.pop(0, _USUAL_METER))]
    for tick, meter in by_tick.items():
        if meter != found[-1][1]:
            found.append((tick, meter))
    return found
