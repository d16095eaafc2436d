"""The board of a story: its photos in their order, and their path through the emotion plane.

Its value is a list of uploaded files, in the order of the story. Each is read as soon as it is there, by a function on
the server: the page gets its point and a small picture, or one sentence that says why it cannot be used.
"""

from __future__ import annotations

import shutil
import threading
from pathlib import Path
from typing import Any

from gradio.utils import get_upload_folder, is_in_or_equal

from eimg_core.emotion import NEUTRAL_RADIUS, REGIONS
from eimg_core.errors import InputError
from eimg_core.messages import message, with_messages
from eimg_core.ui.protocol import Studio
from eimg_core.ui.server.faults import sentence, toast
from eimg_core.ui.server.files import new_folder
from eimg_core.ui.session.photo import OpenedPhoto
from eimg_core.ui.session.points import point
from eimg_core.ui.session.story_timeline import FEWEST_PHOTOS, MOST_PHOTOS, thumbnail
from eimg_core.ui.widgets.parts import Widget, script, template

__all__ = ["StoryBoard", "open_upload"]


def open_upload(file: Any) -> OpenedPhoto:
    """An uploaded file of the page, opened with our checks.

    Raises:
        InputError: it is no upload of this app, or no photo; the sentence names it.
    """
    from eimg_core.images import open_photo  # imports torch, which the page need not wait for

    path = Path(str(file.get("path") if isinstance(file, dict) else ""))
    if not path.is_file() or not is_in_or_equal(path.resolve(), Path(get_upload_folder()).resolve()):
        raise InputError("A photo of the story is not here any more; please add it again.")
    return OpenedPhoto(open_photo(path), str(file.get("orig_name") or path.name))


class StoryBoard(Widget):
    """The board as a Gradio component; an event receives the opened photos in their order."""

    def __init__(self, studio: Studio, examples: list[Path], pieces: Path, **kwargs: Any) -> None:
        one_at_a_time = (
            threading.Lock()
        )  # readings do not queue as compositions do, but share the processor all the same

        def read_stop(file: Any) -> dict[str, Any]:
            """The point and a small picture of one photo, or why it cannot be used."""
            try:
                photo = open_upload(file)
                with one_at_a_time:
                    return {
                        "point": point(studio.target_for(studio.read_photo(photo.image).va.clamped())),
                        "thumb": thumbnail(photo.image),
                    }
            except Exception as error:
                return with_messages({"fault": sentence(error)})

        def example_stops(_: Any) -> list[dict[str, Any]]:
            """Copies of the shipped photos, as if they had been uploaded."""
            folder = new_folder(pieces)
            copies = [Path(shutil.copy(path, folder / path.name)) for path in examples]
            return [{"path": str(path), "orig_name": path.name} for path in copies]

        super().__init__(
            [],
            html_template=template("story_board/story_board"),
            js_on_load=script("shared/plane_map", "story_board/story_board"),
            apply_default_css=False,
            server_functions=[read_stop, example_stops],
            regions=[list(region) for region in REGIONS],
            neutral_radius=NEUTRAL_RADIUS,
            most=MOST_PHOTOS,
            examples=len(examples),
            **kwargs,
        )

    def preprocess(self, payload: Any) -> list[OpenedPhoto]:
        files = payload if isinstance(payload, list) else []
        try:
            if len(files) > MOST_PHOTOS:
                raise InputError(
                    message(
                        "A story needs {fewest} to {most} photos, not {count}.",
                        fewest=FEWEST_PHOTOS,
                        most=MOST_PHOTOS,
                        count=len(files),
                    )
                )
            return [open_upload(file) for file in files]
        except InputError as error:
            raise toast(error) from error

    def api_info(self) -> dict[str, Any]:
        file = {"type": "object", "properties": {"path": {"type": "string"}, "meta": {"type": "object"}}}
        return {
            "type": "array",
            "items": file,
            "description": f"{FEWEST_PHOTOS} to {MOST_PHOTOS} photos in their order, each handle_file(path)",
        }

    def example_payload(self) -> Any:
        return []

    def example_value(self) -> Any:
        return []
