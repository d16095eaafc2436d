"""Engraved sheet music: MusicXML → SVG, by Verovio where it is installed.

Verovio (https://www.verovio.org, LGPL-3.0) works offline. Its drawing is cleaned for the page: ink is
``currentColor``, so that it follows the theme; nothing in it can run or fetch; ids of bars are kept, so that the page
can show where one is.

Verovio keeps a tempo mark between the chord names and the notes of the first bar, where it touches both as soon as a
note is high. We draw it ourselves, in the free room above the clef.
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import fromstring, tostring

from eimg_core.errors import RenderError
from eimg_core.messages import message

__all__ = ["Sheet", "engrave_svg", "is_installed"]

_MISSING = message("Sheet music needs the package verovio, which is not installed; `pip install verovio` brings it.")
_SCALE = 42  # percent; staff lines are then 7.6 px apart at full size
_TALLEST = 60000  # Verovio's own limit, in tenths of a millimetre
_TOP = 62  # margin above the music, in tenths of a millimetre: a tempo mark fits in
# The tempo mark, in the units of the drawing: from the staff's top line up to its foot, and the widths of its text.
_ABOVE, _DIGIT, _EQUALS = 430, 195, 285
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
    music, tempo = _without_tempo(musicxml)
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
                "pageMarginTop": _TOP,
                "pageMarginBottom": 40,
                "pageMarginLeft": 30,
                "pageMarginRight": 30,
                "spacingSystem": 8,
                "staffLineWidth": 0.2,
                "ledgerLineThickness": 0.28,
                "xmlIdSeed": 1,
            }
        )
        if not toolkit.loadData(music):
            raise RenderError("The score could not be engraved; take the MusicXML file to a notation program instead.")
        svg = toolkit.renderToSVG(1)
    return _cleaned(_with_tempo(svg, *tempo) if tempo else svg)


def _without_tempo(musicxml: bytes) -> tuple[str, tuple[str, bool] | None]:
    """The score without its tempo mark, and what the mark says: beats a minute, and whether a beat is dotted."""
    root = fromstring(musicxml)
    for measure in root.iter("measure"):
        for direction in measure.findall("direction"):
            mark = direction.find("direction-type/metronome")
            if mark is not None:
                measure.remove(direction)
                said = mark.findtext("per-minute", ""), mark.find("beat-unit-dot") is not None
                return tostring(root, encoding="unicode"), said
    return tostring(root, encoding="unicode"), None


def _with_tempo(svg: str, per_minute: str, dotted: bool) -> str:
    """A quarter note, an equals sign and the beats a minute, above the first clef."""
    staff = re.search(r'class="staff">\s*<path d="M(\d+) (\d+) ', svg)
    bar = re.search(r'<g id="[\w-]+" class="measure"[^>]*>', svg)
    if not staff or not bar:
        return svg
    left, foot = int(staff[1]), int(staff[2]) - _ABOVE
    text = left + (360 if dotted else 270)
    dot = f'<ellipse cx="{left + 270}" cy="{foot - 70}" rx="32" ry="32" />' if dotted else ""
    mark = (
        f'<g class="tempo" fill="currentColor"><ellipse cx="{left + 95}" cy="{foot - 70}" rx="98" ry="66" '
        f'transform="rotate(-22 {left + 95} {foot - 70})" /><path d="M{left + 181} {foot - 95}V{foot - 480}" '
        f'stroke-width="24" />{dot}<text x="{text}" y="{foot}" font-size="340" style="font-weight: 400" '
        f'textLength="{_EQUALS + _DIGIT * len(per_minute)}" lengthAdjust="spacingAndGlyphs">= {per_minute}</text></g>'
    )
    return svg[: bar.end()] + mark + svg[bar.end() :]


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
