"""Charts as inline SVG that takes its colours from the page, so that light and dark are the same drawing.

Each chart is drawn twice, wide and narrow, and the style sheet shows the one that fits: text keeps its size on a phone.
Every chart has a sentence for those who cannot see it; the numbers stand in a table beside it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from eimg_core.messages import message
from eimg_core.results import Spread
from eimg_core.ui.languages import marked

__all__ = ["Mark", "Row", "dot_chart", "share_bar"]

_ROW, _TALL_ROW, _TOP, _BOTTOM = 26, 42, 20, 34


@dataclass(frozen=True, slots=True)
class Mark:
    """One number of a row; ``kind`` is the class that colours it: ours, paper, best, control, valence, arousal."""

    spread: Spread
    kind: str


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a chart; rows of a ``control`` are set in italics."""

    label: str
    marks: tuple[Mark, ...]
    control: bool = False


def _both(draw: Callable[[bool], str]) -> str:
    return draw(False) + draw(True)


def dot_chart(
    rows: Sequence[Row],
    said: str,
    axis: str,
    low: float,
    high: float,
    step: float,
    line: tuple[float, str] | None = None,
) -> str:
    """Rows of dots with one standard deviation to both sides.

    Args:
        rows: from top to bottom.
        said: what the chart shows, in words.
        axis: what is measured, under the scale.
        low: left end of the scale; ``high`` the right one, a tick each ``step``.
        line: a value that all others are held against, and its name.
    """

    def draw(narrow: bool) -> str:
        width, left, right = (360, 14, 14) if narrow else (900, 250, 60)
        tall = _TALL_ROW if narrow else _ROW
        bottom = _TOP + tall * len(rows)

        def x(value: float) -> float:
            return round(left + (min(max(value, low), high) - low) / (high - low) * (width - left - right), 1)

        parts = []
        for n in range(math.floor((high - low) / step + 1e-6) + 1):
            at = x(low + n * step)
            parts.append(f'<path class="chart-grid" d="M{at} {_TOP}V{bottom}"/>')
            parts.append(f'<text class="chart-tick" x="{at}" y="{bottom + 16}">{low + n * step:g}</text>')
        parts.append(f'<text class="chart-axis" x="{x(high)}" y="{bottom + 31}"{marked(axis)}>{escape(axis)}</text>')
        if line:
            parts.append(f'<path class="chart-line" d="M{x(line[0])} {_TOP}V{bottom}"/>')
            said_of_line = f"{marked(line[1])}>{escape(line[1])}"
            parts.append(f'<text class="chart-said" x="{x(line[0])}" y="{_TOP - 6}"{said_of_line}</text>')
        for n, row in enumerate(rows):
            middle = _TOP + tall * n + (tall - 12 if narrow else tall / 2)
            base = middle - 12 if narrow else middle + 4.5
            where = f'x="{left}"' if narrow else f'x="{left - 14}" text-anchor="end"'
            name = "chart-label control" if row.control else "chart-label"
            parts.append(f'<text class="{name}" {where} y="{base}"{marked(row.label)}>{escape(row.label)}</text>')
            parts += [_dot(mark, x, middle) for mark in row.marks]
        return _svg(parts, width, bottom + _BOTTOM + 4, said, narrow)

    return _both(draw)


def _dot(mark: Mark, x: Callable[[float], float], y: float) -> str:
    at, found = x(mark.spread.mean), mark.spread
    bar = f'<path d="M{x(found.mean - found.sd)} {y}H{x(found.mean + found.sd)}"/>' if found.n > 1 else ""
    told = f"{found.mean:.2f}" + (f" ± {found.sd:.2f}" if found.n > 1 else "")
    return f'<g class="chart-mark {mark.kind}"><title>{told}</title>{bar}<circle cx="{at}" cy="{y}" r="5"/></g>'


def share_bar(parts: Sequence[tuple[str, float]], said: str) -> str:
    """One bar of parts that make a whole, each with its name and its seconds; parts under 2 % go without words."""
    whole = sum(value for _, value in parts) or 1.0

    def draw(narrow: bool) -> str:
        width, drawn, left, legend = (360 if narrow else 900), [], 0.0, []
        for n, (name, value) in enumerate(parts):
            wide = width * value / whole
            told = message("{part}: {seconds} s", part=name, seconds=f"{value:.2f}")
            drawn.append(
                f'<rect class="chart-part part-{n % 8}" x="{left:.1f}" y="6" width="{max(wide - 1.5, 0.5):.1f}" '
                f'height="34" rx="4"><title{marked(told)}>{escape(told)}</title></rect>'
            )
            if value / whole > 0.02:
                legend.append((n, told))
            left += wide
        for place, (n, text) in enumerate(legend):
            column, line = place % (2 if narrow else 4), place // (2 if narrow else 4)
            x, y = column * (width / (2 if narrow else 4)), 64 + 22 * line
            drawn.append(
                f'<rect class="chart-part part-{n % 8}" x="{x:.0f}" y="{y - 10}" width="11" height="11" rx="3"/>'
            )
            drawn.append(f'<text class="chart-label" x="{x + 18:.0f}" y="{y}"{marked(text)}>{escape(text)}</text>')
        lines = math.ceil(len(legend) / (2 if narrow else 4))
        return _svg(drawn, width, 52 + 22 * lines, said, narrow)

    return _both(draw)


def _svg(parts: Sequence[str], width: float, height: float, said: str, narrow: bool) -> str:
    size = "narrow" if narrow else "wide"
    return (
        f'<svg class="chart chart-{size}" viewBox="0 0 {width:g} {height:g}" role="img"{marked(said, "aria-label")} '
        f'aria-label="{escape(said)}">'
        f"{''.join(parts)}</svg>"
    )
