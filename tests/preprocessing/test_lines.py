"""Printed lines go, strokes stay."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch.preprocessing import lines
from batch.preprocessing.arrays import Mask
from batch.preprocessing.repair import repair_strokes


def without_lines(mask: Mask) -> Mask:
    """Return the mask without what are lines for certain."""
    certain, _ = lines.find_lines(mask)
    return repair_strokes(cv2.bitwise_and(mask, cv2.bitwise_not(certain)), certain, mask)


def test_a_mask_without_lines_comes_back_as_it_was() -> None:
    mask = np.zeros((80, 80), np.uint8)
    cv2.putText(mask, "5", (25, 60), cv2.FONT_HERSHEY_SIMPLEX, 1.8, 255, 4)
    assert np.array_equal(without_lines(mask), mask)


def test_borders_go_and_the_digit_stays() -> None:
    digit = np.zeros((80, 80), np.uint8)
    cv2.putText(digit, "8", (25, 60), cv2.FONT_HERSHEY_SIMPLEX, 1.6, 255, 4)
    framed = digit.copy()
    framed[:3] = framed[-2:] = 255
    framed[:, :4] = 255
    assert np.array_equal(without_lines(framed), digit)


def test_stroke_that_crosses_a_line_is_repaired() -> None:
    mask = np.zeros((80, 80), np.uint8)
    mask[10:70, 38:43] = 255
    mask[40:42] = 255
    strokes = without_lines(mask)
    assert strokes[40:42, 39:42].all()
    assert not strokes[40:42, :30].any()


def test_ink_that_is_nothing_but_a_line_is_kept() -> None:
    mask = np.zeros((80, 80), np.uint8)
    mask[:, 38:43] = 255
    assert np.array_equal(without_lines(mask), mask)


def test_the_top_of_a_seven_is_no_line() -> None:
    mask = np.zeros((80, 80), np.uint8)
    mask[12:17, 10:70] = 255
    cv2.line(mask, (68, 14), (30, 75), 255, 5)
    assert np.array_equal(without_lines(mask), mask)


def test_thick_slanting_stroke_is_no_line() -> None:
    mask = np.zeros((34, 25), np.uint8)
    cv2.line(mask, (0, 14), (22, 2), 255, 4)  # the upstroke of a 1 that is cut out tightly
    cv2.line(mask, (22, 2), (14, 33), 255, 4)
    assert np.array_equal(without_lines(mask), mask)


def beside_the_edge(wave_px: float) -> Mask:
    """A 9 in the corner; its stem, at the right edge down to the bottom, is bent by so much."""
    mask = np.zeros((112, 112), np.uint8)
    cv2.ellipse(mask, (86, 48), (17, 15), 0, 0, 360, 255, 5)
    down = np.arange(30, 112)
    across = 105 + wave_px * np.sin(down / 12.0)
    cv2.polylines(mask, [np.round(np.column_stack((across, down))).astype(np.int32)], False, 255, 5)
    return mask


def test_bent_stem_beside_the_edge_is_no_line() -> None:
    stem = beside_the_edge(1.6)
    assert np.array_equal(without_lines(stem), stem)
    assert not without_lines(beside_the_edge(0.0))[80:].any()


@pytest.mark.parametrize("slope", [0.0, 0.01, 0.03])
def test_a_border_that_slopes_is_straight(slope: float) -> None:
    digit = np.zeros((112, 112), np.uint8)
    cv2.putText(digit, "5", (40, 80), cv2.FONT_HERSHEY_SIMPLEX, 2, 255, 5)
    framed = digit.copy()
    cv2.line(framed, (0, 96), (111, 96 + round(111 * slope)), 255, 4)
    assert np.array_equal(without_lines(framed), digit)


def test_a_box_whose_sides_touch_no_edge_goes() -> None:
    digit = np.zeros((80, 80), np.uint8)
    cv2.putText(digit, "8", (27, 58), cv2.FONT_HERSHEY_SIMPLEX, 1.4, 255, 4)
    boxed = digit.copy()
    cv2.rectangle(boxed, (5, 5), (74, 75), 255, 3)
    assert np.array_equal(without_lines(boxed), digit)


def test_likely_lines_are_told_from_certain_ones() -> None:
    seven = np.zeros((80, 80), np.uint8)
    seven[6:11, 8:72] = 255
    cv2.line(seven, (68, 8), (30, 75), 255, 5)
    certain, likely = lines.find_lines(seven)
    assert not certain.any()
    assert likely[6:11, 8:70].all()
    assert not likely[20:].any()


def test_a_seven_that_reaches_the_edge_is_kept() -> None:
    mask = np.zeros((80, 80), np.uint8)
    mask[12:17, 35:] = 255
    cv2.line(mask, (78, 14), (45, 75), 255, 5)
    assert np.array_equal(without_lines(mask), mask)


def test_the_foot_of_a_one_between_borders_is_kept() -> None:
    mask = np.zeros((80, 80), np.uint8)
    mask[15:66, 38:43] = 255
    mask[64:68, 15:65] = 255
    framed = mask.copy()
    framed[:3] = framed[-2:] = 255
    framed[:, :3] = framed[:, -3:] = 255
    assert np.array_equal(without_lines(framed), mask)


def test_a_seven_of_straight_strokes_is_no_box() -> None:
    mask = np.zeros((80, 80), np.uint8)
    mask[6:11, 8:72] = 255
    mask[6:76, 67:72] = 255
    assert np.array_equal(without_lines(mask), mask)


@pytest.mark.parametrize("level", [0, 255])
def test_masks_that_are_all_ink_or_none_are_no_error(level: int) -> None:
    certain, likely = lines.find_lines(np.full((40, 30), level, np.uint8))
    assert certain.shape == likely.shape == (40, 30)


@given(
    size=st.tuples(st.integers(24, 70), st.integers(24, 70)),
    bars=st.lists(st.tuples(*[st.floats(0, 1)] * 4), min_size=1, max_size=5),
)
@settings(max_examples=200, deadline=None)
def test_masks_that_may_not_have_lines_have_none(
    size: tuple[int, int], bars: list[tuple[float, float, float, float]]
) -> None:
    height, width = size
    mask = np.zeros(size, np.uint8)
    for top, left, high, wide in bars:
        y, x = int(top * (height - 1)), int(left * (width - 1))
        mask[y : y + 1 + int(high * 6), x : x + 1 + int(wide * width)] = 255
    first, _, span, _ = cv2.boundingRect(mask)
    if not lines._may_have_lines(mask, first, span):
        assert lines._horizontal_lines(mask) is None
