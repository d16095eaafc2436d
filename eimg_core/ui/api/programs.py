"""Endpoints for programs alone, without a place on the page: ``/pairings``, ``/render``, ``/export`` and
``/evaluate_midi``.

``/read_photo``, ``/compose``, ``/compare`` and ``/story`` are the handlers of the pages.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import gradio as gr

from eimg_core.errors import CheckpointError, InputError
from eimg_core.exports.files import from_midi
from eimg_core.exports.formats import FORMATS, formats_from_midi
from eimg_core.metrics.registry import METRICS, measure
from eimg_core.midi.notes import Piece
from eimg_core.midi.reading import MidiFile, load_midi
from eimg_core.options import OPTIONS
from eimg_core.ui.protocol import Studio
from eimg_core.ui.server.events import HEAVY
from eimg_core.ui.server.faults import toast
from eimg_core.ui.server.files import clean_name, new_folder
from eimg_core.ui.session.points import point

__all__ = ["composers", "exported", "formats_said", "measured", "metrics_said", "offer_programs", "open_midi"]

LONGEST_MIDI_S, MOST_NOTES = 600.0, 20_000
MOST_DRAWN = 3_000  # notes; engraving them takes some seconds, and the time grows faster than their number


def open_midi(source: str | Path | bytes | None, straighten: bool = False) -> MidiFile:
    """A MIDI file that may be anything at all; ``straighten`` as in ``read_midi``.

    Raises:
        InputError: there is none, it is no MIDI file, or it has no notes or too many of them; one sentence.
    """
    if not source:
        raise InputError("Expected a MIDI file; give one with handle_file(path).")
    file = load_midi(source, straighten=straighten, need_notes=True)
    name, piece = file.name, file.piece
    if piece.duration_s > LONGEST_MIDI_S:
        raise InputError(
            f"{name} lasts {piece.duration_s / 60:.0f} minutes; MIDI files up to {LONGEST_MIDI_S / 60:.0f} can be used."
        )
    if len(piece.notes) > MOST_NOTES:
        raise InputError(f"{name} has {len(piece.notes)} notes; MIDI files with up to {MOST_NOTES} can be used.")
    return file


def composers(studio: Studio) -> list[dict[str, Any]]:
    """Each composer's key, title, variants (the usual one first), which one is the default, and which can keep a tune,
    go on with a piece and move through emotions: ``composes``."""
    return [
        {
            "key": info.key,
            "title": info.title,
            "variants": list(info.variants),
            "default": info.default,
            "composes": info.composes,
        }
        for info in studio.pairings()
    ]


def exported(
    studio: Studio,
    midi: str | Path | bytes | None,
    kind: str,
    pieces: Path,
    instrument: str = "piano",
    soundfont: str | Path | None = None,
) -> tuple[Path, MidiFile]:
    """A MIDI file as a file of another format, in a folder of its own; and what was read, which tells of repairs.

    Args:
        instrument: what plays it, where the format has sound.
        soundfont: an SF2 file that plays instead.
    Raises:
        InputError: an unknown format or instrument, or the MIDI file cannot be used, or it has more notes than can be
            drawn.
        RenderError: the format needs a package that is not installed, or the soundfont cannot be played.
    """
    one = FORMATS.get(kind)
    file = open_midi(midi, straighten=one is not None and one.straight)
    piece = file.piece
    if one is not None and not one.sound and len(piece.notes) > MOST_DRAWN:
        raise InputError(f"The piece has {len(piece.notes)} notes; scores and pictures hold up to {MOST_DRAWN}.")

    def play(each: Piece) -> bytes:
        OPTIONS["instrument"].check(instrument)
        font = None if soundfont is None else Path(soundfont)
        return studio.render(each, instrument=instrument, soundfont=font).wav_bytes()

    stem = "piece" if isinstance(midi, bytes) else clean_name(Path(str(midi)).stem, "piece")
    data = from_midi(piece, kind, stem[0].upper() + stem[1:], play)
    path = new_folder(pieces) / f"{stem}.{kind}"
    path.write_bytes(data)
    return path, file


def formats_said() -> str:
    """Every format that ``exported`` makes, by its key."""
    return "; ".join(f"{key}: {FORMATS[key].help}" for key in formats_from_midi())


def metrics_said() -> str:
    """Every metric that ``measured`` gives, by its key."""
    return "; ".join(f"{key}: {metric.help}" for key, metric in METRICS.items())


def measured(studio: Studio, midi: str | Path | bytes | None) -> dict[str, Any]:
    """The metrics of a MIDI file, the estimate of its emotion, ``None`` without an evaluator, and what was repaired.

    Raises:
        InputError: the MIDI file cannot be used.
    """
    file = open_midi(midi)
    piece = file.piece
    numbers = measure(piece, open_midi(midi, straighten=True).piece)
    return {
        "note_count": len(piece.notes),
        "duration_s": round(piece.duration_s, 3),
        "metrics": {name: round(value, 4) if math.isfinite(value) else None for name, value in numbers.items()},
        "estimate": _estimate(studio, piece),
        "repairs": list(file.repairs),
    }


def offer_programs(studio: Studio, pieces: Path) -> None:
    """Add the endpoints to the page that is being built."""

    def pairings() -> list[dict[str, Any]]:
        """List the composers: key, title, the variants of each (the usual one first), and which is the default."""
        return composers(studio)

    def render(midi: str | None, instrument: str = "piano", soundfont: str | None = None) -> str:
        """Play a MIDI file on the piano, on another instrument, or with an .sf2 file of your own: a WAV file, stereo.

        The .sf2 file is checked, plays this piece, and is removed with your other files.
        """
        return export(midi, "wav", instrument, soundfont)

    def export(midi: str | None, kind: str, instrument: str = "piano", soundfont: str | None = None) -> str:
        try:
            path, file = exported(studio, midi, kind, pieces, instrument, soundfont)
            if file.repairs:
                gr.Info(file.remark)  # the answer is a file
            return str(path)
        except Exception as error:
            raise toast(error) from error

    def evaluate_midi(midi: str | None) -> dict[str, Any]:
        try:
            return measured(studio, midi)
        except Exception as error:
            raise toast(error) from error

    export.__doc__ = (
        f"Turn a MIDI file into a file of another format ({formats_said()}). MIDI files may last "
        f"{LONGEST_MIDI_S / 60:.0f} minutes; scores and pictures hold up to {MOST_DRAWN} notes. Repairs of "
        "the MIDI file are told in a log event, and by /evaluate_midi."
    )
    evaluate_midi.__doc__ = (
        "Measure a MIDI file: its metrics, where on the 1-9 plane the evaluator places it, and its repairs. "
        f"{metrics_said()}."
    )
    midi, made, found = gr.File(label="MIDI file"), gr.File(label="File"), gr.JSON(label="Found")
    kind = gr.Radio(formats_from_midi(), value=formats_from_midi()[0], label="Format")
    gr.on([], pairings, None, found, api_name="pairings", queue=False)
    instrument = gr.Radio(list(OPTIONS["instrument"].choices), value=OPTIONS["instrument"].usual, label="Instrument")
    sounding = [instrument, gr.File(label="Soundfont", file_types=[".sf2"])]
    gr.on([], render, [midi, *sounding], made, api_name="render", **HEAVY)
    gr.on([], export, [midi, kind, *sounding], made, api_name="export", **HEAVY)
    gr.on([], evaluate_midi, midi, found, api_name="evaluate_midi", **HEAVY)


def _estimate(studio: Studio, piece: Piece) -> dict[str, Any] | None:
    try:
        return point(studio.listen(piece))
    except CheckpointError:
        return None  # without an evaluator the metrics stand all the same
