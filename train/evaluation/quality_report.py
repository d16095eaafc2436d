"""How musical the pieces are, beside real clips: as distributions, for what they copy, and how takes differ.

Every row composes for the photos of the test split, and several takes for some of them that lie apart in the plane.
Real clips of the same split are the yardstick of every number, and two controls stand beside the pairings: "real", the
clips themselves, and "nearest", which plays to each photo the training clips nearest to its label and so copies on
purpose. What is copied is searched in the training clips of everything that the row's music autoencoder learnt from.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from eimg_core.checkpoints import read_card
from eimg_core.data import Corpus, load_pieces, load_scores, read_eimg, read_oasis
from eimg_core.emotion import pairwise_distance
from eimg_core.images import open_photo
from eimg_core.metrics.copying import CopyIndex
from eimg_core.metrics.distributions import RealMusic, Share
from eimg_core.metrics.diversity import near_similarity, takes_similarity
from eimg_core.metrics.registry import METRICS, measure
from eimg_core.midi.batch import CLIP_S
from eimg_core.midi.notes import Piece
from eimg_core.options import ComposeOptions
from eimg_core.pipeline import Pipeline, available, split_key, variants
from eimg_core.results import REAL, takes_of
from eimg_core.va.evaluator import EVALUATOR_FOLDER
from eimg_core.va.image_reader import TRAIN, ImageReader
from train.data.passages import CORPORA
from train.evaluation.evaluate import components_of
from train.evaluation.result import MeasureRequest, dependencies, is_current, write_result
from train.stages.stage import use_threads

__all__ = [
    "COPIED",
    "NEAREST",
    "REAL",
    "Made",
    "QualityRequest",
    "Yardstick",
    "apart",
    "learnt_pieces",
    "report",
    "report_quality",
]

NEAREST = "nearest"
COPIED = 12  # notes; a longer run is called copied
_PHOTOS_WITH_TAKES = 12
_SPLIT: Any = "test"
_MUSIC = {  # titles in cards → corpora
    "EIMG clips": "eimg",
    "EMOPIA clips": "emopia",
    "POP909 songs": "pop909",
    "Mutopia piano scores": "mutopia",
    "OpenScore Lieder, piano parts": "lieder",
}
_SCORES = ("mutopia", "lieder")


@dataclass(frozen=True)
class Made:
    """What a row has composed.

    Args:
        keys: of the photos, N.
        pieces: one for each photo, N.
        takes: several for each of some photos.
    """

    keys: Sequence[str]
    pieces: Sequence[Piece]
    takes: Sequence[Sequence[Piece]]


class Yardstick:
    """The real clips of a split, and what the pieces of every row are measured by.

    Args:
        keys, pieces, groups: of the clips, N each; ``groups`` says which come from one piece.
        va: their labels, (N, 2).
    """

    def __init__(
        self, keys: Sequence[str], pieces: Sequence[Piece], groups: Sequence[str], va: NDArray[np.float64]
    ) -> None:
        self.made = Made(keys, pieces, ())
        self.music = RealMusic(pieces, groups)
        self.similarity = near_similarity(pieces, va, groups)


def report(made: Made, real: Yardstick, searched: Mapping[str, CopyIndex]) -> dict[str, Any]:
    """The numbers of one row.

    Args:
        made: its pieces; the yardstick's own clips have the share 1 and its similarity by definition.
        real: the yardstick.
        searched: name of a training set → its index.
    Returns:
        ``n``, ``summary`` and ``items``, ready for JSON; what is not defined is ``None``.
    """
    itself = made is real.made
    measured = [measure(piece) for piece in made.pieces]
    runs = {name: [index.longest_run(piece) for piece in made.pieces] for name, index in searched.items()}
    lengths = {name: np.array([run.length for run in found]) for name, found in runs.items()}
    shares = real.music.shares(made.pieces)
    if itself:
        shares = {name: Share(share.real, share.real, share.n) for name, share in shares.items()}
    items = [
        {
            "key": key,
            **{name: _number(value) for name, value in metrics.items()},
            "longest_run": {name: asdict(found[index]) for name, found in runs.items()},
        }
        for index, (key, metrics) in enumerate(zip(made.keys, measured, strict=True))
    ]
    return {
        "n": len(made.pieces),
        "takes": [len(takes) for takes in made.takes],
        "summary": {
            **{name: _mean([m[name] for m in measured]) for name in METRICS},
            "distributions": {
                name: {"share": _number(s.share), "distance": _number(s.distance), "real": _number(s.real)}
                for name, s in shares.items()
            },
            "copying": {
                name: {
                    "mean": _number(float(values.mean()), 2),
                    "max": int(values.max()),
                    "copied": _number(float((values > COPIED).mean())),
                }
                for name, values in lengths.items()
            },
            "similarity": _number(real.similarity if itself else takes_similarity(made.takes)),
            "similarity_real": _number(real.similarity),
        },
        "items": items,
    }


def apart(points: NDArray[np.float64], count: int) -> list[int]:
    """Rows of points (N, 2) that lie far from each other: first the one farthest from the mean, then always the one
    farthest from all before. All rows if there are no more than ``count``."""
    distances = pairwise_distance(points, points)
    chosen = [int(pairwise_distance(points, points.mean(axis=0, keepdims=True)).argmax())]
    while len(chosen) < min(count, len(points)):
        chosen.append(int(distances[:, chosen].min(axis=1).argmax()))
    return chosen


def _number(value: float, digits: int = 4) -> float | None:
    return round(value, digits) if math.isfinite(value) else None


def _mean(values: Sequence[float]) -> float | None:
    """Over the pieces that have the metric."""
    known = [value for value in values if math.isfinite(value)]
    return _number(sum(known) / len(known)) if known else None


# --- the rows ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class QualityRequest(MeasureRequest):
    """What to report on.

    Args:
        seed: of the first take.
        seconds: length of the pieces.
        takes: for each of some photos, at least 2.
        only: rows to make: pairings with their variant, ``real`` and ``nearest``; ``None`` for all.
    """

    seed: int = 0
    seconds: float = CLIP_S
    takes: int = 8
    only: Sequence[str] | None = None


class _Rows:
    """The data and the photos, read once for all rows."""

    def __init__(self, request: QualityRequest) -> None:
        self.request = request
        self.corpus = read_oasis(request.data)
        self.photos = self.corpus.split(_SPLIT)
        self.labels = np.array([(item.va.valence, item.va.arousal) for item in self.photos if item.va])
        self.with_takes = apart(self.labels, _PHOTOS_WITH_TAKES)
        self.clips = read_eimg(request.data)
        self.index = functools.cache(self._index)

    @functools.cached_property
    def pieces(self) -> dict[str, Piece]:
        return {key: piece.cropped(CLIP_S) for key, piece in load_pieces(self.clips, self.request.cache).items()}

    @functools.cached_property
    def real(self) -> Yardstick:
        items = self.clips.split(_SPLIT)
        return Yardstick(
            [item.key for item in items],
            [self.pieces[item.key] for item in items],
            [item.group for item in items],
            np.array([(item.va.valence, item.va.arousal) for item in items if item.va]),
        )

    def _index(self, titles: tuple[str, ...]) -> CopyIndex:
        """The training splits of the named corpora, whole pieces."""
        pieces: dict[str, Piece] = {}
        for title in titles:
            pieces |= learnt_pieces(CORPORA[_MUSIC[title]](self.request.data), self.request.cache)
        return CopyIndex(pieces)

    def learnt_from(self, row: str) -> list[tuple[str, ...]]:
        """The titles of what a row's music autoencoder learnt from; for controls, of every one that is there."""
        root = self.request.components
        _, music_key, _ = split_key(takes_of(row)[0])
        keys = {split_key(key)[1]: None for key in available(root)} if row in (REAL, NEAREST) else [music_key]
        cards = [read_card(root / "music_ae" / key) for key in keys]
        sets = [tuple(sorted(source["data"] for source in card["trained_on"])) for card in cards]
        return list(dict.fromkeys(sets))

    def compose(self, row: str) -> Made:
        """Pieces and takes of a pairing; take k of a photo has the request's seed + k."""
        key, best_of = takes_of(row)
        request = self.request
        pipeline, reader = Pipeline.load(key, request.components), ImageReader.load(request.components, TRAIN)
        pieces, takes = [], []
        for index, item in enumerate(tqdm(self.photos, desc=row, unit="photo")):
            picture = open_photo(item.path)
            reading = reader.read(picture).va.clamped()
            seeds = range(request.seed, request.seed + (request.takes if index in self.with_takes else 1))
            options = [ComposeOptions(seed=seed, seconds=request.seconds, takes=best_of) for seed in seeds]
            made = [pipeline.compose(picture, reading, one).piece for one in options]
            pieces.append(made[0])
            if index in self.with_takes:
                takes.append(made)
        return Made([item.key for item in self.photos], pieces, takes)

    def nearest(self) -> Made:
        """For each photo the training clips nearest to its label, no two of one piece."""
        items = self.clips.split("train")
        va = np.array([(item.va.valence, item.va.arousal) for item in items if item.va])
        pieces, takes = [], []
        for index, order in enumerate(pairwise_distance(self.labels, va).argsort(axis=1, kind="stable")):
            first_of: dict[str, str] = {}
            for row in order:
                first_of.setdefault(items[row].group, items[row].key)
            made = [self.pieces[key] for key in list(first_of.values())[: self.request.takes]]
            pieces.append(made[0])
            if index in self.with_takes:
                takes.append(made)
        return Made([item.key for item in self.photos], pieces, takes)

    def made(self, row: str) -> Made:
        return self.real.made if row == REAL else self.nearest() if row == NEAREST else self.compose(row)

    def dependencies(self, row: str) -> dict[str, Any]:
        """All that the result of a row follows from: what is searched for copies, too."""
        evaluator = EVALUATOR_FOLDER.as_posix()  # no number here is the evaluator's
        components = [name for name in components_of(row, self.request.components) if name != evaluator]
        names = dict.fromkeys(_MUSIC[title] for titles in self.learnt_from(row) for title in titles)
        corpora = {corpus.name: corpus for corpus in (self.corpus, self.clips)}
        corpora |= {name: CORPORA[name](self.request.data) for name in names if name not in corpora}
        request = self.request
        settings = {"seed": request.seed, "split": _SPLIT, "seconds": request.seconds}
        settings |= {} if row == REAL else {"most_takes": request.takes}
        return dependencies("musicality", request.components, components, list(corpora.values()), **settings)


