"""Cells and row titles that the tables share."""

from __future__ import annotations

from collections.abc import Sequence

from eimg_core.results import MEAN_POINT, REAL, spread, takes_of

__all__ = ["TITLES", "cell", "row_title"]

TITLES = {
    MEAN_POINT: "*mean point* (the mean training photo, no music)",
    "constant": "*constant* (one real clip for every photo)",
    "random": "*random* (any real clip)",
    "oracle": "*oracle* (the real clip nearest to the label)",
    REAL: "*real clips* (estimates against their own labels)",
}


def cell(values: Sequence[float | None], digits: int) -> str:
    """Mean and standard deviation over seeds; a dash where nothing is known."""
    found = spread(values)
    if found is None:
        return "–"
    mean = f"{found.mean:.{digits}f}"
    return f"{mean} ± {found.sd:.{digits}f}" if found.n > 1 else mean


def row_title(row: str) -> str:
    """What a table calls a row: a control by its title, a pairing with its variant and takes."""
    key, takes = takes_of(row)
    pairing, _, variant = key.partition("@")
    title = TITLES.get(row, f"**{pairing}**" + (f" ({variant})" if variant else ""))
    return title if takes == 1 else f"{title}, best of {takes} by the guide"
