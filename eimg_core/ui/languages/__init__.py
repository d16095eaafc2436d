"""The languages of the page: English in the source, the others from one catalogue each in ``languages``.

A catalogue is a JSON file named by its language (``zh-CN.json``) that leads from the English template of a message (see
``eimg_core.messages``) to its translation with the same holes; under the empty key stands the language's own name.
``language.js`` says the messages of our widgets, Gradio those of its components. Programs get English.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.i18n import I18nData

from eimg_core.messages import Message, translated

__all__ = [
    "CATALOGUES",
    "NAMES",
    "catalogue",
    "english",
    "i18n",
    "in_language_of",
    "language_head",
    "language_picker",
    "marked",
    "term",
    "without_comments",
]

CATALOGUES = Path(__file__).parent
_COOKIE = "eimg-studio-language"  # language.js keeps the choice under this name
_NAME = ""  # the key of a language's own name


@lru_cache
def _read(language: str) -> dict[str, str]:
    texts: dict[str, str] = json.loads((CATALOGUES / f"{language}.json").read_text(encoding="utf-8"))
    return texts


NAMES = {"en": "English", **{path.stem: _read(path.stem)[_NAME] for path in sorted(CATALOGUES.glob("*.json"))}}
"""Code of a language → its name in its own words."""


def catalogue(language: str) -> dict[str, str]:
    """English template → ``language``; empty for English itself."""
    return {} if language == "en" else {key: said for key, said in _read(language).items() if key != _NAME}


def i18n() -> gr.I18n:
    """All catalogues, for ``launch``."""
    return gr.I18n(**{language: catalogue(language) for language in NAMES})


def term(key: str) -> I18nData:
    """A label, button or other text of a Gradio component, which Gradio says in the visitor's language."""
    return I18nData(key)


def english(label: Any) -> str:
    """The English of what ``term`` gave, also where Gradio has made a marker of it; other texts as they are."""
    text = str(label)
    marker, _, rest = text.partition("__i18n__")
    if not rest:
        return text
    data, end = json.JSONDecoder().raw_decode(rest)
    return f"{marker}{data['key']}{rest[end:]}"


def marked(text: str, name: str = "") -> str:
    """The attribute of a tag that lets ``language.js`` say the text inside, with a space before it.

    Args:
        text: a message; for a plain string, which is the same in every language, the answer is empty.
        name: the attribute of the tag that holds the text instead, such as ``aria-label``; ``html`` where the message
            is markup, whose values have to be escaped.
    """
    if not isinstance(text, Message):
        return ""
    marker = f" data-say-{name}" if name else " data-say"
    if not text.values and name != "html":
        return marker  # the text itself is the key
    return f"{marker}='{escape(json.dumps(text.wire(), ensure_ascii=False))}'"


def in_language_of(text: str, cookies: Mapping[str, str]) -> str:
    """A message in the language of the page that sends these cookies; in English for programs, which send none."""
    language = cookies.get(_COOKIE, "en")
    return translated(text, catalogue(language)) if language in NAMES else text


def language_head() -> str:
    """What the page's head needs so that our widgets speak the language that Gradio speaks."""
    return f"<script>{without_comments(Path(__file__).parent / 'language.js')}</script>"


def without_comments(script: Path) -> str:
    """A script for the page, which every visitor loads: without its lines of comments."""
    return re.sub(r"^[ ]*//.*\n", "", script.read_text(encoding="utf-8"), flags=re.MULTILINE)


def language_picker() -> str:
    """The menu of languages; ``language.js`` does what it says."""
    options = "".join(f'<option value="{code}" lang="{code}">{escape(name)}</option>' for code, name in NAMES.items())
    return f'<select id="language" class="language" translate="no" aria-label="Language · 语言">{options}</select>'
