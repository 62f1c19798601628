"""Which of ink and paper is the darker."""

import cv2
import numpy as np
import pytest

from batch.preprocessing.ink import estimate_polarity
from batch.preprocessing.polarity import polarity_vote
from batch.records import Polarity
from drawn import light, written


@pytest.mark.parametrize("ground", [0, 60, 127, 128, 200, 255])
def test_ink_on_a_clean_ground_differs_from_the_rim(ground: int) -> None:
    scan = np.full((60, 50), ground, np.uint8)
    lighter = ground < 128
    cv2.putText(scan, "4", (8, 48), cv2.FONT_HERSHEY_SIMPLEX, 1.6, 255 if lighter else 0, 5)
    polarity = Polarity.LIGHT_ON_DARK if lighter else Polarity.DARK_ON_LIGHT
    inverse = Polarity.DARK_ON_LIGHT if lighter else Polarity.LIGHT_ON_DARK
    assert estimate_polarity(scan) is polarity
    assert estimate_polarity(255 - scan) is inverse


def test_an_even_frame_around_paper_is_not_the_ground() -> None:
    scan = np.zeros((60, 60), np.uint8)
    scan[4:-4, 4:-4] = 230
    cv2.putText(scan, "4", (16, 44), cv2.FONT_HERSHEY_SIMPLEX, 1.2, 30, 3)
    assert estimate_polarity(scan) is Polarity.DARK_ON_LIGHT


@pytest.mark.parametrize("bright_px", [40, 70, 100])
@pytest.mark.parametrize("turn", [0, 1, 2, 3])
def test_light_on_a_corner_of_the_paper_is_not_the_ink(bright_px: int, turn: int) -> None:
    light = np.full((160, 160), 120.0, np.float32)
    corner = [(159, 159), (159 - bright_px, 159), (159, 159 - bright_px)]
    cv2.fillPoly(light, [np.array(corner, np.int32)], 210)
    light = cv2.GaussianBlur(light, (0, 0), 4)
    mask = np.zeros(light.shape, np.uint8)
    cv2.putText(mask, "2", (60, 105), cv2.FONT_HERSHEY_SIMPLEX, 2, 255, 4, cv2.LINE_AA)
    grey = np.ascontiguousarray(np.rot90(light * (1 - 0.3 * mask / 255), turn)).astype(np.uint8)
    assert estimate_polarity(grey) is Polarity.DARK_ON_LIGHT
    assert estimate_polarity(255 - grey) is Polarity.LIGHT_ON_DARK


@pytest.mark.parametrize("width_px", [60, 70, 80])
def test_crisper_ink_decides_where_votes_are_even(width_px: int) -> None:
    light = np.full((160, 160), 100.0, np.float32)
    wedge = [(80 - width_px // 2, 159), (80, 60), (80 + width_px // 2, 159)]
    cv2.fillPoly(light, [np.array(wedge, np.int32)], 210)
    light = cv2.GaussianBlur(light, (0, 0), 9)
    mask = np.zeros(light.shape, np.uint8)
    cv2.putText(mask, "2", (60, 105), cv2.FONT_HERSHEY_SIMPLEX, 2, 255, 4, cv2.LINE_AA)
    grey = (light * (1 - 0.6 * mask / 255)).astype(np.uint8)
    assert polarity_vote(grey) > 0  # as if the lit part were the ink
    assert estimate_polarity(grey) is Polarity.DARK_ON_LIGHT
    assert estimate_polarity(255 - grey) is Polarity.LIGHT_ON_DARK


def test_inside_of_a_thick_stroke_is_not_the_ink() -> None:
    small = cv2.ellipse(np.zeros((16, 16), np.uint8), (8, 8), (5, 6), 0, 0, 360, 255, 4)
    assert estimate_polarity(small) is Polarity.LIGHT_ON_DARK


@pytest.mark.parametrize("text", ["6", "9"])
def test_bold_digit_that_fills_its_scan_is_the_ink(text: str) -> None:
    scan = np.full((140, 120), 225, np.uint8)
    cv2.putText(scan, text, (20, 110), cv2.FONT_HERSHEY_SIMPLEX, 3.5, 40, 10, cv2.LINE_AA)
    left, top, width, height = cv2.boundingRect((scan < 150).astype(np.uint8))
    cut_out = scan[top : top + height, left : left + width]
    assert estimate_polarity(cut_out) is Polarity.DARK_ON_LIGHT
    assert estimate_polarity(255 - cut_out) is Polarity.LIGHT_ON_DARK


@pytest.mark.parametrize("width", [2, 6, 14])
@pytest.mark.parametrize("text", ["0", "1", "8"])
@pytest.mark.parametrize("margin", [0, 6])
def test_polarity_ignores_pen_light_and_frame(width: int, text: str, margin: int) -> None:
    scan = written(light(), text, width)
    if margin:
        cv2.rectangle(scan, (margin, margin), (89 - margin, 89 - margin), 60, 3)
    assert estimate_polarity(scan) is Polarity.DARK_ON_LIGHT
    assert estimate_polarity(255 - scan) is Polarity.LIGHT_ON_DARK
