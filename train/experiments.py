"""The paper's experiments: train them, compose for the held-out photos, keep one result per experiment and seed.

python -m train.experiments --data DIR [--only table4 table7] [--seeds 0 1 2] [--preset full|smoke] [--list]
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from eimg_core.midi.batch import CLIP_S
from eimg_core.shipped import RESULTS
from train.commands import measured, stage_options
from train.evaluation.experiments import TABLES, ExperimentsRequest, outdated, run_experiments
from train.stages.stage import request_from

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> None:
    parser = stage_options(__doc__)
    parser.add_argument("--results", type=Path, default=RESULTS, help="where results are written")
    parser.add_argument("--only", nargs="+", choices=TABLES, help="tables to make")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--seconds", type=float, default=CLIP_S)
    parser.add_argument("--force", action="store_true", help="make again what is up to date")
    parser.add_argument("--list", action="store_true", help="say what would be made, and stop")
    options = parser.parse_args(argv)
    request = request_from(ExperimentsRequest, options)
    if options.list:
        for run in outdated(request):
            print(f"{run.experiment.name}, seed {run.request.seed}")
    else:
        print(measured(run_experiments(request)))


if __name__ == "__main__":
    main()
