"""``eyes``: a photo reader of one's own."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from eimg_core.errors import InputError

__all__ = ["add_reader"]


def add_reader(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    command = commands.add_parser("eyes", help="which reader reads photos; fit one of your own")
    command.add_argument(
        "--encoder", metavar="LIBRARY:NAME", help="a network of torchvision or timm, such as timm:convnext_tiny"
    )
    command.add_argument(
        "--data", type=Path, metavar="DIR", help="the rated photos; python -m train.download gets them"
    )
    command.add_argument(
        "--out", type=Path, metavar="DIR", help="where it goes (default $EIMG_READER or ~/.eimg/reader)"
    )
    command.set_defaults(run=_reader)


def _reader(args: argparse.Namespace) -> int:
    from eimg_core.va.readers import own_folder, reader_note

    if args.encoder is None:
        print(reader_note() or "The built-in reader reads the photos.")
        return 0
    if args.data is None:
        raise InputError("To fit a reader, name the folder of the rated photos with --data.")
    folder = args.out or own_folder()
    if folder is None:
        raise InputError("EIMG_READER is empty, so there is no folder for the reader; name one with --out.")

    from tqdm import tqdm

    from eimg_core.data import read_oasis
    from eimg_core.va.own_reader import fit_own_reader

    corpus = read_oasis(args.data)
    with tqdm(total=100, unit="%", file=sys.stderr) as bar:
        metrics = fit_own_reader(args.encoder, corpus, folder, lambda done: bar.update(round(100 * done) - bar.n))
    told = ", ".join(f"{name.replace('_', ' ')} {value:.2f}" for name, value in metrics.items())
    print(f"{args.encoder} reads photos from {folder} now; on the test photos: {told}.")
    return 0
