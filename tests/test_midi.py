"""Notes ↔ MIDI ↔ tokens: nothing that a listener would notice may be lost on the way."""

from __future__ import annotations

import io
from dataclasses import replace

import mido
import numpy as np
import pytest

from eimg_core.errors import InputError
from eimg_core.metrics.quality import read_ticks
from eimg_core.midi import codec
from eimg_core.midi.attributes import (
    KEY_NAMES,
    articulation,
    home_shift,
    key_of,
    note_series,
    pitch_height,
    rhythm_series,
)
from eimg_core.midi.batch import MusicBatch, MusicSample
from eimg_core.midi.ending import ring_out
from eimg_core.midi.notes import Note, Pedal, Piece, Section
from eimg_core.midi.reading import read_midi
from eimg_core.midi.sheet import HAND, PITCH, read_score
from eimg_core.midi.writing import Parts, write_midi


def random_piece(seed: int = 0, notes: int = 60, tempo: float = 97.0) -> Piece:
    """Notes at random times, no key struck again while it sounds."""
    rng = np.random.default_rng(seed)
    made: list[Note] = []
    for _ in range(notes):
        start, length = rng.uniform(0, 14), rng.uniform(0.1, 1.5)
        pitch = int(rng.integers(21, 109))
        if all(n.pitch != pitch or n.end_s + 0.1 < start or n.start_s > start + length + 0.1 for n in made):
            made.append(Note(start, pitch, start + length, int(rng.integers(20, 120))))
    return Piece(tuple(made), tempo, (3, 4), (Pedal(1.0, 2.5), Pedal(3.0, 4.0)))


@pytest.mark.parametrize("tempo", [40.0, 97.0, 120.0, 233.0])
def test_midi_round_trip_within_a_tick(tempo):
    piece = random_piece(tempo=tempo)
    again = read_midi(write_midi(piece))
    tick = 60 / tempo / 480
    assert again.meter == (3, 4)
    assert again.tempo_bpm == pytest.approx(tempo, rel=1e-4)
    assert len(again.notes) == len(piece.notes)
    assert len(again.pedals) == 2
    for a, b in zip(
        sorted(piece.notes, key=lambda n: (n.pitch, n.start_s)),
        sorted(again.notes, key=lambda n: (n.pitch, n.start_s)),
        strict=True,
    ):
        assert (a.pitch, a.velocity) == (b.pitch, b.velocity)
        assert a.start_s == pytest.approx(b.start_s, abs=1.01 * tick)
        assert a.end_s == pytest.approx(b.end_s, abs=1.01 * tick)


def test_files_have_480_ticks_and_the_same_bytes(tmp_path):
    piece = random_piece()
    first = write_midi(piece, tmp_path / "a.mid")
    assert first == write_midi(piece) == (tmp_path / "a.mid").read_bytes()
    assert mido.MidiFile(tmp_path / "a.mid").ticks_per_beat == 480


def two_hands(piece: Piece) -> Parts:
    return Parts([int(note.pitch < 60) for note in piece.notes], "F#m", [(0.0, "A"), (5.0, "A2")])


def test_each_hand_has_a_track_below_tempo_meter_key_and_markers(tmp_path):
    piece = random_piece(tempo=120.0)
    write_midi(piece, tmp_path / "a.mid", title="A tune", texts=["seed: 7"], parts=two_hands(piece), program=8)
    file = mido.MidiFile(tmp_path / "a.mid")
    assert (file.type, [track.name for track in file.tracks]) == (1, ["A tune", "Right hand", "Left hand"])
    head = [message for message in file.tracks[0] if message.type != "end_of_track"]
    assert all(message.is_meta for message in head)
    found = {message.type: message for message in head}
    assert (found["set_tempo"].tempo, found["key_signature"].key, found["text"].text) == (500_000, "F#m", "seed: 7")
    assert (found["time_signature"].numerator, found["time_signature"].denominator) == (3, 4)
    now = np.cumsum([message.time for message in head])
    assert [(at, m.text) for at, m in zip(now, head, strict=True) if m.type == "marker"] == [(0, "A"), (4800, "A2")]
    for hand, track in enumerate(file.tracks[1:]):
        mine = [message for message in track if not message.is_meta]
        assert {message.channel for message in mine} == {hand}
        assert [message.program for message in mine if message.type == "program_change"] == [8]
        assert {m.note < 60 for m in mine if m.type == "note_on"} == {bool(hand)}
        assert sum(message.type == "control_change" for message in mine) == 4, "who plays one hand has the pedal too"


