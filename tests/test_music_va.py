"""The readers of emotion in music: what they hear does not depend on the file, and what is shipped makes sense."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import mido
import numpy as np
import pytest
import torch

from eimg_core.checkpoints import half, load_component, save_component
from eimg_core.emotion import VA
from eimg_core.errors import CheckpointError, InputError
from eimg_core.midi.notes import Note, Pedal, Piece
from eimg_core.midi.reading import read_midi
from eimg_core.shipped import CHECKPOINTS
from eimg_core.va.evaluator import EVALUATOR_FOLDER, Evaluator
from eimg_core.va.guide import GUIDE_FOLDER, INPUT_SIZE, Guide, GuideConfig, picture, pictures, varied
from eimg_core.va.music_features import FEATURE_NAMES, feature_table, features
from tests.factories import make_mini_data, make_piece
from train.music_va import main as train
from train.stages.agreement import agreement, area_under_curve, folds
from train.stages.loop import LoopConfig, fit
from train.stages.music_va import GuideRequest, PictureBatches, train_guide

EMPTY = Piece(())
SHIPPED = pytest.mark.skipif(
    not (CHECKPOINTS / EVALUATOR_FOLDER / "card.json").exists(), reason="no trained evaluator here"
)


def some_piece(seed: int = 0, va: VA | None = None) -> Piece:
    return make_piece(va or VA(6, 6), np.random.default_rng(seed))


def at_speed(piece: Piece, factor: float) -> Piece:
    return piece.with_notes(
        replace(note, start_s=note.start_s / factor, end_s=note.end_s / factor) for note in piece.notes
    )


def named(piece: Piece) -> dict[str, float]:
    return dict(zip(FEATURE_NAMES, features(piece).tolist(), strict=True))


def write_on_grid(piece: Piece, path: Path, ticks_per_beat: int, tempo_bpm: float) -> Path:
    """The same seconds in a file with another grid and another tempo mark."""
    track, now = mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(tempo_bpm))]), 0
    events = [(n.start_s, 1, n.pitch, n.velocity) for n in piece.notes]
    events += [(n.end_s, 0, n.pitch, 0) for n in piece.notes]
    for seconds, _, pitch, velocity in sorted(events):
        tick = round(seconds * ticks_per_beat * tempo_bpm / 60)
        track.append(mido.Message("note_on", note=pitch, velocity=velocity, time=tick - now))
        now = tick
    mido.MidiFile(ticks_per_beat=ticks_per_beat, tracks=[track]).save(path)
    return path


@pytest.mark.parametrize("describe", [features, picture])
def test_tempo_mark_meter_and_pedal_are_not_read(describe) -> None:
    piece = some_piece()
    other = replace(piece, tempo_bpm=47.0, meter=(3, 4), pedals=(Pedal(0.0, 5.0),))
    np.testing.assert_array_equal(describe(piece), describe(other))


@pytest.mark.parametrize("describe", [features, picture])
def test_time_before_the_first_note_is_not_read(describe) -> None:
    piece = some_piece()
    later = piece.with_notes(replace(n, start_s=n.start_s + 4, end_s=n.end_s + 4) for n in piece.notes)
    np.testing.assert_allclose(describe(piece), describe(later), atol=1e-6)


@pytest.mark.parametrize("describe", [features, picture])
def test_the_grid_of_the_file_is_not_heard(describe, tmp_path: Path) -> None:
    # Times on tenths of a second fall on every one of these grids exactly.
    rng = np.random.default_rng(3)
    starts = np.sort(rng.integers(0, 140, 90)) / 10
    notes = {(s, int(rng.integers(40, 90))): float(rng.integers(1, 9)) / 10 for s in starts.tolist()}
    last: dict[int, float] = {}
    kept = []
    for (start, pitch), length in sorted(notes.items()):
        if last.get(pitch, -1.0) < start:  # one key at a time
            kept.append(Note(start, pitch, start + length, int(rng.integers(40, 100))))
            last[pitch] = start + length
    piece = Piece(tuple(kept))
    files = [write_on_grid(piece, tmp_path / f"{t}.mid", t, bpm) for t, bpm in ((480, 120), (1000, 75), (100, 60))]
    read = [read_midi(file) for file in files]
    for other in read:
        np.testing.assert_allclose(describe(other), describe(read[0]), atol=1e-6)


def test_pitch_moves_registers_and_nothing_relative() -> None:
    piece = some_piece()
    low, high = named(piece), named(piece.transposed(3))
    absolute = {"pitch", "lowest", "highest", "pitch_by_length", "pitch_median", "top_pitch", "bass_pitch"}
    absolute |= {name for name in FEATURE_NAMES if name.startswith(("register_", "pitch_q"))}
    for name in set(FEATURE_NAMES) - absolute:
        assert high[name] == pytest.approx(low[name], abs=1e-9), name
    assert high["top_pitch"] == pytest.approx(low["top_pitch"] + 3)


def test_speed_density_and_mode_are_counted_right() -> None:
    scale = Piece(tuple(Note(i * 0.25, p, i * 0.25 + 0.25) for i, p in enumerate([60, 62, 64, 65, 67, 69, 71, 72] * 4)))
    found = named(scale)
    assert found["notes_per_s"] == pytest.approx(4.0)
    assert (found["ioi_median"], found["length"], found["legato_share"]) == pytest.approx((0.25, 0.25, 1.0))
    assert (found["ioi_variation"], found["npvi"], found["silence_share"]) == pytest.approx((0, 0, 0), abs=1e-9)
    assert (found["in_scale"], found["voices"]) == pytest.approx((1.0, 1.0))
    assert named(at_speed(scale, 2.0))["log_notes_per_s"] == pytest.approx(np.log(8.0))
    bright, dark = (named(some_piece(va=VA(v, 5))) for v in (8, 2))
    assert bright["major_minor"] > 0 > dark["major_minor"]
    assert (bright["is_major"], dark["is_major"]) == (1.0, 0.0)


def test_intervals_that_sound_together_by_hand() -> None:
    found = named(Piece(tuple(Note(0.0, pitch, 1.0) for pitch in (60, 64, 67))))  # C E G
    assert (found["minor_third"], found["major_third"], found["fourth"]) == pytest.approx((1 / 3, 1 / 3, 1 / 3))
    found = named(Piece((Note(0.0, 60, 1.0), Note(0.0, 66, 1.0))))
    assert (found["tritone"], found["pairs_per_strike"]) == (1.0, 1.0)


@pytest.mark.parametrize("describe", [features, picture])
def test_a_longer_piece_is_described_like_a_shorter_one(describe) -> None:
    part = some_piece().cropped(14.0)
    twice = part.with_notes(
        [*part.notes, *(replace(n, start_s=n.start_s + 14.0, end_s=n.end_s + 14.0) for n in part.notes)]
    )
    np.testing.assert_allclose(describe(twice), describe(part), rtol=0.05, atol=0.05)


@pytest.mark.parametrize("describe", [features, picture])
def test_odd_pieces_have_finite_descriptions(describe) -> None:
    single = Piece((Note(2.0, 60, 2.01),))
    cluster = Piece(tuple(Note(0.0, pitch, 0.3, 127) for pitch in range(21, 109)))
    repeated = Piece(tuple(Note(0.02 * i, 60, 0.02 * i + 0.01, 1) for i in range(50)))
    sparse = Piece((Note(0.0, 30, 0.1), Note(200.0, 100, 230.0)))
    for piece in (single, cluster, repeated, sparse):
        assert np.isfinite(describe(piece)).all()
    assert np.isnan(describe(EMPTY)).all()


# --- the two readers -----------------------------------------------------------------------------------------------


def corpus(count: int = 60) -> tuple[list[Piece], np.ndarray]:
    rng = np.random.default_rng(1)
    va = rng.uniform(2, 8, (count, 2))
    return [make_piece(VA(*row), rng, seconds=8.0) for row in va.tolist()], va


def test_the_judge_finds_the_emotion_that_was_put_in(tmp_path: Path) -> None:
    pieces, va = corpus()
    evaluator = Evaluator.fit(feature_table(pieces[:45]), va[:45])
    read = evaluator.estimate_many(pieces[45:])
    assert np.corrcoef(read[:, 0], va[45:, 0])[0, 1] > 0.6
    assert np.corrcoef(read[:, 1], va[45:, 1])[0, 1] > 0.8

    tensors, config = evaluator.component()
    save_component(tmp_path / EVALUATOR_FOLDER, tensors, {"config": config})
    np.testing.assert_array_equal(Evaluator.load(tmp_path).estimate_many(pieces[45:]), read)


def test_the_kernel_is_what_its_formula_says() -> None:
    rng = np.random.default_rng(2)
    table, va = rng.normal(size=(12, 5)), rng.uniform(2, 8, (12, 2))
    evaluator = Evaluator.fit(table, va)
    gamma, beta, ridge = evaluator.config.gamma, evaluator.config.linear, evaluator.config.ridge
    x = evaluator.clips
    gram = [[np.exp(-gamma * np.abs(p - q).sum() / 5) + beta * (p @ q) / 5 for q in x] for p in x]
    a = np.linalg.inv(np.array(gram) + ridge * np.eye(12)) @ (va - va.mean(axis=0))
    np.testing.assert_allclose(evaluator.weights, a, atol=1e-5)
    np.testing.assert_allclose(evaluator.estimate_features(table), va.mean(axis=0) + np.array(gram) @ a, atol=1e-2)


def test_a_judge_of_other_features_is_refused(tmp_path: Path) -> None:
    pieces, va = corpus(12)
    tensors, config = Evaluator.fit(feature_table(pieces), va).component()
    save_component(tmp_path / EVALUATOR_FOLDER, tensors, {"config": {**config, "features": ["loudness"]}})
    with pytest.raises(CheckpointError, match="other features"):
        Evaluator.load(tmp_path)
    with pytest.raises(CheckpointError, match="No trained weights"):
        Evaluator.load(tmp_path / "elsewhere")


def test_a_piece_without_notes_has_no_emotion() -> None:
    pieces, va = corpus(12)
    evaluator, guide = Evaluator.fit(feature_table(pieces), va), Guide(GuideConfig.tiny()).eval()
    for read, read_many in ((evaluator.estimate, evaluator.estimate_many), (guide.estimate, guide.estimate_many)):
        with pytest.raises(InputError, match="no notes"):
            read(EMPTY)
        table = read_many([pieces[0], EMPTY])
        assert np.isfinite(table[0]).all()
        assert np.isnan(table[1]).all()
        assert read_many([]).shape == (0, 2)


def test_the_picture_has_the_size_it_announces_and_variation_keeps_the_music() -> None:
    piece = some_piece()
    assert pictures([piece, piece]).shape == (2, INPUT_SIZE)
    other = varied(piece, np.random.default_rng(0))
    assert len(other.notes) == len(piece.notes)
    assert 0.95 <= other.duration_s / piece.duration_s <= 1.05
    moves = {b.pitch - a.pitch for a, b in zip(piece.notes, other.notes, strict=True)}
    assert len(moves) == 1
    assert abs(moves.pop()) <= 3


def test_the_guide_is_saved_whole(tmp_path: Path) -> None:
    guide = Guide(GuideConfig.tiny()).eval()
    card = {"key": "guide", "config": asdict(guide.config)}
    save_component(tmp_path / GUIDE_FOLDER, half(guide.state_dict()), card)
    pieces = [some_piece(seed) for seed in range(3)]
    np.testing.assert_allclose(Guide.load(tmp_path).estimate_many(pieces), guide.estimate_many(pieces), atol=5e-3)


# --- training and its scores ---------------------------------------------------------------------------------------


def test_scores_by_hand() -> None:
    labels = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 9.0]])
    perfect = agreement(labels, labels, labels.mean(axis=0))
    assert perfect["valence"]["r"] == perfect["valence"]["r2"] == perfect["valence"]["sd_ratio"] == 1.0
    assert perfect["distance"] == 0.0
    shifted = agreement(labels + np.array([3.0, 4.0]), labels, labels.mean(axis=0))
    assert (shifted["distance"], shifted["arousal"]["rmse"], shifted["arousal"]["r"]) == (5.0, 4.0, 1.0)
    flat = agreement(np.full((3, 2), 3.0), labels, np.full(2, 3.0))
    assert flat["valence"]["r"] is None
    assert flat["distance"] == flat["constant_distance"]
    assert area_under_curve(np.array([1.0, 2.0, 2.0, 3.0]), np.array([False, False, True, True])) == 0.875


def test_folds_never_divide_a_piece() -> None:
    rng = np.random.default_rng(0)
    groups = [f"piece {n}" for n in rng.integers(0, 40, 300)]
    fold = folds(groups, 5, seed=0)
    assert all(len({int(f) for f, g in zip(fold, groups, strict=True) if g == name}) == 1 for name in set(groups))
    assert np.bincount(fold).min() > 45


@pytest.mark.parametrize("key", ["evaluator", "guide"])
def test_the_training_command_writes_a_reader_that_loads(key: str, tmp_path: Path) -> None:
    clips = {"train": 16, "val": 8, "test": 8}
    data = make_mini_data(tmp_path / "data", {"train": 2}, clips, emopia_clips=4, pop909_songs=0)
    command = [key, "--data", str(data), "--out", str(tmp_path / "out"), "--runs", str(tmp_path / "runs")]
    train([*command, "--preset", "smoke"])
    card = json.loads((tmp_path / "out" / "va_predictor" / key / "card.json").read_text())
    assert card["key"] == key
    assert card["trained_on"][0]["items"] == {"evaluator": 24, "guide": 16}[key]
    assert card["metrics"]["test"]["n"] == 8
    assert card["metrics"]["emopia"]["n"] == 4
    reader = Evaluator.load(tmp_path / "out") if key == "evaluator" else Guide.load(tmp_path / "out")
    read = reader.estimate
    assert 1 <= read(some_piece()).arousal <= 9
    first = load_component(tmp_path / "out" / "va_predictor" / key)[0]
    train([*command, "--preset", "smoke"])
    again = load_component(tmp_path / "out" / "va_predictor" / key)[0]
    assert all((first[name] == again[name]).all() for name in first)


class KilledError(Exception):
    pass


def picture_batches(count: int = 20) -> PictureBatches:
    pieces, va = corpus(count)
    rng = np.random.default_rng(0)
    variants = np.stack([pictures(pieces), pictures([varied(piece, rng) for piece in pieces])])
    return PictureBatches(torch.tensor(variants).float(), torch.tensor(va).float(), size=8, seed=0)


def untrained_guide(batches: PictureBatches, seed: int = 0) -> Guide:
    torch.manual_seed(seed)
    guide = Guide(GuideConfig.tiny())
    guide.calibrate(batches.variants[0], batches.va)
    return guide


def test_an_epoch_of_the_guide_meets_every_clip_once_in_one_of_its_variations() -> None:
    batches = picture_batches()
    seen = list(batches.epoch(3))
    assert [len(batch.va) for batch in seen] == [8, 8, 4]
    assert len(batches) == 3
    inputs, va = torch.cat([batch.inputs for batch in seen]), torch.cat([batch.va for batch in seen])
    rows = [int((batches.va == one).all(dim=1).nonzero()) for one in va]
    assert sorted(rows) == list(range(20))
    which = [
        [torch.equal(one, variant[row]) for variant in batches.variants] for one, row in zip(inputs, rows, strict=True)
    ]
    assert all(any(found) for found in which)
    assert {found.index(True) for found in which} == {0, 1}
    assert all(torch.equal(a.inputs, b.inputs) for a, b in zip(seen, batches.epoch(3), strict=True))


@pytest.mark.parametrize("after", [2, 7])
def test_a_killed_training_of_the_guide_resumes_exactly(tmp_path: Path, after: int) -> None:
    config = LoopConfig(epochs=4, learning_rate=1e-3, warmup_steps=2, weight_decay=3.0, save_every_s=0.0)
    batches = picture_batches()
    whole, broken, resumed = (untrained_guide(batches, seed) for seed in (0, 0, 9))
    fit(whole, batches, config, folder=tmp_path / "whole")

    def die(step: int) -> None:
        if step == after:
            raise KilledError

    broken.after_step = die  # type: ignore[method-assign]
    with pytest.raises(KilledError):
        fit(broken, batches, config, folder=tmp_path / "broken")
    fit(resumed, batches, config, folder=tmp_path / "broken")
    states = whole.state_dict(), resumed.state_dict()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    first = untrained_guide(batches)
    assert not torch.equal(first.state_dict()["members.0.0.weight"], states[0]["members.0.0.weight"])


def test_the_stage_of_the_guide_trains_on_the_common_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is killed inside the loop, and a second call takes up the saved state instead of beginning again."""
    import train.stages.music_va as module

    clips = {"train": 16, "val": 8, "test": 8}
    data = make_mini_data(tmp_path / "data", {"train": 2}, clips, emopia_clips=0, pop909_songs=0)
    started: list[int] = []

    def counted(model: Guide, *args, **options):
        inner = model.loss

        def loss(batch, step):
            started.append(step)
            if len(started) == 4:
                raise KilledError
            return inner(batch, step)

        model.loss = loss  # type: ignore[method-assign]
        return fit(model, *args, **options)

    monkeypatch.setattr(module, "fit", counted)
    request = GuideRequest(
        data=data, out=tmp_path / "out", runs=tmp_path / "runs", preset="smoke", changes={"save_every_s": 0}
    )
    with pytest.raises(KilledError):
        train_guide(request)
    assert (tmp_path / "runs/va_predictor/guide/state.pt").exists()
    made = train_guide(request)
    assert started[:5] == [0, 1, 2, 3, 3]  # the step that was killed is made again, those before it are not
    assert made.card["training"]["epochs"] == 3
    assert made.card["changes"] == {"save_every_s": "0"}
    monkeypatch.setattr(module, "fit", fit)
    again = train_guide(replace(request, runs=tmp_path / "others", out=tmp_path / "fresh"))
    assert again.card["sha256"] == made.card["sha256"]


@SHIPPED
def test_the_shipped_judge_hears_what_listeners_hear() -> None:
    evaluator = Evaluator.load(CHECKPOINTS)
    calm = some_piece(va=VA(6, 3))
    slow, fast = evaluator.estimate(at_speed(calm, 0.7)), evaluator.estimate(at_speed(calm, 2.5))
    assert fast.arousal > slow.arousal + 1.0
    happy, sad = evaluator.estimate(some_piece(va=VA(8, 6))), evaluator.estimate(some_piece(va=VA(2, 4)))
    assert happy.valence > sad.valence + 0.5


@pytest.mark.skipif(not (CHECKPOINTS / GUIDE_FOLDER / "card.json").exists(), reason="no trained guide here")
def test_the_shipped_guide_hears_what_listeners_hear() -> None:
    guide = Guide.load(CHECKPOINTS)
    calm = some_piece(va=VA(6, 3))
    assert guide.estimate(at_speed(calm, 2.5)).arousal > guide.estimate(at_speed(calm, 0.7)).arousal + 1.0
    assert guide.estimate(some_piece(va=VA(8, 6))).valence > guide.estimate(some_piece(va=VA(2, 4))).valence + 0.5
