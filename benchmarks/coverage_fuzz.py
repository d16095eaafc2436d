"""Bad input that is steered by what it reaches: Atheris keeps damage that leads to code no input has reached before.

    pip install atheris                                   # Linux, Python 3.11 to 3.13
    python -m benchmarks.coverage_fuzz midi -max_total_time=600

The targets are those of ``benchmarks.fuzz``; what follows them goes to libFuzzer. It ends at the first finding and
keeps its input as ``crash-…``; ``python -m benchmarks.coverage_fuzz midi crash-…`` repeats it.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path


def main() -> None:
    try:
        import atheris  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        sys.exit("Coverage-guided fuzzing needs Atheris: pip install atheris")
    with atheris.instrument_imports(include=["eimg_core", "PIL"]):
        from benchmarks.fuzz import judged, targets
    folder = Path(tempfile.mkdtemp(prefix="eimg-fuzz-"))
    found = targets(folder)
    if len(sys.argv) < 2 or sys.argv[1] not in found:
        sys.exit(f"Name a target: {', '.join(found)}")
    target = found[sys.argv.pop(1)]
    corpus = folder / "corpus"
    corpus.mkdir()
    for number, data in enumerate(target.seeds):
        (corpus / str(number)).write_bytes(data)
    repeats = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    atheris.Setup(sys.argv if repeats else [*sys.argv, str(corpus)], lambda data: judged(target, data, folder))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
