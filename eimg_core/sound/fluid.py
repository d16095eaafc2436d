"""FluidSynth, when it is installed: the one file that knows pyfluidsynth.

pyfluidsynth brings no synthesizer of its own; importing it fails where the FluidSynth library is not
installed. The event loop is ours, because ready-made ones give mono sound, cut the last note, and turn a
font that did not load into loud noise. Sound is fetched as floating point numbers: nothing can clip, and
silence is exactly zero.
"""

from __future__ import annotations

import ctypes
import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eimg_core.errors import RenderError
from eimg_core.messages import message
from eimg_core.sound.sampler import Strike

__all__ = ["FluidSynthMissingError", "play", "version"]

_VOICES = 1024  # a piano with the pedal down needs more than the default of 256


class FluidSynthMissingError(RenderError):
    """The FluidSynth library is not installed, or does not start."""


def _library() -> Any:
    try:
        module = importlib.import_module("fluidsynth")
        module.Synth, module.cfunc  # noqa: B018  another package of the same name has neither
    except (ImportError, OSError, AttributeError) as error:
        raise FluidSynthMissingError(
            "FluidSynth is not installed; install the package libfluidsynth3 or use the built-in sampler."
        ) from error
    return module


def version() -> str:
    """Such as ``"2.3.1"``; raises ``FluidSynthMissingError`` where there is none."""
    module = _library()
    numbers = [ctypes.c_int() for _ in range(3)]
    module.fluid_version(*(ctypes.byref(number) for number in numbers))
    return ".".join(str(number.value) for number in numbers)


def play(
    strikes: Sequence[Strike], length: int, *, font: Path, preset: tuple[int, int] = (0, 0), rate_hz: int = 44100
) -> NDArray[np.float32]:
    """Play strikes with a preset of a font, without FluidSynth's own reverb and chorus.

    A new synthesizer each time costs a few hundredths of a second, and makes equal input give equal samples.

    Args:
        strikes: in any order.
        length: samples per channel.
        font: an SF2 file.
        preset: its bank and program.
        rate_hz: samples per second.
    Returns:
        ``(length, 2)``, left and right, not normalised.
    Raises:
        FluidSynthMissingError: FluidSynth is not installed or does not start.
        RenderError: it does not accept the font.
    """
    module = _library()
    settings: dict[str, int] = {
        "synth.polyphony": _VOICES,
        "synth.reverb.active": 0,
        "synth.chorus.active": 0,
    }
    synth = module.Synth(gain=1.0, samplerate=float(rate_hz), channels=16, **settings)
    if not synth.synth:
        raise FluidSynthMissingError("FluidSynth does not start; reinstall it or use the built-in sampler.")
    try:
        font_id = synth.sfload(str(font))
        if font_id < 0 or synth.program_select(0, font_id, *preset) != module.FLUID_OK:
            raise RenderError(
                message("FluidSynth finds no instrument in {name}; choose another .sf2 file.", name=font.name)
            )
        synth.cc(0, 7, 127)  # channel volume: full, as in the sampler
        return _run(module, synth.synth, strikes, length, rate_hz)
    finally:
        synth.delete()


def _run(
    module: Any, synth: ctypes.c_void_p, strikes: Sequence[Strike], length: int, rate_hz: int
) -> NDArray[np.float32]:
    void, number = ctypes.c_void_p, ctypes.c_int
    names = ("synth", "len", "left", "left_offset", "left_step", "right", "right_offset", "right_step")
    types = (void, number, void, number, number, void, number, number)
    write_float = module.cfunc(
        "fluid_synth_write_float", number, *((n, t, 1) for n, t in zip(names, types, strict=True))
    )

    # At one sample, keys go up before keys go down.
    events = sorted(
        event
        for s in strikes
        for event in (
            (round(s.start_s * rate_hz), 1, s.key, s.velocity),
            (round(s.release_s * rate_hz), 0, s.key, 0),
        )
    )
    sound = np.zeros((length, 2), np.float32)
    address = sound.ctypes.data
    now = 0
    for sample, is_strike, key, velocity in [*events, (length, 0, -1, 0)]:
        until = min(sample, length)
        if until > now:
            write_float(synth, until - now, address, 2 * now, 2, address, 2 * now + 1, 2)
            now = until
        if is_strike:
            module.fluid_synth_noteon(synth, 0, key, velocity)
        elif key >= 0:
            module.fluid_synth_noteoff(synth, 0, key)
    return sound
