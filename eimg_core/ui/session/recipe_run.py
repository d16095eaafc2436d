"""From a recipe to a piece, starting from what has been made before."""

from __future__ import annotations

from dataclasses import replace

from eimg_core.composer import Composition, Progress
from eimg_core.errors import InputError
from eimg_core.recipe import Recipe, Step, photo_hash
from eimg_core.ui.protocol import Studio
from eimg_core.ui.session.photo import OpenedPhoto
from eimg_core.ui.session.piece_values import COMPOSING, READING

__all__ = ["Known", "follow"]

Known = dict[str, Composition]
"""Key of a recipe → its composition with the take that the guide prefers."""

_MOST_KNOWN = 16


def follow(studio: Studio, photo: OpenedPhoto | None, recipe: Recipe, known: Known, progress: Progress) -> Composition:
    """The composition of a recipe. What is not in ``known`` is composed and added to it, the oldest given up.

    Args:
        photo: the one on the inputs.
        progress: told the stage and the share of the work.
    Raises:
        InputError: the recipe is for another photo, or its composer cannot do its steps.
    """
    if recipe.photo and (photo is None or photo_hash(photo.image) != recipe.photo):
        raise InputError("This piece was made for another photo. Add that photo again to hear it exactly.")
    start = replace(recipe, steps=())
    composition = known.get(start.key)
    if composition is None:
        image = photo.image if photo and recipe.photo else None
        progress(READING if image else COMPOSING, 0.0)
        composition = studio.compose(image, recipe.pairing, start.keeping(None).options, progress)
        _remember(known, start, composition)
    composition = _take_of(studio, composition, recipe.options.keep)
    for number, step in enumerate(recipe.steps, start=1):
        so_far = replace(recipe, steps=recipe.steps[:number])
        done = known.get(so_far.key)
        if done is None:
            progress(COMPOSING, 0.2)
            done = _stepped(studio, recipe, composition, step)
            _remember(known, so_far, done)
        composition = _take_of(studio, done, step.keep)
    return composition


def _stepped(studio: Studio, recipe: Recipe, before: Composition, step: Step) -> Composition:
    act = studio.retell if step.do == "retell" else studio.extend
    after = act(before.piece, recipe.pairing, step.target, recipe.options_of(step))
    return replace(after, photo_va=before.photo_va)


def _take_of(studio: Studio, composition: Composition, keep: int | None) -> Composition:
    if keep is None or keep == composition.kept:
        return composition
    return studio.keep(composition, keep)


def _remember(known: Known, recipe: Recipe, composition: Composition) -> None:
    known[recipe.key] = composition
    while len(known) > _MOST_KNOWN:
        del known[next(iter(known))]
