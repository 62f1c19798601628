"""Tests of the place of a small line: in cells, beside what the rim cuts off, and where nobody can tell."""

import cv2
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from batch.preprocessing.look import Place
from batch.preprocessing.number_line import small_line_of
from batch.records import Grey

INK = Place(254, 84, 368, 116)  # of the number in `cell`


def cell(shape: tuple[int, int] = (200, 600), number: str = "4711") -> Grey:
    """Write a number of 32 pixels into a large cell."""
    scan = np.full(shape, 240, np.uint8)
    cv2.putText(scan, number, (253, 116), cv2.FONT_HERSHEY_SIMPLEX, 1.6, 30, 4)
    return scan


def ruled(scan: Grey, slant: float) -> Grey:
    """Print the lines of a cell, turned by so many degrees."""
    height, width = scan.shape
    lines = np.full_like(scan, 255)
    cv2.rectangle(lines, (12, 15), (width - 13, height - 16), 110, 2)
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), slant, 1)
    return np.minimum(scan, cv2.warpAffine(lines, turn, (width, height), borderValue=(255,)))


def is_around(place: Place | None, ink: Place) -> bool:
    """Return whether a place holds the ink, and little more."""
    if place is None:
        return False
    holds = place.left <= ink.left and place.top <= ink.top
    holds &= place.right >= ink.right and place.bottom >= ink.bottom
    tall, wide = ink.bottom - ink.top, ink.right - ink.left
    return holds and place.bottom - place.top < 3.2 * tall and place.right - place.left < wide + 2 * tall


@pytest.mark.parametrize("slant", [0.0, 1.0, -1.0])
def test_the_lines_of_a_cell_do_not_count(slant: float) -> None:
    assert is_around(small_line_of(ruled(cell(), slant)), INK)


@pytest.mark.parametrize("slant", [0.0, 1.0, -1.0])
def test_the_lines_of_a_cell_taller_than_wide_do_not_count(slant: float) -> None:
    assert is_around(small_line_of(ruled(cell((420, 400)), slant)), INK)


def test_a_small_line_in_a_very_wide_scan_has_a_place() -> None:
    assert is_around(small_line_of(cell((140, 20_000))), INK)


def one_at_the_side(scan: Grey) -> Grey:
    scan = ruled(scan, 0.0)
    cv2.line(scan, (scan.shape[1] - 21, 86), (scan.shape[1] - 19, 114), 30, 8)
    return scan


def test_the_sides_of_a_narrow_cell_are_beyond_the_place() -> None:
    scan = cell()
    scan[10:190, 228:231] = scan[10:190, 392:395] = 60
    place = small_line_of(scan)
    assert is_around(place, INK)
    assert place is not None and place.left > 230 and place.right <= 392


def test_what_the_rim_cuts_off_belongs_to_other_lines() -> None:
    scan = cell()
    for x in range(80, 500, 30):
        cv2.line(scan, (x, 0), (x + 3, 8), 30, 3)
        cv2.line(scan, (x, 193), (x + 3, 199), 30, 3)
    assert is_around(small_line_of(scan), INK)


def test_a_place_is_given_in_pixels_of_the_scan() -> None:
    large = cv2.resize(ruled(cell(), 1.0), None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)
    assert is_around(small_line_of(large), Place(*(4 * side for side in INK)))


def other_line(scan: Grey) -> Grey:
    cv2.putText(scan, "08150815", (200, 50), cv2.FONT_HERSHEY_SIMPLEX, 0.6, 30, 3)
    return scan


def line_near_the_rim(scan: Grey) -> Grey:
    cv2.putText(scan, "0815", (260, 193), cv2.FONT_HERSHEY_SIMPLEX, 1.0, 30, 3)
    return cv2.resize(scan, None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC)


def two_cells(scan: Grey) -> Grey:
    scan[:, 305:308] = 110
    return scan


def pattern(scan: Grey) -> Grey:
    scan[::12, ::12] = 30
    scan[1::12, ::12] = 30
    scan[::12, 1::12] = 30
    return scan


@pytest.mark.parametrize(
    "scan",
    [
        np.full((200, 600), 240, np.uint8),
        cell()[68:128],
        other_line(cell()),
        line_near_the_rim(cell()),
        two_cells(cell()),
        one_at_the_side(cell((420, 400))),
        one_at_the_side(cell((200, 400))),
        cell()[:, 265:],
        pattern(cell()),
    ],
    ids=[
        "blank",
        "large",
        "other line",
        "near the rim",
        "two cells",
        "tall, 1 at the side",
        "1 at the side",
        "cut off",
        "pattern",
    ],
)
def test_there_is_no_small_line_if_nobody_can_tell_where(scan: Grey) -> None:
    assert small_line_of(scan) is None


@given(st.integers(1, 150), st.integers(1, 300), st.integers(0, 2**16))
@example(144, 55, 55)
def test_the_place_lies_in_the_scan_and_is_that_of_its_inverse(height: int, width: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    scan = np.clip(rng.normal(220, 4, (height, width)), 0, 255).astype(np.uint8)
    x, y = int(rng.integers(width)), int(rng.integers(height))
    cv2.line(scan, (x, y), (x + width // 9, y + height // 6), 20, max(1, height // 40))
    place = small_line_of(scan)
    assert place == small_line_of(255 - scan)
    if place is not None:
        assert 0 <= place.left < place.right <= width and 0 <= place.top < place.bottom <= height
