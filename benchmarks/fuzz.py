"""Bad input of every kind against every reader: only our own errors with one sentence may come out, soon and small.

    python -m benchmarks.fuzz [--inputs 12000] [--seed 0] [--only photo] [--out FILE.json]

Real files are damaged (bits, bytes, blocks, lengths, joins with other files, cuts, and values that overflow), and
every target gets its share. What comes out is counted: accepted, refused in a sentence, or a *finding*: any other
error, more than ``SLOWEST_S`` seconds, a message of several lines or with a path in it. A finding keeps its input. The
record says what was run and the slowest and largest moments; it exists to be repeated, not to be believed once.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import json
import math
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from safetensors.torch import save as save_tensors

from benchmarks.record import of_run
from eimg_core.checkpoints import load_component, load_model, save_model
from eimg_core.data.tables import number, read_table
from eimg_core.emotion import VA
from eimg_core.errors import EimgError, InputError
from eimg_core.image_ae import IMAGE_AUTOENCODERS
from eimg_core.images import open_photo
from eimg_core.metrics.registry import measure
from eimg_core.midi.notes import Note, Piece
from eimg_core.midi.reading import read_midi
from eimg_core.midi.writing import write_midi
from eimg_core.notation.engraving import engrave
from eimg_core.notation.musicxml import to_musicxml
from eimg_core.options import ComposeOptions
from eimg_core.performance import perform
from eimg_core.shipped import CHECKPOINTS
from eimg_core.va.music_features import features

_SHIPPED_CARD = CHECKPOINTS / "image_ae" / "vqvae@paper" / "card.json"
SLOWEST_S = 5.0  # on one core that is busy with something else
_NUMBERS = (0, 1, 127, 128, 255, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1)
_WORDS = (
    b"nan",
    b"inf",
    b"-1",
    b"1e400",
    b"9" * 400,
    b"\0",
    b"\xff\xfe",
    b'"',
    b"\n",
    b",",
    b"{}",
    b"null",
    b"../",
    b"=1+1",
)


class TooSlowError(Exception):
    """A target did not come back in time."""


@dataclass(frozen=True)
class Target:
    """A reader and whole files that it can read."""

    name: str
    seeds: Sequence[bytes] = field(repr=False)
    run: Callable[[bytes], object] = field(repr=False)


# --- damage -----------------------------------------------------------------------------------------------------------


def damaged(data: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    """One to eight kinds of damage, one after the other."""
    damage = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 5, 8))):
        if not damage:
            break
        at = rng.randrange(len(damage))
        # Headers decide most, so half of the blows land near the start.
        at = min(at, rng.randrange(64)) if rng.random() < 0.5 else at
        at = min(at, len(damage) - 1)
        match rng.randrange(9):
            case 0:
                damage[at] ^= 1 << rng.randrange(8)
            case 1:
                damage[at] = rng.randrange(256)
            case 2:
                del damage[at : at + rng.randrange(1, 64)]
            case 3:
                damage[at:at] = rng.randbytes(rng.randrange(1, 32))
            case 4:
                del damage[at:]
            case 5:
                size = rng.choice((2, 4))
                order: Any = rng.choice(("big", "little"))
                damage[at : at + size] = (rng.choice(_NUMBERS) % 256**size).to_bytes(size, order)
            case 6:
                damage[at : at + rng.randrange(1, 8)] = rng.choice(_WORDS)
            case 7:
                other = rng.choice(others)
                start = rng.randrange(len(other) + 1)
                damage[at:] = other[start : start + len(damage)]
            case _:
                block = damage[at : at + rng.randrange(1, 256)]
                damage[at:at] = block * rng.randrange(1, 20)
    return bytes(damage[: 4 * 2**20])


# --- targets ----------------------------------------------------------------------------------------------------------


def photo_seeds() -> list[bytes]:
    """A small picture in every format that is read, plain, interlaced, animated, deep, with a palette and with EXIF."""
    picture = Image.linear_gradient("L").resize((96, 64)).convert("RGB")
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "camera"
    kinds: list[tuple[str, Image.Image, dict[str, Any]]] = [
        ("JPEG", picture, {"exif": exif}),
        ("JPEG", picture, {"progressive": True}),
        ("JPEG", picture.convert("CMYK"), {}),
        ("PNG", picture, {}),
        ("PNG", picture.convert("P"), {"transparency": 3}),
        ("PNG", Image.new("I;16", (64, 64), 40_000), {}),
        ("WEBP", picture, {}),
        ("WEBP", picture, {"lossless": True}),
        ("GIF", picture.convert("P"), {"save_all": True, "append_images": [picture.rotate(90).convert("P")]}),
        ("BMP", picture, {}),
        ("TIFF", picture, {"compression": "tiff_lzw"}),
        ("TIFF", picture, {"compression": "jpeg"}),
        ("TIFF", Image.new("F", (48, 48), 0.5), {}),
    ]
    found = []
    for name, image, options in kinds:
        buffer = io.BytesIO()
        image.save(buffer, name, **options)
        found.append(buffer.getvalue())
    return found


def midi_seeds() -> list[bytes]:
    """Played and written pieces, empty ones, and every kind of event a file may hold."""
    notes = tuple(Note(0.25 * n, 48 + n % 24, 0.25 * n + 0.6, 60 + n) for n in range(40))
    piece = Piece(notes, 97.0, (3, 4))
    score = write_midi(piece, title="seed")
    many = (
        bytes.fromhex("4d546864000000060001000201e04d54726b0000001900ff510307a12000ff580404021808")
        + bytes.fromhex("00ff590200008310ff2f004d54726b0000001e00c00000903c408360803c0000b0407f60b0400000e00040")
        + bytes.fromhex("00903c4060903c0000ff2f00")
    )
    return [score, write_midi(perform(piece, VA(7.0, 7.0), 1)), write_midi(Piece(())), many]


def _use_midi(data: bytes) -> None:
    """What becomes of a piece that somebody hands over: it is measured, listened to, played and written again."""
    for straighten in (False, True):
        piece = read_midi(data, straighten=straighten)
        measure(piece)
        features(piece)
        write_midi(piece)
        perform(piece, VA(5.0, 5.0), 0)
        if straighten:
            to_musicxml(engrave(piece))


def _use_requests(folder: Path) -> Callable[[bytes], None]:
    from eimg_core.batch import Stems
    from eimg_core.cli.compose import requested_jobs

    def run(data: bytes) -> None:
        path = folder / "requests.csv"
        path.write_bytes(data)
        for job in requested_jobs(path, Stems(), 0):
            if isinstance(job, str):
                one_sentence(job, folder)
            else:
                ComposeOptions(job.seed, target=job.target)

    return run


def _use_labels(folder: Path) -> Callable[[bytes], None]:
    def run(data: bytes) -> None:
        path = folder / "labels.csv"
        path.write_bytes(data)
        for row in read_table(path, ("file", "valence", "arousal")):
            VA(*(number(row, axis, where=row["file"], low=1, high=9) for axis in ("valence", "arousal")))

    return run


def _use_component(folder: Path) -> Callable[[bytes], None]:
    """Weights whose card states their hash: an attacker who can write both is the one to fear."""

    def run(data: bytes) -> None:
        (folder / "weights.safetensors").write_bytes(data)
        card = {"format": 1, "key": "beta_vae", "config": {}, "sha256": hashlib.sha256(data).hexdigest()}
        (folder / "card.json").write_text(json.dumps(card))
        load_component(folder)

    return run


def _use_card(folder: Path, weights: bytes) -> Callable[[bytes], None]:
    def run(data: bytes) -> None:
        (folder / "weights.safetensors").write_bytes(weights)
        (folder / "card.json").write_bytes(data)
        load_model(folder, IMAGE_AUTOENCODERS)

    return run


# Values that an API may be sent where it expects something else.
ODD_VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 1e308, math.nan, math.inf, 2**70, "", "7", "x" * 5000, "<script>alert(1)</script>", "vqvae+fnt",
    [], ["vqvae+fnt"], ["a+b"], [[[]]], {}, {"target": None}, {"target": {"valence": 5, "arousal": 5}},
    {"target": {"valence": "nan", "arousal": 5}}, {"target": {"valence": math.inf, "arousal": 5}},
    {"target": {"valence": [], "arousal": 5}}, {"target": []}, {"path": "/etc/passwd"}, {"path": "../../app.py"},
    {"path": "http://127.0.0.1:1/x.png", "meta": {"_type": "gradio.FileData"}},
    {"url": "file:///etc/passwd", "meta": {"_type": "gradio.FileData"}}, {"url": "data:image/png;base64,AAAA"}, 15, 3.5,
)  # fmt: skip


def _use_api(folder: Path) -> Callable[[bytes], None]:
    """Every named endpoint of the page, without the network; the bytes choose the endpoint and its values."""
    import gradio as gr

    from eimg_core.ui import app
    from tests.fake_studio import FakeStudio
    from tests.own_loop import awaited

    demo = app.build_ui(FakeStudio(), pieces=folder / "pieces")
    public = demo.get_api_info()["named_endpoints"]
    named = {f.api_name: f for f in demo.fns.values() if f"/{f.api_name}" in public}
    point = {"target": {"valence": 5, "arousal": 5}}
    usual = {
        name: [
            point if block.elem_id == "plane" else 8 if block.elem_id == "seconds" else block.value
            for block in f.inputs
        ]
        for name, f in named.items()
    }

    async def call(endpoint: str, values: list[Any]) -> None:
        iterator = None
        while True:
            result = await demo.process_api(named[endpoint], values, iterator=iterator)
            iterator = result.get("iterator")
            if iterator is None or not result["is_generating"]:
                return

    def run(data: bytes) -> None:
        endpoint = list(usual)[data[0] % len(usual)] if data else "compose"
        values = list(usual[endpoint])
        for place, chosen in enumerate(data[1 : 1 + len(values)]):
            if chosen < 128:  # else the usual value stays
                values[place] = ODD_VALUES[chosen % len(ODD_VALUES)]
        try:
            awaited(call(endpoint, values))
        except gr.Error as error:
            raise InputError(str(error.message)) from error

    return run


def targets(folder: Path) -> dict[str, Target]:
    """Everything that reads what others wrote, by name; ``folder`` is for its files."""
    tiny = folder / "image_ae" / "beta_vae@paper"
    kind = IMAGE_AUTOENCODERS["beta_vae@paper"]
    save_model(tiny, kind(kind.Config.tiny()), {"kind": "image_ae", "key": "beta_vae@paper"})  # type: ignore[call-arg]
    card, weights = (tiny / "card.json").read_bytes(), (tiny / "weights.safetensors").read_bytes()
    table = b"name,valence,arousal,seed\nfirst,7,3,1\nsecond,2.5,8,\n"
    labels = b'file,theme,valence,arousal,split\na.jpg,dog,4.5,6.25,train\n"b, c.jpg",sea,2,1,test\n'
    tensors = save_tensors({"a": torch.arange(6.0).view(2, 3), "b": torch.ones(3, dtype=torch.float16)})
    found = [
        Target("photo", photo_seeds(), open_photo),
        Target("midi", midi_seeds(), _use_midi),
        Target("requests", [table, "name,valence,arousal\nβ,1,9\n".encode()], _use_requests(folder)),
        Target("labels", [labels, labels.decode().encode("utf-8-sig")], _use_labels(folder)),
        Target("weights", [tensors, weights], _use_component(tiny)),
        Target("api", [bytes(range(0, 256, 37)), bytes([1, 200, 3, 200, 5, 200, 200])], _use_api(folder)),
        Target("card", [card, _SHIPPED_CARD.read_bytes()], _use_card(tiny, weights)),
    ]
    return {target.name: target for target in found}


# --- judgement --------------------------------------------------------------------------------------------------------


def one_sentence(text: str, folder: Path) -> None:
    """Raises ``AssertionError`` where a message is not fit to be shown."""
    assert text.strip(), "an empty message"
    assert len(text.splitlines()) == 1, f"a message of several lines: {text!r}"
    assert len(text) <= 400, f"a message of {len(text)} characters"
    assert str(folder) not in text, f"a message with a path: {text!r}"
    assert "Traceback" not in text
    assert text.isprintable(), f"a message with control characters: {text!r}"


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Interrupt what takes longer, once the code that hangs is back in Python."""

    def late(*_: object) -> None:
        raise TooSlowError(f"still at work after {seconds:g} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def judged(target: Target, data: bytes, folder: Path) -> str:
    """``accepted`` or ``refused``.

    Raises:
        Exception: a finding, whatever it is.
    """
    try:
        with time_limit(SLOWEST_S), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            target.run(data)
    except EimgError as error:
        one_sentence(str(error), folder)
        return "refused"
    return "accepted"


def peak_mb() -> float:
    """Largest memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def run(inputs: int, seed: int, only: str, folder: Path) -> dict[str, Any]:
    """Damage, read and count; findings are written to ``folder``."""
    chosen = {name: t for name, t in targets(folder).items() if only in name}
    others = [data for target in chosen.values() for data in target.seeds]
    rng = random.Random(seed)
    counts: dict[str, Counter[str]] = {name: Counter() for name in chosen}
    slowest, findings, before = dict.fromkeys(chosen, 0.0), [], peak_mb()
    for number_, name in zip(range(inputs), _in_turn(list(chosen)), strict=False):
        data = damaged(rng.choice(chosen[name].seeds), others, rng)
        started = time.perf_counter()
        try:
            outcome = judged(chosen[name], data, folder)
        except Exception as error:
            outcome = "finding"
            findings.append(f"{name}: {type(error).__name__}: {str(error)[:200]}")
            (folder / f"finding-{name}-{number_}.bin").write_bytes(data)
        counts[name][outcome] += 1
        slowest[name] = max(slowest[name], time.perf_counter() - started)
    return {
        "inputs": sum(sum(count.values()) for count in counts.values()),
        "outcomes": {name: dict(sorted(count.items())) for name, count in counts.items()},
        "slowest_s": {name: round(seconds, 3) for name, seconds in slowest.items()},
        "memory_growth_mb": round(peak_mb() - before, 1),
        "findings": findings[:50],
    }


def _in_turn(names: Sequence[str]) -> Iterator[str]:
    while True:
        yield from names


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=12_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="targets whose name contains this")
    parser.add_argument("--out", type=Path, default=CHECKPOINTS.parent / "results" / "fuzz.json")
    args = parser.parse_args(argv)
    folder = Path(tempfile.mkdtemp(prefix="eimg-fuzz-"))
    started = time.perf_counter()
    record = {
        **of_run(f"python -m benchmarks.fuzz --inputs {args.inputs} --seed {args.seed}"),
        **run(args.inputs, args.seed, args.only, folder),
        "minutes": round((time.perf_counter() - started) / 60, 1),
    }
    print(json.dumps(record, indent=1))
    if record["findings"]:
        print(f"The inputs are in {folder}", file=sys.stderr)
        return 1
    shutil.rmtree(folder, ignore_errors=True)
    if not args.only:
        args.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
