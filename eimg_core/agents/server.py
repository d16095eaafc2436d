"""The studio as tools for language models: an MCP server on the page's own address. Needs the package ``mcp``.

Gradio can offer the page's handlers as tools by itself. We do not let it: it opens any path on the server's disk that a
caller names inside a value, answers with thousands of notes, and cannot leave a photo out.

Reference: Model Context Protocol, https://modelcontextprotocol.io, transport *Streamable HTTP*.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import anyio
import anyio.from_thread
import anyio.to_thread
from gradio.route_utils import get_root_url
from gradio_client.utils import encode_file_path
from mcp.server.fastmcp import Context
from mcp.server.fastmcp.exceptions import ToolError
from mcp.types import ToolAnnotations

from eimg_core.agents.answers import Link, comparison_answer, piece_answer, story_answer, takes_answer
from eimg_core.agents.arguments import (
    Arousal,
    Composing,
    Density,
    Expressive,
    Kind,
    Midi,
    Pairing,
    Pairings,
    Photo,
    Photos,
    Seconds,
    Seed,
    StorySeconds,
    Tempo,
    Valence,
)
from eimg_core.agents.files import HOW_TO_GIVE, given_file
from eimg_core.agents.serving import MCP_PATH, StudioTools
from eimg_core.composer import USUAL_TAKES, ComposeOptions, Progress
from eimg_core.emotion import VA
from eimg_core.errors import InputError
from eimg_core.exports.formats import export as export_saved
from eimg_core.ui.api.midi import ANY_LENGTH_S, Act, tune_take
from eimg_core.ui.api.programs import composers, exported, measured, open_midi
from eimg_core.ui.protocol import Studio
from eimg_core.ui.server.faults import sentence
from eimg_core.ui.server.files import new_folder
from eimg_core.ui.session.comparison_run import ComparisonRun, compose_all, pack, start_comparison
from eimg_core.ui.session.composers import chosen, pairing_variants, usual_choice
from eimg_core.ui.session.photo import OpenedPhoto
from eimg_core.ui.session.piece_values import make_take, take_value
from eimg_core.ui.session.story_timeline import make_story
from eimg_core.ui.widgets.comparison import run_value
from eimg_core.ui.widgets.emotion_plane import photo_value
from eimg_core.ui.widgets.why import why_value

__all__ = ["agent_server"]

INSTRUCTIONS = f"""EIMG Studio turns photos into piano music with the same emotion.

An emotion is a point: valence from 1 (unpleasant) to 9 (pleasant), arousal from 1 (calm) to 9 (excited); 5 is the
middle. `heard` is where an evaluator that took no part in composing hears a piece, `distance` how far that is from
`target`, in points of the same scale.

