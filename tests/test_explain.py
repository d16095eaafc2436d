"""Why a photo is read as it is: the maps find what the reader looks at, and the words say no more than was measured."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from eimg_core.backbones.class_layer import ClassLayer
from eimg_core.shipped import CHECKPOINTS
from eimg_core.va import explain as module
from eimg_core.va.class_knowledge import CLASSES, class_knowledge
from eimg_core.va.explain import CUES, GRID, cues, effects, explain, in_words, parts_of
from eimg_core.va.image_reader import ImageReader, Sight
from eimg_core.va.kernel_head import KernelHead
from train.evaluation.photo_cues import correlations


class RedEdges:
    """A network with one map, blurred by nothing: how red and how sharp each place of a photo is."""

    side = 96

    def maps(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        red = (images[:, :1] - images[:, 2:]).clamp(min=0)
        edges = (red - torch.nn.functional.avg_pool2d(red, 5, 1, 2)).abs()
        return (edges,)


WRECK = class_knowledge().names.index("wreck")


def fitted(class_layers: list[ClassLayer], spreads: bool = False) -> ImageReader:
    """Fitted so that photos with more red detail are more pleasant and less exciting."""
    rng = np.random.default_rng(0)
    reader = ImageReader([RedEdges()], late=1, spreads=spreads, class_layers=class_layers)
    photos = [photo([(x, y) for x, y in rng.integers(0, 6, (count, 2))]) for count in rng.integers(0, 9, 30)]
    blocks = reader.look(photos).blocks()
    features = np.concatenate(blocks, axis=1)
    detail = (features[:, 0] - features[:, 0].min()) / np.ptp(features[:, 0])
    ratings = np.stack([2 + 6 * detail, 8 - 6 * detail], axis=1)
    reader.head = KernelHead.fit(features, ratings, [str(n % 6) for n in range(30)], [b.shape[1] for b in blocks])
    return reader


@pytest.fixture(scope="module")
def reader() -> ImageReader:
    return fitted([])


@pytest.fixture(scope="module")
def namer() -> ImageReader:
    """It takes red detail for a wreck."""
    weight = torch.zeros(CLASSES, 1)
    weight[WRECK] = 600.0
    return fitted([ClassLayer(weight, torch.zeros(CLASSES))])


def photo(cells: list[tuple[int, int]], ground: str = "#707070") -> Image.Image:
    """A grey square with red stripes in some cells of a 6 × 6 grid."""
    picture = Image.new("RGB", (384, 384), ground)
    draw = ImageDraw.Draw(picture)
    for x, y in cells:
        for stripe in range(4, 64, 16):
            draw.rectangle([64 * x + stripe, 64 * y, 64 * x + stripe + 7, 64 * y + 63], fill="#e01010")
    return picture


@pytest.mark.parametrize("cell", [(0, 0), (4, 1), (2, 5)])
def test_the_strongest_effect_is_where_the_reader_looks(reader: ImageReader, cell: tuple[int, int]) -> None:
    valence, arousal = effects(reader, photo([cell]))
    x, y = (round((place + 0.5) * GRID / 6) for place in cell)
    stripes = valence == valence[y, x]
    assert 1 / 40 < stripes.mean() < 0.25, "they are a part of their own"
    assert valence[y, x] == valence.max(), "and make the photo more pleasant than any other"
    assert arousal[y, x] < arousal[~stripes].mean(), "and calmer"


def test_parts_hang_together_fill_the_photo_and_follow_it(reader: ImageReader) -> None:
    parts = parts_of(reader.maps(photo([(1, 1), (2, 1), (1, 2), (2, 2)]))[0])
    numbers, sizes = np.unique(parts, return_counts=True)
    assert numbers.tolist() == list(range(len(numbers)))
    assert 4 <= len(numbers) <= 14
    assert sizes.min() >= 0.02 * parts.size
    assert module._connected(parts).max() == parts.max()


def test_effects_sum_to_the_reading_less_that_of_an_average_photo(namer: ImageReader) -> None:
    striped = photo([(1, 1), (4, 4), (5, 0)])
    maps = namer.maps(striped)
    parts = parts_of(maps[0])
    number = int(parts.max()) + 1
    none, every = np.zeros((1, number), dtype=bool), np.ones((1, number), dtype=bool)
    average, whole = (module._readings_of(namer, maps, parts, there)[0] for there in (none, every))
    np.testing.assert_allclose(module._added(namer, maps, parts).sum(axis=1), whole - average, atol=1e-9)
    assert namer.head is not None
    usual = namer.head.centre[:1]
    expected = Sight((usual[None],), namer.class_layers[0].of_means(torch.tensor(usual[None]).float()).double().numpy())
    np.testing.assert_allclose(average, namer.head.readings(np.concatenate(expected.blocks(), axis=1))[0], atol=1e-6)


def test_with_all_parts_there_the_networks_see_the_whole_photo() -> None:
    """Means, spreads and classes are put together from parts as they are taken from the photo."""
    reader = fitted([ClassLayer(torch.ones(CLASSES, 1), torch.zeros(CLASSES))], spreads=True)
    striped = photo([(1, 1), (4, 4)])
    maps = reader.maps(striped)
    parts = parts_of(maps[0])
    every = np.ones((1, int(parts.max()) + 1), dtype=bool)
    seen = reader.look([striped])  # equal logits for all classes, in the squares as well
    expected = reader.head.readings(np.concatenate(seen.blocks(), axis=1))[0]  # type: ignore[union-attr]
    np.testing.assert_allclose(module._readings_of(reader, maps, parts, every)[0], expected, atol=1e-4)


def test_a_photo_without_parts_is_said_to_have_none(reader: ImageReader) -> None:
    told = in_words(photo([]), np.full((GRID, GRID), 0.02), "valence")
    assert told == "No single part of the photo decides how pleasant it is."
    assert explain(reader, photo([])).classes == ()


def test_an_explanation_is_plain_and_the_same_each_time(reader: ImageReader) -> None:
    sharp = photo([(0, 5)])
    told = explain(reader, sharp)
    assert told == explain(reader, sharp)
    assert json.loads(json.dumps(told.valence)) == [list(row) for row in told.valence]
    assert "at the lower left makes it more pleasant" in told.words["valence"]
    assert "at the lower left makes it calmer" in told.words["arousal"]
    assert "no part adds or takes more than" in told.words["valence"]


def test_the_classes_that_moved_the_reading_are_named_with_their_effect(namer: ImageReader) -> None:
    wrecked = photo([(1, 1), (2, 2), (3, 3), (4, 4), (1, 4), (4, 1)])
    told = explain(namer, wrecked)
    assert [one.name for one in told.classes] == ["wreck"]
    seen = told.classes[0]
    assert 0.5 < seen.probability <= 1.0
    assert seen.valence > 0.05
    assert seen.arousal < -0.05
    percent = round(100 * seen.probability)
    assert told.words["valence"].startswith(
        f"It looks like: wreck ({percent} %); that makes it more pleasant, by {seen.valence:.1f} points."
    )
    assert f"that makes it calmer, by {-seen.arousal:.1f} points" in told.words["arousal"]
    assert explain(namer, photo([])).classes == (), "among a thousand equally likely classes none is worth a word"


def test_a_class_is_taken_out_by_giving_its_probability_to_the_others() -> None:
    left = module._without(np.array([[0.5, 0.25, 0.25], [0.2, 0.2, 0.6]]), [0])
    np.testing.assert_allclose(left, [[0.0, 0.5, 0.5], [0.0, 0.25, 0.75]])


def test_words_say_which_way_where_and_what_it_looks_like() -> None:
    picture = Image.new("RGB", (300, 300), "#606060")
    draw = ImageDraw.Draw(picture)
    draw.rectangle([200, 0, 299, 99], fill="#ffe020")
    draw.rectangle([100, 200, 199, 299], fill="#050505")
    effect = np.zeros((6, 6))
    effect[0, 5], effect[5, 2] = 0.31, -0.22
    assert in_words(picture, effect, "valence") == (
        "The bright yellow area at the upper right makes it more pleasant, the dark area at the bottom makes it less "
        "pleasant. Compared with an average photo, no part adds or takes more than 0.3 points."
    )
    assert "bottom makes it more exciting" in in_words(picture, -effect, "arousal")


def test_cues_are_what_they_say() -> None:
    grey, red, halves = (Image.new("RGB", (64, 64), colour) for colour in ("#808080", "#ff0000", "#000000"))
    halves.paste("#ffffff", (0, 0, 64, 32))
    assert cues(grey)["colourfulness"] == 0.0
    assert cues(grey)["brightness"] == pytest.approx(128 / 255)
    assert cues(red)["warmth"] == 1.0
    assert cues(halves)["contrast"] == pytest.approx(0.5)
    assert cues(red)["contrast"] == pytest.approx(0.0, abs=1e-12)


def test_correlations_of_a_cue_that_is_the_rating_and_of_its_opposite() -> None:
    found = [dict.fromkeys(CUES, float(n)) for n in range(20)]
    noise = [2.0 * (-1) ** n for n in range(20)]
    ratings = [(n + noise[n], -n + noise[n]) for n in range(20)]
    table = correlations(found, ratings)
    r, low, high = table["brightness"]["valence"]
    assert 0.8 < low < r < high < 1
    assert table["contrast"]["arousal"][0] < -0.9


def test_only_cues_that_the_record_backs_are_spoken_of() -> None:
    record = json.loads((CHECKPOINTS.parent / "results" / "photo-cues.json").read_text(encoding="utf-8"))
    for axis, (cue, mean, sd, _, r) in module._BACKED.items():
        recorded, low, high = record["r_low_high"][cue][axis]
        assert (r, mean, sd) == (recorded, record["mean"][cue], record["sd"][cue])
        assert low > 0.1 or high < -0.1, "its interval is clear of nothing"
    dull, vivid = Image.new("RGB", (64, 64), "#707070"), Image.new("RGB", (64, 64), "#ff0060")
    vivid.paste("#00d030", (0, 0, 32, 64))
    assert "less colourful" in module._cue_in_words(dull, "valence")
    assert "more colourful" in module._cue_in_words(vivid, "valence")
    assert "less rich in contrast" in module._cue_in_words(dull, "arousal")
