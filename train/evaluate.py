"""Compose for every held-out photo, estimate by the evaluator, and keep one result per row and seed.

    python -m train.evaluate --data DIR [--split test] [--seeds 0 1 2] [--only vqvae+fnt@eimg2 constant]

``python -m train.tables`` writes the tables from the results.
"""

from __future__ import annotations

from collections.abc import Sequence

from eimg_core.midi.batch import CLIP_S
from train.commands import measure_options, measured
from train.evaluation.evaluate import EvaluateRequest, evaluate, known_rows
from train.stages.stage import request_from

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> None:
    parser = measure_options(__doc__)
    parser.add_argument("--split", choices=("val", "test"), default="test")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--seconds", type=float, default=CLIP_S)
    parser.add_argument("--grid", type=int, default=10, help="targets without a photo on each axis of the plane")
    parser.add_argument("--only", nargs="+", metavar="ROW", help="rows to make")
    options = parser.parse_args(argv)
    known = known_rows(options.components)
    if unknown := set(options.only or ()) - set(known):
        parser.error(f"unknown rows {', '.join(sorted(unknown))}; known: {', '.join(known)}")
    print(measured(evaluate(request_from(EvaluateRequest, options))))


if __name__ == "__main__":
    main()
