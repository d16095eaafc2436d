"""What several commands share: the options of composing, the output folder, and how a fault is told."""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from eimg_core.cli.console import remark, say
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
    "OTHER_FOLDER",
    "commercial_argument",
    "composing_arguments",
    "midi_arguments",
    "options_of",
    "pairing_of",
    "path_argument",
    "piece_of",
    "save_piece",
    "silent",
    "strict_argument",
    "studio_of",
    "target_of",
    "wanted_formats",
    "writable",
]

_ON, _OFF = ("1", "true", "yes", "on"), ("", "0", "false", "no", "off")
OTHER_FOLDER = "choose another folder with --out"


def midi_arguments(command: argparse.ArgumentParser) -> None:
    """What every command that starts from a MIDI file has; ``piece_of`` reads it."""
    command.add_argument("file", type=path_argument, metavar="FILE.mid")
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
        help="use nothing that learnt from data whose terms do not plainly allow commercial use; says why it may",
    )


def studio_of(args: argparse.Namespace) -> Studio:
    """The studio with the shipped weights; for commercial use the clean composer alone, and it is told why.

    Raises:
        CheckpointError: the clean composer is not there.
        InputError: the environment neither asks for it nor does not.
    """
    if not (args.commercial_safe or _switched_on("EIMG_COMMERCIAL_SAFE")):
        from eimg_core.studio import Studio

        return Studio()
    from eimg_core.clean import CleanStudio

    studio = CleanStudio()
    remark(studio.permission)
    return studio


def _switched_on(name: str) -> bool:
    text = os.environ.get(name, "").strip().lower()
    if text not in (*_ON, *_OFF):
        raise InputError(f"{name} must be 1 or 0, not {text[:20]!r}.")
    return text in _ON


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
    """The options that the command has, as they were given; the target is the photo's, the request's or the file's."""
    given = {name: value for name, value in vars(args).items() if name in OPTIONS}
    for name, option in OPTIONS.items():
        if option.counts_from_one and given.get(name) is not None:
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


def pairing_of(args: argparse.Namespace, studio: Studio) -> str:
    """The pairing that was named; the usual one where none was."""
    return studio.usual if args.pairing is None else str(args.pairing)


def path_argument(text: str) -> Path:
    """A file or a folder. An empty name would mean this folder, and comes from a variable that was never set."""
    if not text:
        raise argparse.ArgumentTypeError("expected a file or a folder, found an empty name")
    return Path(text)


def wanted_formats(args: argparse.Namespace) -> list[str]:
    """Which files to write.

    Raises:
        InputError: one is asked for and left out at once.
    """
    for key in args.format or ():
        if (args.no_audio and FORMATS[key].sound) or (args.no_figure and FORMATS[key].photo):
            without = "--no-audio" if FORMATS[key].sound else "--no-figure"
            raise InputError(f"--format {key} and {without} contradict each other; leave one of them out.")
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
    for sentence in composition.remarks:
        remark(f"{stem}: {sentence}")
    say(f"{stem}: {target.region}, target {target.valence:.2f} {target.arousal:.2f}, {where}")
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


def composing_arguments(*unused: str, seconds: Option = OPTIONS["seconds"]) -> argparse.ArgumentParser:
    """What every command that composes has: the options, and where its files go.

    argparse lets commands share the defaults of a parent, so each command gets a parent of its own.

    Args:
        unused: options that mean nothing to the command, and are refused.
        seconds: the length, with what is usual for the command.
    """
    made = argparse.ArgumentParser(add_help=False)
    for name, option in {**OPTIONS, "seconds": seconds}.items():
        if name not in unused:
            _add_option(made, option)
    made.add_argument("--out", type=path_argument, default=Path("outputs"))
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