def test_both_hands_are_read_back_as_the_piece_of_one_track(tmp_path):
    piece = random_piece(tempo=97.0)
    again = write_midi(piece, tmp_path / "two.mid", parts=two_hands(piece))
    assert read_midi(again) == read_midi(write_midi(piece, tmp_path / "one.mid"))
    one, two = (read_ticks(tmp_path / f"{name}.mid") for name in ("one", "two"))
    for name in ("onsets", "offsets", "pitches"):
        assert sorted(getattr(one, name)) == sorted(getattr(two, name))
    assert one.length == two.length
    (sheet,) = read_score(tmp_path / "two.mid")
    assert (sheet.notes[:, HAND] == (sheet.notes[:, PITCH] < 60)).all()


def test_a_key_that_both_hands_strike_is_one_key():
    piece = Piece((Note(0, 60, 2, 80), Note(1, 60, 3, 80)))
    read = read_midi(write_midi(piece, parts=Parts([0, 1])))
    assert [(note.start_s, note.end_s) for note in read.notes] == [(0, 1), (1, 3)]


def test_every_note_needs_its_hand():
    with pytest.raises(ValueError, match="a hand for each of 2 notes, got 1"):
        write_midi(Piece((Note(0, 60, 1), Note(0, 40, 1))), parts=Parts([0]))


def test_the_tracks_of_a_loop_end_where_it_begins_again():
    loop = Piece((Note(0, 60, 3.5),), 120.0, loop_s=4.0)
    file = mido.MidiFile(file=io.BytesIO(write_midi(loop, parts=Parts([0]))))
    assert [sum(message.time for message in track) for track in file.tracks] == [8 * 480] * 3
    assert loop.length_s == 4.0
    assert loop.faster(2).loop_s == 2.0
    assert loop.cropped(3.9).loop_s is None
    with pytest.raises(ValueError, match=r"must not end before its notes at 3\.5 s, got 3"):
        replace(loop, loop_s=3)


def test_key_and_sections_move_with_a_piece():
    piece = Piece((Note(0, 60, 4),), key=21, sections=(Section(2, "A2"), Section(0, "A")))
    assert piece.transposed(4).key == 13
    assert piece.faster(2).sections == (Section(0, "A"), Section(1, "A2"))
    assert piece.cropped(2).sections == (Section(0, "A"),)
    with pytest.raises(ValueError, match="a key must be 0-23, got 24"):
        Piece((), key=24)


def test_a_key_struck_again_is_released_first():
    piece = Piece((Note(0, 60, 2, 80), Note(1, 60, 3, 80)))
    assert [(n.start_s, n.end_s) for n in read_midi(write_midi(piece)).notes] == [(0, 1), (1, 3)]


def test_straighten_puts_a_file_with_many_tempi_on_one_grid(tmp_path):
    midi = mido.MidiFile(ticks_per_beat=480)
    track = mido.MidiTrack()
    midi.tracks.append(track)
    for beat in range(8):
        track.append(mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(80 if beat % 2 else 160), time=0))
        track.append(mido.Message("note_on", note=60 + beat, velocity=70, time=0))
        track.append(mido.Message("note_off", note=60 + beat, velocity=0, time=480))
    midi.save(tmp_path / "rubato.mid")
    piece = read_midi(tmp_path / "rubato.mid", straighten=True)
    beats = [n.start_s / piece.seconds_per_beat for n in piece.notes]
    assert beats == pytest.approx(range(8), abs=1e-6)
    assert piece.duration_s == pytest.approx(read_midi(tmp_path / "rubato.mid").duration_s, abs=1e-6)


@pytest.mark.parametrize("data", [b"", b"not midi at all", b"MThd\x00\x00\x00\x06\x00\x01"])
def test_a_broken_file_is_one_clear_sentence(tmp_path, data):
    path = tmp_path / "song.mid"
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"^song\.mid is (empty|not a MIDI file|cut off within its header)") as caught:
        read_midi(path)
    assert str(tmp_path) not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"Cannot read none\.mid"):
        read_midi(tmp_path / "none.mid")


@pytest.mark.parametrize("bad", [Note(-1, 60, 1, 80), Note(0, 128, 1, 80), Note(1, 60, 1, 80), Note(0, 60, 1, 0)])
def test_impossible_notes_are_refused(bad):
    with pytest.raises(ValueError, match=r"note|pitch"):
        Piece((bad,))


