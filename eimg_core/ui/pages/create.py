"""The page Create: one composer writes one piece, which can then be told again, continued, undone and shared."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from eimg_core.composer import FASTEST, LARGEST_SEED, LONGEST_S, SLOWEST, USUAL_TAKES, ComposeOptions, Composition
from eimg_core.emotion import VA
from eimg_core.recipe import Recipe, photo_hash
from eimg_core.ui.pages.inputs import LONGEST_S as LONGEST_OFFERED_S
from eimg_core.ui.pages.inputs import SHORTEST_S, Inputs
from eimg_core.ui.protocol import PairingInfo, Studio
from eimg_core.ui.server.events import HEAVY, IN_PAGE
from eimg_core.ui.server.faults import sentence
from eimg_core.ui.server.files import KEEP_S, new_folder
from eimg_core.ui.server.stages import stages_of
from eimg_core.ui.session.photo import OpenedPhoto
from eimg_core.ui.session.piece_values import COMPOSED, candidate_values, pending_value, play_take, take_value
from eimg_core.ui.session.recipe_run import Known, follow
from eimg_core.ui.widgets.piece_actions import PieceActions
from eimg_core.ui.widgets.player import Player, failed, working

__all__ = ["LEAD", "CreateControls", "composer_choice", "create_controls", "create_result", "wire_create"]

LEAD = "Give a photo, aim at another emotion if you like, and let one composer write for it."

Shown = tuple[Any, Any]
"""A value for the player, and what the session knows by then."""

NEXT_SEED = f"(seed) => (Number(seed) + 1) % {LARGEST_SEED}"
SHOW_WAITING = "() => ({state: 'working', stage: 'waiting', done: 0})"
# The queue was full, or the connection broke: the player goes back to the piece that it had.
END_WAITING = "(piece) => (piece && piece.state === 'working' ? {state: 'back'} : piece)"
# The plane shows where the piece lies, where its takes do, and, once a piece was told again, where that one aims.
MARK_PIECE = """(piece, plane, actions) => {
  const done = piece && piece.state === 'done' ? piece : null;
  const takes = ((done && done.takes) || []).flatMap((take, n) =>
    take.heard ? [{...take.heard, letter: 'ABCDEFGH'[n], kept: take.kept}] : []);
  const target = done && done.recipe && done.recipe.steps.length ? done.target : plane && plane.target;
  return [{...plane, piece: (done && done.piece) || null, takes, target}, {...actions, piece}];
}"""
KNOW_PHOTO = "(plane, actions) => ({...actions, photo: (plane && plane.photo && plane.photo.id) || null})"
# A piece that this page still has: the player gets it as it is, the inputs its settings.
SHOW_AGAIN = """(actions, plane, ...inputs) => {
  const {recipe, target} = actions.show, own = recipe.photo && !recipe.target && !recipe.steps.length;
  return [actions.show, {...plane, target: own ? null : target}, recipe.seed, recipe.seconds, recipe.expressive,
    recipe.pairing, recipe.tempo, recipe.density];
}"""
PUT_BACK = """(actions, plane, ...inputs) => {
  const recipe = actions.settings || actions.recipe, last = recipe.steps.at(-1);
  const target = (actions.settings && recipe.target) || (last ? last.target : recipe.target);
  return [{...plane, target}, recipe.seed, recipe.seconds, recipe.expressive, recipe.pairing, recipe.tempo,
    recipe.density];
}"""
# The address may say anything: only numbers in range and composers that are here count.
FROM_ADDRESS = """(plane, seed, seconds, expressive, pairing, tempo, density) => {
  const query = new URLSearchParams(location.search);
  const number = (name, low, high, otherwise) => {
    const text = query.get(name), value = Number(text);
    return text && text.trim() && value >= low && value <= high ? value : otherwise; // NaN is in no range
  };
  const valence = number('v', 1, 9, null), arousal = number('a', 1, 9, null);
  const target = valence !== null && arousal !== null ? {valence, arousal} : plane && plane.target;
  return [{...plane, target}, Math.round(number('seed', 0, %d, seed)), number('length', %d, %d, seconds),
    query.get('plain') === '1' ? false : expressive,
    %s.includes(query.get('pairing')) ? query.get('pairing') : pairing,
    number('tempo', %g, %g, tempo), number('density', -1, 1, density)];
}"""
# A composer without a say in density leaves the fader to those that have one.
DENSITY_IF_ABLE = """(pairing) => ({interactive: %s.includes(pairing), __type__: 'update'})"""
NAME_THE_CHOSEN = """(pairing) => ({label: `Composer: ${(%s)[pairing]}`, __type__: 'update'})"""


@dataclass(frozen=True)
class CreateControls:
    """Whom to ask and how, and the buttons."""

    compose: gr.Button
    another: gr.Button
    tempo: gr.Slider
    density: gr.Slider
    fold: gr.Accordion
    pairing: gr.Radio


def create_controls() -> tuple[gr.Button, gr.Button, gr.Slider, gr.Slider]:
    """How to play, and the buttons that start a composer, and start it with the next seed."""
    with gr.Column(elem_classes="controls only-create"):
        tempo = gr.Slider(
            SLOWEST,
            FASTEST,
            1.0,
            step=0.05,
            label="Tempo",
            info="1 is the composer’s own.",
            buttons=[],
            elem_id="tempo",
        )
        density = gr.Slider(
            -1.0,
            1.0,
            0.0,
            step=0.25,
            label="Density",
            info="0 is the composer’s own. TVAE alone follows.",
            buttons=[],
            elem_id="density",
        )
        another = gr.Button("Other takes", elem_id="another")
        compose = gr.Button("Compose", variant="primary", elem_id="compose")
    return compose, another, tempo, density


def composer_choice(pairings: Sequence[PairingInfo]) -> tuple[gr.Accordion, gr.Radio]:
    """Which composer, folded away under the name of the one that is chosen."""
    usual = next((info for info in pairings if info.default), None)
    label = f"Composer: {usual.title}" if usual else "Composer"
    with (
        gr.Accordion(label, open=False, elem_id="more", elem_classes="only-create") as fold,
        gr.Column(elem_classes="more"),
    ):
        pairing = gr.Radio(
            [(info.title, info.key) for info in pairings],
            value=usual.key if usual else None,
            label="Composer",
            show_label=False,
            elem_id="pairing",
        )
    return fold, pairing


def create_result(pairings: Sequence[PairingInfo]) -> tuple[Player, PieceActions]:
    """The player of the one piece, and what can be done with it."""
    player = Player(elem_id="piece", elem_classes="only-create")
    return player, PieceActions(pairings, elem_id="piece-actions", elem_classes="only-create")


def wire_create(
    page: gr.Blocks,
    studio: Studio,
    inputs: Inputs,
    controls: CreateControls,
    piece: Player,
    actions: PieceActions,
    pieces: Path,
) -> None:
    """From a click to a piece, and on; ``/compose``, ``/retell`` and ``/extend`` are the same for programs."""
    infos = studio.pairings()
    titles = {info.key: info.title for info in infos}
    known = gr.State({}, time_to_live=int(KEEP_S))  # what this visitor's recipes have given so far

    def made(photo: OpenedPhoto | None, recipe: Recipe, known: Known) -> Iterator[Shown]:
        """Stages, then the notes as soon as they are there, then the same with its sound."""
        try:
            composition = yield from stages_of(
                lambda tell: follow(studio, photo, recipe, known, lambda stage, done: tell(stage, COMPOSED * done)),
                lambda stage, done: (working(stage, done), gr.skip()),
            )
            yield from sounding(photo if recipe.photo else None, recipe, composition, known)
        except Exception as error:
            yield failed(sentence(error)), gr.skip()
            raise gr.Error(sentence(error), visible=False, print_exception=False) from error

    def sounding(photo: OpenedPhoto | None, recipe: Recipe, composition: Composition, known: Known) -> Iterator[Shown]:
        title = titles.get(recipe.pairing, recipe.pairing)
        more = {"recipe": recipe.value(), "takes": candidate_values(composition)}
        yield {**pending_value(composition, title), **more}, known
        take = play_take(
            studio, composition, new_folder(pieces), lambda stage, done: None, photo, suffix=_suffix(recipe)
        )
        yield {**take_value(take, title), **more}, known

    def compose(
        photo: OpenedPhoto | None,
        emotion: VA | None,
        pairing: str,
        seed: float,
        seconds: float,
        expressive: bool = True,
        tempo: float = 1.0,
        density: float = 0.0,
        known: Known | None = None,
    ) -> Iterator[Shown]:
        """Compose piano music for a photo, for a point in the emotion plane, or for a photo with another target.

        The last value has the notes, the metrics, where the piece lies in the plane, all takes with the guide's
        opinion of each, and the files (MIDI, WAV, …). Tempo is a factor of the composer's own, 0.7 to 1.4; density runs
        from -1, sparser, to 1, denser. The same inputs give the same piece.
        """
        try:
            options = ComposeOptions(
                int(seed), float(seconds), emotion, USUAL_TAKES, bool(expressive), float(tempo), float(density)
            )
        except Exception as error:
            yield failed(sentence(error)), gr.skip()
            raise gr.Error(sentence(error), visible=False, print_exception=False) from error
        yield from made(
            photo, Recipe(pairing, options, photo_hash(photo.image) if photo else None), {} if known is None else known
        )

    def make_again(photo: OpenedPhoto | None, recipe: Recipe, known: Known) -> Iterator[Shown]:
        """A recipe from the piece actions: another take, the same tune again, something from the history."""
        yield from made(photo, recipe, known)

    wanted = [
        inputs.photo,
        inputs.plane,
        controls.pairing,
        inputs.seed,
        inputs.seconds,
        inputs.expressive,
        controls.tempo,
        controls.density,
        known,
    ]
    settings = [
        inputs.plane,
        inputs.seed,
        inputs.seconds,
        inputs.expressive,
        controls.pairing,
        controls.tempo,
        controls.density,
    ]
    shown = [piece, known]
    controls.compose.click(js=SHOW_WAITING, outputs=piece, **IN_PAGE)
    # By default a click is dropped while the run before it is being cancelled; after Stop it must count.
    composing = controls.compose.click(compose, wanted, shown, api_name="compose", trigger_mode="multiple", **HEAVY)
    controls.another.click(js=SHOW_WAITING, outputs=piece, **IN_PAGE)
    next_take = controls.another.click(js=NEXT_SEED, inputs=inputs.seed, outputs=inputs.seed, **IN_PAGE)
    composing_again = next_take.then(compose, wanted, shown, api_visibility="private", **HEAVY)
    actions.submit(js=SHOW_WAITING, outputs=piece, **IN_PAGE)
    actions.submit(js=PUT_BACK, inputs=[actions, *settings], outputs=settings, **IN_PAGE)
    making_again = actions.submit(
        make_again, [inputs.photo, actions, known], shown, api_visibility="private", trigger_mode="multiple", **HEAVY
    )
    runs = [composing, composing_again, making_again]
    for run in runs:
        run.failure(js=END_WAITING, inputs=piece, outputs=piece, **IN_PAGE)
    piece.change(js=MARK_PIECE, inputs=[piece, inputs.plane, actions], outputs=[inputs.plane, actions], **IN_PAGE)
    piece.stop(cancels=runs, **IN_PAGE)
    inputs.plane.change(js=KNOW_PHOTO, inputs=[inputs.plane, actions], outputs=actions, **IN_PAGE)
    actions.select(js=SHOW_AGAIN, inputs=[actions, *settings], outputs=[piece, *settings], **IN_PAGE)
    actions.apply(js=PUT_BACK, inputs=[actions, *settings], outputs=settings, **IN_PAGE)
    able = json.dumps([info.key for info in infos if info.composes])
    controls.pairing.change(js=DENSITY_IF_ABLE % able, inputs=controls.pairing, outputs=controls.density, **IN_PAGE)
    named = NAME_THE_CHOSEN % json.dumps(titles)
    controls.pairing.change(js=named, inputs=controls.pairing, outputs=controls.fold, **IN_PAGE)
    from_address = FROM_ADDRESS % (
        LARGEST_SEED,
        SHORTEST_S,
        min(LONGEST_OFFERED_S, LONGEST_S),
        json.dumps(list(titles)),
        SLOWEST,
        FASTEST,
    )
    page.load(js=from_address, inputs=settings, outputs=settings, **IN_PAGE)


def _suffix(recipe: Recipe) -> str:
    """What tells the files of one take and one retelling from those of another."""
    steps = "".join({"retell": "-retold", "extend": "-extended"}[step.do] for step in recipe.steps[-1:])
    return steps + ("" if recipe.keep is None else f"-take-{'abcdefghijklmnop'[recipe.keep]}")
