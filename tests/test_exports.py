"""Files to take away: what is inside each of them, and that it is the same piece in all."""

from __future__ import annotations

import io
import json
import struct
import wave
import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import av
import mido
import mutagen
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from tinytag import TinyTag

from eimg_core import __version__
from eimg_core.cli.main import main
from eimg_core.composer import Composition
from eimg_core.emotion import VA
from eimg_core.errors import InputError, RenderError
from eimg_core.exports.audio import mp3_of, wav_tagged
from eimg_core.exports.clip import LAYOUTS, Roll, square_file
from eimg_core.exports.files import PHOTO, export, work_of, write
from eimg_core.exports.formats import FORMATS
from eimg_core.exports.record import composition_of, describe, music_of, read_record
from eimg_core.exports.tags import tags_of
from eimg_core.exports.work import Work
from eimg_core.midi.notes import Note, Piece, Section
from eimg_core.midi.reading import read_midi
from eimg_core.midi.writing import write_midi
from eimg_core.notation.following import follow, time_map
from eimg_core.options import ComposeOptions
from eimg_core.performance import perform
from eimg_core.recipe import Recipe, photo_id
from eimg_core.sound.render import render
from tests.fake_studio import FakeStudio, scene, sketch

FACTS = {"photo", "target", "heard", "seed", "pairing", "version"}
TARGET = VA(7.25, 3.5)


def composed(seed: int = 7) -> Composition:
    piece = replace(sketch(TARGET, seed, 8), key=4, sections=(Section(0.0, "A"), Section(4.0, "A2")))
    return Composition(
        piece,
        "effnet+tvae",
        ComposeOptions(seed, 8.0),
        VA(6, 4),
        TARGET,
        VA(6.5, 3.25),
        {"pitch_entropy": float("nan")},
        variant="eimg2",
        performance=perform(piece, TARGET, seed),
        recipe=Recipe("effnet+tvae", ComposeOptions(seed, 8.0), photo_id(scene("beach", (320, 200)))),
    )


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> dict[str, Path]:
    pytest.importorskip("soundfile")
    pytest.importorskip("verovio")
    composition, photo = composed(), scene("beach", (320, 200))
    wav = FakeStudio().render(composition.played).wav_bytes()
    return write(Work(composition, photo, wav), tmp_path_factory.mktemp("files"), "piece", FORMATS)


def test_every_value_of_a_record_follows_the_composition() -> None:
    """Two compositions that differ in everything have records that differ in every value but format and version."""
    one = replace(composed(), timings_s={"generate": 0.5}, metrics={"pitch_entropy": 3.5})
    faster = one.piece.faster(1.25)
    other = Composition(
        replace(
            faster,
            meter=(3, 4),
            key=5,
            loop_s=20.0,
            notes=tuple(replace(note, pitch=note.pitch + 3) for note in faster.notes[1:]),
        ),
        "vqvae+fnt",
        ComposeOptions(8, 9.0, VA(3, 3), 2, False, 1.25, 0.5, 1, "Eb", "minor", 90.0, "3/4", 4, "harp"),
        VA(2, 3),
        VA(3, 3),
        VA(2.5, 2.75),
        {"pitch_entropy": 3.0},
        {"generate": 0.25},
        remarks=("A remark.",),
        variant="paper",
        kept=1,
    )

    def values(value: object, name: str = "") -> Iterator[tuple[str, object]]:
        if isinstance(value, dict) and value:
            for key, below in value.items():
                yield from values(below, f"{name}.{key}")
        else:
            yield name, value

    first, second = (dict(values({**describe(c, {"mid": c.pairing}), **music_of(c)})) for c in (one, other))
    same = {name for name in first if first[name] == second.get(name, "missing")}
    neither_has = {".recipe.steps", ".recipe.stops", ".recipe.source"}  # see tests/test_remake.py
    assert same == {".format", ".version", *neither_has}


@pytest.fixture(scope="module")
def facts() -> dict[str, str]:
    return tags_of(composed()).facts


