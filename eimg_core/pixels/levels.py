"""From samples of any depth to levels of 8 bits.

Unsigned samples of up to 16 bits say themselves what white is. Others do not, so that

- integers span the smallest number of bits, at least 8, that holds them all;
- floats span 0 to 1 where all lie about there, as integers do where they are positive and some are above 32, and
  otherwise their smallest to their largest value.

Samples without data show as white, like transparent parts: NaN, what is infinite or beyond 1e15, the value that the
file declares, and a usual filler where it lies farther below all other values than they lie apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

__all__ = ["WHITE", "levels_of"]

WHITE = 255
_LARGEST = 1e15  # no camera measures more; fillers do
_ABOUT_ONE, _HARDLY_LIGHT = (-0.1, 1.1), 32  # of floats; resampling may leave a little below 0 and above 1
_FILLERS = (-9999.0, -32767.0, -32768.0, -99999.0)
_BLOCK = 1 << 20  # samples that are handled at once, whatever the size of the picture


def levels_of(
    rows: Callable[[int, int], NDArray],
    height: int,
    samples_per_row: int,
    *,
    depth: int | None = None,
    inverted: bool = False,
    no_data: float | None = None,
) -> NDArray[np.uint8]:
    """All rows as levels, 0 black and 255 white, in the shape that ``rows`` gives.

    Args:
        rows: from a first and a last row (excluded) to their samples, (rows, ...).
        height: how many rows there are, at least 1.
        samples_per_row: how many samples a row has, at least 1.
        depth: bits, at most 16, of unsigned samples that span all of them; ``None`` where white is to be found out.
        inverted: whether 0 means white.
        no_data: value of samples that were not measured.
    """
    step = max(1, _BLOCK // samples_per_row)

    def blocks() -> Iterator[NDArray]:
        for start in range(0, height, step):
            yield rows(start, min(height, start + step))

    absent: tuple[float, ...] = () if no_data is None else (no_data,)
    low, high, absent = (0.0, 2.0**depth - 1, absent) if depth else _span(blocks, absent)
    scale = WHITE / (high - low) if high > low else 0.0

    def levels(block: NDArray) -> NDArray[np.uint8]:
        known = _known(block, absent)
        spread = np.clip((np.where(known, block, low).astype(np.float64) - low) * scale, 0, WHITE)
        return np.where(known, np.round(WHITE - spread if inverted else spread), WHITE).astype(np.uint8)

    if depth:  # there are few samples to know
        table = levels(np.arange(2**depth))
        return np.concatenate([table[block] for block in blocks()])
    return np.concatenate([levels(block) for block in blocks()])


def _known(block: NDArray, absent: tuple[float, ...]) -> NDArray[np.bool_]:
    """Which samples were measured."""
    known = np.abs(block) < _LARGEST if block.dtype.kind == "f" else np.ones(block.shape, dtype=bool)  # false for NaN
    for value in absent:
        known &= block != value
    return known


def _span(blocks: Callable[[], Iterator[NDArray]], absent: tuple[float, ...]) -> tuple[float, float, tuple[float, ...]]:
    """What is black, what is white, and which values mean that there is no data."""
    low, high = _extremes(blocks, absent)
    if low in _FILLERS:
        lowest, _ = _extremes(blocks, (*absent, low))
        if lowest <= high and lowest - low > high - lowest:
            low, absent = lowest, (*absent, low)
    if low > high:  # nothing was measured
        return 0.0, 1.0, absent
    is_float = next(blocks()).dtype.kind == "f"
    if is_float and _ABOUT_ONE[0] <= low and high <= _ABOUT_ONE[1]:
        return 0.0, 1.0, absent
    if is_float and (low < 0 or high <= _HARDLY_LIGHT):
        return low, high, absent
    if low >= 0:
        return 0.0, float(2 ** max(8, int(high).bit_length()) - 1), absent
    half = 2 ** max(7, int(high).bit_length(), int(-low - 1).bit_length())
    return float(-half), float(half - 1), absent


def _extremes(blocks: Callable[[], Iterator[NDArray]], absent: tuple[float, ...]) -> tuple[float, float]:
    """Smallest and largest sample that was measured; infinity and its negative where none was."""
    low, high = np.inf, -np.inf
    for block in blocks():
        measured = block[_known(block, absent)]
        if measured.size:
            low, high = min(low, float(measured.min())), max(high, float(measured.max()))
    return low, high
