"""Which reader reads the photos: the built-in one, one's own, or a vision model. The host of the studio chooses, by the
environment of the process; a visitor has no say.

``EIMG_READER`` is the folder of a reader of one's own, see ``own_reader``: empty for none, ``~/.eimg/reader`` if it is
not set. ``EIMG_VISION_URL`` and ``EIMG_VISION_MODEL`` are address and name of a vision model, see ``vision_model``.
"""

from __future__ import annotations

import os
from pathlib import Path

from eimg_core.checkpoints import read_card
from eimg_core.messages import Message, message
from eimg_core.va.image_reader import READER_FOLDER, ImageReader
from eimg_core.va.vision_model import VisionReader, host_of

__all__ = ["own_folder", "photo_reader", "reader_note"]


def own_folder() -> Path | None:
    """Where a reader of one's own lies, or would lie; ``None`` where the host wants none."""
    said = os.environ.get("EIMG_READER")
    if said is not None:
        return Path(said) if said else None
    try:
        return Path.home() / ".eimg" / "reader"
    except RuntimeError:
        return None  # a process without a home


def _own_reader() -> Path | None:
    """The folder of a reader of one's own, where there is one."""
    folder = own_folder()
    # Not Path.is_file, which raises where a folder may not be looked into.
    return folder if folder and os.path.isfile(folder / READER_FOLDER / "card.json") else None


def _vision() -> tuple[str, str]:
    """Address and name of the vision model, both empty where none is set."""
    address = os.environ.get("EIMG_VISION_URL", "").strip()
    return address, os.environ.get("EIMG_VISION_MODEL", "").strip() if address else ""


def photo_reader(root: Path) -> ImageReader | VisionReader:
    """The reader that the host chose.

    Args:
        root: the checkpoints folder, with the built-in reader.
    Raises:
        CheckpointError: a reader is missing or damaged.
        InputError: the vision model is not set as it should be.
    """
    reader = ImageReader.load(_own_reader() or root)
    address, model = _vision()
    return VisionReader(address, model, reader) if address else reader


def reader_note() -> Message | None:
    """What a visitor must know about who reads the photos; ``None`` for the built-in reader.

    Raises:
        InputError: the address of the vision model is not one.
    """
    address, model = _vision()
    if address:
        return message(
            "Photos go to {host}, where the vision model {model} reads their emotion.",
            host=host_of(address),
            model=model,
        )
    if (folder := _own_reader()) is None:
        return None
    names = ", ".join(name.partition("/")[2] for name in read_card(folder / READER_FOLDER)["depends_on"])
    return message("Photos are read by a reader of the host’s own: {name}.", name=names)
