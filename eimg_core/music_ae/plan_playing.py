"""How planvae plays: a plan for every piece of a batch, then the notes, by a grammar that keeps them playable.

A grammar limits what the model may choose. Of the plan: a phrase runs out before the next begins, a bar takes up an
earlier one or none, and the last bar is a tonic chord that rings. Of the notes:

- **order**: within a stream of a bar, places do not fall; the tune has one note at a time, each of the other two
  streams at most five at a place, low to high, within a tenth and, in the depth, no seconds;
- **clashes**: no note is struck a semitone, or its octaves, from one that is struck at the same place;
- **given notes**: those of an opening stand as they are, and a tune is kept note for note.

Guidance (Ho and Salimans 2022): the plan, and less so the notes, are drawn from ``without + guidance · (with −
without)`` of the logits with and without the target emotion.

Shapes: B pieces, R bars, F fields of the plan, W width, P points of a path.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from eimg_core.annotation.annotate import annotate
from eimg_core.annotation.chords import NO_CHORD
from eimg_core.annotation.returns import NEW
from eimg_core.midi.attributes import home_shift
from eimg_core.midi.bar_codec import (
    END,
    LEFT_HAND,
    REST,
    STEP_SIZES,
    STREAMS,
    TUNE,
    BarSteps,
    decode_bars,
    encode_bars,
    tempo_class,
    tempo_of_class,
)
from eimg_core.midi.notes import LOWEST_PITCH, Piece
from eimg_core.midi.request import BeatNote, Request
from eimg_core.midi.sheet import METERS, TICKS, Sheet, nearest_place, one_strike_each
from eimg_core.music_ae import plan
from eimg_core.music_ae.decoder import Sampling, draw
from eimg_core.music_ae.plan_examples import (
    CORPORA,
    NONE,
    lowest_at,
    next_of,
    places_per_bar,
    second_half_place,
    sounding_at,
)
from eimg_core.music_ae.plan_networks import LENGTH, PITCH, PLACE, VELOCITY, PlanDecoder
from eimg_core.music_ae.transformer import Cache

__all__ = ["Playing"]

_FINGERS = 5
_TENTH = 16  # semitones
_DEEP = 52  # MIDI pitch below which seconds are mud
_HIGHEST = 93  # A6
_MOST_NOTES = 24  # of a stream in a bar
_RING_S = (1.3, 2.6)  # how long the last chord rings, at least and at most
_NARROWEST_TEMPO, _WIDEST_TEMPO = 0.75, 1.33  # of the tempo that a tune had
_TONIC = {0: 0, 1: 9 * 8 + 1}  # the tonic chord in the home key, by mode
_TRIADS = {0: (0, 4, 7), 1: (9, 0, 4)}

Given = dict[tuple[int, int], list[tuple[int, int, int, int]]]  # (bar, stream) → notes as steps


class _Row:
    """One piece while its notes are written.

    Args:
        rows: its plan as lists, one for each bar.
        meter: of its bars.
        given: notes that stand, in the home key.
        shift: semitones to the home key.
        minor: 1 in minor.
    """

    def __init__(self, rows: list[list[int]], meter: tuple[int, int], given: Given, shift: int, minor: int) -> None:
        self.rows, self.given, self.shift, self.minor = rows, given, shift, minor
        self.places, self.half = places_per_bar(meter), second_half_place(meter)
        self.bar, self.stream = 0, 0
        self.content: dict[tuple[int, int], list[tuple[int, int, int, int]]] = {}
        self.before = [NONE] * len(STREAMS)
        self.bass_before = NONE

    @property
    def done(self) -> bool:
        return self.bar >= len(self.rows)

    @property
    def last(self) -> bool:
        """Whether this is the bar of the last chord."""
        return self.bar == len(self.rows) - 1

    @property
    def written(self) -> list[tuple[int, int, int, int]]:
        """The notes of this stream and bar so far."""
        return self.content.setdefault((self.bar, self.stream), [])

    def forced(self) -> tuple[int, int, int, int] | None:
        """The next given note, or the end of a stream that is given; ``None`` where the model chooses."""
        notes = self.given.get((self.bar, self.stream))
        if notes is None:
            return None
        at = len(self.written)
        return notes[at] if at < len(notes) else (END, 0, 0, 0)

    def copied(self) -> tuple[int, int, int]:
        """What the bar taken up has next."""
        ref = self.rows[self.bar][plan.REF]
        if not ref:
            return NONE, NONE, NONE
        source = self.content.get((self.bar - ref, self.stream), [])
        return next_of([note[:3] for note in source], [note[:3] for note in self.written])

    def relations(self, place: int) -> tuple[int, int, int]:
        """The pitches of the note before in this stream, of the bass and of the tune at a place."""
        if place == END:
            return self.before[self.stream], NONE, NONE
        lefts = [] if self.stream == TUNE else self.content.get((self.bar, LEFT_HAND), [])
        bass = lowest_at([note[:3] for note in lefts], place)
        line = [] if self.stream == TUNE else self.content.get((self.bar, TUNE), [])
        sung = sounding_at([note[:3] for note in line], place)
        return self.before[self.stream], self.bass_before if bass == NONE else bass, sung

    def chord(self, place: int) -> int:
        """The planned chord at a place."""
        row = self.rows[self.bar]
        return row[plan.CHORD2] if self.half <= place < END else row[plan.CHORD]

    def may_end(self) -> bool:
        return not (self.last and self.stream != REST) or bool(self.written)

    def places_allowed(self) -> list[int]:
        """Places at which this stream may go on."""
        written = self.written
        if self.last:
            return [0] if len(written) < (1, 2, 2)[self.stream] and self.pitches_allowed(0) else []
        if len(written) >= _MOST_NOTES:
            return []
        if not written:
            return list(range(self.places))
        now = written[-1][0]
        together = sum(note[0] == now for note in written)
        more = self.stream != TUNE and together < _FINGERS and self.pitches_allowed(now) != []
        return list(range(now if more else now + 1, self.places))

    def pitches_allowed(self, place: int) -> list[int]:
        """Keys that may be struck in this stream at a place, in the home key."""
        struck = [note[1] for note in self.written if note[0] == place]
        others = [
            note[1]
            for stream in range(self.stream)
            for note in self.content.get((self.bar, stream), [])
            if note[0] == place
        ]
        low, high = 0, _HIGHEST - LOWEST_PITCH + self.shift
        if struck:
            low = struck[-1] + (3 if struck[-1] + LOWEST_PITCH - self.shift < _DEEP else 1)
            high = min(high, struck[0] + _TENTH)
        keys = [
            key
            for key in range(max(low, self.shift, 0), min(high, STEP_SIZES[PITCH] - 1) + 1)
            if key not in others and not any((key - other) % 12 in (1, 11) for other in (*struck, *others))
        ]
        if self.last:
            triad = _TRIADS[self.minor]
            root = self.stream == LEFT_HAND and not struck
            keys = [key for key in keys if (key + LOWEST_PITCH) % 12 in (triad[:1] if root else triad)]
            span = {TUNE: (60, 84), LEFT_HAND: (36, 55), REST: (52, 72)}[self.stream]
            keys = [key for key in keys if span[0] <= key + LOWEST_PITCH <= span[1]]
        return keys

    def write(self, step: tuple[int, int, int, int]) -> None:
        """Add a note, or go on to the next stream."""
        if step[0] != END:
            self.written.append(step)
            self.before[self.stream] = step[1]
            return
        if self.stream == LEFT_HAND:
            bass = lowest_at([note[:3] for note in self.written], END)
            self.bass_before = self.bass_before if bass == NONE else bass
        self.stream = (self.stream + 1) % len(STREAMS)
        self.bar += self.stream == 0


class Playing:
    """One call of ``PlanVAE.compose``.

    Args:
        decoder: plays.
        z: (B, z_dim), or (B, P, z_dim) where it moves with the targets.
        keys: (B,).
        request: see ``Request``.
        generator: the only source of randomness.
    """

    def __init__(
        self, decoder: PlanDecoder, z: Tensor, keys: Tensor, request: Request, generator: torch.Generator
    ) -> None:
        self.decoder, self.config, self.generator, self.request = decoder, decoder.config, generator, request
        self.z = z if z.dim() == 3 else z[:, None]
        self.targets = request.targets
        self.keys, self.minor = keys, (keys >= 12).long()
        self.corpus = torch.full((len(keys),), CORPORA.index(self.config.style))
        idea = self._idea(decoder.plan_header, torch.zeros(len(keys)))
        wanted = Sampling(0.8, 0.9)
        self.meter = draw(_guided(decoder.meter_head(idea), self.config.plan_guidance), wanted, generator)
        if request.bar is not None:
            self.meter = torch.full_like(self.meter, _meter_of(request.bar))
        drawn = draw(_guided(decoder.tempo_head(idea), self.config.plan_guidance), wanted, generator)
        tempi = [_tempo(tempo_of_class(c), request) for c in drawn.tolist()]
        self.tempo = torch.tensor([tempo_class(tempo) for tempo in tempi])
        self.tempi: list[float] = []
        self.bars: list[int] = []
        for tempo, meter in zip(tempi, self.meter.tolist(), strict=True):
            above, below = METERS[meter]
            bars, trimmed = _length(request, tempo * request.tempo_factor, above * 4 / below)
            self.bars.append(bars)
            self.tempi.append(trimmed)
        self.given = [
            _given(request, METERS[meter], home_shift(key), bars)
            for meter, key, bars in zip(self.meter.tolist(), keys.tolist(), self.bars, strict=True)
        ]

    # --- conditions -------------------------------------------------------------------------------------------------

    def _idea(self, header: torch.nn.Module, share: Tensor) -> Tensor:
        """Rows that know the emotion above rows that do not: (2 B, W)."""
        z, va = _at(self.z, share), _at(self.targets, share)
        told = header.idea(z, va, self.corpus, self.minor)  # type: ignore[operator]
        untold = header.idea(z, torch.full_like(va, torch.nan), self.corpus, self.minor)  # type: ignore[operator]
        return torch.cat([told, untold])

    def _condition(self, header: torch.nn.Module, share: Tensor) -> Tensor:
        return header(self._idea(header, share), _twice(self.tempo), _twice(self.meter))

    # --- plan -------------------------------------------------------------------------------------------------------

    def plans(self) -> Tensor:
        """A plan for every piece, the bar of its last chord included: (B, R, F), as long as the longest."""
        planner, B = self.decoder.planner, len(self.keys)
        cache = Cache(len(planner.stack.blocks), self.config.window)
        bars = torch.tensor(self.bars) + 1
        before = planner.start.expand(2 * B, 1, -1)
        rows: list[Tensor] = []
        embedded: list[Tensor] = []
        for number in range(int(bars.max())):
            share = number / bars.clamp_min(1)
            after = (bars - 1 - number).clamp_min(0)
            condition = self._condition(self.decoder.plan_header, share)
            context = planner.context(before, torch.full((2 * B, 1), number), _twice(after)[:, None], condition, cache)
            row = torch.zeros(B, len(plan.FIELDS), dtype=torch.int64)
            sources = torch.zeros_like(context)
            for field in range(len(plan.FIELDS)):
                logits = _guided(planner.heads[field](context)[:, 0], self.config.plan_guidance)
                logits = logits.masked_fill(~self._allowed(field, row, rows, number, bars), -torch.inf)
                row[:, field] = draw(logits, Sampling(*self.config.plan_sampling), self.generator)
                if field == plan.REF and rows:
                    stacked = torch.cat(embedded, dim=1)
                    source = _twice(number - row[:, plan.REF]).clamp(0, number - 1)
                    sources = stacked[torch.arange(2 * B), source][:, None]
                    sources = sources * (_twice(row[:, plan.REF]) > 0)[:, None, None]
                context = planner.told(context, field, _twice(row[:, field])[:, None], sources)
            rows.append(row)
            before = planner.rows(_twice(row)[:, None])
            embedded.append(before)
        return torch.stack(rows, dim=1)

    def _allowed(self, field: int, row: Tensor, rows: Sequence[Tensor], number: int, bars: Tensor) -> Tensor:
        """What a field of this bar may be: (B, classes) bool."""
        classes = torch.arange(plan.FIELD_SIZES[field])
        allowed = torch.ones(len(row), len(classes), dtype=torch.bool)
        last = (number >= bars - 1)[:, None]
        if field == plan.LEFT:
            left = (bars - number).clamp(1, 8)[:, None]  # no phrase goes beyond the end
            allowed &= classes < left
            if rows:
                runs = rows[-1][:, plan.LEFT, None]
                allowed = torch.where(runs > 0, classes == runs - 1, allowed)
        elif field == plan.LETTER and rows:
            goes_on = rows[-1][:, plan.LEFT, None] > 0
            allowed = torch.where(goes_on, classes == rows[-1][:, plan.LETTER, None], allowed)
        elif field == plan.REF:
            allowed &= classes <= number
            allowed = torch.where(last, classes == 0, allowed)
        elif field == plan.KIND:
            allowed = torch.where(row[:, plan.REF, None] == 0, classes == NEW, classes != NEW)
        elif field in (plan.CHORD, plan.CHORD2):
            tonic = torch.where(self.minor == 1, _TONIC[1], _TONIC[0])[:, None]
            allowed = torch.where(last, classes == tonic, allowed)
        elif field == plan.LOUDNESS:
            allowed &= classes != plan.LOUDNESS_UNKNOWN
        return allowed

    # --- notes ------------------------------------------------------------------------------------------------------

    def play(self) -> list[Piece]:
        """The pieces, in their keys."""
        plans = self.plans()
        shifts = [home_shift(key) for key in self.keys.tolist()]
        states = [
            _Row(rows[: bars + 1], METERS[meter], given, shift, minor)
            for rows, bars, meter, given, shift, minor in zip(
                plans.tolist(), self.bars, self.meter.tolist(), self.given, shifts, self.minor.tolist(), strict=True
            )
        ]
        self._write(states, plans)
        return [
            self._piece(state, tempo, METERS[meter])
            for state, tempo, meter in zip(states, self.tempi, self.meter.tolist(), strict=True)
        ]

    def _write(self, states: list[_Row], plans: Tensor) -> None:
        notes, B = self.decoder.notes, len(states)
        cache = Cache(len(notes.stack.blocks), self.config.window)
        bars = torch.tensor(self.bars)
        after = (bars[:, None] - torch.arange(plans.shape[1])).clamp_min(0)
        embedded = notes.embed_plan(plans, after, torch.ones(plans.shape[:2], dtype=torch.bool))
        guided = self.config.notes_guidance != 1.0
        both = _twice if guided else _once
        both_condition = self._condition(self.decoder.notes_header, torch.zeros(B))
        moving = self.targets.shape[1] > 1 or self.z.shape[1] > 1
        step = torch.tensor(STEP_SIZES).repeat(B, 1)
        per_bar = self.decoder.per_bar[self.meter]
        for index in range(3 * (_MOST_NOTES + 1) * (max(self.bars) + 1)):
            if all(state.done for state in states):
                break
            bar = torch.tensor([min(state.bar, len(state.rows) - 1) for state in states])
            if moving:
                both_condition = self._condition(self.decoder.notes_header, bar / bars.clamp_min(1))
            condition = both_condition if guided else both_condition[:B]
            stream = torch.tensor([state.stream for state in states])
            copied = torch.tensor([(NONE,) * 3 if state.done else state.copied() for state in states])
            ref = plans[torch.arange(B), bar, plan.REF]
            cursor = torch.where(step[:, PLACE] >= END, 0, step[:, PLACE])
            indices = torch.full((len(condition), 1), index)
            cursors, bars_now, refs = (both(x)[:, None] for x in (cursor, bar, ref))
            places = notes.places(indices, cursors, bars_now, refs, both(per_bar))
            context = notes.context(
                both(step)[:, None], both(stream)[:, None], both(copied)[:, None],
                both(embedded[torch.arange(B), bar])[:, None], places, condition, cache=cache,
            )  # fmt: skip
            step = self._draw_step(states, context, copied, both)
            for state, chosen in zip(states, step.tolist(), strict=True):
                if not state.done:
                    state.write(tuple(chosen))

    def _draw_step(
        self, states: list[_Row], context: Tensor, copied: Tensor, both: Callable[[Tensor], Tensor]
    ) -> Tensor:
        """The next step of every row, (B, 4)."""
        notes, B = self.decoder.notes, len(states)
        sampling = [Sampling(*pair) for pair in zip(self.config.temperature, self.config.top_p, strict=True)]
        forced = [(END, 0, 0, 0) if state.done else state.forced() for state in states]

        def settled(drawn: Tensor, field: int) -> Tensor:
            return torch.tensor(
                [
                    value if f is None or f[field] < 0 else f[field]
                    for value, f in zip(drawn.tolist(), forced, strict=True)
                ]
            )

        def guided(logits: Tensor) -> Tensor:
            logits = logits[:, 0]
            return _guided(logits, self.config.notes_guidance) if len(logits) > B else logits

        allowed = torch.zeros(B, STEP_SIZES[PLACE], dtype=torch.bool)
        for row, state in enumerate(states):
            places = [] if state.done else state.places_allowed()
            allowed[row, places] = True
            allowed[row, END] = not places or state.may_end()
        logits = guided(notes.heads[PLACE](context)).masked_fill(~allowed, -torch.inf)
        place = settled(draw(logits, sampling[PLACE], self.generator), PLACE)
        context = context + notes.given[PLACE](both(place))[:, None]
        relations = torch.tensor(
            [(NONE,) * 3 if s.done else s.relations(p) for s, p in zip(states, place.tolist(), strict=True)]
        )
        around = torch.cat([copied[:, 1:2], relations], dim=1)
        chord = torch.tensor([NO_CHORD if s.done else s.chord(p) for s, p in zip(states, place.tolist(), strict=True)])
        logits = guided(notes.pitch_logits(context, both(around)[:, None], both(chord)[:, None]))
        allowed = torch.zeros(B, STEP_SIZES[PITCH], dtype=torch.bool)
        for row, (state, at) in enumerate(zip(states, place.tolist(), strict=True)):
            keys = [] if state.done or at == END else state.pitches_allowed(at)
            allowed[row, keys or slice(None)] = True
        pitch = draw(logits.masked_fill(~allowed, -torch.inf), sampling[PITCH], self.generator)
        ended = place == END
        pitch = settled(pitch.masked_fill(ended, 0), PITCH)
        context = context + notes.given[PITCH](both(pitch))[:, None]
        length = draw(guided(notes.heads[LENGTH](context)), sampling[LENGTH], self.generator)
        length = settled(length.masked_fill(ended, 0), LENGTH)
        context = context + notes.given[LENGTH](both(length))[:, None]
        velocity = draw(guided(notes.heads[VELOCITY](context)), sampling[VELOCITY], self.generator)
        velocity = settled(velocity.masked_fill(ended, 0), VELOCITY)
        return torch.stack([place, pitch, length, velocity], dim=-1)

    def _piece(self, state: _Row, tempo: float, meter: tuple[int, int]) -> Piece:
        """The notes of a row in its key; nothing rings into the last chord, which rings to the end."""
        steps = [(*note, bar, stream) for (bar, stream), notes in state.content.items() for note in notes]
        rows = np.array(sorted(steps, key=lambda s: (s[4], s[5], s[0], s[1])), dtype=np.int64).reshape(-1, 6)
        sheet, _ = decode_bars(BarSteps(rows[:, :4], rows[:, 4], rows[:, 5]), meter, tempo)
        notes = sheet.notes.copy()
        final = (len(state.rows) - 1) * sheet.bar
        end = final + round(self._ring_s(tempo, meter, len(state.rows) - 1) / sheet.tick_s)
        onset, length = notes[:, 0], notes[:, 1]
        notes[:, 1] = np.where(onset >= final, end - onset, np.minimum(length, np.maximum(final - onset, 1)))
        notes[:, 2] -= state.shift
        return replace(sheet, notes=notes).piece()

    def _ring_s(self, tempo: float, meter: tuple[int, int], bars: int) -> float:
        played = bars * meter[0] * 4 / meter[1] * 60.0 / tempo
        return min(max(self.request.seconds - played, _RING_S[0]), _RING_S[1])


def _twice(x: Tensor) -> Tensor:
    return torch.cat([x, x])


def _once(x: Tensor) -> Tensor:
    return x


def _guided(logits: Tensor, guidance: float) -> Tensor:
    """(2 B, classes), rows that know the target emotion above rows that do not → (B, classes)."""
    told, untold = logits.chunk(2)
    return untold + guidance * (told - untold)


def _at(path: Tensor, share: Tensor) -> Tensor:
    """A point of each row's path, linear between its P points: (B, P, D) and (B,) in 0-1 → (B, D)."""
    place = share.clamp(0, 1).to(path.dtype) * (path.shape[1] - 1)
    first = place.long().clamp(max=max(0, path.shape[1] - 2))
    weight = (place - first)[:, None]
    rows = torch.arange(len(path))
    return path[rows, first] * (1 - weight) + path[rows, (first + 1).clamp(max=path.shape[1] - 1)] * weight


