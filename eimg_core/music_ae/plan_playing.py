"""How tvae plays: a plan for every piece of a batch, then the notes.

The planner chooses within a frame: the form of a piece that is all new (``plan_form``), or what is settled by given
music. An opening brings the plan of its bars; a tune brings its phrases, returns, counts and height, and draws chords
that its notes belong to. The notes are written by rules (``plan_rules``), and what would still clash is released.

Guidance (Ho and Salimans 2022): the plan, and less so the notes, are drawn from ``without + guidance · (with −
without)`` of the logits with and without the target emotion.

Shapes: B pieces, R bars, F fields of the plan, W width, P points of a path.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

import eimg_core.music_ae.plan as plan
from eimg_core.annotation.annotate import Annotation, annotate
from eimg_core.annotation.chords import CHORD_CLASSES, NO_CHORD, QUALITIES
from eimg_core.annotation.returns import EXACT, NEW
from eimg_core.midi.attributes import home_shift
from eimg_core.midi.bar_codec import (
    END,
    STEP_SIZES,
    STREAMS,
    TUNE,
    BarSteps,
    decode_bars,
    encode_bars,
    tempo_class,
    tempo_of_class,
)
from eimg_core.midi.codec import velocity_level
from eimg_core.midi.notes import Piece
from eimg_core.midi.request import BeatNote, Request
from eimg_core.midi.sheet import LENGTH as TICK_LENGTH
from eimg_core.midi.sheet import METERS, ONSET, TICKS, Sheet, nearest_place, one_strike_each
from eimg_core.midi.sheet import PITCH as MIDI_PITCH
from eimg_core.midi.writing import TICKS_PER_QUARTER
from eimg_core.music_ae.decoder import Sampling, draw
from eimg_core.music_ae.plan_echoes import BEFORE, ECHOES, FOLLOWED, IN_TIME, LENGTHS, MOVED, NEXT, PITCHES, SILENT
from eimg_core.music_ae.plan_examples import CORPORA, GOES_ON
from eimg_core.music_ae.plan_form import Frame, denser, form_of, form_of_loop
from eimg_core.music_ae.plan_networks import LENGTH, PITCH, PLACE, VELOCITY, PlanDecoder
from eimg_core.music_ae.plan_relations import NONE, second_half_place
from eimg_core.music_ae.plan_rules import MOST_STEPS, Given, Step, Writing, ringing
from eimg_core.music_ae.transformer import Cache
from eimg_core.progress import step_done

__all__ = ["Playing"]

_EVEN = velocity_level(88)  # what most scores have where no mark says otherwise
_RING_S = (1.3, 2.6)  # how long the last chord rings, at least and at most
_NARROWEST_TEMPO, _WIDEST_TEMPO = 0.6, 1.67  # of the tempo that a tune had
_UNEVEN = (0.0, 0.05, 0.02, 0.05)  # cost of so many bars beyond phrases of four, as a share of the tempo
_TONIC = (0, 9 * len(QUALITIES) + 1)  # the tonic chord in the home key: major, minor
_DOMINANTS = (7, 4)  # roots of the dominant in the home key: major, minor
_LEAN = 2.0  # added to the logits of the dominant before the last chord
_FITS = 5.0  # added to the logits of a chord to which all of a tune's notes belong
_GATE, _TICK = 0.95, 1 / TICKS_PER_QUARTER  # a note sounds 95 % of its length, less a tick,
_GATED = 0.7  # in so many of the pieces; in the others for all of it: so it is with clips of EIMG
# Lengths in beats by which given notes tell which of the two they are, and how near to one; by hand it is neither.
_VALUES, _NEAR = np.array([1 / 4, 1 / 3, 1 / 2, 2 / 3, 3 / 4, 1, 4 / 3, 3 / 2, 2, 3, 4]), 0.01
_HEADER = Sampling(1.0, 0.98)  # of tempo and meter
_OF_A_TUNE = (plan.LETTER, plan.LEFT, plan.TUNE_COUNT, plan.HEIGHT)  # what a tune settles of a plan
_NOT_OF_PHRASES = tuple(field for field in range(len(plan.FIELDS)) if field not in (plan.LETTER, plan.LEFT))


class Playing:
    """One call of ``TransformerVAE.compose``.

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
        self.sampling = [Sampling(*pair) for pair in zip(self.config.temperature, self.config.top_p, strict=True)]
        self.guidance = self.config.retold_guidance if request.tune else self.config.plan_guidance
        self.z = z if z.dim() == 3 else z[:, None]
        self.targets = request.targets
        self.keys, self.minor = keys, (keys >= 12).long()
        self.corpus = torch.full((len(keys),), CORPORA.index(self.config.style))
        idea = self._idea(decoder.plan_header, torch.zeros(len(keys)))
        self.meter = draw(_guided(decoder.meter_head(idea), self.guidance), _HEADER, generator)
        if request.meter in METERS:
            self.meter = torch.full_like(self.meter, METERS.index(request.meter))
        drawn = draw(_guided(decoder.tempo_head(idea), self.guidance), _HEADER, generator)
        tempi = [_tempo(tempo_of_class(c), request) for c in drawn.tolist()]
        self.tempo = torch.tensor([tempo_class(tempo) for tempo in tempi])
        self.gated = (torch.rand(len(keys), generator=generator) < _GATED).tolist()
        known = _are_detached(request.opening)
        if known is not None:  # what is added sounds like what is there
            self.gated = [known] * len(keys)
        self.tempi: list[float] = []
        self.bars: list[int] = []  # that of the last chord not counted
        self.settled: list[_Settled] = []
        for tempo, meter, key in zip(tempi, self.meter.tolist(), keys.tolist(), strict=True):
            above, below = METERS[meter]
            bars, trimmed = _length(request, tempo * request.tempo_factor, above * 4 / below)
            self.bars.append(bars)
            self.tempi.append(trimmed)
            self.settled.append(_Settled(request, METERS[meter], home_shift(key), bars))

    # --- conditions -------------------------------------------------------------------------------------------------

    def _idea(self, header: torch.nn.Module, share: Tensor) -> Tensor:
        """Rows that know the emotion above rows that do not: (2 B, W)."""
        z, va = _at(self.z, share), _at(self.targets, share)
        told = header.idea(z, va, self.corpus, self.minor)  # type: ignore[operator]
        untold = header.idea(z, torch.full_like(va, torch.nan), self.corpus, self.minor)  # type: ignore[operator]
        return torch.cat([told, untold])

    def _condition(self, header: torch.nn.Module, share: Tensor) -> Tensor:
        return header(self._idea(header, share), _twice(self.tempo), _twice(self.meter))

    def _after(self, bars: Tensor) -> Tensor:
        """How many bars follow one, as the networks are told; more than they can tell where the piece goes on."""
        return torch.full_like(bars, GOES_ON) if self.request.goes_on else bars.clamp_min(0)

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
            step_done(lambda: 0.0)
            share = number / bars.clamp_min(1)
            after = self._after(bars - 1 - number)
            condition = self._condition(self.decoder.plan_header, share)
            context = planner.context(before, torch.full((2 * B, 1), number), _twice(after)[:, None], condition, cache)
            row = torch.zeros(B, len(plan.FIELDS), dtype=torch.int64)
            sources = torch.zeros_like(context)
            for field in range(len(plan.FIELDS)):
                logits = _guided(planner.heads[field](context)[:, 0], self.guidance)
                logits = logits + torch.from_numpy(self._leanings(field, number)).to(logits.dtype)
                logits = logits.masked_fill(~self._allowed(field, row, rows, number, bars), -torch.inf)
                drawn = draw(logits, Sampling(*self.config.plan_sampling), self.generator)
                row[:, field] = torch.tensor(
                    [s.value(number, field, value) for s, value in zip(self.settled, drawn.tolist(), strict=True)]
                )
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

    def _leanings(self, field: int, number: int) -> NDArray[np.float64]:
        """What is added to the logits of a field of this bar: (B, classes)."""
        added = np.zeros((len(self.keys), plan.FIELD_SIZES[field]))
        if field == plan.REF:
            added[:, 1:] += self.config.return_lean
        for row, (settled, bars, minor) in enumerate(zip(self.settled, self.bars, self.minor.tolist(), strict=True)):
            if field in (plan.CHORD, plan.CHORD2):
                added[row, :NO_CHORD] += settled.fits(number, field == plan.CHORD2)
            if field == plan.CHORD2 and number == bars - 1 and not self.request.goes_on:
                root = _DOMINANTS[minor]
                added[row, [root * len(QUALITIES), root * len(QUALITIES) + 2]] += _LEAN
        return added

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
            kinds = torch.from_numpy(np.stack([settled.kinds(number) for settled in self.settled]))
            allowed = torch.where(row[:, plan.REF, None] == 0, classes == NEW, kinds & (classes != NEW))
        elif field in (plan.CHORD, plan.CHORD2):
            tonic = torch.where(self.minor == 1, _TONIC[1], _TONIC[0])[:, None]
            begins = field == plan.CHORD and number == 0 and bool(self.request.loop_bars)
            allowed = torch.where(last | begins, classes == tonic, allowed)
        elif field == plan.LOUDNESS:
            allowed &= (classes != plan.LOUDNESS_UNKNOWN) == self.config.dynamics
        return allowed

    # --- notes ------------------------------------------------------------------------------------------------------

    def play(self) -> list[Piece]:
        """The pieces, in their keys."""
        plans = self.plans()
        writings = [
            Writing(rows[: bars + 1], METERS[meter], settled.given, home_shift(key), minor)
            for rows, bars, meter, settled, key, minor in zip(
                plans.tolist(),
                self.bars,
                self.meter.tolist(),
                self.settled,
                self.keys.tolist(),
                self.minor.tolist(),
                strict=True,
            )
        ]
        self._write(writings, plans)
        made = zip(writings, self.keys.tolist(), self.tempi, self.meter.tolist(), self.gated, strict=True)
        return [self._piece(writing, key, tempo, METERS[meter], gated) for writing, key, tempo, meter, gated in made]

    def _write(self, writings: list[Writing], plans: Tensor) -> None:
        notes, B = self.decoder.notes, len(writings)
        cache = Cache(len(notes.stack.blocks), self.config.window)
        bars = torch.tensor(self.bars)
        after = self._after(bars[:, None] - torch.arange(plans.shape[1]))
        embedded = notes.embed_plan(plans, after, torch.ones(plans.shape[:2], dtype=torch.bool))
        guided = self.config.notes_guidance != 1.0
        both = _twice if guided else _once
        both_condition = self._condition(self.decoder.notes_header, torch.zeros(B))
        moving = self.targets.shape[1] > 1 or self.z.shape[1] > 1
        step, here = torch.tensor(STEP_SIZES).repeat(B, 1), torch.arange(B)

        def read(now: Sequence[_Now], first: int) -> Tensor:
            """The context of steps that follow one another, from the one with this index on: (B or 2 B, T, W)."""
            before, bar, stream, copied, echoes = (torch.stack(part, dim=1) for part in zip(*now, strict=True))
            ref = plans[here[:, None], bar, plan.REF]
            cursor = torch.where(before[..., PLACE] >= END, 0, before[..., PLACE])
            index = torch.arange(first, first + len(now)).expand(len(condition), -1)
            places = notes.places(
                index, both(cursor), both(bar), both(ref), both(self.decoder.per_bar[self.meter[here]])
            )
            return notes.context(
                both(before), both(stream), both(copied), both(echoes),
                both(embedded[here[:, None], bar]), places, condition, cache=cache,
            )  # fmt: skip

        condition = both_condition if guided else both_condition[:B]
        given: list[_Now] = []
        while not moving and len(given) < self.config.window and all(writing.given_now for writing in writings):
            given.append(_Now.of(writings, step))
            step = torch.tensor([writing.forced() for writing in writings])
            _take(writings, step)
        if given:  # what is given to begin with is read at once
            read(given, 0)
        for index in range(len(given), MOST_STEPS * (max(self.bars) + 1)):
            left = [row for row, writing in enumerate(writings) if not writing.done]
            if not left:
                break
            step_done(partial(_share, writings, max(self.bars)))
            if len(left) < len(writings) and not moving and not guided:  # pieces end at different steps
                rows = torch.tensor(left)
                writings = [writings[row] for row in left]
                here, step, condition = here[rows], step[rows], condition[rows]
                cache.keep(rows)
            now = _Now.of(writings, step)
            if moving:
                both_condition = self._condition(self.decoder.notes_header, now.bar / bars.clamp_min(1))
                condition = both_condition if guided else both_condition[:B]
            step = self._draw_step(writings, read([now], index), now.copied, now.echoes, both)
            _take(writings, step)

    def _draw_step(
        self,
        writings: list[Writing],
        context: Tensor,
        copied: Tensor,
        echoes: Tensor,
        both: Callable[[Tensor], Tensor],
    ) -> Tensor:
        """The next step of every row, (B, 4)."""
        notes, B = self.decoder.notes, len(writings)
        factors = torch.tensor([self.config.stream_temperature[w.stream] for w in writings])[:, None]
        forced: list[Step | None] = [(END, 0, 0, 0) if w.done else w.forced() for w in writings]

        def chosen(logits: Tensor, field: int, allowed: NDArray[np.bool_] | None = None) -> Tensor:
            """A class for every row: as given, or drawn."""
            logits = logits[:, 0]
            if len(logits) > B:
                logits = _guided(logits, self.config.notes_guidance)
            logits = logits / factors
            if allowed is not None:
                logits = logits.masked_fill(torch.from_numpy(~allowed), -torch.inf)
            drawn = draw(logits, self.sampling[field], self.generator).tolist()
            return torch.tensor(
                [value if f is None or f[field] < 0 else f[field] for value, f in zip(drawn, forced, strict=True)]
            )

        def more(field: int, taken: Tensor, offered: Tensor) -> Tensor:
            """What is added to the logits of a field for what the bar taken up, (B,), and the echoes, (B, 3), offer."""
            leans = [self.config.copy_lean, *[self.config.echo_lean[field]] * ECHOES]
            wanted = torch.cat([taken[:, None], torch.where(in_time, offered, NONE)], dim=1)
            return both(torch.from_numpy(_leanings(wanted.numpy(), leans, STEP_SIZES[field])))[:, None]

        in_time = echoes[:, FOLLOWED] >= IN_TIME
        anywhere, any_key = (np.ones(STEP_SIZES[field], dtype=bool) for field in (PLACE, PITCH))
        no_key = ~any_key
        places = np.stack([anywhere if w.done else w.places_allowed() for w in writings])
        offered = torch.cat([copied[:, :1], echoes[:, NEXT]], dim=1)
        logits = notes.place_logits(context, both(offered)[:, None]) + more(PLACE, copied[:, PLACE], echoes[:, NEXT])
        place = chosen(logits, PLACE, places)
        context = context + notes.given[PLACE](both(place))[:, None]
        now = list(zip(writings, place.tolist(), strict=True))
        relations = torch.tensor([(NONE,) * 3 if w.done else w.relations(at) for w, at in now])
        there = torch.tensor([SILENT[BEFORE:] if w.done else w.echoes.at(w.stream, at) for w, at in now])
        echoes = torch.cat([echoes, there], dim=1)
        pitches = torch.cat([copied[:, 1:2], relations, echoes[:, PITCHES]], dim=1)
        chord = torch.tensor([NO_CHORD if w.done else w.chord(at) for w, at in now])
        keys = np.stack([any_key if w.done or at == END else w.pitches_allowed(at) for w, at in now])
        keys[~keys.any(axis=1)] = True  # given notes stand where the rules leave no key
        ended = place == END
        steps = torch.from_numpy(np.stack([no_key if w.done else w.steps() for w in writings]))
        exact = torch.tensor([not w.done and w.rows[w.bar][plan.KIND] == EXACT for w in writings])
        logits = notes.pitch_logits(context, both(pitches)[:, None], both(chord)[:, None])
        logits = logits + self.config.step_lean * both(steps)[:, None]
        logits = logits + more(PITCH, torch.where(exact, copied[:, PITCH], NONE), echoes[:, MOVED])
        pitch = chosen(logits, PITCH, keys).masked_fill(ended, 0)
        context = context + notes.given[PITCH](both(pitch))[:, None]
        offered = torch.cat([copied[:, 2:], echoes[:, LENGTHS]], dim=1)
        logits = notes.length_logits(context, both(offered)[:, None])
        logits = logits + more(LENGTH, copied[:, LENGTH], echoes[:, LENGTHS])
        length = chosen(logits, LENGTH).masked_fill(ended, 0)
        context = context + notes.given[LENGTH](both(length))[:, None]
        even = None if self.config.dynamics else np.tile(np.arange(STEP_SIZES[VELOCITY]) == _EVEN, (B, 1))
        velocity = chosen(notes.heads[VELOCITY](context), VELOCITY, even).masked_fill(ended, 0)
        return torch.stack([place, pitch, length, velocity], dim=-1)

    def _piece(self, writing: Writing, key: int, tempo: float, meter: tuple[int, int], gated: bool) -> Piece:
        """The notes of a row in its key; nothing rings into the last chord, which rings to the end. Of a loop the last
        chord is left out: it is the one with which the loop begins again."""
        steps = [(*note, bar, stream) for (bar, stream), notes in writing.content.items() for note in notes]
        rows = np.array(sorted(steps, key=lambda s: (s[4], s[5], s[0], s[1])), dtype=np.int64).reshape(-1, 6)
        sheet, _ = decode_bars(BarSteps(rows[:, :4], rows[:, 4], rows[:, 5]), meter, tempo)
        notes = sheet.notes.copy()
        notes[:, MIDI_PITCH] -= writing.shift
        final = (len(writing.rows) - 1) * sheet.bar
        end = final + round(self._ring_s(tempo, meter, len(writing.rows) - 1) / sheet.tick_s)
        onset, length = notes[:, ONSET], ringing(notes)
        notes[:, TICK_LENGTH] = np.where(onset >= final, end - onset, np.minimum(length, np.maximum(final - onset, 1)))
        piece = replace(sheet, notes=notes).piece()
        piece = _detached(piece, sheet.tick_s * final) if gated else piece
        piece = replace(piece, key=key, sections=plan.sections_of(writing.rows, sheet.tick_s * sheet.bar))
        if not (self.request.loop_bars or self.request.goes_on):
            return piece
        return replace(piece.cropped(sheet.tick_s * final), loop_s=sheet.tick_s * final)

    def _ring_s(self, tempo: float, meter: tuple[int, int], bars: int) -> float:
        played = bars * meter[0] * 4 / meter[1] * 60.0 / tempo
        return min(max(self.request.seconds - played, _RING_S[0]), _RING_S[1])


