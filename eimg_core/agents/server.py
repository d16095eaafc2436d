"""The studio as tools for language models: an MCP server on the page's own address. Needs the package ``mcp``.

Gradio can offer the page's handlers as tools by itself. We do not let it: it opens any path on the server's disk that a
caller names inside a value, answers with thousands of notes, and cannot leave a photo out.

Reference: Model Context Protocol, https://modelcontextprotocol.io, transport *Streamable HTTP*.
"""

from __future__ import annotations

import inspect
from pathlib import Path

from eimg_core.agents.files import HOW_TO_GIVE
from eimg_core.agents.serving import StudioTools
from eimg_core.agents.tools import Tools
from eimg_core.ui.api.programs import formats_said, metrics_said
from eimg_core.ui.protocol import Studio

__all__ = ["agent_server"]

INSTRUCTIONS = f"""EIMG Studio turns photos into piano music with the same emotion.

An emotion is a point: valence from 1 (unpleasant) to 9 (pleasant), arousal from 1 (calm) to 9 (excited); 5 is the
middle. `estimate` is what an evaluator that took no part in composing says of a piece, `distance` how far that is from
`target`, in points of the same scale.

A file is given as {HOW_TO_GIVE}. Files in answers are links to be downloaded within an hour. The same inputs give the
same piece; another seed gives another one."""


def agent_server(
    studio: Studio, pieces: Path, root_path: str = "", local: bool = True, most_waiting: int = 24
) -> StudioTools:
    """The server with all its tools; ``routes`` and ``lifespan`` are for the application that serves the page.

    Args:
        studio: reads, composes, plays and saves.
        pieces: folder for the files of each call.
        root_path: where a proxy shows the page, as in ``eimg app --root-path``.
        local: answer only requests that name this computer as their host, so that no website can reach the tools
            through a visitor's browser under a name of its own.
        most_waiting: calls that may wait for the one that is at work.
    """
    server = StudioTools("EIMG Studio", INSTRUCTIONS, local)
    tools = Tools(studio, pieces, root_path, most_waiting)
    for name, kind in tools.tools().items():
        method = getattr(tools, name)
        words = (inspect.getdoc(method) or "").format(formats=formats_said(), metrics=metrics_said())
        server.add_tool(method, description=words, annotations=kind)
    return server
