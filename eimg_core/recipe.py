"""A recipe: everything that makes a piece again, as plain values that a browser can keep.

A piece is composed once, from settings and perhaps a photo, and may then be told again or continued, step by step. The
recipe holds the settings, the steps and a short hash of the photo, never the photo. What comes back from a browser is
anybody's text, so ``Recipe.parse`` believes nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from PIL.Image import Image

from eimg_core.composer import USUAL_TAKES, ComposeOptions
from eimg_core.emotion import VA
from eimg_core.errors import InputError
from eimg_core.messages import message

__all__ = ["MOST_STEPS", "Recipe", "Step", "photo_hash"]

MOST_STEPS = 12
_HASH_DIGITS = 16


@dataclass(frozen=True, slots=True)
class Step:
    """What is done with a piece: ``retell`` keeps its tune and aims at ``target``, ``extend`` goes on to ``seconds``.

    ``keep``: which of the step's takes; ``None`` leaves it to the guide.
    """

    do: Literal["retell", "extend"]
    target: VA
    seconds: float
    keep: int | None = None


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to make a piece.

    Args:
        pairing: key of the composer.
        options: of the first piece, its ``keep`` included.
        photo: hash of the photo it was composed for; ``None`` where there was none.
        steps: what was done with it since, in order.
    """

    pairing: str
    options: ComposeOptions
    photo: str | None = None
    steps: tuple[Step, ...] = ()

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
        """What the composer is told for a step. The tempo is the piece's own by then."""
        return replace(self.options, seconds=step.seconds, target=step.target, tempo=1.0, keep=None)

    def value(self) -> dict[str, Any]:
        """As plain values."""
        options = self.options
        return {
            "photo": self.photo,
            "pairing": self.pairing,
            "seed": options.seed,
            "seconds": options.seconds,
            "target": _pair(options.target),
            "expressive": options.expressive,
            "tempo": options.tempo,
            "density": options.density,
            "keep": options.keep,
            "steps": [
                {"do": step.do, "target": _pair(step.target), "seconds": step.seconds, "keep": step.keep}
                for step in self.steps
            ],
        }

    @classmethod
    def parse(cls, value: Any) -> Recipe:
        """The inverse of ``value``.

        Raises:
            InputError: it is no recipe, or a number in it is out of range.
        """
        try:
            steps = value["steps"]
            if not isinstance(steps, list) or len(steps) > MOST_STEPS:
                raise InputError(
                    message("A piece can be told again or continued at most {most} times.", most=MOST_STEPS)
                )
            options = ComposeOptions(
                int(value["seed"]),
                float(value["seconds"]),
                _point(value["target"]) if value["target"] else None,
                USUAL_TAKES,
                bool(value["expressive"]),
                float(value["tempo"]),
                float(value["density"]),
                _take(value["keep"]),
            )
            photo = None if value["photo"] is None else str(value["photo"])[:_HASH_DIGITS]
            recipe = cls(str(value["pairing"])[:60], options, photo, tuple(_step(step) for step in steps))
            for step in recipe.steps:
                recipe.options_of(step)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError("These settings cannot be read; compose the piece again instead.") from error
        return recipe


def photo_hash(photo: Image) -> str:
    """Sixteen digits that tell photos apart and say nothing about them."""
    size = f"{photo.width}x{photo.height}:".encode()
    return hashlib.sha256(size + photo.convert("RGB").tobytes()).hexdigest()[:_HASH_DIGITS]


def _step(value: Mapping[str, Any]) -> Step:
    do = value["do"]
    if do not in ("retell", "extend"):
        raise InputError(message("A piece can be told again or continued, not {step}.", step=repr(str(do)[:20])))
    return Step(do, _point(value["target"]), float(value["seconds"]), _take(value["keep"]))


def _take(value: Any) -> int | None:
    if value is None:
        return None
    take = int(value)
    if not 0 <= take < USUAL_TAKES:
        raise InputError(
            message("There are {count} takes, counted from 0, and no take {take}.", count=USUAL_TAKES, take=take)
        )
    return take


def _point(value: Mapping[str, Any]) -> VA:
    return VA(float(value["valence"]), float(value["arousal"]))


def _pair(va: VA | None) -> dict[str, float] | None:
    return None if va is None else {"valence": va.valence, "arousal": va.arousal}
