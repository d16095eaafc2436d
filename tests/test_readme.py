"""What the documents say must be so: tables equal records, commands and names exist."""

from __future__ import annotations

import importlib
import importlib.util
import json
import re
import shlex
from pathlib import Path

import pytest

from eimg_core.metrics.distributions import MEASURES
from eimg_core.results import columns
from train.evaluation.evaluate import known_rows
from train.report.tables import BLOCKS, DOCUMENTS, fill, load_results, render, render_musicality

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAPER = (ROOT / "PAPER.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("document", "name"), [(path, name) for path, names in DOCUMENTS.items() for name in names])
def test_every_table_is_what_the_records_say(document, name):
    text = (ROOT / document).read_text(encoding="utf-8")
    assert fill(text, name, BLOCKS[name](ROOT / "assets")) == text, "run `python -m train.tables`"


def test_every_table_has_its_place():
    assert sorted(BLOCKS) == sorted(name for names in DOCUMENTS.values() for name in names)


def commands() -> list[str]:
    lines = re.findall(r"^(python -m .*|pip install .*)$", README, flags=re.MULTILINE)
    inline = re.findall(r"`(python -m [^`]+)`", README)
    return sorted({re.sub(r"\s+#.*", "", line) for line in [*lines, *inline]})


@pytest.mark.parametrize("command", commands())
def test_commands_of_the_readme_exist(command):
    for part in command.split("&&"):
        words = shlex.split(part)
        if words[:2] == ["python", "-m"]:
            assert importlib.util.find_spec(words[2]), f"no module {words[2]}"
        if words[:3] == ["pip", "install", "-r"]:
            assert (ROOT / words[3]).exists()
        if words == ["python", "app.py"]:
            assert (ROOT / "app.py").exists()


def test_links_of_the_documents_lead_somewhere():
    for document in ("README.md", "PAPER.md", "CHANGELOG.md"):
        for target in re.findall(r"\]\(([^)#]+)\)", (ROOT / document).read_text(encoding="utf-8")):
            if "://" not in target:
                assert (ROOT / target).exists(), f"{document} links to {target}"


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(eimg_core\.[\w.]+)`", PAPER))))
def test_functions_of_paper_md_exist(name):
    module, _, attribute = name.rpartition(".")
    parts = [attribute]
    while True:
        try:
            found = importlib.import_module(module)
            break
        except ModuleNotFoundError:
            module, _, head = module.rpartition(".")
            parts.insert(0, head)
    for part in parts:
        found = getattr(found, part)


def test_the_repository_speaks_of_the_product_alone():
    text = README + PAPER + (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert not re.search(r"/root/|/home/|/work/|\.\./shared", text)


# --- the table maker --------------------------------------------------------------------------------------------


def record(row: str, seed: int = 0, judge: str = "abc", **numbers) -> dict:
    summary = {name: numbers.get(name, 0.5) for name, _, _ in columns()}
    return {
        "row": row, "seed": seed, "split": "test", "n": 3, "seconds": 15.0, "date": "2026-01-01", "command": "c",
        "components": {"va_predictor/evaluator": judge}, "summary": summary,
    }  # fmt: skip


CONTROLS = [record(row) for row in ("mean point", "constant", "random", "oracle", "real")]


def test_seeds_become_mean_and_deviation():
    rows = [record("vqvae+fnt", seed, emotion_matching=value) for seed, value in enumerate((1.0, 2.0, 3.0))]
    assert "| **vqvae+fnt** | 2.00 ± 1.00 |" in render([*rows, *CONTROLS])


def test_controls_cannot_be_left_out_and_judges_cannot_be_mixed():
    with pytest.raises(ValueError, match=r"are missing: .*oracle"):
        render([record("vqvae+fnt"), *(c for c in CONTROLS if c["row"] != "oracle")])
    with pytest.raises(ValueError, match="2 different evaluators"):
        render([record("vqvae+fnt", judge="other"), *CONTROLS])


def test_an_undefined_number_is_a_dash():
    rows = [record("vqvae+fnt"), *CONTROLS[1:], record("mean point", r_valence=None)]
    line = next(line for line in render(rows).splitlines() if "mean point" in line)
    assert line.split("|")[3].strip() == "–"


def test_records_are_complete():
    for path in sorted((ROOT / "assets/results").glob("pairings-*.json")):
        kept = json.loads(path.read_text(encoding="utf-8"))
        assert len(kept["items"] if "items" in kept else [0] * kept["n"]) == kept["n"], path.name
    checkpoints = ROOT / "assets/checkpoints"
    assert {r["row"] for r in load_results(ROOT / "assets/results")} == set(known_rows(checkpoints))


def musical(row: str, polyphony: float, copying: dict[str, float]) -> dict:
    return {
        "row": row, "split": "test", "n": 3, "takes": [8, 8], "date": "2026-01-01", "command": "c",
        "summary": {
            "polyphony_rate": polyphony, "pitch_entropy": 4.0, "groove_consistency": 1.0,
            "distributions": {name: {"share": 1.5} for name in MEASURES},
            "copying": {name: {"mean": 7.0, "max": 9, "copied": copied} for name, copied in copying.items()},
            "similarity": 0.6, "similarity_real": 0.5,
        },
    }  # fmt: skip


def test_musicality_stands_beside_real_clips_searched_for_in_the_same_music():
    real = musical("real", 0.5, {"clips": 0.05, "clips, songs": 0.1})
    table = render_musicality([musical("a+b@eimg2", 0.4, {"clips, songs": 0.0}), real])
    row = next(line for line in table.splitlines() if "a+b" in line)
    assert "| 0.20 | 1.50 |" in row
    assert "| 7.0 / 9 (7.0 / 9) | 0% (10%) | 1.20 |" in row
    with pytest.raises(ValueError, match="real clips"):
        render_musicality([musical("a+b@eimg2", 0.4, {"clips": 0.0})])
    with pytest.raises(ValueError, match="not searched for in other"):
        render_musicality([musical("a+b@eimg2", 0.4, {"other": 0.0}), real])


def test_the_composer_that_plans_has_rows_of_its_own(tmp_path):
    val = {"loss": 2.5, "tune_pitch": 1.25, "tune_pitch_shuffled": 2.3, "tune_pitch_uncopied": 1.82}
    folder = tmp_path / "checkpoints" / "music_ae" / "tvae_clean"
    folder.mkdir(parents=True)
    (folder / "card.json").write_text(json.dumps({"key": "tvae", "metrics": {"val": val}}))
    rows = [line for line in BLOCKS["components"](tmp_path).splitlines() if "tvae_clean" in line]
    assert [row.split("|")[3].strip() for row in rows] == ["2.50", "1.25 / 2.30 / 1.82"]
