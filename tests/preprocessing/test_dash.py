"""Tests of the check for a long dash beside a number."""

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from batch.inference.number_decision import NumberThresholds
from batch.inference.number_steps import read_lines
from batch.inference.numbers import NumberReader
from batch.inference.spelling import BLANK, CLASSES
from batch.lengths import ANY
from batch.preprocessing.dash import has_dash
from batch.records import Grey, Reason, Status

MIDDLES = (60.0, 80.0)


def strip_with(*lines: tuple[int, int, int, int], pen: int = 2) -> Grey:
    """Draw two digits like 1 in the middle of a strip, and lines of left, top, right and bottom."""
    strip = np.full((40, 160), 48, np.uint8)
    for left, top, right, bottom in [(60, 5, 60, 35), (80, 5, 80, 35), *lines]:
        cv2.line(strip, (left, top), (right, bottom), 255, pen)
    return strip


@pytest.mark.parametrize("line", [(20, 20, 45, 20), (10, 22, 50, 18), (40, 13, 51, 14), (95, 25, 130, 24)])
def test_a_dash_stands_alone_at_half_the_height(line: tuple[int, int, int, int]) -> None:
    assert has_dash(strip_with(line), MIDDLES)


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [(45, 20, 50, 20)],  # a hyphen, which the reader knows
        [(20, 37, 50, 37)],  # a line below
        [(20, 3, 50, 3)],  # a line above
        [(20, 20, 140, 20)],  # a line through the digits
        [(20, 20, 50, 20), (90, 20, 130, 20)],  # pieces of it
        [(20, 15, 50, 15), (20, 25, 50, 25)],  # ruled paper
        [(20, 5, 45, 35)],  # a slash
        [(55, 20, 85, 20)],  # the bar of a digit
    ],
)
def test_other_lines_are_no_dash(lines: list[tuple[int, int, int, int]]) -> None:
    assert not has_dash(strip_with(*lines), MIDDLES)


def test_a_thick_bar_is_no_dash() -> None:
    assert not has_dash(strip_with((20, 20, 45, 20), pen=12), MIDDLES)


class Zeros:
    """A network that reads 00 at the left of each picture."""

    def outputs(self, batch: npt.NDArray[np.uint8]) -> list[npt.NDArray[np.float32]]:
        classes = np.full(batch.shape[2] // 4, BLANK)
        classes[[3, 6]] = 0
        logits = np.log(np.eye(CLASSES, dtype=np.float32)[classes] + 1e-9)
        return [np.tile(logits, (len(batch), 1, 1)).reshape(len(batch), 1, -1, 2 * CLASSES)]


@pytest.mark.parametrize("has_minus", [False, True])
def test_a_number_with_a_dash_is_for_review(has_minus: bool) -> None:
    scan = np.full((80, 240), 235, np.uint8)
    for middle in (40, 85):
        cv2.ellipse(scan, (middle, 40), (16, 30), 0, 0, 360, 40, 5)
    if has_minus:
        cv2.line(scan, (120, 40), (190, 40), 40, 5)
    reader = NumberReader(Zeros(), NumberThresholds(1.0, 0.0, 0.6, 0.5), ANY)
    ((_, _, decision, _),) = read_lines([scan], reader)
    expected = (Status.REVIEW, Reason.LOW_CONFIDENCE, "00") if has_minus else (Status.OK, None, "00")
    assert decision[:3] == expected
