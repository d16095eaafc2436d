"""Train an image autoencoder on the photos.

What one with a trunk sees does not change while it trains, so it is computed once, for the photos and for a few varied
copies of each. Beside the component, a sheet of held-out photos above their reconstructions is kept with the run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torchvision.utils import save_image

from eimg_core.autoencoder import ImageAutoencoder
from eimg_core.checkpoints import half
from eimg_core.data import SPLITS, Corpus, Item, read_oasis
from eimg_core.image_ae import IMAGE_AUTOENCODERS
from eimg_core.image_ae.trunk import TrunkAutoencoder, TrunkConfig, View
from eimg_core.images import open_photo, to_tensor
from train.stages.loop import Batches, fit
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

__all__ = [
    "COPIES",
    "ImageAERequest",
    "PhotoBatches",
    "ViewBatches",
    "copy_of",
    "photo_tensor",
    "reconstruction_error",
    "train_image_ae",
    "varied",
    "views_of",
]

_AT_ONCE = 64  # views
COPIES = 4  # of each photo that a trunk sees while training: as it is, and varied


def photo_tensor(items: tuple[Item, ...], size: int) -> Tensor:
    """All photos of some items, (N, 3, S, S)."""
    return torch.stack([to_tensor(open_photo(item.path), size) for item in items])


class PhotoBatches:
    """Shuffled batches of photos, each mirrored half of the time and cropped at random to 90-100 % of its side."""

    def __init__(self, photos: Tensor, batch_size: int, seed: int) -> None:
        self.photos, self.batch_size, self.seed = photos, min(batch_size, len(photos)), seed

    def __len__(self) -> int:
        return len(self.photos) // self.batch_size

    def epoch(self, index: int) -> Iterator[Tensor]:
        rng = torch.Generator().manual_seed(self.seed * 100_003 + index)
        order = torch.randperm(len(self.photos), generator=rng)
        for rows in order.split(self.batch_size)[: len(self)]:
            yield varied(self.photos[rows], rng)


class ViewBatches:
    """Shuffled batches of what a trunk sees of photos, of each photo one of its ``COPIES`` at random.

    Args:
        views: ``COPIES`` rows for each photo, copy after copy.
    """

    def __init__(self, views: View, batch_size: int, seed: int) -> None:
        self.views, self.photos = views, len(views.maps) // COPIES
        self.batch_size, self.seed = min(batch_size, self.photos), seed

    def __len__(self) -> int:
        return self.photos // self.batch_size

    def epoch(self, index: int) -> Iterator[View]:
        rng = torch.Generator().manual_seed(self.seed * 100_003 + index)
        order = torch.randperm(self.photos, generator=rng)
        copies = torch.randint(COPIES, (self.photos,), generator=rng)
        for rows in (order + self.photos * copies).split(self.batch_size)[: len(self)]:
            yield View(*(part[rows] for part in self.views))


def copy_of(photo: Tensor, number: int, copy: int) -> Tensor:
    """One of the copies of a photo (3, S, S): the first is the photo itself, the others are cropped at random to
    75-100 % of its side, and every second one is mirrored.

    Args:
        number: of the photo in its data set, which decides its crops.
        copy: 0 … ``COPIES`` − 1.
    """
    if not copy:
        return photo
    rng, size = torch.Generator().manual_seed(number * 100 + copy), photo.shape[-1]
    side = int(size * (0.75 + 0.25 * float(torch.rand((), generator=rng))))
    top, left = (int(torch.randint(size - side + 1, (), generator=rng)) for _ in range(2))
    crop = photo[None, :, top : top + side, left : left + side]
    whole = torch.nn.functional.interpolate(crop, size, mode="bilinear", antialias=True, align_corners=False)[0]
    return whole.flip(-1) if copy % 2 else whole


def views_of(model: TrunkAutoencoder, photos: Tensor, numbers: Sequence[int], path: Path) -> View:
    """What the trunk sees of the copies of N photos, (N, 3, S, S): ``COPIES`` · N rows in float16, copy after copy.

    Args:
        numbers: of the photos in their data set.
        path: where the views are kept; what is there is read.
    """
    if not path.exists():
        copies = (copy_of(photo, n, k) for k in range(COPIES) for photo, n in zip(photos, numbers, strict=True))
        parts = [half(model.view(copy[None])._asdict()) for copy in copies]
        path.parent.mkdir(parents=True, exist_ok=True)
        made = {name: torch.cat([part[name] for part in parts]) for name in View._fields}
        save_file(made, path.with_suffix(".part"))
        path.with_suffix(".part").replace(path)
    return View(**load_file(path))


def seen_in(model: TrunkAutoencoder, views: View) -> View:
    """What a model that has begun encodes of views, a part at a time: all their maps need gigabytes as float32."""
    parts = [model.reduced(View(*part)) for part in zip(*(each.split(_AT_ONCE) for each in views), strict=True)]
    return View(*(torch.cat(each) for each in zip(*parts, strict=True)))


def _name_of_views(model: TrunkAutoencoder, corpus: Corpus) -> str:
    """A file name that follows from all that views depend on."""
    trunk = {field.name: getattr(model.config, field.name) for field in fields(TrunkConfig)}
    digest = hashlib.sha256(json.dumps([trunk, corpus.digest(), COPIES], sort_keys=True).encode())
    for tensor in model.backbone.state_dict().values():
        digest.update(tensor.contiguous().numpy().tobytes())
    return f"views-{digest.hexdigest()[:12]}.safetensors"


def varied(images: Tensor, rng: torch.Generator) -> Tensor:
    """Photos (B, 3, S, S), each mirrored half of the time, all cropped at random to 90-100 % of their side."""
    size = images.shape[-1]
    flip = torch.rand(len(images), generator=rng) < 0.5
    images = torch.where(flip[:, None, None, None], images.flip(-1), images)
    side = int(size * (0.9 + 0.1 * float(torch.rand((), generator=rng))))
    top, left = (int(torch.randint(size - side + 1, (), generator=rng)) for _ in range(2))
    crop = images[..., top : top + side, left : left + side]
    return torch.nn.functional.interpolate(crop, size, mode="bilinear", antialias=True, align_corners=False)


@torch.no_grad()
def reconstruction_error(model: ImageAutoencoder, photos: Tensor) -> Mapping[str, float]:
    """Mean squared error of decode(encode(x)) in [-1, 1], and as PSNR in dB."""
    errors = torch.cat([(model.decode(model.encode(x)) - x).pow(2).mean(dim=(1, 2, 3)) for x in photos.split(32)])
    return {"loss": float(errors.mean()), "psnr_db": float((10 * (4.0 / errors).log10()).mean())}


@torch.no_grad()
def sheet(model: ImageAutoencoder, photos: Tensor, path: Path) -> None:
    """A picture of photos above their reconstructions, to look at; it stays outside the repository."""
    rows = torch.cat([photos, model.decode(model.encode(photos))])
    save_image(rows / 2 + 0.5, path, nrow=len(photos))


@dataclass(frozen=True, kw_only=True)
class ImageAERequest(LoopRequest):
    """Which image autoencoder to train: ``key`` is one of ``IMAGE_AUTOENCODERS``."""

    key: str


def train_image_ae(request: ImageAERequest) -> ComponentResult:
    """Train an image autoencoder and write ``image_ae/<key>``.

    Raises:
        DataError: the photos are not there or damaged.
        CheckpointError: a component that the autoencoder begins with is missing.
    """
    begin(request)
    component = f"image_ae/{request.key}"
    stage = settings_of(request, "image_ae", request.key)
    corpus = read_oasis(request.data)
    model_class = IMAGE_AUTOENCODERS[request.key]
    model = model_class(make_config(model_class.Config, stage.model))  # type: ignore[call-arg]
    origin = model.start_from(request.out)
    train, held_out, test = (photo_tensor(corpus.split(split), model.image_size) for split in SPLITS)
    folder = run_folder(request, component, stage, [corpus], origin=origin, config=asdict(model.config))
    # Early in an adversarial game a grey picture has the least pixel error, so there the last weights are kept.
    adversarial = any(objective.adversarial for objective in model.objectives())
    batches: Batches = PhotoBatches(train, stage.batch_size, request.seed)
    if isinstance(model, TrunkAutoencoder):
        places = [place for place, item in enumerate(corpus.items) if item.split == "train"]
        views = views_of(model, train, places, request.cache / _name_of_views(model, corpus))
        model.begin(views.maps[: len(train)])
        batches = ViewBatches(seen_in(model, views), stage.batch_size, request.seed)
    numbers = fit(
        model,
        batches,
        stage.loop,
        folder=folder,
        evaluate=lambda m: reconstruction_error(m, held_out),  # type: ignore[arg-type]
        monitor="" if adversarial else "loss",
        label=request.key,
    )
    metrics = {"val": numbers, "test": dict(reconstruction_error(model, test))}
    sheet(model, held_out[:10], folder / "reconstructions.png")
    card = card_of(request, "image_ae", request.key, stage, [corpus], **origin, metrics=metrics)
    return save_trained(request.out, component, model, card)
