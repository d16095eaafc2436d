"""Compose for every held-out photo, estimate by the evaluator, and keep one result per row and seed.

The evaluator takes part in no training and no selection. A plain row is one take; a row "best of 8" lets the guide
choose, as the app does, and stands apart: guide and evaluator learnt from the same clips and err alike. Real clips
stand in for pieces in the control rows; they come from the same split, which the evaluator has not seen.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL.Image import Image
from tqdm import tqdm

from eimg_core.baselines import CONTROLS, ClipLibrary
from eimg_core.checkpoints import load_model
from eimg_core.composer import Composer
from eimg_core.critic import CRITIC_FOLDER
from eimg_core.data import Corpus, Item, Split, load_pieces, read_eimg, read_oasis
from eimg_core.emotion import VA
from eimg_core.image_ae import image_key_of
from eimg_core.images import open_photo
from eimg_core.metrics.emotion_match import emotion_match
from eimg_core.metrics.registry import METRICS, measure
from eimg_core.midi.batch import CLIP_S
from eimg_core.midi.notes import Piece
from eimg_core.music_ae import MUSIC_AUTOENCODERS
from eimg_core.options import USUAL_TAKES, ComposeOptions
from eimg_core.pipeline import DEFAULT_PAIRING, Pipeline, available, split_key, variants
from eimg_core.results import BEST_OF, MEAN_POINT, REAL, takes_of
from eimg_core.va.evaluator import EVALUATOR_FOLDER, Evaluator
from eimg_core.va.guide import GUIDE_FOLDER
from eimg_core.va.image_reader import READER_FOLDER, TRAIN, ImageReader
from train.evaluation.result import MeasureRequest, dependencies, is_current, write_result
from train.stages.stage import use_threads

__all__ = [
    "EvaluateRequest",
    "Job",
    "components_of",
    "evaluate",
    "known_rows",
    "library_of",
    "numbers_of",
    "outdated",
    "result_name",
]

GRID = (1.5, 8.5)  # first and last point of each axis
_ONCE = ("constant", "oracle", REAL, MEAN_POINT)  # rows without chance


@dataclass(frozen=True, kw_only=True)
class EvaluateRequest(MeasureRequest):
    """What to evaluate.

    Args:
        split: of the photos, ``val`` or ``test``.
        seeds: of composing.
        seconds: length of the pieces.
        grid: targets without a photo on each axis of the plane.
        only: rows to make, of ``known_rows``; ``None`` for all.
    """

    split: Split = "test"
    seeds: Sequence[int] = (0, 1, 2)
    seconds: float = CLIP_S
    grid: int = 10
    only: Sequence[str] | None = None


# --- numbers of pieces --------------------------------------------------------------------------------------------


def library_of(clips: Corpus, pieces: dict[str, Piece], split: Any, mean_photo: VA) -> ClipLibrary:
    """The clips of a split, cut to the length that everything else has."""
    items = [item for item in clips.split(split) if item.va is not None]
    labels = np.array([(item.va.valence, item.va.arousal) for item in items if item.va])
    return ClipLibrary(tuple(pieces[item.key].cropped(CLIP_S) for item in items), labels, mean_photo)


def _labels(items: Sequence[Item]) -> np.ndarray:
    return np.array([(item.va.valence, item.va.arousal) for item in items if item.va])


def _nan_mean(values: Sequence[float]) -> tuple[float | None, int]:
    valid = [value for value in values if math.isfinite(value)]
    return (sum(valid) / len(valid) if valid else None), len(valid)


def _number(value: float | None, digits: int = 4) -> float | None:
    return None if value is None or not math.isfinite(value) else round(value, digits)


def numbers_of(
    row: str, seed: int, split: str, keys: Sequence[str], pieces: Sequence[Piece], match: Any, estimates: Any
) -> dict[str, Any]:
    """The metrics of the pieces of a row and the evaluator's estimates, ready for JSON."""
    measured = [measure(piece) for piece in pieces]
    means = {name: _nan_mean([m[name] for m in measured]) for name in METRICS}
    summary = {
        "emotion_matching": _number(match.distance) if match else None,
        "r_valence": _number(match.r_valence) if match else None,
        "r_arousal": _number(match.r_arousal) if match else None,
        **{name: _number(mean) for name, (mean, _) in means.items()},
    }
    items = [
        {
            "key": key,
            "valence": _number(float(point[0]), 3),
            "arousal": _number(float(point[1]), 3),
            **{name: _number(value) for name, value in metrics.items()},
        }
        for key, point, metrics in zip(keys, estimates, measured, strict=True)
    ]
    return {
        "row": row,
        "seed": seed,
        "split": split,
        "n": len(keys),
        "n_estimated": match.n if match else 0,
        "n_valid": {name: n for name, (_, n) in means.items()},
        "summary": summary,
        "items": items,
    }


