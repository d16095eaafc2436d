"""Fine-tune the pretrained planning composer on clips with labels, beside some of the music that it learnt from.

A batch holds clips of EIMG with their labels, clips transformed for the empty corners of the plane
(``train.data.corners``), and windows of all corpora with estimates, in fixed shares. The weights that predict held-out
clips of EIMG best are kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from eimg_core.checkpoints import read_card
from eimg_core.errors import CheckpointError
from eimg_core.music_ae.plan_examples import PlanBatch
from eimg_core.music_ae.tvae import TransformerVAE, TransformerVAEConfig
from eimg_core.va.guide import GUIDE_FOLDER, Guide
from train.data.corners import corner_passages
from train.data.passages import CORPORA
from train.stages.composer import SMOKE, ComposerRequest, Window, bucketed, held_out, split_windows, windows_of
from train.stages.loop import fit
from train.stages.stage import ComponentResult, begin, card_of, make_config, run_folder, save_trained, settings_of

__all__ = ["SHARES", "MixedBatches", "tune_composer"]

SHARES = (0.7, 0.1, 0.2)  # of a batch: clips with labels, transformed clips, everything
_BATCHES = 100  # of an epoch of the loop


class MixedBatches:
    """Epochs with fixed shares of several sets of windows, each of which is gone through in an order of its own.

    Args:
        sets: of windows; empty ones leave their share to the last.
        shares: of an epoch, one for each set, 1 together.
        batch_size: examples of a batch.
        batches: of an epoch.
        seed: of the orders.
    """

    def __init__(
        self, sets: Sequence[Sequence[Window]], shares: Sequence[float], batch_size: int, batches: int, seed: int
    ) -> None:
        self.sets, self.batch_size, self.batches, self.seed = sets, batch_size, batches, seed
        counts = [round(batch_size * share) if windows else 0 for windows, share in zip(sets, shares, strict=True)]
        self.counts = [*counts[:-1], batch_size - sum(counts[:-1])]

    def __len__(self) -> int:
        return self.batches

    def epoch(self, index: int) -> Iterator[PlanBatch]:
        windows = [
            window
            for number, count in enumerate(self.counts)
            for window in self._drawn(number, index * self.batches * count, self.batches * count)
        ]
        rng = np.random.default_rng([self.seed, index])
        samples = [windows[at].sample() for at in rng.permutation(len(windows))]
        yield from bucketed(samples, self.batch_size, rng)

    def _drawn(self, number: int, first: int, count: int) -> Iterator[Window]:
        """So many windows of a set from the ``first``-th drawn on; every round through it has another order."""
        windows = self.sets[number]
        order, rounds = np.empty(0, dtype=np.int64), -1
        for at in range(first, first + count):
            if at // len(windows) != rounds:
                rounds = at // len(windows)
                order = np.random.default_rng([self.seed, number, rounds]).permutation(len(windows))
            yield windows[order[at % len(windows)]]


def tune_composer(request: ComposerRequest) -> ComponentResult:
    """Fine-tune tvae, wherever its pretraining stands, and write it as the component ``music_ae/tvae``.

    Raises:
        CheckpointError: it was not pretrained with these settings, or the guide is missing.
        DataError: a data set is not there or damaged.
    """
    begin(request)
    stage = settings_of(request, "composer_tuning", "tvae")
    model = TransformerVAE(make_config(TransformerVAEConfig, stage.model))
    pretrained = _begin_with_pretrained(model, request)
    guide, few = Guide.load(request.out), SMOKE if request.preset == "smoke" else None
    names = [name for name in CORPORA if name not in request.leave_out]
    train, held = split_windows(names, request, guide)
    labelled = [window for window in train if window.kept.va is not None]
    moved = corner_passages(request.data, request.cache, guide, request.seed, **({"most": few} if few else {}))
    corners = windows_of(moved, guide, request.cache / "no-estimates.npz")
    corpora = [CORPORA[name](request.data) for name in names]
    learnt_from = {"guide": read_card(request.out / GUIDE_FOLDER)["sha256"], "pretrained": pretrained}
    model.config = replace(model.config, kl_full=1)  # its warm-up is over
    numbers = fit(
        model,
        MixedBatches(
            (labelled, corners, train), SHARES, stage.batch_size, _BATCHES if few is None else 4, request.seed
        ),
        stage.loop,
        folder=run_folder(request, "composer_tuning/tvae", stage, corpora, **learnt_from),
        evaluate=lambda m: held_out(m, [w for w in held if w.kept.va is not None]),  # type: ignore[arg-type]
        label="tvae, fine-tuning",
    )
    model.config = make_config(TransformerVAEConfig, stage.model)
    more = {"moved": len(corners), "pretrained": pretrained, "metrics": {"val": numbers}}
    return save_trained(
        request.out, "music_ae/tvae", model, card_of(request, "music_ae", "tvae", stage, corpora, **more)
    )


def _begin_with_pretrained(model: TransformerVAE, request: ComposerRequest) -> dict[str, Any]:
    """Load the averaged weights that pretraining has reached; returns what the card says of it."""
    stage = settings_of(request, "composer", "tvae")
    path = request.runs / "composer" / "tvae" / "state.pt"
    if not path.exists():
        raise CheckpointError("tvae is not pretrained yet; run `python -m train.composer --data DIR` first.")
    state = torch.load(path, weights_only=True)
    model.load_state_dict(state["average"] or state["model"])
    return {"steps": int(state["step"]), "batch_size": stage.batch_size, "learning_rate": stage.loop.learning_rate}
