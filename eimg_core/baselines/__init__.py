"""What the pairings are compared with: controls, which play real clips, and baselines, which are trained."""

from eimg_core.baselines.baseline import Baseline, BridgeMapping, Mapped, PhotoPlayer
from eimg_core.baselines.controls import CONTROLS, ClipLibrary, Retrieval
from eimg_core.baselines.direct import DirectMapping
from eimg_core.baselines.gan_im import GanIM
from eimg_core.baselines.tf_im import TransformerIM
from eimg_core.trainable import Trainable

__all__ = [
    "BASELINES",
    "CONTROLS",
    "Baseline",
    "BridgeMapping",
    "ClipLibrary",
    "DirectMapping",
    "GanIM",
    "Mapped",
    "PhotoPlayer",
    "Retrieval",
    "TransformerIM",
]

# The trained ones by key; ``direct`` stands between two autoencoders, the others go from photo to notes.
BASELINES: dict[str, type[Trainable]] = {"tf_im": TransformerIM, "gan_im": GanIM, "direct": DirectMapping}
