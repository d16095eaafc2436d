"""How the decoders of steps play: whatever the weights are, two hands can play it, a reader count it, and it ends."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from eimg_core.midi import codec
from eimg_core.midi.bar_codec import LENGTHS
from eimg_core.midi.batch import MusicSample
from eimg_core.midi.notes import LOWEST_PITCH, Note, Piece
from eimg_core.midi.sheet import PLACES, TICKS
from eimg_core.music_ae.fnt import FaderNet
from eimg_core.music_ae.keys import KEYS
from eimg_core.music_ae.playability import Hands, cut_clashes
from eimg_core.music_ae.step_grammar import StepGrammar

SECONDS = 12.0


def untrained(seconds: float, key: int, count: int = 4) -> list[Piece]:
    """Pieces in one key by weights that play anything, large chords above all."""
    torch.manual_seed(0)
    model = FaderNet(FaderNet.Config.tiny()).eval().requires_grad_(False)
    model.decoder.heads[codec.SHIFT][1].bias[0] += 5.0  # a shift of 0
    z = torch.randn(count, model.z_dim, generator=torch.Generator().manual_seed(3))
    weights = torch.zeros(count, KEYS)
    weights[:, key] = 1e6
    with torch.inference_mode():
        return model.generate(
            torch.cat([z, weights], dim=1), seconds=seconds, generator=torch.Generator().manual_seed(1)
        )


@pytest.fixture(scope="module")
def pieces() -> list[Piece]:
    return [piece for key in (0, 6, 7, 12 + 2, 12 + 9) for piece in untrained(SECONDS, key)]


def chords(piece: Piece) -> list[list[int]]:
    """What is struck at each moment, low to high."""
    return [[n.pitch for n in notes] for _, notes in itertools.groupby(piece.notes, key=lambda n: n.start_s)]


def last_onset(piece: Piece) -> float:
    return max(note.start_s for note in piece.notes)


def test_two_hands_can_play_every_chord(pieces):
    assert max(len(chord) for piece in pieces for chord in chords(piece)) > 5  # both hands are used
    for chord in (chord for piece in pieces for chord in chords(piece)):
        left = [pitch for pitch in chord if pitch <= chord[0] + 16][:5]
        right = chord[len(left) :]
        assert len(right) <= 5
        assert not right or right[-1] - right[0] <= 16


def test_nothing_struck_is_a_cluster_or_above_a6(pieces):
    for chord in (chord for piece in pieces for chord in chords(piece)):
        for low, high in itertools.combinations(chord, 2):
            assert (high - low) % 12 not in (1, 11)
            assert not (high < 52 and high - low <= 2)
        assert chord[-1] <= 93


def test_nothing_held_clashes_with_what_is_struck(pieces):
    for piece in pieces:
        for held, struck in itertools.permutations(piece.notes, 2):
            if held.start_s < struck.start_s < held.end_s - 1e-6:
                assert abs(held.pitch - struck.pitch) % 12 not in (1, 11)


def test_onsets_stand_on_places_and_lengths_are_note_values(pieces):
    for piece in pieces:
        tick_s = piece.seconds_per_beat / TICKS
        ticks = np.array([note.start_s for note in piece.notes]) / tick_s
        assert np.abs(ticks - ticks.round()).max() < 1e-3
        assert np.isin(ticks.round().astype(int) % TICKS, PLACES).all()
        free = [
            note
            for note in piece.notes
            if not any(abs(later.start_s - note.end_s) < 1e-6 for later in piece.notes)  # nothing cut it short
            and note.start_s < last_onset(piece)
        ]
        assert {round(note.duration_s / tick_s) for note in free} <= set(LENGTHS.tolist())


def test_it_moves_on_and_is_not_too_fast(pieces):
    for piece in pieces:
        assert piece.notes[0].start_s < piece.seconds_per_beat
        moments = sorted({note.start_s for note in piece.notes})
        assert max(b - a for a, b in itertools.pairwise(moments)) < 2.6
        before = [note.start_s for note in piece.notes if note.start_s < last_onset(piece)]
        assert all(b - a > 0.97 for a, b in zip(before, before[20:], strict=False))


@pytest.mark.parametrize("seconds", [4.0, 15.0, 40.0])
def test_a_piece_ends_on_the_tonic_chord_of_its_key(seconds):
    for key, classes in ((0, {0, 4, 7}), (12 + 2, {2, 5, 9}), (12 + 9, {9, 0, 4})):
        for piece in untrained(seconds, key, count=2):
            last = last_onset(piece)
            chord = [note for note in piece.notes if note.start_s == last]
            assert 3 <= len(chord) <= 6
            assert {note.pitch % 12 for note in chord} <= classes
            assert chord[0].pitch % 12 == key % 12  # the root is in the bass
            assert piece.duration_s == pytest.approx(seconds, abs=0.1)
            assert 1.2 < piece.duration_s - last < 2.7
            unit = 1 if piece.tempo_bpm < 90 else 2  # half bars, and beats of slow music
            units = last / piece.seconds_per_beat / unit
            assert units == pytest.approx(round(units), abs=1e-6)
            assert all(note.end_s <= last + 1e-6 for note in piece.notes if note.start_s < last)


def test_the_tempo_is_trimmed_by_little():
    keys = torch.zeros(5, dtype=torch.int64)
    for seconds in (6.0, 15.0, 60.0):
        tempi = np.geomspace(41.0, 195.0, 5).tolist()
        grammar = StepGrammar(tempi, keys, seconds)
        trimmed = [score.tempo_bpm for score in grammar.scores(torch.zeros(5, 1, 4, dtype=torch.int64))]
        assert np.abs(np.log(np.array(trimmed) / tempi)).max() < 0.06


def test_what_clashes_is_cut_where_it_begins_to():
    #                  C4 held, B4 struck over it: a seventh and an octave less; E4 does not clash with either
    onsets, lengths, pitches = np.array([0, 0, 12, 24]), np.array([48, 48, 6, 24]), np.array([60, 64, 67, 71])
    assert cut_clashes(onsets, lengths, pitches, 52).tolist() == [24, 48, 6, 24]
    tones = np.array([0, 12]), np.array([24, 24])
    assert cut_clashes(*tones, np.array([40, 42]), 52).tolist() == [12, 24]  # whole tones only in the depth
    assert cut_clashes(*tones, np.array([60, 62]), 52).tolist() == [24, 24]
    assert cut_clashes(onsets[:0], lengths[:0], pitches[:0]).tolist() == []


def test_hands_know_what_sounds():
    """Rules of register are about the key that sounds, not the home key."""
    yes = torch.tensor([True])
    for shift in (0, 5, -6):
        hands = Hands(1, shift)
        out = hands.beyond(~yes)[0]
        assert int((~out).nonzero().max()) - shift + LOWEST_PITCH == 93
        hands.strike(torch.tensor([45 + shift - LOWEST_PITCH]), ~yes)
        free = (~(hands.beyond(yes) | hands.clashing(yes))[0]).nonzero()[:, 0] - shift + LOWEST_PITCH
        assert free[free <= 61].tolist() == [
            48,
            49,
            50,
            51,
            52,
            53,
            54,
            55,
            57,
            59,
            60,
            61,
        ]  # A2: no tone, seventh or ninth


def test_a_chord_is_told_from_the_next():
    hands = Hands(1)
    no, yes = torch.tensor([False]), torch.tensor([True])
    for pitch, together in ((30, no), (34, yes), (37, yes)):
        hands.strike(torch.tensor([pitch]), together)
    assert hands.struck.tolist() == [3]
    hands.strike(torch.tensor([31]), no)
    assert hands.struck.tolist() == [1]
    assert not hands.clashing(yes)[0, 35]  # the 34 of the chord before is gone
    assert hands.clashing(yes)[0, 42]
    assert not hands.full.any()
    for pitch in (34, 36, 39, 41, 50, 53, 55, 58, 60):
        hands.strike(torch.tensor([pitch]), yes)
    assert hands.full.all()


# --- what they learn from -------------------------------------------------------------------------------------------


def off_the_beat(tempo: float, beat_s: float) -> Piece:
    """A bass on the beats and a tune of eighths, all a sixth of a beat late and not quite legato."""
    late = beat_s / 6
    bass = [Note(late + i * beat_s, 43 + 5 * (i % 2), late + (i + 0.95) * beat_s, 70) for i in range(16)]
    tune = [Note(late + i * beat_s / 2, 67 + (i * 5) % 9, late + (i / 2 + 0.45) * beat_s, 70) for i in range(32)]
    return Piece((*bass, *tune), tempo)


@pytest.mark.parametrize(("tag", "beat_s", "heard"), [(72.0, 60 / 72, 72.0), (150.0, 0.4, 150.0), (240.0, 0.5, 120.0)])
def test_examples_stand_on_their_beat_at_their_own_tempo(tag, beat_s, heard):
    sample = FaderNet(FaderNet.Config.tiny()).sample(off_the_beat(tag, beat_s))
    assert sample.tempo_bpm == pytest.approx(heard)
    onsets = sample.steps[:, 0].cumsum()
    assert onsets[0] == 0
    assert set((onsets % 12).tolist()) == {0}
    assert set((sample.steps[:, 2] + 1).tolist()) <= set(LENGTHS.tolist())


def test_a_tempo_of_120_counts_as_unknown():
    sample = FaderNet(FaderNet.Config.tiny()).sample(off_the_beat(120.0, 60 / 88))
    assert sample.tempo_bpm == pytest.approx(88, rel=0.02)


def test_a_card_may_ask_for_pieces_as_stored():
    piece = off_the_beat(160.0, 60 / 160)
    model = FaderNet(replace(FaderNet.Config.tiny(), notated=False))
    as_stored, plain = model.sample(piece), MusicSample.of(piece)
    assert as_stored.tempo_bpm == plain.tempo_bpm == pytest.approx(80)
    assert np.array_equal(as_stored.steps, plain.steps)
    assert model.collate([as_stored]).tempo_class.tolist() == [codec.tempo_class(80)]
    assert model.decoder.tempo.out_features == codec.TEMPO_CLASSES
