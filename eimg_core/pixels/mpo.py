"""Multi-picture JPEG files whose index has overwritten what follows it.

Pillow before 11.3 left room for the index of two pictures and wrote those of more over the tables behind it, which
costs the first picture its quantisation. Those tables are of the common kind, known by a number from 1 to 100; what
is left of them says which.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator

from PIL import Image

__all__ = ["mended_mpo"]

_APP2, _START_OF_SCAN, _TABLES = 0xE2, 0xDA, b"\xff\xdb"
_TABLES_BYTES = 2 * 69  # of luminance and of colour
_ENTRIES = 0xB002
_MOST_PICTURES = 100
_LEAST_LEFT = 16  # bytes of the tables that must be there to tell which they were


def mended_mpo(content: bytes) -> bytes:
    """The file with its tables put back; any other file as it is."""
    if not content.startswith(b"\xff\xd8\xff"):
        return content
    for start, end in _segments(content):
        if content[start + 4 : start + 8] == b"MPF\0" and content[start + 1] == _APP2:
            index_end = _index_end(content, start + 8)
            return _with_tables(content, start, end, index_end) if end < index_end else content
    return content


def _segments(content: bytes) -> Iterator[tuple[int, int]]:
    """Where each segment of the first picture's header starts and ends."""
    at = 2
    while at + 4 <= len(content) and content[at] == 0xFF and content[at + 1] != _START_OF_SCAN:
        end = at + 2 + int.from_bytes(content[at + 2 : at + 4], "big")
        yield at, end
        at = end


def _index_end(content: bytes, start: int) -> int:
    """Where the index really ends that starts with the header of a TIFF; 0 where it cannot be read."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(content[start : start + 4])
    if order is None:
        return 0
    try:
        (first,) = struct.unpack_from(f"{order}I", content, start + 4)
        (count,) = struct.unpack_from(f"{order}H", content, start + first)
        for number in range(min(count, 8)):
            entry = struct.unpack_from(f"{order}HHII", content, start + first + 2 + 12 * number)
            if entry[0] == _ENTRIES and entry[2] <= 16 * _MOST_PICTURES:
                return start + entry[3] + entry[2]
    except struct.error:
        pass
    return 0


def _with_tables(content: bytes, index: int, lost_from: int, lost_to: int) -> bytes:
    """The file without its index, and with the tables that it overwrote."""
    lost = lost_to - lost_from
    for mode, size in (("RGB", _TABLES_BYTES), ("L", _TABLES_BYTES // 2)):
        for quality in range(1, 101):
            buffer = io.BytesIO()
            Image.new(mode, (8, 8)).save(buffer, "JPEG", quality=quality)
            made = buffer.getvalue()
            tables = made[made.index(_TABLES) :][:size]
            left = tables[lost:]
            if len(left) >= _LEAST_LEFT and content[lost_to : lost_to + len(left)] == left:
                return content[:index] + tables[:lost] + content[lost_to:]
    return content
