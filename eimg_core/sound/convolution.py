"""Convolution with a short impulse response, for the room and for the weighting of loudness."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["convolved"]


def convolved(signal: NDArray[np.float32], response: NDArray[np.float32]) -> NDArray[np.float32]:
    """The first ``len(signal)`` samples of the convolution, block by block (overlap-add)."""
    size = 1 << (2 * len(response)).bit_length()
    hop = size - len(response) + 1
    spectrum = np.fft.rfft(response, size)
    result = np.zeros(len(signal) + size, np.float32)
    for start in range(0, len(signal), hop):
        block = np.fft.irfft(np.fft.rfft(signal[start : start + hop], size) * spectrum, size)
        result[start : start + size] += block.astype(np.float32)
    return result[: len(signal)]
