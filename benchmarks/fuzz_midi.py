"""MIDI files that lie about every field, with notes that are known: what is read must be what was written.

    python -m benchmarks.fuzz_midi [--inputs 20000] [--seed 0] [--out FILE.json]

A generator writes notes, tempi and meters into files of every kind that people have, sound ones and broken ones, and
keeps what a player makes of them, in exact fractions of a second. The reader must find the same notes, and name a
repair where the file breaks the specification and none where it does not. For sound files mido is asked, too.
"""

from __future__ import annotations

import io
import random
import struct
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import mido

from benchmarks.fuzz_record import fuzz_and_record
from eimg_core.midi.reading import load_midi

END_OF_TRACK = b"\xff\x2f\x00"
FRAMES = {24: Fraction(24), 25: Fraction(25), 29: Fraction(30_000, 1001), 30: Fraction(30)}
Event = tuple[int, bytes]  # absolute tick, bytes without their delta
Span = tuple[Fraction, Fraction, int, int]  # start and end in seconds, pitch, velocity


# --- a writer that can lie ------------------------------------------------------------------------------------------


def variable(value: int) -> bytes:
    """A number of variable length."""
    found = [value & 0x7F]
    while value := value >> 7:
        found.append(value & 0x7F | 0x80)
    return bytes(reversed(found))


def meta(kind: int, data: bytes, length: int | None = None) -> bytes:
    """A meta event, with another length than its own if one is given."""
    return bytes([0xFF, kind]) + variable(len(data) if length is None else length) + data


def tempo(bpm: float) -> bytes:
    return meta(0x51, round(6e7 / bpm).to_bytes(3, "big"))


def meter(above: int, power: int) -> bytes:
    return meta(0x58, bytes([above, power, 24, 8]))


def note(start: int, ticks: int, pitch: int, velocity: int = 80, channel: int = 0) -> list[Event]:
    return [(start, bytes([0x90 | channel, pitch, velocity])), (start + ticks, bytes([0x80 | channel, pitch, 0]))]


def track(events: Iterable[Event], *, end: bytes = b"\0" + END_OF_TRACK, length: int | None = None) -> bytes:
    """A track chunk; events of one tick keep their order."""
    body, now = b"", 0
    for tick, data in sorted(events, key=lambda event: event[0]):
        body += variable(tick - now) + data
        now = tick
    body += end
    return b"MTrk" + struct.pack(">I", len(body) if length is None else length) + body


def midi(*chunks: bytes, kind: int = 1, count: int | None = None, division: int = 480, header: bytes = b"") -> bytes:
    """A file of chunks; ``header`` is what a longer header holds beyond its six bytes."""
    count = sum(chunk[:4] == b"MTrk" for chunk in chunks) if count is None else count
    fields = struct.pack(">HHH", kind & 0xFFFF, count & 0xFFFF, division & 0xFFFF)
    return b"MThd" + struct.pack(">I", 6 + len(header)) + fields + header + b"".join(chunks)


def riff(data: bytes, size: int | None = None) -> bytes:
    """A file in an RMID wrapper, with a list of texts after it."""
    chunk = b"data" + struct.pack("<I", len(data) if size is None else size) + data + b"\0" * (len(data) % 2)
    chunk += b"LIST" + struct.pack("<I", 4) + b"INFO"
    return b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"RMID" + chunk


# --- files with known notes -----------------------------------------------------------------------------------------


@dataclass
class Made:
    """A file, the notes that it means, and what is wrong with it."""

    data: bytes = field(repr=False)
    notes: list[Span]
    lies: list[str]


@dataclass
class Draft:
    """A file that is being made: its tracks, and chunks that go before and after them."""

    rng: random.Random
    division: int
    tracks: list[list[Event]]
    lies: list[str] = field(default_factory=list)
    hanging: list[tuple[int, int, int, int]] = field(default_factory=list)  # track, start, pitch, velocity

    def anywhere(self) -> list[Event]:
        return self.rng.choice(self.tracks)

    def some_tick(self) -> int:
        return self.rng.choice([0, *(tick for events in self.tracks for tick, _ in events)])


