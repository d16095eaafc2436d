"""``render`` and ``evaluate-midi``: what can be made of MIDI files, and measured of them."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from eimg_core.cli.common import fail, midi_arguments, piece_of, remark, strict_argument
from eimg_core.errors import CheckpointError, InputError
from eimg_core.exports.formats import FORMATS, formats_from_midi

__all__ = ["add_midi"]


def add_midi(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands."""
    play = commands.add_parser("render", help="a MIDI file as sound, as a score or as a picture")
    midi_arguments(play)
    suffixes = ", ".join(f".{key}" for key in formats_from_midi())
    play.add_argument("--out", type=Path, help=f"its suffix is the format: {suffixes} (default a WAV file)")
    play.add_argument(
        "--soundfont", type=Path, metavar="FILE.sf2", help="an instrument of your own instead of the piano"
    )
    play.set_defaults(run=_render)

    evaluate = commands.add_parser("evaluate-midi", help="metrics and estimated emotion of MIDI files, as JSON lines")
    evaluate.add_argument("files", nargs="+", type=Path, metavar="FILE.mid or DIR")
    evaluate.add_argument(
        "--labels", type=Path, metavar="FILE.csv", help="columns file, and valence with arousal or quadrant"
    )
    evaluate.add_argument("--real", type=Path, metavar="DIR", help="real music to compare distributions with")
    evaluate.add_argument("--trained-on", type=Path, metavar="DIR", help="music to search for copied runs")
    evaluate.add_argument("--seconds", type=float, help="only so much of each file counts (15 in our tables)")
    strict_argument(evaluate)
    evaluate.set_defaults(run=_evaluate)


def _render(args: argparse.Namespace) -> int:
    from eimg_core.exports.files import from_midi
    from eimg_core.sound.render import render

    out = args.out or Path(args.file.stem + ".wav")
    key = out.suffix.lower().lstrip(".")
    if key not in formats_from_midi():
        *most, last = (f".{one}" for one in formats_from_midi())
        raise InputError(f"{out.name} should end in {', '.join(most)} or {last}.")
    piece = piece_of(args, straighten=FORMATS[key].straight)
    data = from_midi(piece, key, args.file.stem, lambda one: render(one, soundfont=args.soundfont).wav_bytes())
    try:
        out.write_bytes(data)
    except OSError as error:
        raise InputError(f"Cannot write {out.name}: {error.strerror}. Choose another file with --out.") from error
    print(f"{out.name}: {piece.duration_s:.1f} s, {len(piece.notes)} notes")
    return 0


def _evaluate(args: argparse.Namespace) -> int:
    from eimg_core.midi_evaluation import FileEvaluator, midi_files, read_labels, summarise
    from eimg_core.shipped import CHECKPOINTS
    from eimg_core.va.evaluator import Evaluator

    try:
        evaluator = Evaluator.load(CHECKPOINTS)
    except CheckpointError:
        evaluator = None
    files = midi_files(args.files)
    labels = read_labels(args.labels) if args.labels else {}
    reader = FileEvaluator(None, args.seconds)
    known = {path.name: reader.read(path) for path in midi_files([args.trained_on])} if args.trained_on else None
    real = {path.name: reader.read(path, straighten=True) for path in midi_files([args.real])} if args.real else None
    evaluation = FileEvaluator(evaluator, args.seconds, known, strict=args.strict)
    evaluated = []
    for path in files:
        one = evaluation.evaluate(path, labels.get(path.name))
        evaluated.append(one)
        if one.fault:
            fail(one.fault)
        else:
            if one.remark:
                remark(one.remark)
            print(json.dumps(one.item), flush=True)
    if unknown := set(labels) - {path.name for path in files}:
        fail(f"{len(unknown)} of the {len(labels)} labels name no file, for example {min(unknown)}.")
    if labels or real or known or any(path.is_dir() for path in args.files):
        print(json.dumps({"summary": summarise(evaluated, real)}), flush=True)
    return 2 if unknown or any(one.fault for one in evaluated) else 0
