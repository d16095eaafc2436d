"""A piece as a short film to share: the photo, the piano roll moving past a line, the music and its title.

H.264 and AAC in MP4, which phones, browsers and messengers play. The package ``av`` brings FFmpeg along, so that no
program has to be installed.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageDraw, ImageFont, ImageOps

from eimg_core.errors import RenderError
from eimg_core.exports.work import Work
from eimg_core.figures import HIGH_HAND, INK, LINE, LOW_HAND, SOFT
from eimg_core.messages import message
from eimg_core.notation.following import follow
from eimg_core.notation.hands import LEFT

__all__ = ["LAYOUTS", "Layout", "Roll", "film", "landscape_file", "portrait_file", "square_file"]

Pixels = NDArray[np.uint8]

FRAMES_PER_S = 25
_SPEED = 150  # pixels that the roll moves in a second
_NOW = 0.3  # where the line stands, as a share of the width
_PAPER, _PLAYED = "#fbfaf7", 0.45  # and how much of their colour notes keep that were played
_FEWEST_KEYS = 24  # that the roll shows
_QUALITY = "20"  # of x264, smaller is better
_AUDIO_BITS = 192_000  # a second
_USELESS = message("The installed package av cannot encode clips; take the sound or the picture.")
_MISSING = message("Clips need the package av 14 or later, which is not installed; `pip install av` brings it.")


@dataclass(frozen=True)
class Layout:
    """Where things are, in pixels, all of them even.

    Args:
        width, height: of the picture.
        photo: left, top, right and bottom of the photo.
        roll: of the roll, which takes the place of the photo as well where there is none.
        title: where the title begins, and its size.
    """

    width: int
    height: int
    photo: tuple[int, int, int, int]
    roll: tuple[int, int, int, int]
    title: tuple[int, int, int]


LAYOUTS = {  # by the key of their format
    "mp4": Layout(720, 720, (0, 0, 720, 460), (0, 460, 720, 650), (24, 685, 26)),
    "portrait.mp4": Layout(720, 1280, (0, 0, 720, 820), (0, 820, 720, 1180), (28, 1230, 32)),
    "landscape.mp4": Layout(1280, 720, (0, 0, 560, 640), (560, 0, 1280, 640), (28, 680, 28)),
}


def square_file(work: Work) -> bytes:
    """720 × 720 pixels."""
    return film(work, LAYOUTS["mp4"])


def portrait_file(work: Work) -> bytes:
    """720 × 1280 pixels, for phones held upright."""
    return film(work, LAYOUTS["portrait.mp4"])


def landscape_file(work: Work) -> bytes:
    """1280 × 720 pixels."""
    return film(work, LAYOUTS["landscape.mp4"])


def film(work: Work, layout: Layout) -> bytes:
    """An MP4 file, as long as the sound.

    Args:
        work: with its sound.
        layout: where photo, roll and title stand.
    Raises:
        RenderError: the package ``av`` is missing, or its FFmpeg cannot encode H.264 and AAC.
    """
    try:
        import av
    except ImportError as error:
        raise RenderError(_MISSING) from error
    samples, rate_hz = _samples(work.wav or b"")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"  # to move its index to the front, FFmpeg reads the file once more
        try:
            with av.open(str(path), "w", options={"movflags": "+faststart"}) as file:
                tags = work.tags
                file.metadata.update({"title": tags.title, "artist": tags.artist, "comment": tags.comment})
                _encode(file, _frames(work, layout, samples.shape[1] / rate_hz), layout, samples, rate_hz)
        except (av.error.FFmpegError, av.codec.codec.UnknownCodecError) as error:
            raise RenderError(_USELESS) from error
        return path.read_bytes()


def _encode(file: Any, frames: Iterator[Pixels], layout: Layout, samples: NDArray[np.float32], rate_hz: int) -> None:
    """Pictures as H.264, and (2, N) samples as AAC, into an open container."""
    import av

    picture = file.add_stream("libx264", rate=FRAMES_PER_S, options={"crf": _QUALITY, "preset": "veryfast"})
    picture.width, picture.height, picture.pix_fmt = layout.width, layout.height, "yuv420p"
    sound = file.add_stream("aac", rate=rate_hz, layout="stereo")
    sound.bit_rate = _AUDIO_BITS
    for pixels in frames:
        file.mux(picture.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
    file.mux(picture.encode())
    heard = av.AudioFrame.from_ndarray(samples, format="fltp", layout="stereo")
    heard.sample_rate = rate_hz
    file.mux(sound.encode(heard))
    file.mux(sound.encode())


def _samples(wav: bytes) -> tuple[NDArray[np.float32], int]:
    """A 16-bit stereo WAV file as (2, N) in [-1, 1], and its rate in Hz."""
    import wave

    with wave.open(io.BytesIO(wav)) as file:
        data = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").reshape(-1, file.getnchannels())
        return np.ascontiguousarray(data.T[:2] / np.float32(32768), dtype=np.float32), file.getframerate()


def _frames(work: Work, layout: Layout, seconds: float) -> Iterator[Pixels]:
    """The pictures of the film, (H, W, 3) each."""
    left, top, right, bottom = layout.roll if work.photo else _both(layout)
    roll = Roll(work, right - left, bottom - top, seconds)
    still = _still(work, layout)
    for number in range(math.ceil(seconds * FRAMES_PER_S)):
        frame = still.copy()
        frame[top:bottom, left:right] = roll.at(number / FRAMES_PER_S)
        yield frame


def _both(layout: Layout) -> tuple[int, int, int, int]:
    """The rectangle that holds photo and roll."""
    (left, top, right, bottom), (left2, top2, right2, bottom2) = layout.photo, layout.roll
    return min(left, left2), min(top, top2), max(right, right2), max(bottom, bottom2)


def _still(work: Work, layout: Layout) -> Pixels:
    """What does not move: the photo, cut to its rectangle, and the title."""
    picture = Image.new("RGB", (layout.width, layout.height), _PAPER)
    if work.photo is not None:
        left, top, right, bottom = layout.photo
        picture.paste(ImageOps.fit(work.photo.convert("RGB"), (right - left, bottom - top)), (left, top))
    pen, (x, y, size) = ImageDraw.Draw(picture), layout.title
    pen.text((x, y), work.title, INK, ImageFont.load_default(size), anchor="lm")
    pen.text((layout.width - x, y), "EIMG Studio", SOFT, ImageFont.load_default(size * 0.7), anchor="rm")
    return np.asarray(picture)


class Roll:
    """The whole roll as a strip, of which a window is seen.

    Args:
        work: whose notes are shown as they sound.
        width, height: of the window.
        seconds: that the strip lasts.
    """

    def __init__(self, work: Work, width: int, height: int, seconds: float) -> None:
        played = work.composition.played
        followed = follow(work.piece, played)
        self.width, self.line = width, round(width * _NOW)
        pitches = [note.pitch for note in played.notes] or [60]
        spare = max(0, _FEWEST_KEYS - (max(pitches) - min(pitches) + 1)) / 2
        lowest, keys = min(pitches) - spare - 1, max(max(pitches) - min(pitches) + 1, _FEWEST_KEYS) + 2
        key = height / keys
        strip = Image.new("RGB", (width + math.ceil(seconds * _SPEED), height), _PAPER)
        pen = ImageDraw.Draw(strip)
        for bar in followed.bars:
            pen.line([(self.line + bar * _SPEED, 0), (self.line + bar * _SPEED, height)], LINE)
        self.notes: list[tuple[float, float, tuple[int, int, int, int], Pixels]] = []
        for note, hand in zip(played.notes, followed.hands, strict=True):
            first, last = self.line + note.start_s * _SPEED, self.line + note.end_s * _SPEED - 2
            lower = height - (note.pitch - lowest) * key
            box = (
                round(first),
                round(lower - key + 1),
                max(round(last), round(first) + 3),
                max(round(lower - 1), round(lower - key + 2)),
            )
            colour = np.array(ImageColor.getrgb(LOW_HAND if hand == LEFT else HIGH_HAND))
            full = 0.4 + 0.6 * note.velocity / 127
            paper = np.array(ImageColor.getrgb(_PAPER))
            waiting, lit = (colour * share + paper * (1 - share) for share in (full * 0.75, 1.0))
            pen.rounded_rectangle(box, min(3, (box[3] - box[1]) // 2), tuple(waiting.astype(int).tolist()))
            self.notes.append((note.start_s, note.end_s, box, lit.astype(np.uint8)))
        self.strip = np.asarray(strip)

    def at(self, moment_s: float) -> Pixels:
        """The window at a moment: what sounds is lit, what sounded is pale, (height, width, 3)."""
        start = round(moment_s * _SPEED)
        seen = self.strip[:, start : start + self.width].copy()
        past = seen[:, : self.line].astype(np.float32)
        seen[:, : self.line] = past * _PLAYED + np.array(ImageColor.getrgb(_PAPER)) * (1 - _PLAYED)
        for begins, ends, (left, top, right, bottom), lit in self.notes:
            if begins <= moment_s < ends:
                seen[top : bottom + 1, max(left - start, 0) : max(right - start + 1, 0)] = lit
        seen[:, self.line : self.line + 2] = ImageColor.getrgb(INK)
        return seen
