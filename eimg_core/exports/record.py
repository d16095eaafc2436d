"""A composition as JSON: every number, the recipe, and the music itself, so that all other files can be made from this
one and the piece can be composed again. docs/json.md explains every key.

``score`` holds the notes as written, ``performance`` as played, each note as [start, end, pitch, velocity] in seconds
and MIDI numbers; hands, chords and bars are those of the performance, see ``eimg_core.notation.following``.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from eimg_core.composer import Composition
from eimg_core.emotion import VA
from eimg_core.errors import EimgError, InputError
from eimg_core.exports.work import Work
from eimg_core.messages import message
from eimg_core.midi.notes import Note, Pedal, Piece, Section
from eimg_core.notation.following import follow
from eimg_core.options import OPTIONS
from eimg_core.recipe import Recipe, Stop
from eimg_core.version import __version__

__all__ = [
    "JSON_FORMAT",
    "composition_of",
    "describe",
    "music_of",
    "read_record",
    "recipe_of",
    "record_file",
    "record_text",
]

JSON_FORMAT = 3
_LONGEST_BYTES = 4_000_000
_NUMBERS = re.compile(r"\[\s+([^\[\]{}]*?)\s+\]")


def describe(composition: Composition, files: dict[str, str]) -> dict[str, Any]:
    """A composition as plain values for JSON, without its notes. A metric that is not defined is ``null``.

    ``recipe`` is rounded nowhere; the points and metrics beside it are for reading.
    """
    recipe = composition.made_by
    return {
        "format": JSON_FORMAT,
        "version": __version__,
        "pairing": composition.pairing,
        "variant": composition.variant,
        "seed": composition.options.seed,
        "seconds": composition.options.seconds,
        "photo": _point(composition.photo_va),
        "target": _point(composition.target_va),
        "piece": _point(composition.piece_va),
        "take_kept": composition.kept + 1,
        "seconds_made": round(composition.piece.duration_s, 3),
        "note_count": len(composition.piece.notes),
        "tempo_bpm": round(composition.piece.tempo_bpm, 2),
        "metrics": {name: round(v, 6) if math.isfinite(v) else None for name, v in composition.metrics.items()},
        "timings_s": {name: round(value, 4) for name, value in composition.timings_s.items()},
        "remarks": list(composition.remarks),
        "files": files,
        "recipe": {
            **recipe.value(),
            "stops": [{**_exact(stop.point), "photo_id": stop.photo_id} for stop in recipe.stops],
            "source": None if recipe.source is None else {**_sheet(recipe.source), **_piece(recipe.source, None)},
        },
    }


def music_of(composition: Composition) -> dict[str, Any]:
    """The music of a composition as plain values."""
    written, played = composition.piece, composition.played
    followed = follow(written, played)
    return {
        "score": {
            **_sheet(written),
            "key": followed.key,
            "composed_key": written.key,
            "sections": [[round(section.start_s, 5), section.name] for section in written.sections],
            "loop_s": written.loop_s,
            **_piece(written),
        },
        "performance": {
            **_piece(played),
            "hands": list(followed.hands),
            "chords": [list(chord) for chord in followed.chords],
            "bars": list(followed.bars),
        },
    }


def record_file(work: Work) -> bytes:
    """The record of a piece, with its music, its files and what played it."""
    record = describe(work.composition, {key: path.name for key, path in work.files.items()})
    if work.sound:
        record["sound"] = dict(work.sound)
    return record_text({**record, **music_of(work.composition)}).encode()


def record_text(record: dict[str, Any]) -> str:
    """JSON for people and programs: one line for each list of numbers."""
    text = json.dumps(record, indent=2, ensure_ascii=False)
    return _NUMBERS.sub(lambda found: "[" + re.sub(r",\s+", ", ", found[1]) + "]", text) + "\n"


def read_record(path: Path) -> dict[str, Any]:
    """A record that was written before.

    Raises:
        InputError: the file is missing or is not one of ours.
    """
    try:
        if path.stat().st_size > _LONGEST_BYTES:
            raise InputError(message("{name} is too large for the record of a piece.", name=path.name))
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            message("Cannot read {name}; expected the JSON file of a piece. Compose it again.", name=path.name)
        ) from error
    if not isinstance(record, dict) or "score" not in record or record.get("format") not in (2, JSON_FORMAT):
        raise InputError(
            message("{name} does not hold the notes of a piece; compose it again with this version.", name=path.name)
        )
    with _damage_told():
        return _with_recipe(record) if record["format"] == 2 else record


def recipe_of(record: dict[str, Any]) -> Recipe:
    """The recipe of a record; ``eimg_core.remake.remake`` makes the piece again.

    Raises:
        InputError: the record is damaged.
    """
    with _damage_told():
        value = record["recipe"]
        stops = tuple(Stop(_va(stop), stop["photo_id"]) for stop in value["stops"])
        source = None if value["source"] is None else _piece_of(value["source"], value["source"])
        return replace(Recipe.parse(value), stops=stops, source=source)


def composition_of(record: dict[str, Any]) -> Composition:
    """The composition of a record.

    Raises:
        InputError: the record is damaged.
    """
    with _damage_told():
        score, performance, recipe = record["score"], record["performance"], recipe_of(record)
        written, played = _piece_of(score, score), _piece_of(score, performance)
        expressive = recipe.options.expressive and bool(written.notes)
        return Composition(
            piece=written,
            pairing=str(record["pairing"]),
            options=recipe.options_of(recipe.steps[-1]) if recipe.steps else recipe.options,
            photo_va=None if record["photo"] is None else _va(record["photo"]),
            target_va=_va(record["target"]),
            piece_va=None if record["piece"] is None else _va(record["piece"]),
            metrics={name: math.nan if value is None else float(value) for name, value in record["metrics"].items()},
            timings_s={name: float(value) for name, value in record["timings_s"].items()},
            remarks=tuple(map(str, record["remarks"])),
            variant=str(record["variant"]),
            performance=played if expressive else None,
            kept=int(record["take_kept"]) - 1,
            recipe=recipe,
        )


def _with_recipe(record: dict[str, Any]) -> dict[str, Any]:
    """A record of format 2 as one of format 3. It knew no steps, no stops and no source: what it says of a piece that
    was retold, extended or a story is that of its last step."""
    own = record.get("target") == record.get("photo")
    recipe = {
        "pairing": record.get("pairing"),
        "photo_id": record.get("photo_sha256"),
        **{name: record[name] for name in OPTIONS if name in record},
        "target": None if own else record.get("target"),
        "keep": None if record.get("take_kept") is None or record.get("takes") == 1 else record["take_kept"] - 1,
        "steps": [],
        "stops": [],
        "source": None,
    }
    return {**record, "format": JSON_FORMAT, "remarks": record.get("notes"), "recipe": recipe}


@contextmanager
def _damage_told() -> Iterator[None]:
    """Whatever a damaged record leads to is one sentence."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, EimgError):
            raise
        raise InputError(message("The record of the piece is damaged; compose it again.")) from error


