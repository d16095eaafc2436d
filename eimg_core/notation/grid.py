"""From seconds to the grid of a score: bars, beats, and where each note begins and ends.

Time is counted in *ticks*, 24 to a written quarter note: 12 an eighth, 6 a sixteenth, 8 an eighth of a triplet. Two
things make a piece readable that was composed on a finer grid:

- **phase**: where all notes lie a little off the beat, the beat is moved under them;
- **values**: a piece that lives on 32nds is written in values twice as long at twice the tempo, as a pianist would.

Each beat of each hand then is read as sixteenths, triplets, 32nds or sextuplets, whichever fits its onsets best.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

from eimg_core.midi.notes import Piece, is_compound

__all__ = ["TICKS", "Grid", "GridNote", "Measure", "lay_out"]

TICKS = 24  # of a quarter note
# Ticks between the places of a beat, what reading it so costs, and each tick that an onset lies beside its place:
# sixteenths may be inexact, what is read as a triplet must be one.
_STEPS = ((6, 0.0, 1.0), (8, 0.9, 2.5), (3, 5.0, 1.0), (4, 6.0, 2.5))
_MERGED = 4.0  # cost of two onsets that would fall on one place
_ROLLED = 1.6  # ticks: what is closer is one chord, spread
_PHASES = (0, 1, -1, 2, -2, 3, -3)
_FINE_SHARE = 0.15  # of the onsets on 32nds: values are doubled
_FASTEST_BPM = 280.0  # of the doubled tempo


@dataclass(frozen=True, slots=True)
class GridNote:
    """A note of the score in ticks; ``index`` is its place in ``piece.notes``."""

    start: int
    end: int
    pitch: int
    index: int


@dataclass(frozen=True, slots=True)
class Measure:
    """A bar of the grid, from tick ``start`` to tick ``end``; a pickup, or a bar before a change of meter, may be
    shorter than its meter says."""

    start: int
    end: int
    meter: tuple[int, int]

    @property
    def ticks(self) -> int:
        return self.end - self.start

    @property
    def compound(self) -> bool:
        """Whether beats are dotted, as in 6/8."""
        return is_compound(self.meter)

    @property
    def beat(self) -> int:
        """Ticks of a beat."""
        return 36 if self.compound else 4 * TICKS // self.meter[1]


@dataclass(frozen=True)
class Grid:
    """The frame of a score.

    Args:
        tempo_bpm: written quarter notes per minute.
        first_s: when the first bar begins, in seconds of the piece.
        measures: the bars, at least one, each from the end of the one before.
        steps: (hand, beat) → ticks between the places of that beat, where it is not 6.
    """

    tempo_bpm: float
    first_s: float
    measures: tuple[Measure, ...]
    steps: dict[tuple[int, int], int]

    @property
    def tick_s(self) -> float:
        return 60.0 / self.tempo_bpm / TICKS

    @property
    def end(self) -> int:
        """The tick of the last bar line."""
        return self.measures[-1].end

    def number(self, tick: int) -> int:
        """Which bar a tick lies in, from 0; the last one for what comes after it."""
        return max(0, bisect_right(self._starts, tick) - 1)

    def measure(self, tick: int) -> Measure:
        """The bar that a tick lies in."""
        return self.measures[self.number(tick)]

    @cached_property
    def _starts(self) -> list[int]:
        return [measure.start for measure in self.measures]

    def step(self, hand: int, tick: int) -> int:
        """Ticks between the places of the quarter that ``tick`` lies in."""
        return self.steps.get((hand, tick // TICKS), 6)

    def seconds(self, tick: float) -> float:
        """When a tick is, in seconds of the piece as written; never before 0."""
        return max(0.0, self.first_s + tick * self.tick_s)


def lay_out(piece: Piece, hands: Sequence[int]) -> tuple[Grid, list[GridNote]]:
    """The grid of a piece, and its notes on it in their order; a rest of silence at the end is no bar.

    Args:
        piece: as written, the first bar near 0 s.
        hands: of each note, see ``hands_of``.
    """
    factor = 2 if _is_fine(piece) else 1
    tempo = piece.tempo_bpm * factor
    tick_s = 60.0 / tempo / TICKS
    onsets: dict[int, list[float]] = defaultdict(list)
    for note, hand in zip(piece.notes, hands, strict=True):
        onsets[hand].append(note.start_s / tick_s)
    phase = factor * _best_phase(onsets, factor, len(piece.notes))
    steps = {
        (hand, beat): step
        for hand, places in onsets.items()
        for beat, inside in _by_beat(places, phase).items()
        if (step := _best_step(inside)[0]) != 6
    }
    meters = _meters(piece, tick_s, phase)
    if any(start % TICKS or _bar(meter) % TICKS for start, meter in meters.items()):
        steps = dict.fromkeys(steps, 3)  # quarters run over bar lines, and triplets must not
    grid = Grid(tempo, phase * tick_s, (), steps)

    def snapped(raw: float, hand: int) -> int:
        beat = math.floor((raw + _ROLLED) / TICKS)
        step = steps.get((hand, beat), 6)
        return max(0, beat * TICKS + round((raw - beat * TICKS) / step) * step)

    notes = []
    for index, (note, hand) in enumerate(zip(piece.notes, hands, strict=True)):
        start = snapped(note.start_s / tick_s - phase, hand)
        end = max(snapped(note.end_s / tick_s - phase, hand), start + grid.step(hand, start))
        notes.append(GridNote(start, end, note.pitch, index))
    last = max((note.start for note in notes), default=0)
    return replace(grid, measures=_measures(meters, last)), notes


def _meters(piece: Piece, tick_s: float, phase: float) -> dict[int, tuple[int, int]]:
    """Tick → the meter from there on; changes stand on sixteenths, the first meter at 0."""
    meters = {0: piece.meter}
    for change in piece.meter_changes:
        meters[max(0, round((change.start_s / tick_s - phase) / 6) * 6)] = change.meter
    return meters


def _measures(meters: dict[int, tuple[int, int]], last: int) -> tuple[Measure, ...]:
    """The bars up to the one that tick ``last`` lies in; a new meter ends the bar before it."""
    measures: list[Measure] = []
    sections = [(start, meter) for start, meter in sorted(meters.items()) if start <= last]
    for n, (start, meter) in enumerate(sections):
        new_meter = sections[n + 1][0] if n + 1 < len(sections) else None
        for at in range(start, last + 1 if new_meter is None else new_meter, _bar(meter)):
            end = at + _bar(meter)
            measures.append(Measure(at, end if new_meter is None else min(end, new_meter), meter))
    return tuple(measures)


def _bar(meter: tuple[int, int]) -> int:
    """Ticks of a whole bar."""
    return meter[0] * 4 * TICKS // meter[1]


def _is_fine(piece: Piece) -> bool:
    """Whether much of a piece moves in 32nds of its own tempo, at any phase."""
    if piece.tempo_bpm * 2 > _FASTEST_BPM or not piece.notes:
        return False
    tick_s = piece.seconds_per_beat / TICKS
    places = [round(note.start_s / tick_s) for note in piece.notes]
    counts = [sum((place - phase) % 6 == 0 for place in places) for phase in range(6)]
    best = max(range(6), key=lambda phase: counts[phase])
    between = sum((place - best) % 6 == 3 for place in places)
    return between > _FINE_SHARE * len(places) and counts[best] + between > 0.7 * len(places)


def _by_beat(places: Sequence[float], phase: float) -> dict[int, list[float]]:
    """Onsets by quarter, as ticks within it; what comes just before a beat belongs to it."""
    beats: dict[int, list[float]] = defaultdict(list)
    for place in sorted(set(places)):
        beat = math.floor((place - phase + _ROLLED) / TICKS)
        beats[beat].append(place - phase - beat * TICKS)
    return beats


def _best_phase(onsets: dict[int, list[float]], factor: int, notes: int) -> int:
    """The one of ``_PHASES`` at which all beats are read best; the nearer one costs less."""
    best, least = 0, math.inf
    for phase in _PHASES:
        beside = 0.05 * abs(phase) * notes
        if beside >= least:  # those that follow are no nearer
            break
        cost = _misfit(onsets, phase * factor) + beside
        if cost < least:
            best, least = phase, cost
    return best


def _best_step(inside: Sequence[float]) -> tuple[int, float]:
    """How the onsets of a quarter are read best, and how badly that fits."""
    best, least = 0, math.inf
    for step, cost, beside in _STEPS:
        if cost >= least:  # those that follow cost more
            break
        total = _step_cost(inside, step, beside) + cost
        if total < least:
            best, least = step, total
    return best, least


def _step_cost(inside: Sequence[float], step: int, beside: float) -> float:
    places = [round(tick / step) for tick in inside]
    cost = beside * sum(abs(tick - place * step) for tick, place in zip(inside, places, strict=True))
    merged = [a[0] == b[0] and b[1] - a[1] > _ROLLED for a, b in pairwise(zip(places, inside, strict=True))]
    return cost + _MERGED * sum(merged)


def _misfit(onsets: dict[int, list[float]], phase: float) -> float:
    return sum(_best_step(inside)[1] for places in onsets.values() for inside in _by_beat(places, phase).values())
