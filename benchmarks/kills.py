"""Kill batches and trainings at random moments, look whether all that lies there is whole, and let them go on.

    python -m benchmarks.kills [--kills 100] [--seed 0] [--out FILE.json]

Half of the kills meet a batch of the example photos (``--resume``), half a small training that saves its state at every
step. After each SIGKILL every file that has its final name must be whole: pieces, records, the index up to its last end
of line, states. A run that reaches its end must have left the same bytes as an undisturbed one; then the next begins. A
finding is a file that is not whole, other bytes, or a run that does not end.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.record import of_run
from eimg_core.midi.reading import load_midi
from eimg_core.shipped import CHECKPOINTS, RESULTS
from eimg_core.trainable import LossTerms, Objective, Trainable
from train.stages.loop import LoopConfig, fit

__all__ = ["BATCH", "TRAINING", "Victim", "disturb", "main", "torn"]

_ROOT = Path(__file__).parent.parent
_PHOTOS = 6
_LEFT_S = 600.0  # a run that takes longer does not end


@dataclass(frozen=True)
class Victim:
    """A command that is killed and started again.

    Args:
        name: in the record.
        command: with the folder that it writes to.
        kept: files of a finished folder that must not differ, by glob.
    """

    name: str
    command: Callable[[Path], list[str]]
    kept: Sequence[str]


def _batch(folder: Path) -> list[str]:
    options = ["--seconds", "8", "--takes", "2", "--resume", "--no-figure", "--format", "mid,wav,json"]
    return [sys.executable, "-m", "eimg_core", "compose", str(folder.parent / "photos"), "--out", str(folder), *options]


def _training(folder: Path) -> list[str]:
    return [sys.executable, "-m", "benchmarks.kills", "--train", str(folder)]


BATCH = Victim("a batch of photos", _batch, ("*.mid", "*.wav"))
TRAINING = Victim("a training", _training, ("done.txt",))


# --- the training -----------------------------------------------------------------------------------------------------


class _Line(Trainable):
    """A few weights that learn a line: all that a loop needs."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Linear(8, 64), nn.GELU(), nn.Dropout(0.1), nn.Linear(64, 1))

    def objectives(self) -> tuple[Objective, ...]:
        return (Objective("line", ("model",), self.loss),)

    def loss(self, batch: Any, step: int) -> LossTerms:
        return LossTerms({"error": (self.net(batch)[:, 0] - batch.sum(dim=1)).pow(2).mean()}, {"error": 1.0})


class _Batches:
    def __len__(self) -> int:
        return 25

    def epoch(self, index: int) -> list[Any]:
        generator = torch.Generator().manual_seed(index)
        return [torch.randn(32, 8, generator=generator) for _ in range(len(self))]


def _train(folder: Path) -> None:
    """Train to the end, and write down the hash of the weights; a little sleep makes it last longer than its start."""

    def evaluate(model: Trainable) -> dict[str, float]:
        time.sleep(0.1)
        with torch.no_grad():
            return {"loss": float(model.loss(_Batches().epoch(999)[0], 0).total)}  # type: ignore[operator]

    model = _Line()
    fit(model, _Batches(), LoopConfig(epochs=12, average=0.9, save_every_s=0.0), folder=folder, evaluate=evaluate)
    digest = hashlib.sha256(b"".join(value.numpy().tobytes() for value in model.state_dict().values())).hexdigest()
    (folder / "done.txt").write_text(digest, encoding="utf-8")


# --- what must hold -----------------------------------------------------------------------------------------------


def torn(folder: Path) -> list[str]:
    """What lies under its final name and is not whole: one line for each file."""
    found = []
    for path in sorted(folder.glob("*")):
        check = _CHECKS.get(path.suffix)
        if check is None or path.name.startswith("."):
            continue
        try:
            check(path)
        except Exception as error:
            found.append(f"{path.name}: {type(error).__name__}: {error}")
    return found


def _whole_wav(path: Path) -> None:
    with wave.open(str(path)) as sound:
        there = len(sound.readframes(sound.getnframes()))
        if there != sound.getnframes() * sound.getnchannels() * sound.getsampwidth():
            raise ValueError("fewer samples than its header says")


