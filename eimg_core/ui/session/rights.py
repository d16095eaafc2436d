"""What a composer's pieces may be used for, as its card and those of what it was built on say it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eimg_core.shipped import CHECKPOINTS
from eimg_core.ui.protocol import PairingInfo

__all__ = ["rights"]


def rights(pairings: Sequence[PairingInfo], root: Path = CHECKPOINTS) -> dict[str, dict[str, Any]]:
    """Key of a pairing → ``commercial``, whether all that it learnt from plainly allows commercial use, and ``data``,
    the names of what does not, or else of all. A pairing whose card is not there is left out.

    Raises:
        CheckpointError: a card cannot be read.
    """
    from eimg_core.licences import components  # imports torch, which a page of another studio need not wait for

    known = components(root)
    found = {}
    for info in pairings:
        names = [f"bridge/{info.key}@{variant}" for variant in info.variants] or [f"music_ae/{info.key.split('+')[-1]}"]
        component = next((known[name] for name in names if name in known), None)
        if component is not None:
            counted = component.sources if component.commercial else component.obstacles
            data = list(dict.fromkeys(source.data.split()[0] for source in counted))
            found[info.key] = {"commercial": component.commercial, "data": data}
    return found
