"""The examples of a network that sees the digit."""

import numpy as np

from batch.training import examples
from batch.training.data.datasets import Labelled
from batch.training.examples import Material
from batch.training.rendering import strokes

DRAWINGS = np.stack([strokes.draw(label, np.random.default_rng(label)) for label in range(10)])
DIGITS = Labelled(DRAWINGS, np.arange(10, dtype=np.int32))


def test_examples_keep_the_order_of_the_digits() -> None:
    plain = examples.plain(Material(DIGITS))
    assert plain.labels.tolist() == list(range(10))
    assert plain.digits.shape == (10, 28, 28, 1)
    assert plain.digits.dtype == np.uint8


def test_own_scans_follow_and_nothing_is_learnt_from_a_blank() -> None:
    own = [(np.full((40, 40), 220, np.uint8), 3), (255 - DRAWINGS[4], 4), (255 - DRAWINGS[5], 5)]
    assert examples.plain(Material(DIGITS, own)).labels.tolist() == [*range(10), 4, 5]
    nothing = Labelled(DRAWINGS[:0], np.zeros(0, np.int32))
    assert examples.plain(Material(nothing, own[:1])).digits.shape == (0, 28, 28, 1)
