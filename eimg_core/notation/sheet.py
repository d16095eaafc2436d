"""Engraved sheet music: MusicXML → SVG, by Verovio where it is installed.

Verovio (https://www.verovio.org, LGPL-3.0) works offline. Its drawing is cleaned for the page: ink is
``currentColor``, so that it follows the theme; nothing in it can run or fetch; ids of bars are kept, so that the page
can show where one is.
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eimg_core.errors import RenderError

__all__ = ["Sheet", "engrave_svg", "is_installed"]

_MISSING = "Sheet music needs the package verovio, which is not installed; `pip install verovio` brings it."
_SCALE = 42  # percent; staff lines are then 7.6 px apart at full size
_TALLEST = 60000  # Verovio's own limit, in tenths of a millimetre
_ALONE = threading.Lock()  # one toolkit at a time: it keeps state of its own


@dataclass(frozen=True, slots=True)
class Sheet:
    """Sheet music on one page, as tall as it needs: ``svg``, its size in px, and the id of each bar's element."""

    svg: str
    width: int
    height: int
    bars: tuple[str, ...]


def is_installed() -> bool:
    """Whether sheet music can be engraved here."""
    try:
        _toolkit()
    except RenderError:
        return False
    return True


def engrave_svg(musicxml: bytes, width: int = 1100, *, header: bool = False) -> Sheet:
    """Draw sheet music.

    Args:
        musicxml: of our own making.
        width: of the page, in px at which staves are as large as in print.
        header: with the title and the composer above the music.
    Raises:
        RenderError: Verovio is missing, or cannot read the score.
    """
    with _ALONE:
        toolkit = _toolkit()
        toolkit.setOptions(
            {
                "pageWidth": round(width * 100 / _SCALE),
                "pageHeight": _TALLEST,
                "adjustPageHeight": True,
                "scale": _SCALE,
                "header": "auto" if header else "none",
                "footer": "none",
                "breaks": "auto",
                "minLastJustification": 0.55,
                "font": "Leipzig",
                "svgViewBox": True,
                "svgRemoveXlink": True,
                "svgAdditionalAttribute": ["measure@n"],
                "pageMarginTop": 40,
                "pageMarginBottom": 40,
                "pageMarginLeft": 30,
                "pageMarginRight": 30,
                "spacingSystem": 8,
                "staffLineWidth": 0.2,
                "ledgerLineThickness": 0.28,
                "xmlIdSeed": 1,
            }
        )
        if not toolkit.loadData(musicxml.decode("utf-8")):
            raise RenderError("The score could not be engraved; take the MusicXML file to a notation program instead.")
        svg = toolkit.renderToSVG(1)
    return _cleaned(svg)


def _toolkit() -> Any:
    try:
        import verovio
    except ImportError as error:
        raise RenderError(_MISSING) from error
    verovio.enableLog(verovio.LOG_OFF)
    # Verovio keeps the place of its fonts for each thread, and importing it tells the first one only.
    verovio.setDefaultResourcePath(str(Path(verovio.__file__).parent / "data"))
    return verovio.toolkit()


def _cleaned(svg: str) -> Sheet:
    svg = re.sub(r"<\?xml[^>]*\?>|<!DOCTYPE[^>]*>|<!--.*?-->|<desc>.*?</desc>", "", svg, flags=re.DOTALL)
    svg = svg.replace(' color="black"', "")
    bars = tuple(re.findall(r'<g id="([\w-]+)" class="measure"', svg))
    size = re.search(r'viewBox="0 0 (\d+) (\d+)"', svg)
    width, height = (int(number) for number in size.groups()) if size else (0, 0)
    return Sheet(svg.strip(), width, height, bars)
