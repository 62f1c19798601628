"""The way from a scan to the digit's ink, on drawn digits."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch.preprocessing.ink import find_ink
from batch.preprocessing.normalise import normalise
from batch.records import Grey, Polarity
from drawn import boxed, digit_of, draw, likeness, with_grain


def shaded(scan: Grey) -> Grey:
    light = np.linspace(1.0, 0.45, scan.shape[1])
    return (scan * light).astype(np.uint8)


def with_shadow_edge(scan: Grey) -> Grey:
    light = np.ones(scan.shape, np.float32)
    light[:, : scan.shape[1] // 3] = 0.6
    return (scan * cv2.GaussianBlur(light, (0, 0), 4)).astype(np.uint8)


def with_corner(scan: Grey) -> Grey:
    framed = with_grain(scan)
    framed[:4] = framed[:, -5:] = 15
    return framed


def ruled(scan: Grey) -> Grey:
    lined = with_grain(scan)
    for y in range(12, scan.shape[0], 25):
        lined[y] = np.minimum(lined[y], 160)
    return lined


def with_specks(scan: Grey) -> Grey:
    specked = with_grain(scan)
    for y, x in np.random.default_rng(1).integers(2, scan.shape[0] - 3, (12, 2)):
        specked[y, x] = 60
    return specked


def corner_of_a_large_scan(scan: Grey) -> Grey:
    large = np.full((900, 700), 230, np.uint8)
    large[30:130, 560:660] = scan
    return with_grain(large)


@pytest.mark.parametrize(
    "spoil",
    [
        with_grain,
        shaded,
        with_shadow_edge,
        boxed,
        with_corner,
        ruled,
        with_specks,
        corner_of_a_large_scan,
    ],
)
@pytest.mark.parametrize("text", ["2", "5", "8"])
def test_digit_survives_paper_and_light(spoil: Callable[[Grey], Grey], text: str) -> None:
    clean = digit_of(draw(text))
    assert likeness(digit_of(spoil(draw(text))), clean) > 0.7


@given(
    paper=st.integers(60, 255),
    contrast=st.integers(30, 200),
    text=st.sampled_from("0123456789"),
    size=st.integers(40, 140),
)
@settings(max_examples=60, deadline=None)
def test_image_and_inverse_give_the_same_digit(paper: int, contrast: int, text: str, size: int) -> None:
    scan = draw(text, size, paper, max(0, paper - contrast), max(1, size // 20))
    ink, inverse = find_ink(scan), find_ink(255 - scan)
    assert ink.polarity is Polarity.DARK_ON_LIGHT
    assert inverse.polarity is Polarity.LIGHT_ON_DARK
    assert np.array_equal(normalise(ink), normalise(inverse))


@given(down=st.integers(0, 40), right=st.integers(0, 40))
@settings(max_examples=30, deadline=None)
def test_shifting_the_digit_changes_nothing(down: int, right: int) -> None:
    page = np.full((110, 110), 240, np.uint8)
    glyph = draw("7", 60, 240)
    page[down : down + 60, right : right + 60] = glyph
    middle = np.full((110, 110), 240, np.uint8)
    middle[25:85, 25:85] = glyph
    assert np.array_equal(digit_of(page), digit_of(middle))


@pytest.mark.parametrize("level", [0, 128, 255])
def test_plain_paper_has_no_ink(level: int) -> None:
    assert find_ink(np.full((50, 60), level, np.uint8)).is_blank


def test_one_as_tall_as_its_image_is_no_border() -> None:
    scan = with_grain(np.full((80, 40), 220, np.uint8))
    cv2.line(scan, (20, 0), (20, 79), 30, 5)
    ink = find_ink(scan)
    assert ink.box[2] - ink.box[0] >= 76


def test_parts_are_measured_alike_alone_and_beside_a_speck() -> None:
    scan = draw("3")
    specked = scan.copy()
    specked[5:8, 5:8] = 40
    alone, beside = find_ink(scan), find_ink(specked)
    top, left, bottom, right = alone.box
    assert alone.box == beside.box
    assert alone.parts.tolist() == [[left, top, right - left, bottom - top, np.count_nonzero(alone.mask)]]
    assert np.array_equal(alone.parts, beside.parts)


def beside_shadow(digit_size: float, ink: float) -> Grey:
    """Return a small digit on paper over which a shadow with a soft edge falls."""
    y, x = np.mgrid[-1 : 1 : 112 * 1j, -1 : 1 : 112 * 1j]
    scan = 220 * (1 - 0.35 / (1 + np.exp(-(x + y - 0.5) / 0.08)))
    mask = np.zeros(scan.shape, np.uint8)
    cv2.putText(mask, "5", (40, 60), cv2.FONT_HERSHEY_SIMPLEX, digit_size, 255, 2, cv2.LINE_AA)
    return np.asarray(np.clip(scan * (1 - ink * (mask / 255)), 0, 255), np.uint8)


@pytest.mark.parametrize("ink", [0.25, 0.7])
@pytest.mark.parametrize("size", [0.5, 0.9])
def test_small_digit_is_found_beside_a_shadow_edge(size: float, ink: float) -> None:
    found_ink = find_ink(beside_shadow(size, ink))
    top, left, bottom, right = found_ink.box
    assert found_ink.contrast > 0.4 * 255 * ink
    if found_ink.mask.shape == (112, 112):  # not looked at again, nearer
        assert 35 <= left < right <= 66
        assert 35 <= top < bottom <= 66


def test_small_digit_on_squared_paper_keeps_its_contrast() -> None:
    scan = np.full((112, 112), 210, np.uint8)
    for place in range(-40, 160, 12):  # ruled at an angle, so that lines are not found
        cv2.line(scan, (place, 0), (place + 25, 111), 175, 1, cv2.LINE_AA)
        cv2.line(scan, (0, place + 25), (111, place), 175, 1, cv2.LINE_AA)
    cv2.putText(scan, "5", (48, 62), cv2.FONT_HERSHEY_SIMPLEX, 0.7, 60, 2, cv2.LINE_AA)
    ink = find_ink(scan)
    top, left, bottom, right = ink.box
    assert ink.contrast > 100
    assert max(bottom - top, right - left) < 0.9 * max(ink.mask.shape)
