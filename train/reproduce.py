"""Everything, in order, skipping what is up to date: train what is shipped, the paper's experiments, records, tables.

    python -m train.reproduce --data DIR [--preset paper|smoke] [--only table5] [--seed 0] [--force]

``--only`` names tables of the paper and trains, composes and measures what they need and nothing else. A stage is up to
date when its card says the same preset and seed, and when what it depends on was not trained again in this run; a
record, when it was made with the components that are there. A run that was killed continues where it was: every stage
resumes from its last saved state.
"""

from __future__ import annotations

import importlib
import json
import shutil
import time
from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path

from eimg_core.bridge import BRIDGES
from eimg_core.checkpoints import read_card
from eimg_core.image_ae import IMAGE_AUTOENCODERS
from eimg_core.music_ae import MUSIC_AUTOENCODERS
from train.evaluation.evaluate import components_of, known_rows, record_name
from train.evaluation.experiments import TABLES, wanted
from train.report.tables import CONTROL_ORDER, PAPER_TABLE_V
from train.stages.stage import arguments

__all__ = ["OURS", "Stage", "main", "needed", "stages", "stale_rows"]

OURS = {"effnet", "tvae"}  # not the paper's: their bridges are trained in our variant alone


@dataclass(frozen=True)
class Stage:
    """One command and the component that it writes; ``needs`` are components it reads.

    A stage that is not ``seeded`` is solved in closed form: nothing in it is random.
    """

    component: str
    command: tuple[str, ...]
    needs: tuple[str, ...] = ()
    seeded: bool = True

    def up_to_date(self, args: Namespace) -> bool:
        path = args.out / self.component / "card.json"
        if not path.exists():
            return False
        card = json.loads(path.read_text(encoding="utf-8"))
        return bool(card.get("preset") == args.preset and card.get("seed", args.seed) == args.seed)


def stages() -> list[Stage]:
    """Every stage, each after what it needs."""
    readers = [
        Stage("va_predictor/image", ("image_va",), seeded=False),
        Stage("va_predictor/evaluator", ("music_va", "evaluator")),
        Stage("va_predictor/guide", ("music_va", "guide")),
    ]
    images = [Stage(f"image_ae/{key}", ("image_ae", key)) for key in IMAGE_AUTOENCODERS]
    music = [Stage(f"music_ae/{key}", ("music_ae", key)) for key in MUSIC_AUTOENCODERS]
    bridges = [
        Stage(
            f"bridge/{i}+{m}@{variant}",
            ("bridge", i, m, "--variant", variant),
            (f"image_ae/{i}", f"music_ae/{m}"),
        )
        for i in IMAGE_AUTOENCODERS
        for m in MUSIC_AUTOENCODERS
        for variant in BRIDGES
        if variant != "paper" or not {i, m} & OURS
    ]
    return [*readers, *images, *music, *bridges]


def needed(tables: list[str]) -> list[Stage]:
    """The stages that some tables of the paper need."""
    printed = set(PAPER_TABLE_V) if "table5" in tables else set()
    keys = [pairing.split("+") for pairing in {e.pairing for e in wanted(tables) if e.pairing} | printed]
    components = {f"image_ae/{image}" for image, _ in keys} | {f"music_ae/{music}" for _, music in keys}
    components |= {f"bridge/{pairing}@paper" for pairing in printed}
    if set(tables) - {"table1"}:  # it is the only one without a judge
        components |= {"va_predictor/image", "va_predictor/evaluator", "va_predictor/guide"}
    return [stage for stage in stages() if stage.component in components]


def stale_rows(root: Path, results: Path, seeds: list[int], split: str = "test") -> list[str]:
    """Rows of ``train.evaluate`` without records, or with records of other components than are there."""
    once = {"constant", "oracle", "real", "mean point"}

    def current(row: str) -> bool:
        components = {folder: read_card(root / folder)["sha256"][:12] for folder in components_of(row)}
        paths = [results / record_name("pairings", split, row, seed) for seed in ([0] if row in once else seeds)]
        return all(p.exists() and json.loads(p.read_text(encoding="utf-8"))["components"] == components for p in paths)

    return [row for row in known_rows(root) if not current(row)]


def main(argv: list[str] | None = None) -> None:
    parser = arguments(__doc__)
    parser.add_argument("--force", action="store_true", help="train again what is up to date")
    parser.add_argument("--only", nargs="+", choices=TABLES, help="tables of the paper, and what they need")
    args = parser.parse_args(argv)
    _train(args, needed(args.only) if args.only else stages())
    smoke = args.preset == "smoke"
    results = args.runs / "results" if smoke else args.out.parent / "results"
    seeds = ["0"] if smoke else ["0", "1", "2"]
    where = ["--data", str(args.data), "--root", str(args.out), "--out", str(results), "--runs", str(args.runs)]

    def step(name: str, *options: str) -> None:
        importlib.import_module(f"train.{name}").main(list(options))

    if not args.only:
        step("latents", *where)
    rows = known_rows(args.out) if args.force else stale_rows(args.out, results, [int(seed) for seed in seeds])
    if args.only:  # of the pairings, Table V shows the paper's; the controls stand beside every table
        shown = {*CONTROL_ORDER, *(f"{pairing}@paper" for pairing in PAPER_TABLE_V if "table5" in args.only)}
        rows = [row for row in rows if row in shown]
    if rows:
        step(
            "evaluate",
            *where,
            "--seeds",
            *seeds,
            *(["--seconds", "6", "--grid", "3"] if smoke else []),
            "--only",
            *rows,
        )
    step("dataset", "--data", str(args.data), "--out", str(results), "--runs", str(args.runs))
    shared = ["--data", str(args.data), "--out", str(args.out), "--results", str(results), "--runs", str(args.runs)]
    only = ["--only", *args.only] if args.only else []
    force = ["--force"] if args.force else []
    short = ["--seconds", "6"] if smoke else []
    step("experiments", *shared, "--preset", args.preset, "--seeds", *seeds, *short, *only, *force)
    step("midi_evaluation", *shared)
    if not smoke:
        if not args.only:
            step("quality_report", *where)
            step("tables", "--assets", str(args.out.parent))
        step("results", "--assets", str(args.out.parent))


def _train(args: Namespace, todo: list[Stage]) -> None:
    """Train what is not up to date, and say how long it took."""
    fresh: set[str] = set()
    for stage in todo:
        if not args.force and stage.up_to_date(args) and not fresh & set(stage.needs):
            print(f"{stage.component}: up to date")
            continue
        if stage.up_to_date(args):  # what it was trained on has changed: its saved state is of no use
            shutil.rmtree(args.runs / stage.component, ignore_errors=True)
        started = time.monotonic()
        module, *rest = stage.command
        options = ["--data", str(args.data), "--out", str(args.out), "--preset", args.preset]
        options += ["--seed", str(args.seed)] if stage.seeded else []
        importlib.import_module(f"train.{module}").main([*rest, *options, "--runs", str(args.runs)])
        fresh.add(stage.component)
        print(f"{stage.component}: trained in {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
