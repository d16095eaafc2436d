"""From a piece to a sound: choose an engine, play, add a room, set the level.

Conventions: sound is stereo, ``(N, 2)`` float32 in [-1, 1], 44100 samples per second; levels are decibels
relative to full scale (dBFS).
"""

from __future__ import annotations

import io
import math
import wave
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from eimg_core.errors import InputError, RenderError
from eimg_core.messages import message
from eimg_core.midi.notes import Piece
from eimg_core.shipped import SOUNDFONT
from eimg_core.sound import fluid
from eimg_core.sound.room import add_room
from eimg_core.sound.sampler import Sampler, Strike
from eimg_core.sound.soundfont import SoundFont, read_soundfont

__all__ = [
    "DEFAULT_SOUNDFONT",
    "SAMPLE_RATE_HZ",
    "Engine",
    "Waveform",
    "available_engine",
    "loudness_db",
    "match_loudness",
    "render",
]

Engine = Literal["auto", "fluidsynth", "numpy"]

SAMPLE_RATE_HZ = 44100
DEFAULT_SOUNDFONT = SOUNDFONT / "piano.sf2"

_LONGEST_S = 600.0
_PEAK = 10 ** (-1 / 20)  # -1 dBFS: room for players that resample
_SILENCE = 1e-5  # -100 dBFS, below the softest note: a softer peak is no music, and must not be made loud
_TAIL_FLOOR = 10 ** (-60 / 20)  # relative to the peak
_FADE_IN_S, _FADE_OUT_S = 0.002, 0.030
_BUILT_IN = message("built-in sampler")


@dataclass(frozen=True, slots=True, eq=False)
class Waveform:
    """A finished sound: ``samples`` ``(N, 2)`` float32 in [-1, 1], and what played it."""

    samples: NDArray[np.float32]
    sample_rate_hz: int
    engine: str
    soundfont: str

    @property
    def duration_s(self) -> float:
        return len(self.samples) / self.sample_rate_hz

    @property
    def peak(self) -> float:
        """Largest absolute sample; 0 when there are none."""
        return float(np.abs(self.samples).max(initial=0.0))

    def wav_bytes(self) -> bytes:
        """A 16-bit PCM WAV file."""
        pcm = np.rint(np.clip(self.samples, -1, 1) * 32767).astype("<i2")
        buffer = io.BytesIO()
        with wave.open(buffer, "wb") as file:
            file.setnchannels(2)
            file.setsampwidth(2)
            file.setframerate(self.sample_rate_hz)
            file.writeframes(pcm.tobytes())
        return buffer.getvalue()


def available_engine() -> str:
    """What ``render`` uses by default, for people: ``"FluidSynth 2.3.1"`` or ``"built-in sampler"``."""
    try:
        return f"FluidSynth {fluid.version()}"
    except fluid.FluidSynthMissingError:
        return _BUILT_IN


def render(piece: Piece, *, engine: Engine = "auto", soundfont: Path | None = None, tail_s: float = 2.0) -> Waveform:
    """Play a piece on the piano.

    The sound starts at second 0 of the piece. It ends when the last note has died away, at most ``tail_s``
    after the last key or the pedal goes up. Its peak is -1 dBFS. The same piece gives the same samples.

    Args:
        piece: notes and pedal; at most ten minutes.
        engine: ``"auto"`` takes FluidSynth where it is installed, and the built-in sampler elsewhere.
        soundfont: an SF2 file with a piano at bank 0, program 0; ``None`` for the piano of this project.
        tail_s: longest time to wait for the last note to die away, in seconds.
    Raises:
        InputError: the piece is longer than ten minutes.
        RenderError: the piece has no notes, the soundfont is damaged or silent, or FluidSynth was asked for
            and is missing.
        ValueError: an unknown engine, or a negative tail.
    """
    if engine not in ("auto", "fluidsynth", "numpy") or not 0 <= tail_s < math.inf:
        raise ValueError(f"unknown engine or negative tail: {engine!r}, {tail_s}")
    if not piece.notes:
        raise RenderError("The piece has no notes, so there is nothing to play; compose or load another one.")
    strikes = _strikes(piece)
    end_s = max(strike.release_s for strike in strikes)
    if end_s > _LONGEST_S:
        raise InputError(
            message(
                "The piece lasts {minutes} minutes; at most {most} can be played.",
                minutes=f"{end_s / 60:.0f}",
                most=f"{_LONGEST_S / 60:.0f}",
            )
        )
    path = DEFAULT_SOUNDFONT if soundfont is None else Path(soundfont)
    font = read_soundfont(path)
    dry, name = _play(strikes, math.ceil((end_s + tail_s) * SAMPLE_RATE_HZ), engine, path, font)
    if not np.isfinite(dry).all() or np.abs(dry).max() < _SILENCE:
        raise RenderError(message("{name} gives no sound for these notes; choose another soundfont.", name=path.name))
    return Waveform(_finished(add_room(dry, SAMPLE_RATE_HZ)), SAMPLE_RATE_HZ, name, font.name)


