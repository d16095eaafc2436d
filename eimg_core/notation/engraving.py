"""From a piece to its score: the rules that make notes on a grid readable for a pianist.

- A note lasts to the next one of its voice if it nearly does; a short one before another is written full and dotted as
  staccato, so that the page is not strewn with rests.
- No triplet is tied over a beat, and no beat is divided by a rest that a note may as well fill.
- Ties show the beats (``values``); eighths and shorter are beamed by the beat, four plain eighths by the half bar.
- A hand that lives in the other's register changes its clef, one that lies very high or low is written an octave off.
- The last chord is held to the end of its bar under a fermata; a loop has signs of repetition instead.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

from eimg_core.errors import InputError
from eimg_core.messages import message
from eimg_core.midi.notes import Piece
from eimg_core.notation.grid import TICKS, Grid, Measure, lay_out
from eimg_core.notation.hands import LEFT, RIGHT, hands_of
from eimg_core.notation.harmony import Chord, chords_of
from eimg_core.notation.score import Bar, Head, Mark, Score, Staff, Symbol
from eimg_core.notation.spelling import Key, key_signature
from eimg_core.notation.values import cut
from eimg_core.notation.voices import Sound, voices_of

__all__ = ["engrave"]

_MOST_BARS = 5_000  # an hour of music has half of them
_LEGATO = 0.7  # share of the way to the next note from which on a note is written to it
_SHORT = 0.55  # share up to which it is staccato,
_SHORT_S = 0.3  # unless it lasts longer than this: in slow music that is a tone, which the pedal holds
_LENGTHS = (12, 24, 36, 48, 72, 96)  # of a note before a longer silence
_BEAMS = {"eighth": 1, "16th": 2, "32nd": 3}
_DYNAMICS = ((36, "pp"), (48, "p"), (62, "mp"), (78, "mf"), (96, "f"), (128, "ff"))  # velocity below which → mark
_SURELY = 4  # velocity steps beyond a limit before the mark changes


def engrave(piece: Piece, hands: Sequence[int] | None = None, velocities: Sequence[int] | None = None) -> Score:
    """The score of a piece as written.

    Args:
        piece: notes on the beat of its tempo, the first bar at 0 s; not a performance.
        hands: of each note, see ``hands_of``, which is asked where they are not given.
        velocities: of each note as it is played, for the dynamics; those of the piece where they are not given.
    Raises:
        InputError: it has too many bars.
    """
    hands = hands_of(piece) if hands is None else hands
    grid, notes = lay_out(piece, hands)
    if len(grid.measures) > _MOST_BARS:
        raise InputError(
            message("The piece has {bars} bars; scores hold up to {most}.", bars=len(grid.measures), most=_MOST_BARS)
        )
    key = key_signature(piece)
    staves = []
    for hand in (RIGHT, LEFT):
        mine = [
            replace(note, end=_clear_of_triplets(note.start, note.end, hand, grid))
            for note in notes
            if hands[note.index] == hand
        ]
        voices = [_begun_clear_of_triplets(bar, hand, grid) for bar in voices_of(mine, hand, grid)]
        staves.append(_staves(voices, hand, grid, key, ends=piece.loop_s is None))
    loud = [note.velocity for note in piece.notes] if velocities is None else velocities
    chords, marks = chords_of(piece, grid), _marks(piece, loud, grid)
    bars = []
    for measure, right, left in zip(grid.measures, *staves, strict=True):
        start, end = measure.start, measure.end
        bars.append(
            Bar(
                measure,
                right,
                left,
                tuple(chord for chord in chords if start <= chord.start < end and _is_news(chord, chords)),
                tuple(mark for mark in marks if start <= mark.tick < end),
            )
        )
    return Score(key, grid, tuple(bars), piece.loop_s is not None)


def _is_news(chord: Chord, chords: Sequence[Chord]) -> bool:
    """No chord is not worth a sign, unless one came before."""
    return chord.kind is not None or chord is not chords[0]


def _staves(bars: Sequence[Sequence[Sequence[Sound]]], hand: int, grid: Grid, key: Key, *, ends: bool) -> list[Staff]:
    staves: list[Staff] = []
    clef, octave = ("G", 0) if hand == RIGHT else ("F", 0)
    for number, voices in enumerate(bars):
        following = bars[number + 1] if number + 1 < len(bars) else []
        goes_on = {pitch for voice in following for sound in voice for pitch in sound.tied}
        pitches = [pitch for voice in voices for sound in voice for pitch in sound.pitches]
        clef, octave = _clef(pitches, hand, clef, octave)
        last = ends and number == len(bars) - 1
        written = tuple(
            _symbols(voice, grid.measures[number], hand, grid, key, goes_on, secondary=n > 0, last=last)
            for n, voice in enumerate(voices)
        )
        staves.append(Staff(written, clef, octave))
    return staves


def _clef(pitches: Sequence[int], hand: int, clef: str, octave: int) -> tuple[str, int]:
    """The clef and the octave sign of a bar, which stay as they were where they may; no sign goes over rests alone."""
    if not pitches:
        return clef, 0
    low, high, middle = min(pitches), max(pitches), sum(pitches) / len(pitches)
    if hand == RIGHT:
        clef = "F" if high < (62 if clef == "F" else 58) and middle < 56 else "G"
        octave = 1 if clef == "G" and low >= (74 if octave else 77) and high >= (84 if octave else 91) else 0
    else:
        clef = "G" if low >= (55 if clef == "G" else 58) and middle > 62 else "F"
        octave = -1 if clef == "F" and high <= (43 if octave else 40) and low <= (33 if octave else 28) else 0
    return clef, octave


def _symbols(
    voice: Sequence[Sound],
    measure: Measure,
    hand: int,
    grid: Grid,
    key: Key,
    goes_on: set[int],
    *,
    secondary: bool,
    last: bool,
) -> tuple[Symbol, ...]:
    """A voice of one bar from its line to the next, without gaps."""
    bar_end = measure.end
    symbols: list[Symbol] = []
    now = measure.start
    for n, sound in enumerate(voice):
        following = voice[n + 1].start if n + 1 < len(voice) else bar_end
        symbols += _rests(now, sound.start, hand, grid, secondary)
        final = last and n + 1 == len(voice)
        end, staccato = _length(sound, following, hand, grid)
        end = _clear_of_triplets(sound.start, bar_end if final else end, hand, grid)
        symbols += _chords(sound, end, hand, grid, key, goes_on if end == bar_end else set(), staccato and not final)
        if final:
            symbols[-1] = replace(symbols[-1], fermata=True)
        now = end
    symbols += _rests(now, bar_end, hand, grid, secondary)
    return tuple(_beamed(_in_tuplets(symbols), measure))


def _length(sound: Sound, following: int, hand: int, grid: Grid) -> tuple[int, bool]:
    """Where a sound ends on paper, and whether it is staccato."""
    gap, length = following - sound.start, sound.written - sound.start
    if length >= _LEGATO * gap or gap - length <= 3:
        return following, False
    if gap <= TICKS:
        return following, length <= _SHORT * gap and length * grid.tick_s <= _SHORT_S and not sound.tied
    value = min(_LENGTHS, key=lambda ticks: abs(ticks - length))
    end = sound.start + value
    beat_end = (sound.start // TICKS + 1) * TICKS
    if end < beat_end <= following and sound.start % 12 == 0:
        return beat_end, False  # no rests of a part of a beat
    step = grid.step(hand, end - 1)
    end = min(following, (end // TICKS) * TICKS + -(-(end % TICKS) // step) * step)
    return end, length < 7 and length * grid.tick_s <= _SHORT_S and not sound.tied


def _clear_of_triplets(start: int, end: int, hand: int, grid: Grid) -> int:
    """Where a sound ends that neither leaves a triplet over a beat nor enters one: the pedal holds what is cut off."""
    if grid.step(hand, start) in (4, 8) and start % TICKS:
        return min(end, (start // TICKS + 1) * TICKS)
    if end % TICKS and grid.step(hand, end) in (4, 8) and end // TICKS > start // TICKS:
        return end // TICKS * TICKS
    return end


def _begun_clear_of_triplets(bar: Sequence[Sequence[Sound]], hand: int, grid: Grid) -> list[list[Sound]]:
    """The voices of a bar without what was held over its line into a triplet."""
    voices = []
    for voice in bar:
        first = voice[0] if voice else None
        if first and first.tied and first.end % TICKS and grid.step(hand, first.start) in (4, 8):
            left = tuple(pitch for pitch in first.pitches if pitch not in first.tied)
            struck = [replace(first, pitches=left, tied=frozenset())] if left else []
            voices.append([*struck, *voice[1:]])
        else:
            voices.append(list(voice))
    return voices


def _rests(start: int, end: int, hand: int, grid: Grid, hidden: bool) -> list[Symbol]:
    if start >= end:
        return []
    return [
        Symbol(value, hidden=hidden and not value.triplet) for value in cut(start, end, hand, grid, rest=not hidden)
    ]


def _chords(sound: Sound, end: int, hand: int, grid: Grid, key: Key, goes_on: set[int], staccato: bool) -> list[Symbol]:
    """A sound as symbols that are tied to each other."""
    values = list(cut(sound.start, end, hand, grid))
    symbols = []
    for n, value in enumerate(values):
        heads = tuple(
            Head(
                key.spell(pitch),
                tied_from=n > 0 or pitch in sound.tied,
                tied_to=n + 1 < len(values) or pitch in goes_on,
            )
            for pitch in sorted(sound.pitches)
        )
        symbols.append(Symbol(value, heads, staccato and len(values) == 1))
    return symbols


def _in_tuplets(symbols: Sequence[Symbol]) -> list[Symbol]:
    """Triplets of one quarter form a group."""
    grouped: list[Symbol] = []
    for (triplet, _), group in groupby(
        symbols, key=lambda s: (s.value.triplet, s.value.triplet and s.value.start // TICKS)
    ):
        members = list(group)
        if triplet:
            count = 6 if any(symbol.value.name == "16th" for symbol in members) else 3
            members = [replace(symbol, tuplet=count) for symbol in members]
            members[0] = replace(members[0], edge="start")
            members[-1] = replace(members[-1], edge="stop")
        grouped += members
    return grouped


def _beamed(symbols: Sequence[Symbol], measure: Measure) -> list[Symbol]:
    """Flags become beams within a beat."""
    halves = _plain_halves(symbols, measure)

    def group_of(symbol: Symbol) -> tuple[int, ...]:
        value = symbol.value
        if not symbol.heads or value.name not in _BEAMS:
            return (-1, value.start)
        half = (value.start - measure.start) // (2 * TICKS)
        beat = 36 if measure.compound else TICKS
        return (0, half) if half in halves else (1, (value.start - measure.start) // beat)

    beamed: list[Symbol] = []
    for _, group in groupby(symbols, key=group_of):
        members = list(group)
        beamed += _under_beams(members) if len(members) > 1 else members
    return beamed


def _plain_halves(symbols: Sequence[Symbol], measure: Measure) -> set[int]:
    """The half bars of four quarters that hold nothing but four eighths."""
    if measure.ticks != 4 * TICKS or measure.compound:
        return set()
    halves: dict[int, list[Symbol]] = {}
    for symbol in symbols:
        halves.setdefault((symbol.value.start - measure.start) // (2 * TICKS), []).append(symbol)
    return {
        half
        for half, members in halves.items()
        if len(members) == 4 and all(s.heads and s.value.name == "eighth" and not s.value.dots for s in members)
    }


def _under_beams(members: Sequence[Symbol]) -> list[Symbol]:
    counts = [_BEAMS[symbol.value.name] for symbol in members]
    beamed = []
    for n, symbol in enumerate(members):
        before, after = counts[n - 1] if n else 0, counts[n + 1] if n + 1 < len(counts) else 0
        beams = []
        for level in range(1, counts[n] + 1):
            if before >= level and after >= level:
                beams.append("continue")
            elif after >= level:
                beams.append("begin")
            elif before >= level:
                beams.append("end")
            else:
                beams.append("backward hook" if before else "forward hook")
        beamed.append(replace(symbol, beams=tuple(beams)))
    return beamed


def _marks(piece: Piece, velocities: Sequence[int], grid: Grid) -> tuple[Mark, ...]:
    """A dynamic at the start, and where the loudness of two bars leaves it clearly."""
    marks: list[Mark] = []
    for n in range(0, len(grid.measures), 2):
        start, pair = grid.measures[n].start, grid.measures[n : n + 2]
        begin, end = grid.seconds(start) - 0.03, grid.seconds(pair[1].end if len(pair) == 2 else math.inf) - 0.03
        loud = [v for note, v in zip(piece.notes, velocities, strict=True) if begin <= note.start_s < end]
        if not loud:
            continue
        mean = sum(loud) / len(loud)
        if not marks or _dynamic(mean - _SURELY) == _dynamic(mean + _SURELY) != marks[-1].dynamic:
            marks.append(Mark(start, _dynamic(mean)))
    return tuple(marks)


def _dynamic(velocity: float) -> str:
    return next((mark for limit, mark in _DYNAMICS if velocity < limit), _DYNAMICS[-1][1])
