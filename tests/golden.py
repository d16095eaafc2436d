"""Golden compositions: what the shipped weights write, event by event, for some thirty requests.

    python -m tests.golden             compare with tests/data/golden.json
    python -m tests.golden --record    write it anew, after a change that is meant to change the music

A change of structure must leave all of them as they are. The command line makes them, since its commands are promised
to stay. Sums of floats depend on a processor's widest instructions, and a sampled note on the last bit of a sum, so the
script asks the libraries for the instructions that every x86-64 processor has, and says which versions it ran with.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RECORD = ROOT / "tests" / "data" / "golden.json"
PLAIN = {  # before torch is imported: the same kernels on every processor, and one thread
    "ATEN_CPU_CAPABILITY": "default",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "MKL_CBWR": "COMPATIBLE",
    "OMP_NUM_THREADS": "1",
    "EIMG_READER": "",  # and the reader that ships
    "EIMG_VISION_URL": "",
}
EXAMPLES = ROOT / "assets" / "examples"
POINT = ["--valence", "7", "--arousal", "3"]
PAIRINGS = [f"{image}+{music}" for image in ("alae", "vqvae", "beta_vae") for music in ("fnt", "lsr")]
OURS = ["effnet+fnt", "effnet+lsr", "effnet+tvae", "alae+tvae", "vqvae+tvae", "beta_vae+tvae"]


def requests(folder: Path) -> dict[str, list[str]]:
    """Name → the words of a command; some need the MIDI file that the one named ``tune`` writes."""
    tune = str(folder / "tune" / "flower.mid")
    photo = {name: str(EXAMPLES / f"{name}.jpg") for name in ("flower", "fireworks", "forest_path", "coffee")}
    table = folder / "requests.csv"
    table.write_text("name,valence,arousal,seed\nglad,7.5,6.5,3\nlow,2.5,2.5,\n", encoding="utf-8")
    one, usual = ["--takes", "1", "--seconds", "8"], ["--seed", "7", "--seconds", "15"]
    made = {
        f"{pairing}@{variant}": ["compose", photo["flower"], "--pairing", f"{pairing}@{variant}", *one]
        for pairing in PAIRINGS
        for variant in ("paper", "eimg2")
    }
    made |= {pairing: ["compose", photo["coffee"], "--pairing", pairing, *one] for pairing in OURS}
    return made | {
        "tune": ["compose", photo["flower"], *usual],
        "as written": ["compose", photo["flower"], *usual, "--as-written"],
        "another take": ["compose", photo["flower"], *usual, "--keep", "2"],
        "no photo": ["compose", *POINT, *usual],
        "photo and target": ["compose", photo["fireworks"], *POINT, *one],
        "photo and target, fnt": ["compose", photo["fireworks"], *POINT, "--pairing", "vqvae+fnt", *one],
        "faster": ["compose", photo["forest_path"], "--tempo", "1.3", *one],
        "denser": ["compose", photo["forest_path"], "--density", "0.5", *one],
        "longest form": ["compose", *POINT, "--takes", "1", "--seconds", "60"],
        "requests": ["compose", "--requests", str(table), *one],
        "versions": ["compose", photo["coffee"], "--versions", "2", *one],
        "story": ["story", photo["flower"], photo["fireworks"], photo["forest_path"], "--seconds", "24"],
        "retold": ["retell", tune, "--valence", "2.5", "--arousal", "3"],
        "extended": ["extend", tune, "--seconds", "30"],
    }


def digest(path: Path) -> str:
    """Sixteen digits of every event of a MIDI file but the texts that name a version."""
    import mido

    from eimg_core import __version__

    file = mido.MidiFile(path)
    seen = hashlib.sha256(f"{file.type} {file.ticks_per_beat}".encode())
    for track in file.tracks:
        for event in track:
            if event.type == "text" and __version__ in event.text:
                continue
            seen.update(f"{event.time} {bytes(event.bytes()).hex()};".encode())
    return seen.hexdigest()[:16]


def versions() -> dict[str, str]:
    """What the notes may depend on besides our own code and weights."""
    import numpy
    import PIL
    import torch

    return {
        "torch": torch.__version__.partition("+")[0],
        "numpy": numpy.__version__,
        "pillow": PIL.__version__,
        "machine": os.uname().machine,
    }


def compose_all() -> dict[str, dict[str, str]]:
    """Name → the digests of its MIDI files, by file name."""
    from eimg_core.cli.main import main

    found = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for key, words in requests(folder).items():
            out = folder / key
            with contextlib.redirect_stdout(io.StringIO()):
                code = main([*words, "--format", "mid", "--out", str(out)])
            if code:
                raise SystemExit(f"{key}: exit code {code}")
            found[key] = {path.name: digest(path) for path in sorted(out.glob("*.mid"))}
    return found


def in_plain_process(*words: str) -> subprocess.CompletedProcess[str]:
    """This script in a process of its own, whose libraries were told to be plain."""
    command = [sys.executable, "-m", "tests.golden", *words]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **PLAIN}, capture_output=True, text=True, check=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", action="store_true", help="write the record anew")
    parser.add_argument("--print", action="store_true", help="print what is composed as JSON; what the test reads")
    arguments = parser.parse_args()
    if any(os.environ.get(name) != value for name, value in PLAIN.items()):
        done = in_plain_process(*sys.argv[1:])
        sys.stderr.write(done.stderr)
        sys.stdout.write(done.stdout)
        raise SystemExit(done.returncode)
    made = {"made_with": versions(), "pieces": compose_all()}
    if arguments.record:
        RECORD.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
    elif arguments.print:
        print(json.dumps(made))
    else:
        known = json.loads(RECORD.read_text(encoding="utf-8"))["pieces"]
        changed = [key for key in known if known[key] != made["pieces"].get(key)]
        print(f"{len(known) - len(changed)} of {len(known)} are as they were" + "".join(f"\n  {c}" for c in changed))
        raise SystemExit(bool(changed))


if __name__ == "__main__":
    main()
