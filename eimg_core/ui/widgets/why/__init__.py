"""Why a photo is read as it is: a switch on the photo's card, and a map over the photo for each axis.

Its value is a plain dict: ``{}`` without a photo; ``ready`` with one; and once it was asked, ``valence`` and
``arousal`` (rows of effects in points, see ``eimg_core.va.explain``), ``words`` for both, and the ``classes`` that the
networks see. Nothing is computed before the switch is turned.
"""

from __future__ import annotations

from typing import Any

from eimg_core.ui.protocol import Explanation
from eimg_core.ui.widgets.parts import Widget, script, template

__all__ = ["Why", "why_value"]


class Why(Widget):
    """The switch and the maps; its ``submit`` event means that somebody wants to know."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            {}, html_template=template("why/why"), js_on_load=script("why/why"), apply_default_css=False, **kwargs
        )

    def api_info(self) -> dict[str, Any]:
        return {
            "type": "object",
            "description": "valence and arousal: rows of effects in points of the 1-9 scale; words: both in English; "
            "classes: what the photo looks like, each with its probability and its effect on both",
        }

    def example_value(self) -> Any:
        return {
            "ready": True,
            "valence": [[0.2, -0.1]],
            "arousal": [[0.0, 0.1]],
            "words": {"valence": "", "arousal": ""},
            "classes": [{"name": "lakeside", "probability": 0.4, "valence": 0.3, "arousal": -0.2}],
        }


def why_value(explanation: Explanation) -> dict[str, Any]:
    """Both maps, their words and the classes, for the page."""
    return {
        "ready": True,
        "valence": [list(row) for row in explanation.valence],
        "arousal": [list(row) for row in explanation.arousal],
        "words": dict(explanation.words),
        "classes": [
            {"name": one.name, "probability": one.probability, "valence": one.valence, "arousal": one.arousal}
            for one in explanation.classes
        ],
    }
