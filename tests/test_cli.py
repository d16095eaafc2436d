"""The command line with the shipped weights, as a stranger would use it."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from eimg_core.cli.main import command_parser, main
from eimg_core.emotion import VA, distance, photo_target
from eimg_core.metrics.registry import METRICS
from eimg_core.midi.reading import read_midi
from eimg_core.midi.writing import write_midi
from eimg_core.options import USUAL_TAKES
from eimg_core.pipeline import DEFAULT_PAIRING
from eimg_core.sound.instruments import INSTRUMENTS
from tests.fake_studio import sketch

ROOT = Path(__file__).resolve().parents[1]
FIELDS = {
    "pairing", "seed", "seconds", "photo", "target", "piece", "metrics", "timings_s", "files", "version",
}  # fmt: skip


@pytest.fixture
def photo(tmp_path) -> Path:
    y, x = np.mgrid[0:120, 0:160]
    path = tmp_path / "beach.png"
    Image.fromarray(np.stack([y * 2, x, 255 - y], axis=-1).astype(np.uint8)).save(path)
    return path


def compose(*arguments, out: Path) -> int:
    return main(["compose", *map(str, arguments), "--out", str(out), "--seconds", "6"])


def test_a_photo_gives_four_files_that_agree(photo, tmp_path, capsys):
    out = tmp_path / "music"
    assert compose(photo, "--seed", 3, out=out) == 0
    assert sorted(p.name for p in out.iterdir()) == ["beach.json", "beach.mid", "beach.png", "beach.wav"]
    record = json.loads((out / "beach.json").read_text())
    assert set(record) >= FIELDS
    assert (record["seed"], record["seconds"], record["pairing"]) == (3, 6.0, DEFAULT_PAIRING)
    for point in ("photo", "target", "piece"):
        assert 0 <= record[point]["valence"] <= 10
        assert 0 <= record[point]["arousal"] <= 10
    own = photo_target(VA(record["photo"]["valence"], record["photo"]["arousal"]))
    assert (record["target"]["valence"], record["target"]["arousal"]) == pytest.approx(
        (own.valence, own.arousal), abs=1e-3
    )
    assert list(record["metrics"]) == list(METRICS)
    assert record["files"] == {"mid": "beach.mid", "wav": "beach.wav", "png": "beach.png", "json": "beach.json"}
    assert len(read_midi(out / "beach.mid").notes) == record["note_count"] > 0
    with wave.open(str(out / "beach.wav")) as sound:
        assert (sound.getnchannels(), sound.getframerate()) == (2, 44100)
        samples = np.frombuffer(sound.readframes(sound.getnframes()), np.int16)
        assert sound.getnframes() / 44100 > 6
    assert 0.05 * 32768 < np.abs(samples.astype(int)).max() < 0.9 * 32768, "calm music is neither silent nor loud"
    assert "beach" in capsys.readouterr().out


def test_the_same_request_gives_the_same_bytes(photo, tmp_path):
    for name in ("a", "b"):
        assert compose(photo, "--no-audio", "--no-figure", out=tmp_path / name) == 0
    assert (tmp_path / "a/beach.mid").read_bytes() == (tmp_path / "b/beach.mid").read_bytes()
    assert not (tmp_path / "a/beach.wav").exists()
    assert not (tmp_path / "a/beach.png").exists()


def test_a_version_can_be_made_again_alone(photo, tmp_path):
    assert compose(photo, "--versions", 2, "--seed", 4, "--no-audio", "--no-figure", out=tmp_path / "two") == 0
    assert compose(photo, "--seed", 5, "--no-audio", "--no-figure", out=tmp_path / "one") == 0
    assert json.loads((tmp_path / "two/beach-2.json").read_text())["seed"] == 5
    assert (tmp_path / "two/beach-2.mid").read_bytes() == (tmp_path / "one/beach.mid").read_bytes()


def test_two_photos_of_one_name_do_not_overwrite_each_other(photo, tmp_path):
    other = tmp_path / "other" / "beach.jpg"
    other.parent.mkdir()
    Image.new("RGB", (64, 64), "navy").save(other)
    assert compose(photo, other, "--no-audio", "--no-figure", out=tmp_path / "out") == 0
    assert {p.name for p in (tmp_path / "out").glob("*.mid")} == {"beach.mid", "beach-b.mid"}


def test_an_emotion_without_a_photo(tmp_path):
    assert compose("--valence", 7, "--arousal", 3, "--no-audio", "--no-figure", out=tmp_path) == 0
    record = json.loads((tmp_path / "piece.json").read_text())
    assert record["photo"] is None
    assert record["target"] == {"valence": 7.0, "arousal": 3.0}


def test_all_pairings_that_are_listed_are_compared(photo, tmp_path, capsys):
    assert main(["pairings", "--json"]) == 0
    shipped = [row["key"] for row in json.loads(capsys.readouterr().out)]
    assert compose(photo, "--pairing", "all", "--no-audio", "--no-figure", out=tmp_path / "out") == 0
    with (tmp_path / "out/beach-comparison.csv").open(newline="") as file:
        assert [row["pairing"] for row in csv.DictReader(file)] == shipped
    assert {p.stem for p in (tmp_path / "out").glob("*.mid")} == {f"beach-{key}" for key in shipped}


def test_arousal_is_heard(tmp_path):
    """Calm and excited requests of one seed differ as asked, by the evaluator's ear."""
    rows = [("calm", 5.0, 2.0), ("excited", 5.0, 8.0)]
    table = tmp_path / "list.csv"
    with table.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["name", "valence", "arousal", "seed"])
        writer.writerows((name, v, a, 1) for name, v, a in rows)
    assert main(["compose", "--requests", str(table), "--out", str(tmp_path), "--no-audio", "--no-figure"]) == 0
    heard = [json.loads((tmp_path / f"{name}.json").read_text())["piece"]["arousal"] for name, _, _ in rows]
    assert heard[1] > heard[0] + 1.0


