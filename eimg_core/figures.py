"""Pictures to take away: the emotion plane and the piano roll as PNG. On the page the widgets draw.

Matplotlib is imported when the first picture is drawn: nobody should wait for it who wants a page or a MIDI file.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from eimg_core.composer import Composition
from eimg_core.emotion import HIGH, LOW, MIDDLE, REGIONS, VA, distance
from eimg_core.midi.notes import Note, Piece
from eimg_core.notation.following import follow
from eimg_core.notation.hands import LEFT, RIGHT
from eimg_core.notation.harmony import NO_CHORD

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "HIGH_HAND",
    "INK",
    "LINE",
    "LOW_HAND",
    "SOFT",
    "draw_piano_roll",
    "draw_plane",
    "save_comparison_figure",
    "save_figure",
    "save_roll",
]

INK, SOFT, LINE = "#22303c", "#7c8894", "#dde3e8"
_PHOTO, _TARGET, _PIECE = "#d97742", "#22303c", "#2a7f8e"
LOW_HAND, HIGH_HAND = "#a5661a", "#2c6152"  # as on the page by day, see colours.css
_MIDDLE_C = 60

# Okabe and Ito (2008), "Color Universal Design", without yellow and black, which white paper and ink take away, and
# two of our own; each with the colour of a number that can be read on it.
_COLOURS = (
    ("#0072b2", "white"),
    ("#d55e00", "white"),
    ("#009e73", "white"),
    ("#cc79a7", "black"),
    ("#e69f00", "black"),
    ("#56b4e9", "black"),
    ("#4d4d4d", "white"),
    ("#8c510a", "white"),
)
_BADGE = 0.27  # radius of a numbered point, in units of the plane


def draw_plane(axes: Axes, photo: VA | None, target: VA, piece: VA | None) -> None:
    """The valence-arousal plane with its named regions and up to three points."""
    _draw_regions(axes)
    if piece is not None:
        shown = piece.clamped()
        axes.plot([target.valence, shown.valence], [target.arousal, shown.arousal], color=_PIECE, lw=1, ls=":")
        axes.plot(shown.valence, shown.arousal, "s", color=_PIECE, ms=8, label="piece, as estimated")
    _draw_wish(axes, photo, [target])
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncol=3, frameon=False, fontsize=8)


def _draw_regions(axes: Axes) -> None:
    """The empty plane: axes, middle lines, names of the regions."""
    axes.set(xlim=(LOW, HIGH), ylim=(LOW, HIGH), aspect="equal", xticks=[1, 3, 5, 7, 9], yticks=[1, 3, 5, 7, 9])
    axes.axhline(MIDDLE, color=LINE, zorder=0)
    axes.axvline(MIDDLE, color=LINE, zorder=0)
    for name, degrees in REGIONS:
        angle = math.radians(degrees)
        axes.text(
            MIDDLE + 3.1 * math.cos(angle),
            MIDDLE + 3.1 * math.sin(angle),
            name,
            color=SOFT,
            ha="center",
            va="center",
            fontsize=8,
        )
    axes.set_xlabel("valence (1 unpleasant – 9 pleasant)", color=INK, fontsize=8)
    axes.set_ylabel("arousal (1 calm – 9 excited)", color=INK, fontsize=8)
    _quiet(axes)


def _draw_wish(axes: Axes, photo: VA | None, targets: Sequence[VA]) -> None:
    """The photo's own emotion as a ring, the emotions aimed at as dots."""
    axes.plot([t.valence for t in targets], [t.arousal for t in targets], "o", color=_TARGET, ms=7, label="target")
    if photo is not None:
        axes.plot(photo.valence, photo.arousal, "o", mfc="none", mec=_PHOTO, mew=2, ms=13, label="photo")


def draw_piano_roll(axes: Axes, piece: Piece) -> None:
    """Pitch over time; a louder note is darker, the left hand is brown and the right one green, as on the page. Bars
    and chord names
    stand above."""
    followed = follow(piece, piece)
    for hand, colour in ((LEFT, LOW_HAND), (RIGHT, HIGH_HAND)):
        _draw_notes(axes, [n for n, h in zip(piece.notes, followed.hands, strict=True) if h == hand], colour)
    _draw_keyboard(axes, [piece])
    for bar in followed.bars[1:-1]:
        axes.axvline(bar, color=LINE, lw=0.7, zorder=0)
    _draw_chords(axes, followed.chords, piece.duration_s)
    axes.set_xlabel("seconds", color=INK, fontsize=8)


def _draw_chords(axes: Axes, chords: Sequence[tuple[float, float, str]], duration_s: float) -> None:
    """Chord names above the roll, as far as they have room."""
    free_from = 0.0
    for start, _, name in chords:
        if start >= free_from and name != NO_CHORD:
            axes.annotate(
                name, (start, 1), (0, 4), xycoords=("data", "axes fraction"), textcoords="offset points",
                color=INK, fontsize=8,
            )  # fmt: skip
            free_from = start + (0.012 * len(name) + 0.008) * max(duration_s, 1.0)


