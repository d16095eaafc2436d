"""Chord names: which harmony is heard under each part of a piece.

The time is divided at beats into the parts that chords explain best, by dynamic programming: bars where one chord is
enough, half bars or beats where it is not. How well a chord explains a part: the weight of its own notes less that of
the others, weight being how long a pitch class sounds there, the bass counting twice (after Pardo and Birmingham 2002,
"Algorithms for chordal analysis"). Equal neighbours are one chord.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eimg_core.midi.notes import Piece
from eimg_core.notation.grid import Grid
from eimg_core.notation.spelling import Key

__all__ = ["KINDS", "NO_CHORD", "Chord", "chord_name", "chords_of"]

Weights = NDArray[np.float64]

NO_CHORD = "–"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of chord: its suffix, its MusicXML name, its notes above the root, and what it costs to be so special."""

    suffix: str
    xml: str
    notes: tuple[int, ...]
    rarity: float


KINDS: tuple[Kind, ...] = (
    Kind("", "major", (0, 4, 7), 0.0),
    Kind("m", "minor", (0, 3, 7), 0.0),
    Kind("7", "dominant", (0, 4, 7, 10), 0.06),
    Kind("m7", "minor-seventh", (0, 3, 7, 10), 0.06),
    Kind("maj7", "major-seventh", (0, 4, 7, 11), 0.06),
    Kind("sus4", "suspended-fourth", (0, 5, 7), 0.09),
    Kind("sus2", "suspended-second", (0, 2, 7), 0.10),
    Kind("dim", "diminished", (0, 3, 6), 0.06),
    Kind("m7b5", "half-diminished", (0, 3, 6, 10), 0.10),
    Kind("dim7", "diminished-seventh", (0, 3, 6, 9), 0.10),
    Kind("aug", "augmented", (0, 4, 8), 0.12),
    Kind("5", "power", (0, 7), 0.10),
)
_TEMPLATES: Weights = np.zeros((12 * len(KINDS), 12))
for _k, _kind in enumerate(KINDS):
    for _root in range(12):
        _TEMPLATES[12 * _k + _root, [(_root + note) % 12 for note in _kind.notes]] = 1.0
_ROOTS = np.tile(np.arange(12), len(KINDS))
_RARITY = np.repeat([kind.rarity for kind in KINDS], 12)
_SIZES = _TEMPLATES.sum(axis=1)

_LONGEST_BEATS = 8  # of one part, before equal neighbours are joined
_PER_CHANGE = 0.55  # beats that a new chord must explain better
_MISSING = 0.13  # cost of each note of the chord that is not heard
_BASS_IS_ROOT = 0.22
_FOREIGN = 1.1  # weight of notes outside the chord
_FAINT = 0.2  # of a part: with less sound than this there is no chord
_HALF_HEARD = 0.04  # of the weight: less does not count as heard
_FADES_S = 2.0  # a piano note is soft after this


@dataclass(frozen=True, slots=True)
class Chord:
    """A harmony from tick to tick: ``root`` and ``bass`` pitch classes, ``kind`` of ``KINDS``; none when ``None``."""

    start: int
    end: int
    root: int = 0
    kind: Kind | None = None
    bass: int = 0


def chord_name(chord: Chord, key: Key) -> str:
    """For people, spelt in the key: ``Am7``, ``Bb``, ``G/B``; ``NO_CHORD`` where there is none."""
    if chord.kind is None:
        return NO_CHORD
    over = f"/{key.name_of(chord.bass)}" if chord.bass != chord.root else ""
    return f"{key.name_of(chord.root)}{chord.kind.suffix}{over}"


def chords_of(piece: Piece, grid: Grid) -> tuple[Chord, ...]:
    """The harmonies of a piece as written, from its first bar line to its last, without gaps."""
    beats = _beats(grid)
    weights, basses = _heard(piece, grid, beats)
    best, chords = [0.0], [(0, Chord(0, 0))]
    for end in range(1, len(beats) + 1):
        options = []
        for start in range(max(0, end - _LONGEST_BEATS), end):
            if not _may_part(beats[start], beats[end - 1]):
                continue
            score, root, kind, bass = _explained(weights[start:end], basses[start:end])
            options.append((best[start] + score - _PER_CHANGE - _off_beat(beats[start]), -start, root, kind, bass))
        score, start, root, kind, bass = max(options, key=lambda option: option[:2])
        best.append(score)
        chords.append((-start, Chord(beats[-start].start, beats[end - 1].end, root, kind, bass)))
    parts: list[Chord] = []
    at = len(beats)
    while at > 0:
        at, chord = chords[at]
        parts.append(chord)
    return _joined(parts[::-1])


