"""Cut the instruments that ship out of a General MIDI SoundFont, each into a file of its own.

python -m train.soundfont FluidR3_GM.sf2 --out assets/soundfont
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from eimg_core.sound.instruments import INSTRUMENTS
from eimg_core.sound.soundfont import read_soundfont
from train.commands import parser_of
from train.data.soundfont import encode_soundfont, subset

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> None:
    parser = parser_of(__doc__)
    parser.add_argument("font", type=Path, help="a General MIDI font, such as FluidR3_GM.sf2")
    parser.add_argument("--out", type=Path, required=True, help="folder for the files")
    options = parser.parse_args(argv)
    font = read_soundfont(options.font)
    options.out.mkdir(parents=True, exist_ok=True)
    for instrument in INSTRUMENTS.values():
        data = encode_soundfont(subset(font, program=instrument.program))
        (options.out / instrument.file).write_bytes(data)
        print(f"{instrument.file}  {len(data)} bytes  sha256 {hashlib.sha256(data).hexdigest()}")


if __name__ == "__main__":
    main()
