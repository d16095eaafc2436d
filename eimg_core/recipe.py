"""A recipe: everything that makes a piece again, as plain values.

A piece is composed once, with options and perhaps for a photo, and may then be retold or extended, step by step. The
recipe holds the options, the steps and the photo id, never the photo. A story has several photos; and where the steps
began with a MIDI file, its notes belong to the recipe.

A browser keeps recipes as well. What comes back from there is anybody's text, so ``Recipe.parse`` believes nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from PIL.Image import Image

from eimg_core.emotion import VA
from eimg_core.errors import InputError
from eimg_core.messages import message
from eimg_core.midi.notes import Piece
from eimg_core.options import ComposeOptions, option_values, read_options

__all__ = ["MOST_STEPS", "Do", "Recipe", "Step", "Stop", "given_id_of", "photo_id"]

MOST_STEPS = 12
_MOST_BARS = 1000
Do = Literal["retell", "extend", "fill"]
_ID_DIGITS = 16


@dataclass(frozen=True, slots=True)
class Step:
    """What is done with a piece: ``retell`` keeps its tune and aims at ``target``, ``extend`` goes on to ``seconds``,
    ``fill`` composes some of its bars anew.

    Args:
        bars: the first of those and the one after the last, from 0.
        keep: which of the step's takes; ``None`` leaves it to the guide.
        tempo: factor of the tempo that the piece has by then.
    """

    do: Do
    target: VA
    seconds: float
    keep: int | None = None
    tempo: float = 1.0
    bars: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Stop:
    """A photo of a story: the point that the piece passes, and the photo's id; ``None`` for a point alone."""

    point: VA
    photo_id: str | None = None


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to make a piece.

    Args:
        pairing: key of the composer.
        options: of the first piece, its ``keep`` included.
        photo_id: of the photo it was composed for; ``None`` where there was none.
        steps: what was done with it since, in order.
        stops: the photos of a story, in order.
        source: the piece of a MIDI file with which the steps began; nothing was composed before them.
        given_id: of a piece with which the steps began and that the recipe cannot make again; see ``given_id_of``.
    """

    pairing: str
    options: ComposeOptions
    photo_id: str | None = None
    steps: tuple[Step, ...] = ()
    stops: tuple[Stop, ...] = ()
    source: Piece | None = None
    given_id: str | None = None

    @property
    def as_given(self) -> bool:
        """Whether the piece is as it came from a file."""
        return self.given_id is not None and self.given_id.startswith("file") and not self.steps

    @property
    def keep(self) -> int | None:
        """Which take of the last step is kept."""
        return self.steps[-1].keep if self.steps else self.options.keep

    def keeping(self, take: int | None) -> Recipe:
        """The same with another take of the last step."""
        if not self.steps:
            return replace(self, options=replace(self.options, keep=take))
        return replace(self, steps=(*self.steps[:-1], replace(self.steps[-1], keep=take)))

    @property
    def key(self) -> str:
        """The same text for the same piece, whatever take of it is kept."""
        return json.dumps(self.keeping(None).value(), sort_keys=True)

    def options_of(self, step: Step) -> ComposeOptions:
        """What the composer is told for a step."""
        return replace(self.options, seconds=step.seconds, target=step.target, tempo=step.tempo, keep=step.keep)

    @classmethod
    def of_step(
        cls,
        do: Do,
        source: Piece,
        pairing: str,
        target: VA,
        options: ComposeOptions,
        bars: tuple[int, int] | None = None,
    ) -> Recipe:
        """Of a step that began with a piece from elsewhere."""
        step = Step(do, target, options.seconds, options.keep, options.tempo, bars)
        return cls(pairing, replace(options, keep=None), steps=(step,), source=source)

    def value(self) -> dict[str, Any]:
        """As plain values, without ``stops`` and ``source``, which no browser needs to keep."""
        return {
            "pairing": self.pairing,
            "photo_id": self.photo_id,
            **({} if self.given_id is None else {"given_id": self.given_id}),
            **option_values(self.options),
            "steps": [
                {
                    "do": step.do,
                    "target": {"valence": step.target.valence, "arousal": step.target.arousal},
                    "seconds": step.seconds,
                    "keep": step.keep,
                    "tempo": step.tempo,
                    **({} if step.bars is None else {"bars": list(step.bars)}),
                }
                for step in self.steps
            ],
        }

    @classmethod
    def parse(cls, value: Any) -> Recipe:
        """The inverse of ``value``. An option that is missing is as usual: an earlier version did not know it.

        Raises:
            InputError: it is no recipe, or a number in it is out of range.
        """
        try:
            steps = value["steps"]
            if not isinstance(steps, list) or len(steps) > MOST_STEPS:
                raise InputError(
                    message("A piece can be told again or continued at most {most} times.", most=MOST_STEPS)
                )
            known = value.get("photo_id")
            photo = None if known is None else str(known)[:_ID_DIGITS]
            given = None if value.get("given_id") is None else str(value["given_id"])[: _ID_DIGITS + 5]
            recipe = cls(
                str(value["pairing"])[:60],
                read_options(value),
                photo,
                tuple(_step(step) for step in steps),
                given_id=given,
            )
            for step in recipe.steps:
                recipe.options_of(step)
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(message("These settings cannot be read; compose the piece again instead.")) from error
        return recipe


def photo_id(photo: Image | None) -> str | None:
    """Sixteen digits that tell photos apart and say nothing about them: of SHA-256 over size and pixels.

    The same picture has the same id, whatever its file. ``None`` where there is no photo.
    """
    if photo is None:
        return None
    pixels = photo.convert("RGB")
    seen = hashlib.sha256(f"{pixels.width}x{pixels.height}".encode() + pixels.tobytes())
    return seen.hexdigest()[:_ID_DIGITS]


def given_id_of(kind: Literal["file", "live"], piece: Piece) -> str:
    """Where a piece came from, and sixteen digits that tell pieces apart: of SHA-256 over notes, tempo and meter."""
    notes = [(n.start_s, n.end_s, n.pitch, n.velocity) for n in piece.notes]
    digits = hashlib.sha256(json.dumps([notes, piece.tempo_bpm, piece.meter]).encode()).hexdigest()[:_ID_DIGITS]
    return f"{kind}:{digits}"


def _step(value: Mapping[str, Any]) -> Step:
    do = value["do"]
    if do not in get_args(Do):
        raise InputError(
            message("A piece can be told again, continued or filled, not {step}.", step=repr(str(do)[:20]))
        )
    target, keep = value["target"], value.get("keep")
    return Step(
        do,
        VA(float(target["valence"]), float(target["arousal"])),
        float(value["seconds"]),
        None if keep is None else int(keep),
        float(value.get("tempo", 1.0)),
        _bars(value["bars"]) if do == "fill" else None,
    )


def _bars(value: Any) -> tuple[int, int]:
    first, end = (int(bar) for bar in value)
    if not 0 <= first < end <= _MOST_BARS:
        raise ValueError("no bars")
    return first, end
