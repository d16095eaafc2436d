"""The events of a Standard MIDI File, read as tolerantly as players read it.

Files that people have break the specification in many ways that no player minds. What can be mended is mended, what
says nothing is skipped, and each kind of repair is told once, in words that complete "repaired: …". Nothing here
trusts a number of the file: lengths end where the bytes end, and a tempo, a meter or a division is checked before use.

Reference: "Standard MIDI Files 1.0" (RP-001) and the RMID wrapper (RP-029) of the MIDI Association.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from eimg_core.errors import InputError

__all__ = [
    "BEND",
    "CONTROL",
    "DRUM_CHANNEL",
    "MAX_MIDI_BYTES",
    "MIDI_SUFFIXES",
    "NOTE_OFF",
    "NOTE_ON",
    "Repairs",
    "Smf",
    "Track",
    "load_smf",
    "name_of",
]

MAX_MIDI_BYTES = 512 * 1024  # a long sonata has a fifth of it
MIDI_SUFFIXES = (".mid", ".midi", ".smf", ".kar", ".rmi")  # how files are called that may be read
_MOST_TRACKS = 2048
NOTE_OFF, NOTE_ON, CONTROL, BEND = 0x80, 0x90, 0xB0, 0xE0  # upper half of a status; the lower is the channel
DRUM_CHANNEL = 9
_USUAL_TEMPO = 500_000  # microseconds per quarter note where a file says nothing
_FRAME_RATES = {24: 24.0, 25: 25.0, 29: 30_000 / 1001, 30: 30.0}
_LARGEST_NUMERATOR, _LARGEST_DENOMINATOR = 64, 32  # of a meter that a score can be written in
_META, _SYSEX, _ESCAPE = 0xFF, 0xF0, 0xF7
_TEXT, _LYRIC, _END, _TEMPO, _METER, _KEY = 0x01, 0x05, 0x2F, 0x51, 0x58, 0x59
_SYSTEM_LENGTHS = {0xF1: 1, 0xF2: 2, 0xF3: 1}  # data bytes of messages that belong on a cable, not into a file


class Repairs(Counter[str]):
    """Each kind of repair, and how often it was made."""

    def add(self, what: str) -> None:
        self[what] += 1

    def told(self) -> tuple[str, ...]:
        """In the order in which they were first made."""
        return tuple(what if count == 1 else f"{what} ({count} times)" for what, count in self.items())


@dataclass
class Track:
    """One track; ticks count from its start.

    Args:
        events: (tick, status, first data byte, second data byte or 0) of channel messages, data bytes 0-127.
        tempi: (tick, microseconds per quarter note), each positive.
        meters: (tick, numerator, denominator), each fit for a score.
        last_mark: tick of the last meter, key, text or lyric; 0 without one.
        end: tick of its end.
    """

    events: list[tuple[int, int, int, int]] = field(default_factory=list)
    tempi: list[tuple[int, int]] = field(default_factory=list)
    meters: list[tuple[int, int, int]] = field(default_factory=list)
    last_mark: int = 0
    end: int = 0


@dataclass
class Smf:
    """A file.

    Args:
        ticks_per_quarter: positive; with SMPTE time, so many that a quarter note lasts half a second.
        tempi: (tick, microseconds per quarter note) of all tracks by tick, the first at tick 0; a tempo that is in
            force already is left out. SMPTE time knows one alone.
        tracks: in the order of the file.
        repairs: what was mended.
    """

    ticks_per_quarter: float
    tempi: list[tuple[int, int]]
    tracks: list[Track]
    repairs: Repairs


def name_of(source: str | Path | bytes) -> str:
    """How sentences call a source."""
    return "the upload" if isinstance(source, bytes) else Path(source).name


def load_smf(source: str | Path | bytes) -> Smf:
    """Read a file, mending what players accept.

    Args:
        source: a path, or the bytes of a file.
    Raises:
        InputError: the file is missing, empty or over 512 kB, is no MIDI file, or says nothing about time.
    """
    name = name_of(source)
    data = source if isinstance(source, bytes) else _bytes_of(Path(source), name)
    if len(data) > MAX_MIDI_BYTES:
        raise InputError(f"{name} is too large; MIDI files up to {MAX_MIDI_BYTES // 1024} kB can be read.")
    if not data:
        raise InputError(f"{name} is empty; choose another MIDI file.")
    repairs = Repairs()
    data = _unwrapped(data, name, repairs)
    if len(data) < 14:
        raise InputError(f"{name} is cut off within its header, before any note; copy or download it again.")
    kind, count, division = (int.from_bytes(data[at : at + 2], "big") for at in (8, 10, 12))
    tracks = _tracks(data, repairs)
    if not tracks:
        raise InputError(f"{name} has a MIDI header, but no track after it; copy or download it again.")
    if len(tracks) > _MOST_TRACKS:
        raise InputError(f"{name} has over {_MOST_TRACKS} tracks, more than can be read.")
    if kind > 1:
        repairs.add(f"tracks of a file of type {kind} read as sounding together")
    if count != len(tracks):
        repairs.add(f"{len(tracks)} track{'s' * (len(tracks) > 1)} read where the header counts {count}")
    if division & 0x8000:
        return Smf(_smpte_ticks(division, name, repairs), [(0, _USUAL_TEMPO)], tracks, repairs)
    if division == 0:
        raise InputError(f"{name} has 0 ticks per quarter note, so its notes have no times; export it again.")
    return Smf(division, _tempo_map(tracks), tracks, repairs)


def _bytes_of(path: Path, name: str) -> bytes:
    """The bytes of a file, never many more than may be read."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_MIDI_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a null character in a path
        reason = getattr(error, "strerror", None) or "no such file"
        raise InputError(f"Cannot read {name}: {reason}. Check the path.") from error


