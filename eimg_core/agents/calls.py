"""What every call of a tool needs: its turn, its files, its words for composers and targets."""

from __future__ import annotations

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

from eimg_core.agents.answers import Link
from eimg_core.agents.files import given_file
from eimg_core.agents.serving import MCP_PATH
from eimg_core.emotion import VA
from eimg_core.errors import InputError
from eimg_core.progress import Progress
from eimg_core.ui.protocol import Studio
from eimg_core.ui.server.faults import sentence
from eimg_core.ui.session.composers import chosen
from eimg_core.ui.session.photo import OpenedPhoto

__all__ = ["Answer", "Calls", "target_of", "tool"]

Answer = dict[str, Any]
T = TypeVar("T")
M = TypeVar("M", bound=Callable[..., Awaitable[Answer]])


def tool(kind: ToolAnnotations) -> Callable[[M], M]:
    """Mark a method of ``Calls`` as a tool, and say whether it only reads."""

    def mark(method: M) -> M:
        method.annotations = kind  # type: ignore[attr-defined]
        return method

    return mark


class Calls:
    """The studio behind the tools, and one call at a time.

    Args:
        studio: reads, composes, plays and saves.
        pieces: folder for the files of each call.
        root_path: where a proxy shows the page.
        most_waiting: calls that may wait for the one that is at work.
    """

    def __init__(self, studio: Studio, pieces: Path, root_path: str, most_waiting: int) -> None:
        self.studio, self.pieces = studio, pieces
        self._root_path, self._most_waiting = root_path, most_waiting
        self._turn = anyio.CapacityLimiter(1)  # as on the page: more at once gains nothing
        self._here = 0  # calls at work and waiting; the limiter counts only those that already stand in line

    @classmethod
    def tools(cls) -> dict[str, ToolAnnotations]:
        """Name → kind of every tool."""
        return {name: each.annotations for name, each in vars(cls).items() if hasattr(each, "annotations")}

    async def working(self, context: Context, work: Callable[[Progress], T]) -> T:
        """Do it in a thread, one call after the other; progress is passed on, and who went away is not worked for."""
        if self._here > self._most_waiting:
            raise ToolError("The studio is busy; please try again in a minute.")

        def tell(stage: str, done: float) -> None:
            anyio.from_thread.check_cancelled()
            anyio.from_thread.run(context.report_progress, done, 1.0, stage)

        def job() -> T:
            try:
                return work(tell)
            except Exception as error:
                raise ToolError(sentence(error)) from error

        self._here += 1
        try:
            return await anyio.to_thread.run_sync(job, limiter=self._turn)
        finally:
            self._here -= 1

    def link_of(self, context: Context) -> Link:
        request = context.request_context.request
        root = get_root_url(request, MCP_PATH, self._root_path) if request is not None else self._root_path
        return lambda path: f"{root}/gradio_api/file={encode_file_path(path)}"

    def opened(self, photo: str) -> OpenedPhoto:
        from eimg_core.images import open_photo  # imports torch, which the page need not wait for

        file = given_file(photo, self.pieces)
        return OpenedPhoto(open_photo(file), file.name if isinstance(file, Path) else "photo")

    def title_of(self, pairing: str | None) -> tuple[str, str]:
        """The key of a composer, the usual one where none is named, and its title."""
        usual = next((info.key for info in self.studio.pairings() if info.default), None)
        if pairing is None and usual is None:
            raise InputError("No composer is the usual one here; name one. The tool pairings lists them.")
        one = chosen(self.studio.pairings(), [str(pairing or usual)])[0]
        return one.key, one.title


def target_of(valence: float | None, arousal: float | None) -> VA | None:
    if valence is None and arousal is None:
        return None
    if valence is None or arousal is None:
        raise InputError("Valence and arousal belong together; give both, or neither for the photo's own emotion.")
    return VA(valence, arousal)
