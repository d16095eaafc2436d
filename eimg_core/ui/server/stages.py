"""Long work that reports its stages while a page waits for it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator
from typing import TypeVar

from eimg_core.progress import Progress, StoppedError
from eimg_core.ui.server.memory import hand_back

__all__ = ["stages_of"]

Shown = TypeVar("Shown")
Result = TypeVar("Result")


def stages_of(
    work: Callable[[Progress], Result], show: Callable[[str, float], Shown]
) -> Generator[Shown, None, Result]:
    """Run ``work`` in a thread and yield ``show(stage, share done)`` each time it reports its progress.

    Closing the generator, as Gradio does when a visitor presses Stop or leaves, ends the work at its next report.

    Args:
        work: called with the function it should report its progress to.
        show: what to yield for a stage.
    Returns:
        What ``work`` returned: ``result = yield from stages_of(work, show)``.
    Raises:
        Exception: whatever ``work`` raised.
    """
    reports: queue.SimpleQueue[tuple[str, float] | None] = queue.SimpleQueue()
    stopped = threading.Event()
    results: list[Result] = []
    faults: list[BaseException] = []

    def report(stage: str, done: float) -> None:
        if stopped.is_set():
            raise StoppedError
        reports.put((stage, done))

    def run() -> None:
        try:
            results.append(work(report))
        except BaseException as fault:  # carried to the waiting side and raised there
            faults.append(fault)
        finally:
            reports.put(None)
            hand_back()

    threading.Thread(target=run, name="studio-work", daemon=True).start()
    try:
        while (step := reports.get()) is not None:
            yield show(*step)
    finally:
        stopped.set()
    if faults:
        raise faults[0]
    return results[0]
