"""How fast each part is, beside the fastest it could be and beside the plain way to do it.

    python -m benchmarks.speed [--photos 100] [--repeats 7] [--out FILE.json]

Warm medians in seconds unless said otherwise; photos are examples that ship. A *limit* is the same work with nothing of
ours: FluidSynth alone, the networks alone, the matrices of a decoder alone. The *plain way* is what a reader would
write first: pretty_midi's player, a decoder that looks at the whole piece again for every note, takes one after the
other. The record is a file; ``python -m benchmarks.tables`` puts it into the documents.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pretty_midi
import torch
from PIL import Image
from torch import nn

from benchmarks.load import ROOT, app_running
from benchmarks.record import keep, of_run
from eimg_core.backbones.effnet_lite import pooled
from eimg_core.batch import Batch, Job, in_processes, photos_in, run_batch
from eimg_core.emotion import VA
from eimg_core.images import open_photo
from eimg_core.layers import PackedLinear
from eimg_core.midi.writing import write_midi
from eimg_core.music_ae.decoder import NoteDecoder, Sampling
from eimg_core.options import USUAL_TAKES, ComposeOptions
from eimg_core.pipeline import DEFAULT_PAIRING
from eimg_core.shipped import CHECKPOINTS
from eimg_core.sound import fluid
from eimg_core.sound.render import DEFAULT_SOUNDFONT, SAMPLE_RATE_HZ, _strikes, available_engine, render
from eimg_core.studio import Studio

EXAMPLES = ROOT / "assets" / "examples"
SIX = ("alae+fnt", "vqvae+fnt", "beta_vae+fnt", "alae+lsr", "vqvae+lsr", "beta_vae+lsr")
Row = dict[str, Any]
_FLOAT32 = "in float32"
_REREAD = "reading the piece again for each note"


def median_s(work: Callable[[], object], repeats: int) -> float:
    """Median seconds of ``work``, after one run that is not counted."""
    work()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def row(
    what: str, ours: float, limit: tuple[str, float] | None, plain: tuple[str, float] | None, unit: str = "s"
) -> Row:
    return {"what": what, "unit": unit, "ours": ours, "limit": limit, "plain": plain}


# --- parts ------------------------------------------------------------------------------------------------------------


def cold_start() -> list[Row]:
    """From the command to a page that answers, and imports, each in a fresh process."""
    times = []
    for _ in range(3):
        with tempfile.TemporaryDirectory() as folder:
            started = time.perf_counter()
            with app_running(Path(folder)) as (url, _):
                urllib.request.urlopen(url, timeout=30).read()
                times.append(time.perf_counter() - started)
    gradio = ("importing Gradio", _fresh("import gradio", 2))
    return [
        row("`python app.py` → a page that answers", statistics.median(times), gradio, None),
        row("`import eimg_core`", _fresh("import eimg_core", 10), ("Python alone", _fresh("", 10)), None),
    ]


def _fresh(code: str, repeats: int) -> float:
    """Seconds that a process of its own takes for some Python."""
    return median_s(lambda: subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True), repeats)


def reading(studio: Studio, repeats: int) -> list[Row]:
    photo = open_photo(EXAMPLES / "flower.jpg")
    studio.read_photo(photo)
    reader = studio._loaded["reader"]
    ready = [torch.zeros(1, 3, net.side, net.side).contiguous(memory_format=torch.channels_last) for net in reader.nets]

    def alone() -> None:
        with torch.inference_mode():
            for net, images in zip(reader.nets, ready, strict=True):
                pooled(net.maps(images)[-reader.late :], reader.spreads)

    ours = median_s(lambda: studio.read_photo(photo), repeats)
    passes = 1 + 3 * bool(reader.class_layers)  # the whole photo, and three squares where classes are looked for
    limit = passes * median_s(alone, repeats)
    opened = median_s(lambda: open_photo(EXAMPLES / "flower.jpg"), repeats)
    full = median_s(lambda: Image.open(EXAMPLES / "flower.jpg").convert("RGB"), repeats)
    return [
        row("opening a photo safely", opened, None, ("Pillow alone, trusting the file", full)),
        row("photo → emotion", ours, (f"the networks alone, {passes} views", limit), None),
    ]


def composing(studio: Studio, repeats: int) -> list[Row]:
    photo = open_photo(EXAMPLES / "flower.jpg")
    va = studio.read_photo(photo).va
    seeds = iter(range(10_000))

    def piece(seconds: float, takes: int = USUAL_TAKES) -> Any:
        return studio.compose(photo, DEFAULT_PAIRING, ComposeOptions(next(seeds), seconds, takes=takes), photo_va=va)

    short = median_s(lambda: piece(15.0), repeats)
    long = median_s(lambda: piece(60.0), max(3, repeats // 2))
    steps_short, steps_long = (_passes(studio, lambda s=seconds: piece(s)) for seconds in (15.0, 60.0))
    plain_short = _again_and_again(studio, steps_short)
    single = median_s(lambda: piece(15.0, takes=1), repeats)
    floor_short, floor_long = (_matrices(studio, steps) for steps in (steps_short, steps_long))
    float_short, float_long = (_matrices(studio, steps, packed=False) for steps in (steps_short, steps_long))

    def whole(seconds: float) -> None:
        read = studio.read_photo(photo)
        options = ComposeOptions(next(seeds), seconds, takes=USUAL_TAKES)
        studio.render(studio.compose(photo, DEFAULT_PAIRING, options, photo_va=read.va).played).wav_bytes()

    audio = median_s(lambda: whole(15.0), repeats)
    audio_long = median_s(lambda: whole(60.0), max(3, repeats // 2))

    def all_six() -> None:
        for key in SIX:
            made = studio.compose(photo, key, ComposeOptions(next(seeds), 15.0), photo_va=va)
            studio.render(made.played).wav_bytes()

    six = median_s(all_six, max(3, repeats // 2))
    words = "the decoder's matrices alone"
    return [
        row(
            f"emotion → MIDI of 15 s, best of {USUAL_TAKES} takes", short, (words, floor_short), (_REREAD, plain_short)
        ),
        row(
            f"{USUAL_TAKES} takes of 15 s in one batch",
            short,
            ("one take", single),
            ("one after the other", USUAL_TAKES * single),
        ),
        row(f"emotion → MIDI of 60 s, best of {USUAL_TAKES} takes", long, (words, floor_long), None),
        row("the decoder's matrices of 15 s, as they are packed", floor_short, None, (_FLOAT32, float_short)),
        row("the decoder's matrices of 60 s, as they are packed", floor_long, None, (_FLOAT32, float_long)),
        row("photo → sound of 15 s", audio, None, None),
        row("photo → sound of 60 s", audio_long, None, None),
        row("the paper's six pairings for one photo, 15 s each, with sound", six, None, None),
    ]


def _passes(studio: Studio, compose: Callable[[], Any]) -> int:
    """How many steps the notes of a piece take: all takes at once, streams' ends included."""
    passes: list[None] = []
    stack = studio.pipeline(DEFAULT_PAIRING).music_ae.decoder.notes.stack
    hook = stack.register_forward_hook(lambda *_: passes.append(None))
    compose()
    hook.remove()
    return len(passes)


