"""Pieces on paper: hands, harmonies, note values, MusicXML and sheet music."""

from __future__ import annotations

import re
import threading
import xml.etree.ElementTree as ET
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from eimg_core.emotion import VA
from eimg_core.errors import InputError, RenderError
from eimg_core.midi.notes import MeterChange, Note, Piece
from eimg_core.notation.engraving import engrave
from eimg_core.notation.following import follow, played_as, time_map
from eimg_core.notation.grid import TICKS, lay_out
from eimg_core.notation.hands import LEFT, RIGHT, hands_of
from eimg_core.notation.harmony import NO_CHORD, chord_name, chords_of
from eimg_core.notation.musicxml import to_musicxml
from eimg_core.notation.sheet import engrave_svg
from eimg_core.notation.spelling import Key, key_signature
from eimg_core.notation.values import cut
from eimg_core.performance import perform
from tests.fake_studio import sketch

BEAT_S = 0.5  # at 120 bpm
XML_ID = "{http://www.w3.org/XML/1998/namespace}id"


def piece_of(*notes: tuple[float, float, int], tempo_bpm: float = 120.0, meter: tuple[int, int] = (4, 4)) -> Piece:
    """Notes as (onset, length, pitch) in quarters."""
    beat_s = 60 / tempo_bpm
    return Piece(
        tuple(Note(at * beat_s, pitch, (at + length) * beat_s) for at, length, pitch in notes), tempo_bpm, meter
    )


def chord(at: float, length: float, *pitches: int) -> list[tuple[float, float, int]]:
    return [(at, length, pitch) for pitch in pitches]


def random_piece(seed: int, meter: tuple[int, int], step: float) -> Piece:
    """Many notes on a grid of ``step`` quarters, in both hands, overlapping as composers of notes let them."""
    rng = np.random.default_rng(seed)
    notes = []
    at = 0.0
    while at < 16:
        for pitch in rng.choice(np.arange(36, 90), int(rng.integers(1, 5)), replace=False).tolist():
            notes.append((at, step * int(rng.integers(1, 9)), pitch))
        at += step * int(rng.integers(1, 4))
    return piece_of(*notes, meter=meter)


# ---- spelling ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "pitch_class", "name"),
    [
        (Key(-1), 10, "Bb"),  # F major
        (Key(4), 10, "A#"),  # E major
        (Key(0), 6, "F#"),
        (Key(0), 8, "Ab"),
        (Key(0, minor=True), 8, "G#"),  # the leading note of A minor
        (Key(-3, minor=True), 11, "B"),  # and of C minor
        (Key(5, minor=True), 7, "F##"),  # and of G# minor
        (Key(-6, minor=True), 9, "A"),  # not Bbb
    ],
)
def test_pitch_classes_are_called_as_their_key_wants(key, pitch_class, name):
    assert key.name_of(pitch_class) == name


@pytest.mark.parametrize("minor", [False, True])
@pytest.mark.parametrize("fifths", range(-6, 7))
def test_every_pitch_sounds_as_it_is_spelt_in_every_key(fifths, minor):
    key = Key(fifths, minor)
    assert all(key.spell(pitch).midi == pitch for pitch in range(21, 109))


def test_keys_have_names_and_signatures():
    assert (Key(-2).name, Key(3, minor=True).name) == ("Bb major", "F# minor")
    assert [Key(2).altered(step) for step in "FCGD"] == [1, 1, 0, 0]
    assert [Key(-2).altered(step) for step in "BEAF"] == [-1, -1, 0, 0]
    scale = [(n / 2, 0.5, 65 + step) for n, step in enumerate((0, 2, 4, 5, 7, 9, 11, 12))]
    assert key_signature(piece_of(*scale, *chord(4, 4, 53, 60, 65, 69))) == Key(-1)
    assert key_signature(Piece(())) == Key(0)


# ---- hands -------------------------------------------------------------------------------------------------------


def test_a_tune_over_chords_is_played_by_two_hands():
    tune = [(n, 1.0, pitch) for n, pitch in enumerate((72, 74, 76, 77))]
    below = chord(0, 4, 48, 52, 55)
    piece = piece_of(*tune, *below)
    assert [hand == LEFT for hand in hands_of(piece)] == [note.pitch < 60 for note in piece.notes]


