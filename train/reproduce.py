"""Everything, in order, skipping what is up to date: train what ships, the paper's experiments, results, tables.

    python -m train.reproduce --data DIR [--preset full|smoke] [--only table5] [--seed 0] [--set NAME=VALUE] [--force]

``--only`` names tables of the paper and trains, composes and measures what they need and nothing else. A stage is up to
date when its card says the same preset, seed and changes, and when what it depends on was not trained again in this
run; a result, when all that it depends on is the same. A run that was killed continues where it was: every stage
resumes from its last saved state.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from eimg_core.bridge import BRIDGES
from eimg_core.checkpoints import read_card
from eimg_core.image_ae import IMAGE_AUTOENCODERS, image_key_of, image_keys
from eimg_core.music_ae import MUSIC_AUTOENCODERS
from eimg_core.results import CONTROLS, PAPER_TABLE_V
from train.commands import stage_options
from train.evaluation.dataset import describe_dataset
from train.evaluation.evaluate import EvaluateRequest, evaluate, known_rows
from train.evaluation.experiments import TABLES, ExperimentsRequest, experiments_of, run_experiments
from train.evaluation.latents import LatentsRequest, measure_latents
from train.evaluation.midi_evaluation import MidiEvaluationRequest, evaluate_folders
from train.evaluation.quality_report import QualityRequest, report_quality
from train.evaluation.result import MeasureRequest
from train.report.documents import write_documents
from train.report.tables import write_tables
from train.stages.bridge import BridgeRequest, train_bridge
from train.stages.composer import ComposerRequest, pretrain_composer
from train.stages.composer_tuning import tune_composer
from train.stages.critic import CriticRequest, train_critic
from train.stages.image_ae import ImageAERequest, train_image_ae
from train.stages.image_va import ImageVARequest, train_image_va
from train.stages.loop import LoopConfig
from train.stages.music_ae import TRAINED_APART, MusicAERequest, train_music_ae
from train.stages.music_va import EvaluatorRequest, GuideRequest, train_evaluator, train_guide
from train.stages.presets import override
from train.stages.stage import ComponentResult, LoopRequest, Request, choices_of, request_from

__all__ = ["OURS", "ReproduceRequest", "Stage", "needed", "reproduce", "stages"]

OURS = {"effnet", "tvae"}  # not the paper's: their bridges are trained in our variant alone


@dataclass(frozen=True, kw_only=True)
class ReproduceRequest(LoopRequest):
    """What to reproduce; everything else is passed on to every stage and measurement.

    Args:
        only: tables of the paper, of ``TABLES``; ``None`` for everything.
        force: train and measure again what is up to date.
    """

    only: Sequence[str] | None = None
    force: bool = False

    @property
    def smoke(self) -> bool:
        return self.preset == "smoke"

    @property
    def results(self) -> Path:
        """Beside what ships, except for the numbers of a smoke run."""
        return self.runs / "results" if self.smoke else self.out.parent / "results"


@dataclass(frozen=True)
class Stage:
    """A function that trains a component, and what it is told beyond what all stages are.

    Args:
        component: that it writes.
        train: the function.
        request: the class of its request.
        own: values of the request.
        needs: components that it reads.
        states: folders of its states under the runs; that of the component where none is named.
    """

    component: str
    train: Callable[[Any], ComponentResult]
    request: type[Request]
    own: Mapping[str, Any] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    states: tuple[str, ...] = ()

    def up_to_date(self, request: LoopRequest) -> bool:
        """Whether the component was trained with the choices of the request that this stage has."""
        folder = request.out / self.component
        if not (folder / "card.json").exists():
            return False
        card, known = read_card(folder), {one.name for one in fields(self.request)}
        choices = {"changes": {}, **choices_of(request)}
        return all(card.get(name, {}) == choices[name] for name in choices if name in known)

    def forget(self, request: LoopRequest) -> None:
        """Remove its states, so that it begins anew."""
        for folder in self.states or (self.component,):
            (request.runs / folder / "state.pt").unlink(missing_ok=True)

    def run(self, request: LoopRequest) -> ComponentResult:
        return self.train(request_from(self.request, request, **self.own))


def stages() -> list[Stage]:
    """Every stage, each after what it needs."""
    readers = [
        Stage("va_predictor/image", train_image_va, ImageVARequest),
        Stage("va_predictor/evaluator", train_evaluator, EvaluatorRequest),
        Stage("va_predictor/guide", train_guide, GuideRequest),
    ]
    images = [Stage(f"image_ae/{key}", train_image_ae, ImageAERequest, {"key": key}) for key in IMAGE_AUTOENCODERS]
    music = [
        Stage(f"music_ae/{key}", train_music_ae, MusicAERequest, {"key": key})
        for key in MUSIC_AUTOENCODERS
        if key not in TRAINED_APART
    ]
    composer = Stage(
        "music_ae/tvae",
        _train_composer,
        ComposerRequest,
        needs=("va_predictor/guide",),
        states=("composer/tvae", "composer_tuning/tvae"),
    )
    bridges = [
        Stage(
            f"bridge/{i}+{m}@{variant}",
            train_bridge,
            BridgeRequest,
            {"image": i, "music": m, "variant": variant},
            (f"image_ae/{image_key_of(i, variant)}", f"music_ae/{m}"),
        )
        for i in image_keys()
        for m in MUSIC_AUTOENCODERS
        for variant in BRIDGES
        if variant != "paper" or not {i, m} & OURS
    ]
    critic = Stage("critic/tvae", train_critic, CriticRequest, {"music": "tvae"}, ("music_ae/tvae",))
    return [*readers, *images, *music, composer, *bridges, critic]


def _train_composer(request: ComposerRequest) -> ComponentResult:
    """Pretrain ``tvae``, then fine-tune it; either goes on where it was."""
    pretrain_composer(request)
    return tune_composer(request)


def needed(tables: Sequence[str]) -> list[Stage]:
    """The stages that some tables of the paper need."""
    printed = set(PAPER_TABLE_V) if "table5" in tables else set()
    keys = [pairing.split("+") for pairing in {e.pairing for e in experiments_of(tables) if e.pairing} | printed]
    components = {f"image_ae/{image_key_of(image, 'paper')}" for image, _ in keys} | {
        f"music_ae/{music}" for _, music in keys
    }
    components |= {f"bridge/{pairing}@paper" for pairing in printed}
    if set(tables) - {"table1"}:  # it is the only one without estimates
        components |= {"va_predictor/image", "va_predictor/evaluator", "va_predictor/guide"}
    return [stage for stage in stages() if stage.component in components]


def reproduce(request: ReproduceRequest) -> None:
    """Train, measure and write the documents, as far as they are asked for and not up to date.

    Raises:
        ValueError: there is no such setting to change.
        CheckpointError, DataError: a component or a data set is missing or damaged.
    """
    override(LoopConfig(), request.changes)  # a mistake shows before hours of training
    _train(request, needed(request.only) if request.only else stages())
    _measure(request)
    if not request.smoke:
        if not request.only:
            write_tables(Path("."), request.out.parent)
        write_documents(request.out.parent, Path("docs"))


def _train(request: ReproduceRequest, todo: Sequence[Stage]) -> None:
    """Train what is not up to date, and say how long it took."""
    fresh: set[str] = set()
    for stage in todo:
        if not request.force and stage.up_to_date(request) and not fresh & set(stage.needs):
            print(f"{stage.component}: up to date")
            continue
        if request.force:
            stage.forget(request)
        started = time.monotonic()
        stage.run(request)
        fresh.add(stage.component)
        print(f"{stage.component}: trained in {time.monotonic() - started:.0f} s")


def _measure(request: ReproduceRequest) -> None:
    """Every measurement; each leaves alone what is current."""
    seeds = (0,) if request.smoke else (0, 1, 2)
    short = {"seconds": 6.0} if request.smoke else {}
    components = {"components": request.out}
    if not request.only:
        measure_latents(request_from(LatentsRequest, request, **components, only=None))
    rows = known_rows(request.out)
    if request.only:  # of the pairings, Table V shows the paper's; the controls stand beside every table
        shown = {*CONTROLS, *(f"{pairing}@paper" for pairing in PAPER_TABLE_V if "table5" in request.only)}
        rows = [row for row in rows if row in shown]
    grid = {"grid": 3} if request.smoke else {}
    evaluate(request_from(EvaluateRequest, request, **components, only=rows, seeds=seeds, **short, **grid))
    describe_dataset(request_from(MeasureRequest, request, **components))
    run_experiments(request_from(ExperimentsRequest, request, seeds=seeds, **short))
    evaluate_folders(request_from(MidiEvaluationRequest, request, **components))
    if not request.only and not request.smoke:
        report_quality(request_from(QualityRequest, request, **components, only=None))


def main(argv: Sequence[str] | None = None) -> None:
    parser = stage_options(__doc__)
    parser.add_argument("--force", action="store_true", help="train and measure again what is up to date")
    parser.add_argument("--only", nargs="+", choices=TABLES, help="tables of the paper, and what they need")
    reproduce(request_from(ReproduceRequest, parser.parse_args(argv)))


if __name__ == "__main__":
    main()