def _meter_of(beats: int) -> int:
    """The meter of a bar of so many quarters, as index into ``METERS``."""
    return METERS.index({2: (2, 4), 3: (3, 4), 6: (6, 8)}.get(beats, (4, 4)))


def _tempo(drawn: float, request: Request) -> float:
    """The tempo of a piece: as asked for, or as drawn; with a tune, as drawn but near the tune's own."""
    if request.tempo_bpm is None:
        return drawn
    if not request.tune or request.opening:
        return request.tempo_bpm
    octave = 2.0 ** round(math.log2(request.tempo_bpm / drawn))
    return request.tempo_bpm * min(max(drawn * octave / request.tempo_bpm, _NARROWEST_TEMPO), _WIDEST_TEMPO)


def _length(request: Request, tempo_bpm: float, quarters: float) -> tuple[int, float]:
    """Bars before the last chord, and the tempo: trimmed to the length of a piece that is all new.

    Args:
        request: whose seconds, tune or opening decide.
        tempo_bpm: as the model wants it.
        quarters: of a bar.
    """
    bar_s = 60.0 / tempo_bpm * quarters
    if request.tune:
        return math.ceil((max(note.onset for note in request.tune) + 0.01) / quarters), tempo_bpm
    if request.opening:
        played = math.ceil((max(note.onset for note in request.opening) + 0.01) / quarters)
        return max(played + 1, round((request.seconds - _RING_S[1]) / bar_s)), tempo_bpm
    choices = []
    for bars in range(1, math.ceil(request.seconds / bar_s) + 2):
        ring = min(max(request.seconds - bars * bar_s, _RING_S[0]), _RING_S[1])
        stretch = (request.seconds - ring) / (bars * bar_s)
        if stretch > 0:
            choices.append((abs(math.log(stretch)), bars, tempo_bpm / stretch))
    _, bars, tempo = min(choices)
    return bars, tempo


