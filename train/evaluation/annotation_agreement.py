"""How far the annotations agree with what the data know: beats, hands, tunes, chords, phrases, and the codec.

Truth comes from the score files (beat and hands of Mutopia and the Lieder, in excerpts of 15 s that are shifted at
random), from POP909 (its melody track, and the beats, chords and phrases beside it), and from the clips of EIMG, which
are sent through the bar codec and compared with themselves by a classifier on score descriptors. The Lieder lack the
sung tune: what is called their tune is the upper line of the piano.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from eimg_core.annotation.annotate import Annotation, annotate, annotate_piece, sheet_of_piece
from eimg_core.annotation.beat import find_beat
from eimg_core.annotation.chords import NO_CHORD, QUALITIES
from eimg_core.annotation.hands import hands_of
from eimg_core.annotation.returns import KINDS, compare, contents_of
from eimg_core.annotation.tune import tune_of
from eimg_core.data import Item, load_pieces, load_scores, read_eimg, read_lieder, read_mutopia, read_pop909
from eimg_core.data.pop909_labels import SongLabels, read_song_labels, sheet_of_song
from eimg_core.metrics.analysis import as_notated
from eimg_core.metrics.descriptors import table
from eimg_core.metrics.realness import auc
from eimg_core.midi.bar_codec import decode_bars, encode_bars
from eimg_core.midi.batch import CLIP_S
from eimg_core.midi.notes import Piece
from eimg_core.midi.sheet import HAND, TICKS, Sheet, bar_ticks
from train.evaluation.result import MeasureRequest, dependencies, is_current, write_result
from train.stages.stage import use_threads

__all__ = ["AgreementRequest", "agreement", "beats_found", "chord_of_name", "measure_agreement", "through_codec"]

_CLOSE = 1 / 16  # of a beat
_FEWEST = 20  # notes of an excerpt
_CLIPS = 600  # through the codec, half of them on each side of the control
_PAIRS = 20_000  # bars of different pieces that are compared
_STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_NAMES = {
    "maj": "major", "min": "minor", "7": "dominant", "min7": "minor seventh", "maj7": "major seventh",
    "dim": "diminished", "dim7": "diminished", "hdim7": "diminished", "sus4": "suspended", "sus2": "suspended",
    "aug": "augmented", "maj6": "major", "min6": "minor", "sus4(b7)": "suspended", "9": "dominant",
    "maj9": "major seventh", "min9": "minor seventh", "minmaj7": "minor",
}  # fmt: skip
_MODES = {"major": 0, "dominant": 0, "major seventh": 0, "minor": 1, "minor seventh": 1}


def agreement(data: Path, cache: Path, most: int) -> dict[str, Any]:
    """Every number by name.

    Args:
        data: the folder that holds ``music``.
        cache: folder for parsed notes.
        most: pieces of each corpus.
    """
    rng = np.random.default_rng(0)
    found: dict[str, Any] = {}
    for corpus in (read_mutopia(data), read_lieder(data)):
        scores = load_scores(corpus, lambda items: tqdm(items, desc="reading scores"))
        chosen = [sheets[0] for sheets in list(scores.values())[:: max(1, len(scores) // most)]]
        excerpts = [excerpt for sheet in chosen if (excerpt := _excerpt(sheet, rng)) is not None]
        found[corpus.name] = {"pieces": len(excerpts), **beats_found(excerpts, rng), "hands": _hands_found(excerpts)}
    found["pop909"] = _songs(data, most, rng)
    found["eimg"] = _clips(data, cache, rng)
    return found


def _excerpt(sheet: Sheet, rng: np.random.Generator) -> Sheet | None:
    """About 15 s from a bar line on; ``None`` where next to nothing sounds."""
    bars = max(2, int(CLIP_S / (sheet.bar * sheet.tick_s)))
    excerpt = sheet.excerpt(int(rng.integers(0, max(1, sheet.bars - bars))), bars)
    return excerpt if len(excerpt.notes) >= _FEWEST else None


def beats_found(sheets: Sequence[Sheet], rng: np.random.Generator) -> dict[str, float]:
    """How often the eighth, the beat and the bar are found after a shift by up to 2 s, within a sixteenth of a beat,
    and how often a tempo that is not known is found, but for octaves."""
    right: Counter[str] = Counter()
    for sheet in sheets:
        shift = float(rng.uniform(0, 2))
        moved = sheet.piece()
        moved = moved.with_notes(replace(n, start_s=n.start_s + shift, end_s=n.end_s + shift) for n in moved.notes)
        beat = find_beat(moved, sheet.meter, sheet.tempo_bpm)
        error = (beat.first_s - shift) / 60 * sheet.tempo_bpm  # in quarters
        pulse = 1.5 if sheet.meter == (6, 8) else 1.0
        for name, period in (("eighth", 0.5), ("beat", pulse), ("bar", bar_ticks(sheet.meter) / TICKS)):
            right[name] += abs((error + period / 2) % period - period / 2) < _CLOSE
        octaves = np.log2(find_beat(moved, sheet.meter).tempo_bpm / sheet.tempo_bpm)
        right["tempo but for octaves"] += abs(octaves - round(octaves)) < 0.02
    return {name: round(count / len(sheets), 3) for name, count in right.items()}


def _hands_found(sheets: Sequence[Sheet]) -> float:
    pairs = [(hands_of(sheet), sheet.notes[:, HAND]) for sheet in sheets]
    return round(float(np.concatenate([a == b for a, b in pairs]).mean()), 3)


def chord_of_name(name: str) -> tuple[int, str] | None:
    """Root and quality of a chord as POP909 names it, ``Bb:min7/b3``; ``None`` for no chord and rare ones."""
    if ":" not in name:
        return None
    root, quality = name.split("/")[0].split(":")
    pitch = _STEPS[root[0]] + root.count("#") - root.count("b")
    return (pitch % 12, _NAMES[quality]) if quality in _NAMES else None


def _songs(data: Path, most: int, rng: np.random.Generator) -> dict[str, Any]:
    labels, items = read_song_labels(data), read_pop909(data).items
    items = items[:: max(1, len(items) // most)]
    sheets: list[Sheet] = []
    annotations: list[Annotation] = []
    tune: Counter[str] = Counter()
    chords: Counter[str] = Counter()
    phrases: Counter[str] = Counter()
    for item, sheet, melody, starts in _known_songs(items, labels):
        annotation = annotate(sheet)
        annotations.append(annotation)
        if (excerpt := _excerpt(sheet, rng)) is not None:
            sheets.append(excerpt)
        bars = np.isin(sheet.notes[:, 0] // sheet.bar, np.unique(sheet.notes[melody, 0] // sheet.bar))
        line = tune_of(annotation.sheet)
        tune.update(both=int((line & melody).sum()), line=int((line & bars).sum()), melody=int(melody.sum()))
        found = [bar for bar in range(annotation.bars) if bar == 0 or annotation.left[bar - 1] == 1]
        phrases.update(
            both=len(set(found) & set(starts)), found=len(found), known=len(starts),
            near=sum(min(abs(bar - start) for start in starts) <= 1 for bar in found),
        )  # fmt: skip
        chords.update(_chords_found(annotation, labels[item.group]))
    halves = max(chords["halves"], 1)
    return {
        "songs": len(annotations),
        **beats_found(sheets, rng),
        "tune precision": round(tune["both"] / tune["line"], 3),
        "tune recall": round(tune["both"] / tune["melody"], 3),
        "chord roots": round(chords["root"] / halves, 3),
        "chord roots and modes": round(chords["mode"] / halves, 3),
        "chords": round(chords["chord"] / halves, 3),
        "phrase starts precision": round(phrases["both"] / phrases["found"], 3),
        "phrase starts within a bar": round(phrases["near"] / phrases["found"], 3),
        "phrase starts recall": round(phrases["both"] / phrases["known"], 3),
        "bars by kind": _kinds(annotations),
        "bars of other songs by kind": _kinds_of_strangers(annotations, rng),
    }


def _known_songs(
    items: Sequence[Item], labels: dict[str, SongLabels]
) -> Iterator[tuple[Item, Sheet, NDArray[np.bool_], list[int]]]:
    for item in tqdm(items, desc="annotating songs"):
        song = sheet_of_song(item.path, labels[item.group])
        if song is not None and song[1].any():
            yield item, *song


def _chords_found(annotation: Annotation, labels: SongLabels) -> Counter[str]:
    """Half bars of a song in 4/4 with one labelled chord, and how often root, mode and all of it are found."""
    right: Counter[str] = Counter()
    if annotation.sheet.meter != (4, 4):
        return right
    first = int(np.flatnonzero(labels.downbeats)[0])
    starts = np.array([start for start, _ in labels.chords])
    for half, chord in enumerate(annotation.chords.tolist()):
        beats = labels.beats[first + 2 * half : first + 2 * half + 2]
        names = {labels.chords[max(0, int(np.searchsorted(starts, beat + 0.3)) - 1)][1] for beat in beats}
        known = chord_of_name(names.pop()) if len(beats) == 2 and len(names) == 1 else None
        if known is None:
            continue
        right["halves"] += 1
        if chord == NO_CHORD or chord // 8 != known[0]:
            continue
        quality = QUALITIES[chord % 8]
        right["root"] += 1
        right["chord"] += quality == known[1]
        right["mode"] += _MODES.get(quality, quality) == _MODES.get(known[1], known[1])
    return right


def _kinds(annotations: Sequence[Annotation]) -> dict[str, float]:
    kinds = np.bincount(np.concatenate([annotation.kind for annotation in annotations]), minlength=len(KINDS))
    return {name: round(float(share), 3) for name, share in zip(KINDS, kinds / kinds.sum(), strict=True)}


def _kinds_of_strangers(annotations: Sequence[Annotation], rng: np.random.Generator) -> dict[str, float]:
    """What bars of different songs are called when they are compared: chance."""
    contents = [contents_of(a.sheet, a.tune, (a.key % 12 + 3 * (a.key >= 12)) % 12) for a in annotations]
    kinds = np.zeros(len(KINDS))
    for _ in range(_PAIRS):
        a, b = rng.choice(len(annotations), 2, replace=False)
        if annotations[a].sheet.meter == annotations[b].sheet.meter:
            new, old = (contents[at][int(rng.integers(len(contents[at])))] for at in (a, b))
            kinds[compare(new, old, annotations[a].sheet.bar // 2)] += 1
    return {name: round(float(share), 4) for name, share in zip(KINDS, kinds / kinds.sum(), strict=True)}


def through_codec(piece: Piece) -> Piece:
    """A piece as the bar codec gives it back."""
    annotation = annotate_piece(piece)
    encoded = encode_bars(annotation.sheet, annotation.tune, annotation.bars)
    return decode_bars(encoded, annotation.sheet.meter, annotation.sheet.tempo_bpm)[0].piece()


def _clips(data: Path, cache: Path, rng: np.random.Generator) -> dict[str, Any]:
    """Onsets on the grid before and after the shift, and whether the codec can be told."""
    corpus = read_eimg(data)
    pieces = load_pieces(corpus, cache)
    items = [item for item in corpus.items if len(pieces[item.key].notes) >= _FEWEST]
    items = [items[index] for index in rng.choice(len(items), min(_CLIPS, len(items)), replace=False)]
    stored = [_on_grid(pieces[item.key]) for item in items]
    shifted = [find_beat(p, sheet_of_piece(p).meter, p.tempo_bpm).fit for p in (pieces[item.key] for item in items)]
    real = table(as_notated(pieces[item.key]) for item in tqdm(items, desc="describing clips"))
    coded = table(as_notated(through_codec(pieces[item.key])) for item in tqdm(items, desc="through the codec"))
    groups, half = [item.group for item in items], len(items) // 2
    return {
        "clips": len(items),
        "onsets on the grid as stored": round(float(np.mean(stored)), 3),
        "onsets on the grid once shifted": round(float(np.mean(shifted)), 3),
        "auc through the codec, same clips": round(auc(real[:half], coded[:half], groups[:half], groups[:half]), 3),
        "auc through the codec, other clips": round(auc(real[:half], coded[half:], groups[:half], groups[half:]), 3),
        "auc of real halves": round(auc(real[:half], real[half:], groups[:half], groups[half:]), 3),
    }


def _on_grid(piece: Piece) -> float:
    """Share of the onsets within 1/32 beat of a sixteenth or of a third of a beat."""
    ticks = np.array([note.start_s for note in piece.notes]) / piece.seconds_per_beat * TICKS
    beside = np.minimum(np.abs(ticks - 6 * np.round(ticks / 6)), np.abs(ticks - 8 * np.round(ticks / 8)))
    return float((beside <= 0.75).mean())


@dataclass(frozen=True, kw_only=True)
class AgreementRequest(MeasureRequest):
    """What to measure.

    Args:
        most: pieces of each corpus.
    """

    most: int = 120


def measure_agreement(request: AgreementRequest) -> list[Path]:
    """Write ``annotation_agreement.json``; returns its path, or nothing where it is up to date.

    Raises:
        DataError: a data set is not there or damaged.
    """
    use_threads(request.threads)
    corpora = [read(request.data) for read in (read_mutopia, read_lieder, read_pop909, read_eimg)]
    now = dependencies("annotation_agreement", request.components, [], corpora, most=request.most)
    path = request.results / "annotation_agreement.json"
    if is_current(path, now) and not request.force:
        return []
    numbers = agreement(request.data, request.cache, request.most)
    write_result(path, "python -m train.annotation_agreement --data DIR", now, numbers)
    return [path]
