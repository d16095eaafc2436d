"""What the classes that a classifier sees in a photo say of its emotion.

A classifier of ImageNet gives each of 1000 classes a probability. ``class_knowledge.csv`` says, from general knowledge
and not from any rating, which valence and arousal pictures of each class usually carry, how telling the class is, and
which attributes such pictures have: threat, cuteness, food, … Weighed by the probabilities, these are a few numbers
for a photo that the photo reader learns from beside its features. The probabilities are taken at several temperatures:
at 1 the likeliest classes count, at higher ones all classes that are a little like it.

What is no class of ImageNet is weak here: fire, blood, weapons in hands, faces that cry or laugh, weddings, crowds.

Conventions: logits are (N, 1000); valence and arousal are on 1-9; attributes and probabilities from 0 to 1.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = ["CLASSES", "TEMPERATURES", "ClassKnowledge", "class_knowledge", "probabilities"]

Array = NDArray[np.float64]

CLASSES = 1000
TEMPERATURES = (1.0, 2.0, 4.0)
_TABLE = Path(__file__).with_name("class_knowledge.csv")
_FIRST_ATTRIBUTE = 5  # column; before it: index, class, valence, arousal, weight


@dataclass(frozen=True)
class ClassKnowledge:
    """The table of classes.

    Args:
        names: of the classes, in the order of the logits.
        affect: valence and arousal, (1000, 2).
        weights: how telling each class is, (1000,), from 0 to 1.
        attributes: (1000, A).
        attribute_names: A names.
    """

    names: tuple[str, ...]
    affect: Array
    weights: Array
    attributes: Array
    attribute_names: tuple[str, ...]

    def evidence(self, found: Array) -> tuple[Array, Array]:
        """What probabilities say: the affect of the classes, by how telling they are, and their attributes.

        Args:
            found: probabilities of the classes at each temperature, (N, T, 1000).
        Returns:
            Valence and arousal at each temperature, (N, 2T), and the root of the attributes at each, (N, A · T): a
            class that is seen faintly should count for something.
        """
        telling = found * self.weights
        affect = telling @ self.affect / telling.sum(axis=-1, keepdims=True)
        return affect.reshape(len(found), -1), np.sqrt(found @ self.attributes).reshape(len(found), -1)


@cache
def class_knowledge() -> ClassKnowledge:
    """The table that ships."""
    header, *rows = csv.reader(_lines())
    numbers = np.array([[float(cell or 0) for cell in row[2:]] for row in rows])
    attributes = numbers[:, _FIRST_ATTRIBUTE - 2 :]
    names = tuple(row[1] for row in rows)
    return ClassKnowledge(names, numbers[:, :2], numbers[:, 2], attributes, tuple(header[_FIRST_ATTRIBUTE:]))


def _lines() -> Iterator[str]:
    """The table without the lines that say how it was made."""
    yield from (line for line in _TABLE.read_text(encoding="utf-8").splitlines() if not line.startswith("#"))


def probabilities(logits: Array) -> Array:
    """Softmax at each of ``TEMPERATURES``: (N, 1000) → (N, T, 1000)."""
    scaled = logits[:, None, :] / np.array(TEMPERATURES)[:, None]
    raised = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=-1, keepdims=True))
