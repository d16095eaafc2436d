"""``render`` and ``evaluate-midi``: what can be made of MIDI files, and measured of them."""

from __future__ import annotations

import argparse
import json
from os.path import isdir
from pathlib import Path

from eimg_core.atomic import drafted
from eimg_core.batch import Stems
from eimg_core.cli.common import midi_arguments, path_argument, piece_of, strict_argument
from eimg_core.cli.console import fail, printable, remark, say, shown_name
from eimg_core.errors import CheckpointError, InputError
from eimg_core.exports.formats import FORMATS, formats_from_midi

__all__ = ["add_midi"]


def add_midi(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands."""
    play = commands.add_parser("render", help="a MIDI file as sound, as a score or as a picture")
    midi_arguments(play)
    suffixes = ", ".join(f".{key}" for key in formats_from_midi())
    play.add_argument("--out", type=path_argument, help=f"its suffix is the format: {suffixes} (default a WAV file)")
    play.add_argument(
        "--soundfont", type=path_argument, metavar="FILE.sf2", help="an instrument of your own instead of the piano"
    )
    play.set_defaults(run=_render)

    evaluate = commands.add_parser("evaluate-midi", help="metrics and estimated emotion of MIDI files, as JSON lines")
    evaluate.add_argument("files", nargs="+", type=path_argument, metavar="FILE.mid or DIR")
    evaluate.add_argument(
        "--labels", type=path_argument, metavar="FILE.csv", help="columns file, and valence with arousal or quadrant"
    )
    evaluate.add_argument("--real", type=path_argument, metavar="DIR", help="real music to compare distributions with")
    evaluate.add_argument("--trained-on", type=path_argument, metavar="DIR", help="music to search for copied runs")
    evaluate.add_argument("--seconds", type=float, help="only so much of each file counts (15 in our tables)")
    strict_argument(evaluate)
    evaluate.set_defaults(run=_evaluate)


def _render(args: argparse.Namespace) -> int:
    from eimg_core.exports.files import from_midi
    from eimg_core.sound.render import render

    out = args.out or Path(Stems().new(args.file.stem) + ".wav")
    key = out.suffix.lower().lstrip(".")
    if key not in formats_from_midi():
        *most, last = (f".{one}" for one in formats_from_midi())
        raise InputError(f"{out.name} should end in {', '.join(most)} or {last}.")
    piece = piece_of(args, straighten=FORMATS[key].straight)
    if args.soundfont and not FORMATS[key].sound:
        raise InputError(f"A file that ends in .{key} has no sound; leave out --soundfont.")
    title = printable(shown_name(args.file.stem))
    data = from_midi(piece, key, title, lambda one: render(one, soundfont=args.soundfont).wav_bytes())
    try:
        with drafted(out.parent) as draft:
            (draft / out.name).write_bytes(data)
    except OSError as error:
        raise InputError(f"Cannot write {out.name}: {error.strerror}. Choose another file with --out.") from error
    say(f"{out.name}: {piece.duration_s:.1f} s, {len(piece.notes)} notes")
    return 0


def _evaluate(args: argparse.Namespace) -> int:
    from eimg_core.midi_evaluation import FileEvaluator, labels_by_name, midi_files, read_labels, summarise
    from eimg_core.shipped import CHECKPOINTS
    from eimg_core.va.evaluator import Evaluator

    try:
        evaluator = Evaluator.load(CHECKPOINTS)
    except CheckpointError:
        evaluator = None
    reader = FileEvaluator(None, args.seconds)
    files = midi_files(args.files)
    labels, unknown = labels_by_name(read_labels(args.labels), files) if args.labels else ({}, [])
    known = (
        {name: reader.read(path) for name, path in midi_files([args.trained_on]).items()} if args.trained_on else None
    )
    real = {n: reader.read(path, straighten=True) for n, path in midi_files([args.real]).items()} if args.real else None
    evaluation = FileEvaluator(evaluator, args.seconds, known, strict=args.strict)
    evaluated = []
    for name, path in files.items():
        one = evaluation.evaluate(path, labels.get(name), shown_name(name))
        evaluated.append(one)
        if one.fault:
            fail(one.fault)
        else:
            if one.remark:
                remark(one.remark)
            print(json.dumps(one.item), flush=True)
    if unknown:
        fail(f"{len(unknown)} of the {len(unknown) + len(labels)} labels name no file, for example {min(unknown)}.")
    if args.labels or real or known or any(isdir(path) for path in args.files):
        print(json.dumps({"summary": summarise(evaluated, real)}), flush=True)
    return 2 if unknown or any(one.fault for one in evaluated) else 0
