"""How many cores the models use, and when more than one only gets in the way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

__all__ = ["one_thread"]


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one core inside the block, in the calling thread.

    A decoder multiplies small matrices, thousands of them one after the other. Two cores gain nothing there, and wait
    for each other after each one: on a computer that is busy with something else, or that gives a container less than
    its cores, a piece of a second takes ten. The numbers are the same.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
