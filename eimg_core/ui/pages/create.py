"""The page Create: one composer writes one piece, which can then be told again, continued and undone."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.events import Dependency

from eimg_core.composer import Composition
from eimg_core.emotion import VA
from eimg_core.errors import InputError
from eimg_core.messages import message
from eimg_core.midi.notes import Note, Piece
from eimg_core.midi.reading import load_midi
from eimg_core.midi.smf import MIDI_SUFFIXES
from eimg_core.options import (
    CREATE_OPTIONS,
    LARGEST_SEED,
    OPTIONS,
    SHARED_OPTIONS,
    options_for_scripts,
    read_options,
)
from eimg_core.recipe import Do, Recipe, photo_id
from eimg_core.remake import Known, remake
from eimg_core.ui.api.option_arguments import spelt_out
from eimg_core.ui.languages import term, without_comments
from eimg_core.ui.pages.inputs import Inputs, OptionControls, option_controls
from eimg_core.ui.protocol import PairingInfo, Studio
from eimg_core.ui.server.events import HEAVY, IN_PAGE, READING
from eimg_core.ui.server.faults import sentence, toast
from eimg_core.ui.server.files import KEEP_S, new_folder
from eimg_core.ui.server.stages import stages_of
from eimg_core.ui.session.photo import OpenedPhoto
from eimg_core.ui.session.piece_values import COMPOSED, candidate_values, pending_value, play_take, take_value
from eimg_core.ui.widgets.live import Live
from eimg_core.ui.widgets.parts import words
from eimg_core.ui.widgets.piece_actions import PieceActions, Wanted
from eimg_core.ui.widgets.player import Player, failed, working

__all__ = [
    "LEAD",
    "CreateControls",
    "composer_choice",
    "create_controls",
    "create_further",
    "create_player",
    "wire_create",
]

LEAD = message("Give a photo, aim at another emotion if you like, and let one composer write for it.")

NOTHING = message("There is nothing to compose for yet. Add a photo, or choose an emotion in the plane.")

LOAD_FONT = term("Your own soundfont (.sf2)")
LISTENING = message("listening to your piece")
_DONE: dict[Do, str] = {"retell": "retold", "extend": "continued", "fill": "filled"}
Shown = tuple[Any, Any]
"""A value for the player, and what the session knows by then."""

NEXT_SEED = f"(seed) => (Number(seed) + 1) % {LARGEST_SEED}"
SHOW_WAITING = "() => ({state: 'working', stage: 'waiting', done: 0})"
# The queue was full, or the connection broke: the player goes back to the piece that it had.
END_WAITING = "(piece) => (piece && piece.state === 'working' ? {state: 'back'} : piece)"
# The plane shows where the piece lies and where its takes do. A piece that is shown again, or was told again, brings
# its target and its settings with it: they are what Compose goes on from. Without the photo it was made for, the target
# that it had from the photo is one of its own.
FOLLOW_PIECE = """(piece, plane, actions, ...inputs) => {
  const done = piece && piece.state === 'done' ? piece : null;
  const takes = ((done && done.takes) || []).flatMap((take, n) =>
    take.estimate ? [{...take.estimate, letter: 'ABCDEFGH'[n], kept: take.kept}] : []);
  const marked = {...plane, piece: (done && done.piece) || null, takes};
  if (!done || !done.again) return [marked, {...actions, piece}, ...inputs.map(() => ({__type__: 'update'}))];
  const {recipe, target} = done, photo = plane && plane.photo && plane.photo.id;
  const own = recipe.photo_id && recipe.photo_id === photo && !recipe.target && !recipe.steps.length;
  return [{...marked, target: own ? null : target}, {...actions, piece}, recipe.pairing,
    ...OPTIONS.map(({name, usual}) => recipe[name] ?? usual)];
}"""
KNOW_PHOTO = "(plane, actions) => ({...actions, photo: (plane && plane.photo && plane.photo.id) || null})"
# Live music follows the target, or that of the photo where nobody chose one.
FOLLOW_TARGET = """(plane, pairing) => {
  const photo = plane && plane.photo, target = (plane && plane.target) || (photo && photo.target) || null;
  return {target, pairing};
}"""
# A piece that this page still has is shown as it is.
SHOW_AGAIN = "(actions) => ({...actions.show, again: true})"
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
COMPOSE_AT_ONCE = "(plane) => window.composeAtOnce(plane && plane.photo)"
AT_ONCE = """<label class="at-once"><input type="checkbox" checked />
  <span data-say>Compose and play at once for a photo</span></label>"""
QUICK = """<div class="quick">
  <button type="button" class="quick-play" aria-label="Play or pause" data-say-aria-label>
    <svg viewBox="0 0 24 24" aria-hidden="true"><path class="glyph-play" d="M8 5.2v13.6L19 12z" />
      <path class="glyph-pause" d="M7 5h3.6v14H7zM13.4 5H17v14h-3.6z" /></svg></button>
  <button type="button" class="quick-compose" data-say>Compose</button>
