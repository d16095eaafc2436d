"""Pretrain the planning composer on all piano music at hand, or train the clean composer.

Passages of sixteen bars of EMOPIA, POP909, Mutopia and the Lieder, and the clips of EIMG, all annotated once
(``train.data.passages``). Clips have their labels; passages have the estimates of the guide. An epoch of the loop
sees a quarter of a round, so that states and evaluations come often; bars on either side of a window's edge meet in the
next round, whose windows begin half a window later.

The clean composer sees Mutopia and the Lieder alone, which are in the public domain or under CC BY and CC0. Its labels
are those of published rules (``eimg_core.va.rules``): nothing that it learns from goes back to EIMG or EMOPIA.
"""

from __future__ import annotations

import hashlib
import math
import os
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from eimg_core.annotation.returns import EXACT
from eimg_core.checkpoints import read_card
from eimg_core.emotion import VA
from eimg_core.licences import CLEAN_COMPOSER
from eimg_core.midi.bar_codec import END, TUNE
from eimg_core.midi.batch import CLIP_S
from eimg_core.midi.notes import Piece
from eimg_core.music_ae import plan
from eimg_core.music_ae.plan_examples import CORPORA as STYLES
from eimg_core.music_ae.plan_examples import PlanBatch, PlanSample
from eimg_core.music_ae.plan_relations import NONE
from eimg_core.music_ae.tvae import TransformerVAE, TransformerVAEConfig
from eimg_core.va.guide import GUIDE_FOLDER, Guide
from eimg_core.va.rules import STANDARDS, Rules
from train.data.passages import CORPORA, KeptPassage, passages_of
from train.stages.loop import fit
from train.stages.stage import (
    ComponentResult,
    LoopRequest,
    begin,
    card_of,
    make_config,
    run_folder,
    save_trained,
    settings_of,
)

__all__ = [
    "SMOKE",
    "ComposerRequest",
    "Window",
    "WindowBatches",
    "bucketed",
    "held_out",
    "pieces_of",
    "pretrain_composer",
    "spans_of",
    "split_windows",
    "windows_of",
]

_WINDOW = 16  # bars
_STEP = _WINDOW // 2  # between the starts of windows
_PARTS = 4  # of the data, one for each epoch of the loop
_HALVED = ("lieder",)  # accompaniments without the sung tune: half of them in each round
_POOL = 8  # batches whose passages are sorted by length together, to spare padding
_MOST_STEPS = 700  # of a window; fuller ones are cut by whole bars
_MOST_HELD = 96  # windows of each corpus, for evaluation
SMOKE = 12  # items of each corpus
_CLEAN = ("mutopia", "lieder")  # what may be used for anything


@dataclass(frozen=True)
class Window:
    """Some bars of a passage, with a label or an estimate, ``None`` where it has neither."""

    kept: KeptPassage
    first: int
    bars: int
    va: VA | None

    def sample(self) -> PlanSample:
        return self.kept.passage.sample(self.first, self.bars, self.va)


Span = tuple[KeptPassage, int, int]  # a passage, the first of some bars, and how many


def windows_of(kept: Sequence[KeptPassage], estimator: Guide | Rules, cache: Path | None = None) -> list[Window]:
    """All windows of passages of one corpus.

    Args:
        kept: the passages.
        estimator: estimates the emotion of windows without a label.
        cache: file for its estimates; ``None`` keeps none.
    """
    spans = spans_of(kept)
    unlabelled = [span for span in spans if span[0].va is None]
    estimates = iter(_estimates(unlabelled, estimator, cache).tolist() if unlabelled else ())
    return [Window(one, first, bars, one.va or _point(next(estimates))) for one, first, bars in spans]


def spans_of(kept: Sequence[KeptPassage]) -> list[Span]:
    """Where the windows of some passages are; clips with labels are windows as a whole."""
    spans: list[Span] = []
    for one in kept:
        bars = one.passage.bars
        starts = [0] if one.va is not None or bars <= _WINDOW else range(0, bars - _STEP, _STEP)
        for first in starts:
            span = _cut(one, first, min(2 * _WINDOW if one.va else _WINDOW, bars - first))
            if span:
                spans.append((one, first, span))
    return spans


def pieces_of(spans: Sequence[Span]) -> list[Piece]:
    """What is estimated of windows: their first 15 s."""
    return [one.passage.piece(first, bars).cropped(CLIP_S) for one, first, bars in spans]


def _point(estimate: list[float]) -> VA | None:
    """An estimate as a point; ``None`` where the guide has none."""
    return None if any(map(math.isnan, estimate)) else VA(*estimate)


def _cut(kept: KeptPassage, first: int, bars: int) -> int:
    """How many of so many bars fit into an example; 0 where nothing sounds in them."""
    passage = kept.passage
    inside = (passage.bar >= first) & (passage.bar < first + bars)
    counts = np.bincount(passage.bar[inside] - first, minlength=bars).cumsum()
    while bars > 1 and counts[bars - 1] > _MOST_STEPS:
        bars -= 1
    return bars if counts[bars - 1] > 3 * bars else 0  # an empty bar has three ends


