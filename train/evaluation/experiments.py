"""The paper's experiments, each a named difference: train it, compose for the held-out photos, keep one record.

    python -m train.experiments --data DIR [--only table4 table7] [--seeds 0 1 2] [--preset paper|smoke] [--list]

A seed is one of training and of playing alike: the same experiment with another seed is trained again from other first
weights, so the spread between seeds is that of the method and not of the dice alone. What is trained here stays under
``--runs``; one JSON record per (experiment, seed) goes into ``--results``. A record that was made with the same
settings and the same components is up to date and is left alone; a run that was killed goes on where it was.
"""

from __future__ import annotations

import datetime
import functools
import json
import time
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL.Image import Image

from eimg_core import __version__
from eimg_core.baselines import BASELINES, Baseline, BridgeMapping, ClipLibrary, DirectMapping, Mapped, Retrieval
from eimg_core.bridge import BRIDGES
from eimg_core.checkpoints import load_model, read_card
from eimg_core.composer import ComposeOptions
from eimg_core.data import load_pieces, read_eimg, read_oasis
from eimg_core.emotion import VA
from eimg_core.images import open_photo
from eimg_core.metrics.copying import CopyIndex
from eimg_core.metrics.emotion_match import emotion_match
from eimg_core.midi.batch import CLIP_S
from eimg_core.midi.notes import Piece, write_midi
from eimg_core.shipped import CHECKPOINTS
from eimg_core.va.evaluator import EVALUATOR_FOLDER, Evaluator
from eimg_core.va.image_reader import ImageReader
from train.evaluation.evaluate import RESULTS, library_of, one_line_items, record_of
from train.evaluation.quality_report import Made, Yardstick, apart, report
from train.stages.baseline import train_baseline
from train.stages.bridge import Material, SetBatches, material, train_bridge
from train.stages.loop import fit
from train.stages.photo_music_pairs import LatentBatches
from train.stages.presets import StageConfig
from train.stages.stage import arguments, make_config, stage_of

__all__ = ["EXPERIMENTS", "TABLES", "Experiment", "folder_of", "main", "record_path", "slug", "wanted"]

TABLES = ("table1", "table4", "table5", "table6", "table7")
_PHOTOS_WITH_TAKES, _TAKES = 12, 4
_PAIRINGS = ("vqvae+fnt", "effnet+fnt")  # the paper's best, and the one whose photo side carries emotion
_SIZES = (2, 4, 8, 16)  # n of Table IV
_OFF = {"weight_intra_image": 0.0, "weight_intra_music": 0.0}


