"""Where the shipped files are: trained components, records of measurements, the soundfont, example photos.

A checkout has them in ``assets`` beside the package, an installed wheel inside the package.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["CHECKPOINTS", "EXAMPLES", "RESULTS", "SHIPPED", "SOUNDFONT"]

_PACKAGE = Path(__file__).resolve().parent
_IN_WHEEL = _PACKAGE / "assets"

SHIPPED = _IN_WHEEL if _IN_WHEEL.is_dir() else _PACKAGE.parent / "assets"
CHECKPOINTS = SHIPPED / "checkpoints"
RESULTS = SHIPPED / "results"
EXAMPLES = SHIPPED / "examples"
SOUNDFONT = SHIPPED / "soundfont"
