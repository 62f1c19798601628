"""The check that a person could read each digit of a rendered scan."""

import cv2
import numpy as np
import pytest

from batch.records import Grey
from batch.training.look.legible import Affine, Written, are_apart, are_visible, canvas_to_scan

HEIGHT, WIDTH = 40, 80
HALF = np.eye(2, 3) / 2  # a canvas has twice the pixels of the scan


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


def visible(scan: Grey, digits: list[Written], canvas: Grey, *shear: Affine) -> bool:
    return are_visible(scan, digits, canvas, HALF, 8.0, *shear)


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
    ("depth", "noise", "seen"), [(120, 5, True), (20, 2, True), (20, 20, False), (5, 0.5, False)]
)
def test_ink_that_sinks_into_the_paper(depth: float, noise: float, seen: bool) -> None:
    digits = [stroke(10), stroke(40)]
    canvas = canvas_of(*digits)
    assert visible(scan_of(canvas, depth, noise), digits, canvas) is seen


def test_a_digit_in_shadow() -> None:
    digits = [stroke(10), stroke(60)]
    canvas = canvas_of(*digits)
    scan = scan_of(canvas, 120, 3)
    assert visible(scan, digits, canvas)
    scan[:, 50:] = 15
    assert not visible(scan, digits, canvas)


def test_a_digit_on_the_edge_of_a_shadow() -> None:
    digits = [stroke(30)]
    canvas = canvas_of(*digits)
    scan = scan_of(canvas, 120, 3)
    scan[:, 36:] //= 3  # the edge runs through the digit
    assert visible(scan, digits, canvas)


def test_a_scan_that_is_stretched_and_moved() -> None:
    digits = [stroke(10), stroke(40)]
    canvas = canvas_of(*digits)
    scan = cv2.resize(scan_of(canvas, 120, 3), (2 * WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)
    scan = cv2.copyMakeBorder(scan, 5, 0, 7, 0, cv2.BORDER_CONSTANT, value=220)
    place = canvas_to_scan((10, 8, 52, 32), (27, 13, 111, 37))
    assert are_visible(scan, digits, canvas, place, 8.0)
    assert not visible(scan, digits, canvas)


def test_digits_that_are_too_small() -> None:
    digits = [stroke(10, tall=7), stroke(40)]
    canvas = canvas_of(*digits)
    assert not visible(scan_of(canvas, 120, 3), digits, canvas)


def test_sheared_digits_are_found() -> None:
    digits = [stroke(20), stroke(50)]
    shear = np.array([[1, 0.3, -0.3 * HEIGHT], [0, 1, 0.0]])
    plain = canvas_of(*digits)
    canvas = cv2.warpAffine(plain, shear, plain.shape[::-1])
    scan = scan_of(canvas, 40, 3)
    assert visible(scan, digits, canvas, shear)
    assert not visible(scan_of(plain, 0, 3), digits, canvas, shear)
