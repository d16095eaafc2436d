"""The command line of EIMG Studio.

    python -m eimg_core compose PHOTO [PHOTO ...] --out DIR      photos become music
    python -m eimg_core compose --valence 7 --arousal 3          an emotion becomes music
    python -m eimg_core compose --requests FILE.csv              many emotions in one run
    python -m eimg_core compose FOLDER --workers 2 --resume      a folder of photos, with an index
    python -m eimg_core compose PHOTO --pairing all              every pairing for one photo, compared
    python -m eimg_core story PHOTO PHOTO [PHOTO ...]            one piece that moves through several photos
    python -m eimg_core retell FILE.mid --valence 3 --arousal 2  the same tune with another emotion
    python -m eimg_core extend FILE.mid --seconds 40             a piece that goes on
    python -m eimg_core pairings [--json]                        what is shipped
    python -m eimg_core licences [--markdown]                    what the weights learnt from, and its terms
    python -m eimg_core render FILE.mid --out FILE.wav           a MIDI file as sound or score (.mp3 .musicxml .svg)
    python -m eimg_core evaluate-midi FILE.mid [FILE.mid ...]    metrics and heard emotion, JSON lines
    python -m eimg_core evaluate-midi DIR --labels FILE.csv      anybody's music, compared on our footing

Exit code 0: done. 2: wrong usage or bad input, one sentence per problem on stderr; what was good is still done.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from eimg_core.batch import INDEX, Batch, Job, Row, Stems, photos_in, run_batch
from eimg_core.composer import COMPARED_DB, USUAL_TAKES, ComposeOptions, Composition
from eimg_core.emotion import VA
from eimg_core.errors import CheckpointError, EimgError, InputError

if TYPE_CHECKING:
    from PIL.Image import Image

    from eimg_core.midi.notes import Piece
    from eimg_core.studio import Studio  # brings torch, which is imported only when there is something to compute

__all__ = ["main"]

_ALL = "all"
_MOST_VERSIONS = 26
_FORMATS = ("mid", "wav", "mp3", "musicxml", "svg", "png", "json", "zip")
_RENDERED = (".wav", ".mp3", ".musicxml", ".svg")
_MOST_WORKERS = 64


def _fail(message: str) -> None:
    # File names and cells of tables come from strangers: nothing in them may steer the terminal.
    shown = "".join(
        letter if letter.isprintable() or letter == "\n" else "\N{REPLACEMENT CHARACTER}" for letter in message
    )
    print(f"eimg_core: {shown}", file=sys.stderr)


def _target(valence: float | None, arousal: float | None) -> VA | None:
    if (valence is None) != (arousal is None):
        raise InputError("Valence and arousal come together: give both, each from 1 to 9.")
    if valence is None or arousal is None:
        return None
    if not (1 <= valence <= 9 and 1 <= arousal <= 9):
        raise InputError(f"Valence and arousal must be from 1 to 9, not {valence:g} and {arousal:g}.")
    return VA(valence, arousal)


def _requested(path: Path, stems: Stems, seed: int) -> Iterator[Job | str]:
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
            target = _target(float(row["valence"]), float(row["arousal"]))
            row_seed = int(row["seed"]) if (row.get("seed") or "").strip() else seed
            name = row["name"] or f"row{number}"
            yield Job(stems.new(name), None, target, row_seed, name)
        except (TypeError, ValueError):
            yield f"{path.name}, line {number}: expected numbers for valence, arousal and seed."
        except InputError as error:
            yield f"{path.name}, line {number}: {error}"


def _jobs(args: argparse.Namespace) -> list[Job | str]:
    target = _target(args.valence, args.arousal)
    stems = Stems()
    jobs: list[Job | str] = []
    for path in args.photos:
        for photo in photos_in(path, args.recursive, args.out) if path.is_dir() else [path]:
            below = photo.relative_to(path).as_posix() if path.is_dir() else photo.name
            stem = stems.new(photo.stem, below.rpartition("/")[0])
            jobs.append(Job(stem, photo, target, args.seed, below))
    if args.requests:
        jobs += _requested(args.requests, stems, args.seed)
    if not jobs and args.photos:
        raise InputError(
            f"There is no photo in {args.photos[0].name}; with --recursive its folders are searched as well."
        )
    if not jobs:
        if target is None:
            raise InputError("Nothing to compose for: give a photo, --valence with --arousal, or --requests FILE.csv.")
        jobs.append(Job(stems.new("piece"), None, target, args.seed, "piece"))
    return jobs


def _compose(args: argparse.Namespace) -> int:
    from eimg_core.images import open_photo
    from eimg_core.pipeline import DEFAULT_PAIRING
    from eimg_core.studio import Studio

    studio = Studio()
    wished = args.pairing or DEFAULT_PAIRING
    compares = wished == _ALL or "," in wished
    if not 1 <= args.versions <= _MOST_VERSIONS:
        raise InputError(f"The number of versions must be from 1 to {_MOST_VERSIONS}, not {args.versions}.")
    options = _options(args)
    jobs = _jobs(args)
    if args.workers > 1 or args.resume or any(path.is_dir() for path in args.photos):
        return _compose_batch(studio, wished, options, jobs, args)
    problems = 0
    if compares:
        pairings, problems = _loadable(studio, wished)
    else:
        studio.pipeline(wished)
    _writable(args)
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
            _fail(str(error))
            problems += 1
    return 2 if problems else 0


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
        _fail(problem)
    pieces = [
        replace(job, seed=job.seed + version, stem=job.stem if version == 0 else f"{job.stem}-{version + 1}")
        for job in jobs
        if isinstance(job, Job)
        for version in range(args.versions)
    ]
    batch = Batch(pairing, options, _writable(args).out, not _silent(args), formats=tuple(_wanted(args)))
    failed, started = 0, time.perf_counter()
    patience = 0.5 if sys.stderr.isatty() else 10.0  # seconds between two lines of progress; a log needs few
    with tqdm(total=len(pieces), unit="piece", mininterval=patience, file=sys.stderr, smoothing=0.1) as bar:
        for row in run_batch(pieces, batch, args.workers, args.resume):
            if row is None:
                bar.initial += 1  # made by an earlier run: counts as done and not towards the speed
            elif row.error:
                failed += 1
                bar.write(f"eimg_core: {_named(row)}", file=sys.stderr)
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
    heard = "not judged" if row.heard_valence is None else f"heard {row.heard_valence:.2f} {row.heard_arousal:.2f}"
    stem = row.files.split()[0].rpartition(".")[0]
    return f"{stem}: {target.region}, target {target.valence:.2f} {target.arousal:.2f}, {heard}"


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
        _fail(f"{key}: {fault}")
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
            entries.append(_one(studio, photo, pairing, options, f"{stem}-{pairing}", args, COMPARED_DB, known))
        except EimgError as error:
            _fail(f"{stem}-{pairing}: {error}")
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
    level_db: float | None = None,
    photo_va: VA | None = None,
) -> tuple[Composition, dict[str, Path]]:
    """Compose, play, save and say so."""
    composition = studio.compose(photo, pairing, options, photo_va=photo_va)
    return _kept(studio, composition, stem, args, level_db, photo)


def _kept(
    studio: Studio,
    composition: Composition,
    stem: str,
    args: argparse.Namespace,
    level_db: float | None = None,
    photo: Image | None = None,
) -> tuple[Composition, dict[str, Path]]:
    """Play, save and say so."""
    started = time.perf_counter()
    formats = _wanted(args)
    waveform = None if _silent(args) else studio.render(composition.played, level_db)
    if waveform is not None:
        timings = {**composition.timings_s, "render": time.perf_counter() - started}
        composition = replace(composition, timings_s=timings)
    files = studio.save(composition, waveform, args.out, stem, photo, formats=formats)
    heard = composition.piece_va
    where = f"heard {heard.valence:.2f} {heard.arousal:.2f}" if heard else "not judged"
    target = composition.target_va
    print(f"{stem}: {target.region}, target {target.valence:.2f} {target.arousal:.2f}, {where}", flush=True)
    return composition, files


def _wanted(args: argparse.Namespace) -> list[str]:
    """Which files to write."""
    return args.format or ["mid", "wav", *([] if args.no_figure else ["png"]), "json"]


def _silent(args: argparse.Namespace) -> bool:
    """Whether no file has sound in it."""
    return args.no_audio or not {"wav", "mp3", "zip"} & set(_wanted(args))


def _options(args: argparse.Namespace) -> ComposeOptions:
    return ComposeOptions(
        args.seed,
        args.seconds,
        takes=args.takes,
        expressive=not args.as_written,
        tempo=args.tempo,
        density=args.density,
        keep=None if args.keep is None else args.keep - 1,
    )


def _story(args: argparse.Namespace) -> int:
    from eimg_core.images import open_photo
    from eimg_core.pipeline import DEFAULT_PAIRING
    from eimg_core.studio import Studio

    studio = Studio()
    photos = [open_photo(path) for path in args.photos]
    composition = studio.journey(photos, args.pairing or DEFAULT_PAIRING, _options(args))
    _kept(studio, composition, "story", _writable(args))
    return 0


def _retell(args: argparse.Namespace) -> int:
    from eimg_core.midi.notes import read_midi
    from eimg_core.pipeline import DEFAULT_PAIRING
    from eimg_core.studio import Studio

    target = _target(args.valence, args.arousal)
    if target is None:
        raise InputError("Say with which emotion to tell it again: give --valence and --arousal, each from 1 to 9.")
    studio, piece = Studio(), read_midi(args.file, straighten=True)
    composition = studio.retell(piece, args.pairing or DEFAULT_PAIRING, target, _options(args))
    _kept(studio, composition, f"{args.file.stem}-retold", _writable(args))
    return 0


def _extend(args: argparse.Namespace) -> int:
    from eimg_core.midi.notes import read_midi
    from eimg_core.pipeline import DEFAULT_PAIRING
    from eimg_core.studio import Studio

    studio, piece = Studio(), read_midi(args.file, straighten=True)
    target = _target(args.valence, args.arousal) or studio.listen(piece)
    composition = studio.extend(piece, args.pairing or DEFAULT_PAIRING, target, _options(args))
    _kept(studio, composition, f"{args.file.stem}-extended", _writable(args))
    return 0


def _writable(args: argparse.Namespace) -> argparse.Namespace:
    """The arguments, once their output folder is there.

    Raises:
        InputError: it cannot be made.
    """
    try:
        args.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"Cannot write to {args.out.name}: {error.strerror}. Choose another folder with --out."
        ) from error
    return args


def _pairings(args: argparse.Namespace) -> int:
    from eimg_core.studio import Studio

    infos = Studio().pairings()
    if args.commercial_safe:
        from eimg_core.licences import commercial_pairings, verdict

        safe = commercial_pairings()
        if not safe:
            raise InputError(verdict())
        infos = [info for info in infos if info.key in safe]
    if args.json:
        rows = [
            {
                "key": i.key,
                "title": i.title,
                "preset": i.preset,
                "megabytes": i.megabytes,
                "default": i.default,
                "variants": list(i.variants),
            }
            for i in infos
        ]
        print(json.dumps(rows, indent=2))
    else:
        for info in infos:
            variants = ", ".join(info.variants)
            default = "  (default)" if info.default else ""
            print(f"{info.key:20} {info.title:24} {variants:16} {info.megabytes:6.1f} MB{default}")
    return 0


def _licences(args: argparse.Namespace) -> int:
    from eimg_core.licences import as_json, markdown

    print(markdown() if args.markdown else as_json())
    return 0


def _render(args: argparse.Namespace) -> int:
    from eimg_core.midi.notes import read_midi

    out = args.out or Path(args.file.stem + ".wav")
    kind = out.suffix.lower()
    if kind not in _RENDERED:
        raise InputError(f"{out.name} should end in {', '.join(_RENDERED[:-1])} or {_RENDERED[-1]}.")
    if kind in (".wav", ".mp3"):
        data, said = _played(read_midi(args.file), kind)
    else:
        data, said = _written(read_midi(args.file, straighten=True), kind, args.file.stem)
    try:
        out.write_bytes(data)
    except OSError as error:
        raise InputError(f"Cannot write {out.name}: {error.strerror}. Choose another file with --out.") from error
    print(f"{out.name}: {said}")
    return 0


def _played(piece: Piece, kind: str) -> tuple[bytes, str]:
    """A MIDI file as sound, and what played it."""
    from eimg_core.exports.audio import mp3_of
    from eimg_core.sound.render import render

    waveform = render(piece)
    wav = waveform.wav_bytes()
    return mp3_of(wav) if kind == ".mp3" else wav, f"{waveform.duration_s:.1f} s, {waveform.engine}"


def _written(piece: Piece, kind: str, title: str) -> tuple[bytes, str]:
    """A MIDI file as a score, and in which key."""
    from eimg_core.notation.engraving import engrave
    from eimg_core.notation.musicxml import to_musicxml
    from eimg_core.notation.sheet import engrave_svg

    if not piece.notes:
        raise InputError("The file has no notes, so there is nothing to write down; choose another one.")
    score = engrave(piece)
    xml = to_musicxml(score, title=title)
    data = engrave_svg(xml, header=True).svg.encode() if kind == ".svg" else xml
    return data, f"{len(score.bars)} bars, {score.key.name}"


def _evaluate(args: argparse.Namespace) -> int:
    from eimg_core.midi_evaluation import Listener, midi_files, read_labels, summarise
    from eimg_core.shipped import CHECKPOINTS
    from eimg_core.va.evaluator import Evaluator

    try:
        evaluator = Evaluator.load(CHECKPOINTS)
    except CheckpointError:
        evaluator = None
    files = midi_files(args.files)
    labels = read_labels(args.labels) if args.labels else {}
    reader = Listener(None, args.seconds)
    known = {path.name: reader.read(path) for path in midi_files([args.trained_on])} if args.trained_on else None
    real = {path.name: reader.read(path, straighten=True) for path in midi_files([args.real])} if args.real else None
    listener = Listener(evaluator, args.seconds, known)
    heard = []
    for path in files:
        one = listener.hear(path, labels.get(path.name))
        heard.append(one)
        if one.fault:
            _fail(one.fault)
        else:
            print(json.dumps(one.item), flush=True)
    if unknown := set(labels) - {path.name for path in files}:
        _fail(f"{len(unknown)} of the {len(labels)} labels name no file, for example {min(unknown)}.")
    if labels or real or known or any(path.is_dir() for path in args.files):
        print(json.dumps({"summary": summarise(heard, real)}), flush=True)
    return 2 if unknown or any(one.fault for one in heard) else 0


def _formats(text: str) -> list[str]:
    """The kinds of a list with commas."""
    kinds = list(dict.fromkeys(filter(None, (kind.strip().lower().lstrip(".") for kind in text.split(",")))))
    if not kinds or set(kinds) - set(_FORMATS):
        raise argparse.ArgumentTypeError(f"expected some of {','.join(_FORMATS)}, found {text!r}")
    return kinds


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m eimg_core", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)

    made = argparse.ArgumentParser(add_help=False)  # what every command that composes has
    made.add_argument("--seed", type=int, default=0)
    made.add_argument("--seconds", type=float, default=15.0)
    made.add_argument(
        "--takes",
        type=int,
        default=USUAL_TAKES,
        help=f"compose so many and keep the one heard nearest to the target (default {USUAL_TAKES})",
    )
    made.add_argument("--keep", type=int, metavar="N", help="keep the N-th take instead of the guide's choice")
    made.add_argument("--tempo", type=float, default=1.0, help="times the composer's own tempo, 0.7 to 1.4")
    made.add_argument(
        "--density", type=float, default=0.0, help="-1 fewer, 1 more notes a second than the composer would write"
    )
    made.add_argument("--as-written", action="store_true", help="without a pianist's dynamics, timing and pedal")
    made.add_argument("--out", type=Path, default=Path("outputs"))
    made.add_argument(
        "--format",
        type=_formats,
        metavar="KINDS",
        help=f"which files, with commas between: {', '.join(_FORMATS)} (default mid,wav,png,json)",
    )
    made.add_argument("--valence", type=float, help="1 unpleasant - 9 pleasant")
    made.add_argument("--arousal", type=float, help="1 calm - 9 excited")
    made.add_argument("--no-audio", action="store_true", help="leave out the WAV")
    made.add_argument("--no-figure", action="store_true", help="leave out the PNG")

    compose = commands.add_parser("compose", help="photos or emotions become music", parents=[made])
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

    story = commands.add_parser("story", help="one piece that moves through 2 to 8 photos", parents=[made])
    story.add_argument("photos", nargs="+", type=Path, metavar="PHOTO")
    story.set_defaults(run=_story, seconds=40.0)

    retell = commands.add_parser("retell", help="the tune of a MIDI file with another emotion", parents=[made])
    retell.set_defaults(run=_retell)
    extend = commands.add_parser("extend", help="a MIDI file, going on until --seconds", parents=[made])
    extend.set_defaults(run=_extend, seconds=40.0)
    for command in (retell, extend):
        command.add_argument("file", type=Path, metavar="FILE.mid")
    for command in (story, retell, extend):
        command.add_argument("--pairing", help="see the command pairings")

    pairings = commands.add_parser("pairings", help="what is shipped")
    pairings.add_argument("--json", action="store_true")
    pairings.add_argument(
        "--commercial-safe", action="store_true", help="only those whose training data allows commercial use"
    )
    pairings.set_defaults(run=_pairings)

    licences = commands.add_parser("licences", help="what each component learnt from, and under which terms")
    licences.add_argument("--markdown", action="store_true", help="as the table of docs/licences.md; otherwise JSON")
    licences.set_defaults(run=_licences)

    play = commands.add_parser("render", help="play a MIDI file into a WAV or MP3 file, or write its score")
    play.add_argument("file", type=Path)
    play.add_argument("--out", type=Path)
    play.set_defaults(run=_render)

    evaluate = commands.add_parser("evaluate-midi", help="metrics and heard emotion of MIDI files, as JSON lines")
    evaluate.add_argument("files", nargs="+", type=Path, metavar="FILE.mid or DIR")
    evaluate.add_argument(
        "--labels", type=Path, metavar="FILE.csv", help="columns file, and valence with arousal or quadrant"
    )
    evaluate.add_argument("--real", type=Path, metavar="DIR", help="real music to compare distributions with")
    evaluate.add_argument("--trained-on", type=Path, metavar="DIR", help="music to search for copied runs")
    evaluate.add_argument("--seconds", type=float, help="only so much of each file counts (15 in our tables)")
    evaluate.set_defaults(run=_evaluate)
    return parser


def main(argv: list[str] | None = None) -> int:
    args = _parser().parse_args(argv)
    warnings.filterwarnings("ignore", category=RuntimeWarning, module="pretty_midi")
    try:
        code: int = args.run(args)
        return code
    except EimgError as error:
        _fail(str(error))
        return 2


if __name__ == "__main__":
    sys.exit(main())
