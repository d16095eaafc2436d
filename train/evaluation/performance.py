"""Measure how people play, and how our pianist does: the numbers behind `eimg_core.performance`.

Two tables, calm beside excited music: the training clips of EMOPIA, as played, and as many training clips of
EIMG as asked for in each half, played by `perform`. Rows ending in "(regression)" come from one least-squares fit per
half: the velocity of each note, about the mean of its excerpt, on what the note is in the score.

Conventions: notes within 40 ms are one onset; its highest note is melody unless a higher melody note still sounds or
it lies more than nine semitones below the median of the highest notes. Loudness is that of the first 15 s, with the
gain that all pieces share. The beat is found in excerpts of 8 s; those that fit no grid of sixteenths are left out of
the rows that need one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eimg_core.data import load_pieces, read_eimg, read_emopia
from eimg_core.emotion import MIDDLE, VA
from eimg_core.midi.batch import CLIP_S
from eimg_core.midi.beats import find_grid
from eimg_core.midi.notes import Note, Piece
from eimg_core.performance import CALM, EXCITED, perform
from eimg_core.sound.render import render

__all__ = ["compare_performances", "effects", "measure"]

TOGETHER_S = 0.04
EXCERPT_S = 8.0
LEAST_FIT = 0.75
LEAST_ONSETS = 12
EFFECTS = ("melody", "semitone, melody", "semitone, accompaniment", "doubled wait", "doubled chord", "on the beat")


class Onset(NamedTuple):
    """Notes that start together, lowest first, and whether the highest is melody."""

    notes: list[Note]
    leads: bool

    @property
    def start_s(self) -> float:
        return min(note.start_s for note in self.notes)

    @property
    def accompaniment(self) -> list[Note]:
        return self.notes[:-1] if self.leads else self.notes


def onsets_of(piece: Piece) -> list[Onset]:
    """The notes of a piece, onset by onset."""
    chords: list[list[Note]] = []
    for note in piece.notes:
        if chords and note.start_s - chords[-1][0].start_s < TOGETHER_S:
            chords[-1].append(note)
        else:
            chords.append([note])
    tops = [max(chord, key=lambda note: note.pitch) for chord in chords]
    floor = np.median([top.pitch for top in tops]) - 9
    onsets, voice = [], None
    for chord, top in zip(chords, tops, strict=True):
        free = voice is None or top.pitch >= voice.pitch or voice.end_s <= top.start_s + 0.05
        leads = free and top.pitch >= floor
        voice = top if leads else voice
        onsets.append(Onset(sorted(chord, key=lambda note: note.pitch), leads))
    return onsets


def measure(piece: Piece) -> dict[str, float]:
    """What can be said of one performance with at least two onsets; a number that it does not have is NaN."""
    onsets = onsets_of(piece)
    starts = np.array([onset.start_s for onset in onsets])
    times = np.array([note.start_s for note in piece.notes])
    velocity = np.array([note.velocity for note in piece.notes], dtype=float)
    slow = [velocity[(times >= t) & (times < t + 2)] for t in np.arange(times[0], times[-1] - 2, 2.0)]
    melody = [onset.notes[-1].velocity for onset in onsets if onset.leads]
    others = [note.velocity for onset in onsets for note in onset.accompaniment]
    chords = [(o.notes[-1], [n.start_s for n in o.notes[:-1]]) for o in onsets if o.leads and len(o.notes) > 1]
    length = piece.duration_s - times[0]
    late = [p.end_s - starts[np.argmin(np.abs(starts - p.end_s))] for p in piece.pedals]
    return {
        "velocity, mean": float(velocity.mean()),
        "velocity, sd": float(velocity.std()),
        "velocity, sd of means over 2 s": float(np.std([s.mean() for s in slow if len(s) > 3] or [np.nan])),
        "melody over accompaniment": _mean(melody) - _mean(others),
        "melody lead, ms": 1000 * _mean([_mean(rest) - top.start_s for top, rest in chords]),
        "chord spread, ms": 1000 * _mean([np.ptp(rest) for _, rest in chords if len(rest) > 1]),
        "around the sixteenth, ms": 1000 * _mean([residual.std() for _, _, residual in excerpts(onsets)]),
        "loudness, LUFS": render(piece.cropped(CLIP_S)).lufs,
        "pedal, share of time": sum(p.end_s - p.start_s for p in piece.pedals) / length,
        "pedal, strokes per second": len(piece.pedals) / length,
        "pedal, ms between strokes": 1000 * _median([b.start_s - a.end_s for a, b in pairwise(piece.pedals)]),
        "pedal, ms up after the onset": 1000 * _median([x for x in late if abs(x) < 0.15]),
    }


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if len(values) else float("nan")


def _median(values: Sequence[float]) -> float:
    return float(np.median(values)) if len(values) else float("nan")


def excerpts(onsets: Sequence[Onset]) -> Iterable[tuple[range, NDArray[np.int64], NDArray[np.float64]]]:
    """Excerpts on a grid: their onsets, the sixteenths they stand on, and seconds off, with tempo drift removed."""
    starts = np.array([onset.start_s for onset in onsets])
    for begin in np.arange(starts[0], starts[-1] - EXCERPT_S * 0.75, EXCERPT_S):
        span = range(*np.searchsorted(starts, [begin, begin + EXCERPT_S]).tolist())
        if len(span) < LEAST_ONSETS:
            continue
        grid = find_grid(Piece(tuple(note for i in span for note in onsets[i].notes)))
        if grid.fit < LEAST_FIT:
            continue
        sixteenth = 15 / grid.tempo_bpm
        at = starts[span.start : span.stop]
        place = (at - grid.downbeat_s) / sixteenth
        off = (place - np.round(place)) * sixteenth
        at = at - at.mean()
        yield span, np.round(place).astype(np.int64), off - np.polyval(np.polyfit(at, off, 3), at)


def effects(pieces: Iterable[Piece]) -> dict[str, float]:
    """Velocity steps that each property of a note is worth, by least squares, and what they leave unexplained."""
    rows, velocities = [], []
    for piece in pieces:
        onsets = onsets_of(piece)
        high = _mean([onset.notes[-1].pitch for onset in onsets if onset.leads])
        low = _mean([note.pitch for onset in onsets for note in onset.accompaniment])
        for span, place, _ in excerpts(onsets):
            found = [
                (_properties(onsets, i, note, high, low, bool(where % 4 == 0)), note.velocity)
                for i, where in zip(span, place, strict=True)
                for note in onsets[i].notes
                if i + 1 < len(onsets)
            ]
            table, velocity = np.array([row for row, _ in found]), np.array([v for _, v in found], dtype=float)
            if np.isfinite(table).all():
                rows.append(table - table.mean(axis=0))
                velocities.append(velocity - velocity.mean())
    x, y = np.concatenate(rows), np.concatenate(velocities)
    steps = np.linalg.lstsq(x, y, rcond=None)[0]
    named = {f"{name} (regression)": float(step) for name, step in zip(EFFECTS, steps, strict=True)}
    return named | {"unexplained, sd (regression)": float((y - x @ steps).std())}


def _properties(onsets: Sequence[Onset], i: int, note: Note, high: float, low: float, on_beat: bool) -> list[float]:
    """One row of the regression, in the order of ``EFFECTS``; ``high`` and ``low`` are the means of the two voices."""
    sings = onsets[i].leads and note is onsets[i].notes[-1]
    wait = np.clip(onsets[i + 1].start_s - onsets[i].start_s, 0.05, 2.0)
    height = note.pitch - (high if sings else low)
    return [sings, height * sings, height * (not sings), np.log2(wait), np.log2(len(onsets[i].notes)), on_beat]


def report(title: str, halves: Sequence[Sequence[Piece]]) -> list[str]:
    """A table of the calm and the excited half, one line per number."""
    columns = []
    for pieces in halves:
        measured = [measure(piece) for piece in pieces]
        means = {name: float(np.nanmean([one[name] for one in measured])) for name in measured[0]}
        between = {"velocity, sd between clips": float(np.std([one["velocity, mean"] for one in measured]))}
        columns.append(means | between | effects(pieces))
    counts = "".join(f"{f'n = {len(pieces)}':>12}" for pieces in halves)
    lines = [f"{title:40}{'calm':>12}{'excited':>12}", f"{'':40}{counts}"]
    return lines + [f"{name:40}" + "".join(f"{column[name]:12.2f}" for column in columns) for name in columns[0]]


def compare_performances(data: Path, cache: Path, clips: int = 120) -> str:
    """Both tables, from the train clips of EMOPIA and so many of EIMG in each half.

    Raises:
        DataError: a data set is missing or damaged.
    """
    emopia, eimg = read_emopia(data), read_eimg(data)
    played, scores = load_pieces(emopia, cache), load_pieces(eimg, cache)
    people: tuple[list[Piece], list[Piece]] = ([], [])
    for item in emopia.split("train"):
        people[(item.quadrant or "").endswith("HA")].append(played[item.key])
    ours: tuple[list[Piece], list[Piece]] = ([], [])
    for item in eimg.split("train"):
        half = item.va is not None and item.va.arousal >= MIDDLE
        if item.va and len(ours[half]) < clips and len(scores[item.key].notes) >= LEAST_ONSETS:
            va = VA(item.va.valence, EXCITED if half else CALM)
            ours[half].append(perform(scores[item.key], va, len(ours[half])))
    return "\n".join([*report("EMOPIA, as played", people), "", *report("EIMG, by perform", ours)])
