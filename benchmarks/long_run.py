"""Hours of mixed visitors: memory, disk, handles and answer times of the real app, sampled every minute, over loopback.

    python -m benchmarks.long_run [--minutes 120] [--visitors 4] [--out FILE.json] [--figure FILE.png]

Visitors pause between what they do, as people do, and leave after a dozen things; others come in their place. They read
photos, compose, compare, tell a story, retell a MIDI file, have it played, give up, and ask for what cannot be. The
record has one row per minute. *Growth* is the median of the last quarter minus that of the third: files and what is
known of visitors are kept for an hour, so of two hours the first one fills up.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from benchmarks.load import POINT, ROOT, app_running, memory_mb
from benchmarks.record import of_run
from eimg_core.midi.notes import Note, Piece
from eimg_core.midi.writing import write_midi
from eimg_core.pipeline import DEFAULT_PAIRING, available
from eimg_core.shipped import CHECKPOINTS, RESULTS
from eimg_core.ui.widgets.photo_input import example_photos

__all__ = ["ACTIONS", "Guest", "Ledger", "draw", "growth", "main", "sample"]

PAUSE_S = (4.0, 20.0)
STAY = 12  # things that a visitor does before leaving
MEASURES = {"memory_mb": "memory, MB", "files_mb": "files, MB", "handles": "open handles", "threads": "threads"}


class Guest:
    """One session of the API, which does what people do on the page.

    Args:
        url: of the app.
        tune: a MIDI file with a melody.
        rng: chooses photos, seeds and lengths.
    """

    def __init__(self, url: str, tune: Path, rng: random.Random) -> None:
        from gradio_client import Client, handle_file

        self._client, self._handle, self._rng = Client(url, verbose=False, download_files=False), handle_file, rng
        self._tune = handle_file(str(tune))
        self._photos = example_photos(CHECKPOINTS.parent / "examples")

    def close(self) -> None:
        self._client.close()

    def read_photo(self) -> bool:
        return 1 <= self._ask("read_photo", photo=self._photo())["photo"]["valence"] <= 9

    def compose_photo(self) -> bool:
        return self._compose(self._photo(), {}, self._rng.choice((8, 15, 30)))

    def compose_point(self) -> bool:
        return self._compose(None, POINT, self._rng.choice((8, 15)))

    def compare(self) -> bool:
        wanted = {"emotion": POINT, "pairings": available()[:2], "seed": self._seed(), "seconds": 8}
        return bool(self._ask("compare", photo=None, **wanted)["state"] == "done")

    def story(self) -> bool:
        photos = [self._photo(), self._photo()]
        return bool(self._client.predict(photos, DEFAULT_PAIRING, self._seed(), 24, True, api_name="/story"))

    def retell(self) -> bool:
        wanted = {"valence": 3, "arousal": 6, "pairing": DEFAULT_PAIRING, "seed": self._seed()}
        return bool(self._ask("retell", midi=self._tune, **wanted)["files"])

    def export_wav(self) -> bool:
        return bool(self._client.predict(self._tune, "wav", api_name="/export"))

    def give_up(self) -> bool:
        """A long piece that nobody waits for."""
        wanted = {"emotion": POINT, "pairing": DEFAULT_PAIRING, "seed": self._seed(), "seconds": 60}
        job = self._client.submit(photo=None, **wanted, api_name="/compose")
        time.sleep(0.5)
        job.cancel()
        return True

    def impossible(self) -> bool:
        """What must be refused in a sentence."""
        wanted = {"emotion": POINT, "pairing": DEFAULT_PAIRING, "seed": 1, "seconds": 100_000}
        try:
            self._ask("compose", photo=None, **wanted)
        except Exception as error:
            return "maximum" in str(error)
        return False

    def _compose(self, photo: Any, emotion: Mapping[str, Any], seconds: int) -> bool:
        wanted = {"emotion": emotion, "pairing": DEFAULT_PAIRING, "seed": self._seed(), "seconds": seconds}
        return bool(self._ask("compose", photo=photo, **wanted)["state"] == "done")

    def _ask(self, name: str, **wanted: Any) -> Any:
        return self._client.predict(**wanted, api_name=f"/{name}")

    def _photo(self) -> Any:
        return self._handle(str(self._rng.choice(self._photos)))

    def _seed(self) -> int:
        return self._rng.randrange(2**31)


# How often each is done, of a sum that does not matter.
ACTIONS: Mapping[Callable[[Guest], bool], int] = {
    Guest.read_photo: 4,
    Guest.compose_photo: 4,
    Guest.compose_point: 3,
    Guest.compare: 1,
    Guest.story: 1,
    Guest.retell: 1,
    Guest.export_wav: 1,
    Guest.give_up: 1,
    Guest.impossible: 1,
}


class Ledger:
    """What came of each action, shared by all visitors."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waits: dict[str, list[float]] = {}
        self.done = 0
        self.findings: Counter[str] = Counter()

    def act(self, guest: Guest, action: Callable[[Guest], bool]) -> None:
        started, fault = time.monotonic(), ""
        try:
            if not action(guest):
                fault = "an answer that is not what was asked for"
        except Exception as error:
            fault = f"{type(error).__name__}: {str(error)[:160]}"
        with self._lock:
            if fault:
                self.findings[f"{action.__name__}: {fault}"] += 1
            else:
                self.done += 1
                self._waits.setdefault(action.__name__, []).append(time.monotonic() - started)

    def waits(self) -> dict[str, float]:
        """Median seconds of each action since the last call."""
        with self._lock:
            waits, self._waits = self._waits, {}
        return {name: round(statistics.median(values), 3) for name, values in sorted(waits.items())}


