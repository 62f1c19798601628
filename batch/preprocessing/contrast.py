"""How strongly each pixel stands out from the paper, and what of that is ink."""

from __future__ import annotations

import functools
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from batch.preprocessing.lines import Mask
from batch.records import Grey

LEVEL = 150.0  # of paper, when the light is taken out
LIGHT_PX = 16  # side of the image that the light is fitted to
# Of the light's surface, against bending after ink.
_STIFFNESS = LIGHT_PX**2 * np.diag((0.0, 0.01, 0.01, 0.03, 0.03, 0.03))
PAPER_FRACTION = 0.4  # of the pixels, at least, are paper
FAINT_LEVELS = 7  # what differs less from the paper is not ink
FAR_DARKER = 2.2  # times the typical strength: there is more than one kind of ink
BOX_FRACTION = 0.78  # a piece larger than this part of both sides may be a printed box
STRIPS = 6  # side by side, of an image from which the median is taken
SMOOTHED_PX = 40  # shorter side from which scans are smoothed: below, strokes are too thin
DIGIT_FRACTION = 0.07  # a piece shorter than this part of the longer side is no digit

Counts = npt.NDArray[np.float32]
"""A histogram, (256,)."""

_SQUARE = np.ones((3, 3), np.uint8)


def estimate_background(paper: Grey) -> Grey:
    """Estimates the paper under the ink.

    Args:
        paper: uint8 (height, width), dark ink on light paper.

    Returns:
        uint8 (height, width): the paper's brightness, shadows and tint included. The window is wider than
        any stroke, not than the digit, so that the inside of a large 0 counts as paper.
    """
    height, width = paper.shape
    # Paper varies slowly: a third of the pixels tell as much at a tenth of the cost.
    step = 3 if min(height, width) >= 60 else 1
    smooth = cv2.GaussianBlur(paper, (3, 3), 0)
    if step > 1:
        size = width // step, height // step
        smooth = cv2.resize(smooth, size, interpolation=cv2.INTER_AREA)
    light = estimate_light(smooth)
    # What is left when the light is taken out is level, so that closing does not fill dark corners.
    level = np.minimum(smooth * (LEVEL / light), 255.0).astype(np.uint8)
    # A scan that is cut out along a 1 is hardly wider than its stroke.
    reach = max(5, round(max(0.3 * min(smooth.shape), 0.25 * max(smooth.shape)))) | 1
    # Each is misled elsewhere: one fills dark corners, the other the dark side of a shadow's edge, where the
    # fitted light has not yet fallen as far as the paper.
    background = np.minimum(_closed(level, reach) * (light / LEVEL), _closed(smooth, reach)).astype(np.uint8)
    return background if step == 1 else cv2.resize(background, (width, height))


def _closed(paper: Grey, reach_px: int) -> Grey:
    """Fills what is darker than what is around it and narrower than the window."""
    # Beyond the edge goes on what is at the edge: a shadow in a corner is no stroke.
    framed = cv2.copyMakeBorder(paper, reach_px, reach_px, reach_px, reach_px, cv2.BORDER_REPLICATE)
    closed = cv2.morphologyEx(framed, cv2.MORPH_CLOSE, np.ones((reach_px, reach_px), np.uint8))
    closed = closed[reach_px:-reach_px, reach_px:-reach_px]
    even = cv2.GaussianBlur(closed, (0, 0), max(0.8, reach_px / 12), borderType=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.min(even, closed), np.uint8)


