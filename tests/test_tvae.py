"""tvae: what its decoder may see, how it plays, and what it keeps when it is asked to."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from eimg_core.emotion import VA
from eimg_core.midi import codec
from eimg_core.midi.codec import PITCH
from eimg_core.midi.notes import LOWEST_PITCH, Note, Piece
from eimg_core.midi.request import Request, notes_in_beats
from eimg_core.music_ae.composing import Restatement, form_of
from eimg_core.music_ae.playability import last_bar_line
from eimg_core.music_ae.transformer import Cache, TransformerStack
from eimg_core.music_ae.tvae import TransformerVAE, TransformerVAEConfig, bar_beats
from eimg_core.music_ae.tvae_network import BARS
from tests.tiny import music_batch, random_clip


@pytest.fixture(scope="module")
def model() -> TransformerVAE:
    torch.manual_seed(0)
    return TransformerVAE(TransformerVAEConfig.tiny()).eval()


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def latents(model: TransformerVAE, count: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, model.latent_dim, generator=generator(seed))


def targets(*points: tuple[float, float], count: int = 1) -> torch.Tensor:
    return torch.tensor(points, dtype=torch.float32).expand(count, -1, -1)


def play(model: TransformerVAE, request: Request, count: int = 1, seed: int = 0) -> list[Piece]:
    with torch.inference_mode():
        return model.compose(latents(model, count), request, generator(seed))


def test_the_latent_is_z_then_key_then_emotion(model):
    batch = music_batch(model)
    v_y = model.encode(batch)
    z, key, heard = v_y.split([model.config.z_dim, 24, 2], dim=1)
    mu, _, read = model.read(batch)
    assert torch.equal(z, mu)
    assert torch.equal(key, batch.key)
    assert torch.equal(heard, read)


def test_a_piece_is_read_alike_alone_and_in_company(model):
    samples = [model.sample(random_clip(seed, seed % 2 == 0)) for seed in range(3)]  # of different lengths
    together = model.encode(model.collate(samples))
    alone = torch.cat([model.encode(model.collate([sample])) for sample in samples])
    assert torch.allclose(together, alone, atol=1e-5)


def test_a_step_never_sees_itself_or_the_future(model):
    batch = music_batch(model)
    v_y = model.encode(batch)
    steps = batch.steps.clone()
    steps[:, 3, PITCH] = (steps[:, 3, PITCH] + 7) % codec.REST_PITCH
    a, b = (model.step_logits(replace(batch, steps=s), v_y) for s in (batch.steps, steps))
    for field in range(4):
        assert torch.allclose(a[field][:, :3], b[field][:, :3], atol=1e-6)
    assert torch.allclose(a.pitch[:, 3], b.pitch[:, 3], atol=1e-6)
    assert not torch.allclose(a.duration[:, 3], b.duration[:, 3])
    assert not torch.allclose(a.shift[:, 4], b.shift[:, 4])


def test_the_cache_gives_what_training_gives():
    torch.manual_seed(1)
    stack = TransformerStack(16, 2, 2, 0.0).eval()
    x, condition = torch.randn(2, 9, 16), torch.randn(2, 16)
    index, beats = torch.arange(9.0).expand(2, 9), torch.rand(2, 9).cumsum(dim=1)
    whole = stack(x, stack.places(index, beats), condition=condition, causal=True)
    cache = Cache(2, window=100)
    for t in range(9):
        here = slice(t, t + 1)
        step = stack(x[:, here], stack.places(index[:, here], beats[:, here]), condition=condition, cache=cache)
        assert torch.allclose(step, whole[:, here], atol=1e-5)


def test_attention_knows_distances_and_no_absolute_place():
    """Moved by a bar, the same music is the same; so a long piece does not drift out of what was learnt."""
    torch.manual_seed(1)
    stack = TransformerStack(16, 2, 2, 0.0).eval()
    x = torch.randn(1, 9, 16)
    index, beats = torch.arange(9.0)[None], torch.rand(1, 9).cumsum(dim=1)
    a = stack(x, stack.places(index, beats), causal=True)
    b = stack(x, stack.places(index + 40, beats + 64), causal=True)
    assert torch.allclose(a, b, atol=1e-4)


def test_unknown_conditions_change_nothing_but_themselves(model):
    """A condition that is unknown says the same whatever its number would have been."""
    z = latents(model, 1)[:, : model.config.z_dim]
    nan, zero = torch.tensor([math.nan]), torch.zeros(1, dtype=torch.int64)
    idea = model.conditions.idea
    unknown = idea(z, torch.full((1, 2), math.nan), nan, zero, zero)
    middle = idea(z, torch.full((1, 2), 5.0), nan, zero, zero)
    assert unknown.isfinite().all()
    assert not torch.allclose(unknown, middle)
    assert not torch.allclose(middle, idea(z, torch.full((1, 2), 5.0), torch.tensor([1.0]), zero, zero))


def test_the_loss_without_labels_has_no_reading_term(model):
    samples = [model.sample(random_clip(seed)) for seed in range(2)]
    terms = model.loss(model.collate(samples), 10_000)
    assert float(terms.terms["heard"]) == 0.0
    assert all(term.isfinite() for term in terms.terms.values())


@pytest.mark.parametrize(
    ("meter", "tempo", "bar"),
    [((4, 4), 100, 4), ((3, 4), 100, 3), ((6, 8), 120, 3), ((2, 2), 100, 4), ((4, 4), 50, 4), ((1, 4), 90, 4)],
)
def test_bars_are_counted_in_beats_of_the_folded_tempo(meter, tempo, bar):
    assert bar_beats(Piece((Note(0, 60, 1),), tempo, meter)) == bar


# --- playing ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [4.0, 8.0, 15.0, 40.0])
def test_pieces_end_on_a_ringing_tonic_chord(model, seconds):
    """Untrained weights play anything; the ending is right all the same."""
    for key, classes in ((0, {0, 4, 7}), (12 + 2, {2, 5, 9}), (12 + 9, {9, 0, 4})):
        for piece in play(model, Request(seconds, targets((6, 6), count=3), key=key), count=3):
            last = max(note.start_s for note in piece.notes)
            chord = [note for note in piece.notes if note.start_s == last]
            assert 3 <= len(chord) <= 6
            assert {note.pitch % 12 for note in chord} <= classes
            assert chord[0].pitch % 12 == key % 12  # the root is in the bass
            assert piece.duration_s == pytest.approx(seconds, abs=0.1)
            assert 1.2 < piece.duration_s - last < 2.7
            bars = last / piece.seconds_per_beat / piece.meter[0]
            assert bars == pytest.approx(round(bars), abs=1e-6)
            assert all(note.end_s <= last + 1e-6 for note in piece.notes if note.start_s < last)
            pitches = [note.pitch for note in chord]
            assert pitches[1] - pitches[0] <= 19
            assert all(b - a <= 12 for a, b in itertools.pairwise(pitches[1:]))
            assert pitches[-1] <= 84 + 6  # C6 in the home key, which is at most half an octave away


def test_the_dominant_leads_to_the_last_chord(model):
    """The last chord is reached as in a cadence: half a bar before it, notes of V7 are by far the likeliest.

    Untrained weights strike every pitch class alike, so that four of twelve would be the dominant's by chance.
    """
    for key, dominant in ((0, {7, 11, 2, 5}), (12 + 9, {4, 8, 11, 2})):
        leading, earlier = [], []
        for piece in play(model, Request(12.0, targets((6, 6), count=12), key=key), count=12):
            last = max(note.start_s for note in piece.notes)
            half_bar = piece.meter[0] / 2 * piece.seconds_per_beat
            for note in piece.notes:
                part = leading if last - half_bar - 1e-6 <= note.start_s < last else earlier
                if note.start_s < last:
                    part.append(note.pitch % 12 in dominant)
        assert np.mean(earlier) < 0.45
        assert np.mean(leading) > 0.6


def test_two_hands_can_play_it(model):
    for piece in play(model, Request(12.0, targets((5, 8), count=6)), count=6):
        onsets = sorted({note.start_s for note in piece.notes})
        assert max(b - a for a, b in itertools.pairwise(onsets)) < 2.6
        for onset in onsets:
            chord = sorted(note.pitch for note in piece.notes if note.start_s == onset)
            left = [pitch for pitch in chord if pitch <= chord[0] + 16][:5]
            right = chord[len(left) :]
            assert len(right) <= 5
            assert not right or right[-1] - right[0] <= 16
            assert all(b - a > (2 if b <= 52 - 6 else 1) for a, b in itertools.pairwise(chord))  # no clusters


def test_it_can_be_written_down_and_is_not_too_fast(model):
    """Onsets are on eighths, thirds or sixths of a beat, and no second has more than 20 notes."""
    for piece in play(model, Request(15.0, targets((5, 8), count=6), tempo_bpm=66.0, meter=(4, 4)), count=6):
        places = [note.start_s / piece.seconds_per_beat % 1 * 24 for note in piece.notes]
        assert all(min(abs(place - paper) for paper in (*range(0, 25, 3), *range(0, 25, 4))) < 0.02 for place in places)
        last = max(note.start_s for note in piece.notes)
        onsets = [note.start_s for note in piece.notes if note.start_s < last]
        assert all(b - a > 0.99 for a, b in zip(onsets, onsets[20:], strict=False))


def test_the_tempo_is_trimmed_by_little():
    for seconds in (6.0, 15.0, 33.0, 120.0):
        for tempo in (70.0, 97.0, 139.0):
            for bar in BARS:
                bars, trimmed = last_bar_line(seconds, tempo, bar)
                ring = seconds - bars * bar * 60 / trimmed
                assert 1.29 < ring < 2.61
                assert abs(math.log(trimmed / tempo)) < (0.12 if seconds >= 15 else 0.5)


def test_the_emotion_reaches_the_notes_only_through_guidance(model):
    """Guidance 0 ignores the wish; 1 and more does not."""
    ignoring = TransformerVAE(replace(model.config, guidance=0.0)).eval()
    ignoring.load_state_dict(model.state_dict())
    low, high = (play(ignoring, Request(8.0, targets(point), key=0))[0] for point in ((1.5, 1.5), (8.5, 8.5)))
    assert low == high
    low, high = (play(model, Request(8.0, targets(point), key=0))[0] for point in ((1.5, 1.5), (8.5, 8.5)))
    assert low != high


def test_a_row_does_not_depend_on_what_the_others_are_asked(model):
    """Takes are made in one batch; what one row is told must not leak into another."""
    alone = Request(6.0, torch.tensor([[[2.0, 2.0]], [[8.0, 8.0]]]), key=0)
    other = Request(6.0, torch.tensor([[[2.0, 2.0]], [[5.0, 1.0]]]), key=0)
    # No chance is left.
    frozen = TransformerVAE(
        replace(model.config, temperature=(0.0,) * 4, top_p=(0.01,) * 4)
    ).eval()  # no chance is left
    frozen.load_state_dict(model.state_dict())
    z = latents(model, 2)
    with torch.inference_mode():
        a, b = (frozen.compose(z, request, generator())[0] for request in (alone, other))
    assert a.tempo_bpm != b.tempo_bpm or a == b  # the tempo is drawn; all else follows


# --- form -------------------------------------------------------------------------------------------------------------


def test_the_form_of_pieces():
    assert form_of(11) == []
    assert form_of(12) == [Restatement(8, 0, 3)]  # A B A
    assert form_of(16) == [Restatement(4, 0, 2), Restatement(12, 0, 3)]  # A A' B A
    for bars in range(12, 70):
        returns = form_of(bars)
        assert returns[-1].start == (bars // 4 - 1) * 4  # the beginning comes back last
        assert returns[-1].source == 0
        assert all(r.source + r.bars <= r.start for r in returns)
        assert returns == sorted(returns)


def test_long_pieces_return_to_their_beginning(model):
    piece = play(model, Request(60.0, targets((6, 5)), key=0, tempo_bpm=120.0, meter=(4, 4)))[0]
    bar = 4 * piece.seconds_per_beat
    bars = round(max(note.start_s for note in piece.notes) / bar)
    again = form_of(bars)[-1]
    assert again.source == 0

    def content(first: int) -> set[tuple[float, int]]:
        return {
            (round(n.start_s - first * bar, 3), n.pitch)
            for n in piece.notes
            if first * bar - 1e-6 <= n.start_s < (first + again.bars) * bar - 1e-6
        }

    assert content(again.start) == content(0) != set()


# --- requests ---------------------------------------------------------------------------------------------------------


def melody() -> tuple[Note, ...]:
    pitches = [72, 74, 76, 77, 79, 76, 72, 74, 76, 72, 71, 72]
    return tuple(Note(i * 0.6, p, i * 0.6 + 0.55, 80) for i, p in enumerate(pitches))


def test_a_tune_stays_note_for_note_on_top(model):
    tune = notes_in_beats(melody(), 100.0)
    request = Request(15.0, targets((3, 2), count=3), key=0, tempo_bpm=100.0, meter=(4, 4), tune=tune)
    for piece in play(model, request, count=3):
        assert 75 <= piece.tempo_bpm <= 134
        beat = piece.seconds_per_beat
        by_onset: dict[float, list[int]] = {}
        for note in piece.notes:
            by_onset.setdefault(round(note.start_s / beat, 2), []).append(note.pitch)
        for wanted in tune:
            assert max(by_onset[round(wanted.onset, 2)]) == wanted.pitch
        end = tune[-1].onset
        assert len(piece.notes) > len(tune)  # something is composed below it
        for note in piece.notes:
            sounding = [t for t in tune if t.onset <= note.start_s / beat + 1e-6 < t.onset + t.length - 0.05]
            if sounding and note.start_s / beat <= end:
                assert note.pitch <= sounding[-1].pitch


def test_an_opening_is_kept_and_goes_on(model):
    first = play(model, Request(12.0, targets((6, 6)), key=7, tempo_bpm=110.0, meter=(4, 4)))[0]
    last = max(note.start_s for note in first.notes)
    opening = [note for note in first.notes if note.start_s < last]
    request = Request(
        24.0,
        targets((6, 6)),
        key=7,
        tempo_bpm=first.tempo_bpm,
        meter=(4, 4),
        opening=notes_in_beats(opening, first.tempo_bpm),
    )
    longer = play(model, request, seed=5)[0]
    assert longer.tempo_bpm == pytest.approx(first.tempo_bpm)
    begun = [(round(n.start_s, 3), n.pitch) for n in longer.notes if n.start_s < last - 1e-6]
    assert begun == [(round(n.start_s, 3), n.pitch) for n in opening]
    assert longer.duration_s > 20


def test_a_path_needs_no_more_than_its_points(model):
    """A path that stays where it is plays like a point."""
    v_y = latents(model, 1)
    one, two = (
        Request(8.0, targets(*points), key=0, tempo_bpm=100.0, meter=(4, 4)) for points in (((6, 6),), ((6, 6), (6, 6)))
    )
    with torch.inference_mode():
        still = model.compose(v_y, one, generator())[0]
        path = model.compose(v_y[:, None].expand(-1, 2, -1), two, generator())[0]
        moving = model.compose(v_y, replace(two, targets=targets((6, 6), (1, 9))), generator())[0]
    assert path == still
    assert moving != still


def test_playing_is_fast_enough_to_wait_for(model):
    """Not a benchmark: a piece takes one pass per note, however many takes there are."""
    passes = []
    hook = model.decoder.stack.register_forward_hook(lambda *_: passes.append(1))
    try:
        pieces = play(model, Request(8.0, targets((5, 5), count=4)), count=4)
    finally:
        hook.remove()
    # A rest or a key struck twice at once takes a pass and is no note.
    notes = [len(piece.notes) for piece in pieces]
    assert max(notes) < len(passes) <= 1.5 * max(notes) + 1 < sum(notes)
    assert np.all([note.pitch >= LOWEST_PITCH for piece in pieces for note in piece.notes])


def test_generate_follows_the_wish_or_what_the_latent_says(model):
    v_y = latents(model, 1)
    v_y[:, -2:] = torch.tensor([7.0, 3.0])
    with torch.inference_mode():
        told = model.generate(v_y, seconds=6.0, generator=generator(), va=[VA(7.0, 3.0)])
        read = model.generate(v_y, seconds=6.0, generator=generator())
    assert told == read
