"""Where the files of a visit live, and what they are called.

Every request gets a folder of its own under one fixed root; folders older than an hour are removed when the
next one is made, so that an app that runs for months does not fill the disk.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
import unicodedata
from pathlib import Path

__all__ = ["KEEP_S", "file_stem", "new_folder", "pieces_root", "safe_word", "sweep", "temp_root"]

KEEP_S = 3600.0
_LONGEST_WORD = 40


def temp_root() -> Path:
    """The fixed folder for everything temporary, one per user of the computer."""
    user = os.getuid() if hasattr(os, "getuid") else "user"
    return Path(tempfile.gettempdir()) / f"eimg-studio-{user}"


def pieces_root() -> Path:
    """The folder in which every request gets its own; in Gradio's, so that it serves the files without a copy."""
    return Path(os.environ.get("GRADIO_TEMP_DIR") or temp_root()) / "pieces"


def sweep(root: Path, keep_s: float = KEEP_S) -> int:
    """Remove folders in ``root`` that were last changed more than ``keep_s`` seconds ago; how many there were."""
    oldest = time.time() - keep_s
    old = [folder for folder in root.iterdir() if folder.is_dir() and folder.stat().st_mtime < oldest]
    for folder in old:
        shutil.rmtree(folder, ignore_errors=True)
    return len(old)


def new_folder(root: Path) -> Path:
    """A new empty folder in ``root`` with a name nobody can guess, after sweeping out the old ones."""
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    sweep(root)
    return Path(tempfile.mkdtemp(dir=root))


def safe_word(text: str, otherwise: str) -> str:
    """``text`` in lower-case ASCII letters, digits and single hyphens; ``otherwise`` when nothing is left."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain)[:_LONGEST_WORD].strip("-") or otherwise


def file_stem(photo_name: str | None, region: str, pairing: str, seed: int) -> str:
    """A name that says what the file is, such as ``beach-calm-vqvae+fnt-seed7``."""
    subject = safe_word(Path(photo_name.replace("\\", "/")).stem, "photo") if photo_name else "emotion"
    parts = "+".join(safe_word(part, "x") for part in pairing.split("+"))
    return f"{subject}-{safe_word(region, 'emotion')}-{parts}-seed{seed}"
