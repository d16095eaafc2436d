"""Every format that a piece can be taken away in, and how it is made.

The light ones (MIDI, JSON, WAV) are written with the piece. The others are made when somebody asks, from the JSON
record and the WAV beside it, so that nobody waits for files that nobody takes.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from eimg_core.composer import Composition
from eimg_core.errors import InputError, RenderError
from eimg_core.exports.audio import mp3_of, wav_tagged
from eimg_core.exports.comparison import write_archive
from eimg_core.exports.record import composition_of, describe, music_of, read_record, record_text
from eimg_core.exports.tags import SOFTWARE, Tags, tags_of
from eimg_core.figures import save_figure
from eimg_core.messages import message
from eimg_core.midi.notes import write_midi
from eimg_core.notation.engraving import engrave
from eimg_core.notation.musicxml import to_musicxml
from eimg_core.notation.sheet import engrave_svg

__all__ = ["FORMATS", "PHOTO", "Work", "export", "musicxml_of", "sheet_file", "sheet_of", "work_of", "write"]

FORMATS = ("mid", "wav", "mp3", "musicxml", "svg", "png", "json", "zip")
PHOTO = "photo.jpg"  # the photo beside the files of a piece, for pictures that are drawn later
_PAPER = 1100  # px, width of sheet music to take away


@dataclass(frozen=True)
class Work:
    """What files are made of: the composition, the digest of its photo, the photo, its sound as WAV, how it sounds."""

    composition: Composition
    digest: str | None = None
    photo: Image.Image | None = None
    wav: bytes | None = None
    sound: Mapping[str, str] | None = None

    @property
    def tags(self) -> Tags:
        return tags_of(self.composition, self.digest)


def write(work: Work, folder: Path, stem: str, kinds: Sequence[str]) -> dict[str, Path]:
    """Write files of a piece; kind → path. Sound is left out where there is none.

    Raises:
        InputError: an unknown kind.
        RenderError: a kind needs a package that is not installed.
    """
    if unknown := [kind for kind in kinds if kind not in FORMATS]:
        raise InputError(
            message("There is no format {format}; choose from: {known}.", format=repr(unknown[0]), known=tuple(FORMATS))
        )
    silent = ("wav", "mp3") if work.wav is None else ()
    paths = {kind: folder / f"{stem}.{kind}" for kind in kinds if kind not in silent}
    for kind, path in paths.items():
        if kind not in ("json", "zip"):
            path.write_bytes(_WRITERS[kind](work))
    if "json" in paths:
        paths["json"].write_text(_json(work, {kind: path.name for kind, path in paths.items()}), encoding="utf-8")
    if "zip" in paths:
        _archive(work, folder, stem, paths["zip"])
    return paths


def export(record: Path, kind: str) -> Path:
    """A file of a piece that was saved before, beside its JSON ``record``; made at the first request and kept.

    Raises:
        InputError: an unknown kind, or the record is missing or damaged.
        RenderError: the kind needs a package that is not installed, or sound where there is none.
    """
    path = record.with_suffix(f".{kind}")
    if kind in FORMATS and path.exists():
        return path
    work = work_of(record)
    if kind in ("wav", "mp3") and work.wav is None:
        raise RenderError("This piece has no sound, so there is nothing to encode; take the MIDI file instead.")
    return write(work, record.parent, record.stem, [kind])[kind]


def work_of(record: Path) -> Work:
    """A saved piece with what lies beside its record."""
    saved = read_record(record)
    wav, photo = record.with_suffix(".wav"), record.with_name(PHOTO)
    return Work(
        composition_of(saved),
        saved.get("photo_sha256"),
        Image.open(photo).convert("RGB") if saved.get("photo") and photo.exists() else None,
        wav.read_bytes() if wav.exists() else None,
        saved.get("sound"),
    )


def musicxml_of(work: Work) -> bytes:
    """The score of a piece as written."""
    tags = work.tags
    score = engrave(work.composition.piece)
    return to_musicxml(score, title=tags.title, composer=tags.artist, software=SOFTWARE, fields=tags.facts)


def sheet_of(work: Work) -> bytes:
    """Sheet music as an SVG file of its own."""
    tags = work.tags
    return sheet_file(musicxml_of(work), tags.title, f"{SOFTWARE}; {tags.comment}")


def sheet_file(musicxml: bytes, title: str, description: str) -> bytes:
    """A score of our own making as an SVG file on white paper, with its title and what it is inside."""
    svg = engrave_svg(musicxml, _PAPER, header=True).svg
    head = svg.index(">") + 1
    facts = f"<title>{_escaped(title)}</title><desc>{_escaped(description)}</desc>"
    return (svg[: head - 1] + ' style="background:#fff">' + facts + svg[head:]).encode()


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _midi(work: Work) -> bytes:
    tags = work.tags
    texts = [SOFTWARE, *(f"{name}: {value}" for name, value in tags.facts.items())]
    return write_midi(work.composition.played, title=tags.title, texts=texts)


def _wav(work: Work) -> bytes:
    return wav_tagged(work.wav or b"", work.tags)


def _mp3(work: Work) -> bytes:
    return mp3_of(work.wav or b"", work.tags)


def _picture(work: Work) -> bytes:
    buffer = io.BytesIO()
    tags = work.tags
    facts = {"Title": tags.title, "Author": tags.artist, "Software": SOFTWARE, "Description": tags.comment}
    save_figure(work.composition, buffer, work.photo, facts)
    return buffer.getvalue()


def _json(work: Work, files: dict[str, str]) -> str:
    record = describe(work.composition, files)
    if work.sound:
        record["sound"] = dict(work.sound)
    record["photo_sha256"] = work.digest
    return record_text({**record, **music_of(work.composition)})


def _archive(work: Work, folder: Path, stem: str, path: Path) -> None:
    """Everything that can be made here; what needs a missing package stays out."""
    members: list[Path] = []
    for kind in FORMATS[:-1]:
        there = folder / f"{stem}.{kind}"
        try:
            members += [there] if there.exists() else write(work, folder, stem, [kind]).values()
        except RenderError:
            continue
    write_archive(members, path)


_WRITERS: dict[str, Callable[[Work], bytes]] = {
    "mid": _midi,
    "wav": _wav,
    "mp3": _mp3,
    "musicxml": musicxml_of,
    "svg": sheet_of,
    "png": _picture,
}
