"""The comparison: a card for each composer, all of their pieces on one plane, and everything in one download.

Its value is a plain dict with a ``state``:

- ``{}``: nothing yet;
- ``waiting``: ``pairings``, the keys of those who will compose;
- ``failed``: ``message``, one sentence;
- ``working``, ``packing`` or ``done``: see ``run_value``. Each of the ``cards`` has a ``state`` of its own:
  ``waiting``, ``working`` (with ``stage`` and ``done``), ``failed`` (with ``message``), ``stopped``, or ``done`` with
  a take (see ``eimg_core.ui.session.piece_values.take_value``), ``took_s``, the seconds this composer worked,
  ``matching``, its Emotion Matching for this photo, and ``published``, the same on the test photos. ``controls`` is
  what these are to be held against, see ``eimg_core.ui.session.scorecard``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eimg_core.emotion import NEUTRAL_RADIUS, REGIONS
from eimg_core.exports.formats import FORMATS
from eimg_core.metrics.registry import shown_metrics
from eimg_core.ui.protocol import PairingInfo
from eimg_core.ui.session.comparison_run import ComparisonRun
from eimg_core.ui.session.composers import pairing_variants, usual_choice
from eimg_core.ui.session.piece_values import file_values
from eimg_core.ui.session.points import point
from eimg_core.ui.session.scorecard import control_rows
from eimg_core.ui.widgets.parts import Widget, script, template

__all__ = ["Comparison", "run_value"]


class Comparison(Widget):
    """The comparison as a Gradio component. It only shows; its ``stop`` event means that the visitor has enough."""

    def __init__(self, pairings: Sequence[PairingInfo], **kwargs: Any) -> None:
        super().__init__(
            {},
            html_template=template("comparison/comparison"),
            js_on_load=script("shared/plane_map", "shared/roll", "shared/transport", "comparison/comparison"),
            apply_default_css=False,
            composers=[[each.key, each.title] for each in pairing_variants(pairings)],
            usual=usual_choice(pairings),
            regions=[list(region) for region in REGIONS],
            neutral_radius=NEUTRAL_RADIUS,
            formats=[[key, one.title] for key, one in FORMATS.items()],
            metrics=[[key, one.heading, one.digits] for key, one in shown_metrics().items()],
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


def run_value(run: ComparisonRun) -> dict[str, Any]:
    """A comparison run as plain values for the page."""
    return {
        "state": run.state,
        "photo": point(run.photo_va),
        "photo_name": run.photo.name if run.photo else None,
        "target": point(run.target),
        "seed": run.options.seed,
        "seconds": run.options.seconds,
        "cards": [{"pairing": entry.pairing, "title": entry.title, **entry.card} for entry in run.entries],
        "controls": control_rows(run.photo_va),
        "files": file_values(run.files),
        "fault": run.fault,
    }
