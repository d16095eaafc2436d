"""One take: compose, play, save; and what the page shows of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from eimg_core.composer import Composition
from eimg_core.emotion import VA, distance
from eimg_core.errors import RenderError
from eimg_core.exports.formats import FORMATS, formats_on_demand
from eimg_core.messages import message
from eimg_core.notation.following import follow
from eimg_core.options import ComposeOptions
from eimg_core.progress import Progress
from eimg_core.ui.protocol import Sound, Studio
from eimg_core.ui.server.faults import sentence
from eimg_core.ui.server.files import file_stem
from eimg_core.ui.session.packed import packed
from eimg_core.ui.session.photo import OpenedPhoto
from eimg_core.ui.session.points import point

__all__ = [
    "COMPOSED",
    "COMPOSING",
    "PLAYING",
    "READING",
    "STAGES",
    "Take",
    "candidate_values",
    "file_values",
    "make_take",
    "pending_value",
    "play_take",
    "take_value",
]

READING, COMPOSING, PLAYING = STAGES = (
    message("reading the photo"),
    message("composing"),
    message("playing the piano"),
)
FONT_GONE = message("Your soundfont is no longer kept; it is removed after an hour. Load it again.")
COMPOSED = 0.75  # share of the whole work; the rest is playing and saving


@dataclass(frozen=True)
class Take:
    """A composition with its sound, if it could be played, and its files (``mid``, ``wav``, ``json``, …)."""

    composition: Composition
    waveform: Sound | None
    files: dict[str, Path]
    remarks: tuple[str, ...]


def make_take(
    studio: Studio,
    photo: OpenedPhoto | None,
    pairing: str,
    options: ComposeOptions,
    folder: Path,
    progress: Progress,
    photo_va: VA | None = None,
    lufs: float | None = None,
    figure: bool = False,
    detail: str = "",
) -> Take:
    """Compose for the photo or the target, play the piece, and save it in ``folder``.

    A piece that cannot be played is still saved, without sound and with a remark that says why.

    Args:
        progress: told one of ``STAGES``, or a stage the composer names, and the share of the whole work.
        photo_va: the emotion of the photo where it has been read before.
        lufs: loudness of the piece where it is compared with others; ``None`` for the gain of all pieces.
        figure: whether to draw the picture now; otherwise it is drawn when somebody asks (see ``downloads``).
        detail: ends the names of its files.
    Raises:
        EimgError: the composer cannot use what it was given.
    """
    image = photo.image if photo else None
    progress(COMPOSING if photo is None or photo_va else READING, 0.0)
    composition = studio.compose(
        image, pairing, options, lambda stage, done: progress(stage, COMPOSED * done), photo_va
    )
    return play_take(studio, composition, folder, progress, photo, lufs, detail, figure)


def play_take(
    studio: Studio,
    composition: Composition,
    folder: Path,
    progress: Progress,
    photo: OpenedPhoto | None = None,
    lufs: float | None = None,
    detail: str = "",
    figure: bool = False,
    soundfont: Path | None = None,
) -> Take:
    """Play a composition and save everything in ``folder``; ``detail`` ends the names of its files.

    A visitor's own ``soundfont`` plays instead of the instrument while it is there. A piece that cannot be played is
    still saved, without sound and with a remark that says why.
    """
    progress(PLAYING, COMPOSED)
    waveform, remarks = None, composition.remarks
    try:
        if soundfont is not None and not soundfont.is_file():
            soundfont, remarks = None, (*remarks, FONT_GONE)
        waveform = studio.render(composition.played, lufs, composition.options.instrument, soundfont)
    except RenderError as error:
        remarks = (*remarks, sentence(error))
    progress(PLAYING, 0.95)
    stem = file_stem(photo.name if photo else None, composition.target_va.region, detail)
    files = studio.save(composition, waveform, folder, stem, photo=photo.image if photo else None, figure=figure)
    return Take(composition, waveform, files, remarks)


def take_value(take: Take, pairing_title: str) -> dict[str, Any]:
    """A take as plain values for the player.

    Times are seconds as played: ``notes`` are [start, end, pitch, velocity] with MIDI numbers, ``hands`` say of each
    note 0 right or 1 left, ``chords`` are [start, end, name], ``bars`` where bars begin and, at the end, where the last
    one ends. ``packed`` is the whole piece for a link (see ``session.packed``). ``take`` is what ``downloads`` knows
    the piece by, for ``exports``: the kinds of files it makes on demand.
    A take without files yet is shown as one whose sound is still to come if the value gets ``pending`` true.
    """
    composition, piece = take.composition, take.composition.played
    landed = composition.piece_va
    followed = follow(composition.piece, piece)
    record = take.files.get("json")
    return {
        "state": "done",
        "notes": [[round(n.start_s, 3), round(n.end_s, 3), n.pitch, n.velocity] for n in piece.notes],
        "hands": list(followed.hands),
        "chords": [list(chord) for chord in followed.chords],
        "bars": list(followed.bars),
        "key": followed.key,
        "pedals": [[round(p.start_s, 3), round(p.end_s, 3)] for p in piece.pedals],
        "duration_s": round(piece.duration_s, 3),
        "tempo_bpm": round(piece.tempo_bpm, 2),
        "meter": list(piece.meter),
        "seed": composition.options.seed,
        "pairing": composition.pairing,
        "pairing_title": pairing_title,
        "photo": point(composition.photo_va),
        "target": point(composition.target_va),
        "piece": point(landed),
        "distance": round(distance(landed, composition.target_va), 2) if landed else None,
        "metrics": {name: _finite(value) for name, value in composition.metrics.items()},
        "engine": take.waveform.engine if take.waveform else None,
        "soundfont": take.waveform.soundfont if take.waveform else None,
        "remarks": list(take.remarks),
        "packed": packed(composition),
        "files": file_values(take.files),
        "take": f"{record.parent.name}/{record.stem}" if record else None,
        "exports": [key for key in formats_on_demand() if take.waveform or not FORMATS[key].sound],
    }


def pending_value(composition: Composition, pairing_title: str) -> dict[str, Any]:
    """A composition whose sound is still being made, for the player: all but the sound and the files."""
    return {**take_value(Take(composition, None, {}, composition.remarks), pairing_title), "pending": True}


def candidate_values(composition: Composition) -> list[dict[str, Any]]:
    """All takes of a piece, small: notes as [start, end, pitch], the guide's estimate of each, its distance from the
    target, whether the guide prefers it, and whether it is the one on show. Empty where there was no choice."""
    return [
        {
            "notes": [[round(n.start_s, 2), round(n.end_s, 2), n.pitch] for n in take.piece.notes],
            "duration_s": round(take.piece.duration_s, 2),
            "estimate": point(take.estimate),
            "distance": round(take.distance, 2) if take.estimate else None,
            "choice": number == composition.choice,
            "kept": number == composition.kept,
        }
        for number, take in enumerate(composition.takes)
    ]


def file_values(files: Mapping[str, Path]) -> dict[str, dict[str, Any]]:
    """Files as values that the page turns into links."""
    return {
        kind: gr.FileData(path=str(path), orig_name=path.name, meta={"_type": "gradio.FileData"}).model_dump()
        for kind, path in files.items()
    }


def _finite(value: float) -> float | None:
    """The metric of an empty piece is NaN, which JSON cannot say."""
    return round(value, 4) if value == value else None
