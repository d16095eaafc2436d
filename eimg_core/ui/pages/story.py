"""The page Story: several photos become one piece that moves through their emotions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from eimg_core.composer import Composition
from eimg_core.errors import InputError
from eimg_core.messages import message
from eimg_core.options import STORY_OPTIONS, read_options
from eimg_core.ui.api.option_arguments import spelt_out
from eimg_core.ui.languages import term
from eimg_core.ui.pages.inputs import OptionControls, option_controls
from eimg_core.ui.protocol import PairingInfo, Studio
from eimg_core.ui.server.events import HEAVY, IN_PAGE
from eimg_core.ui.server.faults import sentence, toast
from eimg_core.ui.server.files import new_folder
from eimg_core.ui.server.stages import stages_of
from eimg_core.ui.session.photo import OpenedPhoto
from eimg_core.ui.session.story_timeline import make_story, story_value
from eimg_core.ui.widgets.parts import words
from eimg_core.ui.widgets.photo_input import example_photos
from eimg_core.ui.widgets.player import failed, working
from eimg_core.ui.widgets.story_board import StoryBoard
from eimg_core.ui.widgets.story_player import StoryPlayer

__all__ = ["LEAD", "StoryPage", "story_page", "wire_story"]

LEAD = message("Put two to eight photos in order: one piece moves through their emotions, from the first to the last.")

_EXAMPLES = ("forest_path", "china", "evening_meadow", "fireworks")  # from quiet to loud
SHOW_WAITING = "() => [{state: 'working', stage: 'waiting', done: 0}, {interactive: false, __type__: 'update'}]"
# A story that is asked for while photos are being read waits for them, unless the visitor has enough of waiting.
PHOTOS_READ = """async () => {
  const reading = () => Number(document.querySelector("#story-board .story").dataset.reading);
  const waiting = () => document.querySelector("#story-piece .player").dataset.state === "working";
  while (reading() && waiting()) await new Promise((resume) => setTimeout(resume, 100));
}"""
END = (
    "(piece) => [piece && piece.state === 'working' ? {state: 'back'} : piece, {interactive: true, __type__: 'update'}]"
)
REST_NO_MORE = "() => ({interactive: true, __type__: 'update'})"


@dataclass(frozen=True)
class StoryPage:
    """Everything on the page."""

    board: StoryBoard
    pairing: gr.Radio
    options: OptionControls
    compose: gr.Button
    piece: StoryPlayer


def moving(pairings: Sequence[PairingInfo]) -> list[PairingInfo]:
    """The pairings that can compose a story."""
    return [info for info in pairings if info.composes]


def story_page(studio: Studio, examples: Path, pieces: Path) -> StoryPage:
    """The board of photos, what to choose, and the player."""
    able = moving(studio.pairings())
    shipped = {path.stem: path for path in example_photos(examples)}
    few = [shipped[name] for name in _EXAMPLES if name in shipped] or list(shipped.values())[:4]
    with gr.Row(elem_id="story-inputs", equal_height=True):
        with gr.Column(elem_classes="card", min_width=300, scale=20):
            board = StoryBoard(studio, few, pieces, elem_id="story-board")
        with gr.Column(elem_classes="card", min_width=280, scale=8):
            words("<h2 data-say>Music</h2>")
            options = option_controls(STORY_OPTIONS, "story-")
            pairing = gr.Radio(
                [(info.title, info.key) for info in able],
                value=next((info.key for info in able if info.default), able[0].key if able else None),
                label=term("Composer"),
                elem_id="story-pairing",
            )
            compose = gr.Button(term("Compose the story"), variant="primary", elem_id="story-start")
    return StoryPage(board, pairing, options, compose, StoryPlayer(able, elem_id="story-piece"))


def wire_story(studio: Studio, page: StoryPage, pieces: Path) -> None:
    """From a click to a story; ``/story`` is the same for programs."""
    titles = {info.key: info.title for info in moving(studio.pairings())}

    @spelt_out(STORY_OPTIONS)
    def story(
        photos: list[OpenedPhoto],
        pairing: str,
        options: dict[str, Any],
    ) -> Iterator[dict[str, Any]]:
        """Compose one piece of piano music that moves through the emotions of two to eight photos.

        The last value has the notes, ``stops`` (for each photo its point on the 1-9 plane and the seconds in which it
        is on) and the files (MIDI, WAV, …). The same photos, pairing, seed and length give the same piece.
        """
        try:
            if pairing not in titles:
                raise InputError(
                    message(
                        "A story needs one of these composers: {composers}.",
                        composers=list(titles) or message("none is shipped"),
                    )
                )
            asked = read_options(options)
            folder = new_folder(pieces)
            value = yield from stages_of(
                lambda tell: make_story(studio, photos, pairing, titles[pairing], asked, folder, tell), working
            )
            yield value
        except Exception as error:
            yield failed(sentence(error))
            raise toast(error, visible=False) from error

    def open_story(kept: Composition) -> Iterator[dict[str, Any]]:
        """A story from a link, or from what a browser kept."""
        try:
            title = titles.get(kept.pairing, kept.pairing)
            yield story_value(studio, studio.restore(kept), title, new_folder(pieces))
        except Exception as error:
            yield failed(sentence(error))
            raise toast(error, visible=False) from error

    wanted = [page.board, page.pairing, *(page.options[one.name] for one in STORY_OPTIONS)]
    shown, button = page.piece, page.compose
    button.click(js=SHOW_WAITING, outputs=[shown, button], **IN_PAGE)
    read = button.click(js=PHOTOS_READ, **IN_PAGE)
    run = read.then(story, wanted, shown, api_name="story", trigger_mode="multiple", **HEAVY)
    run.success(js=END, inputs=shown, outputs=[shown, button], **IN_PAGE)
    run.failure(js=END, inputs=shown, outputs=[shown, button], **IN_PAGE)
    opened = shown.submit(open_story, shown, shown, api_visibility="private", **HEAVY)
    opened.failure(js=END, inputs=shown, outputs=[shown, button], **IN_PAGE)
    shown.stop(cancels=[run, opened], **IN_PAGE).then(js=REST_NO_MORE, outputs=button, **IN_PAGE)
