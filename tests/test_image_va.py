"""Reading emotion in photos: the frozen network, the head and its honest margins, and the way through training."""

from __future__ import annotations

import copy
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from eimg_core.backbones.class_layer import ClassLayer, load_class_layer
from eimg_core.backbones.effnet_lite import FEATURES, VARIANTS, EfficientNetLite, LiteVariant, load_lite, pooled
from eimg_core.checkpoints import half, read_card, save_component
from eimg_core.emotion import VA
from eimg_core.errors import CheckpointError
from eimg_core.images import open_photo, to_tensor
from eimg_core.shipped import CHECKPOINTS, EXAMPLES
from eimg_core.va.class_knowledge import CLASSES, TEMPERATURES, class_knowledge
from eimg_core.va.image_reader import ALL, READER_FOLDER, TRAIN, ImageReader
from eimg_core.va.kernel_head import AXES, Kernel, KernelHead, out_of_group, pack
from tests.factories import make_mini_data, make_photo
from train.image_va import main as train
from train.stages import backbones, image_va

TINY = LiteVariant(width=0.25, depth=0.5, side=32)


@pytest.fixture(scope="module")
def net() -> EfficientNetLite:
    """A tiny untrained network that tells photos apart: its normalisation knows the statistics of such photos."""
    rng = np.random.default_rng(0)
    photos = [make_photo(VA(*rng.uniform(1.5, 8.5, 2)), rng) for _ in range(24)]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = EfficientNetLite(TINY)
        for module in net.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                torch.nn.init.uniform_(module.weight, 0.5, 2.0)
                torch.nn.init.normal_(module.bias, 0.3, 0.3)
                module.momentum = 1.0
        with torch.no_grad():
            net.train()(torch.stack([to_tensor(photo, TINY.side) for photo in photos]))
    return net.eval().requires_grad_(False)


def wave(n_photos: int = 60, seed: int = 0) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Features, ratings that depend on them smoothly, and groups of three."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n_photos, 5)) * np.array([1.0, 10.0, 0.1, 1.0, 1.0]) + 3.0
    valence = 5.0 + 1.5 * np.sin(features[:, 0] - 3.0) + rng.normal(0, 0.2, n_photos)
    arousal = 5.0 + 0.1 * (features[:, 1] - 3.0) + rng.normal(0, 0.6, n_photos)
    return features, np.stack([valence, arousal], axis=1), [f"theme {row // 3}" for row in range(n_photos)]


# --- the network


