"""How composed the music sounds: how hard pieces are to tell from real clips of the same labels, and their form.

    python -m train.realness --data DIR [--seeds 0 1 2] [--only effnet+tvae@eimg2 real]

Every music autoencoder composes one piece for the label of each clip of the test split, without a photo, and a longer
one for points spread over the plane. Four takes are made at once; the row of a pairing has the first of them, the row
"best of 4" the one that the guide keeps. Three controls stand beside them: ``real``, halves of the clips told from
each other; ``codec``, the clips told from themselves after the music autoencoders' codec; and ``pop909``, the form of
whole songs. One JSON result is kept for each row and seed; ``python -m train.tables`` shows them.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from eimg_core.composer import Composition
from eimg_core.data import Corpus, load_pieces, read_eimg, read_pop909
from eimg_core.emotion import VA
from eimg_core.metrics.analysis import analyse, as_notated
from eimg_core.metrics.descriptors import DESCRIPTORS, table
from eimg_core.metrics.form import density_variation, varied_returns, verbatim_bars
from eimg_core.metrics.realness import auc, frechet_over_halves, halves
from eimg_core.midi import codec
from eimg_core.midi.batch import CLIP_S
from eimg_core.midi.notes import Piece
from eimg_core.midi.reading import read_midi
from eimg_core.options import USUAL_TAKES, ComposeOptions
from eimg_core.pipeline import DEFAULT_PAIRING, Pipeline, available, split_key, variants
from eimg_core.results import BEST_OF, REAL
from eimg_core.shipped import CHECKPOINTS, RESULTS
from eimg_core.va.evaluator import EVALUATOR_FOLDER
from train.evaluation.evaluate import components_of
from train.evaluation.result import dependencies, write_result

__all__ = ["CODEC", "FORM", "POP909", "VIEWS", "composers", "grid", "keep", "kept", "main", "one_take"]

CODEC, POP909 = "codec", "pop909"
FORM = {function.__name__: function for function in (verbatim_bars, varied_returns, density_variation)}
VIEWS: Mapping[str, Callable[[Piece], Piece]] = {"written": lambda piece: piece, "notated": as_notated}
_SPLIT: Any = "test"
_HALVINGS = 5
_COMMAND = "python -m train.realness --data DIR"

Tables = Mapping[str, NDArray[np.float64]]  # view → descriptors


def composers(root: Path) -> list[str]:
    """One pairing for each music autoencoder, with the image autoencoder of the default where there is one: no photo
    takes part, so that it hardly matters."""
    image = split_key(DEFAULT_PAIRING)[0]
    chosen: dict[str, str] = {}
    for key in sorted(available(root), key=lambda key: split_key(key)[0] != image):
        chosen.setdefault(split_key(key)[1], f"{key}@{variants(key, root)[0]}")
    return list(chosen.values())


def grid(count: int, low: float = 1.5, high: float = 8.5) -> list[VA]:
    """Points over the whole plane, ``count`` on each axis."""
    return [VA(*point) for point in itertools.product(np.linspace(low, high, count).tolist(), repeat=2)]


def compared(real: Tables, made: Tables, groups: Sequence[str], seed: int) -> dict[str, Any]:
    """AUC and Fréchet distance of pieces from the clips whose labels they were made for, in both views."""
    found: dict[str, Any] = {}
    for view in VIEWS:
        found[f"auc_{view}"] = _number(auc(real[view], made[view], groups, groups, seed=seed))
        ratio, found["frechet_n"] = frechet_over_halves(real[view], made[view], groups, seed=seed)
        found[f"frechet_{view}"] = _number(ratio)
    return {**found, "descriptors": means(made)}


def control(real: Tables, groups: Sequence[str], seed: int) -> dict[str, Any]:
    """The same of halves of the clips, which never divide a group."""
    rng, names = np.random.default_rng(seed), np.array(groups)
    masks = list(itertools.islice(halves(groups, rng), _HALVINGS))

    def told(table: NDArray[np.float64], half: NDArray[np.bool_]) -> float:
        return auc(table[half], table[~half], names[half].tolist(), names[~half].tolist(), seed=seed)

    found: dict[str, Any] = {
        f"auc_{view}": _number(float(np.mean([told(real[view], half) for half in masks]))) for view in VIEWS
    }
    return {**found, **{f"frechet_{view}": 1.0 for view in VIEWS}, "descriptors": means(real)}


def means(tables: Tables) -> dict[str, dict[str, float | None]]:
    """The mean of every descriptor over the pieces where it is defined: view → name → value."""
    return {
        view: {name: _number(_mean(column)) for name, column in zip(DESCRIPTORS, values.T, strict=True)}
        for view, values in tables.items()
    }


def form(pieces: Iterable[Piece]) -> dict[str, float | None]:
    """The mean of each of ``FORM`` over some pieces."""
    analyses = [analyse(piece) for piece in pieces]
    return {name: _number(_mean([function(one) for one in analyses])) for name, function in FORM.items()}


def keep(
    out: Path, root: Path, name: str, folders: Sequence[str], corpora: Sequence[Corpus], result: Mapping[str, Any]
) -> None:
    """Write a result with what it depends on.

    Args:
        out: folder of the results.
        root: trained components.
        name: of the file, without its suffix; blanks become underlines.
        folders: of the components that took part.
        corpora: the data sets that took part.
        result: with ``table``, ``command``, ``row``, ``seed``, ``n`` and ``summary``.
    """
    now = dependencies(result["table"], root, folders, corpora)
    numbers = {key: value for key, value in result.items() if key not in ("table", "command")}
    write_result(out / f"{name.replace(' ', '_')}.json", result["command"], now, numbers)


def one_take(composition: Composition) -> Piece:
    """The first of the takes, which nobody chose."""
    return composition.takes[0].piece if composition.takes else composition.piece


def kept(composition: Composition) -> Piece:
    """The take that the guide keeps."""
    return composition.piece


def _mean(values: Sequence[float] | NDArray[np.float64]) -> float:
    known = np.asarray(values, dtype=np.float64)
    known = known[np.isfinite(known)]
    return float(known.mean()) if len(known) else math.nan


def _number(value: float) -> float | None:
    return round(value, 4) if math.isfinite(value) else None


# --- the rows ------------------------------------------------------------------------------------------------------


class _Desk:
    """The clips and what every row is measured by."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.corpus = clips = read_eimg(args.data)
        loaded = load_pieces(clips, args.runs / "cache")
        items = [item for item in clips.split(_SPLIT) if item.va is not None]
        self.labels = [item.va.clamped() for item in items if item.va]
        self.groups = [item.group for item in items]
        self.clips = [loaded[item.key].cropped(CLIP_S) for item in items]

    @functools.cached_property
    def real(self) -> Tables:
        return self.tables(self.clips)

    @staticmethod
    def tables(pieces: Sequence[Piece]) -> Tables:
        return {view: table(map(seen, pieces)) for view, seen in VIEWS.items()}

    def compose(self, pipeline: Pipeline, points: Sequence[VA], seconds: float, seed: int) -> list[Composition]:
        """A piece for each point, each with a seed of its own."""
        label = f"{pipeline.key} {seconds:g} s, seed {seed}"
        options = [
            ComposeOptions(seed * len(points) + index, seconds, point, USUAL_TAKES)
            for index, point in enumerate(points)
        ]
        return [pipeline.compose(None, None, one) for one in tqdm(options, desc=label, unit="piece")]

    def pairing(self, key: str, seed: int) -> None:
        """Both rows of a pairing: of the takes that were made at once the first, and the one that is kept."""
        pipeline = Pipeline.load(key, self.args.root)
        short = self.compose(pipeline, self.labels, CLIP_S, seed)
        long = self.compose(pipeline, grid(self.args.grid), self.args.long, seed)
        for row, chosen in ((key, one_take), (f"{key}{BEST_OF}{USUAL_TAKES}", kept)):
            summary = compared(self.real, self.tables([chosen(c) for c in short]), self.groups, seed)
            folders = set(components_of(row, self.args.root, photos=False)) - {EVALUATOR_FOLDER.as_posix()}
            self.write(row, seed, len(short), {**summary, **self.formed([chosen(c) for c in long])}, sorted(folders))

    def formed(self, pieces: Sequence[Piece]) -> dict[str, Any]:
        return {"form": {**form(pieces), "n": len(pieces), "seconds": self.args.long}}

    def write(self, row: str, seed: int, n: int, summary: Mapping[str, Any], folders: Sequence[str] = ()) -> None:
        head = {"table": "realness", "row": row, "command": _COMMAND, "seed": seed, "split": _SPLIT, "n": n}
        result = {**head, "seconds": CLIP_S, "summary": summary}
        corpora = [read_pop909(self.args.data) if row == POP909 else self.corpus]
        keep(self.args.out, self.args.root, f"realness-{row}-seed{seed}", folders, corpora, result)
        tqdm.write(f"{row}, seed {seed}: { ({k: v for k, v in summary.items() if k != 'descriptors'}) }")

    def songs(self) -> list[Piece]:
        """The beginnings of the songs of the test split, as long as the long pieces."""
        items = read_pop909(self.args.data).split(_SPLIT)
        return [read_midi(item.path, straighten=True).cropped(self.args.long) for item in items]

    def row(self, row: str, seed: int) -> None:
        n = len(self.clips)
        if row == REAL:
            self.write(row, seed, n, control(self.real, self.groups, seed))
        elif row == CODEC:
            coded = self.tables([codec.decode(codec.encode(piece), piece.meter) for piece in self.clips])
            self.write(row, seed, n, compared(self.real, coded, self.groups, seed))
        elif row == POP909:
            songs = self.songs()
            self.write(row, seed, len(songs), self.formed(songs))
        else:
            self.pairing(row, seed)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with images/ and music/")
    parser.add_argument("--root", type=Path, default=CHECKPOINTS, help="trained components")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="caches")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--long", type=float, default=60.0, help="seconds of the pieces whose form is measured")
    parser.add_argument("--grid", type=int, default=5, help="long pieces on each axis of the plane")
    parser.add_argument("--only", nargs="+", metavar="ROW", help="rows to make")
    args = parser.parse_args(argv)
    known = [*composers(args.root), REAL, CODEC, POP909]
    wanted = args.only or known
    if unknown := set(wanted) - set(known):
        parser.error(f"unknown rows {', '.join(sorted(unknown))}; known: {', '.join(known)}")
    if find_spec("sklearn") is None:
        parser.error("scikit-learn is missing; run `pip install -r requirements-dev.txt`")
    desk = _Desk(args)
    for row in wanted:
        for seed in [0] if row == POP909 else args.seeds:
            desk.row(row, seed)


if __name__ == "__main__":
    main()
