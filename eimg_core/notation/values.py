"""Lengths as note values: what fits one symbol, and where a longer sound is tied so that the beats stay in sight.

Ticks are those of ``grid``: 24 to a quarter. In a triplet quarter the places are 0, 8, 16; in a sextuplet one 4 apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from eimg_core.notation.grid import TICKS, Grid, Measure

__all__ = ["Value", "cut"]

_NAMES = {96: "whole", 48: "half", 24: "quarter", 12: "eighth", 6: "16th", 3: "32nd"}
_PLAIN = (96, 48, 24, 12, 6, 3)
_DOTTED = (144, 72, 36, 18)
_BY_LENGTH = sorted((*_PLAIN, *_DOTTED), reverse=True)
_TRIPLET = {16: "quarter", 8: "eighth", 4: "16th"}


@dataclass(frozen=True, slots=True)
class Value:
    """One symbol: where it starts and how many ticks it lasts, its ``name`` as in MusicXML, dots, and whether three of
    them stand for two."""

    start: int
    ticks: int
    name: str
    dots: int = 0
    triplet: bool = False


def cut(start: int, end: int, hand: int, grid: Grid, *, rest: bool = False) -> Iterator[Value]:
    """The symbols for a sound, or a silence, from ``start`` to ``end``; none crosses a bar line.

    Args:
        start, end: ticks on the places of the hand's beats.
        hand: whose beats.
        rest: rests keep closer to the beats than notes and have no dots, but in compound time.
    """
    while start < end:
        value = _first(start, end, hand, grid, rest)
        yield value
        start += value.ticks


def _first(start: int, end: int, hand: int, grid: Grid, rest: bool) -> Value:
    quarter_ends = (start // TICKS + 1) * TICKS
    if _is_triplet(start, hand, grid) and (start % TICKS or end < quarter_ends):
        length = min(end, quarter_ends) - start
        ticks = next(ticks for ticks in _TRIPLET if ticks <= length and (ticks < 16 or start % 8 == 0))
        return Value(start, ticks, _TRIPLET[ticks], triplet=True)
    measure = grid.measure(start)
    stop = min(end, measure.end)
    if _is_triplet(stop - 1, hand, grid) and stop % TICKS:
        stop -= stop % TICKS  # what reaches into a triplet is tied to a part of it
    for ticks in _BY_LENGTH:
        if start + ticks <= stop and _stands(start - measure.start, ticks, measure, rest):
            dotted = ticks in _DOTTED
            return Value(start, ticks, _NAMES[ticks * 2 // 3 if dotted else ticks], int(dotted))
    ticks = next(ticks for ticks in _PLAIN if start + ticks <= stop)
    return Value(start, ticks, _NAMES[ticks])


def _is_triplet(tick: int, hand: int, grid: Grid) -> bool:
    return grid.step(hand, tick) in (4, 8)


def _stands(at: int, ticks: int, measure: Measure, rest: bool) -> bool:
    """Whether a symbol of so many ticks may stand ``at`` a place of the bar."""
    if at == 0 and ticks == measure.ticks:
        return True
    if measure.compound:
        return _stands_in_compound(at, ticks, measure.beat)
    dotted = ticks in _DOTTED
    base = ticks * 2 // 3 if dotted else ticks
    if rest:
        return not dotted and at % base == 0 and not _hides_middle(at, ticks, measure)
    if base <= 12:  # within a beat
        inside = at % TICKS
        return inside + ticks <= TICKS and (at % base == 0 or (base == 12 and inside == 6))
    if ticks in (TICKS, 36):
        return at % 12 == 0 and not _hides_middle(at, ticks, measure)
    stands = at == 0 or ticks == 48 or at + ticks == measure.ticks or not _hides_middle(at, ticks, measure)
    return at % TICKS == 0 and stands


def _stands_in_compound(at: int, ticks: int, beat: int) -> bool:
    if ticks % beat == 0:
        return at % beat == 0 and (ticks == beat or ticks in (72, 144))
    return at % beat + ticks <= beat and at % (6 if ticks in (18, 6) else min(ticks, 12)) == 0


def _hides_middle(at: int, ticks: int, measure: Measure) -> bool:
    """Whether a symbol runs over the place where a bar of four, five or six quarters divides."""
    middle = {4: 2, 5: 3, 6: 3}.get(measure.ticks // TICKS, 0) * TICKS
    return at < middle < at + ticks
