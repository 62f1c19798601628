"""The paper under the ink: the light that falls on it, its brightness, and the contrast of the ink."""

from __future__ import annotations

import functools
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from batch.records import Grey


class BackgroundConstants(NamedTuple):
    """Numbers of the estimate of the paper.

    They were set by hand on rendered scans and on the two sudoku folders of `docs/robustness.md`.
    A field says so if it was set otherwise.

    Attributes:
        reduce_from_px: Shorter side from which the paper is estimated on a reduced scan.
        reduce_step: Factor of that reduction. Set for speed: a third of the pixels tell as much.
        smooth_px: Side of the Gaussian window that evens out the grain first.
        fit_px: Side of the square image that the light is fitted to. Set for speed.
        fit_passes: Passes of the reweighting. Set for speed: the surface hardly moves after them.
        bright_quantile: Quantile of the levels that the first pass takes for paper.
        outlier_deviations: Median deviations below the surface at which a pixel's weight is a half.
        stiffness: Penalty of the terms 1, x, y, xy, x^2 and y^2, so that the surface does not bend after ink.
        min_light: Least light, in levels, so that a division by it stays sane.
        level: Level of the paper when the light is divided out. It leaves room above for brighter spots.
        window_shorter_fraction: Side of the closing window, of the shorter side. Wider than any stroke.
        window_longer_fraction: Least side of it, of the longer side, for scans cut out along a 1. It took 600
            training digits that were cut out tightly from 97.0 to 98.3% right.
        min_window_px: Least side of the window.
        windows_per_deviation: Sides of the window per standard deviation of the blur after it.
        min_blur_px: Least standard deviation of that blur.
        min_paper: Least brightness of paper, in levels. On darker paper the contrast would be mostly noise.
    """

    reduce_from_px: int = 60
    reduce_step: int = 3
    smooth_px: int = 3
    fit_px: int = 16
    fit_passes: int = 4
    bright_quantile: float = 0.75
    outlier_deviations: float = 1.5
    stiffness: tuple[float, ...] = (0.0, 0.01, 0.01, 0.03, 0.03, 0.03)
    min_light: float = 16.0
    level: float = 150.0
    window_shorter_fraction: float = 0.3
    window_longer_fraction: float = 0.25
    min_window_px: int = 5
    windows_per_deviation: float = 12.0
    min_blur_px: float = 0.8
    min_paper: float = 40.0


BACKGROUND = BackgroundConstants()
_STIFFNESS = BACKGROUND.fit_px**2 * np.diag(BACKGROUND.stiffness)


def estimate_background(paper: Grey) -> Grey:
    """Estimate the paper under the ink.

    Args:
        paper: uint8 (height, width), dark ink on light paper.

    Returns:
        uint8 (height, width): the paper's brightness, shadows and tint included. The window is wider than
        any stroke, yet narrower than a digit, so that the inside of a large 0 counts as paper.
    """
    height, width = paper.shape
    # Paper varies slowly: a third of the pixels tell as much at a tenth of the cost.
    step = BACKGROUND.reduce_step if min(height, width) >= BACKGROUND.reduce_from_px else 1
    smooth = cv2.GaussianBlur(paper, (BACKGROUND.smooth_px, BACKGROUND.smooth_px), 0)
    if step > 1:
        size = width // step, height // step
        smooth = cv2.resize(smooth, size, interpolation=cv2.INTER_AREA)
    light = estimate_light(smooth)
    # Without its light the paper is level, so that closing does not fill dark corners.
    level = np.minimum(smooth * (BACKGROUND.level / light), 255.0).astype(np.uint8)
    # A scan that is cut out along a 1 is hardly wider than its stroke.
    window = max(
        BACKGROUND.window_shorter_fraction * min(smooth.shape),
        BACKGROUND.window_longer_fraction * max(smooth.shape),
    )
    window_px = max(BACKGROUND.min_window_px, round(window)) | 1
    # Each of the two is misled elsewhere: the one fills dark corners. The other fills the dark side of a
    # shadow's edge, where the fitted light has not yet fallen as far as the paper.
    background = np.minimum(
        _close(level, window_px) * (light / BACKGROUND.level), _close(smooth, window_px)
    ).astype(np.uint8)
    return background if step == 1 else cv2.resize(background, (width, height))


