"""The page Create: one composer writes one piece, which can then be told again, continued, undone and shared."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from eimg_core.composer import Composition
from eimg_core.emotion import VA
from eimg_core.messages import message
from eimg_core.options import (
    CREATE_OPTIONS,
    LARGEST_SEED,
    OPTIONS,
    SHARED_OPTIONS,
    options_for_scripts,
    read_options,
)
from eimg_core.recipe import Recipe, photo_id
from eimg_core.remake import Known, remake
from eimg_core.ui.api.option_arguments import spelt_out
from eimg_core.ui.languages import term
from eimg_core.ui.pages.inputs import Inputs, OptionControls, option_controls
from eimg_core.ui.protocol import PairingInfo, Studio
from eimg_core.ui.server.events import HEAVY, IN_PAGE
from eimg_core.ui.server.faults import sentence, toast
from eimg_core.ui.server.files import KEEP_S, new_folder
from eimg_core.ui.server.stages import stages_of
from eimg_core.ui.session.photo import OpenedPhoto
from eimg_core.ui.session.piece_values import COMPOSED, candidate_values, pending_value, play_take, take_value
from eimg_core.ui.widgets.piece_actions import PieceActions
from eimg_core.ui.widgets.player import Player, failed, working

__all__ = ["LEAD", "CreateControls", "composer_choice", "create_controls", "create_result", "wire_create"]

LEAD = message("Give a photo, aim at another emotion if you like, and let one composer write for it.")

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
    take.estimate ? [{...take.estimate, letter: 'ABCDEFGH'[n], kept: take.kept}] : []);
  const target = done && done.recipe && done.recipe.steps.length ? done.target : plane && plane.target;
  return [{...plane, piece: (done && done.piece) || null, takes, target}, {...actions, piece}];
}"""
KNOW_PHOTO = "(plane, actions) => ({...actions, photo: (plane && plane.photo && plane.photo.id) || null})"
# A piece that this page still has: the player gets it as it is, the inputs its settings.
SHOW_AGAIN = """(actions, plane, ...inputs) => {
  const {recipe, target} = actions.show, own = recipe.photo_id && !recipe.target && !recipe.steps.length;
  return [actions.show, {...plane, target: own ? null : target}, recipe.pairing,
    ...OPTIONS.map(({name, usual}) => recipe[name] ?? usual)];
}"""
PUT_BACK = """(actions, plane, ...inputs) => {
  const recipe = actions.settings || actions.recipe, last = recipe.steps.at(-1);
  const target = (actions.settings && recipe.target) || (last ? last.target : recipe.target);
  return [{...plane, target}, recipe.pairing, ...OPTIONS.map(({name, usual}) => recipe[name] ?? usual)];
}"""
# The address may say anything: only numbers in range and composers that are here count.
FROM_ADDRESS = """(plane, pairing, ...inputs) => {
  const query = new URLSearchParams(location.search);
  const number = (name, low, high, otherwise) => {
    const text = query.get(name), value = Number(text);
    return text && text.trim() && value >= low && value <= high ? value : otherwise; // NaN is in no range
  };
  const chosen = ({address, kind, low, high, choices, usual}, now) =>
    !address ? now
    : choices.length ? choices.find((choice) => String(choice) === query.get(address)) ?? now
    : kind === 'bool' ? (query.get(address) === '1' ? !usual : now)
    : kind === 'int' ? Math.round(number(address, low, high, now))
    : number(address, low, high, now);
  const [valence, arousal] = POINT.map((name) => number(name, 1, 9, null));
  const target = valence !== null && arousal !== null ? {valence, arousal} : plane && plane.target;
  return [{...plane, target}, PAIRINGS.includes(query.get('pairing')) ? query.get('pairing') : pairing,
    ...OPTIONS.map((option, n) => chosen(option, inputs[n]))];
}"""
# A composer that cannot obey an option leaves its control to those that can.
IF_ABLE = """(pairing) => ({interactive: %s.includes(pairing), __type__: 'update'})"""
NAME_THE_CHOSEN = """(pairing) => ({label: `%s ${(%s)[pairing]}`, __type__: 'update'})"""


@dataclass(frozen=True)
class CreateControls:
    """Whom to ask and how, and the buttons."""

    compose: gr.Button
    another: gr.Button
    options: OptionControls
    fold: gr.Accordion
    pairing: gr.Radio


def create_controls() -> tuple[gr.Button, gr.Button, OptionControls]:
    """The options of a single composer, and the buttons that start it, and start it with the next seed."""
    with gr.Column(elem_classes="controls only-create"):
        own = [one for one in CREATE_OPTIONS if one not in SHARED_OPTIONS]
        options = dict(option_controls([one for one in own if one.step]))
        another = gr.Button(term("Other takes"), elem_id="another")
        compose = gr.Button(term("Compose"), variant="primary", elem_id="compose")
        with gr.Accordion(term("For musicians"), open=False, elem_id="musicians"):
            options |= option_controls([one for one in own if not one.step])
    return compose, another, options


