"""What the data say before any model: Table I, the clouds of labels, and what the groove metric makes of real clips.

python -m train.dataset --data DIR
"""

from __future__ import annotations

from collections.abc import Sequence

from train.commands import measure_options, measured
from train.evaluation.dataset import describe_dataset
from train.evaluation.result import MeasureRequest
from train.stages.stage import request_from

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> None:
    options = measure_options(__doc__).parse_args(argv)
    print(measured(describe_dataset(request_from(MeasureRequest, options))))


if __name__ == "__main__":
    main()