# --- chunks ---------------------------------------------------------------------------------------------------------


def _unwrapped(data: bytes, name: str, repairs: Repairs) -> bytes:
    """The file from its header on, taken out of a RIFF wrapper or from behind other bytes."""
    if data.startswith(b"MThd"):
        return data
    at = data.find(b"MThd")
    if at < 0:
        raise InputError(f"{name} is not a MIDI file, as it has no MIDI header; choose another.")
    size = int.from_bytes(data[at - 4 : at], "little")
    if data.startswith(b"RIFF") and data[8:12] == b"RMID" and data[at - 8 : at - 4] == b"data":
        if at + size <= len(data):
            return data[at : at + size]
        repairs.add("a RIFF wrapper of wrong length")
    else:
        repairs.add("bytes before the header skipped")
    return data[at:]


def _tracks(data: bytes, repairs: Repairs) -> list[Track]:
    """The tracks; other chunks are skipped, as the specification asks."""
    tracks: list[Track] = []
    at = 8 + int.from_bytes(data[4:8], "big")
    if at < 14 or (not _is_chunk(data, at) and _is_chunk(data, 14)):
        repairs.add("a wrong length of the header")
        at = 14
    while at + 8 <= len(data) and len(tracks) <= _MOST_TRACKS:
        if not _is_chunk(data, at):
            following = data.find(b"MTrk", at)
            repairs.add("bytes after the last track skipped" if following < 0 else "bytes between tracks skipped")
            if following < 0:
                break
            at = following
        start, length = at + 8, int.from_bytes(data[at + 4 : at + 8], "big")
        if data[at : at + 4] == b"MThd":
            repairs.add("a second file after the first skipped")
            break
        if data[at : at + 4] == b"MTrk":
            track, at = _track(data, start, start + length, repairs)
            tracks.append(track)
        else:
            at = start + length
    else:
        if 0 < len(data) - at < 8 and data[at:].strip(b"\0"):
            repairs.add("bytes after the last track skipped")
    return tracks


def _is_chunk(data: bytes, at: int) -> bool:
    """Whether a chunk begins here: a track, or another that ends within the file."""
    name = data[at : at + 4]
    if name == b"MTrk":
        return True
    length = int.from_bytes(data[at + 4 : at + 8], "big")
    return len(name) == 4 and name.isascii() and name.decode().isprintable() and at + 8 + length <= len(data)


def _track(data: bytes, start: int, stated_end: int, repairs: Repairs) -> tuple[Track, int]:
    """A track, and where the next chunk begins, whatever the length of this one says."""
    following = data.find(b"MTrk", start)
    limit = len(data) if following < 0 else following
    lies = stated_end > len(data)
    end = limit if lies else stated_end
    found = Repairs()
    track, size, ended = _events(data[start:end], found)
    if not ended and not lies and end < limit and not _is_chunk(data, end):
        longer = Repairs()
        again = _events(data[start:limit], longer)
        if again[2]:
            (track, size, ended), found = again, longer
    repairs.update(found)
    after = start + size
    if ended and (lies or after > end or (after < end and after == following)):
        repairs.add("a wrong length of a track")
        return track, after
    if not ended:
        repairs.add("a track that is cut off read as far as it goes" if lies else "a track without an end ended")
    elif after < end:
        repairs.add("events after the end of a track skipped")
    return track, end


# --- events ---------------------------------------------------------------------------------------------------------


