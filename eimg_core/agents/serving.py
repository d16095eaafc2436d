"""How the tools for language models are served: one address, and one sentence for whatever cannot be done."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from mcp.server.fastmcp import FastMCP
from mcp.server.fastmcp.exceptions import ToolError
from mcp.server.transport_security import TransportSecuritySettings
from mcp.types import ContentBlock
from pydantic import ValidationError
from starlette.routing import BaseRoute, Route

from eimg_core.ui.server.faults import GENERAL

__all__ = ["MCP_PATH", "StudioTools"]

MCP_PATH = "/gradio_api/mcp"  # which Gradio neither compresses nor, without its own tools, uses
_LOCAL = ("127.0.0.1:*", "localhost:*", "[::1]:*")


class StudioTools(FastMCP):
    """``FastMCP`` whose failures are one sentence each; ``path`` is where it is served.

    Args:
        instructions: what a language model is told before it uses a tool.
        local: answer only requests that name this computer as their host.
    """

    path = MCP_PATH

    def __init__(self, name: str, instructions: str, local: bool) -> None:
        guard = TransportSecuritySettings(
            enable_dns_rebinding_protection=local,
            allowed_hosts=list(_LOCAL),
            allowed_origins=[f"http://{name}" for name in _LOCAL],
        )
        super().__init__(
            name,
            instructions,
            streamable_http_path=MCP_PATH,
            stateless_http=True,
            transport_security=guard,
            log_level="WARNING",
        )

    async def call_tool(self, name: str, arguments: dict[str, Any]) -> Sequence[ContentBlock] | dict[str, Any]:
        for tool in await self.list_tools():
            takes = tool.inputSchema["properties"]
            if tool.name == name and (unknown := [word for word in arguments if word not in takes]):
                raise ToolError(f"{name} takes no {unknown[0][:40]!r}; it takes: {', '.join(takes) or 'nothing'}.")
        try:
            return await super().call_tool(name, arguments)
        except ToolError as error:
            raise ToolError(_reason(error)) from error

    @property
    def routes(self) -> list[BaseRoute]:
        """Where Gradio's application is to serve it; with and without a slash at the end."""
        served = self.streamable_http_app().routes
        return [*served, *(Route(f"{MCP_PATH}/", route.endpoint) for route in served if isinstance(route, Route))]

    def lifespan(self, app: Any) -> AbstractAsyncContextManager[None]:
        """What must run while the application does."""
        return self.session_manager.run()


def _reason(error: ToolError) -> str:
    cause = error.__cause__
    if isinstance(cause, ValidationError):
        first = cause.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(step) for step in first["loc"][:2])
        return f"{place}: {first['msg']}."[:300]
    if isinstance(cause, ToolError):
        return str(cause)
    return str(error) if cause is None else GENERAL  # None: the server's own words, for a tool that does not exist
