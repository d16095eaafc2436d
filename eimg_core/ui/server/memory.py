"""Keep the memory of a process that serves for months from growing with the number of its threads."""

from __future__ import annotations

import ctypes
import sys

__all__ = ["share_arenas"]

_M_ARENA_MAX = -8  # of mallopt(3), GNU C library
_ARENAS = 2


def share_arenas() -> bool:
    """Let all threads allocate from two arenas; whether the C library here knows how.

    The GNU C library gives threads arenas of their own, up to eight per core, and each keeps what it once needed: with
    many visitors, hundreds of MB that nobody uses. To be called before threads start.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        return bool(ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _ARENAS))
    except (OSError, AttributeError):  # another C library, such as musl
        return False
