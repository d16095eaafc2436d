"""Annotations on made-up pieces whose beats, hands, chords, phrases and returns are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from eimg_core.annotation.annotate import annotate, annotate_piece, key_of_notes, sheet_of_piece, written_meter
from eimg_core.annotation.beat import find_beat, find_tempo
from eimg_core.annotation.chords import NO_CHORD, QUALITIES, chords_of
from eimg_core.annotation.hands import LEFT, RIGHT, hands_of
from eimg_core.annotation.melody import Melody, melody_of
from eimg_core.annotation.phrases import cadences_of, letters_of, phrase_starts
from eimg_core.annotation.returns import (
    EXACT,
    NEW,
    NEW_ENDING,
    ORNAMENTED,
    RHYTHM,
    TEXTURE,
    TRANSPOSED,
    compare,
    contents_of,
    returns_of,
)
from eimg_core.annotation.tune import tune_of
from eimg_core.midi.notes import Note, Piece
from eimg_core.midi.request import BeatNote
from eimg_core.midi.sheet import HAND, ONSET, PITCH, Sheet
from train.evaluation.annotation_agreement import beats_found, chord_of_name, through_codec

BAR = 96
THEME = ((0, 24, 72), (24, 12, 74), (36, 12, 76), (48, 48, 79))
ANSWER = ((0, 24, 77), (24, 24, 76), (48, 48, 74))
MAJOR, MINOR, DOMINANT = (QUALITIES.index(name) for name in ("major", "minor", "dominant"))


def bar_of(number: int, tune=(), chord=(48, 52, 55), step: int = 24) -> list[tuple[int, int, int, int, int]]:
    """A tune over a broken chord, as rows of a sheet in 4/4."""
    rows = [(number * BAR + at, length, pitch, 80, RIGHT) for at, length, pitch in tune]
    return rows + [
        (number * BAR + at, step, chord[index % len(chord)], 60, LEFT) for index, at in enumerate(range(0, BAR, step))
    ]


def sheet_with(*bars) -> Sheet:
    rows = [row for number, bar in enumerate(bars) for row in bar_of(number, *bar)]
    return Sheet(np.array(rows, dtype=np.int64), (4, 4), 100.0)


SONG = sheet_with(
    (THEME,), (ANSWER, (43, 47, 50)), (THEME,), (((0, 96, 72),),), (THEME,), (ANSWER, (43, 47, 50)), (THEME,),
    (((0, 96, 72),),),
)  # fmt: skip


def shifted(piece: Piece, seconds: float) -> Piece:
    return piece.with_notes(replace(n, start_s=n.start_s + seconds, end_s=n.end_s + seconds) for n in piece.notes)


def near(a: float, b: float, period: float) -> float:
    """How far two moments are apart, modulo a period."""
    return abs((a - b + period / 2) % period - period / 2)


@pytest.mark.parametrize("shift", [0.0, 0.13, 0.777, 1.4])
def test_the_beat_and_the_bar_are_found_at_any_phase(shift):
    beat = find_beat(shifted(SONG.piece(), shift), (4, 4), 100.0)
    assert near(beat.first_s, shift, 0.6) < 0.02
    assert near(beat.first_s, shift, 2.4) < 0.02
    assert beat.fit > 0.95


def test_a_tempo_of_exactly_120_is_estimated_and_any_other_is_kept():
    piece = SONG.piece()
    assert sheet_of_piece(piece).tempo_bpm == 100.0
    unknown = sheet_of_piece(replace(piece, tempo_bpm=120.0))
    assert unknown.tempo_bpm in (50.0, 100.0)
    assert find_tempo(piece) == pytest.approx(100.0, rel=0.01)


def test_a_piece_without_notes_has_no_beat():
    with pytest.raises(ValueError, match="at least one note"):
        find_beat(Piece(()), (4, 4))
    with pytest.raises(ValueError, match="without notes"):
        annotate(Sheet(np.empty((0, 5), dtype=np.int64), (4, 4), 100.0))


@pytest.mark.parametrize(
    ("written", "read"), [((3, 4), (3, 4)), ((2, 2), (4, 4)), ((12, 8), (6, 8)), ((9, 8), (3, 4)), ((5, 4), (4, 4))]
)
def test_any_meter_is_read_as_one_that_a_sheet_has(written, read):
    assert written_meter(written) == read


def test_hands_that_are_not_known_are_found():
    unknown = replace(SONG, notes=np.column_stack([SONG.notes[:, :HAND], np.full(len(SONG.notes), -1)]))
    assert (hands_of(unknown) == SONG.notes[:, HAND]).all()
    assert (annotate(unknown).sheet.notes[:, HAND] == SONG.notes[:, HAND]).all()


def test_a_hand_reaches_no_further_than_it_can():
    """A twelfth above a held bass is for the right hand, though it lies low."""
    rows = [(at, 24, pitch, 80, -1) for at in range(0, 192, 24) for pitch in (36, 55, 59, 62)]
    hands = hands_of(Sheet(np.array(rows), (4, 4), 100.0))
    pitches = np.array(rows)[:, PITCH]
    assert (hands[pitches == 36] == LEFT).all()
    for at in range(0, 192, 24):
        struck = np.array(rows)[:, ONSET] == at
        for hand in (LEFT, RIGHT):
            mine = pitches[struck & (hands == hand)]
            assert np.ptp(mine) <= 16 if len(mine) else True


def test_the_tune_is_the_upper_line_and_not_what_lies_below_a_held_note():
    rows = [(0, 48, 76, 80, RIGHT), (12, 12, 64, 60, RIGHT), (24, 12, 67, 60, RIGHT), (48, 48, 77, 80, RIGHT)]
    rows += [(0, 96, 48, 60, LEFT)]
    sheet = Sheet(np.array(rows), (4, 4), 100.0)
    assert sheet.notes[tune_of(sheet)][:, PITCH].tolist() == [76, 77]


def test_chords_of_half_bars_with_their_inversion():
    sheet = sheet_with((THEME,), ((), (47, 50, 55), 12), ((), (45, 48, 52), 12))
    chords, inversions = chords_of(sheet)
    assert [int(chord) // 8 for chord in chords] == [0, 0, 7, 7, 9, 9]
    assert [int(chord) % 8 for chord in chords] == [MAJOR, MAJOR, MAJOR, MAJOR, MINOR, MINOR]
    assert inversions[2] == 1  # B in the bass of G major
    silent, _ = chords_of(sheet, bars=4)
    assert silent[-1] == NO_CHORD


def test_sevenths_are_told_from_triads():
    chords, _ = chords_of(sheet_with(((), (43, 47, 53, 50), 12)))
    assert (chords % 8 == DOMINANT).all()


@pytest.mark.parametrize(
    ("tune", "chord", "kind"),
    [
        (THEME, (48, 52, 55), EXACT),
        (((0, 24, 72), (24, 12, 74), (36, 6, 77), (42, 6, 76), (48, 48, 79)), (45, 48, 52), ORNAMENTED),
        (((0, 24, 74), (24, 12, 76), (36, 12, 77), (48, 48, 81)), (50, 53, 57), TRANSPOSED),
        (((0, 24, 79), (24, 12, 72), (36, 12, 81), (48, 48, 74)), (50, 53, 57), RHYTHM),
        (((0, 12, 84), (12, 84, 70)), (50, 54, 57), TEXTURE),
        (((0, 12, 84), (18, 60, 70)), (50, 57, 66, 69), NEW),
        ((), (), NEW),
    ],
)
def test_how_a_bar_takes_up_another(tune, chord, kind):
    contents = []
    for line, harmony in ((THEME, (48, 52, 55)), (tune, chord)):
        rows = bar_of(0, line, harmony) if harmony else []
        sheet = Sheet(np.array(rows, dtype=np.int64).reshape(-1, 5), (4, 4), 100.0)
        contents += contents_of(sheet, sheet.notes[:, HAND] == RIGHT, 0)
    assert compare(contents[1], contents[0], BAR // 2) == kind


def test_a_bar_that_leaves_another_after_its_half_has_a_new_ending():
    head = tuple((at, 12, 72 + at // 6) for at in range(0, 48, 12))
    bars = [sheet_with(((*head, *((48 + at, 8, 84 + move * at // 8) for at in range(0, 48, 8))),)) for move in (1, -1)]
    first, second = (contents_of(sheet, sheet.notes[:, HAND] == RIGHT, 0)[0] for sheet in bars)
    assert compare(second, first, BAR // 2) == NEW_ENDING


def test_returns_come_in_runs():
    tune = SONG.notes[:, HAND] == RIGHT
    ref, kind = returns_of(contents_of(SONG, tune, 0), BAR // 2)
    assert ref[4:].tolist() == [4, 4, 4, 4]
    assert kind[4:].tolist() == [EXACT] * 4
    assert ref[0] == 0
    assert kind[0] == NEW


def test_phrases_begin_where_runs_begin_and_share_letters():
    annotation = annotate(SONG)
    assert annotation.letter.tolist() == [0] * 8
    assert annotation.left[4:].tolist() == [4, 3, 2, 1]
    assert annotation.key == 0
    given = annotate(SONG, starts=[0, 2])
    assert given.left.tolist() == [2, 1, 6, 5, 4, 3, 2, 1]


def test_letters_differ_where_nothing_returns():
    ref, kind = np.array([0, 0, 2, 2, 0, 0]), np.array([NEW, NEW, EXACT, ORNAMENTED, NEW, RHYTHM])
    letter, left = letters_of([0, 2, 4], ref, kind)
    assert letter.tolist() == [0, 0, 0, 0, 1, 1]
    assert left.tolist() == [2, 1, 2, 1, 2, 1]


def test_a_long_rest_ends_a_phrase():
    rows = [
        (bar * BAR + at, 20, 60 + 2 * ((bar * 4 + at) % 7), 80, RIGHT) for bar in range(8) for at in range(0, 48, 12)
    ]
    rows += [(bar * BAR + 48 + at, 20, 70, 80, RIGHT) for bar in (0, 1, 2, 4, 5, 6) for at in range(0, 48, 12)]
    sheet = Sheet(np.array(rows), (4, 4), 100.0)
    starts = phrase_starts(sheet, np.ones(len(rows), dtype=bool), np.full(16, NO_CHORD), np.zeros(8, dtype=int), 0)
    assert starts == [0, 4]


def test_cadences_close_phrases():
    tonic, dominant = 0 * 8 + MAJOR, 7 * 8 + MAJOR
    chords = np.array([tonic, dominant, dominant, tonic])
    assert cadences_of(np.array([2, 1]), chords, 0).tolist() == [0, 2]
    assert cadences_of(np.array([1, 1]), chords, 0).tolist() == [1, 2]


def test_the_key_follows_how_long_the_notes_sound():
    assert key_of_notes(SONG.notes) == 0
    minor = np.array([(0, 48, 57, 80, 0), (48, 24, 60, 80, 0), (72, 24, 64, 80, 0), (96, 12, 68, 80, 0)])
    assert key_of_notes(minor) == 12 + 9


def test_a_piece_in_seconds_gets_the_same_annotations_as_its_sheet():
    annotation = annotate_piece(shifted(SONG.piece(), 0.31))
    assert annotation.kind[4:8].tolist() == [EXACT] * 4
    assert annotation.sheet.notes[annotation.tune][:4, PITCH].tolist() == [72, 74, 76, 79]


def test_a_single_note_is_enough():
    annotation = annotate_piece(Piece((Note(0.2, 60, 0.9, 80),), 90.0))
    assert annotation.bars == 1
    assert annotation.letter.tolist() == [0]


# --- the measurements of them -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "known"),
    [("Bb:min7/b3", (10, "minor seventh")), ("C#:maj", (1, "major")), ("Cb:sus2", (11, "suspended")), ("N", None)],
)
def test_chord_names_of_pop909(name, known):
    assert chord_of_name(name) == known


def test_beats_that_are_found_count_within_a_sixteenth():
    found = beats_found([SONG, SONG.excerpt(0, 6)], np.random.default_rng(0))
    assert found["beat"] == found["eighth"] == 1.0
    assert found["tempo but for octaves"] == 1.0


def test_the_codec_gives_back_what_is_on_paper():
    piece = through_codec(shifted(SONG.piece(), 0.4))
    assert [note.pitch for note in piece.notes] == [note.pitch for note in SONG.piece().notes]
    assert piece.notes[5].start_s - piece.notes[0].start_s == pytest.approx(SONG.piece().notes[5].start_s)


# --- melodies to be told again ------------------------------------------------------------------------------------


def test_a_melody_is_found_on_its_bars_without_the_last_chord():
    melody = melody_of(SONG.piece())
    line = [note for note in SONG.piece().notes if note.pitch > 66]
    last = SONG.piece().notes[-1].start_s
    assert [note.pitch for note in melody.notes] == [note.pitch for note in line if note.start_s < last]
    assert melody.meter == SONG.meter
    assert melody.tempo_bpm == pytest.approx(SONG.tempo_bpm)
    assert melody.notes[0].onset == 0.0


def test_a_melody_changes_its_mode_and_keeps_its_contour_and_rhythm():
    notes = tuple(BeatNote(float(at), pitch, 1.0) for at, pitch in enumerate((60, 64, 67, 69, 71, 72, 71, 67)))
    major = Melody(notes, 0, 100.0, (4, 4))
    minor = major.in_mode(minor=True)
    assert [note.pitch for note in minor.notes] == [60, 63, 67, 68, 71, 72, 70, 67]  # 71 leads to the tonic once
    assert minor.key == 12
    assert [note.onset for note in minor.notes] == [note.onset for note in notes]
    assert [note.pitch for note in minor.in_mode(minor=False).notes] == [note.pitch for note in notes]
    assert major.in_mode(minor=False) == major
