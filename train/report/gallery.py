"""Pieces to look at: photos from four quadrants with their rolls as one picture, and a walk over the plane as notes.

Photos are the examples that ship, from each quadrant the one read farthest from the middle of the plane. Everything is
composed as the app does: the default pairing, the best of the usual number of takes, 15 s.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

from eimg_core.composer import Composition
from eimg_core.emotion import MIDDLE, QUADRANTS, VA, distance
from eimg_core.figures import draw_piano_roll, draw_plane
from eimg_core.images import open_photo
from eimg_core.midi.batch import CLIP_S
from eimg_core.midi.notes import Piece
from eimg_core.notation.following import follow
from eimg_core.options import USUAL_TAKES, ComposeOptions
from eimg_core.pipeline import DEFAULT_PAIRING
from eimg_core.shipped import EXAMPLES
from eimg_core.studio import Studio

__all__ = ["PICTURE", "draw_quadrants", "lines_of", "walk"]

PICTURE = Path("docs") / "figures" / "quadrants.png"
_WALK = [(2, 2), (2, 5), (2, 8), (4, 3.5), (4, 6.5), (5, 5), (6, 3), (6.5, 7), (7, 4), (8, 2), (8, 5), (8, 8)]
_NAMES = ("C", "C♯", "D", "E♭", "E", "F", "F♯", "G", "A♭", "A", "B♭", "B")


def composed(studio: Studio, photo: Path | None, target: VA | None, seed: int) -> Composition:
    """As the app composes."""
    options = ComposeOptions(seed, CLIP_S, target, USUAL_TAKES)
    return studio.compose(open_photo(photo) if photo else None, DEFAULT_PAIRING, options)


def farthest(studio: Studio) -> list[Path]:
    """For each quadrant the example photo whose target lies farthest from the middle."""
    paths = sorted(EXAMPLES.glob("*.jpg"))
    targets = {path: studio.target_for(studio.read_photo(open_photo(path)).va) for path in paths}
    middle = VA(MIDDLE, MIDDLE)
    return [
        max(
            (path for path, va in targets.items() if va.quadrant == quadrant),
            key=lambda path: distance(targets[path], middle),
        )
        for quadrant in QUADRANTS
        if any(va.quadrant == quadrant for va in targets.values())
    ]


def draw_quadrants(studio: Studio, seed: int, out: Path) -> None:
    """The picture, with a row for each quadrant: the photo, the plane and the roll."""
    photos = farthest(studio)
    figure = Figure(figsize=(12, 3.1 * len(photos)), dpi=100, facecolor="white", layout="constrained")
    axes = figure.subplots(len(photos), 3, width_ratios=[1.0, 0.85, 2.2])
    for row, photo in zip(axes, photos, strict=True):
        made = composed(studio, photo, None, seed)
        row[0].imshow(open_photo(photo))
        row[0].axis("off")
        draw_plane(row[1], made.photo_va, made.target_va, made.piece_va)
        draw_piano_roll(row[2], made.piece)
    for plane in axes[:-1, 1]:
        plane.get_legend().remove()  # the last one speaks for all
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", bbox_inches="tight", pad_inches=0.15, metadata={"Software": "EIMG Studio"})
    Image.open(buffer).convert("RGB").quantize(256).save(out, optimize=True)  # a third of the bytes


def lines_of(piece: Piece) -> list[str]:
    """A line for each bar: its chords, then ``beat:notes`` for what is struck, beats counted from 1."""
    followed, beat_s = follow(piece, piece), piece.seconds_per_beat
    lines = []
    for number, (start, end) in enumerate(zip(followed.bars, followed.bars[1:], strict=False), 1):
        chords = " ".join(name for first, last, name in followed.chords if first < end - 0.01 and last > start + 0.01)
        struck: dict[float, list[str]] = {}
        for note in piece.notes:
            if start - 0.01 <= note.start_s < end - 0.01:
                beat = round(1 + (note.start_s - start) / beat_s, 2)
                struck.setdefault(beat, []).append(f"{_NAMES[note.pitch % 12]}{note.pitch // 12 - 1}")
        lines.append(f"{number:2d}  {chords:16s}  " + "  ".join(f"{b:g}:{'+'.join(n)}" for b, n in struck.items()))
    return lines


def walk(studio: Studio, seed: int) -> Iterator[str]:
    """Twelve pieces from all over the plane, each as text."""
    for valence, arousal in _WALK:
        made = composed(studio, None, VA(valence, arousal), seed)
        piece, estimate = made.piece, made.piece_va
        found = f"estimated at {estimate.valence:.1f}, {estimate.arousal:.1f}" if estimate else "not estimated"
        head = f"target {valence:g}, {arousal:g}; {found}; {piece.tempo_bpm:.0f} bpm, {piece.meter[0]}/{piece.meter[1]}"
        yield "\n".join([head, *lines_of(piece)])
