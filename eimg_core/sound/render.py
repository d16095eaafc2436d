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
from eimg_core.sound import fluid
from eimg_core.sound.instruments import INSTRUMENTS
from eimg_core.sound.limiter import limiting_gain, peaks
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
    "render_hands",
]

Engine = Literal["auto", "fluidsynth", "numpy"]

SAMPLE_RATE_HZ = 44100
DEFAULT_SOUNDFONT = INSTRUMENTS["piano"].path

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
    gain_db: float = 0.0,
) -> Waveform:
    """Play a piece on the piano.

    The sound starts at second 0 of the piece. It ends when the last note has died away, at most ``tail_s``
    after the last key or the pedal goes up. Peaks above -1 dBFS are turned down for some milliseconds. The same piece
    gives the same samples. A loop is as long as its bars, and begins with what still rings from its end, so that it can
    be repeated without a seam.

    Args:
        piece: notes and pedal; at most ten minutes.
        engine: ``"auto"`` takes FluidSynth where it is installed, and the built-in sampler elsewhere.
        soundfont: an SF2 file, of which bank 0, program 0 plays, or the first preset where there is none; ``None`` for
            the piano of this project.
        tail_s: longest time to wait for the last note to die away, in seconds.
        lufs: loudness of the sound where it is compared with others, see ``loudness.COMPARED_LUFS``; a sound below
            -70 LUFS stays as it is. ``None`` for the gain that all pieces share.
        gain_db: of the font, on top of that gain; not with ``lufs``.
    Raises:
        InputError: the piece is longer than ten minutes.
        RenderError: the piece has no notes, the soundfont is damaged or silent, or FluidSynth was asked for
            and is missing.
        ValueError: an unknown engine, or a negative tail.
    """
    strikes = list(_strikes(piece).values())
    ((sound,), name, font) = _rendered(piece, [strikes], engine, soundfont, tail_s, lufs, gain_db)
    return Waveform(sound, SAMPLE_RATE_HZ, name, font)


def render_hands(
    piece: Piece,
    hands: Sequence[int],
    *,
    engine: Engine = "auto",
    soundfont: Path | None = None,
    gain_db: float = 0.0,
) -> tuple[Waveform, Waveform]:
    """Play each hand by itself: the right one, then the left.

    Both are as long as the sound of the piece and begin with it; together they are that sound, peaks that were turned
    down included.

    Args:
        piece, engine, soundfont, gain_db: as for ``render``.
        hands: of each note of the piece, 0 right, 1 left. A hand without notes is silent.
    Raises:
        InputError, RenderError: as ``render`` does.
    """
    strikes = _strikes(piece)
    parts = [[strike for index, strike in strikes.items() if hands[index] == hand] for hand in (0, 1)]
    sounds, name, font = _rendered(piece, parts, engine, soundfont, gain_db=gain_db)
    right, left = (Waveform(sound, SAMPLE_RATE_HZ, name, font) for sound in sounds)
    return right, left


def _rendered(
    piece: Piece,
    parts: Sequence[Sequence[Strike]],
    engine: Engine,
    soundfont: Path | None,
    tail_s: float = 2.0,
    lufs: float | None = None,
    gain_db: float = 0.0,
) -> tuple[list[NDArray[np.float32]], str, str]:
    """Parts of a piece that are heard together, and the names of the engine and of the font."""
    if engine not in ("auto", "fluidsynth", "numpy") or not 0 <= tail_s < math.inf:
        raise ValueError(f"unknown engine or negative tail: {engine!r}, {tail_s}")
    if not piece.notes:
        raise RenderError("The piece has no notes, so there is nothing to play; compose or load another one.")
    end_s = max(strike.release_s for strikes in parts for strike in strikes)
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
    length = math.ceil((end_s + tail_s) * SAMPLE_RATE_HZ)
    played = [_play(strikes, length, engine, path, font) for strikes in parts]
    if not all(np.isfinite(dry).all() for dry, _ in played) or max(np.abs(dry).max() for dry, _ in played) < _SILENCE:
        raise RenderError(message("{name} gives no sound for these notes; choose another soundfont.", name=path.name))
    wet = [add_room(dry, SAMPLE_RATE_HZ) for dry, _ in played]
    whole = _trimmed(wet) if piece.loop_s is None else _folded(wet, piece.loop_s)
    return _levelled(whole, lufs, gain_db), played[0][1], font.name


