"""From an exception to the one sentence a visitor may read."""

from __future__ import annotations

import logging

from eimg_core.errors import EimgError

__all__ = ["GENERAL", "sentence"]

GENERAL = "Something went wrong on our side. Please try again; if it happens again, try another photo or seed."

_log = logging.getLogger(__name__)


def sentence(error: BaseException) -> str:
    """The text of an ``EimgError``; anything else is logged with its traceback and told in general words."""
    if isinstance(error, EimgError):
        return str(error)
    _log.error("unexpected fault", exc_info=error)
    return GENERAL
