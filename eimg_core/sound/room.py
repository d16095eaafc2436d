"""A small room around the dry piano, the same for both engines.

The room is an impulse response: noise that dies away, the highs faster than the lows, with the left and the
right side independent. Exponentially decaying noise is the classical model of late reverberation (J. A.
Moorer, "About This Reverberation Business", Computer Music Journal 3(2), 1979).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from eimg_core.sound.convolution import convolved

__all__ = ["add_room"]

_PRE_DELAY_S = 0.012  # the walls are about two metres away
_BUILD_UP_S = 0.015
_LENGTH_S = 0.95
_BANDS = (
    (0.0, 500.0, 0.90),
    (500.0, 3000.0, 0.75),
    (3000.0, 8000.0, 0.40),
)  # from Hz, to Hz, seconds to -60 dB
_SEED = 1979


def add_room(dry: NDArray[np.float32], rate_hz: int, level_db: float = -15.0) -> NDArray[np.float32]:
    """The sound with its reverberation, ``(N, 2)`` as given; what rings beyond the end is cut.

    Args:
        dry: ``(N, 2)`` samples.
        rate_hz: samples per second.
        level_db: energy of the room relative to the direct sound.
    """
    responses = _responses(rate_hz) * np.float32(10 ** (level_db / 20))
    return dry + np.stack([convolved(dry[:, side], responses[side]) for side in range(2)], axis=1)


@lru_cache(maxsize=2)
def _responses(rate_hz: int) -> NDArray[np.float32]:
    """Left and right impulse response ``(2, n)``, each of energy 1."""
    n, rng = round(_LENGTH_S * rate_hz), np.random.default_rng(_SEED)
    time = np.arange(n) / rate_hz
    frequency = np.fft.rfftfreq(n, 1 / rate_hz)
    build_up = np.clip((time - _PRE_DELAY_S) / _BUILD_UP_S, 0, 1)
    responses = np.zeros((2, n))
    for low, high, seconds in _BANDS:
        spectrum = np.fft.rfft(rng.standard_normal((2, n))) * ((frequency >= low) & (frequency < high))
        responses += np.fft.irfft(spectrum, n) * 10 ** (-3 * time / seconds)
    responses *= build_up
    responses /= np.sqrt((responses**2).sum(axis=1, keepdims=True))
    return responses.astype(np.float32)
