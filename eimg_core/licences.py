"""What the shipped weights may be used for: the licences of the data they learnt from, read off their cards.

Whether weights inherit the terms of their training data is not settled law, and differs between countries. We do not
judge that; we say what each component learnt from and under which terms that data was given, and take only data that
plainly allows commercial use for safe. A licence that is unknown, or not stated, does not allow anything.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eimg_core.checkpoints import read_card
from eimg_core.errors import CheckpointError
from eimg_core.shipped import CHECKPOINTS

__all__ = ["CLEAN_COMPOSER", "Component", "Source", "components", "permission"]

CLEAN_COMPOSER = "music_ae/tvae_clean"  # the component that ``python -m train.composer --clean`` trains
# Licences, as cards name them, that allow commercial use.
_FREE = ("MIT", "CC0", "CC BY 4.0", "CC BY-SA 4.0", "Apache-2.0", "BSD", "public domain")


@dataclass(frozen=True, slots=True)
class Source:
    """A data set that a component learnt from, and the terms it was given under."""

    data: str
    licence: str

    @property
    def commercial(self) -> bool:
        return self.licence.startswith(_FREE)


@dataclass(frozen=True, slots=True)
class Component:
    """A folder of weights, such as ``music_ae/tvae``, and everything it learnt from, with what it depends on."""

    name: str
    sources: tuple[Source, ...]

    @property
    def commercial(self) -> bool:
        return bool(self.sources) and all(source.commercial for source in self.sources)

    @property
    def obstacles(self) -> tuple[Source, ...]:
        return tuple(source for source in self.sources if not source.commercial)


def components(root: Path = CHECKPOINTS) -> dict[str, Component]:
    """All shipped components by name; reads cards only.

    Raises:
        CheckpointError: a card cannot be read.
    """
    cards = {f"{c.parent.parent.name}/{c.parent.name}": read_card(c.parent) for c in sorted(root.glob("*/*/card.json"))}
    by_hash = {card.get("sha256"): name for name, card in cards.items()}

    def sources(name: str, seen: frozenset[str] = frozenset()) -> Iterator[Source]:
        card = cards[name]
        yield from _own(card)
        for digest in dict(card.get("depends_on", {})).values():
            other = by_hash.get(digest)
            if other and other not in seen:
                yield from sources(other, seen | {name})

    return {name: Component(name, tuple(dict.fromkeys(sources(name)))) for name in cards}


def _own(card: dict[str, Any]) -> Iterator[Source]:
    for trained in card.get("trained_on", []):
        # A backbone came trained: what counts is the licence of the weights, which their card tells as a text.
        licence = trained.get("licence") or card.get("licence") or "not stated"
        yield Source(str(trained["data"]), str(licence))


def permission(root: Path = CHECKPOINTS) -> str:
    """Why the clean composer may be used commercially, in one line.

    Raises:
        CheckpointError: it is not there, its card cannot be read, or it has learnt from data whose terms do not plainly
            allow that.
    """
    train = "train it with `python -m train.composer --data DIR --clean`"
    if not (root / CLEAN_COMPOSER / "card.json").exists():
        raise CheckpointError(
            f"Commercial use needs the component {CLEAN_COMPOSER}, which is not among the weights here; {train}."
        )
    component = components(root)[CLEAN_COMPOSER]
    if not component.commercial:
        learnt = ", ".join(source.data for source in component.obstacles) or "data that its card does not name"
        raise CheckpointError(
            f"{CLEAN_COMPOSER} learnt from {learnt}, whose terms do not plainly allow commercial use; {train}."
        )
    learnt = " and ".join(f"{source.data} ({_short(source.licence)})" for source in component.sources)
    return (
        f"For commercial use: the composer learnt from {learnt} alone and its labels are published rules, a published "
        "formula of colour reads the photos, and no other weights are loaded."
    )


def markdown(root: Path = CHECKPOINTS) -> str:
    """The table of ``docs/licences.md``; bridges of the same sources share a row."""
    rows = ["| component | learnt from | terms of that data | commercial use |", "|---|---|---|---|"]
    for names, component in _merged(list(components(root).values())):
        data = "<br>".join(source.data for source in component.sources)
        terms = "<br>".join(_short(source.licence) for source in component.sources)
        rows.append(f"| {names} | {data} | {terms} | {'yes' if component.commercial else 'not plainly allowed'} |")
    return "\n".join(rows)


def _merged(found: Sequence[Component]) -> Iterator[tuple[str, Component]]:
    grouped: dict[tuple[str, tuple[Source, ...]], list[str]] = {}
    for component in found:
        kind, _, key = component.name.partition("/")
        grouped.setdefault((kind, component.sources), []).append(key)
    for (kind, sources), keys in grouped.items():
        yield f"`{kind}/` {', '.join(keys)}", Component(kind, sources)


def _short(licence: str) -> str:
    return licence if len(licence) <= 100 else licence.split(". ")[0] + ", see its card"


def as_json(root: Path = CHECKPOINTS) -> str:
    """Every component with its sources, for programs."""
    rows = [
        {
            "component": component.name,
            "commercial": component.commercial,
            "sources": [{"data": s.data, "licence": s.licence, "commercial": s.commercial} for s in component.sources],
        }
        for component in components(root).values()
    ]
    return json.dumps(rows, indent=2, ensure_ascii=False)