def test_a_line_that_dips_below_middle_c_stays_in_its_hand():
    line = [(n / 2, 0.5, pitch) for n, pitch in enumerate((67, 65, 64, 62, 60, 59, 57, 59, 60, 62))]
    bass = [(n, 1.0, 40) for n in range(5)]
    piece = piece_of(*line, *bass)
    assert {note.pitch for note, hand in zip(piece.notes, hands_of(piece), strict=True) if hand == LEFT} == {40}


def test_no_hand_is_stretched_where_two_can_reach():
    piece = piece_of(*chord(0, 1, 48, 52, 64, 67, 72))
    hands = hands_of(piece)
    for hand in (LEFT, RIGHT):
        mine = [note.pitch for note, its in zip(piece.notes, hands, strict=True) if its == hand]
        assert max(mine) - min(mine) <= 16
    assert hands == hands_of(piece)
    assert hands_of(Piece(())) == ()


# ---- harmony -----------------------------------------------------------------------------------------------------


def names(piece: Piece) -> list[str]:
    key = key_signature(piece)
    return [chord_name(c, key) for c in chords_of(piece, lay_out(piece, hands_of(piece))[0])]


@pytest.mark.parametrize(
    ("pitches", "name"),
    [
        ((48, 60, 64, 67), "C"),
        ((45, 60, 64, 67), "Am7"),
        ((47, 62, 67, 71), "G/B"),
        ((41, 60, 64, 69), "Fmaj7"),
        ((46, 62, 65, 70), "Bb"),
        ((43, 59, 62, 65), "G7"),
        ((50, 62, 67, 69), "Dsus4"),
    ],
)
def test_chords_have_the_names_musicians_use(pitches, name):
    assert names(piece_of(*chord(0, 4, *pitches)))[0] == name