A file is given as {HOW_TO_GIVE}. Files in answers are links to be downloaded within an hour. The same inputs give the
same piece; another seed gives another one."""

Answer = dict[str, Any]
Tool = Callable[..., Awaitable[Answer]]
T = TypeVar("T")

READS = ToolAnnotations(readOnlyHint=True, openWorldHint=False)
MAKES = ToolAnnotations(readOnlyHint=False, destructiveHint=False, idempotentHint=True, openWorldHint=False)


def agent_server(
    studio: Studio, pieces: Path, root_path: str = "", local: bool = True, most_waiting: int = 24
) -> StudioTools:
    """The server with all its tools; ``routes`` and ``lifespan`` are for the application that serves the page.

    Args:
        studio: reads, composes, plays and saves.
        pieces: folder for the files of each call.
        root_path: where a proxy shows the page, as in ``app.py --root-path``.
        local: answer only requests that name this computer as their host, so that no website can reach the tools
            through a visitor's browser under a name of its own.
        most_waiting: calls that may wait for the one that is at work.
    """
    server = StudioTools("EIMG Studio", INSTRUCTIONS, local)
    one_at_a_time = anyio.CapacityLimiter(1)  # as on the page: more at once gains nothing
    usual = next((info.key for info in studio.pairings() if info.default), None)

    def offered(kind: ToolAnnotations) -> Callable[[Tool], Tool]:
        """A tool whose description is its docstring without the indentation."""

        def add(tool: Tool) -> Tool:
            server.add_tool(tool, description=inspect.getdoc(tool), annotations=kind)
            return tool

        return add

    async def working(context: Context, work: Callable[[Progress], T]) -> T:
        """Do it in a thread, one call after the other; progress is passed on, and who went away is not worked for."""
        if one_at_a_time.statistics().tasks_waiting >= most_waiting:
            raise ToolError("The studio is busy; please try again in a minute.")

        def tell(stage: str, done: float) -> None:
            anyio.from_thread.check_cancelled()
            anyio.from_thread.run(context.report_progress, done, 1.0, stage)

        def job() -> T:
            try:
                return work(tell)
            except Exception as error:
                raise ToolError(sentence(error)) from error

        return await anyio.to_thread.run_sync(job, limiter=one_at_a_time)

    def link_of(context: Context) -> Link:
        request = context.request_context.request
        root = get_root_url(request, MCP_PATH, root_path) if request is not None else root_path
        return lambda path: f"{root}/gradio_api/file={encode_file_path(path)}"

    def opened(photo: str) -> OpenedPhoto:
        from eimg_core.images import open_photo  # imports torch, which the page need not wait for

        file = given_file(photo, pieces)
        return OpenedPhoto(open_photo(file), file.name if isinstance(file, Path) else "photo")

    def title_of(pairing: str | None) -> tuple[str, str]:
        """The key of a composer, the usual one where none is named, and its title."""
        if pairing is None and usual is None:
            raise InputError("No composer is the usual one here; name one. The tool pairings lists them.")
        one = chosen(studio.pairings(), [str(pairing or usual)])[0]
        return one.key, one.title

    def target_of(valence: float | None, arousal: float | None) -> VA | None:
        if valence is None and arousal is None:
            return None
        if valence is None or arousal is None:
            raise InputError("Valence and arousal belong together; give both, or neither for the photo's own emotion.")
        return VA(valence, arousal)

    @offered(READS)
    async def pairings(context: Context) -> Answer:
        """List the composers: key, title, variants (the usual one first), and which one is the default.

        retell, extend and story need one whose key ends in +tvae.
        """
        known = [{**one, "keys": [c.key for c in pairing_variants(studio.pairings()) if c.pairing == one["key"]]}
                 for one in composers(studio)]  # fmt: skip
        return {"pairings": known}

    @offered(READS)
    async def read_photo(context: Context, photo: Photo) -> Answer:
        """Read the emotion of a photo: valence and arousal from 1 to 9, each with its standard deviation."""

        def work(tell: Progress) -> Answer:
            found = dict(photo_value(studio.read_photo(opened(photo).image))["photo"])
            del found["id"]
            return {name: round(said, 2) if isinstance(said, float) else said for name, said in found.items()}

        return await working(context, work)

    @offered(READS)
    async def explain_photo(context: Context, photo: Photo) -> Answer:
        """Say which parts of a photo make it read as pleasant or exciting, in words and as two maps.

        A map is rows from top to bottom: by how many points the reading falls when that part is blurred.
        """

        def work(tell: Progress) -> Answer:
            found = why_value(studio.explain_photo(opened(photo).image))
            maps = {axis: [[round(one, 2) for one in row] for row in found[axis]] for axis in ("valence", "arousal")}
            return {"words": found["words"], "maps": maps}

        return await working(context, work)

    @offered(MAKES)
    async def compose(
        context: Context,
        photo: Photo | None = None,
        valence: Valence | None = None,
        arousal: Arousal | None = None,
        seconds: Seconds = 15,
        seed: Seed = 0,
        pairing: Pairing = None,
        expressive: Expressive = True,
        tempo: Tempo = 1.0,
        density: Density = 0.0,
    ) -> Answer:
        """Compose piano music for a photo, for an emotion, or for a photo with another emotion to aim at.

        Give a photo, or valence and arousal, or all three. The answer has links to MIDI, WAV and JSON (all notes),
        where the piece is heard, its metrics, key and chords; `takes` are the pieces it was chosen from, with where a
        second listener heard each.
        """

        link = link_of(context)

        def work(tell: Progress) -> Answer:
            key, title = title_of(pairing)
            target = target_of(valence, arousal)
            options = ComposeOptions(seed, seconds, target, USUAL_TAKES, expressive, tempo, density)
            made = make_take(studio, opened(photo) if photo else None, key, options, new_folder(pieces), tell)
            return {**piece_answer(take_value(made, title), link), "takes": takes_answer(made.composition)}

        return await working(context, work)

    @offered(MAKES)
    async def compare(
        context: Context,
        photo: Photo | None = None,
        valence: Valence | None = None,
        arousal: Arousal | None = None,
        pairings: Pairings = None,
        seconds: Seconds = 15,
        seed: Seed = 0,
        expressive: Expressive = True,
    ) -> Answer:
        """Let several composers write for the same photo or emotion, with the same seed, piano and loudness.

        The answer has a row for each, the nearest to the target first, and files with a picture, a table and everything
        in a ZIP. `controls` is what Emotion Matching is to be held against.
        """

        link = link_of(context)

        def work(tell: Progress) -> Answer:
            infos = studio.pairings()
            options = ComposeOptions(seed, seconds, target_of(valence, arousal), expressive=expressive)
            chose = chosen(infos, usual_choice(infos) if pairings is None else pairings)
            start = start_comparison(studio, opened(photo) if photo else None, options, chose, new_folder(pieces))
            for run in compose_all(studio, start):
                tell("composing", _share(run))
            return comparison_answer(run_value(pack(studio, run)), link)

        return await working(context, work)

    @offered(MAKES)
    async def story(
        context: Context,
        photos: Photos,
        seconds: StorySeconds = 40,
        seed: Seed = 0,
        pairing: Composing = None,
        expressive: Expressive = True,
    ) -> Answer:
        """Compose one piece that moves through the emotions of two to eight photos, in their order.

        The answer has links to its files, and `stops`: the point of each photo and the seconds in which it is on.
        """

        link = link_of(context)

        def work(tell: Progress) -> Answer:
            key, title = title_of(pairing)
            options = ComposeOptions(seed, seconds, None, USUAL_TAKES, expressive)
            several = [opened(photo) for photo in photos]
            return story_answer(make_story(studio, several, key, title, options, new_folder(pieces), tell), link)

        return await working(context, work)

    async def told(
        context: Context, act: Act, midi: str, pairing: str | None, target: VA | None, seed: int, seconds: float
    ) -> Answer:
        link = link_of(context)

        def work(tell: Progress) -> Answer:
            key, title = title_of(pairing)
            made = tune_take(studio, act, given_file(midi, pieces), key, target, seed, seconds, pieces)
            return {**piece_answer(take_value(made, title), link), "takes": takes_answer(made.composition)}

        return await working(context, work)

    @offered(MAKES)
    async def retell(
        context: Context, midi: Midi, valence: Valence, arousal: Arousal, pairing: Composing = None, seed: Seed = 0
    ) -> Answer:
        """Keep the tune of a MIDI file and compose another emotion below it: the same melody, but calmer or brighter.

        The file needs a melody of at least four notes. The answer is as that of compose.
        """
        return await told(context, studio.retell, midi, pairing, VA(valence, arousal), seed, ANY_LENGTH_S)

    @offered(MAKES)
    async def extend(
        context: Context, midi: Midi, seconds: Seconds = 40, pairing: Composing = None, seed: Seed = 0
    ) -> Answer:
        """Let the piece in a MIDI file go on until it lasts `seconds`, in the emotion it is heard with.

        The answer is as that of compose.
        """
        return await told(context, studio.extend, midi, pairing, None, seed, seconds)

    @offered(MAKES)
    async def export(context: Context, midi: Midi, kind: Kind) -> Answer:
        """Turn a MIDI file into sound (mp3, wav), a score for notation programs (musicxml), sheet music (svg) or a
        picture of its piano roll (png), and get a link to it. Up to ten minutes; scores and pictures up to 3000 notes.
        """
        link = link_of(context)

        def work(tell: Progress) -> Answer:
            file = given_file(midi, pieces)
            record = file.with_suffix(".json") if isinstance(file, Path) and file.suffix == ".mid" else None
            if record and record.is_file() and record.is_relative_to(pieces.resolve()):
                return {"file": link(str(export_saved(record, kind)))}  # of ours: its score as written, not as played
            return {"file": link(str(exported(studio, file, kind, pieces)))}

        return await working(context, work)

    @offered(READS)
    async def evaluate_midi(context: Context, midi: Midi) -> Answer:
        """Measure a MIDI file: note count, seconds, the paper's quality metrics, and where in the plane it is heard.

        polyphony_rate: share of ticks on which more than two pitches sound, 0 to 1; pitch_entropy: in bits, higher is
        more varied; groove_consistency: 0 to 1, how alike neighbouring measures are in rhythm.
        """
        return await working(context, lambda tell: measured(studio, open_midi(given_file(midi, pieces))))

    return server


def _share(run: ComparisonRun) -> float:
    """Which part of a comparison is done."""
    cards = [entry.card for entry in run.entries]
    return sum(1.0 if card["state"] in ("done", "failed") else card.get("done", 0.0) for card in cards) / len(cards)
