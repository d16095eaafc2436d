"""Live music that follows the target: the next bar is composed while this one plays.

Its value is a plain dict that the page's events fill in: ``target``, the point to follow, and ``pairing``, the
composer. All else happens in the browser, which asks ``session.live`` for bars. What was played is kept as a piece: the
widget opens it as the page opens the piece of a link.
"""

from __future__ import annotations

from typing import Any

from eimg_core.ui.protocol import Studio
from eimg_core.ui.session.live import LONGEST_S, live
from eimg_core.ui.widgets.parts import Widget, script, template

__all__ = ["Live"]


class Live(Widget):
    """The panel as a Gradio component."""

    def __init__(self, studio: Studio, **kwargs: Any) -> None:
        super().__init__(
            {},
            html_template=template("live/live"),
            js_on_load=script("shared/tiny_roll", "live/live"),
            apply_default_css=False,
            longest=LONGEST_S,
            server_functions=[live(studio)],
            **kwargs,
        )