def test_the_facts_say_where_a_piece_comes_from(facts):
    assert set(facts) == FACTS
    assert facts["target"] == "valence 7.25, arousal 3.50"
    assert facts["heard"] == "valence 6.50, arousal 3.25"
    assert (facts["seed"], facts["pairing"], facts["version"]) == ("7", "effnet+tvae@eimg2", __version__)
    assert facts["photo"].startswith("sha256:")
    assert tags_of(replace(composed(), recipe=None)).facts["photo"] == "none"


def test_a_photo_is_known_by_its_pixels():
    photo = scene("beach", (64, 48))
    buffer = io.BytesIO()
    photo.save(buffer, "PNG")
    assert photo_id(Image.open(buffer)) == photo_id(photo)
    assert photo_id(scene("night", (64, 48))) != photo_id(photo)
    assert photo_id(None) is None


def test_every_format_is_there_and_named_alike(saved):
    assert set(saved) == set(FORMATS)
    assert {path.name for path in saved.values()} == {f"piece.{kind}" for kind in FORMATS}


def test_midi_says_it_in_text_events(saved, facts):
    midi = mido.MidiFile(saved["mid"])
    texts = [message.text for message in midi.tracks[0] if message.type == "text"]
    assert texts == [f"EIMG Studio {__version__}", *(f"{name}: {value}" for name, value in facts.items())]
    assert next(m.name for m in midi.tracks[0] if m.type == "track_name") == "A serene piece"
    assert sum(message.time for message in midi.tracks[0][:8]) == 0


def test_midi_has_a_track_for_each_hand_and_says_key_and_sections(saved):
    composition = composed()
    midi, played = mido.MidiFile(saved["mid"]), composition.played
    assert (midi.type, [track.name for track in midi.tracks[1:]]) == (1, ["Right hand", "Left hand"])
    assert [m.key for m in midi.tracks[0] if m.type == "key_signature"] == ["E"], "as its composer says"
    tick = played.seconds_per_beat / midi.ticks_per_beat
    now = np.cumsum([message.time for message in midi.tracks[0]]) * tick
    marks = [(at, m.text) for at, m in zip(now, midi.tracks[0], strict=True) if m.type == "marker"]
    when = time_map(composition.piece, played)
    assert marks == [(pytest.approx(when(start), abs=tick), name) for start, name in ((0.0, "A"), (4.0, "A2"))]
    hands = follow(composition.piece, played).hands
    for hand, track in enumerate(midi.tracks[1:]):
        struck = sorted(message.note for message in track if message.type == "note_on")
        assert struck == sorted(note.pitch for note, mine in zip(played.notes, hands, strict=True) if mine == hand)
    assert read_midi(saved["mid"]).notes == read_midi(write_midi(played)).notes


def test_midi_asks_for_the_instrument(tmp_path):
    harp = replace(composed(), options=ComposeOptions(7, 8.0, instrument="harp"))
    midi = mido.MidiFile(write(Work(harp), tmp_path, "piece", ["mid"])["mid"])
    assert {m.program for track in midi.tracks for m in track if m.type == "program_change"} == {46}


def test_a_record_keeps_what_the_composer_said(saved):
    piece = composition_of(read_record(saved["json"])).piece
    assert (piece.key, piece.sections) == (composed().piece.key, composed().piece.sections)


def test_the_texts_change_no_note():
    piece = composed().played
    assert read_midi(write_midi(piece, texts=["seed: 7"])).notes == read_midi(write_midi(piece)).notes


@pytest.mark.parametrize("kind", ["wav", "mp3"])
def test_sound_files_say_it_in_a_tag_that_two_readers_understand(saved, facts, kind):
    tag = mutagen.File(saved[kind]).tags
    assert {frame.desc: str(frame) for frame in tag.getall("TXXX")} == facts
    read = TinyTag.get(saved[kind])
    assert (read.title, str(tag["TIT2"])) == ("A serene piece", "A serene piece")
    assert read.artist == str(tag["TPE1"]) == "EIMG Studio (effnet+tvae@eimg2, seed 7)"
    assert read.comment == "; ".join(f"{name}: {value}" for name, value in facts.items())
    assert {name: read.other[name] for name in facts} == {name: [value] for name, value in facts.items()}
    assert read.other["encoder_settings"] == [f"EIMG Studio {__version__}"]


