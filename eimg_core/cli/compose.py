"""``compose`` and ``batch``: photos, emotions or a table of requests become music, one by one or with an index."""

from __future__ import annotations

import argparse
import io
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import zip_longest
from math import isnan
from os.path import isdir, realpath
from pathlib import Path
from typing import TYPE_CHECKING

from eimg_core.batch import INDEX, Batch, Engine, Job, Row, Stems, in_processes, photos_in, run_batch
from eimg_core.cli.common import (
    OTHER_FOLDER,
    composing_arguments,
    options_of,
    pairing_of,
    path_argument,
    save_piece,
    silent,
    studio_of,
    target_of,
    wanted_formats,
    writable,
)
from eimg_core.cli.console import Unread, fail, remark, say, shown_name, unusable
from eimg_core.composer import Composition
from eimg_core.data.tables import decimal, read_cells, shown, whole
from eimg_core.emotion import VA
from eimg_core.errors import CheckpointError, EimgError, InputError
from eimg_core.exports.formats import FORMATS
from eimg_core.options import OPTIONS, ComposeOptions
from eimg_core.sound.loudness import COMPARED_LUFS

if TYPE_CHECKING:
    from PIL.Image import Image

    from eimg_core.studio import Studio

__all__ = ["add_compose", "requested_jobs"]

_ALL = "all"
_ENGINES = ("processes", "dask")
_MOST_VERSIONS = 26
_MOST_WORKERS = 64
_OF_ALL_ROWS = {"pairing", *OPTIONS} - {"seed", "target"}