def _estimates(spans: Sequence[Span], estimator: Guide | Rules, cache: Path | None) -> NDArray[np.float64]:
    """Valence and arousal of each span on 1-9, (N, 2)."""
    try:
        if cache:
            with np.load(cache, allow_pickle=False) as file:
                if len(file["estimates"]) == len(spans):
                    return file["estimates"]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        pass
    points = []
    for start in tqdm(range(0, len(spans), 256), desc="estimating emotions", unit="x 256"):
        points.append(estimator.estimate_many(pieces_of(spans[start : start + 256])))
    estimates = np.clip(np.concatenate(points), 1.0, 9.0)
    if cache:
        part = cache.with_name(f".{cache.name}.{os.getpid()}.part")
        with part.open("wb") as file:
            np.savez_compressed(file, estimates=estimates)
        part.replace(cache)
    return estimates


class WindowBatches:
    """Shuffled, length-bucketed batches; an epoch is a quarter of a round. A round sees every bar once, and every
    other song.

    Args:
        windows: to draw from.
        batch_size: examples of a batch.
        seed: of the order.
    """

    def __init__(self, windows: Sequence[Window], batch_size: int, seed: int) -> None:
        self.windows, self.batch_size, self.seed = windows, batch_size, seed
        self.turns = [self._of_turn(turn) for turn in range(4)]
        self.batches = max(1, min(len(rows) for rows in self.turns) // (_PARTS * batch_size))

    def _of_turn(self, turn: int) -> NDArray[np.int64]:
        """Windows that begin at even or at odd steps, and those that stand alone; of the songs every other one."""
        passages: dict[int, int] = {}
        chosen = []
        for index, window in enumerate(self.windows):
            passage = window.kept.passage
            number = passages.setdefault(id(passage), len(passages))
            alone = window.kept.va is not None or passage.bars <= _WINDOW
            halved = STYLES[passage.corpus] in _HALVED and number % 2 != turn // 2
            if not halved and (alone or window.first // _STEP % 2 == turn % 2):
                chosen.append(index)
        return np.array(chosen)

    def __len__(self) -> int:
        return self.batches

    def epoch(self, index: int) -> Iterator[PlanBatch]:
        turn, part = divmod(index, _PARTS)
        order = np.random.default_rng([self.seed, turn]).permutation(self.turns[turn % 4])
        rng = np.random.default_rng([self.seed, turn, part])
        size = self.batches * self.batch_size
        order = order[part * size : (part + 1) * size]
        if len(order) < self.batch_size:
            order = np.resize(order, self.batch_size)
        yield from bucketed([self.windows[i].sample() for i in order], self.batch_size, rng)


def bucketed(samples: Sequence[PlanSample], batch_size: int, rng: np.random.Generator) -> Iterator[PlanBatch]:
    """Batches of samples of about the same length, which spares padding, in random order."""
    pool = batch_size * _POOL
    batches = []
    for start in range(0, len(samples), pool):
        rows = sorted(samples[start : start + pool], key=len)
        batches += [rows[i : i + batch_size] for i in range(0, len(rows), batch_size)]
    for at in rng.permutation(len(batches)):
        yield PlanBatch.of(batches[at])


@torch.no_grad()
def held_out(model: TransformerVAE, windows: Sequence[Window], seed: int = 0) -> dict[str, float]:
    """Cross-entropies in nats on windows that were not trained on.

    Returns:
        ``loss``: per step, all fields, the mean over corpora; ``loss_<corpus>``; ``plan_<corpus>``: of the plan, per
        bar; ``tune_pitch``, and the same ``_shuffled`` and ``_uncopied``: of a tune's pitches under their plan, under
        that of another passage, and without the notes of the bars taken up; ``exact``: how often the likeliest note is
        the one copied where it should be.
    """
    sums: dict[str, list[float]] = {}

    def add(name: str, total: float, count: float) -> None:
        pair = sums.setdefault(name, [0.0, 0.0])
        pair[0] += total
        pair[1] += count

    groups: dict[tuple[int, int], list[PlanSample]] = {}
    for window in sorted(windows, key=lambda w: w.bars):
        sample = window.sample()
        groups.setdefault((sample.corpus, sample.meter), []).append(sample)
    for (corpus, _), samples in groups.items():
        samples.sort(key=len)
        for start in range(0, len(samples), 16):
            _measure(model, PlanBatch.of(samples[start : start + 16]), STYLES[corpus], add)
    means = {name: total / max(count, 1.0) for name, (total, count) in sums.items()}
    losses = [value for name, value in means.items() if name.startswith("loss_")]
    return {"loss": float(np.mean(losses)), **means}


def _measure(model: TransformerVAE, batch: PlanBatch, corpus: str, add: Any) -> None:
    """The numbers of ``held_out`` for one batch of one corpus and meter."""
    mu, _, _ = model.read(batch)
    logits = model.write(batch, mu, batch.va)
    fields = model.step_losses(logits, batch)
    mask = batch.mask
    add(f"loss_{corpus}", float((fields.sum(dim=0) * mask).sum()), float(mask.sum()))
    idea = model.decoder.plan_header.idea(mu, batch.va, batch.corpus, batch.minor)
    plans = model.plan_losses(batch, model.decoder.plan_header(idea, batch.tempo, batch.meter))
    add(f"plan_{corpus}", float(plans.sum()) * len(mu), len(mu))
    sung = mask & (batch.stream == TUNE) & (batch.steps[..., 0] != END)
    add("tune_pitch", float((fields[1] * sung).sum()), float(sung.sum()))
    shuffled = replace(batch, rows=batch.rows.roll(1, dims=0))
    chords = shuffled.rows[..., plan.CHORD].gather(1, batch.before[:, None] + batch.bar)
    none = replace(batch, around=batch.around.masked_fill(torch.arange(6) < 3, NONE))
    for name, other in (("shuffled", replace(shuffled, chord=chords)), ("uncopied", none)):
        nats = model.step_losses(model.write(other, mu, batch.va), batch)[1]
        add(f"tune_pitch_{name}", float((nats * sung).sum()), float(sung.sum()))
    kinds = batch.rows[..., plan.KIND].gather(1, batch.before[:, None] + batch.bar)
    copies = mask & (kinds == EXACT) & (batch.around[..., 0] == batch.steps[..., 0]) & (batch.steps[..., 0] != END)
    copies &= batch.around[..., 1] == batch.steps[..., 1]
    right = (logits[0].argmax(-1) == batch.steps[..., 0]) & (logits[1].argmax(-1) == batch.steps[..., 1])
    add("exact", float((right & copies).sum()), float(copies.sum()))


@dataclass(frozen=True, kw_only=True)
class ComposerRequest(LoopRequest):
    """Which music to learn from.

    Args:
        leave_out: data sets not to learn from, of ``train.data.passages.CORPORA``.
        clean: whether to train the clean composer, on those of them that may be used for anything.
    """

    leave_out: Sequence[str] = ()
    clean: bool = False


def split_windows(
    names: Sequence[str], request: ComposerRequest, estimator: Guide | Rules
) -> tuple[list[Window], list[Window]]:
    """The windows of some corpora to train on, and some that are held out, as many of each corpus.

    The guide's estimates are kept in a cache; those of the rules take seconds.
    """
    train: list[Window] = []
    held: list[Window] = []
    few = SMOKE if request.preset == "smoke" else None
    for name in names:
        kept = passages_of(name, request.data, request.cache, most=few)
        file = request.cache / f"estimates-{name}{'' if few is None else f'-{few}'}.npz"
        windows = windows_of(kept, estimator, file if isinstance(estimator, Guide) else None)
        train += [window for window in windows if window.kept.split == "train"]
        apart = [window for window in windows if window.kept.split == "val"]
        held += apart[:: max(1, len(apart) // _MOST_HELD)][:_MOST_HELD]
    return train, held


def pretrain_composer(request: ComposerRequest) -> ComponentResult:
    """Pretrain tvae; its state, its weights and their card are in ``composer/tvae`` under the runs.

    The clean composer has its state in ``composer/tvae_clean`` and is the component ``music_ae/tvae_clean``.

    Raises:
        DataError: a data set is not there or damaged.
        CheckpointError: the guide, which labels what has no labels, is missing; the clean composer needs none.
        ValueError: every data set is left out.
    """
    begin(request)
    stage = settings_of(request, "composer", "tvae")
    names = [n for n in CORPORA if n not in request.leave_out and (n in _CLEAN or not request.clean)]
    if not names:
        raise ValueError("no data set is left to learn from; leave fewer out")
    estimator: Guide | Rules
    if request.clean:
        stage = replace(stage, model={**stage.model, "style": names[0], "dynamics": False})
        run, learnt_from = "tvae_clean", {"rules": hashlib.sha256(STANDARDS.read_bytes()).hexdigest()}
        estimator = Rules()
    else:
        run, learnt_from = "tvae", {"guide": read_card(request.out / GUIDE_FOLDER)["sha256"]}
        estimator = Guide.load(request.out)
    train, held = split_windows(names, request, estimator)
    model = TransformerVAE(make_config(TransformerVAEConfig, stage.model))
    corpora = [CORPORA[name](request.data) for name in names]
    numbers = fit(
        model,
        WindowBatches(train, min(stage.batch_size, len(train)), request.seed),
        stage.loop,
        folder=run_folder(request, f"composer/{run}", stage, corpora, **learnt_from),
        evaluate=(lambda m: held_out(m, held)) if held else None,  # type: ignore[arg-type]
        label=f"{run}, pretraining",
    )
    card = card_of(request, "music_ae", "tvae", stage, corpora, metrics={"val": numbers})
    if request.clean:
        card["labels"] = "published rules of music psychology, see eimg_core/va/rules.py"
        return save_trained(request.out, CLEAN_COMPOSER, model, card)
    return save_trained(request.runs, f"composer/{run}", model, card)
