"""What the page needs from the studio behind it; tests put a fake one in its place.

``eimg_core.studio.Studio`` is the real one. The page never sees a model, a tensor or a checkpoint.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from PIL.Image import Image

from eimg_core.composer import Composition
from eimg_core.emotion import VA
from eimg_core.messages import Message
from eimg_core.midi.notes import Piece
from eimg_core.options import ComposeOptions
from eimg_core.progress import Progress
from eimg_core.remake import Maker
from eimg_core.sound.protocol import Sound

__all__ = ["Explanation", "PairingInfo", "PhotoReading", "Sound", "Studio"]


class PairingInfo(Protocol):
    """One way from photo to piece: ``key`` such as ``vqvae+fnt``, ``title`` for people, ``variants`` of its bridge, the
    one that ``key`` means first."""

    @property
    def key(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def default(self) -> bool: ...
    @property
    def variants(self) -> Sequence[str]: ...
    @property
    def composes(self) -> bool:
        """Whether it can keep a tune, go on with a piece and follow a density that is asked for."""
        ...


class PhotoReading(Protocol):
    """The emotion read from a photo, and one standard deviation of each number, all on the 1-9 scale."""

    @property
    def va(self) -> VA: ...
    @property
    def sd_valence(self) -> float: ...
    @property
    def sd_arousal(self) -> float: ...
    @property
    def remark(self) -> Message | None:
        """What the visitor should know about how it was read."""
        ...


class SeenClass(Protocol):
    """A class that the photo reader sees in a photo, with its probability and its effects on both axes, in points."""

    @property
    def name(self) -> str: ...
    @property
    def probability(self) -> float: ...
    @property
    def valence(self) -> float: ...
    @property
    def arousal(self) -> float: ...


class Explanation(Protocol):
    """What makes the reading of a photo: rows of effects of its parts in points, both maps in words by axis, and the
    classes that were seen in it."""

    @property
    def valence(self) -> Sequence[Sequence[float]]: ...
    @property
    def arousal(self) -> Sequence[Sequence[float]]: ...
    @property
    def words(self) -> Mapping[str, str]: ...
    @property
    def classes(self) -> Sequence[SeenClass]: ...


class Studio(Maker, Protocol):
    """Reads photos, plays and saves, besides what a ``Maker`` composes."""

    def pairings(self) -> Sequence[PairingInfo]: ...

    def warm_up(self) -> None: ...

    def read_photo(self, photo: Image) -> PhotoReading: ...

    def reader_note(self) -> Message | None: ...

    def target_for(self, reading: VA) -> VA: ...

    def compose(
        self,
        photo: Image | None,
        pairing: str,
        options: ComposeOptions,
        progress: Progress | None = None,
        photo_va: VA | None = None,
    ) -> Composition: ...

    def go_on(
        self,
        piece: Piece | None,
        pairing: str,
        target: VA,
        options: ComposeOptions,
        *,
        from_s: float | None,
        least_s: float,
    ) -> Piece: ...

    def given(self, piece: Piece, pairing: str, repairs: Sequence[str] = ()) -> Composition: ...

    def restore(self, composition: Composition) -> Composition: ...

    def explain_photo(self, photo: Image) -> Explanation: ...

    def listen(self, piece: Piece) -> VA: ...

    def render(
        self, piece: Piece, lufs: float | None = None, instrument: str = "piano", soundfont: Path | None = None
    ) -> Sound: ...

    def save(
        self,
        composition: Composition,
        waveform: Sound | None,
        folder: Path,
        stem: str,
        photo: Image | None = None,
        figure: bool = True,
    ) -> dict[str, Path]: ...

    def save_comparison(
        self,
        entries: Sequence[tuple[Composition, Mapping[str, Path]]],
        folder: Path,
        stem: str,
        photo: Image | None = None,
    ) -> dict[str, Path]: ...