</div>"""
# A composer that cannot obey an option leaves its control to those that can.
IF_ABLE = """(pairing) => ({interactive: %s.includes(pairing), __type__: 'update'})"""
NAME_THE_CHOSEN = """(pairing) => ({label: `%s ${(%s)[pairing]}`, __type__: 'update'})"""


@dataclass(frozen=True)
class FontControls:
    """A visitor's own soundfont: the button that loads one, the one that takes it away, and where it is meanwhile."""

    load: gr.UploadButton
    drop: gr.Button
    path: gr.State


@dataclass(frozen=True)
class CreateControls:
    """Whom to ask and how, and the buttons."""

    compose: gr.Button
    another: gr.Button
    midi: gr.UploadButton
    options: OptionControls
    font: FontControls
    fold: gr.Accordion
    pairing: gr.Radio


def create_controls() -> tuple[gr.Button, gr.Button, gr.UploadButton]:
    """The buttons that start a composer, and start it with the next seed; and the place for a piece of one's own."""
    with gr.Column(elem_classes="controls only-create"):
        another = gr.Button(term("Other takes"), elem_id="another")
        compose = gr.Button(term("Compose"), variant="primary", elem_id="compose")
        words(AT_ONCE)
        midi = gr.UploadButton(
            term("Open a MIDI file"),
            file_types=list(MIDI_SUFFIXES),
            size="sm",
            elem_id="own-midi",
            elem_classes="quiet",
        )
    return compose, another, midi


def composer_choice(
    pairings: Sequence[PairingInfo],
) -> tuple[OptionControls, FontControls, gr.Accordion, gr.Radio]:
    """The options of a single composer, a soundfont of one's own, and which composer, folded away under its name."""
    usual = next((info for info in pairings if info.default), None)
    label = f"{term('More, composer:')} {usual.title}" if usual else term("Composer")
    with (
        gr.Accordion(label, open=False, elem_id="more", elem_classes="only-create") as fold,
        gr.Column(elem_classes="more"),
    ):
        with gr.Column(elem_classes="more-options"):
            options = option_controls([one for one in CREATE_OPTIONS if one not in SHARED_OPTIONS])
            with gr.Row(elem_id="own-font"):
                font = FontControls(
                    gr.UploadButton(LOAD_FONT, file_types=[".sf2"], size="sm", elem_id="load-font", min_width=0),
                    gr.Button(
                        term("Back to the instrument"), size="sm", elem_id="drop-font", visible=False, min_width=0
                    ),
                    gr.State(None, time_to_live=int(KEEP_S)),
                )
        pairing = gr.Radio(
            [(info.title, info.key) for info in pairings],
            value=usual.key if usual else None,
            label=term("Composer"),
            show_label=False,
            elem_id="pairing",
        )
    return options, font, fold, pairing


def create_player(studio: Studio) -> Player:
    """The player of the one piece."""
    words(QUICK, elem_classes="only-create")
    return Player(studio.pairings(), elem_id="piece", elem_classes="only-create")


def create_further(studio: Studio) -> tuple[Live, PieceActions]:
    """Live music, and what can be done with the piece."""
    live = Live(studio, elem_id="live", elem_classes="only-create")
    return live, PieceActions(studio.pairings(), elem_id="piece-actions", elem_classes="only-create")


