"""What the classes of a classifier say of a photo: the table that ships, and how probabilities weigh it."""

from __future__ import annotations

import numpy as np
import pytest

from eimg_core.va import class_knowledge as module
from eimg_core.va.class_knowledge import CLASSES, TEMPERATURES, class_knowledge, probabilities


def one_hot(*names: str) -> np.ndarray:
    """Logits that leave no doubt about one class each."""
    logits = np.zeros((len(names), CLASSES))
    logits[range(len(names)), [class_knowledge().names.index(name) for name in names]] = 100.0
    return logits


def test_the_table_has_a_row_for_every_class_in_the_order_of_the_logits() -> None:
    known = class_knowledge()
    assert len(known.names) == CLASSES
    assert [known.names[n] for n in (0, 285, 407, 967, 999)] == [
        "tench", "Egyptian cat", "ambulance", "espresso", "toilet tissue",
    ]  # fmt: skip
    rows = [line.split(",") for line in module._lines()][1:]
    assert [int(row[0]) for row in rows] == list(range(CLASSES))


def test_its_numbers_are_on_their_scales_and_spread_over_them() -> None:
    known = class_knowledge()
    assert known.affect.shape == (CLASSES, 2)
    assert known.affect.min() >= 1.0
    assert known.affect.max() <= 9.0
    assert (known.affect.std(axis=0) > 0.5).all()
    assert known.weights.min() > 0.0
    assert known.weights.max() <= 1.0
    assert known.attributes.shape == (CLASSES, len(known.attribute_names))
    assert known.attributes.min() == 0.0
    assert (known.attributes.max(axis=0) >= 0.8).all(), "each attribute has a class that shows it plainly"
    assert ((known.attributes > 0).mean(axis=0) < 0.3).all(), "and most classes do not"


@pytest.mark.parametrize(
    ("pleasant", "unpleasant"), [("golden retriever", "cockroach"), ("lakeside", "wreck"), ("daisy", "assault rifle")]
)
def test_it_says_what_everybody_knows_of_valence(pleasant: str, unpleasant: str) -> None:
    known = class_knowledge()
    better, worse = (known.affect[known.names.index(name), 0] for name in (pleasant, unpleasant))
    assert better > worse + 1.5


def test_it_says_what_everybody_knows_of_attributes() -> None:
    known = class_knowledge()
    for attribute, name in (
        ("threat", "great white shark"),
        ("food", "pizza"),
        ("fire", "volcano"),
        ("disgust", "tick"),
    ):
        assert known.attributes[known.names.index(name), known.attribute_names.index(attribute)] >= 0.8


def test_a_certain_class_says_what_its_row_says() -> None:
    known = class_knowledge()
    affect, attributes = known.evidence(probabilities(one_hot("volcano", "teddy")))
    assert affect.shape == (2, 2 * len(TEMPERATURES))
    for row, name in enumerate(("volcano", "teddy")):
        number = known.names.index(name)
        np.testing.assert_allclose(affect[row].reshape(-1, 2), [known.affect[number]] * len(TEMPERATURES), atol=1e-4)
        expected = np.sqrt(known.attributes[number])
        np.testing.assert_allclose(attributes[row].reshape(len(TEMPERATURES), -1)[0], expected, atol=1e-4)


def test_telling_classes_count_more() -> None:
    known = class_knowledge()
    two = np.zeros((1, 1, CLASSES))
    telling, vague = int(known.weights.argmax()), int(known.weights.argmin())
    two[..., [telling, vague]] = 0.5
    affect, _ = known.evidence(two)
    near, far = (np.abs(affect[0] - known.affect[number]).sum() for number in (telling, vague))
    assert near < far


def test_probabilities_are_flatter_the_hotter_and_do_not_overflow() -> None:
    found = probabilities(one_hot("tench") * 1000.0 / 100.0)
    np.testing.assert_allclose(found.sum(axis=-1), 1.0)
    logits = np.random.default_rng(0).normal(0, 3, (1, CLASSES))
    assert (np.diff(probabilities(logits)[0].max(axis=-1)) < 0).all()
    np.testing.assert_allclose(probabilities(logits)[0, 0], np.exp(logits[0]) / np.exp(logits[0]).sum())
