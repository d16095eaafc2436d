"""Synthetic photos, pieces and data sets that carry emotion on purpose, for tests and smoke runs.

Photos get their colours and contrast from VA, pieces their mode, register, density and loudness, so that a
model trained on them has something to find. Nothing here comes from a real data set.
"""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import mido
import numpy as np
from PIL import Image

from eimg_core.emotion import QUADRANTS, VA
from eimg_core.midi.notes import Note, Piece
from eimg_core.midi.writing import write_midi

__all__ = ["make_mini_data", "make_photo", "make_piece", "make_scores", "write_score"]

_RATERS = 6
_GROUP_SIZE = 2  # photos of a theme, clips of a piece
_MAJOR, _MINOR = (0, 4, 7), (0, 3, 7)
_SCALES = {_MAJOR: (0, 2, 4, 5, 7, 9, 11), _MINOR: (0, 2, 3, 5, 7, 8, 10)}
_QUADRANT_CENTRES = {"HVHA": VA(7, 7), "LVHA": VA(3, 7), "LVLA": VA(3, 3), "HVLA": VA(7, 3)}


def make_photo(va: VA, rng: np.random.Generator, size: tuple[int, int] = (64, 48)) -> Image.Image:
    """Stripes on a gradient: pleasant is warm and bright, excited is saturated, with many strong stripes.

    Args:
        va: the emotion to show.
        rng: places the stripes and adds grain.
        size: width and height in pixels.
    """
    pleasant, excited = (va.valence - 1) / 8, (va.arousal - 1) / 8
    width, height = size
    y, x = np.mgrid[0:height, 0:width] / max(size)
    angle, phase = rng.uniform(0, np.pi), rng.uniform(0, 2 * np.pi)
    stripes = np.sin(2 * np.pi * (1 + 9 * excited) * (x * np.cos(angle) + y * np.sin(angle)) + phase)
    light = 0.2 + 0.55 * pleasant + 0.1 * (0.5 - y) + (0.02 + 0.2 * excited) * stripes
    cold, warm = np.array([0.35, 0.5, 0.9]), np.array([1.0, 0.8, 0.4])
    colour = (1 - pleasant) * cold + pleasant * warm
    colour = colour.mean() + (0.2 + 0.8 * excited) * (colour - colour.mean())
    pixels = light[..., None] * colour / colour.mean() + rng.normal(0, 0.02, (height, width, 3))
    return Image.fromarray((255 * pixels.clip(0, 1)).astype(np.uint8), "RGB")


def make_piece(va: VA, rng: np.random.Generator, seconds: float = 15.0) -> Piece:
    """Left-hand chords and a right-hand line: pleasant is major and high, excited is dense, fast and loud.

    Args:
        va: the emotion to play.
        rng: chooses the melody.
        seconds: about how long; the piece is a whole number of bars.
    """
    pleasant, excited = (va.valence - 1) / 8, (va.arousal - 1) / 8
    chord = _MAJOR if pleasant >= 0.5 else _MINOR
    beat = 60.0 / round(70 + 70 * excited)
    steps = 1 if excited < 0.35 else 2 if excited < 0.65 else 4  # melody notes in a beat
    root, loudness = 60 + round(8 * pleasant), round(45 + 60 * excited)
    degree, notes = 0, []
    for bar in range(max(1, round(seconds / (4 * beat)))):
        start = 4 * beat * bar
        bass = root - 12 + (0, 5, 7, 0)[bar % 4]
        notes += [Note(start, bass + tone, start + 4 * beat, loudness - 10) for tone in chord]
        for step in range(4 * steps):
            degree = int(np.clip(degree + rng.integers(-2, 3), 0, 6))
            onset = start + step * beat / steps
            pitch = root + _SCALES[chord][degree]
            notes.append(Note(onset, pitch, onset + 0.9 * beat / steps, loudness + int(rng.integers(-4, 5))))
    return Piece(tuple(notes), tempo_bpm=60.0 / beat)


def make_mini_data(
    root: Path,
    photos_per_split: Mapping[str, int],
    clips_per_split: Mapping[str, int],
    seed: int = 0,
    *,
    emopia_clips: int = 8,
    pop909_songs: int = 4,
    scores: bool = False,
) -> Path:
    """A data folder in the layout of the real one, with synthetic photos and music.

    Args:
        root: the folder to fill with ``images/`` and ``music/``.
        photos_per_split: e.g. ``{"train": 12, "val": 4, "test": 4}``; two photos share a theme.
        clips_per_split: the same for the labelled clips; two clips share a piece.
        seed: of everything random.
        emopia_clips: clips with a quadrant only; no folder when 0.
        pop909_songs: songs without labels of emotion, but with beats, chords and phrases; no folder when 0.
        scores: whether there are ``mutopia`` and ``lieder``.
    Returns:
        ``root``, to be given to the readers or as ``--data``.
    """
    rng = np.random.default_rng(seed)
    _make_photos(root / "images" / "oasis", photos_per_split, rng)
    _make_clips(root / "music" / "eimg", clips_per_split, rng)
    for number in range(emopia_clips):
        quadrant = number % 4
        va = _QUADRANT_CENTRES[QUADRANTS[quadrant]]
        name = f"Q{quadrant + 1}_video_{number // 2:05d}_{number % 2}.mid"  # a video id has 11 signs
        _write(root / "music" / "emopia" / name, make_piece(va, rng))
    for number in range(pop909_songs):
        song = make_piece(VA(*rng.uniform(2, 8, 2)), rng, seconds=30.0)
        _write(root / "music" / "pop909" / f"{number + 1:03d}.mid", song)
        _label_song(root / "music" / "pop909_labels.zip", f"{number + 1:03d}", song)
    for name in ("mutopia", "lieder") if scores else ():
        make_scores(root, name)
    return root


