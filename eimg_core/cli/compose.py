"""``compose``: photos, emotions or a table of requests become music, one by one or as a batch with an index."""

from __future__ import annotations

import argparse
import csv
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from eimg_core.batch import INDEX, Batch, Job, Row, Stems, photos_in, run_batch
from eimg_core.cli.common import (
    PROGRAM,
    composing_arguments,
    fail,
    options_of,
    printable,
    save_piece,
    silent,
    studio_of,
    target_of,
    wanted_formats,
    writable,
)
from eimg_core.composer import Composition
from eimg_core.emotion import VA
from eimg_core.errors import CheckpointError, EimgError, InputError
from eimg_core.options import ComposeOptions
from eimg_core.sound.loudness import COMPARED_LUFS

if TYPE_CHECKING:
    from PIL.Image import Image

    from eimg_core.studio import Studio

__all__ = ["add_compose", "requested_jobs"]

_ALL = "all"
_MOST_VERSIONS = 26
_MOST_WORKERS = 64


def add_compose(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    compose = commands.add_parser("compose", help="photos or emotions become music", parents=[composing_arguments()])
    compose.add_argument("photos", nargs="*", type=Path, metavar="PHOTO", help="photos, or folders of photos")
    compose.add_argument(
        "--pairing", help=f"see the command pairings; {_ALL}, or several with commas between, are compared"
    )
    compose.add_argument("--versions", type=int, default=1, help="separate pieces; version k uses seed + k - 1")
    compose.add_argument(
        "--requests", type=Path, metavar="FILE.csv", help="columns name, valence, arousal, optional seed"
    )
    many = compose.add_argument_group("many photos", f"with a folder or one of these, {INDEX} gets a row per piece")
    many.add_argument("--recursive", action="store_true", help="search the folders inside a folder as well")
    many.add_argument("--workers", type=int, default=1, help="processes that compose at the same time (default 1)")
    many.add_argument("--resume", action="store_true", help="leave out what an earlier run has made")
    compose.set_defaults(run=_compose)


def _compose(args: argparse.Namespace) -> int:
    from eimg_core.images import open_photo

    studio = studio_of(args)
    wished = args.pairing or studio.usual
    compares = wished == _ALL or "," in wished
    if not 1 <= args.versions <= _MOST_VERSIONS:
        raise InputError(f"The number of versions must be from 1 to {_MOST_VERSIONS}, not {args.versions}.")
    options = options_of(args)
    jobs = _jobs(args)
    if args.workers > 1 or args.resume or any(path.is_dir() for path in args.photos):
        return _compose_batch(studio, wished, options, jobs, args)
    problems = 0
    if compares:
        pairings, problems = _loadable(studio, wished)
    else:
        studio.pipeline(wished)
    writable(args)
    for job in jobs:
        try:
            if isinstance(job, str):
                raise InputError(job)
            photo = open_photo(job.photo) if job.photo else None
            for version in range(args.versions):
                seeded = replace(options, seed=job.seed + version, target=job.target)
                stem = job.stem if version == 0 else f"{job.stem}-{version + 1}"
                if compares:
                    problems += _compare(studio, photo, pairings, seeded, stem, args)
                else:
                    _one(studio, photo, wished, seeded, stem, args)
        except EimgError as error:
            fail(str(error))
            problems += 1
    return 2 if problems else 0


def _jobs(args: argparse.Namespace) -> list[Job | str]:
    target = target_of(args.valence, args.arousal)
    stems = Stems()
    jobs: list[Job | str] = []
    for path in args.photos:
        for photo in photos_in(path, args.recursive, args.out) if path.is_dir() else [path]:
            below = photo.relative_to(path).as_posix() if path.is_dir() else photo.name
            stem = stems.new(photo.stem, below.rpartition("/")[0])
            jobs.append(Job(stem, photo, target, args.seed, below))
    if args.requests:
        jobs += requested_jobs(args.requests, stems, args.seed)
    if not jobs and args.photos:
        raise InputError(
            f"There is no photo in {args.photos[0].name}; with --recursive its folders are searched as well."
        )
    if not jobs:
        if target is None:
            raise InputError("Nothing to compose for: give a photo, --valence with --arousal, or --requests FILE.csv.")
        jobs.append(Job(stems.new("piece"), None, target, args.seed, "piece"))
    return jobs


def requested_jobs(path: Path, stems: Stems, seed: int) -> Iterator[Job | str]:
    """Jobs of a request table; a bad row becomes a sentence."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"Cannot read {path.name}; expected a CSV file with columns name, valence, arousal."
        ) from error
    try:
        table = csv.DictReader(text.splitlines())
        rows, columns = list(table), set(table.fieldnames or ())
    except csv.Error as error:
        raise InputError(f"{path.name} is not a CSV table; save it again as CSV, UTF-8.") from error
    if missing := {"name", "valence", "arousal"} - columns:
        raise InputError(f"{path.name} has no column {', '.join(sorted(missing))}; expected name, valence, arousal.")
    for number, row in enumerate(rows, start=2):
        try:
            target = target_of(float(row["valence"]), float(row["arousal"]))
            row_seed = int(row["seed"]) if (row.get("seed") or "").strip() else seed
            name = row["name"] or f"row{number}"
            yield Job(stems.new(name), None, target, row_seed, name)
        except (TypeError, ValueError):
            yield f"{path.name}, line {number}: expected numbers for valence, arousal and seed."
        except InputError as error:
            yield f"{path.name}, line {number}: {error}"


def _compose_batch(
    studio: Studio, pairing: str, options: ComposeOptions, jobs: Sequence[Job | str], args: argparse.Namespace
) -> int:
    """Many pieces, with an index that grows and the time that is left; see ``eimg_core.batch``."""
    from tqdm import tqdm

    if pairing == _ALL or "," in pairing:
        raise InputError("A batch has one pairing; name one with --pairing, or compare photo by photo.")
    if not 1 <= args.workers <= _MOST_WORKERS:
        raise InputError(f"The number of workers must be from 1 to {_MOST_WORKERS}, not {args.workers}.")
    studio.pipeline(pairing)  # a pairing that is not there is one sentence, not one per photo
    for problem in (job for job in jobs if isinstance(job, str)):
        fail(problem)
    pieces = [
        replace(job, seed=job.seed + version, stem=job.stem if version == 0 else f"{job.stem}-{version + 1}")
        for job in jobs
        if isinstance(job, Job)
        for version in range(args.versions)
    ]
    formats = tuple(wanted_formats(args))
    out, sound = writable(args).out, not silent(args)
    batch = Batch(pairing, options, out, sound, root=studio.root, formats=formats, studio=type(studio))
    failed, started = 0, time.perf_counter()
    patience = 0.5 if sys.stderr.isatty() else 10.0  # seconds between two lines of progress; a log needs few
    with tqdm(total=len(pieces), unit="piece", mininterval=patience, file=sys.stderr, smoothing=0.1) as bar:
        for row in run_batch(pieces, batch, args.workers, args.resume):
            if row is None:
                bar.initial += 1  # made by an earlier run: counts as done and not towards the speed
            elif row.error:
                failed += 1
                bar.write(f"{PROGRAM}: {printable(_named(row))}", file=sys.stderr)
            else:
                bar.write(_told(row), file=sys.stdout)
            bar.update()
        made = len(pieces) - failed - int(bar.initial)
    minutes = (time.perf_counter() - started) / 60
    again = f", {bar.initial:.0f} were there" if bar.initial else ""
    print(f"{made} made{again}, {failed} failed in {minutes:.1f} min; see {args.out.name}/{INDEX}", file=sys.stderr)
    return 2 if failed or any(isinstance(job, str) for job in jobs) else 0


def _named(row: Row) -> str:
    """A row's fault, with the photo in front where the sentence does not name it."""
    name = Path(row.file).name
    return row.error if f'"{name}"' in row.error else f"{row.file}: {row.error}"


def _told(row: Row) -> str:
    target = VA(row.target_valence or 0.0, row.target_arousal or 0.0)
    known = row.estimate_valence is not None
    estimate = f"estimate {row.estimate_valence:.2f} {row.estimate_arousal:.2f}" if known else "no estimate"
    stem = row.files.split()[0].rpartition(".")[0]
    return f"{stem}: {target.region}, target {target.valence:.2f} {target.arousal:.2f}, {estimate}"


def _loadable(studio: Studio, wished: str) -> tuple[list[str], int]:
    """The pairings of a list, or all of them, as far as their weights can be loaded; and how many cannot.

    Raises:
        InputError: one of them is not shipped, or the list is empty.
    """
    keys = [info.key for info in studio.pairings()] if wished == _ALL else [key.strip() for key in wished.split(",")]
    keys = list(dict.fromkeys(filter(None, keys)))
    if not keys:
        raise InputError(f"{wished!r} names no pairing; see the command pairings for what is shipped.")
    faults = {}
    for key in keys:
        try:
            studio.pipeline(key)
        except CheckpointError as error:
            faults[key] = error
    for key, fault in faults.items():
        fail(f"{key}: {fault}")
    return [key for key in keys if key not in faults], len(faults)


def _compare(
    studio: Studio,
    photo: Image | None,
    pairings: list[str],
    options: ComposeOptions,
    stem: str,
    args: argparse.Namespace,
) -> int:
    """Compose with each pairing and save them side by side; how many failed."""
    entries: list[tuple[Composition, dict[str, Path]]] = []
    for pairing in pairings:
        known = entries[0][0].photo_va if entries else None  # the photo is read once
        try:
            entries.append(_one(studio, photo, pairing, options, f"{stem}-{pairing}", args, COMPARED_LUFS, known))
        except EimgError as error:
            fail(f"{stem}-{pairing}: {error}")
    if entries:
        files = studio.save_comparison(entries, args.out, f"{stem}-comparison", photo, figure=not args.no_figure)
        *others, last = (f".{suffix}" for suffix in files)
        named = f"{args.out / stem}-comparison{', '.join(others)} and {last}"
        count = f"{len(entries)} pairings" if len(entries) > 1 else "1 pairing"
        print(f"{stem}: {count} compared in {named}", flush=True)
    return len(pairings) - len(entries)


def _one(
    studio: Studio,
    photo: Image | None,
    pairing: str,
    options: ComposeOptions,
    stem: str,
    args: argparse.Namespace,
    lufs: float | None = None,
    photo_va: VA | None = None,
) -> tuple[Composition, dict[str, Path]]:
    """Compose, play, save and say so."""
    composition = studio.compose(photo, pairing, options, photo_va=photo_va)
    return save_piece(studio, composition, stem, args, lufs, photo)
