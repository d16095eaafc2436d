"""The page Create: one composer writes one piece."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from eimg_core.composer import LARGEST_SEED, USUAL_TAKES, ComposeOptions
from eimg_core.emotion import VA
from eimg_core.ui.desk import Desk
from eimg_core.ui.faults import sentence
from eimg_core.ui.files import new_folder
from eimg_core.ui.photo_input import OpenedPhoto
from eimg_core.ui.player import Player, failed, working
from eimg_core.ui.protocol import PairingInfo, Studio
from eimg_core.ui.take import make_take, take_value
from eimg_core.ui.wiring import HEAVY, IN_PAGE
from eimg_core.ui.work import stages_of

__all__ = ["LEAD", "CreateControls", "create_controls", "create_result", "wire_create"]

LEAD = "Give a photo, aim at another emotion if you like, and let one composer write for it."

NEXT_SEED = f"(seed) => (Number(seed) + 1) % {LARGEST_SEED}"
SHOW_WAITING = "() => ({state: 'working', stage: 'waiting', done: 0})"
END_WAITING = "(piece) => (piece && piece.state === 'working' ? {} : piece)"
MARK_PIECE = "(piece, plane) => ({...plane, piece: (piece && piece.piece) || null})"


@dataclass(frozen=True)
class CreateControls:
    """Whom to ask, and the buttons."""

    pairing: gr.Radio
    compose: gr.Button
    another: gr.Button


def create_controls(pairings: Sequence[PairingInfo]) -> CreateControls:
    """One composer to choose, and the buttons that start it."""
    with gr.Column(elem_classes="controls only-create"):
        pairing = gr.Radio(
            [(info.title, info.key) for info in pairings],
            value=next((info.key for info in pairings if info.default), None),
            label="Composer",
            elem_id="pairing",
        )
        another = gr.Button("Another take", elem_id="another")
        compose = gr.Button("Compose", variant="primary", elem_id="compose")
    return CreateControls(pairing, compose, another)


def create_result() -> Player:
    """The player of the one piece."""
    return Player(elem_id="piece", elem_classes="only-create")


def wire_create(studio: Studio, desk: Desk, controls: CreateControls, piece: Player, pieces: Path) -> None:
    """From a click to a piece; ``/compose`` is the same for programs."""
    titles = {info.key: info.title for info in studio.pairings()}

    def compose(
        photo: OpenedPhoto | None,
        emotion: VA | None,
        pairing: str,
        seed: float,
        seconds: float,
        expressive: bool = True,
    ) -> Iterator[dict[str, Any]]:
        """Compose piano music for a photo, for a point in the emotion plane, or for a photo with another target.

        The last value has the notes, the metrics, where the piece lies in the plane, and the files (MIDI, WAV, …).
        The same photo, target, pairing, seed and length give the same piece.
        """
        try:
            options = ComposeOptions(int(seed), float(seconds), emotion, USUAL_TAKES, bool(expressive))
            folder = new_folder(pieces)
            take = yield from stages_of(lambda tell: make_take(studio, photo, pairing, options, folder, tell), working)
            yield take_value(take, titles[pairing])
        except Exception as error:
            yield failed(sentence(error))
            raise gr.Error(sentence(error), visible=False, print_exception=False) from error

    wanted = [desk.photo, desk.plane, controls.pairing, desk.seed, desk.seconds, desk.expressive]
    controls.compose.click(js=SHOW_WAITING, outputs=piece, **IN_PAGE)
    # By default a click is dropped while the run before it is being cancelled; after Stop it must count.
    composing = controls.compose.click(compose, wanted, piece, api_name="compose", trigger_mode="multiple", **HEAVY)
    controls.another.click(js=SHOW_WAITING, outputs=piece, **IN_PAGE)
    next_take = controls.another.click(js=NEXT_SEED, inputs=desk.seed, outputs=desk.seed, **IN_PAGE)
    composing_again = next_take.then(compose, wanted, piece, api_visibility="private", **HEAVY)
    for run in (composing, composing_again):
        run.failure(js=END_WAITING, inputs=piece, outputs=piece, **IN_PAGE)
    piece.change(js=MARK_PIECE, inputs=[piece, desk.plane], outputs=desk.plane, **IN_PAGE)
    piece.stop(cancels=[composing, composing_again], **IN_PAGE)
