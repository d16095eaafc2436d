"""What can be done with a piece, below the player: its takes, retelling, undo, and what this browser has made.

Its value is a plain dict. The page's events fill in ``piece`` (the player's value) and ``photo`` (id of the photo on
the inputs); the visitor wants something made (event ``submit``): a ``recipe``, with the piece it goes on from in
``packed``, or ``packed`` alone, which is to be shown again; or ``show``, a value that this page still has (event
``select``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from eimg_core.composer import Composition
from eimg_core.errors import InputError
from eimg_core.messages import message
from eimg_core.options import OPTIONS, USUAL_TAKES
from eimg_core.recipe import MOST_STEPS, Recipe
from eimg_core.ui.protocol import PairingInfo
from eimg_core.ui.server.faults import toast
from eimg_core.ui.session.packed import unpacked
from eimg_core.ui.widgets.parts import Widget, script, template

__all__ = ["PieceActions", "Wanted"]


@dataclass(frozen=True)
class Wanted:
    """What a visitor wants made: ``recipe``, going on from ``piece`` where that is known; or ``piece`` itself again."""

    recipe: Recipe | None
    piece: Composition | None


class PieceActions(Widget):
    """The actions as a Gradio component; an event receives what is wanted."""

    def __init__(self, pairings: Sequence[PairingInfo], **kwargs: Any) -> None:
        self.pairings = list(pairings)
        super().__init__(
            {},
            html_template=template("piece_actions/piece_actions"),
            js_on_load=script("shared/tiny_roll", "shared/states", "piece_actions/piece_actions"),
            apply_default_css=False,
            composing=[info.key for info in pairings if info.composes],
            shortest=OPTIONS["seconds"].lowest_offered,
            longest=OPTIONS["seconds"].high,
            most_steps=MOST_STEPS,
            **kwargs,
        )

    def preprocess(self, payload: Any) -> Wanted:
        payload = payload if isinstance(payload, dict) else {}
        try:
            recipe = None if payload.get("recipe") is None else Recipe.parse(payload["recipe"])
            if recipe is not None and recipe.options.takes > USUAL_TAKES:  # more is more work than one visitor gets
                raise InputError(message("These settings cannot be read; compose the piece again instead."))
            packed = payload.get("packed")
            return Wanted(recipe, None if packed is None else unpacked(packed, self.pairings))
        except InputError as error:
            raise toast(error) from error
