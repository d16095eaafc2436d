"""A piece as a score for two staves: bars of voices of chords and rests. Plain values; see ``engraving`` for the rules.

Ticks are those of ``grid``: 24 to a quarter, counted from the first bar line.
"""

from __future__ import annotations

from dataclasses import dataclass

from eimg_core.notation.grid import Grid, Measure
from eimg_core.notation.harmony import Chord
from eimg_core.notation.spelling import Key, Spelt
from eimg_core.notation.values import Value

__all__ = ["Bar", "Head", "Mark", "Score", "Staff", "Symbol"]


@dataclass(frozen=True, slots=True)
class Head:
    """One note of a chord, tied to what comes before or after it or not."""

    pitch: Spelt
    tied_from: bool = False
    tied_to: bool = False


@dataclass(frozen=True, slots=True)
class Symbol:
    """A chord, or a rest where ``heads`` is empty.

    Args:
        value: place and length.
        heads: low to high.
        staccato: played short.
        beams: of the first, second and third beam: ``begin``, ``continue``, ``end`` or a ``hook``.
        tuplet: 0, or how many stand for ``normal``; ``edge`` says whether a group starts or stops here.
        hidden: a rest that only takes up time.
        fermata: held at will.
    """

    value: Value
    heads: tuple[Head, ...] = ()
    staccato: bool = False
    beams: tuple[str, ...] = ()
    tuplet: int = 0
    edge: str = ""
    hidden: bool = False
    fermata: bool = False


@dataclass(frozen=True, slots=True)
class Staff:
    """One staff of one bar: one voice, or two with the upper one first; ``clef`` is ``G`` or ``F``, and ``octave`` how
    many octaves higher its notes sound than they are drawn."""

    voices: tuple[tuple[Symbol, ...], ...]
    clef: str
    octave: int = 0


@dataclass(frozen=True, slots=True)
class Mark:
    """A dynamic such as ``mf`` at a tick."""

    tick: int
    dynamic: str


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: the right hand's staff, the left hand's, chord names and dynamics."""

    measure: Measure
    right: Staff
    left: Staff
    chords: tuple[Chord, ...]
    marks: tuple[Mark, ...]

    @property
    def start(self) -> int:
        return self.measure.start


@dataclass(frozen=True, slots=True)
class Score:
    """A piece, readable: its key, its grid, its bars, and whether they are repeated."""

    key: Key
    grid: Grid
    bars: tuple[Bar, ...]
    loops: bool = False
