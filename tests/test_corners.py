"""Music for the empty corners of the plane: what a transformation changes, and which labels are kept."""

from __future__ import annotations

import numpy as np
import pytest

from eimg_core.annotation.annotate import annotate
from eimg_core.data import Item
from eimg_core.emotion import VA
from eimg_core.midi.sheet import LENGTH, ONSET, PITCH, VELOCITY
from tests.test_annotation import SONG
from train.data import corners
from train.data.corners import CALM_PLEASANT, TENSE_EXCITED, in_mode, transformed

ANNOTATION = annotate(SONG)  # in C major


def test_a_mode_changes_its_third_sixth_and_seventh_but_not_under_a_dominant():
    pitches = SONG.notes[:, PITCH]
    moved = pitches + in_mode(ANNOTATION, minor=True)
    on_tonic = SONG.notes[:, ONSET] < SONG.bar
    assert set(moved[on_tonic] % 12) == {0, 2, 3, 7}
    dominant = (SONG.notes[:, ONSET] // SONG.bar == 1) & (pitches % 12 == 11)
    assert dominant.any()
    assert (moved[dominant] % 12 == 11).all()
    assert not in_mode(ANNOTATION, minor=False).any()


def test_transformations_go_in_the_directions_of_their_emotions():
    rng = np.random.default_rng(0)
    calm, tune = transformed(ANNOTATION, CALM_PLEASANT, rng)
    assert calm.tempo_bpm < SONG.tempo_bpm
    assert len(calm.notes) < len(SONG.notes)
    assert tune.sum() == ANNOTATION.tune.sum()  # the tune stays
    assert calm.notes[:, VELOCITY].mean() < SONG.notes[:, VELOCITY].mean()
    tense, _ = transformed(ANNOTATION, TENSE_EXCITED, rng)
    assert tense.tempo_bpm > SONG.tempo_bpm
    assert len(tense.notes) == len(SONG.notes)
    assert tense.notes[:, LENGTH].mean() < SONG.notes[:, LENGTH].mean()
    assert tense.notes[:, VELOCITY].mean() > SONG.notes[:, VELOCITY].mean()


class Directed:
    """A guide that hears louder music as more aroused and less pleasant."""

    def estimate_many(self, pieces):
        loud = np.array([np.mean([note.velocity for note in piece.notes]) for piece in pieces])
        return np.column_stack([5 - loud / 8, loud / 8])


@pytest.mark.parametrize(("va", "kept"), [(VA(3.5, 6.5), True), (VA(5.0, 3.0), False)])
def test_only_labels_in_the_corner_are_kept(va, kept, tmp_path):
    item = Item("clip.mid", tmp_path, va, "train", "clip")
    found = corners._moved([(item, ANNOTATION)], TENSE_EXCITED, Directed(), np.random.default_rng(0))
    assert bool(found) == kept
    if kept:
        assert found[0].va.arousal > va.arousal
        assert found[0].va.valence < va.valence
        assert found[0].va.arousal - va.arousal <= 2.5
        assert found[0].split == "train"
