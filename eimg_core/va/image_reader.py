"""Image → VA: what a photo makes people feel, as a point in the emotion plane with an honest margin.

Frozen networks look at the photo. What they give is compared with what they give for rated photos, and the ratings of
similar ones count (``kernel_head``). Two things are compared: the means and spreads of the networks' feature maps on
the whole photo, and what the classes say that the networks see in it (``class_knowledge``), on the whole photo and on
three squares along it. Three EfficientNet-Lites of different size agree on more than any one of them sees.

There are two heads. One learnt from all rated photos: it is the one that reads photos for people. The other learnt from
the train split alone: every table that reports on val or test photos uses it.

Conventions: VA is on 1-9. A margin (``sd``) is one standard deviation of people's mean rating around the reading.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from eimg_core.backbones import Backbone, load_backbone
from eimg_core.backbones.class_layer import ClassLayer, load_class_layer
from eimg_core.backbones.effnet_lite import pooled
from eimg_core.checkpoints import load_component, read_card
from eimg_core.emotion import VA
from eimg_core.errors import CheckpointError
from eimg_core.messages import Message
from eimg_core.va.class_knowledge import class_knowledge, probabilities
from eimg_core.va.kernel_head import AXES, KernelHead, unpack

__all__ = ["ALL", "LATE", "READER_FOLDER", "TRAIN", "ImageReader", "ImageReading", "Sight", "reader_config"]

Array = NDArray[np.float64]

READER_FOLDER = "va_predictor/image"
ALL, TRAIN = "all", "train"  # the two heads, by the photos that they were fitted on
LATE = 5  # how many of a network's last maps the head looks at: of EfficientNet-Lite the last four stages and the head
_BATCH = 16  # photos per forward pass


@dataclass(frozen=True, slots=True)
class ImageReading:
    """The emotion read from one photo.

    Args:
        va: the reading, inside the plane.
        sd_valence: one standard deviation of the valence, in points of the 1-9 scale.
        sd_arousal: the same for the arousal.
        remark: what the person should know about how it was read; ``None`` for nothing.
    """

    va: VA
    sd_valence: float
    sd_arousal: float
    remark: Message | None = None


@dataclass(frozen=True)
class Sight:
    """What the networks see in N photos.

    Args:
        maps: of each network, means and perhaps spreads of its last maps on the whole photo, finest first, (N, W) each.
        logits: of the classes, the mean over networks and views, (N, 1000); ``None`` without class layers.
    """

    maps: tuple[Array, ...]
    logits: Array | None

    def blocks(self, found: Array | None = None) -> list[Array]:
        """What a head compares, (N, W) each: the maps, then affect and attributes of the classes where there are any.

        Args:
            found: probabilities to take instead of those of the logits, (N, T, 1000).
        """
        if self.logits is None:
            return list(self.maps)
        found = probabilities(self.logits) if found is None else found
        return [*self.maps, *class_knowledge().evidence(found)]


class ImageReader:
    """Frozen networks and the head that was fitted on what they see.

    Args:
        nets: evaluating, without gradients; see ``load_backbone``.
        late: how many of each network's last maps are looked at.
        spreads: whether the standard deviation of each map counts beside its mean.
        class_layers: of every network in turn, or none.
        head: fitted on features of exactly this kind.
    """

    def __init__(
        self,
        nets: Sequence[Backbone],
        late: int,
        spreads: bool,
        class_layers: Sequence[ClassLayer] = (),
        head: KernelHead | None = None,
    ) -> None:
        self.nets, self.late, self.spreads = tuple(nets), late, spreads
        self.class_layers, self.head = tuple(class_layers), head

    @classmethod
    def load(cls, root: Path, head: str = ALL) -> ImageReader:
        """The shipped reader.

        Args:
            root: the checkpoints folder, with ``va_predictor/image``, and the networks and class layers of its card.
            head: which photos its head was fitted on: ``ALL``, or ``TRAIN`` for what reports on val or test photos.
        Raises:
            CheckpointError: something is missing or damaged, or the parts do not belong together.
        """
        tensors, card = load_component(root / READER_FOLDER)
        try:
            config = card["config"]
            networks, layers = list(config["networks"]), list(config["class_layers"])
            expected = {name: card["depends_on"][name] for name in (*networks, *layers)}
            fitted = unpack(tensors, head, config["heads"][head]["kernels"], config["blocks"])
            late, spreads = config["late"], config["spreads"]
        except (AttributeError, KeyError, TypeError, ValueError) as fault:
            raise CheckpointError(
                "The image reader was saved by another version; run `python -m train.image_va` again."
            ) from fault
        for part, digest in expected.items():
            if read_card(root / part)["sha256"] != digest:
                raise CheckpointError(
                    f"The image reader was fitted on another {part}; run `python -m train.image_va` again."
                )
        nets = [load_backbone(root / name) for name in networks]
        return cls(nets, late, spreads, [load_class_layer(root / name) for name in layers], fitted)

    def read(self, photo: Image.Image) -> ImageReading:
        """The emotion of one photo (RGB, as ``images.open_photo`` gives it). Deterministic."""
        return self.read_many([photo])[0]

    def read_many(self, photos: Sequence[Image.Image]) -> list[ImageReading]:
        """The emotions of several photos, in their order. No photos, no readings.

        Raises:
            ValueError: if this reader has no head yet.
        """
        if self.head is None:
            raise ValueError("this reader has features but no head; fit one first")
        if not photos:
            return []
        readings, margins = self.head.read(self.features(photos))
        return [
            ImageReading(VA(float(v), float(a)).clamped(), float(sd_v), float(sd_a))
            for (v, a), (sd_v, sd_a) in zip(readings, margins, strict=True)
        ]

    def features(self, photos: Sequence[Image.Image]) -> Array:
        """What the head compares, (N, F): the blocks side by side."""
        return np.concatenate(self.look(photos).blocks(), axis=1)

    @torch.inference_mode()
    def maps(self, photo: Image.Image) -> list[list[Tensor]]:
        """The late maps of each network on one whole photo, finest first, (C, H, W) each."""
        return [[one[0] for one in net.maps(_whole(photo, net.side)[None])[-self.late :]] for net in self.nets]

    def look(self, photos: Sequence[Image.Image]) -> Sight:
        """What the networks see in photos."""
        maps, logits = [], []
        for net, layer in zip(self.nets, self.class_layers or [None] * len(self.nets), strict=True):
            seen, whole = self._seen(net, layer, photos)
            maps.append(seen)
            if layer is not None:
                views = [square for photo in photos for square in _squares(photo)]
                closer = self._seen(net, layer, views, pool=False)[1].reshape(len(photos), -1, whole.shape[1])
                whole = np.concatenate([whole[:, None], closer], axis=1).mean(axis=1)
            logits.append(whole)
        return Sight(tuple(maps), np.mean(logits, axis=0) if self.class_layers else None)

    @torch.inference_mode()
    def _seen(
        self, net: Backbone, layer: ClassLayer | None, photos: Sequence[Image.Image], pool: bool = True
    ) -> tuple[Array, Array]:
        """Pooled maps (N, W) and logits (N, 1000) of one network; where they are not wanted, no maps (N, 0), and
        without a class layer, no logits (N, 0)."""
        rows, logits = [], []
        for start in range(0, len(photos), _BATCH):
            images = torch.stack([_whole(photo, net.side) for photo in photos[start : start + _BATCH]])
            maps = net.maps(images.contiguous(memory_format=torch.channels_last))
            rows.append(pooled(maps[-self.late :], self.spreads) if pool else torch.empty(len(images), 0))
            logits.append(layer(maps) if layer else torch.empty(len(images), 0))
        return torch.cat(rows).double().numpy(), torch.cat(logits).double().numpy()


def reader_config(
    networks: Sequence[str], class_layers: Sequence[str], late: int, spreads: bool, heads: Mapping[str, KernelHead]
) -> dict[str, Any]:
    """The ``config`` of the card of a reader, as ``ImageReader.load`` takes it.

    Args:
        networks, class_layers: names of components.
        late, spreads: see ``ImageReader``.
        heads: ``ALL`` and ``TRAIN``, packed into the tensors by ``kernel_head.pack``.
    """
    return {
        "networks": list(networks),
        "class_layers": list(class_layers),
        "late": late,
        "spreads": spreads,
        "blocks": list(heads[ALL].blocks),
        "heads": {
            name: {
                "photos": len(head.support),
                "kernels": {axis: asdict(kernel) for axis, kernel in zip(AXES, head.kernels, strict=True)},
            }
            for name, head in heads.items()
        },
    }


def _whole(photo: Image.Image, side: int) -> Tensor:
    """The whole photo squeezed to a square, (3, S, S) in [-1, 1]: an emotion may sit at the edge."""
    square = photo.convert("RGB").resize((side, side), Image.Resampling.BICUBIC)
    pixels = torch.from_numpy(np.array(square, dtype=np.float32))
    return (pixels / 127.5 - 1.0).permute(2, 0, 1)


def _squares(photo: Image.Image) -> list[Image.Image]:
    """The first, the middle and the last square along the longer side, unsqueezed."""
    side = min(photo.size)
    corners = [tuple(int((length - side) * part) for length in photo.size) for part in (0.0, 0.5, 1.0)]
    return [photo.crop((x, y, x + side, y + side)) for x, y in corners]