def estimate_light(paper: Grey) -> npt.NDArray[np.float32]:
    """Fits the light that falls on the paper: a surface of second degree, by iterated reweighting.

    Ink is darker than paper and covers less of it: what lies below the surface counts little.

    Args:
        paper: uint8 (height, width), dark ink on light paper.

    Returns:
        float32 (height, width), at least 16.
    """
    # Light varies slowly: a coarse image tells as much.
    coarse = cv2.resize(paper, (LIGHT_PX, LIGHT_PX), interpolation=cv2.INTER_AREA)
    terms, products = _terms(LIGHT_PX, LIGHT_PX), _products()
    values = coarse.ravel().astype(np.float64)
    middle, bright = values.size // 2, 3 * values.size // 4
    above = values - np.partition(values, bright)[bright]
    for _ in range(4):
        apart = np.abs(above)
        apart.partition(middle)
        # In place, for on so few values numpy's time goes to making arrays: 1 / (1 + below^2).
        weights = np.minimum(above, 0.0)
        weights *= 1.0 / (1.5 * float(apart[middle]) + 1.0)
        weights *= weights
        weights += 1.0
        np.reciprocal(weights, out=weights)
        squares = (products @ weights).reshape(len(terms), -1)
        squares += _STIFFNESS
        weights *= values
        # As numpy's, but for a tenth of the time on so small a system.
        _, factors = cv2.solve(squares, (terms @ weights)[:, None], flags=cv2.DECOMP_CHOLESKY)
        above = values - factors[:, 0] @ terms
    surface = factors[:, 0].astype(np.float32) @ _terms32(*paper.shape)
    return np.maximum(surface, 16.0).reshape(paper.shape)


@functools.lru_cache(maxsize=64)
def _terms(height: int, width: int) -> npt.NDArray[np.float64]:
    """1, x, y, xy, x^2 and y^2 of every pixel, (6, height x width); x and y from -1 to 1."""
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    return np.stack([np.ones_like(x), x, y, x * y, x * x, y * y]).reshape(6, -1)


@functools.lru_cache(maxsize=64)
def _terms32(height: int, width: int) -> npt.NDArray[np.float32]:
    return _terms(height, width).astype(np.float32)


@functools.lru_cache(maxsize=1)
def _products() -> npt.NDArray[np.float64]:
    """Products of any two terms at every pixel of the coarse image, (36, pixels)."""
    terms = _terms(LIGHT_PX, LIGHT_PX)
    return np.ascontiguousarray((terms[:, None] * terms[None]).reshape(len(terms) ** 2, -1))


def contrast_of(paper: Grey, background: Grey) -> Grey:
    """Strength of the ink against the paper around it: 255 x (1 - paper / background), not below 0."""
    room = cv2.max(background, 40.0).astype(np.float32)
    return (cv2.subtract(background, paper).astype(np.float32) * 255.0 / room).astype(np.uint8)


def smoothed(strength: Grey) -> Grey:
    """Evens out the grain of scans that are large enough for it."""
    return cv2.GaussianBlur(strength, (3, 3), 0) if min(strength.shape) >= SMOOTHED_PX else strength


def histogram(grey: Grey, counted: Mask | None = None) -> Counts:
    """How many pixels there are of each level, (256,); where `counted`, if given, is not 0."""
    return cv2.calcHist([grey], [0], counted, [256], [0, 256]).ravel()


def noise_floor(smooth: Grey, counts: Counts) -> tuple[float, float]:
    """Measures the paper.

    Args:
        smooth: uint8 (height, width), strength of the ink as of `ink_strength`, smoothed.
        counts: its histogram.

    Returns:
        The strength above which something stands out from the paper, and the paper's noise (a robust
        deviation), in levels.
    """
    # Up to a half of a scan may be ink.
    level = quantile(counts, PAPER_FRACTION)
    grain = cv2.absdiff(smooth, median(smooth))
    grainy = cv2.countNonZero(grain)
    # Mostly at least half of a scan has none, and to count that is enough.
    few = 2 * grainy <= grain.size
    grains = np.array((grain.size - grainy, grainy), np.float32) if few else histogram(grain)
    noise = 1.4826 * quantile_between(grains, 0.5)
    return level + max(FAINT_LEVELS, 4.0 * noise), noise


