"""The instruments that ship, all cut out of one free font by ``python -m train.soundfont``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from eimg_core.shipped import SOUNDFONT

__all__ = ["INSTRUMENTS", "Instrument"]


@dataclass(frozen=True, slots=True)
class Instrument:
    """An instrument.

    Args:
        file: its font, with one preset.
        program: General MIDI number, from 0: where it stands in the large font, and what MIDI files ask for.
        gain_db: what brings it to the loudness of the piano.
    """

    file: str
    program: int
    gain_db: float = 0.0

    @property
    def path(self) -> Path:
        return SOUNDFONT / self.file


INSTRUMENTS: dict[str, Instrument] = {
    "piano": Instrument("piano.sf2", 0),
    "electric piano": Instrument("electric_piano.sf2", 4, -6.5),
    "harp": Instrument("harp.sf2", 46, -1.5),
    "music box": Instrument("music_box.sf2", 10, -2.5),
}
"""By the names that the option ``instrument`` knows."""
