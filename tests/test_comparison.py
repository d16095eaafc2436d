"""Several pairings for one photo: equally loud, equally seeded, in one picture, one table and one archive."""

from __future__ import annotations

import csv
import io
import json
import math
import wave
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import eimg_core.studio
from eimg_core.cli.main import main
from eimg_core.composer import Composition
from eimg_core.emotion import VA, photo_target
from eimg_core.errors import InputError
from eimg_core.figures import save_comparison_figure
from eimg_core.options import ComposeOptions
from eimg_core.shipped import CHECKPOINTS
from eimg_core.sound.loudness import COMPARED_LUFS, integrated_lufs
from eimg_core.studio import Studio
from tests.fake_studio import scene, sketch
from tests.tiny import save_tiny_pairing

WHOLE = ("beta_vae+lsr", "vqvae+fnt")
BROKEN = "vqvae+lsr"


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """Two tiny pairings that work, one whose autoencoders were trained again since, the shipped reader and ears."""
    folder = tmp_path_factory.mktemp("assets")
    for shipped in ("backbone", "class_layer", "va_predictor"):
        (folder / shipped).symlink_to(CHECKPOINTS / shipped)
    for key in (BROKEN, *WHOLE):
        save_tiny_pairing(folder, *key.split("+"))
    card = folder / "bridge" / f"{BROKEN}@paper" / "card.json"
    told = json.loads(card.read_text())
    card.write_text(json.dumps({**told, "depends_on": dict.fromkeys(told["depends_on"], "0" * 64)}))
    return folder


@pytest.fixture(scope="module")
def studio(root) -> Studio:
    return Studio(root)


@pytest.fixture
def photo(tmp_path) -> Path:
    (tmp_path / "photos").mkdir()
    path = tmp_path / "photos" / "dusk.png"
    scene("dusk", (120, 80)).save(path)
    return path


@pytest.fixture
def compose(studio, monkeypatch):
    """The command ``compose`` with the tiny pairings."""
    monkeypatch.setattr(eimg_core.studio, "Studio", lambda: studio)
    return lambda *arguments: main(["compose", *map(str, arguments), "--seconds", "5"])


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


def record(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def lufs(data: bytes) -> float:
    with wave.open(io.BytesIO(data)) as sound:
        samples = np.frombuffer(sound.readframes(sound.getnframes()), "<i2").reshape(-1, 2) / np.float32(32768)
        return integrated_lufs(samples, sound.getframerate())


# --- the command ------------------------------------------------------------------------------------------------------


def test_two_pairings_of_one_photo(compose, photo, tmp_path, capsys):
    out = tmp_path / "out"
    assert compose(photo, "--pairing", ",".join(WHOLE), "--seed", 7, "--out", out) == 0
    pieces = {f"dusk-{key}.{suffix}" for key in WHOLE for suffix in ("mid", "wav", "json", "png")}
    assert names(out) == pieces | {f"dusk-comparison.{suffix}" for suffix in ("png", "csv", "zip")}

    records = [record(out / f"dusk-{key}.json") for key in WHOLE]
    assert [r["seed"] for r in records] == [7, 7]
    assert records[0]["photo"] == records[1]["photo"]
    own = photo_target(VA(records[0]["photo"]["valence"], records[0]["photo"]["arousal"]))
    target = records[0]["target"]
    assert (target["valence"], target["arousal"]) == pytest.approx((own.valence, own.arousal), abs=1e-3)
    assert records[0]["sound"] == records[1]["sound"]
    for key in WHOLE:
        assert lufs((out / f"dusk-{key}.wav").read_bytes()) == pytest.approx(COMPARED_LUFS, abs=0.5)

    printed = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in printed] == [*(f"dusk-{key}" for key in WHOLE), "dusk"]
    assert f"2 pairings compared in {out / 'dusk-comparison.png'}, .csv and .zip" in printed[-1]

    with zipfile.ZipFile(out / "dusk-comparison.zip") as archive:
        assert archive.testzip() is None
        assert sorted(archive.namelist()) == sorted(names(out) - {"dusk-comparison.zip"})
        for name in archive.namelist():
            assert archive.read(name) == (out / name).read_bytes()


