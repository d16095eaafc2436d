"""What the documents for hosts and contributors name must exist: files, commands, flags, tests, and tables."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import re
import sys
import xml.etree.ElementTree as ET
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import pytest

from benchmarks.tables import BLOCKS
from eimg_core import __version__
from eimg_core.licences import Component, Source, components, markdown
from train.report.tables import fill

ROOT = Path(__file__).resolve().parents[1]
SOURCES = {".py", ".js", ".html", ".css"}
DOCUMENTS = (
    "CONTRIBUTING.md",
    *(
        f"docs/{name}.md"
        for name in ("architecture", "batch", "hosting", "licences", "measurements", "readers", "security", "speed")
    ),
)
TEXTS = {name: (ROOT / name).read_text(encoding="utf-8") for name in DOCUMENTS}
PLACES = re.compile(r"`((?:eimg_core|train|tests|assets|docs|examples|spaces|benchmarks)/[\w./-]+|\w+\.(?:py|md|txt))`")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_file_that_is_named_exists(name):
    for place in PLACES.findall(TEXTS[name]):
        found = (ROOT / place).exists() or list((ROOT / "eimg_core").rglob(place))
        assert found, f"{name} names {place}"
    for link in re.findall(r"\]\(([^)#]+)\)", TEXTS[name]):
        if not link.startswith("http"):
            assert (ROOT / name).parent.joinpath(link).exists(), f"{name} links to {link}"


@lru_cache
def help_of(module: str) -> str:
    """What a command prints for ``--help``, asked in this process: each is a module with a ``main``."""
    name, *words = ["eimg_core", "app"] if module == "app" else module.split()
    source = f"{name}.__main__" if name == "eimg_core" else name
    main, said = importlib.import_module(source).main, io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(said):
        patch.setattr(sys, "argv", [name, *words, "--help"])
        with pytest.raises(SystemExit) as ended:
            main()
    assert not ended.value.code
    return said.getvalue()


def commands() -> list[tuple[str, str]]:
    found = []
    for name, text in TEXTS.items():
        text = text.replace("`\n", "` ")
        for line in re.findall(r"(?:^|`)(python (?:-m [\w.]+|app\.py)[^`\n]*)", text, flags=re.MULTILINE):
            found.append((name, line.split("#")[0].strip()))
    return found


@pytest.mark.parametrize(("name", "command"), commands())
def test_every_command_and_flag_exists(name, command):
    words = command.split()
    module = "app" if words[1] == "app.py" else words[2]
    if module not in ("app", "venv"):
        assert find_spec(module), f"{name}: {command}"
    if module == "benchmarks.coverage_fuzz":
        return  # has no options of its own, and asks for a package
    if module == "eimg_core":
        module = f"eimg_core {words[3]}"
    shown = help_of(module)
    for flag in (word for word in words if word.startswith("--")):
        assert flag in shown, f"{name}: {command} has no {flag}"


def test_every_test_that_security_md_names_exists():
    sources = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").glob("test_*.py"))
    named = re.findall(r"`(?:tests/(test_\w+)\.py::)?(test_\w+)`", TEXTS["docs/security.md"])
    assert len(named) > 15
    for module, test in named:
        assert f"def {test}(" in sources, test
        if module:
            assert f"def {test}(" in (ROOT / "tests" / f"{module}.py").read_text(encoding="utf-8"), f"{module}::{test}"


def test_every_variable_of_hosting_md_is_read():
    read_by = (
        "eimg_core/cli/common.py",
        "eimg_core/cli/page.py",
        "eimg_core/ui/app.py",
        "eimg_core/ui/server/files.py",
        "eimg_core/ui/server/start.py",
        "eimg_core/va/readers.py",
    )
    code = "".join((ROOT / name).read_text(encoding="utf-8") for name in read_by)
    for variable in re.findall(r"`((?:EIMG|GRADIO)_\w+)`", TEXTS["docs/hosting.md"]):
        assert variable in code, variable


def test_the_table_of_licences_is_what_the_cards_say():
    text = TEXTS["docs/licences.md"]
    table = text.split("<!-- licences -->\n")[1].split("<!-- /licences -->")[0]
    assert table.strip() == markdown().strip(), "run `python -m eimg_core licences --markdown`"


def test_a_licence_that_is_not_plain_allows_nothing():
    assert Source("x", "MIT").commercial
    assert Source("x", "CC BY 4.0").commercial
    for text in ("CC BY-NC-SA 4.0", "CC BY-NC 4.0", "none stated; research use", "", "not stated", "on request"):
        assert not Source("x", text).commercial
    assert not Component("a/b", ()).commercial, "who says nothing says nothing good"


def test_a_component_answers_for_all_that_it_depends_on():
    known = components()
    assert {source.data for source in known["bridge/effnet+tvae@eimg2"].sources} >= {
        "OASIS photos",
        "EIMG clips",
        "EMOPIA clips",
        "POP909 songs",
    }


def test_the_picture_is_whole_and_readable_in_the_dark():
    tree = ET.parse(ROOT / "docs/figures/architecture.svg")
    text = " ".join(element.text or "" for element in tree.iter())
    assert "prefers-color-scheme: dark" in text
    for unit in ("pipeline", "studio", "image_ae/", "music_ae/", "bridge/", "va/"):
        assert unit in text


def test_the_container_copies_what_the_app_needs_and_nothing_secret():
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert ignored[0] == "*", "what is not named stays out"
    assert not [line for line in ignored if line.startswith(("assets", "eimg_core"))], "the page shows all of them"
    recipe = (ROOT / "Dockerfile").read_text()
    for line in re.findall(r"^COPY (.+) \S+$", recipe, flags=re.MULTILINE):
        for source in line.split():
            assert (ROOT / source).exists(), source
            assert f"!{source}" in ignored, source
    assert re.search(r"^USER (?!root)", recipe, flags=re.MULTILINE)
    assert "HEALTHCHECK" in recipe
    assert recipe.index("USER studio") < recipe.index('CMD ["python", "app.py"]')


def test_the_exact_versions_lie_in_the_stated_ranges():
    from packaging.requirements import Requirement

    exact = dict(
        line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")
    )
    names = {name.lower().replace("_", "-"): version for name, version in exact.items()}
    for line in (ROOT / "requirements.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            wanted = Requirement(line)
            assert wanted.specifier.contains(names[wanted.name.lower().replace("_", "-")]), line


def test_the_citation_has_the_version_of_the_code():
    assert f"version: {__version__}" in (ROOT / "CITATION.cff").read_text()


def test_the_front_matter_of_a_space_is_complete():
    head = (ROOT / "spaces/README.md").read_text(encoding="utf-8").split("---")[1]
    values = dict(line.split(": ", 1) for line in head.strip().splitlines())
    assert values["sdk"] == "gradio"
    assert len(values["short_description"]) <= 60
    assert (ROOT / values["app_file"]).exists()
    assert f"gradio>={'.'.join(values['sdk_version'].split('.')[:2])}" in (ROOT / "requirements.txt").read_text()


@pytest.mark.parametrize(("document", "name"), BLOCKS)
def test_the_tables_of_the_benchmarks_are_what_the_records_say(document: str, name: str) -> None:
    record, make = BLOCKS[document, name]
    text = (ROOT / document).read_text(encoding="utf-8")
    kept = json.loads((ROOT / f"assets/results/{record}.json").read_text(encoding="utf-8"))
    assert fill(text, name, make(kept)) == text, "run `python -m benchmarks.tables`"


def test_words_that_the_vocabulary_replaces_are_gone():
    """A word of the right column that has no other sense here is in no name, comment, sentence or document."""
    rows = re.findall(r"^\| [^|]+ \| [^|]+ \|([^|]*)\|$", (ROOT / "docs/vocabulary.md").read_text(), flags=re.MULTILINE)
    replaced = {word.strip() for row in rows for word in row.split(",")}
    unmistakable = {"journey", "line-up", "cross-modal model", "judgement"}
    assert unmistakable <= replaced
    word = re.compile(rf"\b({'|'.join(sorted(unmistakable))})\b", flags=re.IGNORECASE)
    sources = [path for unit in ("eimg_core", "train") for path in (ROOT / unit).rglob("*") if path.suffix in SOURCES]
    documents = [ROOT / name for name in TEXTS if name != "docs/vocabulary.md"]
    found = {path.name: word.findall(path.read_text(encoding="utf-8")) for path in [*sources, *documents]}
    assert {name: words for name, words in found.items() if words} == {}
