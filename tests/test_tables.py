"""Tables as people write them: every row is obeyed, or refused by its line; nothing is shifted, merged or ignored."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from eimg_core.batch import INDEX, Job, Stems
from eimg_core.cli.compose import requested_jobs
from eimg_core.cli.main import main
from eimg_core.data.tables import decimal, read_cells, read_table, whole
from eimg_core.errors import DataError, InputError
from eimg_core.midi.writing import write_midi
from eimg_core.midi_evaluation import labels_by_name, midi_files, read_labels
from tests.quick_studio import QuickStudio
from tests.tiny import random_clip


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eimg_core.studio.Studio", QuickStudio)


def table_of(folder: Path, text: str | bytes, name: str = "list.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def jobs_of(folder: Path, text: str | bytes) -> tuple[list[tuple[str, float, float, int]], list[str]]:
    """(name, valence, arousal, seed) of each row that is obeyed, and the sentences of those that are not."""
    jobs = list(requested_jobs(table_of(folder, text), Stems(), 3))
    made = [(j.name, j.target.valence, j.target.arousal, j.seed) for j in jobs if isinstance(j, Job) and j.target]
    return made, [job for job in jobs if isinstance(job, str)]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("name,valence,arousal\na,5,5\n,,\n,,\n", [("a", 5, 5, 3)]),
        ("name,valence,arousal\na,5,5\n , ,\n\"\",\"\",\"\"\nb,6,6\n", [("a", 5, 5, 3), ("b", 6, 6, 3)]),
        ("name,valence,arousal\nnight\u2028sea,5,5\nb,6,6\n", [("night\u2028sea", 5, 5, 3), ("b", 6, 6, 3)]),
        ("name,valence,arousal\nnight\u0085sea,5,5\n", [("night\u0085sea", 5, 5, 3)]),
        ("name,valence,arousal\nnight\x0b\x0c\x1csea,5,5\n", [("night\x0b\x0c\x1csea", 5, 5, 3)]),
        ('name,valence,arousal\n"two\nlines",5,5\n', [("two\nlines", 5, 5, 3)]),
        ("name,valence,arousal\na,5,5\na,6,6\nA,7,7\n", [("a", 5, 5, 3), ("a", 6, 6, 3), ("A", 7, 7, 3)]),
        ("name,valence,arousal,seed\na,5,5,7.0\nb,5,5,\n", [("a", 5, 5, 7), ("b", 5, 5, 3)]),
        ("name,valence,arousal,seed\na,5,5\n", [("a", 5, 5, 3)]),
        ("name;valence;arousal;seed\nbeach;6,5;3,2;7\n", [("beach", 6.5, 3.2, 7)]),
        ("name\tvalence\tarousal\nbeach\t6.5\t3\n", [("beach", 6.5, 3, 3)]),
        ('name,valence,arousal\nbeach,"6,5","3,2"\n', [("beach", 6.5, 3.2, 3)]),
        ("name,valence,arousal,,\nbeach,6,3,,\n", [("beach", 6, 3, 3)]),
        ("\ufeffname , valence,arousal,remark\r\nbeach, 6 ,3,\"hi, you\"\r\n", [("beach", 6, 3, 3)]),
        ("name,valence,arousal\rbeach,6,3\rb,5,5\r", [("beach", 6, 3, 3), ("b", 5, 5, 3)]),
        ("name,valence,arousal\n,6,3\n", [("row2", 6, 3, 3)]),
    ],
    ids=[
        "commas", "blanks", "U+2028", "U+0085", "other-breaks", "quoted-break", "one-name", "fractions", "short",
        "semicolons", "tabs", "quoted-commas", "empty-columns", "excel", "old-mac", "no-name",
    ],
)  # fmt: skip
def test_rows_that_say_what_they_mean_are_obeyed(text: str, rows: list, tmp_path: Path) -> None:
    assert jobs_of(tmp_path, text) == (rows, [])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("name,valence,arousal\nbeach,6,5,3,2\n", "line 2: beach has 5 cells under 3 columns; write numbers"),
        ("name,valence,arousal\n\n\na,5,5\n\nb,99,5\n", "line 6: Valence and arousal must be from 1 to 9, not 99"),
        ('name,valence,arousal\n"two\nlines",5,5\nb,99,5\n', "line 4: Valence and arousal"),
        ("name,valence,arousal\nb,5\n", "line 2: expected numbers for valence, arousal and seed"),
        ("name,valence,arousal\nb,0_5,5\n", "line 2: expected numbers"),
        ("name,valence,arousal\nb,nan,5\n", "line 2: expected numbers"),
        ("name,valence,arousal\nb,\u0665,5\n", "line 2: expected numbers"),
        ("name,valence,arousal\nb,\"1,234,5\",5\n", "line 2: expected numbers"),
        ("name,valence,arousal,seed\nb,5,5,7.5\n", "line 2: expected numbers"),
        ("name,valence,arousal,seed\nb,5,5,inf\n", "line 2: expected numbers"),
        ("name,valence,arousal,seed\nb,5,5,-1\n", "line 2: Seed must be from 0 to 2147483647, not -1"),
        ("name,valence,arousal,seed\nb,5,5,2147483648\n", "line 2: Seed must be from 0 to 2147483647"),
        ("name,valence,arousal,seed\nb,5,5," + "9" * 5000 + "\n", "line 2: expected numbers"),
    ],
)  # fmt: skip
def test_a_row_that_cannot_be_obeyed_is_refused_by_its_line(text: str, sentence: str, tmp_path: Path) -> None:
    made, problems = jobs_of(tmp_path, text)
    assert not {"b", "beach"} & {name for name, *_ in made}
    assert len(problems) == 1
    assert problems[0].startswith(f"list.csv, {sentence}")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"name,valence,arousal\nb\xe9ach,5,5\n", "is not UTF-8 text"),
        ("name,valence,arousal\nb,5,5\n".encode("utf-16"), "is not UTF-8 text"),
        (b"name,valence\nb,5\n", 'has no column "arousal"'),
        (b"", 'has no column "name", "valence", "arousal"'),
        (b"name,valence,arousal,valence\nb,5,5,6\n", 'has the column "valence" twice'),
        (b'name,valence,arousal\n"b,5,5\nc,5,5\n', "unexpected end of data in line 2"),
        (b"name,valence,arousal,seconds\nb,5,5,30\n", "has a column seconds, which a row cannot choose"),
        (b"name,valence,arousal,pairing\nb,5,5,vqvae+fnt\n", "has a column pairing, which a row cannot choose"),
    ],
)  # fmt: skip
def test_a_table_that_cannot_be_read_is_one_sentence(text: bytes, sentence: str, tmp_path: Path) -> None:
    with pytest.raises((DataError, InputError), match=sentence):
        jobs_of(tmp_path, text)


def test_numbers_are_read_as_they_are_written() -> None:
    assert [decimal(text) for text in ("6", "-6.5", ".5", "5.", "1e3", "+2E-1")] == [6, -6.5, 0.5, 5, 1000, 0.2]
    assert decimal("6,5", comma=True) == 6.5
    assert not any(decimal(text) == decimal(text) for text in ("", "6,5", "1_0", "inf", "nan", "0x5", "٥", "6 5"))
    assert [whole(text) for text in ("7", "7.0", "7.5", "x", "1e400")] == [7, 7, None, None, None]


def test_a_table_of_data_names_the_line_and_keeps_its_rows(tmp_path: Path) -> None:
    table = table_of(tmp_path, "file,valence\na,5\n\n,\nb\u2028c,6\n")
    assert [row["file"] for row in read_table(table, ("file",))] == ["a", "b\u2028c"]
    assert [line for line, _ in read_cells(table, ()).rows] == [2, 5]
    with pytest.raises(DataError, match="wrong number of cells in line 4"):
        read_table(table_of(tmp_path, "file,valence\na,5\n\nb\n"), ("file",))


def test_rows_of_one_name_are_all_made_and_all_found_again(quick: None, tmp_path: Path, capsys) -> None:
    table, out = table_of(tmp_path, "name,valence,arousal\na,5,5\na,6,6\nA,7,7\n"), tmp_path / "out"
    command = ["compose", "--requests", str(table), "--resume", "--no-audio", "--no-figure", "--out", str(out)]
    assert main(command) == 0
    assert {path.name for path in out.glob("*.mid")} == {"a.mid", "a-b.mid", "A-c.mid"}
    capsys.readouterr()
    assert main(command) == 0
    assert "0 made, 3 were there" in capsys.readouterr().err
    (out / "a-b.mid").unlink()
    assert main(command) == 0
    assert "1 made, 2 were there" in capsys.readouterr().err
    with (out / INDEX).open(newline="", encoding="utf-8") as file:
        rows = {row["files"].split()[0]: row["target_valence"] for row in csv.DictReader(file)}
    assert rows == {"a.mid": "5.0", "a-b.mid": "6.0", "A-c.mid": "7.0"}


def test_rows_of_commas_cost_nothing_and_a_table_without_rows_is_told(quick: None, tmp_path: Path, capsys) -> None:
    table = table_of(tmp_path, "name,valence,arousal\na,5,5\n,,\n,,\n")
    command = ["--no-audio", "--no-figure", "--out", str(tmp_path / "out")]
    assert main(["compose", "--requests", str(table), *command]) == 0
    table.write_text("name,valence,arousal\n,,\n")
    assert main(["compose", "--requests", str(table), *command]) == 2
    assert "list.csv has a header but no rows" in capsys.readouterr().err
    assert main(["compose", "--requests", str(table), "--valence", "5", "--arousal", "5", *command]) == 2
    assert "has its own target; leave out --valence and --arousal" in capsys.readouterr().err


def test_a_label_belongs_to_one_file(tmp_path: Path, capsys) -> None:
    for folder in ("x", "y"):
        (tmp_path / "music" / folder).mkdir(parents=True)
        write_midi(random_clip(ord(folder)), tmp_path / "music" / folder / "song.mid")
    write_midi(random_clip(1), tmp_path / "music" / "alone.mid")
    music = tmp_path / "music"
    assert list(midi_files([music, music / "alone.mid"])) == ["alone.mid", "x/song.mid", "y/song.mid"]

    table = table_of(tmp_path, "file,valence,arousal\nsong.mid,8,7\n", "labels.csv")
    assert main(["evaluate-midi", str(music), "--labels", str(table)]) == 2
    assert "The label of song.mid could mean x/song.mid or y/song.mid" in capsys.readouterr().err

    table.write_text("file,valence,arousal\n./x/song.mid,8,7\ny\\song.mid,2,3\nalone.mid,5,5\n")
    assert main(["evaluate-midi", str(music), "--labels", str(table)]) == 0
    *items, _ = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {item["file"]: item["label_valence"] for item in items} == {"alone.mid": 5, "x/song.mid": 8, "y/song.mid": 2}

    with pytest.raises(DataError, match=r"two labels for alone\.mid"):
        read_labels(table_of(tmp_path, "file,quadrant\nalone.mid,LVLA\nalone.mid,HVHA\n"))
    twice = read_labels(table_of(tmp_path, "file,quadrant\nalone.mid,LVLA\nmusic/alone.mid,HVHA\n"))
    with pytest.raises(DataError, match=r"two labels for alone\.mid"):
        labels_by_name(twice, midi_files([music]))
    with pytest.raises(DataError, match="one column of valence and arousal without the other"):
        read_labels(table_of(tmp_path, "file,valence,quadrant\nalone.mid,5,LVLA\n"))


def test_music_of_one_name_in_two_folders_is_all_compared_with(tmp_path: Path, capsys) -> None:
    for number, folder in enumerate(("x", "y")):
        (tmp_path / "known" / folder).mkdir(parents=True)
        write_midi(random_clip(number), tmp_path / "known" / folder / "song.mid")
    write_midi(random_clip(0), tmp_path / "copy.mid")
    assert main(["evaluate-midi", str(tmp_path / "copy.mid"), "--trained-on", str(tmp_path / "known")]) == 0
    item = json.loads(capsys.readouterr().out.splitlines()[0])
    assert item["longest_run"]["source"] == "x/song.mid"


@pytest.mark.parametrize("seconds", ["0", "-3", "nan", "inf"])
def test_a_length_that_is_none_is_refused(seconds: str, tmp_path: Path, capsys) -> None:
    write_midi(random_clip(0), tmp_path / "x.mid")
    assert main(["evaluate-midi", str(tmp_path / "x.mid"), "--seconds", seconds]) == 2
    printed = capsys.readouterr()
    assert "must be above 0" in printed.err
    assert printed.out == ""
