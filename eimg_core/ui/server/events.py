"""How events are wired: what every one of them has in common."""

from __future__ import annotations

from typing import Any

__all__ = ["HEAVY", "IN_PAGE", "READING"]

# Models work for one visitor at a time; more at once gains nothing on two cores.
HEAVY: dict[str, Any] = {"concurrency_id": "models", "concurrency_limit": 1, "show_progress": "hidden"}
# Reading a photo is short, and a visitor sees nothing before it: it does not wait for other people's pieces, whose
# decoders leave it a core.
READING: dict[str, Any] = {**HEAVY, "concurrency_id": "reading"}
# Small things need no server: they run in the page.
IN_PAGE: dict[str, Any] = {"fn": None, "queue": False, "show_progress": "hidden", "api_visibility": "private"}
