"""What the data say before any model: Table I, the clouds of labels, and what the groove metric makes of real clips.

    python -m train.dataset --data DIR

Writes one record, from which tables and figures are made: of every photo its label and split; of every clip its label,
split, and note density in two meanings. *Notes per second* is what the words say. *Notes per beat of sounding length*,
one over the mean length of a note in beats, is what the numbers printed in the paper come nearest to.
"""

from __future__ import annotations

import argparse
import datetime
import json
from pathlib import Path
from typing import Any

import numpy as np

from eimg_core import __version__
from eimg_core.data import load_pieces, read_eimg, read_oasis
from eimg_core.metrics.quality import piece_ticks, quality_of_ticks
from eimg_core.midi.batch import CLIP_S
from eimg_core.midi.notes import Piece
from train.evaluation.evaluate import RESULTS

__all__ = ["DATASET", "main", "on_grid"]

DATASET = "dataset.json"
GRIDS = (24, 220, 480, 1000)  # ticks per quarter at 120 bpm: muspy's default, Magenta's, ours, a fine one
_TICKS_PER_SECOND = 960  # of ``piece_ticks``


def on_grid(piece: Piece, ticks_per_quarter: int) -> float:
    """The paper's groove consistency of a piece as a file of so many ticks per quarter at 120 bpm would have it."""
    ticks = piece_ticks(piece)
    scale = 2 * ticks_per_quarter / _TICKS_PER_SECOND
    onsets, offsets = (np.rint(times * scale).astype(np.int64) for times in (ticks.onsets, ticks.offsets))
    return quality_of_ticks(onsets, offsets, ticks.pitches).groove_consistency


def _densities(piece: Piece) -> tuple[float, float]:
    """Notes per second, and notes per beat of sounding length."""
    lengths = np.array([note.duration_s for note in piece.notes]) / piece.seconds_per_beat
    return len(piece.notes) / piece.duration_s, 1 / float(lengths.mean())


def _rounded(*values: float) -> list[float]:
    return [round(float(value), 3) for value in values]


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with images/ and music/")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="caches")
    args = parser.parse_args(argv)
    photos, clips = read_oasis(args.data), read_eimg(args.data)
    pieces = load_pieces(clips, args.runs / "cache")
    photo_rows = [[i.key, i.split, *_rounded(i.va.valence, i.va.arousal)] for i in photos.items if i.va]
    clip_rows = [
        [i.key, i.split, *_rounded(i.va.valence, i.va.arousal, *_densities(pieces[i.key]))]
        for i in clips.items
        if i.va and pieces[i.key].notes
    ]
    tests = [pieces[item.key].cropped(CLIP_S) for item in clips.split("test")]
    grooves = {str(grid): round(float(np.mean([on_grid(piece, grid) for piece in tests])), 4) for grid in GRIDS}
    record: dict[str, Any] = {
        "table": "dataset",
        "command": "python -m train.dataset --data DIR",
        "version": __version__,
        "date": datetime.date.today().isoformat(),
        "n": {"photos": len(photo_rows), "clips": len(clip_rows), "clips_of_grooves": len(tests)},
        "groove_by_ticks_per_quarter": grooves,
    }
    text = json.dumps(record, indent=1).removesuffix("\n}")
    for name, rows in (("photos", photo_rows), ("clips", clip_rows)):
        text += f',\n "{name}": [\n  ' + ",\n  ".join(json.dumps(row) for row in rows) + "\n ]"
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / DATASET).write_text(text + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