class _Now(NamedTuple):
    """What the notes' network is told of the next step of every row, (B, …) each: see ``Notes.context``."""

    before: Tensor
    bar: Tensor
    stream: Tensor
    copied: Tensor
    echoes: Tensor

    @classmethod
    def of(cls, writings: Sequence[Writing], before: Tensor) -> _Now:
        return cls(
            before,
            torch.tensor([min(writing.bar, len(writing.rows) - 1) for writing in writings]),
            torch.tensor([writing.stream for writing in writings]),
            torch.tensor([(NONE,) * 3 if writing.done else writing.copied() for writing in writings]),
            torch.tensor([SILENT[:BEFORE] if w.done else w.echoes.before(w.stream) for w in writings]),
        )


def _share(writings: Sequence[Writing], bars: int) -> float:
    """How far the piece that is behind the others is, 0 to 1, if the longest has so many bars."""
    return min((writing.bar for writing in writings if not writing.done), default=bars) / bars


def _take(writings: Sequence[Writing], step: Tensor) -> None:
    """Add a step, (B, 4), to every piece that is not done."""
    for writing, chosen in zip(writings, step.tolist(), strict=True):
        if not writing.done:
            writing.write(tuple(chosen))


class _Settled:
    """What is settled of a piece before it is planned: its form, or what given music brings, in the home key.

    Args:
        request: whose opening or tune is given; the form is free where there is one.
        meter: of the piece.
        shift: semitones to the home key.
        bars: before the last chord.
    """

    def __init__(self, request: Request, meter: tuple[int, int], shift: int, bars: int) -> None:
        self.given: Given = {}
        self._density = request.density
        self._rows: NDArray[np.int64] = np.full((0, len(plan.FIELDS)), NONE)
        self._fits = np.zeros((0, 2, NO_CHORD))
        self._frames = [Frame()] * (bars + 1)
        if request.opening:
            annotation = annotate(_sheet(request.opening, meter, shift))
            self._settle(plan.plan_of(annotation), _NOT_OF_PHRASES if request.anew is None else range(len(plan.FIELDS)))
            streams = _by_stream(encode_bars(annotation.sheet, annotation.tune), range(len(STREAMS)))
            first, end = request.anew or (bars, len(self._rows))
            self.given = {where: notes for where, notes in streams.items() if not first <= where[0] < end}
            self._rows[first:end, _NOT_OF_PHRASES] = NONE
        elif request.tune:
            annotation = _of_tune(_sheet(request.tune, meter, shift))
            self._settle(plan.plan_of(annotation), _OF_A_TUNE)
            self._fits = _chords_that_fit(annotation.sheet)
            streams = _by_stream(encode_bars(annotation.sheet, annotation.tune, bars), (TUNE,), velocity=NONE)
            self.given = {where: notes for where, notes in streams.items() if where[0] < bars}
        elif not request.goes_on:
            self._frames = form_of_loop(bars) if request.loop_bars else form_of(bars + 1)

    def frame(self, number: int) -> Frame:
        return self._frames[number] if number < len(self._frames) else Frame()

    def kinds(self, number: int) -> NDArray[np.bool_]:
        """How a bar may take up another."""
        kinds = self.frame(number).kinds
        return np.ones(plan.FIELD_SIZES[plan.KIND], dtype=bool) if kinds is None else kinds

    def fits(self, number: int, second: bool) -> NDArray[np.float64] | float:
        """How much each chord is wanted in a half of a bar: (NO_CHORD,)."""
        return self._fits[number, int(second)] if number < len(self._fits) else 0.0

    def value(self, number: int, field: int, drawn: int) -> int:
        """A field of a bar: as it is settled, or as it was drawn."""
        if number < len(self._rows) and self._rows[number, field] != NONE:
            return int(self._rows[number, field])
        frame = self.frame(number)
        drawn = denser(field, drawn, self._density + frame.density)
        left = None if frame.left is None else frame.left - 1
        of_frame = {plan.LETTER: frame.letter, plan.LEFT: left, plan.REF: frame.ref}.get(field)
        return drawn if of_frame is None else of_frame

    def _settle(self, rows: NDArray[np.int64], fields: Sequence[int]) -> None:
        self._rows = np.full_like(rows, NONE)
        self._rows[:, fields] = rows[:, fields]


