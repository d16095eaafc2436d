"""The picture of the pipeline with the paper's equation numbers, and a sentence for each of its boxes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from eimg_core.messages import message
from eimg_core.ui.languages import marked

__all__ = ["BOXES", "method"]


@dataclass(frozen=True, slots=True)
class Box:
    """A part of the pipeline: its name, what comes out of it, the paper's equations, and what it does."""

    name: str
    gives: str
    equations: str
    words: str
    training: bool = False


BOXES: Mapping[str, Box] = {
    "photo": Box(
        message("Photo"),
        "",
        "",
        message("Any photo, upright and in colour; what its file tells of place and camera is dropped."),
    ),
    "image": Box(
        message("Image encoder"),
        "v_x",
        message("Eq. {numbers}", numbers="2"),
        message("Half of an autoencoder: it presses the photo into a vector from which another half could redraw it."),
    ),
    "project_x": Box(
        message("Projector"),
        "z_x",
        message("Eq. {numbers}", numbers="2"),
        message("A small network puts the photo’s vector into the shared emotion space."),
    ),
    "piece": Box(
        message("Piece"), "", "", message("A piano clip whose valence and arousal people have rated."), training=True
    ),
    "music": Box(
        message("Music encoder"),
        "v_y",
        message("Eq. {numbers}", numbers="2"),
        message("Half of a music autoencoder: it presses the clip into a vector of its own."),
        training=True,
    ),
    "project_y": Box(
        message("Projector"),
        "z_y",
        message("Eq. {numbers}", numbers="2"),
        message("Its twin puts the clip’s vector into the same space."),
        training=True,
    ),
    "space": Box(
        message("Emotion space"),
        message("near if they feel alike"),
        message("Eq. {numbers}", numbers="1, 4–12"),
        message(
            "In training, contrast draws together what people rated alike, between photos and music and within each, "
            "on the continuous plane of valence and arousal."
        ),
    ),
    "back": Box(
        message("De-projector"),
        "ṽ_y",
        message("Eq. {numbers}", numbers="2, 3, 13"),
        message("It leads from a place in the space back to the vector of a piece."),
    ),
    "decoder": Box(
        message("Music decoder"),
        message("notes"),
        message("Fig. {number}", number="2"),
        message("The other half of the music autoencoder writes the notes, one by one."),
    ),
    "piano": Box(
        message("Pianist"),
        message("sound"),
        "",
        message("Dynamics, timing and pedal by published rules; then a sampled grand piano."),
    ),
    "evaluator": Box(
        message("Evaluator"),
        message("Emotion Matching"),
        message("Eq. {numbers}, Section V-A", numbers="14"),
        message(
            "It estimates where the piece lies on the plane, took part in no training and no choice, and gives the "
            "estimates of every table on this page; polyphony, pitch entropy and groove are counted beside it."
        ),
    ),
}

_WIDE, _HIGH = 132, 78
_ARROWS = (
    ("photo", "image"), ("image", "project_x"), ("project_x", "space"), ("piece", "music"), ("music", "project_y"),
    ("project_y", "space"), ("space", "back"), ("back", "decoder"), ("decoder", "piano"), ("piano", "evaluator"),
)  # fmt: skip
# Box → left, top, width, height.
_LYING: Mapping[str, tuple[int, int, int, int]] = {
    "photo": (2, 2, _WIDE, _HIGH), "image": (168, 2, _WIDE, _HIGH), "project_x": (334, 2, _WIDE, _HIGH),
    "piece": (2, 152, _WIDE, _HIGH), "music": (168, 152, _WIDE, _HIGH), "project_y": (334, 152, _WIDE, _HIGH),
    "space": (500, 2, _WIDE + 10, 228), "back": (676, 2, _WIDE, _HIGH), "decoder": (842, 2, _WIDE, _HIGH),
    "piano": (842, 152, _WIDE, _HIGH), "evaluator": (676, 152, _WIDE, _HIGH),
}  # fmt: skip
_STANDING: Mapping[str, tuple[int, int, int, int]] = {
    "photo": (2, 2, 168, 66), "image": (2, 94, 168, 66), "project_x": (2, 186, 168, 66),
    "piece": (190, 2, 168, 66), "music": (190, 94, 168, 66), "project_y": (190, 186, 168, 66),
    "space": (2, 278, 356, 74), "back": (2, 378, 168, 66), "decoder": (190, 378, 168, 66),
    "piano": (190, 470, 168, 66), "evaluator": (2, 470, 168, 66),
}  # fmt: skip


