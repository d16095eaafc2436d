"""The tools for language models, one function each: what a call is given, what it does, what it answers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mcp.server.fastmcp import Context
from mcp.types import ToolAnnotations

from eimg_core.agents.answers import comparison_answer, piece_answer, story_answer, takes_answer
from eimg_core.agents.arguments import (
    Arousal,
    Bar,
    Composing,
    Kind,
    Midi,
    Pairing,
    Pairings,
    Photo,
    Photos,
    Valence,
    argument_of,
)
from eimg_core.agents.calls import Answer, Calls, target_of, tool
from eimg_core.agents.files import given_file
from eimg_core.emotion import VA
from eimg_core.exports.files import export as export_saved
from eimg_core.options import CREATE_OPTIONS, EXTEND_SECONDS, OPTIONS, SHARED_OPTIONS, STORY_OPTIONS, read_options
from eimg_core.progress import Progress
from eimg_core.ui.api.midi import Act, filling, tune_take
from eimg_core.ui.api.option_arguments import spelt_out
from eimg_core.ui.api.programs import composers, exported, measured
from eimg_core.ui.server.files import new_folder
from eimg_core.ui.session.comparison_run import ComparisonRun, compose_all, pack, start_comparison
from eimg_core.ui.session.composers import chosen, pairing_variants, usual_choice
from eimg_core.ui.session.piece_values import make_take, take_value
from eimg_core.ui.session.story_timeline import make_story
from eimg_core.ui.widgets.comparison import run_value
from eimg_core.ui.widgets.emotion_plane import photo_value
from eimg_core.ui.widgets.why import why_value

__all__ = ["Tools"]

READS = ToolAnnotations(readOnlyHint=True, openWorldHint=False)
MAKES = ToolAnnotations(readOnlyHint=False, destructiveHint=False, idempotentHint=True, openWorldHint=False)
_CELLS = 6  # on each side of a map that is told


class Tools(Calls):
    """Every public method is a tool; its docstring is what a language model reads, its annotations are the schema."""

    @tool(READS)
    async def pairings(self, context: Context) -> Answer:
        """List the composers: key, title, variants (the usual one first), which one is the default, which composes.

        retell, extend, fill and story need one that composes.
        """
        known = [{**one, "keys": [c.key for c in pairing_variants(self.studio.pairings()) if c.pairing == one["key"]]}
                 for one in composers(self.studio)]  # fmt: skip
        return {"pairings": known}

    @tool(READS)
    async def read_photo(self, context: Context, photo: Photo) -> Answer:
        """Read the emotion of a photo: valence and arousal from 1 to 9, each with its standard deviation.

        `target` is what a piece for the photo aims at where no other is asked for.
        """

        def work(tell: Progress) -> Answer:
            found = dict(photo_value(self.studio, self.opened(photo).image)["photo"])
            del found["id"]
            found = {name: said for name, said in found.items() if said is not None}
            return {name: round(said, 2) if isinstance(said, float) else said for name, said in found.items()}

        return await self.working(context, work)

    @tool(READS)
    async def explain_photo(self, context: Context, photo: Photo) -> Answer:
        """Say what makes a photo read as pleasant or exciting: the classes seen in it, words, and a map of each axis.

        A class has its probability, and what it adds to valence and arousal. A map is six rows of six from top to
        bottom: by how many points the reading falls when that part is blurred.
        """

        def work(tell: Progress) -> Answer:
            found = why_value(self.studio.explain_photo(self.opened(photo).image))
            maps = {axis: _coarse(found[axis]) for axis in ("valence", "arousal")}
            return {"words": found["words"], "classes": found["classes"], "maps": maps}

        return await self.working(context, work)

    @tool(MAKES)
    @spelt_out(CREATE_OPTIONS, argument_of)
    async def compose(
        self,
        context: Context,
        photo: Photo | None = None,
        valence: Valence | None = None,
        arousal: Arousal | None = None,
        pairing: Pairing = None,
        *,
        options: dict[str, Any],
    ) -> Answer:
        """Compose piano music for a photo, for an emotion, or for a photo with another emotion to aim at.

        Give a photo, or valence and arousal, or all three. The answer has links to MIDI, WAV and JSON (all notes),
        the estimate of its emotion, its metrics, key and chords; `takes` are the pieces it was chosen from, with the
        guide's estimate of each.
        """

        link = self.link_of(context)

        def work(tell: Progress) -> Answer:
            key, title = self.title_of(pairing)
            asked = read_options(options, target=target_of(valence, arousal))
            made = make_take(
                self.studio, self.opened(photo) if photo else None, key, asked, new_folder(self.pieces), tell
            )
            return {**piece_answer(take_value(made, title), link), "takes": takes_answer(made.composition)}

        return await self.working(context, work)

    @tool(MAKES)
    @spelt_out(SHARED_OPTIONS, argument_of)
    async def compare(
        self,
        context: Context,
        photo: Photo | None = None,
        valence: Valence | None = None,
        arousal: Arousal | None = None,
        pairings: Pairings = None,
        *,
        options: dict[str, Any],
    ) -> Answer:
        """Let several composers write for the same photo or emotion, with the same seed, piano and loudness.

        The answer has a row for each, the nearest to the target first, and files with a picture, a table and everything
        in a ZIP. `controls` is what Emotion Matching is to be held against.
        """

        link = self.link_of(context)

        def work(tell: Progress) -> Answer:
            infos = self.studio.pairings()
            asked = read_options(options, target=target_of(valence, arousal), takes=1)
            chose = chosen(infos, usual_choice(infos) if pairings is None else pairings)
            start = start_comparison(
                self.studio, self.opened(photo) if photo else None, asked, chose, new_folder(self.pieces)
            )
            for run in compose_all(self.studio, start):
                tell("composing", _share(run))
            return comparison_answer(run_value(pack(self.studio, run)), link)

        return await self.working(context, work)

    @tool(MAKES)
    @spelt_out(STORY_OPTIONS, argument_of)
    async def story(
        self,
        context: Context,
        photos: Photos,
        pairing: Composing = None,
        *,
        options: dict[str, Any],
    ) -> Answer:
        """Compose one piece that moves through the emotions of two to eight photos, in their order.

        The answer has links to its files, and `stops`: the point of each photo and the seconds in which it is on.
        """

        link = self.link_of(context)

        def work(tell: Progress) -> Answer:
            key, title = self.title_of(pairing)
            asked = read_options(options)
            several = [self.opened(photo) for photo in photos]
            return story_answer(
                make_story(self.studio, several, key, title, asked, new_folder(self.pieces), tell), link
            )

        return await self.working(context, work)

    async def _told(
        self, context: Context, act: Act, midi: str, pairing: str | None, target: VA | None, options: dict[str, Any]
    ) -> Answer:
        link = self.link_of(context)

        def work(tell: Progress) -> Answer:
            key, title = self.title_of(pairing)
            made, file = tune_take(self.studio, act, given_file(midi, self.pieces), key, target, options, self.pieces)
            answer = {**piece_answer(take_value(made, title), link), "takes": takes_answer(made.composition)}
            return {**answer, "repairs": list(file.repairs)}

        return await self.working(context, work)

    @tool(MAKES)
    @spelt_out([OPTIONS["seed"]], argument_of)
    async def retell(
        self,
        context: Context,
        midi: Midi,
        valence: Valence,
        arousal: Arousal,
        pairing: Composing = None,
        *,
        options: dict[str, Any],
    ) -> Answer:
        """Keep the tune of a MIDI file and compose another emotion below it: the same melody, but calmer or brighter.

        The file needs a melody of at least four notes. The answer is as that of compose.
        """
        return await self._told(context, self.studio.retell, midi, pairing, VA(valence, arousal), options)

    @tool(MAKES)
    @spelt_out([EXTEND_SECONDS, OPTIONS["seed"]], argument_of)
    async def extend(
        self, context: Context, midi: Midi, pairing: Composing = None, *, options: dict[str, Any]
    ) -> Answer:
        """Let the piece in a MIDI file go on until it lasts `seconds`, in the emotion that is estimated for it.

        The answer is as that of compose.
        """
        return await self._told(context, self.studio.extend, midi, pairing, None, options)

    @tool(MAKES)
    @spelt_out([OPTIONS["seed"]], argument_of)
    async def fill(
        self,
        context: Context,
        midi: Midi,
        first_bar: Bar,
        last_bar: Bar,
        pairing: Composing = None,
        *,
        options: dict[str, Any],
    ) -> Answer:
        """Compose some bars of a MIDI file anew, in the emotion that is estimated for it; all others stay.

        The file needs one meter throughout. The answer is as that of compose.
        """
        return await self._told(context, filling(self.studio, first_bar, last_bar), midi, pairing, None, options)

    @tool(MAKES)
    async def export(self, context: Context, midi: Midi, kind: Kind) -> Answer:
        """Turn a MIDI file into a file of another format; get a link to it, and what was repaired in the MIDI file.

        {formats}. Up to ten minutes; scores and pictures up to 3000 notes.
        """
        link = self.link_of(context)

        def work(tell: Progress) -> Answer:
            file = given_file(midi, self.pieces)
            record = file.with_suffix(".json") if isinstance(file, Path) and file.suffix == ".mid" else None
            if record and record.is_file() and record.is_relative_to(self.pieces.resolve()):
                return {"file": link(str(export_saved(record, kind)))}  # of ours: its score as written, not as played
            path, read = exported(self.studio, file, kind, self.pieces)
            return {"file": link(str(path)), "repairs": list(read.repairs)}

        return await self.working(context, work)

    @tool(READS)
    async def evaluate_midi(self, context: Context, midi: Midi) -> Answer:
        """Measure a MIDI file: note count, seconds, its metrics, the estimate of its emotion, and what was repaired.

        {metrics}.
        """
        return await self.working(context, lambda tell: measured(self.studio, given_file(midi, self.pieces)))


def _share(run: ComparisonRun) -> float:
    """Which part of a comparison is done."""
    cards = [entry.card for entry in run.entries]
    return sum(1.0 if card["state"] in ("done", "failed") else card.get("done", 0.0) for card in cards) / len(cards)


def _coarse(rows: Sequence[Sequence[float]]) -> list[list[float]]:
    """A square map in six rows of six, each the mean of the cells that it covers: enough to read, and not too long."""
    cells = np.array(rows)
    means = cells.reshape(_CELLS, len(cells) // _CELLS, _CELLS, -1).mean(axis=(1, 3))
    return [[round(float(one), 2) for one in row] for row in means]
