"""The command line where the world around it is at fault: consoles, names, disks, and readers that leave."""

from __future__ import annotations

import csv
import errno
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from eimg_core.atomic import drafted, replace_file
from eimg_core.batch import INDEX, Stems
from eimg_core.cli.console import exit_code, fail, say, shown_name
from eimg_core.cli.main import main
from eimg_core.errors import InputError
from eimg_core.midi.writing import write_midi
from tests.fake_studio import scene
from tests.quick_studio import QuickStudio
from tests.tiny import random_clip

ROOT = Path(__file__).resolve().parents[1]
FILES = ["--no-audio", "--no-figure", "--seconds", "4"]
QUICK = [sys.executable, "-m", "tests.quick_studio"]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eimg_core.studio.Studio", QuickStudio)


def photo(folder: Path, name: str = "beach.jpg", kind: str = "beach") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    scene(kind, (96, 64)).save(folder / name, "JPEG")
    return folder / name


def rows_of(out: Path) -> list[dict[str, str]]:
    with (out / INDEX).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def sentences(capsys) -> list[str]:
    lines = capsys.readouterr().err.splitlines()
    assert not any("Traceback" in line for line in lines)
    return [line for line in lines if line.startswith("eimg: ")]


# --- names ------------------------------------------------------------------------------------------------------------


def test_a_name_that_is_not_utf_8_is_a_photo_like_any_other(quick: None, tmp_path: Path, capsys) -> None:
    album, out = tmp_path / "album", tmp_path / "out"
    for name in (b"caf\xe9.jpg", b"\xff\xfe.jpg", "夜.jpg".encode()):
        photo(album, os.fsdecode(name))
    command = ["compose", str(album), "--out", str(out), *FILES]
    assert main(command) == 0
    assert {row["file"] for row in rows_of(out)} == {"caf\ufffd.jpg", "\ufffd\ufffd.jpg", "夜.jpg"}
    assert {path.name for path in out.glob("*.mid")} == {"caf.mid", "piece.mid", "夜.mid"}
    assert main([*command, "--resume"]) == 0
    assert "0 made, 3 were there" in capsys.readouterr().err
    assert main(["compose", str(album / os.fsdecode(b"caf\xe9.jpg")), "--out", str(tmp_path / "one"), *FILES]) == 0
    assert (tmp_path / "one" / "caf.mid").exists()


def test_names_of_midi_files_that_are_not_utf_8(quick: None, tmp_path: Path, capsys) -> None:
    file = tmp_path / os.fsdecode(b"caf\xe9.mid")
    write_midi(random_clip(0), file)
    out = ["--out", str(tmp_path / "out")]
    assert main(["retell", str(file), "--valence", "5", "--arousal", "5", *out, *FILES[:2]]) == 0
    assert {path.suffix for path in (tmp_path / "out").glob("caf-retold.*")} == {".mid", ".json"}
    assert main(["render", str(file), "--out", str(tmp_path / "x.musicxml")]) == 0
    assert "caf\ufffd" in (tmp_path / "x.musicxml").read_text(encoding="utf-8")
    capsys.readouterr()
    assert main(["evaluate-midi", str(file)]) == 0
    assert "caf\\ufffd.mid" in capsys.readouterr().out


@pytest.mark.parametrize("letter", ["a", "é", "夜", "🎹"])
def test_the_files_of_long_names_fit_into_255_bytes(letter: str) -> None:
    stems = Stems()
    made = [stems.new(letter * 255) for _ in range(30)]
    assert len(set(made)) == 30
    longest = max(len(os.fsencode(f"{stem}-26-beta_vae+tvae@eimg2.musicxml.part")) for stem in made)
    assert longest <= 255


