"""Sheets, score files, and the steps of the bar codec."""

from __future__ import annotations

import mido
import numpy as np
import pytest

from eimg_core.data import load_scores, read_lieder, read_mutopia
from eimg_core.data.pop909_labels import read_song_labels, sheet_of_song
from eimg_core.errors import DataError, InputError
from eimg_core.midi import bar_codec
from eimg_core.midi.bar_codec import END, LEFT_HAND, LENGTHS, REST, TUNE, decode_bars, encode_bars
from eimg_core.midi.notes import Note, Piece
from eimg_core.midi.sheet import (
    HAND,
    LENGTH,
    METERS,
    ONSET,
    PITCH,
    PLACES,
    TICKS,
    Sheet,
    bar_ticks,
    nearest_place,
    read_score,
    sheet_of,
)
from tests.factories import write_score
from tests.test_annotation import SONG


def meter(above: int, below: int) -> mido.MetaMessage:
    return mido.MetaMessage("time_signature", numerator=above, denominator=below)


# --- sheets -------------------------------------------------------------------------------------------------------


def test_onsets_lie_on_eighths_and_sixths_of_a_quarter():
    assert PLACES.tolist() == [0, 3, 4, 6, 8, 9, 12, 15, 16, 18, 20, 21]
    assert nearest_place(np.array([0.4, 2.0, 7.6, 22.0, 23.0, 47.4])).tolist() == [0, 3, 8, 21, 24, 48]
    ticks = np.arange(-48, 96)
    assert np.abs(nearest_place(ticks) - ticks).max() <= 2


def test_a_piece_before_its_first_bar_line_is_an_upbeat():
    piece = Piece((Note(0.0, 60, 0.4), Note(0.5, 64, 0.9), Note(2.5, 67, 2.9)), 120.0)
    sheet = sheet_of(piece, tempo_bpm=120.0, first_s=0.5, meter=(4, 4))
    assert sheet.notes[:, ONSET].tolist() == [72, 96, 192]
    assert sheet.bars == 3
    assert (sheet.notes[:, HAND] == -1).all()


def test_a_key_struck_twice_at_one_place_is_struck_once_and_longest():
    piece = Piece((Note(0.0, 60, 0.2), Note(0.01, 60, 0.9)), 120.0)
    sheet = sheet_of(piece, tempo_bpm=120.0, first_s=0.0, meter=(4, 4))
    assert sheet.notes[:, LENGTH].tolist() == [43]


def test_sheets_refuse_other_meters_and_other_arrays():
    with pytest.raises(ValueError, match="meters"):
        Sheet(np.empty((0, 5), dtype=np.int64), (5, 4), 100.0)
    with pytest.raises(ValueError, match="N, 5"):
        Sheet(np.empty((0, 4), dtype=np.int64), (4, 4), 100.0)


def test_a_sheet_sounds_as_written_and_can_be_cut_by_bars():
    piece = SONG.piece()
    assert piece.tempo_bpm == 100.0
    assert piece.notes[0].start_s == 0.0
    assert len(SONG.excerpt(4, 2).notes) == (SONG.notes[:, ONSET] // 96 // 2 == 2).sum()
    assert SONG.excerpt(4, 2).notes[0, ONSET] == 0


# --- score files --------------------------------------------------------------------------------------------------


def test_a_score_has_hands_meters_and_tempi(tmp_path):
    left = [(beat, 1, 48) for beat in range(12)]
    right = [(beat, 1, 72) for beat in range(12)]
    tempo = mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(90))
    write_score(tmp_path / "a.mid", [left, right], [(0, meter(3, 4)), (0, tempo)])
    (sheet,) = read_score(tmp_path / "a.mid")
    assert sheet.meter == (3, 4)
    assert sheet.tempo_bpm == pytest.approx(90, rel=1e-4)
    assert sheet.bars == 4
    assert set(sheet.notes[sheet.notes[:, PITCH] == 72, HAND]) == {0}
    assert set(sheet.notes[sheet.notes[:, PITCH] == 48, HAND]) == {1}


