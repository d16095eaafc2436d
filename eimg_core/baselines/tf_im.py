"""TF-IM: the paper's Transformer baseline, from photo to notes in one network (Fig. 4, Table VI).

Three Transformers. The *image encoder* (12 heads) reads patches of the photo; the *music encoder* (6 heads) reads the
steps so far; the *multimodal encoder* (6 heads) reads both and chooses the next step. As the paper says, its
contrastive losses align photo and piece: here between the mean of the image encoder and the mean of the music encoder.
Widths, layers, tokens and decoding are not published; ours are sized for the CPU and use the steps of
``eimg_core.midi.codec``, with the grammar and the home key of the other decoders.

Table VI's variants are named differences: ``sight="none"`` has no image branch, ``sight="fixed"`` is shown one and the
same photo always. Neither has anything to align, so neither has a contrast.

Shapes: B batch, P patches, T steps, W width, E embedding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from eimg_core.layers import ProjectionHead
from eimg_core.losses import contrastive
from eimg_core.midi import codec
from eimg_core.midi.batch import MusicBatch
from eimg_core.midi.codec import FIELD_SIZES, SHIFT, STEPS_PER_BEAT
from eimg_core.midi.notes import Piece
from eimg_core.music_ae.decoder import NoteEmbedding, Sampling, StepDecoder, StepLogits, draw, token_cross_entropy
from eimg_core.music_ae.keys import KEYS, draw_keys, played_in
from eimg_core.music_ae.step_grammar import StepGrammar
from eimg_core.music_ae.transformer import Cache, Places, TransformerStack
from eimg_core.trainable import LossTerms, Objective, Trainable

__all__ = ["PairBatch", "TransformerIM", "TransformerIMConfig", "sets_in_batch"]

_WINDOW = 512  # steps that playing looks back over: all of a piece of 15 s


@dataclass(frozen=True)
class TransformerIMConfig:
    """The numbers of heads are the paper's, all other sizes ours.

    Args:
        image_size, patch: pixels on the side of a photo and of one of its patches.
        width: of all three encoders; each has ``*_layers`` layers.
        embedding_dim: of the aligned space.
        set_size: n of Eq. 4-5; the sets of each photo are drawn from its batch.
        temperature: τ of the contrast.
        weight_contrast: of Eq. 12, beside the cross-entropy of a step.
        sight: what the image branch sees: the photo, one fixed photo, or nothing (there is no such branch).
        playing, top_p: temperature and nucleus of each field of a step, as in the recurrent autoencoders.
    """

    image_size: int = 64
    patch: int = 16
    width: int = 96
    image_heads: int = 12
    music_heads: int = 6
    multimodal_heads: int = 6
    image_layers: int = 2
    music_layers: int = 2
    multimodal_layers: int = 2
    embedding_dim: int = 128
    dropout: float = 0.1
    input_dropout: float = 0.1
    set_size: int = 4
    temperature: float = 0.1
    weight_contrast: float = 0.5
    sight: Literal["photo", "fixed", "none"] = "photo"
    playing: Sequence[float] = (0.85, 0.85, 0.85, 0.425)
    top_p: Sequence[float] = (0.95, 0.95, 0.95, 0.95)

    @classmethod
    def tiny(cls) -> TransformerIMConfig:
        return cls(
            image_size=16,
            patch=8,
            width=24,
            image_heads=2,
            music_heads=2,
            multimodal_heads=2,
            image_layers=1,
            music_layers=1,
            multimodal_layers=1,
            embedding_dim=8,
            set_size=2,
        )


@dataclass(frozen=True)
class PairBatch:
    """Photos (B, 3, S, S) with their labels (B, 2), and beside each a clip whose emotion is near."""

    images: Tensor
    image_va: Tensor
    music: MusicBatch


class PatchEncoder(nn.Module):
    """Photo → patch features: (B, 3, S, S) → (B, P, W). Half of the heads turn with the row, half with the column."""

    def __init__(self, config: TransformerIMConfig) -> None:
        super().__init__()
        self.side = config.image_size // config.patch
        self.cut = nn.Conv2d(3, config.width, config.patch, stride=config.patch)
        self.stack = TransformerStack(config.width, config.image_heads, config.image_layers, config.dropout)

    def forward(self, images: Tensor) -> Tensor:
        x = self.cut(images).flatten(2).transpose(1, 2)  # (B, P, W)
        place = torch.arange(self.side, dtype=torch.float32).expand(self.side, -1)
        rows, columns = (p.flatten().expand(len(x), -1) for p in (place.T, place))
        return self.stack(x, self.stack.places(rows, columns))


class Look(nn.Module):
    """Cross-attention: every step looks at the patches. (B, T, W), (B, P, W) → (B, T, W)."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm, self.query = nn.LayerNorm(width), nn.Linear(width, width)
        self.keys, self.merge = nn.Linear(width, 2 * width), nn.Linear(width, width)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor, patches: Tensor) -> Tensor:
        B, T, W = x.shape
        queries = self.query(self.norm(x)).view(B, T, self.heads, -1).transpose(1, 2)
        keys, values = self.keys(patches).view(B, patches.shape[1], 2, self.heads, -1).permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(queries, keys, values)
        return x + self.drop(self.merge(seen.transpose(1, 2).reshape(B, T, W)))