def _again_and_again(studio: Studio, steps: int) -> float:
    """Seconds for a decoder without a memory of keys and values: it reads the whole piece again for every step."""
    notes = studio.pipeline(DEFAULT_PAIRING).music_ae.decoder.notes
    x, condition = torch.zeros(USUAL_TAKES, steps, notes.stack.width), torch.zeros(USUAL_TAKES, notes.stack.width)
    index = torch.arange(float(steps)).expand(USUAL_TAKES, steps)

    def work() -> None:
        with torch.inference_mode():
            for length in range(1, steps + 1):
                places = notes.stack.places(index[:, :length], index[:, :length])
                notes.stack(x[:, :length], places, condition=condition, causal=True)

    return median_s(work, 1)


def _matrices(studio: Studio, steps: int, *, packed: bool = True) -> float:
    """Seconds for the matrix products of so many steps of the notes, with the layers as they are or in float32."""
    notes = studio.pipeline(DEFAULT_PAIRING).music_ae.decoder.notes
    layers = [layer for layer in notes.modules() if isinstance(layer, (nn.Linear, PackedLinear))]
    if not packed:
        layers = [nn.Linear(layer.in_features, layer.out_features) for layer in layers]
    inputs = {layer.in_features: torch.zeros(USUAL_TAKES, layer.in_features) for layer in layers}

    def step() -> None:
        for layer in layers:
            layer(inputs[layer.in_features])

    with torch.inference_mode():
        return median_s(step, 50) * steps


