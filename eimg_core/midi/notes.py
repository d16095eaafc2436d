"""A piece of piano music; ``writing`` and ``reading`` know MIDI files.

Conventions: times are seconds from the start of the piece, pitches are MIDI numbers (60 = middle C, the piano
spans 21-108), velocities 1-127, keys 0-11 for C to B major and 12-23 for C to B minor.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

__all__ = ["HIGHEST_PITCH", "LOWEST_PITCH", "MeterChange", "Note", "Pedal", "Piece", "Section", "is_compound"]

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


def is_compound(meter: tuple[int, int]) -> bool:
    """Whether the beats of a meter are dotted, as in 6/8."""
    return meter[1] == 8 and meter[0] % 3 == 0 and meter[0] > 3


@dataclass(frozen=True, slots=True, order=True)
class MeterChange:
    """From ``start_s`` on, bars have another meter; a bar that is not full then ends there."""

    start_s: float
    meter: tuple[int, int]


@dataclass(frozen=True, slots=True, order=True)
class Section:
    """From ``start_s`` on a part of the form, such as ``A``; the second one of the same letter is ``A2``."""

    start_s: float
    name: str


@dataclass(frozen=True, slots=True)
class Piece:
    """Notes in the order of (start, pitch), with one tempo, and one meter at the start.

    Args:
        notes: sorted on construction; each needs ``end_s > start_s >= 0`` and a MIDI pitch and velocity.
        tempo_bpm: quarter notes per minute.
        meter: numerator and denominator of the time signature.
        pedals: sustain pedal spans, sorted on construction.
        meter_changes: later meters of a file that was read, sorted on construction; what we compose has none.
        key: 0-23 where its composer says it; ``None`` where it can only be estimated.
        sections: its form where its composer says it, sorted on construction.
        loop_s: when it begins again, where it is a loop; ``None`` for a piece that ends.
    Raises:
        ValueError: a note, the tempo, the key or the loop is out of range.
    """

    notes: tuple[Note, ...]
    tempo_bpm: float = 120.0
    meter: tuple[int, int] = (4, 4)
    pedals: tuple[Pedal, ...] = ()
    meter_changes: tuple[MeterChange, ...] = ()
    key: int | None = None
    sections: tuple[Section, ...] = ()
    loop_s: float | None = None

    def __post_init__(self) -> None:
        for note in self.notes:
            if not (0.0 <= note.start_s < note.end_s < math.inf):
                raise ValueError(f"a note must start at 0 s or later and end after its start: {note}")
            if not (0 <= note.pitch <= 127 and 1 <= note.velocity <= 127):
                raise ValueError(f"pitch must be 0-127 and velocity 1-127: {note}")
        if not (math.isfinite(self.tempo_bpm) and self.tempo_bpm > 0):
            raise ValueError(f"tempo must be positive, got {self.tempo_bpm}")
        if self.key is not None and not 0 <= self.key < 24:
            raise ValueError(f"a key must be 0-23, got {self.key}")
        if self.loop_s is not None and not self.duration_s - 1e-6 <= self.loop_s < math.inf:
            raise ValueError(f"a loop must not end before its notes at {self.duration_s} s, got {self.loop_s}")
        object.__setattr__(self, "notes", tuple(sorted(self.notes)))
        object.__setattr__(self, "pedals", tuple(sorted(self.pedals)))
        object.__setattr__(self, "meter_changes", tuple(sorted(self.meter_changes)))
        object.__setattr__(self, "sections", tuple(sorted(self.sections)))

    @property
    def duration_s(self) -> float:
        """The end of the last note; 0 for an empty piece."""
        return max((note.end_s for note in self.notes), default=0.0)

    @property
    def length_s(self) -> float:
        """When it ends or begins again."""
        return self.duration_s if self.loop_s is None else self.loop_s

    @property
    def seconds_per_beat(self) -> float:
        return 60.0 / self.tempo_bpm

    @property
    def seconds_per_bar(self) -> float:
        """Of a whole bar of the first meter."""
        return self.seconds_per_beat * 4 * self.meter[0] / self.meter[1]

    def with_notes(self, notes: Iterable[Note]) -> Piece:
        """The same with other notes."""
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

        key = None if self.key is None else self.key // 12 * 12 + (self.key + semitones) % 12
        return replace(self, notes=tuple(replace(note, pitch=moved(note.pitch)) for note in self.notes), key=key)

    def faster(self, factor: float) -> Piece:
        """The same music at ``factor`` times the tempo: 2 takes half the time."""
        if factor == 1.0:
            return self
        notes = tuple(replace(n, start_s=n.start_s / factor, end_s=n.end_s / factor) for n in self.notes)
        pedals = tuple(replace(p, start_s=p.start_s / factor, end_s=p.end_s / factor) for p in self.pedals)
        changes = tuple(replace(c, start_s=c.start_s / factor) for c in self.meter_changes)
        return replace(
            self,
            notes=notes,
            pedals=pedals,
            tempo_bpm=self.tempo_bpm * factor,
            meter_changes=changes,
            sections=tuple(replace(s, start_s=s.start_s / factor) for s in self.sections),
            loop_s=None if self.loop_s is None else self.loop_s / factor,
        )

    def with_between(self, other: Piece, start_s: float, end_s: float) -> Piece:
        """The same with the notes of another piece between two moments.

        Notes that begin before them or after them stay. What rings into the span ends where its key is struck again;
        what is put in ends with the span.
        """

        def inside(note: Note) -> bool:
            return start_s - 1e-6 <= note.start_s < end_s - 1e-6

        put_in = [replace(note, end_s=min(note.end_s, end_s)) for note in other.notes if inside(note)]
        struck: dict[int, float] = {}
        for note in put_in:
            struck.setdefault(note.pitch, note.start_s)  # the first one: notes are sorted
        kept = []
        for note in self.notes:
            again = struck.get(note.pitch, math.inf) if note.start_s < start_s else math.inf
            if not inside(note):
                kept.append(replace(note, end_s=again) if note.end_s > again else note)
        return self.with_notes([*kept, *put_in])

    def sounding_from(self, start_s: float) -> Piece:
        """Only what sounds from a moment on; notes that ring for half a beat from there at least are struck there."""
        least = start_s + self.seconds_per_beat / 2 - 1e-6
        notes = (
            replace(note, start_s=max(note.start_s, start_s))
            for note in self.notes
            if note.start_s >= start_s - 1e-6 or note.end_s >= least
        )
        return self.with_notes(notes)

    def later(self, seconds: float) -> Piece:
        """The same notes, begun so much later."""
        notes = tuple(replace(n, start_s=n.start_s + seconds, end_s=n.end_s + seconds) for n in self.notes)
        return replace(self, notes=notes, loop_s=None if self.loop_s is None else self.loop_s + seconds)

    def cropped(self, end_s: float) -> Piece:
        """Only what sounds before ``end_s``; notes that would ring beyond are shortened."""
        kept = (replace(n, end_s=min(n.end_s, end_s)) for n in self.notes if n.start_s < end_s - 1e-9)
        pedals = tuple(replace(p, end_s=min(p.end_s, end_s)) for p in self.pedals if p.start_s < end_s - 1e-9)
        changes = tuple(c for c in self.meter_changes if c.start_s < end_s - 1e-9)
        sections = tuple(s for s in self.sections if s.start_s < end_s - 1e-9)
        loop_s = None if self.loop_s is None or self.loop_s > end_s else self.loop_s
        return replace(self, notes=tuple(kept), pedals=pedals, meter_changes=changes, sections=sections, loop_s=loop_s)
