"""What a command says, and how it ends when the world around it is at fault: a console, a disk, a reader that left."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from eimg_core.errors import EimgError

__all__ = ["PROGRAM", "Unread", "exit_code", "fail", "printable", "remark", "say", "shown_name", "unusable"]

PROGRAM = "eimg"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_INTERRUPTED = 130  # as shells say it of a program that was stopped by Ctrl-C


def printable(message: str) -> str:
    """The message without anything that steers a terminal: file names and cells of tables come from strangers."""
    return "".join(
        letter if letter.isprintable() or letter == "\n" else "\N{REPLACEMENT CHARACTER}" for letter in message
    )


def shown_name(name: str) -> str:
    """The name of a file as text that can be written anywhere; bytes that are not UTF-8 become U+FFFD."""
    return os.fsencode(name).decode("utf-8", "replace")


class Unread:
    """A stream that nobody needs to read: where the reader is gone, the work goes on and the words are lost."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        try:
            self._stream.write(text)
        except BrokenPipeError:
            _silence(self._stream)
        return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except BrokenPipeError:
            _silence(self._stream)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def say(message: str) -> None:
    """Say on standard output what was done. The files are what was asked for, so nobody needs to read it.

    Raises:
        OSError: it cannot be written, though somebody reads.
    """
    if sys.stdout is not None:  # None where the shell has closed it
        print(printable(message), file=Unread(sys.stdout), flush=True)


def fail(message: str) -> None:
    """Say on standard error what went wrong; where that cannot be written, there is nobody to tell."""
    if sys.stderr is not None:
        with suppress(OSError):
            print(f"{PROGRAM}: {printable(message)}", file=Unread(sys.stderr), flush=True)


def remark(message: str) -> None:
    """Say on standard error what is worth knowing, though nothing went wrong."""
    fail(message)


def unusable(error: OSError, remedy: str = "check the path, or choose another one") -> str:
    """A fault of the file system as a sentence, with the name of the file and never its folder."""
    place = error.filename2 or error.filename
    name = shown_name(Path(os.fsdecode(place)).name) if isinstance(place, str | bytes) else "The output"
    if error.errno in _FULL:
        return f"{name} cannot be written ({error.strerror}); make room, or write somewhere else."
    return f"{name} cannot be used ({error.strerror or error}); {remedy}."


def exit_code(run: Callable[[], int]) -> int:
    """Run a command; whatever the world does to it becomes one sentence on standard error and an exit code.

    Returns:
        What ``run`` returns; 2 for bad input, for files that cannot be read or written, and where nobody reads its
        results, which needs no sentence; 130 for Ctrl-C.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError):  # closed, or replaced by something simpler
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        code = _judged(run)
    except SystemExit:  # argparse has said what there was to say
        _delivered(tell=False)
        raise
    return code if _delivered(tell=code == 0) else 2


def _judged(run: Callable[[], int]) -> int:
    try:
        return run()
    except EimgError as error:
        fail(str(error))
    except BrokenPipeError:
        pass
    except OSError as error:
        fail(unusable(error))
    except UnicodeError as error:
        code = getattr(error, "encoding", "this code")
        fail(f"A name cannot be written in {code}; set the environment variable PYTHONUTF8=1, or use plain letters.")
    except KeyboardInterrupt:
        return _INTERRUPTED
    return 2


def _delivered(tell: bool) -> bool:
    """Whether all that was printed has arrived. At its end Python would ask as well, and answer with a traceback."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:
        if tell and not isinstance(error, BrokenPipeError):
            fail(unusable(error))
        _silence(sys.stdout)
        return False
    return True


def _silence(stream: TextIO) -> None:
    """Let what is still to be written to a stream go nowhere."""
    with suppress(OSError, ValueError):  # a stream without a descriptor
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
