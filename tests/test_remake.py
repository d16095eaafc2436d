"""The record of a piece is lossless: read back, its recipe makes the very same MIDI file again."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from eimg_core.composer import Composition
from eimg_core.emotion import VA
from eimg_core.errors import InputError
from eimg_core.exports.files import write
from eimg_core.exports.record import JSON_FORMAT, composition_of, describe, music_of, read_record, recipe_of
from eimg_core.exports.work import Work
from eimg_core.images import open_photo
from eimg_core.options import OPTIONS, ComposeOptions
from eimg_core.recipe import Recipe, Step
from eimg_core.remake import remake
from eimg_core.shipped import EXAMPLES
from eimg_core.studio import Studio
from tests.fake_studio import FakeStudio, scene, sketch

ROOT = Path(__file__).resolve().parents[1]
PAIRING, POINT = "effnet+tvae", VA(6.9, 3.1)
OPTIONS_OF_A_TEST = ComposeOptions(seed=5, seconds=6.0, takes=2)


@pytest.fixture(scope="module")
def studio() -> Studio:
    return Studio()


@pytest.fixture(scope="module")
def photos() -> list:
    return [open_photo(EXAMPLES / f"{name}.jpg") for name in ("flower", "fireworks")]


def written(composition: Composition, folder: Path) -> dict[str, Path]:
    folder.mkdir()
    return write(Work(composition), folder, "piece", ("mid", "json"))


WAYS = {
    "a photo": lambda studio, photos: studio.compose(photos[0], PAIRING, OPTIONS_OF_A_TEST),
    "a photo and a target": lambda studio, photos: studio.compose(
        photos[0], PAIRING, replace(OPTIONS_OF_A_TEST, target=POINT)
    ),
    "a target alone, as written": lambda studio, photos: studio.compose(
        None, PAIRING, replace(OPTIONS_OF_A_TEST, target=POINT, expressive=False)
    ),
    "a take that was kept": lambda studio, photos: studio.keep(
        first := studio.compose(photos[1], PAIRING, OPTIONS_OF_A_TEST), 1 - first.kept
    ),
    "another tempo and density": lambda studio, photos: studio.compose(
        photos[0], PAIRING, replace(OPTIONS_OF_A_TEST, tempo=1.15, density=0.5)
    ),
    "another variant": lambda studio, photos: studio.compose(
        photos[0], "vqvae+fnt@paper", replace(OPTIONS_OF_A_TEST, takes=1, tempo=0.8)
    ),
    "a story": lambda studio, photos: studio.story(photos, PAIRING, replace(OPTIONS_OF_A_TEST, seconds=10.0)),
    "a tune from elsewhere, retold": lambda studio, photos: studio.retell(
        sketch(POINT, 3, 6.0), PAIRING, VA(2.5, 2.5), replace(OPTIONS_OF_A_TEST, tempo=0.9, keep=1)
    ),
    "a piece from elsewhere, extended": lambda studio, photos: studio.extend(
        sketch(POINT, 3, 6.0), PAIRING, POINT, replace(OPTIONS_OF_A_TEST, seconds=12.0)
    ),
    "a piece from elsewhere, filled": lambda studio, photos: studio.fill(
        sketch(POINT, 3, 12.0), (1, 3), PAIRING, POINT, OPTIONS_OF_A_TEST
    ),
    "a piece of the page, retold and extended": lambda studio, photos: remake(
        studio,
        Recipe(
            PAIRING,
            replace(OPTIONS_OF_A_TEST, tempo=1.1),
            "b16e2bba92b1428d",
            (Step("retell", VA(3.25, 6.5), 8.0, keep=1), Step("extend", VA(3.25, 6.5), 14.0)),
        ),
        photos,
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_record_read_back_and_composed_again_gives_the_same_bytes(studio, photos, tmp_path, way):
    first = written(WAYS[way](studio, photos), tmp_path / "first")
    recipe = recipe_of(read_record(first["json"]))
    needed = photos if recipe.stops else photos[1:] if way == "a take that was kept" else photos
    again = written(remake(Studio(), recipe, needed), tmp_path / "again")
    assert again["mid"].read_bytes() == first["mid"].read_bytes()
    one, other = (json.loads(files["json"].read_text()) for files in (first, again))
    assert {**one, "timings_s": {}} == {**other, "timings_s": {}}


def test_every_option_is_in_the_record_and_comes_back(tmp_path):
    values = {"target": VA(1 + 1 / 3, 6.7654321), "takes": 3, "keep": 2}
    for name, one in OPTIONS.items():
        if name not in values:
            if one.choices:
                values[name] = one.choices[-1]
            else:
                values[name] = not one.usual if one.kind is bool else one.kind((one.high - one.low) / 3 + one.low)
    made = FakeStudio().compose(None, "vqvae+fnt", ComposeOptions(**values))
    record = read_record(written(made, tmp_path / "x")["json"])
    assert recipe_of(record).options == composition_of(record).options == ComposeOptions(**values)
    assert composition_of(record).kept == 2


def test_another_photo_is_refused(tmp_path):
    studio = FakeStudio()
    record = read_record(
        written(studio.compose(scene("beach"), "vqvae+fnt", OPTIONS_OF_A_TEST), tmp_path / "x")["json"]
    )
    assert remake(studio, recipe_of(record), [scene("beach")]).photo_va is not None
    for photos in ([], [scene("night")]):
        with pytest.raises(InputError, match="made for another photo"):
            remake(studio, recipe_of(record), photos)


def test_a_piece_from_elsewhere_is_gone_on_from_where_it_is_known_and_asked_for_where_it_is_not():
    studio = FakeStudio()
    given = studio.given(sketch(POINT, 3, 8.0), "vqvae+fnt")
    assert given.piece == sketch(POINT, 3, 8.0)
    assert given.made_by.as_given
    told = replace(given.made_by, steps=(Step("fill", POINT, 8.0, bars=(1, 2)), Step("retell", POINT, 8.0)))
    made = remake(studio, Recipe.parse(told.value()), (), {given.made_by.key: given})
    assert (studio.filled[-1], len(studio.retold)) == ((given.piece, (1, 2)), 1)
    assert made.made_by == told
    assert not told.as_given
    with pytest.raises(InputError, match="Open that file again"):
        remake(studio, told, (), {})


@pytest.mark.parametrize("bars", [None, [], [3], [2, 2], [-1, 2], [1, 10**9], ["a", "b"], [1, 2, 3], {}])
def test_bars_of_a_recipe_that_came_from_anywhere_are_checked(bars):
    target = {"valence": 5, "arousal": 5}
    step = {"do": "fill", "target": target, "seconds": 9, "keep": None, "bars": bars}
    with pytest.raises(InputError, match="settings cannot be read"):
        Recipe.parse({**Recipe(PAIRING, OPTIONS_OF_A_TEST).value(), "steps": [step]})


def test_a_record_of_format_2_still_reads():
    """Made by version 0.1.0: ``compose flower.jpg --seed 7 --seconds 6 --tempo 1.2 --keep 2``."""
    made = composition_of(read_record(ROOT / "tests" / "data" / "record_format_2.json"))
    assert made.options == ComposeOptions(7, 6.0, None, 4, tempo=1.2, keep=1)
    assert made.made_by.photo_id == "b16e2bba92b1428d"
    assert (made.pairing, made.variant, made.kept) == ("effnet+tvae", "eimg2", 1)
    assert len(made.piece.notes) == 27
    assert made.performance is not None


def test_json_md_explains_every_key():
    """Every key of a record, and no other, has a row in docs/json.md."""
    studio = FakeStudio()
    told = studio.fill(sketch(POINT, 3, 8.0), (0, 1), "vqvae+fnt", POINT, OPTIONS_OF_A_TEST)
    given = studio.given(sketch(POINT, 3, 8.0), "vqvae+fnt")
    story = studio.story([scene("beach"), scene("night")], "effnet+tvae", OPTIONS_OF_A_TEST)
    text = (ROOT / "docs" / "json.md").read_text(encoding="utf-8")
    assert f"format {JSON_FORMAT}" in text
    named = set(re.findall(r"^\| `([\w.]+)` \|", text, flags=re.MULTILINE))
    record = {**describe(told, {}), "sound": {"engine": "", "soundfont": ""}, **music_of(told)}
    record["recipe"]["stops"] = describe(story, {})["recipe"]["stops"]
    record["recipe"]["given_id"] = describe(given, {})["recipe"]["given_id"]
    assert named == set(_keys(record))


def _keys(value: dict, place: str = ""):
    for key, inside in value.items():
        yield place + key
        if key in ("metrics", "timings_s", "files"):
            continue  # by their names
        inner = inside[0] if isinstance(inside, list) and inside and isinstance(inside[0], dict) else inside
        if isinstance(inner, dict) and set(inner) != {"valence", "arousal"}:
            yield from _keys(inner, f"{place}{key}.")


@pytest.mark.parametrize(("given", "sentence"), [("file", "Open that file again"), ("live", "Play live again")])
def test_a_beginning_that_is_gone_is_told_for_what_it_was(given: str, sentence: str) -> None:
    recipe = Recipe(
        PAIRING, OPTIONS_OF_A_TEST, given_id=f"{given}0123456789abcdef", steps=(Step("retell", POINT, 8.0),)
    )
    with pytest.raises(InputError, match=sentence):
        remake(FakeStudio(), recipe)
