"""Fine-tune the planning composer, wherever its pretraining stands.

    python -m train.tune_composer --data DIR [--preset full|smoke] [--leave-out emopia ...]

Needs the state that `python -m train.composer` has left under ``--runs``; writes the component ``music_ae/tvae``.
The same command goes on with a training that was stopped.
"""

from __future__ import annotations

from collections.abc import Sequence

from train.commands import stage_options, told
from train.data.passages import CORPORA
from train.stages.composer import ComposerRequest
from train.stages.composer_tuning import tune_composer
from train.stages.stage import request_from

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> None:
    parser = stage_options(__doc__)
    parser.add_argument("--leave-out", nargs="+", default=[], choices=list(CORPORA), help="data sets not to learn from")
    print(told(tune_composer(request_from(ComposerRequest, parser.parse_args(argv)))))


if __name__ == "__main__":
    main()
