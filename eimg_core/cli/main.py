"""The command line of EIMG Studio.

    eimg compose PHOTO [PHOTO ...] --out DIR      photos become music
    eimg compose --valence 7 --arousal 3          an emotion becomes music
    eimg compose --requests FILE.csv              many emotions in one run
    eimg compose FOLDER --workers 2 --resume      a folder of photos, with an index
    eimg batch FOLDER --engine dask               the same on many machines, see docs/batch.md
    eimg compose PHOTO --pairing all              every pairing for one photo, compared
    eimg story PHOTO PHOTO [PHOTO ...]            one piece that moves through several photos
    eimg retell FILE.mid --valence 3 --arousal 2  the same tune with another emotion
    eimg extend FILE.mid --seconds 40             a piece that goes on
    eimg fill FILE.mid --bars 5-8                 a piece with some bars composed anew
    eimg app [--port N]                           the page in the browser
    eimg eyes --encoder timm:NAME --data DIR      photos read by a network of your own
    eimg pairings [--json]                        what is shipped
    eimg licences [--markdown]                    what the weights learnt from, and its terms
    eimg render FILE.mid --out FILE.wav           a MIDI file as sound, as a score or as a picture
    eimg evaluate-midi FILE.mid [FILE.mid ...]    metrics and estimated emotion, JSON lines
    eimg evaluate-midi DIR --labels FILE.csv      anybody's music, compared on our footing

Exit code 0: done. 2: wrong usage, bad input, or files that cannot be written; one sentence per problem on stderr, and
what was good is still done.
"""

from __future__ import annotations

import argparse
import os

from eimg_core.cli.compose import add_compose
from eimg_core.cli.console import PROGRAM, exit_code
from eimg_core.cli.info import add_info
from eimg_core.cli.midi import add_midi
from eimg_core.cli.page import add_page
from eimg_core.cli.reader import add_reader
from eimg_core.cli.tunes import add_tunes

__all__ = ["command_parser", "main"]


def command_parser() -> argparse.ArgumentParser:
    """The parser of all commands; what it returns has the function of its command as ``run``."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for add in (add_compose, add_tunes, add_page, add_reader, add_info, add_midi):
        add(commands)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run a command; ``argv`` are its words, those of the process where ``None``. Returns the exit code."""

    os.environ["MPLBACKEND"] = "agg"  # no command opens a window, and a name that matplotlib does not know stops it

    def run() -> int:
        args = command_parser().parse_args(argv)
        code: int = args.run(args)
        return code

    return exit_code(run)