def test_a_request_table_does_what_it_can(tmp_path, capsys):
    table = tmp_path / "list.csv"
    table.write_text("name,valence,arousal\ngood one,5,5\nfar,12,5\nwords,high,low\n../../up,4,4\n")
    assert compose("--requests", table, "--no-audio", "--no-figure", out=tmp_path / "out") == 2
    assert {p.name for p in (tmp_path / "out").glob("*.mid")} == {"good-one.mid", "up.mid"}
    errors = capsys.readouterr().err.strip().splitlines()
    assert len(errors) == 2
    assert "line 3: Valence and arousal must be from 1 to 9, not 12 and 5" in errors[0]
    assert "line 4: expected numbers" in errors[1]


def test_one_bad_photo_does_not_stop_the_others(photo, tmp_path, capsys):
    bad = tmp_path / "notes.png"
    bad.write_text("this is text")
    assert compose(bad, photo, "--no-audio", "--no-figure", out=tmp_path / "out") == 2
    assert (tmp_path / "out/beach.mid").exists()
    error = capsys.readouterr().err.strip()
    assert len(error.splitlines()) == 1
    assert "notes.png" in error
    assert str(tmp_path) not in error


def png(mode: str, size=(40, 40), **options) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size).save(buffer, options.pop("format", "PNG"), **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("empty.jpg", b""),
        ("text.png", b"hello"),
        ("drawing.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
        ("cut.jpg", png("RGB", (300, 300), format="JPEG")[:400]),
        ("strip.png", png("RGB", (1, 5000))),
    ],
)
def test_bad_files_are_one_sentence(name, data, tmp_path, capsys):
    (tmp_path / name).write_bytes(data)
    assert compose(tmp_path / name, out=tmp_path / "out") == 2
    error = capsys.readouterr().err.strip()
    assert name in error
    assert len(error.splitlines()) == 1
    assert "Traceback" not in error
    assert str(tmp_path) not in error


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("gray16.png", png("I;16")),
        ("cmyk.jpg", png("CMYK", format="JPEG")),
        ("moving.gif", png("P", format="GIF", save_all=True, append_images=[Image.new("P", (40, 40), 7)])),
    ],
)
def test_odd_files_work(name, data, tmp_path):
    (tmp_path / name).write_bytes(data)
    assert compose(tmp_path / name, "--no-audio", "--no-figure", out=tmp_path / "out") == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Nothing to compose for"),
        (["--valence", "7"], "give both"),
        (["--valence", "7", "--arousal", "99"], "from 1 to 9, not 7 and 99"),
        (["--valence", "nan", "--arousal", "5"], "from 1 to 9, not nan and 5"),
        (["--valence", "7", "--arousal", "5", "--seed", "-4"], "Seed must be from 0"),
        (["--valence", "7", "--arousal", "5", "--takes", "0"], "takes must be from 1 to 16, not 0"),
        (["--valence", "7", "--arousal", "5", "--versions", "0"], "versions must be from 1"),
        (
            ["--valence", "7", "--arousal", "5", "--pairing", "a+b"],
            f"no pairing 'a+b'; choose one of: {DEFAULT_PAIRING}",
        ),
        (["--valence", "7", "--arousal", "5", "--pairing", "vqvae+fnt,a+b"], "no pairing 'a+b'; choose one of: "),
        (["--valence", "7", "--arousal", "5", "--workers", "0"], "workers must be from 1 to 64, not 0"),
        (["--valence", "7", "--arousal", "5", "--keep", "0"], f"There is no take 0; this piece has {USUAL_TAKES}"),
        (["--valence", "7", "--arousal", "5", "--pairing", ""], "no pairing ''"),
        (["--valence", "7", "--arousal", "5", "--seed", "2147483647", "--versions", "2"], "Seed must be from 0 to"),
        (["--valence", "7", "--arousal", "5", "--format", "wav", "--no-audio"], "contradict each other"),
        (["--valence", "7", "--arousal", "5", "--format", "png", "--no-figure"], "contradict each other"),
        (["none.jpg"], "none.jpg"),
        (["--requests", "none.csv"], "none.csv"),
    ],
)
def test_wrong_usage_is_exit_code_2_and_one_line(arguments, message, tmp_path, capsys):
    assert main(["compose", *arguments, "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err.strip()
    assert message in error
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize(("command", "seconds"), [("compose", 15.0), ("story", 40.0), ("extend", 40.0)])
def test_each_command_has_its_own_usual_length(command, seconds):
    words = [command] if command == "compose" else [command, "x"]
    assert command_parser().parse_args(words).seconds == seconds


@pytest.mark.parametrize(
    ("words", "unused"),
    [
        (["story", "a.jpg", "b.jpg", "--valence", "5"], "--valence 5"),
        (["story", "a.jpg", "b.jpg", "--arousal", "5"], "--arousal 5"),
        (["retell", "a.mid", "--seconds", "9"], "--seconds 9"),
        (["retell", "a.mid", "--meter", "3/4"], "--meter 3/4"),
        (["extend", "a.mid", "--tempo", "1.2"], "--tempo 1.2"),
        (["extend", "a.mid", "--bpm", "90"], "--bpm 90"),
        (["extend", "a.mid", "--key", "C"], "--key C"),
    ],
)
def test_an_option_that_a_command_would_ignore_is_refused(words, unused, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(words)
    assert stopped.value.code == 2
    assert f"unrecognized arguments: {unused}" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["compose", ""], ["compose", "x.jpg", "--out", ""], ["render", ""]])
def test_an_empty_name_is_not_this_folder(words, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(words)
    assert stopped.value.code == 2
    assert "found an empty name" in capsys.readouterr().err


def test_the_program_is_called_eimg_however_it_is_started():
    for words in (["-m", "eimg_core", "--help"], ["app.py", "--help"]):
        done = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=True)
        assert done.stdout.startswith("usage: eimg")
        assert "--port" in done.stdout or "app" in done.stdout


def test_no_command_but_app_imports_the_page():
    code = "import sys\nfrom eimg_core.cli.main import command_parser\ncommand_parser()\n"
    code += "print([name for name in ('gradio', 'torch') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_pairings_are_listed(capsys):
    assert main(["pairings", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert rows[0]["key"] == DEFAULT_PAIRING
    assert rows[0]["default"] is True
    assert main(["pairings"]) == 0
    assert "(default)" in capsys.readouterr().out


def test_standard_output_is_for_results_alone():
    """Some libraries print when they are imported, above all where the variable CI is set."""
    environment = {**os.environ, "CI": "true"}
    command = [sys.executable, "-m", "eimg_core", "pairings", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert json.loads(done.stdout)


def test_a_midi_file_is_played_by_an_instrument_of_ones_own(tmp_path, capsys):
    write_midi(sketch(VA(6, 5), 1, 4), tmp_path / "in.mid")
    words = ["render", str(tmp_path / "in.mid"), "--out"]
    assert main([*words, str(tmp_path / "piano.wav")]) == 0
    assert main([*words, str(tmp_path / "box.wav"), "--soundfont", str(INSTRUMENTS["music box"].path)]) == 0
    assert (tmp_path / "piano.wav").read_bytes() != (tmp_path / "box.wav").read_bytes()
    (tmp_path / "no.sf2").write_bytes(b"no")
    assert main([*words, str(tmp_path / "x.wav"), "--soundfont", str(tmp_path / "no.sf2")]) == 2
    assert "no.sf2 is not a complete SoundFont 2 file" in capsys.readouterr().err


def test_render_and_evaluate_a_midi_file(tmp_path, capsys):
    assert compose("--valence", 6, "--arousal", 7, "--as-written", "--no-audio", "--no-figure", out=tmp_path) == 0
    capsys.readouterr()
    midi = tmp_path / "piece.mid"
    assert main(["render", str(midi), "--out", str(tmp_path / "x.wav")]) == 0
    assert (tmp_path / "x.wav").stat().st_size > 100_000
    capsys.readouterr()
    (tmp_path / "broken.mid").write_bytes(b"no")
    assert main(["evaluate-midi", str(midi), str(tmp_path / "broken.mid")]) == 2
    printed = capsys.readouterr()
    record = json.loads(printed.out)
    made = json.loads((tmp_path / "piece.json").read_text())
    heard = VA(record["valence"], record["arousal"])
    assert distance(heard, VA(made["piece"]["valence"], made["piece"]["arousal"])) < 0.25, "a file has whole ticks"
    assert record["groove_consistency"] == pytest.approx(made["metrics"]["groove_consistency"], abs=2e-3)
    assert "broken.mid is not a MIDI file" in printed.err
