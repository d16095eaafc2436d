"""A composition as JSON: every number, and the music itself, so that all other files can be made from this one.

``score`` holds the notes as written, ``performance`` as played, each note as [start, end, pitch, velocity] in seconds
and MIDI numbers; hands, chords and bars are those of the performance, see ``eimg_core.notation.following``.
"""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

from eimg_core.composer import ComposeOptions, Composition
from eimg_core.emotion import VA
from eimg_core.errors import EimgError, InputError
from eimg_core.exports.work import Work
from eimg_core.messages import message
from eimg_core.midi.notes import Note, Pedal, Piece
from eimg_core.notation.following import follow
from eimg_core.version import __version__

__all__ = ["JSON_FORMAT", "composition_of", "describe", "music_of", "read_record", "record_file", "record_text"]

JSON_FORMAT = 2
_LONGEST_BYTES = 4_000_000
_NUMBERS = re.compile(r"\[\s+([^\[\]{}]*?)\s+\]")


def describe(composition: Composition, files: dict[str, str]) -> dict[str, Any]:
    """A composition as plain values for JSON, without its notes. A metric that is not defined is ``null``."""
    return {
        "format": JSON_FORMAT,
        "version": __version__,
        "pairing": composition.pairing,
        "variant": composition.variant,
        "seed": composition.options.seed,
        "seconds": composition.options.seconds,
        "takes": composition.options.takes,
        "take_kept": composition.kept + 1,
        "tempo": composition.options.tempo,
        "density": composition.options.density,
        "expressive": composition.performance is not None,
        "seconds_made": round(composition.piece.duration_s, 3),
        "note_count": len(composition.piece.notes),
        "tempo_bpm": round(composition.piece.tempo_bpm, 2),
        "photo": _point(composition.photo_va),
        "target": _point(composition.target_va),
        "piece": _point(composition.piece_va),
        "metrics": {name: round(v, 6) if math.isfinite(v) else None for name, v in composition.metrics.items()},
        "timings_s": {name: round(value, 4) for name, value in composition.timings_s.items()},
        "notes": list(composition.notes),
        "files": files,
    }


def music_of(composition: Composition) -> dict[str, Any]:
    """The music of a composition as plain values."""
    written, played = composition.piece, composition.played
    followed = follow(written, played)
    return {
        "score": {"tempo_bpm": written.tempo_bpm, "meter": list(written.meter), "key": followed.key, **_piece(written)},
        "performance": {
            **_piece(played),
            "hands": list(followed.hands),
            "chords": [list(chord) for chord in followed.chords],
            "bars": list(followed.bars),
        },
    }


def record_file(work: Work) -> bytes:
    """The record of a piece, with its music, its files, what played it and the digest of its photo."""
    record = describe(work.composition, {key: path.name for key, path in work.files.items()})
    if work.sound:
        record["sound"] = dict(work.sound)
    record["photo_sha256"] = work.digest
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
    if not isinstance(record, dict) or "score" not in record or record.get("format") != JSON_FORMAT:
        raise InputError(
            message("{name} does not hold the notes of a piece; compose it again with this version.", name=path.name)
        )
    return record


def composition_of(record: dict[str, Any]) -> Composition:
    """The composition of a record.

    Raises:
        InputError: the record is damaged.
    """
    try:
        score, performance = record["score"], record["performance"]
        tempo_bpm, (above, below) = float(score["tempo_bpm"]), score["meter"]
        written, played = (
            Piece(_notes(part), tempo_bpm, (int(above), int(below)), _pedals(part)) for part in (score, performance)
        )
        target = _va(record["target"])
        if target is None:
            raise InputError("The record of the piece has no target; compose it again.")
        return Composition(
            piece=written,
            pairing=str(record["pairing"]),
            options=ComposeOptions(int(record["seed"]), float(record["seconds"])),
            photo_va=_va(record["photo"]),
            target_va=target,
            piece_va=_va(record["piece"]),
            metrics={name: math.nan if value is None else float(value) for name, value in record["metrics"].items()},
            notes=tuple(map(str, record["notes"])),
            variant=str(record["variant"]),
            performance=played if record["expressive"] else None,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, EimgError):
            raise
        raise InputError("The record of the piece is damaged; compose it again.") from error


def _point(va: VA | None) -> dict[str, float] | None:
    return None if va is None else {"valence": round(va.valence, 4), "arousal": round(va.arousal, 4)}


def _va(point: dict[str, float] | None) -> VA | None:
    return None if point is None else VA(float(point["valence"]), float(point["arousal"]))


def _piece(piece: Piece) -> dict[str, Any]:
    return {
        "notes": [[round(n.start_s, 5), round(n.end_s, 5), n.pitch, n.velocity] for n in piece.notes],
        "pedals": [[round(p.start_s, 5), round(p.end_s, 5)] for p in piece.pedals],
    }


def _notes(part: dict[str, Any]) -> tuple[Note, ...]:
    return tuple(Note(float(start), int(pitch), float(end), int(loud)) for start, end, pitch, loud in part["notes"])


def _pedals(part: dict[str, Any]) -> tuple[Pedal, ...]:
    return tuple(Pedal(float(start), float(end)) for start, end in part["pedals"])
