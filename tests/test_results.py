"""What makes a result outdated: the hashes, settings and protocol that it depends on, and never the version."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import train.evaluation.evaluate as evaluation
import train.evaluation.experiments as experiments
import train.evaluation.result as result
from eimg_core.data import Corpus, Item
from eimg_core.options import USUAL_TAKES
from eimg_core.shipped import CHECKPOINTS, RESULTS
from train.evaluation.evaluate import EvaluateRequest
from train.evaluation.experiments import ExperimentsRequest

SPLITS = Path(__file__).parents[1] / "eimg_core" / "data" / "splits"


def corpus(name: str) -> Corpus:
    """A data set as its readers give it, without photos, clips and labels: the splits of its items ship."""
    with (SPLITS / f"{name}.csv").open(encoding="utf-8") as file:
        items = [Item(r["key"], Path(r["key"]), None, r["split"], r["group"]) for r in csv.DictReader(file)]
    return Corpus(name, name, "", "", tuple(items))


@pytest.fixture
def no_data(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (evaluation, experiments):
        monkeypatch.setattr(module, "read_oasis", lambda data: corpus("oasis"))
        monkeypatch.setattr(module, "read_eimg", lambda data: corpus("eimg"))


@pytest.fixture
def cards(tmp_path: Path) -> Path:
    """The cards of what ships, to be changed."""
    for card in CHECKPOINTS.glob("*/*/card.json"):
        folder = tmp_path / "checkpoints" / card.relative_to(CHECKPOINTS).parent
        folder.mkdir(parents=True)
        shutil.copy(card, folder)
    return tmp_path / "checkpoints"


def change_hash(folder: Path) -> None:
    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    (folder / "card.json").write_text(json.dumps({**card, "sha256": "f" * 64}), encoding="utf-8")


@pytest.mark.usefixtures("no_data")
@pytest.mark.parametrize("version", [result.__version__, "9.9.9"])
def test_no_version_makes_a_shipped_result_outdated(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(result, "__version__", version)
    assert evaluation.outdated(EvaluateRequest(data=Path())) == []
    assert experiments.outdated(ExperimentsRequest(data=Path())) == []


@pytest.mark.usefixtures("no_data")
def test_other_weights_make_outdated_what_they_took_part_in_and_nothing_else(cards: Path) -> None:
    change_hash(cards / "bridge" / "vqvae+fnt@eimg2")
    change_hash(cards / "image_ae" / "effnet")
    measured = evaluation.outdated(EvaluateRequest(data=Path(), components=cards))
    rows = {job.path.name.split("-seed")[0].split("-", 2)[2] for job in measured}
    touched = ["vqvae+fnt@eimg2", "effnet+fnt@eimg2", "effnet+lsr@eimg2", "effnet+tvae@eimg2"]
    assert rows == {row + takes for row in touched for takes in ("", f"_best_of_{USUAL_TAKES}")}
    assert {job.now["table"] for job in measured} == {"pairings", "requests"}
    runs = experiments.outdated(ExperimentsRequest(data=Path(), out=cards))
    assert {run.experiment.pairing for run in runs} == {"effnet+fnt"}


@pytest.mark.usefixtures("no_data")
def test_another_guide_makes_outdated_what_it_chose(cards: Path) -> None:
    change_hash(cards / "va_predictor" / "guide")
    measured = evaluation.outdated(EvaluateRequest(data=Path(), components=cards))
    assert {f"best_of_{USUAL_TAKES}" in job.path.name for job in measured} == {True}


@pytest.mark.usefixtures("no_data")
def test_settings_and_protocol_make_outdated(monkeypatch: pytest.MonkeyPatch) -> None:
    request = ExperimentsRequest(data=Path(), seeds=(0,))
    everything = len(experiments.EXPERIMENTS)
    assert len(experiments.outdated(replace(request, seconds=6.0))) == everything
    assert len(experiments.outdated(replace(request, preset="smoke"))) == everything
    trained = [run.experiment.kind for run in experiments.outdated(replace(request, changes={"epochs": 3}))]
    assert len(trained) == everything - 1
    assert "retrieval" not in trained  # it is not trained, so the loop does not change it
    assert len(evaluation.outdated(EvaluateRequest(data=Path(), only=["constant"], grid=3))) == 0
    monkeypatch.setattr(result, "PROTOCOLS", {**result.PROTOCOLS, "experiments": 2})
    assert len(experiments.outdated(request)) == everything
    assert evaluation.outdated(EvaluateRequest(data=Path())) == []


def test_a_corpus_is_told_by_its_items_groups_and_splits() -> None:
    photos = corpus("oasis")
    first, second, *rest = photos.items
    assert replace(photos, items=(second, first, *rest)).digest() == photos.digest()
    for changed in (replace(first, key="other.jpg"), replace(first, group="elsewhere")):
        assert replace(photos, items=(changed, second, *rest)).digest() != photos.digest()
    assert photos.digest() != corpus("eimg").digest()


def test_a_result_is_written_with_what_it_depends_on_and_read_back(tmp_path: Path) -> None:
    now = result.dependencies("latents", CHECKPOINTS, ["image_ae/vqvae"], [corpus("oasis")], size=(2, 3))
    path = tmp_path / "results" / "latents-x.json"
    assert not result.is_current(path, now)
    items = [{"key": "I1.jpg", "value": 0.5}, {"key": "Ä.jpg", "value": None}]
    result.write_result(path, "a command", now, {"n": 2, "items": items})
    assert result.is_current(path, now)
    read = json.loads(path.read_text(encoding="utf-8"))
    assert read == {
        "table": "latents", "command": "a command", "version": result.__version__, "date": read["date"], "protocol": 1,
        "components": now["components"], "corpora": now["corpora"], "size": [2, 3], "n": 2, "items": items,
    }  # fmt: skip
    assert path.read_text(encoding="utf-8").count("\n  {") == 2, "each item is a line"
    assert not result.is_current(path, {**now, "components": {"image_ae/vqvae": "0" * 12}})


def test_every_shipped_result_says_what_it_depends_on() -> None:
    measured = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(RESULTS.glob("*.json"))]
    measured = [one for one in measured if "table" in one]
    assert {one["table"] for one in measured} == set(result.PROTOCOLS)
    shipped = {name: corpus(name).digest() for name in ("oasis", "eimg")}
    for one in measured:
        assert one["protocol"] == result.PROTOCOLS[one["table"]]
        assert bool(one["corpora"]) == (one["table"] != "obedience")  # which is composed for targets alone
        assert {name: one["corpora"].get(name, digest) for name, digest in shipped.items()} == shipped
        for name, digest in one["components"].items():
            card = json.loads((CHECKPOINTS / name / "card.json").read_text(encoding="utf-8"))
            assert card["sha256"].startswith(digest), (one["table"], name)
