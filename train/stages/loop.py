"""The one training loop: objectives, optimisers, a progress bar, checkpoints, exact resume.

Everything random in step *s* follows from (seed, s), so a run that was killed and resumed makes the same steps as one
that was not. The state is kept under ``runs/`` every few minutes; what is shipped is written by the caller.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor
from tqdm import tqdm

from eimg_core.trainable import Trainable

__all__ = ["Batches", "LoopConfig", "fit"]


class Batches(Protocol):
    """Batches of one epoch, the same for the same (seed, epoch)."""

    def __len__(self) -> int: ...

    def epoch(self, index: int) -> Iterable[Any]: ...


@dataclass(frozen=True)
class LoopConfig:
    """How to train.

    Args:
        epochs: passes over the data.
        learning_rate: peak of the cosine schedule, of every group.
        warmup_steps: linear rise from 0 to the peak.
        gradient_clip: largest norm of a group's gradient.
        momentum: β₁ of AdamW; 0 where two networks play against each other.
        weight_decay: of AdamW.
        bfloat16: compute the losses in mixed precision, twice as fast for convolutions; weights stay float32.
        average: decay of the moving average of the weights that is evaluated and shipped; 0 ships the weights
            themselves.
        evaluate_every: epochs between two evaluations.
        save_every_s: seconds between two saved states.
        seed: of everything random.
    """

    epochs: int = 50
    learning_rate: float = 1e-3
    warmup_steps: int = 100
    gradient_clip: float = 1.0
    momentum: float = 0.9
    weight_decay: float = 0.0
    bfloat16: bool = False
    average: float = 0.0
    evaluate_every: int = 1
    save_every_s: float = 120.0
    seed: int = 0


def _rate(step: int, total: int, config: LoopConfig) -> float:
    """Cosine schedule with a linear warm-up, as a share of the peak."""
    if step < config.warmup_steps:
        return (step + 1) / config.warmup_steps
    progress = (step - config.warmup_steps) / max(1, total - config.warmup_steps)
    return 0.5 * (1.0 + math.cos(math.pi * min(1.0, progress)))


def _follow(average: dict[str, Tensor], now: Mapping[str, Tensor], decay: float) -> None:
    """Move the moving average; the caller lowers ``decay`` early on, so that the first random weights are forgotten."""
    for name, value in now.items():
        if value.is_floating_point():
            average[name].lerp_(value, 1 - decay)
        else:
            average[name].copy_(value)


def _save(path: Path, state: Mapping[str, Any]) -> None:
    part = path.with_suffix(".part")
    torch.save(dict(state), part)
    os.replace(part, path)


def fit(
    model: Trainable,
    batches: Batches,
    config: LoopConfig,
    *,
    folder: Path,
    evaluate: Callable[[Trainable], Mapping[str, float]] | None = None,
    monitor: str = "loss",
    label: str = "",
) -> dict[str, float]:
    """Train ``model`` in place; it ends with the weights that evaluated best (lowest ``monitor``).

    Args:
        model: says its objectives and parameter groups.
        batches: the training data.
        config: epochs, rates, seed.
        folder: for ``state.pt`` and ``log.jsonl``; a state found there is continued.
        evaluate: numbers of a model in eval mode on held-out data; without it the last weights are kept.
        monitor: which of those numbers decides; "" keeps the last weights.
        label: shown by the progress bar.
    Returns:
        The evaluation of the weights that were kept, with ``epoch``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    objectives = model.objectives()
    optimizers = {
        name: torch.optim.AdamW(
            [p for module in modules for p in module.parameters() if p.requires_grad],
            lr=config.learning_rate,
            betas=(config.momentum, 0.98),
            weight_decay=config.weight_decay,
            fused=True,
        )
        for name, modules in model.parameter_groups().items()
    }
    average = {k: v.detach().clone() for k, v in model.state_dict().items()} if config.average else {}
    best: dict[str, Any] = {"score": math.inf, "numbers": {}, "weights": {}}
    step, total = 0, config.epochs * len(batches)
    state_path = folder / "state.pt"
    if state_path.exists():
        state = torch.load(state_path, weights_only=True)
        model.load_state_dict(state["model"])
        for name, optimizer in optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
        step, best, average = state["step"], state["best"], state["average"]

    def state_now() -> dict[str, Any]:
        return {
            "model": model.state_dict(),
            "optimizers": {name: optimizer.state_dict() for name, optimizer in optimizers.items()},
            "step": step,
            "best": best,
            "average": average,
        }

    def judged() -> None:
        nonlocal best
        trained = {k: v.detach().clone() for k, v in model.state_dict().items()}
        if average:
            model.load_state_dict(average)
        model.eval()
        numbers = dict(evaluate(model)) if evaluate else {}
        score = numbers.get(monitor, -float(step))
        log.write(json.dumps({"step": step, "epoch": step // len(batches), "held_out": numbers}) + "\n")
        if score < best["score"]:
            kept = {k: v.detach().clone() for k, v in model.state_dict().items()}
            best = {"score": score, "numbers": {**numbers, "epoch": step / len(batches)}, "weights": kept}
        model.load_state_dict(trained)

    saved_at = time.monotonic()

    def save_in_time() -> None:
        nonlocal saved_at
        if time.monotonic() - saved_at > config.save_every_s:
            _save(state_path, state_now())
            saved_at = time.monotonic()

    with (folder / "log.jsonl").open("a", encoding="utf-8") as log:
        bar = tqdm(total=total, initial=step, desc=label, unit="step", mininterval=2.0, smoothing=0.02)
        for epoch in range(step // len(batches), config.epochs):
            model.train()
            sums: dict[str, float] = defaultdict(float)
            first = step - epoch * len(batches)
            for index, batch in enumerate(batches.epoch(epoch)):
                if index < first:
                    continue
                torch.manual_seed(config.seed * 1_000_003 + step)  # dropout and sampling noise of this very step
                for objective in objectives:
                    model.zero_grad(set_to_none=True)
                    with torch.autocast("cpu", torch.bfloat16, enabled=config.bfloat16):
                        terms = objective.loss(batch, step)
                    terms.total.backward()
                    for group in objective.groups:
                        optimizer = optimizers[group]
                        parameters: list[Tensor] = optimizer.param_groups[0]["params"]
                        torch.nn.utils.clip_grad_norm_(parameters, config.gradient_clip)
                        optimizer.param_groups[0]["lr"] = config.learning_rate * _rate(step, total, config)
                        optimizer.step()
                    for name, value in terms.log().items():
                        sums[name] += value
                model.after_step(step)
                step += 1
                if average:
                    _follow(average, model.state_dict(), min(config.average, (1 + step) / (10 + step)))
                bar.update()
                if step % len(batches):  # the last step of an epoch is saved with its evaluation, not without
                    save_in_time()
            means = {name: value / max(1, len(batches) - first) for name, value in sums.items()}
            log.write(json.dumps({"step": step, "epoch": epoch + 1, "train": means}) + "\n")
            bar.set_postfix({name: f"{value:.3g}" for name, value in list(means.items())[-3:]})
            if (epoch + 1) % config.evaluate_every == 0 or epoch + 1 == config.epochs:
                judged()
                bar.set_postfix({"best": f"{best['score']:.4g}"})
            log.flush()
            save_in_time()
        bar.close()
    _save(state_path, state_now())
    if best["weights"]:
        model.load_state_dict(best["weights"])
    model.eval()
    return dict(best["numbers"])
