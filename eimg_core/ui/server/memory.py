"""Keep the memory of a process that serves for months from growing with the number of its threads."""

from __future__ import annotations

import ctypes
import sys

__all__ = ["hand_back", "share_arenas"]

_M_ARENA_MAX = -8  # of mallopt(3), GNU C library
_ARENAS = 2


def share_arenas() -> bool:
    """Let all threads allocate from two arenas; whether the C library here knows how.

    The GNU C library gives threads arenas of their own, up to eight per core, and each keeps what it once needed: with
    many visitors, hundreds of MB that nobody uses. To be called before threads start.
    """
    return _of_c_library("mallopt", _M_ARENA_MAX, _ARENAS)


def hand_back() -> bool:
    """Give the system the memory that is free in the arenas; whether there was any, and the C library here knows how.

    A piece needs a hundred MB for a moment, which stay with the process otherwise. Takes a few milliseconds.
    """
    return _of_c_library("malloc_trim", 0)


def _of_c_library(name: str, *values: int) -> bool:
    """Whether a function of the GNU C library says yes; no where there is none."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        return bool(getattr(ctypes.CDLL(None), name)(*values))
    except (OSError, AttributeError):  # another C library, such as musl
        return False
