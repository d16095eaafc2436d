"""Tiny trained-looking components for tests: random weights, real files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from eimg_core.bridge import BRIDGES, EmotionData
from eimg_core.checkpoints import read_card, save_model
from eimg_core.image_ae import IMAGE_AUTOENCODERS, image_key_of
from eimg_core.midi.batch import MusicBatch, MusicSample
from eimg_core.midi.notes import Note, Piece
from eimg_core.music_ae import MUSIC_AUTOENCODERS


def random_clip(seed: int, arousal_high: bool = True) -> Piece:
    """A clip of eighth or half notes in a random key."""
    rng = np.random.default_rng(seed)
    step = 0.25 if arousal_high else 1.0
    onsets = np.arange(0, 6, step)
    pitches = 60 + rng.integers(0, 7) + rng.choice([0, 2, 4, 5, 7, 9, 11], len(onsets))
    return Piece(
        tuple(Note(float(t), int(p), float(t + step), 70) for t, p in zip(onsets, pitches, strict=True)), 120.0
    )


def music_batch(model, size: int = 4) -> MusicBatch:
    from eimg_core.emotion import VA

    pieces = [random_clip(seed, seed % 2 == 0) for seed in range(size)]
    labels = [VA(6.0, 7.0) if seed % 2 == 0 else VA(4.0, 2.0) for seed in range(size)]
    samples: list[MusicSample] = [model.sample(p, va) for p, va in zip(pieces, labels, strict=True)]
    return model.collate(samples)


def save_tiny_pairing(
    root: Path, image_key: str = "vqvae", music_key: str = "fnt", variant: str = "paper", heard: float = 2.0
) -> str:
    """Write the three components of a pairing with random weights; returns its key."""
    image_own = image_key_of(image_key, variant)
    image_class, music_class = IMAGE_AUTOENCODERS[image_own], MUSIC_AUTOENCODERS[music_key]
    torch.manual_seed(0)  # for each of them, so that those of another pairing are the same
    music_ae = music_class(music_class.Config.tiny())
    torch.manual_seed(0)
    image_ae = image_class(image_class.Config.tiny())
    pictures = torch.rand(16, 3, image_ae.image_size, image_ae.image_size) * 2 - 1
    for step in range(40):  # long enough that two photos no longer share their code
        image_ae.train().objectives()[0].loss(pictures, step)
        image_ae.after_step(step)
    save_model(root / "image_ae" / image_own, image_ae, {"kind": "image_ae", "key": image_own})
    save_model(root / "music_ae" / music_key, music_ae, {"kind": "music_ae", "key": music_key})
    torch.manual_seed(0)
    bridge_class = BRIDGES[variant]
    widths = {"image_dim": image_ae.latent_dim, "music_dim": music_ae.latent_dim}
    bridge = bridge_class(replace(bridge_class.Config.tiny(), **widths))
    va = torch.rand(30, 2) * 8 + 1
    bridge.eval().draw_emotion_map(EmotionData(torch.randn(30, music_ae.latent_dim), va))
    pairing = f"{image_key}+{music_key}"
    depends = {
        "image": read_card(root / "image_ae" / image_own)["sha256"],
        "music": read_card(root / "music_ae" / music_key)["sha256"],
    }
    card = {"kind": "bridge", "key": variant, "pairing": pairing, "depends_on": depends, "preset": "tiny"}
    card["metrics"] = {"val_estimates": {"distance": heard}}
    save_model(root / "bridge" / f"{pairing}@{variant}", bridge, card)
    return pairing