def _close(paper: Grey, window_px: int) -> Grey:
    """Fill what is darker than its surroundings and narrower than the window."""
    # The edge is continued outwards: a shadow in a corner is no stroke.
    framed = cv2.copyMakeBorder(paper, window_px, window_px, window_px, window_px, cv2.BORDER_REPLICATE)
    closed = cv2.morphologyEx(framed, cv2.MORPH_CLOSE, np.ones((window_px, window_px), np.uint8))
    closed = closed[window_px:-window_px, window_px:-window_px]
    deviation_px = max(BACKGROUND.min_blur_px, window_px / BACKGROUND.windows_per_deviation)
    even = cv2.GaussianBlur(closed, (0, 0), deviation_px, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.min(even, closed), np.uint8)


def estimate_light(paper: Grey) -> npt.NDArray[np.float32]:
    """Fit the light that falls on the paper: a surface of second degree.

    The fit is by iteratively reweighted least squares with Cauchy's weights (Holland and Welsch, "Robust
    regression using iteratively reweighted least-squares", 1977), here on one side only: ink is darker than
    paper and covers less of it, so that what lies below the surface counts little.

    Args:
        paper: uint8 (height, width), dark ink on light paper.

    Returns:
        float32 (height, width), at least `min_light`.
    """
    # Light varies slowly: a coarse image tells as much.
    coarse = cv2.resize(paper, (BACKGROUND.fit_px, BACKGROUND.fit_px), interpolation=cv2.INTER_AREA)
    terms, products = _terms(*coarse.shape), _products(BACKGROUND.fit_px)
    values = coarse.ravel().astype(np.float64)
    middle, bright = values.size // 2, int(BACKGROUND.bright_quantile * values.size)
    above = values - np.partition(values, bright)[bright]
    for _ in range(BACKGROUND.fit_passes):
        apart = np.abs(above)
        apart.partition(middle)
        # In place, for on so few values numpy's time goes to making arrays: 1 / (1 + below^2).
        weights = np.minimum(above, 0.0)
        weights *= 1.0 / (BACKGROUND.outlier_deviations * float(apart[middle]) + 1.0)
        weights *= weights
        weights += 1.0
        np.reciprocal(weights, out=weights)
        squares = (products @ weights).reshape(len(terms), -1)
        squares += _STIFFNESS
        weights *= values
        # OpenCV solves so small a system in a tenth of numpy's time.
        _, factors = cv2.solve(squares, (terms @ weights)[:, None], flags=cv2.DECOMP_CHOLESKY)
        above = values - factors[:, 0] @ terms
    surface = factors[:, 0].astype(np.float32) @ _terms32(*paper.shape)
    return np.maximum(surface, BACKGROUND.min_light).reshape(paper.shape)


@functools.lru_cache(maxsize=64)
def _terms(height: int, width: int) -> npt.NDArray[np.float64]:
    """Return 1, x, y, xy, x^2 and y^2 of every pixel, (6, height x width); x and y from -1 to 1."""
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    return np.stack([np.ones_like(x), x, y, x * y, x * x, y * y]).reshape(6, -1)


@functools.lru_cache(maxsize=64)
def _terms32(height: int, width: int) -> npt.NDArray[np.float32]:
    return _terms(height, width).astype(np.float32)


@functools.lru_cache(maxsize=1)
def _products(side: int) -> npt.NDArray[np.float64]:
    """Return the products of any two terms at every pixel of a square image, (36, pixels)."""
    terms = _terms(side, side)
    return np.ascontiguousarray((terms[:, None] * terms[None]).reshape(len(terms) ** 2, -1))


def measure_contrast(paper: Grey, background: Grey) -> Grey:
    """Return how far each pixel stands out from the paper: 255 x (1 - paper / background), at least 0."""
    room = cv2.max(background, BACKGROUND.min_paper).astype(np.float32)
    return (cv2.subtract(background, paper).astype(np.float32) * 255.0 / room).astype(np.uint8)