def test_equal_neighbours_are_one_chord_and_changes_are_found():
    bars = [(48, 64, 67, 72), (48, 64, 67, 72), (53, 60, 65, 69), (43, 62, 67, 71)]
    piece = piece_of(*(note for n, pitches in enumerate(bars) for note in chord(4 * n, 4, *pitches)))
    found = chords_of(piece, lay_out(piece, hands_of(piece))[0])
    assert names(piece) == ["C", "F", "G"]
    assert [c.start // (4 * TICKS) for c in found] == [0, 2, 3]
    assert [a.end for a, _ in pairwise(found)] == [b.start for _, b in pairwise(found)]


def test_where_nothing_sounds_there_is_no_chord():
    piece = piece_of(*chord(8, 4, 48, 52, 55))
    assert names(piece) == [NO_CHORD, "C"]


def test_a_broken_chord_is_one_chord():
    piece = piece_of(*((n / 2, 0.5, pitch) for n, pitch in enumerate((45, 52, 57, 60, 64, 60, 57, 52))))
    assert names(piece) == ["Am"]


# ---- the grid ----------------------------------------------------------------------------------------------------


def test_triplets_and_sixteenths_are_told_apart():
    piece = piece_of(*((n / 3, 1 / 3, 72) for n in range(3)), *((1 + n / 4, 0.25, 72) for n in range(4)))
    grid, notes = lay_out(piece, hands_of(piece))
    assert grid.step(RIGHT, 0) == 8
    assert grid.step(RIGHT, TICKS) == 6
    assert [note.start for note in notes] == [0, 8, 16, 24, 30, 36, 42]


def test_a_piece_that_is_a_little_late_throughout_is_moved_onto_its_beats():
    late = piece_of(*((1 / 12 + n / 4, 0.25, 60 + n) for n in range(16)))
    grid, notes = lay_out(late, hands_of(late))
    assert [note.start for note in notes] == [6 * n for n in range(16)]
    assert grid.seconds(0) == pytest.approx(BEAT_S / 12)


def test_a_piece_of_32nds_is_written_in_doubled_values():
    piece = piece_of(*((n / 8, 1 / 8, 60 + n % 12) for n in range(32)), tempo_bpm=80)
    grid, notes = lay_out(piece, hands_of(piece))
    assert grid.tempo_bpm == 160
    assert [note.start for note in notes[:3]] == [0, 6, 12]
    assert len(grid.measures) == 2


@pytest.mark.parametrize("meter", [(4, 4), (3, 4), (5, 4), (6, 4), (2, 4), (6, 8), (7, 8), (9, 8)])
def test_every_length_is_cut_into_symbols_that_add_up(meter):
    piece = piece_of((0, 1, 60), (4 * meter[0] / meter[1], 1, 60), meter=meter)
    grid = lay_out(piece, [RIGHT, RIGHT])[0]
    assert len(grid.measures) == 2
    for start in range(0, grid.measures[0].ticks, 6):
        for end in range(start + 6, grid.end + 1, 6):
            values = list(cut(start, end, RIGHT, grid))
            assert values[0].start == start
            assert sum(value.ticks for value in values) == end - start
            assert all(grid.number(v.start) == grid.number(v.start + v.ticks - 1) for v in values)


@pytest.mark.parametrize(
    ("start", "end", "names"),
    [
        (0, 96, ["whole"]),
        (12, 36, ["quarter"]),  # a syncopation that everybody reads
        (36, 60, ["eighth", "eighth"]),  # over the middle of the bar
        (72, 120, ["quarter", "quarter"]),  # over the bar line
        (0, 60, ["half", "eighth"]),
        (24, 96, ["half"]),
    ],
)
def test_ties_show_the_beats(start, end, names):
    grid = lay_out(piece_of((0, 1, 60), (4, 1, 60)), [RIGHT, RIGHT])[0]
    assert [value.name for value in cut(start, end, RIGHT, grid)] == names


# ---- the score ---------------------------------------------------------------------------------------------------


def bars_of(xml: bytes) -> list[ET.Element]:
    return ET.fromstring(xml).findall("./part/measure")


def sounding(xml: bytes) -> list[tuple[int, int, int]]:
    """(onset, duration, pitch) in ticks, ties joined: what the file says is played."""
    steps = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
    found: dict[tuple[int, int], list[int]] = {}
    line = 0
    bar_ticks = 0
    for bar in bars_of(xml):
        now = start = line
        longest = line
        for element in bar:
            duration = int(element.findtext("duration", "0"))
            if element.tag == "backup":
                now -= duration
            elif element.tag == "forward":
                now += duration
            elif element.tag == "note":
                at = start if element.find("chord") is not None else now
                if (pitch := element.find("pitch")) is not None:
                    midi = 12 * (int(pitch.findtext("octave")) + 1) + steps[pitch.findtext("step")]
                    midi += int(pitch.findtext("alter", "0"))
                    tied = {tie.get("type") for tie in element.findall("tie")}
                    if "stop" in tied:
                        begun = max(o for o, p in found if p == midi and o + found[o, p][0] == at)
                        found[begun, midi][0] += duration
                    else:
                        found[at, midi] = [duration]
                if element.find("chord") is None:
                    start, now = now, now + duration
            longest = max(longest, now)
        bar_ticks = bar_ticks or longest - line
        line += bar_ticks
    return sorted((onset, lasts[0], pitch) for (onset, pitch), lasts in found.items())


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("meter", "step"), [((4, 4), 0.25), ((3, 4), 0.5), ((4, 4), 1 / 3), ((6, 8), 0.5), ((5, 4), 0.25)]
)
def test_what_is_written_is_what_was_composed(seed, meter, step):
    piece = random_piece(seed, meter, step)
    xml = to_musicxml(engrave(piece))
    written = {(onset, pitch) for onset, _, pitch in sounding(xml)}
    assert written == {(round(note.start_s / BEAT_S * TICKS), note.pitch) for note in piece.notes}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("meter", "step"), [((4, 4), 0.25), ((3, 4), 1 / 3), ((7, 8), 0.25), ((6, 8), 0.5)])
def test_every_voice_fills_its_bar(seed, meter, step):
    ticks = meter[0] * 4 * TICKS // meter[1]
    for bar in bars_of(to_musicxml(engrave(random_piece(seed, meter, step)))):
        voices: dict[str, int] = {}
        for element in bar:
            if (
                element.tag in ("note", "forward")
                and element.find("chord") is None
                and element.find("voice") is not None
            ):
                voice = element.findtext("voice")
                voices[voice] = voices.get(voice, 0) + int(element.findtext("duration"))
        assert set(voices) >= {"1", "5"}
        assert len(voices) <= 4
        assert set(voices.values()) == {ticks}


