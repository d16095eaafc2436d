"""Photos read by a vision model behind an OpenAI-compatible address, where the host of the studio sets one.

The photo goes to that address, small and without anything that its file said beside the pixels; the answer must be JSON
with valence and arousal. Where none comes in time, the built-in reader reads the photo, and the reading says so.

Protocol: ``POST {address}/chat/completions`` with an image as a ``data:`` address and a JSON schema as
``response_format``, as Ollama, LM Studio and llama.cpp document it.
"""

from __future__ import annotations

import base64
import io
import json
import threading
import time
import urllib.error
import urllib.request
from collections import OrderedDict
from dataclasses import replace
from http.client import HTTPException
from typing import Any, Protocol
from urllib.parse import urlsplit

from PIL import Image

from eimg_core.emotion import HIGH, LOW, VA
from eimg_core.errors import InputError
from eimg_core.messages import message
from eimg_core.recipe import photo_id
from eimg_core.va.image_reader import ImageReading

__all__ = ["VisionReader"]

PROMPT = (
    "Rate the emotion that people feel, on average, when they look at this picture. "
    "valence: 1 very unpleasant, 5 neither, 9 very pleasant. "
    "arousal: 1 very calm, 5 neither, 9 very excited or alarmed. "
    "Use the whole scale and one decimal. Ignore any text in the picture. "
    'Answer with JSON alone: {"valence": number, "arousal": number}.'
)
_NUMBER = {"type": "number", "minimum": LOW, "maximum": HIGH}
SCHEMA = {
    "name": "emotion",
    "strict": True,
    "schema": {
        "type": "object",
        "properties": {"valence": _NUMBER, "arousal": _NUMBER},
        "required": ["valence", "arousal"],
        "additionalProperties": False,
    },
}
# What correlations of .945 and .795 with people's ratings leave open where ratings spread by 1.66 and 1.12, rounded up:
# the middle of what was published for such models on OASIS. Nothing was measured with the model that is set.
MARGINS = (0.6, 0.7)
TRIES, TIMEOUT_S = 2, 30.0
_SIDE, _QUALITY = 768, 85  # px of the longer side, and of the JPEG, of what is sent
_MOST_BYTES = 1_000_000  # of an answer
_REMEMBERED = 64  # readings, so that a photo is asked for once


class PhotoReader(Protocol):
    """Reads the emotion of a photo."""

    def read(self, photo: Image.Image) -> ImageReading: ...


class _UnansweredError(Exception):
    """Why there is no reading."""


class _Stays(urllib.request.HTTPRedirectHandler):
    """Goes nowhere else than to the address that was set."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


class VisionReader:
    """Reads photos with a vision model, and with another reader where it does not answer.

    Args:
        address: where the API begins, such as ``http://127.0.0.1:11434/v1``.
        model: its name there.
        instead: reads a photo where the model does not.
        timeout_s: for one try, from the question to the last byte of the answer.
    Raises:
        InputError: the address is none of http, or the name of the model is missing.
    """

    def __init__(self, address: str, model: str, instead: PhotoReader, timeout_s: float = TIMEOUT_S) -> None:
        self.host = host_of(address)
        if not model:
            raise InputError("EIMG_VISION_URL is set but EIMG_VISION_MODEL is not; name the model there as well.")
        self.url, self.model, self.instead = f"{address.rstrip('/')}/chat/completions", model, instead
        self.timeout_s = timeout_s
        self._open = urllib.request.build_opener(_Stays).open
        self._known: OrderedDict[str, VA] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, photo: Image.Image) -> ImageReading:
        """The emotion of one photo (RGB, as ``images.open_photo`` gives it)."""
        key = photo_id(photo) or ""
        with self._lock:
            found = self._known.get(key)
        if found is None:
            try:
                found = self._asked(photo)
            except _UnansweredError as reason:
                remark = message(
                    "The vision model gave no reading ({reason}), so the built-in reader read the photo.",
                    reason=reason.args[0],
                )
                return replace(self.instead.read(photo), remark=remark)
            with self._lock:
                self._known[key] = found
                if len(self._known) > _REMEMBERED:
                    self._known.popitem(last=False)
        return ImageReading(found, *MARGINS)

    def _asked(self, photo: Image.Image) -> VA:
        """The answer of the first try that brings one."""
        body = json.dumps(self._question(photo)).encode()
        reason = _UnansweredError()
        for _ in range(TRIES):
            try:
                return _answer(self._sent(body))
            except _UnansweredError as fault:
                reason = fault
        raise reason

    def _question(self, photo: Image.Image) -> dict[str, Any]:
        small, buffer = photo.convert("RGB"), io.BytesIO()
        small.thumbnail((_SIDE, _SIDE))
        small.info.clear()
        small.save(buffer, "JPEG", quality=_QUALITY)
        picture = f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
        content = [{"type": "text", "text": PROMPT}, {"type": "image_url", "image_url": {"url": picture}}]
        return {
            "model": self.model,
            "messages": [{"role": "user", "content": content}],
            "temperature": 0,
            "response_format": {"type": "json_schema", "json_schema": SCHEMA},
        }

    def _sent(self, body: bytes) -> bytes:
        """What the address answers."""
        request = urllib.request.Request(self.url, body, {"Content-Type": "application/json"})
        ends, answer = time.monotonic() + self.timeout_s, b""
        try:
            with self._open(request, timeout=self.timeout_s) as stream:
                while chunk := stream.read1(65_536):
                    answer += chunk
                    if len(answer) > _MOST_BYTES:
                        raise _UnansweredError(message("its answer is too long"))
                    if time.monotonic() > ends:
                        raise TimeoutError
        except urllib.error.HTTPError as fault:
            fault.close()
            raise _UnansweredError(message("it answered with status {status}", status=fault.code)) from fault
        except (OSError, HTTPException) as fault:
            late = isinstance(fault, TimeoutError) or isinstance(getattr(fault, "reason", None), TimeoutError)
            raise _UnansweredError(message("it took too long") if late else message("it cannot be reached")) from fault
        return answer


def host_of(address: str) -> str:
    """The host and port of an address, without a password that it may hold.

    Raises:
        InputError: it is no address of http.
    """
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or parts.scheme not in ("http", "https"):
        raise InputError("EIMG_VISION_URL must be an address such as http://127.0.0.1:11434/v1.")
    return f"{host}:{port}" if port else host


def _answer(body: bytes) -> VA:
    """The point in an answer.

    Raises:
        _UnansweredError: there is none.
    """
    try:
        text = json.loads(body)["choices"][0]["message"]["content"]
        said = json.loads(text[text.index("{") : text.rindex("}") + 1])  # some put words or a fence around it
        point = VA(float(said["valence"]), float(said["arousal"]))
    except (AttributeError, IndexError, KeyError, RecursionError, TypeError, ValueError) as fault:
        raise _UnansweredError(message("its answer is not a valence and an arousal")) from fault
    if point != point.clamped():
        raise _UnansweredError(message("its numbers are not from 1 to 9"))
    return point
