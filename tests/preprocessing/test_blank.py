"""The tests for blank paper, on pictures of the look."""

import cv2
import numpy as np
import pytest

from batch.preprocessing.blank import has_ink, has_strokes
from batch.preprocessing.look import look_input
from batch.records import Grey
from drawn import draw, light, with_grain, written


@pytest.mark.parametrize("size", [20, 28, 60, 100, 700])
@pytest.mark.parametrize("text", list("0178"))
def test_digits_have_ink_and_strokes(size: int, text: str) -> None:
    scan = draw(text, size, width=max(1, size // 20))
    for grey in (scan, 255 - scan, with_grain(scan)):
        assert has_ink(look_input(grey), grey.shape) and has_strokes(look_input(grey))


def test_pale_and_small_digits_have_strokes() -> None:
    page = np.full((160, 120), 240, np.uint8)
    page[100:130, 70:100] = draw("5", 30, 240, 222, 2)
    assert has_ink(look_input(page), page.shape) and has_strokes(look_input(page))
    assert has_strokes(look_input(written(light())))


@pytest.mark.parametrize("level", [0, 7, 128, 250, 255])
@pytest.mark.parametrize("shape", [(1, 1), (4, 4), (64, 64), (30, 900)])
def test_plain_paper_has_no_ink(level: int, shape: tuple[int, int]) -> None:
    assert not has_ink(look_input(np.full(shape, level, np.uint8)), shape)


@pytest.mark.parametrize("turn", [False, True])
@pytest.mark.parametrize("length", [400, 700, 1400])
def test_a_digit_in_a_long_scan_is_ink(length: int, turn: bool) -> None:
    scan = np.full((40, length), 230, np.uint8)
    scan[5:35, 100:130] = draw("3", 30, 230, 40, 2)
    for grey in (scan, 255 - scan):
        turned = np.ascontiguousarray(grey.T) if turn else grey
        assert has_ink(look_input(turned), turned.shape)


@pytest.mark.parametrize("spread", [3.0, 7.0, 14.0])
@pytest.mark.parametrize("shape", [(90, 80), (600, 500)])
def test_grain_has_no_strokes(spread: float, shape: tuple[int, int]) -> None:
    grain = np.random.default_rng(1).normal(180, spread, shape)
    assert not has_strokes(look_input(np.clip(grain, 0, 255).astype(np.uint8)))


def test_a_shaded_corner_has_no_strokes() -> None:
    y, x = np.mgrid[0:1:100j, 0:1:100j]
    paper = np.asarray(230 - 20 * np.exp(-40 * (x * x + y * y)), np.uint8)
    for grey in (paper, 255 - paper):
        assert has_ink(look_input(grey), grey.shape) and not has_strokes(look_input(grey))


def dim_corner() -> Grey:
    y, x = np.mgrid[0:80, 0:80]
    return np.asarray(np.clip(180 + 0.5 * (x + y), 0, 230), np.uint8)


def test_uneven_light_has_no_strokes() -> None:
    paper = with_grain(cv2.GaussianBlur(dim_corner(), (0, 0), 8))
    assert has_ink(look_input(paper), paper.shape) and not has_strokes(look_input(paper))