def changing(*changes: tuple[float, tuple[int, int]], beats: int, meter: tuple[int, int] = (4, 4)) -> Piece:
    """A quarter note on each beat, and meters that begin after so many quarters."""
    piece = piece_of(*((n, 1, 60 + n % 12) for n in range(beats)), meter=meter)
    later = tuple(MeterChange(at * piece.seconds_per_beat, other) for at, other in changes)
    return replace(piece, meter_changes=later)


def meters_of(xml: bytes) -> list[str]:
    """The time signature that each bar prints; empty where it stays."""
    return [
        "/".join(bar.findtext(f"attributes/time/{name}", "") for name in ("beats", "beat-type")) for bar in bars_of(xml)
    ]


@pytest.mark.parametrize(
    ("piece", "lines", "printed"),
    [
        (changing((1, (4, 4)), beats=13, meter=(1, 4)), [0, 24, 120, 216], ["1/4", "4/4", "/", "/"]),  # a pickup
        (changing((4, (3, 4)), beats=10), [0, 96, 168], ["4/4", "3/4", "/"]),
        (changing((8, (3, 4)), beats=14), [0, 96, 192, 264], ["4/4", "/", "3/4", "/"]),  # late
        (changing((6, (3, 4)), beats=9), [0, 96, 144], ["4/4", "/", "3/4"]),  # within a bar, which ends there
        (changing((4.02, (3, 4)), (4.01, (2, 4)), beats=7), [0, 96], ["4/4", "3/4"]),  # two at once: the last counts
        (changing((4, (6, 8)), beats=10), [0, 96, 168], ["4/4", "6/8", "/"]),
        (changing((4, (3, 8)), (5.5, (4, 4)), beats=8), [0, 96, 132], ["4/4", "3/8", "4/4"]),
        (changing((0, (3, 4)), beats=6), [0, 72], ["3/4", "/"]),
        (changing((50, (3, 4)), beats=4), [0], ["4/4"]),  # after the music
    ],
)
def test_each_bar_stands_under_the_meter_in_force(piece, lines, printed):
    score = engrave(piece)
    xml = to_musicxml(score)
    assert [bar.start for bar in score.bars] == lines
    assert meters_of(xml) == printed
    ends = [*lines[1:], score.grid.end]
    for bar, start, end in zip(bars_of(xml), lines, ends, strict=True):
        voices: dict[str, int] = {}
        for element in bar.iter():
            if (
                element.tag in ("note", "forward")
                and element.find("chord") is None
                and element.find("voice") is not None
            ):
                voice = element.findtext("voice")
                voices[voice] = voices.get(voice, 0) + int(element.findtext("duration"))
        assert set(voices.values()) == {end - start}
    assert follow(piece, piece).bars == pytest.approx(
        [tick * piece.seconds_per_beat / TICKS for tick in (*lines, ends[-1])]
    )
    chords = chords_of(piece, score.grid)
    assert (chords[0].start, chords[-1].end) == (0, ends[-1])
    assert all(a.end == b.start for a, b in pairwise(chords))


def test_more_bars_than_a_score_can_hold_are_refused():
    with pytest.raises(InputError, match=r"^The piece has 10000 bars; scores hold up to 5000\.$"):
        engrave(piece_of((0, 1, 60), (9999, 1, 60), meter=(1, 4)))


def triplets_over_beats(xml: bytes) -> int:
    """How many notes of triplets are tied to what lies beyond their beat."""
    found = 0
    for bar in bars_of(xml):
        now = start = 0
        for element in bar:
            duration = int(element.findtext("duration", "0"))
            if element.tag in ("backup", "forward"):
                now += duration if element.tag == "forward" else -duration
            elif element.tag == "note":
                if element.find("chord") is None:
                    start, now = now, now + duration
                tied = {tie.get("type") for tie in element.findall("tie")}
                ends = ("stop" in tied and start % TICKS == 0) or ("start" in tied and (start + duration) % TICKS == 0)
                found += element.find("time-modification") is not None and ends
    return found


@pytest.mark.parametrize("seed", range(4))
def test_no_triplet_is_tied_over_a_beat(seed):
    assert triplets_over_beats(to_musicxml(engrave(random_piece(seed, (4, 4), 1 / 3)))) == 0
    held = piece_of((0, 1 / 3, 72), (1 / 3, 1 / 3, 74), (2 / 3, 2, 76), (8 / 3, 1 / 3, 77), (3, 5 / 3, 79), (5, 1, 72))
    score = engrave(held, [RIGHT] * 6)
    assert [symbol.value.ticks for symbol in score.bars[0].right.voices[0] if symbol.heads][:3] == [8, 8, 8]
    assert triplets_over_beats(to_musicxml(score)) == 0