def make_scores(data: Path, name: str, composers: str = "ABCDEFGHIJ") -> None:
    """A song of twenty bars in two hands by each of some composers; among so many, each split has some."""
    folder = data / "music" / name
    folder.mkdir(parents=True)
    _write_rows(folder / "pieces.csv", [{"file": f"{one}.mid", "composer": one, "title": "T"} for one in composers])
    for number, composer in enumerate(composers):
        tune = [(beat, 1, 67 + (number + beat * beat) % 8) for beat in range(80)]
        bass = [(2 * half, 2, 43 + (0, 5, 7, 0)[half % 4]) for half in range(40)]
        write_score(folder / f"{composer}.mid", [tune, bass])


def write_score(
    path: Path, tracks: Sequence[Sequence[tuple[float, float, int]]], events: Any = (), quarter: int = 480
) -> None:
    """A MIDI file with a track for each list of (onset, length, pitch) in quarters, and (quarter, message) events."""
    midi = mido.MidiFile(ticks_per_beat=quarter)
    head = mido.MidiTrack()
    now = 0
    for at, message in events:
        head.append(message.copy(time=round(at * quarter) - now))
        now = round(at * quarter)
    midi.tracks.append(head)
    for notes in tracks:
        track = mido.MidiTrack()
        rows = [(round(on * quarter), 1, pitch) for on, _, pitch in notes]
        rows += [(round((on + length) * quarter), 0, pitch) for on, length, pitch in notes]
        now = 0
        for tick, sounds, pitch in sorted(rows):
            track.append(mido.Message("note_on", note=pitch, velocity=80 * sounds, time=tick - now))
            now = tick
        midi.tracks.append(track)
    midi.save(str(path))


def _make_photos(folder: Path, counts: Mapping[str, int], rng: np.random.Generator) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, object]] = []
    for split, place in _places(counts):
        va, theme, number = VA(*rng.uniform(1.5, 8.5, 2)), place // _GROUP_SIZE, len(rows) + 1
        make_photo(va, rng).save(folder / f"I{number}.jpg", quality=92)
        rows.append(
            {
                "file": f"I{number}.jpg",
                "title": f"{split} theme {theme} {place % _GROUP_SIZE + 1}",
                "theme": f"{split} theme {theme}",
                "category": "Object",
                "source": "synthetic",
                "valence": round(1 + (va.valence - 1) * 6 / 8, 6),  # the table is on 1-7
                "valence_sd": 1.0,
                "valence_n": 100,
                "arousal": round(1 + (va.arousal - 1) * 6 / 8, 6),
                "arousal_sd": 1.0,
                "arousal_n": 100,
                "split": split,
            }
        )
    _write_rows(folder / "labels.csv", rows)


def _make_clips(folder: Path, counts: Mapping[str, int], rng: np.random.Generator) -> None:
    rows: list[dict[str, object]] = []
    for split, place in _places(counts):
        meant = rng.uniform(2, 8, 2)
        ratings = np.clip(np.rint(meant[:, None] + rng.normal(0, 0.8, (2, _RATERS))), 1, 9).astype(int)
        name = f"{len(rows) + 1:04d}.mid"
        _write(folder / name, make_piece(VA(*meant), rng))
        row = {
            "file": name,
            "valence": round(float(ratings[0].mean()), 4),
            "arousal": round(float(ratings[1].mean()), 4),
            "piece": f"{split} {place // _GROUP_SIZE}",
            "split": split,
        }
        for axis, values in zip(("valence", "arousal"), ratings, strict=True):
            row |= {f"{axis}_{rater}": int(value) for rater, value in enumerate(values, start=1)}
        rows.append(row)
    _write_rows(folder / "labels.csv", rows)


def _label_song(archive: Path, number: str, song: Piece) -> None:
    """What POP909's labels say of a song in fours: its beats, one chord, and phrases of four bars."""
    beat = song.seconds_per_beat
    bars = round(song.duration_s / (4 * beat))
    with zipfile.ZipFile(archive, "a") as file:
        lines = (f"{beat * at} {1 - at % 2:.1f} {float(at % 4 == 0)}" for at in range(4 * bars))
        file.writestr(f"{number}/beat_midi.txt", "\n".join(lines))
        file.writestr(f"{number}/chord_midi.txt", f"0.0\t{song.duration_s}\tC:maj\n")
        file.writestr(f"{number}/human_label1.txt", "A4" * (bars // 4) + "\n")


def _places(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return [(split, place) for split, count in counts.items() for place in range(count)]


def _write(path: Path, piece: Piece) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_midi(piece, path)


def _write_rows(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]) if rows else ["file"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
