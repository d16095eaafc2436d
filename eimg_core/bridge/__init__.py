"""Bridges between photos and music, by variant: one file each, and one line here.

``paper`` follows the equations as PAPER.md resolves them; ``eimg2`` is what we would do instead. Both have the same
three networks and are used in the same way; they differ in what training asks of them.
"""

from __future__ import annotations

from eimg_core.bridge.base import Bridge, BridgeConfig, EmotionData, keep_statistics
from eimg_core.bridge.eimg2 import SoftBridge
from eimg_core.bridge.paper import PaperBridge

__all__ = ["BRIDGES", "Bridge", "BridgeConfig", "EmotionData", "PaperBridge", "SoftBridge", "keep_statistics"]

BRIDGES: dict[str, type[Bridge]] = {"paper": PaperBridge, "eimg2": SoftBridge}
