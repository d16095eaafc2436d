"""How musical the pieces are, beside real clips: as distributions, for what they copy, and how takes differ.

    python -m train.quality_report --data DIR [--only effnet+fnt@eimg2 real] [--takes 8]

One result is kept per row; ``python -m train.tables`` writes the table from them.
"""

from __future__ import annotations

from collections.abc import Sequence

from eimg_core.midi.batch import CLIP_S
from train.commands import measure_options, measured
from train.evaluation.quality_report import QualityRequest, report_quality
from train.stages.stage import request_from

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> None:
    parser = measure_options(__doc__)
    parser.add_argument("--seed", type=int, default=0, help="of the first take")
    parser.add_argument("--seconds", type=float, default=CLIP_S)
    parser.add_argument("--takes", type=int, default=8, help="for each of some photos, at least 2")
    parser.add_argument("--only", nargs="+", metavar="ROW", help="rows to make")
    options = parser.parse_args(argv)
    try:
        print(measured(report_quality(request_from(QualityRequest, options))))
    except ValueError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
