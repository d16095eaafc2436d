"""Commands are thin: what is typed arrives in a request, and ``reproduce`` hands all of it to every function."""

from __future__ import annotations

import importlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

import train.critic
import train.image_ae
import train.music_va
import train.reproduce
from eimg_core.data import Corpus
from tests.factories import make_mini_data
from train.commands import told
from train.evaluation.result import MeasureRequest
from train.reproduce import ReproduceRequest, Stage, reproduce, stages
from train.stages.critic import CriticRequest
from train.stages.music_ae import MusicAERequest, train_music_ae
from train.stages.presets import PRESETS
from train.stages.stage import ComponentResult, LoopRequest, request_from, run_folder, settings_of

COMMANDS = [path.stem for path in sorted(Path(train.reproduce.__file__).parent.glob("*.py"))]
COMMANDS = [name for name in COMMANDS if name not in ("__init__", "commands")]
MEASUREMENTS = (
    "measure_latents", "evaluate", "describe_dataset", "run_experiments", "evaluate_folders", "report_quality",
)  # fmt: skip


def result_of(component: str, **card) -> ComponentResult:
    return ComponentResult(component, Path(component), card)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        importlib.import_module(f"train.{name}").main(["--help"])
    assert stopped.value.code == 0
    shown = capsys.readouterr().out
    said = "bridge" if name == "cross_modal" else name  # the earlier name of the command
    assert f"python -m train.{said}" in shown


