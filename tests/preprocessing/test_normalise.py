"""The input of a model that sees the digit, on drawn digits."""

import cv2
import numpy as np
import pytest

from batch.preprocessing.ink import find_ink
from batch.preprocessing.normalise import normalise
from drawn import boxed, digit_of, draw, likeness


def test_brightness_and_contrast_do_not_matter() -> None:
    assert likeness(digit_of(draw(paper=140, ink=90)), digit_of(draw(paper=255, ink=0))) > 0.98


@pytest.mark.parametrize("size", [8, 16, 28, 64, 400, 2000])
def test_digits_of_any_size_fill_the_box(size: int) -> None:
    scan = cv2.resize(draw("8", 200, width=18), (size, size), interpolation=cv2.INTER_AREA)
    digit = digit_of(scan)
    rows = np.flatnonzero(digit.max(axis=1) > 30)
    assert digit.shape == (28, 28)
    assert 18 <= rows[-1] - rows[0] + 1 <= 20


def test_centre_of_mass_is_in_the_middle() -> None:
    moments = cv2.moments(digit_of(draw("4")))
    assert abs(moments["m10"] / moments["m00"] - 14) <= 0.5
    assert abs(moments["m01"] / moments["m00"] - 14) <= 0.5


def test_the_digit_stands_alone() -> None:
    digit = normalise(find_ink(boxed(draw())))
    assert digit.shape == (28, 28, 1)
    assert digit.dtype == np.uint8
    assert digit[:3].max() < 100  # the printed box is left out


def test_hairlines_keep_their_contrast() -> None:
    assert digit_of(draw("3", 300, ink=60, width=2)).max() > 200
