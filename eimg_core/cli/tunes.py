"""``story``, ``retell``, ``extend`` and ``fill``: a piece through several photos, pieces made from a MIDI file."""

from __future__ import annotations

import argparse

from eimg_core.batch import Stems
from eimg_core.cli.common import (
    composing_arguments,
    midi_arguments,
    options_of,
    pairing_of,
    path_argument,
    piece_of,
    save_piece,
    studio_of,
    target_of,
    writable,
)
from eimg_core.errors import InputError
from eimg_core.options import EXTEND_SECONDS, STORY_SECONDS

__all__ = ["add_tunes"]

_OF_THE_PIECE = ("tempo", "key", "mode", "bpm", "meter", "loop")  # a piece that goes on has its own


def add_tunes(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands."""
    story = commands.add_parser(
        "story",
        help="one piece that moves through 2 to 8 photos",
        parents=[composing_arguments("target", seconds=STORY_SECONDS)],
    )
    story.add_argument("photos", nargs="+", type=path_argument, metavar="PHOTO")
    story.set_defaults(run=_story)

    retell = commands.add_parser(
        "retell", help="the tune of a MIDI file with another emotion", parents=[composing_arguments("seconds", "meter")]
    )
    retell.set_defaults(run=_retell)
    extend = commands.add_parser(
        "extend",
        help="a MIDI file, going on until --seconds, in its key, tempo and meter",
        parents=[composing_arguments(*_OF_THE_PIECE, seconds=EXTEND_SECONDS)],
    )
    extend.set_defaults(run=_extend)
    fill = commands.add_parser(
        "fill",
        help="a MIDI file with some of its bars composed anew between those around them",
        parents=[composing_arguments("seconds", *_OF_THE_PIECE)],
    )
    fill.add_argument("--bars", required=True, type=_bars, metavar="FIRST-LAST", help="for example 5-8, counted from 1")
    fill.set_defaults(run=_fill)
    for command in (retell, extend, fill):
        midi_arguments(command)
    for command in (story, retell, extend, fill):
        command.add_argument("--pairing", help="see the command pairings")


def _story(args: argparse.Namespace) -> int:
    from eimg_core.images import open_photo

    studio = studio_of(args)
    photos = [open_photo(path) for path in args.photos]
    composition = studio.story(photos, pairing_of(args, studio), options_of(args))
    save_piece(studio, composition, "story", writable(args))
    return 0


def _retell(args: argparse.Namespace) -> int:
    target = target_of(args.valence, args.arousal)
    if target is None:
        raise InputError("Say with which emotion to tell it again: give --valence and --arousal, each from 1 to 9.")
    studio, piece = studio_of(args), piece_of(args, straighten=True)
    composition = studio.retell(piece, pairing_of(args, studio), target, options_of(args))
    save_piece(studio, composition, f"{Stems().new(args.file.stem)}-retold", writable(args))
    return 0


def _bars(text: str) -> tuple[int, int]:
    """``5-8`` or ``5``: the first bar and the one after the last, from 0."""
    first, _, last = text.partition("-")
    if not (first.isascii() and first.isdigit() and (last or first).isascii() and (last or first).isdigit()):
        raise argparse.ArgumentTypeError(f"expected bars such as 5-8, got {text!r}")
    return int(first) - 1, int(last or first)


def _fill(args: argparse.Namespace) -> int:
    studio, piece = studio_of(args), piece_of(args, straighten=True)
    target = target_of(args.valence, args.arousal) or studio.listen(piece)
    composition = studio.fill(piece, args.bars, pairing_of(args, studio), target, options_of(args))
    save_piece(studio, composition, f"{Stems().new(args.file.stem)}-filled", writable(args))
    return 0


def _extend(args: argparse.Namespace) -> int:
    studio, piece = studio_of(args), piece_of(args, straighten=True)
    target = target_of(args.valence, args.arousal) or studio.listen(piece)
    composition = studio.extend(piece, pairing_of(args, studio), target, options_of(args))
    save_piece(studio, composition, f"{Stems().new(args.file.stem)}-extended", writable(args))
    return 0
