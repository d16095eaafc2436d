"""What ``evaluate-midi`` says of real clips, of EMOPIA, and of the files of every baseline.

Takes MIDI files as anybody would hand them over: the held-out clips with their labels, EMOPIA with its quadrants, and
what the baselines wrote for the photos of the test split, which ``train.evaluation.experiments`` keeps with its runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from eimg_core.data import Corpus, read_eimg, read_emopia, read_oasis
from eimg_core.midi.batch import CLIP_S
from eimg_core.midi_evaluation import FileEvaluator, Label, summarise
from eimg_core.va.evaluator import EVALUATOR_FOLDER, Evaluator
from train.evaluation.experiments import EXPERIMENTS, midi_folder, result_path, slug
from train.evaluation.result import MeasureRequest, dependencies, digest_of, is_current, write_result
from train.stages.stage import use_threads

__all__ = ["MidiEvaluationRequest", "evaluate_folders"]

_BASELINES = ("tf_im", "gan_im", "direct", "retrieval")


@dataclass(frozen=True, kw_only=True)
class MidiEvaluationRequest(MeasureRequest):
    """What to evaluate; ``seed`` is that of the baselines' files."""

    seed: int = 0


@dataclass(frozen=True)
class _Folder:
    """Files, and the labels of those that have one."""

    name: str
    title: str
    corpus: Corpus
    files: Sequence[Path]
    labels: Mapping[str, Label]
    made_by: str = ""  # what the files depend on, where they are no data set's


def _folders(request: MidiEvaluationRequest) -> Iterator[_Folder]:
    clips = read_eimg(request.data)
    tests = clips.split("test")
    labels = {item.key: Label(item.va, "") for item in tests if item.va}
    yield _Folder("clips", "held-out clips", clips, [item.path for item in tests], labels)
    emopia = read_emopia(request.data)
    quadrants = {item.key: Label(None, item.quadrant or "") for item in emopia.items}
    yield _Folder("emopia", "EMOPIA, all clips", emopia, [item.path for item in emopia.items], quadrants)
    photos = read_oasis(request.data)
    labels = {
        f"{Path(item.key).stem}.mid": Label(item.va, item.va.quadrant) for item in photos.split("test") if item.va
    }
    for experiment in (one for one in EXPERIMENTS if one.kind in _BASELINES):
        files = sorted(midi_folder(request.runs, experiment, request.seed).glob("*.mid"))
        result = result_path(request.results, experiment, request.seed)
        if files and result.is_file():
            title = f"{experiment.name}, seed {request.seed}"
            yield _Folder(slug(experiment.name), title, photos, files, labels, digest_of(result))


def evaluate_folders(request: MidiEvaluationRequest) -> list[Path]:
    """Write one result per folder of files.

    Returns:
        The results that were written; those that are current are left alone.
    Raises:
        CheckpointError, DataError: the evaluator or a data set is missing or damaged.
    """
    use_threads(request.threads)
    evaluator, written = EVALUATOR_FOLDER.as_posix(), []
    for folder in _folders(request):
        path = request.results / f"midi-evaluation-{folder.name}.json"
        settings = {"seconds": CLIP_S, "made_by": folder.made_by}
        now = dependencies("midi_evaluation", request.components, [evaluator], [folder.corpus], **settings)
        if request.force or not is_current(path, now):
            evaluation = FileEvaluator(Evaluator.load(request.components), CLIP_S)
            summary = summarise([evaluation.evaluate(file, folder.labels.get(file.name)) for file in folder.files])
            numbers = {"title": folder.title, "summary": summary}
            write_result(path, "python -m train.midi_evaluation --data DIR", now, numbers)
            written.append(path)
    return written
