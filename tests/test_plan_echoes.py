"""What a stream played a bar, half a bar and a beat ago, as offers for its next note."""

import numpy as np

from eimg_core.annotation.annotate import annotate
from eimg_core.midi.bar_codec import END, LEFT_HAND, TUNE, encode_bars
from eimg_core.music_ae.plan_echoes import FOLLOWED, LENGTHS, NEXT, PITCHES, SILENT, Echoes, echoes_of
from eimg_core.music_ae.plan_relations import NONE
from tests.test_annotation import SONG

UNHEARD, ELSEWHERE, OTHER_PITCH, SAME = range(4)


def written(*notes: tuple[int, int, int], stream: int = TUNE) -> Echoes:
    echoes = Echoes((4, 4))
    for note in notes:
        echoes.write(stream, note)
    return echoes


def test_nothing_is_offered_before_anything_sounds():
    assert Echoes((4, 4)).before(TUNE) + Echoes((4, 4)).at(TUNE, 0) == SILENT


def test_each_lag_offers_the_past_moved_on():
    echoes = written((0, 40, 5), (12, 42, 4))
    assert echoes.before(TUNE)[:3] == (NONE, 24, 24)  # half a bar after the first note, a beat after the second
    assert echoes.at(TUNE, 24) == (NONE, 40, 42, NONE, 40, 44, NONE, 5, 4)  # the second was a tone above its echo
    assert echoes.before(LEFT_HAND)[:3] == (NONE, NONE, NONE)


def test_a_bar_comes_again_with_its_end():
    echoes = written((0, 40, 5), (36, 41, 5), (END, 0, 0))
    assert echoes.before(TUNE)[:3] == (0, 12, 0)
    echoes.write(TUNE, (0, 40, 5))
    assert echoes.before(TUNE)[:1] == (36,)
    echoes.write(TUNE, (36, 41, 5))
    assert echoes.before(TUNE)[:3] == (END, END, END)


def test_short_lags_do_not_speak_of_what_lies_beyond_them():
    echoes = written((0, 40, 5), (END, 0, 0), (0, 40, 5))
    assert echoes.before(TUNE)[:3] == (END, 24, 12)
    echoes.write(TUNE, (13, 40, 5))
    assert echoes.before(TUNE)[2] == 25


def test_chords_are_offered_by_rank():
    echoes = written((0, 40, 5), (0, 44, 5), (END, 0, 0), (0, 38, 5), stream=LEFT_HAND)
    assert echoes.before(LEFT_HAND)[0] == 0
    assert echoes.at(LEFT_HAND, 0)[0] == 44
    assert echoes.at(LEFT_HAND, 0)[3] == 42  # moved as the note before was


def test_how_the_note_before_stood_to_its_echo():
    bar = ((0, 40, 5), (24, 45, 5), (END, 0, 0))
    for note, manner in (((0, 40, 5), SAME), ((0, 41, 5), OTHER_PITCH), ((12, 40, 5), ELSEWHERE)):
        assert written(*bar, note).before(TUNE)[3] == manner
    assert written((0, 40, 5)).before(TUNE)[3:] == (UNHEARD,) * 3


def test_a_passage_has_the_echoes_that_playing_hears():
    annotation = annotate(SONG)
    encoded = encode_bars(annotation.sheet, annotation.tune, annotation.bars)
    rows = echoes_of(encoded, annotation.sheet.meter)
    sounding = encoded.steps[:, 0] != END
    assert rows.shape == (len(encoded.steps), len(SILENT))
    # The second half of the song repeats the first; its accompaniment is the same in every bar.
    left = sounding & (encoded.stream == LEFT_HAND) & (encoded.bar > 0)
    assert (rows[left, NEXT[0]] == encoded.steps[left, 0]).mean() > 0.5
    assert (rows[~sounding][:, [*PITCHES, *LENGTHS]] == NONE).all()
    assert set(np.unique(rows[:, FOLLOWED])) <= {UNHEARD, ELSEWHERE, OTHER_PITCH, SAME}
