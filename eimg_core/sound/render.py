"""From a piece to a sound: choose an engine, play, add a room, set the level.

Conventions: sound is stereo, ``(N, 2)`` float32 in [-1, 1], 44100 samples per second; levels are decibels
relative to full scale (dBFS), loudness is in LUFS (see ``eimg_core.sound.loudness``).

All pieces have one gain, so that a calm piece sounds softer than an excited one. Only sounds that are compared are made
equally loud, since listeners prefer the louder of two. A limiter guards the peaks: over the emotion plane it is needed
from an arousal of 6.5 on, and there takes at most 3 dB, for some milliseconds at a time.
"""

from __future__ import annotations

import io
import math
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from eimg_core.errors import InputError, RenderError
from eimg_core.messages import message
from eimg_core.midi.notes import Piece
from eimg_core.shipped import SOUNDFONT
from eimg_core.sound import fluid
from eimg_core.sound.limiter import limited
from eimg_core.sound.loudness import integrated_lufs
from eimg_core.sound.room import add_room
from eimg_core.sound.sampler import Sampler, Strike
from eimg_core.sound.soundfont import SoundFont, read_soundfont

__all__ = [
    "DEFAULT_SOUNDFONT",
    "SAMPLE_RATE_HZ",
    "Engine",
    "Waveform",
    "available_engine",
    "render",
]

Engine = Literal["auto", "fluidsynth", "numpy"]

SAMPLE_RATE_HZ = 44100
DEFAULT_SOUNDFONT = SOUNDFONT / "piano.sf2"

_LONGEST_S = 600.0
_GAIN = 1.0  # of what the synthesizers give: performances are then at -28 (arousal 2), -20 (5) and -14 LUFS (8)
_PEAK = 10 ** (-1 / 20)  # -1 dBFS: room for players that resample
_SILENCE = 1e-5  # -100 dBFS, below the softest note: a softer peak is no music
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

    @property
    def lufs(self) -> float:
        """Integrated loudness; minus infinity for silence."""
        return integrated_lufs(self.samples, self.sample_rate_hz)

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


def render(
    piece: Piece,
    *,
    engine: Engine = "auto",
    soundfont: Path | None = None,
    tail_s: float = 2.0,
    lufs: float | None = None,
) -> Waveform:
    """Play a piece on the piano.

    The sound starts at second 0 of the piece. It ends when the last note has died away, at most ``tail_s``
    after the last key or the pedal goes up. Peaks above -1 dBFS are turned down for some milliseconds. The same piece
    gives the same samples.

    Args:
        piece: notes and pedal; at most ten minutes.
        engine: ``"auto"`` takes FluidSynth where it is installed, and the built-in sampler elsewhere.
        soundfont: an SF2 file with a piano at bank 0, program 0; ``None`` for the piano of this project.
        tail_s: longest time to wait for the last note to die away, in seconds.
        lufs: loudness of the sound where it is compared with others, see ``loudness.COMPARED_LUFS``; a sound below
            -70 LUFS stays as it is. ``None`` for the gain that all pieces share.
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
    sound = _levelled(_trimmed(add_room(dry, SAMPLE_RATE_HZ)), lufs)
    return Waveform(sound, SAMPLE_RATE_HZ, name, font.name)


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


def _trimmed(sound: NDArray[np.float32]) -> NDArray[np.float32]:
    """Without the silence at the end, faded against clicks."""
    loudest = np.abs(sound).max(axis=1)  # (N,)
    fade_in, fade_out = (round(seconds * SAMPLE_RATE_HZ) for seconds in (_FADE_IN_S, _FADE_OUT_S))
    last = int(np.flatnonzero(loudest > _TAIL_FLOOR * loudest.max())[-1])
    sound = sound[: last + 1 + fade_out].copy()
    sound[:fade_in] *= _ramp(fade_in)[: len(sound), None]
    sound[-fade_out:] *= _ramp(fade_out)[::-1][-len(sound) :, None]
    return sound


def _levelled(sound: NDArray[np.float32], lufs: float | None) -> NDArray[np.float32]:
    """With the gain of all pieces or at a loudness, and with no peak above -1 dBFS."""
    loudness = -math.inf if lufs is None else integrated_lufs(sound, SAMPLE_RATE_HZ)
    gain = _GAIN if lufs is None or loudness == -math.inf else 10 ** ((lufs - loudness) / 20)
    return limited(sound * np.float32(gain), SAMPLE_RATE_HZ, _PEAK)


def _ramp(length: int) -> NDArray[np.float32]:
    """A raised cosine from 0 to 1."""
    return (0.5 - 0.5 * np.cos(np.pi * np.arange(length) / max(1, length - 1))).astype(np.float32)
