"""How loud a sound is: integrated loudness in LUFS, after ITU-R BS.1770-4 (2015).

Sound is weighted by frequency as the ear is (K-weighting: a shelf for the head, a high-pass for the bass), its power is
taken in overlapping blocks of 400 ms, and blocks that are silent or far below the others do not count, so that rests
do not make music softer. Loudness differs by as many LU (loudness units) as the level does by decibels.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from eimg_core.sound.convolution import convolved

__all__ = ["COMPARED_LUFS", "integrated_lufs"]

Floats = NDArray[np.float64]

COMPARED_LUFS = -20.0  # of sounds that are compared: what pieces in the middle of the emotion plane have by themselves

_BLOCK_S, _HOPS = 0.4, 4  # a block begins with every quarter of a block
_OFFSET_DB = -0.691  # a sine of 997 Hz and full scale in one channel is -3.01 LUFS
_SILENT_LUFS = -70.0  # blocks below it do not count,
_GATE_LU = -10.0  # nor those so far below the mean of the others
_RESPONSE = 8192  # samples; at 44.1 kHz the high-pass has died away by 150 dB


def integrated_lufs(samples: NDArray[np.float32], rate_hz: int) -> float:
    """Integrated loudness.

    Args:
        samples: ``(N, channels)`` in [-1, 1], one or two channels. What is shorter than a block of 400 ms is taken as
            one block.
        rate_hz: samples per second, 8000 to 96000.
    Returns:
        LUFS; minus infinity for nothing, for silence, and for what is below -70 LUFS throughout.
    """
    power = _block_powers(samples, rate_hz)
    power = power[power > _power(_SILENT_LUFS)]
    if not len(power):
        return -math.inf
    power = power[power > power.mean() * 10 ** (_GATE_LU / 10)]
    return _OFFSET_DB + 10 * math.log10(power.mean())


def _power(lufs: float) -> float:
    return 10.0 ** ((lufs - _OFFSET_DB) / 10)


def _block_powers(samples: NDArray[np.float32], rate_hz: int) -> Floats:
    """Mean square of each block after weighting, summed over the channels: (blocks,)."""
    response = _k_weighting(rate_hz)
    square = np.zeros(len(samples))
    for channel in samples.T:
        square += np.square(convolved(channel, response), dtype=np.float64)
    hop = round(_BLOCK_S / _HOPS * rate_hz)
    if len(square) < _HOPS * hop:
        return square.mean(keepdims=True) if len(square) else square
    of_hops = square[: len(square) // hop * hop].reshape(-1, hop).mean(axis=1)
    return np.convolve(of_hops, np.full(_HOPS, 1 / _HOPS), mode="valid")


@lru_cache(maxsize=2)
def _k_weighting(rate_hz: int) -> NDArray[np.float32]:
    """Impulse response of both filters of BS.1770, (``_RESPONSE``,).

    The recommendation tabulates them for 48 kHz. Here are the analogue filters behind the table, bilinearly
    transformed as in libebur128, so that every rate has the same curve.
    """
    delay = np.exp(-2j * math.pi * np.fft.rfftfreq(_RESPONSE))

    def filtered(b: tuple[float, float, float], a: tuple[float, float, float]) -> NDArray[np.complex128]:
        return (b[0] + b[1] * delay + b[2] * delay**2) / (a[0] + a[1] * delay + a[2] * delay**2)

    k, q, high = math.tan(math.pi * 1681.974450955533 / rate_hz), 0.7071752369554196, 10 ** (3.999843853973347 / 20)
    middle, a0 = high**0.4996667741545416, 1 + k / q + k * k
    shelf = filtered(
        ((high + middle * k / q + k * k) / a0, 2 * (k * k - high) / a0, (high - middle * k / q + k * k) / a0),
        (1.0, 2 * (k * k - 1) / a0, (1 - k / q + k * k) / a0),
    )
    k, q = math.tan(math.pi * 38.13547087602444 / rate_hz), 0.5003270373238773
    a0 = 1 + k / q + k * k
    high_pass = filtered((1.0, -2.0, 1.0), (1.0, 2 * (k * k - 1) / a0, (1 - k / q + k * k) / a0))
    return np.fft.irfft(shelf * high_pass, _RESPONSE).astype(np.float32)
