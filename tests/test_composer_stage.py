"""Pretraining of the planning composer: windows, batches, held-out numbers, and going on where a run stopped."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from eimg_core.annotation.annotate import annotate
from eimg_core.checkpoints import load_model
from eimg_core.emotion import VA
from eimg_core.licences import components
from eimg_core.music_ae.plan_examples import Passage
from eimg_core.music_ae.tvae import TransformerVAE, TransformerVAEConfig
from eimg_core.va.guide import Guide, GuideConfig
from tests.factories import make_scores
from tests.test_annotation import ANSWER, THEME, sheet_with
from train.data.passages import KeptPassage, _load, _save, passages_of
from train.stages.composer import (
    ComposerRequest,
    Window,
    WindowBatches,
    held_out,
    pretrain_composer,
    spans_of,
    windows_of,
)
from train.stages.loop import LoopConfig, fit
from train.stages.rules import take_standards
from train.stages.stage import Request

ROUNDS = ((THEME,), (ANSWER, (43, 47, 50)))


def passage(bars: int, corpus: str = "pop909") -> Passage:
    return Passage.of(annotate(sheet_with(*(ROUNDS[bar % 2] for bar in range(bars)))), corpus)


@pytest.fixture(scope="module")
def windows(tmp_path_factory) -> list[Window]:
    torch.manual_seed(0)
    guide = Guide(GuideConfig.tiny()).eval()
    cache = tmp_path_factory.mktemp("cache")
    kept = [KeptPassage(passage(40), f"{index}.mid", "train", None) for index in range(2)]
    clips = [KeptPassage(passage(6, "eimg"), "clip.mid", "train", VA(2.0, 8.0))]
    found = windows_of(kept, guide, cache / "a.npz") + windows_of(clips, guide, cache / "b.npz")
    assert windows_of(kept, guide, cache / "a.npz") == found[: len(found) - 1]  # the estimates are kept
    return found


def test_windows_overlap_by_half_and_clips_are_whole(windows):
    assert [(w.first, w.bars) for w in windows[:4]] == [(0, 16), (8, 16), (16, 16), (24, 16)]
    assert (windows[-1].first, windows[-1].bars, windows[-1].va) == (0, 6, VA(2.0, 8.0))
    assert all(1 <= w.va.valence <= 9 and 1 <= w.va.arousal <= 9 for w in windows)


def test_rounds_see_every_bar_and_meet_half_a_window_later(windows):
    batches = WindowBatches(windows, 1, 0)
    even, odd = ({windows[i].first for i in turn} for turn in batches.turns[:2])
    assert even == {0, 16}
    assert odd == {0, 8, 24}  # the clip stands alone and belongs to both
    first = [batch.steps for batch in batches.epoch(0)]
    again = [batch.steps for batch in WindowBatches(windows, 1, 0).epoch(0)]
    assert len(first) == len(batches)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))


def test_of_the_songs_every_other_one_is_seen_in_a_round():
    songs = [Window(KeptPassage(passage(8, "lieder"), f"{i}.mid", "train", None), 0, 8, VA(5, 5)) for i in range(4)]
    batches = WindowBatches(songs, 1, 0)
    assert [turn.tolist() for turn in batches.turns] == [[0, 2], [0, 2], [1, 3], [1, 3]]


def test_a_full_window_is_cut_by_bars_and_a_label_needs_no_estimate(tmp_path):
    many = passage(40)
    crowded = Passage(**{**vars(many), "steps": np.repeat(many.steps, 8, 0), "bar": np.repeat(many.bar, 8),
                         "stream": np.repeat(many.stream, 8), "around": np.repeat(many.around, 8, 0),
                         "echoes": np.repeat(many.echoes, 8, 0)})  # fmt: skip
    torch.manual_seed(0)
    guide = Guide(GuideConfig.tiny()).eval()
    found = windows_of([KeptPassage(crowded, "a.mid", "train", VA(5, 5))], guide, tmp_path / "a.npz")
    assert not (tmp_path / "a.npz").exists()
    assert 0 < found[0].bars < 16
    assert len(found[0].sample()) <= 700


def test_held_out_numbers_are_finite_and_named(windows):
    torch.manual_seed(0)
    numbers = held_out(TransformerVAE(TransformerVAEConfig.tiny()).eval(), windows[:3])
    assert {"loss", "loss_pop909", "plan_pop909", "tune_pitch", "tune_pitch_shuffled", "tune_pitch_uncopied"} <= {
        *numbers
    }
    assert all(np.isfinite(value) for value in numbers.values())
    assert 0 <= numbers["exact"] <= 1


def test_passages_come_back_from_their_cache(tmp_path):
    found = [("a.mid", passage(4)), ("b.mid", passage(6, "mutopia"))]
    _save(tmp_path / "x.npz", "digest", found)
    again = _load(tmp_path / "x.npz", "digest")
    assert [key for key, _ in again] == ["a.mid", "b.mid"]
    for (_, old), (_, new) in zip(found, again, strict=True):
        assert vars(old).keys() == vars(new).keys()
        assert all(np.array_equal(getattr(old, name), getattr(new, name)) for name in vars(old))
    assert _load(tmp_path / "x.npz", "another") is None
    (tmp_path / "x.npz").write_bytes(b"nothing")
    assert _load(tmp_path / "x.npz", "digest") is None


def test_a_run_that_stopped_makes_the_same_steps(windows, tmp_path):
    def train(folder: Path, epochs: int, total: int) -> TransformerVAE:
        torch.manual_seed(0)
        model = TransformerVAE(TransformerVAEConfig.tiny())
        batches = WindowBatches(windows, 1, 0)
        if epochs < total:  # stops early: a later epoch is never begun
            stopped = batches.epoch

            def epoch(index: int):
                if index >= epochs:
                    raise KeyboardInterrupt
                return stopped(index)

            batches.epoch = epoch  # type: ignore[method-assign]
        config = LoopConfig(epochs=total, warmup_steps=1, save_every_s=0.0)
        with contextlib.suppress(KeyboardInterrupt):
            fit(model, batches, config, folder=folder)
        return model

    whole = train(tmp_path / "whole", 3, 3)
    train(tmp_path / "cut", 1, 3)
    resumed = train(tmp_path / "cut", 3, 3)
    for a, b in zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_the_clean_composer_learns_from_clear_licences_and_from_no_label(tmp_path):
    for name in ("mutopia", "lieder"):
        make_scores(tmp_path, name)
    request = ComposerRequest(
        data=tmp_path, out=tmp_path / "out", runs=tmp_path / "runs", preset="smoke", clean=True, threads=1
    )
    made = pretrain_composer(request)  # without a guide, and without EIMG, EMOPIA and POP909
    assert made.component == "music_ae/tvae_clean"
    assert {one["data"] for one in made.card["trained_on"]} == {"Mutopia piano scores", "OpenScore Lieder, piano parts"}
    assert "published rules" in made.card["labels"]
    assert components(request.out)["music_ae/tvae_clean"].commercial
    model, _ = load_model(request.out / "music_ae" / "tvae_clean", {"tvae": TransformerVAE})
    assert (model.config.style, model.config.dynamics) == ("mutopia", False)
    settings = (request.runs / "composer" / "tvae_clean" / "settings.json").read_text()
    assert '"rules"' in settings
    assert '"guide"' not in settings


def test_someone_has_to_be_left_to_learn_from(tmp_path):
    request = ComposerRequest(data=tmp_path, preset="smoke", clean=True, leave_out=["mutopia", "lieder"])
    with pytest.raises(ValueError, match="no data set is left"):
        pretrain_composer(request)


def test_standards_are_taken_from_what_is_trained_on(tmp_path):
    for name in ("mutopia", "lieder"):
        make_scores(tmp_path, name)
    request = Request(data=tmp_path, runs=tmp_path / "runs")
    taken = take_standards(request, tmp_path / "rules.json")
    kept = json.loads((tmp_path / "rules.json").read_text())
    assert kept["standards"]["mean"]["tempo"] == pytest.approx(taken.mean["tempo"], rel=1e-4)
    assert taken.mean["tempo"] == pytest.approx(np.log(2), abs=0.05)  # a quarter is half a second
    trained_on = [one for one in passages_of("mutopia", tmp_path, request.cache) if one.split == "train"]
    assert kept["windows"]["mutopia"] == len(spans_of(trained_on))
