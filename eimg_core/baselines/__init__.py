"""What the pairings are compared with."""

from eimg_core.baselines.controls import CONTROLS, ClipLibrary

__all__ = ["CONTROLS", "ClipLibrary"]
