"""The form of a piece, and the rules by which two hands write it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from eimg_core.annotation.returns import EXACT, NEW
from eimg_core.midi.bar_codec import END, LEFT_HAND, REST, TUNE
from eimg_core.midi.notes import LOWEST_PITCH
from eimg_core.music_ae import plan
from eimg_core.music_ae.plan_form import denser, form_of
from eimg_core.music_ae.plan_rules import Writing, ringing

C, G7 = 0, 7 * 8 + 2  # chords as root · 8 + quality


def key(pitch: int) -> int:
    return pitch - LOWEST_PITCH


def writing(bars: int = 3, chord: int = C, *, given=None, minor: int = 0, shift: int = 0) -> Writing:
    row = [0] * len(plan.FIELDS)
    row[plan.CHORD] = row[plan.CHORD2] = chord
    return Writing([row] * bars, (4, 4), given or {}, shift, minor)


def pitches(mask: np.ndarray) -> set[int]:
    return {int(at) + LOWEST_PITCH for at in np.flatnonzero(mask)}


# --- form ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bars", [1, 3, 4, 7, 8, 11])
def test_a_short_piece_is_a_phrase_and_its_answer(bars):
    frames = form_of(bars)
    assert len(frames) == bars
    assert frames[-1].left == 1
    assert all(a.left == b.left + 1 or a.left == 1 for a, b in pairwise(frames))
    answers = [bar for bar, frame in enumerate(frames) if frame.ref]
    assert bool(answers) == (bars >= 4)
    if answers:
        assert frames[answers[0] - 1].left == 1  # the answer begins a phrase
        assert {frames[bar].ref for bar in answers} == {answers[0]}  # with the beginning of the first


@pytest.mark.parametrize("bars", [12, 17, 25, 48, 80])
def test_a_long_piece_returns_varied_and_rises_to_a_climax(bars):
    frames = form_of(bars)
    assert len(frames) == bars
    introduction = bars % 4
    assert all(frame.density < 0 and frame.letter == 7 for frame in frames[:introduction])
    phrases = frames[introduction:]
    letters = [frame.letter for frame in phrases[::4]]
    assert letters[0] == letters[-1] == 0
    assert len(set(letters)) >= 2
    for number, frame in enumerate(phrases):
        if frame.ref:
            source = phrases[number - frame.ref]
            assert source.letter == frame.letter
            assert number % 4 == (number - frame.ref) % 4
            assert not frame.kinds[NEW]
            assert frame.kinds[EXACT] == (number % 4 == 0)  # pasted at most where a phrase opens
    densities = [frame.density for frame in frames]
    assert densities.index(max(densities)) >= bars // 2
    assert frames[-2].density < 0  # it comes to rest
    assert frames[-1].ref == 0


def test_density_moves_the_counts_and_nothing_else():
    assert [denser(plan.LEFT_COUNT, drawn, 1.0) for drawn in (0, 1, 4, 7)] == [0, 3, 6, 7]
    assert [denser(plan.REST_COUNT, drawn, -1.0) for drawn in (0, 1, 4, 7)] == [0, 1, 2, 5]
    assert denser(plan.TUNE_COUNT, 4, 1.0) == 5
    assert denser(plan.CHORD, 4, 1.0) == 4
    assert denser(plan.LEFT_COUNT, 4, 0.0) == 4


# --- rules --------------------------------------------------------------------------------------------------------


def test_a_piece_begins_with_its_bar_and_no_bar_is_silent():
    one = writing()
    one.write((END, 0, 0, 0))  # no tune
    assert np.flatnonzero(one.places_allowed()).tolist() == [0]
    one.write((0, key(48), 5, 8))
    one.write((END, 0, 0, 0))
    assert one.places_allowed()[END]
    one.write((END, 0, 0, 0))
    for _ in (TUNE, LEFT_HAND):
        assert one.places_allowed()[END]
        one.write((END, 0, 0, 0))
    assert one.stream == REST
    assert not one.places_allowed()[END]  # nothing sounds in this bar yet


def test_a_hand_reaches_a_tenth_and_has_five_fingers():
    one = writing()
    one.write((0, key(79), 5, 8))
    one.write((END, 0, 0, 0))
    one.write((0, key(48), 5, 8))
    allowed = pitches(one.pitches_allowed(0))
    assert max(allowed) <= 64
    assert min(allowed) == 51  # no seconds in the depth
    one.write((END, 0, 0, 0))
    allowed = pitches(one.pitches_allowed(0))
    assert min(allowed) >= 63  # of the right hand, whose tune strikes 79
    for pitch in (64, 67, 72, 76):
        one.write((0, key(pitch), 5, 8))
    assert not one.pitches_allowed(0).any()


def test_nothing_is_struck_above_a6_in_the_key_that_is_played():
    assert max(pitches(writing().pitches_allowed(0))) == 93
    assert max(pitches(writing(shift=3).pitches_allowed(0))) == 96  # 93 after the way back
    assert min(pitches(writing(shift=3).pitches_allowed(0))) == 24


@pytest.mark.parametrize(
    ("struck", "chord", "forbidden", "allowed"),
    [
        (60, C, {61, 73}, {71}),  # no semitone and no ninth, but a major seventh
        (59, C + 4, {60}, {72}),  # a ninth between two notes of a major seventh chord
        (40, C, {51, 53}, {47}),  # no major seventh in the depth
    ],
)
def test_what_clashes_is_not_struck_together(struck, chord, forbidden, allowed):
    one = writing(chord=chord)
    one.write((END, 0, 0, 0))
    one.write((0, key(struck), 5, 8))
    found = pitches(one.pitches_allowed(0))
    assert not found & forbidden
    assert allowed <= found


def test_what_accompanies_stays_below_the_tune():
    one = writing()
    one.write((0, key(72), 8, 8))
    one.write((END, 0, 0, 0))
    assert max(pitches(one.pitches_allowed(0))) < 71
    low = writing()
    low.write((0, key(22), 8, 8))
    low.write((END, 0, 0, 0))
    assert low.pitches_allowed(0).any()


def test_what_is_given_stands():
    note = (0, key(60), 5, -1)
    one = writing(given={(0, TUNE): [note]})
    assert one.forced() == note
    one.write((0, key(60), 5, 8))
    assert one.forced() == (END, 0, 0, 0)
    one.write((END, 0, 0, 0))
    assert one.forced() is None


@pytest.mark.parametrize(("minor", "triad"), [(0, {0, 4, 7}), (1, {9, 0, 4})])
def test_the_last_bar_is_the_tonic(minor, triad):
    one = writing(bars=1, minor=minor)
    assert np.flatnonzero(one.places_allowed()).tolist() == [0]
    assert {pitch % 12 for pitch in pitches(one.pitches_allowed(0))} == triad
    one.write((0, int(np.flatnonzero(one.pitches_allowed(0))[0]), 5, 8))
    one.write((END, 0, 0, 0))
    assert {pitch % 12 for pitch in pitches(one.pitches_allowed(0))} == {9 if minor else 0}


def test_held_notes_that_clash_are_released():
    #                  onset, length, pitch, velocity, hand
    notes = np.array([
        [0, 96, 60, 80, 1],  # a semitone below what is struck at 48
        [0, 96, 76, 80, 0],  # the tune
        [24, 72, 40, 80, 1],  # in the depth, a tone from what is struck at 72
        [48, 24, 61, 80, 1],
        [60, 24, 63, 80, 1],
        [72, 24, 42, 80, 1],
    ])  # fmt: skip
    assert ringing(notes).tolist() == [48, 96, 48, 24, 24, 24]


def test_what_sounded_last_rings_through_a_long_rest():
    notes = np.array([
        [0, 24, 60, 80, 1],
        [0, 48, 76, 80, 0],
        [60, 24, 60, 80, 1],  # after a short rest
        [144, 48, 60, 80, 1],  # after a long one
    ])  # fmt: skip
    assert ringing(notes).tolist() == [24, 48, 84, 48]


def test_a_hand_keeps_the_texture_of_the_first_bars_of_a_phrase():
    one = writing(bars=5)
    for bar in range(4):
        one.write((END, 0, 0, 0))
        one.write((0, key(48), 5, 8))
        assert one.places_allowed()[0] == (bar < 2)  # a second key at one place
        one.write((12, key(48), 5, 8))
        one.write((END, 0, 0, 0))
        one.write((END, 0, 0, 0))


def test_the_last_chord_is_as_full_as_the_piece():
    for chord, most in (((48,), 2), ((48, 55, 60), 4)):
        one = writing(bars=2)
        one.write((0, key(72), 5, 8))
        one.write((END, 0, 0, 0))
        for pitch in chord:
            one.write((0, key(pitch), 5, 8))
        one.write((END, 0, 0, 0))
        one.write((END, 0, 0, 0))
        assert one.last
        while not one.done:
            if one.places_allowed()[0]:
                one.write((0, int(np.flatnonzero(one.pitches_allowed(0))[0]), 5, 8))
            else:
                one.write((END, 0, 0, 0))
        assert sum(len(notes) for (bar, _), notes in one.content.items() if bar == 1) == most


def test_the_last_bass_is_near_the_one_before():
    one = writing(bars=2)
    one.write((END, 0, 0, 0))
    one.write((0, key(67), 5, 8))
    for _ in range(3):
        one.write((END, 0, 0, 0))
    assert pitches(one.pitches_allowed(0)) == {60, 72}