def wire_create(
    page: gr.Blocks,
    studio: Studio,
    inputs: Inputs,
    controls: CreateControls,
    live: Live,
    piece: Player,
    actions: PieceActions,
    pieces: Path,
    read: Dependency,
) -> None:
    """From a click to a piece, and on; ``/compose``, ``/retell`` and ``/extend`` are the same for programs.

    Args:
        read: the event in which a new photo is read.
    """
    infos = studio.pairings()
    titles = {info.key: info.title for info in infos}
    known = gr.State({}, time_to_live=int(KEEP_S))  # what this visitor's recipes have given so far

    def told(shown: Iterator[Shown]) -> Iterator[Shown]:
        """What is shown, or the sentence that says why there is no more of it."""
        try:
            yield from shown
        except Exception as error:
            yield failed(sentence(error)), gr.skip()
            raise toast(error, visible=False) from error

    def made(
        photo: OpenedPhoto | None, recipe: Recipe, known: Known, font: str | None, again: bool = False
    ) -> Iterator[Shown]:
        """Stages, then the notes as soon as they are there, then the same with its sound."""
        images = [photo.image] if photo else []
        composition = yield from stages_of(
            lambda tell: remake(studio, recipe, images, known, lambda stage, done: tell(stage, COMPOSED * done)),
            lambda stage, done: (working(stage, done), gr.skip()),
        )
        yield from sounding(photo if recipe.photo_id else None, composition, known, font, again)

    def sounding(
        photo: OpenedPhoto | None, composition: Composition, known: Known, font: str | None, again: bool
    ) -> Iterator[Shown]:
        recipe = composition.made_by
        title = titles.get(recipe.pairing, recipe.pairing)
        more = {"recipe": recipe.value(), "takes": candidate_values(composition), "again": again}
        yield {**pending_value(composition, title), **more}, known
        take = play_take(
            studio,
            composition,
            new_folder(pieces),
            lambda stage, done: None,
            photo,
            detail=_detail(recipe),
            soundfont=Path(font) if font else None,
        )
        value = take_value(take, title)
        if font:  # stems are made later, by the instrument
            value["exports"] = [kind for kind in value["exports"] if kind != "stems"]
        yield {**value, **more}, known

    @spelt_out(CREATE_OPTIONS)
    def compose(
        photo: OpenedPhoto | None,
        emotion: VA | None,
        pairing: str,
        options: dict[str, Any],
        known: Known | None = None,
        font: str | None = None,
    ) -> Iterator[Shown]:
        """Compose piano music for a photo, for a point in the emotion plane, or for a photo with another target.

        The last value has the notes, the metrics, where the piece lies in the plane, all takes with the guide's
        estimate of each, and the files (MIDI, WAV, …). docs/options.md explains the options. The same inputs give the
        same piece.
        """

        if photo is None and emotion is None:
            yield {**failed(NOTHING), "nothing": True}, gr.skip()
            raise toast(InputError(NOTHING), visible=False)

        def composed() -> Iterator[Shown]:
            recipe = Recipe(pairing, read_options(options, target=emotion), photo_id(photo.image) if photo else None)
            yield from made(photo, recipe, {} if known is None else known, font)

        yield from told(composed())

    def open_midi(midi: str | None, pairing: str, known: Known, font: str | None) -> Iterator[Shown]:
        """A piece from elsewhere, as if it had been composed here: to be heard, retold, continued, filled and kept."""

        def opened() -> Iterator[Shown]:
            if midi is None:
                raise InputError(message("There is no MIDI file yet. Give one with at least four notes."))
            yield working(LISTENING, 0.2), gr.skip()
            file = load_midi(Path(midi), straighten=True, need_notes=True)
            able = [info.key for info in infos if info.composes]
            composer = pairing if pairing.partition("@")[0] in able or not able else able[0]
            composition = studio.given(file.piece, composer, file.repairs)
            known[composition.made_by.key] = composition
            yield from sounding(None, composition, known, font, again=True)

        yield from told(opened())

    def load_font(path: str) -> Any:
        """A soundfont of the visitor's own plays from now on, if our reader and sampler can play it."""
        try:
            studio.render(Piece((Note(0.0, 60, 0.2, 80),)), soundfont=Path(path))
            return _font_shown(path)
        except Exception as error:
            raise toast(error) from error

    def make_again(photo: OpenedPhoto | None, wanted: Wanted, known: Known, font: str | None) -> Iterator[Shown]:
        """What the piece actions want: another take, the same tune again, what a link or this browser holds."""
        kept = None if wanted.piece is None else studio.restore(wanted.piece)  # whole, should it be asked for once more
        if kept is not None and kept.made_by.key not in known:
            known = {**known, kept.made_by.key: kept}
        if wanted.recipe is not None:
            yield from told(made(photo, wanted.recipe, known, font, again=True))
        elif kept is not None:
            own = photo if photo and photo_id(photo.image) == kept.made_by.photo_id else None
            yield from told(sounding(own, kept, known, font, again=True))

    chosen = {**inputs.options, **controls.options}
    options = [chosen[one.name] for one in CREATE_OPTIONS]
    font = controls.font
    wanted = [inputs.photo, inputs.plane, controls.pairing, *options, known, font.path]
    settings = [inputs.plane, controls.pairing, *options]
    shown = [piece, known]
    # A mood of the plane is chosen and composed for at one tap.
    asks = [controls.compose.click, inputs.plane.submit]
    gr.on(asks, js=SHOW_WAITING, outputs=piece, **IN_PAGE)
    # By default a click is dropped while the run before it is being cancelled; after Stop it must count.
    composing = gr.on(asks, compose, wanted, shown, api_name="compose", trigger_mode="multiple", **HEAVY)
    controls.another.click(js=SHOW_WAITING, outputs=piece, **IN_PAGE)
    next_take = controls.another.click(js=NEXT_SEED, inputs=chosen["seed"], outputs=chosen["seed"], **IN_PAGE)
    composing_again = next_take.then(compose, wanted, shown, api_visibility="private", **HEAVY)
    actions.submit(js=SHOW_WAITING, outputs=piece, **IN_PAGE)
    making_again = actions.submit(
        make_again,
        [inputs.photo, actions, known, font.path],
        shown,
        api_visibility="private",
        trigger_mode="multiple",
        **HEAVY,
    )
    opening = controls.midi.upload(
        open_midi, [controls.midi, controls.pairing, known, font.path], shown, api_visibility="private", **HEAVY
    )
    opening.then(js="() => null", outputs=controls.midi, **IN_PAGE)  # so that the same file can be opened again
    named = [font.path, font.load, font.drop]
    font.load.upload(load_font, font.load, named, api_visibility="private", **READING)
    font.drop.click(lambda: _font_shown(None), None, named, api_visibility="private", show_progress="hidden")
    runs = [composing, composing_again, making_again, opening]
    for run in runs:
        run.failure(js=END_WAITING, inputs=piece, outputs=piece, **IN_PAGE)
    marked = [inputs.plane, actions, controls.pairing, *options]
    piece.change(js=_script(FOLLOW_PIECE), inputs=[piece, *marked], outputs=marked, **IN_PAGE)
    piece.stop(cancels=runs, **IN_PAGE)
    inputs.plane.change(js=KNOW_PHOTO, inputs=[inputs.plane, actions], outputs=actions, **IN_PAGE)
    follows = [inputs.plane, controls.pairing]
    moved = [inputs.plane.input, inputs.plane.change, controls.pairing.change]
    gr.on(moved, js=FOLLOW_TARGET, inputs=follows, outputs=live, **IN_PAGE)
    actions.select(js=SHOW_AGAIN, inputs=actions, outputs=piece, **IN_PAGE)
    able = json.dumps([info.key for info in infos if info.composes])
    for one in CREATE_OPTIONS:
        if one.needs_composing:
            controls.pairing.change(js=IF_ABLE % able, inputs=controls.pairing, outputs=chosen[one.name], **IN_PAGE)
    say_chosen = NAME_THE_CHOSEN % (term("More, composer:"), json.dumps(titles))
    controls.pairing.change(js=say_chosen, inputs=controls.pairing, outputs=controls.fold, **IN_PAGE)
    page.load(js=without_comments(Path(__file__).with_suffix(".js")), **IN_PAGE)
    read.success(js=COMPOSE_AT_ONCE, inputs=inputs.plane, **IN_PAGE)
    page.load(js=_script(FROM_ADDRESS, list(titles)), inputs=settings, outputs=settings, **IN_PAGE)


def _font_shown(path: str | None) -> Any:
    """The path of the soundfont, and its buttons."""
    label = LOAD_FONT if path is None else Path(path).name
    return path, gr.update(label=label), gr.update(visible=path is not None)


def _script(source: str, pairings: Sequence[str] = ()) -> str:
    """A script with what it must know of options and composers in the places of OPTIONS, POINT and PAIRINGS."""
    known = {
        "OPTIONS": options_for_scripts(CREATE_OPTIONS),
        "POINT": OPTIONS["target"].address.split(),
        "PAIRINGS": pairings,
    }
    return re.sub("|".join(known), lambda name: json.dumps(known[name[0]]), source)


def _detail(recipe: Recipe) -> str:
    """What tells the files of one take and one retelling from those of another."""
    done = [_DONE[step.do] for step in recipe.steps[-1:]] + ["as it was"] * recipe.as_given
    return ", ".join(done + ([] if recipe.keep is None else [f"take {'ABCDEFGHIJKLMNOP'[recipe.keep]}"]))
