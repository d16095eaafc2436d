"""Descriptors: what a musician would say of a piece, as one number each.

Every descriptor is a function of a ``Analysis`` and of nothing else; its docstring says what it is, its unit and its
range. It is NaN where a piece has too little to count over. ``DESCRIPTORS`` lists them: tune, rhythm, harmony, hands
and texture, register. Left out on purpose are

- velocities, of which a score says little and many sources nothing;
- the first and the last bar, since real clips are cut out of longer pieces and generated pieces begin and end;
- the phase of the beat, since clips begin anywhere in it: places are counted from wherever most notes lie.

Two views are usual: ``describe(piece)`` as written, and ``describe(as_notated(piece))``.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eimg_core.metrics.analysis import Analysis, Line, analyse
from eimg_core.metrics.form import density_variation
from eimg_core.midi.attributes import key_correlations
from eimg_core.midi.notes import Piece
from eimg_core.notation.hands import LEFT, RIGHT
from eimg_core.notation.harmony import Chord

__all__ = ["DESCRIPTORS", "describe", "table"]

Descriptor = Callable[[Analysis], float]

_E3, _B5 = 52, 83
_OCTAVE, _FIFTH = 12, 7
_MAJOR, _MINOR = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 9, 10, 11)  # minor in its three forms
# Whether an interval within an octave is one of these, for each of 0-11 semitones.
_CONSONANT, _IMPERFECT, _SEMITONES = (
    np.isin(np.arange(_OCTAVE), semitones) for semitones in ((0, 3, 4, 5, 7, 8, 9), (3, 4, 8, 9), (1, 11))
)
_PLACES = 12  # of a beat


def describe(piece: Piece) -> dict[str, float]:
    """Every descriptor of a piece by name."""
    analysis = analyse(piece)
    return {name: descriptor(analysis) for name, descriptor in DESCRIPTORS.items()}


def table(pieces: Iterable[Piece]) -> NDArray[np.float64]:
    """The descriptors of N pieces, (N, len(DESCRIPTORS)), columns in the order of ``DESCRIPTORS``."""
    rows = [list(describe(piece).values()) for piece in pieces]
    return np.array(rows, dtype=np.float64).reshape(-1, len(DESCRIPTORS))


# --- tune ----------------------------------------------------------------------------------------------------------


def motifs_again(analysis: Analysis) -> float:
    """Motifs of three notes of the tune (two intervals, two times between onsets in twelfths of a beat) that came
    before in the piece, in any key; motifs that only repeat one note do not count. Share, 0-1."""
    return _again(motif for motif in _motifs(analysis.tune, 2) if any(motif[0]))


def motifs_of_four_again(analysis: Analysis) -> float:
    """As ``motifs_again``, of four notes. Share, 0-1."""
    return _again(motif for motif in _motifs(analysis.tune, 3) if any(motif[0]))


def contours_again(analysis: Analysis) -> float:
    """Directions of four intervals of the tune in a row (down, same, up) that came before. Share, 0-1."""
    return _again(_runs(np.sign(analysis.tune.intervals), 4))


def rhythms_again(analysis: Analysis) -> float:
    """Rhythms of four notes of the tune (three times between onsets) that came before. Share, 0-1."""
    return _again(_runs(analysis.tune.steps, 3))


def tune_steps(analysis: Analysis) -> float:
    """Intervals of the tune that are one or two semitones. Share, 0-1."""
    return _share((np.abs(analysis.tune.intervals) > 0) & (np.abs(analysis.tune.intervals) <= 2))


def tune_repeats(analysis: Analysis) -> float:
    """Intervals of the tune that repeat its note. Share, 0-1."""
    return _share(analysis.tune.intervals == 0)


def tune_leaps(analysis: Analysis) -> float:
    """Intervals of the tune larger than a fifth. Share, 0-1."""
    return _share(np.abs(analysis.tune.intervals) > _FIFTH)


def tune_leaps_recovered(analysis: Analysis) -> float:
    """Leaps of more than a fourth that the tune answers in the other direction. Share, 0-1."""
    first, second = analysis.tune.intervals[:-1], analysis.tune.intervals[1:]
    return _share((first * second < 0)[np.abs(first) > 5])


def tune_turns(analysis: Analysis) -> float:
    """Pairs of neighbouring intervals of the tune with opposite directions. Share, 0-1."""
    moving = analysis.tune.intervals[analysis.tune.intervals != 0]
    return _share(moving[:-1] * moving[1:] < 0)


def tune_range(analysis: Analysis) -> float:
    """From the 10th to the 90th percentile of the tune's pitches. Semitones, 0-127."""
    return _spread(analysis.tune.pitches)


