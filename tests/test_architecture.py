"""The floors of the house: who may import whom, and what must never be imported."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# A unit imports only from lower floors. Units of one floor do not import each other; modules inside one unit may.
FLOORS: dict[str, int] = {
    "eimg_core.version": 0,
    "eimg_core.errors": 0,
    "eimg_core.messages": 0,
    "eimg_core.atomic": 0,
    "eimg_core.shipped": 0,
    "eimg_core.emotion": 1,
    "eimg_core.trainable": 1,
    "eimg_core.losses": 1,
    "eimg_core.threads": 1,
    "eimg_core.progress": 1,
    "eimg_core.layers": 1,
    "eimg_core.checkpoints": 1,
    "eimg_core.pixels": 1,
    "eimg_core.midi": 2,
    "eimg_core.options": 2,
    "eimg_core.images": 2,
    "eimg_core.backbones": 2,
    "eimg_core.annotation": 3,
    "eimg_core.sound": 3,
    "eimg_core.metrics": 4,
    "eimg_core.notation": 3,
    "eimg_core.performance": 3,
    "eimg_core.recipe": 3,
    "eimg_core.autoencoder": 3,
    "eimg_core.data": 3,
    "eimg_core.composer": 4,
    "eimg_core.critic": 5,
    "eimg_core.results": 5,
    "eimg_core.bridge": 4,
    "eimg_core.va": 4,
    "eimg_core.image_ae": 4,
    "eimg_core.music_ae": 4,
    "eimg_core.baselines": 5,
    "eimg_core.figures": 5,
    "eimg_core.remake": 5,
    "eimg_core.takes": 5,
    "eimg_core.midi_evaluation": 5,
    "eimg_core.pipeline": 6,
    "eimg_core.exports": 6,
    "eimg_core.studio": 7,
    "eimg_core.licences": 7,
    "eimg_core.batch": 8,
    "eimg_core.clean": 8,
    "eimg_core.dask_engine": 9,
    "eimg_core": 8,  # the public interface, which nothing inside the package imports
    "eimg_core.ui": 6,
    "eimg_core.ui.protocol": 6,
    "eimg_core.ui.languages": 6,
    "eimg_core.ui.server": 7,
    "eimg_core.ui.session": 8,
    "eimg_core.ui.style": 8,
    "eimg_core.ui.widgets": 9,
    "eimg_core.ui.api": 9,
    "eimg_core.ui.pages": 10,
    "eimg_core.agents": 11,
    "eimg_core.ui.app": 12,
    "eimg_core.cli": 13,
    "eimg_core.__main__": 14,
    "app": 14,
    "train.data": 13,
    "train.stages": 14,
    "train.evaluation": 15,
    "train.report": 16,
    "train": 17,
}
RUNTIME = {
    "torch", "torchvision", "gradio", "mido", "fluidsynth", "matplotlib", "numpy", "safetensors",
    "PIL", "tqdm", "mutagen", "pillow_heif", "verovio", "soundfile", "av",
    "starlette", "anyio", "pydantic", "gradio_client",  # what Gradio is built on, and in no version without it
}  # fmt: skip


EXTRAS = {
    **{f"eimg_core.agents.{name}": {"mcp"} for name in ("calls", "server", "serving", "tools")},
    "eimg_core.dask_engine": {"distributed"},
    "eimg_core.backbones.timm": {"timm"},
    "eimg_core.metrics.realness": {"sklearn"},
}
"""Modules for those who installed more, see docs/agents.md, docs/batch.md and requirements-dev.txt."""


def modules() -> list[Path]:
    files = [ROOT / "app.py", *(ROOT / "eimg_core").rglob("*.py"), *(ROOT / "train").rglob("*.py")]
    return sorted(files)


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def unit_of(name: str) -> str:
    parts = name.split(".")
    if parts[0] == "eimg_core":
        return ".".join(parts[: 3 if parts[1:2] == ["ui"] else 2])
    folder = ".".join(parts[:2])
    return folder if folder in FLOORS else parts[0]  # the modules in train itself are its commands


def imports_of(path: Path) -> list[str]:
    found: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.append(node.module)
    return found


def graph_of(paths: list[Path]) -> dict[str, set[str]]:
    """Module → the modules that it imports anywhere: at the top, in functions, and for types alone."""
    names = {name_of(path) for path in paths}
    graph: dict[str, set[str]] = {}
    for path in paths:
        imported = set(imports_of(path))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:  # what is imported from a package may be a module
                imported |= {f"{node.module}.{alias.name}" for alias in node.names}
        graph[name_of(path)] = imported & names
    return graph


def circles_of(graph: dict[str, set[str]]) -> list[list[str]]:
    """The strongly connected components of more than one module, and modules that import themselves."""

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        waiting = list(graph[start])
        while waiting:
            name = waiting.pop()
            if name not in seen:
                seen.add(name)
                waiting += graph[name]
        return seen

    reach = {name: reached(name) for name in graph}
    found = {tuple(sorted(o for o in reach[n] if n in reach[o])) for n in graph if n in reach[n]}
    return [list(circle) for circle in sorted(found)]


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_imports_go_downwards(path):
    unit = unit_of(name_of(path))
    assert unit in FLOORS, f"{unit} has no floor"
    for imported in imports_of(path):
        other = unit_of(imported)
        if other.split(".")[0] not in {"eimg_core", "train", "app"} or other == unit:
            continue
        assert FLOORS[other] < FLOORS[unit], f"{name_of(path)} (floor {FLOORS[unit]}) imports {imported}"


def test_no_modules_import_each_other_in_a_circle():
    assert circles_of(graph_of(modules())) == []


def test_a_circle_is_found_wherever_its_imports_are(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    sources = {
        "a": "import b",
        "b": "def later():\n    from c import d",
        "c/__init__": "",
        "c/d": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import a",
        "e": "import a",
    }
    for name, source in sources.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}.py").write_text(source)
    assert circles_of(graph_of(sorted(tmp_path.rglob("*.py")))) == [["a", "b", "c.d"]]


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_only_packages_of_requirements_are_imported(path):
    for imported in imports_of(path):
        top = imported.split(".")[0]
        known = top in sys.stdlib_module_names or top in RUNTIME or top in {"eimg_core", "train"}
        optional = name_of(path).startswith("train.") or name_of(path) in {"eimg_core.data.restricted"}
        optional = optional or top in EXTRAS.get(name_of(path), ())
        assert known or optional, f"{name_of(path)} imports {top}, which requirements.txt does not name"


def test_the_page_imports_neither_torch_nor_numpy():
    direct = {name.split(".")[0] for name in imports_of(ROOT / "eimg_core" / "ui" / "app.py")}
    assert not direct & {"torch", "numpy"}


@pytest.mark.slow
def test_every_module_can_be_imported():
    names = [name_of(path) for path in modules() if not name_of(path).endswith("__main__")]
    names = [name for name in names if all(find_spec(extra) for extra in EXTRAS.get(name, ()))]
    code = "import importlib\nfor name in " + repr(names) + ":\n    importlib.import_module(name)"
    environment = {**os.environ, "CI": "true"}  # there, some libraries talk
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""


def test_no_pickles_and_no_absolute_paths():
    for path in modules():
        text = path.read_text(encoding="utf-8")
        assert "import pickle" not in text, path.name
        assert "allow_pickle=True" not in text, path.name
        assert "weights_only=False" not in text, path.name
        assert "/root/" not in text, path.name
        assert "/home/" not in text, path.name