def method() -> str:
    """The picture, lying and standing, and the list of sentences."""
    items = []
    for n, box in enumerate(BOXES.values(), 1):
        equations = f" <small{marked(box.equations)}>{escape(box.equations)}</small>" if box.equations else ""
        when = " <small data-say>in training only</small>" if box.training else ""
        items.append(
            f"<li><b>{n}</b><p><strong{marked(box.name)}>{escape(box.name)}</strong>{equations}{when}<br>"
            f"<span{marked(box.words)}>{escape(box.words)}</span></p></li>"
        )
    return (
        f'<figure class="method">{_draw(_LYING, (976, 232), "wide")}{_draw(_STANDING, (360, 538), "narrow")}'
        "<figcaption data-say>Dashed: needed in training only. The equations are those of the paper; PAPER.md names "
        f'the function of each.</figcaption></figure><ol class="method-words">{"".join(items)}</ol>'
    )


def _draw(places: Mapping[str, tuple[int, int, int, int]], size: tuple[int, int], kind: str) -> str:
    said = message(
        "The pipeline, step by step: {steps}; beside it, in training: {training}.",
        steps=[box.name for box in BOXES.values() if not box.training],
        training=[box.name for box in BOXES.values() if box.training],
    )
    tip = f"method-tip-{kind}"
    parts = [
        f'<defs><marker id="{tip}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        'orient="auto"><path class="method-tip" d="M1 1L7 4L1 7"/></marker></defs>'
    ]
    for start, end in _ARROWS:
        dashed = " training" if BOXES[start].training else ""
        x1, y1, x2, y2 = _between(places[start], places[end])
        parts.append(f'<path class="method-arrow{dashed}" marker-end="url(#{tip})" d="M{x1} {y1}L{x2} {y2}"/>')
    for n, (name, box) in enumerate(BOXES.items(), 1):
        parts.append(_box(n, box, places[name]))
    return (
        f'<svg class="chart chart-{kind}" viewBox="0 0 {size[0]} {size[1]}" role="img"{marked(said, "aria-label")} '
        f'aria-label="{escape(said)}">'
        f"{''.join(parts)}</svg>"
    )


def _between(start: Sequence[int], end: Sequence[int]) -> tuple[float, float, float, float]:
    """From the edge of one box to the edge of the next, across the gap that lies between them."""
    (ax, ay, aw, ah), (bx, by, bw, bh) = start, end
    over_x, over_y = (max(ax, bx), min(ax + aw, bx + bw)), (max(ay, by), min(ay + ah, by + bh))
    if over_y[0] < over_y[1]:
        y = (over_y[0] + over_y[1]) / 2
        return (ax + aw, y, bx - 2, y) if ax < bx else (ax, y, bx + bw + 2, y)
    x = (over_x[0] + over_x[1]) / 2
    return (x, ay + ah, x, by - 2)


def _box(n: int, box: Box, place: tuple[int, int, int, int]) -> str:
    x, y, wide, high = place
    middle = y + high / 2
    lines = [text for text in (box.gives, box.equations) if text]
    name_y = middle + (10 if lines else 5) - 9 * len(lines)
    words = [f'<text class="method-name" x="{x + wide / 2}" y="{name_y}"{marked(box.name)}>{escape(box.name)}</text>']
    for k, text in enumerate(lines, 1):
        kind = "method-gives" if text == box.gives else "method-equation"
        words.append(
            f'<text class="{kind}" x="{x + wide / 2}" y="{name_y + 18 * k}"{marked(text)}>{_symbol(text)}</text>'
        )
    shape = "method-box" + (" training" if box.training else "") + (" space" if box.name == "Emotion space" else "")
    return (
        f'<rect class="{shape}" x="{x}" y="{y}" width="{wide}" height="{high}" rx="10"/>{"".join(words)}'
        f'<text class="method-number" x="{x + 8}" y="{y + 14}">{n}</text>'
    )


def _symbol(text: str) -> str:
    """``v_x`` with the x below the line."""
    letter, _, below = text.partition("_")
    return escape(letter) + (f'<tspan class="method-below" dy="4">{escape(below)}</tspan>' if below else "")
