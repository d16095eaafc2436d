"""Pictures to take away: the emotion plane and the piano roll as PNG. On the page the widgets draw."""

from __future__ import annotations

import math
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from PIL.Image import Image

from eimg_core.composer import Composition
from eimg_core.emotion import HIGH, LOW, MIDDLE, REGIONS, VA
from eimg_core.midi.notes import Piece

__all__ = ["draw_piano_roll", "draw_plane", "save_figure"]

_INK, _SOFT, _LINE = "#22303c", "#7c8894", "#dde3e8"
_PHOTO, _TARGET, _PIECE = "#d97742", "#22303c", "#2a7f8e"
_LOW_HAND, _HIGH_HAND = "#2a7f8e", "#d97742"
_MIDDLE_C = 60


def draw_plane(axes: Axes, photo: VA | None, target: VA, piece: VA | None) -> None:
    """The valence-arousal plane with its named regions and up to three points."""
    axes.set(xlim=(LOW, HIGH), ylim=(LOW, HIGH), aspect="equal", xticks=[1, 3, 5, 7, 9], yticks=[1, 3, 5, 7, 9])
    axes.axhline(MIDDLE, color=_LINE, zorder=0)
    axes.axvline(MIDDLE, color=_LINE, zorder=0)
    for name, degrees in REGIONS:
        angle = math.radians(degrees)
        axes.text(
            MIDDLE + 3.1 * math.cos(angle),
            MIDDLE + 3.1 * math.sin(angle),
            name,
            color=_SOFT,
            ha="center",
            va="center",
            fontsize=8,
        )
    if piece is not None:
        shown = piece.clamped()
        axes.plot([target.valence, shown.valence], [target.arousal, shown.arousal], color=_PIECE, lw=1, ls=":")
        axes.plot(shown.valence, shown.arousal, "s", color=_PIECE, ms=8, label="piece, as heard")
    axes.plot(target.valence, target.arousal, "o", color=_TARGET, ms=7, label="target")
    if photo is not None:
        axes.plot(photo.valence, photo.arousal, "o", mfc="none", mec=_PHOTO, mew=2, ms=13, label="photo")
    axes.set_xlabel("valence (1 unpleasant – 9 pleasant)", color=_INK, fontsize=8)
    axes.set_ylabel("arousal (1 calm – 9 excited)", color=_INK, fontsize=8)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncol=3, frameon=False, fontsize=8)
    _quiet(axes)


def draw_piano_roll(axes: Axes, piece: Piece) -> None:
    """Pitch over time; a louder note is darker, notes below middle C are blue and the others orange."""
    for colour, chosen in (
        (_LOW_HAND, [n for n in piece.notes if n.pitch < _MIDDLE_C]),
        (_HIGH_HAND, [n for n in piece.notes if n.pitch >= _MIDDLE_C]),
    ):
        segments = [[(n.start_s, n.pitch), (max(n.end_s - 0.02, n.start_s + 0.02), n.pitch)] for n in chosen]
        alphas = [0.35 + 0.65 * n.velocity / 127 for n in chosen]
        axes.add_collection(
            LineCollection(segments, colors=colour, alpha=alphas or None, linewidths=3.2, capstyle="butt")
        )
    pitches = [note.pitch for note in piece.notes] or [_MIDDLE_C]
    axes.set(xlim=(0, max(piece.duration_s, 1.0)), ylim=(min(pitches) - 3, max(pitches) + 3))
    octaves = [c for c in range(24, 109, 12) if min(pitches) - 3 <= c <= max(pitches) + 3]
    axes.set_yticks(octaves, [f"C{c // 12 - 1}" for c in octaves])
    for c in octaves:
        axes.axhline(c, color=_LINE, lw=0.7, zorder=0)
    axes.set_xlabel("seconds", color=_INK, fontsize=8)
    _quiet(axes)


def _quiet(axes: Axes) -> None:
    axes.tick_params(colors=_SOFT, labelsize=8)
    for spine in axes.spines.values():
        spine.set_color(_LINE)


def save_figure(composition: Composition, path: Path, photo: Image | None = None) -> None:
    """One PNG with the photo, the emotion plane and the piano roll."""
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
        color=_INK,
        fontsize=10,
    )
    figure.savefig(path, metadata={"Software": "EIMG Studio"})