def _whole_index(path: Path) -> None:
    """Every row up to the last end of line has a cell for each column; what comes after was cut, and is not a row."""
    text = path.read_bytes().decode()
    rows = list(csv.reader(io.StringIO(text[: text.rfind("\n") + 1], newline="")))
    if any(len(row) != len(rows[0]) for row in rows):
        raise ValueError("a row with more or fewer cells than columns")


def _whole_record(path: Path) -> None:
    """A record, and the files that it names."""
    record = json.loads(path.read_text(encoding="utf-8"))
    for name in record.get("files", {}).values():
        if not (path.parent / Path(name).name).is_file():
            raise ValueError(f"names {name}, which is not there")


_CHECKS: dict[str, Callable[[Path], Any]] = {
    ".mid": lambda path: load_midi(path, strict=True, need_notes=True),
    ".wav": _whole_wav,
    ".json": _whole_record,
    ".csv": _whole_index,
    ".pt": lambda path: torch.load(path, weights_only=True),
}


def _digests(victim: Victim, folder: Path) -> dict[str, str]:
    files = sorted(path for pattern in victim.kept for path in folder.glob(pattern))
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def disturb(victim: Victim, work: Path, kills: int, rng: random.Random) -> dict[str, Any]:
    """Kill a victim so many times; whatever ends in between is compared and begun anew.

    Returns:
        ``kills``, ``finished`` (runs that came to their end after kills), ``findings``.
    """
    environment = {**os.environ, "PYTHONPATH": str(_ROOT), "OMP_NUM_THREADS": "1"}

    def start(folder: Path) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            victim.command(folder), env=environment, cwd=work, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    reference = work / "reference"
    begun = time.monotonic()
    if start(reference).wait(_LEFT_S) != 0:
        raise RuntimeError(f"{victim.name} does not come to its end even when nobody disturbs it")
    whole_s, expected = time.monotonic() - begun, _digests(victim, reference)
    findings: list[str] = []
    done = finished = 0
    folder = work / "run"
    while done < kills:
        process = start(folder)
        try:
            process.wait(rng.uniform(0.1, 1.0) * whole_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            done += 1
            if folder.is_dir():
                findings += [f"{victim.name}, kill {done}: {line}" for line in torn(folder)]
            continue
        findings += _of_an_end(victim, folder, process.returncode, expected)
        finished += 1
        shutil.rmtree(folder)
    if start(folder).wait(_LEFT_S) != 0 or _digests(victim, folder) != expected:
        findings.append(f"{victim.name}: does not come to the same end after the last kill")
    return {"kills": done, "finished": finished + 1, "findings": findings, "undisturbed_s": round(whole_s, 1)}


def _of_an_end(victim: Victim, folder: Path, code: int, expected: dict[str, str]) -> list[str]:
    if code != 0:
        return [f"{victim.name}: ended with exit code {code} when it went on"]
    return [] if _digests(victim, folder) == expected else [f"{victim.name}: other bytes than when nobody disturbs it"]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=RESULTS / "kills.json")
    parser.add_argument("--train", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.train:
        _train(args.train)
        return 0
    started, rng = time.monotonic(), random.Random(args.seed)
    victims: dict[str, Any] = {}
    for victim in (BATCH, TRAINING):
        with tempfile.TemporaryDirectory(prefix="eimg-kills-") as name:
            photos = Path(name) / "photos"
            photos.mkdir()
            for photo in sorted((CHECKPOINTS.parent / "examples").glob("*.jpg"))[:_PHOTOS]:
                shutil.copy(photo, photos)
            victims[victim.name] = disturb(victim, Path(name), args.kills // 2, rng)
    record = {
        **of_run(f"python -m benchmarks.kills --kills {args.kills} --seed {args.seed}"),
        "minutes": round((time.monotonic() - started) / 60, 1),
        "victims": victims,
    }
    print(json.dumps(record, indent=1))
    if any(one["findings"] for one in victims.values()):
        return 1
    args.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
