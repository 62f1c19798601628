"""The check that a person could read each digit of a rendered field."""

import cv2
import numpy as np
import pytest

from batch.records import Grey
from batch.training.numbers.legible import Written, are_apart, are_visible

HEIGHT, WIDTH = 40, 80
AS_IT_IS = np.array([[1.0, 0, 0], [0, 1, 0]])
HALF = AS_IT_IS / 2  # a canvas has twice the pixels of the scan


def stroke(x: float, y: float = 8, tall: float = 24) -> Written:
    """Write a vertical stroke of 4 pixels' width in a box of 12."""
    canvas = np.zeros((2 * HEIGHT, 2 * WIDTH), np.uint8)
    cv2.rectangle(canvas, (int(2 * x) + 8, int(2 * y)), (int(2 * x) + 15, int(2 * (y + tall))), 255, -1)
    return Written.cut(canvas, (x, y, x + 12, y + tall))


def canvas_of(*digits: Written) -> Grey:
    canvas = np.zeros((2 * HEIGHT, 2 * WIDTH), np.uint8)
    for ink, column, row, _, _ in digits:
        place = canvas[row : row + ink.shape[0], column : column + ink.shape[1]]
        np.maximum(place, ink, out=place)
    return canvas


def scan_of(canvas: Grey, depth: float, noise: float) -> Grey:
    ink = cv2.resize(canvas, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA) / 255
    grain = np.random.default_rng(1).normal(0, noise, ink.shape)
    return np.clip(220 - depth * ink + grain, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("x", "apart"), [(30.0, True), (16.0, True), (11.0, False), (10.0, False), (72.0, False), (-6.0, False)]
)
def test_digits_that_hide_each_other_or_are_cut_off(x: float, apart: bool) -> None:
    assert are_apart([stroke(10), stroke(x)], HEIGHT, WIDTH) is apart


@pytest.mark.parametrize(
    ("depth", "noise", "visible"), [(120, 5, True), (20, 2, True), (20, 20, False), (5, 0.5, False)]
)
def test_ink_that_sinks_into_the_paper(depth: float, noise: float, visible: bool) -> None:
    digits = [stroke(10), stroke(40)]
    canvas = canvas_of(*digits)
    assert are_visible(scan_of(canvas, depth, noise), digits, canvas, AS_IT_IS, HALF) is visible


def test_a_digit_in_shadow() -> None:
    digits = [stroke(10), stroke(60)]
    canvas = canvas_of(*digits)
    scan = scan_of(canvas, 120, 3)
    assert are_visible(scan, digits, canvas, AS_IT_IS, HALF)
    scan[:, 50:] = 15
    assert not are_visible(scan, digits, canvas, AS_IT_IS, HALF)


def test_digits_that_are_too_small() -> None:
    digits = [stroke(10, tall=7), stroke(40)]
    canvas = canvas_of(*digits)
    assert not are_visible(scan_of(canvas, 120, 3), digits, canvas, AS_IT_IS, HALF)


def test_sheared_digits_are_found() -> None:
    digits = [stroke(20), stroke(50)]
    shear = np.array([[1, 0.3, -0.3 * HEIGHT], [0, 1, 0.0]])
    plain = canvas_of(*digits)
    canvas = cv2.warpAffine(plain, shear, plain.shape[::-1])
    scan = scan_of(canvas, 40, 3)
    assert are_visible(scan, digits, canvas, shear, HALF)
    assert not are_visible(scan_of(plain, 0, 3), digits, canvas, shear, HALF)