def test_an_upbeat_belongs_to_the_passage_that_follows(tmp_path):
    right = [(0, 0.5, 79)] + [(0.5 + beat, 1, 72) for beat in range(8)]
    left = [(0.5 + beat, 1, 48) for beat in range(8)]
    write_score(tmp_path / "a.mid", [right, left], [(0, meter(1, 8)), (0.5, meter(2, 4))])
    (sheet,) = read_score(tmp_path / "a.mid")
    assert sheet.notes[0, [ONSET, PITCH]].tolist() == [36, 79]
    assert sheet.notes[1, ONSET] == 48
    assert sheet.bars == 5


@pytest.mark.parametrize(
    ("written", "read", "length"),
    [((2, 2), (4, 4), 24), ((3, 8), (3, 4), 48), ((9, 8), (3, 4), 16), ((12, 8), (6, 8), 24)],
)
def test_meters_that_differ_in_writing_become_one(tmp_path, written, read, length):
    notes = [(beat, 1, 60) for beat in range(18)]
    write_score(tmp_path / "a.mid", [notes, [(on, n, 40) for on, n, _ in notes]], [(0, meter(*written))])
    (sheet,) = read_score(tmp_path / "a.mid")
    assert sheet.meter == read
    assert set(sheet.notes[:, LENGTH]) == {length}


def test_a_change_of_meter_divides_a_score(tmp_path):
    notes = [(beat, 1, 60) for beat in range(14)]
    left = [(on, n, 40) for on, n, _ in notes]
    write_score(tmp_path / "a.mid", [notes, left], [(0, meter(4, 4)), (8, meter(3, 4))])
    assert [(sheet.meter, sheet.bars) for sheet in read_score(tmp_path / "a.mid")] == [((4, 4), 2), ((3, 4), 2)]


def test_scores_for_one_hand_or_three_are_refused(tmp_path):
    notes = [(beat, 1, 60) for beat in range(8)]
    write_score(tmp_path / "a.mid", [notes])
    with pytest.raises(InputError, match="1 tracks"):
        read_score(tmp_path / "a.mid")
    (tmp_path / "b.mid").write_bytes(b"nothing")
    with pytest.raises(InputError, match="not a readable MIDI file"):
        read_score(tmp_path / "b.mid")


def test_score_corpora_are_split_by_composer_and_lose_copies(tmp_path):
    for name, reader, header in (
        ("mutopia", read_mutopia, "file,composer,title"),
        ("lieder", read_lieder, "file,composer,title"),
    ):
        folder = tmp_path / "music" / name
        folder.mkdir(parents=True)
        rows = [f"{index}.mid,{'AB'[index % 2]},T" for index in range(4)]
        (folder / "pieces.csv").write_text("\n".join([header, *rows]) + "\n")
        for index in range(4):
            high = [(beat, 1, 72 + (index == 2) * (beat % 3)) for beat in range(8)]
            tracks = [high, [(beat, 1, 48) for beat in range(8)]]
            write_score(folder / f"{index}.mid", tracks[: 1 if index == 3 else 2])
        corpus = reader(tmp_path)
        assert {item.group for item in corpus.items} == {"A", "B"}
        assert list(load_scores(corpus)) == ["0.mid", "2.mid"]  # 1 is a copy of 0, 3 has one hand
    (tmp_path / "music" / "lieder" / "2.mid").unlink()
    with pytest.raises(DataError, match="missing"):
        read_lieder(tmp_path)


