"""Where emotion is lost: the use of a latent, and the read-out that must not cheat."""

from __future__ import annotations

import json
from math import exp, log
from pathlib import Path

import numpy as np
import pytest
import torch

from eimg_core.data import read_eimg
from eimg_core.errors import CheckpointError
from eimg_core.image_ae import IMAGE_AUTOENCODERS
from eimg_core.image_ae.vqvae import VQVAE, VQVAEConfig
from eimg_core.music_ae import MUSIC_AUTOENCODERS
from tests.factories import make_mini_data
from tests.tiny import save_tiny_pairing
from train.evaluation.latents import (
    PENALTIES,
    LatentsRequest,
    Unseen,
    fit_ridge,
    measure_latents,
    read_emotion,
    readout,
    ridge_path,
)
from train.report.tables import latents as latents_table

RNG = np.random.default_rng


def grouped(count: int, size: int = 4) -> list[str]:
    return [f"g{row // size}" for row in range(count)]


# --- use of the latent ------------------------------------------------------------------------------------------


def autoencoders() -> list:
    return [
        pytest.param(registry[key], id=key) for registry in (IMAGE_AUTOENCODERS, MUSIC_AUTOENCODERS) for key in registry
    ]


@pytest.mark.parametrize("count", [4, 40, 400])  # fewer and more items than dimensions
@pytest.mark.parametrize("model_class", autoencoders())
def test_usage_is_what_the_covariance_says(model_class, count):
    model = model_class(model_class.Config.tiny())
    spread = torch.logspace(-2, 0.3, model.latent_dim)
    z = 3 + spread * torch.randn(count, model.latent_dim, generator=torch.Generator().manual_seed(count))
    found = model.usage(z)
    covariance = np.cov(z.double().numpy(), rowvar=False)
    eigenvalues = np.linalg.eigvalsh(covariance)
    assert found["active"] == sum(covariance[d, d] > 0.01 for d in range(model.latent_dim))
    assert 0 < found["active"] < model.latent_dim
    assert found["effective"] == pytest.approx(eigenvalues.sum() ** 2 / (eigenvalues**2).sum())


def test_known_clouds():
    model = MUSIC_AUTOENCODERS["fnt"](MUSIC_AUTOENCODERS["fnt"].Config.tiny())
    corners = torch.cat([torch.eye(3), -torch.eye(3)])
    round_cloud = torch.nn.functional.pad(corners, (0, 5))
    assert model.usage(round_cloud) == {"active": 3.0, "effective": pytest.approx(3.0)}
    line = torch.arange(6.0)[:, None] * torch.ones(8)
    assert model.usage(line) == {"active": 8.0, "effective": pytest.approx(1.0)}
    assert model.usage(torch.full((6, 8), 0.3)) == {"active": 0.0, "effective": 0.0}


