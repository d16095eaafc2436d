"""From a recipe to a piece, step by step, starting from what has been made before."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from dataclasses import replace
from typing import Protocol

from PIL.Image import Image

from eimg_core.composer import Composition
from eimg_core.emotion import VA
from eimg_core.errors import InputError
from eimg_core.messages import message
from eimg_core.midi.notes import Piece
from eimg_core.options import ComposeOptions
from eimg_core.progress import Progress, steps_told
from eimg_core.recipe import Recipe, Step, photo_id

__all__ = ["Known", "Maker", "remake"]

Known = MutableMapping[str, Composition]
"""Key of a recipe → its composition with the take that the guide prefers; or, without ``takes``, with the one take of
it that is at hand."""

_MOST_KNOWN = 16


class Maker(Protocol):
    """What a studio does that recipes are made of; see ``eimg_core.studio.Studio``."""

    def compose(
        self, photo: Image | None, pairing: str, options: ComposeOptions, progress: Progress | None = None
    ) -> Composition: ...

    def story(
        self,
        photos: Sequence[Image | VA],
        pairing: str,
        options: ComposeOptions,
        progress: Progress | None = None,
        points: Sequence[VA] | None = None,
    ) -> Composition: ...

    def keep(self, composition: Composition, take: int) -> Composition: ...

    def retell(self, piece: Piece, pairing: str, target: VA, options: ComposeOptions) -> Composition: ...

    def extend(self, piece: Piece, pairing: str, target: VA, options: ComposeOptions) -> Composition: ...

    def fill(
        self, piece: Piece, bars: tuple[int, int], pairing: str, target: VA, options: ComposeOptions
    ) -> Composition: ...


def remake(
    studio: Maker,
    recipe: Recipe,
    photos: Sequence[Image] = (),
    known: Known | None = None,
    progress: Progress | None = None,
) -> Composition:
    """The composition of a recipe: the same bytes as the first time, with the same weights.

    Args:
        photos: those that it was made for: one, or all of a story in their order; others are left out. What steps on
            from a piece that is known needs none.
        known: what has been made before; what is not in it is made and added, the oldest given up.
        progress: told the stage and the share of the work.
    Raises:
        InputError: a photo is missing or another one, or the composer cannot do the steps.
    """
    if known is None or recipe.stops or recipe.source is not None:
        known = {}
    tell = progress or (lambda stage, share: None)
    done, composition = _latest_known(studio, recipe, known)
    if composition is None and recipe.given_id is not None:
        if recipe.given_id.startswith("live"):
            raise InputError(
                message("This piece was played live, and its beginning is gone. Play live again, and keep it.")
            )
        raise InputError(message("This piece began with a MIDI file. Open that file again to go on with it."))
    if composition is None and recipe.source is None:
        begun = replace(recipe, steps=())
        composition = _begun(studio, begun.keeping(None), _photos_of(recipe, photos), tell)
        _remember(known, begun, composition)
        composition = _with_take(studio, composition, begun.keep)
    for number in range(done + 1, len(recipe.steps) + 1):
        so_far = replace(recipe, steps=recipe.steps[:number])
        tell(message("composing"), 0.2)
        with steps_told(tell, message("composing"), since=0.2):
            stepped = _stepped(studio, so_far, so_far.steps[-1], composition)
        _remember(known, so_far, stepped)
        composition = _with_take(studio, stepped, so_far.keep)
    assert composition is not None, "a source without steps is no recipe"
    return composition


def _latest_known(studio: Maker, recipe: Recipe, known: Known) -> tuple[int, Composition | None]:
    """How many steps of a recipe are done in what is known, and the composition by then; 0 and none to begin with."""
    for number in range(len(recipe.steps), -1, -1):
        so_far = replace(recipe, steps=recipe.steps[:number])
        found = known.get(so_far.key)
        # What came back from a browser is a single take.
        if found is not None and (found.takes or found.made_by.keep == so_far.keep):
            return number, _with_take(studio, found, so_far.keep)
    return 0, None


def _photos_of(recipe: Recipe, photos: Sequence[Image]) -> list[Image]:
    """The photos that a recipe was made for, of those that are there."""
    wanted = [stop.photo_id for stop in recipe.stops if stop.photo_id] or list(filter(None, [recipe.photo_id]))
    given = list(photos[: len(wanted)])
    if [photo_id(photo) for photo in given] != wanted:
        raise InputError(message("This piece was made for another photo. Add that photo again to hear it exactly."))
    return given


def _begun(studio: Maker, recipe: Recipe, photos: Sequence[Image], tell: Progress) -> Composition:
    """The first piece of a recipe."""
    if recipe.stops:
        left = iter(photos)
        places = [next(left) if stop.photo_id else stop.point for stop in recipe.stops]
        return studio.story(places, recipe.pairing, recipe.options, tell, [stop.point for stop in recipe.stops])
    tell(message("reading the photo") if photos else message("composing"), 0.0)
    return studio.compose(photos[0] if photos else None, recipe.pairing, recipe.options, tell)


def _stepped(studio: Maker, recipe: Recipe, step: Step, before: Composition | None) -> Composition:
    """A piece one step on from the one before, or from the recipe's source."""
    piece = before.piece if before else recipe.source
    assert piece is not None
    told = recipe.pairing, step.target, replace(recipe.options_of(step), keep=None)
    if step.bars is not None:
        after = studio.fill(piece, step.bars, *told)
    else:
        after = (studio.retell if step.do == "retell" else studio.extend)(piece, *told)
    return replace(after, photo_va=before.photo_va if before else None, recipe=recipe.keeping(None))


def _with_take(studio: Maker, composition: Composition, keep: int | None) -> Composition:
    if keep is None or keep == composition.made_by.keep:
        return composition
    if keep == composition.kept:
        return replace(composition, recipe=composition.made_by.keeping(keep))
    return studio.keep(composition, keep)


def _remember(known: Known, recipe: Recipe, composition: Composition) -> None:
    known[recipe.key] = composition
    while len(known) > _MOST_KNOWN:
        del known[next(iter(known))]
