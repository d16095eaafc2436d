"""Points of the emotion plane as plain values."""

from __future__ import annotations

from eimg_core.emotion import VA

__all__ = ["point"]


def point(va: VA | None) -> dict[str, float | str] | None:
    """A point as the page shows it."""
    if va is None:
        return None
    return {"valence": round(va.valence, 3), "arousal": round(va.arousal, 3), "region": va.region}
