"""How widgets are put together: templates, scripts and styles are files beside the Python, and some are shared.

Gradio runs a widget's script as the body of one function, so shared scripts simply stand in front of it.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["script", "template"]

_HERE = Path(__file__).parent


def script(*names: str) -> str:
    """The scripts ``<name>.js`` below this folder as one, in this order; a name is ``<widget>/<file>``."""
    return "\n".join((_HERE / f"{name}.js").read_text(encoding="utf-8") for name in names)


def template(name: str) -> str:
    """The template ``<name>.html`` below this folder; ``<!-- other.html -->`` in it stands for a file of ``shared``.

    Ids in a shared file start with ``ID-``, which becomes ``<file>-``: two widgets on a page must not share an id.
    """
    path = _HERE / f"{name}.html"
    text = path.read_text(encoding="utf-8")
    for part in sorted((_HERE / "shared").glob("*.html")):
        text = text.replace(f"<!-- {part.name} -->", part.read_text(encoding="utf-8"))
    return text.replace("ID-", f"{path.stem}-")
