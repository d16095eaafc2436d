"""Model cards: what each shipped component learnt from, under which licence, when, and how good it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from eimg_core.messages import message
from eimg_core.ui.languages import marked

__all__ = ["model_cards"]

_KINDS = {
    "bridge": message("Bridges: from the photo’s vector to the piece’s"),
    "image_ae": message("Image autoencoders"),
    "music_ae": message("Music autoencoders"),
    "va_predictor": message("Readers of emotion"),
    "backbone": message("Networks that others trained"),
    "class_layer": message("Their last layers, which name what they see"),
}
_SHOWN = {
    "date": message("date"),
    "seed": message("seed"),
    "epochs": message("epochs"),
    "batch_size": message("batch size"),
    "learning_rate": message("learning rate"),
    "selection": message("selection"),
    "limits": message("limits"),
}
_SOURCES = {
    "licence": message("licence"),
    "source": message("source"),
    "source package": message("source package"),
    "source file": message("source file"),
    "source file sha256": message("source file sha256"),
    "source changes": message("source changes"),
}


def model_cards(cards: Mapping[str, Mapping[str, Any]]) -> str:
    """All cards, by kind, each folded. ``cards`` is ``kind/name`` → card."""
    groups = []
    for kind, title in _KINDS.items():
        found = {name: card for name, card in cards.items() if name.split("/")[0] == kind}
        if found:
            groups.append(
                f"<h3{marked(title)}>{escape(title)}</h3>" + "".join(_card(name, card) for name, card in found.items())
            )
    return f'<div class="model-cards">{"".join(groups)}</div>'


def _card(name: str, card: Mapping[str, Any]) -> str:
    rows: list[tuple[str, Any]] = [(title, card[key]) for key, title in _SHOWN.items() if key in card]
    rows += [(message("needs {part}", part=key), str(value)[:12]) for key, value in card.get("depends_on", {}).items()]
    sources = _flat({k: card[k] for k in ("licence", "source") if k in card})
    rows += [(_SOURCES.get(key, key), value) for key, value in sources]
    rows.append((message("sha-256 of the weights"), card.get("sha256", "–")))
    data = "".join(f"<li>{_data(each)}</li>" for each in card.get("trained_on", ()))
    numbers = "".join(
        f"<tr><th scope='row'>{escape(key)}</th><td>{escape(value)}</td></tr>"
        for key, value in _flat(card.get("metrics", {}))
    )
    facts = "".join(
        f"<dt{marked(key)}>{escape(key)}</dt><dd translate='no'>{escape(str(value))}</dd>" for key, value in rows
    )
    return (
        f"<details><summary><code>{escape(name)}</code> <span>{escape(str(card.get('date', '')))}</span></summary>"
        f"<dl>{facts}</dl>"
        + (f"<h4 data-say>Learnt from</h4><ul translate='no'>{data}</ul>" if data else "")
        + (
            f"<h4 data-say>Measured</h4><div class='scrolls' translate='no'><table>{numbers}</table></div>"
            if numbers
            else ""
        )
        + "</details>"
    )


def _data(each: Mapping[str, Any]) -> str:
    n = each.get("items", {})
    parts = n.items() if isinstance(n, Mapping) else [("items", n)] if n else []
    counts = f" ({', '.join(f'{count} {split}' for split, count in parts)})" if parts else ""
    licence = f" Licence: {each['licence']}." if "licence" in each else ""
    source = f" Source: {each['source']}." if "source" in each else ""
    return escape(f"{each.get('data', '–')}{counts}.{licence}{source}")


def _flat(metrics: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    """Nested metrics as lines."""
    for key, value in metrics.items():
        name = f"{path} {key}".strip().replace("_", " ")
        if isinstance(value, Mapping):
            yield from _flat(value, name)
        else:
            yield name, f"{value:.4g}" if isinstance(value, float) else str(value)