def median(grey: Grey) -> Grey:
    """The median of the 5x5 pixels around each; beyond the edge goes on what is at the edge.

    OpenCV's takes as long for the two columns at either edge as for hundreds between them. So strips of the
    image are laid side by side: their rows are fewer, and so are the edges.
    """
    height, width = grey.shape
    rows = -(-height // STRIPS)
    framed = cv2.copyMakeBorder(grey, 2, 2 + STRIPS * rows - height, 2, 2, cv2.BORDER_REPLICATE)
    found = cv2.medianBlur(cv2.hconcat([framed[n * rows : n * rows + rows + 4] for n in range(STRIPS)]), 5)
    strips = [found[2:-2, start + 2 : start + 2 + width] for start in range(0, found.shape[1], width + 4)]
    return cv2.vconcat(strips)[:height]


def mask_out_lines(smooth: Grey, lines: Mask, likely: Mask) -> tuple[Grey, Counts]:
    """Leaves out printed lines.

    Args:
        smooth: uint8 (height, width), strength of the ink, smoothed.
        lines: printed lines: no ink, whatever their strength.
        likely: what may be a line: it does not count when the strength of ink is estimated.

    Returns:
        The strength of the rest, and a histogram of what counts.
    """
    rest = cv2.bitwise_and(smooth, cv2.bitwise_not(cv2.dilate(lines, _SQUARE)))
    return rest, histogram(rest, cv2.bitwise_not(cv2.dilate(likely, _SQUARE)))


def binarise(smooth: Grey, counts: Counts, floor: float) -> Mask:
    """Splits ink from paper by hysteresis: strong ink, and the weaker ink connected to it.

    Args:
        smooth: uint8 (height, width), strength of the ink, smoothed.
        counts: histogram of what tells how strong ink is.
        floor: of the paper.

    Returns:
        The mask of the ink, specks included.
    """
    above = counts.copy()
    above[: int(floor) + 1] = 0
    if above.sum() < 3:
        return np.zeros_like(smooth)
    # Half of a typical stroke's strength is where a stroke ends. The typical stroke, not the darkest
    # thing: a printed border is darker than faint pencil.
    typical = quantile(above, 0.6)
    if quantile(above, 0.98) > FAR_DARKER * typical:
        typical = _typical_of_digit(smooth, typical)
    mask = cv2.threshold(smooth, max(floor, 0.38 * typical), 255, cv2.THRESH_BINARY)[1]
    count, labels = cv2.connectedComponents(mask, connectivity=8, ltype=cv2.CV_16U)
    if count > 2:
        strong = np.zeros(count, np.uint8)
        strong[labels[smooth > max(floor, 0.62 * typical)]] = 255
        strong[0] = 0
        if not strong[1:].all():
            mask = strong.take(labels)
    return mask


def _typical_of_digit(smooth: Grey, typical: int) -> int:
    """Typical strength of a stroke where most of what stands out is much fainter: a grid, a shadow's edge.

    Only what is as large as a digit and lies inside the image counts: a printed border is dark, too.
    """
    height, width = smooth.shape
    strong = cv2.threshold(smooth, 1.5 * typical, 255, cv2.THRESH_BINARY)[1]
    _, labels, stats, _ = cv2.connectedComponentsWithStats(strong, connectivity=8, ltype=cv2.CV_16U)
    left, top, wide, high = stats[:, 0], stats[:, 1], stats[:, 2], stats[:, 3]
    inside = (left > 0) & (top > 0) & (left + wide < width) & (top + high < height)
    box = (wide > BOX_FRACTION * width) & (high > BOX_FRACTION * height)
    digit = inside & ~box & (np.maximum(wide, high) > DIGIT_FRACTION * max(height, width))
    digit[0] = False
    if not digit.any():
        return typical
    largest = int(np.argmax(np.where(digit, stats[:, cv2.CC_STAT_AREA], 0)))
    return quantile(histogram(smooth, cv2.inRange(labels, largest, largest)), 0.6)


def quantile(counts: npt.NDArray[Any], fraction: float) -> int:
    """Level below or at which that fraction of a histogram lies."""
    below = counts.cumsum()
    return int(below.searchsorted(fraction * below[-1]))


def quantile_between(counts: npt.NDArray[Any], fraction: float) -> float:
    """As `quantile`, but to a fraction of a level: noise is often less than one."""
    below = counts.cumsum()
    wanted = fraction * below[-1]
    place = int(below.searchsorted(wanted))
    if place == 0:
        return 0.5 * float(wanted / max(counts[0], 1e-9))
    return place - 0.5 + float((wanted - below[place - 1]) / max(counts[place], 1e-9))
