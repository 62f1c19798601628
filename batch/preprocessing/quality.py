"""The gate before the model: scans whose ink already shows that they are not one digit."""

from __future__ import annotations

import itertools

import cv2
import numpy as np

from batch.preprocessing.preprocess import Ink
from batch.records import Reason

MIN_CONTRAST = 9.0  # of 255: fainter than this nothing can be told from paper
MIN_NOISE_RATIO = 2.5  # ink must stand out from the paper's grain by this factor
MIN_INK_PX = 8  # of the working image
MIN_EXTENT_FRACTION = 0.04  # of the image's longer side: smaller is a speck
MAX_SHADOW_CONTRAST = 25.0  # of 255: a shadow's edge is fainter
SHADOW_SPAN_FRACTION = 0.85  # of the height or width that it runs over
CRISP_RISE = 0.4  # of the contrast, from pixel to pixel, at the outline of pale pencil
CRISP_FRACTION = 0.55  # of that outline, at least, rises so
MAX_FILLED_FRACTION = 0.8  # ink all over
MAX_PARTS = 9  # pieces as large as parts of a digit
DIGIT_HEIGHT_FRACTION = 0.7  # of the highest piece: as high as this, a piece is a digit of its own
MIN_GAP_FRACTION = 0.05  # of the height, between digits side by side
MIN_WEIGHT_FRACTION = 0.25  # of the larger area
RIM_FRACTION = 0.7  # of the way from the middle to the edge: beyond are the borders of boxes
TINE_WIDTH_FRACTION = 0.2  # of its height: a piece as narrow as this
TINE_ASIDE_FRACTION = 0.5  # and as far on the way from the middle to the edge divides the boxes of a form


def check_single_digit(ink: Ink) -> Reason | None:
    """Decides whether the ink can be one digit.

    Returns:
        Why the scan is refused, or None when the model should look at it.
    """
    if ink.is_blank or _is_faint(ink) or _is_speck(ink) or _is_shadow(ink):
        return Reason.BLANK
    if ink.filled_fraction > MAX_FILLED_FRACTION or _are_too_many(ink):
        return Reason.NOT_A_DIGIT
    if _are_several(ink):
        return Reason.SEVERAL_DIGITS
    return None


def _are_too_many(ink: Ink) -> bool:
    """Whether there are more pieces as large as parts of digits than a digit has; not in the rim, though.

    There a border may be dashed.
    """
    if len(ink.parts) <= MAX_PARTS:
        return False
    left, top, width, height, _ = ink.parts.T
    aside_x = np.abs((2 * left + width) / ink.mask.shape[1] - 1.0)
    aside_y = np.abs((2 * top + height) / ink.mask.shape[0] - 1.0)
    return int(np.count_nonzero(np.maximum(aside_x, aside_y) < RIM_FRACTION)) > MAX_PARTS


def _is_faint(ink: Ink) -> bool:
    return bool(ink.contrast < max(MIN_CONTRAST, MIN_NOISE_RATIO * ink.noise))


def _is_speck(ink: Ink) -> bool:
    top, left, bottom, right = ink.box
    extent = max(bottom - top, right - left)
    return bool(cv2.countNonZero(ink.mask) < MIN_INK_PX or extent < MIN_EXTENT_FRACTION * max(ink.mask.shape))


def _is_shadow(ink: Ink) -> bool:
    """Whether the ink is the edge of a shadow: faint, soft, one piece from edge to edge of the paper."""
    if ink.contrast >= MAX_SHADOW_CONTRAST or len(ink.parts) != 1:
        return False
    height, width = ink.mask.shape
    top, left, bottom, right = ink.box
    down = bottom - top >= SHADOW_SPAN_FRACTION * height and (top <= 1 or bottom >= height - 1)
    across = right - left >= SHADOW_SPAN_FRACTION * width and (left <= 1 or right >= width - 1)
    return (down or across) and _crisp_fraction(ink) < CRISP_FRACTION


def _crisp_fraction(ink: Ink) -> float:
    square = np.ones((3, 3), np.uint8)
    outline = cv2.subtract(ink.mask, cv2.erode(ink.mask, square))
    even = cv2.GaussianBlur(ink.strength, (5, 5), 0)  # the grain of paper rises, too
    rise = cv2.morphologyEx(even, cv2.MORPH_GRADIENT, square)
    at_outline = rise[outline > 0]
    return float(np.mean(at_outline > CRISP_RISE * ink.contrast)) if at_outline.size else 0.0


def _are_several(ink: Ink) -> bool:
    """Whether two pieces stand side by side, each as high and heavy as a digit."""
    if len(ink.parts) < 2:
        return False
    left, top, width, height, area = ink.parts.T
    right, bottom = left + width, top + height
    inside = (left > 0) & (top > 0) & (right < ink.mask.shape[1]) & (bottom < ink.mask.shape[0])
    aside = np.abs((left + right) / ink.mask.shape[1] - 1.0)
    tine = (width <= TINE_WIDTH_FRACTION * height) & (aside >= TINE_ASIDE_FRACTION)
    digit = (
        inside
        & ~tine
        & (height >= DIGIT_HEIGHT_FRACTION * height.max())
        & (area >= MIN_WEIGHT_FRACTION * area.max())
    )
    order = np.flatnonzero(digit)[np.argsort(left[digit])]
    for first, second in itertools.pairwise(order):
        gap = left[second] - right[first]
        shared = min(bottom[first], bottom[second]) - max(top[first], top[second])
        if gap >= MIN_GAP_FRACTION * height.max() and shared >= 0.5 * height[second]:
            return True
    return False
