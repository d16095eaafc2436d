"""Visitors who come together, and memory over many pieces: the real app as a process of its own, over loopback.

    python -m benchmarks.load [--visitors 1,10,50] [--minutes 2] [--generations 500] [--out FILE.json]

A visitor reads a photo, composes (8 s, for the photo or for a point), asks for something that cannot be, or compares
two pairings, and asks for the next thing as soon as the last is there. A round of visitors ends after ``--minutes``.
Waiting is from the click to the last value, the queue included; "full" counts who was asked to come again. Then one
visitor composes ``--generations`` pieces while the memory of the process and its temporary files are watched. The
endpoints are the named ones of the page.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from benchmarks.pairings import example
from benchmarks.record import of_run
from eimg_core.pipeline import DEFAULT_PAIRING, available
from eimg_core.shipped import CHECKPOINTS

ROOT = Path(__file__).resolve().parents[1]
POINT = {"target": {"valence": 7.0, "arousal": 6.0}}
SHARES = {"read_photo": 4, "compose_photo": 3, "compose_point": 3, "impossible": 1, "compare": 1}


@contextmanager
def app_running(folder: Path) -> Iterator[tuple[str, int]]:
    """``python app.py``, warm; its address and process id."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "GRADIO_TEMP_DIR": str(folder)}
    command = [sys.executable, "app.py", "--port", str(port)]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}/"
    try:
        while process.poll() is None:
            try:
                urllib.request.urlopen(url, timeout=5).read()
                break
            except OSError:
                time.sleep(0.2)
        yield url, process.pid
    finally:
        process.terminate()
        process.wait(30)


def memory_mb(pid: int) -> float:
    """Resident memory of a process (Linux)."""
    status = Path(f"/proc/{pid}/status").read_text()
    return round(int(status.split("VmRSS:")[1].split()[0]) / 1024, 1)


def files_mb(folder: Path) -> float:
    return round(sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6, 1)


class Visitor:
    """One session of the API."""

    def __init__(self, url: str) -> None:
        from gradio_client import Client, handle_file

        self.client = Client(url, verbose=False, download_files=False)
        self.photo = handle_file(str(example()))

    def act(self, action: str, seed: int) -> str:
        """Do one thing; "done", "refused" in a sentence, "full", or what went wrong."""
        wanted: dict[str, Any] = {"emotion": POINT, "pairing": DEFAULT_PAIRING, "seed": seed, "seconds": 8}
        try:
            match action:
                case "read_photo":
                    result = self.client.predict(photo=self.photo, api_name="/read_photo")
                    return "done" if 1 <= result["photo"]["valence"] <= 9 else "wrong"
                case "compare":
                    both = wanted | {"pairing": None, "pairings": available()[:2]}
                    del both["pairing"]
                    state = self.client.predict(photo=None, **both, api_name="/compare")["state"]
                case "impossible":
                    self.client.predict(photo=None, **wanted | {"seconds": 100_000}, api_name="/compose")
                    return "not refused"
                case _:
                    if action == "compose_photo":
                        wanted |= {"emotion": {}}
                    photo = self.photo if action == "compose_photo" else None
                    state = self.client.predict(photo=photo, **wanted, api_name="/compose")["state"]
            return "done" if state == "done" else state
        except Exception as error:
            text = str(error)
            if "Queue is full" in text:
                return "full"
            return (
                "refused" if action == "impossible" and "maximum" in text else f"{type(error).__name__}: {text[:120]}"
            )


