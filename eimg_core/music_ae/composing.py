"""How tvae plays: one step after the other, by a grammar that keeps the music playable, with a form and an ending.

The model proposes, the grammar disposes. What it takes care of, for every row of a batch:

- **hands**: at most ten notes are struck together, five in a hand, each hand within a tenth, none a semitone (in the
  depth a tone) apart;
- **pace**: no silence longer than 2.5 s, no more than 20 notes within a second, and every onset on a place that music
  paper has: eighths of a beat, or thirds and sixths;
- **ending**: the tempo is trimmed by a few percent so that a bar line falls shortly before its end; the half bar
  before it leans to the dominant, and there a tonic chord with its root in the bass is struck, and rings;
- **form**: a long piece is made of sections of four bars. A section that returns takes over bars that were played
  before and then goes on freely (A A' B A, then C C' B A and so on), so that there is something to recognise;
- **tune**: a melody that is given is kept note for note on top, and the rest is composed below it.

Guidance (Ho and Salimans 2022): each choice is drawn from ``without + guidance · (with − without)`` of the logits with
and without the target.

Conventions: time in codec steps (1/24 beat) of the row's own tempo; pitches are the codec's, in the home key. B rows, P
points of a path.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from eimg_core.midi import codec
from eimg_core.midi.attributes import home_shift
from eimg_core.midi.codec import DURATION, FIELD_SIZES, PITCH, REST_PITCH, SHIFT, STEPS_PER_BEAT, VELOCITY, Score
from eimg_core.midi.melody import upper_line
from eimg_core.midi.notes import HIGHEST_PITCH, LOWEST_PITCH, Note
from eimg_core.midi.request import BeatNote, Request
from eimg_core.music_ae.decoder import Sampling, draw
from eimg_core.music_ae.keys import KEYS
from eimg_core.music_ae.playability import FOLLOWS, MOST_PER_S, RING_S, WIDEST_GAP_S, Hands, LastChord, last_bar_line
from eimg_core.music_ae.transformer import Cache
from eimg_core.music_ae.tvae_network import BARS, Conditions, NoteTransformer

__all__ = ["Composing", "Restatement", "form_of"]

_SECTION = 4  # bars
_FORM = "AABACCBA"
_NOTHING = -1
_NARROWEST_TEMPO, _WIDEST_TEMPO = 0.75, 1.33  # of the tempo that a tune had

_Note = tuple[int, int, int, int]  # onset, pitch, duration class, velocity class; _NOTHING leaves the class open
_Forced = _Note | None


class Restatement(NamedTuple):
    """Bars that return: ``bars`` of them, from bar ``source``, are played again from bar ``start`` on."""

    start: int
    source: int
    bars: int


def form_of(bars: int) -> list[Restatement]:
    """Which bars of a piece return. Pieces of less than three sections have none: they are one thought.

    A section that repeats the one just before takes over two of its four bars, a section that returns later three; so
    every return ends in its own way.
    """
    sections = bars // _SECTION
    if sections < 3:
        return []
    letters = (_FORM * (sections // len(_FORM) + 1))[: sections - 1] + "A" if sections > 3 else "ABA"
    first: dict[str, int] = {}
    returns = []
    for index, letter in enumerate(letters):
        if letter in first:
            kept = 2 if letters[index - 1] == letter else 3
            returns.append(Restatement(index * _SECTION, first[letter] * _SECTION, kept))
        first.setdefault(letter, index)
    return returns


class _Row:
    """The plan and the notes of one piece while it is played.

    Args:
        bar: beats in a bar.
        bars: before the last chord.
        end_s: where the last chord ends.
        tempo_bpm: of the piece.
        shift: semitones to the home key.
        request: its tune and opening are the row's.
        moving: the targets change on the way.
    """

    def __init__(
        self, bar: int, bars: int, end_s: float, tempo_bpm: float, shift: int, request: Request, moving: bool
    ) -> None:
        self.bar_steps = bar * STEPS_PER_BEAT
        self.final = bars * self.bar_steps
        self.end = round(end_s * tempo_bpm / 60.0 * STEPS_PER_BEAT)
        self.second = round(tempo_bpm / 60.0 * STEPS_PER_BEAT)
        self.moving = moving
        self.notes: list[_Note] = []
        self.tune: list[tuple[int, int, int]] = []  # onset, pitch, duration class; the next one last
        self.top = (_NOTHING, _NOTHING)  # pitch of the tune that sounds, and until when
        self.add_tune([_in_steps(note, shift)[:3] for note in request.tune])
        # Notes that are settled, the next one last, and the step before which nothing is added to them.
        opening = sorted(_in_steps(note, shift) for note in request.opening)
        self.forced: list[_Note] = [n for n in opening if n[0] < self.final][::-1]
        last = math.ceil((self.forced[0][0] + 1) / self.bar_steps) if self.forced else 0
        self.free_from = last * self.bar_steps
        # Bars that return, the next ones last.
        self.returns = [] if request.tune else [r for r in form_of(bars)[::-1] if r.start >= last]

    def add_tune(self, notes: Sequence[tuple[int, int, int]]) -> None:
        """Melody notes (onset, pitch, duration class) before the last chord, in any order."""
        self.tune = sorted([*self.tune, *(note for note in notes if note[0] < self.final)], reverse=True)

    def strike_tune(self) -> _Note:
        """Take the tune's next note; until it ends nothing is struck above it."""
        onset, pitch, duration = self.tune.pop()
        self.top = (pitch, onset + duration + 1)
        return onset, pitch, duration, _NOTHING

    def take_settled(self, moment: int) -> _Note:
        """The next settled note, or a rest where it is too far away for one step."""
        if self.forced[-1][0] - moment > codec.LONGEST_SHIFT:
            return moment + codec.LONGEST_SHIFT, REST_PITCH, 0, 0
        return self.forced.pop()

    def strikes(self, onset: int, pitch: int) -> bool:
        """Whether the last note is this one: a chord that has no room left above repeats its highest note."""
        return bool(self.notes) and self.notes[-1][:2] == (onset, pitch)

    def rested(self) -> int:
        """The step from which one more note within a second is not too many."""
        return self.notes[-MOST_PER_S][0] + self.second if len(self.notes) >= MOST_PER_S else 0

    def meets_tune(self, moment: int) -> bool:
        """Whether the tune's next note starts at this moment."""
        return bool(self.tune) and self.tune[-1][0] == moment and not self.forced

    def next_return(self) -> int:
        """The step at which bars return next; beyond the end where none do."""
        return self.returns[-1].start * self.bar_steps if self.returns else self.end + 1

    def begin_return(self) -> None:
        """Queue the notes that return, or, where the emotion moves on, their melody alone."""
        again = self.returns.pop()
        first, start = again.source * self.bar_steps, again.start * self.bar_steps
        last = min(first + again.bars * self.bar_steps, first + self.final - start)
        old = [(on - first + start, p, d, v) for on, p, d, v in self.notes if first <= on < last]
        if self.moving:
            self.add_tune(_melody(old))
        else:
            self.forced = old[::-1]
            self.free_from = start + last - first


