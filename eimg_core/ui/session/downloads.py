"""What a visitor takes away on demand: files that are made at the click, and sheet music for the page.

The page names a piece by ``<folder>/<stem>``, as ``take_value`` told it. Everything is made from the JSON record that
lies there; what is asked for is never trusted.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from eimg_core.errors import InputError
from eimg_core.exports.files import export, work_of
from eimg_core.exports.formats import formats_on_demand
from eimg_core.exports.score import musicxml_file
from eimg_core.messages import message, with_messages
from eimg_core.notation.sheet import engrave_svg
from eimg_core.ui.server.faults import sentence
from eimg_core.ui.server.files import pieces_root

__all__ = ["export_file", "sheet_music"]

_NAME = re.compile(r"[\w-]+/[^\W_][^/\\\x00-\x1f]*")
_GONE = message("This piece is no longer kept; it is removed after an hour. Compose it again with the same seed.")
_NARROWEST, _WIDEST = 240, 2000  # px of sheet music
_ONE_AT_A_TIME = threading.Lock()  # files are for one visitor; the cores are for all


def export_file(asked: Any) -> dict[str, str]:
    """Make a file of a piece: ``{"take": …, "kind": "mp3"}`` → ``{"name": file name}`` or ``{"fault": sentence}``."""

    def make() -> dict[str, str]:
        if asked.get("kind") not in formats_on_demand():
            raise InputError("There is no such kind of file.")
        return {"name": export(_record(asked.get("take")), asked["kind"]).name}

    return _answered(make)


def sheet_music(asked: Any) -> dict[str, Any]:
    """Sheet music for the page: ``{"take": …, "width": px}`` → ``{"svg": …}`` or ``{"fault": sentence}``."""

    def make() -> dict[str, Any]:
        width = asked.get("width")
        width = int(width) if isinstance(width, int | float) else _WIDEST
        xml = musicxml_file(work_of(_record(asked.get("take"))))
        return {"svg": engrave_svg(xml, min(max(width, _NARROWEST), _WIDEST)).svg}

    return _answered(make)


def _answered(make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        with _ONE_AT_A_TIME:
            return make()
    except Exception as error:  # whatever it was, the visitor gets a sentence and the log the rest
        return with_messages({"fault": sentence(error)})


def _record(take: Any) -> Path:
    """The JSON record of a piece.

    Raises:
        InputError: nothing of that name is kept.
    """
    if not isinstance(take, str) or not _NAME.fullmatch(take):
        raise InputError(_GONE)
    folder, stem = take.split("/")
    record = pieces_root() / folder / f"{stem}.json"
    if not record.is_file():
        raise InputError(_GONE)
    return record
