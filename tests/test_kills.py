"""The benchmark that kills: it sees what is torn, and passes what comes back whole."""

from __future__ import annotations

import json
import random
import sys
import wave
from pathlib import Path

import pytest
import torch

from benchmarks.kills import Victim, disturb, torn
from eimg_core.midi.notes import Note, Piece
from eimg_core.midi.writing import write_midi


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """A folder with a file of each kind."""
    (tmp_path / "a.mid").write_bytes(write_midi(Piece((Note(0.0, 60, 1.0, 80),))))
    with wave.open(str(tmp_path / "a.wav"), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(2000))
    (tmp_path / "a.json").write_text(json.dumps({"files": {"mid": "a.mid"}}))
    (tmp_path / "index.csv").write_text("file,seed\na.jpg,1\nb.j")
    torch.save({"step": 1}, tmp_path / "state.pt")
    return tmp_path


def test_what_is_whole_is_not_torn(whole: Path) -> None:
    assert torn(whole) == [], "the last row of an index may be cut: it has no end of line"


@pytest.mark.parametrize("name", ["a.mid", "a.wav", "a.json", "state.pt"])
def test_a_file_that_was_cut_is_torn(whole: Path, name: str) -> None:
    data = (whole / name).read_bytes()
    (whole / name).write_bytes(data[: len(data) // 2])
    assert [line.partition(":")[0] for line in torn(whole)] == [name]


def test_a_record_without_its_files_and_a_short_row_are_torn(whole: Path) -> None:
    (whole / "a.mid").unlink()
    (whole / "index.csv").write_text("file,seed\na.jpg\nb.jpg,2\n")
    assert [line.partition(":")[0] for line in torn(whole)] == ["a.json", "index.csv"]


# Three files, one after the other, each a JSON list of many numbers; those that are there are not written again.
WRITER = """
import json, os, pathlib, sys, time
folder = pathlib.Path(sys.argv[1]); folder.mkdir(exist_ok=True)
for number in range(3):
    path = folder / f"{number}.json"
    if path.exists(): continue
    place = path.with_suffix(".part") if %(aside)s else path
    with place.open("w") as file:
        for part in ('{"files": {}, "n": [', *["1, "] * 20, "1]}"):
            file.write(part); file.flush(); time.sleep(0.005)
    os.replace(place, path)
"""


def writer(aside: bool) -> Victim:
    return Victim("writer", lambda folder: [sys.executable, "-c", WRITER % {"aside": aside}, str(folder)], ("*.json",))


def test_a_writer_that_renames_passes(tmp_path: Path) -> None:
    record = disturb(writer(aside=True), tmp_path, kills=6, rng=random.Random(1))
    assert (record["kills"], record["findings"]) == (6, [])
    assert record["finished"] >= 1


def test_a_writer_in_place_is_found(tmp_path: Path) -> None:
    record = disturb(writer(aside=False), tmp_path, kills=6, rng=random.Random(1))
    assert any("JSONDecodeError" in line for line in record["findings"])
    assert any("other bytes" in line or "same end" in line for line in record["findings"])
