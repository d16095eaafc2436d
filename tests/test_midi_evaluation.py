"""The evaluation kit: the same footing for anybody's files, and nothing dropped in silence."""

from __future__ import annotations

import json

import mido
import pytest

from eimg_core.cli.main import main
from eimg_core.errors import DataError, InputError
from eimg_core.midi.notes import Note, Piece
from eimg_core.midi.writing import write_midi
from eimg_core.midi_evaluation import FileEvaluator, Label, midi_files, read_labels, summarise
from tests.tiny import random_clip


def written(folder, **pieces):
    folder.mkdir(exist_ok=True)
    for name, piece in pieces.items():
        write_midi(piece, folder / f"{name}.mid")
    return folder


def on_other_ticks(source, target, ticks):
    """The same music with another resolution."""
    midi = mido.MidiFile(source)
    scale = ticks / midi.ticks_per_beat
    for track in midi.tracks:
        now = was = 0
        for message in track:
            now += message.time
            message.time = round(now * scale) - was
            was += message.time
    midi.ticks_per_beat = ticks
    midi.save(target)


def test_the_ticks_of_a_file_do_not_count(tmp_path):
    folder = written(tmp_path / "a", x=random_clip(1))
    on_other_ticks(folder / "x.mid", folder / "y.mid", 1920)
    evaluation = FileEvaluator(None)
    x, y = (evaluation.evaluate(folder / name).item for name in ("x.mid", "y.mid"))
    assert {**x, "file": ""} == pytest.approx({**y, "file": ""})


def test_labels_matching_empty_and_damaged_files(tmp_path, capsys):
    folder = written(tmp_path / "music", happy=random_clip(0, True), sad=random_clip(1, False), silence=Piece(()))
    (folder / "broken.mid").write_bytes(b"no")
    (folder / "notes.txt").write_text("not music")
    labels = tmp_path / "labels.csv"
    labels.write_text("file,valence,arousal\nhappy.mid,8,7\nsad.mid,2,3\nsilence.mid,5,5\nbroken.mid,5,5\n")
    assert main(["evaluate-midi", str(folder), "--labels", str(labels)]) == 2
    printed = capsys.readouterr()
    assert "broken.mid is not a MIDI file" in printed.err
    *items, last = [json.loads(line) for line in printed.out.splitlines()]
    assert [item["file"] for item in items] == ["happy.mid", "sad.mid", "silence.mid"]
    assert items[2]["valence"] is None
    assert items[2]["polyphony_rate"] is None
    summary = last["summary"]
    assert (summary["files"], summary["empty"], summary["unreadable"], summary["n_estimated"]) == (4, 1, 1, 2)
    assert summary["n_valid"]["pitch_entropy"] == 2
    assert summary["emotion_matching"] == pytest.approx((items[0]["distance"] + items[1]["distance"]) / 2, abs=1e-4)
    wanted = ((3**2 + (7 - 5) ** 2) ** 0.5 + (3**2 + (3 - 5) ** 2) ** 0.5) / 3  # and the silent one at the mean itself
    assert summary["mean_point"] == pytest.approx(wanted, abs=1e-6)
    assert summary["quadrants"]["HVHA"]["n"] == 2  # exactly 5 counts as high


def test_quadrants_alone_are_labels_too(tmp_path):
    table = tmp_path / "labels.csv"
    table.write_text("file,quadrant\nx.mid,LVLA\n")
    assert read_labels(table) == {"x.mid": Label(None, "LVLA")}
    table.write_text("file,quadrant\nx.mid,Q1\n")
    with pytest.raises(DataError, match=r'x\.mid in labels\.csv has the quadrant "Q1"; expected columns'):
        read_labels(table)
    table.write_text("file,valence,arousal\nx.mid,0.2,5\n")
    with pytest.raises(DataError, match=r"x\.mid in labels\.csv"):
        read_labels(table)


def test_a_label_without_its_file_is_told(tmp_path, capsys):
    folder = written(tmp_path / "music", x=random_clip(0))
    (tmp_path / "labels.csv").write_text("file,valence,arousal\nx.mid,8,7\nmissing.mid,2,3\n")
    assert main(["evaluate-midi", str(folder), "--labels", str(tmp_path / "labels.csv")]) == 2
    assert "1 of the 2 labels name no file, for example missing.mid" in capsys.readouterr().err


def test_copies_and_distributions(tmp_path, capsys):
    real = written(tmp_path / "real", **{f"r{seed}": random_clip(seed, seed % 2 == 0) for seed in range(6)})
    made = written(tmp_path / "made", copy=random_clip(2, True).transposed(3), new=Piece((Note(0, 60, 1),)))
    assert main(["evaluate-midi", str(made), "--real", str(real), "--trained-on", str(real)]) == 0
    copy, new, last = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert copy["longest_run"]["source"] == "r2.mid"
    assert copy["longest_run"]["length"] > new["longest_run"]["length"]
    assert last["summary"]["longest_run"]["max"] == copy["longest_run"]["length"]
    assert last["summary"]["distributions"]["inter_onset_s"]["distance"] >= 0


def test_seconds_cut_every_file_alike(tmp_path):
    folder = written(tmp_path / "music", x=random_clip(0))
    whole, part = (FileEvaluator(None, seconds).evaluate(folder / "x.mid").item["notes"] for seconds in (None, 2.0))
    assert part < whole


def test_a_single_file_has_one_line_and_an_empty_folder_a_sentence(tmp_path, capsys):
    folder = written(tmp_path / "music", x=random_clip(0))
    assert main(["evaluate-midi", str(folder / "x.mid")]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1
    (tmp_path / "nothing").mkdir()
    with pytest.raises(InputError, match="holds no MIDI files"):
        midi_files([tmp_path / "nothing"])
    assert summarise([])["files"] == 0