def _given(request: Request, meter: tuple[int, int], shift: int, bars: int) -> Given:
    """The notes of an opening, stream by stream, and those of a tune as the tune's stream, in the home key.

    Bars of an opening are given as a whole, silence included; so are the bars of a tune in its stream.
    """
    given: Given = {}
    if request.opening:
        sheet = _sheet(request.opening, meter, shift)
        annotation = annotate(sheet)
        given = _by_stream(encode_bars(annotation.sheet, annotation.tune), range(len(STREAMS)))
    elif request.tune:
        sheet = _sheet(request.tune, meter, shift)
        right = np.column_stack([sheet.notes[:, :4], np.zeros(len(sheet.notes), dtype=np.int64)])
        sheet = replace(sheet, notes=right)
        given = _by_stream(encode_bars(sheet, np.ones(len(right), dtype=bool), bars), (TUNE,), velocity=-1)
    return {where: notes for where, notes in given.items() if where[0] < bars}


def _sheet(notes: Sequence[BeatNote], meter: tuple[int, int], shift: int) -> Sheet:
    rows = [
        (
            int(nearest_place(np.array(n.onset * TICKS))),
            max(1, round(n.length * TICKS)),
            n.pitch + shift,
            n.velocity,
            -1,
        )
        for n in notes
    ]
    return Sheet(one_strike_each(np.array(rows, dtype=np.int64).reshape(-1, 5)), meter, 120.0)


def _by_stream(encoded: BarSteps, streams: Sequence[int], velocity: int | None = None) -> Given:
    given: Given = {}
    for step, bar, stream in zip(encoded.steps.tolist(), encoded.bar.tolist(), encoded.stream.tolist(), strict=True):
        if stream in streams:
            notes = given.setdefault((bar, stream), [])
            if step[0] != END:
                notes.append((step[0], step[1], step[2], step[3] if velocity is None else velocity))
    return given
