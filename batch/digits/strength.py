"""How strongly each pixel stands out from the paper, and what of that is ink."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from batch.digits.lines import Mask
from batch.records import Grey

FAINT_LEVELS = 7  # what differs less from the paper is not ink
FAR_DARKER = 2.2  # times the typical strength: there is more than one kind of ink
BOX_FRACTION = 0.78  # a piece larger than this part of both sides may be a printed box
DIGIT_FRACTION = 0.18  # a piece shorter than this part of the longer side is no digit


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
    reach = max(5, round(0.3 * min(smooth.shape))) | 1
    closed = cv2.morphologyEx(smooth, cv2.MORPH_CLOSE, np.ones((reach, reach), np.uint8))
    level = cv2.GaussianBlur(closed, (0, 0), reach / 4, borderType=cv2.BORDER_REPLICATE)
    return level if step == 1 else cv2.resize(level, (width, height))


def ink_strength(paper: Grey, background: Grey) -> Grey:
    """Strength of the ink against the paper around it: 255 x (1 - paper / background), not below 0."""
    room = np.maximum(background, 40).astype(np.float32)
    strength = cv2.subtract(background, paper).astype(np.float32) * 255.0 / room
    return np.minimum(strength, 255.0).astype(np.uint8)


def binarise(strength: Grey) -> tuple[Mask, float]:
    """Splits ink from paper by hysteresis: strong ink, and the weaker ink connected to it.

    Args:
        strength: uint8 (height, width) as of `ink_strength`.

    Returns:
        The mask of all ink, lines and specks included, and the paper's noise (a robust deviation).
    """
    smooth = cv2.GaussianBlur(strength, (3, 3), 0) if min(strength.shape) >= 40 else strength
    counts = cv2.calcHist([smooth], [0], None, [256], [0, 256]).ravel()
    level = quantile(counts, 0.5)
    deviations = np.bincount(np.abs(np.arange(256) - level), counts, 256)
    noise = 1.4826 * quantile(deviations, 0.5)
    floor = level + max(FAINT_LEVELS, 4.0 * noise)
    above = counts.copy()
    above[: int(floor) + 1] = 0
    if above.sum() < 3:
        return np.zeros_like(strength), noise
    # Half of a typical stroke's strength is where a stroke ends. The typical stroke, not the darkest
    # thing: a printed border is darker than faint pencil.
    typical = quantile(above, 0.6)
    if quantile(above, 0.95) > FAR_DARKER * typical:
        typical = _typical_of_digit(smooth, typical)
    mask = cv2.threshold(smooth, max(floor, 0.38 * typical), 255, cv2.THRESH_BINARY)[1]
    count, labels = cv2.connectedComponents(mask, connectivity=8)
    if count > 2:
        strong = np.zeros(count, bool)
        strong[labels[smooth > max(floor, 0.62 * typical)]] = True
        strong[0] = False
        mask = strong[labels].view(np.uint8) * np.uint8(255)
    return mask, noise


def _typical_of_digit(smooth: Grey, typical: int) -> int:
    """Typical strength of a stroke where most of what stands out is much fainter: a grid, a shadow's edge.

    Only what is as large as a digit and lies inside the image counts: a printed border is dark, too.
    """
    height, width = smooth.shape
    strong = cv2.threshold(smooth, 1.5 * typical, 255, cv2.THRESH_BINARY)[1]
    _, labels, stats, _ = cv2.connectedComponentsWithStats(strong, connectivity=8)
    left, top, wide, high = stats[:, 0], stats[:, 1], stats[:, 2], stats[:, 3]
    inside = (left > 0) & (top > 0) & (left + wide < width) & (top + high < height)
    box = (wide > BOX_FRACTION * width) & (high > BOX_FRACTION * height)
    digit = inside & ~box & (np.maximum(wide, high) > DIGIT_FRACTION * max(height, width))
    digit[0] = False
    if not digit.any():
        return typical
    largest = int(np.argmax(np.where(digit, stats[:, cv2.CC_STAT_AREA], 0)))
    return int(np.quantile(smooth[labels == largest], 0.6))


def quantile(counts: npt.NDArray[Any], fraction: float) -> int:
    """Level below or at which that fraction of a histogram lies."""
    below = np.cumsum(counts)
    return int(np.searchsorted(below, fraction * below[-1]))
