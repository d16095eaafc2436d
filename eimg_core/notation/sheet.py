"""Engraved sheet music: MusicXML → SVG, by Verovio where it is installed.

Verovio (https://www.verovio.org, LGPL-3.0) works offline. Its drawing is cleaned for the page: ink is
``currentColor``, so that it follows the theme; nothing in it can run or fetch; ids of bars are kept, so that the page
can show where one is.

Verovio fills one system after the other and leaves to the last what remains; we divide the bars so that all systems are
filled alike, and the last one reaches the margin as well.

Verovio keeps a tempo mark between the chord names and the notes of the first bar, where it touches both as soon as a
note is high. We draw it ourselves, in the free room above the clef.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, fromstring, tostring

from eimg_core.errors import RenderError
from eimg_core.messages import message

__all__ = ["Sheet", "engrave_svg", "is_installed"]

_MISSING = message("Sheet music needs the package verovio, which is not installed; `pip install verovio` brings it.")
_SCALE, _SCALE_OF_PHONES = 42, 50  # percent; staff lines are then 7.6 and 9 px apart at full size
_PHONE = 480  # px, the widest page that counts as one
_TALLEST = 60000  # Verovio's own limit, in tenths of a millimetre
_SIDE = 30  # margin beside the music, in tenths of a millimetre
_TOP = 62  # margin above the music, in tenths of a millimetre: a tempo mark fits in
_HEADROOM = 650  # in the units of the drawing: a meter and the room before the first note, which other systems lack
_MOST_BARS = 12  # of a system
_FULLEST = 0.97  # of the width, by the widths of bars that stand alone
# The tempo mark, in the units of the drawing: from the staff's top line up to its foot, and the widths of its text.
_ABOVE, _DIGIT, _EQUALS = 430, 195, 285
_BEFORE_NOTES = 250  # units between the bar line and the first note
_BAR = re.compile(r'class="measure"[^>]*>\s*<g [^>]*class="staff"[^>]*>\s*<path d="M\d+ \d+ L(\d+) ')
_FIRST_NOTE = re.compile(r'class="layer">.*?translate\((\d+)', re.DOTALL)
_DRAWING = {
    "pageHeight": _TALLEST,
    "adjustPageHeight": True,
    "footer": "none",
    "font": "Leipzig",
    "svgViewBox": True,
    "svgRemoveXlink": True,
    "svgAdditionalAttribute": ["measure@n"],
    "pageMarginTop": _TOP,
    "pageMarginBottom": 40,
    "pageMarginLeft": _SIDE,
    "pageMarginRight": _SIDE,
    "spacingSystem": 8,
    "staffLineWidth": 0.2,
    "ledgerLineThickness": 0.28,
    "xmlIdSeed": 1,
}
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
    root, tempo = _without_tempo(musicxml)
    scale = _SCALE if width > _PHONE else _SCALE_OF_PHONES
    page = round(width * 100 / scale)
    with _ALONE:
        toolkit = _toolkit()
        toolkit.setOptions({**_DRAWING, "scale": scale, "pageWidth": page, "header": "auto" if header else "none"})
        bars = _bar_widths(_drawn(toolkit, root, breaks="none"))
        starts = _system_starts(bars, 10.0 * (page - 2 * _SIDE))
        for number, measure in enumerate(root.iter("measure")):
            if number in starts:
                measure.insert(0, Element("print", {"new-system": "yes"}))
        svg = _drawn(toolkit, root, breaks="encoded" if starts else "auto", minLastJustification=0.0 if starts else 0.4)
    return _cleaned(_with_tempo(svg, *tempo) if tempo else svg)


def _drawn(toolkit: Any, root: Element, **options: Any) -> str:
    toolkit.setOptions(options)
    if not toolkit.loadData(tostring(root, encoding="unicode")):
        raise RenderError("The score could not be engraved; take the MusicXML file to a notation program instead.")
    return str(toolkit.renderToSVG(1))


def _bar_widths(svg: str) -> list[float]:
    """Widths of the bars of a drawing with one endless system, in its units; the first is that of what begins a system:
    clef and key."""
    ends = [float(found[1]) for found in _BAR.finditer(svg)]
    first = _FIRST_NOTE.search(svg)
    header = max(0.0, float(first[1]) - _HEADROOM) if first else 0.0
    return [header, *(end - start for start, end in pairwise([header + _HEADROOM - _BEFORE_NOTES, *ends]))]


def _system_starts(widths: Sequence[float], whole: float) -> set[int]:
    """The bars that begin a system but for the first: of all divisions the one whose systems are filled best and alike.

    Args:
        widths: of what begins a system, and of each bar.
        whole: of a system.
    """
    header, *bars = widths
    best: list[tuple[float, int]] = [(0.0, 0)]  # up to each bar: the cost, and where its system begins
    for end in range(1, len(bars) + 1):
        choices = []
        filled = header / whole
        for start in range(end - 1, max(-1, end - 1 - _MOST_BARS), -1):
            filled += bars[start] / whole
            if filled > _FULLEST and start < end - 1:
                break
            choices.append((best[start][0] + (1.0 - filled) ** 2, start))
        best.append(min(choices))
    starts, at = set(), best[len(bars)][1] if bars else 0
    while at:
        starts.add(at)
        at = best[at][1]
    return starts


def _without_tempo(musicxml: bytes) -> tuple[Element, tuple[str, bool] | None]:
    """The score without its tempo mark, and what the mark says: beats a minute, and whether a beat is dotted."""
    root = fromstring(musicxml)
    for measure in root.iter("measure"):
        for direction in measure.findall("direction"):
            mark = direction.find("direction-type/metronome")
            if mark is not None:
                measure.remove(direction)
                said = mark.findtext("per-minute", ""), mark.find("beat-unit-dot") is not None
                return root, said
    return root, None


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
