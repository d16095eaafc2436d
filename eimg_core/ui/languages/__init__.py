"""The languages of the page: English in the source, the others from one catalogue each in ``languages``.

A catalogue is a JSON file named by its language (``zh-CN.json``) that leads from an English text to its translation;
``language.js`` says how texts with numbers and names in them are matched. Gradio chooses the language by the visitor's
browser, hands the catalogues to the page, and has its own translations of its own words. Programs get English.
"""

from __future__ import annotations

import json
from functools import lru_cache
from html import escape
from pathlib import Path

import gradio as gr

__all__ = ["CATALOGUES", "NAMES", "catalogue", "i18n", "language_head", "language_picker"]

CATALOGUES = Path(__file__).parent
NAMES = {"en": "English", "zh-CN": "简体中文"}  # each in its own words


@lru_cache
def catalogue(language: str) -> dict[str, str]:
    """English → ``language``; empty for English itself."""
    if language == "en":
        return {}
    texts: dict[str, str] = json.loads((CATALOGUES / f"{language}.json").read_text(encoding="utf-8"))
    return texts


def i18n() -> gr.I18n:
    """All catalogues, for ``launch``."""
    return gr.I18n(**{language: catalogue(language) for language in NAMES})


def language_head() -> str:
    """What the page's head needs so that our widgets speak the language that Gradio speaks."""
    return f"<script>{(Path(__file__).parent / 'language.js').read_text(encoding='utf-8')}</script>"


def language_picker() -> str:
    """The menu of languages; ``language.js`` does what it says."""
    options = "".join(f'<option value="{code}" lang="{code}">{escape(name)}</option>' for code, name in NAMES.items())
    return f'<select id="language" class="language" translate="no" aria-label="Language · 语言">{options}</select>'
