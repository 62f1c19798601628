"""Light, paper and ink, on drawn scans."""

import cv2
import numpy as np
import pytest

from batch.preprocessing import contrast, preprocess
from batch.preprocessing.lines import find_lines
from batch.records import Grey, Polarity


def light(size: int = 90) -> Grey:
    """Paper lit from a corner, darker towards the rim."""
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    return np.asarray(190 + 30 * x - 20 * y - 30 * (x * x + y * y), np.uint8)


def written(paper: Grey, text: str = "8", width: int = 6, ink: float = 0.4) -> Grey:
    mask = np.zeros(paper.shape, np.uint8)
    cv2.putText(mask, text, (22, 68), cv2.FONT_HERSHEY_SIMPLEX, 2.0, 255, width, cv2.LINE_AA)
    return np.asarray(paper * (1 - (1 - ink) * (mask / 255.0)), np.uint8)


@pytest.mark.parametrize("width", [2, 6, 14])
def test_the_light_is_found_under_ink_of_any_width(width: int) -> None:
    found = contrast.estimate_light(written(light(), width=width))
    assert np.abs(found - light()).mean() < 6


def test_dark_corners_are_no_ink() -> None:
    paper = light()
    found = contrast.contrast_of(paper, contrast.estimate_background(paper))
    assert found.max() < 20


def test_a_shadow_across_a_corner_is_no_ink() -> None:
    paper = np.full((90, 90), 220, np.uint8)
    cv2.fillPoly(paper, [np.array([(0, 50), (40, 89), (0, 89)], np.int32)], 130)
    found = contrast.contrast_of(paper, contrast.estimate_background(paper))
    away = cv2.dilate(cv2.Canny(paper, 50, 100), np.ones((11, 11), np.uint8)) == 0
    assert np.quantile(found[away], 0.99) < 25


@pytest.mark.parametrize("place", [0.3, 0.5, 0.7])
@pytest.mark.parametrize("turn", [0, 1, 2, 3])
def test_the_dark_side_of_a_shadows_edge_is_no_ink(place: float, turn: int) -> None:
    x = np.linspace(0, 1, 112)
    row = 220 * (1 - 0.4 / (1 + np.exp(-(x - place) / 0.01)))
    paper = np.ascontiguousarray(np.rot90(np.tile(row, (112, 1)), turn)).astype(np.uint8)
    found = contrast.contrast_of(paper, contrast.estimate_background(paper))
    assert np.mean(found > 20) < 0.06


@pytest.mark.parametrize("width", [3, 10, 16])
def test_the_inside_of_strokes_is_ink_all_through(width: int) -> None:
    scan = written(light(), "0", width)
    found = contrast.contrast_of(scan, contrast.estimate_background(scan))
    inside = cv2.dilate(written(np.full((90, 90), 255, np.uint8), "0", width), np.ones((3, 3))) < 110
    assert found[inside].min() > 90


def test_the_stroke_of_a_scan_that_is_hardly_wider_is_ink_all_through() -> None:
    scan = np.full((90, 36), 230, np.uint8)
    cv2.line(scan, (23, 0), (13, 89), 60, 17)
    found = contrast.contrast_of(scan, contrast.estimate_background(scan))
    inside = cv2.dilate(scan, np.ones((5, 5))) < 110
    assert found[inside].min() > 90


def test_faint_ink_beside_dark_lines_is_found_when_they_are_left_out() -> None:
    grain = np.random.default_rng(1).normal(0, 1.5, (90, 90))
    scan = written(np.asarray(np.clip(220 + grain, 0, 255), np.uint8), ink=0.85)
    scan[:5] = scan[:, -5:] = 20
    found = contrast.contrast_of(scan, np.full_like(scan, 220))
    smooth = contrast.smoothed(found)
    counts = contrast.histogram(smooth)
    floor, noise = contrast.noise_floor(smooth, counts)
    everything = contrast.binarise(smooth, counts, floor)
    certain, likely = find_lines(everything)
    without = contrast.binarise(*contrast.mask_out_lines(smooth, certain, likely), floor)
    digit = written(np.full((90, 90), 255, np.uint8)) < 130
    assert without[digit].mean() > 0.9 * 255
    assert without[:4].max() == 0
    assert noise < 3


def test_thick_ink_is_not_taken_for_noise() -> None:
    scan = written(light(), width=18)
    smooth = contrast.smoothed(contrast.contrast_of(scan, contrast.estimate_background(scan)))
    counts = contrast.histogram(smooth)
    floor, noise = contrast.noise_floor(smooth, counts)
    mask = contrast.binarise(smooth, counts, floor)
    assert noise < 3
    assert 0.1 < np.count_nonzero(mask) / mask.size < 0.6


