"""A piece of piano music, and how it is written to MIDI; ``reading`` reads it.

Conventions: times are seconds from the start of the piece, pitches are MIDI numbers (60 = middle C, the piano
spans 21-108), velocities 1-127. Every file we write has 480 ticks per quarter note.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import mido

__all__ = [
    "HIGHEST_PITCH",
    "LOWEST_PITCH",
    "TICKS_PER_QUARTER",
    "MeterChange",
    "Note",
    "Pedal",
    "Piece",
    "write_midi",
]

TICKS_PER_QUARTER = 480
LOWEST_PITCH, HIGHEST_PITCH = 21, 108


@dataclass(frozen=True, slots=True, order=True)
class Note:
    """One key pressed: ``start_s`` < ``end_s`` in seconds, MIDI ``pitch``, ``velocity`` 1-127."""

    start_s: float
    pitch: int
    end_s: float
    velocity: int = 80

    @property
    def duration_s(self) -> float:
        return self.end_s - self.start_s


@dataclass(frozen=True, slots=True, order=True)
class Pedal:
    """The sustain pedal held down from ``start_s`` to ``end_s``."""

    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True, order=True)
class MeterChange:
    """From ``start_s`` on, bars have another meter; a bar that is not full then ends there."""

    start_s: float
    meter: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Piece:
    """Notes in the order of (start, pitch), with one tempo, and one meter at the start.

    Args:
        notes: sorted on construction; each needs ``end_s > start_s >= 0`` and a MIDI pitch and velocity.
        tempo_bpm: quarter notes per minute.
        meter: numerator and denominator of the time signature.
        pedals: sustain pedal spans, sorted on construction.
        meter_changes: later meters of a file that was read, sorted on construction; what we compose has none.
    Raises:
        ValueError: a note or the tempo is out of range.
    """

    notes: tuple[Note, ...]
    tempo_bpm: float = 120.0
    meter: tuple[int, int] = (4, 4)
    pedals: tuple[Pedal, ...] = ()
    meter_changes: tuple[MeterChange, ...] = ()

    def __post_init__(self) -> None:
        for note in self.notes:
            if not (0.0 <= note.start_s < note.end_s < math.inf):
                raise ValueError(f"a note must start at 0 s or later and end after its start: {note}")
            if not (0 <= note.pitch <= 127 and 1 <= note.velocity <= 127):
                raise ValueError(f"pitch must be 0-127 and velocity 1-127: {note}")
        if not (math.isfinite(self.tempo_bpm) and self.tempo_bpm > 0):
            raise ValueError(f"tempo must be positive, got {self.tempo_bpm}")
        object.__setattr__(self, "notes", tuple(sorted(self.notes)))
        object.__setattr__(self, "pedals", tuple(sorted(self.pedals)))
        object.__setattr__(self, "meter_changes", tuple(sorted(self.meter_changes)))

    @property
    def duration_s(self) -> float:
        """The end of the last note; 0 for an empty piece."""
        return max((note.end_s for note in self.notes), default=0.0)

    @property
    def seconds_per_beat(self) -> float:
        return 60.0 / self.tempo_bpm

    def with_notes(self, notes: Iterable[Note]) -> Piece:
        """The same tempo, meter and pedal with other notes."""
        return replace(self, notes=tuple(notes))

    def transposed(self, semitones: int) -> Piece:
        """Every pitch moved; notes that would leave the piano move by an octave instead."""

        def moved(pitch: int) -> int:
            target = pitch + semitones
            while target < LOWEST_PITCH:
                target += 12
            while target > HIGHEST_PITCH:
                target -= 12
            return target

        return self.with_notes(replace(note, pitch=moved(note.pitch)) for note in self.notes)

    def faster(self, factor: float) -> Piece:
        """The same music at ``factor`` times the tempo: 2 takes half the time."""
        if factor == 1.0:
            return self
        notes = tuple(replace(n, start_s=n.start_s / factor, end_s=n.end_s / factor) for n in self.notes)
        pedals = tuple(replace(p, start_s=p.start_s / factor, end_s=p.end_s / factor) for p in self.pedals)
        changes = tuple(replace(c, start_s=c.start_s / factor) for c in self.meter_changes)
        return replace(self, notes=notes, pedals=pedals, tempo_bpm=self.tempo_bpm * factor, meter_changes=changes)

    def cropped(self, end_s: float) -> Piece:
        """Only what sounds before ``end_s``; notes that would ring beyond are shortened."""
        kept = (replace(n, end_s=min(n.end_s, end_s)) for n in self.notes if n.start_s < end_s - 1e-9)
        pedals = tuple(replace(p, end_s=min(p.end_s, end_s)) for p in self.pedals if p.start_s < end_s - 1e-9)
        changes = tuple(c for c in self.meter_changes if c.start_s < end_s - 1e-9)
        return replace(self, notes=tuple(kept), pedals=pedals, meter_changes=changes)


def write_midi(piece: Piece, path: str | Path | None = None, *, title: str = "", texts: Iterable[str] = ()) -> bytes:
    """Write a type-0 MIDI file at 480 ticks per quarter; the same piece always gives the same bytes.

    A key that is struck again while it still sounds is released first, as on a piano.

    Args:
        piece: what to write.
        path: where to; ``None`` only returns the bytes.
        title: track name, for the programs that show one.
        texts: remarks that are kept inside, as text events at the start.
    Returns:
        The bytes of the file.
    """
    ticks_per_second = TICKS_PER_QUARTER / piece.seconds_per_beat
    # Order at one tick: releases, pedal, then strikes, so that repeated keys and pedal changes sound right.
    events: list[tuple[int, int, int, mido.Message]] = []
    sounding_until: dict[int, int] = {}
    for note in reversed(piece.notes):
        start = round(note.start_s * ticks_per_second)
        end = max(start + 1, round(note.end_s * ticks_per_second))
        next_strike = sounding_until.get(note.pitch)
        if next_strike is not None:
            if next_strike <= start:
                continue
            end = min(end, next_strike)
        sounding_until[note.pitch] = start
        events.append((start, 2, note.pitch, mido.Message("note_on", note=note.pitch, velocity=note.velocity)))
        events.append((end, 0, note.pitch, mido.Message("note_off", note=note.pitch, velocity=0)))
    for change in piece.meter_changes:
        above, below = change.meter
        signature = mido.MetaMessage("time_signature", numerator=above, denominator=below)
        events.append((round(change.start_s * ticks_per_second), -1, 0, signature))
    for pedal in piece.pedals:
        for seconds, value in ((pedal.start_s, 127), (pedal.end_s, 0)):
            tick = round(seconds * ticks_per_second)
            events.append((tick, 1, value, mido.Message("control_change", control=64, value=value)))
    track = mido.MidiTrack()
    if title:
        track.append(mido.MetaMessage("track_name", name=_latin(title)))
    track.extend(mido.MetaMessage("text", text=_latin(text)) for text in texts)
    track.append(mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(piece.tempo_bpm)))
    track.append(mido.MetaMessage("time_signature", numerator=piece.meter[0], denominator=piece.meter[1]))
    track.append(mido.Message("program_change", program=0))
    now = 0
    for tick, _, _, message in sorted(events, key=lambda event: event[:3]):
        track.append(message.copy(time=tick - now))
        now = tick
    track.append(mido.MetaMessage("end_of_track", time=0))
    midi = mido.MidiFile(type=0, ticks_per_beat=TICKS_PER_QUARTER, tracks=[track])
    buffer = io.BytesIO()
    midi.save(file=buffer)
    if path is not None:
        Path(path).write_bytes(buffer.getvalue())
    return buffer.getvalue()


def _latin(text: str) -> str:
    """What a MIDI file can say."""
    return text.encode("latin-1", "replace").decode("latin-1")
