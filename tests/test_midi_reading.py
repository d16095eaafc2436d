"""Reading MIDI files that people have: what players accept is read, what is wrong is told, and no number is trusted."""

from __future__ import annotations

import contextlib
import json
import random
import time
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import fuzz_midi
from benchmarks.fuzz_midi import END_OF_TRACK, meta, meter, midi, note, riff, tempo, track
from eimg_core.cli.main import main
from eimg_core.errors import InputError
from eimg_core.midi.notes import MeterChange
from eimg_core.midi.reading import load_midi, read_midi
from eimg_core.midi.smf import MIDI_SUFFIXES
from eimg_core.midi.writing import write_midi
from eimg_core.midi_evaluation import FileEvaluator, midi_files
from eimg_core.ui.app import build_ui
from tests.fake_studio import FakeStudio

ROOT = Path(__file__).resolve().parent.parent
Q = 480  # ticks per quarter note
SCALE = (60, 62, 64, 65, 67, 69, 71, 72)


def quarters(*pitches: int, first: int = 0, ticks: int = Q, channel: int = 0) -> list[tuple[int, bytes]]:
    """Notes of one length, one after the other."""
    return [event for n, p in enumerate(pitches) for event in note((first + n) * ticks, ticks, p, channel=channel)]


def starts(data: bytes, **options: bool) -> list[float]:
    return [found.start_s for found in load_midi(data, **options).piece.notes]


PLAIN = midi(track([(0, tempo(120)), *quarters(*SCALE)]))
EIGHT = [0.5 * n for n in range(8)]


def test_a_sound_file_needs_no_repair():
    found = load_midi(PLAIN, strict=True)
    assert starts(PLAIN) == EIGHT
    assert (found.piece.duration_s, found.piece.tempo_bpm, found.repairs, found.remark) == (4.0, 120.0, (), "")


# --- time -----------------------------------------------------------------------------------------------------------


def test_a_tempo_counts_on_whichever_track_it_stands():
    data = midi(track([(0, meter(4, 2))]), track([(0, tempo(60)), *quarters(*SCALE)]))
    assert load_midi(data, strict=True).piece.tempo_bpm == 60
    assert starts(data) == [2 * start for start in EIGHT]


def test_tempi_of_several_tracks_form_one_line():
    data = midi(track([(4 * Q, tempo(60))]), track([(0, tempo(120)), (6 * Q, tempo(240))]), track(quarters(*SCALE)))
    assert starts(data) == pytest.approx([0, 0.5, 1, 1.5, 2, 3, 4, 4.25])
    assert load_midi(data, straighten=True).piece.duration_s == pytest.approx(4.5)


