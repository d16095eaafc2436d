"""The blind listening test: two pieces of a comparison at a time, and nobody knows whose they are.

Its value is that of a comparison (``eimg_core.ui.widgets.comparison``), whose finished pieces it plays.
Everything else happens in the visitor's browser: the order, the answers, the result and the CSV. Nothing is sent.
"""

from __future__ import annotations

from typing import Any

from eimg_core.messages import message
from eimg_core.ui.widgets.parts import Widget, script, template

__all__ = ["LEAD", "Listening"]

LEAD = message(
    "Hear two pieces without knowing whose they are, and say which fits the photo better. Your answers stay with you."
)


class Listening(Widget):
    """The test as a Gradio component."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            {},
            html_template=template("listening/listening"),
            js_on_load=script("shared/transport", "listening/rules", "listening/listening"),
            apply_default_css=False,
            **kwargs,
        )

    def api_info(self) -> dict[str, Any]:
        return {"type": "object", "description": "a comparison, see /compare"}

    def example_value(self) -> Any:
        return {}