@pytest.mark.parametrize("width", [2, 6, 14])
@pytest.mark.parametrize("text", ["0", "1", "8"])
@pytest.mark.parametrize("margin", [0, 6])
def test_polarity_does_not_depend_on_pen_light_and_frame(width: int, text: str, margin: int) -> None:
    scan = written(light(), text, width)
    if margin:
        cv2.rectangle(scan, (margin, margin), (89 - margin, 89 - margin), 60, 3)
    assert preprocess.estimate_polarity(scan) is Polarity.DARK_ON_LIGHT
    assert preprocess.estimate_polarity(255 - scan) is Polarity.LIGHT_ON_DARK


def test_quantiles_of_histograms() -> None:
    counts = np.bincount([0, 0, 1, 1, 1, 5], minlength=8)
    assert contrast.quantile(counts, 0.5) == 1
    assert contrast.quantile(counts, 1.0) == 5
    assert 0.5 < contrast.quantile_between(counts, 0.5) < 1.0
    assert 0.0 < contrast.quantile_between(counts, 0.1) < 0.5


def shaded(digit_size: float, ink: float) -> Grey:
    """A small digit on paper over which a shadow with a soft edge falls."""
    y, x = np.mgrid[-1 : 1 : 112 * 1j, -1 : 1 : 112 * 1j]
    scan = 220 * (1 - 0.35 / (1 + np.exp(-(x + y - 0.5) / 0.08)))
    mask = np.zeros(scan.shape, np.uint8)
    cv2.putText(mask, "5", (40, 60), cv2.FONT_HERSHEY_SIMPLEX, digit_size, 255, 2, cv2.LINE_AA)
    return np.asarray(np.clip(scan * (1 - ink * (mask / 255)), 0, 255), np.uint8)


@pytest.mark.parametrize("ink", [0.25, 0.7])
@pytest.mark.parametrize("size", [0.5, 0.9])
def test_a_small_digit_is_found_beside_the_edge_of_a_shadow(size: float, ink: float) -> None:
    found = preprocess.find_ink(shaded(size, ink))
    top, left, bottom, right = found.box
    assert found.contrast > 0.4 * 255 * ink
    if found.mask.shape == (112, 112):  # not looked at again, nearer
        assert 35 <= left < right <= 66
        assert 35 <= top < bottom <= 66


def test_a_small_digit_on_squared_paper_is_as_strong_as_it_is() -> None:
    scan = np.full((112, 112), 210, np.uint8)
    for place in range(-40, 160, 12):  # ruled at an angle, so that lines are not found
        cv2.line(scan, (place, 0), (place + 25, 111), 175, 1, cv2.LINE_AA)
        cv2.line(scan, (0, place + 25), (111, place), 175, 1, cv2.LINE_AA)
    cv2.putText(scan, "5", (48, 62), cv2.FONT_HERSHEY_SIMPLEX, 0.7, 60, 2, cv2.LINE_AA)
    ink = preprocess.find_ink(scan)
    top, left, bottom, right = ink.box
    assert ink.contrast > 100
    assert max(bottom - top, right - left) < 0.9 * max(ink.mask.shape)


@pytest.mark.parametrize("shape", [(1, 112), (5, 3), (24, 24), (61, 40), (84, 112), (112, 83)])
def test_the_median_is_opencvs(shape: tuple[int, int]) -> None:
    grey = np.random.default_rng(5).integers(0, 256, shape).astype(np.uint8)
    assert np.array_equal(contrast.median(grey), cv2.medianBlur(grey, 5))


@pytest.mark.parametrize("deviation", [0.3, 0.7, 1.5, 6.0])
def test_the_noise_is_the_grain_of_the_paper(deviation: float) -> None:
    paper = np.random.default_rng(5).normal(20, deviation, (112, 112))
    smooth = np.clip(paper, 0, 255).round().astype(np.uint8)
    floor, noise = contrast.noise_floor(smooth, contrast.histogram(smooth))
    grain = contrast.histogram(cv2.absdiff(smooth, cv2.medianBlur(smooth, 5)))
    assert noise == 1.4826 * contrast.quantile_between(grain, 0.5)
    assert floor == pytest.approx(20 + max(contrast.FAINT_LEVELS, 4 * noise), abs=2)


def test_strength_is_the_part_of_the_light_that_the_ink_takes() -> None:
    background, paper = (levels.astype(np.uint8) for levels in np.mgrid[40:256, 0:256])
    taken = np.maximum(0.0, 255.0 * (1.0 - paper / background))
    assert np.array_equal(contrast.contrast_of(paper, background), np.floor(taken + 1e-9).astype(np.uint8))
