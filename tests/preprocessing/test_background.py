"""The light, the paper under the ink and the contrast, on drawn scans."""

import cv2
import numpy as np
import pytest

from batch.preprocessing.background import estimate_background, estimate_light, measure_contrast
from drawn import light, written


@pytest.mark.parametrize("width", [2, 6, 14])
def test_light_is_fitted_under_ink_of_any_width(width: int) -> None:
    fitted = estimate_light(written(light(), width=width))
    assert np.abs(fitted - light()).mean() < 6


def test_dark_corners_are_not_ink() -> None:
    paper = light()
    contrast = measure_contrast(paper, estimate_background(paper))
    assert contrast.max() < 20


def test_shadow_across_a_corner_is_not_ink() -> None:
    paper = np.full((90, 90), 220, np.uint8)
    cv2.fillPoly(paper, [np.array([(0, 50), (40, 89), (0, 89)], np.int32)], 130)
    contrast = measure_contrast(paper, estimate_background(paper))
    away = cv2.dilate(cv2.Canny(paper, 50, 100), np.ones((11, 11), np.uint8)) == 0
    assert np.quantile(contrast[away], 0.99) < 25


@pytest.mark.parametrize("place", [0.3, 0.5, 0.7])
@pytest.mark.parametrize("turn", [0, 1, 2, 3])
def test_dark_side_of_a_shadow_edge_is_not_ink(place: float, turn: int) -> None:
    x = np.linspace(0, 1, 112)
    row = 220 * (1 - 0.4 / (1 + np.exp(-(x - place) / 0.01)))
    paper = np.ascontiguousarray(np.rot90(np.tile(row, (112, 1)), turn)).astype(np.uint8)
    contrast = measure_contrast(paper, estimate_background(paper))
    assert np.mean(contrast > 20) < 0.06


@pytest.mark.parametrize("width", [3, 10, 16])
def test_strokes_are_ink_all_through(width: int) -> None:
    scan = written(light(), "0", width)
    contrast = measure_contrast(scan, estimate_background(scan))
    inside = cv2.dilate(written(np.full((90, 90), 255, np.uint8), "0", width), np.ones((3, 3))) < 110
    assert contrast[inside].min() > 90


def test_stroke_as_wide_as_its_scan_is_ink_all_through() -> None:
    scan = np.full((90, 36), 230, np.uint8)
    cv2.line(scan, (23, 0), (13, 89), 60, 17)
    contrast = measure_contrast(scan, estimate_background(scan))
    inside = cv2.dilate(scan, np.ones((5, 5))) < 110
    assert contrast[inside].min() > 90


def test_contrast_is_the_part_of_the_light_that_ink_takes() -> None:
    background, paper = (levels.astype(np.uint8) for levels in np.mgrid[40:256, 0:256])
    taken = np.maximum(0.0, 255.0 * (1.0 - paper / background))
    assert np.array_equal(measure_contrast(paper, background), np.floor(taken + 1e-9).astype(np.uint8))
