"""Ink told from paper by its contrast: the floor that the paper's noise sets, and hysteresis above it."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from batch.preprocessing.arrays import NEIGHBOURS, Counts, Mask, histogram, interpolated_median, quantile
from batch.records import Grey

MAD_TO_DEVIATION = 1.4826  # from the median absolute deviation of normal noise to its standard deviation
_STRIPS = 6  # strips of an image that `median` lays side by side; sets the speed, never the result


class BinariseConstants(NamedTuple):
    """Numbers of the step from contrast to a mask.

    They were set by hand on rendered scans and on the two sudoku folders of `docs/robustness.md`.

    Attributes:
        smooth_from_px: Shorter side from which a scan is smoothed. Below it, strokes are too thin.
        smooth_px: Side of the Gaussian window that evens out the grain.
        paper_fraction: Part of the pixels that is paper at least. Up to a half of a scan may be ink.
        faint_levels: Levels above the paper's at which ink begins at least; JPEG's ringing lies below.
        noise_deviations: Deviations of the paper's noise at which ink begins at least.
        median_px: Side of the window whose median is a pixel without its grain.
        min_ink_px: Pixels above the floor that make ink. Below that there is none.
        typical_quantile: Quantile of the contrast above the floor that is a typical stroke's. It is above
            the median, for soft edges are no stroke. It is below the darkest, for borders are darker than
            pencil.
        edge_fraction: Contrast at which a stroke ends, of the typical one's. Below a half, for soft edges.
        core_fraction: Contrast, of the typical one's, that one pixel of a piece of ink must have.
        dark_quantile: Quantile of the contrast above the floor that is the darkest ink's.
        far_darker: Times the typical contrast from which the darkest ink is of another kind.
        dark_fraction: Times the typical contrast above which a pixel is of that kind.
        max_box_fraction: Part of both sides of the scan beyond which a dark piece may be a printed box.
        min_digit_fraction: Part of the longer side below which a dark piece is no digit.
    """

    smooth_from_px: int = 40
    smooth_px: int = 3
    paper_fraction: float = 0.4
    faint_levels: int = 7
    noise_deviations: float = 4.0
    median_px: int = 5
    min_ink_px: int = 3
    typical_quantile: float = 0.6
    edge_fraction: float = 0.38
    core_fraction: float = 0.62
    dark_quantile: float = 0.98
    far_darker: float = 2.2
    dark_fraction: float = 1.5
    max_box_fraction: float = 0.78
    min_digit_fraction: float = 0.07


BINARISE = BinariseConstants()


def smooth_grain(contrast: Grey) -> Grey:
    """Even out the grain of scans that are large enough for it."""
    if min(contrast.shape) < BINARISE.smooth_from_px:
        return contrast
    return cv2.GaussianBlur(contrast, (BINARISE.smooth_px, BINARISE.smooth_px), 0)


def noise_floor(smooth: Grey, counts: Counts) -> tuple[float, float]:
    """Measure the paper.

    Args:
        smooth: uint8 (height, width), the contrast, see `background.measure_contrast`, smoothed.
        counts: Its histogram.

    Returns:
        The contrast above which something stands out from the paper, and the paper's noise (a robust
        deviation), in levels.
    """
    level = quantile(counts, BINARISE.paper_fraction)
    grain = cv2.absdiff(smooth, median(smooth))
    grainy = cv2.countNonZero(grain)
    # Mostly at least half of a scan has none, and to count that is enough.
    few = 2 * grainy <= grain.size
    grains = np.array((grain.size - grainy, grainy), np.float32) if few else histogram(grain)
    noise = MAD_TO_DEVIATION * interpolated_median(grains)
    return level + max(BINARISE.faint_levels, BINARISE.noise_deviations * noise), noise


def median(grey: Grey) -> Grey:
    """Return the median of the pixels around each; the edge is continued outwards.

    OpenCV's takes as long for the two columns at either edge as for hundreds between them. So strips of the
    image are laid side by side: their rows are fewer, and so are the edges.
    """
    height, width = grey.shape
    rows = -(-height // _STRIPS)
    reach = BINARISE.median_px // 2
    framed = cv2.copyMakeBorder(
        grey, reach, reach + _STRIPS * rows - height, reach, reach, cv2.BORDER_REPLICATE
    )
    strips = [framed[n * rows : n * rows + rows + 2 * reach] for n in range(_STRIPS)]
    medians = cv2.medianBlur(cv2.hconcat(strips), BINARISE.median_px)
    starts = range(reach, medians.shape[1], width + 2 * reach)
    return cv2.vconcat([medians[reach:-reach, start : start + width] for start in starts])[:height]


def mask_out_lines(smooth: Grey, lines: Mask, likely: Mask) -> tuple[Grey, Counts]:
    """Leave out printed lines.

    Args:
        smooth: uint8 (height, width), the contrast, smoothed.
        lines: Printed lines: no ink, whatever their contrast.
        likely: What may be a line: it does not count when the contrast of ink is estimated.

    Returns:
        The contrast without the lines, and a histogram of what counts.
    """
    clear = cv2.bitwise_and(smooth, cv2.bitwise_not(cv2.dilate(lines, NEIGHBOURS)))
    return clear, histogram(clear, cv2.bitwise_not(cv2.dilate(likely, NEIGHBOURS)))


def binarise(smooth: Grey, counts: Counts, floor: float) -> Mask:
    """Split ink from paper by hysteresis (Canny 1986): strong ink, and the weaker ink connected to it.

    Args:
        smooth: uint8 (height, width), the contrast, smoothed.
        counts: Histogram of the pixels from which digitbox estimates the contrast of ink.
        floor: The contrast above which something stands out from the paper, see `noise_floor`.

    Returns:
        The mask of the ink, specks included.
    """
    above = counts.copy()
    above[: int(floor) + 1] = 0
    if above.sum() < BINARISE.min_ink_px:
        return np.zeros_like(smooth)
    typical = quantile(above, BINARISE.typical_quantile)
    if quantile(above, BINARISE.dark_quantile) > BINARISE.far_darker * typical:
        typical = _typical_of_digit(smooth, typical)
    mask = cv2.threshold(smooth, max(floor, BINARISE.edge_fraction * typical), 255, cv2.THRESH_BINARY)[1]
    count, labels = cv2.connectedComponents(mask, connectivity=8, ltype=cv2.CV_16U)
    if count > 2:
        strong = np.zeros(count, np.uint8)
        strong[labels[smooth > max(floor, BINARISE.core_fraction * typical)]] = 255
        strong[0] = 0
        if not strong[1:].all():
            mask = strong.take(labels)
    return mask


def _typical_of_digit(smooth: Grey, typical: int) -> int:
    """Return the typical contrast of the digit where most ink is much fainter: a grid, a shadow's edge.

    Only what is as large as a digit and lies inside the image counts: a printed border is dark, too.
    """
    height, width = smooth.shape
    dark = cv2.threshold(smooth, BINARISE.dark_fraction * typical, 255, cv2.THRESH_BINARY)[1]
    _, labels, stats, _ = cv2.connectedComponentsWithStats(dark, connectivity=8, ltype=cv2.CV_16U)
    left, top, wide, high = stats[:, 0], stats[:, 1], stats[:, 2], stats[:, 3]
    inside = (left > 0) & (top > 0) & (left + wide < width) & (top + high < height)
    box = (wide > BINARISE.max_box_fraction * width) & (high > BINARISE.max_box_fraction * height)
    large = np.maximum(wide, high) > BINARISE.min_digit_fraction * max(height, width)
    digit = inside & ~box & large
    digit[0] = False
    if not digit.any():
        return typical
    largest = int(np.argmax(np.where(digit, stats[:, cv2.CC_STAT_AREA], 0)))
    counts = histogram(smooth, cv2.inRange(labels, largest, largest))
    return quantile(counts, BINARISE.typical_quantile)
