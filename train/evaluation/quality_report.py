"""How musical the pieces are, beside real clips: as distributions, for what they copy, and how takes differ.

    python -m train.quality_report --data DIR [--only effnet+fnt@eimg2 real] [--takes 8]

Every row composes for the photos of the test split, and several takes for some of them that lie apart in the plane.
Real clips of the same split are the yardstick of every number, and two controls stand beside the pairings: "real", the
clips themselves, and "nearest", which plays to each photo the training clips nearest to its label and so copies on
purpose. What is copied is searched in the training clips of everything that the row's music autoencoder learnt from.
One JSON record is kept per row; ``python -m train.tables`` writes the README's table from them.
"""

from __future__ import annotations

import argparse
import datetime
import functools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from eimg_core import __version__
from eimg_core.checkpoints import read_card
from eimg_core.composer import ComposeOptions
from eimg_core.data import READERS, Corpus, load_pieces, read_eimg, read_oasis
from eimg_core.emotion import pairwise_distance
from eimg_core.images import open_photo
from eimg_core.metrics.copying import CopyIndex
from eimg_core.metrics.distributions import RealMusic, Share
from eimg_core.metrics.diversity import near_similarity, takes_similarity
from eimg_core.metrics.registry import METRICS, measure
from eimg_core.midi.batch import CLIP_S
from eimg_core.midi.notes import Piece
from eimg_core.pipeline import Pipeline, available, split_key, variants
from eimg_core.results import REAL, takes_of
from eimg_core.shipped import CHECKPOINTS
from eimg_core.va.image_reader import ImageReader
from train.evaluation.evaluate import RESULTS

__all__ = ["COPIED", "NEAREST", "REAL", "Made", "Yardstick", "apart", "main", "report"]

NEAREST = "nearest"
COPIED = 12  # notes; a longer run is called copied
_PHOTOS_WITH_TAKES = 12
_SPLIT: Any = "test"
_MUSIC = {"EIMG clips": "eimg", "EMOPIA clips": "emopia", "POP909 songs": "pop909"}  # titles in cards → corpora


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


