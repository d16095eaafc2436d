"""The package: what a wheel holds, what it needs, and that it works where there is no checkout."""

from __future__ import annotations

import ast
import inspect
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import eimg_core
from tests.test_hosting import NO_NETWORK, app_running
from tests.test_security import call

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10, where pytest brings its forerunner
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
TARGET = {"target": {"valence": 7.0, "arousal": 6.0}}
HEAVY = {"torch", "torchvision", "gradio", "numpy", "PIL", "matplotlib", "mido", "safetensors", "mutagen", "verovio"}


# --- what it needs ---------------------------------------------------------------------------------------------------


def requirements(name: str) -> list[str]:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def test_requirements_txt_and_the_package_ask_for_the_same() -> None:
    assert requirements("requirements.txt") == PROJECT["dependencies"]


def test_requirements_dev_txt_is_the_extra_dev_on_top_of_the_app() -> None:
    assert requirements("requirements-dev.txt") == [
        "-r requirements.txt",
        *PROJECT["optional-dependencies"]["dev"],
    ]


def test_the_extra_mcp_is_what_the_app_tells_people_to_install() -> None:
    (wanted,) = PROJECT["optional-dependencies"]["mcp"]
    assert f"pip install '{wanted}'" in (ROOT / "docs/agents.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("place", ["assets", "eimg_core/assets"])  # of a checkout or a container, and of a wheel
def test_what_is_shipped_is_found_beside_the_package_or_in_it(tmp_path: Path, place: str) -> None:
    (tmp_path / "eimg_core").mkdir()
    (tmp_path / place).mkdir()
    copy = shutil.copy(ROOT / "eimg_core/shipped.py", tmp_path / "eimg_core")
    assert runpy.run_path(str(copy))["SHIPPED"] == tmp_path / place


# --- the public interface --------------------------------------------------------------------------------------------


def loaded_after(code: str) -> set[str]:
    """The top-level modules that a fresh interpreter has after some lines of Python."""
    code += "\nimport sys; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split())


def test_importing_the_package_brings_no_library_along() -> None:
    assert loaded_after("import eimg_core; eimg_core.__version__; dir(eimg_core); eimg_core.EimgError") & HEAVY == set()


def test_music_and_pictures_are_imported_where_they_are_needed() -> None:
    assert loaded_after("from eimg_core import Piece, read_midi") & {"torch", "gradio", "matplotlib"} == set()
    assert loaded_after("from eimg_core import Studio") & {"gradio", "matplotlib", "torchvision", "verovio"} == set()
    assert loaded_after("import eimg_core.ui.app") & {"torch", "matplotlib", "verovio"} == set()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere OpenMP may not tell its settings")
@pytest.mark.parametrize(("wanted", "found"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_cores_of_the_page_that_wait_are_left_to_other_work(wanted: str | None, found: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    environment |= {"OMP_DISPLAY_ENV": "TRUE"} | ({"OMP_WAIT_POLICY": wanted} if wanted else {})
    command = [sys.executable, "-c", "import eimg_core.ui.app, torch"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert f"OMP_WAIT_POLICY = '{found}'" in done.stderr


def test_help_waits_for_no_model_and_no_page() -> None:
    code = "import runpy, sys; sys.argv[1:] = ['--help']\ntry: runpy.run_module('eimg_core', run_name='__main__')\n"
    assert loaded_after(code + "except SystemExit: pass") & {"torch", "gradio", "matplotlib"} == set()


def test_every_public_name_is_there_typed_and_explained() -> None:
    tree = ast.parse((ROOT / "eimg_core/__init__.py").read_text(encoding="utf-8"))
    typed = {
        alias.name: node.module
        for block in tree.body
        if isinstance(block, ast.If)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert {*typed, "__version__"} == set(eimg_core.__all__)
    for name, module in typed.items():
        found = getattr(eimg_core, name)
        assert found.__module__ == module, f"type checkers and the interpreter mean different things by {name}"
        assert inspect.getdoc(found)
        assert name in dir(eimg_core)
    with pytest.raises(AttributeError, match="no attribute 'Composr'"):
        eimg_core.Composr  # noqa: B018


# --- the wheel -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    offline = ("--no-deps", "--no-build-isolation", "--no-index", "--quiet")
    subprocess.run([sys.executable, "-m", "pip", "wheel", str(ROOT), *offline, "-w", str(folder)], check=True)
    (file,) = folder.glob("*.whl")
    yield file
    file.unlink()  # it is large, and pytest keeps the folders of its last runs


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of programs of a new environment, which has the wheel and sees the libraries of this one."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    programs = folder / "bin"
    where = [programs / "python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    own = Path(subprocess.run(where, capture_output=True, text=True, check=True).stdout.strip())
    libraries = dict.fromkeys(sysconfig.get_path(name) for name in ("purelib", "platlib"))
    (own / "libraries.pth").write_text("\n".join(libraries), encoding="utf-8")
    pip = [sys.executable, "-m", "pip", "--python", str(programs / "python"), "install", "--no-deps", "--no-index"]
    subprocess.run([*pip, "--quiet", str(wheel)], check=True)
    yield programs
    shutil.rmtree(folder)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[tuple[Path, Mapping[str, str]]]:
    """A folder with nothing but a photo, and the variables of a process that can reach no other machine."""
    site, work = tmp_path / "site", tmp_path / "work"
    site.mkdir()
    work.mkdir()
    (site / "sitecustomize.py").write_text(NO_NETWORK, encoding="utf-8")
    shutil.copy(ROOT / "assets/examples/flower.jpg", work / "holiday.jpg")
    kept = ("PATH", "LD_LIBRARY_PATH", "OMP_NUM_THREADS")
    environment = {name: os.environ[name] for name in kept if name in os.environ}
    environment |= {"PYTHONPATH": str(site), "ATTEMPTS": str(tmp_path / "attempts"), "TMPDIR": str(tmp_path)}
    yield work, environment
    assert not (tmp_path / "attempts").exists(), (tmp_path / "attempts").read_text()


@pytest.mark.slow
def test_the_wheel_holds_the_package_its_page_and_what_is_shipped_and_nothing_else(wheel: Path) -> None:
    inside = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    package = {path.relative_to(ROOT).as_posix() for path in (ROOT / "eimg_core").rglob("*") if path.is_file()}
    shipped = {f"eimg_core/{path.relative_to(ROOT).as_posix()}" for path in (ROOT / "assets").rglob("*")}
    left_out = re.compile(r"\.py[ci]$")  # bytecode, and the stubs that Gradio leaves beside our components
    assert inside == {name for name in package if not left_out.search(name)} | {
        name for name in shipped if (ROOT / name.removeprefix("eimg_core/")).is_file()
    }


@pytest.mark.slow
def test_the_lines_of_the_readme_compose_where_only_the_wheel_is(
    installed: Path, elsewhere: tuple[Path, Mapping[str, str]]
) -> None:
    folder, environment = elsewhere
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (lines,) = (block for block in re.findall(r"```python\n(.*?)```", readme, re.DOTALL) if "eimg_core" in block)
    assert len(list(filter(None, lines.splitlines()))) <= 5
    lines += "import eimg_core.shipped; print(eimg_core.shipped.SHIPPED)"
    done = subprocess.run(
        [installed / "python", "-c", lines], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.splitlines()[-1]).is_relative_to(installed.parent)
    assert {path.suffix for path in (folder / "music").glob("holiday.*")} == {".mid", ".wav", ".png", ".json"}
    assert len(eimg_core.read_midi(folder / "music/holiday.mid").notes) > 20


@pytest.mark.slow
def test_the_command_composes_where_only_the_wheel_is(
    installed: Path, elsewhere: tuple[Path, Mapping[str, str]]
) -> None:
    folder, environment = elsewhere
    for words in (["compose", "holiday.jpg", "--seconds", "8", "--format", "mid,mp3,svg"], ["pairings"]):
        done = subprocess.run(
            [installed / "eimg", *words], cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    assert "effnet+tvae" in done.stdout.splitlines()[0]
    assert {path.name for path in (folder / "outputs").iterdir()} == {
        f"holiday.{kind}" for kind in ("mid", "mp3", "svg")
    }


@pytest.mark.slow
def test_the_page_is_served_where_only_the_wheel_is(installed: Path, elsewhere: tuple[Path, Mapping[str, str]]) -> None:
    folder, environment = elsewhere
    with app_running(environment, [str(installed / "eimg"), "app"], folder) as url:
        event, data = call(url, "compose", [None, TARGET, "effnet+tvae", 3, 8, True, 1.0, 0.0])
        assert event == "complete", data
        assert set(json.loads(data)[0]["files"]) >= {"mid", "wav", "json"}