def tune_notes(analysis: Analysis) -> float:
    """Notes that belong to the tune. Share of all notes, 0-1."""
    return len(analysis.tune.pitches) / len(analysis.pitches) if len(analysis.pitches) else math.nan


def tune_in_chord(analysis: Analysis) -> float:
    """Notes of the tune that belong to the harmony they stand in. Share, 0-1."""
    return _in_harmony(analysis, analysis.tune)


# --- rhythm --------------------------------------------------------------------------------------------------------


def length_entropy(analysis: Analysis) -> float:
    """Entropy of the note lengths in twelfths of a beat. Bits, 0 upwards."""
    return _entropy(_twelfths(analysis.lengths))


def time_entropy(analysis: Analysis) -> float:
    """Entropy of the times between moments in twelfths of a beat. Bits, 0 upwards."""
    return _entropy(_twelfths(np.diff(analysis.moments)))


def commonest_time(analysis: Analysis) -> float:
    """How common the commonest time between moments is. Share, 0-1."""
    return _commonest(_twelfths(np.diff(analysis.moments)))


def all_rhythms_again(analysis: Analysis) -> float:
    """As ``rhythms_again``, of all moments instead of the tune. Share, 0-1."""
    return _again(_runs(_twelfths(np.diff(analysis.moments)), 3))


def tune_time_entropy(analysis: Analysis) -> float:
    """Entropy of the times between notes of the tune in twelfths of a beat. Bits, 0 upwards."""
    return _entropy(analysis.tune.steps)


def on_beats(analysis: Analysis) -> float:
    """Moments on the place of the beat where most moments are. Share, 0-1."""
    return _commonest(_twelfths(analysis.moments) % _PLACES)


