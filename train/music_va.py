"""Fit the two predictors of emotion in music: the evaluator of the measurements and the guide of the composer.

    python -m train.music_va evaluator --data DIR [--preset full|smoke] [--seed 0]
    python -m train.music_va guide     --data DIR [--preset full|smoke] [--seed 0]

Writes ``va_predictor/<key>`` under ``--out``.
"""

from __future__ import annotations

from collections.abc import Sequence

from train.commands import stage_options, told
from train.stages.music_va import EvaluatorRequest, GuideRequest, train_evaluator, train_guide
from train.stages.stage import request_from

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> None:
    parser = stage_options(__doc__)
    parser.add_argument("key", choices=["evaluator", "guide"])
    options = parser.parse_args(argv)
    if options.key == "guide":
        made = train_guide(request_from(GuideRequest, options))
    elif options.changes:
        parser.error("the evaluator is fitted in closed form, so there is no loop for --set to change")
    else:
        made = train_evaluator(request_from(EvaluatorRequest, options))
    print(told(made))


if __name__ == "__main__":
    main()
