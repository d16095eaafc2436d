"""Train the critic of a music autoencoder, which weighs how composed its takes sound.

    python -m train.critic tvae --data DIR [--preset full|smoke] [--seed 0]

Composes with the first pairing of that music autoencoder; writes ``critic/<music>`` under ``--out``.
"""

from __future__ import annotations

from collections.abc import Sequence

from eimg_core.music_ae import MUSIC_AUTOENCODERS
from train.commands import stage_options, told
from train.stages.critic import CriticRequest, train_critic
from train.stages.stage import request_from

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> None:
    parser = stage_options(__doc__, loop=False)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("music", choices=list(MUSIC_AUTOENCODERS))
    print(told(train_critic(request_from(CriticRequest, parser.parse_args(argv)))))


if __name__ == "__main__":
    main()