def test_a_tempo_that_changes_within_a_bar_moves_every_note():
    data = midi(track([(0, tempo(120)), (Q + Q // 2, tempo(60)), *quarters(*SCALE)]))
    assert starts(data) == pytest.approx([0, 0.5, 1.25, 2.25, 3.25, 4.25, 5.25, 6.25])


@pytest.mark.parametrize(
    ("frames", "parts", "ticks"), [(25, 40, 500), (24, 100, 1200), (30, 80, 1200), (29, 100, 1500)]
)
def test_frames_of_film_tell_the_time_whatever_the_tempo(frames, parts, ticks):
    rate = 30_000 / 1001 if frames == 29 else frames
    data = midi(track([(0, tempo(31)), *quarters(*SCALE, ticks=ticks)]), division=(256 - frames) << 8 | parts)
    for straighten in (False, True):
        assert starts(data, straighten=straighten) == pytest.approx([n * ticks / (rate * parts) for n in range(8)])
    assert load_midi(data, strict=True).repairs == ()


@pytest.mark.parametrize("division", [1, 24, 9600, 32767])
def test_any_number_of_ticks_is_a_quarter(division):
    long = quarters(*(SCALE * 140), ticks=division)
    piece = load_midi(midi(track(long), division=division), strict=True).piece
    assert (len(piece.notes), piece.duration_s) == (1120, pytest.approx(560.0))


METERS = {
    "on another track": (midi(track([]), track([(0, meter(3, 2)), *quarters(*SCALE)])), (3, 4), []),
    "pickup": (midi(track([(0, meter(1, 2)), (Q, meter(4, 2)), *quarters(*SCALE)])), (1, 4), [(0.5, (4, 4))]),
    "change": (midi(track([(0, meter(4, 2)), (4 * Q, meter(3, 2)), *quarters(*SCALE)])), (4, 4), [(2.0, (3, 4))]),
    "late": (midi(track([(4 * Q, meter(3, 2)), *quarters(*SCALE)])), (4, 4), [(2.0, (3, 4))]),
    "again": (midi(track([(0, meter(3, 2)), (3 * Q, meter(3, 2)), *quarters(*SCALE)])), (3, 4), []),
    "two tracks": (
        midi(track([(3 * Q, meter(3, 2))]), track([(0, meter(6, 3)), *quarters(*SCALE)])),
        (6, 8),
        [(1.5, (3, 4))],
    ),
    "two at once": (midi(track([(0, meter(3, 2)), (0, meter(1, 2)), *quarters(*SCALE)])), (3, 4), []),
    "after the music": (midi(track([(9 * Q, meter(3, 2)), *quarters(*SCALE)])), (4, 4), []),
}


@pytest.mark.parametrize("name", METERS)
def test_every_meter_is_in_force_from_its_tick_on(name):
    data, first, changes = METERS[name]
    piece = load_midi(data, strict=True).piece
    assert piece.meter == first
    assert [(change.start_s, change.meter) for change in piece.meter_changes] == changes
    assert read_midi(write_midi(piece)) == piece
    assert piece.faster(2).meter_changes == tuple(MeterChange(at / 2, other) for at, other in changes)
    assert piece.cropped(1.0).meter_changes == tuple(c for c in piece.meter_changes if c.start_s < 1)


def test_a_changed_tempo_leaves_the_meters_on_their_beats():
    data = midi(track([(2 * Q, tempo(60)), (4 * Q, meter(3, 2)), *quarters(*SCALE)]))
    assert read_midi(data).meter_changes == (MeterChange(3.0, (3, 4)),)
    straight = read_midi(data, straighten=True)
    assert straight.meter_changes[0].start_s / straight.seconds_per_beat == pytest.approx(4)


# --- keys -----------------------------------------------------------------------------------------------------------


def spans(*events: tuple[int, bytes], **options: bytes) -> list[tuple[float, float]]:
    data = midi(track(events, **options))
    return [(found.start_s * 2, found.end_s * 2) for found in read_midi(data).notes]  # in quarters


ON, OFF = b"\x90\x3c\x50", b"\x80\x3c\x00"


def test_of_two_notes_on_a_key_the_first_struck_is_the_first_released():
    assert spans((0, ON), (Q, ON), (2 * Q, OFF), (3 * Q, OFF)) == [(0, 2), (1, 3)]


def test_one_release_too_few_holds_no_note_to_the_end():
    later = [(8 * Q, ON), (9 * Q, OFF)]
    assert spans((0, ON), (Q, ON), (2 * Q, OFF), *later) == [(0, 2), (1, 2), (8, 9)]


def test_a_release_just_before_or_after_the_next_strike_is_the_same():
    assert spans((0, ON), (Q, OFF), (Q, ON), (2 * Q, OFF)) == spans((0, ON), (Q, ON), (Q, OFF), (2 * Q, OFF))


@pytest.mark.parametrize("end", [b"\x83\x60" + END_OF_TRACK, b"\0" + END_OF_TRACK, b""])
def test_hanging_notes_end_with_their_track(end):
    data = midi(track([(n * Q, bytes([0x90, pitch, 80])) for n, pitch in enumerate(SCALE)], end=end))
    found = load_midi(data)
    ends = {n.end_s for n in found.piece.notes[:-1]}
    assert starts(data) == EIGHT
    assert ends == {4.0 if len(end) > 4 else 3.5}
    assert found.piece.notes[-1].end_s == 4.0, "the last one has a quarter where its track has ended already"
    assert "a note that is never released ended with its track (8 times)" in found.repairs


def test_keys_belong_to_their_channel_and_track():
    data = midi(track(note(0, Q, 60)), track(note(0, 2 * Q, 60)), track(note(0, 3 * Q, 60, channel=1)))
    assert [found.end_s for found in read_midi(data).notes] == [0.5, 1.0, 1.5]


def test_the_pedal_is_held_to_the_end_if_nobody_lifts_it():
    down, up = b"\xb0\x40\x7f", b"\xb0\x40\x00"
    piece = read_midi(midi(track([*quarters(*SCALE), (0, down), (Q, up), (2 * Q, down), (3 * Q, down)])))
    assert [(p.start_s, p.end_s) for p in piece.pedals] == [(0.0, 0.5), (1.0, 4.0)]


# --- what is broken and read all the same -----------------------------------------------------------------------------


def quarters_after(event: bytes) -> bytes:
    return midi(track([(0, event), *quarters(*SCALE)]))


BROKEN = {
    "key signature of 18 flats": (quarters_after(meta(0x59, b"\xee\x01")), "an impossible key signature ignored"),
    "empty key signature": (quarters_after(meta(0x59, b"")), "an impossible key signature ignored"),
    "meter 1/128": (quarters_after(meter(1, 7)), "a meter that no score can use ignored"),
    "meter 5/64": (quarters_after(meter(5, 6)), "a meter that no score can use ignored"),
    "meter 4/2**33": (quarters_after(meter(4, 33)), "a meter that no score can use ignored"),
    "meter 0/4": (quarters_after(meter(0, 2)), "a meter that no score can use ignored"),
    "meter of one byte": (quarters_after(meta(0x58, b"\x04")), "a meter that no score can use ignored"),
    "tempo 0": (quarters_after(meta(0x51, b"\0\0\0")), "an impossible tempo ignored"),
    "tempo of two bytes": (quarters_after(meta(0x51, b"\x07\xa1")), "an impossible tempo ignored"),
    "loud velocity": (
        midi(track([*quarters(*SCALE[:7]), *note(7 * Q, Q, 72, 200)])),
        "a data byte above 127 read as 127",
    ),
    "sysex with high bytes": (
        quarters_after(b"\xf0\x05C\x92\x00\x07\xf7"),
        "a system exclusive message with bytes above 127 skipped",
    ),
    "sysex longer than it is": (
        quarters_after(b"\xf0\xff\x7fC\x10\xf7"),
        "a wrong length of a system exclusive message",
    ),
    "clock": (quarters_after(b"\xf8"), "a message skipped that belongs on a cable, not into a file"),
    "stray byte": (quarters_after(b"\x11"), "a stray byte skipped"),
    "delta of six bytes": (
        midi(track([], end=b"\x80\x80\x80\x80\x80\x00" + track(quarters(*SCALE))[9:])),
        "a number of more than four bytes",
    ),
    "bytes after": (PLAIN + b"\0garbage" * 9, "bytes after the last track skipped"),
    "few bytes after": (PLAIN + b"\x1a", "bytes after the last track skipped"),
    "bytes before": (b"\0" * 128 + PLAIN, "bytes before the header skipped"),
    "bytes between": (
        midi(track(quarters(*SCALE)) + b"\0\1\2", track([])),
        "bytes between tracks skipped",
    ),
    "no end of track": (midi(track(quarters(*SCALE), end=b"")), "a track without an end ended"),
    "track length 0": (midi(track(quarters(*SCALE), length=0)), "a wrong length of a track"),
    "track length too short": (midi(track(quarters(*SCALE), length=30)), "a wrong length of a track"),
    "track length too long": (midi(track(quarters(*SCALE), length=2**32 - 1)), "a wrong length of a track"),
    "track length over the next": (midi(track([], length=40), track(quarters(*SCALE))), "a wrong length of a track"),
    "header of no length": (PLAIN[:4] + b"\0\0\0\0" + PLAIN[8:], "a wrong length of the header"),
    "header of endless length": (PLAIN[:4] + b"\xff\xff\xff\xff" + PLAIN[8:], "a wrong length of the header"),
    "more tracks counted": (midi(track(quarters(*SCALE)), count=9), "1 track read where the header counts 9"),
    "fewer tracks counted": (
        midi(track([]), track(quarters(*SCALE)), count=1),
        "2 tracks read where the header counts 1",
    ),
    "type 2": (midi(track(quarters(*SCALE)), kind=2), "tracks of a file of type 2 read as sounding together"),
    "events after the end": (
        midi(track(quarters(*SCALE), end=b"\0" + END_OF_TRACK + b"\0\x90\x3c\x50\0" + END_OF_TRACK)),
        "events after the end of a track skipped",
    ),
    "two files in one": (PLAIN + midi(track(quarters(50, 51))), "a second file after the first skipped"),
    "note of no length": (quarters_after(b"\x90\x30\x50\0\x80\x30\0"), "a note of no length left out"),
    "wrapper of wrong length": (riff(PLAIN, size=2**32 - 1), "a RIFF wrapper of wrong length"),
    "60 frames": (
        midi(track(quarters(*SCALE, ticks=600)), division=(256 - 60) << 8 | 20),
        "an unusual rate of 60 frames per second",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_players_accept_is_read_and_told(name):
    data, repair = BROKEN[name]
    found = load_midi(data)
    assert starts(data) == pytest.approx(EIGHT)
    assert found.piece.meter == (4, 4)
    assert repair in found.repairs
    assert repair in found.remark
    assert len(found.remark.splitlines()) == 1
    with pytest.raises(InputError, match=r"^the upload breaks the MIDI specification: "):
        load_midi(data, strict=True)


SOUND = {
    "wrapper": riff(PLAIN),
    "alien chunk": midi(b"XFIH\0\0\0\x04abcd", track(quarters(*SCALE))),
    "alien chunk that speaks of tracks": midi(b"XFIH\0\0\0\x08MTrk\0\0\0\0", track(quarters(*SCALE))),
    "alien chunk at the end": PLAIN + b"XFKM\0\0\0\x02ab",
    "longer header": midi(track(quarters(*SCALE)), header=b"\0\0\0\0"),
    "running status": midi(
        track([(0, ON), *((n * Q, bytes([p, v])) for n in range(1, 9) for p, v in ((0x3C, 0), (0x3C, 80)))][:-1])
    ),
    "escape": quarters_after(b"\xf7\x02\xf3\x01"),
    "drums without releases": midi(track([*quarters(*SCALE), (0, b"\x99\x24\x40"), (Q, b"\x99\x24\x40")])),
    "text of any bytes": quarters_after(meta(0x01, bytes(range(128, 256)))),
    "sequencer's own": quarters_after(meta(0x7F, b"\0\xff")),
}


@pytest.mark.parametrize("name", SOUND)
def test_what_the_specification_allows_is_no_repair(name):
    assert load_midi(SOUND[name]).repairs == ()
    assert starts(SOUND[name]) == pytest.approx(EIGHT)


def test_a_file_that_breaks_off_is_read_as_far_as_it_goes():
    whole = midi(track([(0, tempo(60)), *quarters(*SCALE)]))
    counts = [len(read_midi(whole[:size]).notes) for size in range(len(whole) - 8 * 9 + 8, len(whole))]
    assert counts == sorted(counts)
    assert counts[-1] == 8
    assert "a track that is cut off read as far as it goes" in load_midi(whole[:-10]).repairs


# --- what is refused --------------------------------------------------------------------------------------------------

DRUMS = midi(track(quarters(36, 38, channel=9)))
REFUSED = {
    "empty": (b"", "the upload is empty; choose another MIDI file."),
    "text": (b"<svg/>" * 99, "the upload is not a MIDI file, as it has no MIDI header; choose another."),
    "header cut": (PLAIN[:10], "the upload is cut off within its header, before any note; copy or download it again."),
    "no track": (PLAIN[:14], "the upload has a MIDI header, but no track after it; copy or download it again."),
    "no ticks": (
        midi(track(quarters(60)), division=0),
        "the upload has 0 ticks per quarter note, so its notes have no times; export it again.",
    ),
    "no ticks in a frame": (
        midi(track(quarters(60)), division=0xE700),
        "the upload has 0 ticks per frame, so its notes have no times; export it again.",
    ),
    "hours": (
        midi(track(note(0, 30_000 * Q, 60))),
        "the upload lasts 4.2 hours; pieces up to one hour can be read.",
    ),
    "beats": (
        midi(track([(0, tempo(6000)), *note(0, 50_000 * Q, 60)])),
        "the upload has 50000 beats; pieces with up to 40000 can be read.",
    ),
    "notes": (
        midi(track([(n, b"\x90\x3c\x40\x01\x3c\x00") for n in range(0, 120_000, 2)])),
        "the upload has 60000 notes; pieces with up to 50000 can be read.",
    ),
    "tracks": (midi(track([]) * 3000, count=3000), "the upload has over 2048 tracks, more than can be read."),
    "bytes": (PLAIN + b"\0" * 600_000, "the upload is too large; MIDI files up to 512 kB can be read."),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_says_what_is_the_matter(name):
    data, sentence = REFUSED[name]
    with pytest.raises(InputError) as refusal:
        read_midi(data)
    assert str(refusal.value) == sentence


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (midi(track([])), "the upload has no notes; choose another MIDI file."),
        (DRUMS, "the upload has drums alone, which are not read; choose a file with pitched notes."),
        (midi(track(note(0, 0, 60))), "the upload holds no note that can be read; what is wrong with it: a note of no"),
        (PLAIN[:30], "the upload holds no note that can be read; what is wrong with it: an event that is cut"),
    ],
    ids=["silence", "drums", "no length", "cut"],
)
def test_who_needs_notes_is_told_why_there_are_none(data, sentence):
    assert read_midi(data).notes == ()
    with pytest.raises(InputError) as refusal:
        load_midi(data, need_notes=True)
    assert str(refusal.value).startswith(sentence)


def test_a_folder_and_a_file_that_never_ends_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"^Cannot read .*: Is a directory\. Check the path\.$"):
        read_midi(tmp_path)
    with pytest.raises(InputError, match="is too large"):
        read_midi("/dev/zero")


@pytest.mark.parametrize(
    "data",
    [
        midi(*[track([], end=b"", length=2**32 - 1)] * 2000),
        midi(track([], end=b"\xff" * 500_000)),
        midi(track([], end=b"\x00\x90\x3c\x40" * 100_000 + b"\x00\x80\x3c\x00" * 20_000)),
        midi(track([], end=b"\x00\x90\x3c\x40" * 60_000 + b"\x01\x80\x3c\x00" * 60_000)),
        midi(track([], end=b"\x00\xb0\x40\x7f\x01\xb0\x40\x00" * 60_000)),
        midi(track([], end=b"\x01\xff\x51\x03\x07\xa1\x20\x01\xff\x51\x03\x07\xa1\x21" * 30_000)),
        midi(b"abcd\0\0\0\0" * 60_000, track([])),
        midi(track([(0, tempo(100_000)), *note(0, 2**27, 60), (2**27, tempo(4)), (2**28 - 1, meta(1, b""))])),
    ],
    ids=["endless tracks", "one number", "one key", "two piles", "pedals", "tempi", "alien chunks", "slow tail"],
)
def test_a_bomb_costs_little(data):
    assert len(data) <= 512 * 1024
    started = time.perf_counter()
    for straighten in (False, True):
        with contextlib.suppress(InputError):
            piece = read_midi(data, straighten=straighten)
            assert piece.duration_s <= 3600
            assert all(pedal.end_s <= 3600 for pedal in piece.pedals)
    assert time.perf_counter() - started < 5


# --- against other readers --------------------------------------------------------------------------------------------


def test_generated_files_are_read_as_they_were_written():
    record = fuzz_midi.run(400, seed=7)
    assert record["findings"] == []
    assert record["sound"] > 30
    assert record["also_read_by_mido"] > 20
    assert len(record["lies"]) == 15, "every kind of lie was told"


def test_the_large_run_is_told_as_it_was():
    record = json.loads((ROOT / "assets" / "results" / "fuzz_midi.json").read_text(encoding="utf-8"))
    told = " ".join((ROOT / "docs" / "robustness.md").read_text(encoding="utf-8").split())
    inputs, sound, findings = record["inputs"], record["sound"], len(record["findings"])
    assert f"{inputs} files with {record['notes']} notes, {sound} of them sound and {inputs - sound} broken" in told
    assert f"in {len(record['lies'])} ways; {findings} differences." in told


def test_the_comparison_would_see_a_difference():
    made = fuzz_midi.make(random.Random(3))
    made.notes[0] = (*made.notes[0][:2], made.notes[0][2] + 1, made.notes[0][3])
    with pytest.raises(AssertionError, match="written"):
        fuzz_midi.check(made)
    with pytest.raises(AssertionError, match="repairs"):
        fuzz_midi.check(replace(fuzz_midi.make(random.Random(3)), lies=[] if made.lies else ["none"]))


@pytest.mark.parametrize("seed", range(20))
def test_sound_files_equal_pretty_midi(seed, tmp_path):
    """Note by note, where no key is struck while it sounds: there, pretty_midi ends both notes at the first release."""
    pretty_midi = pytest.importorskip("pretty_midi")
    rng = random.Random(seed)
    events = [(0, tempo(rng.uniform(40, 200))), (0, meter(rng.randrange(2, 7), 2))]
    events += [(rng.randrange(20_000), tempo(rng.uniform(40, 200))) for _ in range(rng.randrange(4))]
    tracks = []
    for channel in range(3):
        now, mine = 0, []
        for _ in range(30):
            now += rng.randrange(0, 400)
            mine += note(now, length := rng.randrange(1, 900), rng.randrange(21, 109), rng.randrange(1, 128), channel)
            now += length
        tracks.append(track(mine))
    path = tmp_path / "sound.mid"
    path.write_bytes(midi(track(events), *tracks))
    theirs = pretty_midi.PrettyMIDI(str(path))
    expected = sorted((n.start, n.pitch, n.end, n.velocity) for i in theirs.instruments for n in i.notes)
    assert [(n.start_s, n.pitch, n.end_s, n.velocity) for n in read_midi(path).notes] == expected
    straight = read_midi(path, straighten=True)
    beats = sorted(theirs.time_to_tick(start) / 480 for start, *_ in expected)
    assert [n.start_s / straight.seconds_per_beat for n in straight.notes] == pytest.approx(beats)
    assert straight.meter == (theirs.time_signature_changes[0].numerator, 4)


# --- the command line -------------------------------------------------------------------------------------------------


@pytest.fixture
def hanging(tmp_path):
    path = tmp_path / "hanging.mid"
    path.write_bytes(midi(track([(n * Q, bytes([0x90, pitch, 80])) for n, pitch in enumerate(SCALE)])))
    return path


REMARK = "hanging.mid was repaired while it was read: a note that is never released ended with its track (8 times)."


def test_commands_say_what_was_repaired_or_refuse_it(hanging, tmp_path, capsys):
    score = tmp_path / "score.musicxml"
    assert main(["render", str(hanging), "--out", str(score), "--strict"]) == 2
    assert capsys.readouterr().err.startswith("eimg: hanging.mid breaks the MIDI specification: a note that is never")
    assert not score.exists()
    assert main(["render", str(hanging), "--out", str(score)]) == 0
    assert capsys.readouterr().err == f"eimg: {REMARK}\n"
    assert score.exists()


def test_evaluation_keeps_the_repairs_beside_the_numbers(hanging, capsys):
    evaluation = FileEvaluator(None)
    assert evaluation.evaluate(hanging).item["repairs"] == [
        "a note that is never released ended with its track (8 times)"
    ]
    assert evaluation.evaluate(hanging).remark == REMARK
    assert "breaks the MIDI specification" in FileEvaluator(None, strict=True).evaluate(hanging).fault


def test_drums_alone_have_a_sentence_of_their_own(tmp_path, capsys):
    path = tmp_path / "drums.mid"
    path.write_bytes(DRUMS)
    for out in ("a.wav", "a.musicxml"):
        assert main(["render", str(path), "--out", str(tmp_path / out)]) == 2
        assert capsys.readouterr().err == (
            "eimg: drums.mid has drums alone, which are not read; choose a file with pitched notes.\n"
        )


# --- programs ---------------------------------------------------------------------------------------------------------


def test_programs_are_told_what_was_repaired(hanging, tmp_path, monkeypatch):
    studio, told = FakeStudio(), []
    repairs = ["a note that is never released ended with its track (8 times)"]
    monkeypatch.setattr("eimg_core.ui.api.programs.gr.Info", told.append)
    app = build_ui(studio, pieces=tmp_path)
    offered = {function.api_name: function.fn for function in app.fns.values()}
    assert offered["evaluate_midi"](str(hanging))["repairs"] == repairs
    assert told == []
    for made in (offered["render"](str(hanging)), offered["export"](str(hanging), "musicxml")):
        assert Path(made).is_file()
    assert told == [REMARK, REMARK]
    assert offered["retell"](hanging.read_bytes(), 6, 4, "vqvae+fnt")["repairs"] == repairs
    assert offered["extend"](hanging.read_bytes(), 12, "vqvae+fnt")["repairs"] == repairs
    hanging.write_bytes(PLAIN)
    assert offered["evaluate_midi"](str(hanging))["repairs"] == []
    offered["render"](str(hanging))
    assert told == [REMARK, REMARK], "nothing to tell"


@pytest.mark.parametrize("suffix", MIDI_SUFFIXES)
def test_a_folder_is_searched_for_every_usual_name(suffix, tmp_path):
    (tmp_path / f"piece{suffix.upper()}").write_bytes(PLAIN)
    assert list(midi_files([tmp_path])) == [f"piece{suffix.upper()}"]
