"""What the data say before any model: Table I, the clouds of labels, and what the groove metric makes of real clips.

Density has two meanings. *Notes per second* is what the words say. *Notes per beat of sounding length*, one over the
mean length of a note in beats, is what the numbers printed in the paper come nearest to.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from eimg_core.data import load_pieces, read_eimg, read_oasis
from eimg_core.metrics.quality import piece_ticks, quality_of_ticks
from eimg_core.midi.batch import CLIP_S
from eimg_core.midi.notes import Piece
from train.evaluation.result import MeasureRequest, dependencies, is_current, write_result

__all__ = ["DATASET", "describe_dataset", "on_grid"]

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


def describe_dataset(request: MeasureRequest) -> list[Path]:
    """Write ``dataset.json``: of every photo its label and split; of every clip its label, split, and densities.

    Returns:
        The result, unless it is current.
    Raises:
        DataError: photos or clips are missing or damaged.
    """
    photos, clips = read_oasis(request.data), read_eimg(request.data)
    now = dependencies("dataset", request.components, [], [photos, clips])
    path = request.results / DATASET
    if is_current(path, now) and not request.force:
        return []
    pieces = load_pieces(clips, request.cache)
    photo_rows = [[i.key, i.split, *_rounded(i.va.valence, i.va.arousal)] for i in photos.items if i.va]
    clip_rows = [
        [i.key, i.split, *_rounded(i.va.valence, i.va.arousal, *_densities(pieces[i.key]))]
        for i in clips.items
        if i.va and pieces[i.key].notes
    ]
    tests = [pieces[item.key].cropped(CLIP_S) for item in clips.split("test")]
    numbers = {
        "n": {"photos": len(photo_rows), "clips": len(clip_rows), "clips_of_grooves": len(tests)},
        "groove_by_ticks_per_quarter": {
            str(grid): round(float(np.mean([on_grid(piece, grid) for piece in tests])), 4) for grid in GRIDS
        },
        "photos": photo_rows,
        "clips": clip_rows,
    }
    write_result(path, "python -m train.dataset --data DIR", now, numbers)
    return [path]
