"""The examples of a network that sees the digit."""

import numpy as np

from batch.training import examples
from batch.training.rendering import strokes

DRAWINGS = np.stack([strokes.draw(label, np.random.default_rng(label)) for label in range(10)])
DIGITS = list(zip(DRAWINGS, range(10), strict=True))


def test_examples_keep_the_order_of_the_digits() -> None:
    prepared = examples.prepare(DIGITS)
    assert prepared.labels.tolist() == list(range(10))
    assert prepared.digits.shape == (10, 28, 28, 1)
    assert prepared.digits.dtype == np.uint8


def test_nothing_is_learnt_from_a_blank() -> None:
    blank = np.full((40, 40), 220, np.uint8), 3
    assert examples.prepare([*DIGITS, blank, (255 - DRAWINGS[4], 4)]).labels.tolist() == [*range(10), 4]
    assert examples.prepare([blank]).digits.shape == (0, 28, 28, 1)
