"""Named endpoints for programs that have a MIDI file: its tune told again, the piece going on, or bars filled anew."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gradio as gr

from eimg_core.composer import Composition
from eimg_core.emotion import VA
from eimg_core.errors import InputError
from eimg_core.midi.notes import Piece
from eimg_core.midi.reading import MidiFile, load_midi
from eimg_core.midi.smf import MIDI_SUFFIXES
from eimg_core.options import EXTEND_SECONDS, OPTIONS, ComposeOptions, read_options
from eimg_core.ui.protocol import Studio
from eimg_core.ui.server.events import HEAVY
from eimg_core.ui.server.faults import toast
from eimg_core.ui.server.files import new_folder
from eimg_core.ui.session.piece_values import Take, candidate_values, play_take, take_value

__all__ = ["Act", "filling", "tune_api", "tune_take"]

Act = Callable[[Piece, str, VA, ComposeOptions], Composition]


def tune_take(
    studio: Studio,
    act: Act,
    midi: bytes | Path | None,
    pairing: str,
    target: VA | None,
    options: Mapping[str, Any],
    pieces: Path,
) -> tuple[Take, MidiFile]:
    """What ``act``, such as ``studio.retell``, makes of a MIDI file: played and saved.

    Args:
        target: the emotion to aim at; ``None`` for the evaluator's estimate of the file.
        options: values by name. A retelling needs no length: the bars of its tune decide.
    Returns:
        The take, and the file, which tells what was repaired.
    Raises:
        InputError: there is no file, it cannot be read, or a value is out of range.
    """
    if midi is None:
        raise InputError("There is no MIDI file yet. Give one with a melody of at least four notes.")
    file = load_midi(midi, straighten=True, need_notes=True)
    aim = target or studio.listen(file.piece)
    composition = act(file.piece, pairing, aim, read_options(options, target=aim))
    return play_take(studio, composition, new_folder(pieces), lambda stage, done: None), file


def filling(studio: Studio, first: float, last: float) -> Act:
    """What composes the bars ``first`` to ``last`` of a piece anew, counted from 1 as people count."""
    return lambda piece, pairing, target, options: studio.fill(
        piece, (int(first) - 1, int(last)), pairing, target, options
    )


def tune_api(studio: Studio, pieces: Path) -> None:
    """``/retell``, ``/extend`` and ``/fill``; the page asks in another way: there, a piece need not be a file."""
    titles = {info.key: info.title for info in studio.pairings()}
    usual = next((info.key for info in studio.pairings() if info.default), None)

    def answer(act: Act, midi: bytes | None, pairing: str, target: VA | None, **options: float) -> Any:
        try:
            take, file = tune_take(studio, act, midi, pairing, target, options, pieces)
            return {
                **take_value(take, titles.get(pairing, pairing)),
                "takes": candidate_values(take.composition),
                "repairs": list(file.repairs),
            }
        except Exception as error:
            raise toast(error) from error

    def retell(midi: bytes | None, valence: float, arousal: float, pairing: str, seed: float = 0) -> Any:
        """Keep the tune of a MIDI file and compose another emotion below it.

        Valence and arousal run from 1 to 9. The result has the notes, the metrics, where the piece lies in the plane,
        the files (MIDI, WAV, …), and the repairs that the MIDI file needed. The same inputs give the same piece.
        """
        return answer(studio.retell, midi, pairing, VA(float(valence), float(arousal)), seed=seed)

    def extend(midi: bytes | None, seconds: float, pairing: str, seed: float = 0) -> Any:
        """Let the piece in a MIDI file go on until ``seconds``, in the emotion that is estimated for it.

        The result has the notes, the metrics, where the piece lies in the plane, the files (MIDI, WAV, …), and the
        repairs that the MIDI file needed. The same inputs give the same piece.
        """
        return answer(studio.extend, midi, pairing, None, seed=seed, seconds=seconds)

    def fill(
        midi: bytes | None,
        first: float,
        last: float,
        pairing: str,
        seed: float = 0,
        valence: float | None = None,
        arousal: float | None = None,
    ) -> Any:
        """Compose the bars ``first`` to ``last`` of a MIDI file anew, counted from 1; what is around them stays.

        Without valence and arousal, which run from 1 to 9, they get the emotion that is estimated for the file. The
        result has the notes, the metrics, where the piece lies in the plane, the files (MIDI, WAV, …), and the repairs
        that the MIDI file needed. The same inputs give the same piece.
        """
        target = None if valence is None or arousal is None else VA(float(valence), float(arousal))
        return answer(filling(studio, first, last), midi, pairing, target, seed=seed)

    with gr.Row(visible=False):
        midi = gr.File(label="MIDI file", type="binary", file_types=list(MIDI_SUFFIXES))
        valence, arousal = gr.Number(6.0, label="Valence, 1 to 9"), gr.Number(4.0, label="Arousal, 1 to 9")
        seconds = gr.Number(EXTEND_SECONDS.usual, label=EXTEND_SECONDS.title)
        first, last = gr.Number(1, label="First bar", precision=0), gr.Number(1, label="Last bar", precision=0)
        aimed = gr.Number(None, label="Valence, 1 to 9"), gr.Number(None, label="Arousal, 1 to 9")
        seed = gr.Number(OPTIONS["seed"].usual, label=OPTIONS["seed"].title, precision=0)
        pairing = gr.Textbox(usual, label="Composer")
        answered = gr.JSON(label="The piece")
        button = gr.Button()
    button.click(retell, [midi, valence, arousal, pairing, seed], answered, api_name="retell", **HEAVY)
    button.click(extend, [midi, seconds, pairing, seed], answered, api_name="extend", **HEAVY)
    button.click(fill, [midi, first, last, pairing, seed, *aimed], answered, api_name="fill", **HEAVY)
