"""The command line without weights: the real studio and its files, with the composer of ``tests/fake_studio.py``.

``python -m tests.quick_studio compose …`` is what ``python -m eimg_core compose …`` is, in a fraction of the time.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import eimg_core.studio
from eimg_core.cli.main import main
from eimg_core.composer import Composition
from eimg_core.shipped import CHECKPOINTS
from eimg_core.studio import Studio
from tests.fake_studio import FakeStudio, FakeWaveform


class QuickStudio(Studio):
    """Composes, reads and plays as ``FakeStudio`` does, and saves as ``Studio`` does."""

    usual = "vqvae+fnt"

    def __init__(self, root: Path = CHECKPOINTS) -> None:
        super().__init__(root)
        self.fake = FakeStudio()

    def pipeline(self, pairing: str) -> None:
        pass

    def compose(self, photo=None, pairing=None, options=None, progress=None, photo_va=None) -> Composition:
        return self.fake.compose(photo, pairing, options, progress, photo_va)

    def retell(self, piece, pairing, target, options) -> Composition:
        return self.fake.retell(piece, pairing, target, options)

    def render(self, *given, **named) -> FakeWaveform:
        return self.fake.render(*given, **named)


class SlowStudio(QuickStudio):
    """Takes long enough for something to happen meanwhile."""

    def compose(self, *given, **named) -> Composition:
        time.sleep(0.4)
        return super().compose(*given, **named)


if __name__ == "__main__":
    eimg_core.studio.Studio = QuickStudio
    sys.exit(main())
