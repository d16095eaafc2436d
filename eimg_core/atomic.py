"""Files that are whole or not there: written beside their place and then renamed into it.

A rename within one folder is one step of the file system, so a kill at any moment leaves the old file or the new one,
never half of one.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["clear_drafts", "drafted", "replace_file"]

_DRAFT = ".draft-"


def replace_file(path: Path, data: bytes) -> None:
    """Write one file, to the disk and not only to its cache: it also outlives a power cut."""
    part = path.with_suffix(path.suffix + ".part")
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError:
        with suppress(OSError):
            part.unlink()
        raise


@contextmanager
def drafted(folder: Path) -> Iterator[Path]:
    """A hidden folder to write several files into; they move to ``folder`` when the block ends well.

    Records (``.json``) move last: where the record is, everything that it names is there too.

    Raises:
        OSError: a file cannot be written, or a folder stands in the place of one; then none has moved.
    """
    folder.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=_DRAFT, dir=folder))
    try:
        yield draft
        made = sorted(draft.iterdir(), key=lambda path: (path.suffix == ".json", path.name))
        for place in (folder / path.name for path in made):
            if place.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(place))
        for path in made:
            os.replace(path, folder / path.name)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def clear_drafts(folder: Path) -> int:
    """Remove what a kill has left under ``folder``; how many drafts there were. Nobody may be writing there."""
    left = [path for path in folder.rglob(f"{_DRAFT}*") if path.is_dir()]
    for draft in left:
        shutil.rmtree(draft, ignore_errors=True)
    return len(left)
