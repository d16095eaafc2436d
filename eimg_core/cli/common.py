"""What several commands share: the options of composing, the output folder, and how a fault is told."""

from __future__ import annotations

import argparse
import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from eimg_core.composer import Composition
from eimg_core.emotion import VA
from eimg_core.errors import InputError
from eimg_core.exports.formats import FORMATS, known_formats, usual_formats
from eimg_core.options import OPTIONS, ComposeOptions, Option, read_options

if TYPE_CHECKING:
    from PIL.Image import Image

    from eimg_core.midi.notes import Piece
    from eimg_core.studio import Studio  # brings torch, which is imported only when there is something to compute

__all__ = [
    "PROGRAM",
    "commercial_argument",
    "composing_arguments",
    "fail",
    "midi_arguments",
    "options_of",
    "piece_of",
    "printable",
    "remark",
    "save_piece",
    "silent",
    "strict_argument",
    "studio_of",
    "target_of",
    "wanted_formats",
    "writable",
]

PROGRAM = "eimg"


def printable(message: str) -> str:
    """The message without anything that steers a terminal: file names and cells of tables come from strangers."""
    return "".join(
        letter if letter.isprintable() or letter == "\n" else "\N{REPLACEMENT CHARACTER}" for letter in message
    )


def fail(message: str) -> None:
    """Say on standard error what went wrong."""
    print(f"{PROGRAM}: {printable(message)}", file=sys.stderr)


def remark(message: str) -> None:
    """Say on standard error what is worth knowing, though nothing went wrong."""
    print(f"{PROGRAM}: {printable(message)}", file=sys.stderr)


def midi_arguments(command: argparse.ArgumentParser) -> None:
    """What every command that starts from a MIDI file has; ``piece_of`` reads it."""
    command.add_argument("file", type=Path, metavar="FILE.mid")
    strict_argument(command)


def strict_argument(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--strict", action="store_true", help="refuse MIDI files that break the specification instead of repairing them"
    )


def piece_of(args: argparse.Namespace, *, straighten: bool) -> Piece:
    """The piece of the command's MIDI file; what was repaired is told.

    Args:
        straighten: as in ``load_midi``.
    Raises:
        InputError: it cannot be read, has no notes, or is not as strict as was asked.
    """
    from eimg_core.midi.reading import load_midi

    file = load_midi(args.file, straighten=straighten, strict=args.strict, need_notes=True)
    if file.repairs:
        remark(file.remark)
    return file.piece


def commercial_argument(command: argparse.ArgumentParser) -> None:
    """What every command has that loads weights to compose; ``studio_of`` heeds it."""
    command.add_argument(
        "--commercial-safe",
        action="store_true",
        default=os.environ.get("EIMG_COMMERCIAL_SAFE", "0") not in ("", "0"),
        help="use nothing that learnt from data whose terms do not plainly allow commercial use; says why it may",
    )


def studio_of(args: argparse.Namespace) -> Studio:
    """The studio with the shipped weights; for commercial use the clean composer alone, and it is told why.

    Raises:
        CheckpointError: the clean composer is not there.
    """
    if not args.commercial_safe:
        from eimg_core.studio import Studio

        return Studio()
    from eimg_core.clean import CleanStudio

    studio = CleanStudio()
    remark(studio.permission)
    return studio


def target_of(valence: float | None, arousal: float | None) -> VA | None:
    """The point of two numbers, or ``None`` where neither is given.

    Raises:
        InputError: one is missing, or out of range.
    """
    if valence is None and arousal is None:
        return None
    if valence is None or arousal is None:
        raise InputError("Valence and arousal come together: give both, each from 1 to 9.")
    if not (1 <= valence <= 9 and 1 <= arousal <= 9):
        raise InputError(f"Valence and arousal must be from 1 to 9, not {valence:g} and {arousal:g}.")
    return VA(valence, arousal)


