"""What ``evaluate-midi`` says of real clips, of EMOPIA, and of the files of every baseline.

python -m train.midi_evaluation --data DIR [--seed 0]
"""

from __future__ import annotations

from collections.abc import Sequence

from train.commands import measure_options, measured
from train.evaluation.midi_evaluation import MidiEvaluationRequest, evaluate_folders
from train.stages.stage import request_from

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> None:
    parser = measure_options(__doc__)
    parser.add_argument("--seed", type=int, default=0, help="of the baselines' files")
    print(measured(evaluate_folders(request_from(MidiEvaluationRequest, parser.parse_args(argv)))))


if __name__ == "__main__":
    main()
