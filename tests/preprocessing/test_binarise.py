"""Ink told from paper, on drawn scans."""

import cv2
import numpy as np
import pytest

from batch.preprocessing.arrays import histogram, interpolated_median, quantile
from batch.preprocessing.background import estimate_background, measure_contrast
from batch.preprocessing.binarise import (
    BINARISE,
    MAD_TO_DEVIATION,
    binarise,
    mask_out_lines,
    median,
    noise_floor,
    smooth_grain,
)
from batch.preprocessing.lines import find_lines
from drawn import light, written


def test_faint_ink_is_found_without_the_dark_lines_beside_it() -> None:
    grain = np.random.default_rng(1).normal(0, 1.5, (90, 90))
    scan = written(np.asarray(np.clip(220 + grain, 0, 255), np.uint8), ink=0.85)
    scan[:5] = scan[:, -5:] = 20
    contrast = measure_contrast(scan, np.full_like(scan, 220))
    smooth = smooth_grain(contrast)
    counts = histogram(smooth)
    floor, noise = noise_floor(smooth, counts)
    everything = binarise(smooth, counts, floor)
    certain, likely = find_lines(everything)
    remaining = binarise(*mask_out_lines(smooth, certain, likely), floor)
    digit = written(np.full((90, 90), 255, np.uint8)) < 130
    assert remaining[digit].mean() > 0.9 * 255
    assert remaining[:4].max() == 0
    assert noise < 3


def test_thick_ink_is_not_noise() -> None:
    scan = written(light(), width=18)
    smooth = smooth_grain(measure_contrast(scan, estimate_background(scan)))
    counts = histogram(smooth)
    floor, noise = noise_floor(smooth, counts)
    mask = binarise(smooth, counts, floor)
    assert noise < 3
    assert 0.1 < np.count_nonzero(mask) / mask.size < 0.6


def test_quantiles_of_histograms() -> None:
    counts = np.bincount([0, 0, 1, 1, 1, 5], minlength=8)
    assert quantile(counts, 0.5) == 1
    assert quantile(counts, 1.0) == 5
    assert 0.5 < interpolated_median(counts) < 1.0
    assert 0.0 < interpolated_median(np.bincount([0, 0, 0, 1])) < 0.5


@pytest.mark.parametrize("shape", [(1, 112), (5, 3), (24, 24), (61, 40), (84, 112), (112, 83)])
def test_median_equals_opencvs(shape: tuple[int, int]) -> None:
    grey = np.random.default_rng(5).integers(0, 256, shape).astype(np.uint8)
    assert np.array_equal(median(grey), cv2.medianBlur(grey, 5))


@pytest.mark.parametrize("deviation", [0.3, 0.7, 1.5, 6.0])
def test_noise_is_the_grain_of_the_paper(deviation: float) -> None:
    paper = np.random.default_rng(5).normal(20, deviation, (112, 112))
    smooth = np.clip(paper, 0, 255).round().astype(np.uint8)
    floor, noise = noise_floor(smooth, histogram(smooth))
    grain = histogram(cv2.absdiff(smooth, cv2.medianBlur(smooth, 5)))
    assert noise == MAD_TO_DEVIATION * interpolated_median(grain)
    assert floor == pytest.approx(20 + max(BINARISE.faint_levels, 4 * noise), abs=2)