def options_of(args: argparse.Namespace) -> ComposeOptions:
    """The options that were given, but for the target: that is the photo's, the request's or the file's."""
    given = {name: getattr(args, name) for name, option in OPTIONS.items() if option.kind is not VA}
    for name, option in OPTIONS.items():
        if option.counts_from_one and given[name] is not None:
            given[name] -= 1
    return read_options(given, target=None)


def writable(args: argparse.Namespace) -> argparse.Namespace:
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


def wanted_formats(args: argparse.Namespace) -> list[str]:
    """Which files to write."""
    return args.format or usual_formats(figure=not args.no_figure)


def silent(args: argparse.Namespace) -> bool:
    """Whether no file has sound in it."""
    return args.no_audio or not any(FORMATS[key].sound or FORMATS[key].packs for key in wanted_formats(args))


def save_piece(
    studio: Studio,
    composition: Composition,
    stem: str,
    args: argparse.Namespace,
    lufs: float | None = None,
    photo: Image | None = None,
) -> tuple[Composition, dict[str, Path]]:
    """Play, save and say so."""
    started = time.perf_counter()
    formats = wanted_formats(args)
    waveform = None if silent(args) else studio.render(composition.played, lufs, composition.options.instrument)
    if waveform is not None:
        timings = {**composition.timings_s, "render": time.perf_counter() - started}
        composition = replace(composition, timings_s=timings)
    files = studio.save(composition, waveform, args.out, stem, photo, formats=formats)
    estimate = composition.piece_va
    where = f"estimate {estimate.valence:.2f} {estimate.arousal:.2f}" if estimate else "no estimate"
    target = composition.target_va
    print(f"{stem}: {target.region}, target {target.valence:.2f} {target.arousal:.2f}, {where}", flush=True)
    return composition, files


def _formats(text: str) -> list[str]:
    """The formats of a list with commas."""
    try:
        keys = known_formats(filter(None, (key.strip().lower().lstrip(".") for key in text.split(","))))
    except InputError:
        keys = []
    if not keys:
        raise argparse.ArgumentTypeError(f"expected some of {','.join(FORMATS)}, found {text!r}")
    return keys


def composing_arguments(seconds: Option = OPTIONS["seconds"]) -> argparse.ArgumentParser:
    """What every command that composes has: the options, and where its files go.

    argparse lets commands share the defaults of a parent, so each command gets a parent of its own.

    Args:
        seconds: the length, with what is usual for the command.
    """
    made = argparse.ArgumentParser(add_help=False)
    for option in {**OPTIONS, "seconds": seconds}.values():
        _add_option(made, option)
    made.add_argument("--out", type=Path, default=Path("outputs"))
    made.add_argument(
        "--format",
        type=_formats,
        metavar="FORMATS",
        help=f"which files, with commas between: {', '.join(FORMATS)} (default {','.join(usual_formats())})",
    )
    made.add_argument("--no-audio", action="store_true", help="leave out what needs sound")
    made.add_argument("--no-figure", action="store_true", help="leave out the picture")
    commercial_argument(made)
    return made


def _add_option(parser: argparse.ArgumentParser, option: Option) -> None:
    """The argument or arguments of an option."""
    if option.kind is VA:
        for flag, ends in zip(option.flag.split(), ("1 unpleasant - 9 pleasant", "1 calm - 9 excited"), strict=True):
            parser.add_argument(flag, type=float, help=ends)
    elif option.kind is bool:
        action = "store_false" if option.usual else "store_true"
        parser.add_argument(
            option.flag, dest=option.name, action=action, help=f"{'not ' if option.usual else ''}{option.help}"
        )
    elif option.choices:
        parser.add_argument(
            option.flag,
            dest=option.name,
            type=option.kind,
            choices=option.choices,
            default=option.usual,
            help=option.help + (f" (default {option.usual})" if option.usual in option.choices else ""),
        )
    else:
        usual = "" if option.usual is None else f" (default {option.usual:g})"
        counted = "; the first is 1" if option.counts_from_one else ""
        parser.add_argument(
            option.flag, dest=option.name, type=option.kind, default=option.usual, help=option.help + counted + usual
        )
