"""Train a music autoencoder on the piano clips.

The card holds the teacher-forced accuracy of each field on held-out clips and the cross-entropy with the true and with
shuffled features: a feature that is not used costs nothing when shuffled.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from eimg_core.autoencoder import MusicAutoencoder
from eimg_core.data import SPLITS, Corpus, Split, load_pieces, read_eimg
from eimg_core.midi.batch import MusicSample
from eimg_core.midi.codec import FIELDS
from eimg_core.music_ae import MUSIC_AUTOENCODERS
from eimg_core.music_ae.decoder import token_cross_entropy
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

__all__ = ["TRAINED_APART", "ClipBatches", "MusicAERequest", "held_out", "samples_of", "train_music_ae"]

TRAINED_APART = {"tvae"}  # by train.composer and train.tune_composer, on more than the clips
_POOL = 8  # batches whose clips are sorted by length together, to spare padding


def samples_of(model: MusicAutoencoder, corpus: Corpus, pieces: Mapping[str, Any], *splits: Split) -> list[MusicSample]:
    """The training examples of some splits, in the order of the corpus."""
    return [model.sample(pieces[item.key], item.va) for item in corpus.split(*splits)]


class ClipBatches:
    """Shuffled, length-bucketed batches of clips."""

    def __init__(self, model: MusicAutoencoder, samples: Sequence[MusicSample], batch_size: int, seed: int) -> None:
        self.model, self.samples, self.seed = model, samples, seed
        self.batch_size = min(batch_size, len(samples))

    def __len__(self) -> int:
        return len(self.samples) // self.batch_size

    def epoch(self, index: int) -> Iterator[Any]:
        rng = np.random.default_rng([self.seed, index])
        order = rng.permutation(len(self.samples))[: len(self) * self.batch_size]
        pool = self.batch_size * _POOL
        batches = [
            rows[start : start + self.batch_size]
            for rows in (self._by_length(order[i : i + pool]) for i in range(0, len(order), pool))
            for start in range(0, len(rows), self.batch_size)
        ]
        for batch in rng.permutation(len(batches)):
            yield self.model.collate([self.samples[i] for i in batches[batch]])

    def _by_length(self, rows: Any) -> Any:
        return rows[np.argsort([len(self.samples[i]) for i in rows], kind="stable")]


@torch.no_grad()
def held_out(model: MusicAutoencoder, samples: Sequence[MusicSample], seed: int = 0) -> dict[str, float]:
    """Teacher-forced quality on clips that were not trained on.

    Returns:
        ``loss``: cross-entropy per note in nats, all fields; ``loss_shuffled_z``: the same when every clip gets the
        latent of another; ``accuracy_<field>`` and ``accuracy``, the mean over fields.
    """
    order = np.argsort([len(sample) for sample in samples], kind="stable")
    sums = dict.fromkeys(["loss", "loss_shuffled_z", *(f"accuracy_{field}" for field in FIELDS)], 0.0)
    notes = 0
    parts = np.array_split(order, min(8, len(order)))  # of similar length each, to spare padding
    latents = torch.cat([model.encode(model.collate([samples[i] for i in rows])) for rows in parts])
    shuffled = latents[torch.randperm(len(latents), generator=torch.Generator().manual_seed(seed))]
    first = 0
    for rows in parts:
        batch = model.collate([samples[i] for i in rows])
        here = slice(first, first + len(rows))
        first += len(rows)
        n = int(batch.mask.sum())
        logits, other = model.step_logits(batch, latents[here]), model.step_logits(batch, shuffled[here])
        sums["loss"] += n * float(token_cross_entropy(logits, batch.steps, batch.mask))
        sums["loss_shuffled_z"] += n * float(token_cross_entropy(other, batch.steps, batch.mask))
        for index, (field, field_logits) in enumerate(zip(FIELDS, logits, strict=True)):
            right = (field_logits.argmax(dim=-1) == batch.steps[..., index]) & batch.mask
            sums[f"accuracy_{field}"] += float(right.sum())
        notes += n
    means = {name: value / notes for name, value in sums.items()}
    return {**means, "accuracy": sum(means[f"accuracy_{field}"] for field in FIELDS) / len(FIELDS)}


@dataclass(frozen=True, kw_only=True)
class MusicAERequest(LoopRequest):
    """Which music autoencoder to train: ``key``, one of ``MUSIC_AUTOENCODERS`` that is not ``TRAINED_APART``."""

    key: str


def train_music_ae(request: MusicAERequest) -> ComponentResult:
    """Train a music autoencoder and write ``music_ae/<key>``.

    Raises:
        DataError: the clips are not there or damaged.
    """
    begin(request)
    component = f"music_ae/{request.key}"
    stage = settings_of(request, "music_ae", request.key)
    corpus = read_eimg(request.data)
    pieces = load_pieces(corpus, request.cache)
    model_class = MUSIC_AUTOENCODERS[request.key]
    model = model_class(make_config(model_class.Config, stage.model))  # type: ignore[call-arg]
    train, val, test = (samples_of(model, corpus, pieces, split) for split in SPLITS)
    numbers = fit(
        model,
        ClipBatches(model, train, stage.batch_size, request.seed),
        stage.loop,
        folder=run_folder(request, component, stage, [corpus], config=asdict(model.config)),
        evaluate=lambda m: held_out(m, val),  # type: ignore[arg-type]
        label=request.key,
    )
    metrics = {"val": numbers, "test": held_out(model, test)}
    card = card_of(request, "music_ae", request.key, stage, [corpus], metrics=metrics)
    return save_trained(request.out, component, model, card)
