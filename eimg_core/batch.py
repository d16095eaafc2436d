"""Many pieces in one run: folders of photos in, files and an index out, and nothing that stops half-way.

A photo that cannot be used costs its own piece and no other. The index, ``index.csv``, gets one row per piece as soon
as its files are there; a run that was killed is continued from it. Rows do not depend on the number of workers.
"""

from __future__ import annotations

import csv
import errno
import hashlib
import io
import multiprocessing
import os
import re
import signal
import sys
import threading
import time
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eimg_core.atomic import clear_drafts, replace_file
from eimg_core.emotion import VA, distance, photo_target
from eimg_core.errors import EimgError, InputError
from eimg_core.options import OPTIONS, ComposeOptions, option_values
from eimg_core.recipe import photo_id
from eimg_core.shipped import CHECKPOINTS

if TYPE_CHECKING:
    from eimg_core.studio import Studio

__all__ = [
    "DIED",
    "INDEX",
    "Batch",
    "Engine",
    "Job",
    "Row",
    "Stems",
    "in_processes",
    "make_piece",
    "photos_in",
    "run_batch",
    "unmade",
    "work",
]

INDEX = "index.csv"
PHOTO_SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".heic", ".heif")
)
_UNSAFE = re.compile(r"[^\w.+-]+")
_LONGEST_STEM = 100
_LONGEST_STEM_BYTES = 180  # of the 255 that file systems allow; what is added to a stem takes the rest
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet would run
_UNEXPECTED = "An unexpected fault ({kind}) stopped this piece; compose it alone to see more."
_UNWRITTEN = "The files of this piece cannot be written ({reason}); make room, or choose another folder with --out."
_NO_INDEX = (
    f"{INDEX} cannot be written ({{reason}}); make room or choose another folder with --out, and go on with --resume."
)
DIED = "The process that made this piece died, perhaps for want of memory; try fewer workers, or this photo alone."


@dataclass(frozen=True)
class Job:
    """One piece to make: a photo or a target, and where its files go.

    Args:
        stem: of the files, below the output folder; may have folders, with "/" between.
        photo: its file, or ``None`` to compose for ``target`` alone.
        target: the emotion to aim at; ``None`` means the photo's own.
        seed: of this piece.
        name: of the photo or the request, as the index shows it.
    """

    stem: str
    photo: Path | None
    target: VA | None
    seed: int
    name: str = ""


