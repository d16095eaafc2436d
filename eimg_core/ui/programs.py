"""Endpoints for programs alone, without a place on the page: ``/pairings``, ``/render`` and ``/evaluate_midi``.

``/read_photo``, ``/compose``, ``/compare`` and ``/story`` are the handlers of the pages.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import gradio as gr

from eimg_core.errors import CheckpointError, InputError
from eimg_core.metrics.quality import quality
from eimg_core.midi.notes import Piece, read_midi
from eimg_core.ui.emotion_plane import point
from eimg_core.ui.faults import sentence
from eimg_core.ui.files import new_folder, safe_word
from eimg_core.ui.protocol import Studio
from eimg_core.ui.wiring import HEAVY

__all__ = ["offer_programs", "open_midi"]

LONGEST_MIDI_S, MOST_NOTES = 600.0, 20_000


def open_midi(path: str | None) -> Piece:
    """A MIDI file that may be anything at all.

    Raises:
        InputError: there is none, it is no MIDI file, or it has no notes or too many of them; one sentence.
    """
    if not path:
        raise InputError("Expected a MIDI file; give one with handle_file(path).")
    piece = read_midi(path)
    name = Path(path).name
    if not piece.notes:
        raise InputError(f"{name} has no notes to play; drums alone are not read.")
    if piece.duration_s > LONGEST_MIDI_S:
        raise InputError(
            f"{name} lasts {piece.duration_s / 60:.0f} minutes; MIDI files up to {LONGEST_MIDI_S / 60:.0f} can be used."
        )
    if len(piece.notes) > MOST_NOTES:
        raise InputError(f"{name} has {len(piece.notes)} notes; MIDI files with up to {MOST_NOTES} can be used.")
    return piece


def offer_programs(studio: Studio, pieces: Path) -> None:
    """Add the endpoints to the page that is being built."""

    def pairings() -> list[dict[str, Any]]:
        """List the composers: key, title, the variants of each (the usual one first), and which is the default."""
        return [
            {"key": info.key, "title": info.title, "variants": list(info.variants), "default": info.default}
            for info in studio.pairings()
        ]

    def render(midi: str | None) -> str:
        """Play a MIDI file on the piano: a WAV file, stereo, 16 bit."""
        try:
            piece = open_midi(midi)
            path = new_folder(pieces) / f"{safe_word(Path(str(midi)).stem, 'piece')}.wav"
            path.write_bytes(studio.render(piece).wav_bytes())
            return str(path)
        except Exception as error:
            raise gr.Error(sentence(error), print_exception=False) from error

    def evaluate_midi(midi: str | None) -> dict[str, Any]:
        """Measure a MIDI file: the paper's quality metrics, and where on the 1-9 plane the evaluator hears it."""
        try:
            piece = open_midi(midi)
            measured = quality(piece)
            numbers = {name: getattr(measured, name) for name in _METRICS}
            return {
                "note_count": len(piece.notes),
                "duration_s": round(piece.duration_s, 3),
                "metrics": {name: round(value, 4) if math.isfinite(value) else None for name, value in numbers.items()},
                "heard": _heard(studio, piece),
            }
        except Exception as error:
            raise gr.Error(sentence(error), print_exception=False) from error

    midi, wav, found = gr.File(label="MIDI file"), gr.File(label="WAV file"), gr.JSON(label="Found")
    gr.on([], pairings, None, found, api_name="pairings", queue=False)
    gr.on([], render, midi, wav, api_name="render", **HEAVY)
    gr.on([], evaluate_midi, midi, found, api_name="evaluate_midi", **HEAVY)


_METRICS = ("polyphony_rate", "pitch_entropy", "groove_consistency")


def _heard(studio: Studio, piece: Piece) -> dict[str, Any] | None:
    try:
        return point(studio.listen(piece))
    except CheckpointError:
        return None  # without an evaluator nobody hears; the metrics stand all the same
