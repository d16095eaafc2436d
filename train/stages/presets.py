"""What is trained, how long: two presets that a person can read.

``full`` trains what ships, following the paper as far as two CPU cores allow; ``smoke`` proves in a few minutes that
every stage runs. Model defaults live beside the models; a preset names only what it changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from train.stages.loop import LoopConfig

__all__ = ["PRESETS", "Preset", "StageConfig", "override"]


@dataclass(frozen=True)
class StageConfig:
    """One stage: the loop, the batch size, and what differs from the model's defaults."""

    loop: LoopConfig
    batch_size: int
    model: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Preset:
    """Stages by kind and key, e.g. ``stages["image_ae", "vqvae"]``."""

    name: str
    stages: dict[tuple[str, str], StageConfig]

    def stage(self, kind: str, *keys: str) -> StageConfig:
        """The stage of the first of these keys that has one, or the kind's default (key ``*``)."""
        for key in (*keys, "*"):
            if (kind, key) in self.stages:
                return self.stages[kind, key]
        raise ValueError(f"preset {self.name} has no stage for {kind} {', '.join(keys)}")


_TRUNK = LoopConfig(
    epochs=12, learning_rate=1e-3, warmup_steps=20, average=0.98, evaluate_every=12, bfloat16=True
)  # it begins near its end, and what it sees is at hand
_OURS = LoopConfig(epochs=100, learning_rate=1e-3, average=0.99, weight_decay=1e-2, evaluate_every=10)

FULL = Preset(
    "full",
    {
        ("image_ae", "*"): StageConfig(LoopConfig(epochs=80, learning_rate=1e-3, average=0.99, evaluate_every=4), 32),
        ("image_ae", "alae@paper"): StageConfig(
            LoopConfig(
                epochs=60,
                learning_rate=2e-3,
                average=0.995,
                evaluate_every=5,
                momentum=0.0,
                gradient_clip=100.0,  # R1 comes rarely and large: clipped as usual it would not count
                bfloat16=True,
            ),
            32,
        ),
        ("image_ae", "vqvae"): StageConfig(_TRUNK, 32),
        ("image_ae", "beta_vae"): StageConfig(replace(_TRUNK, epochs=24, evaluate_every=24), 32),
        ("image_ae", "alae"): StageConfig(
            replace(_TRUNK, epochs=8, evaluate_every=8, learning_rate=2e-3, momentum=0.0, gradient_clip=100.0), 32
        ),
        ("image_ae", "effnet"): StageConfig(
            LoopConfig(epochs=20, learning_rate=1e-3, average=0.99, evaluate_every=5), 32
        ),
        ("music_ae", "*"): StageConfig(
            LoopConfig(epochs=20, learning_rate=1.5e-3, average=0.995, gradient_clip=0.5, evaluate_every=2),
            32,
        ),
        # Four epochs of the loop are one round through the data.
        ("composer", "tvae"): StageConfig(
            LoopConfig(
                epochs=24, learning_rate=8e-4, warmup_steps=300, average=0.995, weight_decay=1e-2, bfloat16=True
            ),
            16,
        ),
        ("composer_tuning", "tvae"): StageConfig(
            LoopConfig(
                epochs=12,
                learning_rate=3e-4,
                warmup_steps=50,
                average=0.99,
                weight_decay=1e-2,
                bfloat16=True,
                evaluate_every=2,
            ),
            16,
        ),
        ("bridge", "paper"): StageConfig(
            LoopConfig(epochs=12, learning_rate=5e-4, average=0.99, weight_decay=1e-2), 16
        ),
        ("bridge", "eimg2"): StageConfig(_OURS, 128),
        # It is told the emotion beside v_y, so more of v_y can be left to chance: pieces are fuller and differ more.
        ("bridge", "tvae@eimg2"): StageConfig(_OURS, 128, {"liveliness": 0.9, "reach": 3.2}),
        # Its members are clipped as one, so the clip is wide enough never to matter to a single one of them.
        ("va_predictor", "guide"): StageConfig(
            LoopConfig(epochs=20, learning_rate=1e-3, weight_decay=3.0, warmup_steps=20, gradient_clip=100.0), 64
        ),
        ("baseline", "tf_im"): StageConfig(
            LoopConfig(epochs=5, learning_rate=2e-3, average=0.99, weight_decay=1e-2, bfloat16=True, evaluate_every=2),
            16,
        ),
        ("baseline", "gan_im"): StageConfig(
            LoopConfig(epochs=12, learning_rate=2e-4, momentum=0.5, average=0.99, gradient_clip=10.0, bfloat16=True),
            72,
        ),
        # As often and as fast as the paper's bridge.
        ("baseline", "direct"): StageConfig(
            LoopConfig(epochs=12, learning_rate=5e-4, average=0.99, weight_decay=1e-2), 16
        ),
    },
)

SMOKE = Preset(
    "smoke",
    {
        ("image_ae", "*"): StageConfig(LoopConfig(epochs=2, warmup_steps=2), 8, {"tiny": True}),
        ("music_ae", "*"): StageConfig(LoopConfig(epochs=2, warmup_steps=2), 8, {"tiny": True}),
        ("composer", "*"): StageConfig(LoopConfig(epochs=1, warmup_steps=2), 8, {"tiny": True}),
        ("composer_tuning", "*"): StageConfig(LoopConfig(epochs=1, warmup_steps=2), 8, {"tiny": True}),
        ("bridge", "*"): StageConfig(LoopConfig(epochs=2, warmup_steps=2), 4, {"tiny": True}),
        ("va_predictor", "*"): StageConfig(LoopConfig(epochs=3, warmup_steps=2), 8, {"tiny": True}),
        ("baseline", "*"): StageConfig(LoopConfig(epochs=1, warmup_steps=2), 8, {"tiny": True}),
    },
)

PRESETS: dict[str, Preset] = {preset.name: preset for preset in (FULL, SMOKE)}


def override(config: Any, changes: Mapping[str, Any]) -> Any:
    """A frozen config with some settings changed; texts, as a command line has them, take the type of the default.

    Raises:
        ValueError: an unknown name (the known ones are listed) or a value of another type.
    """
    known = set(config.__dataclass_fields__)
    typed: dict[str, Any] = {}
    for name, value in changes.items():
        if name not in known:
            raise ValueError(f"unknown setting {name!r}; known: {', '.join(sorted(known))}")
        kind = type(getattr(config, name))
        try:
            typed[name] = str(value).lower() in ("1", "true", "yes") if kind is bool else kind(value)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{name} needs a {kind.__name__}, got {value!r}") from error
    return replace(config, **typed)
