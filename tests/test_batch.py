"""Many photos in one run: nothing stops it, a kill costs one piece, and it goes on where it was."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
import wave
from pathlib import Path

import pytest

from eimg_core.atomic import clear_drafts, drafted
from eimg_core.batch import INDEX, Batch, Job, Stems, make_piece, photos_in
from eimg_core.cli.main import main
from eimg_core.midi.reading import read_midi
from eimg_core.options import ComposeOptions
from tests.fake_studio import FakeStudio, scene

ROOT = Path(__file__).resolve().parents[1]
QUICK = ["--seconds", "4", "--takes", "1", "--no-figure"]


def rows_of(out: Path) -> list[dict[str, str]]:
    with (out / INDEX).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def album(tmp_path) -> Path:
    """Three photos, one of them in a folder; a bad one; a letter; and what other programs leave behind."""
    folder = tmp_path / "album"
    (folder / "deep er").mkdir(parents=True)
    scene("beach", (96, 64)).save(folder / "beach.jpg")
    scene("night", (96, 64)).save(folder / "night.png")
    scene("dusk", (96, 64)).save(folder / "deep er" / "beach.jpg")
    (folder / "bad.png").write_text("not a picture")
    (folder / "letter.txt").write_text("Dear reader")
    (folder / "._beach.jpg").write_bytes(b"\0")
    return folder


def test_a_folder_becomes_pieces_and_an_index(album, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["compose", str(album), "--recursive", "--out", str(out), *QUICK]) == 2
    rows = {row["file"]: row for row in rows_of(out)}
    assert list(rows) == ["bad.png", "beach.jpg", "night.png", "deep er/beach.jpg"]
    assert rows["bad.png"]["error"].startswith('"bad.png" is not a photo')
    assert rows["bad.png"]["files"] == ""
    for name in ("beach.jpg", "night.png", "deep er/beach.jpg"):
        row = rows[name]
        assert row["error"] == ""
        files = {Path(file).suffix: file for file in row["files"].split()}
        assert files[".mid"] == {"deep er/beach.jpg": "deep-er/beach.mid"}.get(name, f"{name[:-4]}.mid")
        record = json.loads((out / files[".json"]).read_text())
        assert float(row["valence"]) == record["photo"]["valence"]
        assert float(row["estimate_arousal"]) == record["piece"]["arousal"]
        assert read_midi(out / files[".mid"]).notes
    printed = capsys.readouterr()
    assert len(printed.out.splitlines()) == 3
    assert "3 made, 1 failed" in printed.err
    assert "Traceback" not in printed.err


def test_without_recursive_only_the_folder_itself(album, tmp_path):
    assert {path.name for path in photos_in(album)} == {"beach.jpg", "night.png", "bad.png"}
    assert len(photos_in(album, recursive=True)) == 4
    assert photos_in(album, recursive=True, leave_out=album / "deep er") == photos_in(album)


def test_two_workers_make_the_bytes_of_one(album, tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    (album / "bad.png").unlink()
    for out, workers in ((one, "1"), (two, "2")):
        assert main(["compose", str(album), "--no-audio", "--out", str(out), "--workers", workers, *QUICK]) == 0
    for name in ("beach.mid", "night.mid"):
        assert (one / name).read_bytes() == (two / name).read_bytes()
    assert {row["file"] for row in rows_of(two)} == {"beach.jpg", "night.png"}


def test_resume_makes_what_is_missing_changed_or_asked_for_differently(album, tmp_path, capsys):
    out = tmp_path / "out"
    (album / "bad.png").unlink()
    command = ["compose", str(album), "--no-audio", "--out", str(out), "--resume", *QUICK]
    assert main(command) == 0
    made = {path.name: path.stat().st_mtime_ns for path in out.glob("*.mid")}
    assert main(command) == 0
    assert {path.name: path.stat().st_mtime_ns for path in out.glob("*.mid")} == made
    assert "0 made, 2 were there" in capsys.readouterr().err

    (out / "night.json").unlink()
    assert main(command) == 0
    assert (out / "night.json").exists()
    assert (out / "beach.mid").stat().st_mtime_ns == made["beach.mid"]

    scene("fog", (96, 64)).save(album / "beach.jpg")  # another picture under the old name
    assert main(command) == 0
    assert (out / "beach.mid").stat().st_mtime_ns > made["beach.mid"]
    capsys.readouterr()
    assert main([*command, "--seed", "5"]) == 0
    assert "2 made, 0 failed" in capsys.readouterr().err
    assert len(rows_of(out)) == 2


def wait_for_rows(out: Path, count: int, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if (out / INDEX).exists() and len((out / INDEX).read_text().splitlines()) > count:
            return
        time.sleep(0.02)
    raise AssertionError(f"no {count} rows: exit code {process.poll()}")


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_kill_leaves_whole_files_and_the_run_goes_on(workers, tmp_path):
    album, out = tmp_path / "album", tmp_path / "out"
    album.mkdir()
    for n in range(8):
        scene(("beach", "night", "fog", "dusk")[n % 4], (96 + n, 64)).save(album / f"{n}.png")
    command = [sys.executable, "-m", "eimg_core", "compose", str(album), "--out", str(out), "--workers", workers]
    command += ["--resume", *QUICK]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for_rows(out, 2, process)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    time.sleep(2.0)  # its workers follow it
    done = [row["files"].split() for row in rows_of(out) if row.get("files")]
    assert 2 <= len(done) < 8
    for path in out.glob("*.*"):
        if path.suffix == ".mid":
            assert read_midi(path).notes
        elif path.suffix == ".json":
            assert json.loads(path.read_text())["files"]
        elif path.suffix == ".wav":
            with wave.open(str(path)) as sound:
                assert sound.getnframes() > 44100
    before = {name: (out / name).stat().st_mtime_ns for files in done[:2] for name in files}
    assert subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode == 0
    assert len(rows_of(out)) == 8
    assert {name: (out / name).stat().st_mtime_ns for name in before} == before
    assert list(out.glob(".draft-*")) == []


def test_a_fault_of_ours_costs_one_piece_and_shows_no_internals(tmp_path):
    def fail() -> None:
        raise RuntimeError("/srv/secret/weights.bin")

    studio = FakeStudio(before_composing=fail)
    scene("beach", (96, 64)).save(tmp_path / "beach.jpg")
    job = Job("beach", tmp_path / "beach.jpg", None, 0, "beach.jpg")
    row = make_piece(studio, job, Batch("vqvae+fnt", ComposeOptions(), tmp_path / "out"))
    assert "RuntimeError" in row.error
    assert "secret" not in row.error


def test_a_full_disk_is_one_sentence(tmp_path):
    class Full(FakeStudio):
        def save(self, *_args, **_options):
            raise OSError(28, "No space left on device", str(tmp_path))

    scene("beach", (96, 64)).save(tmp_path / "beach.jpg")
    job = Job("beach", tmp_path / "beach.jpg", None, 0, "beach.jpg")
    row = make_piece(Full(), job, Batch("vqvae+fnt", ComposeOptions(), tmp_path / "out"))
    assert row.error.startswith("The files of this piece cannot be written (No space left on device)")
    assert str(tmp_path) not in row.error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{empty}"], "There is no photo in empty"),
        (["{album}", "--workers", "0"], "workers must be from 1"),
        (["{album}", "--pairing", "all"], "A batch has one pairing"),
        (["{album}", "--pairing", "a+b"], "no pairing 'a+b'"),
    ],
)
def test_wrong_usage_is_one_sentence(arguments, message, album, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    filled = [a.format(empty=tmp_path / "empty", album=album) for a in arguments]
    assert main(["compose", *filled, "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err.strip()
    assert message in error
    assert len(error.splitlines()) == 1


def test_stems_are_safe_and_never_the_same():
    stems = Stems()
    assert [stems.new("beach") for _ in range(3)] == ["beach", "beach-b", "beach-c"]
    assert stems.new("../../up", "../..") == "piece/piece/up"
    assert stems.new("=cmd|' /C calc'!A0") == "cmd-C-calc-A0"
    assert stems.new("BEACH") == "BEACH-d"
    many = Stems()
    assert len({many.new("x") for _ in range(2000)}) == 2000


def test_a_draft_that_fails_leaves_nothing(tmp_path):
    def half_way() -> None:
        with drafted(tmp_path) as draft:
            (draft / "a.mid").write_bytes(b"MThd")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        half_way()
    assert list(tmp_path.iterdir()) == []
    (tmp_path / ".draft-left").mkdir()
    assert clear_drafts(tmp_path) == 1


def test_a_file_name_cannot_become_a_formula(tmp_path):
    album = tmp_path / "album"
    album.mkdir()
    scene("beach", (96, 64)).save(album / "=1+1.jpg")
    out = tmp_path / "out"
    command = ["compose", str(album), "--no-audio", "--out", str(out), "--resume", *QUICK]
    assert main(command) == 0
    (row,) = rows_of(out)
    assert row["file"] == "./=1+1.jpg"
    assert row["files"].startswith("1+1.mid")
    made = (out / row["files"].split()[0]).stat().st_mtime_ns
    assert main(command) == 0
    assert (out / row["files"].split()[0]).stat().st_mtime_ns == made