def together(url: str, visitors: int, minutes: float) -> dict[str, Any]:
    """What ``visitors`` at once get done in ``minutes``, and how long each thing takes them."""
    waits: dict[str, list[float]] = {action: [] for action in SHARES}
    outcomes: Counter[str] = Counter()
    lock, end = threading.Lock(), time.monotonic() + 60 * minutes

    def stay(number: int) -> None:
        rng = random.Random(number)
        visitor = Visitor(url)
        while time.monotonic() < end:
            (action,) = rng.choices(list(SHARES), list(SHARES.values()))
            started = time.monotonic()
            outcome = visitor.act(action, rng.randrange(2**31))
            with lock:
                outcomes[outcome] += 1
                if outcome in ("done", "refused"):
                    waits[action].append(time.monotonic() - started)
            if outcome == "full":
                time.sleep(1 + rng.random())  # come again a little later, as people do

    started = time.monotonic()
    threads = [threading.Thread(target=stay, args=(number,)) for number in range(visitors)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.monotonic() - started
    return {
        "visitors": visitors,
        "seconds": round(took, 1),
        "per_minute": round(60 * (outcomes["done"] + outcomes["refused"]) / took, 1),
        "outcomes": dict(sorted(outcomes.items())),
        "wait_s": {action: _summary(values) for action, values in waits.items() if values},
    }


def _summary(values: Sequence[float]) -> dict[str, float]:
    ordered = sorted(values)
    middle, late = statistics.median(ordered), ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
    return {"n": len(ordered), "median": round(middle, 2), "p95": round(late, 2), "longest": round(ordered[-1], 2)}


def stopped(url: str) -> dict[str, float]:
    """How soon the next visitor's piece is there after somebody has given up a long one, beside an idle server's."""
    first, second = Visitor(url), Visitor(url)
    started = time.monotonic()
    second.act("compose_point", 1)
    idle = time.monotonic() - started
    long = {"emotion": POINT, "pairing": DEFAULT_PAIRING, "seed": 1, "seconds": 60}
    job = first.client.submit(photo=None, **long, api_name="/compose")
    time.sleep(0.7)
    job.cancel()
    started = time.monotonic()
    second.act("compose_point", 2)
    return {"idle_s": round(idle, 2), "after_stop_s": round(time.monotonic() - started, 2)}


def over_time(url: str, pid: int, folder: Path, generations: int) -> dict[str, Any]:
    """Memory of the process and size of its files while pieces are made one after the other."""
    visitor, samples, files = Visitor(url), [], []
    for number in range(generations):
        outcome = visitor.act("compose_photo" if number % 2 else "compose_point", number)
        assert outcome == "done", outcome
        if number % max(1, generations // 100) == 0:
            samples.append([number, memory_mb(pid)])
            files.append([number, files_mb(folder)])
    samples.append([generations, memory_mb(pid)])
    half = [mb for number, mb in samples if number >= generations / 2]
    return {
        "generations": generations,
        "memory_mb": samples,
        "growth_of_second_half_mb": round(half[-1] - half[0], 1),
        "files_mb": files[-1][1],
    }


def draw(record: dict[str, Any], path: Path) -> None:
    """Memory over pieces, as a picture for the documents."""
    figure = Figure(figsize=(7, 2.6), dpi=120, layout="constrained")
    axes = figure.subplots()
    numbers, mb = zip(*record["memory"]["memory_mb"], strict=True)
    axes.plot(numbers, mb, color="#4667a8", linewidth=1.6)
    axes.set(xlabel="pieces", ylabel="memory of the process, MB", ylim=(0, 1.15 * max(mb)), xlim=(0, max(numbers)))
    axes.spines[["top", "right"]].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Software": "EIMG Studio"})


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--visitors", default="1,10,50")
    parser.add_argument("--minutes", type=float, default=2.0, help="of each round at most")
    parser.add_argument("--generations", type=int, default=500)
    parser.add_argument("--out", type=Path, default=CHECKPOINTS.parent / "results" / "load.json")
    parser.add_argument("--figure", type=Path, default=ROOT / "docs" / "figures" / "memory.png")
    args = parser.parse_args(argv)
    os.environ["HF_HUB_OFFLINE"] = "1"
    with tempfile.TemporaryDirectory(prefix="eimg-load-") as name, app_running(Path(name)) as (url, pid):
        Visitor(url).act("compose_photo", 0)  # warm
        rounds = []
        for count in map(int, args.visitors.split(",")):
            rounds.append(together(url, count, args.minutes) | {"memory_mb": memory_mb(pid)})
            print(json.dumps(rounds[-1]), file=sys.stderr, flush=True)
        record = {
            **of_run(
                f"python -m benchmarks.load --visitors {args.visitors} --minutes {args.minutes:g} "
                f"--generations {args.generations}"
            ),
            "rounds": rounds,
            "stop": stopped(url),
            "memory": over_time(url, pid, Path(name), args.generations),
        }
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    draw(record, args.figure)
    print(json.dumps({key: value for key, value in record.items() if key != "memory"}, indent=1))


if __name__ == "__main__":
    main()
