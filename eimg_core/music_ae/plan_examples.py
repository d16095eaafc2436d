"""Passages as the planning composer sees them: steps in bars, what each takes up, and the plan.

Shapes: B batch, T steps, R rows of a plan (bars), F fields of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

import eimg_core.music_ae.plan as plan
from eimg_core.annotation.annotate import Annotation, key_of_notes
from eimg_core.emotion import VA
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
)
from eimg_core.midi.notes import LOWEST_PITCH, Piece
from eimg_core.midi.sheet import METERS, Ints
from eimg_core.music_ae.plan_echoes import PITCHES, echoes_of
from eimg_core.music_ae.plan_relations import NONE, NoteClasses, lowest_at, next_of, second_half_place, sounding_at

__all__ = [
    "AROUND",
    "CORPORA",
    "GOES_ON",
    "Passage",
    "PlanBatch",
    "PlanSample",
]

CORPORA = ("eimg", "emopia", "pop909", "mutopia", "lieder")
AROUND = ("copied place", "copied pitch", "copied length", "before", "bass", "tune")
_PITCHES = STEP_SIZES[1]
GOES_ON = 16  # bars after an example: as many, more, or it is not known
_CLIPS = ("eimg", "emopia")  # cut from longer pieces: their last bar is no ending
_MOST_ROWS = 64  # of a plan that the planner sees at once


@dataclass(frozen=True)
class Passage:
    """A whole piece of B bars, in its own key, as it is kept.

    Attributes:
        steps: (T, 4), see ``eimg_core.midi.bar_codec``.
        bar, stream: of each step, (T,).
        around: (T, 6), columns ``AROUND``: place, pitch and length of the note that the bar taken up has next in this
            stream (place END where its stream ends); the pitches of the note before in the stream, of the bass and of
            the tune that sound here. NONE where there is none, or no bar is taken up.
        echoes: (T, 15), see ``eimg_core.music_ae.plan_echoes``.
        rows: the plan, (B, F).
        meter: index into ``METERS``.
        tempo_bpm: quarters a minute.
        corpus: index into ``CORPORA``.
    """

    steps: Ints
    bar: Ints
    stream: Ints
    around: Ints
    echoes: Ints
    rows: Ints
    meter: int
    tempo_bpm: float
    corpus: int

    @classmethod
    def of(cls, annotation: Annotation, corpus: str, *, velocities_known: bool = True) -> Passage:
        """From all that is known of a piece."""
        encoded = encode_bars(annotation.sheet, annotation.tune, annotation.bars)
        return cls(
            encoded.steps,
            encoded.bar,
            encoded.stream,
            _around(encoded, annotation.ref),
            echoes_of(encoded, annotation.sheet.meter),
            plan.plan_of(annotation, velocities_known=velocities_known),
            METERS.index(annotation.sheet.meter),
            annotation.sheet.tempo_bpm,
            CORPORA.index(corpus),
        )

    @property
    def bars(self) -> int:
        return len(self.rows)

    def piece(self, first: int, bars: int) -> Piece:
        """Some bars in seconds."""
        inside = (self.bar >= first) & (self.bar < first + bars)
        encoded = BarSteps(self.steps[inside], self.bar[inside] - first, self.stream[inside])
        return decode_bars(encoded, METERS[self.meter], self.tempo_bpm)[0].piece()

    def sample(self, first: int, bars: int, va: VA | None = None) -> PlanSample:
        """Some bars in their home key, with the plan of those before them.

        Raises:
            ValueError: nothing sounds in these bars.
        """
        inside = (self.bar >= first) & (self.bar < first + bars)
        steps, around, echoes = (array[inside].copy() for array in (self.steps, self.around, self.echoes))
        sounding = steps[:, 0] != END
        if not sounding.any():
            raise ValueError("a passage without notes cannot be a training example")
        sung = steps[sounding, 1] + LOWEST_PITCH
        ones = np.ones(len(sung), dtype=np.int64)
        key = key_of_notes(np.column_stack([ones, ones, sung, ones, ones]))
        shift = home_shift(key)
        steps[sounding, 1] = _on_piano(steps[sounding, 1] + shift)
        for array, pitches in ((around, (1, 3, 4, 5)), (echoes, PITCHES)):
            columns = array[:, pitches]
            array[:, pitches] = np.where(columns == NONE, NONE, _on_piano(columns + shift))
        start = max(0, first + bars - _MOST_ROWS)
        after = GOES_ON if CORPORA[self.corpus] in _CLIPS else self.bars - first - bars
        return PlanSample(
            steps,
            self.bar[inside] - first,
            self.stream[inside],
            around,
            echoes,
            plan.moved(self.rows[start : first + bars], shift),
            first - start,
            first,
            after,
            self.meter,
            tempo_class(self.tempo_bpm),
            key,
            self.corpus,
            va,
        )


@dataclass(frozen=True)
class PlanSample:
    """A training example: ``steps`` (T, 4), ``bar``, ``stream`` (T,), ``around`` (T, 6) and ``echoes`` (T, 15) as in
    ``Passage``, all in the home key; ``rows`` (R, F), of which the first ``before`` are those of bars before the
    passage; ``first``: number of its first bar in the piece; ``after``: bars of the piece that follow it, ``GOES_ON``
    or more where it is not known; ``meter``, ``tempo``, ``key`` and ``corpus`` as classes; ``va`` where it is known."""

    steps: Ints
    bar: Ints
    stream: Ints
    around: Ints
    echoes: Ints
    rows: Ints
    before: int
    first: int
    after: int
    meter: int
    tempo: int
    key: int
    corpus: int
    va: VA | None = None

    def __len__(self) -> int:
        return len(self.steps)


@dataclass(frozen=True)
class PlanBatch:
    """Named tensors of B examples.

    Attributes:
        steps: (B, T, 4) int64, zeros beyond ``lengths``.
        lengths: (B,).
        bar, stream: (B, T).
        around: (B, T, 6); ``echoes``: (B, T, 15).
        chord: the chord of the half bar in which each step falls, (B, T).
        rows: (B, R, F); row r of an example belongs to bar ``r - before`` of its passage.
        row_count, before, first, after: (B,).
        meter, tempo, key_class, corpus: (B,).
        va: (B, 2), NaN where unknown.
    """

    steps: Tensor
    lengths: Tensor
    bar: Tensor
    stream: Tensor
    around: Tensor
    echoes: Tensor
    chord: Tensor
    rows: Tensor
    row_count: Tensor
    before: Tensor
    first: Tensor
    after: Tensor
    meter: Tensor
    tempo: Tensor
    key_class: Tensor
    corpus: Tensor
    va: Tensor

    @classmethod
    def of(cls, samples: Sequence[PlanSample]) -> PlanBatch:
        """Pad and stack."""

        def stacked(arrays: Sequence[Ints]) -> Tensor:
            longest = max(len(array) for array in arrays)
            out = np.zeros((len(arrays), longest, *arrays[0].shape[1:]), dtype=np.int64)
            for row, array in zip(out, arrays, strict=True):
                row[: len(array)] = array
            return torch.from_numpy(out)

        def numbers(name: str) -> Tensor:
            return torch.tensor([getattr(sample, name) for sample in samples])

        labels = [(s.va.valence, s.va.arousal) if s.va else (float("nan"), float("nan")) for s in samples]
        return cls(
            stacked([sample.steps for sample in samples]),
            torch.tensor([len(sample) for sample in samples]),
            stacked([sample.bar for sample in samples]),
            stacked([sample.stream for sample in samples]),
            stacked([sample.around for sample in samples]),
            stacked([sample.echoes for sample in samples]),
            stacked([_chords(sample) for sample in samples]),
            stacked([sample.rows for sample in samples]),
            torch.tensor([len(sample.rows) for sample in samples]),
            numbers("before"),
            numbers("first"),
            numbers("after"),
            numbers("meter"),
            numbers("tempo"),
            numbers("key"),
            numbers("corpus"),
            torch.tensor(labels, dtype=torch.get_default_dtype()),
        )

    @property
    def mask(self) -> Tensor:
        """(B, T) bool, true on real steps."""
        return torch.arange(self.steps.shape[1]) < self.lengths[:, None]

    @property
    def key(self) -> Tensor:
        """The key before the move home, one-hot: (B, 24)."""
        return torch.nn.functional.one_hot(self.key_class, 24).to(self.va.dtype)

    @property
    def minor(self) -> Tensor:
        """1 for passages in a minor key: (B,)."""
        return (self.key_class >= 12).long()


def _on_piano(pitches: Ints) -> Ints:
    """Pitches that left the keyboard are moved by an octave."""
    pitches = np.where(pitches < 0, pitches + 12, pitches)
    return np.where(pitches >= _PITCHES, pitches - 12, pitches)


def _chords(sample: PlanSample) -> Ints:
    """The chord of each step's half bar; of the first half where a stream ends."""
    half = second_half_place(METERS[sample.meter])
    rows = sample.rows[sample.before + sample.bar]
    late = (sample.steps[:, 0] >= half) & (sample.steps[:, 0] != END)
    return np.where(late, rows[:, plan.CHORD2], rows[:, plan.CHORD])


