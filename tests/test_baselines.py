"""The baselines: what they learn from, that they learn, and that they play like every other composer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from eimg_core.baselines import BASELINES, Baseline, BridgeMapping, ClipLibrary, GanIM, Mapped, Retrieval, TransformerIM
from eimg_core.baselines.direct import DirectConfig, DirectMapping, LatentPairs
from eimg_core.baselines.gan_im import BarBatch, GanIMConfig
from eimg_core.baselines.rolls import SOUNDING, STRUCK, bars_of, notes_of
from eimg_core.baselines.tf_im import PairBatch, TransformerIMConfig, sets_in_batch
from eimg_core.bridge import PaperBridge
from eimg_core.emotion import VA
from eimg_core.errors import InputError
from eimg_core.image_ae import IMAGE_AUTOENCODERS
from eimg_core.midi.batch import MusicBatch, MusicSample
from eimg_core.midi.notes import Note, Piece
from eimg_core.music_ae import MUSIC_AUTOENCODERS
from eimg_core.options import ComposeOptions
from tests.tiny import random_clip
from train.stages.photo_music_pairs import BarBatches, PairBatches, Photos, nearest

SIGHTS = ("photo", "fixed", "none")


def samples(count: int = 8) -> list[MusicSample]:
    return [MusicSample.of(random_clip(i, i % 2 == 0), VA(2 + 0.5 * i, 8 - 0.5 * i)) for i in range(count)]


def pair_batch(model, count: int = 6) -> PairBatch:
    clips = samples(count)
    va = torch.tensor([(clip.va.valence, clip.va.arousal) for clip in clips])
    return PairBatch(torch.rand(count, 3, model.image_size, model.image_size), va, MusicBatch.of(clips))


def bar_batch(model) -> BarBatch:
    bars = [bars_of(clip)[:2] for clip in samples(6)]
    stacked = torch.from_numpy(np.stack(bars)).float()
    images = torch.rand(6, 3, model.image_size, model.image_size)
    return BarBatch(images, stacked[:, 1], stacked[:, 0], torch.arange(6), torch.arange(6))


def tiny(key: str, **changes):
    torch.manual_seed(0)
    model_class = BASELINES[key]
    return model_class(replace(model_class.Config.tiny(), **changes))


def learns(model, batch, name: str, steps: int = 60) -> tuple[float, float]:
    """A named loss before and after some steps on one batch."""
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    seen = []
    for step in range(steps):
        terms = model.train().objectives()[-1].loss(batch, step)
        optimizer.zero_grad()
        terms.total.backward()
        optimizer.step()
        seen.append(float(terms.terms[name].detach()))
    return seen[0], seen[-1]


@pytest.mark.parametrize("sight", SIGHTS)
def test_tf_im_learns_and_plays_from_its_seed_alone(sight):
    model = tiny("tf_im", sight=sight)
    before, after = learns(model, pair_batch(model), "tokens")
    assert after < 0.8 * before
    images = torch.rand(3, 3, model.image_size, model.image_size)
    model.eval()
    first, again, other = (
        model.play(images, seconds=5.0, generator=torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other
    assert all(piece.notes and piece.duration_s > 2 for piece in first)


@pytest.mark.parametrize("sight", SIGHTS)
def test_every_weight_of_tf_im_gets_a_gradient(sight):
    model = tiny("tf_im", sight=sight)
    model.loss(pair_batch(model), 0).total.backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []


def test_only_the_variant_with_a_photo_sees_it():
    for sight in SIGHTS:
        model = tiny("tf_im", sight=sight).eval()
        batch = pair_batch(model)
        _, logits = model.step_logits(batch.images, batch.music)
        _, others = model.step_logits(1 - batch.images, batch.music)
        assert torch.equal(logits.pitch, others.pitch) == (sight != "photo")
        names = set(model.loss(batch, 0).terms)
        assert ("inter_modal" in names) == (sight == "photo")


def test_steps_see_earlier_steps_only():
    model = tiny("tf_im").eval()
    batch = pair_batch(model)
    changed = batch.music.steps.clone()
    changed[:, 5:, 1] = 3
    _, logits = model.step_logits(batch.images, batch.music)
    _, others = model.step_logits(batch.images, replace(batch.music, steps=changed))
    assert torch.allclose(logits.shift[:, :5], others.shift[:, :5], atol=1e-5)
    assert not torch.allclose(logits.shift[:, 6:], others.shift[:, 6:], atol=1e-3)


def test_playing_with_a_cache_is_what_was_trained():
    """The context of each step, played one by one, equals that of one pass over all."""
    from eimg_core.midi.codec import FIELD_SIZES, SHIFT
    from eimg_core.music_ae.transformer import Cache

    model = tiny("tf_im").eval()
    batch = pair_batch(model, 2)
    steps, patches = batch.music.steps[:, :10], model.look(batch.images)
    before = torch.cat([torch.tensor(FIELD_SIZES).expand(2, 1, 4), steps[:, :-1]], dim=1)
    onsets = torch.nn.functional.pad(steps[..., SHIFT].cumsum(dim=1)[:, :-1], (1, 0))
    index = torch.arange(10).expand(2, 10)
    _, whole = model._context(before, onsets, index, batch.music.tempo_class, patches)
    caches = (Cache(1, 512), Cache(1, 512))
    for t in range(10):
        now = slice(t, t + 1)
        _, one = model._context(before[:, now], onsets[:, now], index[:, now], batch.music.tempo_class, patches, caches)
        assert torch.allclose(one[:, 0], whole[:, t], atol=1e-4)


def test_sets_of_a_batch_by_hand():
    va = torch.tensor([[1.0, 1.0], [2.0, 1.0], [8.0, 1.0], [9.0, 1.0]])
    z = torch.arange(4.0)[:, None]
    positives, negatives, near_clips, far_clips = sets_in_batch(z, z + 10, va, va, n=2)
    assert sorted(positives[0, :, 0].tolist()) == [0.0, 1.0]
    assert sorted(negatives[0, :, 0].tolist()) == [2.0, 3.0]
    assert sorted(near_clips[3, :, 0].tolist()) == [12.0, 13.0]
    assert sorted(far_clips[3, :, 0].tolist()) == [10.0, 11.0]


def test_gan_im_learns_what_keys_are_played():
    model = tiny("gan_im")
    before, after = learns(model, bar_batch(model), "mean_bar", steps=40)
    assert after < 0.5 * before


def test_the_two_sides_of_gan_im_move_their_own_weights():
    model = tiny("gan_im")
    batch = bar_batch(model)
    groups = model.parameter_groups()
    for objective in model.objectives():
        model.zero_grad(set_to_none=True)
        objective.loss(batch, 0).total.backward()
        for module in groups[objective.groups[0]]:
            assert all(p.grad is not None for p in module.parameters()), objective.name
    assert sum(objective.name == "compose" for objective in model.objectives()) == 2  # MidiNet: twice per step


def test_gan_im_plays_whole_pieces():
    model = tiny("gan_im").eval()
    images = torch.rand(3, 3, model.image_size, model.image_size)
    play = lambda seed: model.play(images, seconds=6.0, generator=torch.Generator().manual_seed(seed))  # noqa: E731
    assert play(0) == play(0)
    assert max(piece.duration_s for piece in play(0)) <= 6.0


# --- rolls --------------------------------------------------------------------------------------------------------


def test_notes_keep_their_lengths_over_bar_lines_and_repeats():
    """At 120 bpm a sixteenth is 0.125 s and a bar 2 s: a long note, the same key struck twice, and a short one."""
    notes = (Note(1.5, 60, 3.0), Note(0.0, 64, 0.5), Note(0.5, 64, 1.0), Note(2.0, 67, 2.125), Note(4.5, 72, 5.0))
    sample = MusicSample.of(Piece(notes, 120.0))
    assert sample.tempo_bpm == 120.0
    bars = bars_of(sample)
    assert bars.shape == (2, 2, 128, 16)
    assert int(bars[:, STRUCK].sum()) == 4
    assert int(bars[:, SOUNDING].sum()) == 12 + 4 + 4 + 1
    shift = {60: 0, 64: 0, 67: 0}
    rebuilt = [(n.start_s, n.end_s) for n in notes_of(bars, 120.0)]
    assert sorted(rebuilt) == sorted((n.start_s, n.end_s) for n in notes if n.pitch in shift)


def test_empty_bars_are_silence():
    assert notes_of(np.zeros((3, 2, 128, 16), dtype=bool), 100.0) == []


# --- what they learn from ---------------------------------------------------------------------------------------


def test_partners_are_near_in_the_plane():
    clips = samples(8)
    rng = np.random.default_rng(0)
    photos = Photos(torch.rand(40, 3, 16, 16), rng.uniform(1, 9, (40, 2)))
    batches = PairBatches(photos, clips, size=4, seed=0)
    far = [
        float((batch.image_va - batch.music.va).norm(dim=1).max())
        for index in range(3)
        for batch in batches.epoch(index)
    ]
    farthest = max(float(np.sort(np.linalg.norm(photos.va - [c.va.valence, c.va.arousal], axis=1))[15]) for c in clips)
    assert max(far) <= farthest + 1e-5
    assert sum(len(batch.images) for batch in batches.epoch(0)) == 8
    first, again = next(iter(batches.epoch(1))), next(iter(batches.epoch(1)))
    assert torch.equal(first.images, again.images)


def test_nearest_by_hand():
    assert nearest(np.array([[1.0, 1.0]]), np.array([[9.0, 9.0], [1.0, 2.0], [4.0, 1.0]]), 2).tolist() == [[1, 2]]


def test_the_bar_before_the_first_is_silence():
    clips = samples(6)
    photos = Photos(torch.rand(20, 3, 64, 64), np.random.default_rng(0).uniform(1, 9, (20, 2)))
    batch = next(iter(BarBatches(photos, clips, size=6, seed=0).epoch(0)))
    assert set(batch.bars.unique().tolist()) <= {0.0, 1.0}
    known = [bars_of(clip) for clip in clips]
    for bar, before in zip(batch.bars.bool().numpy(), batch.before.bool().numpy(), strict=True):
        places = [(k, i) for k, bars in enumerate(known) for i in range(len(bars)) if np.array_equal(bars[i], bar)]
        assert any(np.array_equal(before, known[k][i - 1]) if i else not before.any() for k, i in places)


# --- between two autoencoders ---------------------------------------------------------------------------------


def test_the_direct_mapping_reaches_negative_features():
    model = DirectMapping(replace(DirectConfig.tiny(), image_noise=0.0))
    batch = LatentPairs(torch.eye(12)[:8], torch.randn(8, 10, generator=torch.Generator().manual_seed(0)) - 1)
    before, after = learns(model, batch, "mapped", steps=300)
    assert after < 0.1 * before
    assert sum(isinstance(layer, torch.nn.Linear) for layer in model.layers) == 5


@pytest.mark.parametrize("kind", ["direct", "bridge"])
def test_mappings_compose_like_any_other(kind):
    torch.manual_seed(0)
    image_class, music_class = IMAGE_AUTOENCODERS["vqvae"], MUSIC_AUTOENCODERS["fnt"]
    image_ae, music_ae = image_class(image_class.Config.tiny()).eval(), music_class(music_class.Config.tiny()).eval()
    widths = {"image_dim": image_ae.latent_dim, "music_dim": music_ae.latent_dim}
    mapping = (
        DirectMapping(replace(DirectConfig.tiny(), **widths)).eval()
        if kind == "direct"
        else BridgeMapping(PaperBridge(replace(PaperBridge.Config.tiny(), **widths)).eval())
    )
    composer = Baseline("x", "X", Mapped(image_ae, mapping, music_ae))
    photos = [Image.new("RGB", (40, 30), colour) for colour in ("teal", "orange")]
    made = composer.compose(photos[0], VA(6, 6), ComposeOptions(seed=3, seconds=5.0, target=VA(2, 2)))
    assert made.piece.notes
    assert made.remarks == ("X cannot be asked for an emotion; it follows the photo.",)
    assert made.piece == composer.compose(photos[0], None, ComposeOptions(seed=3, seconds=5.0)).piece
    assert len(composer.compose_many(photos, 1, 5.0)) == 2
    with pytest.raises(InputError, match="photos only"):
        composer.compose(None, None, ComposeOptions())


def test_retrieval_follows_what_was_read():
    pieces = tuple(random_clip(seed) for seed in range(3))
    library = ClipLibrary(pieces, np.array([[2.0, 2.0], [5.0, 5.0], [8.0, 8.0]]), VA(5, 5))
    assert Retrieval(library).compose(None, VA(7.5, 7), ComposeOptions()).piece == pieces[2]
    assert Retrieval(library).compose(None, VA(1.5, 3), ComposeOptions()).piece == pieces[0]


def test_titles_and_sizes():
    assert {cls.__name__ for cls in BASELINES.values()} == {"TransformerIM", "GanIM", "DirectMapping"}
    heads = TransformerIMConfig()
    assert (heads.image_heads, heads.music_heads, heads.multimodal_heads) == (12, 6, 6)  # as printed
    assert len(GanIMConfig().down) == len(GanIMConfig().up) == 6
    assert len(GanIMConfig().judge) == 3
    for cls in (TransformerIM, GanIM):
        assert sum(p.numel() for p in cls().parameters()) < 1_500_000
