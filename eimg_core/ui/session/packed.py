"""Packed pieces: a piece as a short text, which a link holds and the visitor's browser keeps.

The text is JSON, deflated, in the letters of an address: the notes as written, unrounded, with the recipe and the
points. From it ``Studio.restore`` makes the same files byte for byte, whatever weights are there by then. The photo is
not in it. What comes back from a browser is anybody's text, so ``unpacked`` believes nothing.
"""

from __future__ import annotations

import base64
import json
import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from eimg_core.composer import Composition
from eimg_core.emotion import VA
from eimg_core.errors import InputError
from eimg_core.messages import message
from eimg_core.midi.notes import MeterChange, Note, Pedal, Piece, Section
from eimg_core.recipe import Recipe, Stop
from eimg_core.ui.protocol import PairingInfo

__all__ = ["packed", "unpacked"]

_LONGEST_TEXT, _LONGEST_JSON = 200_000, 1_000_000  # letters
_MOST_NOTES, _MOST_SECTIONS, _LONGEST_S = 8_000, 64, 300.0
_TEMPI = (10.0, 500.0)
_DAMAGED = message("This link, or what the browser kept of the piece, is damaged; compose the piece again.")


def packed(composition: Composition) -> str:
    """A composition as a text of letters, digits, ``-`` and ``_``: 2,000 of them for 15 s of music."""
    piece, recipe = composition.piece, composition.made_by
    value = {
        "recipe": recipe.value(),
        "stops": [[*_plain(stop.point), stop.photo_id] for stop in recipe.stops],
        "variant": composition.variant,
        "photo": composition.photo_va and _plain(composition.photo_va),
        "target": _plain(composition.target_va),
        "tempo": piece.tempo_bpm,
        "meter": piece.meter,
        "notes": [[n.start_s, n.end_s, n.pitch, n.velocity] for n in piece.notes],
        "pedals": [[p.start_s, p.end_s] for p in piece.pedals],
        "key": piece.key,
        "sections": [[section.start_s, section.name] for section in piece.sections],
        "loop": piece.loop_s,
        **({"changes": [[c.start_s, *c.meter] for c in piece.meter_changes]} if piece.meter_changes else {}),
    }
    text = json.dumps(value, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(zlib.compress(text, 9)).decode().rstrip("=")


def unpacked(text: Any, pairings: Sequence[PairingInfo]) -> Composition:
    """The composition of a text that ``packed`` made: as written, neither measured nor performed.

    Args:
        text: anything.
        pairings: those that are shipped; the piece says that one of them composed it.
    Raises:
        InputError: it is no packed piece, or what it holds is out of range.
    """
    try:
        value = _json_of(text)
        recipe = Recipe.parse(value["recipe"])
        stops = tuple(Stop(_va(stop), None if stop[2] is None else str(stop[2])[:16]) for stop in value["stops"][:8])
        recipe = replace(recipe, stops=stops)
        info = next(info for info in pairings if info.key == recipe.pairing.partition("@")[0])
        piece = Piece(
            _notes(value),
            float(value["tempo"]),
            _meter(value["meter"]),
            _pedals(value),
            tuple(
                MeterChange(_time(start), _meter(meter)) for start, *meter in value.get("changes", [])[:_MOST_SECTIONS]
            ),
            key=None if value["key"] is None else int(value["key"]),
            sections=tuple(Section(_time(start), str(name)[:8]) for start, name in value["sections"][:_MOST_SECTIONS]),
            loop_s=None if value.get("loop") is None else _time(value["loop"]),  # older links do not say
        )
        if not _TEMPI[0] <= piece.tempo_bpm <= _TEMPI[1]:
            raise ValueError("a tempo out of range")
        return Composition(
            piece,
            recipe.pairing,
            recipe.options_of(recipe.steps[-1]) if recipe.steps else recipe.options,
            value["photo"] and _va(value["photo"]),
            _va(value["target"]),
            variant=value["variant"] if value["variant"] in info.variants else "",
            kept=recipe.keep or 0,
            recipe=recipe,
        )
    except InputError:
        raise
    except (LookupError, TypeError, ValueError, ArithmeticError, StopIteration, RecursionError, zlib.error) as error:
        raise InputError(_DAMAGED) from error


def _json_of(text: Any) -> Mapping[str, Any]:
    if not isinstance(text, str) or len(text) > _LONGEST_TEXT:
        raise ValueError("no packed piece")
    inflating = zlib.decompressobj()
    content = inflating.decompress(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), _LONGEST_JSON)
    if not inflating.eof:
        raise ValueError("too long, or cut off")
    value: Mapping[str, Any] = json.loads(content)
    return value


def _plain(va: VA) -> list[float]:
    return [va.valence, va.arousal]


def _va(point: Sequence[Any]) -> VA:
    va = VA(float(point[0]), float(point[1]))
    if va != va.clamped():
        raise ValueError("a point outside the plane")
    return va


def _notes(value: Mapping[str, Any]) -> tuple[Note, ...]:
    if not 0 < len(value["notes"]) <= _MOST_NOTES:
        raise ValueError("no notes, or too many")
    return tuple(Note(_time(start), int(pitch), _time(end), int(loud)) for start, end, pitch, loud in value["notes"])


def _pedals(value: Mapping[str, Any]) -> tuple[Pedal, ...]:
    if len(value["pedals"]) > _MOST_NOTES:
        raise ValueError("too many pedals")
    return tuple(Pedal(_time(start), _time(end)) for start, end in value["pedals"])


def _meter(meter: Sequence[Any]) -> tuple[int, int]:
    above, below = (int(part) for part in meter)
    if not (0 < above <= 32 and below in (1, 2, 4, 8, 16, 32)):
        raise ValueError("a meter out of range")
    return above, below


def _time(seconds: Any) -> float:
    time = float(seconds)
    if not (math.isfinite(time) and 0.0 <= time <= _LONGEST_S):
        raise ValueError("a time out of range")
    return time