def _around(encoded: BarSteps, ref: Ints) -> Ints:
    """What each step can be compared with; see ``Passage``."""
    content: dict[tuple[int, int], list[NoteClasses]] = {}
    steps = list(zip(encoded.steps.tolist(), encoded.bar.tolist(), encoded.stream.tolist(), strict=True))
    for (place, pitch, length, _), bar, stream in steps:
        if place != END:
            content.setdefault((bar, stream), []).append((place, pitch, length))
    out = np.full((len(steps), len(AROUND)), NONE, dtype=np.int64)
    before, bass_before = [NONE] * len(STREAMS), NONE
    written: list[NoteClasses] = []
    for index, ((place, pitch, length, _), bar, stream) in enumerate(steps):
        if ref[bar]:
            out[index, :3] = next_of(content.get((bar - int(ref[bar]), stream), []), written)
        out[index, 3] = before[stream]
        if place != END:
            lefts = written if stream == LEFT_HAND else content.get((bar, LEFT_HAND), []) if stream == REST else []
            bass = lowest_at(lefts, place)
            out[index, 4] = bass_before if bass == NONE else bass
            out[index, 5] = NONE if stream == TUNE else sounding_at(content.get((bar, TUNE), []), place)
            before[stream] = pitch
            written.append((place, pitch, length))
            continue
        written = []
        if stream == LEFT_HAND:
            last = lowest_at(content.get((bar, LEFT_HAND), []), END)
            bass_before = bass_before if last == NONE else last
    return out
