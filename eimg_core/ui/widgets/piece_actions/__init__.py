"""What can be done with a piece, below the player: its takes, retelling, undo, a link, and what this browser has made.

Its value is a plain dict. The page's events fill in ``piece`` (the player's value) and ``photo`` (hash of the photo on
the inputs); the visitor wants a ``recipe`` (make it: event ``submit``), ``show`` (a value that this page still has:
event ``select``) or ``settings`` (put them into the inputs: event ``apply``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from eimg_core.errors import InputError
from eimg_core.recipe import Recipe
from eimg_core.ui.protocol import PairingInfo
from eimg_core.ui.widgets.parts import script, template

__all__ = ["PieceActions"]


class PieceActions(gr.HTML):
    """The actions as a Gradio component; an event receives the recipe that is wanted."""

    def __init__(self, pairings: Sequence[PairingInfo], **kwargs: Any) -> None:
        super().__init__(
            {},
            html_template=template("piece_actions/piece_actions"),
            js_on_load=script("shared/tiny_roll", "piece_actions/history", "piece_actions/piece_actions"),
            apply_default_css=False,
            composing=[info.key for info in pairings if info.composes],
            **kwargs,
        )

    def preprocess(self, payload: Any) -> Recipe:
        try:
            return Recipe.parse(payload.get("recipe") if isinstance(payload, dict) else None)
        except InputError as error:
            raise gr.Error(str(error), print_exception=False) from error
