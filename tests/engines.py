"""Marks for tests that play with each of the two engines."""

from __future__ import annotations

import pytest

from eimg_core.sound.render import available_engine

__all__ = ["each_engine", "needs_fluidsynth"]

needs_fluidsynth = pytest.mark.skipif(
    not available_engine().startswith("FluidSynth"), reason="the FluidSynth library is not installed"
)
each_engine = pytest.mark.parametrize("engine", [pytest.param("fluidsynth", marks=needs_fluidsynth), "numpy"])
