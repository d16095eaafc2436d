"""Controls: what a score is worth. Each answers a photo with a real clip.

- ``constant`` always plays the clip whose label is nearest to the mean emotion of the training photos.
- ``random`` plays any clip.
- ``oracle`` plays the clip whose label is nearest to the photo's own label, which no system is given.
- ``retrieval`` plays the clip whose label is nearest to what the photo reader reads: the simplest honest system.

A generator that does not beat ``constant`` has not looked at the photo. ``oracle`` shows how far the evaluator lets
anyone come. They are for tables only and never offered to a visitor.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from eimg_core.composer import Composer, Composition
from eimg_core.emotion import VA, pairwise_distance
from eimg_core.midi.notes import Piece
from eimg_core.options import ComposeOptions
from eimg_core.progress import Progress

__all__ = ["CONTROLS", "ClipLibrary", "Constant", "Oracle", "RandomClip", "Retrieval"]


@dataclass(frozen=True)
class ClipLibrary:
    """Real clips and their labels, (N, 2); ``mean_photo`` is the mean label of the training photos."""

    pieces: tuple[Piece, ...]
    va: NDArray
    mean_photo: VA

    def nearest(self, point: VA) -> Piece:
        """The clip whose label is nearest to a point."""
        distances = pairwise_distance(np.array([[point.valence, point.arousal]]), self.va)
        return self.pieces[int(distances.argmin())]


class _Control(Composer):
    def __init__(self, library: ClipLibrary) -> None:
        self.library = library

    def compose(
        self, photo: Image | None, photo_va: VA | None, options: ComposeOptions, progress: Progress | None = None
    ) -> Composition:
        """``photo_va`` is the photo's label here, not a reading of it."""
        label = self._label(photo_va)
        return Composition(self._choose(label, options.seed), self.key, options, photo_va, label)

    def _label(self, label: VA | None) -> VA:
        return label or self.library.mean_photo

    def _choose(self, label: VA, seed: int) -> Piece:
        raise NotImplementedError


class Constant(_Control):
    key, title = "constant", "Constant: one clip for every photo"

    def _choose(self, label: VA, seed: int) -> Piece:
        return self.library.nearest(self.library.mean_photo)


class RandomClip(_Control):
    key, title = "random", "Random: any clip"

    def _choose(self, label: VA, seed: int) -> Piece:
        return self.library.pieces[int(np.random.default_rng(seed).integers(len(self.library.pieces)))]


class Oracle(_Control):
    key, title = "oracle", "Oracle: the clip nearest to the photo's label"

    def _label(self, label: VA | None) -> VA:
        if label is None:
            raise ValueError("the oracle needs the photo's label")
        return label

    def _choose(self, label: VA, seed: int) -> Piece:
        return self.library.nearest(label)


class Retrieval(_Control):
    """Given a reading of the photo instead of its label: of the controls, the one that one could build."""

    key, title = "retrieval", "Retrieval: the clip nearest to what is read from the photo"

    def _choose(self, label: VA, seed: int) -> Piece:
        return self.library.nearest(label)


CONTROLS: dict[str, type[_Control]] = {"constant": Constant, "random": RandomClip, "oracle": Oracle}