def test_a_short_note_fills_its_beat_before_a_longer_silence():
    score = engrave(piece_of((0, 0.5, 72), (1.5, 0.5, 74), (3, 1, 76)), [RIGHT] * 3)
    symbols = score.bars[0].right.voices[0]
    assert [(s.value.name, bool(s.heads)) for s in symbols] == [
        ("quarter", True), ("eighth", False), ("eighth", True), ("quarter", False), ("quarter", True),
    ]  # fmt: skip


@pytest.mark.parametrize(("tempo_bpm", "dotted"), [(120, True), (50, False)])
def test_short_notes_are_staccato_where_they_are_short_to_the_ear(tempo_bpm, dotted):
    score = engrave(piece_of(*((n, 0.5, 60 + n) for n in range(8)), tempo_bpm=tempo_bpm), [RIGHT] * 8)
    symbols = [symbol for bar in score.bars for symbol in bar.right.voices[0]]
    assert [symbol.staccato for symbol in symbols[:7]] == [dotted] * 7


def test_a_loop_is_repeated_and_has_no_fermata():
    piece = piece_of(*((n, 1, 60 + n % 8) for n in range(16)))
    loop = ET.fromstring(to_musicxml(engrave(replace(piece, loop_s=16 * BEAT_S))))
    once = ET.fromstring(to_musicxml(engrave(piece)))
    assert [sign.get("direction") for sign in loop.iter("repeat")] == ["forward", "backward"]
    assert [len(list(root.iter(kind))) for kind in ("repeat", "fermata") for root in (loop, once)] == [2, 0, 0, 1]


def test_dynamics_are_those_of_the_playing():
    piece = piece_of(*((n, 1, 60 + n % 8) for n in range(32)))
    played = [40] * 16 + [90] * 16
    marks = [mark.dynamic for bar in engrave(piece, velocities=played).bars for mark in bar.marks]
    assert marks == ["p", "f"]
    assert len({mark.dynamic for bar in engrave(piece).bars for mark in bar.marks}) == 1


def test_ties_begin_and_end():
    xml = to_musicxml(engrave(random_piece(1, (4, 4), 0.25)))
    begun = [tie.get("type") for tie in ET.fromstring(xml).iter("tie")]
    assert begun.count("start") == begun.count("stop") > 0


def test_a_held_bass_gets_a_voice_of_its_own():
    bass = [(0, 4, 36)]
    above = [(0.5 + n / 2, 0.5, pitch) for n, pitch in enumerate((48, 52, 55, 52, 48, 52, 55))]
    tune = [(0, 4, 84)]
    score = engrave(
        piece_of(*bass, *above, *tune),
        [LEFT if p < 60 else RIGHT for _, _, p in sorted(bass + above + tune, key=lambda n: (n[0], n[2]))],
    )
    upper, lower = score.bars[0].left.voices
    assert [symbol.value.name for symbol in lower] == ["whole"]
    assert [head.pitch.midi for symbol in upper for head in symbol.heads] == [48, 52, 55, 52, 48, 52, 55]


def test_a_hand_that_rolls_its_chords_under_the_pedal_is_spared_the_ties():
    """Each note is held to the end of the bar; on paper it is a line above the note that lies longest."""
    rolled = [(n / 2, 4 - n / 2, pitch) for n, pitch in enumerate((60, 64, 67, 72, 76, 79, 84, 88))]
    score = engrave(piece_of(*rolled), [RIGHT] * 8)
    assert len(score.bars[0].right.voices) <= 2
    assert sum(len(symbol.heads) for voice in score.bars[0].right.voices for symbol in voice) <= 12


