"""Which plain properties of a photo go along with how people rate it.

    python -m train.photo_cues --data DIR [--out assets/results/photo-cues.json]

Pearson's r of each cue of ``eimg_core.va.explain`` with mean ratings of valence and arousal, on the OASIS train photos,
with a 95 % interval (Fisher's z; photos of one theme resemble each other, so the interval is a little too narrow).
"""

from __future__ import annotations

import argparse
import datetime
import json
import math
from pathlib import Path

import numpy as np

from eimg_core.data import read_oasis
from eimg_core.images import open_photo
from eimg_core.shipped import CHECKPOINTS
from eimg_core.va.explain import CUES, cues
from eimg_core.va.image_reader import AXES

__all__ = ["correlations", "main"]


def correlations(
    found: list[dict[str, float]], ratings: list[tuple[float, float]]
) -> dict[str, dict[str, list[float]]]:
    """Cue → axis → r and the ends of its 95 % interval, of N ≥ 4 photos."""
    half_width = 1.96 / math.sqrt(len(found) - 3)
    table: dict[str, dict[str, list[float]]] = {}
    for cue in CUES:
        values = np.array([one[cue] for one in found])
        table[cue] = {}
        for axis, rated in zip(AXES, np.array(ratings).T, strict=True):
            r = float(np.corrcoef(values, rated)[0, 1])
            ends = (math.tanh(math.atanh(r) - half_width), math.tanh(math.atanh(r) + half_width))
            table[cue][axis] = [round(number, 3) for number in (r, *ends)]
    return table


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with images/")
    parser.add_argument("--out", type=Path, default=CHECKPOINTS.parent / "results" / "photo-cues.json")
    args = parser.parse_args(argv)
    items = read_oasis(args.data).split("train")
    found = [cues(open_photo(item.path)) for item in items]
    record = {
        "command": "python -m train.photo_cues --data DIR",
        "data": "OASIS, train split",
        "n": len(items),
        "r_low_high": correlations(found, [(item.va.valence, item.va.arousal) for item in items if item.va]),
        "mean": {cue: round(float(np.mean([one[cue] for one in found])), 3) for cue in CUES},
        "sd": {cue: round(float(np.std([one[cue] for one in found])), 3) for cue in CUES},
        "date": datetime.date.today().isoformat(),
    }
    args.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(record, indent=1))


if __name__ == "__main__":
    main()