def test_the_table_says_what_the_records_say(compose, photo, tmp_path):
    assert compose(photo, "--pairing", ",".join(WHOLE), "--no-figure", "--out", tmp_path) == 0
    rows = table(tmp_path / "dusk-comparison.csv")
    assert [row["pairing"] for row in rows] == list(WHOLE)
    assert [row["number"] for row in rows] == ["1", "2"]
    for row in rows:
        written = record(tmp_path / f"dusk-{row['pairing']}.json")
        for name in ("variant", "seed", "seconds", "note_count"):
            assert row[name] == str(written[name])
        for column, point in (("photo", "photo"), ("target", "target"), ("estimate", "piece")):
            for axis in ("valence", "arousal"):
                assert float(row[f"{column}_{axis}"]) == written[point][axis]
        for name, value in written["metrics"].items():
            assert row[name] == ("" if value is None else str(value))
        far = math.dist(written["target"].values(), written["piece"].values())
        assert float(row["distance"]) == pytest.approx(far, abs=2e-4)
        own = {stage: took for stage, took in written["timings_s"].items() if stage not in ("load", "read_photo")}
        assert set(own) == {"embed", "generate", "measure", "perform", "render"}
        assert float(row["took_s"]) == pytest.approx(sum(own.values()))


def test_compared_or_alone_a_pairing_makes_the_same_notes(compose, photo, tmp_path):
    options = ("--no-audio", "--no-figure", "--out", tmp_path)
    assert compose(photo, "--pairing", ",".join(WHOLE), *options) == 0
    for key in WHOLE:
        assert compose(photo, "--pairing", key, *options) == 0
        assert (tmp_path / "dusk.mid").read_bytes() == (tmp_path / f"dusk-{key}.mid").read_bytes()


def test_a_broken_pairing_costs_one_sentence(compose, photo, tmp_path, capsys):
    assert (
        compose(photo, "--pairing", "all", "--versions", 2, "--no-audio", "--no-figure", "--out", tmp_path / "out") == 2
    )
    error = capsys.readouterr().err.strip().splitlines()
    assert len(error) == 1
    assert f"{BROKEN}: The bridge" in error[0]
    # all: the default pairing is the first
    assert [row["pairing"] for row in table(tmp_path / "out/dusk-comparison.csv")] == list(reversed(WHOLE))
    assert [row["seed"] for row in table(tmp_path / "out/dusk-2-comparison.csv")] == ["1", "1"]


def test_a_pairing_that_fails_on_the_way_leaves_the_others(compose, studio, photo, tmp_path, capsys, monkeypatch):
    pipeline = studio.pipeline(WHOLE[0])

    def fail(*_):
        raise InputError("This pairing cannot use the photo; choose another one.")

    monkeypatch.setattr(pipeline, "compose", fail)
    assert compose(photo, "--pairing", ",".join(WHOLE), "--no-audio", "--no-figure", "--out", tmp_path / "out") == 2
    printed = capsys.readouterr()
    assert printed.err == f"eimg: dusk-{WHOLE[0]}: This pairing cannot use the photo; choose another one.\n"
    assert "1 pairing compared" in printed.out
    rest = {f"dusk-{WHOLE[1]}.mid", f"dusk-{WHOLE[1]}.json", "dusk-comparison.csv", "dusk-comparison.zip"}
    assert names(tmp_path / "out") == rest


@pytest.mark.parametrize(
    ("wished", "message"),
    [
        ("vqvae+fnt,clip+gpt", "no pairing 'clip+gpt'; choose one of: vqvae+fnt, vqvae+lsr, beta_vae+lsr"),
        ("vqvae+fnt,all", "no pairing 'all"),
        (" , ", "names no pairing"),
    ],
)
def test_an_unknown_pairing_is_said_before_anything_is_computed(wished, message, compose, photo, tmp_path, capsys):
    assert compose(photo, "--pairing", wished, "--out", tmp_path / "out") == 2
    printed = capsys.readouterr()
    assert message in printed.err
    assert len(printed.err.splitlines()) == 1
    assert printed.out == ""
    assert names(tmp_path / "out") == set()


