"""The place for the photo: drop, choose, paste or take one, or pick an example."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gradio as gr

from eimg_core.errors import InputError
from eimg_core.messages import message
from eimg_core.ui.languages import term
from eimg_core.ui.server.faults import toast
from eimg_core.ui.session.photo import OpenedPhoto

__all__ = ["Photo", "example_photos", "name_examples", "photo_input", "say_no_camera"]

_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")


class Photo(gr.Image):
    """``gr.Image`` that opens files with our own checks, so that a bad one gives a sentence and not a traceback."""

    is_template = True  # the front end draws it as the gr.Image it is

    def preprocess(self, payload: Any) -> OpenedPhoto | None:
        if payload is None:
            return None
        if not payload.path:
            raise toast(InputError("Expected a picture file; please upload one."))
        from eimg_core.images import open_photo  # imports torch, which the page need not wait for

        path = Path(payload.path)
        try:
            return OpenedPhoto(open_photo(path), payload.orig_name or path.name)
        except InputError as error:
            raise toast(error) from error


def photo_input() -> Photo:
    """The drop zone, for files, the clipboard and the webcam."""
    return Photo(
        sources=["upload", "webcam", "clipboard"],
        show_label=False,
        label=term("Photo"),
        buttons=[],
        elem_id="photo",
        height=320,
        placeholder=str(term("Drop a photo here\nor click to choose one")),
        webcam_options=gr.WebcamOptions(mirror=True),
    )


def name_examples(folder: Path) -> str:
    """A script that gives the buttons of the examples names: they are pictures alone."""
    names = json.dumps([path.stem.replace("_", " ").capitalize() for path in example_photos(folder)])
    example = json.dumps(message("Example: {name}"))
    return f"""() => {{
      const {{ message, tell }} = window.words;
      const names = {names}, name = () => document.querySelectorAll("#examples .gallery-item").forEach(
        (button, n) => tell(button, message({example}, {{ name: message(names[n]) }}), "aria-label"));
      name();
      new MutationObserver(name).observe(document.querySelector("#inputs"), {{childList: true, subtree: true}});
    }}"""


def say_no_camera() -> str:
    """A script that says in a sentence that there is no camera, which Gradio leaves to the console."""
    sentence = json.dumps(message("There is no camera that this page may use; choose a photo instead."))
    return f"""() => {{
      const FAULTS = ["NotFoundError", "NotAllowedError", "NotReadableError", "OverconstrainedError"];
      const said = (words) => window.words.tell(document.querySelector(".photo-said"), words);
      window.addEventListener("unhandledrejection", (event) => {{
        const {{ name, message = "" }} = event.reason || {{}};
        if (!FAULTS.includes(name) && !/getUserMedia|enumerateDevices/.test(message)) return;
        event.preventDefault();
        said(window.words.message({sentence}));
      }});
      document.querySelector("#photo").addEventListener("click", () => said(""), true);
    }}"""


def example_photos(folder: Path) -> list[Path]:
    """The shipped photos, in the order of their names; empty when there are none."""
    return sorted(path for path in folder.glob("*") if path.suffix.lower() in _SUFFIXES)
