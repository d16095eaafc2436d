"""What can be done with a piece, below the player: its takes, retelling, undo, a link, and what this browser has made.

Its value is a plain dict. The page's events fill in ``piece`` (the player's value) and ``photo`` (id of the photo on
the inputs); the visitor wants a ``recipe`` (make it: event ``submit``), ``show`` (a value that this page still has:
event ``select``) or ``settings`` (put them into the inputs: event ``apply``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eimg_core.errors import InputError
from eimg_core.messages import message
from eimg_core.options import CREATE_OPTIONS, OPTIONS, USUAL_TAKES, options_for_scripts
from eimg_core.recipe import MOST_STEPS, Recipe
from eimg_core.ui.protocol import PairingInfo
from eimg_core.ui.server.faults import toast
from eimg_core.ui.widgets.parts import Widget, script, template

__all__ = ["PieceActions"]


class PieceActions(Widget):
    """The actions as a Gradio component; an event receives the recipe that is wanted."""

    def __init__(self, pairings: Sequence[PairingInfo], **kwargs: Any) -> None:
        super().__init__(
            {},
            html_template=template("piece_actions/piece_actions"),
            js_on_load=script("shared/tiny_roll", "piece_actions/history", "piece_actions/piece_actions"),
            apply_default_css=False,
            composing=[info.key for info in pairings if info.composes],
            options=options_for_scripts(CREATE_OPTIONS),
            point=OPTIONS["target"].address.split(),
            shortest=OPTIONS["seconds"].lowest_offered,
            longest=OPTIONS["seconds"].high,
            most_steps=MOST_STEPS,
            **kwargs,
        )

    def preprocess(self, payload: Any) -> Recipe:
        try:
            recipe = Recipe.parse(payload.get("recipe") if isinstance(payload, dict) else None)
            if recipe.options.takes > USUAL_TAKES:  # more is more work than one visitor gets
                raise InputError(message("These settings cannot be read; compose the piece again instead."))
            return recipe
        except InputError as error:
            raise toast(error) from error