@pytest.mark.parametrize("side", [32, 33, 50])
def test_maps_have_the_strides_and_channels_they_promise(net: EfficientNetLite, side: int) -> None:
    maps = net.maps(torch.zeros(2, 3, side, side))
    assert [one.shape[-1] for one in maps] == [-(-side // stride) for stride in (2, 4, 8, 16, 16, 32, 32, 32)]
    assert maps[-1].shape[1] == FEATURES
    assert torch.equal(net(torch.zeros(2, 3, side, side)), maps[-1].mean(dim=(2, 3)))


def test_fused_sees_what_unfused_sees(net: EfficientNetLite) -> None:
    images = torch.rand(2, 3, 37, 37, generator=torch.Generator().manual_seed(1)).double() * 2 - 1
    net = copy.deepcopy(net).double()
    fused = copy.deepcopy(net).fuse()
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in fused.modules())
    for plain, folded in zip(net.maps(images), fused.maps(images), strict=True):
        assert plain.abs().max() > 0.01
        torch.testing.assert_close(folded, plain, rtol=1e-9, atol=1e-9)
    assert fused.fuse() is fused  # a second time changes nothing


def test_padding_puts_the_odd_pixel_right_and_below() -> None:
    from eimg_core.backbones.effnet_lite import SameConv2d

    conv = SameConv2d(1, 1, 3, stride=2, bias=False)
    torch.nn.init.ones_(conv.weight)
    even = conv(torch.ones(1, 1, 4, 4))[0, 0]  # windows start at 0 and 2; the last leaves the picture by one
    assert even.tolist() == [[9.0, 6.0], [6.0, 4.0]]
    odd = conv(torch.ones(1, 1, 3, 3))[0, 0]  # windows start at -1 and 1
    assert odd.tolist() == [[4.0, 4.0], [4.0, 4.0]]


@pytest.mark.parametrize(("variant", "parameters"), [("lite0", 3_371_008), ("lite1", 4_135_680), ("lite2", 4_811_072)])
def test_variants_have_the_published_sizes(variant: str, parameters: int) -> None:
    with torch.device("meta"):
        net = EfficientNetLite(VARIANTS[f"efficientnet_{variant}"])
    assert sum(p.numel() for p in net.parameters()) == parameters


def test_package_names_find_their_places_and_strangers_are_refused(net: EfficientNetLite) -> None:
    state = _as_package(net)
    copied = backbones.from_package({**state, "_fc.weight": torch.zeros(1)}, EfficientNetLite(TINY))
    images = torch.zeros(1, 3, 32, 32)
    assert torch.equal(copied(images), net(images))
    with pytest.raises(CheckpointError, match="too many"):
        backbones.from_package({**state, "_blocks.99._bn0.weight": torch.zeros(1)}, EfficientNetLite(TINY))
    state.pop("_conv_head.weight")
    with pytest.raises(CheckpointError, match="do not fit"):
        backbones.from_package(state, EfficientNetLite(TINY))


def _as_package(net: EfficientNetLite) -> dict[str, torch.Tensor]:
    """Our tensors under the names that the weight packages use."""
    blocks = [f"stages.{s}.{b}." for s, stage in enumerate(net.stages) for b in range(len(stage))]
    units = {"stem.": ("_conv_stem", "_bn0"), "head.": ("_conv_head", "_bn1")}
    for number, block in enumerate(blocks):
        for part, conv, norm in (
            ("expand", "_expand_conv", "_bn0"),
            ("depthwise", "_depthwise_conv", "_bn1"),
            ("project", "_project_conv", "_bn2"),
        ):
            units[f"{block}{part}."] = (f"_blocks.{number}.{conv}", f"_blocks.{number}.{norm}")
    renamed = {}
    for name, tensor in net.state_dict().items():
        unit = next(prefix for prefix in units if name.startswith(prefix))
        conv, norm = units[unit]
        renamed[name.replace(f"{unit}conv", conv).replace(f"{unit}norm", norm)] = tensor
    return renamed


def test_the_shipped_networks_recognise_what_they_were_taught() -> None:
    names = class_knowledge().names
    photos = [open_photo(EXAMPLES / f"{name}.jpg") for name in ("chelsea", "coffee", "flower")]
    for size in (0, 1, 2):
        net = load_lite(CHECKPOINTS / f"backbone/efficientnet_lite{size}")
        layer = load_class_layer(CHECKPOINTS / f"class_layer/efficientnet_lite{size}")
        maps = net.maps(torch.stack([to_tensor(photo, net.side) for photo in photos]))
        seen = [names[number] for number in layer(maps).argmax(dim=1).tolist()]
        assert seen[0] in {"Egyptian cat", "tabby", "tiger cat"}
        assert seen[1] in {"espresso", "cup", "coffee mug"}


def test_a_class_layer_is_what_its_package_ends_with(
    net: EfficientNetLite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = {"_fc.weight": torch.randn(1000, FEATURES), "_fc.bias": torch.randn(1000)}
    monkeypatch.setattr(backbones, "_package", lambda encoder, changes: (state, {"licence": "a licence"}))
    encoder = "efficientnet_lite0"
    save_component(tmp_path / "backbone" / encoder, net.state_dict(), {"kind": "backbone", "key": encoder})
    name = backbones.ensure_class_layer(encoder, tmp_path, "full")
    assert name == f"class_layer/{encoder}"
    card = read_card(tmp_path / name)
    assert card["licence"] == "a licence"
    assert card["depends_on"]["backbone"] == read_card(tmp_path / "backbone" / encoder)["sha256"]
    maps = net.maps(torch.rand(2, 3, 32, 32))
    logits = load_class_layer(tmp_path / name)(maps)
    wanted = maps[-1].mean(dim=(2, 3)) @ state["_fc.weight"].T + state["_fc.bias"]
    torch.testing.assert_close(logits, wanted, rtol=1e-2, atol=0.1)  # kept as float16
    assert backbones.ensure_class_layer("torchvision:resnet50", tmp_path, "full") is None
    save_component(tmp_path / name, {"weight": torch.zeros(1)}, {"kind": "class_layer"})
    with pytest.raises(CheckpointError, match="holds no class layer"):
        load_class_layer(tmp_path / name)


# --- the head


def test_leaving_a_group_out_in_closed_form_equals_fitting_without_it() -> None:
    features, ratings, groups = wave(24)
    distances = ((features[:, None] - features[None]) ** 2).mean(axis=-1)[None]
    kernel, targets = Kernel(steepness=0.3, noise=0.2, shares=(1.0,)), ratings - 5.0
    errors, variances = out_of_group(kernel.inverse(distances), targets, groups)
    gram = kernel(distances)
    for group in set(groups):
        held_out = np.array([name == group for name in groups])
        inverse = np.linalg.inv(gram[np.ix_(~held_out, ~held_out)] + 0.2 * np.eye((~held_out).sum()))
        across = gram[np.ix_(held_out, ~held_out)]
        np.testing.assert_allclose(errors[held_out], targets[held_out] - across @ inverse @ targets[~held_out])
        expected = np.diag(gram)[held_out] + 0.2 - np.einsum("mn,nk,mk->m", across, inverse, across)
        np.testing.assert_allclose(variances[held_out], expected)


def test_the_head_finds_a_smooth_rule_and_foretells_its_errors() -> None:
    features, ratings, groups = wave(240)
    head = KernelHead.fit(features[:150], ratings[:150], groups[:150])
    readings, margins = head.readings(features[150:]), head.margins(features[150:])
    errors = np.abs(readings - ratings[150:])
    for axis in range(2):
        assert np.corrcoef(readings[:, axis], ratings[150:, axis])[0, 1] > 0.7
        assert 0.5 < np.mean(errors[:, axis] <= margins[:, axis]) < 0.85  # 0.68 for a normal error
    assert margins[:, 1].mean() > 1.5 * margins[:, 0].mean()  # the arousal was made noisier


def test_the_margin_grows_far_from_everything_known() -> None:
    features, ratings, groups = wave()
    head = KernelHead.fit(features, ratings, groups)
    near, far = head.margins(features[:10]), head.margins(features[:1] + 1000.0)
    reading = head.readings(features[:1] + 1000.0)
    assert far.min(axis=0)[0] > near.max(axis=0)[0]
    assert np.abs(reading - ratings.mean(axis=0)).max() < 1.0  # and the reading falls back to the middle


def test_a_head_needs_two_groups_and_matching_shapes() -> None:
    features, ratings, groups = wave(6)
    with pytest.raises(ValueError, match="two groups"):
        KernelHead.fit(features, ratings, ["same"] * 6)
    with pytest.raises(ValueError, match=r"\(N, 2\)"):
        KernelHead.fit(features, ratings[:, :1], groups)


# --- the reader


@pytest.fixture
def saved(net: EfficientNetLite, tmp_path: Path) -> tuple[ImageReader, Path, list[Image.Image]]:
    """A reader of tiny photos with two heads, and the folder it was saved to."""
    rng = np.random.default_rng(3)
    points = [VA(*rng.uniform(2, 8, 2)) for _ in range(16)]
    photos = [make_photo(point, rng) for point in points]
    layers = [
        ClassLayer(torch.randn(CLASSES, FEATURES, generator=torch.Generator().manual_seed(n)), torch.zeros(CLASSES))
        for n in (0, 1)
    ]
    reader = ImageReader(
        [copy.deepcopy(net).fuse(), copy.deepcopy(net).fuse()], late=2, spreads=True, class_layers=layers
    )
    table = np.array([(point.valence, point.arousal) for point in points])
    parts = reader.look(photos).blocks()
    blocks, features = [part.shape[1] for part in parts], np.concatenate(parts, axis=1)
    themes = [str(row // 2) for row in range(16)]
    train = KernelHead.fit(features[:10], table[:10], themes[:10], blocks)
    reader.head = KernelHead.fit(features, table, themes, blocks, scaling=(train.centre, train.spread))
    depends_on = {}
    for name, one, layer in zip(("a", "b"), reader.nets, layers, strict=True):
        own = {"weight": layer.weight, "bias": layer.bias}
        for component, tensors in ((f"backbone/{name}", one.state_dict()), (f"class_layer/{name}", own)):
            save_component(tmp_path / component, tensors, {"kind": component.partition("/")[0], "key": "tiny"})
            depends_on[component] = read_card(tmp_path / component)["sha256"]
    heads = {ALL: reader.head, TRAIN: train}
    config = {
        "networks": ["backbone/a", "backbone/b"],
        "class_layers": ["class_layer/a", "class_layer/b"],
        "late": 2,
        "spreads": True,
        "blocks": blocks,
        "heads": {
            name: {"kernels": {axis: asdict(kernel) for axis, kernel in zip(AXES, head.kernels, strict=True)}}
            for name, head in heads.items()
        },
    }
    save_component(tmp_path / READER_FOLDER, pack(heads), {"key": "image", "depends_on": depends_on, "config": config})
    return reader, tmp_path, photos


def test_a_loaded_reader_reads_exactly_what_the_saved_one_read(
    saved: tuple[ImageReader, Path, list[Image.Image]], monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, root, photos = saved
    monkeypatch.setitem(VARIANTS, "tiny", TINY)
    loaded = ImageReader.load(root)
    for before, after in zip(reader.read_many(photos), loaded.read_many(photos), strict=True):
        assert after.va.valence == pytest.approx(before.va.valence, abs=1e-3)
        assert after.va.arousal == pytest.approx(before.va.arousal, abs=1e-3)
        assert after.sd_valence == pytest.approx(before.sd_valence, rel=1e-3)
        assert after.sd_arousal == pytest.approx(before.sd_arousal, rel=1e-3)


def test_the_two_heads_are_those_that_were_saved(
    saved: tuple[ImageReader, Path, list[Image.Image]], monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, root, photos = saved
    monkeypatch.setitem(VARIANTS, "tiny", TINY)
    every, train = ImageReader.load(root), ImageReader.load(root, TRAIN)
    assert every.head
    assert train.head
    assert reader.head
    assert (len(every.head.support), len(train.head.support)) == (16, 10)
    np.testing.assert_array_equal(every.head.support, reader.head.support)
    np.testing.assert_array_equal(train.head.support, reader.head.support[:10])
    one, other = (head.read(photos[15]).va for head in (every, train))
    assert one != other, "only one of them has seen this photo"
    with pytest.raises(CheckpointError, match="another version"):
        ImageReader.load(root, "val")


def test_a_photo_reads_the_same_alone_and_in_company(saved: tuple[ImageReader, Path, list[Image.Image]]) -> None:
    reader, _, photos = saved
    together = reader.read_many(photos)
    alone = reader.read(photos[3])
    assert reader.read(photos[3]) == alone
    assert alone.va.valence == pytest.approx(together[3].va.valence, abs=1e-4)
    assert reader.read_many([]) == []
    width = pooled(reader.nets[0].maps(torch.zeros(1, 3, 32, 32))[-2:], True).shape[1]
    affect, attributes = 2 * len(TEMPERATURES), len(TEMPERATURES) * len(class_knowledge().attribute_names)
    assert [block.shape for block in reader.look(photos).blocks()] == [
        (16, n) for n in (width, width, affect, attributes)
    ]
    assert reader.features(photos).shape == (16, 2 * width + affect + attributes)


def test_classes_are_looked_for_in_squares_as_well(saved: tuple[ImageReader, Path, list[Image.Image]]) -> None:
    reader, _, photos = saved
    wide = Image.new("RGB", (96, 32))
    for place, photo in enumerate(photos[:3]):
        wide.paste(photo.resize((32, 32)), (32 * place, 0))
    views = [wide, *(wide.crop((x, 0, x + 32, 32)) for x in (0, 32, 64))]
    expected = [
        layer([one[None] for one in maps])[0]
        for view in views
        for layer, maps in zip(reader.class_layers, reader.maps(view), strict=True)
    ]
    found = reader.look([wide]).logits
    assert found is not None
    np.testing.assert_allclose(found[0], torch.stack(expected).mean(dim=0).numpy(), rtol=1e-3, atol=1e-4)


def test_another_network_or_an_old_card_is_refused(
    saved: tuple[ImageReader, Path, list[Image.Image]], monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, root, _ = saved
    monkeypatch.setitem(VARIANTS, "tiny", TINY)
    save_component(root / "backbone" / "b", half(reader.nets[1].state_dict()), {"kind": "backbone", "key": "tiny"})
    with pytest.raises(CheckpointError, match="fitted on another backbone/b"):
        ImageReader.load(root)
    assert reader.head is not None
    save_component(root / READER_FOLDER, pack({ALL: reader.head}), {"key": "image", "config": {}})
    with pytest.raises(CheckpointError, match="another version"):
        ImageReader.load(root)
    monkeypatch.delitem(VARIANTS, "tiny")
    with pytest.raises(CheckpointError, match="backbones known here: efficientnet_lite0"):
        load_lite(root / "backbone" / "b")


def test_training_walks_from_photos_to_a_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = make_mini_data(tmp_path / "data", {"train": 24, "val": 6, "test": 6}, {}, 0, emopia_clips=0, pop909_songs=0)
    for encoder in backbones.ENCODERS:
        monkeypatch.setitem(VARIANTS, encoder, TINY)
    out = tmp_path / "out"
    train(["--data", str(data), "--out", str(out), "--preset", "smoke"])
    card = json.loads((out / READER_FOLDER / "card.json").read_text())
    assert card["trained_on"][0]["items"] == {"train": 24, "val": 6, "test": 6}
    assert {"val", "test", "by_theme", "test_by_theme"} <= set(card["metrics"])
    assert {name: head["photos"] for name, head in card["config"]["heads"].items()} == {ALL: 36, TRAIN: 24}
    assert len(card["metrics"]["candidates"]) == len(image_va.KINDS) * (len(backbones.ENCODERS) + 1)
    dark, bright = (make_photo(VA(valence, 5), np.random.default_rng(1)) for valence in (1.5, 8.5))
    reader = ImageReader.load(out)
    assert reader.read(bright).va.valence > reader.read(dark).va.valence + 0.5


def test_another_encoder_is_one_option_away(tmp_path: Path) -> None:
    data = make_mini_data(tmp_path / "data", {"train": 8, "val": 4, "test": 4}, {}, 0, emopia_clips=0, pop909_songs=0)
    out = tmp_path / "out"
    where = ["--data", str(data), "--out", str(out), "--preset", "smoke"]
    train([*where, "--encoder", "torchvision:mobilenet_v3_small"])
    assert list(read_card(out / READER_FOLDER)["depends_on"]) == ["backbone/torchvision_mobilenet_v3_small"]
    assert ImageReader.load(out).read(make_photo(VA(5, 5), np.random.default_rng(0))).sd_valence > 0
    for unknown, sentence in (
        ("torchvision:nothing", "no classifier called 'nothing'"),
        ("torchvision:vit_b_16", "no chain of convolutional stages"),
        ("elsewhere", "no encoder 'elsewhere'"),
    ):
        with pytest.raises(CheckpointError, match=sentence):
            train([*where, "--encoder", unknown])


def test_every_block_counts_as_much_whatever_its_width() -> None:
    features, ratings, groups = wave()
    noise = np.random.default_rng(1).normal(size=(len(features), 200))
    drowned = KernelHead.fit(np.hstack([features, noise]), ratings, groups)
    heard = KernelHead.fit(np.hstack([features, noise]), ratings, groups, [5, 200])
    assert heard.held_out_error(ratings, groups) < drowned.held_out_error(ratings, groups)
    with pytest.raises(ValueError, match="blocks of 5 features"):
        KernelHead.fit(features, ratings, groups, [2, 2])


# --- what is shipped


def test_the_shipped_reader_ranks_the_examples_as_people_would() -> None:
    reader, examples = ImageReader.load(CHECKPOINTS), CHECKPOINTS.parent / "examples"
    read = {name: reader.read(open_photo(examples / f"{name}.jpg")) for name in ("flower", "chelsea", "forest_path")}
    assert read["flower"].va.valence > read["forest_path"].va.valence + 0.5
    assert read["chelsea"].va.valence > read["forest_path"].va.valence
    for reading in read.values():
        assert 0.5 < reading.sd_valence < 2.5
        assert 0.4 < reading.sd_arousal < 2.0


def test_every_example_is_small_and_says_where_it_comes_from() -> None:
    folder = CHECKPOINTS.parent / "examples"
    listed = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert {row["file"] for row in listed} == {path.name for path in folder.glob("*.jpg")}
    for row in listed:
        assert all(row[key].strip() for key in ("title", "source", "author", "licence")), row["file"]
        path = folder / row["file"]
        assert path.stat().st_size < 150_000
        assert max(open_photo(path).size) <= 900
