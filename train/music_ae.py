"""Train a music autoencoder on the piano clips; `tvae` is trained by `train.composer` and `train.tune_composer`.

    python -m train.music_ae fnt --data DIR [--preset full|smoke] [--seed 0]

Writes ``music_ae/<key>`` under ``--out``.
"""

from __future__ import annotations

from collections.abc import Sequence

from eimg_core.music_ae import MUSIC_AUTOENCODERS
from train.commands import stage_options, told
from train.stages.music_ae import TRAINED_APART, MusicAERequest, train_music_ae
from train.stages.stage import request_from

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> None:
    parser = stage_options(__doc__)
    parser.add_argument("key", choices=[key for key in MUSIC_AUTOENCODERS if key not in TRAINED_APART])
    print(told(train_music_ae(request_from(MusicAERequest, parser.parse_args(argv)))))


if __name__ == "__main__":
    main()
