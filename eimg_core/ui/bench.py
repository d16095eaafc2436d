"""The bench below the player: the takes of a piece, the same tune again, undo, a link, and what this browser has made.

Its value is a plain dict. The page's events fill in ``piece`` (the player's value) and ``photo`` (hash of the photo on
the desk); the visitor wants a ``recipe`` (make it: event ``submit``), ``show`` (a value that this page still has: event
``select``) or ``settings`` (put them on the desk: event ``apply``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from eimg_core.errors import InputError
from eimg_core.ui.protocol import PairingInfo
from eimg_core.ui.recipe import Recipe
from eimg_core.ui.widget import script, template

__all__ = ["Bench"]


class Bench(gr.HTML):
    """The bench as a Gradio component; an event receives the recipe that is wanted."""

    def __init__(self, pairings: Sequence[PairingInfo], **kwargs: Any) -> None:
        super().__init__(
            {},
            html_template=template("bench"),
            js_on_load=script("tiny_roll", "history", "bench"),
            apply_default_css=False,
            composing=[info.key for info in pairings if info.composes],
            **kwargs,
        )

    def preprocess(self, payload: Any) -> Recipe:
        try:
            return Recipe.parse(payload.get("recipe") if isinstance(payload, dict) else None)
        except InputError as error:
            raise gr.Error(str(error), print_exception=False) from error