def _point(va: VA | None) -> dict[str, float] | None:
    return None if va is None else {"valence": round(va.valence, 4), "arousal": round(va.arousal, 4)}


def _exact(va: VA) -> dict[str, float]:
    return {"valence": va.valence, "arousal": va.arousal}


def _va(point: dict[str, float]) -> VA:
    return VA(float(point["valence"]), float(point["arousal"]))


def _sheet(piece: Piece) -> dict[str, Any]:
    return {"tempo_bpm": piece.tempo_bpm, "meter": list(piece.meter)}


def _piece(piece: Piece, digits: int | None = 5) -> dict[str, Any]:
    """Notes and pedals, with so many digits of a second; ``None`` for all."""

    def said(seconds: float) -> float:
        return seconds if digits is None else round(seconds, digits)

    return {
        "notes": [[said(n.start_s), said(n.end_s), n.pitch, n.velocity] for n in piece.notes],
        "pedals": [[said(p.start_s), said(p.end_s)] for p in piece.pedals],
    }


def _piece_of(sheet: dict[str, Any], part: dict[str, Any]) -> Piece:
    """A piece with the notes and pedals of ``part``, and all else of ``sheet``; earlier versions said less there."""
    above, below = sheet["meter"]
    key, sections, loop_s = sheet.get("composed_key"), sheet.get("sections", []), sheet.get("loop_s")
    return Piece(
        _notes(part),
        float(sheet["tempo_bpm"]),
        (int(above), int(below)),
        _pedals(part),
        key=None if key is None else int(key),
        sections=tuple(Section(float(start), str(name)) for start, name in sections),
        loop_s=None if loop_s is None else float(loop_s),
    )


def _notes(part: dict[str, Any]) -> tuple[Note, ...]:
    return tuple(Note(float(start), int(pitch), float(end), int(loud)) for start, end, pitch, loud in part["notes"])


def _pedals(part: dict[str, Any]) -> tuple[Pedal, ...]:
    return tuple(Pedal(float(start), float(end)) for start, end in part["pedals"])
