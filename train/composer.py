"""Pretrain the planning composer on all piano music at hand, or train the clean composer.

    python -m train.composer --data DIR [--preset full|smoke] [--leave-out emopia ...]
    python -m train.composer --data DIR --clean

Learns from EIMG, EMOPIA, POP909, Mutopia and the OpenScore Lieder. Writes ``composer/tvae`` under ``--runs``: the
state from which the same command goes on, a log, and in the end the weights with their card.

With ``--clean`` it learns from Mutopia and the Lieder alone, with labels by published rules, and writes the component
``music_ae/tvae_clean`` under ``--out``, which ``--commercial-safe`` composes with.
"""

from __future__ import annotations

from collections.abc import Sequence

from train.commands import stage_options, told
from train.data.passages import CORPORA
from train.stages.composer import ComposerRequest, pretrain_composer
from train.stages.stage import request_from

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> None:
    parser = stage_options(__doc__)
    parser.add_argument("--leave-out", nargs="+", default=[], choices=list(CORPORA), help="data sets not to learn from")
    parser.add_argument(
        "--clean", action="store_true", help="learn only from data that may be used for anything, and from no labels"
    )
    print(told(pretrain_composer(request_from(ComposerRequest, parser.parse_args(argv)))))


if __name__ == "__main__":
    main()
