"""Which plain properties of a photo go along with how people rate it.

python -m train.photo_cues --data DIR
"""

from __future__ import annotations

from collections.abc import Sequence

from train.commands import measure_options, measured
from train.evaluation.photo_cues import measure_photo_cues
from train.evaluation.result import MeasureRequest
from train.stages.stage import request_from

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> None:
    options = measure_options(__doc__).parse_args(argv)
    print(measured(measure_photo_cues(request_from(MeasureRequest, options))))


if __name__ == "__main__":
    main()