def _strikes(piece: Piece) -> list[Strike]:
    """When each damper falls: at the note's end, later under the pedal, sooner if the key is struck again."""
    next_start: dict[int, float] = {}
    strikes = []
    for note in reversed(piece.notes):
        limit = next_start.get(note.pitch, math.inf)
        if note.start_s >= limit:
            continue  # doubled by another voice: one hammer, one blow
        next_start[note.pitch] = note.start_s
        release = min(note.end_s, limit)
        for pedal in piece.pedals:
            if pedal.start_s < release < pedal.end_s:
                release = min(pedal.end_s, limit)
        strikes.append(Strike(note.start_s, note.pitch, note.velocity, release))
    return strikes[::-1]


def _play(
    strikes: Sequence[Strike], length: int, engine: Engine, path: Path, font: SoundFont
) -> tuple[NDArray[np.float32], str]:
    """Dry sound ``(length, 2)`` and the name of the engine that made it."""
    if engine != "numpy":
        try:
            name = f"FluidSynth {fluid.version()}"
            return fluid.play(strikes, length, font=path, rate_hz=SAMPLE_RATE_HZ), name
        except fluid.FluidSynthMissingError:
            if engine == "fluidsynth":
                raise
    return Sampler(font, SAMPLE_RATE_HZ).render(strikes, length), _BUILT_IN


def _finished(sound: NDArray[np.float32]) -> NDArray[np.float32]:
    """Without the silence at the end, faded against clicks, with its peak at -1 dBFS."""
    loudest = np.abs(sound).max(axis=1)  # (N,)
    fade_in, fade_out = (round(seconds * SAMPLE_RATE_HZ) for seconds in (_FADE_IN_S, _FADE_OUT_S))
    last = int(np.flatnonzero(loudest > _TAIL_FLOOR * loudest.max())[-1])
    sound = sound[: last + 1 + fade_out].copy()
    sound[:fade_in] *= _ramp(fade_in)[: len(sound), None]
    sound[-fade_out:] *= _ramp(fade_out)[::-1][-len(sound) :, None]
    return sound * np.float32(_PEAK / np.abs(sound).max())


def _ramp(length: int) -> NDArray[np.float32]:
    """A raised cosine from 0 to 1."""
    return (0.5 - 0.5 * np.cos(np.pi * np.arange(length) / max(1, length - 1))).astype(np.float32)


def match_loudness(waveforms: Sequence[Waveform], target_rms_db: float = -20.0) -> list[Waveform]:
    """Make sounds equally loud, so that the louder one does not win a comparison for being louder.

    Loudness is the RMS over the parts that sound: frames of 50 ms within 30 dB of the loudest. Peaks that
    would pass -1 dBFS are turned down smoothly for a few milliseconds.

    Args:
        waveforms: any number; each is treated on its own, so results may arrive one by one.
        target_rms_db: level after matching, in dBFS.
    Returns:
        The same sounds in the same order at the new level; a silent one is returned as it is.
    """
    return [_at_loudness(waveform, 10 ** (target_rms_db / 20)) for waveform in waveforms]


def loudness_db(waveform: Waveform) -> float:
    """Loudness in dBFS, as ``match_loudness`` measures it; minus infinity for silence."""
    rms = _sounding_rms(waveform)
    return 20 * math.log10(rms) if rms else -math.inf


def _at_loudness(waveform: Waveform, target: float) -> Waveform:
    rms = _sounding_rms(waveform)
    if rms == 0:
        return waveform
    samples = waveform.samples * np.float32(target / rms)
    return replace(waveform, samples=_limited(samples, round(0.005 * waveform.sample_rate_hz)))


def _sounding_rms(waveform: Waveform) -> float:
    frame = round(0.05 * waveform.sample_rate_hz)
    power = np.mean(np.square(waveform.samples, dtype=np.float64), axis=1)  # (N,)
    power = np.pad(power, (0, -len(power) % frame)).reshape(-1, frame).mean(axis=1)  # one number a frame
    sounding = power[power > 1e-3 * power.max(initial=0.0)]
    return math.sqrt(sounding.mean()) if len(sounding) else 0.0


def _limited(samples: NDArray[np.float32], reach: int) -> NDArray[np.float32]:
    """Turn down what passes -1 dBFS, from ``2 * reach`` samples before a peak to as many after it."""
    wanted = np.minimum(1, _PEAK / np.maximum(np.abs(samples).max(axis=1), 1e-9))  # (N,)
    if wanted.min(initial=1.0) == 1:
        return samples
    # The lowest wanted gain within reach, then a mean over as many samples: it never exceeds the wanted gain.
    padded = np.pad(wanted, 2 * reach, constant_values=1)
    lowest = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1).min(axis=1)
    smooth = np.convolve(lowest, np.full(2 * reach + 1, 1 / (2 * reach + 1)), mode="valid")
    return samples * smooth[:, None].astype(np.float32)