class _Desk:
    """The data and the photos, read once for all rows."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.photos = read_oasis(args.data).split(_SPLIT)
        self.labels = np.array([(item.va.valence, item.va.arousal) for item in self.photos if item.va])
        self.with_takes = apart(self.labels, _PHOTOS_WITH_TAKES)
        self.clips = read_eimg(args.data)
        self.pieces = {key: piece.cropped(CLIP_S) for key, piece in load_pieces(self.clips, self._cache).items()}
        items = self.clips.split(_SPLIT)
        self.real = Yardstick(
            [item.key for item in items],
            [self.pieces[item.key] for item in items],
            [item.group for item in items],
            np.array([(item.va.valence, item.va.arousal) for item in items if item.va]),
        )
        self.index = functools.cache(self._index)

    @property
    def _cache(self) -> Path:
        return Path(self.args.runs) / "cache"

    def _index(self, titles: tuple[str, ...]) -> CopyIndex:
        """The training splits of the named corpora, whole pieces."""
        pieces: dict[str, Piece] = {}
        for title in titles:
            corpus: Corpus = READERS[_MUSIC[title]](self.args.data)
            loaded = load_pieces(corpus, self._cache, functools.partial(tqdm, desc=corpus.title))
            pieces |= {f"{corpus.name}/{item.key}": loaded[item.key] for item in corpus.split("train")}
        return CopyIndex(pieces)

    def learnt_from(self, row: str) -> list[tuple[str, ...]]:
        """The titles of what a row's music autoencoder learnt from; for controls, of every one that is there."""
        _, music_key, _ = split_key(takes_of(row)[0])
        keys = {split_key(key)[1]: None for key in available(self.args.root)} if row in (REAL, NEAREST) else [music_key]
        cards = [read_card(self.args.root / "music_ae" / key) for key in keys]
        sets = [tuple(sorted(source["data"] for source in card["trained_on"])) for card in cards]
        return list(dict.fromkeys(sets))

    def compose(self, row: str) -> Made:
        """Pieces and takes of a pairing; take k of a photo has the seed ``--seed`` + k."""
        key, best_of = takes_of(row)
        pipeline, reader = Pipeline.load(key, self.args.root), ImageReader.load(self.args.root)
        pieces, takes = [], []
        for index, item in enumerate(tqdm(self.photos, desc=row, unit="photo")):
            picture = open_photo(item.path)
            reading = reader.read(picture).va.clamped()
            count = self.args.takes if index in self.with_takes else 1
            made = [
                pipeline.compose(
                    picture,
                    reading,
                    ComposeOptions(seed=self.args.seed + take, seconds=self.args.seconds, takes=best_of),
                ).piece
                for take in range(count)
            ]
            pieces.append(made[0])
            if count > 1:
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
            made = [self.pieces[key] for key in list(first_of.values())[: self.args.takes]]
            pieces.append(made[0])
            if index in self.with_takes:
                takes.append(made)
        return Made([item.key for item in self.photos], pieces, takes)

    def made(self, row: str) -> Made:
        return self.real.made if row == REAL else self.nearest() if row == NEAREST else self.compose(row)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with images/ and music/")
    parser.add_argument("--root", type=Path, default=CHECKPOINTS, help="trained components")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="caches")
    parser.add_argument("--seed", type=int, default=0, help="of the first take")
    parser.add_argument("--seconds", type=float, default=CLIP_S)
    parser.add_argument("--takes", type=int, default=8, help=f"for each of {_PHOTOS_WITH_TAKES} photos")
    parser.add_argument("--only", nargs="+", metavar="ROW", help="rows to make")
    args = parser.parse_args(argv)
    keys = [f"{key}@{variant}" for key in available(args.root) for variant in variants(key, args.root)]
    known = [*keys, REAL, NEAREST]
    wanted = args.only or known
    if unknown := {row for row in wanted if takes_of(row)[0] not in known}:
        parser.error(f"unknown rows {', '.join(sorted(unknown))}; known: {', '.join(known)}")
    if args.takes < 2:
        parser.error("takes are compared with each other; ask for at least 2")
    args.out.mkdir(parents=True, exist_ok=True)
    desk = _Desk(args)
    for row in wanted:
        searched = {", ".join(titles): desk.index(titles) for titles in desk.learnt_from(row)}
        _write(args, row, report(desk.made(row), desk.real, searched))


def _write(args: argparse.Namespace, row: str, found: Mapping[str, Any]) -> None:
    """Add what makes a number repeatable, and write the record, each item on a line of its own."""
    key, _ = takes_of(row)
    image_key, music_key, _ = split_key(key)
    folders = [f"bridge/{key}", f"image_ae/{image_key}", f"music_ae/{music_key}"] if music_key else []
    head = {
        "table": "musicality",
        "row": row,
        "command": "python -m train.quality_report --data DIR",
        "seed": args.seed,
        "split": _SPLIT,
        "seconds": args.seconds,
        "version": __version__,
        "date": datetime.date.today().isoformat(),
        "components": {folder: read_card(args.root / folder)["sha256"][:12] for folder in folders},
        **{name: value for name, value in found.items() if name != "items"},
    }
    items = ",\n  ".join(json.dumps(item, ensure_ascii=False) for item in found["items"])
    text = json.dumps(head, indent=1, ensure_ascii=False).removesuffix("\n}") + f',\n "items": [\n  {items}\n ]\n}}\n'
    (args.out / f"musicality-{row.replace(' ', '_')}.json").write_text(text, encoding="utf-8")
    summary = found["summary"]
    shares = ", ".join(f"{name} {value['share']}" for name, value in summary["distributions"].items())
    tqdm.write(
        f"{row}: {shares}; similarity {summary['similarity']} ({summary['similarity_real']}); {summary['copying']}"
    )


if __name__ == "__main__":
    main()
