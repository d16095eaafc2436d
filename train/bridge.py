"""Train the bridge of a pairing on the frozen features of its two autoencoders.

    python -m train.bridge vqvae fnt --data DIR [--variant eimg2|paper] [--preset full|smoke] [--seed 0]

Writes ``bridge/<image>+<music>@<variant>`` under ``--out``.
"""

from __future__ import annotations

from collections.abc import Sequence

from eimg_core.bridge import BRIDGES
from eimg_core.image_ae import image_keys
from eimg_core.music_ae import MUSIC_AUTOENCODERS
from train.commands import stage_options, told
from train.stages.bridge import BridgeRequest, train_bridge
from train.stages.stage import request_from

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> None:
    parser = stage_options(__doc__)
    parser.add_argument("image", choices=image_keys())
    parser.add_argument("music", choices=list(MUSIC_AUTOENCODERS))
    parser.add_argument("--variant", choices=list(BRIDGES), default="eimg2")
    print(told(train_bridge(request_from(BridgeRequest, parser.parse_args(argv)))))


if __name__ == "__main__":
    main()