def add_compose(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands."""
    compose = commands.add_parser("compose", help="photos or emotions become music", parents=[composing_arguments()])
    _arguments(compose, f"with a folder or one of these, {INDEX} gets a row per piece")
    compose.set_defaults(run=_compose)
    batch = commands.add_parser(
        "batch", help="the same with an index of the pieces, here or on many machines", parents=[composing_arguments()]
    )
    many = _arguments(batch, f"{INDEX} gets a row per piece")
    many.add_argument("--engine", choices=_ENGINES, default=_ENGINES[0], help="what does the work")
    many.add_argument("--scheduler", metavar="HOST:PORT", help="of a Dask cluster, whose workers see the same folders")
    batch.set_defaults(run=_batch)


def _arguments(command: argparse.ArgumentParser, about: str) -> argparse._ArgumentGroup:
    """What both commands have; the group of what is for many photos."""
    command.add_argument("photos", nargs="*", type=path_argument, metavar="PHOTO", help="photos, or folders of photos")
    command.add_argument(
        "--pairing", help=f"see the command pairings; {_ALL}, or several with commas between, are compared"
    )
    command.add_argument("--versions", type=int, default=1, help="separate pieces; version k uses seed + k - 1")
    command.add_argument(
        "--requests", type=path_argument, metavar="FILE.csv", help="columns name, valence, arousal, optional seed"
    )
    many = command.add_argument_group("many photos", about)
    many.add_argument("--recursive", action="store_true", help="search the folders inside a folder as well")
    many.add_argument("--workers", type=int, default=1, help="processes that compose at the same time (default 1)")
    many.add_argument("--resume", action="store_true", help="leave out what an earlier run has made")
    return many


def _batch(args: argparse.Namespace) -> int:
    _check(args)
    engine = _engine(args)
    options = options_of(args)
    jobs = _jobs(args, options)
    studio = studio_of(args)
    return _compose_batch(studio, pairing_of(args, studio), options, jobs, args, engine)


def _engine(args: argparse.Namespace) -> Engine:
    """What makes the pieces.

    Raises:
        InputError: what belongs to one engine is given for another.
    """
    if args.engine != "dask":
        if args.scheduler:
            raise InputError("--scheduler belongs to --engine dask; give both, or neither.")
        return in_processes(args.workers)
    if not args.scheduler:
        raise InputError(
            "--engine dask needs --scheduler HOST:PORT; `dask scheduler` starts one and tells its address."
        )
    if args.workers != 1:
        raise InputError("With --engine dask the cluster has its own workers; leave out --workers.")
    from eimg_core.dask_engine import over_dask

    return partial(over_dask, scheduler=args.scheduler)


def _compose(args: argparse.Namespace) -> int:
    from eimg_core.images import open_photo

    _check(args)
    options = options_of(args)
    jobs = _jobs(args, options)
    studio = studio_of(args)
    asked = pairing_of(args, studio)
    compares = asked == _ALL or "," in asked
    if args.workers > 1 or args.resume or any(isdir(path) for path in args.photos):
        return _compose_batch(studio, asked, options, jobs, args, in_processes(args.workers))
    problems = 0
    if compares:
        pairings, problems = _loadable(studio, asked)
    else:
        studio.pipeline(asked)
    writable(args)
    for job in jobs:
        try:
            if isinstance(job, str):
                raise InputError(job)
            photo = open_photo(job.photo) if job.photo else None
            own = replace(options, seed=job.seed, target=job.target)
            if compares:
                problems += _compare(studio, photo, pairings, own, job.stem, args)
            else:
                _one(studio, photo, asked, own, job.stem, args)
        except EimgError as error:
            fail(str(error))
            problems += 1
        except OSError as error:
            fail(unusable(error, OTHER_FOLDER))
            problems += 1
    return 2 if problems else 0


def _check(args: argparse.Namespace) -> None:
    """Refuse numbers that are out of range, and a target that nothing would aim at.

    Raises:
        InputError: there is one.
    """
    if not 1 <= args.versions <= _MOST_VERSIONS:
        raise InputError(f"The number of versions must be from 1 to {_MOST_VERSIONS}, not {args.versions}.")
    if not 1 <= args.workers <= _MOST_WORKERS:
        raise InputError(f"The number of workers must be from 1 to {_MOST_WORKERS}, not {args.workers}.")
    if args.requests and not args.photos and target_of(args.valence, args.arousal):
        raise InputError("Each row of --requests has its own target; leave out --valence and --arousal.")


def _jobs(args: argparse.Namespace, options: ComposeOptions) -> list[Job | str]:
    """What is to be made, and a sentence for each thing that cannot be made."""
    target = target_of(args.valence, args.arousal)
    stems = Stems(_taken(args.photos, args.out))
    jobs: list[Job | str] = []
    for path in args.photos:
        photos, problems = _photos_of(path, args)
        jobs += problems
        for photo, below in photos:
            folder = below.rpartition("/")[0]
            jobs.append(Job(stems.new(photo.stem, folder), photo, target, options.seed, shown_name(below)))
    if args.requests:
        jobs += requested_jobs(args.requests, stems, options.seed)
    if not jobs and args.photos:
        raise InputError(
            f"There is no photo in {args.photos[0].name}; with --recursive its folders are searched as well."
        )
    if not jobs and args.requests:
        raise InputError(f"{args.requests.name} has a header but no rows; write one row for each piece.")
    if not jobs:
        if target is None:
            raise InputError("Nothing to compose for: give a photo, --valence with --arousal, or --requests FILE.csv.")
        jobs.append(Job(stems.new("piece"), None, target, options.seed, "piece"))
    return list(_versions(jobs, args.versions, stems))


def _photos_of(path: Path, args: argparse.Namespace) -> tuple[list[tuple[Path, str]], list[str]]:
    """The photos that an argument names, each with its place below the folder; and what could not be searched.

    Raises:
        InputError: the music would lie among the photos.
    """
    if not isdir(path):
        return [(path, path.name)], []
    if realpath(path) == realpath(args.out):
        raise InputError(f"{path.name} cannot hold the photos and the music; choose another folder with --out.")
    problems: list[str] = []
    found = photos_in(path, args.recursive, args.out, lambda error: problems.append(unusable(error)))
    return [(photo, photo.relative_to(path).as_posix()) for photo in found], problems


def _taken(photos: Sequence[Path], out: Path) -> Iterator[str]:
    """The stems of photos in the output folder that a file of a piece could replace."""
    for photo in photos:
        if photo.suffix.lower().lstrip(".") in FORMATS and realpath(photo.parent) == realpath(out):
            yield photo.stem


def _versions(jobs: Sequence[Job | str], count: int, stems: Stems) -> Iterator[Job | str]:
    """Each job as often as it is asked for, with one seed after the other.

    Raises:
        InputError: the seeds do not reach that far.
    """
    for job in jobs:
        yield job
        if isinstance(job, Job):
            folder, _, name = job.stem.rpartition("/")
            for version in range(2, count + 1):
                seed = job.seed + version - 1
                OPTIONS["seed"].check(seed)
                yield replace(job, seed=seed, stem=stems.new(f"{name}-{version}", folder))


def requested_jobs(path: Path, stems: Stems, seed: int) -> Iterator[Job | str]:
    """Jobs of a request table; a bad row becomes a sentence.

    Raises:
        InputError: the table has a column that looks as if it were obeyed.
        DataError: the table cannot be read.
    """
    table = read_cells(path, ("name", "valence", "arousal"), remedy="expected columns name, valence, arousal")
    if ignored := [name for name in table.header if name in _OF_ALL_ROWS]:
        raise InputError(
            f"{path.name} has a column {ignored[0]}, which a row cannot choose; remove it, and choose for all rows "
            f"with --{ignored[0]}."
        )
    for line, cells in table.rows:
        where = f"{path.name}, line {line}"
        if len(cells) > len(table.header):
            count = f"{len(cells)} cells under {len(table.header)} columns"
            yield f"{where}: {shown(cells[0])} has {count}; write numbers with a point, as in 6.5."
            continue
        row = dict(zip_longest(table.header, cells, fillvalue=""))
        name = row["name"] or f"row{line}"
        valence, arousal = (decimal(row[axis], comma=True) for axis in ("valence", "arousal"))
        own = whole(row["seed"]) if row.get("seed") else seed
        if isnan(valence) or isnan(arousal) or own is None:
            yield f"{where}: expected numbers for valence, arousal and seed."
            continue
        try:
            target = target_of(valence, arousal)
            OPTIONS["seed"].check(own)
        except InputError as error:
            yield f"{where}: {error}"
        else:
            yield Job(stems.new(name), None, target, own, name)


def _compose_batch(
    studio: Studio,
    pairing: str,
    options: ComposeOptions,
    jobs: Sequence[Job | str],
    args: argparse.Namespace,
    engine: Engine,
) -> int:
    """Many pieces, with an index that grows and the time that is left; see ``eimg_core.batch``."""
    from tqdm import tqdm

    if pairing == _ALL or "," in pairing:
        raise InputError("A batch has one pairing; name one with --pairing, or compare photo by photo.")
    studio.pipeline(pairing)  # a pairing that is not there is one sentence, not one per photo
    for problem in (job for job in jobs if isinstance(job, str)):
        fail(problem)
    pieces = [job for job in jobs if isinstance(job, Job)]
    formats = tuple(wanted_formats(args))
    out, sound = writable(args).out, not silent(args)
    batch = Batch(pairing, options, out, sound, root=studio.root, formats=formats, studio=type(studio))
    failed, started = 0, time.perf_counter()
    words = Unread(sys.stderr or io.StringIO())
    patience = 0.5 if words.isatty() else 10.0  # seconds between two lines of progress; a log needs few
    with tqdm(total=len(pieces), unit="piece", mininterval=patience, file=words, smoothing=0.1) as bar:
        for row in run_batch(pieces, batch, engine, args.resume):
            if row is None:
                bar.initial += 1  # made by an earlier run: counts as done and not towards the speed
            else:
                failed += bool(row.error)
                with bar.external_write_mode(words):
                    fail(_named(row)) if row.error else say(_told(row))
            bar.update()
        made = len(pieces) - failed - int(bar.initial)
    minutes = (time.perf_counter() - started) / 60
    again = f", {bar.initial:.0f} were there" if bar.initial else ""
    remark(f"{made} made{again}, {failed} failed in {minutes:.1f} min; see {args.out.name}/{INDEX}")
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
        say(f"{stem}: {count} compared in {named}")
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
