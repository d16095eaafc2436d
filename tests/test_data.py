"""The data sets: reading, defects, splits, the cache of pieces, fetching and preparing. All data is synthetic."""

from __future__ import annotations

import builtins
import csv
import hashlib
import io
import json
import re
import shutil
import threading
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

import train.data.download
import train.data.prepare
import train.download
import train.prepare
from eimg_core.data import (
    SPLITS,
    Corpus,
    Item,
    load_pieces,
    read_eimg,
    read_emopia,
    read_iaps,
    read_naps,
    read_oasis,
    read_pop909,
)
from eimg_core.data import pieces as pieces_module
from eimg_core.data.corpus import split_of
from eimg_core.data.fetch import content_digest, download, open_zip
from eimg_core.emotion import VA
from eimg_core.errors import DataError
from eimg_core.midi.notes import Note, Pedal, Piece
from eimg_core.midi.writing import write_midi
from tests.factories import make_mini_data, make_photo, make_piece

COUNTS = {"train": 6, "val": 2, "test": 2}
PHOTO_TABLE, CLIP_TABLE = "images/oasis/labels.csv", "music/eimg/labels.csv"


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mini data folder to read from; tests that spoil files use ``data``."""
    return make_mini_data(tmp_path_factory.mktemp("data"), COUNTS, COUNTS)


@pytest.fixture
def data(pristine: Path, tmp_path: Path) -> Path:
    return shutil.copytree(pristine, tmp_path / "data")


def edit(table: Path, change: Callable[[list[dict[str, str]]], object]) -> None:
    """Change the rows of a label table in place."""
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    change(rows)
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


# Reading


def test_oasis_ratings_are_mapped_by_the_ends_of_their_scale(data: Path) -> None:
    def change(rows: list[dict[str, str]]) -> None:
        rows[0] |= {"valence": "1", "arousal": "7"}
        rows[1] |= {"valence": "4", "arousal": "2.5"}

    edit(data / PHOTO_TABLE, change)
    first, second = read_oasis(data).items[:2]
    assert first.va == VA(1, 9)
    assert second.va == VA(5, 3)


def test_clips_keep_raw_labels_and_single_ratings_outside_the_scale(data: Path) -> None:
    def change(rows: list[dict[str, str]]) -> None:
        rows[0] |= {"valence": "4.1667", "arousal": "8.5", "valence_3": "10", "arousal_3": "0"}
        rows[1] |= {"valence_6": "", "arousal_6": ""}

    edit(data / CLIP_TABLE, change)
    first, second = read_eimg(data).items[:2]
    assert first.va == VA(4.1667, 8.5)
    assert first.ratings[2] == VA(10, 0)
    assert len(first.ratings) == 6
    assert len(second.ratings) == 5  # an annotator without ratings is left out, not counted as 0


def test_splits_are_those_of_the_table_and_the_counts_add_up(pristine: Path) -> None:
    corpus = read_eimg(pristine)
    assert {split: len(corpus.split(split)) for split in SPLITS} == COUNTS
    assert corpus.split("val", "test") == tuple(item for item in corpus.items if item.split != "train")
    assert corpus.va_table().shape == (10, 2)
    with pytest.raises(ValueError, match="valid"):
        corpus.split("valid")  # type: ignore[arg-type]


def test_emopia_names_give_quadrant_and_video(pristine: Path) -> None:
    items = {item.key: item for item in read_emopia(pristine).items}
    assert {item.key[:2]: item.quadrant for item in items.values()} == {
        "Q1": "HVHA",
        "Q2": "LVHA",
        "Q3": "LVLA",
        "Q4": "HVLA",
    }
    assert items["Q1_video_00000_0.mid"].group == items["Q2_video_00000_1.mid"].group == "video_00000"
    assert np.isnan(read_emopia(pristine).va_table()).all()


def test_no_group_crosses_a_split(pristine: Path) -> None:
    for read in (read_oasis, read_eimg, read_emopia, read_pop909):
        pairs = {(item.group, item.split) for item in read(pristine).items}
        assert len(pairs) == len({group for group, _ in pairs})


def test_a_group_in_two_splits_is_refused(data: Path) -> None:
    edit(data / CLIP_TABLE, lambda rows: rows[0].update(split="test"))
    with pytest.raises(DataError, match=r'group "train 0" in the splits test and train.*0002\.mid'):
        read_eimg(data)


def test_a_key_twice_is_refused(data: Path) -> None:
    edit(data / CLIP_TABLE, lambda rows: rows.append(rows[0]))
    with pytest.raises(DataError, match=r"lists 0001\.mid twice"):
        read_eimg(data)


def test_derived_splits_are_stable_and_near_80_10_10() -> None:
    # Fixed by the hash: were one of these to change, published results would no longer be comparable.
    for split, video in (("train", "0vLPYiPN7qY"), ("val", "6kRPHamGDSo"), ("test", "2Z9SjI131jA")):
        assert split_of("emopia", video) == split
    shares = Counter(split_of("pop909", f"{song:03d}") for song in range(1, 910))
    assert shares == {"train": 721, "val": 92, "test": 96}


@pytest.mark.parametrize(("corpus", "sizes"), [("oasis", (584, 92, 89)), ("eimg", (2151, 269, 273))])
def test_shipped_split_tables_keep_groups_together(corpus: str, sizes: tuple[int, ...]) -> None:
    table = train.data.download._split_table(corpus)
    assert tuple(Counter(split for _, split in table.values())[split] for split in SPLITS) == sizes
    assert len(set(table.values())) == len({group for group, _ in table.values()})


# Defects


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda rows: rows[2].update(valence="abc"), r'I3\.jpg in oasis/labels\.csv has the valence "abc"'),
        (lambda rows: rows[2].update(arousal="7.5"), r'arousal "7\.5", expected a number from 1 to 7'),
        (lambda rows: rows[2].update(arousal="nan"), r'arousal "nan"'),
        (lambda rows: rows[2].update(split="dev"), r'split "dev", expected train, val, test'),
        (lambda rows: rows[2].update(file="../I3.jpg"), r'"\.\./I3\.jpg", expected a file name'),
        (lambda rows: [row.pop("theme") for row in rows], r'oasis/labels\.csv has no column "theme"'),
        (lambda rows: rows[2].update(file="I77.jpg"), r"lists I77\.jpg, which is missing on disk"),
    ],
)
def test_a_bad_label_is_named_and_a_remedy_given(data: Path, spoil: Callable, message: str) -> None:
    edit(data / PHOTO_TABLE, spoil)
    with pytest.raises(DataError, match=message + r".*train\.download"):
        read_oasis(data)


def test_missing_files_are_counted_and_the_first_is_named(data: Path) -> None:
    for key in ("I2.jpg", "I4.jpg", "I5.jpg"):
        (data / "images/oasis" / key).unlink()
    with pytest.raises(DataError, match=r"lists I2\.jpg and 2 more, which are missing on disk; run"):
        read_oasis(data)


def test_a_cut_off_table_is_refused(data: Path) -> None:
    table = data / PHOTO_TABLE
    table.write_text(table.read_text()[:-60])
    with pytest.raises(DataError, match="wrong number of cells in line 11"):
        read_oasis(data)


def test_missing_folders_say_how_to_get_them(tmp_path: Path) -> None:
    for read in (read_oasis, read_eimg, read_emopia, read_pop909):
        with pytest.raises(DataError, match=r"python -m train\.download") as caught:
            read(tmp_path)
        assert str(tmp_path) not in str(caught.value)


# IAPS and NAPS


def write_pictures(folder: Path, names: list[str]) -> None:
    folder.mkdir(parents=True)
    for name in names:
        make_photo(VA(5, 5), np.random.default_rng(0), (16, 16)).save(folder / name, format="JPEG")


def test_iaps_numbers_with_a_dot_and_the_tail_of_the_table(tmp_path: Path) -> None:
    write_pictures(tmp_path / "pictures", ["1019.jpg", "2055.1.jpg", "2055.2.JPG"])
    rows = ["Snake\t1019\t3.95\t1.96\t5.77\t1.83\t.\t.\t12\\", "Pool\t2055.1\t3.15\t1\t4.95\t2\\"]
    (tmp_path / "data_new.txt").write_text("\n".join([*rows, "Pool\t2055.2\t6.40\t1\t4.45\t2}", ""]))
    corpus = read_iaps(tmp_path)
    assert [item.key for item in corpus.items] == ["1019.jpg", "2055.1.jpg", "2055.2.JPG"]
    assert [item.va for item in corpus.items] == [VA(3.95, 5.77), VA(3.15, 4.95), VA(6.4, 4.45)]
    assert [item.group for item in corpus.items] == ["snake", "pool", "pool"]


def test_iaps_without_a_picture_or_with_a_bad_rating(tmp_path: Path) -> None:
    write_pictures(tmp_path / "pictures", ["1019.jpg"])
    table = tmp_path / "data_new.txt"
    table.write_text("Snake\t1019\t3.95\t1.96\t5.77\t1.83\nSnake\t1022\t4.26\t2.04\t6.02\t1.97\n")
    with pytest.raises(DataError, match=r"lists 1022\.jpg, which is missing on disk; ask the owners"):
        read_iaps(tmp_path)
    table.write_text("Snake\t1019\t.\t1.96\t5.77\t1.83\n")
    with pytest.raises(DataError, match=r'Row 1 of data_new\.txt has the ratings "\." and "5\.77"'):
        read_iaps(tmp_path)


def naps_rows() -> list[list[str]]:
    def row(name: str, valence: str, arousal: str) -> list[str]:
        cells = ["x"] * 24
        cells[1], cells[17], cells[21] = name, valence, arousal
        return cells

    header = [["NAPS"] * 24] * 3
    return [*header, row("Animals_001_h", "2.57", "6.44"), row("Animals_002_v", "6.24", "6.68")]


def test_naps_sheet_as_csv(tmp_path: Path) -> None:
    write_pictures(tmp_path / "LR", ["Animals_001_h.JPG", "animals_002_v.jpg"])
    with (tmp_path / "NAPS.csv").open("w", newline="") as file:
        csv.writer(file).writerows(naps_rows())
    first, second = read_naps(tmp_path).items
    assert (first.key, first.va, second.va) == ("Animals_001_h.JPG", VA(2.57, 6.44), VA(6.24, 6.68))
    assert first.group == second.group == "animals_00"  # neighbours stay together


def test_naps_workbook_without_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "NAPS.xls").write_bytes(b"")
    without_package(monkeypatch, "xlrd")
    with pytest.raises(DataError, match=r"pip install xlrd.*NAPS\.csv"):
        read_naps(tmp_path)


def without_package(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    original = builtins.__import__

    def guarded(name: str, *args: object, **kwargs: object) -> object:
        if name == package:
            raise ImportError(name)
        return original(name, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", guarded)


# The cache of pieces


@pytest.fixture
def music(tmp_path: Path) -> Corpus:
    """Two pieces: one with pedal in 3/4, one that is empty."""
    waltz = Piece((Note(0, 60, 0.5, 70), Note(0.25, 64, 1.0, 71)), 96.0, (3, 4), (Pedal(0.0, 0.75),))
    for name, piece in (("a.mid", waltz), ("b.mid", Piece(()))):
        write_midi(piece, tmp_path / name)
    items = tuple(Item(name, tmp_path / name, None, "train", name) for name in ("a.mid", "b.mid"))
    return Corpus("tiny", "tiny set", "CC0", "test", items)


def test_cached_pieces_equal_parsed_ones_and_are_not_parsed_again(
    music: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    parsed = load_pieces(music, None)
    assert parsed["a.mid"].meter == (3, 4)
    assert len(parsed["a.mid"].pedals) == 1
    assert load_pieces(music, cache) == parsed
    monkeypatch.setattr(pieces_module, "read_midi", lambda *a, **k: pytest.fail("parsed again"))
    assert load_pieces(music, cache) == parsed


def test_cache_is_rebuilt_when_a_file_changes_or_the_cache_is_damaged(music: Corpus, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    load_pieces(music, cache)
    write_midi(Piece((Note(0, 72, 1.0),)), music.items[1].path)
    assert load_pieces(music, cache)["b.mid"].notes[0].pitch == 72
    stored = cache / "tiny.npz"
    stored.write_bytes(stored.read_bytes()[:200])
    assert load_pieces(music, cache)["b.mid"].notes[0].pitch == 72
    assert [path.name for path in cache.iterdir()] == ["tiny.npz"]  # no leftovers


def test_a_damaged_midi_file_is_named(music: Corpus) -> None:
    music.items[0].path.write_bytes(b"MThd nonsense")
    with pytest.raises(DataError, match=r"a\.mid is missing or not a readable MIDI file"):
        load_pieces(music, None)


# Fetching


@dataclass
class Served:
    """What the local server hands out, and what it was asked for."""

    content: bytes = b""
    version: str = '"one"'
    break_after: int | None = None
    ranges: list[str | None] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def served() -> Iterator[Served]:
    state = Served()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/gone":
                self.send_error(404)
                return
            asked = self.headers["Range"] if self.headers["If-Range"] == state.version else None
            state.ranges.append(asked)
            start = int(re.findall(r"\d+", asked)[0]) if asked else 0
            if start >= len(state.content):
                self.send_error(416)
                return
            self.send_response(206 if asked else 200)
            if asked:
                size = len(state.content)
                self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
            self.send_header("Content-Length", str(len(state.content) - start))
            self.send_header("ETag", state.version)
            self.end_headers()
            self.wfile.write(state.content[start : state.break_after])

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        state.url = f"http://127.0.0.1:{server.server_port}/archive.zip"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield state
        server.shutdown()


def test_a_broken_download_resumes_where_it_stopped(served: Served, tmp_path: Path) -> None:
    served.content, served.break_after = bytes(range(256)) * 40, 4000
    target = tmp_path / "archives" / "a.zip"
    with pytest.raises(DataError, match=r"connection to 127\.0\.0\.1 failed.*again to resume"):
        download(served.url, target)
    assert not target.exists()
    served.break_after = None
    seen: list[tuple[int, int | None]] = []
    checksum = "sha256:" + hashlib.sha256(served.content).hexdigest()
    download(served.url, target, checksum=checksum, watch=lambda done, total: seen.append((done, total)))
    assert served.ranges == [None, "bytes=4000-"]
    assert target.read_bytes() == served.content
    assert seen[-1] == (len(served.content), len(served.content))
    assert [path.name for path in target.parent.iterdir()] == ["a.zip"]


def test_a_file_that_changed_meanwhile_starts_anew(served: Served, tmp_path: Path) -> None:
    served.content, served.break_after = b"old" * 1000, 300
    target = tmp_path / "a.zip"
    with pytest.raises(DataError):
        download(served.url, target)
    served.content, served.version, served.break_after = b"new" * 900, '"two"', None
    download(served.url, target)
    assert target.read_bytes() == b"new" * 900


def test_a_complete_part_file_does_not_block_the_download(served: Served, tmp_path: Path) -> None:
    served.content = b"x" * 500
    (tmp_path / "a.zip.part").write_bytes(served.content)
    (tmp_path / "a.zip.part.version").write_text(served.version)
    download(served.url, tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == served.content


def test_a_wrong_checksum_deletes_the_file(served: Served, tmp_path: Path) -> None:
    served.content = b"tampered"
    target = tmp_path / "a.zip"
    wanted = hashlib.md5(b"original").hexdigest()
    with pytest.raises(DataError, match=rf"a\.zip has the md5 \w+, expected {wanted}; it was deleted"):
        download(served.url, target, checksum=f"md5:{wanted}")
    assert list(tmp_path.iterdir()) == []
    target.write_bytes(b"saved by hand, but the wrong one")
    with pytest.raises(DataError, match="expected"):
        download(served.url, target, checksum=f"md5:{wanted}")
    assert not target.exists()


def test_a_refusal_says_how_to_go_on(served: Served, tmp_path: Path) -> None:
    gone = served.url.replace("archive.zip", "gone")
    with pytest.raises(DataError, match=r"answered 404; .*save the file by hand as a\.zip"):
        download(gone, tmp_path / "a.zip")


@pytest.mark.parametrize("name", ["../evil.mid", "/etc/evil.mid", "a/../../evil.mid", "..\\evil.mid", "C:/evil.mid"])
def test_zip_members_that_leave_their_folder_are_refused(name: str) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("fine.mid", b"")
        archive.writestr(name, b"")
    with pytest.raises(DataError, match="unsafe member"), open_zip(buffer.getvalue(), "bad.zip"):
        pass


def test_zip_links_and_broken_archives_are_refused() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        link = zipfile.ZipInfo("innocent.mid")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(DataError, match="unsafe member"), open_zip(buffer.getvalue(), "bad.zip"):
        pass
    with pytest.raises(DataError, match=r"bad\.zip is not a readable zip"), open_zip(b"<html>", "bad.zip"):
        pass


def test_the_text_rating_of_the_published_sheet_counts() -> None:
    # annotator 4 of clip 1691 has the valence "4`"
    row = ("1691.mid", 4, 8, 5, 7, 3, 7, "4`", 7, 3.0, 7, 3, 7, 3.6, 7.2, None)
    ratings = train.data.download.eimg_ratings([row, (None,) * 15])
    assert ratings == {"1691.mid": ([4, 5, 3, 4, 3, 3], [8, 7, 7, 7, 7, 7])}
    with pytest.raises(DataError, match=r"0007\.mid"):
        train.data.download.eimg_ratings([(7, 4, 8, 5, 7, 3, 7, "?", 7, 3, 7, 3, 7)])


def zipped(path: Path, members: dict[str, bytes]) -> bytes:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path.read_bytes()


def shipped_splits(monkeypatch: pytest.MonkeyPatch, folder: Path, corpus: Corpus) -> None:
    """Let the splits of a synthetic corpus stand in for the shipped ones."""
    lines = [f"{item.key},{item.group},{item.split}" for item in corpus.items]
    (folder / f"{corpus.name}.csv").write_text("\n".join(["key,group,split", *lines]))
    monkeypatch.setattr(train.data.download, "_SPLITS", folder)


def source(name: str, served: Served, items: int, contents: str = "") -> train.data.download.Source:
    by_name = {source.corpus: source for source in train.data.download.SOURCES}
    return replace(by_name[name], urls=(served.url,), items=items, contents=contents, checksum=None)


def test_fetching_emopia_and_pop909(served: Served, pristine: Path, tmp_path: Path) -> None:
    emopia = {f"EMOPIA_1.0/midis/{p.name}": p.read_bytes() for p in (pristine / "music/emopia").iterdir()}
    served.content = zipped(tmp_path / "e.zip", emopia | {"__MACOSX/midis/._Q1_video_00000_0.mid": b"fork"})
    digest = content_digest((pristine / "music/emopia").iterdir())
    said = train.data.download.fetch(source("emopia", served, 8, digest), tmp_path)
    assert said == "emopia: 8 items; .mid files are the same bytes as ours"
    assert train.data.download.fetch(source("emopia", served, 8), tmp_path) == "emopia: all 8 items are there"
    songs = {f"P-1/POP909/{p.stem}/{p.name}": p.read_bytes() for p in (pristine / "music/pop909").iterdir()}
    extra = {"P-1/POP909/001/versions/001-v1.mid": b"", "P-1/POP909/001/beat_midi.txt": b""}
    served.content = zipped(tmp_path / "p.zip", songs | extra)
    said = train.data.download.fetch(source("pop909", served, 4, "0"), tmp_path)
    assert "not the bytes our results were measured on" in said
    assert len(read_pop909(tmp_path).items) == 4
    with pytest.raises(DataError, match=r"POP909\.zip gave 4 items of pop909, expected 909"):
        train.data.download.fetch(source("pop909", served, 909), tmp_path)


def test_fetching_oasis_rebuilds_table_and_photos(
    served: Served, pristine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = read_oasis(pristine)
    shipped_splits(monkeypatch, tmp_path, ours)
    with (pristine / PHOTO_TABLE).open(newline="") as file:
        rows = list(csv.DictReader(file))
    names = {"": "file", "Theme": "title"} | {
        theirs: mine for mine, theirs in train.data.download._OASIS_COLUMNS.items()
    }
    table = io.StringIO()
    writer = csv.DictWriter(table, fieldnames=list(names))
    writer.writeheader()
    for row in rows:
        published = {theirs: row[mine] for theirs, mine in names.items()}
        writer.writerow(published | {"": row["file"][:-4], "Theme": row["title"] + " "})
    photos = {f"Images/{row['title']}.jpg": (pristine / "images/oasis" / row["file"]).read_bytes() for row in rows}
    served.content = zipped(tmp_path / "o.zip", {"OASIS.csv": table.getvalue().encode()} | photos)
    digest = content_digest([pristine / PHOTO_TABLE])
    assert "the same bytes" in train.data.download.fetch(source("oasis", served, 10, digest), tmp_path / "new")
    assert [item.va for item in read_oasis(tmp_path / "new").items] == [item.va for item in ours.items]


def test_fetching_eimg_rebuilds_clips_and_labels(
    served: Served, pristine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = read_eimg(pristine)
    shipped_splits(monkeypatch, tmp_path, ours)
    sheet = [(item.key, *(value for va in item.ratings for value in (va.valence, va.arousal))) for item in ours.items]
    monkeypatch.setattr(train.data.download, "_workbook_rows", lambda content: iter(sheet))
    clips = {f"dataset/{item.key}": item.path.read_bytes() for item in ours.items}
    inner = zipped(tmp_path / "inner.zip", clips | {"dataset/2999.mid": b"kept apart"})
    outer = {"EIMG-1/Dataset/dataset.zip": inner, "EIMG-1/Metrics/emotionmatch/all.xlsx": b"sheet"}
    served.content = zipped(tmp_path / "outer.zip", outer)
    digest = content_digest(ours.items[0].path.parent.iterdir())
    assert "the same bytes" in train.data.download.fetch(source("eimg", served, 10, digest), tmp_path / "new")
    assert [replace(item, path=ours.items[k].path) for k, item in enumerate(read_eimg(tmp_path / "new").items)] == [
        *ours.items
    ]


def test_download_reports_failures_and_goes_on(
    served: Served, pristine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    members = {f"midis/{p.name}": p.read_bytes() for p in (pristine / "music/emopia").iterdir()}
    served.content = zipped(tmp_path / "e.zip", members)
    broken = replace(source("pop909", served, 4), urls=(served.url.replace("archive.zip", "gone"),))
    monkeypatch.setattr(train.download, "SOURCES", (broken, source("emopia", served, 8)))
    assert train.download.main(["--out", str(tmp_path / "new")]) == 1
    said = capsys.readouterr()
    assert "pop909: 127.0.0.1 answered 404" in said.err
    assert "emopia: 8 items" in said.out
    assert "on request" in said.out


# Preparing


def test_density_in_both_definitions_by_hand() -> None:
    half_notes = Piece(tuple(Note(k * 1.0, 60, k * 1.0 + 1.0) for k in range(4)), tempo_bpm=120)  # 4 in 4 s, 2 beats
    eighths = Piece(tuple(Note(k * 0.5, 60, k * 0.5 + 0.25) for k in range(4)), tempo_bpm=120)  # 4 in 1.75 s
    items = [
        Item("half", Path("half"), VA(7, 3), "train", "half"),
        Item("eighths", Path("eighths"), VA(7, 3), "train", "eighths"),
        Item("middle", Path("middle"), VA(5, 5.1), "train", "middle"),  # 5 is not more than 5
        Item("bare", Path("bare"), None, "train", "bare"),
    ]
    pieces = {"half": half_notes, "eighths": eighths, "middle": half_notes}
    found = train.data.prepare.densities(items, pieces)
    assert found["notes_per_second"] == {"LVHA": 1.0, "HVLA": round((1.0 + 4 / 1.75) / 2, 3)}
    assert found["notes_per_sounding_beat"] == {"LVHA": 0.5, "HVLA": (0.5 + 2.0) / 2}


def test_prepare_end_to_end(pristine: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert train.prepare.main(["--data", str(pristine), "--out", str(tmp_path)]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {
        "eimg.npz",
        "emopia.npz",
        "pop909.npz",
        "summary.json",
        "va-cloud.png",
    }
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["oasis"]["splits"]["train"] == {"items": 6, "groups": 3}
    assert summary["emopia"]["quadrants"] == {"HVHA": 2, "LVHA": 2, "LVLA": 2, "HVLA": 2}
    valence = [item.va.valence for item in read_eimg(pristine).items if item.va]
    assert summary["eimg"]["valence"]["mean"] == pytest.approx(np.mean(valence), abs=1e-3)
    said = capsys.readouterr().out
    assert "skipped, not on disk: iaps, naps" in said
    assert "note density" in said


def test_prepare_skips_optional_sets_but_not_the_two_main_ones(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    for path in (data / "music/emopia").iterdir():
        path.unlink()
    (data / "music/emopia").rmdir()
    assert train.prepare.main(["--data", str(data), "--out", str(tmp_path / "out")]) == 0
    assert "skipped, not on disk: emopia, iaps, naps" in capsys.readouterr().out
    arguments = ["--data", str(data), "--out", str(tmp_path / "out"), "--corpora", "emopia"]
    assert train.prepare.main(arguments) == 1
    (data / PHOTO_TABLE).unlink()
    assert train.prepare.main(["--data", str(data), "--out", str(tmp_path / "out")]) == 1
    assert "oasis/labels.csv is missing" in capsys.readouterr().err


def test_prepare_names_a_damaged_photo(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    photo = data / "images/oasis/I3.jpg"
    photo.write_bytes(photo.read_bytes()[:300])
    arguments = ["--data", str(data), "--out", str(tmp_path / "out"), "--corpora", "oasis"]
    assert train.prepare.main(arguments) == 1
    assert "I3.jpg of the OASIS photos is damaged" in capsys.readouterr().err


# The factory other tests rely on


def test_synthetic_data_shows_its_emotion() -> None:
    rng = np.random.default_rng(0)
    calm, excited = make_piece(VA(8, 2), rng), make_piece(VA(8, 8), rng)
    assert len(excited.notes) > 3 * len(calm.notes)
    dark, bright = make_photo(VA(2, 3), rng), make_photo(VA(8, 3), rng)
    assert np.asarray(bright).mean() > np.asarray(dark).mean() + 40
    flat, striped = make_photo(VA(5, 1), rng), make_photo(VA(5, 9), rng)
    assert np.asarray(striped).std() > 2 * np.asarray(flat).std()
