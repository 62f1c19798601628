"""Tests of the check for a slash inside a number."""

import cv2
import numpy as np
import pytest

from batch.preprocessing.slash import has_slash
from batch.records import Grey

MIDDLES = [20.0, 60.0, 100.0]


def strip(top: int, lean: int, x: int = 60) -> Grey:
    """Draw two rings of 24 pixels' height with a stroke between them, from below the line up to `top`."""
    picture = np.full((40, 120), 48, np.uint8)
    for middle in (20, 100):
        cv2.ellipse(picture, (middle, 20), (8, 12), 0, 0, 360, 220, 2)
    cv2.line(picture, (x - lean, 34), (x + lean, top), 220, 2)
    return picture


@pytest.mark.parametrize(
    ("top", "lean", "is_slash"),
    [(4, 6, True), (8, 6, True), (11, 6, False), (4, 0, False), (4, -6, False), (18, 6, False)],
    ids=["slash", "hardly longer", "as long", "upright", "backslash", "short"],
)
def test_a_slash_is_long_and_leans_to_the_right(top: int, lean: int, is_slash: bool) -> None:
    assert has_slash(strip(top, lean), "010", MIDDLES) is is_slash


def test_only_a_one_between_digits_may_be_a_slash() -> None:
    assert not has_slash(strip(4, 6), "070", MIDDLES)
    assert not has_slash(strip(4, 6)[:, 40:], "10", [20.0, 60.0])


def test_a_stroke_that_touches_a_digit_is_no_slash() -> None:
    assert not has_slash(strip(4, 6, 88), "010", [20.0, 88.0, 100.0])


def test_digits_without_ink_near_their_middles_are_passed_over() -> None:
    assert not has_slash(np.full((40, 120), 48, np.uint8), "010", MIDDLES)
    assert not has_slash(strip(4, 6), "111", MIDDLES)


def test_a_digit_beside_the_strip_has_no_ink() -> None:
    """The second reading sees ground there, and may take it for digits."""
    picture = np.full((40, 160), 48, np.uint8)
    for middle in (20, 140):
        cv2.ellipse(picture, (middle, 20), (8, 12), 0, 0, 360, 220, 2)
    cv2.line(picture, (84, 34), (96, 4), 220, 9)
    assert has_slash(picture, "010", [20.0, 90.0, 140.0])
    assert not has_slash(picture, "7100", [-100.0, -20.0, 140.0, 190.0])