class TransformerIM(StepDecoder, Trainable):
    """The baseline."""

    Config = TransformerIMConfig
    config: TransformerIMConfig
    title = "TF-IM"

    def __init__(self, config: TransformerIMConfig | None = None) -> None:
        super().__init__()
        config = config or TransformerIMConfig()
        self.config = config
        width = config.width
        self.embedding = NoteEmbedding((width // 4, width // 2, width // 4, width // 8), width // 8)
        self.widen = nn.Linear(self.embedding.width, width)
        self.tempo_embedding = nn.Embedding(codec.TEMPO_CLASSES, width)
        self.music = TransformerStack(width, config.music_heads, config.music_layers, config.dropout)
        self.multimodal = TransformerStack(width, config.multimodal_heads, config.multimodal_layers, config.dropout)
        self.add_fields(width)
        for table in self.given.parameters():
            nn.init.normal_(table, std=0.2)  # they are added to a context of unit variance
        self.tempo, self.key = nn.Linear(width, codec.TEMPO_CLASSES), nn.Linear(width, KEYS)
        if config.sight == "none":
            self.nothing = nn.Parameter(torch.zeros(1, width))
        else:
            self.image = PatchEncoder(config)
            self.looks = nn.ModuleList(
                Look(width, config.multimodal_heads, config.dropout) for _ in range(config.multimodal_layers)
            )
        if config.sight == "photo":
            widths = [width, config.embedding_dim, config.embedding_dim]
            self.image_head, self.music_head = ProjectionHead(widths), ProjectionHead(widths)
        self.fixed_photo: Tensor
        self.register_buffer("fixed_photo", torch.zeros(3, config.image_size, config.image_size))

    @property
    def image_size(self) -> int:
        return self.config.image_size

    def objectives(self) -> tuple[Objective, ...]:
        return (Objective("compose", ("model",), self.loss),)

    # --- the encoders -------------------------------------------------------------------------------------------

    def look(self, images: Tensor) -> Tensor | None:
        """Patch features (B, P, W) of what the image branch sees; ``None`` where there is no such branch."""
        if self.config.sight == "none":
            return None
        if self.config.sight == "fixed":
            return self.image(self.fixed_photo[None]).expand(len(images), -1, -1)
        return self.image(images)

    def _gist(self, patches: Tensor | None, count: int) -> Tensor:
        """One vector per photo, from which tempo and key are drawn: (B, W)."""
        return self.nothing.expand(count, -1) if patches is None else patches.mean(dim=1)

    def _context(
        self, before: Tensor, onsets: Tensor, index: Tensor, tempo: Tensor, patches: Tensor | None, caches: Any = None
    ) -> tuple[Tensor, Tensor]:
        """Music states and contexts, (B, T, W) each, of steps whose predecessors (B, T, 4) began at ``onsets``."""
        x = self.widen(self.embedding(before, onsets % STEPS_PER_BEAT)) + self.tempo_embedding(tempo)[:, None]
        first, second = caches or (None, None)
        beats = (onsets / STEPS_PER_BEAT).to(x.dtype)
        places = self.music.places(index.to(x.dtype), beats)
        states = self.music(x, places, causal=caches is None, cache=first)
        return states, self._both(states, patches, self.multimodal.places(index.to(x.dtype), beats), second)

    def _both(self, x: Tensor, patches: Tensor | None, places: Places, cache: Cache | None) -> Tensor:
        """The multimodal encoder: in every layer a look at the photo, then at the steps so far."""
        for layer, block in enumerate(self.multimodal.blocks):
            if patches is not None:
                x = self.looks[layer](x, patches)
            x = block(x, places, None, cache is None, cache, layer)
        return self.multimodal.norm(x)

    # --- training -----------------------------------------------------------------------------------------------

    def loss(self, batch: PairBatch, step: int) -> LossTerms:
        """Cross-entropy of the next step, of tempo and key; and Eq. 12 with sets from within the batch."""
        music, patches = batch.music, self.look(batch.images)
        states, logits = self.step_logits(batch.images, music, patches)
        gist = self._gist(patches, len(music.steps))
        terms = {
            "tokens": token_cross_entropy(logits, music.steps, music.mask),
            "tempo": F.cross_entropy(self.tempo(gist), music.tempo_class),
            "key": F.cross_entropy(self.key(gist), music.key.argmax(dim=1)),
        }
        weights = {"tokens": 1.0, "tempo": 0.05, "key": 0.05}
        if self.config.sight == "photo":
            mask = music.mask[..., None].to(states.dtype)
            z_x = self.image_head(gist)
            z_y = self.music_head((states * mask).sum(dim=1) / mask.sum(dim=1))
            sets = sets_in_batch(z_x.float(), z_y.float(), batch.image_va, music.va, self.config.set_size)
            with torch.autocast("cpu", enabled=False):  # cosines of near embeddings differ by less than bfloat16 holds
                terms |= contrastive(*sets, self.config.temperature)._asdict()
            weights |= dict.fromkeys(("inter_modal", "intra_image", "intra_music"), self.config.weight_contrast)
        return LossTerms(terms, weights)

    def step_logits(
        self, images: Tensor, music: MusicBatch, patches: Tensor | None = None
    ) -> tuple[Tensor, StepLogits]:
        """Music states (B, T, W) and teacher-forced logits of every step."""
        patches = self.look(images) if patches is None else patches
        B, T, _ = music.steps.shape
        onsets = music.steps[..., SHIFT].cumsum(dim=1)
        before = torch.cat([torch.tensor(FIELD_SIZES).expand(B, 1, 4), music.steps[:, :-1]], dim=1)
        if self.training and self.config.input_dropout:
            hidden = torch.rand(B, T, 1) < self.config.input_dropout
            before = torch.where(hidden, torch.tensor(FIELD_SIZES), before)
        index = torch.arange(T).expand(B, T)
        states, context = self._context(before, F.pad(onsets[:, :-1], (1, 0)), index, music.tempo_class, patches)
        return states, self.field_logits(context, music.steps, onsets % STEPS_PER_BEAT)

    # --- playing ------------------------------------------------------------------------------------------------

    @torch.no_grad()
    def play(self, images: Tensor, *, seconds: float, generator: torch.Generator) -> list[Piece]:
        patches = self.look(images)
        gist = self._gist(patches, len(images))
        keys = draw_keys(self.key(gist).softmax(dim=-1), generator)
        tempo = draw(self.tempo(gist), Sampling(0.7, 0.9), generator)
        caches = (Cache(self.config.music_layers, _WINDOW), Cache(self.config.multimodal_layers, _WINDOW))
        steps_so_far = 0

        def context(before: Tensor, onset: Tensor) -> Tensor:
            nonlocal steps_so_far
            index = torch.full((len(images), 1), steps_so_far)
            steps_so_far += 1
            return self._context(before[:, None], onset[:, None], index, tempo, patches, caches)[1][:, 0]

        grammar = StepGrammar([codec.tempo_of_class(c) for c in tempo.tolist()], keys, seconds)
        sampling = [Sampling(*both) for both in zip(self.config.playing, self.config.top_p, strict=True)]
        return played_in(self.play_steps(context, grammar, sampling, generator), keys)


def sets_in_batch(
    z_x: Tensor, z_y: Tensor, image_va: Tensor, music_va: Tensor, n: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Eq. 4 and 5 with the batch as I and M: positives and negatives of photos and of clips, (B, n, E) each.

    Args:
        z_x, z_y: embeddings, (B, E).
        image_va, music_va: labels, (B, 2).
        n: size of each set; less where the batch has fewer than 2 n rows.
    """
    n = max(2, min(n, len(z_x) // 2))
    of_photos, of_clips = (torch.cdist(image_va, va).argsort(dim=1) for va in (image_va, music_va))
    return z_x[of_photos[:, :n]], z_x[of_photos[:, -n:]], z_y[of_clips[:, :n]], z_y[of_clips[:, -n:]]
