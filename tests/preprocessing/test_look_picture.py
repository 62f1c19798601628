"""Tests of the look's picture: one for an image and its inverse, and the bytes of the training."""

import hashlib

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch.preprocessing.look import LOOK, Place, is_ink_dark, look_input, place_of
from batch.records import Grey

# Narrow, tiny, enlarged, as large as the picture, and just below and above each size that changes a step.
SHAPES = [
    *[(1, 1), (1, 9), (9, 1), (4, 4), (8, 8), (23, 24), (24, 23), (28, 28), (60, 60), (61, 59), (64, 64)],
    *[(119, 120), (120, 119), (160, 120), (239, 240), (241, 100), (4, 700), (480, 30), (479, 480)],
    *[(600, 481), (1400, 1000), (3, 2000)],
]
# Another value means other pictures than those the look was trained on: train it anew.
DIGEST = "af94d9b44e2e6a2e3c7e7f28516512467b42303d7a010815fca4dbddd0a0cc8f"


def page(height: int, width: int, seed: int) -> Grey:
    """Draw a stroke on noisy paper."""
    rng = np.random.default_rng(seed)
    grey = np.clip(rng.normal(rng.integers(130, 250), rng.uniform(0, 6), (height, width)), 0, 255)
    ends = (width // 5, height // 5), (width * 4 // 5, height * 7 // 10)
    scan = grey.astype(np.uint8)
    cv2.line(scan, *ends, int(rng.integers(0, 120)), max(1, max(height, width) // 30))
    return scan


@pytest.mark.parametrize("shape", SHAPES)
def test_an_image_and_its_inverse_give_the_same_picture(shape: tuple[int, int]) -> None:
    noise = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    for scan in (page(*shape, seed=2), noise, np.full(shape, 127, np.uint8), np.zeros(shape, np.uint8)):
        picture = look_input(scan)
        assert picture.shape == (LOOK.side_px, LOOK.side_px) and picture.dtype == np.uint8
        assert np.array_equal(picture, look_input(255 - scan))
        assert is_ink_dark(scan) != is_ink_dark(255 - scan)


@given(st.integers(1, 300), st.integers(1, 300), st.integers(0, 2**16))
def test_any_shape_has_a_picture(height: int, width: int, seed: int) -> None:
    scan = page(height, width, seed)
    assert np.array_equal(look_input(scan), look_input(255 - scan))


def test_the_pictures_are_those_of_the_training() -> None:
    pictures = [look_input(page(*shape, seed)) for shape in SHAPES for seed in range(3)]
    assert hashlib.sha256(np.stack(pictures).tobytes()).hexdigest() == DIGEST


def test_pale_ink_is_raised_and_the_margin_is_ground() -> None:
    scan = np.full((120, 90), 240, np.uint8)
    cv2.line(scan, (45, 20), (45, 100), 222, 5)
    picture = look_input(scan)
    assert picture.max() == 255
    assert set(np.unique(picture[: LOOK.margin_px])) == {LOOK.ground}
    assert np.median(picture) == LOOK.ground


def test_a_thin_stroke_survives_a_large_photo() -> None:
    scan = np.full((2000, 1500), 230, np.uint8)
    cv2.line(scan, (700, 300), (700, 1700), 90, 3)
    assert look_input(scan)[20:44].max(axis=1).min() > 150


@pytest.mark.parametrize("side", [1300, 2600])
@pytest.mark.parametrize("corner", [(0.1, 0.2), (0.5, 0.5), (0.8, 0.7)])
def test_a_small_digit_in_a_large_scan_is_ink(side: int, corner: tuple[float, float]) -> None:
    y, x = (round(share * side) for share in corner)
    scan = np.full((side, side), 230, np.uint8)
    scan[:: side // 97, ::3] += 2  # a little of the paper is lighter
    for width in (side // 450, side // 350):
        cv2.ellipse(scan, (x, y), (side // 100, side // 75), 0, 0, 360, 60, width)
        assert is_ink_dark(scan) and not is_ink_dark(255 - scan)
        ink = (x * 60 // side + 2, y * 60 // side + 2)
        picture = look_input(scan)
        assert np.array_equal(picture, look_input(255 - scan))
        assert picture[ink[1] - 2 : ink[1] + 3, ink[0] - 2 : ink[0] + 3].max() == 255


@pytest.mark.parametrize("shape", [(60, 60), (120, 160), (160, 120), (30, 200)])
def test_a_place_lies_around_the_digit(shape: tuple[int, int]) -> None:
    height, width = shape
    scan = np.full(shape, 255, np.uint8)
    scan[height // 2 : height // 2 + 8, width - 16 : width - 10] = 0
    rows, columns = np.nonzero(look_input(scan) > 200)
    ends = [(axis.min() / LOOK.side_px, (axis.max() + 1) / LOOK.side_px) for axis in (columns, rows)]
    where = [*((low + high) / 2 for low, high in ends), *(high - low for low, high in ends)]
    place = place_of(shape, where)
    assert width - 30 < place.left < width - 16 and width - 10 < place.right <= width
    assert height // 2 - 12 < place.top < height // 2 and height // 2 + 8 < place.bottom < height // 2 + 20
    assert (scan[place.top : place.bottom, place.left : place.right] == 0).sum() == 48


@given(
    st.integers(1, 3000),
    st.integers(1, 3000),
    st.lists(st.floats(-1e6, 1e6, width=32), min_size=4, max_size=4),
)
def test_any_place_lies_in_the_scan(height: int, width: int, where: list[float]) -> None:
    place = place_of((height, width), where)
    assert 0 <= place.left < place.right <= width and 0 <= place.top < place.bottom <= height


def test_a_place_beside_the_scan_is_the_whole_scan() -> None:
    assert place_of((100, 50), (3.0, 3.0, 0.1, 0.1)) == Place(0, 0, 50, 100)
