"""A line-up: several composers write for one photo or one point, one after the other, under equal conditions.

Photo, target, seed, length, soundfont and loudness are the same for all, so that only the composer differs.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from eimg_core.composer import COMPARED_DB, ONCE_FOR_ALL, ComposeOptions, Composition
from eimg_core.emotion import VA, distance
from eimg_core.errors import InputError
from eimg_core.ui.choice import Candidate
from eimg_core.ui.faults import sentence
from eimg_core.ui.files import file_stem
from eimg_core.ui.photo_input import OpenedPhoto
from eimg_core.ui.protocol import Studio
from eimg_core.ui.scorecard import published
from eimg_core.ui.take import make_take, take_value
from eimg_core.ui.work import stages_of

__all__ = ["Entry", "Lineup", "compose_all", "line_up", "pack"]


@dataclass(frozen=True)
class Entry:
    """One composer's part: ``card`` is what the page shows of it, the rest is there once the piece is made."""

    pairing: str
    title: str
    card: Mapping[str, Any] = field(default_factory=lambda: {"state": "waiting"})
    composition: Composition | None = None
    files: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class Lineup:
    """What all composers are given, and how far each one is.

    Args:
        photo_va: emotion of ``photo``, read once for all.
        folder: where all files go.
        state: ``working``, then ``packing``, then ``done``.
        files: of the whole comparison (``zip``, ``csv``, ``png``), once it is packed.
        fault: why it could not be packed.
    """

    photo: OpenedPhoto | None
    photo_va: VA | None
    options: ComposeOptions
    folder: Path
    entries: tuple[Entry, ...]
    state: str = "working"
    files: Mapping[str, Path] = field(default_factory=dict)
    fault: str | None = None

    @property
    def target(self) -> VA | None:
        return self.options.target or self.photo_va

    def having(self, n: int, entry: Entry) -> Lineup:
        """The same line-up with another ``n``-th entry."""
        return replace(self, entries=(*self.entries[:n], entry, *self.entries[n + 1 :]))


def line_up(
    studio: Studio, photo: OpenedPhoto | None, options: ComposeOptions, composers: Sequence[Candidate], folder: Path
) -> Lineup:
    """Everybody in place and nothing composed yet.

    Raises:
        InputError: there is nobody to compare, or neither a photo nor a target.
    """
    if not composers:
        raise InputError("Nobody is chosen to compose. Choose at least one composer.")
    if photo is None and options.target is None:
        raise InputError("There is nothing to compose for yet. Add a photo, or choose an emotion in the plane.")
    photo_va = studio.read_photo(photo.image).va.clamped() if photo else None
    return Lineup(photo, photo_va, options, folder, tuple(Entry(each.key, each.title) for each in composers))


def compose_all(studio: Studio, lineup: Lineup) -> Iterator[Lineup]:
    """Let one composer after the other write; yields the line-up each time something in it has changed.

    A composer that fails gets the reason on its card, and the next one goes on.
    """
    yield lineup
    for n in range(len(lineup.entries)):
        lineup = yield from _compose_one(studio, lineup, n)
        yield lineup


def _compose_one(studio: Studio, lineup: Lineup, n: int) -> Generator[Lineup, None, Lineup]:
    entry = lineup.entries[n]
    try:
        take = yield from stages_of(
            lambda tell: make_take(
                studio,
                lineup.photo,
                entry.pairing,
                lineup.options,
                lineup.folder,
                tell,
                lineup.photo_va,
                COMPARED_DB,
                figure=True,
            ),
            lambda stage, done: lineup.having(
                n, replace(entry, card={"state": "working", "stage": stage, "done": round(done, 3)})
            ),
        )
        took_s = sum(seconds for stage, seconds in take.composition.timings_s.items() if stage not in ONCE_FOR_ALL)
        made, photo = take.composition, lineup.photo_va
        card = {
            **take_value(take, entry.title),
            "took_s": round(took_s, 2),
            "matching": round(distance(photo, made.piece_va), 2) if photo and made.piece_va else None,
            "published": published(f"{made.pairing.partition('@')[0]}@{made.variant}"),
        }
        entry = replace(entry, card=card, composition=made, files=take.files)
    except Exception as error:
        entry = replace(entry, card={"state": "failed", "message": sentence(error)})
    return lineup.having(n, entry)


def pack(studio: Studio, lineup: Lineup) -> Lineup:
    """The line-up with its files, of those who have finished; nobody else will."""
    entries = tuple(
        entry if entry.card["state"] in ("done", "failed") else replace(entry, card={"state": "stopped"})
        for entry in lineup.entries
    )
    lineup = replace(lineup, entries=entries, state="done")
    made = [(entry.composition, entry.files) for entry in entries if entry.composition]
    if not made:
        return lineup
    photo, target = lineup.photo, made[0][0].target_va
    stem = file_stem(photo.name if photo else None, target.region, "comparison", lineup.options.seed)
    try:
        files = studio.save_comparison(made, lineup.folder, stem, photo.image if photo else None)
    except Exception as error:
        return replace(lineup, fault=sentence(error))
    return replace(lineup, files=files)
