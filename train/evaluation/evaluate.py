"""Compose for every held-out photo, let the evaluator listen, and keep one JSON record per row and seed.

    python -m train.evaluate --data DIR [--split test] [--seeds 0 1 2] [--only vqvae+fnt@eimg2 constant]

The judge is the evaluator, which takes part in no training and no selection. A plain row is one take; the row "best of
4" of the default pairing lets the guide choose, as the app does, and stands apart: guide and evaluator learnt from the
same clips and err alike. Real clips stand in for pieces in the
control rows; they come from the same split, which the evaluator has not heard. ``python -m train.tables`` writes the
tables from the records.
"""

from __future__ import annotations

import argparse
import datetime
import functools
import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from eimg_core import __version__
from eimg_core.baselines import CONTROLS, ClipLibrary
from eimg_core.bridge import BRIDGES
from eimg_core.checkpoints import load_model, read_card
from eimg_core.composer import USUAL_TAKES, ComposeOptions, Composer
from eimg_core.data import Corpus, Item, load_pieces, read_eimg, read_oasis
from eimg_core.emotion import VA
from eimg_core.image_ae import IMAGE_AUTOENCODERS
from eimg_core.images import open_photo
from eimg_core.metrics.emotion_match import emotion_match
from eimg_core.metrics.registry import METRICS, measure
from eimg_core.midi.batch import CLIP_S
from eimg_core.midi.notes import Piece
from eimg_core.music_ae import MUSIC_AUTOENCODERS
from eimg_core.pipeline import DEFAULT_PAIRING, Pipeline, available, split_key, variants
from eimg_core.results import BEST_OF, MEAN_POINT, REAL, takes_of
from eimg_core.shipped import CHECKPOINTS
from eimg_core.va.evaluator import Evaluator
from eimg_core.va.guide import Guide
from eimg_core.va.image_reader import ImageReader

__all__ = [
    "RESULTS",
    "components_of",
    "known_rows",
    "library_of",
    "main",
    "one_line_items",
    "record_name",
    "record_of",
]

RESULTS = CHECKPOINTS.parent / "results"
_KINDS: dict[str, Any] = {
    "image_ae": IMAGE_AUTOENCODERS,
    "music_ae": MUSIC_AUTOENCODERS,
    "bridge": BRIDGES,
    "va_predictor": {"guide": Guide},
}
GRID = (1.5, 8.5)  # first and last point of each axis


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


def record_of(
    row: str, seed: int, split: str, keys: Sequence[str], pieces: Sequence[Piece], match: Any, heard: Any
) -> dict[str, Any]:
    """What was measured and heard in the pieces of a row, ready for JSON."""
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
        for key, point, metrics in zip(keys, heard, measured, strict=True)
    ]
    return {
        "row": row,
        "seed": seed,
        "split": split,
        "n": len(keys),
        "n_judged": match.n if match else 0,
        "n_valid": {name: n for name, (_, n) in means.items()},
        "summary": summary,
        "items": items,
    }


def known_rows(root: Path) -> list[str]:
    """Every row that can be made with the components of a folder."""
    keys = [f"{key}@{variant}" for key in available(root) for variant in variants(key, root)]
    if DEFAULT_PAIRING in available(root):
        keys.append(f"{DEFAULT_PAIRING}@{variants(DEFAULT_PAIRING, root)[0]}{BEST_OF}{USUAL_TAKES}")
    return [*keys, *CONTROLS, REAL, MEAN_POINT]


def record_name(table: str, split: str, row: str, seed: int) -> str:
    """The file of one record."""
    return f"{table}-{split}-{row.replace(' ', '_')}-seed{seed}.json"


def components_of(row: str) -> list[str]:
    """What a row is made and judged with."""
    key, _ = takes_of(row)
    image_key, music_key, _ = split_key(key)
    folders = [f"bridge/{key}", f"image_ae/{image_key}", f"music_ae/{music_key}"] if music_key else []
    return [*folders, "va_predictor/evaluator"]


