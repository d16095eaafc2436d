"""What it means to compose: a photo and options go in, a composition comes out; all of them frozen.

The trained pairings, the controls and the baselines are all Composers, so the app, the command line and the
evaluation know one word.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from PIL.Image import Image

from eimg_core.emotion import VA
from eimg_core.errors import InputError
from eimg_core.messages import message
from eimg_core.midi.notes import Piece

__all__ = [
    "COMPARED_DB",
    "FASTEST",
    "LARGEST_SEED",
    "LONGEST_S",
    "MOST_TAKES",
    "ONCE_FOR_ALL",
    "SHORTEST_S",
    "SLOWEST",
    "USUAL_TAKES",
    "ComposeOptions",
    "Composer",
    "Composition",
    "Progress",
    "Take",
]

SHORTEST_S, LONGEST_S = 4.0, 120.0
COMPARED_DB = -20.0  # dBFS over the parts that sound: pieces that are compared are equally loud, and all can reach it
ONCE_FOR_ALL = ("load", "read_photo")  # stages whose cost falls on whichever pairing comes first
LARGEST_SEED = 2**31 - 1
USUAL_TAKES, MOST_TAKES = 4, 16
SLOWEST, FASTEST = 0.7, 1.4  # factors of the composer's own tempo

Progress = Callable[[str, float], None]
"""Called with the name of a stage and the share of the work that is done, 0 to 1."""


@dataclass(frozen=True, slots=True)
class ComposeOptions:
    """What a visitor can choose.

    Args:
        seed: the same seed, photo and pairing give the same piece, byte for byte.
        seconds: length of the piece, 4 to 120.
        target: the emotion to aim at; ``None`` means the photo's own.
        takes: so many are composed, and the one that the guide hears nearest to the target is kept. 1 leaves the guide
            out, as every plain row of a table does.
        expressive: played by a pianist (``eimg_core.performance``) rather than as written.
        tempo: factor of the tempo that the composer would take, 0.7 to 1.4.
        density: -1 for half as many notes a second as the composer would write, 1 for twice as many; 0 leaves it to
            the composer.
        keep: which of the takes is kept, counted from 0; ``None`` leaves it to the guide.
    Raises:
        InputError: a value is out of range.
    """

    seed: int = 0
    seconds: float = 15.0
    target: VA | None = None
    takes: int = 1
    expressive: bool = True
    tempo: float = 1.0
    density: float = 0.0
    keep: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.seed <= LARGEST_SEED:
            raise InputError(
                message(
                    "The seed must be a whole number from 0 to {largest}, not {seed}.",
                    largest=LARGEST_SEED,
                    seed=self.seed,
                )
            )
        if not SHORTEST_S <= self.seconds <= LONGEST_S:
            raise InputError(
                message(
                    "The length must be {shortest} to {longest} seconds, not {seconds}.",
                    shortest=f"{SHORTEST_S:g}",
                    longest=f"{LONGEST_S:g}",
                    seconds=f"{self.seconds:g}",
                )
            )
        if not 1 <= self.takes <= MOST_TAKES:
            raise InputError(
                message("The number of takes must be from 1 to {most}, not {takes}.", most=MOST_TAKES, takes=self.takes)
            )
        if not SLOWEST <= self.tempo <= FASTEST:
            raise InputError(
                message(
                    "The tempo must be {slowest} to {fastest} times the usual, not {tempo}.",
                    slowest=f"{SLOWEST:g}",
                    fastest=f"{FASTEST:g}",
                    tempo=f"{self.tempo:g}",
                )
            )
        if not -1.0 <= self.density <= 1.0:
            raise InputError(
                message(
                    "The density must be from -1 (sparser) to 1 (denser), not {density}.", density=f"{self.density:g}"
                )
            )
        if self.keep is not None and not 0 <= self.keep < self.takes:
            raise InputError(
                message("The take to keep must be from 0 to {last}, not {take}.", last=self.takes - 1, take=self.keep)
            )
        if self.target is not None and self.target != self.target.clamped():
            raise InputError(
                message(
                    "Valence and arousal must be from 1 to 9, not {valence} and {arousal}.",
                    valence=f"{self.target.valence:g}",
                    arousal=f"{self.target.arousal:g}",
                )
            )


@dataclass(frozen=True, slots=True)
class Take:
    """One of the pieces that were composed at once for the same target.

    Args:
        piece: the music as written.
        estimate: the guide's, of its emotion; ``None`` for a piece without notes, and where no guide took part.
        distance: of the estimate from the target.
        strain: how far it strays from what a pianist would play, see ``eimg_core.takes``.
    """

    piece: Piece
    estimate: VA | None
    distance: float
    strain: float = 0.0


@dataclass(frozen=True, slots=True)
class Composition:
    """A piece and how it came about.

    Args:
        piece: the music as written; what is measured and judged.
        pairing: key of the composer, such as ``vqvae+fnt``.
        options: what was asked for.
        photo_va: emotion read from the photo; ``None`` when there was none.
        target_va: emotion the piece aims at.
        piece_va: emotion the evaluator hears in the piece; ``None`` without an evaluator.
        metrics: name → value, see ``eimg_core.metrics.registry``.
        timings_s: stage → seconds.
        notes: remarks for the person who asked.
        variant: of the pairing's bridge, such as ``eimg2``; "" where there is none.
        performance: the piece as a pianist plays it; ``None`` where it is played as written.
        takes: all takes, in the order they were made; empty where the guide had nothing to weigh.
        choice: which of them the guide prefers.
        kept: which of them ``piece`` is.
    """

    piece: Piece
    pairing: str
    options: ComposeOptions
    photo_va: VA | None
    target_va: VA
    piece_va: VA | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    timings_s: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    variant: str = ""
    performance: Piece | None = None
    takes: tuple[Take, ...] = ()
    choice: int = 0
    kept: int = 0

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
