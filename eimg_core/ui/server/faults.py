"""From an exception to the one sentence a visitor may read."""

from __future__ import annotations

import logging

import gradio as gr

from eimg_core.errors import EimgError
from eimg_core.messages import Message, message

__all__ = ["GENERAL", "sentence", "toast"]

GENERAL = message("Something went wrong on our side. Please try again; if it happens again, try another photo or seed.")

_log = logging.getLogger(__name__)


def sentence(error: BaseException) -> Message:
    """What an ``EimgError`` says; anything else is logged with its traceback and told in general words."""
    if isinstance(error, EimgError):
        return told if isinstance(told := error.args[0], Message) else Message(str(told))
    _log.error("unexpected fault", exc_info=error)
    return GENERAL


def toast(error: BaseException, visible: bool = True) -> gr.Error:
    """What to raise so that Gradio warns the visitor, and tells programs, with the sentence of ``error``.

    Args:
        visible: whether the page shows it at all; not where a widget tells of the fault.
    """
    return gr.Error(sentence(error), visible=visible, print_exception=False)