def test_a_score_says_what_it_is():
    fields = {"photo": "sha256:00ff", "seed": "7"}
    xml = to_musicxml(
        engrave(sketch(VA(7, 6), 3, 12)), title="A <happy> piece & more\x00", composer="EIMG", fields=fields
    )
    root = ET.fromstring(xml)
    assert root.get("version") == "4.0"
    assert root.findtext("./work/work-title") == "A <happy> piece & more"
    assert root.findtext("./identification/creator") == "EIMG"
    assert root.findtext("./identification/encoding/software").startswith("EIMG Studio")
    found = {field.get("name"): field.text for field in root.iter("miscellaneous-field")}
    assert found == fields
    assert root.findtext(".//attributes/staves") == "2"
    assert len(list(root.iter("harmony"))) >= 2
    assert xml == to_musicxml(
        engrave(sketch(VA(7, 6), 3, 12)), title="A <happy> piece & more\x00", composer="EIMG", fields=fields
    )


def test_an_accidental_is_written_once_a_bar_and_taken_back():
    piece = piece_of((0, 1, 66), (1, 1, 66), (2, 1, 65), (4, 4, 60), *chord(0, 8, 48, 52, 55))
    signs = [
        (note.findtext("pitch/step"), note.findtext("accidental"))
        for note in ET.fromstring(to_musicxml(engrave(piece))).iter("note")
        if note.findtext("pitch/step") == "F"
    ]
    assert signs == [("F", "sharp"), ("F", None), ("F", "natural")]


def test_an_empty_piece_is_an_empty_bar():
    xml = to_musicxml(engrave(Piece(())))
    assert [rest.get("measure") for rest in ET.fromstring(xml).iter("rest")] == ["yes", "yes"]


# ---- sheet music -------------------------------------------------------------------------------------------------


def test_sheet_music_is_drawn_in_any_thread_at_any_width():
    pytest.importorskip("verovio")
    xml = to_musicxml(engrave(sketch(VA(7, 6), 3, 12)))
    sheets = [engrave_svg(xml, 1000)]

    def draw() -> None:
        sheets.append(engrave_svg(xml, 340))

    thread = threading.Thread(target=draw)
    thread.start()
    thread.join()
    wide, narrow = sheets
    assert len(wide.bars) == len(narrow.bars) == len(bars_of(xml))
    assert narrow.height > wide.height
    assert abs(narrow.width - 340) <= 1
    for sheet in sheets:
        assert ET.fromstring(sheet.svg).tag.endswith("svg")
        assert "<script" not in sheet.svg
        assert 'color="black"' not in sheet.svg


@pytest.mark.parametrize(("width", "bars"), [(1100, 13), (700, 9), (360, 5), (900, 1)])
def test_every_system_is_filled_to_the_margin(width, bars):
    pytest.importorskip("verovio")
    notes = [(4 * bar + n / 2, 0.5, 60 + (bar + n) % 12) for bar in range(bars) for n in range(4 + 4 * (bar % 2))]
    svg = engrave_svg(to_musicxml(engrave(piece_of(*notes), [RIGHT] * len(notes))), width).svg
    systems = svg.split('class="system"')[1:]
    ends = [max(int(x) for x in re.findall(r"staff\">\s*<path d=\"M\d+ \d+ L(\d+)", system)) for system in systems]
    assert max(ends) - min(ends) <= 2, "units of a hundredth of a millimetre"
    counts = [system.count('class="measure"') for system in systems]
    assert sum(counts) == bars
    assert bars < 3 or max(counts) - min(counts) <= 1 + max(counts) // 3, "the last one is no orphan"


def test_notes_are_larger_on_phones():
    pytest.importorskip("verovio")
    xml = to_musicxml(engrave(sketch(VA(7, 6), 3, 12)))

    def staff_px(width: int) -> float:
        svg = engrave_svg(xml, width).svg
        staff = svg[svg.index('class="staff"') :]
        first, second = re.findall(r'<path d="M\d+ (\d+) L\d+ \d+"', staff)[:2]
        inner = re.findall(r'viewBox="0 0 (\d+) \d+"', svg)
        return (int(second) - int(first)) * int(inner[0]) / int(inner[-1])

    assert staff_px(360) > 1.15 * staff_px(1100)