def test_long_names_are_composed(quick: None, tmp_path: Path, capsys) -> None:
    table = tmp_path / "list.csv"
    table.write_text(f"name,valence,arousal\n{'夜' * 100},5,5\n{'夜' * 100}b,5,5\n", encoding="utf-8")
    out = tmp_path / "out"
    assert (
        main(["compose", "--requests", str(table), "--pairing", "vqvae+fnt,alae+fnt", "--out", str(out), *FILES]) == 0
    )
    assert len(list(out.glob("*.mid"))) == 4
    long = tmp_path / ("夜" * 83 + ".mid")
    write_midi(random_clip(0), long)
    assert main(["retell", str(long), "--valence", "5", "--arousal", "5", "--out", str(out), *FILES[:2]]) == 0
    assert main(["compose", str(tmp_path / ("x" * 300 + ".jpg")), "--out", str(out), *FILES]) == 2
    assert "cannot be opened" in sentences(capsys)[-1]


def test_names_that_a_disk_takes_for_one_are_kept_apart() -> None:
    stems = Stems()
    assert [stems.new(name) for name in ("caf\u00e9", "cafe\u0301", "CAF\u00c9")] == ["café", "café-b", "CAFÉ-c"]


def test_the_second_version_of_a_piece_is_not_another_piece(quick: None, tmp_path: Path) -> None:
    photos = [str(photo(tmp_path, name)) for name in ("beach.jpg", "beach-2.jpg")]
    out = tmp_path / "out"
    assert main(["compose", *photos, "--versions", "2", "--out", str(out), *FILES]) == 0
    assert len(list(out.glob("*.mid"))) == 4


def test_a_piece_does_not_replace_its_photo(quick: None, tmp_path: Path) -> None:
    scene("beach", (96, 64)).save(tmp_path / "beach.png")
    before = (tmp_path / "beach.png").read_bytes()
    assert main(["compose", str(tmp_path / "beach.png"), "--out", str(tmp_path), "--no-audio", "--seconds", "4"]) == 0
    assert (tmp_path / "beach.png").read_bytes() == before
    assert (tmp_path / "beach-b.png").exists()


def test_one_picture_in_two_folders_is_two_pieces(quick: None, tmp_path: Path, capsys) -> None:
    folders = [str(photo(tmp_path / name).parent) for name in ("A", "B")]
    out = tmp_path / "out"
    command = ["compose", *folders, "--resume", "--out", str(out), *FILES]
    assert main(command) == 0
    assert {path.name for path in out.glob("*.mid")} == {"beach.mid", "beach-b.mid"}
    for path in out.glob("beach-b.*"):
        path.unlink()
    capsys.readouterr()
    assert main(command) == 0
    assert "1 made, 1 were there" in capsys.readouterr().err
    assert (out / "beach-b.mid").exists()
    assert len(rows_of(out)) == 2


# --- disks ------------------------------------------------------------------------------------------------------------


def test_a_folder_in_the_place_of_a_file_costs_its_piece_and_leaves_nothing(quick: None, tmp_path, capsys) -> None:
    photos = [str(photo(tmp_path, name)) for name in ("beach.jpg", "night.jpg")]
    out = tmp_path / "out"
    (out / "beach.mid").mkdir(parents=True)
    assert main(["compose", *photos, "--out", str(out), *FILES]) == 2
    assert sentences(capsys) == ["eimg: beach.mid cannot be used (Is a directory); choose another folder with --out."]
    assert {path.name for path in out.iterdir()} == {"beach.mid", "night.mid", "night.json"}


def test_a_folder_in_the_place_of_the_index_is_told_before_anything_is_made(quick: None, tmp_path, capsys) -> None:
    album, out = photo(tmp_path / "album").parent, tmp_path / "out"
    (out / INDEX).mkdir(parents=True)
    assert main(["compose", str(album), "--out", str(out), *FILES]) == 2
    (line,) = sentences(capsys)
    assert line.startswith("eimg: index.csv cannot be written (Is a directory); make room or choose another folder")
    assert [path.name for path in out.iterdir()] == [INDEX]


