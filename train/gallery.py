"""Pieces to look at.

python -m train.gallery [--out docs/figures/quadrants.png]   the picture of the README
python -m train.gallery --notes                              twelve pieces as bars with chords and notes
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from eimg_core.studio import Studio
from train.commands import parser_of
from train.report.gallery import PICTURE, draw_quadrants, walk

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--notes", action="store_true", help="print twelve pieces instead of drawing four")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=PICTURE)
    options = parser.parse_args(argv)
    if options.notes:
        for piece in walk(Studio(), options.seed):
            print(f"\n{piece}")
    else:
        draw_quadrants(Studio(), options.seed, options.out)


if __name__ == "__main__":
    main()