@pytest.mark.parametrize(
    ("tempo_bpm", "meter", "said"), [(79, (4, 4), "= 79"), (208, (4, 4), "= 208"), (120, (6, 8), "= 80")]
)
@pytest.mark.parametrize("highest", [72, 101])
def test_the_tempo_mark_stands_clear_of_the_first_note_and_its_chord(tempo_bpm, meter, said, highest):
    pytest.importorskip("verovio")
    notes = ((n, 1, pitch) for n in range(8) for pitch in (48, 64, 67, highest))
    xml = to_musicxml(engrave(piece_of(*notes, tempo_bpm=tempo_bpm, meter=meter)))
    assert ET.fromstring(xml).find(".//metronome") is not None, "files for other programs keep theirs"
    sheet = engrave_svg(xml, 900)
    root, svg = ET.fromstring(sheet.svg), "{http://www.w3.org/2000/svg}"
    marks = [group for group in root.iter(f"{svg}g") if group.get("class") == "tempo"]
    assert len(marks) == 1
    words = marks[0].find(f"{svg}text")
    assert words is not None
    assert words.text == said
    end = int(words.get("x", 0)) + int(words.get("textLength", 0))
    for kind in ("note", "harm"):
        first = next(group for group in root.iter(f"{svg}g") if kind in (group.get("class") or "").split())
        place = next(part for part in first.iter() if part.get("x") or "translate" in (part.get("transform") or ""))
        at = place.get("x") or place.get("transform", "").removeprefix("translate(").split(",")[0]
        assert end < int(at), kind
    assert int(words.get("y", 0)) > 0, "within the page"


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("step", [0.25, 1 / 3])
def test_verovio_reads_our_scores_without_a_complaint(seed, step):
    verovio = pytest.importorskip("verovio")
    xml = to_musicxml(engrave(random_piece(seed, (4, 4), step)))
    verovio.enableLog(verovio.LOG_WARNING)
    verovio.setDefaultResourcePath(str(__import__("pathlib").Path(verovio.__file__).parent / "data"))
    toolkit = verovio.toolkit()
    assert toolkit.loadData(xml.decode())
    assert toolkit.getLog() == ""


def test_octave_signs_are_drawn_at_the_hand_that_they_move() -> None:
    """8va over bars 2 and 3 of the right hand, 8vb under bar 3 of the left; none over rests."""
    verovio = pytest.importorskip("verovio")
    high, low = [72, 96, 96, None, 72], [48, 48, 26, 48, 48]
    both = [(bar, pitch) for pitches in (high, low) for bar, pitch in enumerate(pitches) if pitch]
    notes = sorted((bar * 4.0, 4.0, pitch) for bar, pitch in both)
    toolkit = verovio.toolkit()
    assert toolkit.loadData(to_musicxml(engrave(piece_of(*notes))).decode())
    root = ET.fromstring(re.sub(r' xmlns="[^"]*"', "", toolkit.getMEI()))
    where = {}
    for bar in root.iter("measure"):
        for staff in bar.iter("staff"):
            where |= {"#" + note.attrib[XML_ID]: (bar.get("n"), staff.get("n")) for note in staff.iter("note")}
    signs = [
        (one.get("staff"), one.get("dis.place"), where[one.attrib["startid"]], where[one.attrib["endid"]])
        for one in root.iter("octave")
    ]
    assert sorted(signs) == [("1", "above", ("2", "1"), ("3", "1")), ("2", "below", ("3", "2"), ("3", "2"))]


def test_without_verovio_one_sentence_says_what_to_do(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "verovio", None)
    with pytest.raises(RenderError, match="pip install verovio"):
        engrave_svg(b"<score-partwise/>")


# ---- a score while it is played ----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_hands_chords_and_bars_follow_the_pianist(seed):
    written = sketch(VA(6, 4), seed, 20)
    played = perform(written, VA(6, 3), seed)
    there = follow(written, written)
    here = follow(written, played)
    assert [note.pitch for note in played.notes] == [written.notes[n].pitch for n in played_as(written, played)]
    assert sorted(here.hands) == sorted(there.hands)
    assert [name for *_, name in here.chords] == [name for *_, name in there.chords]
    assert len(here.bars) == len(there.bars)
    assert list(here.bars) == sorted(here.bars)
    assert list(here.bars) != list(there.bars)
    when = time_map(written, played)
    downbeat = written.notes[0].start_s
    assert when(downbeat) == pytest.approx(np.mean([n.start_s for n in played.notes if n.start_s < 0.05]), abs=0.03)
    middle = [(w.start_s, p.start_s) for w, p in zip(sorted(written.notes), sorted(played.notes), strict=True)]
    assert all(abs(when(w) - p) < 0.4 for w, p in middle)


def test_an_empty_piece_can_be_followed():
    nothing = Piece(())
    assert follow(nothing, nothing).hands == ()
