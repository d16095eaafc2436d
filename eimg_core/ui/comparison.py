"""The comparison: a card for each composer, all of their pieces on one plane, and everything in one download.

Its value is a plain dict with a ``state``:

- ``{}``: nothing yet;
- ``waiting``: ``pairings``, the keys of those who will compose;
- ``failed``: ``message``, one sentence;
- ``working``, ``packing`` or ``done``: see ``lineup_value``. Each of the ``cards`` has a ``state`` of its own:
  ``waiting``, ``working`` (with ``stage`` and ``done``), ``failed`` (with ``message``), ``stopped``, or ``done`` with
  a take (see ``eimg_core.ui.take.take_value``), ``took_s``, the seconds this composer worked, ``matching``, its
  Emotion Matching for this photo, and ``published``, the same on the test photos. ``controls`` is what these are to be
  held against, see ``eimg_core.ui.scorecard``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from eimg_core.emotion import NEUTRAL_RADIUS, REGIONS
from eimg_core.ui.choice import candidates, usual_choice
from eimg_core.ui.emotion_plane import point
from eimg_core.ui.lineup import Lineup
from eimg_core.ui.protocol import PairingInfo
from eimg_core.ui.scorecard import control_rows
from eimg_core.ui.take import file_values
from eimg_core.ui.widget import script, template

__all__ = ["Comparison", "lineup_value"]


class Comparison(gr.HTML):
    """The comparison as a Gradio component. It only shows; its ``stop`` event means that the visitor has enough."""

    def __init__(self, pairings: Sequence[PairingInfo], **kwargs: Any) -> None:
        super().__init__(
            {},
            html_template=template("comparison"),
            js_on_load=script("plane_map", "roll", "deck", "comparison"),
            apply_default_css=False,
            composers=[[each.key, each.title] for each in candidates(pairings)],
            usual=usual_choice(pairings),
            regions=[list(region) for region in REGIONS],
            neutral_radius=NEUTRAL_RADIUS,
            **kwargs,
        )

    def api_info(self) -> dict[str, Any]:
        return {
            "type": "object",
            "description": "state, photo and target as points on the 1-9 scale, a card for each composer with its "
            "piece, and files: zip, csv, png",
        }

    def example_value(self) -> Any:
        return {"state": "done", "cards": [{"state": "done", "pairing": "vqvae+fnt", "took_s": 2.1}], "files": {}}


def lineup_value(lineup: Lineup) -> dict[str, Any]:
    """A line-up as plain values for the page."""
    return {
        "state": lineup.state,
        "photo": point(lineup.photo_va),
        "photo_name": lineup.photo.name if lineup.photo else None,
        "target": point(lineup.target),
        "seed": lineup.options.seed,
        "seconds": lineup.options.seconds,
        "cards": [{"pairing": entry.pairing, "title": entry.title, **entry.card} for entry in lineup.entries],
        "controls": control_rows(lineup.photo_va),
        "files": file_values(lineup.files),
        "fault": lineup.fault,
    }