@dataclass(frozen=True, slots=True)
class _Beat:
    """A beat from tick to tick, which is the ``inside``-th, from 0, of the ``of`` beats of bar ``bar``."""

    start: int
    end: int
    bar: int
    inside: int
    of: int


def _beats(grid: Grid) -> list[_Beat]:
    """The beats of all bars; the last one of a bar that is cut short ends with it."""
    beats: list[_Beat] = []
    for bar, measure in enumerate(grid.measures):
        of = -(-measure.ticks // measure.beat)
        for inside in range(of):
            start = measure.start + inside * measure.beat
            beats.append(_Beat(start, min(start + measure.beat, measure.end), bar, inside, of))
    return beats


def _heard(piece: Piece, grid: Grid, beats: Sequence[_Beat]) -> tuple[Weights, list[int | None]]:
    """How long each pitch class sounds in each beat, (beats, 12), and the lowest pitch that is struck or held there."""
    weights = np.zeros((len(beats), 12))
    lows: list[int | None] = [None] * len(beats)
    starts = [beat.start for beat in beats]

    def place(seconds: float) -> float:
        """In beats from the first."""
        tick = (seconds - grid.first_s) / grid.tick_s
        at = max(0, bisect_right(starts, tick) - 1)
        return at + (tick - beats[at].start) / (beats[at].end - beats[at].start)

    for note in piece.notes:
        first = place(note.start_s)
        last = place(min(note.end_s, note.start_s + _FADES_S))
        last = max(last, first + 0.25)
        for beat in range(max(0, int(first + 0.02)), min(len(beats), int(np.ceil(last)))):
            share = min(last, beat + 1) - max(first, beat)
            if share <= 0.02:
                continue
            weights[beat, note.pitch % 12] += share
            low = lows[beat]
            if share > 0.2 and (low is None or note.pitch < low):
                lows[beat] = note.pitch
    return weights, lows


def _may_part(first: _Beat, last: _Beat) -> bool:
    """Whether a chord may reach from beat to beat: within a bar, or from bar line to bar line."""
    return first.bar == last.bar or (first.inside == 0 and last.inside == last.of - 1)


def _off_beat(beat: _Beat) -> float:
    """What it costs to change the harmony within a bar: little in its middle, more elsewhere."""
    if beat.inside == 0:
        return 0.0
    return 0.2 if 2 * beat.inside == beat.of else 0.7


def _explained(weights: Weights, lows: Sequence[int | None]) -> tuple[float, int, Kind | None, int]:
    """How well the best chord explains some beats, in beats, and which it is."""
    beats = len(weights)
    total = weights.sum(axis=0)  # (12,)
    sounding = [low for low in lows if low is not None]
    if total.sum() < _FAINT * beats or not sounding:
        return 0.0, 0, None, 0
    first = next(low for low in lows if low is not None)
    bass = min(sounding) if min(sounding) < first - 12 else first
    total[bass % 12] += 0.5 * total.max()
    total /= total.sum()
    inside = _TEMPLATES @ total
    missing = _SIZES - (_TEMPLATES * (total > _HALF_HEARD)).sum(axis=1)
    fit = inside - _FOREIGN * (1 - inside) - _MISSING * missing - _RARITY + _BASS_IS_ROOT * (bass % 12 == _ROOTS)
    best = int(np.argmax(fit))
    root, kind = int(_ROOTS[best]), KINDS[best // 12]
    in_chord = bool(_TEMPLATES[best, bass % 12])
    if inside[best] < 0.45:
        return 0.0, 0, None, 0
    return float(fit[best]) * beats, root, kind, bass % 12 if in_chord else root


def _joined(parts: Sequence[Chord]) -> tuple[Chord, ...]:
    """Equal neighbours as one chord."""
    joined: list[Chord] = []
    for chord in parts:
        last = joined[-1] if joined else None
        if last and (last.root, last.kind, last.bass) == (chord.root, chord.kind, chord.bass):
            joined[-1] = Chord(last.start, chord.end, chord.root, chord.kind, chord.bass)
        else:
            joined.append(chord)
    return tuple(joined)