def test_a_tag_changes_no_sample_of_a_wav(saved):
    plain = FakeStudio().render(composed().played).wav_bytes()
    data = saved["wav"].read_bytes()
    assert struct.unpack("<I", data[4:8])[0] == len(data) - 8, "the file says how long it is"
    with wave.open(str(saved["wav"])) as tagged, wave.open(io.BytesIO(plain)) as untagged:
        assert tagged.getparams() == untagged.getparams()
        assert tagged.readframes(tagged.getnframes()) == untagged.readframes(untagged.getnframes())


def test_an_mp3_plays_as_long_as_its_wav_and_is_smaller(saved):
    import soundfile

    played, rate = soundfile.read(saved["mp3"])
    assert np.abs(played).max() > 0.03
    with wave.open(str(saved["wav"])) as sound:
        assert abs(len(played) / rate - sound.getnframes() / sound.getframerate()) < 0.2
    assert saved["mp3"].stat().st_size < saved["wav"].stat().st_size / 2


def test_stems_are_the_hands_of_the_piece(saved, facts):
    played = composed().played
    with zipfile.ZipFile(saved["stems.zip"]) as archive:
        assert archive.namelist() == ["piece-right-hand.wav", "piece-left-hand.wav"]
        stems = []
        for name in archive.namelist():
            tag = mutagen.File(io.BytesIO(archive.read(name))).tags
            assert {frame.desc: str(frame) for frame in tag.getall("TXXX")} == facts
            with wave.open(io.BytesIO(archive.read(name))) as sound:
                stems.append(np.frombuffer(sound.readframes(sound.getnframes()), "<i2").astype(int))
    whole = np.rint(render(played).samples * 32767).astype(int).ravel()
    assert len(stems[0]) == len(stems[1]) == len(whole)
    assert np.abs(stems[0] + stems[1] - whole).max() < 40, "together they are the piece, to -58 dBFS"
    assert min(np.abs(stem).max() for stem in stems) > 300