def visit(url: str, tune: Path, number: int, end: float, ledger: Ledger) -> None:
    """Visitors who come one after the other until ``end``."""
    rng = random.Random(number)
    while time.monotonic() < end:
        guest = Guest(url, tune, rng)
        for _ in range(STAY):
            (action,) = rng.choices(list(ACTIONS), list(ACTIONS.values()))
            ledger.act(guest, action)
            time.sleep(max(0.0, min(rng.uniform(*PAUSE_S), end - time.monotonic())))
            if time.monotonic() >= end:
                break
        guest.close()


def sample(pid: int, folder: Path) -> dict[str, float]:
    """Memory, disk, handles and threads of a process now (Linux)."""
    there = [path for path in folder.rglob("*") if path.is_file()]
    sizes = [path.stat().st_size for path in there if path.exists()]
    return {
        "memory_mb": memory_mb(pid),
        "files_mb": round(sum(sizes) / 1e6, 1),
        "files": len(sizes),
        "handles": len(os.listdir(f"/proc/{pid}/fd")),
        "threads": len(os.listdir(f"/proc/{pid}/task")),
    }


def growth(rows: Sequence[Mapping[str, Any]], measure: str) -> float:
    """Median of the last quarter of the rows minus that of the quarter before it."""
    quarter = max(1, len(rows) // 4)
    late, early = rows[-quarter:], rows[-2 * quarter : -quarter] or rows[:1]
    return round(statistics.median(row[measure] for row in late) - statistics.median(row[measure] for row in early), 1)


def draw(record: Mapping[str, Any], path: Path) -> None:
    """Every measure over the minutes, and the wait for a piece, as a picture for the documents."""
    rows = record["rows"]
    minutes = [row["minute"] for row in rows]
    figure = Figure(figsize=(7, 7), dpi=120, layout="constrained")
    panels = figure.subplots(len(MEASURES) + 1, 1, sharex=True)
    for axes, (measure, label) in zip(panels, MEASURES.items(), strict=False):
        values = [row[measure] for row in rows]
        axes.plot(minutes, values, color="#4667a8", linewidth=1.4)
        axes.set(ylabel=label, ylim=(0, 1.15 * max(values) or 1))
    waits = [(row["minute"], row["waits_s"]["compose_point"]) for row in rows if "compose_point" in row["waits_s"]]
    if waits:
        panels[-1].plot(*zip(*waits, strict=True), color="#4667a8", linewidth=1.4)
    panels[-1].set(ylabel="a piece, s", xlabel="minutes", ylim=(0, None), xlim=(0, max(minutes)))
    for axes in panels:
        axes.spines[["top", "right"]].set_visible(False)
    figure.align_ylabels()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Software": "EIMG Studio"})


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=int, default=120)
    parser.add_argument("--visitors", type=int, default=4)
    parser.add_argument("--out", type=Path, default=RESULTS / "long_run.json")
    parser.add_argument("--figure", type=Path, default=ROOT / "docs" / "figures" / "long-run.png")
    args = parser.parse_args(argv)
    os.environ["HF_HUB_OFFLINE"] = "1"
    ledger, rows = Ledger(), []
    with tempfile.TemporaryDirectory(prefix="eimg-long-") as name, app_running(Path(name) / "app") as (url, pid):
        tune = Path(name) / "tune.mid"
        notes = (Note(0.5 * n, pitch, 0.5 * n + 0.45, 80) for n, pitch in enumerate((60, 64, 67, 72) * 4))
        tune.write_bytes(write_midi(Piece(tuple(notes))))
        started = time.monotonic()
        end = started + 60 * args.minutes
        guests = [
            threading.Thread(target=visit, args=(url, tune, number, end, ledger), daemon=True)
            for number in range(args.visitors)
        ]
        for guest in guests:
            guest.start()
        for minute in range(1, args.minutes + 1):
            time.sleep(max(0.0, started + 60 * minute - time.monotonic()))
            rows.append({"minute": minute, **sample(pid, Path(name) / "app"), "waits_s": ledger.waits()})
            print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
        for guest in guests:
            guest.join(120)
    record = {
        **of_run(f"python -m benchmarks.long_run --minutes {args.minutes} --visitors {args.visitors}"),
        "visitors": args.visitors,
        "minutes": args.minutes,
        "done": ledger.done,
        "findings": dict(ledger.findings),
        "growth": {measure: growth(rows, measure) for measure in MEASURES},
        "rows": rows,
    }
    print(json.dumps({key: value for key, value in record.items() if key != "rows"}, indent=1))
    if ledger.findings:
        return 1
    args.out.write_text(json.dumps(record) + "\n", encoding="utf-8")
    draw(record, args.figure)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
