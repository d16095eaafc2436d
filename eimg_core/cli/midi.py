"""``render`` and ``evaluate-midi``: what can be made of MIDI files, and measured of them."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from eimg_core.cli.common import fail, midi_arguments, piece_of, remark, strict_argument
from eimg_core.errors import CheckpointError, InputError

if TYPE_CHECKING:
    from eimg_core.midi.notes import Piece

__all__ = ["add_midi"]

_RENDERED = (".wav", ".mp3", ".musicxml", ".svg")


def add_midi(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands."""
    play = commands.add_parser("render", help="play a MIDI file into a WAV or MP3 file, or write its score")
    midi_arguments(play)
    play.add_argument("--out", type=Path)
    play.set_defaults(run=_render)

    evaluate = commands.add_parser("evaluate-midi", help="metrics and heard emotion of MIDI files, as JSON lines")
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
    out = args.out or Path(args.file.stem + ".wav")
    kind = out.suffix.lower()
    if kind not in _RENDERED:
        raise InputError(f"{out.name} should end in {', '.join(_RENDERED[:-1])} or {_RENDERED[-1]}.")
    if kind in (".wav", ".mp3"):
        data, said = _played(piece_of(args, straighten=False), kind)
    else:
        data, said = _written(piece_of(args, straighten=True), kind, args.file.stem)
    try:
        out.write_bytes(data)
    except OSError as error:
        raise InputError(f"Cannot write {out.name}: {error.strerror}. Choose another file with --out.") from error
    print(f"{out.name}: {said}")
    return 0


def _played(piece: Piece, kind: str) -> tuple[bytes, str]:
    """A MIDI file as sound, and what played it."""
    from eimg_core.exports.audio import mp3_of
    from eimg_core.sound.render import render

    waveform = render(piece)
    wav = waveform.wav_bytes()
    return mp3_of(wav) if kind == ".mp3" else wav, f"{waveform.duration_s:.1f} s, {waveform.engine}"


def _written(piece: Piece, kind: str, title: str) -> tuple[bytes, str]:
    """A MIDI file as a score, and in which key."""
    from eimg_core.notation.engraving import engrave
    from eimg_core.notation.musicxml import to_musicxml
    from eimg_core.notation.sheet import engrave_svg

    score = engrave(piece)
    xml = to_musicxml(score, title=title)
    data = engrave_svg(xml, header=True).svg.encode() if kind == ".svg" else xml
    return data, f"{len(score.bars)} bars, {score.key.name}"


def _evaluate(args: argparse.Namespace) -> int:
    from eimg_core.midi_evaluation import Listener, midi_files, read_labels, summarise
    from eimg_core.shipped import CHECKPOINTS
    from eimg_core.va.evaluator import Evaluator

    try:
        evaluator = Evaluator.load(CHECKPOINTS)
    except CheckpointError:
        evaluator = None
    files = midi_files(args.files)
    labels = read_labels(args.labels) if args.labels else {}
    reader = Listener(None, args.seconds)
    known = {path.name: reader.read(path) for path in midi_files([args.trained_on])} if args.trained_on else None
    real = {path.name: reader.read(path, straighten=True) for path in midi_files([args.real])} if args.real else None
    listener = Listener(evaluator, args.seconds, known, strict=args.strict)
    heard = []
    for path in files:
        one = listener.hear(path, labels.get(path.name))
        heard.append(one)
        if one.fault:
            fail(one.fault)
        else:
            if one.remark:
                remark(one.remark)
            print(json.dumps(one.item), flush=True)
    if unknown := set(labels) - {path.name for path in files}:
        fail(f"{len(unknown)} of the {len(labels)} labels name no file, for example {min(unknown)}.")
    if labels or real or known or any(path.is_dir() for path in args.files):
        print(json.dumps({"summary": summarise(heard, real)}), flush=True)
    return 2 if unknown or any(one.fault for one in heard) else 0