def _draw_notes(axes: Axes, notes: Sequence[Note], colour: str, thickness: float = 3.2) -> None:
    from matplotlib.collections import LineCollection

    segments = [[(n.start_s, n.pitch), (max(n.end_s - 0.02, n.start_s + 0.02), n.pitch)] for n in notes]
    alphas = [0.35 + 0.65 * n.velocity / 127 for n in notes]
    lines = LineCollection(segments, colors=colour, alpha=alphas or None, linewidths=thickness, capstyle="butt")
    axes.add_collection(lines)


def _draw_keyboard(axes: Axes, pieces: Sequence[Piece]) -> None:
    """Time and pitch axes that hold all of the pieces, with a line at every C."""
    pitches = [note.pitch for piece in pieces for note in piece.notes] or [_MIDDLE_C]
    low, high = min(pitches) - 3, max(pitches) + 3
    axes.set(xlim=(0, max(1.0, *(piece.duration_s for piece in pieces))), ylim=(low, high))
    octaves = [c for c in range(24, 109, 12) if low <= c <= high]
    axes.set_yticks(octaves, [f"C{c // 12 - 1}" for c in octaves])
    for c in octaves:
        axes.axhline(c, color=LINE, lw=0.7, zorder=0)
    _quiet(axes)


def _quiet(axes: Axes) -> None:
    axes.tick_params(colors=SOFT, labelsize=8)
    for spine in axes.spines.values():
        spine.set_color(LINE)


def save_figure(
    composition: Composition,
    file: Path | BinaryIO,
    photo: Image | None = None,
    facts: Mapping[str, str] | None = None,
) -> None:
    """One PNG with the photo, the emotion plane and the piano roll, and ``facts`` in text chunks."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 3.9), dpi=120, facecolor="white", layout="constrained")
    widths = [1.15, 1.0, 2.1] if photo is not None else [1.0, 2.1]
    axes = figure.subplots(1, len(widths), width_ratios=widths)
    if photo is not None:
        axes[0].imshow(photo)
        axes[0].axis("off")
    draw_plane(axes[-2], composition.photo_va, composition.target_va, composition.piece_va)
    draw_piano_roll(axes[-1], composition.piece)
    figure.suptitle(
        f"{composition.pairing}   seed {composition.options.seed}   {composition.target_va.region}",
        color=INK,
        fontsize=10,
    )
    figure.savefig(file, format="png", metadata={"Software": "EIMG Studio", **(facts or {})})


def save_roll(piece: Piece, file: Path | BinaryIO, title: str) -> None:
    """One PNG with the piano roll alone, for a piece of which nothing else is known."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 3.9), dpi=120, facecolor="white", layout="constrained")
    draw_piano_roll(figure.subplots(), piece)
    figure.suptitle(title, color=INK, fontsize=10)
    figure.savefig(file, format="png", metadata={"Software": "EIMG Studio", "Title": title})


# --- several pieces side by side --------------------------------------------------------------------------------------


def save_comparison_figure(compositions: Sequence[Composition], path: Path, photo: Image | None = None) -> None:
    """One PNG with the photo, one emotion plane for all pieces, and their piano rolls above each other.

    A piece has one number and one colour everywhere. The rolls share their time and pitch axes.

    Args:
        compositions: at least one.
        path: file to write.
        photo: what they were composed for, if there was a photo.
    """
    from matplotlib.figure import Figure
    from matplotlib.gridspec import GridSpec

    count = len(compositions)
    height = max(8.2, 1.9 + 1.1 * count)  # inches
    roll = (height - 1.57 - 0.42 * (count - 1)) / count  # 0.42 between two rolls, for a title
    figure = Figure(figsize=(12, height), dpi=150, facecolor="white")
    top, bottom = 1 - 0.95 / height, 0.62 / height
    left = GridSpec(2, 1, figure, 0.055, bottom + 0.35 / height, 0.365, top, height_ratios=(1, 1.45), hspace=0.14)
    right = GridSpec(count, 1, figure, 0.43, bottom, 0.98, top, hspace=0.42 / roll)
    figure.text(0.055, 1 - 0.38 / height, _headline(compositions), color=INK, fontsize=14, va="center")

    if photo is not None:
        axes = figure.add_subplot(left[0])
        axes.imshow(photo)
        axes.set_anchor("N")
        axes.axis("off")
    plane = figure.add_subplot(left[1] if photo is not None else left[:], anchor="N")
    _draw_comparison_plane(plane, compositions)

    first: Axes | None = None
    for number, composition in enumerate(compositions, start=1):
        axes = figure.add_subplot(right[number - 1], sharex=first, sharey=first)
        first = first or axes
        _draw_notes(axes, composition.piece.notes, _COLOURS[(number - 1) % len(_COLOURS)][0], thickness=2.6)
        _draw_keyboard(axes, [each.piece for each in compositions])
        axes.tick_params(bottom=number == count, labelbottom=number == count)
        _draw_title(axes, number, composition)
    axes.set_xlabel("seconds", color=INK, fontsize=8)
    figure.savefig(path, metadata={"Software": "EIMG Studio"})


