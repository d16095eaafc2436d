"""A story: several photos in an order, one piece that moves through their emotions, and when each photo is on.

The piece is at the point of photo k (from 0) of n at the share k / (n - 1) of its length, and moves in a straight line
between two points. A photo is on from halfway to the one before it until halfway to the one after it.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL.Image import Image

from eimg_core.composer import Composition
from eimg_core.emotion import VA
from eimg_core.errors import InputError, RenderError
from eimg_core.messages import message
from eimg_core.options import STORY_SECONDS, ComposeOptions
from eimg_core.progress import Progress
from eimg_core.ui.protocol import Studio
from eimg_core.ui.server.faults import sentence
from eimg_core.ui.server.files import file_stem
from eimg_core.ui.session.photo import OpenedPhoto
from eimg_core.ui.session.piece_values import COMPOSING, PLAYING, Take, take_value
from eimg_core.ui.session.points import point

__all__ = [
    "FEWEST_PHOTOS",
    "MOST_PHOTOS",
    "STORY_STAGES",
    "check_count",
    "make_story",
    "sections",
    "story_value",
    "thumbnail",
]

FEWEST_PHOTOS, MOST_PHOTOS = 2, 8
READING_ALL = message("reading the photos")
STORY_STAGES = (READING_ALL, COMPOSING, PLAYING)
_READ, _COMPOSED = 0.25, 0.8  # shares of the whole work
_THUMBNAIL_PX = 240


def thumbnail(photo: Image) -> str:
    """A small picture as a ``data:`` address: pixels only, nothing of the file it came in."""
    small, buffer = photo.convert("RGB"), io.BytesIO()
    small.thumbnail((_THUMBNAIL_PX, _THUMBNAIL_PX))
    small.info.clear()
    small.save(buffer, "JPEG", quality=82)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def sections(count: int, duration_s: float) -> list[dict[str, Any]]:
    """When each of ``count`` photos is on: ``start_s``, ``end_s`` and its number as ``label``."""
    step = duration_s / max(1, count - 1)
    return [
        {
            "start_s": round(max(0.0, (n - 0.5) * step), 3),
            "end_s": round(min(duration_s, (n + 0.5) * step), 3),
            "label": str(n + 1),
        }
        for n in range(count)
    ]


def make_story(
    studio: Studio,
    photos: Sequence[OpenedPhoto],
    pairing: str,
    pairing_title: str,
    options: ComposeOptions,
    folder: Path,
    progress: Progress,
) -> dict[str, Any]:
    """Compose, play and save a story; the value of the story's player.

    Args:
        photos: 2 to 8 of them, in the order of the story.
        options: its length is 20 to 120 seconds.
        progress: told one of ``STORY_STAGES`` and the share of the whole work.
    Raises:
        InputError: too few or too many photos, another length, or a pairing that cannot move.
    """
    check_count(len(photos))
    STORY_SECONDS.check(options.seconds)
    points: list[VA] = []
    told: list[str] = []
    for n, photo in enumerate(photos):
        progress(READING_ALL, _READ * n / len(photos))
        reading = studio.read_photo(photo.image)
        points.append(studio.target_for(reading.va.clamped()))
        told += [reading.remark] if reading.remark and reading.remark not in told else []
    progress(COMPOSING, _READ)
    composition = studio.story(
        [photo.image for photo in photos],
        pairing,
        options,
        lambda stage, done: progress(stage, _READ + (_COMPOSED - _READ) * done),
        points,
    )
    progress(PLAYING, _COMPOSED)
    composition = replace(composition, remarks=(*told, *composition.remarks))
    return story_value(studio, composition, pairing_title, folder, photos)


def check_count(photos: int) -> None:
    """Say so where a story has too few or too many photos.

    Raises:
        InputError: it has.
    """
    if photos == 0:
        raise InputError(
            message("A story needs {fewest} to {most} photos; add some first.", fewest=FEWEST_PHOTOS, most=MOST_PHOTOS)
        )
    if not FEWEST_PHOTOS <= photos <= MOST_PHOTOS:
        raise InputError(
            message(
                "A story needs {fewest} to {most} photos, not {count}.",
                fewest=FEWEST_PHOTOS,
                most=MOST_PHOTOS,
                count=photos,
            )
        )


def story_value(
    studio: Studio,
    composition: Composition,
    pairing_title: str,
    folder: Path,
    photos: Sequence[OpenedPhoto] = (),
) -> dict[str, Any]:
    """Play and save a story that is composed; the value of the story's player. Without its photos they have numbers
    alone."""
    waveform, remarks = None, composition.remarks
    try:
        waveform = studio.render(composition.played, instrument=composition.options.instrument)
    except RenderError as error:
        remarks = (*remarks, sentence(error))
    stem = file_stem("Story", composition.target_va.region)
    files = studio.save(composition, waveform, folder, stem)
    recipe = composition.made_by
    value = take_value(Take(composition, waveform, files, remarks), pairing_title)
    points = [stop.point for stop in recipe.stops]
    parts = sections(len(points), value["duration_s"])
    stops = [
        {
            "name": photos[n].name if photos else None,
            "thumb": thumbnail(photos[n].image) if photos else None,
            "point": point(va),
            **part,
        }
        for n, (va, part) in enumerate(zip(points, parts, strict=True))
    ]
    # A story aims at no single point: its own words stand where a piece tells how near it came.
    through = message("The story moves through: {regions}.", regions=[va.region for va in points])
    return {**value, "recipe": recipe.value(), "sections": parts, "stops": stops, "remarks": [through, *remarks]}
