"""What a listener could count in a piece: some hundred hand-written features, the input of the evaluator.

Conventions: everything is measured in seconds, pitches and velocities; tempo mark, meter, bars, pedal and the ticks of
the file are never read, so the same sound has the same features from any file. Notes that start within 25 ms of one
another are one *strike*. Times are rounded to 0.1 ms, and thresholds avoid the ratios and the steps of 10 ms that music
files are full of, so that the rounding of a file cannot tip them. A piece longer than 20 s is described in equal parts
of at most 20 s and the descriptions are averaged, so that what grows with length (the number of different pitches,
say) means the same for every piece.

References: Krumhansl and Kessler (1982) for the key profiles; Grabe and Low (2002) for the rhythm index nPVI;
Livingstone et al. (2010), "Changing musical emotion", for which counts may matter.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eimg_core.midi.attributes import MAJOR_PROFILE, MINOR_PROFILE
from eimg_core.midi.notes import Note, Piece

__all__ = ["FEATURE_NAMES", "PART_S", "feature_table", "features", "note_parts"]

Array = NDArray[np.float64]

PART_S = 20.0  # longest part described at once
STRIKE_S = 0.025  # notes closer than this start together
_SHORTEST_SPAN_S = 0.5  # a lone short note is not "ten notes a second"
_FRAME_S = 0.05  # of the onset train whose regularity is measured
_WINDOW_S = 1.0  # of harmony, density and their changes
_IOI_EDGES_S = tuple(0.745 * 2 ** (-step / 2) for step in range(6, -1, -1))  # 0.093 … 0.745, two to a halving
_REGISTER_EDGES = (36, 48, 60, 72, 84)
_SCALES = (np.array([0, 2, 4, 5, 7, 9, 11]), np.array([0, 2, 3, 5, 7, 8, 10, 11]))
_TRIADS = {"major": (0, 4, 7), "minor": (0, 3, 7), "diminished": (0, 3, 6)}
_INTERVAL_NAMES = ("minor_second", "major_second", "minor_third", "major_third", "fourth", "tritone")


@dataclass(frozen=True, slots=True)
class _Sound:
    """One part of a piece as arrays over its N notes and S strikes, times from its first onset."""

    on: Array  # (N,) seconds
    off: Array  # (N,)
    pitch: Array  # (N,)
    velocity: Array  # (N,)
    strike: NDArray[np.int64]  # (N,) index of the note's strike
    times: Array  # (S,) when each strike happens
    top: Array  # (S,) highest pitch struck
    bass: Array  # (S,) lowest pitch struck
    held: NDArray[np.bool_]  # (S, N) what sounds at each strike
    chroma: Array  # (W, 12) seconds of each pitch class in each window
    span: float  # seconds from the first onset to the last end

    @property
    def duration(self) -> Array:
        return self.off - self.on

    @property
    def between(self) -> Array:
        """Seconds between neighbouring strikes, (S - 1,)."""
        return np.diff(self.times)


def features(piece: Piece) -> Array:
    """Describe one piece.

    Args:
        piece: any length; the time before its first note does not count.
    Returns:
        One value per name in ``FEATURE_NAMES``, (F,). All finite for a piece with notes, all NaN for an empty one.
    """
    if not piece.notes:
        return np.full(len(FEATURE_NAMES), np.nan)
    rows = [list(_describe(_hear(part)).values()) for part in note_parts(piece)]
    return np.mean(np.array(rows), axis=0)


def feature_table(pieces: Sequence[Piece]) -> Array:
    """Describe many pieces, (N, F)."""
    return np.array([features(piece) for piece in pieces]).reshape(len(pieces), len(FEATURE_NAMES))


def note_parts(piece: Piece) -> list[tuple[Note, ...]]:
    """The notes of each equal part of at most 20 s, by where they start; silent parts are left out."""
    first = piece.notes[0].start_s
    length = piece.duration_s - first
    count = max(1, math.ceil(length / PART_S - 1e-9))
    parts: list[list[Note]] = [[] for _ in range(count)]
    for note in piece.notes:
        parts[min(count - 1, int((note.start_s - first) / length * count + 1e-6))].append(note)
    return [tuple(part) for part in parts if part]


def _hear(notes: tuple[Note, ...]) -> _Sound:
    rows = np.array([(n.start_s, n.end_s, n.pitch, n.velocity) for n in notes], dtype=np.float64)
    on, off, pitch, velocity = rows.T
    off, on = np.round(off - on[0], 4), np.round(on - on[0], 4)
    off = np.maximum(off, on + 1e-4)
    # A strike begins with a note 25 ms or more after the begin of the strike before; notes are in order of start.
    strike = np.zeros(len(on), dtype=np.int64)
    begins = [0.0]
    for index, time in enumerate(on.tolist()):
        if time - begins[-1] >= STRIKE_S:
            begins.append(time)
        strike[index] = len(begins) - 1
    times = np.array(begins)
    first = np.searchsorted(strike, np.arange(len(times)))
    held = (on < times[:, None] + STRIKE_S) & (off > times[:, None] + STRIKE_S / 2)
    span = float(off.max())
    edges = np.arange(max(1, math.ceil(span / _WINDOW_S))) * _WINDOW_S
    overlap = np.minimum(off, edges[:, None] + _WINDOW_S) - np.maximum(on, edges[:, None])  # (W, N)
    chroma = np.clip(overlap, 0, None) @ np.eye(12)[pitch.astype(int) % 12]
    return _Sound(
        on,
        off,
        pitch,
        velocity,
        strike,
        times,
        np.maximum.reduceat(pitch, first),
        np.minimum.reduceat(pitch, first),
        held,
        chroma,
        max(span, _SHORTEST_SPAN_S),
    )


# --- one function per thing that can be counted; each returns name → value ----------------------------------------


def _density(s: _Sound) -> dict[str, float]:
    windows = np.histogram(s.on, bins=np.arange(len(s.chroma) + 1) * _WINDOW_S)[0].astype(float)
    half = s.span / 2
    early, late = float((s.on < half).sum()), float((s.on >= half).sum())
    sizes = np.bincount(s.strike).astype(float)
    return {
        "log_notes_per_s": math.log(len(s.on) / s.span),
        "log_strikes_per_s": math.log(len(s.times) / s.span),
        "notes_per_s": len(s.on) / s.span,
        "strikes_per_s": len(s.times) / s.span,
        "busiest_second": float(windows.max()),
        "calmest_second": float(windows[:-1].min()) if len(windows) > 1 else float(windows[0]),
        "density_variation": float(windows.std() / max(windows.mean(), 1e-9)),
        "density_change": math.log((late + 1) / (early + 1)),
        "strike_size": float(sizes.mean()),
        "strike_size_sd": float(sizes.std()),
        "chord_share": float((sizes >= 3).mean()),
        "single_share": float((sizes == 1).mean()),
    }


def _lengths(s: _Sound) -> dict[str, float]:
    d = s.duration
    low, middle, high = np.quantile(d, (0.1, 0.5, 0.9))
    next_strike = np.append(s.times[1:], np.nan)[s.strike] - s.on
    ratio = np.clip(d / np.maximum(next_strike, STRIKE_S), 0, 8)
    ratio = ratio[np.isfinite(ratio)] if len(s.times) > 1 else np.ones(1)
    return {
        "length": float(d.mean()),
        "length_sd": float(d.std()),
        "log_length": float(np.log(d).mean()),
        "log_length_sd": float(np.log(d).std()),
        "length_q10": float(low),
        "length_median": float(middle),
        "length_q90": float(high),
        "short_share": float((d < 0.145).mean()),
        "long_share": float((d > 0.995).mean()),
        "legato": float(np.log(ratio).mean()),
        "legato_share": float((ratio > 0.93).mean()),
        "staccato_share": float((ratio < 0.47).mean()),
        "overlap_share": float((ratio > 1.45).mean()),
    }


def _rhythm(s: _Sound) -> dict[str, float]:
    ioi = s.between if len(s.times) > 1 else np.array([s.span])
    bins = np.bincount(np.searchsorted(_IOI_EDGES_S, ioi, side="right"), minlength=len(_IOI_EDGES_S) + 1) / len(ioi)
    neighbours = np.abs(np.diff(ioi)) / (ioi[1:] + ioi[:-1])
    regularity, period = _regularity(s)
    return {
        "ioi": float(ioi.mean()),
        "ioi_median": float(np.median(ioi)),
        "ioi_variation": float(ioi.std() / ioi.mean()),
        "log_ioi": float(np.log(ioi).mean()),
        "log_ioi_sd": float(np.log(ioi).std()),
        "longest_ioi": float(ioi.max()),
        "npvi": float(200 * neighbours.mean()) if len(neighbours) else 0.0,
        "equal_neighbours": float((neighbours < 0.05).mean()) if len(neighbours) else 1.0,
        "ioi_entropy": _entropy(bins),
        "regularity": regularity,
        "log_period": math.log(period),
        **{f"ioi_bin_{index}": float(share) for index, share in enumerate(bins)},
    }


def _regularity(s: _Sound) -> tuple[float, float]:
    """The highest autocorrelation of the onset train at lags of 0.2-2 s, and its lag in seconds."""
    # Each onset is shared between the two frames around it, so that a shift below a frame changes little.
    position = s.times / _FRAME_S
    train = np.zeros(int(position[-1]) + 2)
    whole = position.astype(int)
    np.add.at(train, whole, 1 - (position - whole))
    np.add.at(train, whole + 1, position - whole)
    train = np.convolve(train, (0.25, 0.5, 0.25)) - train.sum() / (len(train) + 2)
    power = np.abs(np.fft.rfft(train, 2 * len(train))) ** 2
    correlation = np.fft.irfft(power)[: len(train)]
    lags = np.arange(round(0.2 / _FRAME_S), min(round(2.0 / _FRAME_S), len(train) - 1) + 1)
    if correlation[0] <= 0 or not len(lags):
        return 0.0, 1.0
    best = lags[np.argmax(correlation[lags])]
    return float(correlation[best] / correlation[0]), float(best * _FRAME_S)


def _pitches(s: _Sound) -> dict[str, float]:
    quantiles = np.quantile(s.pitch, (0, 0.1, 0.25, 0.5, 0.75, 0.9, 1))
    counts = np.bincount(s.pitch.astype(int), minlength=128)
    registers = np.bincount(np.searchsorted(_REGISTER_EDGES, s.pitch, side="right"), minlength=6) / len(s.pitch)
    names = ("lowest", "pitch_q10", "pitch_q25", "pitch_median", "pitch_q75", "pitch_q90", "highest")
    return {
        "pitch": float(s.pitch.mean()),
        "pitch_sd": float(s.pitch.std()),
        "pitch_range": float(np.ptp(s.pitch)),
        **dict(zip(names, quantiles.tolist(), strict=True)),
        "pitch_by_length": float(np.average(s.pitch, weights=s.duration)),
        "pitch_entropy": _entropy(counts),
        "different_pitches": float((counts > 0).sum()),
        **{f"register_{index}": float(share) for index, share in enumerate(registers)},
    }


def _lines(s: _Sound) -> dict[str, float]:
    values: dict[str, float] = {"top_to_bass": float((s.top - s.bass).mean())}
    for name, line in (("top", s.top), ("bass", s.bass)):
        steps = np.diff(line) if len(line) > 1 else np.zeros(1)
        size = np.abs(steps)
        centred = s.times - s.times.mean()
        values |= {
            f"{name}_pitch": float(line.mean()),
            f"{name}_sd": float(line.std()),
            f"{name}_interval": float(size.mean()),
            f"{name}_step_share": float(((size > 0) & (size <= 2)).mean()),
            f"{name}_leap_share": float((size >= 7).mean()),
            f"{name}_repeat_share": float((size == 0).mean()),
            f"{name}_rising": float(np.sign(steps).mean()),
            f"{name}_slope": float((centred @ line) / max(centred @ centred, 1.0)),
        }
    return values


def _loudness(s: _Sound) -> dict[str, float]:
    centred = s.on - s.on.mean()
    return {
        "velocity": float(s.velocity.mean()),
        "velocity_sd": float(s.velocity.std()),
        "velocity_max": float(s.velocity.max()),
        "velocity_min": float(s.velocity.min()),
        "velocity_slope": float((centred @ s.velocity) / max(centred @ centred, 1.0)),
        "energy": math.log(float((s.velocity / 64) @ (s.velocity / 64)) / s.span),
    }


def _texture(s: _Sound) -> dict[str, float]:
    times = np.concatenate([s.on, s.off])
    order = np.argsort(times, kind="stable")
    sounding = np.cumsum(np.repeat((1, -1), len(s.on))[order])[:-1]
    spans = np.diff(times[order])
    total = max(float(spans.sum()), 1e-9)
    return {
        "voices": float(sounding @ spans) / total,
        "voices_max": float(sounding.max()),
        **{f"voices_{n}_share": float(spans[sounding >= n].sum()) / total for n in (2, 3, 4, 6)},
        "silence_share": float(spans[sounding == 0].sum()) / total,
    }


def _key(s: _Sound) -> dict[str, float]:
    weights = s.chroma.sum(axis=0)
    tonics = np.arange(12)
    fits = np.array(
        [[_correlation(weights, np.roll(p, t)) for t in tonics] for p in (MAJOR_PROFILE, MINOR_PROFILE)]
    )  # (2, 12)
    mode, tonic = divmod(int(np.argmax(fits)), 12)
    relative = np.roll(weights, -tonic) / max(weights.sum(), 1e-9)
    return {
        "major_fit": float(fits[0].max()),
        "minor_fit": float(fits[1].max()),
        "major_minor": float(fits[0].max() - fits[1].max()),
        "parallel_major_minor": float(fits[0, tonic] - fits[1, tonic]),
        "is_major": float(mode == 0),
        "key_margin": float(fits.max() - np.sort(fits.ravel())[-2]),
        "in_scale": float(relative[_SCALES[mode]].sum()),
        "pitch_class_entropy": _entropy(weights),
        **{f"degree_{index}": float(share) for index, share in enumerate(relative)},
    }


def _harmony(s: _Sound) -> dict[str, float]:
    """What sounds together: interval classes at each strike, triads and their changes from second to second."""
    present = (s.held.astype(float) @ np.eye(12)[s.pitch.astype(int) % 12] > 0).astype(float)  # (S, 12)
    pairs = np.array([(present * np.roll(present, k, axis=1)).sum() for k in range(1, 7)])
    pairs[5] /= 2  # a tritone is its own inversion, so it was counted from both ends
    shares = pairs / max(pairs.sum(), 1.0)
    chroma = s.chroma[s.chroma.sum(axis=1) > 0]
    unit = chroma / np.linalg.norm(chroma, axis=1, keepdims=True)  # (W, 12)
    triads = {
        name: sum(np.roll(unit, -interval, axis=1) for interval in chord).max(axis=1) / math.sqrt(3)
        for name, chord in _TRIADS.items()
    }
    alike = unit @ unit.T
    np.fill_diagonal(alike, 0.0)
    neighbours = np.diagonal(alike, 1)
    return {
        **{name: float(share) for name, share in zip(_INTERVAL_NAMES, shares, strict=True)},
        "dissonance": float(shares[[0, 1, 5]] @ (1.0, 0.5, 0.7)),
        "pairs_per_strike": float(pairs.sum() / len(s.times)),
        **{f"{name}_triad": float(fit.mean()) for name, fit in triads.items()},
        "major_minor_triad": float((triads["major"] - triads["minor"]).mean()),
        "harmonic_change": float(1 - neighbours.mean()) if len(neighbours) else 0.0,
        "harmonic_return": float(alike.max(axis=1).mean()),
    }


def _repetition(s: _Sound) -> dict[str, float]:
    """Share of short melodic and rhythmic figures of the top line that came before."""
    steps = np.diff(s.top).astype(int).tolist()
    rhythm = np.rint(2 * np.log2(np.maximum(s.between, STRIKE_S))).astype(int).tolist()
    return {
        "melody_repeats": _repeats(list(zip(steps, steps[1:], steps[2:], strict=False))),
        "rhythm_repeats": _repeats(list(zip(rhythm, rhythm[1:], rhythm[2:], rhythm[3:], strict=False))),
        "figure_repeats": _repeats(list(zip(steps, steps[1:], rhythm, rhythm[1:], strict=False))),
    }


_ASPECTS: tuple[Callable[[_Sound], dict[str, float]], ...] = (
    _density,
    _lengths,
    _rhythm,
    _pitches,
    _lines,
    _loudness,
    _texture,
    _key,
    _harmony,
    _repetition,
)


def _describe(sound: _Sound) -> dict[str, float]:
    return {name: value for aspect in _ASPECTS for name, value in aspect(sound).items()}


def _entropy(counts: NDArray) -> float:
    share = counts[counts > 0] / counts.sum()
    return float(-(share * np.log2(share)).sum())


def _correlation(x: Array, y: Array) -> float:
    x, y = x - x.mean(), y - y.mean()
    scale = math.sqrt(float(x @ x) * float(y @ y))
    return float(x @ y) / scale if scale else 0.0


def _repeats(figures: list[tuple[int, ...]]) -> float:
    return 1 - len(set(figures)) / len(figures) if figures else 0.0


FEATURE_NAMES: tuple[str, ...] = tuple(_describe(_hear((Note(0.0, 60, 1.0),))))
