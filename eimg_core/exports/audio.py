"""Sound files, WAV and MP3, with their facts inside as an ID3v2.4 tag.

MP3 is encoded by libsndfile, which the package soundfile brings along, so that no ffmpeg is needed. A WAV file has its
tag in a chunk ``id3 `` after the sound; players that do not know the chunk pass over it.
"""

from __future__ import annotations

import io

from mutagen import FileType
from mutagen.id3 import COMM, TIT2, TPE1, TSSE, TXXX, Encoding, Frame
from mutagen.mp3 import MP3
from mutagen.wave import WAVE

from eimg_core.errors import RenderError
from eimg_core.exports.tags import SOFTWARE, Tags
from eimg_core.exports.work import MidiWork, Work
from eimg_core.messages import message

__all__ = ["mp3_file", "mp3_of", "wav_file", "wav_tagged"]

_MISSING = message(
    "MP3 needs the package soundfile 0.13 or later, which is not installed; `pip install soundfile` brings it."
)
_QUALITY = 0.2  # 0 best - 1 smallest: about 190 kbit/s


def wav_file(work: Work | MidiWork) -> bytes:
    """The sound of a piece, with the facts where they are known."""
    wav = work.wav or b""
    return wav if work.tags is None else wav_tagged(wav, work.tags)


def mp3_file(work: Work | MidiWork) -> bytes:
    """The sound of a piece, small, with the facts where they are known.

    Raises:
        RenderError: no encoder is installed.
    """
    return mp3_of(work.wav or b"", work.tags)


def wav_tagged(wav: bytes, tags: Tags) -> bytes:
    """A WAV file with its facts in a chunk after the sound.

    Args:
        wav: a RIFF file without one.
        tags: what to say.
    """
    return _tagged(WAVE, wav, tags)


def mp3_of(wav: bytes, tags: Tags | None = None) -> bytes:
    """A 16-bit WAV file as MP3, with a tag where there are facts.

    Raises:
        RenderError: no encoder is installed.
    """
    try:
        import soundfile
    except (ImportError, OSError) as error:  # OSError: the package is there, its library is not
        raise RenderError(_MISSING) from error
    if "MP3" not in soundfile.available_formats():
        raise RenderError(_MISSING)
    samples, rate_hz = soundfile.read(io.BytesIO(wav), dtype="float32", always_2d=True)  # (N, 2) in [-1, 1]
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate_hz, format="MP3", compression_level=_QUALITY)
    return _tagged(MP3, buffer.getvalue(), tags) if tags else buffer.getvalue()


def _tagged(kind: type[FileType], sound: bytes, tags: Tags) -> bytes:
    """A sound file with its tag, without padding: nobody is expected to edit it in place."""
    buffer = io.BytesIO(sound)
    file = kind(buffer)
    for frame in _frames(tags):
        file[frame.HashKey] = frame
    buffer.seek(0)
    file.save(buffer, v1=0, padding=lambda info: 0)
    return buffer.getvalue()


def _frames(tags: Tags) -> list[Frame]:
    """Title, artist, encoder, one comment with all facts, and each fact by its name."""
    utf8 = Encoding.UTF8
    return [
        TIT2(encoding=utf8, text=tags.title),
        TPE1(encoding=utf8, text=tags.artist),
        TSSE(encoding=utf8, text=SOFTWARE),
        COMM(encoding=utf8, lang="eng", desc="", text=tags.comment),
        *(TXXX(encoding=utf8, desc=name, text=value) for name, value in tags.facts.items()),
    ]
