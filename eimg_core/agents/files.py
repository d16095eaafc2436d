"""Files in the words of a language model: it names what it was given by this server, or sends the bytes themselves.

Nothing is fetched, and no path is opened but those of uploads and pieces, whose folders have names that nobody can
guess.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote, urlsplit

from gradio.utils import get_upload_folder, is_in_or_equal

from eimg_core.errors import InputError

__all__ = ["HOW_TO_GIVE", "given_file"]

HOW_TO_GIVE = (
    "a link or path that this server gave: of a file in an answer, or of an upload (POST it as multipart field `files` "
    "to /gradio_api/upload); or a data: address with base64, up to 3 MB"
)
_SERVED = "/gradio_api/file="
_REFUSED = (
    "This is no file of this server: give a link from one of its answers, the path that /gradio_api/upload answered "
    "with, or a data: address with base64. Other addresses and paths are not opened."
)
_GONE = "There is no such file on this server any more; files are kept for an hour. Upload or compose it again."


def given_file(text: str, pieces: Path) -> Path | bytes:
    """The file that ``text`` means: bytes of a ``data:`` address, or the path of an upload or of a file in ``pieces``.

    Of a link only the path counts, so that it works whatever name the server has from outside, and is never fetched.

    Raises:
        InputError: it means no file of ours, or one that is gone.
    """
    text = text.strip()
    if text.startswith("data:"):
        return _bytes_of(text)
    if text.startswith(("http://", "https://")):
        _, found, served = urlsplit(text).path.partition(_SERVED)
        if not found:
            raise InputError(_REFUSED)
        text = unquote(served)
    return _ours(text, (Path(get_upload_folder()), pieces))


def _bytes_of(address: str) -> bytes:
    head, _, body = address.partition(",")
    try:
        if not head.endswith(";base64"):
            raise ValueError
        return base64.b64decode(body, validate=True)
    except (ValueError, binascii.Error) as error:
        raise InputError("The data: address is damaged; expected data:image/jpeg;base64, and then base64.") from error


def _ours(text: str, folders: Iterable[Path]) -> Path:
    try:
        path = Path(text)
        if not path.is_absolute():
            raise InputError(_REFUSED)
        path = path.resolve()
        if not any(is_in_or_equal(path, folder.resolve()) for folder in folders):
            raise InputError(_REFUSED)
        if not path.is_file():
            raise InputError(_GONE)
    except (OSError, ValueError) as error:  # too long a name, a NUL in it
        raise InputError(_REFUSED) from error
    return path
