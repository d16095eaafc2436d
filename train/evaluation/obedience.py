"""How far music follows what is asked for: requests over the plane, and retellings of real clips.

    python -m train.obedience --data DIR [--seeds 0 1 2] [--only effnet+tvae@eimg2]

A request is a target without a photo. Beside the evaluator's estimates, what a listener can name is measured: the
tempo, and the loudness of the sound as the app plays it. Four takes are made at once; the row of a pairing has the
first of them, the row "best of 4" the one that the guide keeps. A retelling keeps the tune of a clip of the test split,
which no part of the composer learnt from. One JSON result is kept for each row and seed; ``python -m train.tables``
shows them.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from eimg_core.autoencoder import ComposingAutoencoder
from eimg_core.composer import Composition
from eimg_core.data import load_pieces, read_eimg
from eimg_core.emotion import VA
from eimg_core.metrics.emotion_match import correlation
from eimg_core.metrics.obedience import CALM, EXCITED, obedience, slope
from eimg_core.midi.batch import CLIP_S
from eimg_core.midi.notes import Piece
from eimg_core.options import USUAL_TAKES, ComposeOptions
from eimg_core.performance import perform
from eimg_core.pipeline import Pipeline
from eimg_core.results import BEST_OF
from eimg_core.shipped import CHECKPOINTS, RESULTS
from eimg_core.sound.render import render
from eimg_core.va.evaluator import Evaluator
from train.evaluation.evaluate import components_of
from train.evaluation.realness import composers, grid, keep, kept, one_take

__all__ = ["main", "of_requests", "of_retellings"]

_COMMAND = "python -m train.obedience --data DIR"
_RETOLD, _TARGETS = 6, (2.0, 5.0, 8.0)  # clips, and the points on each axis that each of them is retold for

Array = NDArray[np.float64]


def of_requests(
    pieces: Sequence[Piece], targets: Sequence[VA], evaluator: Evaluator, seed: int
) -> dict[str, float | None]:
    """How pieces follow the targets they were composed for.

    Args:
        pieces: as written, N; none is empty.
        targets: N.
        evaluator: who estimates.
        seed: of the performances, whose loudness is measured where the target is calm or excited.
    """
    asked, estimates = _table(targets), evaluator.estimate_many(pieces)
    tempi = np.array([piece.tempo_bpm for piece in pieces])
    loudness = np.array([_loudness(*one, seed) for one in zip(pieces, targets, strict=True)])
    found = asdict(obedience(asked, estimates, tempi, loudness))
    found |= {f"r_{name}": correlation(asked[:, k], estimates[:, k]) for k, name in enumerate(("valence", "arousal"))}
    return _rounded(found)


def of_retellings(
    pieces: Sequence[Piece], originals: Sequence[Piece], targets: Sequence[VA], evaluator: Evaluator
) -> dict[str, float | None]:
    """How retellings follow their targets, and how much faster excited ones are than what they retell.

    Args:
        pieces, originals, targets: of N retellings.
        evaluator: who estimates.
    """
    asked, estimates = _table(targets), evaluator.estimate_many(pieces)
    octaves = np.log2([a.tempo_bpm / b.tempo_bpm for a, b in zip(pieces, originals, strict=True)])
    excited, calm = asked[:, 1] >= EXCITED, asked[:, 1] <= CALM
    return _rounded(
        {
            "slope_valence": slope(asked[:, 0], estimates[:, 0]),
            "slope_arousal": slope(asked[:, 1], estimates[:, 1]),
            "tempo_ratio": 2.0 ** float(octaves[excited].mean() - octaves[calm].mean()),
        }
    )


def _loudness(piece: Piece, target: VA, seed: int) -> float:
    """In LUFS, as the app plays it; NaN where the target is neither calm nor excited, since rendering takes time."""
    if CALM < target.arousal < EXCITED:
        return math.nan
    return render(perform(piece, target, seed)).lufs


def _table(points: Sequence[VA]) -> Array:
    return np.array([(point.valence, point.arousal) for point in points], dtype=np.float64).reshape(-1, 2)


def _rounded(values: dict[str, float]) -> dict[str, float | None]:
    return {name: round(value, 4) if math.isfinite(value) else None for name, value in values.items()}


# --- the rows ------------------------------------------------------------------------------------------------------


class _Desk:
    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.evaluator = Evaluator.load(args.root)
        self.corpus = clips = read_eimg(args.data)
        loaded = load_pieces(clips, args.runs / "cache")
        groups = {item.group: loaded[item.key].cropped(CLIP_S) for item in clips.split("test")}
        self.clips = [groups[name] for name in sorted(groups)][:: max(1, len(groups) // _RETOLD)][:_RETOLD]

    def requests(self, pipeline: Pipeline, seed: int) -> None:
        points = grid(self.args.grid)
        options = [
            ComposeOptions(seed * len(points) + index, self.args.seconds, point, USUAL_TAKES)
            for index, point in enumerate(points)
        ]
        label = f"{pipeline.key} requests, seed {seed}"
        made = [pipeline.compose(None, None, one) for one in tqdm(options, desc=label, unit="piece")]
        for row, chosen in ((pipeline.key, one_take), (f"{pipeline.key}{BEST_OF}{USUAL_TAKES}", kept)):
            pieces = [chosen(composition) for composition in made]
            self.write("obedience", row, seed, len(pieces), of_requests(pieces, points, self.evaluator, seed))

    def retellings(self, pipeline: Pipeline, seed: int) -> None:
        pairs = [(clip, VA(v, a)) for clip in self.clips for v in _TARGETS for a in _TARGETS]
        label = f"{pipeline.key} retellings, seed {seed}"
        made: list[Composition] = []
        for index, (clip, target) in enumerate(tqdm(pairs, desc=label, unit="piece")):
            options = ComposeOptions(seed * len(pairs) + index, self.args.seconds, target, USUAL_TAKES)
            made.append(pipeline.retell(clip, target, options))
        originals, targets = zip(*pairs, strict=True)
        for row, chosen in ((pipeline.key, one_take), (f"{pipeline.key}{BEST_OF}{USUAL_TAKES}", kept)):
            pieces = [chosen(composition) for composition in made]
            summary = of_retellings(pieces, originals, targets, self.evaluator)
            self.write("retelling", row, seed, len(pieces), summary)

    def write(self, table: str, row: str, seed: int, n: int, summary: dict[str, Any]) -> None:
        folders = components_of(row, self.args.root, photos=False)
        head = {"table": table, "row": row, "command": _COMMAND, "seed": seed, "n": n, "seconds": self.args.seconds}
        result = {**head, "summary": summary}
        corpora = [self.corpus] if table == "retelling" else []  # the others are composed for targets alone
        keep(self.args.out, self.args.root, f"{table}-{row}-seed{seed}", folders, corpora, result)
        tqdm.write(f"{table}, {row}, seed {seed}: {summary}")


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with images/ and music/")
    parser.add_argument("--root", type=Path, default=CHECKPOINTS, help="trained components")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="caches")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--seconds", type=float, default=CLIP_S)
    parser.add_argument("--grid", type=int, default=10, help="requests on each axis of the plane")
    parser.add_argument("--only", nargs="+", metavar="ROW", help="rows to make")
    args = parser.parse_args(argv)
    known = composers(args.root)
    if unknown := set(args.only or ()) - set(known):
        parser.error(f"unknown rows {', '.join(sorted(unknown))}; known: {', '.join(known)}")
    desk = _Desk(args)
    for key in args.only or known:
        pipeline = Pipeline.load(key, args.root)
        for seed in args.seeds:
            desk.requests(pipeline, seed)
            if isinstance(pipeline.music_ae, ComposingAutoencoder):
                desk.retellings(pipeline, seed)


if __name__ == "__main__":
    main()
