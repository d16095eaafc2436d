"""Excerpts of long pieces to pretrain on before the labelled clips: POP909 and EMOPIA, laid on their beat.

Each excerpt is 15 s long and begins with a bar. Its label is the guide's estimate, so that conditions mean something
from the start. Excerpts without a steady beat are left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from eimg_core.autoencoder import MusicAutoencoder
from eimg_core.data import Corpus, Split, load_pieces
from eimg_core.emotion import VA
from eimg_core.midi.batch import CLIP_S
from eimg_core.midi.beats import find_grid, on_grid
from eimg_core.midi.notes import Piece
from eimg_core.music_ae.tvae_network import STYLES
from eimg_core.va.guide import Guide

__all__ = ["excerpt_samples", "excerpts"]

_STEADY = 0.75  # least fit of the grid
_FEWEST = 12  # notes in an excerpt


def excerpts(piece: Piece, *, tempo_known: bool) -> Iterator[tuple[Piece, float]]:
    """15 s excerpts that begin with a bar, and where the piece ends, in seconds of the excerpt; ∞ if it goes on.

    A transcribed excerpt of a recording (tempo not known) goes on in the recording: its last note is no ending.
    """
    reach = CLIP_S + 4.0  # the first bar begins within the first 4 s
    for start in np.arange(0.0, max(piece.duration_s - CLIP_S / 2, 1.0), CLIP_S):
        notes = [
            replace(n, start_s=n.start_s - start, end_s=n.end_s - start)
            for n in piece.notes
            if start <= n.start_s < start + reach
        ]
        if len(notes) < _FEWEST:
            continue
        grid = find_grid(piece.with_notes(notes), piece.tempo_bpm if tempo_known else None)
        if grid.fit < _STEADY:
            continue
        placed = on_grid(piece.with_notes(notes), grid)
        last = tempo_known and start + reach > piece.notes[-1].start_s
        end = placed.duration_s if last and placed.notes[-1].start_s < CLIP_S - 0.5 else math.inf
        clip = placed.cropped(CLIP_S)
        if len(clip.notes) >= _FEWEST:
            yield clip, end


def excerpt_samples(
    model: MusicAutoencoder, corpus: Corpus, cache: Path, guide: Guide, splits: Sequence[Split]
) -> list[Any]:
    """Training examples of a corpus, with the guide's estimates and the corpus as style."""
    pieces = load_pieces(corpus, cache)
    found: list[tuple[Piece, float]] = []
    for item in tqdm(corpus.split(*splits), desc=f"excerpts of {corpus.title}", unit="piece"):
        # POP909 is on a grid of its own tempo; EMOPIA is transcribed and its tempo mark means nothing.
        found += excerpts(pieces[item.key], tempo_known=corpus.name == "pop909")
    estimates = [VA(*point).clamped() for point in guide.estimate_many([piece for piece, _ in found]).tolist()]
    samples = []
    for (piece, end), va in zip(tqdm(found, desc="examples", unit="excerpt"), estimates, strict=True):
        sample: Any = model.sample(piece, va)
        samples.append(replace(sample, style=STYLES.index(corpus.name), end_beats=end / 60 * sample.tempo_bpm))
    return samples
