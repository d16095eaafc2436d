"""Which composers are to play: any pairing in any variant of its bridge, ticked in one table.

Its value is a list of keys: ``vqvae+fnt`` means the pairing in its usual variant, ``vqvae+fnt@paper`` a named one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eimg_core.ui.protocol import PairingInfo
from eimg_core.ui.session.composers import pairing_variants, papers_six, usual_choice
from eimg_core.ui.widgets.parts import Widget, script, template

__all__ = ["Choice"]


class Choice(Widget):
    """The table of composers as a Gradio component."""

    def __init__(self, pairings: Sequence[PairingInfo], **kwargs: Any) -> None:
        self.pairings = list(pairings)
        super().__init__(
            usual_choice(pairings),
            html_template=template("composer_choice/composer_choice"),
            js_on_load=script("composer_choice/composer_choice"),
            apply_default_css=False,
            composers=[[info.key, info.title, list(info.variants or ("",))] for info in pairings],
            usual=usual_choice(pairings),
            six=papers_six(pairings),
            **kwargs,
        )

    def preprocess(self, payload: Any) -> list[str]:
        return [str(key) for key in payload] if isinstance(payload, list) else []

    def api_info(self) -> dict[str, Any]:
        return {
            "type": "array",
            "items": {"type": "string", "enum": [each.key for each in pairing_variants(self.pairings)]},
            "description": "keys of composers, with @ and a variant where the usual one is not meant",
        }

    def example_payload(self) -> Any:
        return usual_choice(self.pairings)[:2]

    def example_value(self) -> Any:
        return usual_choice(self.pairings)[:2]
