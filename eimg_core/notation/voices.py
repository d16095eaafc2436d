"""One hand's notes as one voice or two: who sounds how long, and what a reader may be spared.

Composers of notes, human or not, let keys overlap in ways that no one writes down, since the pedal takes care of them.
So a note may lose some of its length. Each bar is read three ways, as one voice, with the top line apart and with the
bottom line apart, and the way that loses least is taken; two voices must be worth it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

from eimg_core.notation.grid import TICKS, Grid, GridNote
from eimg_core.notation.hands import LEFT

__all__ = ["Sound", "voices_of"]

_TWO_VOICES = 1.5  # beats that must be lost before a second voice is worth it
_GAP = 0.5  # cost of each silence in a voice of two
_PER_STRETCHED = 0.35  # of a beat that a chord's note is written too long
_HARDLY = 0.25  # a note that loses no more than this share of its length loses nothing
_OVERLAP = 6  # ticks: a legato, no second voice
_LEAST_TIED = 12  # ticks over a bar line that are worth a tie


@dataclass(frozen=True, slots=True)
class Sound:
    """A chord of one voice, from ``start`` to ``end``; its notes sound until ``written``, and those in ``tied`` have
    begun before."""

    start: int
    end: int
    pitches: tuple[int, ...]
    written: int
    tied: frozenset[int] = frozenset()


def voices_of(notes: Iterable[GridNote], hand: int, grid: Grid) -> list[list[list[Sound]]]:
    """One hand's voices, bar by bar; the upper one first where there are two."""
    bars: list[list[list[Sound]]] = []
    by_bar: dict[int, list[GridNote]] = {}
    for note in _once(notes):
        by_bar.setdefault(grid.number(note.start), []).append(note)
    carried: list[GridNote] = []
    for number, measure in enumerate(grid.measures):
        line, end = measure.start, measure.end
        struck = by_bar.get(number, [])
        voices = _read(_still_heard(carried, struck, line), struck, line, end, hand)
        bars.append(voices)
        carried = _beyond(struck + carried, voices, end)
    return bars


def _once(notes: Iterable[GridNote]) -> list[GridNote]:
    """Notes in order, one for each key and place: the longest, ending where the key is struck again."""
    longest: dict[tuple[int, int], GridNote] = {}
    for note in notes:
        at = (note.start, note.pitch)
        if at not in longest or note.end > longest[at].end:
            longest[at] = note
    again: dict[int, int] = {}
    kept = []
    for note in sorted(longest.values(), key=lambda n: (n.start, n.pitch), reverse=True):
        kept.append(replace(note, end=min(note.end, again.get(note.pitch, note.end))))
        again[note.pitch] = note.start
    return kept[::-1]


def _still_heard(carried: Sequence[GridNote], struck: Sequence[GridNote], line: int) -> list[GridNote]:
    """What is tied over a bar line: long enough, and not where the hand strikes anew at once."""
    anew = any(note.start == line for note in struck)
    worth = TICKS if anew else _LEAST_TIED
    return [replace(note, start=line) for note in carried if note.end - line >= worth]


def _beyond(notes: Sequence[GridNote], voices: Sequence[Sequence[Sound]], end: int) -> list[GridNote]:
    """The notes that the last sounds of a bar carry over its end."""
    lasting = {pitch for voice in voices if voice and voice[-1].end >= end for pitch in voice[-1].pitches}
    latest = {note.pitch: note for note in notes}
    return [note for pitch, note in sorted(latest.items()) if pitch in lasting and note.end > end]


def _read(carried: list[GridNote], struck: list[GridNote], line: int, end: int, hand: int) -> list[list[Sound]]:
    tied = frozenset(note.pitch for note in carried)
    notes = sorted([*carried, *struck], key=lambda n: (n.start, n.pitch))
    if not notes:
        return [[]]
    best, least = [_in_one_voice(notes, end, line, tied)], _lost([notes], end)
    for top in (True, False):
        outer, inner = _outer_line(notes, top)
        if not inner or not outer:
            continue
        lost = _lost([outer, inner], end) + _TWO_VOICES + _GAP * _gaps([outer, inner], line, end)
        lost += 0.25 if top == (hand == LEFT) else 0.0  # a melody on top, a bass below: what readers expect
        if lost < least:
            upper, lower = (outer, inner) if top else (inner, outer)
            best = [_in_one_voice(voice, end, line, tied) for voice in (upper, lower)]
            least = lost
    return best


def _outer_line(notes: Sequence[GridNote], top: bool) -> tuple[list[GridNote], list[GridNote]]:
    """The highest notes, or the lowest, one at a time; and the others."""
    outer: list[GridNote] = []
    inner: list[GridNote] = []
    for _, group in groupby(notes, key=lambda note: note.start):
        chord = list(group)
        edge = chord[-1] if top else chord[0]
        sounding = outer and outer[-1].end > edge.start + min(_OVERLAP, (outer[-1].end - outer[-1].start) * _HARDLY)
        if sounding and (edge.pitch < outer[-1].pitch if top else edge.pitch > outer[-1].pitch):
            inner += chord
        else:
            outer.append(edge)
            inner += [note for note in chord if note is not edge]
    return outer, inner


def _lost(voices: Sequence[Sequence[GridNote]], bar_end: int) -> float:
    """How many beats the notes of some voices sound shorter, or longer, than they should."""
    lost = 0.0
    for voice in voices:
        onsets = sorted({note.start for note in voice})
        next_onset = dict(pairwise([*onsets, bar_end]))
        for _, group in groupby(voice, key=lambda note: note.start):
            chord = list(group)
            stop = next_onset[chord[0].start]
            until = min(stop, max(note.end for note in chord))
            for note in chord:
                length = min(note.end, bar_end) - note.start
                short = min(note.end, bar_end) - until
                if short > _HARDLY * length:
                    lost += short / TICKS
                elif short < 0:
                    lost -= _PER_STRETCHED * short / TICKS
    return lost


def _gaps(voices: Sequence[Sequence[GridNote]], line: int, end: int) -> int:
    """Silences in the voices of a bar."""
    count = 0
    for voice in voices:
        heard = line
        for note in voice:
            count += note.start > heard + 3
            heard = max(heard, note.end)
        count += heard < end - TICKS
    return count


def _in_one_voice(notes: Sequence[GridNote], bar_end: int, line: int, tied: frozenset[int]) -> list[Sound]:
    """Notes as chords, one after the other."""
    chords = [list(group) for _, group in groupby(notes, key=lambda note: note.start)]
    starts = [*(chord[0].start for chord in chords), bar_end]
    sounds = []
    for chord, following in zip(chords, starts[1:], strict=True):
        start, written = chord[0].start, max(note.end for note in chord)
        from_before = tied & {note.pitch for note in chord} if start == line else frozenset()
        sounds.append(Sound(start, min(following, written), tuple(note.pitch for note in chord), written, from_before))
    return sounds