@pytest.mark.parametrize("written", [0, 7])
def test_an_index_on_a_full_disk_stops_the_run_and_keeps_whole_rows(
    written: int, quick: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    album, out = tmp_path / "album", tmp_path / "out"
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        photo(album, name)
    plain = io.FileIO.write

    class Filling(io.FileIO):
        count = 0

        def write(self, data: bytes) -> int:
            Filling.count += 1
            if Filling.count < 2:
                return plain(self, data)
            if not written:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return plain(self, data[:written])

    opened = Path.open
    monkeypatch.setattr(
        Path,
        "open",
        lambda path, mode="r", *a, **k: Filling(path, mode) if mode == "ab" else opened(path, mode, *a, **k),
    )
    command = ["compose", str(album), "--out", str(out), *FILES]
    assert main(command) == 2
    assert sentences(capsys)[-1].startswith("eimg: index.csv cannot be written (No space left on device)")
    assert [row["file"] for row in rows_of(out)] == ["a.jpg"]
    monkeypatch.undo()
    monkeypatch.setattr("eimg_core.studio.Studio", QuickStudio)
    assert main([*command, "--resume"]) == 0
    assert [row["file"] for row in rows_of(out)] == ["a.jpg", "b.jpg", "c.jpg"]


def test_what_cannot_be_written_whole_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    write_midi(random_clip(0), tmp_path / "x.mid")
    plain = Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        plain(path, data[: len(data) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(Path, "write_bytes", full)
    assert main(["render", str(tmp_path / "x.mid"), "--out", str(tmp_path / "x.musicxml")]) == 2
    assert sentences(capsys) == [
        "eimg: Cannot write x.musicxml: No space left on device. Choose another file with --out."
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["x.mid"]


def test_a_draft_moves_as_a_whole_and_a_file_that_fails_leaves_no_part(tmp_path: Path) -> None:
    (tmp_path / "b.mid").mkdir()

    def write() -> None:
        with drafted(tmp_path) as draft:
            (draft / "a.mid").write_bytes(b"MThd")
            (draft / "b.mid").write_bytes(b"MThd")

    with pytest.raises(IsADirectoryError):
        write()
    with pytest.raises(IsADirectoryError):
        replace_file(tmp_path / "b.mid", b"MThd")
    assert [path.name for path in tmp_path.iterdir()] == ["b.mid"]


def test_photos_and_music_are_not_mixed(quick: None, tmp_path: Path, capsys) -> None:
    album = photo(tmp_path / "album").parent
    assert main(["compose", str(album), "--out", str(album), *FILES]) == 2
    assert "cannot hold the photos and the music" in sentences(capsys)[0]


def test_a_folder_that_cannot_be_opened_is_told(quick: None, tmp_path: Path, monkeypatch, capsys) -> None:
    album = photo(tmp_path / "album").parent
    photo(album / "closed")
    plain = os.scandir

    def scandir(path: str) -> object:
        if str(path).endswith("closed"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return plain(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert main(["compose", str(album), "--recursive", "--out", str(tmp_path / "out"), *FILES]) == 2
    monkeypatch.undo()
    assert sentences(capsys)[0].startswith("eimg: closed cannot be used (Permission denied)")
    assert (tmp_path / "out" / "beach.mid").exists()


# --- how a command ends -----------------------------------------------------------------------------------------------


def raising(fault: BaseException):
    def run() -> int:
        raise fault

    return run


@pytest.mark.parametrize(
    ("fault", "code", "sentence"),
    [
        (InputError("No."), 2, "eimg: No."),
        (BrokenPipeError(), 2, ""),
        (KeyboardInterrupt(), 130, ""),
        (OSError(28, "No space left on device", "/secret/a.mid"), 2, "eimg: a.mid cannot be written (No space left"),
        (OSError(13, "Permission denied", "/secret/a", None, "/secret/b"), 2, "eimg: b cannot be used (Permission"),
        (OSError("odd"), 2, "eimg: The output cannot be used (odd)"),
        (UnicodeEncodeError("ascii", "夜", 0, 1, "odd"), 2, "eimg: A name cannot be written in ascii; set"),
    ],
)
def test_a_fault_of_the_world_is_one_sentence(fault: BaseException, code: int, sentence: str, capsys) -> None:
    assert exit_code(raising(fault)) == code
    printed = capsys.readouterr().err
    assert printed.startswith(sentence)
    assert len(printed.splitlines()) == bool(sentence)
    assert "secret" not in printed


def test_a_mistake_of_ours_stays_a_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        exit_code(raising(ZeroDivisionError()))


def test_names_are_shown_as_text_and_closed_streams_are_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown_name(os.fsdecode(b"caf\xe9\n")) == "caf\ufffd\n"
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    say("nobody")
    fail("nobody")
    assert exit_code(lambda: 0) == 0


def shell(script: str, **variables: str) -> subprocess.CompletedProcess[bytes]:
    """What a shell makes of a command line; ``eimg`` and ``quick`` are the commands, with and without weights."""
    started = {"eimg": "eimg_core", "quick": "tests.quick_studio"}
    functions = "; ".join(f'{name}() {{ "{sys.executable}" -m {module} "$@"; }}' for name, module in started.items())
    return subprocess.run(
        ["bash", "-c", f"{functions}; {script}"],
        cwd=ROOT, env={**os.environ, **variables}, capture_output=True, check=False, timeout=300,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell")
def test_readers_that_leave_full_consoles_and_closed_ones(tmp_path: Path) -> None:
    photo(tmp_path / "album", "a.jpg")
    photo(tmp_path / "album", "b.jpg")
    compose, files, code = f"quick compose {tmp_path}/album --out {tmp_path}", " ".join(FILES), tmp_path / "code"
    for script, codes in {
        "eimg licences | head -c 1; echo ${PIPESTATUS[0]} >&2": (0, 2),
        "eimg --help | head -c 1; echo ${PIPESTATUS[0]} >&2": (0, 2),
        "eimg pairings > /dev/full; echo $? >&2": (2,),
        "eimg pairings >&-; echo $? >&2": (0,),
        f"{compose}/left {files} 2>/dev/null | head -c 1; echo ${{PIPESTATUS[0]}} >&2": (0,),
        f"({compose}/both {files} 2>&1; echo $? >{code}) | head -c 1; cat {code} >&2": (0,),
        f"MPLBACKEND=odd quick compose --valence 5 --arousal 5 --no-audio --out {tmp_path}/drawn; echo $? >&2": (0,),
        f"{compose}/closed {files} >&- 2>/dev/null; echo $? >&2": (0,),
    }.items():
        done = shell(script)
        *told, ended = done.stderr.decode().splitlines()
        assert int(ended) in codes, (script, done.stderr)
        assert len(told) == ("/dev/full" in script), (script, told)
        assert not any("Error" in line or "Traceback" in line for line in told), told
    for out in ("left", "both", "closed"):
        assert {path.name for path in (tmp_path / out).glob("*.mid")} == {"a.mid", "b.mid"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "console",
    [
        {"PYTHONIOENCODING": "cp1252"},
        {"PYTHONIOENCODING": "ascii"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ],
    ids=["cp1252", "ascii", "C"],
)
def test_a_console_that_knows_few_letters(console: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("name,valence,arousal\n夜,5,5\n🎹,99,5\n", encoding="utf-8")
    done = shell(f"quick compose --requests {tmp_path}/list.csv --out {tmp_path}/out {' '.join(FILES)}", **console)
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
    assert done.stderr.count(b"\n") == 1
    assert len(list((tmp_path / "out").glob("*.mid"))) == 1
    assert done.stdout.startswith((b"\\u591c: ", b"piece: "))