# --- tokens -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tempo", [47.0, 97.0, 139.9, 300.0])
def test_codec_round_trip_within_one_time_step(tempo):
    piece = random_piece(3, tempo=tempo)
    score = codec.encode(piece)
    again = codec.decode(score)
    assert len(again.notes) == len(piece.notes)
    by_key = lambda n: (n.pitch, n.start_s)  # noqa: E731
    for a, b in zip(sorted(piece.notes, key=by_key), sorted(again.notes, key=by_key), strict=True):
        assert a.pitch == b.pitch
        assert abs(a.start_s - b.start_s) <= score.step_s
        assert abs(a.end_s - b.end_s) <= score.step_s
        assert abs(a.velocity - b.velocity) <= 8


def test_tokens_are_a_fixed_point_and_in_range():
    score = codec.encode(random_piece(4))
    again = codec.encode(codec.decode(score))
    assert np.array_equal(again.steps, score.steps)
    for field, size in enumerate(codec.FIELD_SIZES):
        assert 0 <= score.steps[:, field].min() <= score.steps[:, field].max() < size


def test_long_silence_uses_rests_and_keeps_time():
    piece = Piece((Note(0, 60, 1, 80), Note(20, 62, 21, 80)))
    score = codec.encode(piece)
    assert (score.steps[:, codec.PITCH] == codec.REST_PITCH).sum() == 10 - 1 + (20 * 48 % 96 > 0)
    assert codec.decode(score).notes[1].start_s == pytest.approx(20, abs=score.step_s)


def test_tempo_folds_by_octaves():
    assert codec.fold_tempo(120) == pytest.approx(120)
    assert codec.fold_tempo(60) == pytest.approx(120)
    assert codec.fold_tempo(140) == pytest.approx(70)
    for index in range(codec.TEMPO_CLASSES):
        assert codec.tempo_class(codec.tempo_of_class(index)) == index


# --- attributes -------------------------------------------------------------------------------------------------


def scale(pitches: list[int]) -> Piece:
    return Piece(tuple(Note(0.5 * i, p, 0.5 * i + 0.5, 80) for i, p in enumerate(pitches)))


def test_keys_of_plain_melodies():
    assert KEY_NAMES[key_of(scale([60, 64, 67, 72, 65, 69, 67, 71, 72, 60]))] == "C major"
    assert KEY_NAMES[key_of(scale([57, 60, 64, 69, 62, 65, 64, 68, 69, 57]))] == "A minor"


def test_series_count_what_sounds():
    piece = Piece((Note(0.0, 60, 0.5, 80), Note(0.25, 64, 0.5, 80)))
    assert note_series(piece, 6).tolist() == [1, 1, 2, 2, 0, 0]
    assert rhythm_series(piece, 6).tolist() == [1, 2, 1, 2, 0, 0]


def test_height_and_articulation_of_plain_notes():
    assert pitch_height(scale([60, 64])) == 62
    legato = scale([60, 62, 64])
    detached = legato.with_notes(Note(n.start_s, n.pitch, n.start_s + 0.125, 80) for n in legato.notes)
    overlapping = legato.with_notes(Note(n.start_s, n.pitch, n.start_s + 3.0, 80) for n in legato.notes)
    assert [articulation(p) for p in (detached, legato, overlapping)] == pytest.approx([0.25, 1.0, 2.0])
    assert articulation(Piece(())) == 1.0


def test_samples_are_moved_to_their_home_key():
    melody = [60, 64, 67, 72, 65, 69, 67, 71, 72, 60]
    home = MusicSample.of(scale(melody))
    assert home.key == 0
    for semitones in (-5, 3, 5):
        moved = MusicSample.of(scale([pitch + semitones for pitch in melody]))
        assert moved.key == semitones % 12
        assert np.array_equal(moved.steps, home.steps)
    assert [home_shift(KEY_NAMES.index(name)) for name in ("C major", "A minor", "G major", "C minor")] == [0, 0, 5, -3]


def test_a_batch_pads_and_masks():
    batch = MusicBatch.of([MusicSample.of(scale([60, 62])), MusicSample.of(scale([60, 62, 64]))])
    assert batch.mask.tolist() == [[True, True, False], [True, True, True]]
    assert batch.rhythm_density[1] > batch.rhythm_density[0]


def test_a_piece_comes_to_rest_on_a_beat():
    piece = Piece(tuple(Note(0.25 * i, 60 + i % 5, 0.25 * i + 0.2, 80) for i in range(80)), 120.0)
    rested = ring_out(piece, 15.0)
    last = [n for n in rested.notes if n.start_s == max(m.start_s for m in rested.notes)]
    assert rested.duration_s == pytest.approx(15.0)
    assert all(n.end_s == pytest.approx(15.0) for n in last)
    assert last[0].start_s <= 14.0
    assert last[0].start_s / 0.5 == pytest.approx(round(last[0].start_s / 0.5))
