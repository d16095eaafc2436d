"""What the stages share: the request they are given, the settings it stands for, the result that they return."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from eimg_core.checkpoints import read_card, save_component, save_model
from eimg_core.data import SPLITS, Corpus
from eimg_core.shipped import CHECKPOINTS
from train.stages.loop import LoopConfig
from train.stages.presets import PRESETS, StageConfig, override

__all__ = [
    "ComponentResult",
    "LoopRequest",
    "Request",
    "SeededRequest",
    "begin",
    "card_of",
    "choices_of",
    "make_config",
    "request_from",
    "run_folder",
    "save_tensors",
    "save_trained",
    "settings_of",
    "trained_on",
    "use_threads",
]

R = TypeVar("R")

# What few people load ships as whole numbers of eight bits, so that the assets stay small.
_EIGHT_BITS = {
    "music_ae/tvae_clean",
    "image_ae/alae@paper",
    "image_ae/beta_vae@paper",
    "bridge/vqvae+fnt@paper",
    "bridge/vqvae+lsr@paper",
    "bridge/vqvae+tvae@eimg2",
}


@dataclass(frozen=True, kw_only=True)
class Request:
    """What every stage is told.

    Args:
        data: folder with ``images/`` and ``music/``.
        out: where components are written, and where those that a stage needs are found.
        runs: logs, caches, and states for resuming.
        preset: ``full`` or ``smoke``.
        threads: CPU threads; 0 leaves the choice to PyTorch.
    """

    data: Path
    out: Path = CHECKPOINTS
    runs: Path = Path("runs")
    preset: str = "full"
    threads: int = 0

    @property
    def cache(self) -> Path:
        """Where what was read and computed from data is kept."""
        return self.runs / "cache"


@dataclass(frozen=True, kw_only=True)
class SeededRequest(Request):
    """What a stage is told that draws.

    Args:
        seed: of the first weights and of everything random after them.
    """

    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class LoopRequest(SeededRequest):
    """What a stage is told that trains on the loop.

    Args:
        changes: setting of the loop → value, instead of the preset's; see ``LoopConfig``.
    """

    changes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ComponentResult:
    """What a stage has made.

    Args:
        component: ``kind/name``.
        folder: where its weights and card are.
        card: as written.
    """

    component: str
    folder: Path
    card: Mapping[str, Any]


def request_from(kind: type[R], source: object, **own: Any) -> R:
    """A request with the values that another request, or parsed options, have under the same names.

    Args:
        kind: a dataclass of the request.
        source: what has the values; those that it lacks keep their defaults.
        own: values that ``source`` does not have, or not so.
    """
    shared = {f.name: getattr(source, f.name) for f in fields(kind) if hasattr(source, f.name)}  # type: ignore[arg-type]
    return kind(**{**shared, **own})


def use_threads(threads: int) -> None:
    """Compute on so many CPU threads from here on; 0 changes nothing."""
    if threads:
        torch.set_num_threads(threads)


def begin(request: SeededRequest) -> None:
    """Set the threads, and the seed of the first weights; every later step seeds itself."""
    use_threads(request.threads)
    torch.manual_seed(request.seed)


def settings_of(request: LoopRequest, kind: str, *keys: str) -> StageConfig:
    """The preset's stage of the first key that it names, with the request's seed and changes.

    Raises:
        ValueError: there is no such preset, stage or setting, or a value has another type.
    """
    if request.preset not in PRESETS:
        raise ValueError(f"unknown preset {request.preset!r}; known: {', '.join(PRESETS)}")
    stage = PRESETS[request.preset].stage(kind, *keys)
    loop: LoopConfig = override(replace(stage.loop, seed=request.seed), request.changes)
    return replace(stage, loop=loop)


def make_config(config_class: Any, changes: Mapping[str, Any]) -> Any:
    """The model's config: its defaults or its ``tiny()``, with the preset's changes."""
    own = dict(changes)
    base = config_class.tiny() if own.pop("tiny", False) else config_class()
    return replace(base, **own)


def run_folder(request: Request, name: str, stage: StageConfig, corpora: Sequence[Corpus], **learnt_from: Any) -> Path:
    """The folder of a run below ``runs``; a state in it that was reached with other settings or data is deleted.

    Args:
        request: says where runs are kept.
        name: of the run, such as ``image_ae/vqvae``.
        stage: its settings.
        corpora: the data sets.
        learnt_from: what else decides how the run goes, such as the hashes of components whose features it sees.
    """
    folder = request.runs / name
    folder.mkdir(parents=True, exist_ok=True)
    data = {corpus.name: corpus.digest() for corpus in corpora}
    settings = json.dumps({"stage": asdict(stage), "corpora": data, **learnt_from}, indent=1, sort_keys=True)
    kept = folder / "settings.json"
    if not kept.exists() or kept.read_text(encoding="utf-8") != settings:
        for old in ("state.pt", "log.jsonl"):
            (folder / old).unlink(missing_ok=True)
        kept.write_text(settings, encoding="utf-8")
    return folder


def choices_of(request: SeededRequest) -> dict[str, Any]:
    """What a card says of the request: preset, seed, and the changes of the loop where there are any."""
    changes = {name: str(value) for name, value in request.changes.items()} if isinstance(request, LoopRequest) else {}
    return {"preset": request.preset, "seed": request.seed, **({"changes": changes} if changes else {})}


def card_of(
    request: LoopRequest, kind: str, key: str, stage: StageConfig, corpora: Sequence[Corpus], **more: Any
) -> dict[str, Any]:
    """What a person wants to know about a component; saving adds the config and the hash."""
    return {
        "kind": kind,
        "key": key,
        **choices_of(request),
        "trained_on": trained_on(corpora),
        "epochs": stage.loop.epochs,
        "batch_size": stage.batch_size,
        "learning_rate": stage.loop.learning_rate,
        "date": datetime.date.today().isoformat(),
        **more,
    }


def trained_on(corpora: Sequence[Corpus]) -> list[dict[str, Any]]:
    """What a card says of the data sets."""
    return [
        {
            "data": corpus.title,
            "licence": corpus.licence,
            "fit_on": "train",
            "chosen_on": "val",
            "items": {split: len(corpus.split(split)) for split in SPLITS},
        }
        for corpus in corpora
    ]


def save_trained(out: Path, component: str, model: nn.Module, card: Mapping[str, Any]) -> ComponentResult:
    """Write a trained module as the component ``kind/name`` under ``out``."""
    save_model(out / component, model, card, eight_bits=component in _EIGHT_BITS)
    return ComponentResult(component, out / component, read_card(out / component))


def save_tensors(
    out: Path, component: str, tensors: Mapping[str, torch.Tensor], card: Mapping[str, Any]
) -> ComponentResult:
    """Write tensors as the component ``kind/name`` under ``out``."""
    save_component(out / component, tensors, card)
    return ComponentResult(component, out / component, read_card(out / component))
