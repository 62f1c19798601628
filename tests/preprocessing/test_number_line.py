"""Tests of the strip: one for an image and its inverse, the line found, and the bytes of the training."""

import hashlib

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch.preprocessing.number_line import STRIP, WIDTHS_PX, digit_pictures, strip_of, widen
from batch.records import Grey

SHAPES = [
    *[(1, 1), (1, 9), (9, 1), (4, 4), (1, 3000), (3000, 1), (4, 4000), (23, 24), (28, 28), (36, 100)],
    *[
        (71, 300),
        (72, 300),
        (73, 300),
        (143, 500),
        (144, 500),
        (145, 90),
        (289, 900),
        (600, 4000),
        (1400, 1000),
    ],
]
# Another value means other strips than those the network knows: train it anew, or try it on held-out fields.
DIGEST = "66ed9a69955207a1d4d11d27e0ccc04654dfbefaf05d0bb6a7fd3ba8af636f9c"


def field(height: int, width: int, seed: int) -> Grey:
    """Draw four strokes in a row on noisy paper."""
    rng = np.random.default_rng(seed)
    grey = np.clip(rng.normal(rng.integers(130, 250), rng.uniform(0, 6), (height, width)), 0, 255)
    scan = grey.astype(np.uint8)
    for place in range(4):
        x = width * (2 * place + 1) // 8
        ends = (x, height // 4), (x + width // 20, height * 3 // 4)
        cv2.line(scan, *ends, int(rng.integers(0, 120)), max(1, height // 20))
    return scan


@pytest.mark.parametrize("shape", SHAPES)
def test_an_image_and_its_inverse_give_the_same_strip(shape: tuple[int, int]) -> None:
    noise = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    for scan in (field(*shape, seed=2), noise, np.full(shape, 127, np.uint8), np.zeros(shape, np.uint8)):
        strip = strip_of(scan)
        assert strip.picture.shape[0] == STRIP.height_px
        assert strip.picture.shape[1] in WIDTHS_PX
        assert strip.picture.dtype == np.uint8
        assert np.array_equal(strip.picture, strip_of(255 - scan).picture)


@given(st.integers(1, 200), st.integers(1, 400), st.integers(0, 2**16))
def test_any_shape_has_a_strip(height: int, width: int, seed: int) -> None:
    scan = field(height, width, seed)
    assert np.array_equal(strip_of(scan).picture, strip_of(255 - scan).picture)


def test_the_strips_are_those_of_the_training() -> None:
    strips = [strip_of(field(*shape, seed)).picture for shape in SHAPES for seed in range(3)]
    assert hashlib.sha256(b"".join(strip.tobytes() for strip in strips)).hexdigest() == DIGEST


@pytest.mark.parametrize("width", WIDTHS_PX)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.8])
def test_a_wider_strip_knows_where_its_columns_came_from(width: int, share: float) -> None:
    strip = np.full((STRIP.height_px, width), STRIP.ground, np.uint8)
    column = round(share * width)
    strip[:, column - 2 : column + 2] = 255
    wide = widen(strip)
    assert wide.picture.shape[1] in WIDTHS_PX[WIDTHS_PX.index(width) :]
    middle = np.flatnonzero((wide.picture == 255).all(axis=0)).mean() + 0.5
    assert wide.left + wide.columns * middle == pytest.approx(column, abs=0.5)
    assert np.array_equal(wide.picture, strip) == (width == WIDTHS_PX[-1])


def written(place: tuple[int, int], shape: tuple[int, int] = (200, 400)) -> Grey:
    scan = np.full(shape, 250, np.uint8)
    cv2.putText(scan, "4711", place, cv2.FONT_HERSHEY_SIMPLEX, 2.0, 30, 4)
    return scan


@pytest.mark.parametrize("place", [(20, 60), (150, 100), (220, 180)])
def test_a_line_anywhere_fills_the_strip(place: tuple[int, int]) -> None:
    picture = strip_of(written(place)).picture
    rows = np.flatnonzero((picture > 150).any(axis=1))
    assert len(rows) > 20
    assert np.array_equal(np.unique(picture[:2]), [STRIP.ground])


@pytest.mark.parametrize("kind", ["frame", "cell", "underline", "ruled", "other line"])
def test_what_is_printed_around_the_line_leaves_it_its_height(kind: str) -> None:
    scan = written((140, 100))
    if kind == "frame":
        cv2.rectangle(scan, (5, 5), (394, 194), 60, 2)
    elif kind == "cell":
        cv2.rectangle(scan, (30, 25), (370, 180), 60, 3)
    elif kind == "underline":
        cv2.line(scan, (10, 150), (390, 150), 60, 2)
    elif kind == "ruled":
        for y in range(10, 200, 45):
            cv2.line(scan, (0, y), (399, y), 120, 1)
    else:
        for x in range(120, 260, 30):  # feet of the line above
            cv2.line(scan, (x, 0), (x, 5), 30, 3)
    picture = strip_of(scan).picture
    assert (picture[4:-4] > 150).any(axis=1).mean() > 0.7


@pytest.mark.parametrize("x", [20, 340])
def test_a_dot_a_little_below_the_line_is_in_the_strip(x: int) -> None:
    scan = written((110, 100))
    cv2.putText(scan, ".", (x, 110), cv2.FONT_HERSHEY_SIMPLEX, 2.0, 30, 4)
    strip = strip_of(scan)
    ends = np.flatnonzero((scan < 200).any(axis=0))[[0, -1]]
    columns = (ends - strip.left) / strip.columns
    assert columns[0] > 0
    assert columns[1] < strip.picture.shape[1]


@pytest.mark.parametrize("x", [20, 340])
def test_pale_print_beside_the_line_is_not_in_the_strip(x: int) -> None:
    scan = written((110, 100), (200, 460))
    cv2.putText(scan, "kg", (x, 100), cv2.FONT_HERSHEY_SIMPLEX, 1.4, 195, 3)
    assert np.array_equal(strip_of(scan).picture, strip_of(written((110, 100), (200, 460))).picture)


@pytest.mark.parametrize("written", ["333", "-3-"])
@pytest.mark.parametrize("is_at_left", [True, False])
def test_ink_in_a_shadow_is_in_the_strip(is_at_left: bool, written: str) -> None:
    """There it lies less above the paper, but it is as dark as elsewhere."""
    scan = np.full((100, 400), 245, np.uint8)
    for x, character in zip((30, 170, 310), written, strict=True):
        cv2.putText(scan, character, (x, 75), cv2.FONT_HERSHEY_SIMPLEX, 2.0, 60, 5)
    shadow = np.clip((np.arange(400) - 20) / 180, 0, 1) * 0.4 + 0.6
    shaded = (scan * (shadow if is_at_left else shadow[::-1])).astype(np.uint8)
    strip = strip_of(shaded)
    ends = np.flatnonzero((scan < 200).any(axis=0))[[0, -1]]
    columns = (ends - strip.left) / strip.columns
    assert columns[0] > 0
    assert columns[1] < strip.picture.shape[1]


@pytest.mark.parametrize("is_at_left", [True, False])
def test_a_dark_table_beside_the_paper_is_not_in_the_strip(is_at_left: bool) -> None:
    """Its grain is as dark as ink in a shadow, but goes on above and below the line."""
    table = slice(0, 70) if is_at_left else slice(530, 600)
    grain = np.full((100, 70), 110, np.uint8)
    for x in range(-10, 70, 14):
        cv2.line(grain, (x, 99), (x + 20, 0), 30, 4)
    scan = np.full((100, 600), 245, np.uint8)
    for x in (210, 280, 350):
        cv2.putText(scan, "3", (x, 70), cv2.FONT_HERSHEY_SIMPLEX, 1.4, 40, 4)
    scan[:, table] = 110
    plain = strip_of(scan)
    scan[:, table] = grain
    strip = strip_of(scan)
    assert (strip.left, strip.columns) == (plain.left, plain.columns)


def test_columns_of_the_strip_are_known_in_the_scan() -> None:
    scan = np.full((60, 300), 250, np.uint8)
    cv2.rectangle(scan, (200, 20), (204, 44), 0, -1)
    strip = strip_of(scan)
    column = int(strip.picture.max(axis=0).argmax())
    assert strip.left + strip.columns * column == pytest.approx(202, abs=4)


def test_a_line_in_a_very_wide_scan_fills_the_strip() -> None:
    scan = np.full((71, 20_000), 240, np.uint8)
    cv2.putText(scan, "4711", (15_000, 60), cv2.FONT_HERSHEY_SIMPLEX, 1.6, 20, 4)
    strip = strip_of(scan)
    assert 14_900 < strip.left < 15_000
    assert strip.picture.shape[1] < WIDTHS_PX[-1]


def test_digits_beside_the_strip_have_pictures_too() -> None:
    """The second reading sees ground beside the strip, and may take it for digits."""
    strip = np.full((40, 120), STRIP.ground, np.uint8)
    assert len(digit_pictures(strip, [-30.0, -26.0, 60.0, 125.0, 150.0])) == 5
