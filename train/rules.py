"""Measure how well the published rules of music and colour estimate what people rated.

    python -m train.rules --data DIR

Writes ``published-rules.json`` under ``--out``. With ``--standards`` it first counts the cues of Mutopia and the
OpenScore Lieder again and writes what is usual there to ``eimg_core/va/rules.json``.
"""

from __future__ import annotations

from collections.abc import Sequence

from train.commands import measure_options, measured
from train.evaluation.result import MeasureRequest
from train.evaluation.rules import measure_rules
from train.stages.rules import take_standards
from train.stages.stage import Request, request_from

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> None:
    parser = measure_options(__doc__)
    parser.add_argument("--standards", action="store_true", help="take the standards of the cues again")
    options = parser.parse_args(argv)
    if options.standards:
        take_standards(request_from(Request, options, out=options.components))
    print(measured(measure_rules(request_from(MeasureRequest, options))))


if __name__ == "__main__":
    main()
