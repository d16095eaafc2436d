"""Pieces beside real clips: distributions, copied runs and takes that resemble each other, on music made by hand."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest

from eimg_core.metrics.copying import LONGEST_COMPARED, CopyIndex, Run, run_length, steps_of
from eimg_core.metrics.distributions import MEASURES, RealMusic, inter_onset_intervals, key_clarity, wasserstein
from eimg_core.metrics.diversity import fingerprint, near_similarity, similarity, takes_similarity
from eimg_core.metrics.lines import TOGETHER_S, chords, melody
from eimg_core.midi.notes import Note, Piece
from tests.factories import make_mini_data
from tests.tiny import random_clip
from train.data.passages import CORPORA
from train.evaluation.quality_report import Made, Yardstick, apart, learnt_pieces, report

EMPTY = Piece(())
MAJOR = (0, 2, 4, 5, 7, 9, 11)


def tune(pitches, gaps=0.5, start: float = 0.0, tempo_bpm: float = 120.0) -> Piece:
    """One note after another; ``gaps`` is one length for all, or one for each."""
    lengths = np.broadcast_to(gaps, len(pitches))
    onsets = start + np.concatenate([[0.0], np.cumsum(lengths)[:-1]])
    notes = (Note(float(t), int(p), float(t + d)) for t, p, d in zip(onsets, pitches, lengths, strict=True))
    return Piece(tuple(notes), tempo_bpm)


def wandering(seed: int, notes: int = 60) -> Piece:
    """A tune of random leaps and lengths: two of them share nothing but chance."""
    rng = np.random.default_rng(seed)
    return tune(60 + rng.integers(-12, 13, notes), rng.choice([0.25, 0.5, 1.0], notes))


def joined(*pieces: Piece) -> Piece:
    """One piece after the other, each from a whole second on."""
    notes: list[Note] = []
    for piece in pieces:
        begin = math.ceil(max((note.end_s for note in notes), default=0.0))
        notes += [replace(n, start_s=n.start_s + begin, end_s=n.end_s + begin) for n in piece.notes]
    return Piece(tuple(notes))


def slower(piece: Piece, factor: float) -> Piece:
    return piece.with_notes(replace(n, start_s=n.start_s * factor, end_s=n.end_s * factor) for n in piece.notes)


def part(piece: Piece, first: int, last: int) -> Piece:
    notes = piece.notes[first:last]
    begin = notes[0].start_s
    return piece.with_notes(replace(n, start_s=n.start_s - begin, end_s=n.end_s - begin) for n in notes)


# --- lines -------------------------------------------------------------------------------------------------------


def test_hands_that_are_not_quite_together_play_one_chord():
    piece = Piece((Note(0.0, 67, 1.0), Note(0.02, 60, 1.0), Note(TOGETHER_S, 72, 1.0), Note(1.0, 48, 2.0)))
    assert [[note.pitch for note in chord] for chord in chords(piece)] == [[60, 67], [72], [48]]
    assert [note.pitch for (note,) in melody(piece)] == [67, 72, 48]
    assert chords(EMPTY) == melody(EMPTY) == []


# --- copied runs -------------------------------------------------------------------------------------------------


def naive_longest(query: str, texts: list[str]) -> int:
    """The definition: every run of every text that the query has too."""
    runs = (query[a:b] for a, b in itertools.combinations(range(len(query) + 1), 2))
    return max((run_length(run) for run in runs if any(run in text for text in texts)), default=0)


@pytest.mark.parametrize("seed", range(5))
def test_the_index_finds_what_a_search_by_hand_finds(seed):
    rng = np.random.default_rng(seed)
    pieces = [tune(60 + rng.integers(0, 3, 40), rng.choice([0.5, 1.0], 40)) for _ in range(6)]
    query = tune(60 + rng.integers(0, 3, 40), rng.choice([0.5, 1.0], 40))
    index = CopyIndex({str(number): piece for number, piece in enumerate(pieces)})
    texts = [steps_of(line(piece)) for piece in pieces for line in (chords, melody)]
    expected = max(naive_longest(steps_of(line(query)), texts) for line in (chords, melody))
    found = index.longest_run(query)
    assert found.length == expected
    owner = pieces[int(found.source)]
    own = [steps_of(line(owner)) for line in (chords, melody)]
    assert max(naive_longest(steps_of(line(query)), own) for line in (chords, melody)) == expected


def test_a_copy_is_found_in_any_key_tempo_and_touch():
    index = CopyIndex({f"{seed}.mid": wandering(seed) for seed in range(20)})
    rng = np.random.default_rng(0)
    taken = part(wandering(7), 20, 40)
    piece = joined(wandering(100, 15), slower(taken.transposed(-5), 1.3), wandering(101, 15))
    played = piece.with_notes(
        replace(n, start_s=n.start_s + rng.uniform(0, 0.01), velocity=int(rng.integers(30, 90))) for n in piece.notes
    )
    for made in (piece, played):
        run = index.longest_run(made)
        assert run.source == "7.mid"
        assert 18 <= run.length <= 22  # one note may be added by chance, one lost to the rhythm at the seam
    assert index.longest_run(wandering(102)).length < 10


def test_a_stolen_melody_is_found_over_another_accompaniment():
    top = part(wandering(3), 0, 24).transposed(24)
    bass = [Note(beat * 0.25, 36 + beat % 5, beat * 0.25 + 0.2) for beat in range(80)]
    index = CopyIndex({"song": wandering(3), "other": wandering(4)})
    run = index.longest_run(Piece((*top.notes, *bass)))
    assert run.source == "song"
    assert run.length >= 20


def test_what_repeats_counts_once():
    scale = [36 + 12 * octave + step for octave in range(5) for step in MAJOR]
    figure = [48, 55, 52, 55]
    for pitches, length in (([60] * 50, 4), (scale, 7), (figure * 12, 7), (range(30, 90), 4)):
        piece = tune(pitches)
        assert CopyIndex({"same": piece}).longest_run(piece) == Run(length, "same")
    free = wandering(1, 30)
    assert CopyIndex({"same": free}).longest_run(free).length == pytest.approx(30, abs=2)


def test_a_note_and_less_is_no_run():
    index = CopyIndex({"empty": EMPTY, "one": tune([60])})
    assert index.longest_run(wandering(0)) == Run(0, "")
    assert CopyIndex({"tune": wandering(0)}).longest_run(tune([60])) == Run(0, "")
    assert CopyIndex({}).longest_run(wandering(0)) == Run(0, "")


def test_runs_do_not_cross_from_one_piece_to_the_next():
    whole = wandering(5, 40)
    halves = CopyIndex({"first": part(whole, 0, 20), "second": part(whole, 20, 40)})
    assert halves.longest_run(whole).length <= 21


def test_runs_are_counted_up_to_the_longest_compared():
    song = wandering(6, 2 * LONGEST_COMPARED)
    assert CopyIndex({"song": song}).longest_run(song).length == pytest.approx(LONGEST_COMPARED, abs=8)


# --- distributions -----------------------------------------------------------------------------------------------


def test_wasserstein_of_a_shift_is_the_shift():
    rng = np.random.default_rng(0)
    sample = rng.normal(size=300)
    assert wasserstein(sample, sample + 2.5) == pytest.approx(2.5)
    assert wasserstein(sample, rng.permutation(sample)) == pytest.approx(0.0, abs=1e-12)
    assert wasserstein([0.0], [1.0, 3.0]) == pytest.approx(2.0)
    assert math.isnan(wasserstein([], [1.0]))
    scipy = pytest.importorskip("scipy.stats")
    other = rng.exponential(size=170)
    assert wasserstein(sample, other) == pytest.approx(scipy.wasserstein_distance(sample, other))


def test_measures_by_hand():
    piece = Piece((Note(0.0, 60, 1.0), Note(0.0, 64, 1.0), Note(0.5, 67, 1.0), Note(2.0, 60, 3.0)))
    assert inter_onset_intervals(piece) == pytest.approx([0.5, 1.5])
    assert inter_onset_intervals(EMPTY) == []
    assert math.isnan(key_clarity(EMPTY))
    assert key_clarity(tune([60, 64, 67, 60])) > key_clarity(tune(range(60, 71)))


def clips(rng: np.random.Generator, groups: int, pace: float = 0.5) -> tuple[list[Piece], list[str]]:
    """Four clips in each group; every group has a pace of its own."""
    pieces, names = [], []
    for group in range(groups):
        own = pace * rng.uniform(0.7, 1.4)
        for _ in range(4):
            pieces.append(tune(60 + rng.choice(MAJOR, 24), own * rng.choice([0.5, 1.0], 24), tempo_bpm=60 / own))
            names.append(str(group))
    return pieces, names


def test_other_real_clips_have_about_the_share_one_and_other_music_more():
    rng = np.random.default_rng(0)
    real = RealMusic(*clips(rng, 40))
    others = clips(rng, 20)[0]
    alike, slow = real.shares(others), real.shares(clips(rng, 20, pace=1.0)[0])
    assert set(alike) == set(MEASURES)
    assert all(0.4 < found.share < 2.0 for found in alike.values())
    assert slow["inter_onset_s"].share > 4
    assert slow["duration_s"].share > 4
    assert slow["key_clarity"].share < 2.5
    assert alike == real.shares(others), "every row is measured with the same halvings"


def test_halves_never_divide_a_group():
    # Two groups of one pace each: if a half mixed them, the halves would be nearer than 0.5 s.
    pieces = [tune([60, 62, 64, 65], 0.5) for _ in range(6)] + [tune([60, 62, 64, 65], 1.0) for _ in range(6)]
    share = RealMusic(pieces, ["a"] * 6 + ["b"] * 6).shares(pieces[:3])["inter_onset_s"]
    assert share.real == pytest.approx(0.5)
    assert share.distance == pytest.approx(0.25)
    assert (share.share, share.n) == pytest.approx((0.5, 3))


def test_dense_pieces_weigh_no_more_than_sparse_ones():
    dense, sparse = tune([60] * 100, 0.1), tune([60] * 4, 1.0)
    found = RealMusic([sparse] * 4, ["a", "a", "b", "b"]).shares([dense, sparse])["inter_onset_s"]
    assert found.distance == pytest.approx(0.9 / 2)
    assert (found.real, found.share) == (0.0, math.inf)


def test_nothing_to_compare_is_nan_and_one_group_is_refused():
    real = RealMusic(*clips(np.random.default_rng(1), 4))
    assert all(math.isnan(found.share) for found in real.shares([EMPTY]).values())
    with pytest.raises(ValueError, match="two groups"):
        RealMusic([wandering(0), wandering(1)], ["a", "a"])


# --- diversity ---------------------------------------------------------------------------------------------------


def test_similarity_is_one_for_the_same_piece_in_any_key_and_the_same_in_both_directions():
    a, b = wandering(0), random_clip(1)
    assert similarity(a, a) == pytest.approx(1.0)
    assert similarity(a, b) == pytest.approx(similarity(b, a))
    assert 0.0 <= similarity(a, b) < 0.9
    moved = similarity(random_clip(2), random_clip(2).transposed(12))
    assert similarity(a, b) < moved < 1.0  # only the register differs
    assert np.linalg.norm(fingerprint(tune([60]))) == pytest.approx(1.0)
    assert math.isnan(similarity(a, EMPTY))


def test_takes_are_compared_within_their_photo():
    a, b = wandering(0), random_clip(1)
    assert takes_similarity([[a, a], [b, b]]) == pytest.approx(1.0)
    assert takes_similarity([[a, b]]) == pytest.approx(similarity(a, b))
    mixed = (1.0 + 2 * similarity(a, b)) / 3
    assert takes_similarity([[a, a, b]]) == pytest.approx(mixed)
    assert takes_similarity([[a, EMPTY, a], [b]]) == pytest.approx(1.0)
    assert math.isnan(takes_similarity([[a], []]))


def test_near_clips_of_other_pieces_are_the_yardstick():
    pieces = [wandering(0), random_clip(1), wandering(0), wandering(2)]
    va = np.array([[5.0, 5.0], [5.2, 5.0], [5.1, 5.0], [8.0, 8.0]])
    one_with_three = similarity(pieces[0], pieces[1])  # 0 and 2 are of one piece, 3 is far from all
    assert near_similarity(pieces, va, ["a", "b", "a", "c"]) == pytest.approx(one_with_three)
    assert math.isnan(near_similarity(pieces[2:], va[2:], ["a", "c"]))
    with pytest.raises(ValueError, match="as many labels"):
        near_similarity(pieces, va[:2], ["a", "b", "a", "c"])


# --- the report --------------------------------------------------------------------------------------------------


def test_a_row_of_the_report_tells_copies_from_music_and_real_clips_are_one():
    rng = np.random.default_rng(0)
    pieces, groups = clips(rng, 10)
    va = np.tile([[5.0, 5.0]], (len(pieces), 1))
    real = Yardstick([f"{number}.mid" for number in range(len(pieces))], pieces, groups, va)
    searched = {"songs": CopyIndex({"song": wandering(0)})}
    copies = Made(["a.jpg", "b.jpg"], [wandering(0), wandering(1)], [[wandering(0)] * 3])
    found = report(copies, real, searched)
    assert found["summary"]["copying"]["songs"]["copied"] == 0.5
    assert found["summary"]["similarity"] == pytest.approx(1.0)
    assert found["items"][0]["longest_run"]["songs"]["source"] == "song"
    assert found["takes"] == [3]
    itself = report(real.made, real, searched)
    assert {value["share"] for value in itself["summary"]["distributions"].values()} == {1.0}
    assert itself["summary"]["similarity"] == itself["summary"]["similarity_real"]
    assert itself["summary"]["copying"]["songs"]["copied"] == 0.0


def test_photos_with_takes_lie_apart():
    corners = np.array([[1.0, 1.0], [1.0, 9.0], [9.0, 1.0], [9.0, 9.0]])
    crowd = 5.0 + np.random.default_rng(0).normal(0, 0.1, (50, 2))
    assert set(apart(np.concatenate([crowd, corners]), 4)) == {50, 51, 52, 53}
    assert sorted(apart(corners, 12)) == [0, 1, 2, 3]


def test_what_is_copied_is_searched_in_all_music_that_a_composer_learnt_from(tmp_path):
    counts = {"train": 2, "val": 1, "test": 1}
    data = make_mini_data(tmp_path / "data", {"train": 2}, counts, emopia_clips=2, pop909_songs=2, scores=True)
    for name, read in CORPORA.items():
        corpus = read(data)
        pieces = learnt_pieces(corpus, tmp_path / "cache")
        learnt = {f"{name}/{item.key}" for item in corpus.split("train")}
        assert pieces
        assert {key if key in learnt else key.rpartition("/")[0] for key in pieces} <= learnt
        assert all(len(piece.notes) > 20 for piece in pieces.values())