def composer_choice(pairings: Sequence[PairingInfo]) -> tuple[gr.Accordion, gr.Radio]:
    """Which composer, folded away under the name of the one that is chosen."""
    usual = next((info for info in pairings if info.default), None)
    label = f"{term('Composer:')} {usual.title}" if usual else term("Composer")
    with (
        gr.Accordion(label, open=False, elem_id="more", elem_classes="only-create") as fold,
        gr.Column(elem_classes="more"),
    ):
        pairing = gr.Radio(
            [(info.title, info.key) for info in pairings],
            value=usual.key if usual else None,
            label=term("Composer"),
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
        images = [photo.image] if photo else []
        try:
            composition = yield from stages_of(
                lambda tell: remake(studio, recipe, images, known, lambda stage, done: tell(stage, COMPOSED * done)),
                lambda stage, done: (working(stage, done), gr.skip()),
            )
            yield from sounding(photo if recipe.photo_id else None, recipe, composition, known)
        except Exception as error:
            yield failed(sentence(error)), gr.skip()
            raise toast(error, visible=False) from error

    def sounding(photo: OpenedPhoto | None, recipe: Recipe, composition: Composition, known: Known) -> Iterator[Shown]:
        title = titles.get(recipe.pairing, recipe.pairing)
        more = {"recipe": recipe.value(), "takes": candidate_values(composition)}
        yield {**pending_value(composition, title), **more}, known
        take = play_take(
            studio, composition, new_folder(pieces), lambda stage, done: None, photo, suffix=_suffix(recipe)
        )
        yield {**take_value(take, title), **more}, known

    @spelt_out(CREATE_OPTIONS)
    def compose(
        photo: OpenedPhoto | None,
        emotion: VA | None,
        pairing: str,
        options: dict[str, Any],
        known: Known | None = None,
    ) -> Iterator[Shown]:
        """Compose piano music for a photo, for a point in the emotion plane, or for a photo with another target.

        The last value has the notes, the metrics, where the piece lies in the plane, all takes with the guide's
        estimate of each, and the files (MIDI, WAV, …). docs/options.md explains the options. The same inputs give the
        same piece.
        """
        try:
            asked = read_options(options, target=emotion)
        except Exception as error:
            yield failed(sentence(error)), gr.skip()
            raise toast(error, visible=False) from error
        recipe = Recipe(pairing, asked, photo_id(photo.image) if photo else None)
        yield from made(photo, recipe, {} if known is None else known)

    def make_again(photo: OpenedPhoto | None, recipe: Recipe, known: Known) -> Iterator[Shown]:
        """A recipe from the piece actions: another take, the same tune again, something from the history."""
        yield from made(photo, recipe, known)

    chosen = {**inputs.options, **controls.options}
    options = [chosen[one.name] for one in CREATE_OPTIONS]
    wanted = [inputs.photo, inputs.plane, controls.pairing, *options, known]
    settings = [inputs.plane, controls.pairing, *options]
    shown = [piece, known]
    controls.compose.click(js=SHOW_WAITING, outputs=piece, **IN_PAGE)
    # By default a click is dropped while the run before it is being cancelled; after Stop it must count.
    composing = controls.compose.click(compose, wanted, shown, api_name="compose", trigger_mode="multiple", **HEAVY)
    controls.another.click(js=SHOW_WAITING, outputs=piece, **IN_PAGE)
    next_take = controls.another.click(js=NEXT_SEED, inputs=chosen["seed"], outputs=chosen["seed"], **IN_PAGE)
    composing_again = next_take.then(compose, wanted, shown, api_visibility="private", **HEAVY)
    actions.submit(js=SHOW_WAITING, outputs=piece, **IN_PAGE)
    actions.submit(js=_script(PUT_BACK), inputs=[actions, *settings], outputs=settings, **IN_PAGE)
    making_again = actions.submit(
        make_again, [inputs.photo, actions, known], shown, api_visibility="private", trigger_mode="multiple", **HEAVY
    )
    runs = [composing, composing_again, making_again]
    for run in runs:
        run.failure(js=END_WAITING, inputs=piece, outputs=piece, **IN_PAGE)
    piece.change(js=MARK_PIECE, inputs=[piece, inputs.plane, actions], outputs=[inputs.plane, actions], **IN_PAGE)
    piece.stop(cancels=runs, **IN_PAGE)
    inputs.plane.change(js=KNOW_PHOTO, inputs=[inputs.plane, actions], outputs=actions, **IN_PAGE)
    actions.select(js=_script(SHOW_AGAIN), inputs=[actions, *settings], outputs=[piece, *settings], **IN_PAGE)
    actions.apply(js=_script(PUT_BACK), inputs=[actions, *settings], outputs=settings, **IN_PAGE)
    able = json.dumps([info.key for info in infos if info.composes])
    for one in CREATE_OPTIONS:
        if one.needs_composing:
            controls.pairing.change(js=IF_ABLE % able, inputs=controls.pairing, outputs=chosen[one.name], **IN_PAGE)
    named = NAME_THE_CHOSEN % (term("Composer:"), json.dumps(titles))
    controls.pairing.change(js=named, inputs=controls.pairing, outputs=controls.fold, **IN_PAGE)
    page.load(js=_script(FROM_ADDRESS, list(titles)), inputs=settings, outputs=settings, **IN_PAGE)


def _script(source: str, pairings: Sequence[str] = ()) -> str:
    """A script with what it must know of options and composers in the places of OPTIONS, POINT and PAIRINGS."""
    known = {
        "OPTIONS": options_for_scripts(CREATE_OPTIONS),
        "POINT": OPTIONS["target"].address.split(),
        "PAIRINGS": pairings,
    }
    return re.sub("|".join(known), lambda name: json.dumps(known[name[0]]), source)


def _suffix(recipe: Recipe) -> str:
    """What tells the files of one take and one retelling from those of another."""
    steps = "".join({"retell": "-retold", "extend": "-extended"}[step.do] for step in recipe.steps[-1:])
    return steps + ("" if recipe.keep is None else f"-take-{'abcdefghijklmnop'[recipe.keep]}")
