"""The arguments of the tools for language models: kinds, ranges, units, and a description of each."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, GetCoreSchemaHandler

from eimg_core.agents.files import HOW_TO_GIVE
from eimg_core.exports.formats import formats_from_midi
from eimg_core.options import Option
from eimg_core.ui.session.story_timeline import FEWEST_PHOTOS, MOST_PHOTOS

__all__ = [
    "Arousal",
    "Bar",
    "Composing",
    "Kind",
    "Midi",
    "Pairing",
    "Pairings",
    "Photo",
    "Photos",
    "Valence",
    "argument_of",
]


class _OfMidi:
    """One of the formats that a MIDI file can be turned into; they are listed when the tools are offered."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> Any:
        return handler.generate_schema(Literal.__getitem__(tuple(formats_from_midi())))


Valence = Annotated[float, Field(ge=1, le=9, description="1 unpleasant to 9 pleasant")]
Arousal = Annotated[float, Field(ge=1, le=9, description="1 calm to 9 excited")]
Bar = Annotated[int, Field(ge=1, le=1000, description="number of a bar, from 1")]
Photo = Annotated[str, Field(description=f"JPEG, PNG, WebP, GIF, BMP or TIFF, up to 20 MB: {HOW_TO_GIVE}")]
Midi = Annotated[str, Field(description=f"MIDI file, up to 512 kB: {HOW_TO_GIVE}")]
Pairing = Annotated[
    str | None,
    Field(
        description="key of a composer, such as vqvae+fnt or vqvae+fnt@paper; see the tool pairings; null: the usual"
    ),
]
Composing = Annotated[
    str | None, Field(description="key of one that composes; see the tool pairings; null: the usual one")
]
Kind = Annotated[str, _OfMidi()]
Pairings = Annotated[
    list[str] | None,
    Field(max_length=24, description="keys of composers; see the tool pairings; null: the default and five others"),
]
Photos = Annotated[
    list[str],
    Field(min_length=FEWEST_PHOTOS, max_length=MOST_PHOTOS, description=f"in their order, each {HOW_TO_GIVE}"),
]


def argument_of(option: Option) -> Any:
    """An option as the kind of an argument, with its range and description."""
    limits: dict[str, Any] = {} if option.low is None else {"ge": option.lowest_offered, "le": option.high}
    kind: Any = option.kind
    if option.choices:
        kind = Literal.__getitem__(tuple(dict.fromkeys(map(option.kind, [option.usual, *option.choices]))))
    elif option.usual is None:
        kind = Annotated[option.kind, Field(**limits)] | None
        limits = {}
    return Annotated[kind, Field(description=option.help, **limits)]
