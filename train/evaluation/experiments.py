"""The paper's experiments, each a named difference: train it, compose for the held-out photos, keep one result.

A seed is one of training and of composing alike: the same experiment with another seed is trained again from other
first weights, so the spread between seeds is that of the method and not of the dice alone. What is trained here stays
with the runs; one result per (experiment, seed) is kept. A run that was killed goes on where it was.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL.Image import Image

from eimg_core.baselines import BASELINES, Baseline, BridgeMapping, ClipLibrary, DirectMapping, Mapped, Retrieval
from eimg_core.bridge import BRIDGES
from eimg_core.checkpoints import load_model
from eimg_core.data import load_pieces, read_eimg, read_oasis
from eimg_core.emotion import VA
from eimg_core.image_ae import image_key_of
from eimg_core.images import open_photo
from eimg_core.metrics.copying import CopyIndex
from eimg_core.metrics.emotion_match import emotion_match
from eimg_core.midi.batch import CLIP_S
from eimg_core.midi.notes import Piece
from eimg_core.midi.writing import write_midi
from eimg_core.options import ComposeOptions
from eimg_core.shipped import RESULTS
from eimg_core.va.evaluator import EVALUATOR_FOLDER, Evaluator
from eimg_core.va.image_reader import READER_FOLDER, TRAIN, ImageReader
from train.evaluation.evaluate import library_of, numbers_of
from train.evaluation.quality_report import Made, Yardstick, apart, report
from train.evaluation.result import dependencies, is_current, write_result
from train.stages.baseline import BaselineRequest, train_baseline
from train.stages.bridge import fit_bridge
from train.stages.features import Material, SetBatches, material
from train.stages.loop import fit
from train.stages.photo_music_pairs import LatentBatches
from train.stages.presets import StageConfig
from train.stages.stage import LoopRequest, begin, make_config, request_from, run_folder, settings_of

__all__ = [
    "EXPERIMENTS",
    "TABLES",
    "Experiment",
    "ExperimentsRequest",
    "experiments_of",
    "midi_folder",
    "outdated",
    "result_path",
    "run_experiments",
    "slug",
]

TABLES = ("table1", "table4", "table5", "table6", "table7")
_PHOTOS_WITH_TAKES, _TAKES = 12, 4
_PAIRINGS = ("vqvae+fnt", "effnet+fnt")  # the paper's best, and the one whose photo side carries emotion
_SIZES = (2, 4, 8, 16)  # n of Table IV
_OFF = {"weight_intra_image": 0.0, "weight_intra_music": 0.0}


@dataclass(frozen=True)
class Experiment:
    """One row.

    Args:
        name: what its results are called.
        tables: where the row stands.
        kind: ``bridge`` and ``direct`` lead from an image to a music autoencoder, ``tf_im`` and ``gan_im`` are trained
            from photo to notes, ``retrieval`` is not trained.
        pairing: of the two autoencoders; the paper's image autoencoders are those that learn to see from scratch.
        n: size of the sets of Eq. 4-5; they are drawn from the 2 n nearest and farthest.
        change: what differs from the model's defaults.
    """

    name: str
    tables: tuple[str, ...]
    kind: str
    pairing: str = ""
    n: int = 8
    change: Mapping[str, Any] = field(default_factory=dict)


def _of_pairing(pairing: str) -> list[Experiment]:
    """Tables IV and VII for one pairing; the complete loss with n = 8 is a row of both."""
    contrast: dict[str, dict[str, Any]] = {
        "inter": _OFF,
        "inter + image": {"weight_intra_music": 0.0},
        "inter + music": {"weight_intra_image": 0.0},
    }
    return [
        Experiment(f"{pairing} direct", ("table7",), "direct", pairing),
        *(Experiment(f"{pairing} {name}", ("table7",), "bridge", pairing, 8, off) for name, off in contrast.items()),
        *(
            Experiment(f"{pairing} n = {n}", ("table4", "table7") if n == 8 else ("table4",), "bridge", pairing, n)
            for n in _SIZES
        ),
    ]


EXPERIMENTS: tuple[Experiment, ...] = (
    Experiment("TF-IM", ("table5", "table6"), "tf_im"),
    Experiment("TF/IMG", ("table6",), "tf_im", change={"sight": "none"}),
    Experiment("TF-FI", ("table6",), "tf_im", change={"sight": "fixed"}),
    Experiment("GAN-IM", ("table5",), "gan_im"),
    Experiment("retrieval", ("table5",), "retrieval"),
    *(experiment for pairing in _PAIRINGS for experiment in _of_pairing(pairing)),
)


def experiments_of(tables: Sequence[str] | None) -> list[Experiment]:
    """The experiments that some tables need; all of them without a choice."""
    return [e for e in EXPERIMENTS if tables is None or set(tables) & set(e.tables)]


def slug(name: str) -> str:
    """A name as a file name: ``vqvae+fnt n = 8`` → ``vqvae+fnt-n8``."""
    return name.lower().replace(" + ", "+").replace(" = ", "").replace("/", "-no-").replace(" ", "-")


@dataclass(frozen=True, kw_only=True)
class ExperimentsRequest(LoopRequest):
    """Which experiments to run.

    Args:
        results: where results are written.
        only: tables to make, of ``TABLES``; ``None`` for all.
        seeds: of training and composing; ``seed`` is the one of a single run.
        seconds: length of the pieces.
        force: make again what is current.
    """

    results: Path = RESULTS
    only: Sequence[str] | None = None
    seeds: Sequence[int] = (0, 1, 2)
    seconds: float = CLIP_S
    force: bool = False


@dataclass(frozen=True)
class Run:
    """An experiment with one seed: ``request.seed``."""

    experiment: Experiment
    request: ExperimentsRequest

    @property
    def name(self) -> str:
        """Of the run below ``runs``."""
        return f"experiments/{slug(self.experiment.name)}-seed{self.request.seed}"

    @property
    def result(self) -> Path:
        return result_path(self.request.results, self.experiment, self.request.seed)

    @property
    def stage(self) -> StageConfig:
        if self.experiment.kind == "bridge":
            return settings_of(self.request, "bridge", "paper")
        return settings_of(self.request, "baseline", self.experiment.kind)

    @property
    def components(self) -> list[str]:
        """What must have been trained before."""
        image, _, music = self.experiment.pairing.partition("+")
        folders = [f"image_ae/{image_key_of(image, 'paper')}", f"music_ae/{music}"] if music else []
        folders += [READER_FOLDER] if self.experiment.kind == "retrieval" else []
        return [*folders, EVALUATOR_FOLDER.as_posix()]

    @property
    def setup(self) -> dict[str, Any]:
        """The settings of the training and of the experiment; the seed is not one of them."""
        one = self.experiment
        setup: dict[str, Any] = {"preset": self.request.preset, "kind": one.kind, "pairing": one.pairing}
        setup |= {"change": dict(one.change)}
        if one.kind != "retrieval":
            setup |= asdict(self.stage)
            del setup["loop"]["seed"]
        return setup | ({"n": one.n} if one.kind == "bridge" else {})


def result_path(results: Path, experiment: Experiment, seed: int) -> Path:
    """The file of one result."""
    return results / f"experiment-{slug(experiment.name)}-seed{seed}.json"


def midi_folder(runs: Path, experiment: Experiment, seed: int) -> Path:
    """Where the pieces of an experiment and seed are kept as files."""
    return runs / "experiments" / f"{slug(experiment.name)}-seed{seed}" / "midi"


def _keep_midi(folder: Path, keys: Sequence[str], pieces: Sequence[Piece]) -> None:
    """The pieces as files named after their photos, for ears and for ``evaluate-midi``."""
    folder.mkdir(parents=True, exist_ok=True)
    for key, piece in zip(keys, pieces, strict=True):
        write_midi(piece, folder / f"{Path(key).stem}.mid")


# --- training ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Trained:
    """A composer and the validation numbers of its training."""

    composer: Baseline
    val: Mapping[str, float]


def _train_direct(run: Run, found: Material) -> tuple[Any, dict[str, float]]:
    """The direct mapping between two frozen autoencoders, and its validation numbers."""
    stage, images, music = run.stage, found.images, found.music
    direct = DirectMapping(_mapping_config(DirectMapping.Config, run, found))
    direct.prepare(images["train"], music["train"])
    pairs = LatentBatches(images["train"], music["train"], stage.batch_size, run.request.seed)
    held = LatentBatches(images["val"], music["val"], len(images["val"].va), 0)

    @torch.no_grad()
    def evaluate(model: Any) -> dict[str, float]:
        losses = [float(model.loss(batch, 0).total) for index in range(4) for batch in held.epoch(index)]
        return {"loss": float(np.mean(losses))}

    folder, label = _mapping_folder(run, found), run.experiment.name
    return direct, fit(direct, pairs, stage.loop, folder=folder, evaluate=evaluate, label=label)


def _train_bridge(run: Run, found: Material) -> tuple[Any, dict[str, float]]:
    """A bridge of the paper's, with the experiment's change and size of sets, and its validation numbers."""
    stage, n = run.stage, run.experiment.n
    model = BRIDGES["paper"](_mapping_config(BRIDGES["paper"].Config, run, found))
    sets = SetBatches(found.images["train"], found.music["train"], stage.batch_size, run.request.seed, n, pool=2 * n)
    numbers = fit_bridge(model, sets, found, stage.loop, _mapping_folder(run, found), run.experiment.name)
    return BridgeMapping(model), numbers


def _mapping_config(config_class: Any, run: Run, found: Material) -> Any:
    widths = {"image_dim": found.image_ae.latent_dim, "music_dim": found.music_ae.latent_dim}
    return replace(make_config(config_class, run.stage.model), **widths, **run.experiment.change)


def _mapping_folder(run: Run, found: Material) -> Path:
    hashes = {name: card["sha256"] for name, card in found.cards.items()}
    own = {"change": dict(run.experiment.change), "n": run.experiment.n, "depends_on": hashes}
    return run_folder(run.request, run.name, run.stage, [found.photos, found.clips], **own)


def train(run: Run, found: Callable[[str], Material]) -> Trained:
    """Train, or take up what was trained before; everything is kept under ``runs``."""
    one = run.experiment
    begin(run.request)
    if one.kind in ("direct", "bridge"):
        both = found(one.pairing)
        mapping, numbers = (_train_direct if one.kind == "direct" else _train_bridge)(run, both)
        player: Any = Mapped(both.image_ae, mapping, both.music_ae)
    else:
        own = {"key": one.kind, "component": run.name, "model": one.change, "out": run.request.runs}
        made = train_baseline(request_from(BaselineRequest, run.request, **own))
        player, card = load_model(made.folder, BASELINES)
        numbers = card["metrics"]["val"]
    return Trained(Baseline(one.name, one.name, player), numbers)


# --- composing and measuring -------------------------------------------------------------------------------------


class Bench:
    """The data, the evaluator and the yardsticks, read once for all experiments."""

    def __init__(self, request: ExperimentsRequest) -> None:
        self.request = request
        self.photos, self.clips = read_oasis(request.data), read_eimg(request.data)
        self.held_out = self.photos.split("test")
        self.material = functools.cache(self._material)

    def _material(self, pairing: str) -> Material:
        image, _, music = pairing.partition("+")
        return material(image_key_of(image, "paper"), music, self.request.data, self.request.out, self.request.cache)

    @functools.cached_property
    def labels(self) -> Any:
        """Of the held-out photos, (N, 2)."""
        return np.array([(item.va.valence, item.va.arousal) for item in self.held_out if item.va])

    @functools.cached_property
    def with_takes(self) -> list[int]:
        """The photos for which several takes are composed."""
        return apart(self.labels, _PHOTOS_WITH_TAKES)

    @functools.cached_property
    def evaluator(self) -> Evaluator:
        return Evaluator.load(self.request.out)

    @functools.cached_property
    def pictures(self) -> list[Image]:
        return [open_photo(item.path) for item in self.held_out]

    @functools.cached_property
    def pieces(self) -> dict[str, Piece]:
        return load_pieces(self.clips, self.request.cache)

    @functools.cached_property
    def real(self) -> Yardstick:
        items = self.clips.split("test")
        pieces = [self.pieces[item.key].cropped(CLIP_S) for item in items]
        va = np.array([(item.va.valence, item.va.arousal) for item in items if item.va])
        return Yardstick([item.key for item in items], pieces, [item.group for item in items], va)

    @functools.cached_property
    def searched(self) -> dict[str, CopyIndex]:
        """What the experiments learnt from, to be searched for copies."""
        items = self.clips.split("train")
        return {self.clips.title: CopyIndex({item.key: self.pieces[item.key] for item in items})}

    @functools.cached_property
    def library(self) -> ClipLibrary:
        labels = np.array([(i.va.valence, i.va.arousal) for i in self.photos.split("train") if i.va])
        return library_of(self.clips, self.pieces, "test", VA(*labels.mean(axis=0)))

    def dependencies(self, run: Run) -> dict[str, Any]:
        """All that the result of a run follows from."""
        corpora = [self.photos, self.clips]
        settings = {"seconds": run.request.seconds, "setup": run.setup}
        return dependencies("experiments", self.request.out, run.components, corpora, **settings)

    def retrieved(self, run: Run) -> Made:
        """For each photo the real clip nearest to what is read from it: nothing in it is random."""
        control, reader = Retrieval(self.library), ImageReader.load(self.request.out, TRAIN)
        options = ComposeOptions(seed=run.request.seed, seconds=run.request.seconds)
        pieces = [
            control.compose(picture, reader.read(picture).va.clamped(), options).piece for picture in self.pictures
        ]
        return Made([item.key for item in self.held_out], pieces, ())

    def composed(self, composer: Baseline, run: Run) -> Made:
        """A piece for each photo, and some more takes for photos that lie apart in the plane."""
        seed, seconds = run.request.seed, run.request.seconds
        pieces = composer.compose_many(self.pictures, seed, seconds)
        some = [self.pictures[index] for index in self.with_takes]
        more = [composer.compose_many(some, 1000 * (seed + 1) + take, seconds) for take in range(_TAKES)]
        return Made([item.key for item in self.held_out], pieces, list(zip(*more, strict=True)))

    def measured(self, made: Made, run: Run) -> dict[str, Any]:
        """The evaluator's estimates, the metrics, and a comparison with real music."""
        estimates = self.evaluator.estimate_many(made.pieces)
        match = emotion_match(self.labels, estimates)
        numbers = numbers_of(run.experiment.name, run.request.seed, "test", made.keys, made.pieces, match, estimates)
        musical = report(made, self.real, self.searched)
        for item, label, told in zip(numbers["items"], self.labels.tolist(), musical["items"], strict=True):
            item["label_valence"], item["label_arousal"] = (round(value, 3) for value in label)
            item["longest_run"] = max(run["length"] for run in told["longest_run"].values())
        names = ("distributions", "copying", "similarity", "similarity_real")
        return {**numbers, "musicality": {name: musical["summary"][name] for name in names}}


