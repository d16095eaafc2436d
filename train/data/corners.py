"""Music for the two empty corners of the plane, calm and pleasant, tense and excited, by transforming clips.

A transformation changes what listeners go by: mode, tempo, how dense the accompaniment is, articulation and loudness,
each in the direction that Gabrielsson and Lindström (2010) report for the emotion. The label moves by as much as the
guide's estimate does, which saw neither corner but knows the directions; the evaluator has no part in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from eimg_core.annotation.annotate import Annotation, annotate
from eimg_core.annotation.chords import NO_CHORD
from eimg_core.annotation.melody import mode_shifts
from eimg_core.data import Item, read_eimg
from eimg_core.emotion import VA
from eimg_core.midi.bar_codec import LEFT_HAND
from eimg_core.midi.batch import CLIP_S
from eimg_core.midi.sheet import HAND, LENGTH, ONSET, PITCH, TICKS, VELOCITY, Sheet
from eimg_core.music_ae.plan_examples import Passage
from eimg_core.va.guide import Guide
from train.data.passages import KeptPassage, annotations_of

__all__ = ["CALM_PLEASANT", "TENSE_EXCITED", "Transformation", "corner_passages", "in_mode", "transformed"]

_FARTHEST = 2.5  # that a label moves, in units of the 1-9 scale
_EACH = 1200  # clips that are transformed for each corner; about one of six reaches it
_LOUDEST, _SOFTEST = 120, 20


@dataclass(frozen=True)
class Transformation:
    """How clips are moved towards a corner.

    Args:
        minor: the mode that they get.
        tempo: factor of the tempo, from and to.
        kept: share of the accompaniment's moments that stay.
        touch: factor of the lengths, from and to; a note ends where its hand strikes next at the latest.
        louder: MIDI velocity that is added.
        source: valence and arousal, from and to each, of the clips that are moved.
        corner: the same, of the labels that are wanted.
    """

    minor: bool
    tempo: tuple[float, float]
    kept: float
    touch: tuple[float, float]
    louder: int
    source: tuple[float, float, float, float]
    corner: tuple[float, float, float, float]


CALM_PLEASANT = Transformation(False, (0.55, 0.8), 0.5, (1.2, 2.0), -18, (5.0, 9.0, 2.0, 6.5), (5.4, 9.0, 1.0, 4.0))
TENSE_EXCITED = Transformation(True, (1.15, 1.5), 1.0, (0.5, 0.8), 16, (1.0, 5.4, 4.5, 9.0), (1.0, 4.1, 6.2, 9.0))


def corner_passages(data: Path, cache: Path, guide: Guide, seed: int = 0, most: int = _EACH) -> list[KeptPassage]:
    """Clips of EIMG's train split, transformed, with the labels that they then have.

    Args:
        data, cache: as of ``passages_of``.
        guide: says how far a transformation moves a label.
        seed: of the transformations.
        most: clips for each corner, evenly spread over those that can be moved.
    """
    corpus = read_eimg(data)
    rng = np.random.default_rng(seed)
    found: list[KeptPassage] = []
    for transformation in (CALM_PLEASANT, TENSE_EXCITED):
        items = [i for i in corpus.split("train") if i.va and _within(i.va, transformation.source)]
        items = items[:: max(1, len(items) // most)]
        found += _moved(list(annotations_of(corpus, data, cache, items)), transformation, guide, rng)
    return found


def transformed(annotation: Annotation, to: Transformation, rng: np.random.Generator) -> tuple[Sheet, np.ndarray]:
    """The notes of a clip, transformed, and which of them are the tune: (N,)."""
    sheet, tune = annotation.sheet, annotation.tune
    notes = sheet.notes.copy()
    notes[:, PITCH] += in_mode(annotation, to.minor)
    stays = tune | _thinned(notes, sheet.bar, to.kept, rng)
    notes, tune = notes[stays], tune[stays]
    factor = rng.uniform(*to.touch)
    for hand in (0, LEFT_HAND):
        mine = np.flatnonzero(notes[:, HAND] == hand)
        moments = np.append(np.unique(notes[mine, ONSET]), notes[:, ONSET].max(initial=0) + 2 * TICKS)
        until = moments[np.searchsorted(moments, notes[mine, ONSET], side="right")] - notes[mine, ONSET]
        wanted = np.round(notes[mine, LENGTH] * factor).astype(np.int64)
        longest = np.maximum(until, notes[mine, LENGTH]) if factor > 1 else notes[mine, LENGTH]
        notes[mine, LENGTH] = np.clip(wanted, 3, np.maximum(longest, 3))
    notes[:, VELOCITY] = np.clip(notes[:, VELOCITY] + to.louder, _SOFTEST, _LOUDEST)
    # Notes that fall on one key at one place after the change of mode are one note.
    _, first = np.unique(notes[:, [ONSET, PITCH]], axis=0, return_index=True)
    return replace(sheet, notes=notes[first], tempo_bpm=sheet.tempo_bpm * float(rng.uniform(*to.tempo))), tune[first]


def in_mode(annotation: Annotation, minor: bool) -> np.ndarray:
    """How far each note moves so that the piece is in the other mode of its tonic, in semitones: (N,).

    The leading note of a dominant stays.
    """
    if (annotation.key >= 12) == minor:
        return np.zeros(len(annotation.sheet.notes), dtype=np.int64)
    tonic, notes, bar = annotation.key % 12, annotation.sheet.notes, annotation.sheet.bar
    halves = np.minimum(notes[:, ONSET] * 2 // bar, len(annotation.chords) - 1)
    chords = annotation.chords[halves]
    dominant = (chords != NO_CHORD) & ((chords // 8 - tonic) % 12 == 7)
    leading = dominant & np.isin((notes[:, PITCH] - tonic) % 12, (10, 11))
    return np.where(leading, 0, mode_shifts(notes[:, PITCH], tonic, minor))


def _thinned(notes: np.ndarray, bar: int, kept: float, rng: np.random.Generator) -> np.ndarray:
    """Which notes stay so that about a share of the moments inside bars is left; bar lines stay: (N,) bool."""
    moments, at = np.unique(notes[:, ONSET], return_inverse=True)
    stays = (rng.random(len(moments)) < kept) | (moments % bar == 0)
    return stays[at]


def _moved(
    annotated: Sequence[tuple[Item, Annotation]], to: Transformation, guide: Guide, rng: np.random.Generator
) -> list[KeptPassage]:
    sheets = [transformed(annotation, to, rng) for _, annotation in annotated]
    before = guide.estimate_many([annotation.sheet.piece().cropped(CLIP_S) for _, annotation in annotated])
    after = guide.estimate_many([sheet.piece().cropped(CLIP_S) for sheet, _ in sheets])
    shifts = np.clip(after - before, -_FARTHEST, _FARTHEST)
    found = []
    for (item, _), (sheet, tune), shift in zip(annotated, sheets, shifts.tolist(), strict=True):
        assert item.va is not None
        va = VA(item.va.valence + shift[0], item.va.arousal + shift[1]).clamped()
        if _within(va, to.corner):
            passage = Passage.of(annotate(sheet, tune=tune), "eimg")
            found.append(KeptPassage(passage, f"{item.key} moved", "train", va))
    return found


def _within(va: VA, box: tuple[float, float, float, float]) -> bool:
    return box[0] <= va.valence <= box[1] and box[2] <= va.arousal <= box[3]