@pytest.mark.parametrize(
    ("kind", "size"), [("mp4", (720, 720)), ("portrait.mp4", (720, 1280)), ("landscape.mp4", (1280, 720))]
)
def test_a_clip_shows_the_photo_and_the_roll_and_plays_the_piece(saved, kind, size):
    with wave.open(io.BytesIO(FakeStudio().render(composed().played).wav_bytes())) as sound:
        rate, whole = sound.getframerate(), np.frombuffer(sound.readframes(sound.getnframes()), "<i2").reshape(-1, 2)
    with av.open(str(saved[kind])) as clip:
        picture, heard = clip.streams.video[0], clip.streams.audio[0]
        assert (picture.codec_context.name, picture.pix_fmt, heard.codec_context.name) == ("h264", "yuv420p", "aac")
        assert (picture.width, picture.height) == size
        assert clip.metadata["title"] == tags_of(composed()).title
        assert float(picture.duration * picture.time_base) == pytest.approx(len(whole) / rate, abs=0.05)
        frames = [frame.to_ndarray(format="rgb24").astype(int) for frame in clip.decode(video=0)]
    with av.open(str(saved[kind])) as clip:
        samples = np.concatenate([frame.to_ndarray() for frame in clip.decode(audio=0)], axis=1).T
    samples = samples[1024:]  # a frame before the beginning, which players leave out as the file says
    both = min(len(samples), len(whole))
    assert both > len(whole) - 2048
    assert np.corrcoef(samples[:both].ravel(), whole[:both].ravel())[0, 1] > 0.99, "the sound is that of the WAV file"
    middle, later = frames[len(frames) // 2], frames[len(frames) // 2 + 10]
    shown = np.asarray(scene("beach", (320, 200)).resize((32, 20))).reshape(-1, 3).mean(axis=0)
    left, top, right, bottom = LAYOUTS[kind].photo
    seen = middle[top:bottom, left:right].reshape(-1, 3).mean(axis=0)
    assert np.abs(seen - shown).max() < 40, "the photo, cut to its place"
    assert np.abs(later - middle)[top:bottom, left:right].mean() < 1, "stands still"
    left, top, right, bottom = LAYOUTS[kind].roll
    assert np.abs(later - middle)[top:bottom, left:right].mean() > 1, "and the roll moves"


def test_a_clip_without_a_photo_is_all_roll():
    wav = FakeStudio().render(composed().played).wav_bytes()
    with av.open(io.BytesIO(square_file(Work(composed(), wav=wav)))) as clip:
        frames = [frame.to_ndarray(format="rgb24").astype(int) for frame in clip.decode(video=0)]
    upper = slice(0, LAYOUTS["mp4"].photo[3])
    assert np.abs(frames[60][upper] - frames[50][upper]).mean() > 0.5


def test_what_sounds_is_lit_at_the_line():
    piece = Piece((Note(0.0, 60, 2.0), Note(2.0, 72, 4.0)), 120.0)
    roll = Roll(Work(replace(composed(), piece=piece, performance=None)), 300, 240, 4.0)

    def dark_rows(moment_s: float) -> NDArray[np.int64]:
        return np.flatnonzero(roll.at(moment_s)[:, roll.line + 8].astype(int).sum(axis=1) < 330)

    low, high = dark_rows(0.5), dark_rows(2.5)
    assert len(low)
    assert len(high)
    assert high.max() < low.min(), "the higher note stands above"
    assert not len(dark_rows(3.99)[dark_rows(3.99) > high.max()])


def test_the_same_piece_gives_the_same_bytes_of_sound():
    wav, tags = FakeStudio().render(composed().played).wav_bytes(), tags_of(composed())
    assert wav_tagged(wav, tags) == wav_tagged(wav, tags)
    assert mp3_of(wav, tags) == mp3_of(wav, tags)
    assert mp3_of(wav, tags).endswith(mp3_of(wav)), "the tag stands before the sound and leaves it alone"


def test_png_says_it_in_text_chunks(saved, facts):
    picture = Image.open(saved["png"])
    assert picture.text["Title"] == "A serene piece"
    assert all(f"{name}: {value}" in picture.text["Description"] for name, value in facts.items())


def test_musicxml_and_svg_say_it(saved, facts):
    root = ET.parse(saved["musicxml"]).getroot()
    assert {field.get("name"): field.text for field in root.iter("miscellaneous-field")} == facts
    svg = saved["svg"].read_text(encoding="utf-8")
    ET.fromstring(svg)
    assert facts["photo"] in svg
    assert "<script" not in svg


def test_the_zip_holds_everything_and_the_json_lists_it(saved):
    packed = {key for key, one in FORMATS.items() if not (one.packs or one.large)}
    with zipfile.ZipFile(saved["zip"]) as archive:
        assert {name.partition(".")[2] for name in archive.namelist()} == packed
    record = json.loads(saved["json"].read_text())
    assert record["files"] == {kind: f"piece.{kind}" for kind in FORMATS}
    assert record["recipe"]["photo_id"] in saved["svg"].read_text()
    assert len(record["performance"]["hands"]) == record["note_count"]


def test_a_record_gives_the_same_piece_again(saved):
    again, once = composition_of(read_record(saved["json"])), composed()
    assert again.target_va == once.target_va
    assert [n.pitch for n in again.played.notes] == [n.pitch for n in once.played.notes]
    assert np.allclose([n.start_s for n in again.piece.notes], [n.start_s for n in once.piece.notes], atol=1e-4)
    assert np.isnan(again.metrics["pitch_entropy"])


@pytest.mark.parametrize("kind", ["musicxml", "png", "svg", "mp3", "zip"])
def test_what_is_made_later_is_what_would_have_been_made_at_once(saved, tmp_path, kind):
    composition, photo = composed(), scene("beach", (320, 200))
    wav = FakeStudio().render(composition.played).wav_bytes()
    files = write(Work(composition, photo, wav), tmp_path, "piece", ("mid", "wav", "json"))
    photo.save(tmp_path / PHOTO)
    later = export(files["json"], kind)
    assert later == tmp_path / f"piece.{kind}"
    if kind in ("musicxml", "svg"):
        assert later.read_bytes() == saved[kind].read_bytes()
    elif kind == "png":
        assert np.asarray(Image.open(later)).shape == np.asarray(Image.open(saved[kind])).shape
        assert work_of(files["json"]).photo is not None
    elif kind == "mp3":
        assert abs(later.stat().st_size - saved[kind].stat().st_size) < 2000
    else:
        assert len(zipfile.ZipFile(later).namelist()) == sum(not (one.packs or one.large) for one in FORMATS.values())
    before = later.stat().st_mtime_ns
    assert export(files["json"], kind).stat().st_mtime_ns == before, "made once"


def test_a_silent_piece_has_no_sound_files(tmp_path):
    files = write(Work(composed()), tmp_path, "piece", ("mid", "wav", "mp3", "json"))
    assert set(files) == {"mid", "json"}
    with pytest.raises(RenderError, match="no sound"):
        export(files["json"], "mp3")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        '{"format": 3}',
        '{"format": 1, "score": {}}',
        '{"format": 2, "score": {}}',
        '{"format": 3, "score": {}}',
        '{"format": 2, "score": {}, "takes": 4, "take_kept": "one"}',
    ],
)
def test_a_damaged_record_is_refused_in_a_sentence(tmp_path, text):
    record = tmp_path / "piece.json"
    record.write_text(text)
    with pytest.raises(InputError, match=r"ompose it again"):
        export(record, "musicxml")


