"""Which composers are to play: any pairing in any variant of its bridge, ticked in one table.

Its value is a list of keys: ``vqvae+fnt`` means the pairing in its usual variant, ``vqvae+fnt@paper`` a named one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from eimg_core.errors import InputError
from eimg_core.records import PAPER_TABLE_V
from eimg_core.ui.protocol import PairingInfo
from eimg_core.ui.widget import script, template

__all__ = ["Candidate", "Choice", "candidates", "chosen", "usual_choice"]


@dataclass(frozen=True)
class Candidate:
    """A pairing in one variant; ``key`` names the variant only where it is not the pairing's usual one."""

    key: str
    title: str
    pairing: str
    variant: str


def candidates(pairings: Sequence[PairingInfo]) -> list[Candidate]:
    """Every pairing in every shipped variant, the usual variant first."""
    return [
        Candidate(
            f"{info.key}@{variant}" if n else info.key,
            f"{info.title} ({variant})" if len(info.variants) > 1 else info.title,
            info.key,
            variant,
        )
        for info in pairings
        for n, variant in enumerate(info.variants or ("",))
    ]


def chosen(pairings: Sequence[PairingInfo], keys: Iterable[str]) -> list[Candidate]:
    """The candidates that are named, each once, in the order of the menu.

    Raises:
        InputError: a key names no shipped pairing or variant.
    """
    known = candidates(pairings)
    by_name = {name: each for each in known for name in (each.key, f"{each.pairing}@{each.variant}")}
    wanted = list(keys)
    if unknown := [key for key in wanted if key not in by_name]:
        names = ", ".join(each.key for each in known)
        raise InputError(f"There is no composer {str(unknown[0])[:60]!r}; choose from: {names}.")
    found = {by_name[key] for key in wanted}
    return [each for each in known if each in found]


def usual_choice(pairings: Sequence[PairingInfo]) -> list[str]:
    """The paper's six pairings, in the order of the menu; all pairings where none of the six is shipped."""
    keys = [info.key for info in pairings]
    return [key for key in keys if key in PAPER_TABLE_V] or keys


class Choice(gr.HTML):
    """The table of composers as a Gradio component."""

    def __init__(self, pairings: Sequence[PairingInfo], **kwargs: Any) -> None:
        self.pairings = list(pairings)
        super().__init__(
            usual_choice(pairings),
            html_template=template("choice"),
            js_on_load=script("choice"),
            apply_default_css=False,
            composers=[[info.key, info.title, list(info.variants or ("",))] for info in pairings],
            six=usual_choice(pairings),
            **kwargs,
        )

    def preprocess(self, payload: Any) -> list[str]:
        return [str(key) for key in payload] if isinstance(payload, list) else []

    def api_info(self) -> dict[str, Any]:
        return {
            "type": "array",
            "items": {"type": "string", "enum": [each.key for each in candidates(self.pairings)]},
            "description": "keys of composers, with @ and a variant where the usual one is not meant",
        }

    def example_payload(self) -> Any:
        return usual_choice(self.pairings)[:2]

    def example_value(self) -> Any:
        return usual_choice(self.pairings)[:2]
