"""Train everything that is shipped, in order, skipping what is up to date.

    python -m train.reproduce --data DIR [--preset paper|smoke] [--seed 0] [--force]

A stage is up to date when its card says the same preset and seed, and when what it depends on was not trained again
in this run. A run that was killed continues where it was: every stage resumes from its last saved state.
"""

from __future__ import annotations

import importlib
import json
import shutil
import time
from argparse import Namespace
from dataclasses import dataclass

from eimg_core.cross_modal import BRIDGES
from eimg_core.image_ae import IMAGE_AUTOENCODERS
from eimg_core.music_ae import MUSIC_AUTOENCODERS
from train.stage import arguments

__all__ = ["OURS", "Stage", "main", "stages"]

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
            f"cross_modal/{i}+{m}@{variant}",
            ("cross_modal", i, m, "--variant", variant),
            (f"image_ae/{i}", f"music_ae/{m}"),
        )
        for i in IMAGE_AUTOENCODERS
        for m in MUSIC_AUTOENCODERS
        for variant in BRIDGES
        if variant != "paper" or not {i, m} & OURS
    ]
    return [*readers, *images, *music, *bridges]


def main(argv: list[str] | None = None) -> None:
    parser = arguments(__doc__)
    parser.add_argument("--force", action="store_true", help="train again what is up to date")
    args = parser.parse_args(argv)
    fresh: set[str] = set()
    for stage in stages():
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
    names = ("latents", "evaluate", "tables")
    latents, evaluate, tables = (importlib.import_module(f"train.{name}").main for name in names)
    results = args.out.parent / "results" if args.preset == "paper" else args.runs / "results"
    split = ["--seeds", "0", "--seconds", "6", "--grid", "3"] if args.preset == "smoke" else []
    where = ["--data", str(args.data), "--root", str(args.out), "--out", str(results), "--runs", str(args.runs)]
    latents(where)
    evaluate([*where, *split])
    if args.preset == "paper":
        importlib.import_module("train.quality_report").main(where)
        tables(["--assets", str(args.out.parent)])


if __name__ == "__main__":
    main()
