"""The page Compare: several composers write for the same photo, under equal conditions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gradio as gr

from eimg_core.emotion import VA
from eimg_core.messages import message
from eimg_core.options import SHARED_OPTIONS, read_options
from eimg_core.ui.api.option_arguments import spelt_out
from eimg_core.ui.languages import term
from eimg_core.ui.pages.inputs import Inputs
from eimg_core.ui.protocol import PairingInfo, Studio
from eimg_core.ui.server.events import HEAVY, IN_PAGE
from eimg_core.ui.server.faults import sentence, toast
from eimg_core.ui.server.files import KEEP_S, new_folder
from eimg_core.ui.session.comparison_run import ComparisonRun, compose_all, pack, start_comparison
from eimg_core.ui.session.composers import chosen
from eimg_core.ui.session.photo import OpenedPhoto
from eimg_core.ui.widgets.comparison import Comparison, run_value
from eimg_core.ui.widgets.composer_choice import Choice
from eimg_core.ui.widgets.listening import Listening
from eimg_core.ui.widgets.player import failed

__all__ = ["LEAD", "CompareControls", "compare_controls", "compare_result", "wire_compare"]

LEAD = message(
    "The same photo, emotion, seed, piano and loudness for each composer: hear and see what the models make of it."
)

# The button rests while the composers work: a second run would write on the same cards.
REST, READY = "{interactive: false, __type__: 'update'}", "{interactive: true, __type__: 'update'}"
START = f"(chosen) => [{{state: 'waiting', pairings: chosen}}, {REST}, {REST}]"
END = f"(value) => [value && value.state === 'waiting' ? {{}} : value, {READY}, {READY}]"
REST_NO_MORE = f"() => [{READY}, {READY}]"


@dataclass(frozen=True)
class CompareControls:
    """Whom to ask, and the buttons: one of the page Compare, one of the listening test."""

    pairings: Choice
    compare: gr.Button
    prepare: gr.Button


def compare_controls(pairings: Sequence[PairingInfo]) -> CompareControls:
    """All composers to choose from, at first the default and five others, and the buttons that start them."""
    with gr.Column(elem_classes="controls only-compare only-listen"):
        choice = Choice(pairings, elem_id="pairings")
        compare = gr.Button(term("Compare"), variant="primary", elem_id="compare-start", elem_classes="only-compare")
        prepare = gr.Button(
            term("Prepare the pieces"), variant="primary", elem_id="listen-start", elem_classes="only-listen"
        )
    return CompareControls(choice, compare, prepare)


def compare_result(pairings: Sequence[PairingInfo]) -> Comparison:
    """The cards and their plane."""
    return Comparison(pairings, elem_id="comparison", elem_classes="only-compare")


def wire_compare(
    studio: Studio,
    inputs: Inputs,
    controls: CompareControls,
    shown: Comparison,
    listening: Listening,
    pieces: Path,
) -> None:
    """From a click to the last card; ``/compare`` is the same for programs."""
    known = studio.pairings()
    under_way = gr.State(None, time_to_live=int(KEEP_S))  # the comparison, so that Stop can pack what is there

    @spelt_out(SHARED_OPTIONS)
    def compare(
        photo: OpenedPhoto | None,
        emotion: VA | None,
        pairings: list[str],
        options: dict[str, Any],
    ) -> Iterator[tuple[dict[str, Any], ComparisonRun | None]]:
        """Let several composers write for the same photo or point, with the same seed, soundfont and loudness.

        Each value has a card for every composer; the cards are filled one after the other. In the last value each
        card has its notes, metrics, place in the plane, distance from the target, the seconds its composer worked,
        and its files, or one sentence that says why there is no piece; ``files`` holds a ZIP of everything, a table
        and a picture.
        """
        try:
            # One take each: what is compared are the pairings, not the guide's choice.
            asked = read_options(options, target=emotion, takes=1)
            start = start_comparison(studio, photo, asked, chosen(known, pairings), new_folder(pieces))
            for run in compose_all(studio, start):
                yield run_value(run), run
            yield run_value(replace(run, state="packing")), run
            yield run_value(pack(studio, run)), None
        except Exception as error:
            yield failed(sentence(error)), None
            raise toast(error, visible=False) from error

    def pack_what_is_there(run: ComparisonRun | None) -> Any:
        """After Stop: the files of the pieces that are done."""
        return (run_value(pack(studio, run)), None) if run else (gr.skip(), gr.skip())

    wanted = [inputs.photo, inputs.plane, controls.pairings, *(inputs.options[one.name] for one in SHARED_OPTIONS)]
    buttons = [controls.compare, controls.prepare]
    clicks = [button.click for button in buttons]
    gr.on(clicks, js=START, inputs=controls.pairings, outputs=[shown, *buttons], **IN_PAGE)
    run = gr.on(clicks, compare, wanted, [shown, under_way], api_name="compare", trigger_mode="multiple", **HEAVY)
    run.success(js=END, inputs=shown, outputs=[shown, *buttons], **IN_PAGE)
    run.failure(js=END, inputs=shown, outputs=[shown, *buttons], **IN_PAGE)
    stopped = shown.stop(cancels=[run], **IN_PAGE)
    stopped.then(js=REST_NO_MORE, outputs=buttons, **IN_PAGE)
    stopped.then(pack_what_is_there, under_way, [shown, under_way], show_progress="hidden", api_visibility="private")
    # The test hears what the comparison holds.
    shown.change(js="(comparison) => comparison", inputs=shown, outputs=listening, **IN_PAGE)
