"""Fetching an archive from the web, and looking into a zip that one has not made oneself.

A download goes to ``<name>.part`` and takes its final name only when it is complete and its checksum is
right. A broken-off download is resumed, but only while the server says that the file is still the same one.
"""

from __future__ import annotations

import hashlib
import http
import http.client
import io
import ssl
import stat
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath
from urllib.parse import urlsplit

from eimg_core.errors import DataError

__all__ = ["content_digest", "download", "open_zip", "read_member"]

_CHUNK_BYTES = 1 << 18
_TIMEOUT_S = 60.0
_MAX_DOWNLOAD_BYTES = 2 * 1024**3
_MAX_MEMBERS = 100_000
_MAX_UNPACKED_BYTES = 4 * 1024**3
_MAX_MEMBER_BYTES = 512 * 1024**2
_AGENT = "eimg-studio"
_NETWORK_FAULTS = (
    urllib.error.URLError,
    http.client.HTTPException,
    ConnectionError,
    TimeoutError,
    ssl.SSLError,
)

Watch = Callable[[int, int | None], None]  # bytes on disk so far, bytes in all where the server says so


def download(url: str, target: Path, *, checksum: str | None = None, watch: Watch | None = None) -> None:
    """Fetch ``url`` into ``target``; a target that is there already is only verified.

    Args:
        url: http or https.
        target: the file to write; its folder is made when it is not there.
        checksum: ``md5:<hex>`` or ``sha256:<hex>`` as published with the file.
        watch: called after every chunk with the bytes so far and in all.
    Raises:
        DataError: the server cannot be reached or refuses, the download breaks off, the file is larger than
            2 GB, or the checksum is another one. After a break the same call resumes.
    """
    if target.is_file():
        _verify(target, checksum)
        return
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _receive(url, part, watch or (lambda done, total: None))
    except urllib.error.HTTPError as error:
        raise DataError(
            f"{_host(url)} answered {error.code}; try again later, or save the file by hand as "
            f"{target.name} in the folder {target.parent.name}."
        ) from error
    except _NETWORK_FAULTS as error:
        raise DataError(
            f"The connection to {_host(url)} failed; check the network and run the command again to resume."
        ) from error
    except OSError as error:
        raise DataError(f"{target.name} cannot be written; check the free space on the disk.") from error
    _verify(part, checksum)
    _version_file(part).unlink(missing_ok=True)
    part.replace(target)


def _receive(url: str, part: Path, watch: Watch) -> None:
    """Write the body of ``url`` to ``part``, from where an earlier try broke off if the file is unchanged."""
    version = _version_file(part)
    done = part.stat().st_size if part.is_file() and version.is_file() else 0
    headers = {"User-Agent": _AGENT, "Accept-Encoding": "identity"}
    if done:
        # With If-Range a server sends the rest of the same file, or all of a changed one.
        headers |= {"Range": f"bytes={done}-", "If-Range": version.read_text(encoding="ascii")}
    request = urllib.request.Request(url, headers=headers)
    try:
        answer = urllib.request.urlopen(request, timeout=_TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if error.code != http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE or not done:
            raise
        _discard(part)  # we hold at least as much as the server has: start anew
        _receive(url, part, watch)
        return
    with answer:
        if not _continues(answer, done):
            done = 0
            _discard(part)
            if mark := _version_mark(answer.headers):
                version.write_text(mark, encoding="ascii")
        length = answer.headers["Content-Length"]
        total = done + int(length) if length else None
        with part.open("ab") as file:
            while chunk := answer.read(_CHUNK_BYTES):
                file.write(chunk)
                done += len(chunk)
                watch(done, total)
                if done > _MAX_DOWNLOAD_BYTES:
                    raise DataError(f"{_host(url)} sends more than 2 GB, which is not the file we expect.")
    if total is not None and done != total:
        raise http.client.IncompleteRead(b"", total - done)


def _continues(answer: http.client.HTTPResponse, done: int) -> bool:
    """Whether the answer is the part of the file that starts at byte ``done``."""
    span = answer.headers["Content-Range"] or ""
    return answer.status == http.HTTPStatus.PARTIAL_CONTENT and span.startswith(f"bytes {done}-")


def _version_mark(headers: http.client.HTTPMessage) -> str | None:
    """What If-Range may name: a strong entity tag, or else the date of the file."""
    tag = headers["ETag"]
    return tag if tag and not tag.startswith("W/") else headers["Last-Modified"]


def _version_file(part: Path) -> Path:
    return part.with_name(part.name + ".version")


def _verify(path: Path, checksum: str | None) -> None:
    """Delete a file whose published checksum is another one."""
    if checksum is None:
        return
    algorithm, _, expected = checksum.partition(":")
    found = hashlib.new(algorithm)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            found.update(chunk)
    if found.hexdigest() != expected:
        _discard(path)
        raise DataError(
            f"{path.name.removesuffix('.part')} has the {algorithm} {found.hexdigest()}, expected "
            f"{expected}; it was deleted, so run the command again."
        )


def _discard(part: Path) -> None:
    part.unlink(missing_ok=True)
    _version_file(part).unlink(missing_ok=True)


def _host(url: str) -> str:
    return urlsplit(url).hostname or "the server"


@contextmanager
def open_zip(source: Path | bytes, name: str) -> Iterator[zipfile.ZipFile]:
    """A zip file whose table of contents is safe to use.

    Args:
        source: the file, or its bytes.
        name: what to call it in messages.
    Raises:
        DataError: not a zip file, damaged, too large, or with a member that is encrypted, a link, or named so
            that it would leave the folder it is unpacked to.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(source) if isinstance(source, bytes) else source) as archive:
            members = archive.infolist()
            if len(members) > _MAX_MEMBERS or sum(member.file_size for member in members) > _MAX_UNPACKED_BYTES:
                raise DataError(f"{name} unpacks to more than 4 GB, which is not what we expect; delete it.")
            for member in members:
                if _is_unsafe(member):
                    raise DataError(f'{name} holds the unsafe member "{member.filename}"; delete the archive.')
            yield archive
    except (zipfile.BadZipFile, EOFError, NotImplementedError, zlib.error) as error:
        raise DataError(f"{name} is not a readable zip file; delete it and fetch it again.") from error


def _is_unsafe(member: zipfile.ZipInfo) -> bool:
    name = member.filename
    path = PureWindowsPath(name)  # knows drives and both slashes
    leaves = name.startswith("/") or path.is_absolute() or bool(path.drive) or ".." in path.parts
    is_link = stat.S_ISLNK(member.external_attr >> 16)
    is_encrypted = bool(member.flag_bits & 1)
    return leaves or is_link or is_encrypted


def read_member(archive: zipfile.ZipFile, name: str) -> bytes:
    """The bytes of one member; zipfile checks its CRC.

    Raises:
        DataError: it unpacks to more than 512 MB.
    """
    with archive.open(name) as member:
        content = member.read(_MAX_MEMBER_BYTES + 1)
    if len(content) > _MAX_MEMBER_BYTES:
        raise DataError(f"{PurePosixPath(name).name} unpacks to more than 512 MB, which is not what we expect.")
    return content


def content_digest(paths: Iterable[Path]) -> str:
    """SHA-256 over the sorted lines "name sha256": one number for the names and bytes of many files."""
    total = hashlib.sha256()
    for path in sorted(paths, key=lambda path: path.name):
        total.update(f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return total.hexdigest()