def on_eighths(analysis: Analysis) -> float:
    """Moments on a grid of eighths, at the phase that fits best. Share, 0-1."""
    return _commonest(_twelfths(analysis.moments) % (_PLACES // 2))


def on_sixteenths(analysis: Analysis) -> float:
    """Moments on a grid of sixteenths, at the phase that fits best. Share, 0-1."""
    return _commonest(_twelfths(analysis.moments) % (_PLACES // 4))


def on_triplets(analysis: Analysis) -> float:
    """Moments on a grid of eighths of a triplet, at the phase that fits best. Share, 0-1."""
    return _commonest(_twelfths(analysis.moments) % (_PLACES // 3))


def mean_length(analysis: Analysis) -> float:
    """Mean of the binary logarithm of the note lengths in beats. Octaves of time: 0 for quarters, -1 for eighths."""
    return _mean(np.log2(np.maximum(analysis.lengths, 1 / 48)))


def length_spread(analysis: Analysis) -> float:
    """Standard deviation of the binary logarithm of the note lengths. Octaves of time, 0 upwards."""
    return float(np.log2(np.maximum(analysis.lengths, 1 / 48)).std()) if len(analysis.lengths) else math.nan


def legato(analysis: Analysis) -> float:
    """Median of length over the time to the hand's next moment. Ratio, 0 upwards; 1 is legato."""
    ratios = []
    for hand in (RIGHT, LEFT):
        chords = analysis.of_hand(hand)
        for chord, later in pairwise(chords):
            time = analysis.onsets[later].min() - analysis.onsets[chord].min()
            ratios += (analysis.lengths[chord] / time).tolist()
    return float(np.median(ratios)) if ratios else math.nan


def silence(analysis: Analysis) -> float:
    """Time between the first onset and the last at which nothing sounds. Share, 0-1."""
    if len(analysis.onsets) < 2:
        return math.nan
    reach = np.maximum.accumulate(analysis.onsets + analysis.lengths)
    gaps = np.maximum(analysis.onsets[1:] - reach[:-1], 0.0)
    return float(gaps.sum() / max(np.ptp(analysis.onsets), 1e-9))


def bars_alike(analysis: Analysis) -> float:
    """Moments that have another one just one bar later, of those that are not in the last bar. Share, 0-1."""
    places = np.unique(_twelfths(analysis.moments))
    bar = round(analysis.bar * _PLACES)
    early = places[places + bar <= places.max(initial=0)]
    return _share(np.isin(early + bar, places))


def tempo(analysis: Analysis) -> float:
    """Binary logarithm of the tempo in beats per minute. Octaves of time: 7 for 128."""
    return math.log2(analysis.piece.tempo_bpm)


def notes_per_second(analysis: Analysis) -> float:
    """Notes over the time from the first onset to the last. Per second, 0 upwards."""
    return len(analysis.onsets) / analysis.seconds if analysis.seconds else math.nan


def moments_per_beat(analysis: Analysis) -> float:
    """Moments over the beats from the first to the last. Per beat, 0 upwards."""
    moments = analysis.moments
    return len(moments) / float(np.ptp(moments)) if len(moments) > 1 else math.nan


# --- harmony -------------------------------------------------------------------------------------------------------


def minor_ninths(analysis: Analysis) -> float:
    """Moments at which two pitches 13 semitones apart sound. Share, 0-1."""
    return _share([13 in _between(pitches) for pitches in analysis.sounding])


def struck_semitones(analysis: Analysis) -> float:
    """Moments at which a semitone, or one turned over or widened by is struck. Share, 0-1."""
    return _share([bool(_SEMITONES[_between(analysis.pitches[c]) % _OCTAVE].any()) for c in analysis.struck])


def low_seconds(analysis: Analysis) -> float:
    """Moments at which two pitches below E3 sound one or two semitones apart. Share, 0-1."""
    sounding = [pitches[pitches < _E3] for pitches in analysis.sounding]
    between = [np.diff(low) for low in sounding]
    return _share([bool(((steps == 1) | (steps == 2)).any()) for steps in between])


def consonance(analysis: Analysis) -> float:
    """Pairs of pitches struck together that are no second, seventh or tritone. Share, 0-1."""
    pairs = [_between(analysis.pitches[chord]) % _OCTAVE for chord in analysis.struck]
    return _share(_CONSONANT[np.concatenate(pairs)]) if pairs else math.nan


def thirds_and_sixths(analysis: Analysis) -> float:
    """Pairs of pitches struck together that are a third or a sixth, with octaves. Share, 0-1."""
    pairs = [_between(analysis.pitches[chord]) % _OCTAVE for chord in analysis.struck]
    return _share(_IMPERFECT[np.concatenate(pairs)]) if pairs else math.nan


def chord_changes(analysis: Analysis) -> float:
    """Changes of harmony. Per bar, 0 upwards."""
    if len(analysis.harmonies) < 2:
        return math.nan
    beats = float(np.ptp(analysis.onsets)) if len(analysis.onsets) else 0.0
    return (len(analysis.harmonies) - 1) * analysis.bar / beats if beats else math.nan


def cadences(analysis: Analysis) -> float:
    """Changes of harmony from V (a major chord or a dominant seventh) to I of the piece's key. Share, 0-1."""
    dominant = (analysis.key + _FIFTH) % _OCTAVE
    return _share([_falls(a, b) and a.root == dominant and _is_dominant(a) for a, b in _changes(analysis)])


def falling_fifths(analysis: Analysis) -> float:
    """Changes of harmony whose root falls a fifth. Share, 0-1."""
    return _share([_falls(a, b) for a, b in _changes(analysis)])


def roots_by_step(analysis: Analysis) -> float:
    """Changes of harmony whose root moves by one or two semitones. Share, 0-1."""
    return _share([(b.root - a.root) % _OCTAVE in (1, 2, 10, 11) for a, b in _changes(analysis)])


def plain_triads(analysis: Analysis) -> float:
    """Time in major and minor triads. Share, 0-1."""
    return _time_in(analysis, ("", "m"))


def root_position(analysis: Analysis) -> float:
    """Harmonies whose bass is their root. Share, 0-1."""
    return _share([chord.bass == chord.root for chord in analysis.harmonies if chord.kind is not None])


def different_chords(analysis: Analysis) -> float:
    """Different chords over all chords that are named. Share, 0-1."""
    named = [(chord.root, chord.kind) for chord in analysis.harmonies if chord.kind is not None]
    return len(set(named)) / len(named) if named else math.nan


def clear_key(analysis: Analysis) -> float:
    """Correlation with the best of the 24 key profiles. -1 to 1."""
    return float(key_correlations(analysis.piece).max()) if len(analysis.pitches) else math.nan


def notes_in_key(analysis: Analysis) -> float:
    """Notes in the scale of the key, for minor in any of its three forms. Share, 0-1."""
    scale = _MAJOR if analysis.key < _OCTAVE else _MINOR
    return _share(np.isin((analysis.pitches - analysis.key) % _OCTAVE, scale))


def pitch_class_entropy(analysis: Analysis) -> float:
    """Entropy of the pitch classes. Bits, 0-3.58."""
    return _entropy(analysis.pitches % _OCTAVE)


# --- hands and texture ---------------------------------------------------------------------------------------------


def most_at_once(analysis: Analysis) -> float:
    """The most pitches that sound at one moment. Count, 1 upwards."""
    return max((float(len(pitches)) for pitches in analysis.sounding), default=math.nan)


def mean_sounding(analysis: Analysis) -> float:
    """Mean number of pitches that sound at a moment. Count, 1 upwards."""
    return _mean([len(pitches) for pitches in analysis.sounding])


def mean_struck(analysis: Analysis) -> float:
    """Mean number of notes that are struck at a moment. Count, 1 upwards."""
    return _mean([len(chord) for chord in analysis.struck])


def single_notes(analysis: Analysis) -> float:
    """Moments at which one note is struck. Share, 0-1."""
    return _share([len(chord) == 1 for chord in analysis.struck])


def wide_hands(analysis: Analysis) -> float:
    """Chords of one hand that span more than an octave. Share, 0-1."""
    chords = [analysis.pitches[chord] for hand in (RIGHT, LEFT) for chord in analysis.of_hand(hand) if len(chord) > 1]
    return _share([np.ptp(chord) > _OCTAVE for chord in chords])


def left_notes(analysis: Analysis) -> float:
    """Notes of the left hand. Share, 0-1."""
    return _share(analysis.hands == LEFT)


def left_chords(analysis: Analysis) -> float:
    """Moments of the left hand with more than one note. Share, 0-1."""
    return _share([len(chord) > 1 for chord in analysis.of_hand(LEFT)])


def right_chords(analysis: Analysis) -> float:
    """Moments of the right hand with more than one note. Share, 0-1."""
    return _share([len(chord) > 1 for chord in analysis.of_hand(RIGHT)])


def hands_together(analysis: Analysis) -> float:
    """Moments at which both hands strike. Share, 0-1."""
    return _share([len(set(analysis.hands[chord].tolist())) == 2 for chord in analysis.struck])


def between_hands(analysis: Analysis) -> float:
    """Mean pitch of the right hand less that of the left. Semitones."""
    return _mean(analysis.pitches[analysis.hands == RIGHT]) - _mean(analysis.pitches[analysis.hands == LEFT])


def left_patterns_again(analysis: Analysis) -> float:
    """Four notes of the bass in a row (three intervals, three times) that came before. Share, 0-1."""
    return _again(_motifs(analysis.bass, 3))


def left_rhythms_again(analysis: Analysis) -> float:
    """Rhythms of four notes of the bass that came before. Share, 0-1."""
    return _again(_runs(analysis.bass.steps, 3))


def bass_repeats(analysis: Analysis) -> float:
    """Moments of the left hand whose lowest note is that of the moment before, or an octave of it. Share, 0-1."""
    return _share(analysis.bass.intervals % _OCTAVE == 0)


def bass_leaps(analysis: Analysis) -> float:
    """Intervals of the bass of more than an octave. Share, 0-1."""
    return _share(np.abs(analysis.bass.intervals) > _OCTAVE)


def bass_in_chord(analysis: Analysis) -> float:
    """Notes of the bass that belong to the harmony they stand in. Share, 0-1."""
    return _in_harmony(analysis, analysis.bass)


# --- register ------------------------------------------------------------------------------------------------------


def mean_pitch(analysis: Analysis) -> float:
    """Mean pitch. MIDI number, 0-127."""
    return _mean(analysis.pitches)


def pitch_range(analysis: Analysis) -> float:
    """From the 10th to the 90th percentile of the pitches. Semitones, 0-127."""
    return _spread(analysis.pitches)


def high_notes(analysis: Analysis) -> float:
    """Notes above B5. Share, 0-1."""
    return _share(analysis.pitches > _B5)


def lowest_pitch(analysis: Analysis) -> float:
    """The lowest pitch. MIDI number, 0-127."""
    return float(analysis.pitches.min()) if len(analysis.pitches) else math.nan


def different_pitches(analysis: Analysis) -> float:
    """Entropy of the pitches. Bits, 0-7."""
    return _entropy(analysis.pitches)


DESCRIPTORS: Mapping[str, Descriptor] = {
    descriptor.__name__: descriptor
    for descriptor in (
        motifs_again, motifs_of_four_again, contours_again, rhythms_again, tune_steps, tune_repeats, tune_leaps,
        tune_leaps_recovered, tune_turns, tune_range, tune_notes, tune_in_chord,
        length_entropy, time_entropy, commonest_time, all_rhythms_again, tune_time_entropy, on_beats, on_eighths,
        on_sixteenths, on_triplets, mean_length, length_spread, legato, silence, bars_alike, tempo, notes_per_second,
        moments_per_beat, density_variation,
        minor_ninths, struck_semitones, low_seconds, consonance, thirds_and_sixths, chord_changes, cadences,
        falling_fifths, roots_by_step, plain_triads, root_position, different_chords, clear_key,
        notes_in_key, pitch_class_entropy,
        most_at_once, mean_sounding, mean_struck, single_notes, wide_hands, left_notes, left_chords, right_chords,
        hands_together, between_hands, left_patterns_again, left_rhythms_again, bass_repeats, bass_leaps, bass_in_chord,
        mean_pitch, pitch_range, high_notes, lowest_pitch, different_pitches,
    )
}  # fmt: skip
"""Name → descriptor."""


# --- what they are made of -----------------------------------------------------------------------------------------


def _mean(values: ArrayLike) -> float:
    found = np.asarray(values, dtype=np.float64)
    return float(found.mean()) if found.size else math.nan


_share = _mean  # of truths


def _spread(values: NDArray[np.int64]) -> float:
    return float(np.subtract(*np.percentile(values, (90, 10)))) if len(values) else math.nan


def _twelfths(beats: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.rint(beats * _PLACES).astype(np.int64)


def _entropy(values: ArrayLike) -> float:
    found = np.asarray(values)
    if not found.size:
        return math.nan
    share = np.unique(found, return_counts=True)[1] / found.size
    return float(-(share * np.log2(share)).sum()) + 0.0


def _commonest(values: NDArray[np.int64]) -> float:
    return float(np.unique(values, return_counts=True)[1].max() / len(values)) if len(values) else math.nan


def _runs(values: NDArray[np.int64], length: int) -> list[tuple[int, ...]]:
    """All stretches of so many neighbours."""
    return [tuple(values[at : at + length].tolist()) for at in range(len(values) - length + 1)]


def _motifs(line: Line, steps: int) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Intervals and times of all stretches of ``steps`` + 1 notes."""
    return list(zip(_runs(line.intervals, steps), _runs(line.steps, steps), strict=True))


def _again(things: Iterable[Hashable]) -> float:
    """Share of things that equal an earlier one; NaN for none."""
    counts = Counter(things)
    total = sum(counts.values())
    return 1.0 - len(counts) / total if total else math.nan


def _between(pitches: NDArray[np.int64]) -> NDArray[np.int64]:
    """Semitones between all pairs of pitches given from low to high."""
    rows, columns = _pairs(len(pitches))
    return pitches[columns] - pitches[rows]


@lru_cache(maxsize=64)  # asked for at every moment of a piece
def _pairs(count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The indices of all pairs of so many things, the first of each below the second."""
    return np.triu_indices(count, k=1)


def _changes(analysis: Analysis) -> list[tuple[Chord, Chord]]:
    """Neighbouring harmonies that both have a name."""
    return [(a, b) for a, b in pairwise(analysis.harmonies) if a.kind is not None and b.kind is not None]


def _falls(a: Chord, b: Chord) -> bool:
    return (a.root - b.root) % _OCTAVE == _FIFTH


def _is_dominant(chord: Chord) -> bool:
    return chord.kind is not None and chord.kind.suffix in ("", "7")


def _time_in(analysis: Analysis, suffixes: Sequence[str | None]) -> float:
    """Share of the time in chords of some kinds, ``None`` for no chord."""
    beats = analysis.spans[:, 1] - analysis.spans[:, 0]
    kinds = [chord.kind.suffix if chord.kind else None for chord in analysis.harmonies]
    if not len(analysis.pitches) or not beats.sum():
        return math.nan
    return float(beats[[kind in suffixes for kind in kinds]].sum() / beats.sum())


def _in_harmony(analysis: Analysis, line: Line) -> float:
    """Share of a line's notes that belong to the chord they begin in, where there is one."""
    inside = []
    places = np.searchsorted(analysis.spans[:, 0], line.onsets + 1 / 24, side="right") - 1
    for place, pitch in zip(places.tolist(), line.pitches.tolist(), strict=True):
        chord = analysis.harmonies[max(place, 0)]
        if chord.kind is not None:
            inside.append((pitch - chord.root) % _OCTAVE in chord.kind.notes)
    return _share(inside)
