"""Where the files of a visit live, and what they are called.

Every request gets a folder of its own under one fixed root. Folders older than an hour are removed when the next one is
made, and before their time, the oldest first, when all of them take more than ``EIMG_TEMP_MB``; uploads likewise. So an
app that runs for months, or meets somebody who wants to fill the disk, does not.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
import unicodedata
from collections.abc import Iterable
from pathlib import Path

__all__ = [
    "KEEP_S",
    "USUAL_MB",
    "clean_name",
    "file_stem",
    "most_bytes",
    "new_folder",
    "pieces_root",
    "sweep",
    "temp_root",
    "trim",
]

KEEP_S = 3600.0
USUAL_MB = 2048  # for the pieces of all visitors, and as much again for their uploads
_YOUNG_S = 120.0  # what is younger may still be written or read
_LONGEST_NAME = 40
_HARMLESS = "-+@(),"


def temp_root() -> Path:
    """The fixed folder for everything temporary, one per user of the computer."""
    user = os.getuid() if hasattr(os, "getuid") else "user"
    return Path(tempfile.gettempdir()) / f"eimg-studio-{user}"


def pieces_root() -> Path:
    """The folder in which every request gets its own; in Gradio's, so that it serves the files without a copy."""
    return Path(os.environ.get("GRADIO_TEMP_DIR") or temp_root()) / "pieces"


def most_bytes() -> int:
    """What all pieces may take at once, from ``EIMG_TEMP_MB``; ``app.py`` refuses to start when that is no number."""
    text = os.environ.get("EIMG_TEMP_MB", "").strip()
    return (int(text) if text.isdecimal() else USUAL_MB) * 2**20


def sweep(root: Path, keep_s: float = KEEP_S, most: int | None = None) -> int:
    """Remove folders in ``root`` that are of no use any more, or too many; how many there were.

    Args:
        keep_s: a folder that was last changed longer ago is removed.
        most: bytes that all of them may take, ``most_bytes()`` where it is not given.
    """
    oldest = time.time() - keep_s
    folders = [folder for folder in root.iterdir() if folder.is_dir()]
    old = [folder for folder in folders if folder.stat().st_mtime < oldest]
    for folder in old:
        shutil.rmtree(folder, ignore_errors=True)
    return len(old) + trim((folder for folder in folders if folder not in old), most_bytes() if most is None else most)


def trim(paths: Iterable[Path], most: int) -> int:
    """Remove the oldest of some files and folders until the rest has at most ``most`` bytes; how many there were.

    What is younger than two minutes stays in any case: somebody is at work with it.
    """
    found = []
    for path in paths:
        try:
            parts = [path, *path.rglob("*")] if path.is_dir() else [path]
            found.append((path.stat().st_mtime, sum(part.stat().st_size for part in parts if part.is_file()), path))
        except OSError:  # somebody else removed it meanwhile
            continue
    total, removed, young = sum(size for _, size, _ in found), 0, time.time() - _YOUNG_S
    for changed, size, path in sorted(found):
        if total <= most or changed > young:
            break
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
        total, removed = total - size, removed + 1
    return removed


def new_folder(root: Path) -> Path:
    """A new empty folder in ``root`` with a name nobody can guess, after sweeping out the old ones."""
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    sweep(root)
    return Path(tempfile.mkdtemp(dir=root))


def clean_name(text: str, otherwise: str) -> str:
    """A name for a file: letters and digits of any script, with single spaces between the words, and no more than 40 of
    them; ``otherwise`` when nothing is left.

    What a system, a shell or a page could take for more than a name is left out: slashes, quotes, brackets of tags,
    wildcards, control and direction marks.
    """
    plain = unicodedata.normalize("NFC", text)
    kept = "".join(
        letter if unicodedata.category(letter)[0] in "LMN" or letter in _HARMLESS else " " for letter in plain
    )
    return " ".join(kept.split())[:_LONGEST_NAME].strip(" -.") or otherwise


def file_stem(photo_name: str | None, region: str, *details: str) -> str:
    """A name that says what the file is, such as ``Evening meadow – serene``; ``details`` of ours, such as a take,
    follow."""
    subject = clean_name(Path((photo_name or "").replace("\\", "/")).stem, "Photo") if photo_name else "Piece"
    shown = subject[0].upper() + subject[1:]
    return f"{shown} – {', '.join(filter(None, (region, *details)))}"
