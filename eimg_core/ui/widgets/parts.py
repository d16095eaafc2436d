"""How widgets are put together: templates, scripts and styles are files beside the Python, and some are shared.

Gradio runs a widget's script as the body of one function, so shared scripts simply stand in front of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from eimg_core.messages import with_messages
from eimg_core.ui.languages import without_comments

__all__ = ["Widget", "script", "template", "words"]

_HERE = Path(__file__).parent
_WORDS = """const { message, joined, say, learn, said, tell, fill } = window.words; // languages/language.js
fill(element);
"""


class Widget(gr.HTML):
    """A component that is ours from template to script. Its value tells the page of the messages in it."""

    def postprocess(self, value: Any) -> Any:
        return with_messages(super().postprocess(value))


def words(html: str, **kwargs: Any) -> gr.HTML:
    """Text between the widgets; what is marked with ``data-say`` in it follows the visitor's language."""
    return gr.HTML(html, js_on_load=_WORDS + "watch('value', () => fill(element));", apply_default_css=False, **kwargs)


def script(*names: str) -> str:
    """The scripts ``<name>.js`` below this folder as one, in this order; a name is ``<widget>/<file>``.

    Before them the marked texts of the template are said, and ``message`` and the like are there for all of them.
    """
    return _WORDS + "\n".join(without_comments(_HERE / f"{name}.js") for name in names)


def template(name: str) -> str:
    """The template ``<name>.html`` below this folder; ``<!-- other.html -->`` in it stands for a file of ``shared``.

    Ids in a shared file start with ``ID-``, which becomes ``<file>-``: two widgets on a page must not share an id.
    """
    path = _HERE / f"{name}.html"
    text = path.read_text(encoding="utf-8")
    for part in sorted((_HERE / "shared").glob("*.html")):
        text = text.replace(f"<!-- {part.name} -->", part.read_text(encoding="utf-8"))
    return text.replace("ID-", f"{path.stem}-")