def _strikes(piece: Piece) -> dict[int, Strike]:
    """Index of a note → its strike. A damper falls at the note's end, later under the pedal, sooner if the key is
    struck again."""
    next_start: dict[int, float] = {}
    strikes = {}
    for index, note in reversed(list(enumerate(piece.notes))):
        limit = next_start.get(note.pitch, math.inf)
        if note.start_s >= limit:
            continue  # doubled by another voice: one hammer, one blow
        next_start[note.pitch] = note.start_s
        release = min(note.end_s, limit)
        for pedal in piece.pedals:
            if pedal.start_s < release < pedal.end_s:
                release = min(pedal.end_s, limit)
        strikes[index] = Strike(note.start_s, note.pitch, note.velocity, release)
    return dict(reversed(strikes.items()))


def _play(
    strikes: Sequence[Strike], length: int, engine: Engine, path: Path, font: SoundFont
) -> tuple[NDArray[np.float32], str]:
    """Dry sound ``(length, 2)`` and the name of the engine that made it."""
    preset = font.usual.bank, font.usual.program
    if engine != "numpy":
        try:
            name = f"FluidSynth {fluid.version()}"
            return fluid.play(strikes, length, font=path, preset=preset, rate_hz=SAMPLE_RATE_HZ), name
        except fluid.FluidSynthMissingError:
            if engine == "fluidsynth":
                raise
    return Sampler(font, SAMPLE_RATE_HZ, *preset).render(strikes, length), _BUILT_IN


def _trimmed(parts: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    """Without the silence after all of them, faded against clicks."""
    loudest = peaks(sum(parts[1:], parts[0]))
    fade_in, fade_out = (round(seconds * SAMPLE_RATE_HZ) for seconds in (_FADE_IN_S, _FADE_OUT_S))
    last = int(np.flatnonzero(loudest > _TAIL_FLOOR * loudest.max())[-1])
    trimmed = [part[: last + 1 + fade_out].copy() for part in parts]
    for sound in trimmed:
        sound[:fade_in] *= _ramp(fade_in)[: len(sound), None]
        sound[-fade_out:] *= _ramp(fade_out)[::-1][-len(sound) :, None]
    return trimmed


def _folded(parts: Sequence[NDArray[np.float32]], loop_s: float) -> list[NDArray[np.float32]]:
    """Parts of a loop as they sound once it has been repeated: what rings beyond its end is heard from its start."""
    length = round(loop_s * SAMPLE_RATE_HZ)
    turns = [np.pad(part, ((0, -len(part) % length), (0, 0))).reshape(-1, length, 2) for part in parts]
    return [part.sum(axis=0) for part in turns]


def _levelled(parts: Sequence[NDArray[np.float32]], lufs: float | None, gain_db: float) -> list[NDArray[np.float32]]:
    """With the gain of all pieces or at a loudness, and with no peak of their sum above -1 dBFS."""
    whole: NDArray[np.float32] = sum(parts[1:], parts[0])
    loudness = -math.inf if lufs is None else integrated_lufs(whole, SAMPLE_RATE_HZ)
    usual = _GAIN * 10 ** (gain_db / 20)
    gain = np.float32(usual if lufs is None or loudness == -math.inf else 10 ** ((lufs - loudness) / 20))
    limiting = limiting_gain(whole * gain, SAMPLE_RATE_HZ, _PEAK)[:, None]
    return [part * gain * limiting for part in parts]


def _ramp(length: int) -> NDArray[np.float32]:
    """A raised cosine from 0 to 1."""
    return (0.5 - 0.5 * np.cos(np.pi * np.arange(length) / max(1, length - 1))).astype(np.float32)
