"""The player: what the composer is doing, then the piano roll with its sound, its numbers and its files.

Its value is a plain dict with a ``state``:

- ``{}``: nothing yet;
- ``working``: ``stage`` (a name) and ``done`` (0 to 1);
- ``failed``: ``message``, one sentence;
- ``back``: as before the work began, which came to nothing;
- ``done``: a take, see ``eimg_core.ui.session.piece_values.take_value``. With ``pending`` true its notes are there and
  its sound is still to come; ``sections``, a list of {start_s, end_s, label}, are named in a band above the roll.

While a piece plays and when it is moved, the player's element dispatches ``eimg-time`` with ``detail.time`` in seconds,
which bubbles.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eimg_core.emotion import REGIONS
from eimg_core.exports.formats import FORMATS, usual_formats
from eimg_core.messages import message
from eimg_core.metrics.registry import shown_metrics
from eimg_core.ui.protocol import PairingInfo
from eimg_core.ui.session.downloads import export_file, sheet_music
from eimg_core.ui.session.piece_values import STAGES
from eimg_core.ui.session.rights import rights
from eimg_core.ui.widgets.parts import Widget, script, template

__all__ = ["PLAYER_SCRIPTS", "Player", "failed", "player_props", "working"]

PLAYER_SCRIPTS = ("shared/roll", "shared/transport", "player/sheet", "player/midi_out", "player/player")


def player_props(page: str, pairings: Sequence[PairingInfo]) -> dict[str, Any]:
    """What the scripts of a player read and what they ask of the server.

    ``page`` is the one that a link to its piece opens; ``formats`` are [key, title, what it holds, whether it packs the
    others, media type], ``metrics`` [key, title, what it says, digits], ``regions`` [name, direction in degrees].
    ``rights`` says what each of the ``pairings`` may be used for, see ``session.rights``.
    """
    return {
        "page": page,
        "rights": rights(pairings),
        "regions": [list(region) for region in REGIONS],
        "formats": [[key, one.title, one.help, one.packs, one.mime, one.group] for key, one in FORMATS.items()],
        "metrics": [[key, one.title, one.help, one.digits] for key, one in shown_metrics().items()],
        "server_functions": [export_file, sheet_music],
    }


class Player(Widget):
    """The player as a Gradio component. It only shows; its ``stop`` event means that the visitor gave up waiting."""

    def __init__(self, pairings: Sequence[PairingInfo] = (), **kwargs: Any) -> None:
        super().__init__(
            {},
            html_template=template("player/player"),
            js_on_load=script(*PLAYER_SCRIPTS),
            apply_default_css=False,
            stages=list(STAGES),
            empty=message("Give it a photo, or choose an emotion in the plane, and press Compose."),
            stopped=message("Nothing was kept. Press Compose to start again."),
            **player_props("create", pairings),
            **kwargs,
        )

    def api_info(self) -> dict[str, Any]:
        return {
            "type": "object",
            "description": "state, notes with hands, chords and bars, target and piece as points on the 1-9 scale, "
            f"metrics, and files: {', '.join(usual_formats(figure=False))}",
        }

    def example_value(self) -> Any:
        return {"state": "done", "notes": [[0.0, 0.5, 60, 80]], "duration_s": 0.5, "tempo_bpm": 120, "meter": [4, 4]}


def working(stage: str, done: float) -> dict[str, Any]:
    """The player while a piece is made."""
    return {"state": "working", "stage": stage, "done": round(done, 3)}


def failed(message: str) -> dict[str, Any]:
    """The player when no piece could be made."""
    return {"state": "failed", "message": message}
