"""The inputs: what both pages work from. A photo, an emotion to aim at, a length and a seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.events import Dependency

from eimg_core.errors import InputError
from eimg_core.messages import Message
from eimg_core.options import Option
from eimg_core.recipe import photo_id
from eimg_core.ui.languages import marked, term
from eimg_core.ui.protocol import Studio
from eimg_core.ui.server.events import HEAVY, IN_PAGE, READING
from eimg_core.ui.server.faults import toast
from eimg_core.ui.session.photo import OpenedPhoto
from eimg_core.ui.widgets.emotion_plane import EmotionPlane, photo_value
from eimg_core.ui.widgets.parts import words
from eimg_core.ui.widgets.photo_input import Photo, example_photos, photo_input
from eimg_core.ui.widgets.why import Why, why_value

__all__ = ["Inputs", "OptionControls", "emotion_card", "option_controls", "photo_card", "wire_inputs"]

OptionControls = Mapping[str, Any]
"""Name of an option → its component."""

ROLL_DICE = "() => Math.floor(Math.random() * 1000000)"
# A new photo has a new place in the plane, and nobody has asked yet why.
SHOW_READING = "(photo) => (photo ? [{reading: true}, {ready: true}] : [{}, {}])"
NOT_EXPLAINED = "(why) => ({...why, asking: false, failed: true})"


@dataclass(frozen=True)
class Inputs:
    """The inputs that every composer gets."""

    photo: Photo
    why: Why
    plane: EmotionPlane
    options: OptionControls


def photo_card(examples: Path, note: Message | None = None) -> tuple[Photo, Why]:
    """The place for the photo, why it is read as it is, and the photos of the folder ``examples`` to start from.

    Args:
        note: what a visitor must know before giving a photo.
    """
    with gr.Column(elem_classes="card", min_width=300, scale=10):
        words("<h2 data-say>Photo</h2>")
        if note:
            words(f'<p class="photo-note"{marked(note)}>{escape(note)}</p>')
        why = Why(elem_id="why")
        photo = photo_input()
        words('<p class="photo-said" role="alert"></p>')
        if shipped := example_photos(examples):
            gr.Examples(
                [str(path) for path in shipped],
                photo,
                label=str(term("Or start from one of these")),
                examples_per_page=len(shipped),
                elem_id="examples",
            )
    return photo, why


def emotion_card() -> EmotionPlane:
    """The emotion plane."""
    with gr.Column(elem_classes="card", min_width=300, scale=10):
        words("<h2 data-say>Emotion</h2>")
        return EmotionPlane(elem_id="plane")


def option_controls(options: Sequence[Option], prefix: str = "") -> OptionControls:
    """A control for each option, by its name, sliders first; a seed has dice beside it.

    Args:
        prefix: of the ids on the page; the rest is the option's name.
    """
    return {one.name: _control(one, f"{prefix}{one.name}") for one in sorted(options, key=lambda one: one.step is None)}


def _control(option: Option, place: str) -> Any:
    known = {
        "label": term(option.title),
        "info": term(option.info) if option.info else None,
        "elem_id": place,
    }
    if option.choices:
        own = [] if option.usual in option.choices else [(term(option.unchosen), option.usual)]
        offered = [*own, *((_choice(one), option.kind(one)) for one in option.choices)]
        return gr.Radio(offered, value=option.usual, **known)
    if option.kind is bool:
        return gr.Checkbox(option.usual, **known)
    if option.step:
        return gr.Slider(option.lowest_offered, option.high, option.usual, step=option.step, buttons=[], **known)
    with gr.Row(elem_id=f"{place}-row"):
        number = gr.Number(
            option.usual, precision=0 if option.kind is int else None, minimum=option.low, maximum=option.high, **known
        )
        if option.name == "seed":
            dice = gr.Button(term("Roll a new seed"), elem_id=place.replace("seed", "dice"), min_width=44, scale=0)
            dice.click(js=ROLL_DICE, outputs=number, **IN_PAGE)
    return number


def _choice(value: Any) -> Any:
    return term(value) if isinstance(value, Message) else str(value)


def wire_inputs(studio: Studio, inputs: Inputs) -> Dependency:
    """A new photo is read and put into the plane; one that cannot be read is taken away again.

    Returns:
        The event in which a photo is read.
    """

    def read_photo(photo: OpenedPhoto | None) -> dict[str, Any]:
        """Read the emotion of a photo: valence and arousal from 1 to 9, each with one standard deviation, and the
        target of a piece for it."""
        try:
            return photo_value(studio, photo.image, photo_id(photo.image)) if photo else {}
        except Exception as error:
            raise toast(error) from error

    def explain_photo(photo: OpenedPhoto | None) -> dict[str, Any]:
        """Which parts of a photo make its reading pleasant or exciting: what is lost when each part is blurred."""
        try:
            if photo is None:
                raise InputError("There is no photo to explain yet. Add one first.")
            return why_value(studio.explain_photo(photo.image))
        except Exception as error:
            raise toast(error) from error

    photo, plane, why = inputs.photo, inputs.plane, inputs.why
    photo.change(js=SHOW_READING, inputs=photo, outputs=[plane, why], **IN_PAGE)
    explaining = why.submit(explain_photo, photo, why, api_name="explain_photo", **HEAVY)
    why.clear(js="() => null", outputs=photo, **IN_PAGE)
    explaining.failure(js=NOT_EXPLAINED, inputs=why, outputs=why, **IN_PAGE)
    reading = photo.change(read_photo, photo, plane, api_name="read_photo", trigger_mode="always_last", **READING)
    reading.failure(js="() => null", outputs=photo, **IN_PAGE)
    return reading