def decoding(studio: Studio, repeats: int) -> list[Row]:
    """A step of the recurrent decoder of ``fnt``, beside its GRU alone and beside starting over for every note."""
    model = studio.pipeline("effnet+fnt").music_ae
    decoder = next(module for module in model.modules() if isinstance(module, NoteDecoder))
    width = decoder.skip.in_features
    condition, keys = torch.zeros(4, width), torch.zeros(4, dtype=torch.int64)
    steps = 40 * 3

    def ours() -> int:
        generator = torch.Generator().manual_seed(1)
        scores = decoder.play(condition, keys, seconds=15.0, sampling=[Sampling()] * 4, generator=generator)
        return max(len(score.steps) for score in scores)

    played = ours()
    x, state = torch.zeros(4, 1, decoder.gru.input_size), torch.zeros(decoder.layers, 4, decoder.hidden)

    def gru_alone() -> None:
        with torch.inference_mode():
            for _ in range(steps):
                decoder.gru(x, state)

    sequence = torch.zeros(4, played, 4, dtype=torch.int64)

    def again_and_again() -> None:
        with torch.inference_mode():
            for length in range(1, played + 1):
                decoder(sequence[:, :length], torch.zeros(4, dtype=torch.int64), condition)

    per_step = median_s(ours, repeats) / played
    alone = median_s(gru_alone, repeats) / steps
    plain = median_s(again_and_again, 1) / played
    return [
        row(
            "`fnt`, one step of 4 takes, in ms",
            1e3 * per_step,
            ("its GRU alone", 1e3 * alone),
            (_REREAD, 1e3 * plain),
            "ms",
        )
    ]


def playing(studio: Studio, repeats: int) -> list[Row]:
    """MIDI → sound, beside FluidSynth alone and beside pretty_midi's player."""
    piece = studio.compose(None, DEFAULT_PAIRING, ComposeOptions(3, 60.0, VA(7.0, 7.0))).played
    ours = median_s(lambda: render(piece), repeats)
    strikes = list(_strikes(piece).values())
    length = round((max(s.release_s for s in strikes) + 2) * SAMPLE_RATE_HZ)
    data = write_midi(piece)

    def plain() -> None:
        midi = pretty_midi.PrettyMIDI(io.BytesIO(data))
        midi.fluidsynth(fs=SAMPLE_RATE_HZ, synthesizer=str(DEFAULT_SOUNDFONT))

    numpy_own = median_s(lambda: render(piece, engine="numpy"), max(2, repeats // 3))
    rows = []
    try:
        alone = median_s(lambda: fluid.play(strikes, length, font=DEFAULT_SOUNDFONT), repeats)
        limit, way = ("FluidSynth alone, stereo", alone), ("pretty_midi.fluidsynth, mono", median_s(plain, repeats))
        rows.append(row("60 s of MIDI → sound, FluidSynth", ours, limit, way))
    except fluid.FluidSynthMissingError:
        pass
    return [*rows, row("60 s of MIDI → sound, built-in sampler", numpy_own, None, None)]


def many(photos: int) -> list[Row]:
    """A folder of photos, 15 s each with sound and picture, in pieces a minute."""
    with tempfile.TemporaryDirectory() as name:
        album = Path(name) / "album"
        album.mkdir()
        shipped = photos_in(EXAMPLES)
        for number in range(photos):
            picture = open_photo(shipped[number % len(shipped)])
            step = number // len(shipped)  # another cut of the same picture is another photo
            picture.crop((step, step, picture.width - step, picture.height - step)).save(album / f"{number}.jpg")
        speeds = []
        for workers in (1, 2):
            batch = Batch(DEFAULT_PAIRING, ComposeOptions(takes=4), Path(name) / f"out{workers}")
            jobs = [Job(p.stem, p, None, 0, p.name) for p in photos_in(album)]
            started = time.perf_counter()
            rows = [made for made in run_batch(jobs, batch, in_processes(workers)) if made]
            assert not any(made.error for made in rows), rows
            speeds.append(60 * len(rows) / (time.perf_counter() - started))
    unit = "pieces/min"
    return [
        row(f"{photos} photos, one worker", speeds[0], None, None, unit),
        row(f"{photos} photos, two workers", speeds[1], ("twice one worker", 2 * speeds[0]), None, unit),
    ]


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--out", type=Path, default=CHECKPOINTS.parent / "results" / "speed.json")
    args = parser.parse_args(argv)
    load = os.getloadavg()[0]
    rows = cold_start()
    studio = Studio()
    studio.warm_up()
    for part in (reading, composing, decoding, playing):
        rows += part(studio, args.repeats)
        print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    record = {
        **of_run(f"python -m benchmarks.speed --photos {args.photos} --repeats {args.repeats}"),
        "engine": available_engine(),
        "threads": torch.get_num_threads(),
        "load_before": round(load, 2),
        "rows": rows + many(args.photos),
    }
    keep(record, args.out)


if __name__ == "__main__":
    main()
