"""Descriptors on music made by hand, where each can be counted on fingers; and the view of a piece as notated."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from eimg_core.metrics import descriptors as d
from eimg_core.metrics.analysis import analyse, as_notated
from eimg_core.metrics.descriptors import DESCRIPTORS, describe, table
from eimg_core.metrics.form import VARIED, alike, bars_of, density_variation, varied_returns, verbatim_bars
from eimg_core.midi.notes import Note, Piece
from tests.tiny import random_clip

EMPTY = Piece(())


def tune(pitches: Sequence[int], beats: float | Sequence[float] = 1.0, tempo_bpm: float = 120.0) -> Piece:
    """One note after another; ``beats`` is one length for all, or one for each."""
    lengths = np.broadcast_to(beats, len(pitches)) * 60.0 / tempo_bpm
    onsets = np.cumsum(lengths) - lengths
    return Piece(
        tuple(Note(float(t), p, float(t + d)) for t, p, d in zip(onsets, pitches, lengths, strict=True)), tempo_bpm
    )


def blocks(*chords: Sequence[int], beats: float = 1.0, tempo_bpm: float = 120.0) -> Piece:
    """Chords one after another, each held until the next."""
    step = beats * 60.0 / tempo_bpm
    notes = [Note(at * step, p, (at + 1) * step) for at, chord in enumerate(chords) for p in chord]
    return Piece(tuple(notes), tempo_bpm)


def of(name: str, piece: Piece) -> float:
    return DESCRIPTORS[name](analyse(piece))


# --- all of them -------------------------------------------------------------------------------------------------


def test_every_descriptor_has_a_definition_and_is_a_number_or_not_defined():
    assert 40 <= len(DESCRIPTORS) <= 70
    for name, descriptor in DESCRIPTORS.items():
        assert descriptor.__doc__, name
        assert descriptor.__doc__.count(".") >= 2, f"{name} names no unit"
    for piece in (EMPTY, tune([60]), tune([60, 62])):
        assert set(describe(piece)) == set(DESCRIPTORS)
    assert sum(math.isnan(value) for value in describe(EMPTY).values()) >= len(DESCRIPTORS) - 1  # a tempo it has
    assert table([EMPTY, random_clip(0)]).shape == (2, len(DESCRIPTORS))
    assert table([]).shape == (0, len(DESCRIPTORS))


def test_shares_are_shares():
    shares = [name for name, one in DESCRIPTORS.items() if "Share" in (one.__doc__ or "")]
    assert len(shares) > 30
    for seed in range(4):
        found = describe(random_clip(seed))
        assert all(0.0 <= found[name] <= 1.0 for name in shares if not math.isnan(found[name]))


@pytest.mark.parametrize("seed", range(3))
def test_descriptors_ignore_velocity_and_most_of_them_key_and_start(seed: int):
    piece = random_clip(seed)
    louder = piece.with_notes(replace(note, velocity=127 - note.velocity // 2) for note in piece.notes)
    assert describe(louder) == pytest.approx(describe(piece), nan_ok=True)
    names = ("motifs_again", "rhythms_again", "tune_steps", "struck_semitones", "length_entropy", "most_at_once")
    later = piece.with_notes(replace(n, start_s=n.start_s + 0.7, end_s=n.end_s + 0.7) for n in piece.notes)
    for changed in (piece.transposed(2), later):
        for name in names:
            assert of(name, changed) == pytest.approx(of(name, piece)), name


# --- tune --------------------------------------------------------------------------------------------------------


def naive_motifs_again(pitches: Sequence[int], beats: Sequence[float]) -> float:
    """The definition, slowly."""
    motifs = []
    for at in range(len(pitches) - 2):
        intervals = (pitches[at + 1] - pitches[at], pitches[at + 2] - pitches[at + 1])
        if any(intervals):
            motifs.append((intervals, tuple(beats[at : at + 2])))
    return sum(motif in motifs[:at] for at, motif in enumerate(motifs)) / len(motifs)


@pytest.mark.parametrize("seed", range(5))
def test_motifs_come_again_as_a_slow_count_says(seed: int):
    rng = np.random.default_rng(seed)
    pitches, beats = (72 + rng.integers(0, 4, 40)).tolist(), rng.choice([0.5, 1.0], 40).tolist()
    assert of("motifs_again", tune(pitches, beats)) == pytest.approx(naive_motifs_again(pitches, beats))


def test_a_motif_comes_again_in_another_key_but_not_in_another_rhythm():
    motif, moved = [72, 74, 77], [60 + 15, 60 + 17, 60 + 20]
    assert of("motifs_again", tune([*motif, *moved])) == pytest.approx(1 / 4)
    assert of("motifs_again", tune([*motif, *moved], [1, 1, 1, 2, 1, 1])) == 0.0
    assert math.isnan(of("motifs_again", tune([72] * 6)))
    assert of("rhythms_again", tune([72, 60, 65, 71, 62, 77, 70, 64, 71], [1, 1, 0.5, 1, 1, 0.5, 1, 1, 1])) == 0.5


def test_steps_repeats_and_leaps_are_all_there_is_with_small_leaps():
    piece = tune([72, 72, 74, 75, 79, 71])  # 0, 2, 1, 4, -8
    assert of("tune_repeats", piece) == pytest.approx(1 / 5)
    assert of("tune_steps", piece) == pytest.approx(2 / 5)
    assert of("tune_leaps", piece) == pytest.approx(1 / 5)
    assert of("tune_leaps_recovered", tune([72, 79, 77, 84, 86])) == pytest.approx(1 / 2)
    assert of("tune_turns", piece) == pytest.approx(1 / 3)


# --- rhythm ------------------------------------------------------------------------------------------------------


def test_entropy_of_lengths_by_hand():
    assert of("length_entropy", tune([72, 74, 76, 77], 1.0)) == 0.0
    assert of("length_entropy", tune([72, 74, 76, 77], [1, 1, 0.5, 0.25])) == pytest.approx(1.5)


def test_places_are_counted_from_where_most_notes_lie():
    swung = [*[1.0] * 8, 2 / 3, 1 / 3, 2 / 3, 1 / 3]
    shifted = tune([72 + at % 5 for at in range(12)], swung)
    shifted = shifted.with_notes(replace(n, start_s=n.start_s + 0.125, end_s=n.end_s + 0.125) for n in shifted.notes)
    assert of("on_beats", shifted) == pytest.approx(10 / 12)
    assert of("on_sixteenths", shifted) == pytest.approx(10 / 12)
    assert of("on_triplets", shifted) == 1.0


def test_silence_legato_and_pace():
    piece = Piece((Note(0.0, 72, 0.5), Note(1.0, 74, 2.0), Note(2.0, 76, 2.5)), 60.0)
    assert of("silence", piece) == pytest.approx(0.25)
    assert of("legato", piece) == pytest.approx(0.75)
    assert of("notes_per_second", piece) == pytest.approx(1.5)
    assert of("moments_per_beat", piece) == pytest.approx(1.5)
    assert of("tempo", tune([60], tempo_bpm=128)) == pytest.approx(7.0)


# --- harmony and hands ---------------------------------------------------------------------------------------------


def test_clashes_are_told_by_what_is_struck_and_what_sounds():
    struck = blocks([60, 73], [60, 64], [59, 72], [60, 84])  # a minor ninth, a third, a ninth again, two octaves
    assert of("struck_semitones", struck) == 0.5
    assert of("minor_ninths", struck) == 0.5
    seventh = blocks([60, 71])
    assert of("struck_semitones", seventh) == 1.0
    assert of("minor_ninths", seventh) == 0.0
    held = Piece((Note(0.0, 60, 4.0), Note(1.0, 73, 2.0)))
    assert of("minor_ninths", held) == 0.5
    assert of("struck_semitones", held) == 0.0


def test_seconds_are_low_below_e3_only():
    assert of("low_seconds", blocks([50, 51], [50, 53], [52, 53])) == pytest.approx(1 / 3)
    assert of("low_seconds", Piece((Note(0.0, 45, 2.0), Note(1.0, 46, 2.0)))) == 0.5


def test_v_i_is_counted_among_changes_of_harmony():
    tonic, dominant, fourth = [48, 64, 67, 72], [43, 62, 67, 71], [41, 65, 69, 72]
    piece = blocks(tonic, fourth, dominant, tonic, beats=4.0)
    assert of("cadences", piece) == pytest.approx(1 / 3)
    assert of("falling_fifths", piece) == pytest.approx(2 / 3)
    assert of("plain_triads", piece) == 1.0
    assert of("root_position", piece) == 1.0
    assert of("notes_in_key", piece) == 1.0
    assert of("bass_in_chord", piece) == of("tune_in_chord", piece) == 1.0


def test_most_notes_wide_hands_and_a_bass_that_stays():
    piece = blocks([36, 43, 48, 64, 67, 72], [36, 50, 76, 79])
    assert of("most_at_once", piece) == 6.0
    assert of("wide_hands", piece) == pytest.approx(1 / 4)
    assert of("bass_repeats", piece) == 1.0
    assert of("bass_repeats", blocks([36, 72], [48, 72], [43, 74])) == pytest.approx(1 / 2)
    assert of("left_notes", piece) == pytest.approx(5 / 10)
    assert of("hands_together", piece) == 1.0
    assert of("high_notes", blocks([83, 84])) == 0.5


# --- as notated ----------------------------------------------------------------------------------------------------


def test_as_notated_takes_away_what_no_score_would_say():
    rng = np.random.default_rng(0)
    exact = tune([72, 74, 76, 77, 79, 77, 76, 74], [1, 0.5, 0.5, 1 / 3, 1 / 3, 1 / 3, 1.5, 2], tempo_bpm=100)
    played = exact.with_notes(
        replace(n, start_s=n.start_s + 0.4 + rng.uniform(-0.01, 0.01), end_s=n.end_s + 0.4 - rng.uniform(0, 0.02))
        for n in exact.notes
    )
    assert as_notated(played) == as_notated(exact)
    values = [(n.start_s, n.pitch, n.end_s) for n in exact.notes]
    assert [(n.start_s, n.pitch, n.end_s) for n in as_notated(exact).notes] == [pytest.approx(v) for v in values]
    assert as_notated(as_notated(played)) == as_notated(played)
    assert as_notated(EMPTY) == EMPTY


def test_as_notated_knows_no_beat_level():
    piece = tune([72, 74, 76, 77], [1, 0.5, 0.5, 2], tempo_bpm=90)
    doubled = replace(piece, tempo_bpm=180.0)
    assert as_notated(doubled).tempo_bpm == 90.0
    assert describe(as_notated(doubled)) == pytest.approx(describe(as_notated(piece)), nan_ok=True)


def test_a_key_is_struck_once_at_one_place():
    twice = Piece((Note(0.0, 60, 0.5), Note(0.01, 60, 1.0), Note(0.5, 62, 1.0)))
    assert [(n.pitch, round(n.duration_s, 3)) for n in as_notated(twice).notes] == [(60, 1.0), (62, 0.5)]


# --- form ----------------------------------------------------------------------------------------------------------


def bars(*pitches: Sequence[int]) -> Piece:
    """Bars of four quarters."""
    return tune([p for bar in pitches for p in bar])


def test_bars_return_verbatim_varied_or_not():
    theme, varied, other = [72, 74, 76, 77], [72, 74, 76, 79], [60, 72, 61, 83]
    same = analyse(bars(theme, other, theme, theme))
    assert verbatim_bars(same) == pytest.approx(2 / 4)
    assert varied_returns(same) == 0.0
    changed = analyse(bars(theme, other, varied, other))
    assert (verbatim_bars(changed), varied_returns(changed)) == pytest.approx((1 / 4, 1 / 4))
    moved = analyse(bars(theme, other, [p - 5 for p in theme]))
    assert (verbatim_bars(moved), varied_returns(moved)) == pytest.approx((0.0, 1 / 3))
    assert math.isnan(verbatim_bars(analyse(EMPTY)))
    assert math.isnan(varied_returns(analyse(bars(theme))))


def test_bars_are_alike_in_any_key_and_in_both_directions():
    theme, varied = bars_of(analyse(bars([72, 74, 76, 77], [72, 74, 76, 79])))
    assert alike(theme, theme) == 1.0
    assert alike(theme, varied) == alike(varied, theme) == pytest.approx(3 / 5)
    assert alike(theme, frozenset((at, p + 3) for at, p in theme)) == 1.0
    assert alike(theme, frozenset({(1, 72)})) == 0.0 < VARIED


def test_density_varies_where_pace_does():
    assert density_variation(analyse(tune([72] * 61, 0.5))) == pytest.approx(0.0, abs=0.05)
    uneven = analyse(tune([72] * 61, [0.25] * 40 + [1.0] * 21))
    assert density_variation(uneven) == d.density_variation(uneven) > 0.5
    assert math.isnan(density_variation(analyse(tune([72]))))
