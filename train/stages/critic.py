"""Train the critic of a music autoencoder: clips of the train split against pieces composed for their labels.

The pieces are takes that nobody has chosen, made by a pairing as the app makes them. The epoch is chosen on pieces for
the labels of the val split against its clips.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from eimg_core.checkpoints import half, read_card
from eimg_core.critic import CRITIC_FOLDER, Critic, CriticBatch, CriticConfig, descriptors_of
from eimg_core.data import Split, load_pieces, read_eimg
from eimg_core.errors import CheckpointError
from eimg_core.midi.batch import CLIP_S
from eimg_core.midi.notes import Piece
from eimg_core.options import ComposeOptions
from eimg_core.pipeline import Pipeline, available, split_key
from train.stages.loop import fit
from train.stages.stage import (
    ComponentResult,
    LoopRequest,
    begin,
    card_of,
    make_config,
    run_folder,
    save_tensors,
    settings_of,
)

__all__ = ["CriticBatches", "CriticRequest", "train_critic"]

_SPLITS: tuple[Split, Split] = ("train", "val")
_TAKES = 4  # of each label
_LABELS = {"full": (240, 60), "smoke": (3, 3)}  # for which pieces are composed, of train and val


@dataclass(frozen=True, kw_only=True)
class CriticRequest(LoopRequest):
    """Whose critic: ``music`` is the key of the music autoencoder."""

    music: str


class CriticBatches:
    """Half clips, half pieces, in random order; an epoch meets each of the fewer ones once.

    Args:
        real, made: descriptors, (N, D) and (M, D).
        size: of a batch.
        seed: of the order.
    """

    def __init__(self, real: Tensor, made: Tensor, size: int, seed: int) -> None:
        self.real, self.made, self.size, self.seed = real, made, size, seed
        self.each = min(len(real), len(made), size // 2)

    def __len__(self) -> int:
        return max(1, min(len(self.real), len(self.made)) // self.each)

    def epoch(self, index: int) -> Iterator[CriticBatch]:
        rng = torch.Generator().manual_seed(self.seed * 100_003 + index)
        orders = [torch.randperm(len(rows), generator=rng) for rows in (self.real, self.made)]
        for batch in range(len(self)):
            here = slice(batch * self.each, (batch + 1) * self.each)
            real, made = self.real[orders[0][here]], self.made[orders[1][here]]
            labels = torch.cat([torch.ones(len(real)), torch.zeros(len(made))])
            yield CriticBatch(torch.cat([real, made]), labels)


def train_critic(request: CriticRequest) -> ComponentResult:
    """Train the critic of a music autoencoder and write ``critic/<music>``.

    Raises:
        CheckpointError: no pairing with this music autoencoder is there.
        DataError: the clips are not there or damaged.
    """
    begin(request)
    stage = settings_of(request, "critic", request.music)
    pairings = [key for key in available(request.out) if split_key(key)[1] == request.music]
    if not pairings:
        raise CheckpointError(f"No pairing with {request.music} is trained; run `python -m train.bridge` first.")
    pipeline = Pipeline.load(pairings[0], request.out, critic=False)  # an older one must not choose
    clips = read_eimg(request.data)
    pieces = load_pieces(clips, request.cache)
    tables: dict[str, tuple[Tensor, Tensor]] = {}
    for split, labels in zip(_SPLITS, _LABELS[request.preset], strict=True):
        real = [pieces[item.key].cropped(CLIP_S) for item in clips.split(split) if item.va]
        made = _composed(pipeline, clips, split, labels, request.seed)
        tables[split] = descriptors_of(real), descriptors_of(made)
    critic = Critic(make_config(CriticConfig, stage.model))
    critic.calibrate(tables["train"][0])
    card = read_card(request.out / "music_ae" / request.music)
    depends_on = {"music": card["sha256"]}
    numbers = fit(
        critic,
        CriticBatches(*tables["train"], stage.batch_size, request.seed),
        stage.loop,
        folder=run_folder(request, f"critic/{request.music}", stage, [clips], depends_on=depends_on),
        evaluate=lambda m: _told_apart(m, *tables["val"]),  # type: ignore[arg-type]
        label=f"critic of {request.music}",
    )
    component = f"{CRITIC_FOLDER}/{request.music}"
    more: dict[str, Any] = {"config": asdict(critic.config), "depends_on": depends_on, "metrics": {"val": numbers}}
    return save_tensors(
        request.out, component, half(critic.state_dict()), card_of(request, "critic", "critic", stage, [clips], **more)
    )


def _composed(pipeline: Pipeline, clips: Any, split: Split, labels: int, seed: int) -> list[Piece]:
    items = [item for item in clips.split(split) if item.va]
    made: list[Piece] = []
    for index, item in enumerate(tqdm(items[:: max(1, len(items) // labels)][:labels], desc=f"composing, {split}")):
        options = replace(ComposeOptions(seed * 100_003 + index, CLIP_S, item.va.clamped()), takes=_TAKES)
        made += [take.piece for take in pipeline.compose(None, None, options).takes]
    return [piece for piece in made if piece.notes]


@torch.no_grad()
def _told_apart(critic: Critic, real: Tensor, made: Tensor) -> dict[str, float]:
    """Cross-entropy on held-out clips and pieces, each set counting half, and how often their order is right."""
    of_real, of_made = critic(real), critic(made)
    nats = (F.softplus(-of_real).mean() + F.softplus(of_made).mean()) / 2
    return {"loss": float(nats), "auc": float((of_real[:, None] > of_made).float().mean())}
