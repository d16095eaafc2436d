"""Where is emotion lost? What each trained autoencoder rebuilds, how it uses its latent, and what can be read from it.

    python -m train.latents --data DIR [--root assets/checkpoints] [--out assets/results] [--only vqvae fnt clips]

Writes ``latents-<kind>-<key>.json``; see ``train.evaluation.latents`` for which column to trust.
"""

from __future__ import annotations

from collections.abc import Sequence

from eimg_core.image_ae import IMAGE_AUTOENCODERS
from eimg_core.music_ae import MUSIC_AUTOENCODERS
from train.commands import measure_options, measured
from train.evaluation.latents import CLIPS, PHOTOS, LatentsRequest, measure_latents
from train.stages.stage import request_from

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> None:
    parser = measure_options(__doc__)
    known = [*IMAGE_AUTOENCODERS, *MUSIC_AUTOENCODERS, PHOTOS, CLIPS]
    parser.add_argument("--only", nargs="+", choices=known, help="results to make")
    print(measured(measure_latents(request_from(LatentsRequest, parser.parse_args(argv)))))


if __name__ == "__main__":
    main()
