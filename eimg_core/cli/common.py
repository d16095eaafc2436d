"""What several commands share: the options of composing, the output folder, and how a fault is told."""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from eimg_core.composer import USUAL_TAKES, ComposeOptions, Composition
from eimg_core.emotion import VA
from eimg_core.errors import InputError
from eimg_core.exports.formats import FORMATS, known_formats, usual_formats

if TYPE_CHECKING:
    from PIL.Image import Image

    from eimg_core.midi.notes import Piece
    from eimg_core.studio import Studio  # brings torch, which is imported only when there is something to compute

__all__ = [
    "PROGRAM",
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


def target_of(valence: float | None, arousal: float | None) -> VA | None:
    if (valence is None) != (arousal is None):
        raise InputError("Valence and arousal come together: give both, each from 1 to 9.")
    if valence is None or arousal is None:
        return None
    if not (1 <= valence <= 9 and 1 <= arousal <= 9):
        raise InputError(f"Valence and arousal must be from 1 to 9, not {valence:g} and {arousal:g}.")
    return VA(valence, arousal)


def options_of(args: argparse.Namespace) -> ComposeOptions:
    return ComposeOptions(
        args.seed,
        args.seconds,
        takes=args.takes,
        expressive=not args.as_written,
        tempo=args.tempo,
        density=args.density,
        keep=None if args.keep is None else args.keep - 1,
    )


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
    level_db: float | None = None,
    photo: Image | None = None,
) -> tuple[Composition, dict[str, Path]]:
    """Play, save and say so."""
    started = time.perf_counter()
    formats = wanted_formats(args)
    waveform = None if silent(args) else studio.render(composition.played, level_db)
    if waveform is not None:
        timings = {**composition.timings_s, "render": time.perf_counter() - started}
        composition = replace(composition, timings_s=timings)
    files = studio.save(composition, waveform, args.out, stem, photo, formats=formats)
    heard = composition.piece_va
    where = f"heard {heard.valence:.2f} {heard.arousal:.2f}" if heard else "not judged"
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


def composing_arguments(seconds: float) -> argparse.ArgumentParser:
    """What every command that composes has; argparse lets commands share the defaults of a parent, so each command
    gets a parent of its own.

    Args:
        seconds: the usual length.
    """
    made = argparse.ArgumentParser(add_help=False)  # what every command that composes has
    made.add_argument("--seed", type=int, default=0)
    made.add_argument("--seconds", type=float, default=seconds)
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
        metavar="FORMATS",
        help=f"which files, with commas between: {', '.join(FORMATS)} (default {','.join(usual_formats())})",
    )
    made.add_argument("--valence", type=float, help="1 unpleasant - 9 pleasant")
    made.add_argument("--arousal", type=float, help="1 calm - 9 excited")
    made.add_argument("--no-audio", action="store_true", help="leave out what needs sound")
    made.add_argument("--no-figure", action="store_true", help="leave out the picture")
    return made
