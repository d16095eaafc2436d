"""The evaluation kit at work: what ``evaluate-midi`` says of real clips, of EMOPIA, and of every baseline's files.

    python -m train.kit --data DIR

Takes MIDI files as anybody would hand them over: the held-out clips with their labels, EMOPIA with its quadrants, and
what the baselines wrote for the photos of the test split (``train.experiments`` keeps it under ``--runs``). One record
per folder.
"""

from __future__ import annotations

import argparse
import datetime
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from eimg_core import __version__
from eimg_core.checkpoints import read_card
from eimg_core.data import read_eimg, read_emopia, read_oasis
from eimg_core.midi.batch import CLIP_S
from eimg_core.midi_evaluation import Label, Listener, summarise
from eimg_core.shipped import CHECKPOINTS
from eimg_core.va.evaluator import EVALUATOR_FOLDER, Evaluator
from train.evaluation.evaluate import RESULTS
from train.evaluation.experiments import EXPERIMENTS, folder_of, slug
from train.stages.stage import arguments

__all__ = ["main"]

_BASELINES = ("tf_im", "gan_im", "direct", "retrieval")


def _write(args: argparse.Namespace, name: str, title: str, files: Sequence[Path], labels: Mapping[str, Label]) -> None:
    listener = Listener(Evaluator.load(args.out), CLIP_S)
    summary = summarise([listener.hear(path, labels.get(path.name)) for path in files])
    record: dict[str, Any] = {
        "table": "kit",
        "title": title,
        "command": "python -m train.kit --data DIR",
        "seconds": CLIP_S,
        "version": __version__,
        "date": datetime.date.today().isoformat(),
        "components": {str(EVALUATOR_FOLDER): read_card(args.out / EVALUATOR_FOLDER)["sha256"][:12]},
        "summary": summary,
    }
    args.results.mkdir(parents=True, exist_ok=True)
    (args.results / f"kit-{name}.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    matching = summary.get("emotion_matching")
    print(f"{title}: {len(files)} files" + (f", Emotion Matching {matching:.2f}" if matching else ""), flush=True)


def main(argv: list[str] | None = None) -> None:
    parser = arguments(__doc__)
    parser.set_defaults(out=CHECKPOINTS)
    parser.add_argument("--results", type=Path, default=RESULTS, help="where records are written")
    args = parser.parse_args(argv)
    clips = read_eimg(args.data).split("test")
    _write(args, "clips", "held-out clips", [i.path for i in clips], {i.key: Label(i.va, "") for i in clips if i.va})
    emopia = read_emopia(args.data).items
    quadrants = {item.key: Label(None, item.quadrant or "") for item in emopia}
    _write(args, "emopia", "EMOPIA, all clips", [item.path for item in emopia], quadrants)
    photos = read_oasis(args.data).split("test")
    labels = {f"{Path(item.key).stem}.mid": Label(item.va, item.va.quadrant) for item in photos if item.va}
    for experiment in (e for e in EXPERIMENTS if e.kind in _BASELINES):
        files = sorted((folder_of(experiment, args) / "midi").glob("*.mid"))
        if files:
            _write(args, slug(experiment.name), f"{experiment.name}, seed {args.seed}", files, labels)


if __name__ == "__main__":
    main()