def known_rows(root: Path) -> list[str]:
    """Every row that can be made with the components of a folder."""
    keys = [f"{key}@{variant}" for key in available(root) for variant in variants(key, root)]
    keys += [
        f"{key}@{variants(key, root)[0]}{BEST_OF}{USUAL_TAKES}" for key in available(root) if _as_people_hear_it(key)
    ]
    return [*keys, *CONTROLS, REAL, MEAN_POINT]


def _as_people_hear_it(key: str) -> bool:
    """Whether a pairing is measured with as many takes as the page weighs, too: the default, and those whose music
    autoencoder is not told the emotion, so that only the guide knows what the photo reader reads."""
    return key == DEFAULT_PAIRING or not MUSIC_AUTOENCODERS[split_key(key)[1]].uses_va


def result_name(table: str, split: str, row: str, seed: int) -> str:
    """The file of one result."""
    return f"{table}-{split}-{row.replace(' ', '_')}-seed{seed}.json"


def components_of(row: str, root: Path, *, photos: bool = True) -> list[str]:
    """What a row is made and measured with, of the components of a folder: its models, the guide and the critic where
    they choose among takes, the evaluator, and, for photos, the photo reader where the music autoencoder or the guide
    is told the emotion that was read."""
    key, takes = takes_of(row)
    image_key, music_key, variant = split_key(key)
    folders = [EVALUATOR_FOLDER.as_posix()]
    if music_key:
        folders += [f"bridge/{key}", f"image_ae/{image_key_of(image_key, variant)}", f"music_ae/{music_key}"]
        choosers = [GUIDE_FOLDER.as_posix(), f"{CRITIC_FOLDER}/{music_key}"] if takes > 1 else []
        folders += [chooser for chooser in choosers if (root / chooser).exists()]
        told = takes > 1 or MUSIC_AUTOENCODERS[music_key].uses_va
        folders += [READER_FOLDER] if photos and told else []
    return sorted(folders)


# --- rows ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Job:
    """One result to make: its file, what it depends on, and the function that measures it."""

    path: Path
    now: dict[str, Any]
    numbers: Callable[[], dict[str, Any]]


