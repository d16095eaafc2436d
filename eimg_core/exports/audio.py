"""Sound files: WAV with an INFO list, MP3 with an ID3 tag.

References: Microsoft and IBM, *Multimedia Programming Interface and Data Specifications 1.0* (RIFF INFO); the ID3v2.4.0
structure and frames of id3.org. MP3 is encoded by libsndfile, which the package soundfile brings along, so that no
ffmpeg is needed.
"""

from __future__ import annotations

import io
import struct
import wave

import numpy as np
from numpy.typing import NDArray

from eimg_core.errors import RenderError
from eimg_core.exports.tags import SOFTWARE, Tags

__all__ = ["mp3_of", "wav_tagged"]

_MISSING = "MP3 needs the package soundfile 0.13 or later, which is not installed; `pip install soundfile` brings it."
_QUALITY = 0.2  # 0 best - 1 smallest: about 190 kbit/s


def wav_tagged(wav: bytes, tags: Tags) -> bytes:
    """A WAV file with its facts in a LIST chunk after the sound.

    Args:
        wav: a RIFF file without one.
        tags: what to say.
    """
    words = (
        (b"INAM", tags.title),
        (b"IART", tags.artist),
        (b"ISFT", SOFTWARE),
        (b"ICMT", tags.comment),
    )
    info = b"INFO"
    for name, text in words:
        data = text.encode("ascii", "replace") + b"\0"
        info += name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
    body = wav[8:] + b"\0" * (len(wav) % 2) + b"LIST" + struct.pack("<I", len(info)) + info
    return b"RIFF" + struct.pack("<I", len(body)) + body


def mp3_of(wav: bytes, tags: Tags | None = None) -> bytes:
    """A 16-bit WAV file as MP3, with a tag where there are facts.

    Raises:
        RenderError: no encoder is installed.
    """
    samples, rate = _samples(wav)
    try:
        import soundfile
    except (ImportError, OSError) as error:  # OSError: the package is there, its library is not
        raise RenderError(_MISSING) from error
    if "MP3" not in soundfile.available_formats():
        raise RenderError(_MISSING)
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format="MP3", compression_level=_QUALITY)
    return (_id3(tags) if tags else b"") + buffer.getvalue()


def _samples(wav: bytes) -> tuple[NDArray[np.float32], int]:
    """(N, 2) in [-1, 1], and samples per second."""
    with wave.open(io.BytesIO(wav)) as file:
        pcm = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
        return (pcm.reshape(-1, file.getnchannels()) / 32768).astype(np.float32), file.getframerate()


def _id3(tags: Tags) -> bytes:
    """An ID3v2.4 tag: title, artist, encoder, one comment, and each fact by its name."""
    frames = _text_frame(b"TIT2", tags.title) + _text_frame(b"TPE1", tags.artist) + _text_frame(b"TSSE", SOFTWARE)
    frames += _frame(b"COMM", b"\x03eng\0" + tags.comment.encode())
    for name, value in tags.facts.items():
        frames += _frame(b"TXXX", b"\x03" + name.encode() + b"\0" + value.encode())
    return b"ID3\x04\x00\x00" + _syncsafe(len(frames)) + frames


def _text_frame(name: bytes, text: str) -> bytes:
    return _frame(name, b"\x03" + text.encode())  # 3: UTF-8


def _frame(name: bytes, data: bytes) -> bytes:
    return name + _syncsafe(len(data)) + b"\0\0" + data


def _syncsafe(number: int) -> bytes:
    """28 bits in four bytes whose first bit is 0, so that no decoder takes them for sound."""
    return bytes((number >> shift) & 0x7F for shift in (21, 14, 7, 0))
