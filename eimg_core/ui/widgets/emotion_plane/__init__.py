"""The valence-arousal plane: shows where the photo, the target and the piece lie, and lets a visitor move the target.

Its value is a plain dict, every number on the 1-9 scale::

    {"photo":  {"valence", "arousal", "sd_valence", "sd_arousal", "target": {"valence", "arousal"}, "id",
                "remark"} | null,                      remark: on how it was read, or null
     "target": {"valence", "arousal"} | null,      null: the photo's own target
     "piece":  {"valence", "arousal"} | null,
     "takes":  [{"valence", "arousal", "letter", "kept"}]}     where the guide hears each take
"""

from __future__ import annotations

from typing import Any

from PIL.Image import Image

from eimg_core.emotion import NEUTRAL_RADIUS, PHOTO_CENTRE, REGIONS, VA
from eimg_core.errors import InputError
from eimg_core.ui.protocol import Studio
from eimg_core.ui.server.faults import toast
from eimg_core.ui.session.points import point
from eimg_core.ui.widgets.parts import Widget, script, template

__all__ = [
    "EmotionPlane",
    "photo_value",
]


class EmotionPlane(Widget):
    """The plane as a Gradio component; an event receives the target, or ``None`` for the photo's own."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            {},
            html_template=template("emotion_plane/emotion_plane"),
            js_on_load=script("shared/plane_map", "emotion_plane/emotion_plane"),
            apply_default_css=False,
            regions=[list(region) for region in REGIONS],
            neutral_radius=NEUTRAL_RADIUS,
            mean=dict(zip(("valence", "arousal"), PHOTO_CENTRE, strict=True)),
            **kwargs,
        )

    def preprocess(self, payload: Any) -> VA | None:
        target = payload.get("target") if isinstance(payload, dict) else None
        if target is None:
            return None
        try:
            return VA(float(target["valence"]), float(target["arousal"]))
        except (KeyError, TypeError, ValueError) as error:
            raise toast(InputError("The target needs a valence and an arousal, two numbers from 1 to 9.")) from error

    def api_info(self) -> dict[str, Any]:
        number = {"type": "number", "minimum": 1, "maximum": 9}
        target = {"type": "object", "properties": {"valence": number, "arousal": number}}
        return {
            "type": "object",
            "properties": {"target": target},
            "description": "the emotion to aim at; {} for the photo's own",
        }

    def example_payload(self) -> Any:
        return {"target": {"valence": 6.5, "arousal": 3.0}}

    def example_value(self) -> Any:
        target = {"valence": 6.7, "arousal": 3.0}
        return {"photo": {"valence": 6.5, "arousal": 3.0, "sd_valence": 1.0, "sd_arousal": 0.8, "target": target}}


def photo_value(studio: Studio, photo: Image, identity: str | None = None) -> dict[str, Any]:
    """The plane with only the photo in it; ``identity`` is a hash by which the page knows the photo again."""
    reading = studio.read_photo(photo)
    margins = {"sd_valence": reading.sd_valence, "sd_arousal": reading.sd_arousal}
    target = point(studio.target_for(reading.va.clamped()))
    read = {**(point(reading.va) or {}), **margins, "target": target}
    return {"photo": {**read, "id": identity, "remark": reading.remark}}
