"""Train a baseline that goes from photo to notes: TF-IM, its two variants, or GAN-IM.

    python -m train.baseline tf_im --data DIR [--sight photo|fixed|none] [--preset full|smoke] [--seed 0]
    python -m train.baseline gan_im --data DIR

Writes ``baseline/<key>`` under ``--out``.
"""

from __future__ import annotations

from collections.abc import Sequence

from train.commands import stage_options, told
from train.stages.baseline import BaselineRequest, train_baseline
from train.stages.stage import request_from

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> None:
    parser = stage_options(__doc__)
    parser.add_argument("key", choices=["tf_im", "gan_im"])
    parser.add_argument("--sight", choices=("photo", "fixed", "none"), default="photo", help="of tf_im, Table VI")
    options = parser.parse_args(argv)
    own = {}
    if options.key == "tf_im" and options.sight != "photo":
        own = {"component": f"baseline/tf_im-{options.sight}", "model": {"sight": options.sight}}
    print(told(train_baseline(request_from(BaselineRequest, options, **own))))


if __name__ == "__main__":
    main()