def test_the_labels_of_a_song(tmp_path):
    import zipfile

    music = tmp_path / "music"
    music.mkdir()
    beats = "".join(f"{0.1 + 0.5 * beat} {1 - beat % 2:.1f} {float(beat % 4 == 0)}\n" for beat in range(40))
    chords = "0.1\t2.1\tN\n2.1\t4.1\tC:maj\n4.1\t20.0\tG:min7/b3\n"
    with zipfile.ZipFile(music / "pop909_labels.zip", "w") as archive:
        archive.writestr("001/beat_midi.txt", beats)
        archive.writestr("001/chord_midi.txt", chords)
        archive.writestr("001/human_label1.txt", "i2A4x1\n")
    labels = read_song_labels(tmp_path)["001"]
    assert labels.beats_in_bar == 4
    assert labels.phrases == (("i", 2), ("A", 4), ("x", 1))
    assert labels.chords[1] == (2.1, "C:maj")
    melody = [(0.2 + beat, 1, 72) for beat in range(36)]  # quarters of half a second, a fifth of one after the start
    write_score(music / "001.mid", [melody, [(0.2 + 4 * bar, 4, 48) for bar in range(9)]])
    midi = mido.MidiFile(str(music / "001.mid"))
    midi.tracks[1].name = "MELODY"
    midi.save(str(music / "001.mid"))
    sheet, tune, starts = sheet_of_song(music / "001.mid", labels)
    assert sheet.tempo_bpm == pytest.approx(120.0)
    assert sheet.notes[tune][:, PITCH].tolist() == [72] * 36
    assert sheet.notes[:, ONSET].tolist()[:3] == [0, 0, 24]
    assert starts == [0, 1, 3, 7, 8]
    (music / "pop909_labels.zip").write_bytes(b"nothing")
    with pytest.raises(DataError, match="missing or damaged"):
        read_song_labels(tmp_path)


# --- the codec ----------------------------------------------------------------------------------------------------


def test_steps_go_by_bars_and_streams():
    tune = SONG.notes[:, HAND] == 0
    encoded = encode_bars(SONG, tune)
    assert (np.diff(encoded.bar * 3 + encoded.stream) >= 0).all()
    assert (encoded.steps[:, 0] == END).sum() == 3 * SONG.bars
    first = encoded.steps[(encoded.bar == 0) & (encoded.stream == TUNE)]
    assert first[:, 0].tolist() == [0, 12, 18, 24, END]
    assert not encoded.steps[encoded.steps[:, 0] == END, 1:].any()
    assert (encoded.stream[encoded.steps[:, 0] != END] != REST).all()
    assert set(encoded.steps[(encoded.stream == LEFT_HAND) & (encoded.steps[:, 0] != END), 1]) <= {
        22,
        26,
        27,
        29,
        31,
        34,
    }


@pytest.mark.parametrize("which", METERS)
def test_what_is_on_paper_comes_back_as_it_was(which):
    rng = np.random.default_rng(0)
    bar = bar_ticks(which)
    quarters = rng.integers(0, 4 * bar // TICKS, 60)
    onset = quarters * TICKS + rng.choice(PLACES, 60)
    rows = [(o, length, pitch, 8 * (v + 1), hand) for o, length, pitch, v, hand in zip(
        onset, rng.choice(LENGTHS, 60), rng.permutation(np.arange(24, 100))[:60], rng.integers(2, 15, 60),
        rng.integers(0, 2, 60), strict=True,
    )]  # fmt: skip
    sheet = Sheet(np.array(rows, dtype=np.int64), which, 90.0)
    tune = np.zeros(60, dtype=bool)
    tune[np.flatnonzero(sheet.notes[:, HAND] == 0)[::2]] = True
    again, tune_again = decode_bars(encode_bars(sheet, tune), which, 90.0)
    assert (again.notes == sheet.notes).all()
    assert (tune_again == tune).all()


def test_tempi_are_not_folded():
    assert bar_codec.tempo_class(45) < bar_codec.tempo_class(90) < bar_codec.tempo_class(180)
    for index in range(bar_codec.TEMPO_CLASSES):
        assert bar_codec.tempo_class(bar_codec.tempo_of_class(index)) == index
    assert bar_codec.tempo_class(10) == 0
    assert bar_codec.tempo_class(400) == bar_codec.TEMPO_CLASSES - 1
    with pytest.raises(ValueError, match="0-31"):
        bar_codec.tempo_of_class(32)