def _events(body: bytes, repairs: Repairs) -> tuple[Track, int, bool]:
    """The events of a track: what they are, how many bytes were read, and whether its end was marked."""
    track = Track()
    at = tick = running = 0
    try:
        while at < len(body):
            delta, at = _variable(body, at, repairs)
            status = body[at]
            tick += delta
            if status < 0x80 and not running:
                repairs.add("a stray byte skipped")
                at += 1
            elif status < 0xF0:
                if status >= 0x80:
                    running = status
                    at += 1
                at = _message(track, tick, running, body, at, repairs)
            elif status == _META:
                kind = body[at + 1]
                length, start = _variable(body, at + 2, repairs)
                track.end, at = tick, start + length
                if kind == _END:
                    return track, min(at, len(body)), True
                if at > len(body):
                    raise IndexError
                _mark(track, tick, kind, body[start:at], repairs)
            else:
                at = _system(status, body, at, repairs)
            track.end = tick
    except IndexError:  # the bytes end within an event
        repairs.add("an event that is cut off left out")
    return track, len(body), False


def _variable(body: bytes, at: int, repairs: Repairs) -> tuple[int, int]:
    """A number of variable length, and where it ends. Of more than four bytes the last four count.

    Raises:
        IndexError: the bytes end within it.
    """
    byte = body[at]
    if byte < 0x80:
        return byte, at + 1
    value, start = byte & 0x7F, at
    while byte & 0x80:
        at += 1
        byte = body[at]
        value = (value << 7 | byte & 0x7F) & 0x0FFFFFFF
    if at - start > 3:
        repairs.add("a number of more than four bytes")
    return value, at + 1


def _message(track: Track, tick: int, status: int, body: bytes, at: int, repairs: Repairs) -> int:
    """Add the channel message whose data bytes begin ``at``; returns where they end."""
    first, second = body[at], 0
    at += 1
    if not 0xC0 <= status < 0xE0:  # all but program changes and channel pressure have two
        second = body[at]
        at += 1
    if (first | second) & 0x80:
        repairs.add("a data byte above 127 read as 127")
        first, second = min(first, 127), min(second, 127)
    track.events.append((tick, status, first, second))
    return at


def _system(status: int, body: bytes, at: int, repairs: Repairs) -> int:
    """Where a message ends that says nothing about notes: system exclusive, or one that no file should have."""
    if status not in (_SYSEX, _ESCAPE):
        repairs.add("a message skipped that belongs on a cable, not into a file")
        return at + 1 + _SYSTEM_LENGTHS.get(status, 0)
    length, start = _variable(body, at + 1, repairs)
    if start + length <= len(body):
        if status == _SYSEX and max(body[start : start + length].rstrip(b"\xf7"), default=0) > 127:
            repairs.add("a system exclusive message with bytes above 127 skipped")
        return start + length
    end = body.find(b"\xf7", start)
    if end < 0:
        raise IndexError
    repairs.add("a wrong length of a system exclusive message")
    return end + 1


def _mark(track: Track, tick: int, kind: int, data: bytes, repairs: Repairs) -> None:
    """Keep a tempo or a meter that can be; remember where the last mark stands."""
    if kind == _TEMPO:
        tempo = int.from_bytes(data[:3], "big")
        if len(data) < 3 or tempo == 0:
            repairs.add("an impossible tempo ignored")
        else:
            track.tempi.append((tick, tempo))
    elif kind == _METER:
        meter = _meter(data)
        if meter is None:
            repairs.add("a meter that no score can use ignored")
        else:
            track.meters.append((tick, *meter))
    elif kind == _KEY and not (len(data) >= 2 and (data[0] <= 7 or data[0] >= 249) and data[1] <= 1):
        repairs.add("an impossible key signature ignored")
    if kind in (_TEXT, _LYRIC, _METER, _KEY):
        track.last_mark = tick


def _meter(data: bytes) -> tuple[int, int] | None:
    """Numerator and denominator; ``None`` where they are none that a score can be written in."""
    if len(data) < 2 or not 1 <= data[0] <= _LARGEST_NUMERATOR or data[1] > _LARGEST_DENOMINATOR.bit_length() - 1:
        return None
    return data[0], 2 ** data[1]


# --- time -----------------------------------------------------------------------------------------------------------


def _smpte_ticks(division: int, name: str, repairs: Repairs) -> float:
    """Ticks in half a second of a file that counts frames of film."""
    frames, parts = 256 - (division >> 8), division & 0xFF
    if not parts:
        raise InputError(f"{name} has 0 ticks per frame, so its notes have no times; export it again.")
    if frames not in _FRAME_RATES:
        repairs.add(f"an unusual rate of {frames} frames per second")
    return _FRAME_RATES.get(frames, float(frames)) * parts * _USUAL_TEMPO / 1e6


def _tempo_map(tracks: list[Track]) -> list[tuple[int, int]]:
    """The tempi of all tracks in one line, each where it differs from the one before; the last of one tick counts."""
    by_tick = dict(sorted((change for track in tracks for change in track.tempi), key=lambda change: change[0]))
    found = [(0, by_tick.pop(0, _USUAL_TEMPO))]
    for change in by_tick.items():
        if change[1] != found[-1][1]:
            found.append(change)
    return found
