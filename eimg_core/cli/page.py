"""``app``: the page in the browser."""

from __future__ import annotations

import argparse
import logging
import os
from importlib.util import find_spec

from eimg_core.cli.common import commercial_argument, studio_of
from eimg_core.errors import InputError

__all__ = ["add_page"]

_MCP_INSTALL = "pip install 'mcp>=1.30,<2'"


def add_page(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    page = commands.add_parser("app", help="start the page in the browser")
    page.add_argument("--host", default=os.environ.get("GRADIO_SERVER_NAME", "").strip() or "127.0.0.1")
    page.add_argument("--port", type=int, help="first free from 7860")
    page.add_argument("--mcp", action="store_true", help="be a tool for language models as well; needs the package mcp")
    page.add_argument(
        "--root-path",
        default=os.environ.get("GRADIO_ROOT_PATH", ""),
        help="where a proxy shows the page: /studio, or https://example.org/studio",
    )
    commercial_argument(page)
    page.set_defaults(run=_app)


def _app(args: argparse.Namespace) -> int:
    if args.mcp and not find_spec("mcp"):
        raise InputError(f"--mcp needs a package that is not installed: run {_MCP_INSTALL}, then start again.")
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    for chatty in ("httpx", "matplotlib", "mcp"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    # What follows brings large libraries, which no other command needs; memory and environment are arranged before any
    # of it is used.
    from eimg_core.ui.server.memory import share_arenas
    from eimg_core.ui.server.start import arrange_environment, free_address, port_of_environment

    share_arenas()
    host, port = free_address(args.host, port_of_environment() if args.port is None else args.port)
    arrange_environment()
    studio = studio_of(args)
    if not studio.pairings():
        raise InputError("No trained pairing is installed: the folder assets/checkpoints is empty. See README.md.")
    from eimg_core.ui.app import serve

    serve(studio, host, port, args.mcp, args.root_path)
    return 0
