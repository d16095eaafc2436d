"""How far long work is, told to who waits for it, who may also end it by raising an exception when told.

Decoders say at each step how far they are; ``steps_told`` passes that on as a stage of the work around them. A context
variable carries it, so that nothing between the two has to.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["EVERY_S", "Progress", "StoppedError", "step_done", "steps_told"]

Progress = Callable[[str, float], None]
"""Called with the name of a stage and the share of the work that is done, 0 to 1."""


class StoppedError(Exception):
    """Nobody waits for the result any more: what ``Progress`` raises to end the work."""


EVERY_S = 0.2  # seconds between two steps that are told
_telling: ContextVar[Callable[[Callable[[], float]], None] | None] = ContextVar("telling", default=None)


@contextmanager
def steps_told(tell: Progress | None, stage: str, since: float = 0.0, every_s: float | None = None) -> Iterator[None]:
    """Tell the steps that this thread takes inside the block, as ``stage``, at most every ``every_s`` or ``EVERY_S``.

    Args:
        tell: may raise an exception to end the work; ``None`` for nobody.
        since: share of the work that is done at the beginning of the block; at its end, all is.
    """
    told, apart = time.monotonic(), EVERY_S if every_s is None else every_s

    def pass_on(share: Callable[[], float]) -> None:
        nonlocal told
        if tell is not None and time.monotonic() - told >= apart:
            told = time.monotonic()
            tell(stage, since + (1.0 - since) * share())

    token = _telling.set(pass_on)
    try:
        yield
    finally:
        _telling.reset(token)


def step_done(share: Callable[[], float]) -> None:
    """Say that a step is done; ``share`` of all steps, 0 to 1, is asked for only when it is told."""
    telling = _telling.get()
    if telling is not None:
        telling(share)
