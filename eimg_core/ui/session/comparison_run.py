"""A comparison in progress: several composers write, one after the other, under equal conditions.

Photo, target, seed, length, soundfont and loudness are the same for all, so that only the composer differs.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from eimg_core.composer import ONCE_FOR_ALL, Composition
from eimg_core.emotion import VA, distance
from eimg_core.errors import InputError
from eimg_core.options import ComposeOptions
from eimg_core.sound.loudness import COMPARED_LUFS
from eimg_core.ui.protocol import Studio
from eimg_core.ui.server.faults import sentence
from eimg_core.ui.server.files import file_stem
from eimg_core.ui.server.stages import stages_of
from eimg_core.ui.session.composers import PairingVariant
from eimg_core.ui.session.photo import OpenedPhoto
from eimg_core.ui.session.piece_values import make_take, take_value
from eimg_core.ui.session.scorecard import published

__all__ = ["ComparisonRun", "Entry", "compose_all", "pack", "start_comparison"]


@dataclass(frozen=True)
class Entry:
    """One composer's part: ``card`` is what the page shows of it, the rest is there once the piece is made."""

    pairing: str
    title: str
    card: Mapping[str, Any] = field(default_factory=lambda: {"state": "waiting"})
    composition: Composition | None = None
    files: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class ComparisonRun:
    """What all composers are given, and how far each one is.

    Args:
        photo_va: emotion of ``photo``, read once for all.
        target: what all of them aim at.
        folder: where all files go.
        state: ``working``, then ``packing``, then ``done``.
        files: of the whole comparison (``zip``, ``csv``, ``png``), once it is packed.
        fault: why it could not be packed.
    """

    photo: OpenedPhoto | None
    photo_va: VA | None
    target: VA
    options: ComposeOptions
    folder: Path
    entries: tuple[Entry, ...]
    state: str = "working"
    files: Mapping[str, Path] = field(default_factory=dict)
    fault: str | None = None

    def having(self, n: int, entry: Entry) -> ComparisonRun:
        """The same run with another ``n``-th entry."""
        return replace(self, entries=(*self.entries[:n], entry, *self.entries[n + 1 :]))


def start_comparison(
    studio: Studio,
    photo: OpenedPhoto | None,
    options: ComposeOptions,
    composers: Sequence[PairingVariant],
    folder: Path,
) -> ComparisonRun:
    """Everybody in place and nothing composed yet.

    Raises:
        InputError: there is nobody to compare, or neither a photo nor a target.
    """
    if not composers:
        raise InputError("Nobody is chosen to compose. Choose at least one composer.")
    photo_va = studio.read_photo(photo.image).va.clamped() if photo else None
    target = options.target or (studio.target_for(photo_va) if photo_va else None)
    if target is None:
        raise InputError("There is nothing to compose for yet. Add a photo, or choose an emotion in the plane.")
    entries = tuple(Entry(each.key, each.title) for each in composers)
    return ComparisonRun(photo, photo_va, target, options, folder, entries)


def compose_all(studio: Studio, run: ComparisonRun) -> Iterator[ComparisonRun]:
    """Let one composer after the other write; yields the run each time something in it has changed.

    A composer that fails gets the reason on its card, and the next one goes on.
    """
    yield run
    for n in range(len(run.entries)):
        run = yield from _compose_one(studio, run, n)
        yield run


def _compose_one(studio: Studio, run: ComparisonRun, n: int) -> Generator[ComparisonRun, None, ComparisonRun]:
    entry = run.entries[n]
    try:
        take = yield from stages_of(
            lambda tell: make_take(
                studio,
                run.photo,
                entry.pairing,
                run.options,
                run.folder,
                tell,
                run.photo_va,
                COMPARED_LUFS,
                figure=True,
                detail=entry.pairing,
            ),
            lambda stage, done: run.having(
                n, replace(entry, card={"state": "working", "stage": stage, "done": round(done, 3)})
            ),
        )
        took_s = sum(seconds for stage, seconds in take.composition.timings_s.items() if stage not in ONCE_FOR_ALL)
        made, photo = take.composition, run.photo_va
        card = {
            **take_value(take, entry.title),
            "took_s": round(took_s, 2),
            "matching": round(distance(photo, made.piece_va), 2) if photo and made.piece_va else None,
            "published": published(f"{made.pairing.partition('@')[0]}@{made.variant}"),
        }
        entry = replace(entry, card=card, composition=made, files=take.files)
    except Exception as error:
        entry = replace(entry, card={"state": "failed", "message": sentence(error)})
    return run.having(n, entry)


def pack(studio: Studio, run: ComparisonRun) -> ComparisonRun:
    """The run with its files, of those who have finished; nobody else will."""
    entries = tuple(
        entry if entry.card["state"] in ("done", "failed") else replace(entry, card={"state": "stopped"})
        for entry in run.entries
    )
    run = replace(run, entries=entries, state="done")
    made = [(entry.composition, entry.files) for entry in entries if entry.composition]
    if not made:
        return run
    photo, target = run.photo, made[0][0].target_va
    stem = file_stem(photo.name if photo else None, target.region, "comparison")
    try:
        files = studio.save_comparison(made, run.folder, stem, photo.image if photo else None)
    except Exception as error:
        return replace(run, fault=sentence(error))
    return replace(run, files=files)
