"""How far the target of a photo should go beyond its reading.

python -m train.photo_target --data DIR
"""

from __future__ import annotations

from collections.abc import Sequence

from train.commands import measure_options, measured
from train.evaluation.photo_target import measure_photo_target
from train.evaluation.result import MeasureRequest
from train.stages.stage import request_from

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> None:
    options = measure_options(__doc__).parse_args(argv)
    print(measured(measure_photo_target(request_from(MeasureRequest, options))))


if __name__ == "__main__":
    main()