@pytest.mark.parametrize(
    ("name", "function", "typed", "own"),
    [
        ("image_ae", "train_image_ae", ["vqvae"], {"key": "vqvae"}),
        ("music_ae", "train_music_ae", ["fnt"], {"key": "fnt"}),
        ("composer", "pretrain_composer", ["--leave-out", "emopia"], {"leave_out": ["emopia"], "clean": False}),
        ("tune_composer", "tune_composer", ["--leave-out", "emopia"], {"leave_out": ["emopia"]}),
        ("bridge", "train_bridge", ["alae", "fnt", "--variant", "paper"], {"image": "alae", "variant": "paper"}),
        ("baseline", "train_baseline", ["tf_im", "--sight", "none"], {"key": "tf_im", "model": {"sight": "none"}}),
        ("music_va", "train_guide", ["guide"], {}),
    ],
)
def test_what_is_typed_arrives_in_the_request(
    name: str, function: str, typed: list[str], own: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, seen = importlib.import_module(f"train.{name}"), []
    monkeypatch.setattr(module, function, lambda request: seen.append(request) or result_of("a/b"))
    shared = ["--data", "d", "--out", "o", "--runs", "r", "--preset", "smoke", "--seed", "7", "--threads", "2"]
    module.main([*typed, *shared, "--set", "epochs=3", "--set", "average=0.5"])
    expected = {
        "data": Path("d"), "out": Path("o"), "runs": Path("r"), "preset": "smoke", "seed": 7, "threads": 2,
        "changes": {"epochs": "3", "average": "0.5"}, **own,
    }  # fmt: skip
    assert {key: getattr(seen[0], key) for key in expected} == expected
    loop = settings_of(seen[0], "music_ae", "fnt").loop
    assert (loop.epochs, loop.average, loop.seed) == (3, 0.5, 7)


def test_the_critic_has_a_seed_and_no_loop(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[CriticRequest] = []
    monkeypatch.setattr(train.critic, "train_critic", lambda request: seen.append(request) or result_of("a/b"))
    train.critic.main(["fnt", "--data", "d", "--preset", "smoke", "--seed", "7"])
    assert seen == [CriticRequest(data=Path("d"), preset="smoke", seed=7, music="fnt")]
    with pytest.raises(SystemExit):
        train.critic.main(["fnt", "--data", "d", "--set", "epochs=3"])
    assert "unrecognized arguments: --set" in capsys.readouterr().err


def test_a_change_without_a_value_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        train.image_ae.main(["vqvae", "--data", "d", "--set", "epochs"])
    assert "--set needs NAME=VALUE, got 'epochs'" in capsys.readouterr().err


def test_the_composer_has_commands_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        importlib.import_module("train.music_ae").main(["tvae", "--data", "d"])
    assert "invalid choice: 'tvae' (choose from 'fnt', 'lsr')" in capsys.readouterr().err


def test_there_is_nothing_to_change_in_what_is_fitted_in_closed_form(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        train.music_va.main(["evaluator", "--data", "d", "--set", "epochs=3"])
    assert "there is no loop for --set to change" in capsys.readouterr().err


# --- reproduce ------------------------------------------------------------------------------------------------------


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """Function → the request that it was given; nothing is trained, measured or written."""
    requests: dict[str, object] = {}

    def fake(stage: Stage) -> Stage:
        return replace(stage, train=lambda request: requests.setdefault(stage.component, request))

    every = [fake(stage) for stage in stages()]
    monkeypatch.setattr(train.reproduce, "stages", lambda: every)
    for name in MEASUREMENTS:
        monkeypatch.setattr(train.reproduce, name, lambda request, name=name: requests.setdefault(name, request))
    for name in ("write_tables", "write_documents"):
        monkeypatch.setattr(train.reproduce, name, lambda *where: None)
    monkeypatch.setattr(train.reproduce, "known_rows", lambda root: ["vqvae+fnt@paper", "vqvae+fnt@eimg2", "constant"])
    return requests


def test_reproduce_passes_threads_seed_and_changes_on(seen: dict[str, object], tmp_path: Path) -> None:
    typed = ["--data", "d", "--out", str(tmp_path / "assets" / "checkpoints"), "--runs", str(tmp_path / "runs")]
    train.reproduce.main([*typed, "--threads", "3", "--seed", "5", "--set", "epochs=2"])
    assert set(seen) == {*(stage.component for stage in stages()), *MEASUREMENTS}
    for name, request in seen.items():
        assert request.threads == 3, name
        assert request.data == Path("d"), name
        assert request.runs == tmp_path / "runs", name
        if isinstance(request, LoopRequest):
            assert request.changes == {"epochs": "2"}, name
            assert request.seed == 5, name
        if isinstance(request, MeasureRequest):
            assert request.components == tmp_path / "assets" / "checkpoints", name
            assert request.results == tmp_path / "assets" / "results", name
    assert seen["bridge/vqvae+fnt@paper"].variant == "paper"
    assert seen["evaluate"].only == ["vqvae+fnt@paper", "vqvae+fnt@eimg2", "constant"]
    assert seen["critic/tvae"].music == "tvae"
    assert seen["run_experiments"].results == tmp_path / "assets" / "results"


def test_the_composer_is_pretrained_then_tuned_before_its_bridges_and_its_critic(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    called: list[str] = []
    for name in ("pretrain_composer", "tune_composer"):
        monkeypatch.setattr(train.reproduce, name, lambda request, name=name: called.append(name))
    of = {stage.component: stage for stage in stages()}
    composer, order = of["music_ae/tvae"], list(of)
    composer.run(ReproduceRequest(data=Path("d"), runs=tmp_path))
    assert called == ["pretrain_composer", "tune_composer"]
    assert order.index("va_predictor/guide") < order.index("music_ae/tvae") < order.index("bridge/effnet+tvae@eimg2")
    assert order[-1] == "critic/tvae"  # it hears what a pairing composes


def test_what_is_forced_begins_anew(tmp_path: Path) -> None:
    request = ReproduceRequest(data=Path("d"), runs=tmp_path)
    states = [tmp_path / folder / "state.pt" for folder in ("image_ae/vqvae", "composer/tvae", "composer_tuning/tvae")]
    for state in states:
        state.parent.mkdir(parents=True)
        state.touch()
    of = {stage.component: stage for stage in stages()}
    of["image_ae/vqvae"].forget(request)
    assert [state.exists() for state in states] == [False, True, True]
    of["music_ae/tvae"].forget(request)
    assert not any(state.exists() for state in states)


def test_a_table_measures_its_own_rows_and_a_smoke_run_less(seen: dict[str, object], tmp_path: Path) -> None:
    reproduce(ReproduceRequest(data=Path("d"), out=tmp_path, runs=tmp_path, preset="smoke", only=["table5"]))
    assert seen["evaluate"].only == ["vqvae+fnt@paper", "constant"]
    assert (seen["evaluate"].seconds, seen["evaluate"].grid, list(seen["evaluate"].seeds)) == (6.0, 3, [0])
    assert seen["run_experiments"].only == ["table5"]
    assert seen["run_experiments"].results == tmp_path / "results"
    assert not {"measure_latents", "report_quality", "music_ae/tvae"} & set(seen)


def test_a_mistake_shows_before_anything_is_trained(seen: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="unknown setting 'epoch'"):
        reproduce(ReproduceRequest(data=Path("d"), out=tmp_path, runs=tmp_path, changes={"epoch": 3}))
    assert seen == {}


def test_up_to_date_means_the_same_choices(tmp_path: Path) -> None:
    request = ReproduceRequest(data=Path("d"), out=tmp_path, runs=tmp_path, seed=1, changes={"epochs": 3})
    of = {stage.component: stage for stage in stages()}
    assert not of["image_ae/vqvae"].up_to_date(request)
    card = {"format": 1, "preset": "full", "seed": 1, "changes": {"epochs": "3"}, "sha256": ""}
    for component in ("image_ae/vqvae", "va_predictor/image", "va_predictor/evaluator"):
        (tmp_path / component).mkdir(parents=True)
        (tmp_path / component / "card.json").write_text(json.dumps(card))
    assert of["image_ae/vqvae"].up_to_date(request)
    assert not of["image_ae/vqvae"].up_to_date(replace(request, changes={}))
    assert not of["image_ae/vqvae"].up_to_date(replace(request, seed=2))
    assert not of["image_ae/vqvae"].up_to_date(replace(request, preset="smoke"))
    # What is solved in closed form has no loop to change, and the photo reader has no seed either.
    assert of["va_predictor/evaluator"].up_to_date(replace(request, changes={}))
    assert not of["va_predictor/evaluator"].up_to_date(replace(request, seed=2))
    assert of["va_predictor/image"].up_to_date(replace(request, seed=2, changes={}))


# --- requests -------------------------------------------------------------------------------------------------------


def test_a_request_takes_over_what_has_the_same_name() -> None:
    loop = LoopRequest(data=Path("d"), preset="smoke", seed=4, changes={"epochs": 1})
    again = request_from(ReproduceRequest, loop, only=["table1"], seed=5)
    assert again == ReproduceRequest(data=Path("d"), preset="smoke", seed=5, changes={"epochs": 1}, only=["table1"])


def test_the_two_presets_are_full_and_smoke() -> None:
    assert set(PRESETS) == {"full", "smoke"}
    with pytest.raises(ValueError, match="unknown preset 'paper'; known: full, smoke"):
        settings_of(LoopRequest(data=Path("d"), preset="paper"), "image_ae", "vqvae")


def test_a_state_of_other_settings_or_data_is_not_resumed(tmp_path: Path) -> None:
    request, corpus = LoopRequest(data=Path("d"), runs=tmp_path), Corpus("clips", "", "", "", ())
    stage = settings_of(request, "music_ae", "fnt")
    state = run_folder(request, "music_ae/fnt", stage, [corpus]) / "state.pt"
    state.touch()
    run_folder(request, "music_ae/fnt", stage, [corpus])
    assert state.exists()
    for other, corpora, more in (
        (settings_of(replace(request, changes={"epochs": 3}), "music_ae", "fnt"), [corpus], {}),
        (stage, [replace(corpus, name="songs")], {}),
        (stage, [corpus], {"guide": "abc"}),
    ):
        state.touch()
        run_folder(request, "music_ae/fnt", other, corpora, **more)
        assert not state.exists()
        run_folder(request, "music_ae/fnt", stage, [corpus])


def test_a_stage_is_a_function(tmp_path: Path) -> None:
    counts = {"train": 8, "val": 4, "test": 4}
    data = make_mini_data(tmp_path / "data", {"train": 2}, counts, emopia_clips=0, pop909_songs=0)
    request = MusicAERequest(
        data=data, out=tmp_path / "out", runs=tmp_path / "runs", key="fnt", preset="smoke", changes={"epochs": 1}
    )
    made = train_music_ae(request)
    assert made.component == "music_ae/fnt"
    assert made.folder == tmp_path / "out" / "music_ae" / "fnt"
    assert (made.card["preset"], made.card["epochs"], made.card["changes"]) == ("smoke", 1, {"epochs": "1"})
    assert made.card["metrics"]["val"]["loss"] > 0
    assert train_music_ae(request).card["sha256"] == made.card["sha256"]  # the finished run is taken up


def test_numbers_are_told_by_split() -> None:
    metrics = {"val": {"loss": 0.123456, "r": {"valence": 0.5, "arousal": None}}, "epoch": 3.0}
    assert told(result_of("a/b", metrics=metrics)) == "a/b\n  val: loss 0.1235, r valence 0.5, r arousal None"