def _of_tune(sheet: Sheet) -> Annotation:
    """The annotation of a melody alone."""
    right = np.column_stack([sheet.notes[:, :4], np.zeros(len(sheet.notes), dtype=np.int64)])
    return annotate(replace(sheet, notes=right), tune=np.ones(len(right), dtype=bool))


def _chords_that_fit(sheet: Sheet) -> NDArray[np.float64]:
    """How much the notes of a melody want each chord, by half bars: (bars, 2, NO_CHORD), 0 where it is silent."""
    half = second_half_place(sheet.meter) * 2  # ticks
    weights = np.zeros((sheet.bars, 2, 12))
    for onset, length, pitch, _, _ in sheet.notes.tolist():
        weights[onset // sheet.bar, int(onset % sheet.bar >= half), pitch % 12] += min(length, TICKS * 2)
    total = weights.sum(axis=2, keepdims=True)
    return _FITS * (weights / np.maximum(total, 1.0)) @ CHORD_CLASSES.T


def _leanings(wanted: NDArray[np.int64], leans: Sequence[float], classes: int) -> NDArray[np.float32]:
    """What is added to logits for wanted classes: (B, K), NONE where none is, with a lean for each K → (B, classes)."""
    added = np.zeros((len(wanted), classes), dtype=np.float32)
    for column, lean in zip(wanted.T, leans, strict=True):
        rows = np.flatnonzero(column != NONE)
        added[rows, column[rows]] += lean
    return added


def _detached(piece: Piece, until_s: float) -> Piece:
    """Notes before a moment end a little early, as notation programs play them: a key must rise before it is struck."""
    beat = piece.seconds_per_beat
    return piece.with_notes(
        replace(note, end_s=note.start_s + max(_GATE * note.duration_s - _TICK * beat, 0.5 * note.duration_s))
        if note.start_s < until_s
        else note
        for note in piece.notes
    )


def _are_detached(notes: Sequence[BeatNote]) -> bool | None:
    """Whether notes end early, as those of ``_detached`` do; ``None`` where most end neither so nor as written."""
    if not notes:
        return None
    lengths = np.array([note.length for note in notes])[:, None]
    early, written = ((np.abs(lengths - one) < _NEAR).any(axis=1) for one in (_GATE * _VALUES - _TICK, _VALUES))
    count = int(early.sum()), int(written.sum())
    return count[0] > count[1] if sum(count) > 0.5 * len(notes) else None


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


def _tempo(drawn: float, request: Request) -> float:
    """The tempo of a piece: as asked for, or as drawn; with a tune, as drawn but not far from the tune's own."""
    if request.tempo_bpm is None:
        return drawn
    if not request.tune or request.opening or request.exact_tempo:
        return request.tempo_bpm
    return request.tempo_bpm * min(max(drawn / request.tempo_bpm, _NARROWEST_TEMPO), _WIDEST_TEMPO)


def _length(request: Request, tempo_bpm: float, quarters: float) -> tuple[int, float]:
    """Bars before the last chord, and the tempo: trimmed to the length of a piece that is all new, unless it is exact.

    Args:
        request: whose seconds, tune or opening decide.
        tempo_bpm: as the model wants it.
        quarters: of a bar.
    """
    bar_s = 60.0 / tempo_bpm * quarters
    if request.loop_bars:  # music programs count tempi in whole numbers
        return request.loop_bars, tempo_bpm if request.exact_tempo else float(round(tempo_bpm))
    if request.tune:
        return math.ceil((max(note.onset for note in request.tune) + 0.01) / quarters), tempo_bpm
    if request.opening:
        played = math.ceil((max(note.onset for note in request.opening) + 0.01) / quarters)
        if request.anew:
            return played - 1, tempo_bpm
        if request.goes_on:
            return played + request.goes_on, tempo_bpm
        return max(played + 1, round((request.seconds - _RING_S[1]) / bar_s)), tempo_bpm
    if request.goes_on:
        return request.goes_on, tempo_bpm
    if request.exact_tempo:
        return max(1, round((request.seconds - sum(_RING_S) / 2) / bar_s)), tempo_bpm
    choices = []
    for bars in range(1, math.ceil(request.seconds / bar_s) + 2):
        ring = min(max(request.seconds - bars * bar_s, _RING_S[0]), _RING_S[1])
        stretch = (request.seconds - ring) / (bars * bar_s)
        if stretch > 0:
            choices.append((abs(math.log(stretch)) + _UNEVEN[(bars + 1) % 4], bars, tempo_bpm / stretch))
    _, bars, tempo = min(choices)
    return bars, tempo


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


def _by_stream(
    encoded: BarSteps, streams: Sequence[int], velocity: int | None = None
) -> dict[tuple[int, int], list[Step]]:
    """The notes of some streams, bar by bar; streams that are silent in a bar have no notes there."""
    given: dict[tuple[int, int], list[Step]] = {}
    for step, bar, stream in zip(encoded.steps.tolist(), encoded.bar.tolist(), encoded.stream.tolist(), strict=True):
        if stream in streams:
            notes = given.setdefault((bar, stream), [])
            if step[0] != END:
                notes.append((step[0], step[1], step[2], step[3] if velocity is None else velocity))
    return given