def test_codes_are_counted_over_all_cells():
    model = VQVAE(VQVAEConfig.tiny())
    cells = model.grid**2
    indices = torch.tensor([3] * (3 * cells // 2) + [7] * (cells // 4) + [11] * (cells // 4)).view(2, -1)
    z = model.quantiser.codebook[indices].view(2, model.grid, model.grid, -1).movedim(-1, 1).flatten(1)
    found = model.usage(z)
    entropy = -sum(share * log(share) for share in (3 / 4, 1 / 8, 1 / 8))
    assert found["codes_used"] == 3
    assert found["perplexity"] == pytest.approx(exp(entropy), rel=1e-5)


# --- the regression ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "width"), [(30, 5), (30, 30), (12, 70)])  # the last is solved in dual form
def test_every_penalty_is_the_textbook_ridge(count, width):
    rng = RNG(width)
    features = 100 + rng.normal(size=(count, width)) * rng.uniform(0.1, 9, width)
    features[:, 1] = 4.0  # one that never varies
    va, new = rng.uniform(1, 9, (count, 2)), 100 + rng.normal(size=(7, width))
    path = ridge_path(features, va)
    for penalty, read in zip(PENALTIES, path(new), strict=True):
        centre, spread = features.mean(axis=0), features.std(axis=0)
        spread[1] = 1e-4
        x, mean = (features - centre) / spread, va.mean(axis=0)
        weights = np.linalg.inv(x.T @ x + penalty * np.eye(width)) @ x.T @ (va - mean)
        assert np.allclose(read, mean + (new - centre) / spread @ weights, rtol=1e-6)


@pytest.mark.parametrize("width", [6, 300])
def test_what_is_there_is_read(width):
    rng = RNG(0)
    features = rng.normal(size=(260, width))
    va = 5 + features[:, :2] * (1.0, 0.5) + rng.normal(0, 0.1, (260, 2))
    found = readout(features[:200], va[:200], grouped(200), Unseen(features[200:], va[200:]))
    for group, n in (("out_of_fold", 200), ("unseen", 60)):
        assert found[group]["n"] == n
        for axis in ("valence", "arousal"):
            assert found[group][axis]["r"] > (0.97 if width == 6 else 0.6)
        assert found[group]["distance"] < 0.9 * found[group]["constant_distance"]


def test_a_mark_of_the_group_is_not_emotion():
    """Photos of one theme resemble one another and share their label: whoever divides themes reads it."""
    rng = RNG(1)
    groups = grouped(160)
    row = np.arange(160) // 4
    features = rng.normal(size=(40, 60))[row] + rng.normal(0, 0.05, (160, 60))
    va = rng.uniform(1, 9, (40, 2))[row]
    divided = readout(features, va, [str(number) for number in range(160)])["out_of_fold"]
    kept = readout(features, va, groups)["out_of_fold"]
    for axis in ("valence", "arousal"):
        assert divided[axis]["r"] > 0.8
        assert abs(kept[axis]["r"]) < 0.35
        assert kept[axis]["rmse"] < 1.15 * kept[axis]["constant_rmse"]  # the penalty is chosen between groups, too


def test_each_axis_has_its_own_penalty():
    rng = RNG(2)
    features = rng.normal(size=(200, 20))
    va = np.stack([5 + features[:, 0], rng.uniform(1, 9, 200)], axis=1)
    valence, arousal = fit_ridge(features, va, grouped(200)).penalty
    assert valence <= 10 < 100 <= arousal


def test_the_order_of_items_does_not_matter_and_the_seed_does():
    rng = RNG(3)
    features, va, groups = rng.normal(size=(80, 10)), rng.uniform(1, 9, (80, 2)), grouped(80)
    order = rng.permutation(80)
    again = readout(features[order], va[order], [groups[row] for row in order])
    assert readout(features, va, groups)["out_of_fold"]["distance"] == again["out_of_fold"]["distance"]
    assert readout(features, va, groups, seed=1)["out_of_fold"] != again["out_of_fold"]


def test_bad_tables_are_refused():
    features, va = np.ones((6, 2)), np.ones((6, 2))
    with pytest.raises(ValueError, match=r"expected \(N, D\), \(N, 2\) and N groups"):
        fit_ridge(features, va, ["a"] * 5)
    with pytest.raises(ValueError, match="at least two groups"):
        fit_ridge(features, va, ["a"] * 6)
    with pytest.raises(ValueError, match="finite features"):
        fit_ridge(np.full((6, 2), np.nan), va, list("aabbcc"))


# --- the command ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def checked(tmp_path_factory) -> tuple[Path, Path]:
    """An assets folder with tiny components and their results, and the data."""
    folder = tmp_path_factory.mktemp("latents")
    counts = {"train": 16, "val": 6, "test": 6}
    data = make_mini_data(folder / "data", counts, counts, emopia_clips=0, pop909_songs=0)
    save_tiny_pairing(folder / "checkpoints")
    measure_latents(request_of(folder, data))
    return folder, data


def request_of(folder: Path, data: Path, **more) -> LatentsRequest:
    return LatentsRequest(
        data=data, components=folder / "checkpoints", results=folder / "results", runs=folder / "runs", **more
    )


def result(folder: Path, name: str) -> dict:
    return json.loads((folder / "results" / f"latents-{name}.json").read_text(encoding="utf-8"))


def test_one_result_for_everything_that_is_there(checked):
    folder, _ = checked
    names = {path.stem for path in (folder / "results").iterdir()}
    # There is no network to look at photos with in this folder, so that baseline is left out.
    assert names == {"latents-image_ae-vqvae@paper", "latents-music_ae-fnt", "latents-baseline-clips"}
    photos, clips = result(folder, "image_ae-vqvae@paper"), result(folder, "music_ae-fnt")
    for found in (photos, clips):
        assert found["n"] == {"train": 16, "val": 6, "test": 6}
        assert found["groups"] == {"train": 8, "val": 3, "test": 3}
        assert {"active", "effective"} <= set(found["usage"])
        assert [found["readout"][name]["n"] for name in ("out_of_fold", "val", "test")] == [22, 6, 6]
        assert list(found["components"]) == [f"{found['kind']}/{found['key']}"]
    assert photos["width"] == VQVAE(VQVAEConfig.tiny()).latent_dim
    assert photos["reconstruction"]["psnr_db"] > 0
    assert photos["usage"]["codes_used"] >= photos["usage"]["perplexity"] >= 1
    assert {"loss", "loss_shuffled_z", "accuracy", "accuracy_pitch"} <= set(clips["reconstruction"])


def test_counted_features_of_clips_that_carry_emotion_can_be_read(checked):
    folder, _ = checked
    assert result(folder, "baseline-clips")["readout"]["out_of_fold"]["arousal"]["r"] > 0.6


def test_what_is_current_is_not_measured_again(checked):
    folder, data = checked
    assert measure_latents(request_of(folder, data)) == []
    again = measure_latents(request_of(folder, data, only=["fnt"], force=True))
    assert [path.stem for path in again] == ["latents-music_ae-fnt"]


def test_what_is_asked_for_must_be_there(checked):
    folder, data = checked
    with pytest.raises(CheckpointError, match="No trained weights for image_ae/beta_vae"):
        measure_latents(request_of(folder, data, only=["beta_vae"]))


def test_the_columns_do_not_mix_splits(checked):
    """What is in the test split can change the test column alone."""
    corpus = read_eimg(checked[1])
    va = corpus.va_table()
    features = RNG(0).normal(size=(len(va), 3)) + va[:, :1]
    marked = features.copy()
    marked[[item.split == "test" for item in corpus.items]] += 7.0
    before, after = read_emotion(features, corpus), read_emotion(marked, corpus)
    assert [name for name in before if before[name] != after[name]] == ["test"]


def test_the_table_tells_both_columns_and_the_ceiling(checked):
    folder, _ = checked
    rows = latents_table(folder).splitlines()
    assert [row.split(" | ")[0] for row in rows[2:5]] == [
        "| `image_ae/vqvae@paper`", "| `music_ae/fnt`", "| *counted features of the evaluator*"
    ]  # fmt: skip
    assert all(row.count("|") == 7 for row in rows[:5])
    assert " dB |" in rows[2]
    assert "6 photos and 6 clips" in rows[-1]
    assert "honest" in rows[-1]