@dataclass(frozen=True)
class Batch:
    """What all pieces of a run have in common. ``options.seed`` and ``options.target`` are the jobs' own.

    ``audio``: whether the pieces are played; ``figure`` and ``formats`` as in ``Studio.save``; ``studio``: its class
    where it is another one, which every worker makes one of.
    """

    pairing: str
    options: ComposeOptions
    out: Path
    audio: bool = True
    figure: bool = True
    root: Path = CHECKPOINTS
    formats: tuple[str, ...] | None = None
    studio: Callable[[Path], Studio] | None = None

    @cached_property
    def settings(self) -> str:
        """A short mark of everything but photo, seed and target that decides what the files hold."""
        pairing = self.pairing.partition("@")[0]
        cards = sorted((self.root / "bridge").glob(f"{pairing}@*/card.json"))
        if not cards:  # a composer without a bridge
            cards = sorted((self.root / "music_ae").glob(f"{pairing.partition('+')[2]}/card.json"))
        weights = [hashlib.sha256(card.read_bytes()).hexdigest() for card in cards]
        shared = replace(self.options, seed=0, target=None)
        told = repr((self.pairing, shared, self.audio, self.figure, self.formats, weights))
        return hashlib.sha256(told.encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Row:
    """A row of the index: what went in, what came out, or one sentence that says why nothing did.

    Emotions are on 1-9, ``seconds_made`` is the length of the piece, ``took_s`` the work. ``files`` are below the
    output folder, with spaces between. ``photo_id`` and ``settings`` tell a later run whether the piece is still the
    one that is asked for. In the index each option has a column of its own; the target's are ``target_…``.
    """

    file: str
    options: ComposeOptions
    valence: float | None = None
    arousal: float | None = None
    target_valence: float | None = None
    target_arousal: float | None = None
    estimate_valence: float | None = None
    estimate_arousal: float | None = None
    distance: float | None = None
    pairing: str = ""
    seconds_made: float | None = None
    took_s: float | None = None
    files: str = ""
    error: str = ""
    photo_id: str = ""
    settings: str = ""


class Stems:
    """File stems that are safe and never the same twice: beach, beach-b, beach-c."""

    def __init__(self, used: Iterable[str] = ()) -> None:
        self._used = {_folded(stem) for stem in used}

    def new(self, name: str, folder: str = "") -> str:
        """A stem for ``name`` in ``folder`` ("" or folders with "/" between, whose names are made safe as well)."""
        base = "/".join(_safe(part) for part in (*filter(None, folder.split("/")), name))
        stem = next(stem for stem in self._candidates(base) if _folded(stem) not in self._used)
        self._used.add(_folded(stem))
        return stem

    @staticmethod
    def _candidates(base: str) -> Iterator[str]:
        yield base
        for code in range(ord("b"), ord("z") + 1):
            yield f"{base}-{chr(code)}"
        number = 27
        while True:
            yield f"{base}-{number}"
            number += 1


def _folded(stem: str) -> str:
    """The same for stems that some file system takes for one."""
    return unicodedata.normalize("NFC", stem).casefold()


def _safe(name: str) -> str:
    plain = _UNSAFE.sub("-", unicodedata.normalize("NFC", name)).strip("-.").lstrip("+-.")[:_LONGEST_STEM]
    code = sys.getfilesystemencoding()
    return plain.encode(code, "ignore")[:_LONGEST_STEM_BYTES].decode(code, "ignore") or "piece"


def photos_in(
    folder: Path,
    recursive: bool = False,
    leave_out: Path | None = None,
    onerror: Callable[[OSError], None] | None = None,
) -> list[Path]:
    """The photos of a folder, by the endings of their names, in the order of their names.

    Hidden files are left out, links to folders are not followed, and neither is ``leave_out``, where results go.
    ``onerror`` is called for each folder that cannot be opened.
    """
    found: list[Path] = []
    barred = os.path.realpath(leave_out) if leave_out else None
    for where, folders, files in os.walk(folder, onerror=onerror):
        kept = sorted(name for name in folders if not name.startswith("."))
        folders[:] = [name for name in kept if recursive and os.path.realpath(os.path.join(where, name)) != barred]
        if os.path.realpath(where) != barred:
            names = sorted(name for name in files if not name.startswith("."))
            found += [Path(where) / name for name in names if Path(name).suffix.lower() in PHOTO_SUFFIXES]
    return found


# --- one piece --------------------------------------------------------------------------------------------------------


def make_piece(studio: Studio, job: Job, batch: Batch) -> Row:
    """Compose, play and save one job; a fault becomes the row's sentence and never leaves this function."""
    started = time.perf_counter()
    row = unmade(job, batch)
    try:
        return _made(studio, job, batch, row, started)
    except EimgError as error:
        return replace(row, error=str(error), took_s=_since(started))
    except OSError as error:
        return replace(
            row, error=_UNWRITTEN.format(reason=error.strerror or type(error).__name__), took_s=_since(started)
        )
    except Exception as error:
        return replace(row, error=_UNEXPECTED.format(kind=type(error).__name__), took_s=_since(started))


def unmade(job: Job, batch: Batch) -> Row:
    """The row of a job before anything is made."""
    options = replace(batch.options, seed=job.seed, target=job.target)
    return Row(job.name, options, pairing=batch.pairing, settings=batch.settings)


def _since(started: float) -> float:
    return round(time.perf_counter() - started, 3)


def _made(studio: Studio, job: Job, batch: Batch, row: Row, started: float) -> Row:
    from eimg_core.images import open_photo

    photo = None
    if job.photo:
        photo = open_photo(job.photo)
        row = replace(row, photo_id=photo_id(photo) or "")
    composition = studio.compose(photo, batch.pairing, row.options)
    waveform = studio.render(composition.played, instrument=composition.options.instrument) if batch.audio else None
    path = batch.out / job.stem
    files = studio.save(composition, waveform, path.parent, path.name, photo, batch.figure, batch.formats)
    read, target, estimate = composition.photo_va, composition.target_va, composition.piece_va
    return replace(
        row,
        **_coordinates("", read),
        **_coordinates("target_", target),
        **_coordinates("estimate_", estimate),
        distance=None if estimate is None else round(distance(target, estimate), 4),
        seconds_made=round(composition.piece.duration_s, 3),
        took_s=_since(started),
        files=" ".join(file.relative_to(batch.out).as_posix() for file in files.values()),
    )


def _coordinates(prefix: str, point: VA | None) -> dict[str, Any]:
    named = {"valence": point.valence, "arousal": point.arousal} if point else {}
    return {f"{prefix}{axis}": round(value, 4) for axis, value in named.items()}


# --- the index --------------------------------------------------------------------------------------------------------

_CHOSEN = [name for name in OPTIONS if name != "target"]
_COLUMNS = [name for field in fields(Row) for name in (_CHOSEN if field.name == "options" else [field.name])]


def _cells(row: Row) -> dict[str, str]:
    values = {**asdict(row), **option_values(row.options)}
    cells = {name: "" if values[name] is None else str(values[name]) for name in _COLUMNS}
    return cells | {"file": _file_cell(row.file)}


def _file_cell(name: str) -> str:
    """A cell that a spreadsheet would take for a formula gets "./" in front, which names the same file."""
    return f"./{name}" if name.startswith(_FORMULA) else name


def _kept_rows(batch: Batch) -> dict[str, dict[str, str]]:
    """Rows of an earlier run whose pieces are done and complete, by the stem of their files. A torn last row is not."""
    try:
        text = (batch.out / INDEX).read_bytes().decode()
        whole = text[: text.rfind("\n") + 1]  # a row that a kill has cut has no end of line
        rows = list(csv.DictReader(io.StringIO(whole, newline="")))
    except (OSError, UnicodeDecodeError, csv.Error):
        return {}
    kept = {}
    for row in rows:
        if any(row.get(name) is None for name in _COLUMNS) or row["error"] or row["settings"] != batch.settings:
            continue
        files = [batch.out / name for name in row["files"].split()]
        if files and all(file.is_file() and file.stat().st_size for file in files):
            kept[row["files"].split()[0].rpartition(".")[0]] = row
    return kept


_ROUNDED = 1e-3  # farther apart than rounding to four decimals makes them


def _for_its_reading(row: dict[str, str]) -> bool:
    """Whether a row's piece was made for what was read of its photo, and not for a target that somebody chose."""
    try:
        read = VA(float(row["valence"]), float(row["arousal"]))
        target = VA(float(row["target_valence"]), float(row["target_arousal"]))
    except ValueError:  # the row of a piece without a photo, or of a damaged index
        return False
    return distance(photo_target(read), target) < _ROUNDED


def _still_asked(row: dict[str, str], job: Job) -> bool:
    """Whether a row's piece was made from this very photo, with this seed and for this target."""
    if (row["file"], row["seed"]) != (_file_cell(job.name), str(job.seed)):
        return False
    if job.target and (row["target_valence"], row["target_arousal"]) != (
        str(round(job.target.valence, 4)),
        str(round(job.target.arousal, 4)),
    ):
        return False
    if not job.target and not _for_its_reading(row):
        return False
    if not job.photo:
        return not row["photo_id"]
    from eimg_core.images import open_photo

    try:
        return row["photo_id"] == photo_id(open_photo(job.photo))
    except EimgError:
        return False


class _Index:
    """``index.csv``, written as the run goes on.

    Raises:
        InputError: it cannot be written; the rows that it has by then are whole.
    """

    def __init__(self, path: Path, kept: Iterable[dict[str, str]]) -> None:
        self._path = path
        with _writing():
            replace_file(path, b"".join(map(_line, [dict(zip(_COLUMNS, _COLUMNS, strict=True)), *kept])))

    def add(self, row: Row) -> None:
        data = _line(_cells(row))
        with _writing(), self._path.open("ab", buffering=0) as file:
            end = file.tell()
            if file.write(data) != len(data):  # a disk that is full takes a part
                file.truncate(end)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _line(cells: dict[str, str]) -> bytes:
    line = io.StringIO()
    csv.DictWriter(line, _COLUMNS, extrasaction="ignore", lineterminator="\n").writerow(cells)
    return line.getvalue().encode("utf-8", "replace")


@contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(_NO_INDEX.format(reason=error.strerror)) from error


# --- the run ----------------------------------------------------------------------------------------------------------


Engine = Callable[[Sequence[Job], Batch], Iterator[Row]]
"""What makes the pieces of jobs, wherever: a row for each, in the order in which they are done."""


def run_batch(jobs: Sequence[Job], batch: Batch, engine: Engine, resume: bool = False) -> Iterator[Row | None]:
    """Make the pieces of all jobs; yields each new row once its files and its line in the index are written.

    Pieces that an earlier run has made are not made again where ``resume`` is set: for each of them ``None`` comes
    first. Rows come in the order in which they are done.

    Raises:
        InputError: the index cannot be written, or the engine cannot go on.
    """
    batch.out.mkdir(parents=True, exist_ok=True)
    clear_drafts(batch.out)
    earlier = _kept_rows(batch) if resume else {}
    kept: list[dict[str, str]] = []
    open_jobs: list[Job] = []
    for job in jobs:
        row = earlier.get(job.stem)
        if row and _still_asked(row, job):
            kept.append(row)
        else:
            open_jobs.append(job)
    index = _Index(batch.out / INDEX, kept)
    yield from (None for _ in kept)
    for done in engine(open_jobs, batch):
        index.add(done)
        yield done
    clear_drafts(batch.out)  # of workers that died


def _studio_of(batch: Batch) -> Studio:
    from eimg_core.studio import Studio

    return (batch.studio or Studio)(batch.root)


def in_processes(workers: int) -> Engine:
    """Jobs in so many processes of this machine; a single one is this process."""
    return partial(_in_many, workers=workers) if workers > 1 else _in_one


def _in_one(jobs: Sequence[Job], batch: Batch) -> Iterator[Row]:
    studio = _studio_of(batch)
    for job in jobs:
        yield make_piece(studio, job, batch)


def _in_many(jobs: Sequence[Job], batch: Batch, workers: int) -> Iterator[Row]:
    """Jobs in processes. Those that were under way when a process died are tried again, each in one of its own."""
    waiting = list(jobs)[::-1]
    while waiting:
        under_way: dict[Future[Row], Job] = {}
        pool = _pool(workers)
        try:
            while waiting or under_way:
                while waiting and len(under_way) < 2 * workers:
                    future = pool.submit(work, waiting[-1], batch)  # fails where a process has just died
                    under_way[future] = waiting.pop()
                for future in wait(under_way, return_when=FIRST_COMPLETED).done:
                    row = future.result()
                    del under_way[future]
                    yield row
        except BrokenProcessPool:
            for job in under_way.values():
                yield _alone(job, batch)
        finally:
            pool.shutdown(cancel_futures=True)


def _alone(job: Job, batch: Batch) -> Row:
    try:
        with _pool(1) as pool:
            return pool.submit(work, job, batch).result()
    except BrokenProcessPool:
        return replace(unmade(job, batch), error=DIED)


def _pool(workers: int) -> ProcessPoolExecutor:
    threads = max(1, (os.cpu_count() or 1) // workers)
    return ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _begin, (threads,))


_studios: dict[Path, Studio] = {}  # of a worker
_at_work = threading.Lock()


def _begin(threads: int) -> None:
    """In a new worker: a share of the cores, no own answer to Ctrl-C, and no life after its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def follow() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
    import torch

    torch.set_num_threads(threads)


def work(job: Job, batch: Batch) -> Row:
    """One piece, in a worker: its studio stays for the next one, and makes one piece at a time."""
    with _at_work:
        if batch.root not in _studios:
            _studios[batch.root] = _studio_of(batch)
        return make_piece(_studios[batch.root], job, batch)
