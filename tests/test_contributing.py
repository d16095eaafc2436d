"""CONTRIBUTING.md keeps its word: the example autoencoder, added as it says, passes the contract tests."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STEPS = (
    (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("## Add an autoencoder")[2].partition("\n## ")[0]
)


def follow_the_steps(copy: Path) -> str:
    """Copy the file and add the lines that the document names; the key of the new autoencoder."""
    source, target = re.search(r"^ *cp (\S+) (\S+)$", STEPS, flags=re.MULTILINE).groups()
    shutil.copy(ROOT / source, copy / target)
    registry = copy / re.search(r"^ *\+\+\+ (\S+)$", STEPS, flags=re.MULTILINE)[1]
    importing, entry = re.findall(r"^ *\+(?!\+)(.+)$", STEPS, flags=re.MULTILINE)
    text = registry.read_text(encoding="utf-8")
    text = text.replace("\n\n__all__", f"\n{importing}\n\n__all__", 1).replace("\n}", f"\n{entry}\n}}", 1)
    registry.write_text(text, encoding="utf-8")
    return re.search(r'"(\w+)"', entry)[1]


def test_the_example_autoencoder_passes_every_contract_test(tmp_path):
    for package in ("eimg_core", "tests"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__", "data"))
    shutil.copytree(ROOT / "eimg_core" / "data", tmp_path / "eimg_core" / "data")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    key = follow_the_steps(tmp_path)
    command = [sys.executable, "-m", "pytest", "-vv", "-p", "no:cacheprovider", "tests/test_models.py", "-k", key]
    env = {name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"}  # of the run around it
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    passed = set(re.findall(rf"::(test_\w+)\[{key}\] PASSED", done.stdout))
    assert passed >= {
        "test_every_parameter_of_an_objective_gets_a_gradient",
        "test_one_batch_overfits",
        "test_save_and_load_are_equal",
        "test_image_autoencoders_keep_their_contract",
    }