def make(rng: random.Random) -> Made:
    """A file: sound notes and tempi at first, then up to three lies that leave its notes known."""
    smpte = rng.random() < 0.15
    if smpte:
        frames, parts = rng.choice(list(FRAMES)), rng.choice([4, 40, 80, 100, 255])
        division, ticks_per_quarter = (256 - frames) << 8 | parts, Fraction(0)
    else:
        division = rng.choice([1, 24, 96, 220, 480, 1024, 9600, 32767])
        ticks_per_quarter = Fraction(division)
    unit = max(1, int(ticks_per_quarter or FRAMES[frames] * parts) // rng.choice([1, 2, 4]))
    draft = Draft(rng, division, [[] for _ in range(rng.choice([1, 1, 2, 3, 16]))])
    ticks = [_fill(events, unit, number % 9, rng) for number, events in enumerate(draft.tracks)]
    changes = [(0, 500_000)]
    for _ in range(rng.choice([0, 1, 1, 2, 5])):
        at, microseconds = draft.some_tick(), rng.randrange(150_000, 1_500_000)
        if any(at == tick for tick, _ in changes[1:]):
            continue  # which of two at one moment counts depends on their tracks
        changes.append((at, microseconds))
        draft.anywhere().insert(0, (at, meta(0x51, microseconds.to_bytes(3, "big"))))
    for _ in range(rng.choice([0, 0, 1, 3])):
        lie = rng.choice(_INSIDE)
        lie(draft)
    if smpte:
        seconds: Callable[[int], Fraction] = lambda tick: Fraction(tick) / (FRAMES[frames] * parts)  # noqa: E731
    else:
        seconds = _clock(changes, ticks_per_quarter)
    quarter = round(FRAMES[frames] * parts / 2 if smpte else ticks_per_quarter)
    for number, start, pitch, loud in draft.hanging:
        end = max(tick for tick, _ in draft.tracks[number])
        ticks.append([(start, end if end > start else start + max(1, quarter), pitch, loud)])
    data = _wrapped(draft)
    notes = sorted((seconds(a), seconds(b), pitch, loud) for spans in ticks for a, b, pitch, loud in spans)
    return Made(data, notes, draft.lies)


def _fill(events: list[Event], unit: int, channel: int, rng: random.Random) -> list[tuple[int, int, int, int]]:
    """Put notes into a track; returns them in ticks. On one key notes may overlap, first struck first released."""
    spans, free = [], dict.fromkeys(range(21, 109), (0, 0))  # key → the last start and end
    for _ in range(rng.choice([1, 3, 10, 40])):
        pitch, loud = rng.randrange(21, 109), rng.randrange(1, 128)
        start_before, end_before = free[pitch]
        start = start_before + rng.randrange(1, 8) * unit
        end = max(start, end_before) + rng.randrange(1, 5) * unit
        free[pitch] = (start, end)
        spans.append((start, end, pitch, loud))
        release = rng.choice([bytes([0x80 | channel, pitch, 64]), bytes([0x90 | channel, pitch, 0])])
        events += [(end, release), (start, bytes([0x90 | channel, pitch, loud]))]
    return spans


def _clock(changes: Sequence[tuple[int, int]], ticks_per_quarter: Fraction) -> Callable[[int], Fraction]:
    """From ticks to exact seconds; of changes at one tick the last counts."""
    ordered = sorted(dict(changes).items())

    def seconds(tick: int) -> Fraction:
        total = Fraction(0)
        for (start, microseconds), (end, _) in zip(ordered, [*ordered[1:], (tick, 0)], strict=True):
            total += Fraction(max(0, min(end, tick) - start) * microseconds, 1_000_000) / ticks_per_quarter
        return total

    return seconds


# Lies inside tracks; each leaves the notes known. A name of "" is no lie: the specification allows it.


def _odd_key(draft: Draft) -> None:
    draft.anywhere().append(
        (draft.some_tick(), meta(0x59, draft.rng.choice([b"\xee\x01", b"\x09\x00", b"\x00\x07", b""])))
    )
    draft.lies.append("key signature")


def _odd_meter(draft: Draft) -> None:
    data = draft.rng.choice(
        [b"\x01\x07\x18\x08", b"\x04\x21\x18\x08", b"\x00\x02\x18\x08", b"\x05\x06\x18\x08", b"\x04"]
    )
    draft.anywhere().append((draft.some_tick(), meta(0x58, data)))
    draft.lies.append("meter")


def _odd_tempo(draft: Draft) -> None:
    draft.anywhere().append((draft.some_tick(), meta(0x51, draft.rng.choice([b"\0\0\0", b"", b"\x07"]))))
    draft.lies.append("tempo")


def _loud_sysex(draft: Draft) -> None:
    data = bytes(draft.rng.randrange(256) for _ in range(draft.rng.randrange(1, 9))) + b"\x92\xf7"
    draft.anywhere().append((draft.some_tick(), b"\xf0" + variable(len(data)) + data))
    draft.lies.append("system exclusive")


def _cable_message(draft: Draft) -> None:
    draft.anywhere().append((draft.some_tick(), draft.rng.choice([b"\xf8", b"\xfe", b"\xf3\x05", b"\xf2\x01\x02"])))
    draft.lies.append("cable")


def _loud_controller(draft: Draft) -> None:
    draft.anywhere().append((draft.some_tick(), b"\xbf\x07\xc8"))
    draft.lies.append("data byte")


def _plain_mark(draft: Draft) -> None:
    mark = draft.rng.choice(
        [meta(0x01, b"\xff\xfe text"), meta(0x59, b"\xf9\x01"), meta(0x7F, b"\x00\x92"), meter(3, 2)]
    )
    draft.anywhere().append((draft.some_tick(), draft.rng.choice([mark, b"\xf0\x03\x43\x10\xf7", b"\xc0\x05"])))


def _hanging_note(draft: Draft) -> None:
    """A note that nobody releases, on a channel of its own."""
    number, pitch = draft.rng.randrange(len(draft.tracks)), draft.rng.randrange(21, 109)
    if any(other[::2] == (number, pitch) for other in draft.hanging):
        return
    start = draft.some_tick()
    draft.tracks[number].append((start, bytes([0x9F, pitch, 70])))
    draft.hanging.append((number, start, pitch, 70))
    draft.lies.append("hanging note")


_INSIDE: tuple[Callable[[Draft], None], ...] = (
    _odd_key, _odd_meter, _odd_tempo, _loud_sysex, _cable_message, _loud_controller, _hanging_note, _plain_mark,
    _plain_mark,
)  # fmt: skip


def _wrapped(draft: Draft) -> bytes:
    """The file of a draft, with lies about its chunks."""
    rng, chunks = draft.rng, []
    for number, events in enumerate(draft.tracks):
        chunk = track(events)
        last = number == len(draft.tracks) - 1
        match rng.randrange(12):
            case 0:
                chunk = track(events, end=b"")
                draft.lies.append("no end of track")
            case 1:
                chunk = track(events, length=rng.choice([0, 3, 2**32 - 1]))
                draft.lies.append("length of a track")
            case 2 if not last:
                chunk += b"\x00\x01\x02" * rng.randrange(1, 9)
                draft.lies.append("bytes between tracks")
            case 3:
                chunk = b"XFIH" + struct.pack(">I", 5) + b"alien" + chunk
            case _:
                pass
        chunks.append(chunk)
    options: dict[str, Any] = {"kind": 1 if len(chunks) > 1 else rng.choice([0, 1]), "count": len(chunks)}
    match rng.randrange(10):
        case 0:
            options["count"] = rng.choice([0, len(chunks) + 1, 65535])
            draft.lies.append("count of tracks")
        case 1:
            options["header"] = b"\0\0\0\0"
        case 2:
            options["kind"] = rng.choice([2, 7])
            draft.lies.append("type")
        case _:
            pass
    data = midi(*chunks, division=draft.division, **options)
    match rng.randrange(10):
        case 0:
            return riff(data)
        case 1:
            draft.lies.append("length of the wrapper")
            return riff(data, size=2**32 - 1)
        case 2:
            draft.lies.append("bytes before")
            return b"\0mac" * 32 + data
        case 3:
            draft.lies.append("bytes after")
            return data + b"\0garbage" * rng.randrange(1, 9)
        case _:
            return data


# --- judgement ------------------------------------------------------------------------------------------------------


def check(made: Made) -> None:
    """Compare what is read with what was written.

    Raises:
        AssertionError: notes are lost, moved or invented, or repairs are told of where none were needed or not told.
    """
    read = load_midi(made.data)
    _same(made.notes, [(n.start_s, n.end_s, n.pitch, n.velocity) for n in read.piece.notes])
    assert bool(read.repairs) == bool(made.lies), f"lies {made.lies}, repairs {read.repairs}"


def _same(expected: Sequence[Span], found: Sequence[tuple[float, float, int, int]]) -> None:
    key = lambda span: (span[2], round(float(span[0]), 6), round(float(span[1]), 6), span[3])  # noqa: E731
    assert len(expected) == len(found), f"{len(expected)} notes written, {len(found)} read"
    for a, b in zip(sorted(expected, key=key), sorted(found, key=key), strict=True):
        assert a[2:] == b[2:], f"written {a}, read {b}"
        assert all(abs(float(x) - y) < 1e-6 for x, y in zip(a[:2], b[:2], strict=True)), f"written {a}, read {b}"


def check_with_mido(made: Made) -> bool:
    """Whether mido can read the file; then its onsets are those that were written.

    Raises:
        AssertionError: they are not.
    """
    try:
        file = mido.MidiFile(file=io.BytesIO(made.data), clip=True)
    except Exception:  # many kinds, for files that players accept
        return False
    if file.type == 2 or file.ticks_per_beat >= 0x8000 or file.ticks_per_beat < 0:
        return False
    now, found = 0.0, []
    for message in file:
        now += message.time
        if message.type == "note_on" and message.velocity:
            found.append((now, now, message.note, message.velocity))
    _same([(start, start, pitch, loud) for start, _, pitch, loud in made.notes], found)
    return True


def run(inputs: int, seed: int) -> dict[str, Any]:
    """Make, read and count."""
    rng, findings = random.Random(seed), []
    lies: Counter[str] = Counter()
    slowest = 0.0
    sound = asked = notes = 0
    for number in range(inputs):
        made = make(rng)
        notes += len(made.notes)
        lies.update(set(made.lies))
        sound += not made.lies
        started = time.perf_counter()
        try:
            check(made)
            slowest = max(slowest, time.perf_counter() - started)
            asked += not made.lies and check_with_mido(made)
        except Exception as error:
            findings.append(f"{number}: {type(error).__name__}: {str(error)[:200]}")
    return {
        "inputs": inputs,
        "sound": sound,
        "also_read_by_mido": asked,
        "notes": notes,
        "lies": dict(sorted(lies.items())),
        "slowest_s": round(slowest, 3),
        "findings": findings[:50],
    }


def main(argv: Sequence[str] | None = None) -> int:
    return fuzz_and_record("fuzz_midi", __doc__, run, argv)


if __name__ == "__main__":
    sys.exit(main())
