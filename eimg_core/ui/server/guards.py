"""What stands between strangers and the handlers: limits on what comes in, and rules for what a browser may do.

Whatever a program sends to the API, a handler gets values of the right kind or is not called at all, and the answer is
one sentence without internals.
"""

from __future__ import annotations

import logging
import math
from typing import Any

import gradio as gr
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from eimg_core.messages import message
from eimg_core.ui.languages import english, in_language_of

__all__ = ["LARGEST_BODY", "MIDDLEWARE", "BodyLimit", "Page", "SafeHeaders", "all_finite"]

LARGEST_BODY = 4 * 2**20  # bytes of a request that is no upload; a comparison with all its notes has a tenth
_WRONG = message("A value is not of the kind that was expected; see the API page for what each one is.")
_NOT_FINITE = message("A number is infinite or none at all; please give a plain number.")
_LONGEST_MESSAGE = 300
_FILLED = (gr.Number, gr.Slider, gr.Radio, gr.Textbox)  # where such a field has a usual value, it may not be empty
_log = logging.getLogger(__name__)

# Only this server, whatever gets into the page; Gradio's own scripts are inline, and widgets are built by evaluation.
POLICY = "; ".join(
    (
        "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
    )
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}


class Page(gr.Blocks):
    """``gr.Blocks`` whose handlers are never called with values that their components cannot mean."""

    async def preprocess_data(self, block_fn: Any, inputs: list[Any], *args: Any, **options: Any) -> Any:
        if not all_finite(inputs):
            raise gr.Error(_NOT_FINITE, print_exception=False)
        try:
            values = await super().preprocess_data(block_fn, inputs, *args, **options)
            for block, value in zip(block_fn.inputs, values, strict=True):
                if value is None and isinstance(block, _FILLED) and block.value is not None:
                    missing = message(english(block.label)) if block.label else message("a value")
                    raise gr.Error(message("One thing is missing: {missing}.", missing=missing), print_exception=False)
                if isinstance(block, (gr.Number, gr.Slider)) and not isinstance(value, (int, float, type(None))):
                    raise gr.Error(_WRONG, print_exception=False)
            return values
        except gr.Error as error:
            text = str(error.message)
            if len(text) <= _LONGEST_MESSAGE:
                raise
            # Gradio repeats the value; nobody needs all of it.
            raise gr.Error(f"{text[: _LONGEST_MESSAGE - 1]}…", print_exception=False) from error
        except Exception as error:
            _log.info("A request was refused: %s", type(error).__name__)
            raise gr.Error(_WRONG, print_exception=False) from error

    async def process_api(self, *args: Any, request: Any = None, **options: Any) -> dict[str, Any]:
        """Gradio shows the text of an error as it stands, so it is worded here in the language that the page is in."""
        try:
            return await super().process_api(*args, request=request, **options)
        except gr.Error as error:
            error.message = in_language_of(error.message, getattr(request, "cookies", None) or {})
            raise

    def get_api_info(self, *args: Any, **options: Any) -> Any:
        """Programs read the labels in English."""
        info = super().get_api_info(*args, **options)
        for endpoints in (info or {}).values():
            for endpoint in endpoints.values():
                for each in (*endpoint.get("parameters", ()), *endpoint.get("returns", ())):
                    each["label"] = english(each["label"])
        return info


def all_finite(value: Any) -> bool:
    """Whether no number inside a JSON value is NaN or infinite. JSON has no such numbers, but Python reads them."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, float) and not math.isfinite(one):
            return False
        if isinstance(one, dict):
            waiting += one.values()
        elif isinstance(one, (list, tuple)):
            waiting += one
    return True


class _TooLargeError(Exception):
    """More bytes came than a request may have."""


class BodyLimit:
    """Refuse requests that would fill the memory. Uploads go to the disk and have their own limit."""

    def __init__(self, app: ASGIApp, largest: int = LARGEST_BODY) -> None:
        self.app, self.largest = app, largest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].rstrip("/").endswith("/upload"):
            await self.app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "0")
        if not announced.isdigit() or int(announced) > self.largest:
            await self._refuse(scope, receive, send)
            return
        seen, answered = 0, False

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self.largest:
                raise _TooLargeError
            return message

        async def watched(message: Message) -> None:
            nonlocal answered
            answered = True
            await send(message)

        try:
            await self.app(scope, counted, watched)
        except _TooLargeError:
            if not answered:
                await self._refuse(scope, receive, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        text = f"The request is too large; at most {self.largest // 2**20} MB are read."
        await PlainTextResponse(text, 413, {"connection": "close"})(scope, receive, send)


class SafeHeaders:
    """Tell browsers what this page may do: nothing from other servers, no guessing of types, no address passed on."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, with_headers if scope["type"] == "http" else send)


MIDDLEWARE = [Middleware(BodyLimit), Middleware(SafeHeaders)]