class _Rows:
    """The data, the evaluator and the composers, loaded once for all rows and only when a row needs them."""

    def __init__(self, request: EvaluateRequest) -> None:
        self.request = request
        self.photos, self.clips = read_oasis(request.data), read_eimg(request.data)
        self.held_out = self.photos.split(request.split)
        self._loaded: dict[Path, tuple[Any, dict[str, Any]]] = {}

    @functools.cached_property
    def labels(self) -> np.ndarray:
        """Of the held-out photos, (N, 2)."""
        return _labels(self.held_out)

    @functools.cached_property
    def mean_photo(self) -> VA:
        return VA(*_labels(self.photos.split("train")).mean(axis=0))

    @functools.cached_property
    def library(self) -> ClipLibrary:
        pieces = load_pieces(self.clips, self.request.cache)
        return library_of(self.clips, pieces, self.request.split, self.mean_photo)

    @functools.cached_property
    def evaluator(self) -> Evaluator:
        return Evaluator.load(self.request.components)

    @functools.cached_property
    def pictures(self) -> list[Image]:
        return [open_photo(item.path) for item in self.held_out]

    @functools.cached_property
    def readings(self) -> list[VA]:
        reader = ImageReader.load(self.request.components, TRAIN)
        return [reader.read(picture).va.clamped() for picture in self.pictures]

    def composer(self, row: str) -> Composer:
        if row in CONTROLS:
            return CONTROLS[row](self.library)
        return Pipeline.load(takes_of(row)[0], self.request.components, self._load)

    def _load(self, folder: Path, kinds: Mapping[str, type[Any]]) -> tuple[Any, dict[str, Any]]:
        """A component and its card, loaded once for all pairings."""
        if folder not in self._loaded:
            self._loaded[folder] = load_model(folder, kinds)
        return self._loaded[folder]

    def jobs(self, row: str) -> Iterator[Job]:
        """The results of a row: one per seed, and for pairings another one for targets without a photo."""
        request = self.request
        seeds = [0] if row in _ONCE else list(request.seeds)
        makes: dict[str, Callable[[int], dict[str, Any]]] = {"pairings": functools.partial(self._of_photos, row)}
        if row == REAL:
            makes = {"pairings": self._of_real_clips}
        elif row == MEAN_POINT:
            makes = {"pairings": self._of_mean_point}
        elif row not in CONTROLS:
            makes["requests"] = functools.partial(self._of_targets, row)
        for table, make in makes.items():
            split = request.split if table == "pairings" else "grid"
            settings: dict[str, Any] = {"split": split, "seconds": request.seconds}
            settings |= {"n": request.grid**2} if table == "requests" else {}
            components = components_of(row, request.components, photos=table == "pairings")
            now = dependencies(table, request.components, components, [self.photos, self.clips], **settings)
            for seed in seeds:
                path = request.results / result_name(table, split, row, seed)
                yield Job(path, now, functools.partial(make, seed))

    def _of_photos(self, row: str, seed: int) -> dict[str, Any]:
        composer, made = self.composer(row), []
        for index, item in enumerate(tqdm(self.held_out, desc=f"{row} seed {seed}", unit="photo")):
            # A control is told the label (only the oracle uses it); a pairing gets what it reads from the photo.
            point = item.va if row in CONTROLS else self.readings[index]
            one_seed = seed * len(self.held_out) + index if row == "random" else seed
            options = ComposeOptions(one_seed, self.request.seconds, takes=takes_of(row)[1])
            made.append(composer.compose(self.pictures[index], point, options).piece)
        estimates = self.evaluator.estimate_many(made)
        keys, match = [item.key for item in self.held_out], emotion_match(self.labels, estimates)
        return numbers_of(row, seed, self.request.split, keys, made, match, estimates)

    def _of_targets(self, row: str, seed: int) -> dict[str, Any]:
        """Compose for every point of a grid over the plane, without a photo.

        Each point has a seed of its own: with one for all, its chances would count as many times as there are points.
        """
        axis = np.linspace(*GRID, self.request.grid)
        targets = np.array([(valence, arousal) for valence in axis for arousal in axis])
        seeds = range(seed * len(targets), (seed + 1) * len(targets))
        takes = takes_of(row)[1]
        options = [
            ComposeOptions(one, self.request.seconds, VA(*point), takes)
            for one, point in zip(seeds, targets.tolist(), strict=True)
        ]
        composer, label = self.composer(row), f"{row} without photos, seed {seed}"
        made = [composer.compose(None, None, one).piece for one in tqdm(options, desc=label, unit="piece")]
        estimates = self.evaluator.estimate_many(made)
        keys = [f"{valence:.2f} {arousal:.2f}" for valence, arousal in targets]
        return numbers_of(row, seed, "grid", keys, made, emotion_match(targets, estimates), estimates)

    def _of_real_clips(self, seed: int) -> dict[str, Any]:
        estimates = self.evaluator.estimate_many(self.library.pieces)
        keys = [item.key for item in self.clips.split(self.request.split)]
        match = emotion_match(self.library.va, estimates)
        return numbers_of(REAL, seed, self.request.split, keys, self.library.pieces, match, estimates)

    def _of_mean_point(self, seed: int) -> dict[str, Any]:
        same = np.repeat([[self.mean_photo.valence, self.mean_photo.arousal]], len(self.labels), axis=0)
        match = emotion_match(self.labels, same)
        return {
            "row": MEAN_POINT,
            "seed": seed,
            "split": self.request.split,
            "n": match.n,
            "n_estimated": match.n,
            "point": {
                "valence": _number(self.mean_photo.valence),
                "arousal": _number(self.mean_photo.arousal),
            },
            "summary": {"emotion_matching": _number(match.distance), "r_valence": None, "r_arousal": None},
        }


def outdated(request: EvaluateRequest) -> list[Job]:
    """The results that are asked for and not current.

    Raises:
        ValueError: a row is unknown; the known ones are listed.
        CheckpointError, DataError: a component or a data set is missing or damaged.
    """
    known = known_rows(request.components)
    rows = known if request.only is None else list(request.only)
    if unknown := set(rows) - set(known):
        raise ValueError(f"unknown rows {', '.join(sorted(unknown))}; known: {', '.join(known)}")
    shared = _Rows(request)
    jobs = [job for row in rows for job in shared.jobs(row)]
    return [job for job in jobs if request.force or not is_current(job.path, job.now)]


def evaluate(request: EvaluateRequest) -> list[Path]:
    """Measure what is outdated; returns the results that were written. Raises as ``outdated`` does."""
    use_threads(request.threads)
    jobs = outdated(request)
    for job in jobs:
        write_result(job.path, f"python -m train.evaluate --data DIR --split {request.split}", job.now, job.numbers())
    return [job.path for job in jobs]