@dataclass(frozen=True)
class Experiment:
    """One row.

    Args:
        name: what its records are called.
        tables: where the row stands.
        kind: ``bridge`` and ``direct`` lead from an image to a music autoencoder, ``tf_im`` and ``gan_im`` are trained
            from photo to notes, ``retrieval`` is not trained.
        pairing: of the two autoencoders.
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


def wanted(tables: Sequence[str] | None) -> list[Experiment]:
    """The experiments that some tables need; all of them without a choice."""
    return [e for e in EXPERIMENTS if tables is None or set(tables) & set(e.tables)]


def slug(name: str) -> str:
    """A name as a file name: ``vqvae+fnt n = 8`` → ``vqvae+fnt-n8``."""
    return name.lower().replace(" + ", "+").replace(" = ", "").replace("/", "-no-").replace(" ", "-")


def record_path(results: Path, experiment: Experiment, seed: int) -> Path:
    return results / f"experiment-{slug(experiment.name)}-seed{seed}.json"


def folder_of(experiment: Experiment, args: Namespace) -> Path:
    """Where states, weights and MIDI files of an experiment and seed are kept."""
    return Path(args.runs) / "experiments" / f"{slug(experiment.name)}-seed{args.seed}"


def keep_midi(folder: Path, keys: Sequence[str], pieces: Sequence[Piece]) -> None:
    """The pieces as files named after their photos, for ears and for ``evaluate-midi``."""
    folder.mkdir(parents=True, exist_ok=True)
    for key, piece in zip(keys, pieces, strict=True):
        write_midi(piece, folder / f"{Path(key).stem}.mid")


# --- training ----------------------------------------------------------------------------------------------------


def _stage(experiment: Experiment, args: Namespace) -> StageConfig:
    if experiment.kind == "bridge":
        return stage_of(args, "bridge", "paper")
    return stage_of(args, "baseline", experiment.kind)


def _components(experiment: Experiment, args: Namespace) -> list[str]:
    """What must have been trained before."""
    image, _, music = experiment.pairing.partition("+")
    folders = [f"image_ae/{image}", f"music_ae/{music}"] if music else []
    folders += ["va_predictor/image"] if experiment.kind == "retrieval" else []
    return [*folders, str(EVALUATOR_FOLDER)]


def _setup(experiment: Experiment, args: Namespace) -> dict[str, Any]:
    """All that a record depends on beside the components and the seed, as JSON has it."""
    stage = asdict(_stage(experiment, args)) if experiment.kind != "retrieval" else {}
    stage.get("loop", {}).pop("seed", None)
    setup = {"kind": experiment.kind, "pairing": experiment.pairing, "change": dict(experiment.change), **stage}
    setup |= {"n": experiment.n} if experiment.kind == "bridge" else {}
    return json.loads(json.dumps({"preset": args.preset, "seconds": args.seconds, **setup}))


@dataclass(frozen=True)
class Trained:
    """A player and the validation numbers of its training."""

    composer: Baseline
    val: Mapping[str, float]


def _train_mapping(experiment: Experiment, args: Namespace, found: Material, folder: Path) -> tuple[Any, Any]:
    """A bridge or the direct mapping between two frozen autoencoders, and its validation numbers."""
    stage = _stage(experiment, args)
    widths = {"image_dim": found.image_ae.latent_dim, "music_dim": found.music_ae.latent_dim}
    images, music = found.images, found.music
    if experiment.kind == "direct":
        direct = DirectMapping(replace(make_config(DirectMapping.Config, stage.model), **widths, **experiment.change))
        direct.prepare(images["train"], music["train"])
        pairs = LatentBatches(images["train"], music["train"], stage.batch_size, args.seed)
        held = LatentBatches(images["val"], music["val"], len(images["val"].va), 0)

        @torch.no_grad()
        def evaluate(model: Any) -> dict[str, float]:
            losses = [float(model.loss(batch, 0).total) for index in range(4) for batch in held.epoch(index)]
            return {"loss": float(np.mean(losses))}

        return direct, fit(direct, pairs, stage.loop, folder=folder, evaluate=evaluate, label=experiment.name)
    bridge_class = BRIDGES["paper"]
    model = bridge_class(replace(make_config(bridge_class.Config, stage.model), **widths, **experiment.change))
    sets = SetBatches(images["train"], music["train"], stage.batch_size, args.seed, experiment.n, pool=2 * experiment.n)
    numbers = train_bridge(model, sets, found, stage.loop, folder, experiment.name)
    return BridgeMapping(model), numbers


def train(experiment: Experiment, args: Namespace, found: Callable[[str], Material]) -> Trained:
    """Train, or take up what was trained before; everything is kept under ``--runs``."""
    folder = folder_of(experiment, args)
    if experiment.kind in ("direct", "bridge"):
        both = found(experiment.pairing)
        mapping, numbers = _train_mapping(experiment, args, both, folder)
        player: Any = Mapped(both.image_ae, mapping, both.music_ae)
    else:
        out = folder / "component"
        if not (out / "card.json").exists():
            train_baseline(experiment.kind, args, experiment.change, folder, out)
        player, card = load_model(out, BASELINES)
        numbers = card["metrics"]["val"]
    return Trained(Baseline(experiment.name, experiment.name, player), numbers)


# --- composing and measuring -------------------------------------------------------------------------------------


class Desk:
    """The data, the judge and the yardsticks, read once for all experiments."""

    def __init__(self, args: Namespace) -> None:
        self.args = args
        photos, self.clips = read_oasis(args.data), read_eimg(args.data)
        self.held_out = photos.split("test")
        self.labels = np.array([(item.va.valence, item.va.arousal) for item in self.held_out if item.va])
        self.mean_photo = VA(*np.array([(i.va.valence, i.va.arousal) for i in photos.split("train") if i.va]).mean(0))
        self.pictures: list[Image] = [open_photo(item.path) for item in self.held_out]
        self.with_takes = apart(self.labels, _PHOTOS_WITH_TAKES)
        self.pieces = load_pieces(self.clips, args.runs / "cache")
        self.evaluator = Evaluator.load(args.out)
        self.material = functools.cache(self._material)

    def _material(self, pairing: str) -> Material:
        image, _, music = pairing.partition("+")
        return material(image, music, self.args.data, self.args.out, self.args.runs / "cache")

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
        return library_of(self.clips, self.pieces, "test", self.mean_photo)

    @functools.cached_property
    def readings(self) -> list[VA]:
        reader = ImageReader.load(self.args.out)
        return [reader.read(picture).va.clamped() for picture in self.pictures]

    def retrieved(self, args: Namespace) -> Made:
        """For each photo the real clip nearest to what is read from it: nothing in it is random."""
        control = Retrieval(self.library)
        options = ComposeOptions(seed=args.seed, seconds=args.seconds)
        read = zip(self.pictures, self.readings, strict=True)
        pieces = [control.compose(picture, va, options).piece for picture, va in read]
        return Made([item.key for item in self.held_out], pieces, ())

    def composed(self, composer: Baseline, args: Namespace) -> Made:
        """A piece for each photo, and some more takes for photos that lie apart in the plane."""
        pieces = composer.compose_many(self.pictures, args.seed, args.seconds)
        some = [self.pictures[index] for index in self.with_takes]
        more = [composer.compose_many(some, 1000 * (args.seed + 1) + take, args.seconds) for take in range(_TAKES)]
        return Made([item.key for item in self.held_out], pieces, list(zip(*more, strict=True)))

    def measured(self, made: Made, experiment: Experiment, args: Namespace) -> dict[str, Any]:
        """Judged, measured and compared with real music."""
        heard = self.evaluator.estimate_many(made.pieces)
        match = emotion_match(self.labels, heard)
        record = record_of(experiment.name, args.seed, "test", made.keys, made.pieces, match, heard)
        musical = report(made, self.real, self.searched)
        for item, label, told in zip(record["items"], self.labels.tolist(), musical["items"], strict=True):
            item["label_valence"], item["label_arousal"] = (round(value, 3) for value in label)
            item["longest_run"] = max(run["length"] for run in told["longest_run"].values())
        names = ("distributions", "copying", "similarity", "similarity_real")
        record["musicality"] = {name: musical["summary"][name] for name in names}
        return record


def run(experiment: Experiment, args: Namespace, desk: Desk) -> tuple[dict[str, Any], list[Piece]]:
    """One record and the pieces that it tells of."""
    if experiment.kind == "retrieval":
        made, told = desk.retrieved(args), {}
    else:
        trained = train(experiment, args, desk.material)
        made = desk.composed(trained.composer, args)
        told = {"val": {name: round(value, 4) for name, value in trained.val.items()}}
    record = desk.measured(made, experiment, args)
    items = record.pop("items")
    full = {
        "table": "experiments",
        "tables": experiment.tables,
        "command": "python -m train.experiments --data DIR",
        "seconds": args.seconds,
        "version": __version__,
        "date": datetime.date.today().isoformat(),
        "setup": _setup(experiment, args),
        "components": _hashes(experiment, args),
        **record,
        **told,
        "items": items,
    }
    return full, list(made.pieces)


def _hashes(experiment: Experiment, args: Namespace) -> dict[str, str]:
    return {folder: read_card(args.out / folder)["sha256"][:12] for folder in _components(experiment, args)}


def up_to_date(experiment: Experiment, args: Namespace) -> bool:
    """Whether a record of this experiment and seed was made with these settings and components."""
    path = record_path(args.results, experiment, args.seed)
    if not path.exists():
        return False
    record = json.loads(path.read_text(encoding="utf-8"))
    same = record["setup"] == _setup(experiment, args) and record["components"] == _hashes(experiment, args)
    return bool(same and record["version"] == __version__)


def _with(args: Namespace, **changes: Any) -> Namespace:
    return Namespace(**{**vars(args), **changes})


def main(argv: list[str] | None = None) -> None:
    parser = arguments(__doc__)
    parser.set_defaults(out=CHECKPOINTS)
    parser.add_argument("--results", type=Path, default=RESULTS, help="where records are written")
    parser.add_argument("--only", nargs="+", choices=TABLES, help="tables to make")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--seconds", type=float, default=CLIP_S)
    parser.add_argument("--force", action="store_true", help="make again what is up to date")
    parser.add_argument("--list", action="store_true", help="say what would be made, and stop")
    args = parser.parse_args(argv)
    jobs = [
        (experiment, _with(args, seed=seed))
        for seed in args.seeds
        for experiment in wanted(args.only)
        if experiment.kind != "retrieval" or seed == args.seeds[0]
    ]
    todo = [(e, a) for e, a in jobs if args.force or not up_to_date(e, a)]
    print(f"experiments: {len(jobs) - len(todo)} up to date, {len(todo)} to make", flush=True)
    if args.list:
        for experiment, its in todo:
            print(f"{experiment.name}, seed {its.seed}")
        return
    args.results.mkdir(parents=True, exist_ok=True)
    if todo:
        _work(todo, Desk(args))


def _work(todo: Sequence[tuple[Experiment, Namespace]], desk: Desk) -> None:
    """Make records one after the other and say how long the rest may take, by kind of experiment."""
    took: dict[str, list[float]] = {}
    for index, (experiment, its) in enumerate(todo, start=1):
        started = time.monotonic()
        record, pieces = run(experiment, its, desk)
        record["took_s"] = round(time.monotonic() - started, 1)
        text = one_line_items(json.dumps(record, indent=1, ensure_ascii=False))
        record_path(its.results, experiment, its.seed).write_text(text + "\n", encoding="utf-8")
        keep_midi(folder_of(experiment, its) / "midi", [item["key"] for item in record["items"]], pieces)
        took.setdefault(experiment.kind, []).append(record["took_s"])
        every = [seconds for times in took.values() for seconds in times]
        left = sum(float(np.mean(took.get(e.kind, every))) for e, _ in todo[index:])
        summary = record["summary"]
        print(
            f"{index}/{len(todo)} {experiment.name}, seed {its.seed}: Emotion Matching "
            f"{summary['emotion_matching']}, r {summary['r_valence']} / {summary['r_arousal']}, "
            f"{record['took_s']:.0f} s; about {left / 60:.0f} min left",
            flush=True,
        )


if __name__ == "__main__":
    main()