def test_without_an_encoder_one_sentence_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "soundfile", None)
    wav = FakeStudio().render(sketch(TARGET, 1, 4)).wav_bytes()
    with pytest.raises(RenderError, match="pip install soundfile"):
        write(Work(composed(), wav=wav), tmp_path, "piece", ("mp3",))
    files = write(Work(composed(), wav=wav), tmp_path, "piece", ("json", "zip"))
    assert "piece.mp3" not in zipfile.ZipFile(files["zip"]).namelist(), "everything else can still be packed"


# ---- the command line --------------------------------------------------------------------------------------------


def test_without_av_one_sentence_says_how_to_get_clips(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    wav = FakeStudio().render(sketch(TARGET, 1, 4)).wav_bytes()
    with pytest.raises(RenderError, match="pip install av"):
        write(Work(composed(), wav=wav), tmp_path, "piece", ("mp4",))


def test_compose_writes_the_formats_that_are_asked_for(tmp_path):
    out = tmp_path / "out"
    wanted = ["compose", "--valence", "7", "--arousal", "3", "--seconds", "6", "--out", str(out)]
    assert main([*wanted, "--format", "musicxml,svg,mid"]) == 0
    assert {path.name for path in out.iterdir()} == {"piece.musicxml", "piece.svg", "piece.mid"}
    assert main([*wanted, "--format", "mp3"]) == 0
    assert (out / "piece.mp3").read_bytes()[:3] == b"ID3"


def test_an_unknown_format_is_wrong_usage(tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["compose", "--valence", "7", "--arousal", "3", "--format", "ogg", "--out", str(tmp_path)])
    assert stopped.value.code == 2
    assert "mp3" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "start"),
    [("x.wav", b"RIFF"), ("x.mp3", b"\xff"), ("x.musicxml", b"<?xml"), ("x.svg", b"<svg"), ("x.png", b"\x89PNG")],
)
def test_render_turns_midi_into_sound_or_score(tmp_path, name, start):
    write_midi(sketch(TARGET, 1, 6), tmp_path / "in.mid")
    assert main(["render", str(tmp_path / "in.mid"), "--out", str(tmp_path / name)]) == 0
    assert (tmp_path / name).read_bytes().startswith(start)


def test_render_refuses_what_it_cannot_write(tmp_path, capsys):
    write_midi(sketch(TARGET, 1, 6), tmp_path / "in.mid")
    assert main(["render", str(tmp_path / "in.mid"), "--out", str(tmp_path / "x.pdf")]) == 2
    assert "x.pdf should end in .mp3, .wav, .musicxml, .svg or .png" in capsys.readouterr().err
