"""Draw the example pictures of the app that no free photo covers.

python -m train.draw_examples --out assets/examples [--only fireworks]
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from eimg_core.shipped import EXAMPLES
from train.commands import parser_of
from train.data.draw_examples import SCENES, save

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--out", type=Path, default=EXAMPLES, help="folder for the JPEG files")
    parser.add_argument("--only", choices=SCENES, help="draw one scene")
    options = parser.parse_args(argv)
    options.out.mkdir(parents=True, exist_ok=True)
    for name in [options.only] if options.only else SCENES:
        path = options.out / f"{name}.jpg"
        print(f"{path.name}: {save(SCENES[name](), path) / 1000:.0f} kB")


if __name__ == "__main__":
    main()