def test_without_a_photo_from_a_table_and_named_twice(compose, tmp_path):
    requests = tmp_path / "list.csv"
    requests.write_text("name,valence,arousal,seed\ncalm,6,2,4\n")
    options = (
        "--pairing",
        "vqvae+fnt, beta_vae+lsr, vqvae+fnt",
        "--no-audio",
        "--no-figure",
        "--out",
        tmp_path / "out",
    )
    assert compose("--requests", requests, *options) == 0
    rows = table(tmp_path / "out/calm-comparison.csv")
    assert [row["pairing"] for row in rows] == ["vqvae+fnt", "beta_vae+lsr"]
    assert {(row["seed"], row["photo_valence"], row["target_arousal"]) for row in rows} == {("4", "", "2.0")}
    assert compose("--valence", 7, "--arousal", 7, *options) == 0
    with zipfile.ZipFile(tmp_path / "out/piece-comparison.zip") as archive:
        pieces = [f"piece-{key}.{suffix}" for key in ("vqvae+fnt", "beta_vae+lsr") for suffix in ("mid", "json")]
        assert archive.namelist() == [*pieces, "piece-comparison.csv"]


def test_a_photo_is_read_once(compose, studio, photo, tmp_path, monkeypatch):
    read = []
    studio._readings.clear()
    reader = studio.read_photo
    monkeypatch.setattr(studio, "read_photo", lambda picture: read.append(picture) or reader(picture))
    assert compose(photo, "--pairing", ",".join(WHOLE), "--no-audio", "--no-figure", "--out", tmp_path / "out") == 0
    assert len(read) == 1


# --- the files --------------------------------------------------------------------------------------------------------


def compositions(*heard: VA | None) -> list[Composition]:
    target = VA(6.8, 3.2)
    return [
        Composition(sketch(target, n, 5.0), f"pairing{n}", ComposeOptions(seconds=5.0), target, target, va, {"x": n})
        for n, va in enumerate(heard)
    ]


def test_compared_pieces_are_equally_loud_and_others_are_as_loud_as_they_are_played(studio):
    soft, loud = sketch(VA(4, 1.5), 1, 5.0), sketch(VA(6, 7.0), 1, 5.0)
    for piece in (soft, loud):
        assert lufs(studio.render(piece, -26.0).wav_bytes()) == pytest.approx(-26, abs=0.5)
    assert studio.render(loud).lufs - studio.render(soft).lufs > 3


def test_the_same_comparison_is_the_same_bytes(studio, tmp_path):
    entries = [(each, {}) for each in compositions(VA(6, 3), None)]
    first, second = (studio.save_comparison(entries, tmp_path / name, "c") for name in ("a", "b"))
    assert list(first) == ["png", "csv", "zip"]
    for suffix in first:
        assert first[suffix].read_bytes() == second[suffix].read_bytes()
    rows = table(first["csv"])
    assert rows[0]["x"] == "0"
    assert rows[1]["estimate_valence"] == rows[1]["distance"] == ""  # nobody listened


def test_nothing_to_compare_is_a_sentence(studio, tmp_path):
    with pytest.raises(InputError, match="nothing to compare"):
        studio.save_comparison([], tmp_path, "c")


def test_every_piece_can_be_seen_even_where_all_were_heard_alike(tmp_path):
    """Each colour covers about as much of the plane as it does where the points lie far apart."""
    far = [VA(2, 2), VA(2, 8), VA(8, 8), VA(8, 2), VA(5, 8), VA(2, 5)]
    colours = [(0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167), (230, 159, 0), (86, 180, 233)]
    areas = []
    for heard in (far, [VA(6.8, 3.2)] * 6):
        save_comparison_figure(compositions(*heard), tmp_path / "c.png", scene("beach"))
        with Image.open(tmp_path / "c.png") as picture:
            plane = picture.convert("RGB").crop((0, picture.height // 2, int(0.38 * picture.width), picture.height))
        pixels = np.asarray(plane, dtype=int)
        areas.append([int((np.abs(pixels - colour).max(axis=-1) <= 3).sum()) for colour in colours])
    for alone, crowded in zip(*areas, strict=True):
        assert crowded > 0.7 * alone > 100