def _requests(
    row: str, composer: Composer, evaluator: Evaluator, seed: int, args: argparse.Namespace
) -> dict[str, Any]:
    """Ask for every point of a grid over the plane, without a photo, and see where the pieces are heard.

    Each point has a seed of its own: with one for all, its chances would count as many times as there are points.
    """
    axis = np.linspace(*GRID, args.grid)
    asked = np.array([(valence, arousal) for valence in axis for arousal in axis])
    seeds = range(seed * len(asked), (seed + 1) * len(asked))
    _, takes = takes_of(row)
    options = [
        ComposeOptions(s, args.seconds, VA(*point), takes) for s, point in zip(seeds, asked.tolist(), strict=True)
    ]
    label = f"{row} requests, seed {seed}"
    made = [composer.compose(None, None, one).piece for one in tqdm(options, desc=label, unit="piece")]
    heard = evaluator.estimate_many(made)
    keys = [f"{valence:.2f} {arousal:.2f}" for valence, arousal in asked]
    record = record_of(row, seed, args.split, keys, made, emotion_match(asked, heard), heard)
    return {**record, "table": "requests", "split": "grid"}


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with images/ and music/")
    parser.add_argument("--root", type=Path, default=CHECKPOINTS, help="trained components")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--split", choices=("val", "test"), default="test")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--seconds", type=float, default=CLIP_S)
    parser.add_argument("--grid", type=int, default=10, help="requests without a photo on each axis of the plane")
    parser.add_argument("--only", nargs="+", help="rows to make")
    args = parser.parse_args(argv)

    photos, clips = read_oasis(args.data), read_eimg(args.data)
    pieces = load_pieces(clips, args.runs / "cache")
    mean_photo = VA(*_labels(photos.split("train")).mean(axis=0))
    library = library_of(clips, pieces, args.split, mean_photo)
    held_out = photos.split(args.split)
    labels = _labels(held_out)
    evaluator, reader = Evaluator.load(args.root), ImageReader.load(args.root)
    pictures = [open_photo(item.path) for item in held_out]
    readings = [reader.read(picture).va.clamped() for picture in pictures]

    shared = functools.cache(lambda folder: load_model(folder, _KINDS[folder.parent.name]))
    keys = [f"{key}@{variant}" for key in available(args.root) for variant in variants(key, args.root)]
    composers: dict[str, Composer] = {
        key: Pipeline.load(key, args.root, lambda folder, kinds: shared(folder)) for key in keys
    }
    if DEFAULT_PAIRING in available(args.root):
        best = f"{DEFAULT_PAIRING}@{variants(DEFAULT_PAIRING, args.root)[0]}"
        composers[f"{best}{BEST_OF}{USUAL_TAKES}"] = composers[best]
    composers |= {key: control(library) for key, control in CONTROLS.items()}
    args.out.mkdir(parents=True, exist_ok=True)
    known = known_rows(args.root)
    wanted = args.only or known
    if unknown := set(wanted) - set(known):
        parser.error(f"unknown rows {', '.join(sorted(unknown))}; known: {', '.join(known)}")
    for row in (name for name in wanted if name in composers):
        composer = composers[row]
        for seed in args.seeds if row != "constant" and row != "oracle" else [0]:
            made = []
            for index, item in enumerate(tqdm(held_out, desc=f"{row} seed {seed}", unit="photo")):
                # A control is told the label (only the oracle uses it); a pairing gets what it reads from the photo.
                point = item.va if row in CONTROLS else readings[index]
                one_seed = seed * len(held_out) + index if row == "random" else seed
                options = ComposeOptions(one_seed, args.seconds, takes=takes_of(row)[1])
                made.append(composer.compose(pictures[index], point, options).piece)
            heard = evaluator.estimate_many(made)
            record = record_of(
                row, seed, args.split, [i.key for i in held_out], made, emotion_match(labels, heard), heard
            )
            _write(args, record)
        if row not in CONTROLS:
            for seed in args.seeds:
                _write(args, _requests(row, composer, evaluator, seed, args))
    if REAL in wanted:
        heard = evaluator.estimate_many(library.pieces)
        keys = [item.key for item in clips.split(args.split)]
        _write(args, record_of(REAL, 0, args.split, keys, library.pieces, emotion_match(library.va, heard), heard))
    if MEAN_POINT in wanted:
        same = np.repeat([[mean_photo.valence, mean_photo.arousal]], len(labels), axis=0)
        match = emotion_match(labels, same)
        _write(
            args,
            {
                "row": MEAN_POINT,
                "seed": 0,
                "split": args.split,
                "n": match.n,
                "n_judged": match.n,
                "point": {"valence": _number(mean_photo.valence), "arousal": _number(mean_photo.arousal)},
                "summary": {"emotion_matching": _number(match.distance), "r_valence": None, "r_arousal": None},
            },
        )


def _write(args: argparse.Namespace, record: dict[str, Any]) -> None:
    """Add what makes a number repeatable, and write the record."""
    row = record["row"]
    full = {
        "table": "pairings",
        "command": f"python -m train.evaluate --data DIR --split {args.split}",
        "seconds": args.seconds,
        "version": __version__,
        "date": datetime.date.today().isoformat(),
        "components": {folder: read_card(args.root / folder)["sha256"][:12] for folder in components_of(row)},
        **record,
    }
    name = record_name(full["table"], full["split"], row, record["seed"])
    text = json.dumps(full, indent=1, ensure_ascii=False)
    (args.out / name).write_text(one_line_items(text) + "\n", encoding="utf-8")


def one_line_items(text: str) -> str:
    """Put each item of a record on one line, so that a record can be read and compared."""
    return re.sub(r"\{\n\s+(\"key\"[^{}]*?)\n\s+\}", lambda m: "{" + re.sub(r"\n\s+", " ", m.group(1)) + "}", text)


if __name__ == "__main__":
    main()
