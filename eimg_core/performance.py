"""A pianist: a score on the grid with flat velocities becomes a performance that carries an emotion.

Conventions: times are seconds, loudness is in MIDI velocity steps, emotion is on 1-9. An *onset* is a moment at which
notes start together, the *melody* is the top voice. Each rule is one function, whose first line names the rule or the
study that it follows; ``perform`` puts them together.

The rules come from the KTH system (Friberg, Bresin and Sundberg 2006) and from CMERS (Livingstone et al. 2010, the
paper's reference 42), what emotion does to them from Bresin and Friberg (2000): excited music is loud, even, detached
and steady, calm music soft, legato and free. In CMERS tempo, mode and register are rules too; here they are composed.

How far the rules go was measured on the 872 training clips of EMOPIA (Hung et al. 2021; piano covers with velocities
and pedal), calm against excited half. `python -m train.performance` prints these numbers, and ours beside them:

======================================================  =====  =======
measured                                                 calm  excited
======================================================  =====  =======
velocity, mean of a clip                                 53.5     78.3
velocity, standard deviation in a clip                   12.9     11.0
velocity, the same of means over 2 s                      5.9      4.8
velocity, the same of the means of clips                 10.4     11.1
loudness with our piano, LUFS                           -24.6    -16.1
melody over accompaniment, steps                         12.4      8.0
melody over accompaniment (regression)                   12.6      7.8
steps per semitone, melody (regression)                  0.84     0.44
steps per semitone, accompaniment (regression)           0.61     0.24
steps per doubled wait for the next onset (regression)    0.9      1.9
steps per doubled number of notes struck (regression)     1.3      2.0
steps on the beat (regression)                            1.2      2.5
melody lead, ms                                           2.3      1.1
spread of the accompaniment of a chord, ms                8.7      7.3
onsets around the nearest sixteenth, ms                  15.2     14.7
pedal, share of time                                     0.83     0.74
pedal, strokes per second                                0.55     0.70
pedal, ms up between two strokes                          139      165
pedal, ms up after the onset it belongs to                 19        0
======================================================  =====  =======

Valence moved none of the velocities there (54 and 53 in the calm half, 78 and 79 in the excited one), so it does not
move ours; it shows in the touch, by the literature. Lengths of notes were not measured: in transcribed recordings a
note lasts as long as its pedal. All rules of loudness together are scaled to the standard deviation in a clip, whether
the score is flat or has accents of its own; of what the regression leaves unexplained (9 steps) some three quarters
are then chance. Of the deviation between the clips of one half (10 to 11 steps), arousal itself gives ours some 7; the
level of the score and chance add the rest. The melody led by 2 ms in these transcriptions and leads by 20 to 30 ms on
measured pianos (Goebl 2001); we stay between.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eimg_core.emotion import HIGH, LOW, MIDDLE, VA
from eimg_core.midi.notes import Note, Pedal, Piece

__all__ = ["perform"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

ONE_CHORD_S = 0.005  # notes closer than this belong together
MELODY_REACH = 12  # semitones below the middle of the top notes: what is lower accompanies
MELODY_OVERLAP_S = 0.05  # a legato

CALM, EXCITED = 3.0, 7.0  # arousal in the middle of each half of the scale, where EMOPIA's halves are placed


class Amount(NamedTuple):
    """How strong a rule is in calm and in excited music: a line through both, never below zero."""

    calm: float
    excited: float

    def at(self, va: VA) -> float:
        share = (va.arousal - CALM) / (EXCITED - CALM)
        return max(0.0, self.calm + (self.excited - self.calm) * share)


# Loudness, in velocity steps
LEVEL = Amount(53.5, 78.3)
LEVEL_SD = 6.0  # from one performance to the next
WRITTEN_LEVEL_SHARE = 0.25  # of what the mean of the score is above or below the level of the emotion
SPREAD = Amount(12.9, 11.0)  # standard deviation in a piece
LEAST_SCALED, MOST_SCALED = 0.75, 1.4  # on the way there: a piece without contrasts stays more even than others
MELODY_OVER_ACCOMPANIMENT = Amount(12.6, 7.8)
LEAST_ON_AVERAGE = Amount(12.4, 8.0)  # of the melody over the accompaniment, with all other accents
PER_MELODY_SEMITONE = Amount(0.84, 0.44)
PER_ACCOMPANIMENT_SEMITONE = Amount(0.61, 0.24)
PER_DOUBLED_LENGTH = Amount(0.9, 1.9)
PER_DOUBLED_CHORD = Amount(1.3, 2.0)
BEAT_ACCENT = Amount(1.2, 2.5)
PHRASE_SWELL = Amount(6.0, 5.0)  # between the middle and the peak of an arch; see the means over 2 s
FINAL_SOFTENING = Amount(9.0, 3.0)
TOUCH = 5.5  # standard deviation
WRITTEN_SHARE = 0.5  # of the accents that the score has of its own
SOFTEST, LOUDEST = 20, 115

# Time, in seconds
TIMEKEEPER_S = Amount(0.009, 0.007)  # standard deviations
MOTOR_S = Amount(0.004, 0.003)
STEADY_GAP_S = 0.25  # the hands err less in faster music
LEAD_PER_STEP_S = 0.0012  # how much later a key speaks that is struck one step softer
LONGEST_LEAD_S = 0.030
ARCH_DEPTH = Amount(0.12, 0.05)  # slower by two thirds of it where phrases meet, faster by one third at their peaks
FINAL_TEMPO = Amount(0.66, 0.82)  # at the last onset, relative to the tempo before
RITARDANDO_CURVE = 3.0  # q of Friberg and Sundberg (1999): a runner who stops
PHRASE_S = 7.0

# Touch
LENGTH = Amount(1.08, 0.88)  # of what is written
LENGTH_PER_VALENCE = -0.015  # per point, at the highest arousal: joy is more detached than anger
MOST_SHORTENED_S = 0.15
MOST_LENGTHENED_S = 0.08  # a key that is up before the pedal comes down again does not blur the next harmony
REPEAT_GAP_S = 0.03
SHORTEST_NOTE_S = 0.03

# Pedal, in seconds
PEDAL_LATE_S = Amount(0.020, 0.0)
PEDAL_GAP_S = Amount(0.140, 0.165)
SHORTEST_STROKE_S = 0.35
LONGEST_STROKE_S = 4.0
AFTER_LAST_KEY_S = 0.25  # a written rest is heard
LEAST_RING_S = 1.0  # after the last onset
MUD_ON_BEAT, MUD_OFF_BEAT = 1.0, 0.5  # a clash in the accompaniment; between beats it may be a passing note
MUD_OF_MELODY = 0.2  # high notes die away soon
BASS_BELOW = 60


def perform(piece: Piece, va: VA, seed: int = 0, *, mood: float = 1.0) -> Piece:
    """Play a score as a pianist would who wants to convey ``va``.

    Every note is played and keeps its pitch, onsets keep their order, and the piece ends when it did: a ritardando
    takes its time from the rest. A key is up before it is struck again; two voices that share one key at one moment
    stay one blow. The pedal may ring on, at most a second longer than the notes.

    Args:
        piece: notes on the grid of its tempo and meter, the first bar at 0 s. Accents that its velocities have are
            kept by half, their mean by a quarter; its pedal is replaced.
        va: the emotion; points outside the plane count as the nearest inside.
        seed: for everything that is left to chance, 0 or more. The same arguments give the same performance.
        mood: how far the playing follows the emotion: 0 plays as at the middle of the plane, 1 as at ``va``, more
            exaggerates.
    Returns:
        The performance, with the tempo and meter of the score. An empty piece is returned as it is.
    Raises:
        ValueError: ``mood`` is negative or not finite, or the seed is negative.
    """
    if not 0 <= mood < math.inf:
        raise ValueError(f"mood must be 0 or more, got {mood}")
    rng = np.random.default_rng(seed)
    if not piece.notes:
        return piece
    feeling = VA(MIDDLE + mood * (va.valence - MIDDLE), MIDDLE + mood * (va.arousal - MIDDLE)).clamped()
    score = _read(piece)
    velocity = _velocities(score, feeling, rng)
    onsets = _tempo_curve(score, feeling)(score.onsets)
    start = _starts(score, feeling, onsets, velocity, rng)
    end = _ends(score, feeling, start)
    notes = (
        Note(float(s), note.pitch, float(e), int(v))
        for note, s, e, v in zip(piece.notes, start, end, velocity, strict=True)
    )
    return replace(piece, notes=tuple(notes), pedals=_pedal(score, feeling, onsets, end))


# --- reading the score ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Score:
    """What the rules look at: N notes that start at K onsets.

    Args:
        start, end, pitch, velocity: of each note, (N,).
        onset_of: which onset each note belongs to, (N,).
        onsets: seconds, (K,), rising.
        melody: whether a note is in the top voice, (N,).
        blow: the note that stands for the blow, (N,): itself but where two voices share a key.
        phrases: seconds, where phrases meet, from 0 to the end of the piece, (P + 1,).
        peaks: seconds, the summit of each phrase, (P,).
        length_s: when the piece ends or, a loop, begins again.
        loops: whether it does, so that nothing in it is an end.
    """

    start: Floats
    end: Floats
    pitch: Ints
    velocity: Floats
    onset_of: Ints
    onsets: Floats
    melody: NDArray[np.bool_]
    blow: Ints
    phrases: Floats
    peaks: Floats
    beat_s: float
    beats_per_bar: int
    length_s: float
    loops: bool

    @property
    def bar_s(self) -> float:
        return self.beat_s * self.beats_per_bar

    def gaps(self, onsets: Floats) -> Floats:
        """Time from each onset to the next one, the last to the end of the piece: (K,)."""
        return np.diff(onsets, append=self.length_s)


def _read(piece: Piece) -> _Score:
    start, pitch, end, velocity = np.array([(n.start_s, n.pitch, n.end_s, n.velocity) for n in piece.notes]).T
    pitch = pitch.astype(np.int64)
    held: dict[int, float] = {}
    for note, key in enumerate(pitch.tolist()):  # a key struck again while it is down stays down as long as either says
        end[note] = held[key] = max(end[note], held.get(key, 0.0))
    opens = np.diff(start, prepend=-1.0) > ONE_CHORD_S
    onset_of = np.cumsum(opens) - 1
    _, from_end, blow = np.unique((onset_of * 128 + pitch)[::-1], return_index=True, return_inverse=True)
    melody = _top_voice(onset_of, start, end, pitch)
    beat_s = piece.seconds_per_beat * 4 / piece.meter[1]
    onsets, length_s = start[opens], max(piece.length_s, float(end.max()))
    phrases = _phrases(onsets, _silences(onsets, onset_of, end), onset_of[melody], length_s, beat_s, piece.meter[0])
    return _Score(
        start=start,
        end=end,
        pitch=pitch,
        velocity=velocity,
        onset_of=onset_of,
        onsets=onsets,
        melody=melody,
        blow=(len(start) - 1 - from_end)[blow][::-1],
        phrases=phrases,
        peaks=_peaks(phrases, start[melody], pitch[melody]),
        beat_s=beat_s,
        beats_per_bar=piece.meter[0],
        length_s=length_s,
        loops=piece.loop_s is not None,
    )


def _top_voice(onset_of: Ints, start: Floats, end: Floats, pitch: Ints) -> NDArray[np.bool_]:
    """The skyline: the highest note of an onset, unless a higher one still sounds or it lies far below the others."""
    top = np.lexsort((pitch, onset_of))[np.append(np.flatnonzero(np.diff(onset_of)), -1)]
    floor = np.median(pitch[top]) - MELODY_REACH
    melody = np.zeros(len(pitch), dtype=bool)
    until, height = -math.inf, 0
    for note in top[pitch[top] >= floor]:
        if pitch[note] >= height or start[note] > until - MELODY_OVERLAP_S:
            melody[note] = True
            until, height = end[note], pitch[note]
    return melody


def _silences(onsets: Floats, onset_of: Ints, end: Floats) -> Floats:
    """How long no key has been down when an onset comes: (K,), 0 for the first."""
    sounding = np.maximum.accumulate(end)[np.flatnonzero(np.diff(onset_of))]  # (K - 1,)
    return np.concatenate([[0.0], np.maximum(0.0, onsets[1:] - sounding)])


def _phrases(
    onsets: Floats, silences: Floats, melody: Ints, length_s: float, beat_s: float, beats_per_bar: int
) -> Floats:
    """Where phrases meet: every so many bars, moved to a rest or to the end of a long note where one is near."""
    bar_s = beat_s * beats_per_bar
    phrase_s = bar_s * 2.0 ** round(math.log2(PHRASE_S / bar_s))
    times = onsets[melody]
    pull = (np.diff(times, prepend=times[0]) + 2 * silences[melody]) / beat_s
    bounds = [0.0]
    while length_s - bounds[-1] > 1.5 * phrase_s:
        wanted = bounds[-1] + phrase_s
        distance = np.abs(times - wanted) / phrase_s
        near = np.flatnonzero(distance < 1 / 3)
        bounds.append(float(times[near[np.argmax((pull - 6 * distance)[near])]]) if len(near) else wanted)
    return np.array([*bounds, length_s])


def _peaks(phrases: Floats, start: Floats, pitch: Ints) -> Floats:
    """The highest melody note of each phrase, kept away from its edges: where the phrase swells to."""
    peaks = []
    for a, b in pairwise(phrases):
        inside = np.flatnonzero((start >= a) & (start < b))
        highest = start[inside[np.argmax(pitch[inside])]] if len(inside) else a
        peaks.append(np.clip(highest, a + 0.35 * (b - a), a + 0.75 * (b - a)))
    return np.array(peaks)


def _arch(score: _Score, times: Floats) -> Floats:
    """0 at the peak of a phrase, rising as a parabola to 1 at its edges (Todd 1992; KTH, Phrase arch)."""
    phrase = np.clip(np.searchsorted(score.phrases, times, side="right") - 1, 0, len(score.peaks) - 1)
    peak = score.peaks[phrase]
    edge = np.where(times < peak, score.phrases[phrase], score.phrases[phrase + 1])
    return ((times - peak) / (edge - peak)) ** 2


# --- loudness ---------------------------------------------------------------------------------------------------


def _velocities(score: _Score, va: VA, rng: np.random.Generator) -> Ints:
    """The rules of loudness around a level, so that their mean is the level whatever they do."""
    around = level(score, va, rng)
    shape = sum((rule(score, va, rng) for rule in LOUDNESS_RULES), np.zeros(len(score.pitch)))
    shape += voicing(score, va, shape)
    velocity = around + contrast(shape - shape.mean(), va)
    return np.rint(np.clip(velocity, SOFTEST, LOUDEST)).astype(np.int64)[score.blow]


def level(score: _Score, va: VA, rng: np.random.Generator) -> float:
    """The mean of the piece: that of the emotion, moved a little towards that of the score, and a little by chance.

    A score whose velocities are all alike says nothing of its level.
    """
    usual = LEVEL.at(va)
    written = score.velocity.mean() - usual if np.ptp(score.velocity) else 0.0
    return usual + WRITTEN_LEVEL_SHARE * float(written) + LEVEL_SD * float(np.clip(rng.standard_normal(), -2, 2))


def contrast(shape: Floats, va: VA) -> Floats:
    """What the rules say, with as much contrast as people play, however much of it the score asked for."""
    spread = float(shape.std())
    return shape * np.clip(SPREAD.at(va) / spread, LEAST_SCALED, MOST_SCALED) if spread else shape


def written_accents(score: _Score, va: VA, rng: np.random.Generator) -> Floats:
    """What the score itself wants louder or softer."""
    return np.clip(WRITTEN_SHARE * (score.velocity - score.velocity.mean()), -12, 12)


def high_loud(score: _Score, va: VA, rng: np.random.Generator) -> Floats:
    """KTH, High-loud: the higher in its voice, the louder, so that lines swell to their peaks."""
    steps = np.zeros(len(score.pitch))
    for voice, slope in ((score.melody, PER_MELODY_SEMITONE), (~score.melody, PER_ACCOMPANIMENT_SEMITONE)):
        if voice.any():
            height = score.pitch[voice] - score.pitch[voice].mean()
            steps[voice] = slope.at(va) * np.clip(height, -15, 15)
    return steps


def duration_accent(score: _Score, va: VA, rng: np.random.Generator) -> Floats:
    """KTH, Duration contrast: what is followed by a long wait is louder than what hurries on."""
    gaps = np.clip(score.gaps(score.onsets), 0.05, 2.0)
    return PER_DOUBLED_LENGTH.at(va) * np.log2(gaps)[score.onset_of]


def chord_accent(score: _Score, va: VA, rng: np.random.Generator) -> Floats:
    """Full chords are louder than single notes."""
    return PER_DOUBLED_CHORD.at(va) * np.log2(np.bincount(score.onset_of))[score.onset_of]


def metric_accent(score: _Score, va: VA, rng: np.random.Generator) -> Floats:
    """Beats over what lies between them, strong beats over weak ones, the downbeat most (Sloboda 1983)."""
    beats = score.onsets / score.beat_s
    on_beat = np.abs(beats - np.round(beats)) < 0.05
    in_bar = np.round(beats).astype(int) % score.beats_per_bar
    weight = np.select([in_bar == 0, _is_strong(in_bar, score.beats_per_bar)], [2.0, 1.5], 1.0)
    return BEAT_ACCENT.at(va) * np.where(on_beat, weight, 0.0)[score.onset_of]


def _is_strong(in_bar: Ints, beats_per_bar: int) -> NDArray[np.bool_]:
    """Downbeats, and where a bar divides into groups the first beat of each: 2 + 2, 3 + 3, and 3 + 2 for five."""
    group = {4: 2, 5: 3, 6: 3, 8: 4, 9: 3, 12: 3}.get(beats_per_bar, beats_per_bar)
    return in_bar % group == 0


def phrase_swell(score: _Score, va: VA, rng: np.random.Generator) -> Floats:
    """KTH, Phrase arch: a crescendo to the peak of the phrase and a diminuendo to its end."""
    return PHRASE_SWELL.at(va) * (1 - 2 * _arch(score, score.start))


def final_softening(score: _Score, va: VA, rng: np.random.Generator) -> Floats:
    """A diminuendo over the last two bars, to the last onset."""
    if score.loops:
        return np.zeros_like(score.start)
    last = score.onsets[-1]
    return -FINAL_SOFTENING.at(va) * np.clip(1 - (last - score.start) / (2 * score.bar_s), 0, 1)


def touch(score: _Score, va: VA, rng: np.random.Generator) -> Floats:
    """KTH, Noise control: no two keys are struck alike; half of the unevenness drifts, half is new in each note."""
    drift = _drift(len(score.onsets), 0.8, rng)[score.onset_of]
    return TOUCH * math.sqrt(0.5) * (drift + rng.standard_normal(len(score.pitch)))


def voicing(score: _Score, va: VA, shape: Floats) -> Floats:
    """Bring out the melody (Palmer 1996), the more where the accents ``shape`` of chords and beats would drown it."""
    if score.melody.all():
        return np.zeros_like(shape)
    over = shape[score.melody].mean() - shape[~score.melody].mean()
    return np.where(score.melody, max(MELODY_OVER_ACCOMPANIMENT.at(va), LEAST_ON_AVERAGE.at(va) - over), 0.0)


LoudnessRule = Callable[[_Score, VA, np.random.Generator], Floats]
LOUDNESS_RULES: tuple[LoudnessRule, ...] = (
    written_accents,
    high_loud,
    duration_accent,
    chord_accent,
    metric_accent,
    phrase_swell,
    final_softening,
    touch,
)


def _drift(count: int, memory: float, rng: np.random.Generator) -> Floats:
    """A random walk that is drawn back to 0, with variance 1: (count,)."""
    steps = rng.standard_normal(count)
    steps[1:] *= math.sqrt(1 - memory**2)
    for i in range(1, count):
        steps[i] += memory * steps[i - 1]
    return steps


# --- time -------------------------------------------------------------------------------------------------------


def _tempo_curve(score: _Score, va: VA) -> Callable[[Floats], Floats]:
    """From seconds of the score to seconds of the performance; both end at the same moment."""
    grid = np.linspace(0.0, score.length_s, max(3, math.ceil(score.length_s / 0.05)))
    slowness = phrase_rubato(score, va, grid) * final_ritardando(score, va, grid)
    clock = np.concatenate([[0.0], np.cumsum((slowness[1:] + slowness[:-1]) / 2)])
    clock *= score.length_s / clock[-1]
    return lambda times: np.interp(times, grid, clock)


def phrase_rubato(score: _Score, va: VA, times: Floats) -> Floats:
    """KTH, Phrase arch: on to the peak of the phrase, and time taken where it ends."""
    return 1 + ARCH_DEPTH.at(va) * (_arch(score, times) - 1 / 3)


def final_ritardando(score: _Score, va: VA, times: Floats) -> Floats:
    """KTH, Final ritard: tempo v(x) = (1 + (w^q - 1) x)^(1/q), for x from 0 to 1 over the last two bars.

    w is the tempo reached at the last onset (Friberg and Sundberg 1999).
    """
    last = float(score.onsets[-1])
    span = min(2 * score.bar_s, 0.2 * last)
    if span == 0 or score.loops:
        return np.ones_like(times)
    x = np.clip((times - (last - span)) / span, 0, 1)
    w = min(1.0, FINAL_TEMPO.at(va))
    return (1 + (w**RITARDANDO_CURVE - 1) * x) ** (-1 / RITARDANDO_CURVE)


def _starts(score: _Score, va: VA, onsets: Floats, velocity: Ints, rng: np.random.Generator) -> Floats:
    """Each note around its onset, less than half way to the onsets beside it, so that none overtakes another."""
    after = score.gaps(onsets)
    before = np.concatenate([[2 * onsets[0]], after[:-1]])
    calm = np.minimum(1.0, np.minimum(before, after) / STEADY_GAP_S)
    calm[0] = 0.0  # nobody can tell whether the first onset is in time
    moved = melody_lead(score, velocity) + (calm[score.onset_of] * unsteadiness(score, va, rng))
    moved = np.clip(moved, -0.45 * before[score.onset_of], 0.45 * after[score.onset_of])
    return (onsets[score.onset_of] + moved)[score.blow]


def unsteadiness(score: _Score, va: VA, rng: np.random.Generator) -> Floats:
    """KTH, Noise control: a clock that drifts from onset to onset, and fingers that are never quite together."""
    clock = TIMEKEEPER_S.at(va) * _drift(len(score.onsets), 0.5, rng)
    return clock[score.onset_of] + MOTOR_S.at(va) * rng.standard_normal(len(score.pitch))


def melody_lead(score: _Score, velocity: Ints) -> Floats:
    """The melody comes first: a softer hammer travels longer than the melody's (Goebl 2001).

    Onsets without a melody note are in time.
    """
    leader = np.zeros(len(score.onsets), dtype=np.int64)
    leader[score.onset_of[score.melody]] = velocity[score.melody]
    return np.clip(LEAD_PER_STEP_S * (leader[score.onset_of] - velocity), 0.0, LONGEST_LEAD_S)


# --- touch ------------------------------------------------------------------------------------------------------


def _articulation(va: VA) -> float:
    """Sounding over written length, about 0.7-1.2: joy and anger are detached, sadness and tenderness legato.

    Bresin and Friberg (2000); the range from mezzo staccato to legato follows Bresin and Battel (2000).
    """
    excitement = (va.arousal - LOW) / (HIGH - LOW)
    return LENGTH.at(va) + LENGTH_PER_VALENCE * (va.valence - MIDDLE) * excitement


def _ends(score: _Score, va: VA, start: Floats) -> Floats:
    """KTH, Overall articulation and Repetition articulation; what is written to the end of the piece rings to it."""
    written = score.end - score.start
    change = np.clip((_articulation(va) - 1) * written, -MOST_SHORTENED_S, MOST_LENGTHENED_S)
    end = np.minimum(start + np.maximum(written + change, SHORTEST_NOTE_S), score.length_s)
    end[score.end > score.length_s - 0.02] = score.length_s
    struck_next: dict[int, float] = {}
    for note in range(len(start) - 1, -1, -1):
        if score.blow[note] == note:
            key = int(score.pitch[note])
            again = struck_next.get(key, math.inf)
            end[note] = min(end[note], again - min(REPEAT_GAP_S, 0.3 * (again - start[note])))
            struck_next[key] = start[note]
    return end[score.blow]


# --- pedal ------------------------------------------------------------------------------------------------------


def _pedal(score: _Score, va: VA, onsets: Floats, end: Floats) -> tuple[Pedal, ...]:
    """Legato pedalling: up as a new harmony is struck, down again once it sounds, and down to the end.

    In detached music the foot comes up early as the fingers do, and strokes too short to be one are left out.
    """
    late, gap = PEDAL_LATE_S.at(va), PEDAL_GAP_S.at(va)
    hold = min(1.0, (1 + _articulation(va)) / 2)
    after = score.gaps(onsets)
    rests = _rests(score, onsets, end)
    changes = _pedal_changes(score, onsets, set(rests))
    strokes = []
    for a, b in pairwise([*changes, None]):
        down = onsets[a] + late + min(gap, 0.6 * after[a]) if a else onsets[0]
        down = max(down, end[score.end <= score.onsets[a] + ONE_CHORD_S].max(initial=0.0))  # the old keys are up
        if b is None:
            up = score.length_s if score.loops else max(score.length_s, onsets[-1] + LEAST_RING_S)
            strokes.append(Pedal(float(down), float(up)))
            break
        up = down + hold * (onsets[b] + late - down)
        up = min(up, rests.get(b, math.inf))
        if up - down >= SHORTEST_STROKE_S:
            strokes.append(Pedal(float(down), float(up)))
    return tuple(strokes)


def _rests(score: _Score, onsets: Floats, end: Floats) -> dict[int, float]:
    """Onsets that follow a rest of a beat or more → when the pedal is up before them."""
    silences = _silences(onsets, score.onset_of, end)
    found = np.flatnonzero(silences > max(score.beat_s, 2 * AFTER_LAST_KEY_S))
    return {int(k): float(onsets[k] - silences[k]) + AFTER_LAST_KEY_S for k in found}


class _Struck(NamedTuple):
    """At one onset: the pitch classes of the accompaniment and of the melody, and the bass where there is one."""

    chord: frozenset[int]
    melody: frozenset[int]
    bass: int | None


def _struck(score: _Score) -> list[_Struck]:
    onsets = []
    bounds = np.searchsorted(score.onset_of, np.arange(len(score.onsets) + 1)).tolist()
    notes = list(zip(score.pitch.tolist(), score.melody.tolist(), strict=True))
    for first, last in pairwise(bounds):
        low = [pitch for pitch, is_melody in notes[first:last] if not is_melody]
        high = frozenset(pitch % 12 for pitch, is_melody in notes[first:last] if is_melody)
        bass = min((pitch for pitch in low if pitch < BASS_BELOW), default=None)
        onsets.append(_Struck(frozenset(pitch % 12 for pitch in low), high, bass))
    return onsets


def _pedal_changes(score: _Score, onsets: Floats, after_rest: set[int]) -> list[int]:
    """The onsets at which the pedal is changed, the first included.

    It changes with the bar, after a rest, with the bass on a beat, before four seconds are over, and when what is
    struck would blur what is held (see ``_blur``).
    """
    beats = score.onsets / score.beat_s
    bars = np.floor(beats / score.beats_per_bar + 0.02).astype(int).tolist()
    on_beat = np.abs(beats - np.round(beats)) < 0.1
    strong = on_beat & _is_strong(np.round(beats).astype(int) % score.beats_per_bar, score.beats_per_bar)
    next_onset = np.append(onsets[1:], onsets[-1])
    changes = [0]
    held, *struck = _struck(score)
    mud = 0.0
    for k, new in enumerate(struck, start=1):
        mud += _blur(new, held, MUD_ON_BEAT if on_beat[k] else MUD_OFF_BEAT)
        moves = new.bass is not None and held.bass is not None and (new.bass - held.bass) % 12 != 0
        foundation = moves and (strong[k] or (on_beat[k] and (new.bass or 0) < (held.bass or 0)))
        too_long = next_onset[k] - onsets[changes[-1]] > LONGEST_STROKE_S
        if bars[k] != bars[changes[-1]] or k in after_rest or foundation or too_long or mud >= 1:
            changes.append(k)
            held, mud = new, 0.0
        else:
            bass = new.bass if held.bass is None else held.bass
            held = _Struck(held.chord | new.chord, held.melody | new.melody, bass)
    return changes


def _blur(new: _Struck, held: _Struck, accompaniment: float) -> float:
    """How much is struck a semitone or a tone from what the pedal holds: the pedal changes when it adds up to 1.

    A clash within the accompaniment, a change of harmony, counts as ``accompaniment`` says.
    """
    steps = _clashes(new.melody, held.melody | held.chord) + _clashes(new.chord, held.melody)
    return accompaniment * _clashes(new.chord, held.chord) + MUD_OF_MELODY * steps


def _clashes(struck: frozenset[int], held: frozenset[int]) -> int:
    """How many of the struck pitch classes lie a semitone or a tone from a held one, and are not held themselves."""
    return sum(any((p - h) % 12 in (1, 2, 10, 11) for h in held) for p in struck - held)
