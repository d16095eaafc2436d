"""What a language model is told of a piece: where it lies, how near it came, and links to its files, but no notes.

A minute of music has a thousand notes; all of them are in the MIDI file and in the JSON file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import groupby
from typing import Any

from eimg_core.composer import Composition
from eimg_core.notation.harmony import NO_CHORD
from eimg_core.ui.session.piece_values import candidate_values

__all__ = ["Link", "comparison_answer", "file_links", "piece_answer", "story_answer", "takes_answer"]

Link = Callable[[str], str]
"""From the path of a file to the address at which it is served."""

_OF_PIECE = (
    "pairing", "seed", "duration_s", "tempo_bpm", "meter", "photo", "target", "distance", "metrics", "remarks",
)  # fmt: skip


def piece_answer(value: Mapping[str, Any], link: Link) -> dict[str, Any]:
    """The value of a player (see ``take_value``), for a language model."""
    names = [name for name, _ in groupby(chord[2] for chord in value["chords"]) if name != NO_CHORD]
    return {
        **{name: value[name] for name in _OF_PIECE},
        "estimate": value["piece"],
        "key": value["key"],
        "chords": " ".join(names),
        "note_count": len(value["notes"]),
        "files": file_links(value["files"], link),
    }


def takes_answer(composition: Composition) -> list[dict[str, Any]]:
    """The guide's estimate of each take, and which one the answer is about."""
    return [{name: one[name] for name in ("estimate", "distance", "kept")} for one in candidate_values(composition)]


def story_answer(value: Mapping[str, Any], link: Link) -> dict[str, Any]:
    """A story: a piece, and when each photo is on. It aims at no single point, so no distance is told."""
    told = {name: said for name, said in piece_answer(value, link).items() if name not in ("photo", "distance")}
    stops = [{name: stop[name] for name in ("name", "point", "start_s", "end_s")} for stop in value["stops"]]
    return {**told, "stops": stops}


def comparison_answer(value: Mapping[str, Any], link: Link) -> dict[str, Any]:
    """A comparison (see ``run_value``): a row for each composer, the nearest first, and the controls."""
    rows = []
    for card in value["cards"]:
        row = {"pairing": card["pairing"], "title": card["title"]}
        if card["state"] != "done":
            rows.append({**row, "fault": card.get("message", "It was not reached.")})
            continue
        piece = piece_answer(card, link)
        del piece["target"], piece["photo"], piece["seed"]  # the same for all
        rows.append({**row, **piece, "took_s": card["took_s"], "published": card["published"]})
    rows.sort(key=lambda row: (row.get("distance") is None, row.get("distance")))
    return {
        **{name: value[name] for name in ("photo", "target", "seed", "seconds")},
        "pieces": rows,
        "controls": value["controls"],
        "files": file_links(value["files"], link),
    }


def file_links(files: Mapping[str, Mapping[str, Any]], link: Link) -> dict[str, str]:
    """Kind → address."""
    return {kind: link(str(file["path"])) for kind, file in files.items()}
