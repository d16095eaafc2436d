"""All files of a piece, or of a comparison, in one ZIP."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from eimg_core.errors import RenderError
from eimg_core.exports.files import write
from eimg_core.exports.formats import FORMATS
from eimg_core.exports.work import Work

__all__ = ["archive_file", "archive_of", "packed"]

_PACKED_ON = (1980, 1, 1, 0, 0, 0)  # the first day of the format: the same files give the same archive


def archive_file(work: Work) -> bytes:
    """Everything that can be made here, as files beside the archive; what needs a missing package stays out, as does
    what is large."""
    archive = work.files["zip"]
    members: list[Path] = []
    for key in (key for key, one in FORMATS.items() if not (one.packs or one.large)):
        there = archive.with_suffix(f".{key}")
        try:
            members += [there] if there.exists() else write(work, archive.parent, archive.stem, [key]).values()
        except RenderError:
            continue
    return archive_of(members)


def archive_of(files: Iterable[Path]) -> bytes:
    """A ZIP of files, without folders.

    Raises:
        ValueError: two different files have one name.
    """
    named: dict[str, Path] = {}
    for file in files:
        if named.setdefault(file.name, file) != file:
            raise ValueError(f"two files are called {file.name}")
    return packed({name: file.read_bytes() for name, file in named.items()})


def packed(contents: Mapping[str, bytes]) -> bytes:
    """A ZIP of contents by the names of their files. The same contents give the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            entry = zipfile.ZipInfo(name, _PACKED_ON)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content)
    return buffer.getvalue()
