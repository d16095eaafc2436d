"""The plan of a piece, what its notes are compared with, and how tvae writes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from eimg_core.annotation.annotate import annotate, annotate_piece
from eimg_core.annotation.chords import NO_CHORD
from eimg_core.annotation.returns import EXACT, NEW
from eimg_core.emotion import VA
from eimg_core.midi.bar_codec import END, LEFT_HAND, REST, STEP_SIZES, TUNE
from eimg_core.midi.request import Request, notes_in_beats
from eimg_core.midi.sheet import HAND, ONSET
from eimg_core.music_ae import plan
from eimg_core.music_ae.plan_echoes import FOLLOWED, LENGTHS, NEXT, PITCHES, SILENT
from eimg_core.music_ae.plan_examples import GOES_ON, Passage, PlanBatch
from eimg_core.music_ae.plan_playing import Playing
from eimg_core.music_ae.plan_relations import (
    NONE,
    lowest_at,
    next_of,
    places_per_bar,
    second_half_place,
    sounding_at,
)
from eimg_core.music_ae.transformer import Cache
from eimg_core.music_ae.tvae import TransformerVAE, TransformerVAEConfig
from eimg_core.notation.spelling import key_signature
from eimg_core.performance import perform
from tests.test_annotation import SONG
from tests.tiny import random_clip


@pytest.fixture(scope="module")
def model() -> TransformerVAE:
    torch.manual_seed(0)
    return TransformerVAE(TransformerVAEConfig.tiny()).eval()


def compose(model: TransformerVAE, seed: int = 0, *, rows: int = 3, seconds: float = 12.0, **asked):
    latents = torch.randn(rows, model.latent_dim, generator=torch.Generator().manual_seed(1))
    targets = asked.pop("targets", torch.full((rows, 1, 2), 6.0))
    return model.compose(latents, Request(seconds, targets, **asked), torch.Generator().manual_seed(seed))


# --- plans and examples -------------------------------------------------------------------------------------------


def test_a_plan_says_what_a_piece_does():
    rows = plan.plan_of(annotate(SONG))
    assert rows.shape == (8, len(plan.FIELDS))
    assert (rows >= 0).all()
    assert (rows < np.array(plan.FIELD_SIZES)).all()
    assert rows[4:, plan.REF].tolist() == [4] * 4
    assert rows[4:, plan.KIND].tolist() == [EXACT] * 4
    assert rows[0, plan.CHORD] // 8 == 0
    assert rows[1, plan.CHORD] // 8 == 7
    assert rows[3, plan.TUNE_COUNT] == 1
    assert rows[0, plan.REST_COUNT] == 0
    assert rows[0, plan.LEFT_COUNT] == 4
    assert (plan.plan_of(annotate(SONG), velocities_known=False)[:, plan.LOUDNESS] == plan.LOUDNESS_UNKNOWN).all()


def test_phrases_are_sections():
    letters, left = [7, 7, 0, 0, 1, 0, 0, 0], [1, 0, 1, 0, 0, 1, 0, 0]
    rows = np.zeros((8, len(plan.FIELDS)), dtype=np.int64)
    rows[:, plan.LETTER], rows[:, plan.LEFT] = letters, left
    named = [(section.start_s, section.name) for section in plan.sections_of(rows.tolist(), 2.0)]
    assert named == [(0, "Introduction"), (4, "A"), (8, "B"), (10, "A2"), (14, "A3")]


def test_a_plan_moves_with_its_key():
    rows = plan.plan_of(annotate(SONG))
    rows[0, plan.CHORD2] = NO_CHORD
    moved = plan.moved(rows, -3)
    assert moved[0, plan.CHORD] // 8 == 9
    assert moved[0, plan.CHORD2] == NO_CHORD
    assert (plan.moved(moved, 3) == rows).all()


def test_what_comes_next_in_the_bar_taken_up():
    source = [(0, 40, 5), (0, 44, 5), (12, 45, 5), (24, 47, 5)]
    assert next_of(source, []) == source[0]
    assert next_of(source, [(0, 38, 5)]) == source[1]  # by rank, whatever the pitch
    assert next_of(source, source[:2]) == source[2]
    assert next_of(source, [(13, 40, 5)]) == source[3]
    assert next_of(source, source) == (END, NONE, NONE)
    assert next_of([], []) == (END, NONE, NONE)


def test_the_bass_and_the_tune_at_a_place():
    chord = [(0, 20, 5), (0, 27, 5), (24, 25, 5)]
    assert lowest_at(chord, 12) == 20
    assert lowest_at(chord, 24) == 25
    assert lowest_at([], 5) == NONE
    assert sounding_at([(0, 51, 8)], 11) == 51  # a quarter lasts twelve places
    assert sounding_at([(0, 51, 8)], 12) == NONE


def test_an_exact_return_is_offered_note_for_note():
    passage = Passage.of(annotate(SONG), "pop909")
    late = (passage.bar >= 4) & (passage.steps[:, 0] != END)
    assert (passage.around[late, :3] == passage.steps[late, :3]).all()
    ends = (passage.bar >= 4) & (passage.steps[:, 0] == END)
    assert (passage.around[ends, 0] == END).all()
    assert (passage.around[passage.bar == 0, :3] == NONE).all()
    tune = np.flatnonzero((passage.stream == TUNE) & (passage.steps[:, 0] != END))
    assert passage.around[tune[1:], 3].tolist() == passage.steps[tune[:-1], 1].tolist()
    assert (passage.around[passage.stream == TUNE, 5] == NONE).all()
    left = (passage.stream == LEFT_HAND) & (passage.steps[:, 0] == 0)
    assert (passage.around[left, 5] != NONE).all()


def test_an_example_is_at_home_and_knows_the_plan_before_it():
    moved = replace(SONG, notes=SONG.notes + np.array([0, 0, 2, 0, 0]))
    passage = Passage.of(annotate(moved), "pop909")
    sample = passage.sample(4, 3, VA(7, 3))
    home = Passage.of(annotate(SONG), "pop909").sample(4, 3)
    assert (sample.steps == home.steps).all()
    assert (sample.around == home.around).all()
    assert sample.key == 2
    assert (sample.before, len(sample.rows), sample.after, sample.first) == (4, 7, 1, 4)
    assert sample.rows[4, plan.CHORD] // 8 == 0
    assert Passage.of(annotate(SONG), "eimg").sample(0, 8).after == GOES_ON
    with pytest.raises(ValueError, match="without notes"):
        passage.sample(20, 2)


def test_a_passage_sounds_as_its_piece():
    passage = Passage.of(annotate(SONG), "mutopia")
    assert len(passage.piece(2, 2).notes) == (SONG.notes[:, ONSET] // 192 == 1).sum()
    assert passage.piece(0, 8).tempo_bpm == SONG.tempo_bpm


def test_places_of_bars():
    assert [places_per_bar(meter) for meter in ((2, 4), (3, 4), (4, 4), (6, 8))] == [24, 36, 48, 36]
    assert [second_half_place(meter) for meter in ((2, 4), (3, 4), (4, 4), (6, 8))] == [12, 24, 24, 18]


# --- the model ----------------------------------------------------------------------------------------------------


def batch_of(*passages: Passage) -> PlanBatch:
    return PlanBatch.of([passage.sample(0, passage.bars, VA(6, 6)) for passage in passages])


def test_a_step_never_sees_itself_or_the_future(model):
    batch = batch_of(Passage.of(annotate(SONG), "eimg"))
    at = 20
    steps = batch.steps.clone()
    steps[0, at] = torch.tensor([30, 50, 3, 4])
    other = replace(batch, steps=steps)
    z, va = torch.zeros(1, model.config.z_dim), batch.va
    with torch.no_grad():
        a, b = model.write(batch, z, va), model.write(other, z, va)
    for field in range(4):
        assert torch.allclose(a[field][:, :at], b[field][:, :at], atol=1e-5)
    assert torch.allclose(a.place[:, at], b.place[:, at], atol=1e-5)
    assert not torch.allclose(a.place[:, at + 1], b.place[:, at + 1])


def test_plans_copies_echoes_and_relations_reach_the_notes():
    torch.manual_seed(0)
    model = TransformerVAE(TransformerVAEConfig.tiny()).eval()
    nn.init.normal_(model.decoder.notes.follow_length.follow.weight)  # they begin at zero
    batch = batch_of(Passage.of(annotate(SONG), "eimg"))
    z = torch.zeros(1, model.config.z_dim)
    with torch.no_grad():
        plain = model.write(batch, z, batch.va)
        for column in range(6):
            around = batch.around.clone()
            around[..., column] = NONE
            assert not torch.allclose(plain.pitch, model.write(replace(batch, around=around), z, batch.va).pitch)
        for field, columns in (("place", NEXT), ("place", FOLLOWED), ("pitch", PITCHES), ("length", LENGTHS)):
            for column in columns:
                echoes = batch.echoes.clone()
                echoes[..., column] = SILENT[column]
                other = model.write(replace(batch, echoes=echoes), z, batch.va)
                assert not torch.allclose(getattr(plain, field), getattr(other, field)), (field, column)
        rows = batch.rows.clone()
        rows[..., plan.HEIGHT] = 0
        assert not torch.allclose(plain.place, model.write(replace(batch, rows=rows), z, batch.va).place)
        chord = torch.full_like(batch.chord, NO_CHORD)
        assert not torch.allclose(plain.pitch, model.write(replace(batch, chord=chord), z, batch.va).pitch)


def test_the_end_of_a_stream_costs_only_its_place(model):
    batch = batch_of(Passage.of(annotate(SONG), "eimg"))
    with torch.no_grad():
        losses = model.step_losses(model.write(batch, torch.zeros(1, model.config.z_dim), batch.va), batch)
    ended = batch.steps[..., 0] == END
    assert float(losses[1:, ended].max()) < 1e-4
    assert float(losses[0, ended].min()) > 0


def test_velocities_that_were_not_recorded_cost_nothing(model):
    passage = Passage.of(annotate(SONG), "mutopia", velocities_known=False)
    batch = batch_of(passage)
    with torch.no_grad():
        losses = model.step_losses(model.write(batch, torch.zeros(1, model.config.z_dim), batch.va), batch)
    assert float(losses[3].abs().max()) == 0.0


def test_reference_heads_prefer_the_bar_taken_up():
    """With the same content everywhere, they look at the bar that is asked for."""
    torch.manual_seed(0)
    notes = TransformerVAE(TransformerVAEConfig.tiny()).decoder.notes
    bars = torch.arange(8)[None]
    ref = torch.tensor([[0, 0, 0, 0, 4, 2, 0, 7]])
    places = notes.places(torch.arange(8)[None], torch.zeros(1, 8), bars, ref, torch.tensor([48]))
    heads = notes.config.heads
    queries, keys = places.place(torch.zeros(2, 1, heads, 8, notes.config.width // heads))
    scores = queries @ keys.transpose(-1, -2)
    assert scores[0, -1, 4].argmax() == 0
    assert scores[0, -1, 5].argmax() == 3
    assert scores[0, -1, 7].argmax() == 0
    assert not scores[0, -1, 6].any()
    assert not scores[0, 0].any()


def test_the_cache_gives_what_training_gives(model):
    decoder = model.decoder
    rows = torch.from_numpy(plan.plan_of(annotate(SONG)))[None]
    condition = torch.randn(1, model.config.plan_width)
    number, after = torch.arange(8)[None], torch.arange(7, -1, -1)[None]
    with torch.no_grad():
        embedded = decoder.planner.rows(rows)
        before = torch.cat([decoder.planner.start.expand(1, 1, -1), embedded[:, :-1]], dim=1)
        whole = decoder.planner.context(before, number, after, condition)
        cache = Cache(model.config.plan_layers, 64)
        for bar in range(8):
            here = slice(bar, bar + 1)
            one = decoder.planner.context(before[:, here], number[:, here], after[:, here], condition, cache)
            assert torch.allclose(one, whole[:, here], atol=1e-5)


# --- playing ------------------------------------------------------------------------------------------------------


def test_plans_keep_their_grammar(model):
    keys = torch.tensor([0, 9 + 12])
    playing = Playing(
        model.decoder, torch.zeros(2, model.config.z_dim), keys, Request(20.0, torch.full((2, 1, 2), 5.0)),
        torch.Generator().manual_seed(0),
    )  # fmt: skip
    for rows, bars, tonic in zip(playing.plans(), playing.bars, (0, 9), strict=True):
        rows = rows[: bars + 1]
        number = torch.arange(len(rows))
        assert (rows[:, plan.REF] <= number).all()
        assert ((rows[:, plan.REF] == 0) == (rows[:, plan.KIND] == NEW)).all()
        assert rows[-1, plan.LEFT] == 0
        runs = rows[:-1, plan.LEFT] > 0
        assert (rows[1:, plan.LEFT][runs] == rows[:-1, plan.LEFT][runs] - 1).all()
        assert (rows[1:, plan.LETTER][runs] == rows[:-1, plan.LETTER][runs]).all()
        assert rows[-1, plan.CHORD] // 8 == tonic


def test_the_same_seed_gives_the_same_pieces(model):
    assert compose(model) == compose(model)
    assert compose(model) != compose(model, seed=1)


@pytest.mark.parametrize("seconds", [6.0, 15.0])
def test_pieces_end_on_a_ringing_tonic_chord(model, seconds):
    for piece in compose(model, seconds=seconds, tonic=2, minor=False):
        last = [note for note in piece.notes if note.start_s == piece.notes[-1].start_s]
        assert {note.pitch % 12 for note in last} <= {2, 6, 9}
        assert min(last).pitch % 12 == 2
        assert piece.duration_s == pytest.approx(seconds, abs=0.05)
        assert piece.key == 2
        bar_s = piece.meter[0] * 4 / piece.meter[1] * piece.seconds_per_beat
        assert all(s.start_s / bar_s == pytest.approx(round(s.start_s / bar_s)) for s in piece.sections)
        assert piece.sections[0].start_s == 0
        assert piece.sections[-1].start_s <= last[0].start_s + 1e-6
        assert all(note.end_s <= last[0].start_s + 1e-6 for note in piece.notes if note not in last)


@pytest.mark.parametrize(("tonic", "minor"), [(3, True), (11, False)])
def test_key_meter_and_tempo_are_kept_where_they_are_given(model, tonic, minor):
    asked = {"tonic": tonic, "minor": minor, "tempo_bpm": 97.0, "exact_tempo": True, "meter": (3, 4)}
    for piece in compose(model, seconds=14.0, **asked):
        assert (piece.key, piece.tempo_bpm, piece.meter) == (tonic + 12 * minor, 97.0, (3, 4))
        last = [note.pitch % 12 for note in piece.notes if note.start_s == piece.notes[-1].start_s]
        assert set(last) <= {tonic, (tonic + 4 - minor) % 12, (tonic + 7) % 12}
        assert abs(piece.duration_s - 14.0) < 0.5 * 3 * 60 / 97 + 1.3, "whole bars, the nearest to the length"
    for piece in compose(model, tonic=tonic):
        assert piece.key % 12 == tonic, "the mode is the latent's"
    assert {piece.key // 12 for piece in compose(model, minor=minor)} == {int(minor)}


def test_keys_are_read_at_sight(model):
    pieces = [piece for seed in range(12) for piece in compose(model, seed, rows=8, seconds=4.0)]
    signatures = {key_signature(piece).fifths for piece in pieces}
    assert len(signatures) > 5
    assert max(map(abs, signatures)) <= 4


@pytest.mark.parametrize("bars", [4, 8])
def test_the_end_of_a_loop_meets_its_beginning(model, bars):
    asked = Request(15.0, torch.full((2, 1, 2), 6.0), loop_bars=bars)
    keys = torch.tensor([0, 9 + 12])
    playing = Playing(model.decoder, torch.zeros(2, model.config.z_dim), keys, asked, torch.Generator().manual_seed(0))
    for rows, tonic in zip(playing.plans(), (0, 9), strict=True):
        assert [rows[at, plan.CHORD] // 8 for at in (0, bars)] == [tonic, tonic], "it begins with the chord it leads to"
    for piece in compose(model, loop_bars=bars):
        quarters = piece.meter[0] * 4 / piece.meter[1]
        assert piece.loop_s == pytest.approx(bars * quarters * piece.seconds_per_beat)
        assert piece.tempo_bpm == round(piece.tempo_bpm)
        assert max(note.start_s for note in piece.notes) > piece.loop_s - quarters * piece.seconds_per_beat - 1e-6
        assert [section.name for section in piece.sections] == ["A", "A2"][: bars // 4]
        performed = perform(piece, VA(6.0, 6.0), 1)
        assert max(performed.duration_s, *(pedal.end_s for pedal in performed.pedals)) <= piece.loop_s + 1e-6


def test_two_hands_can_play_it(model):
    harsh = 0
    for piece in (piece for seed in range(5) for piece in compose(model, seed, rows=4)):
        assert max(note.pitch for note in piece.notes) <= 93
        moments: dict[float, list[int]] = {}
        for note in piece.notes:
            moments.setdefault(note.start_s, []).append(note.pitch)
        for pitches in moments.values():
            assert len(pitches) <= 10
            harsh += any(b > a and (b - a) % 12 == 1 for a in pitches for b in pitches)
    assert harsh <= 1, "struck only where a chord has it, or where nothing else fits below a low tune"


def test_a_tune_stays_note_for_note(model):
    melody = [note for note in SONG.piece().notes if note.pitch > 66][:9]
    tune = notes_in_beats(melody, 100.0)
    for piece in compose(model, tune=tune, tempo_bpm=100.0, meter=(4, 4), tonic=0, minor=False):
        beats = piece.tempo_bpm / 60
        heard = {(round(note.start_s * beats, 2), note.pitch) for note in piece.notes}
        assert {(round(note.onset, 2), note.pitch) for note in tune} <= heard


@pytest.mark.parametrize(("first", "end"), [(0, 1), (1, 3), (3, 4)])
def test_bars_are_composed_anew_between_those_that_stay(model, first, end):
    song = SONG.excerpt(0, 4).piece().notes
    given = notes_in_beats(song, 100.0)
    bar_s = 4 * 60 / 100.0
    for piece in compose(model, opening=given, anew=(first, end), tempo_bpm=100.0, meter=(4, 4), tonic=0, minor=False):
        around = [n for n in piece.notes if not first * bar_s - 1e-6 <= n.start_s < end * bar_s - 1e-6]
        expected = [n for n in given if not first * 4 <= n.onset < end * 4]
        assert sorted((round(n.start_s, 2), n.pitch) for n in around) == sorted(
            (round(n.onset * 0.6, 2), n.pitch) for n in expected
        )
        assert max(n.start_s for n in piece.notes) < 4 * bar_s


def test_an_opening_is_kept_and_goes_on(model):
    opening = notes_in_beats(SONG.excerpt(0, 2).piece().notes, 100.0)
    for piece in compose(model, opening=opening, tempo_bpm=100.0, meter=(4, 4), tonic=0, minor=False):
        bar_s = 4 * 60 / 100
        heard = sorted((round(n.start_s, 2), n.pitch) for n in piece.notes if n.start_s < 2 * bar_s - 0.01)
        assert heard == sorted((round(n.onset * 0.6, 2), n.pitch) for n in opening)
        assert any(note.start_s >= 2 * bar_s for note in piece.notes)


@pytest.mark.parametrize("share", [1.0, 0.95])
def test_what_is_added_is_as_detached_as_what_is_there(model, share):
    opening = [
        one._replace(length=share * one.length) for one in notes_in_beats(SONG.excerpt(0, 2).piece().notes, 100.0)
    ]
    for piece in compose(model, opening=opening, tempo_bpm=100.0, meter=(4, 4), tonic=0, minor=False, rows=4):
        starts = {round(note.start_s, 3) for note in piece.notes}
        after = [note for note in piece.notes if 8 * 0.6 <= note.start_s < piece.notes[-1].start_s]
        reached = [round(note.end_s, 3) in starts for note in after]
        assert any(reached) == (share == 1.0), "a note that is held to its end meets the next one"


def test_targets_reach_the_notes_and_may_move(model):
    high = compose(model, targets=torch.full((3, 1, 2), 9.0))
    assert high != compose(model, targets=torch.full((3, 1, 2), 1.0))
    path = torch.tensor([[1.0, 1.0], [9.0, 9.0]]).expand(3, 2, 2)
    assert compose(model, targets=path) != high


def test_generate_follows_the_target_or_what_the_latent_says(model):
    latents = torch.zeros(2, model.latent_dim)
    latents[:, -2:] = 7.0

    def play(va):
        return model.generate(latents, seconds=6.0, generator=torch.Generator().manual_seed(0), va=va)

    assert play(None) == play([VA(7, 7)] * 2)
    assert play(None) != play([VA(1, 1)] * 2)


def test_it_plays_in_the_style_of_its_config(model):
    other = TransformerVAE(replace(TransformerVAEConfig.tiny(), style="mutopia")).eval()
    other.load_state_dict(model.state_dict())
    assert other.sample(random_clip(0)).corpus != model.sample(random_clip(0)).corpus
    assert compose(other) != compose(model)


def test_one_that_knows_no_dynamics_writes_all_notes_equally_loud(model):
    even = TransformerVAE(replace(TransformerVAEConfig.tiny(), dynamics=False)).eval()
    even.load_state_dict(model.state_dict())
    assert {note.velocity for piece in compose(even) for note in piece.notes} == {88}
    assert len({note.velocity for piece in compose(model) for note in piece.notes}) > 1
    generator = torch.Generator().manual_seed(0)
    request = Request(8.0, torch.full((2, 1, 2), 6.0))
    plans = Playing(even.decoder, torch.zeros(2, 6), torch.tensor([0, 12]), request, generator).plans()
    assert (plans[..., plan.LOUDNESS] == plan.LOUDNESS_UNKNOWN).all()


def test_the_latent_is_z_then_key_then_emotion(model):
    piece = random_clip(0)
    batch = model.collate([model.sample(piece)])
    latent = model.encode(batch)
    assert latent.shape == (1, model.config.z_dim + 24 + 2)
    assert latent[0, model.config.z_dim : -2].argmax() == annotate_piece(piece).key
    assert (STEP_SIZES[0], (annotate_piece(piece).sheet.notes[:, HAND] >= 0).all()) == (END + 1, True)
    assert (batch.stream == REST).any()
