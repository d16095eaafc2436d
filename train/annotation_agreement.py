"""Measure how far annotations agree with what the data know.

    python -m train.annotation_agreement --data DIR [--most 120]

Beats, hands, tunes, chords, phrases and returns of Mutopia, the Lieder and POP909, and whether clips can be told from
themselves sent through the bar codec. Writes ``annotation_agreement.json`` under ``--out``.
"""

from __future__ import annotations

from collections.abc import Sequence

from train.commands import measure_options, measured
from train.evaluation.annotation_agreement import AgreementRequest, measure_agreement
from train.stages.stage import request_from

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> None:
    parser = measure_options(__doc__)
    parser.add_argument("--most", type=int, default=120, help="pieces of each corpus")
    print(measured(measure_agreement(request_from(AgreementRequest, parser.parse_args(argv)))))


if __name__ == "__main__":
    main()
