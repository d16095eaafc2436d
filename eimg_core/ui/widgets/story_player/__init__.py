"""The player of a story: the player, and under its roll the photos as long as each is on.

Its value is that of the player (``eimg_core.ui.widgets.player``); a finished story has ``stops`` as well, see
``eimg_core.ui.session.story_timeline``. A story that comes from a link, or that this browser kept, is ``packed`` in it:
its ``submit`` event asks for it, and an event receives it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eimg_core.composer import Composition
from eimg_core.errors import InputError
from eimg_core.messages import message
from eimg_core.ui.protocol import PairingInfo
from eimg_core.ui.server.faults import toast
from eimg_core.ui.session.packed import unpacked
from eimg_core.ui.session.story_timeline import STORY_STAGES
from eimg_core.ui.widgets.parts import Widget, script, template
from eimg_core.ui.widgets.player import PLAYER_SCRIPTS, Player, player_props

__all__ = ["StoryPlayer"]

_STRIP = """<ol class="story-strip" data-say-aria-label
  aria-label="Photos of the story; choose one to hear it from there"></ol>"""
_UNDER_THE_ROLL = '<div class="transport-bar">'


class StoryPlayer(Widget):
    """The player of a story as a Gradio component."""

    def __init__(self, pairings: Sequence[PairingInfo], **kwargs: Any) -> None:
        self.pairings = list(pairings)
        super().__init__(
            {},
            html_template=template("player/player").replace(_UNDER_THE_ROLL, _STRIP + _UNDER_THE_ROLL, 1),
            js_on_load=script(*PLAYER_SCRIPTS, "shared/tiny_roll", "shared/states", "story_player/story_strip"),
            apply_default_css=False,
            stages=list(STORY_STAGES),
            empty=message("Add two photos or more, put them in order, and press Compose the story."),
            stopped=message("Nothing was kept. Press Compose the story to start again."),
            **player_props("story", pairings),
            **kwargs,
        )

    def preprocess(self, payload: Any) -> Composition:
        try:
            return unpacked(payload.get("packed") if isinstance(payload, dict) else None, self.pairings)
        except InputError as error:
            raise toast(error) from error

    api_info = Player.api_info
    example_value = Player.example_value
