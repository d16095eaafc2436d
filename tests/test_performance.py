"""The pianist: every note is played, in order and in time, and the emotion is audible."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from eimg_core.emotion import VA
from eimg_core.midi.notes import Note, Pedal, Piece
from eimg_core.midi.reading import read_midi
from eimg_core.midi.writing import write_midi
from eimg_core.performance import perform
from eimg_core.sound.render import render
from tests.factories import make_piece

HAPPY, ANGRY, SAD, TENDER = VA(8, 7.5), VA(2, 7.5), VA(2, 2.5), VA(8, 2.5)
EMOTIONS = (HAPPY, ANGRY, SAD, TENDER, VA(5, 5), VA(1, 1), VA(9, 9))
PROGRESSION = ((48, 55, 64), (45, 52, 60), (41, 53, 57), (43, 50, 59))  # C, A minor, F, G
TUNE = (72, 74, 76, 74, 79, 77, 76)


def song(bars: int, tempo_bpm: float = 100.0, meter: tuple[int, int] = (4, 4)) -> Piece:
    """A chord in each bar under a melody in eighths that ends each fourth bar on a long note; flat, on the grid."""
    beat = 60 / tempo_bpm * 4 / meter[1]
    notes = []
    for bar in range(bars):
        start, length = bar * meter[0] * beat, meter[0] * beat
        chord = PROGRESSION[bar % 4]
        notes += [Note(start, pitch, start + length) for pitch in chord]
        if bar % 4 == 3:
            notes.append(Note(start, 74, start + length))
            continue
        for eighth in range(2 * meter[0]):
            at = start + eighth * beat / 2
            notes.append(Note(at, TUNE[(eighth + bar) % len(TUNE)], at + beat / 2))
    return Piece(tuple(notes), tempo_bpm, meter)


def dense(count: int = 400, seconds: float = 15.0) -> Piece:
    rng = np.random.default_rng(0)
    starts = np.sort(rng.integers(0, 240, count)) / 240 * seconds
    pitches = rng.integers(36, 96, count)
    notes = {
        (round(s, 4), int(p)): Note(round(s, 4), int(p), round(s + 0.3, 4))
        for s, p in zip(starts, pitches, strict=True)
    }
    return Piece(tuple(notes.values()), 120.0)


def repeated_keys() -> Piece:
    """One key again and again, held beyond its next stroke, and doubled by a second voice."""
    notes = [Note(0.25 * i, 60, 0.25 * i + 0.5) for i in range(40)]
    notes += [Note(0.5 * i, 60, 0.5 * i + 1.5) for i in range(20)] + [Note(0.0, 48, 10.0)]
    return Piece(tuple(notes))


def uneven() -> Piece:
    """Off the grid, with accents and pedal of its own."""
    rng = np.random.default_rng(1)
    starts = np.cumsum(rng.uniform(0.02, 0.6, 60))
    pitches, accents = rng.integers(40, 80, 60), [30, 70, 110] * 20
    notes = [Note(s, int(p), s + 0.4, v) for s, p, v in zip(starts, pitches, accents, strict=True)]
    return Piece(tuple(notes), 87.0, (3, 4), (Pedal(0.0, float(starts[-1])),))


PIECES = {
    "one note": Piece((Note(0.0, 60, 1.0),)),
    "one late note": Piece((Note(3.0, 60, 3.01),)),
    "one chord": Piece(tuple(Note(0.0, pitch, 2.0) for pitch in (48, 55, 64, 72))),
    "one line": Piece(tuple(Note(0.5 * i, 60 + i % 7, 0.5 * i + 0.5) for i in range(16))),
    "8 s": song(4, 120),
    "120 s": song(50, 100),
    "3/4": song(12, 140, (3, 4)),
    "5/4": song(8, 90, (5, 4)),
    "6/4": song(6, 60, (6, 4)),
    "6/8": song(8, 80, (6, 8)),
    "happy": make_piece(HAPPY, np.random.default_rng(2), 15),
    "sad": make_piece(SAD, np.random.default_rng(3), 15),
    "repeated keys": repeated_keys(),
    "uneven": uneven(),
    "dense": dense(),
}


@pytest.mark.parametrize("va", EMOTIONS, ids=str)
@pytest.mark.parametrize("name", PIECES)
def test_every_note_is_played_in_order_and_in_time(name, va):
    score = PIECES[name]
    played = perform(score, va, seed=4)
    assert Counter(n.pitch for n in played.notes) == Counter(n.pitch for n in score.notes)
    assert (played.tempo_bpm, played.meter) == (score.tempo_bpm, score.meter)
    assert all(1 <= note.velocity <= 127 and 0 <= note.start_s < note.end_s for note in played.notes)
    assert played.duration_s == pytest.approx(score.duration_s, abs=1e-6)
    assert all(p.end_s <= score.duration_s + 1.0 for p in played.pedals)
    assert_onsets_in_order(score, played)
    assert_no_key_is_struck_while_down(played)


def onsets_of(piece: Piece) -> list[Counter[int]]:
    """Pitches struck together, onset by onset."""
    onsets: dict[float, Counter[int]] = defaultdict(Counter)
    for note in piece.notes:
        onsets[note.start_s][note.pitch] += 1
    return [onsets[start] for start in sorted(onsets)]


def groups(score: Piece, played: Piece) -> list[list[Note]]:
    """The played notes by the onset of the score they belong to."""
    notes, found = list(played.notes), []
    for chord in onsets_of(score):
        group, notes = notes[: chord.total()], notes[chord.total() :]
        assert Counter(note.pitch for note in group) == chord
        found.append(group)
    return found


def assert_onsets_in_order(score: Piece, played: Piece) -> None:
    for group, after in pairwise(groups(score, played)):
        assert max(n.start_s for n in group) < min(n.start_s for n in after)


def assert_no_key_is_struck_while_down(played: Piece) -> None:
    keys: dict[int, set[Note]] = defaultdict(set)
    for note in played.notes:
        keys[note.pitch].add(replace(note, velocity=1))  # two voices on one key at one moment are one blow
    for blows in keys.values():
        assert all(a.end_s < b.start_s for a, b in pairwise(sorted(blows)))


def test_an_empty_piece_stays_empty():
    empty = Piece((), 90.0, (3, 4))
    assert perform(empty, HAPPY) is empty


def test_the_seed_decides_and_nothing_else():
    score = song(8)
    assert perform(score, SAD, seed=1) == perform(score, SAD, seed=1)
    assert perform(score, SAD, seed=1).notes != perform(score, SAD, seed=2).notes


def test_mood_pulls_the_playing_from_neutral_to_the_emotion_and_beyond():
    score = song(8)
    assert perform(score, SAD, mood=0) == perform(score, VA(5, 5))
    softer = [mean_velocity(perform(score, SAD, mood=mood)) for mood in (0.0, 0.5, 1.0, 1.5)]
    assert softer == sorted(softer, reverse=True)
    assert perform(score, VA(30, -2)) == perform(score, VA(9, 1))
    for mood in (-0.1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="mood must be"):
            perform(score, SAD, mood=mood)


def mean_velocity(piece: Piece) -> float:
    return float(np.mean([note.velocity for note in piece.notes]))


def voices(played: Piece) -> tuple[list[Note], list[Note]]:
    """Melody and accompaniment of a ``song``."""
    return [n for n in played.notes if n.pitch > 64], [n for n in played.notes if n.pitch <= 64]


@pytest.mark.parametrize("name", ["8 s", "3/4", "happy", "sad", "dense"])
def test_arousal_is_loudness(name):
    flat = flattened(PIECES[name])
    runs = [[mean_velocity(perform(flat, VA(5, a), seed)) for a in (1, 3, 5, 7, 9)] for seed in range(30)]
    assert np.all(np.diff(runs) > 8)
    levels = np.mean(runs, axis=0)
    assert levels[1] == pytest.approx(53.5, abs=3)
    assert levels[3] == pytest.approx(78.3, abs=3)


def flattened(piece: Piece, velocity: int = 80) -> Piece:
    return piece.with_notes(replace(note, velocity=velocity) for note in piece.notes)


def accented(piece: Piece, velocity: int, spread: float) -> Piece:
    """With velocities around a mean, as a composer may write them."""
    steps = np.random.default_rng(5).normal(velocity, spread, len(piece.notes))
    loud = np.clip(np.rint(steps), 1, 127).astype(int)
    return piece.with_notes(replace(n, velocity=int(v)) for n, v in zip(piece.notes, loud, strict=True))


@pytest.mark.parametrize("written", ["flat", "accented", "much accented"])
@pytest.mark.parametrize(("arousal", "spread"), [(3, 12.9), (7, 11.0)])
def test_velocities_spread_as_in_real_performances_whatever_the_composer_wrote(arousal, spread, written):
    score = song(12)
    score = {"flat": score, "accented": accented(score, 70, 8), "much accented": accented(score, 70, 25)}[written]
    found = [np.std([n.velocity for n in perform(score, VA(5, arousal), seed).notes]) for seed in range(6)]
    assert np.mean(found) == pytest.approx(spread, abs=1.0)


def test_pieces_differ_in_level_as_in_real_performances():
    """Over a half of the plane, 10.2 and 11.1 in the halves of EMOPIA."""
    score, rng = song(4), np.random.default_rng(6)
    for low, high in ((1, 5), (5, 9)):
        levels = [mean_velocity(perform(score, VA(5, rng.uniform(low, high)), seed)) for seed in range(150)]
        assert 8 < np.std(levels) < 12


def test_velocities_stay_in_the_range_of_a_piano():
    for va in EMOTIONS:
        for seed in range(5):
            velocities = [n.velocity for n in perform(song(8), va, seed).notes]
            assert 20 <= min(velocities) < max(velocities) <= 115


def test_a_score_that_is_written_soft_or_loud_stays_so_in_part():
    soft, loud = (mean_velocity(perform(accented(song(8), level, 8), VA(5, 5))) for level in (50, 90))
    assert 5 < loud - soft < 15
    assert perform(flattened(song(8), 40), VA(5, 5)) == perform(flattened(song(8), 100), VA(5, 5))


def test_a_line_without_contrast_is_not_blown_up():
    """Two notes that differ by a hair."""
    score = Piece((Note(0.0, 60, 1.0), Note(1.0, 60, 2.0)), 60.0)
    assert np.ptp([n.velocity for n in perform(score, VA(5, 3), 3).notes]) < 30


@pytest.mark.parametrize("va", EMOTIONS, ids=str)
def test_the_melody_is_louder_and_a_little_early(va):
    played = perform(song(16), va)
    melody, chords = voices(played)
    assert mean_velocity(Piece(tuple(melody))) > mean_velocity(Piece(tuple(chords))) + 3
    lead = []
    for group in groups(song(16), played)[1:]:
        top, *chord = sorted(group, key=lambda note: -note.pitch)
        lead += [note.start_s - top.start_s for note in chord]
    assert 0.003 < np.mean(lead) < 0.030


def test_dynamics_have_a_shape():
    score = song(16)
    played = perform(score, VA(5, 5))
    velocities = np.array([n.velocity for n in played.notes])
    assert 5 < velocities.std() < 16


@pytest.mark.parametrize("meter", [(3, 4), (4, 4), (5, 4), (6, 8)])
def test_the_beat_is_felt(meter):
    beat = 0.5 * 4 / meter[1]
    line = Piece(tuple(Note(i * beat / 2, 60, (i + 1) * beat / 2) for i in range(120)), 120.0, meter)
    runs = np.array([[n.velocity for n in perform(line, VA(5, 7), seed=seed).notes] for seed in range(10)])
    velocities, place = runs.mean(axis=0)[:96], np.arange(96) % (2 * meter[0])
    beside = (place == 1) | (place == 2 * meter[0] - 1)
    assert velocities[place == 0].mean() > velocities[beside].mean() + 2
    assert velocities[place % 2 == 0].mean() > velocities[place % 2 == 1].mean() + 2


def test_a_line_swells_to_its_peak_and_the_end_is_soft():
    rise = [60, 62, 64, 65, 67, 69, 71, 72, 74, 76, 77, 79, 77, 76, 74, 72]
    line = Piece(tuple(Note(0.5 * i, pitch, 0.5 * i + 0.5) for i, pitch in enumerate(rise)))
    mean = np.mean([[n.velocity for n in perform(line, VA(5, 4), seed=seed).notes] for seed in range(20)], axis=0)
    assert mean[8:12].mean() > mean[:4].mean() + 8
    assert mean[8:12].mean() > mean[-3:].mean() + 8


def test_written_accents_survive():
    score = Piece(tuple(Note(0.4 * i, 60, 0.4 * i + 0.4, 100 if i % 3 == 1 else 60) for i in range(60)))
    velocities = np.array([n.velocity for n in perform(score, VA(5, 5)).notes])
    assert velocities[1::3].mean() > np.delete(velocities, np.s_[1::3]).mean() + 10


def shifts(score: Piece, played: Piece) -> np.ndarray:
    """How far each onset of a one-voice piece is moved."""
    return np.array([n.start_s for n in played.notes]) - np.array([n.start_s for n in score.notes])


def test_the_end_slows_down_more_when_calm():
    line = Piece(tuple(Note(0.5 * i, 60 + i % 5, 0.5 * i + 0.5) for i in range(32)))

    def slowing(va: VA) -> float:
        steps = np.mean([np.diff([n.start_s for n in perform(line, va, seed=s).notes]) for s in range(10)], axis=0)
        return float(steps[-2:].mean() / steps[12:20].mean())

    calm, excited = slowing(VA(5, 2.5)), slowing(VA(5, 7.5))
    assert 1.25 < calm < 2.2
    assert 1.02 < excited < calm - 0.1


def test_a_loop_does_not_end():
    """Bars that are repeated: neither slower nor softer towards the end, and as long as they were."""
    notes = tuple(Note(0.25 * i, 60 + i % 4, 0.25 * i + 0.25) for i in range(32))
    ending, loop = (perform(Piece(notes, loop_s=length), VA(5, 3), 1) for length in (None, 8.0))
    waits = [[b.start_s - a.start_s for a, b in pairwise(piece.notes)] for piece in (ending, loop)]
    assert sum(waits[0][-4:]) > 1.1 * sum(waits[0][:4])
    assert sum(waits[1][-4:]) < 1.1 * sum(waits[1][:4])
    softer = [sum(n.velocity for n in p.notes[:8]) - sum(n.velocity for n in p.notes[-8:]) for p in (ending, loop)]
    assert softer[1] < softer[0]
    assert loop.length_s == 8.0
    assert max(loop.duration_s, loop.pedals[-1].end_s) <= 8.0


def test_phrases_end_in_time_taken():
    """Four bars up to a long note, four times: the steps to the long note are slower than those in mid-phrase."""
    score = song(16)
    played = [perform(score, VA(5, 2), seed=seed) for seed in range(8)]
    moved = np.mean([bar_starts(run, 16) for run in played], axis=0)
    lengths = np.diff(moved)
    assert np.mean(lengths[[3, 7]]) > 1.03 * np.mean(lengths[[1, 2, 5, 6]])


def bar_starts(played: Piece, bars: int) -> list[float]:
    lowest = [n.start_s for n in played.notes if n.pitch in {chord[0] for chord in PROGRESSION}]
    assert len(lowest) == bars
    return sorted(lowest)


def test_timing_is_alive_and_steadier_when_excited():
    line = Piece(tuple(Note(0.5 * i, 60 + i % 5, 0.5 * i + 0.5) for i in range(64)))

    def unsteady(va: VA) -> float:
        runs = np.array([shifts(line, perform(line, va, seed=seed)) for seed in range(12)])
        return float((runs - runs.mean(axis=0)).std())

    assert 0.004 < unsteady(VA(5, 8)) < unsteady(VA(5, 2)) < 0.025


def test_chords_spread_but_stay_chords():
    chords = Piece(tuple(Note(1.0 * i, p, 1.0 * i + 1) for i in range(20) for p in (48, 52, 55, 72)))
    starts = np.array([n.start_s for n in perform(chords, VA(5, 5)).notes]).reshape(20, 4)
    spread = np.ptp(np.sort(starts, axis=1), axis=1)
    assert 0.005 < spread.mean() < 0.040
    assert spread.max() < 0.060


def test_calm_is_legato_and_joy_detached():
    line = Piece(tuple(Note(0.4 * i, 60 + i % 5, 0.4 * i + 0.4) for i in range(40)))

    def filled(va: VA) -> float:
        notes = perform(line, va).notes
        return float(np.median([(a.end_s - a.start_s) / (b.start_s - a.start_s) for a, b in pairwise(notes)]))

    assert filled(SAD) > 1.0
    assert filled(HAPPY) < filled(ANGRY) < 0.95
    assert filled(HAPPY) > 0.6


@pytest.mark.parametrize("va", EMOTIONS, ids=str)
@pytest.mark.parametrize("tempo", [60, 100, 160])
def test_the_pedal_changes_with_every_harmony(va, tempo):
    score = song(12, tempo)
    played = perform(replace(score, pedals=(Pedal(0.0, 99.0),)), va)
    assert played.pedals
    assert all(a.end_s < b.start_s for a, b in pairwise(played.pedals))
    assert all(pedal.end_s - pedal.start_s < 4.2 for pedal in played.pedals[:-1])
    starts = bar_starts(played, 12)
    for pedal in played.pedals:  # nothing of the old chord is held into the new one
        assert not any(pedal.start_s + 0.08 < start < pedal.end_s - 0.08 for start in starts)
    for note in played.notes:
        caught = [p for p in played.pedals if p.start_s < note.end_s <= p.end_s]
        assert all(not any(note.start_s + 0.2 < s < p.start_s for s in starts) for p in caught)
    assert played.pedals[-1].end_s >= played.duration_s


def test_long_tones_and_repeated_chords_are_pedalled_anew():
    """Nothing in the harmony asks for a change for a minute."""
    score = Piece(tuple(Note(1.0 * i, p, 1.0 * i + 0.9) for i in range(60) for p in (48, 55, 64)), 20.0)
    played = perform(score, SAD)
    assert max(p.end_s - p.start_s for p in played.pedals[:-1]) < 4.2
    share = sum(p.end_s - p.start_s for p in played.pedals) / played.duration_s
    assert 0.7 < share < 1.0


def test_a_written_rest_is_heard():
    before = [Note(0.5 * i, 60, 0.5 * i + 0.5) for i in range(4)]
    after = [Note(6 + 0.5 * i, 60, 6.5 + 0.5 * i) for i in range(4)]
    played = perform(Piece((*before, *after)), SAD)
    assert not any(p.start_s < 5 < p.end_s for p in played.pedals)


def test_a_run_of_neighbours_is_not_drowned():
    """A fast scale in the low register: a pedal over more than a few of its notes would be mud."""
    scale = [36, 38, 40, 41, 43, 45, 47, 48] * 10
    run = [Note(0.1 * i, p, 0.1 * i + 0.1) for i, p in enumerate(scale)]
    played = perform(Piece((*run, *(Note(0.8 * i, 84, 0.8 * i + 0.8) for i in range(10)))), HAPPY)
    for pedal in played.pedals[:-1]:
        assert sum(pedal.start_s < n.start_s < pedal.end_s for n in played.notes if n.pitch < 60) <= 4


def test_the_last_notes_ring():
    short_end = Piece((*song(4).notes, Note(9.6, 60, 9.7)))
    last = perform(short_end, TENDER).pedals[-1]
    assert last.start_s < 9.7
    assert 10.3 < last.end_s <= 10.7


def test_it_survives_the_way_through_a_file():
    played = perform(song(8), TENDER)
    read = read_midi(write_midi(played))
    assert len(read.notes) == len(played.notes)
    assert Counter(n.velocity for n in read.notes) == Counter(n.velocity for n in played.notes)
    assert len(read.pedals) == len(played.pedals)


@pytest.mark.parametrize("va", [SAD, HAPPY], ids=str)
def test_it_sounds_without_clipping(va):
    sound = render(perform(song(4, 120), va), engine="numpy")
    assert sound.peak < 1
    assert np.sqrt(np.mean(sound.samples**2)) > 0.01


def test_it_is_fast():
    score, best = dense(), np.inf
    perform(score, HAPPY)
    for _ in range(5):
        started = time.perf_counter()
        perform(score, HAPPY)
        best = min(best, time.perf_counter() - started)
    assert best < 0.05
