"""The formats that a piece can be taken away in: one line each, read by everything that writes, offers or lists them.

A new format is a writer in a module of this folder and a line in ``FORMATS``. Writers are named and imported when they
are first used, so that a list of formats costs neither numpy nor an engraver.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from eimg_core.errors import InputError
from eimg_core.messages import message

__all__ = ["FORMATS", "Format", "formats_from_midi", "formats_on_demand", "known_formats", "usual_formats"]

_LONGEST_KEY = 20  # what is told of a format that somebody made up


@dataclass(frozen=True, slots=True)
class Format:
    """A format; its key is the suffix of its files.

    Args:
        title: on the button that fetches it.
        help: what it holds, in a few words.
        mime: media type, as it is served.
        writer: ``module:function``; of a ``Work``, or, ``from_midi``, of a ``MidiWork``, it gives the bytes of a
            file; see ``eimg_core.exports.work``.
        group: what it is for; the page shows formats of one group together.
        package: an optional package that the writer needs.
        sound: it needs sound, and is left out where there is none.
        photo: it shows the photo, which is kept beside the piece as long as the file was not made.
        packs: it holds all other files.
        from_midi: it can be made of a MIDI file alone.
        straight: of a MIDI file it needs the notes on their beats, as ``read_midi(straighten=True)`` gives them.
        usual: it is written where nobody says which formats.
        large: it is no part of the file that packs all others, which would double with it.
        light: it costs so little that the page writes it with every piece; all others are made on demand.
    """

    title: str
    help: str
    mime: str
    writer: str
    group: str = message("Share")
    package: str = ""
    sound: bool = False
    photo: bool = False
    packs: bool = False
    from_midi: bool = False
    straight: bool = False
    usual: bool = False
    large: bool = False
    light: bool = False


FORMATS: dict[str, Format] = {
    "mp3": Format(
        "MP3", message("the sound, small"), "audio/mpeg",
        "eimg_core.exports.audio:mp3_file", group=message("Sound"), package="soundfile", sound=True, from_midi=True,
    ),
    "wav": Format(
        "WAV", message("the sound, uncompressed"), "audio/wav",
        "eimg_core.exports.audio:wav_file", group=message("Sound"), sound=True, from_midi=True, usual=True, light=True,
    ),
    "stems.zip": Format(
        message("Stems"), message("the sound of each hand, two WAV files"), "application/zip",
        "eimg_core.exports.stems:stems_file", group=message("Sound"), sound=True, large=True,
    ),
    "mid": Format(
        "MIDI", message("the performance, for music programs"), "audio/midi",
        "eimg_core.exports.midi_file:midi_file", group=message("Notes"), usual=True, light=True,
    ),
    "musicxml": Format(
        "MusicXML", message("the score, for notation programs"), "application/vnd.recordare.musicxml+xml",
        "eimg_core.exports.score:musicxml_file", group=message("Notes"), from_midi=True, straight=True,
    ),
    "svg": Format(
        message("Sheet music"), message("the score as a drawing (SVG)"), "image/svg+xml",
        "eimg_core.exports.score:sheet_file", group=message("Notes"), package="verovio", from_midi=True, straight=True,
    ),
    "png": Format(
        message("Picture"), message("photo, emotion and piano roll (PNG)"), "image/png",
        "eimg_core.exports.picture:picture_file", photo=True, from_midi=True, usual=True,
    ),
    "mp4": Format(
        message("Clip"), message("photo, moving piano roll and music (MP4), square"), "video/mp4",
        "eimg_core.exports.clip:square_file", package="av", sound=True, photo=True, large=True,
    ),
    "portrait.mp4": Format(
        message("Tall clip"), message("the same for phones held upright"), "video/mp4",
        "eimg_core.exports.clip:portrait_file", package="av", sound=True, photo=True, large=True,
    ),
    "landscape.mp4": Format(
        message("Wide clip"), message("the same for wide screens"), "video/mp4",
        "eimg_core.exports.clip:landscape_file", package="av", sound=True, photo=True, large=True,
    ),
    "json": Format(
        message("Details"), message("every number and note (JSON)"), "application/json",
        "eimg_core.exports.record:record_file", group=message("All of it"), usual=True, light=True,
    ),
    "zip": Format(
        message("Everything"), message("all files in one ZIP"), "application/zip",
        "eimg_core.exports.archive:archive_file", group=message("All of it"), packs=True,
    ),
}  # fmt: skip


def known_formats(keys: Iterable[str], among: Iterable[str] | None = None) -> list[str]:
    """The keys, each once and in the order of ``FORMATS``.

    Args:
        keys: the formats that are asked for.
        among: those that can be had; all of them where it is not given.
    Raises:
        InputError: one of the formats cannot be had.
    """
    wanted, known = list(keys), tuple(FORMATS if among is None else among)
    if unknown := [key for key in wanted if key not in known]:
        asked = repr(unknown[0][:_LONGEST_KEY])
        raise InputError(message("There is no format {format}; choose from: {known}.", format=asked, known=known))
    return [key for key in known if key in wanted]


def usual_formats(figure: bool = True) -> list[str]:
    """What is written where nobody says which formats; without ``figure`` only what is light."""
    return [key for key, one in FORMATS.items() if one.usual and (figure or one.light)]


def formats_on_demand() -> list[str]:
    """What is made of a saved piece when somebody asks for it."""
    return [key for key, one in FORMATS.items() if not one.light]


def formats_from_midi() -> list[str]:
    """What can be made of a MIDI file alone."""
    return [key for key, one in FORMATS.items() if one.from_midi]
