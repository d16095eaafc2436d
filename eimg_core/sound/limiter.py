"""A limiter: peaks that a file could not hold are turned down for some milliseconds, and nothing else is changed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["limiting_gain", "peaks"]

Floats = NDArray[np.float64]

_REACH_S = 0.005  # the gain falls and rises within twice as long: no click, and no pumping that a piano would show


def peaks(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """The highest amplitude over channels, ``(N, channels)`` → ``(N,)``.

    Channel by channel: NumPy's maximum along an axis of two numbers takes ten times as long.
    """
    highest = np.zeros(len(samples), samples.dtype)
    for channel in samples.T:
        np.maximum(highest, np.abs(channel), out=highest)
    return highest


def limiting_gain(samples: NDArray[np.float32], rate_hz: int, ceiling: float) -> NDArray[np.float32]:
    """The gain under which no sample passes the ceiling, ``(N,)``: 1 where nothing near comes close to it.

    Args:
        samples: ``(N, channels)``.
        rate_hz: samples per second.
        ceiling: the highest amplitude, above 0.
    """
    highest = peaks(samples).astype(np.float64)
    if highest.max(initial=0.0) <= ceiling:
        return np.ones(len(samples), np.float32)
    reach = round(_REACH_S * rate_hz)
    wanted = ceiling / np.maximum(highest, ceiling)
    # The lowest gain wanted within reach, then its mean over as many samples: it never exceeds the gain wanted.
    lowest = _lowest(np.pad(wanted, 2 * reach, constant_values=1.0), 2 * reach + 1)
    return _mean(lowest, 2 * reach + 1).astype(np.float32)


def _lowest(values: Floats, width: int) -> Floats:
    """The minimum of each ``width`` neighbours, (N - width + 1,), by windows that double."""
    span = 1
    while span < width:
        step = min(span, width - span)
        values = np.minimum(values[:-step], values[step:])
        span += step
    return values


def _mean(values: Floats, width: int) -> Floats:
    """The mean of each ``width`` neighbours, (N - width + 1,)."""
    sums = np.cumsum(np.pad(values, (1, 0)))
    return (sums[width:] - sums[:-width]) / width
