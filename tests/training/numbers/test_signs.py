from random import Random

import numpy as np
import pytest

from batch.training.numbers.mixture import SIGNS_DRAWN
from batch.training.numbers.signs import draw_sign

DRAWN = sorted(set(SIGNS_DRAWN) - {"character", "lookalike"})


@pytest.mark.parametrize("kind", DRAWN)
def test_a_sign_is_as_large_as_it_says(kind: str) -> None:
    for seed in range(50):
        sign = draw_sign(kind, Random(seed))
        points = np.concatenate(sign.strokes)
        longest = (points.max(axis=0) - points.min(axis=0)).max()
        assert sign.size * 0.9 <= longest <= sign.size * 1.7 or kind == "dot"
        assert -0.4 < sign.top < 1.1
    assert len({draw_sign(kind, Random(seed)).size for seed in range(9)}) == 9


def test_a_bracket_is_no_one() -> None:
    for seed in range(50):
        sign = draw_sign("bracket", Random(seed))
        (stroke,) = sign.strokes
        wide, tall = stroke.max(axis=0) - stroke.min(axis=0)
        assert wide / tall > 0.15
        assert sign.size > 1


def test_a_slash_is_no_one() -> None:
    for seed in range(50):
        sign = draw_sign("slash", Random(seed))
        (stroke,) = sign.strokes
        wide, tall = np.ptp(stroke, axis=0)
        assert wide / tall > 0.3 and stroke[0, 0] > stroke[1, 0]
        assert tall > 1.25 and sign.top < 0 and sign.top + tall > 1.1


def test_some_minus_signs_are_longer_than_digits_are_wide() -> None:
    sizes = [draw_sign("minus", Random(seed)).size for seed in range(100)]
    assert 20 < sum(size > 0.65 for size in sizes) < 60
