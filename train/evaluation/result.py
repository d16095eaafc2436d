"""What all measurements share: the request, what a result depends on, and how it is written.

A result is current as long as what it depends on is the same: the weights of the components by hash, the splits of the
data sets by hash, the settings, and the number of its protocol. The version of this project does not matter: raise the
number of a protocol when the way of measuring changes, and every result of that kind is measured again.
"""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eimg_core.atomic import replace_file
from eimg_core.checkpoints import read_card
from eimg_core.data import Corpus
from eimg_core.shipped import CHECKPOINTS, RESULTS
from eimg_core.version import __version__

__all__ = ["PROTOCOLS", "MeasureRequest", "dependencies", "digest_of", "is_current", "text_of", "write_result"]

PROTOCOLS: Mapping[str, int] = {
    "pairings": 1,
    "requests": 1,
    "experiments": 1,
    "latents": 1,
    "musicality": 1,
    "midi_evaluation": 1,
    "dataset": 1,
    "photo_cues": 1,
    "photo_target": 1,
    "realness": 1,
    "obedience": 2,
    "retelling": 1,
    "annotation_agreement": 1,
    "published_rules": 1,
}
"""Kind of measurement → the number of its protocol."""


@dataclass(frozen=True, kw_only=True)
class MeasureRequest:
    """What every measurement is told.

    Args:
        data: folder with ``images/`` and ``music/``.
        components: trained components.
        results: where results are written.
        runs: caches.
        threads: CPU threads; 0 leaves the choice to PyTorch.
        force: measure again what is current.
    """

    data: Path
    components: Path = CHECKPOINTS
    results: Path = RESULTS
    runs: Path = Path("runs")
    threads: int = 0
    force: bool = False

    @property
    def cache(self) -> Path:
        """Where what was read and computed from data is kept."""
        return self.runs / "cache"


def dependencies(
    table: str, root: Path, components: Sequence[str], corpora: Sequence[Corpus], **settings: Any
) -> dict[str, Any]:
    """All that a result follows from, as JSON has it.

    Args:
        table: kind of measurement, one of ``PROTOCOLS``.
        root: folder of trained components.
        components: those that take part, ``kind/name``.
        corpora: the data sets that take part.
        settings: everything else that changes the numbers.
    Raises:
        CheckpointError: a component is missing.
    """
    found = {
        "table": table,
        "protocol": PROTOCOLS[table],
        "components": {name: read_card(root / name)["sha256"][:12] for name in components},
        "corpora": {corpus.name: corpus.digest() for corpus in corpora},
        **settings,
    }
    return dict(json.loads(json.dumps(found)))


def is_current(path: Path, now: Mapping[str, Any]) -> bool:
    """Whether there is a result that was made from these dependencies."""
    if not path.is_file():
        return False
    result = json.loads(path.read_text(encoding="utf-8"))
    return all(name in result and result[name] == value for name, value in now.items())


def digest_of(path: Path) -> str:
    """Twelve hexadecimal digits that follow from what a result depends on, for results of what was made with it."""
    result = json.loads(path.read_text(encoding="utf-8"))
    names = ("protocol", "components", "corpora", "seconds", "setup")
    text = json.dumps({name: result.get(name) for name in names}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def write_result(path: Path, command: str, now: Mapping[str, Any], numbers: Mapping[str, Any]) -> None:
    """Write a result: what it depends on, version and date for the reader, and its numbers."""
    head = {"command": command, "version": __version__, "date": datetime.date.today().isoformat()}
    result = {"table": now["table"], **head, **now, **numbers}
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, text_of(result).encode())


def text_of(result: Mapping[str, Any]) -> str:
    """JSON with every row of its tables on one line, so that a result can be read and compared."""
    parts = []
    for name, value in result.items():
        if isinstance(value, list) and value and all(isinstance(row, dict | list) for row in value):
            rows = ",\n  ".join(json.dumps(row, ensure_ascii=False) for row in value)
            parts.append(f' "{name}": [\n  {rows}\n ]')
        else:
            body = json.dumps(value, indent=1, ensure_ascii=False).replace("\n", "\n ")
            parts.append(f' "{name}": {body}')
    return "{\n" + ",\n".join(parts) + "\n}\n"
