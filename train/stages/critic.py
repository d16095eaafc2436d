"""Train the critic of a music autoencoder: clips of the train split against takes composed for their labels.

The takes are made by a pairing as the app makes them. The first round of trees is grown against all of them; each later
round against those that would be kept by distance, strain and the rounds before. How well the critic tells pieces for
the labels of the val split from its clips is written into its card.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from eimg_core.checkpoints import read_card
from eimg_core.composer import Take
from eimg_core.critic import CRITIC_FOLDER, LEAF, Critic, CriticConfig, Trees, descriptors_of
from eimg_core.data import Split, load_pieces, read_eimg
from eimg_core.errors import CheckpointError
from eimg_core.midi.batch import CLIP_S
from eimg_core.options import ComposeOptions
from eimg_core.pipeline import Pipeline, available, split_key
from eimg_core.takes import best_take
from train.stages.stage import (
    ComponentResult,
    SeededRequest,
    begin,
    choices_of,
    save_trained,
    trained_on,
)

__all__ = ["CriticRequest", "Pool", "grow", "train_critic"]

_LABELS: dict[str, dict[Split, int]] = {"full": {"train": 300, "val": 60}, "smoke": {"train": 3, "val": 3}}
_TAKES = 8  # of each label
_RATE = 0.06  # of a tree's part in the logit
_FEWEST = 10  # pieces of a leaf
_SHARE = 0.7  # of the pieces that a tree sees


@dataclass(frozen=True, kw_only=True)
class CriticRequest(SeededRequest):
    """Whose critic: ``music`` is the key of the music autoencoder."""

    music: str


@dataclass(frozen=True)
class Pool:
    """Takes of some labels, and their descriptors.

    Attributes:
        takes: those of each label.
        descriptors: of the takes of each label, (takes, D) each.
    """

    takes: list[list[Take]]
    descriptors: list[Tensor]

    @property
    def all(self) -> Tensor:
        """The descriptors of all takes, (N, D)."""
        return torch.cat(self.descriptors)

    def kept(self, critic: Critic | None) -> Tensor:
        """The descriptors of the takes that would be kept with a critic, one of each label: (labels, D)."""
        rows = []
        for takes, descriptors in zip(self.takes, self.descriptors, strict=True):
            realness = critic(descriptors).tolist() if critic else [0.0] * len(takes)
            weighed = [replace(take, realness=logit) for take, logit in zip(takes, realness, strict=True)]
            rows.append(descriptors[weighed.index(best_take(weighed))])
        return torch.stack(rows)


def train_critic(request: CriticRequest) -> ComponentResult:
    """Train the critic of a music autoencoder and write ``critic/<music>``.

    Raises:
        CheckpointError: no pairing with this music autoencoder is there.
        DataError: the clips are not there or damaged.
    """
    begin(request)
    pairings = [key for key in available(request.out) if split_key(key)[1] == request.music]
    if not pairings:
        raise CheckpointError(f"No pairing with {request.music} is trained; run `python -m train.bridge` first.")
    pipeline = Pipeline.load(pairings[0], request.out, critic=False)  # an older one must not choose
    clips = read_eimg(request.data)
    pieces = load_pieces(clips, request.cache)
    real = {
        split: descriptors_of([pieces[item.key].cropped(CLIP_S) for item in clips.split(split) if item.va])
        for split in _LABELS[request.preset]
    }
    pools = {
        split: _composed(pipeline, clips, split, labels, request.seed)
        for split, labels in _LABELS[request.preset].items()
    }
    config = CriticConfig.tiny() if request.preset == "smoke" else CriticConfig()
    critic = grow(real["train"], pools["train"], config, request.seed)
    numbers = {
        "auc_of_all_takes": _told_apart(critic, real["val"], pools["val"].all),
        "auc_of_kept_takes": _told_apart(critic, real["val"], pools["val"].kept(critic)),
    }
    card = {
        "kind": "critic",
        "key": "critic",
        **choices_of(request),
        "trained_on": trained_on([clips]),
        "takes": {split: len(pool.all) for split, pool in pools.items()},
        "date": datetime.date.today().isoformat(),
        "config": asdict(config),
        "depends_on": {"music": read_card(request.out / "music_ae" / request.music)["sha256"]},
        "metrics": {"val": numbers},
    }
    return save_trained(request.out, f"{CRITIC_FOLDER}/{request.music}", critic, card)


def grow(real: Tensor, pool: Pool, config: CriticConfig, seed: int) -> Critic:
    """A critic that tells real pieces from takes.

    Args:
        real: descriptors of real pieces, (N, D).
        pool: the takes.
        config: how many rounds and trees.
        seed: of which pieces each tree sees.
    """
    critic = Critic(replace(config, rounds=1))
    critic.calibrate(real)
    planted: list[Trees] = []
    for number in range(config.rounds):
        made = pool.kept(critic) if planted else pool.all
        planted.append(_boosted(critic.inputs(real), critic.inputs(made), config, seed + number))
        critic = Critic(replace(config, rounds=len(planted)))
        critic.calibrate(real)
        for index, trees in enumerate(planted):
            critic.plant(index, trees)
    return critic.eval()


def _boosted(real: Tensor, made: Tensor, config: CriticConfig, seed: int) -> Trees:
    """Boosted trees that tell rows of inputs apart, each set counting half."""
    from sklearn.ensemble import GradientBoostingClassifier  # of requirements-dev.txt

    model = GradientBoostingClassifier(
        n_estimators=config.trees, learning_rate=_RATE, max_depth=None, max_leaf_nodes=config.leaves,
        min_samples_leaf=min(_FEWEST, len(made)), subsample=_SHARE, init="zero", random_state=seed,
    )  # fmt: skip
    is_real = np.arange(len(real) + len(made)) < len(real)
    weights = np.where(is_real, 0.5 / len(real), 0.5 / len(made)) * len(is_real)
    model.fit(torch.cat([real, made]).numpy(), is_real, sample_weight=weights)
    shape = (config.trees, config.nodes)
    trees = Trees(
        torch.full(shape, LEAF), torch.zeros(shape), torch.zeros(shape, dtype=torch.int64),
        torch.zeros(shape, dtype=torch.int64), torch.zeros(shape),
    )  # fmt: skip
    for row, (estimator,) in enumerate(model.estimators_):
        tree = estimator.tree_
        nodes = slice(tree.node_count)
        is_leaf = torch.from_numpy(tree.children_left == tree.children_right)
        trees.feature[row, nodes] = torch.where(is_leaf, LEAF, torch.from_numpy(tree.feature))
        trees.threshold[row, nodes] = torch.from_numpy(tree.threshold).float()
        trees.low[row, nodes] = torch.from_numpy(tree.children_left).clamp_min(0)
        trees.high[row, nodes] = torch.from_numpy(tree.children_right).clamp_min(0)
        trees.value[row, nodes] = _RATE * torch.from_numpy(tree.value[:, 0, 0]).float() * is_leaf
    return trees


def _composed(pipeline: Pipeline, clips: Any, split: Split, labels: int, seed: int) -> Pool:
    items = [item for item in clips.split(split) if item.va]
    pool = Pool([], [])
    for index, item in enumerate(tqdm(items[:: max(1, len(items) // labels)][:labels], desc=f"composing, {split}")):
        options = replace(ComposeOptions(seed * 100_003 + index, CLIP_S, item.va.clamped()), takes=_TAKES)
        takes: Sequence[Take] = [t for t in pipeline.compose(None, None, options).takes if t.piece.notes]
        if takes:
            pool.takes.append(list(takes))
            pool.descriptors.append(descriptors_of([take.piece for take in takes]))
    return pool


def _told_apart(critic: Critic, real: Tensor, made: Tensor) -> float:
    """How often a clip has a higher logit than a piece, 0-1."""
    return float((critic(real)[:, None] > critic(made)).float().mean())
