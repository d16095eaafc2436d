"""Before the page is built: where it can be served, and an environment on which nothing stumbles while it starts.

What is wrong is one sentence here. Found by Gradio it would be a traceback, some seconds later.
"""

from __future__ import annotations

import errno
import os
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

from eimg_core.errors import InputError

__all__ = ["arrange_environment", "check_temporary_folder", "free_address", "port_of_environment", "whole_number"]

_PORTS = range(7860, 7960)  # those that are tried where nobody names one
_LARGEST = 100_000
_OURS = ("GRADIO_SERVER_NAME", "GRADIO_SERVER_PORT")  # read by the command line, which tells Gradio
_COUNTS = (
    "GRADIO_NUM_PORTS", "GRADIO_NODE_NUM_PORTS", "GRADIO_NODE_SERVER_PORT", "GRADIO_NUM_WORKERS", "GRADIO_DEBUG",
    "GRADIO_ANALYTICS_MAX_EVENTS", "GRADIO_ANALYTICS_CACHE_FREQUENCY",
)  # fmt: skip
"""What Gradio takes for a whole number as soon as it is there."""


def whole_number(name: str, usual: int) -> int:
    """A whole number above 0 from the environment; the usual one where it is not set.

    Raises:
        InputError: it is anything else.
    """
    text = os.environ.get(name, "").strip() or str(usual)
    if not (text.isascii() and text.isdecimal() and 0 < int(text[:9]) <= _LARGEST):
        raise InputError(f"{name} must be a whole number above 0, not {text[:20]!r}.")
    return int(text)


def port_of_environment() -> int | None:
    """The port that ``GRADIO_SERVER_PORT`` names; ``None`` where it names none.

    Raises:
        InputError: it is no port.
    """
    text = os.environ.get("GRADIO_SERVER_PORT", "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdecimal()):
        raise InputError(f"GRADIO_SERVER_PORT must be a port, 1 to 65535, not {text[:20]!r}.")
    return int(text[:9])


def arrange_environment() -> None:
    """Settle what libraries read when they are imported. To be called before Gradio is.

    The page asks no other computer, so no proxy is used: HTTP clients refuse to start with some (SOCKS, unknown
    schemes), and would look for the page itself behind the others.

    Raises:
        InputError: a variable has a value that nobody can use.
    """
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "*"
    for name in _OURS:
        os.environ.pop(name, None)
    for name in _COUNTS:
        text = os.environ.get(name, "").strip()
        if not text:
            os.environ.pop(name, None)
        elif not (text.isascii() and text.isdecimal()):
            raise InputError(f"{name} must be a whole number, not {text[:20]!r}; correct it, or unset it.")
    if certificates := os.environ.get("SSL_CERT_FILE"):
        try:
            ssl.create_default_context(cafile=certificates)
        except OSError as error:
            raise InputError("SSL_CERT_FILE names no file of certificates; correct it, or unset it.") from error


def free_address(host: str, port: int | None) -> tuple[str, int]:
    """Where the page can be served.

    Args:
        host: a name or an address, IPv6 with or without brackets.
        port: ``None`` for the first free one from 7860.
    Returns:
        The host as an address on the web spells it, and a port that is free.
    Raises:
        InputError: the host is none of this computer's, or the port is taken or may not be used.
    """
    plain = host.strip().removeprefix("[").removesuffix("]")
    if port is not None and not 1 <= port <= 65535:
        raise InputError(f"The port must be from 1 to 65535, not {port}.")
    found = next((one for one in ([port] if port else _PORTS) if _free(plain, one)), None)
    if found is None and port:
        raise InputError(f"Port {port} is taken; choose another one with --port, or leave it out for one that is free.")
    if found is None:
        raise InputError(f"Ports {_PORTS[0]} to {_PORTS[-1]} are all taken; choose another one with --port.")
    return f"[{plain}]" if ":" in plain else plain, found


def check_temporary_folder(make: Callable[[], Path]) -> None:
    """Make a temporary folder and take it away again.

    Raises:
        InputError: it cannot be written.
    """
    try:
        make().rmdir()
    except OSError as error:
        raise InputError(
            f"The temporary folder cannot be written ({error.strerror}); name another one with GRADIO_TEMP_DIR."
        ) from error


def _free(host: str, port: int) -> bool:
    """Whether nobody listens at a port of the host, nor at that of 127.0.0.1, where Gradio looks as well.

    Raises:
        InputError: the host is none of this computer's, or its port may not be used.
    """
    try:
        places = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        places = []
    found = [unused for family, _, _, _, at in places if (unused := _unused(family, at)) is not None]
    if not found:
        raise InputError(
            f"{host[:60]} is no address of this computer; --host 127.0.0.1 serves it alone, 0.0.0.0 everybody."
        )
    return all(found) and _unused(socket.AF_INET, ("127.0.0.1", port)) is not False


def _unused(family: int, address: Any) -> bool | None:
    """Whether nobody listens at an address; ``None`` where it is none of this computer's.

    Raises:
        InputError: its port may not be used.
    """
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            if os.name == "posix":  # elsewhere this would allow a second listener
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EPERM):
            raise InputError(
                f"Port {address[1]} needs the rights of an administrator; choose one from 1024 on with --port."
            ) from error
        return False if error.errno == errno.EADDRINUSE else None
    return True
