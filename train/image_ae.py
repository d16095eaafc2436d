"""Train an image autoencoder on the photos.

    python -m train.image_ae vqvae --data DIR [--preset full|smoke] [--seed 0]

Writes ``image_ae/<key>`` under ``--out`` and a sheet of held-out photos above their reconstructions under ``--runs``.
"""

from __future__ import annotations

from collections.abc import Sequence

from eimg_core.image_ae import IMAGE_AUTOENCODERS
from train.commands import stage_options, told
from train.stages.image_ae import ImageAERequest, train_image_ae
from train.stages.stage import request_from

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> None:
    parser = stage_options(__doc__)
    parser.add_argument("key", choices=list(IMAGE_AUTOENCODERS))
    print(told(train_image_ae(request_from(ImageAERequest, parser.parse_args(argv)))))


if __name__ == "__main__":
    main()
