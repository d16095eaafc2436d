"""What it means to compose: a photo and options go in, a composition comes out; all of them frozen.

The trained pairings, the controls and the baselines are all Composers, so the app, the command line and the
evaluation know one word.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace

from PIL.Image import Image

from eimg_core.emotion import VA
from eimg_core.errors import InputError
from eimg_core.messages import message
from eimg_core.midi.notes import Piece
from eimg_core.options import ComposeOptions
from eimg_core.progress import Progress
from eimg_core.recipe import Recipe

__all__ = [
    "ONCE_FOR_ALL",
    "Composer",
    "Composition",
    "Take",
]

ONCE_FOR_ALL = ("load", "read_photo")  # stages whose cost falls on whichever pairing comes first


@dataclass(frozen=True, slots=True)
class Take:
    """One of the pieces that were composed at once for the same target.

    Args:
        piece: the music as written.
        estimate: the guide's, of its emotion; ``None`` for a piece without notes, and where no guide took part.
        distance: of the estimate from the target.
        strain: how far it strays from what a pianist would play, see ``eimg_core.takes``.
        realness: the critic's logit of being a real clip; 0 without a critic.
        missed: the distance as it counts when takes are chosen, valence more than arousal.
    """

    piece: Piece
    estimate: VA | None
    distance: float
    strain: float = 0.0
    realness: float = 0.0
    missed: float = 0.0


@dataclass(frozen=True, slots=True)
class Composition:
    """A piece and how it came about.

    Args:
        piece: the music as written; what is measured.
        pairing: key of the composer, such as ``vqvae+fnt``.
        options: what was asked for.
        photo_va: emotion read from the photo; ``None`` when there was none.
        target_va: emotion the piece aims at.
        piece_va: the evaluator's estimate of the piece; ``None`` without an evaluator.
        metrics: name → value, see ``eimg_core.metrics.registry``.
        timings_s: stage → seconds.
        remarks: for the person who asked.
        variant: of the pairing's bridge, such as ``eimg2``; "" where there is none.
        performance: the piece as a pianist plays it; ``None`` where it is played as written.
        takes: all takes, in the order they were made; empty where the guide had nothing to weigh.
        choice: which of them the guide prefers.
        kept: which of them ``piece`` is.
        recipe: how to make it again; ``None`` where it was composed with ``options`` alone.
    """

    piece: Piece
    pairing: str
    options: ComposeOptions
    photo_va: VA | None
    target_va: VA
    piece_va: VA | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    timings_s: dict[str, float] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    variant: str = ""
    performance: Piece | None = None
    takes: tuple[Take, ...] = ()
    choice: int = 0
    kept: int = 0
    recipe: Recipe | None = None

    @property
    def made_by(self) -> Recipe:
        """How to make the piece again."""
        return self.recipe or Recipe(self.pairing, self.options)

    @property
    def played(self) -> Piece:
        """What sounds, and what a MIDI file holds."""
        return self.performance or self.piece

    def keeping(self, take: int) -> Composition:
        """The same with another take; what was measured of the one before is left out.

        Raises:
            InputError: there is no such take.
        """
        if not 0 <= take < len(self.takes):
            raise InputError(
                message(
                    "There is no take {take}; this piece has {count} to choose from.",
                    take=take + 1,
                    count=len(self.takes),
                )
            )
        return replace(
            self,
            piece=self.takes[take].piece,
            options=replace(self.options, keep=take),
            kept=take,
            recipe=self.made_by.keeping(take),
            piece_va=None,
            metrics={},
            performance=None,
        )


class Composer(ABC):
    """Turns a photo, or a point in the emotion plane, into a piece."""

    key: str
    title: str

    @abstractmethod
    def compose(
        self,
        photo: Image | None,
        photo_va: VA | None,
        options: ComposeOptions,
        progress: Progress | None = None,
    ) -> Composition:
        """One piece.

        Args:
            photo: upright RGB picture, or ``None`` to compose for ``options.target`` alone.
            photo_va: the emotion read from the photo, needed where there is a photo.
            options: seed, length and target.
            progress: told about each stage.
        Raises:
            InputError: neither a photo nor a target is given.
        """