def _headline(compositions: Sequence[Composition]) -> str:
    """What all pieces have in common."""
    count = "One pairing" if len(compositions) == 1 else f"{len(compositions)} pairings"
    words = {
        f"target {c.target_va.region} ({c.target_va.valence:.2f}, {c.target_va.arousal:.2f})" for c in compositions
    }
    seeds = {f"seed {c.options.seed}" for c in compositions}
    return "   ·   ".join([count, *(common.pop() for common in (words, seeds) if len(common) == 1)])


def _draw_title(axes: Axes, number: int, composition: Composition) -> None:
    """Number and name of a piece above its roll; on the right, how near it came."""
    _draw_number(axes, number, (0, 1), (8, 10), "axes fraction")
    line: dict[str, Any] = {"textcoords": "offset points", "xycoords": "axes fraction", "va": "center_baseline"}
    axes.annotate(composition.pairing, (0, 1), (21, 10), color=INK, fontsize=9.5, weight="bold", **line)
    estimate = composition.piece_va
    result = "no estimate"
    if estimate is not None:
        far = distance(composition.target_va, estimate)
        result = f"estimated at {estimate.valence:.2f}, {estimate.arousal:.2f}   ·   {far:.2f} from the target"
    axes.annotate(result, (1, 1), (0, 10), color=SOFT, fontsize=8.5, ha="right", **line)


def _draw_number(
    axes: Axes, number: int, place: tuple[float, float], shift: tuple[float, float], coordinates: str
) -> None:
    """The badge of a piece: its number on a disc of its colour, ``shift`` points away from ``place``."""
    colour, ink = _COLOURS[(number - 1) % len(_COLOURS)]
    axes.annotate(
        str(number),
        place,
        shift,
        xycoords=coordinates,
        textcoords="offset points",
        color=ink,
        fontsize=8,
        weight="bold",
        ha="center",
        va="center_baseline",
        bbox={"boxstyle": "circle,pad=0.28", "fc": colour, "ec": "white", "lw": 0.8},
        zorder=6,
    )


def _draw_comparison_plane(axes: Axes, compositions: Sequence[Composition]) -> None:
    """The plane with the photo, the target and a numbered point where the estimate of each piece lies."""
    _draw_regions(axes)
    targets = list(dict.fromkeys(composition.target_va for composition in compositions))
    photo = compositions[0].photo_va
    _draw_wish(axes, photo, targets)
    estimated = [
        (number, c, c.piece_va.clamped()) for number, c in enumerate(compositions, 1) if c.piece_va is not None
    ]
    points = np.array([(estimate.valence, estimate.arousal) for _, _, estimate in estimated]).reshape(-1, 2)
    marks = np.array([(va.valence, va.arousal) for va in (*targets, *([photo] if photo else []))])
    for (number, composition, estimate), badge in zip(estimated, _apart(points, marks), strict=True):
        colour = _COLOURS[(number - 1) % len(_COLOURS)][0]
        target = composition.target_va
        axes.plot([target.valence, estimate.valence], [target.arousal, estimate.arousal], color=colour, lw=1, ls=":")
        axes.plot([estimate.valence, badge[0]], [estimate.arousal, badge[1]], color=colour, lw=1.2, zorder=4)
        axes.plot(estimate.valence, estimate.arousal, "o", color=colour, ms=5, mec="white", mew=0.6, zorder=5)
        _draw_number(axes, number, (badge[0], badge[1]), (0, 0), "data")
    axes.plot([], [], "o", color=SOFT, ms=8, label="pieces, as estimated")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncol=3, frameon=False, fontsize=8, labelcolor=INK)


def _apart(points: NDArray[np.float64], marks: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where to put badges so that they cover neither each other nor the marks; (N, 2) and (M, 2) → (N, 2).

    A badge stays on its point where it can. Those that touch push each other away, a little at a time.
    """
    turns = 2.4 * np.arange(len(points))  # the golden angle: badges of one place leave it in different directions
    badges = points + 1e-3 * np.stack([np.cos(turns), np.sin(turns)], axis=1)
    for _ in range(200):
        for a, b in combinations(range(len(badges)), 2):
            push = _push(badges[a] - badges[b], 2.15 * _BADGE) / 2
            badges[a], badges[b] = badges[a] + push, badges[b] - push
        for a in range(len(badges)):
            for mark in marks:
                badges[a] += _push(badges[a] - mark, 1.9 * _BADGE)
        badges = badges.clip(LOW + _BADGE, HIGH - _BADGE)
    return badges


def _push(offset: NDArray[np.float64], wanted: float) -> NDArray[np.float64]:
    """What to add to ``offset`` so that it is ``wanted`` long; nothing if it is longer already."""
    length = float(np.hypot(*offset)) or 1e-9
    return offset * max(0.0, wanted / length - 1)