def _measure(run: Run, bench: Bench) -> dict[str, Any]:
    """Train, compose, measure, keep the result and the pieces; returns the numbers of the result."""
    started = time.monotonic()
    if run.experiment.kind == "retrieval":
        made, val = bench.retrieved(run), {}
    else:
        trained = train(run, bench.material)
        made = bench.composed(trained.composer, run)
        val = {"val": {name: round(value, 4) for name, value in trained.val.items()}}
    numbers = bench.measured(made, run)
    items = numbers.pop("items")
    took = {"took_s": round(time.monotonic() - started, 1)}
    numbers = {"tables": list(run.experiment.tables), **numbers, **val, **took, "items": items}
    write_result(run.result, "python -m train.experiments --data DIR", bench.dependencies(run), numbers)
    keys = [item["key"] for item in items]
    _keep_midi(midi_folder(run.request.runs, run.experiment, run.request.seed), keys, made.pieces)
    return numbers


def _runs(request: ExperimentsRequest) -> list[Run]:
    """Every run that is asked for; what has no chance in it is run once."""
    return [
        Run(experiment, replace(request, seed=seed))
        for seed in request.seeds
        for experiment in experiments_of(request.only)
        if experiment.kind != "retrieval" or seed == request.seeds[0]
    ]


def outdated(request: ExperimentsRequest, bench: Bench | None = None) -> list[Run]:
    """The runs that are asked for and have no current result."""
    bench = bench or Bench(request)
    return [run for run in _runs(request) if request.force or not is_current(run.result, bench.dependencies(run))]


def run_experiments(request: ExperimentsRequest) -> list[Path]:
    """Run what is outdated, one experiment after the other, and say how long the rest may take.

    Returns:
        The results that were written.
    Raises:
        CheckpointError, DataError: a component or a data set is missing or damaged.
    """
    bench = Bench(request)
    todo = outdated(request, bench)
    print(f"experiments: {len(_runs(request)) - len(todo)} up to date, {len(todo)} to make", flush=True)
    took: dict[str, list[float]] = {}
    for index, run in enumerate(todo, start=1):
        numbers = _measure(run, bench)
        took.setdefault(run.experiment.kind, []).append(numbers["took_s"])
        every = [seconds for times in took.values() for seconds in times]
        left = sum(float(np.mean(took.get(other.experiment.kind, every))) for other in todo[index:])
        summary = numbers["summary"]
        print(
            f"{index}/{len(todo)} {run.experiment.name}, seed {run.request.seed}: Emotion Matching "
            f"{summary['emotion_matching']}, r {summary['r_valence']} / {summary['r_arousal']}, "
            f"{numbers['took_s']:.0f} s; about {left / 60:.0f} min left",
            flush=True,
        )
    return [run.result for run in todo]