def learnt_pieces(corpus: Corpus, cache: Path) -> dict[str, Piece]:
    """The training split of a music corpus, whole pieces; of scores, every passage of one meter is a piece."""
    watch = functools.partial(tqdm, desc=corpus.title)
    keys = [item.key for item in corpus.split("train")]
    if corpus.name in _SCORES:
        scores = load_scores(corpus, watch)
        passages = {f"{key}/{number}": one for key in keys for number, one in enumerate(scores.get(key, ()))}
        return {f"{corpus.name}/{key}": passage.piece() for key, passage in passages.items()}
    loaded = load_pieces(corpus, cache, watch)
    return {f"{corpus.name}/{key}": loaded[key] for key in keys}


def report_quality(request: QualityRequest) -> list[Path]:
    """Write one result per row that is asked for and not current.

    Returns:
        The results that were written.
    Raises:
        ValueError: a row is unknown, or fewer than two takes are to be compared.
        CheckpointError, DataError: a component or a data set is missing or damaged.
    """
    use_threads(request.threads)
    root = request.components
    known = [*(f"{key}@{variant}" for key in available(root) for variant in variants(key, root)), REAL, NEAREST]
    wanted = known if request.only is None else list(request.only)
    if unknown := {row for row in wanted if takes_of(row)[0] not in known}:
        raise ValueError(f"unknown rows {', '.join(sorted(unknown))}; known: {', '.join(known)}")
    if request.takes < 2:
        raise ValueError(f"takes are compared with each other; ask for at least 2, not {request.takes}")
    rows, written = _Rows(request), []
    for row in wanted:
        path, now = request.results / f"musicality-{row.replace(' ', '_')}.json", rows.dependencies(row)
        if is_current(path, now) and not request.force:
            continue
        searched = {", ".join(titles): rows.index(titles) for titles in rows.learnt_from(row)}
        found = report(rows.made(row), rows.real, searched)
        write_result(path, "python -m train.quality_report --data DIR", now, {"row": row, **found})
        written.append(path)
        _tell(row, found["summary"])
    return written


def _tell(row: str, summary: Mapping[str, Any]) -> None:
    shares = ", ".join(f"{name} {value['share']}" for name, value in summary["distributions"].items())
    tqdm.write(
        f"{row}: {shares}; similarity {summary['similarity']} ({summary['similarity_real']}); {summary['copying']}"
    )