def _in_steps(note: BeatNote, shift: int) -> _Note:
    """A note of a request in codec steps and classes, in the home key."""
    pitch = min(max(note.pitch + shift, LOWEST_PITCH), HIGHEST_PITCH) - LOWEST_PITCH
    length = min(max(round(note.length * STEPS_PER_BEAT), 1), FIELD_SIZES[DURATION])
    return round(note.onset * STEPS_PER_BEAT), pitch, length - 1, codec.velocity_level(note.velocity)


def _melody(notes: Sequence[_Note]) -> list[tuple[int, int, int]]:
    """The upper line of settled notes: onset, pitch and duration class."""
    line = upper_line(Note(float(on), p, float(on + d + 1)) for on, p, d, _ in notes)
    return [(int(n.start_s), n.pitch, int(n.duration_s) - 1) for n in line]


class Composing:
    """One call of ``TransformerVAE.compose``.

    Args:
        decoder, conditions: the networks that play.
        window: steps that playing looks back over.
        z: (B, z_dim), or (B, P, z_dim) where it moves with the targets.
        keys: (B,).
        request: see ``Request``.
        log_density: logarithm of the notes per second to aim at, (B,); open where ``None``.
        sampling: temperature and nucleus of each field.
        guidance: how much the target counts; 1 is what was learnt, 0 ignores it.
        generator: the only source of randomness.
    """

    def __init__(
        self,
        decoder: NoteTransformer,
        conditions: Conditions,
        window: int,
        z: Tensor,
        keys: Tensor,
        request: Request,
        log_density: Tensor | None,
        sampling: Sequence[Sampling],
        guidance: float,
        generator: torch.Generator,
    ) -> None:
        self.decoder, self.conditions, self.window = decoder, conditions, window
        self.sampling, self.guidance, self.generator = sampling, guidance, generator
        self.z = z if z.dim() == 3 else z[:, None]
        self.targets, self.log_density = request.targets, log_density
        self.minor = (keys >= KEYS // 2).long()
        B = len(keys)
        self.style = torch.zeros(B, dtype=torch.int64)
        whole = self._idea(self.z.mean(dim=1), self.targets.mean(dim=1))
        wanted = Sampling(0.7, 0.9)
        drawn = draw(self._guided(conditions.tempo_head(whole)), wanted, generator)
        tempi = [_tempo(codec.tempo_of_class(c), request) for c in drawn.tolist()]
        self.tempo_class = torch.tensor([codec.nearest_tempo_class(tempo) for tempo in tempi])
        # The model is told its own tempo: told the other one, it would make up for it with shorter or longer notes.
        tempi = [tempo * request.tempo_factor for tempo in tempi]
        self.bar_class = draw(self._guided(conditions.bar_head(whole)), wanted, generator)
        above, below = request.meter or (0, 0)
        if below == 4 and above in BARS:
            self.bar_class = torch.full((B,), BARS.index(above))
        self.bar = torch.tensor(BARS)[self.bar_class]
        moving = self.targets.shape[1] > 1
        self.rows: list[_Row] = []
        self.tempi: list[float] = []
        for bar, tempo, key in zip(self.bar.tolist(), tempi, keys.tolist(), strict=True):
            bars, seconds, tempo = _length(request, tempo, bar)
            self.tempi.append(tempo)
            self.rows.append(_Row(bar, bars, seconds, tempo, home_shift(key), request, moving))
        self.longest_shift = torch.tensor(
            [min(int(WIDEST_GAP_S * t / 60 * STEPS_PER_BEAT), codec.LONGEST_SHIFT) for t in self.tempi]
        )
        self.final = torch.tensor([row.final for row in self.rows])
        self.end = torch.tensor([row.end / STEPS_PER_BEAT for row in self.rows])
        self.ending = LastChord(self.minor, self.final, self.bar * STEPS_PER_BEAT // 2)

    # --- conditions -------------------------------------------------------------------------------------------------

    def _idea(self, z: Tensor, va: Tensor) -> Tensor:
        """Conditions without tempo and bar; with guidance, rows that know the emotion above rows that do not."""
        unknown = torch.full((len(z),), torch.nan, dtype=z.dtype)
        density = self.log_density if self.log_density is not None else unknown
        told = self.conditions.idea(z, va, density, self.style, self.minor)
        if self.guidance == 1.0:
            return told
        untold = self.conditions.idea(z, torch.full_like(va, torch.nan), unknown, self.style, self.minor)
        return torch.cat([told, untold])

    def _condition(self, now: Tensor) -> Tensor:
        """The full condition at some moment of each row: (B,) → (B or 2B, W)."""
        share = (now / self.final).clamp(0, 1)
        idea = self._idea(_at(self.z, share), _at(self.targets, share))
        return self.conditions(idea, self._twice(self.tempo_class), self._twice(self.bar_class))

    def _twice(self, x: Tensor) -> Tensor:
        return x if self.guidance == 1.0 else torch.cat([x, x])

    def _guided(self, logits: Tensor) -> Tensor:
        """(B or 2B, classes) → (B, classes)."""
        if self.guidance == 1.0:
            return logits
        told, untold = logits.chunk(2)
        return untold + self.guidance * (told - untold)

    # --- playing ----------------------------------------------------------------------------------------------------

    def play(self) -> tuple[list[Score], list[int]]:
        """Scores in their home keys, and beats in a bar of each."""
        decoder, rows = self.decoder, self.rows
        B = len(rows)
        cache = Cache(len(decoder.stack.blocks), self.window)
        step = torch.tensor(FIELD_SIZES).repeat(B, 1)
        now = torch.zeros(B, dtype=torch.int64)
        done = torch.zeros(B, dtype=torch.bool)
        self.hands = Hands(B)
        changes = self.targets.shape[1] > 1 or self.z.shape[1] > 1
        condition = self._condition(now)
        bar, end = self._twice(self.bar), self._twice(self.end)
        most = int(30 * float(self.end.max()) * 60 / min(self.tempi))  # no pianist strikes more keys a second
        for index in range(most):
            if changes and index:
                condition = self._condition(now)
            context = decoder.context(
                self._twice(step)[:, None],
                self._twice(now)[:, None],
                torch.full((len(bar), 1), index),
                bar,
                end,
                condition,
                cache=cache,
            )
            shift, forced, leaving = self._draw_shift(context, now, done, first=index == 0)
            done = done | leaving
            if bool(done.all()):
                break
            onset = now + shift
            together = (shift == 0) & (self.hands.struck > 0)
            context = decoder.after_shift(context, self._twice(shift)[:, None], self._twice(onset)[:, None], bar)
            pitch = self._draw_pitch(context, onset, together, step[:, PITCH], forced)
            forced = self._meet_tune(pitch, onset, forced)
            pitch = _override(pitch, [note[1] if note else None for note in forced])
            context = context + decoder.given[PITCH](self._twice(pitch))[:, None]
            duration = draw(
                self._guided(decoder.heads[DURATION](context)[:, 0]), self.sampling[DURATION], self.generator
            )
            duration = _override(duration, [note[2] if note else None for note in forced])
            context = context + decoder.given[DURATION](self._twice(duration))[:, None]
            velocity = draw(
                self._guided(decoder.heads[VELOCITY](context)[:, 0]), self.sampling[VELOCITY], self.generator
            )
            velocity = _override(velocity, [note[3] if note and note[3] >= 0 else None for note in forced])
            self.hands.strike(pitch, together)
            step, now = torch.stack([shift, pitch, duration, velocity], dim=-1), torch.where(done, now, onset)
            played = step.tolist()
            for row, over, on, (_, p, d, v) in zip(rows, done.tolist(), onset.tolist(), played, strict=True):
                if not over and p != REST_PITCH and not row.strikes(on, p):
                    row.notes.append((on, p, d, v))
        return [self._score(row, tempo) for row, tempo in zip(rows, self.tempi, strict=True)], self.bar.tolist()

    def _draw_shift(
        self, context: Tensor, now: Tensor, done: Tensor, *, first: bool
    ) -> tuple[Tensor, list[_Forced], Tensor]:
        """Time to the next note.

        Returns:
            shift (B,); per row a note that has to be played there (onset, pitch, duration, velocity; a velocity of -1
            is the model's choice) or ``None``; and which rows have just struck their last note, (B,).
        """
        logits = self._guided(self.decoder.heads[SHIFT](context)[:, 0])
        shifts = torch.arange(FIELD_SIZES[SHIFT])
        arrival = now[:, None] + shifts
        stop, free, earliest = self.final.clone(), torch.zeros_like(now), torch.zeros_like(now)
        for i, (row, moment) in enumerate(zip(self.rows, now.tolist(), strict=True)):
            if row.tune and row.tune[-1][0] > moment:
                stop[i] = row.tune[-1][0]
            free[i] = row.free_from
            earliest[i] = row.rested()
        too_early = (arrival < free[:, None]) & (shifts < self.longest_shift[:, None])
        too_early &= ~((now[:, None] >= free[:, None]) & (shifts == 0))
        forbidden = (arrival > stop[:, None]) | (shifts > self.longest_shift[:, None]) | too_early
        forbidden |= (self.hands.full & ~torch.tensor(first))[:, None] & (shifts == 0)
        readable = FOLLOWS[now[:, None] % STEPS_PER_BEAT, arrival % STEPS_PER_BEAT]
        forbidden |= ~readable & (shifts > 0) & (arrival != stop[:, None])
        at_end = self.ending.struck(now, self.hands)
        forbidden |= ~at_end[:, None] & (arrival < earliest[:, None]) & (arrival != stop[:, None])
        self.ending.limit_shifts(forbidden, now, self.hands)
        forbidden[forbidden.all(dim=1), 1] = False
        shift = draw(logits.masked_fill(forbidden, -torch.inf), self.sampling[SHIFT], self.generator)
        leaving = at_end & ((shift > 0) | self.ending.complete(self.hands)) & ~done
        forced: list[_Forced] = []
        for i, (row, moment, wanted) in enumerate(zip(self.rows, now.tolist(), shift.tolist(), strict=True)):
            note = None
            if moment + wanted >= row.next_return() and not row.forced:
                row.begin_return()
            if row.forced:
                note = row.take_settled(moment)
                shift[i] = note[0] - moment
            elif row.tune and moment + wanted > row.tune[-1][0] >= moment:
                shift[i] = row.tune[-1][0] - moment
                if moment == row.tune[-1][0]:  # enough is struck below it
                    note = row.strike_tune()
            forced.append(note)
        return shift.masked_fill(done | leaving, 0), forced, leaving

    def _draw_pitch(
        self, context: Tensor, onset: Tensor, together: Tensor, before: Tensor, forced: Sequence[_Forced]
    ) -> Tensor:
        """A key within reach, (B,)."""
        logits = self._guided(self.decoder.heads[PITCH](context)[:, 0])
        logits = logits + self.ending.lean(onset)
        pitches = torch.arange(FIELD_SIZES[PITCH])
        forbidden = self.hands.beyond(together) | self.ending.beyond(onset, together, self.hands)
        forbidden |= pitches == REST_PITCH
        for i, (row, moment) in enumerate(zip(self.rows, onset.tolist(), strict=True)):
            top, until = row.top
            if moment < until and not row.meets_tune(moment):
                forbidden[i] |= pitches >= top
        nothing_left = forbidden.all(dim=1)
        forbidden[nothing_left] = pitches != before[nothing_left, None].clamp(max=REST_PITCH - 1)
        return draw(logits.masked_fill(forbidden, -torch.inf), self.sampling[PITCH], self.generator)

    def _meet_tune(self, pitch: Tensor, onset: Tensor, forced: list[_Forced]) -> list[_Forced]:
        """Where the tune has a note and the model wants one as high or higher, it is the tune's."""
        return [
            row.strike_tune() if note is None and row.meets_tune(moment) and wanted >= row.tune[-1][1] else note
            for row, note, moment, wanted in zip(self.rows, forced, onset.tolist(), pitch.tolist(), strict=True)
        ]

    def _score(self, row: _Row, tempo: float) -> Score:
        """The notes as codec steps; nothing rings into the last chord, which rings to the end."""
        longest = FIELD_SIZES[DURATION]
        rows, before = [], 0
        for onset, pitch, duration, velocity in sorted(row.notes):
            limit = row.end - onset if onset >= row.final else row.final - onset
            rows.append((onset - before, pitch, min(duration + 1, limit, longest) - 1, velocity))
            if onset >= row.final:
                rows[-1] = (onset - before, pitch, min(limit, longest) - 1, velocity)
            before = onset
        return Score(np.array(rows, dtype=np.int64).reshape(-1, 4), tempo)


def _length(request: Request, tempo_bpm: float, bar: int) -> tuple[int, float, float]:
    """Bars before the last chord, the length in seconds and the tempo of a piece.

    Only a piece that is all new has its tempo trimmed to its length; a tune or an opening keeps the tempo, and the
    length is then what whole bars give.
    """
    bar_s = 60.0 / tempo_bpm * bar
    if request.tune:
        bars = math.ceil((max(note.onset for note in request.tune) + 0.01) / bar)
    elif request.opening:
        played = math.ceil((max(note.onset for note in request.opening) + 0.01) / bar)
        bars = max(played + 1, round((request.seconds - RING_S[1]) / bar_s))
    else:
        bars, trimmed = last_bar_line(request.seconds, tempo_bpm, bar)
        return bars, request.seconds, trimmed
    return bars, bars * bar_s + RING_S[1], tempo_bpm


def _tempo(drawn: float, request: Request) -> float:
    """The tempo of a piece: as asked for, as drawn, or, with a tune, as drawn but not far from the tune's own."""
    if request.tempo_bpm is None:
        return drawn
    if request.opening:
        return request.tempo_bpm  # its notes are counted in these beats
    if not request.tune:
        return codec.fold_tempo(request.tempo_bpm)
    octave = 2.0 ** round(math.log2(request.tempo_bpm / drawn))
    return request.tempo_bpm * min(max(drawn * octave / request.tempo_bpm, _NARROWEST_TEMPO), _WIDEST_TEMPO)


def _at(path: Tensor, share: Tensor) -> Tensor:
    """A point of each row's path, linear between its P points: (B, P, D) and (B,) in 0-1 → (B, D)."""
    place = share.to(path.dtype) * (path.shape[1] - 1)
    first = place.long().clamp(max=max(0, path.shape[1] - 2))
    weight = (place - first)[:, None]
    rows = torch.arange(len(path))
    return path[rows, first] * (1 - weight) + path[rows, (first + 1).clamp(max=path.shape[1] - 1)] * weight


def _override(drawn: Tensor, given: Sequence[int | None]) -> Tensor:
    """What was drawn, except where something is given."""
    return torch.tensor([d if g is None else g for d, g in zip(drawn.tolist(), given, strict=True)])
