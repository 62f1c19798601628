"""Tests of the test for an empty box of a form."""

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from batch.preprocessing.empty_box import are_alike, is_empty_box
from batch.preprocessing.look import look_input
from batch.preprocessing.number_line import strip_of
from batch.records import Grey
from drawn import boxes

Mnist = tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]


def is_empty(scan: Grey) -> bool:
    return is_empty_box(look_input(scan))


@pytest.mark.parametrize("radius", [2, 10, 20, 24])
@pytest.mark.parametrize("width", [1, 3, 7])
def test_a_box_is_empty_in_both_polarities(radius: int, width: int) -> None:
    scan = boxes(radius=radius, width=width)
    assert is_empty(scan)
    assert is_empty(cv2.bitwise_not(scan))


def test_a_box_that_is_turned_a_little_is_empty() -> None:
    scan = boxes()
    turn = cv2.getRotationMatrix2D((55, 60), 2, 1)
    assert is_empty(np.asarray(cv2.warpAffine(scan, turn, scan.shape[::-1], borderValue=230), np.uint8))


def test_specks_in_a_box_do_not_count() -> None:
    scan = boxes()
    for place in ((40, 40), (60, 80), (70, 30)):
        cv2.circle(scan, place, 3, 90, -1)
    assert is_empty(scan)


def test_a_box_under_a_shadow_is_empty() -> None:
    scan = boxes()
    light = np.linspace(1.0, 0.45, scan.shape[1]) * np.linspace(1.0, 0.8, scan.shape[0])[:, None]
    assert is_empty(np.asarray(scan * light, np.uint8))


@pytest.mark.parametrize("ink", [60, 200], ids=["dark", "pale"])
@pytest.mark.parametrize("scale", [0.8, 2.0, 3.0])
@pytest.mark.parametrize("text", ["0", "1", "7"])
def test_a_box_with_a_digit_is_not_empty(text: str, scale: float, ink: int) -> None:
    scan = boxes()
    cv2.putText(scan, text, (30, 100), cv2.FONT_HERSHEY_SIMPLEX, scale, ink, 3, cv2.LINE_AA)
    assert not is_empty(scan)


def test_a_digit_that_touches_its_box_is_seen() -> None:
    scan = boxes()
    cv2.ellipse(scan, (72, 60), (18, 30), 0, 0, 360, 90, 4)
    assert not is_empty(scan)


def test_three_sides_are_no_box() -> None:
    scan = boxes()
    scan[:20] = 230
    assert not is_empty(scan)


def test_an_oval_is_no_box() -> None:
    scan = np.full((120, 110), 230, np.uint8)
    cv2.ellipse(scan, (55, 60), (35, 50), 0, 0, 360, 90, 4)
    assert not is_empty(scan)


def test_a_zero_with_a_tail_is_no_box() -> None:
    angles = np.linspace(0, 2 * np.pi, 200)
    across, down = (np.sign(side) * np.sqrt(np.abs(side)) for side in (np.cos(angles), np.sin(angles)))
    scan = np.full((120, 110), 230, np.uint8)
    outline = np.stack([55 + 30 * across, 65 + 40 * down], axis=1).astype(np.int32)
    cv2.polylines(scan, [outline], isClosed=True, color=60, thickness=4)
    assert is_empty(scan)
    cv2.line(scan, (55, 25), (65, 10), 60, 4)
    assert not is_empty(scan)


def test_a_box_that_a_line_divides_may_be_an_8() -> None:
    scan = boxes()
    cv2.line(scan, (15, 60), (90, 60), 60, 4)
    assert not is_empty(scan)


def test_blank_paper_is_no_box() -> None:
    assert not is_empty(np.full((120, 110), 230, np.uint8))


def test_no_zero_of_mnist_is_a_box(mnist_test: Mnist) -> None:
    images, labels = mnist_test
    zeros = images[labels == 0]
    assert len(zeros) > 900
    assert not any(map(is_empty, zeros))


def test_each_box_of_a_row_is_seen_alone() -> None:
    scan = boxes(count=3)
    cv2.putText(scan, "0", (120, 90), cv2.FONT_HERSHEY_SIMPLEX, 2.0, 60, 4, cv2.LINE_AA)
    strip = strip_of(scan)
    columns = [(middle - strip.left) / strip.columns for middle in (52, 142, 232)]
    assert [is_empty_box(strip.picture, column) for column in columns] == [True, False, True]


def alike(scan: Grey, middles: tuple[int, ...]) -> bool:
    strip = strip_of(scan)
    return are_alike(strip.picture, [(middle - strip.left) / strip.columns for middle in middles])


def test_circles_in_a_row_are_alike() -> None:
    scan = np.full((80, 260), 230, np.uint8)
    for x in (45, 125, 205):
        cv2.circle(scan, (x, 40), 30, 90, 3, cv2.LINE_AA)
    assert alike(scan, (45, 125, 205))


def test_written_zeros_are_not_alike(mnist_test: Mnist) -> None:
    images, labels = mnist_test
    zeros = [np.asarray(cv2.resize(zero, (80, 80)), np.uint8) for zero in images[labels == 0][:200]]
    pairs = zip(zeros[::2], zeros[1::2], strict=True)
    assert not any(alike(cv2.bitwise_not(np.hstack(pair)), (40, 120)) for pair in pairs)


def test_one_that_is_open_is_not_like_the_others() -> None:
    scan = np.full((80, 180), 230, np.uint8)
    cv2.circle(scan, (45, 40), 30, 90, 3, cv2.LINE_AA)
    cv2.ellipse(scan, (125, 40), (30, 30), 0, 0, 300, 90, 3)
    assert not alike(scan, (45, 125))
