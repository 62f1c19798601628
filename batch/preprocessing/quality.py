"""The gate before the model: scans whose ink already shows that they are not one digit."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import cv2
import numpy as np

from batch.preprocessing.arrays import NEIGHBOURS, outline
from batch.preprocessing.ink import Ink
from batch.records import Reason


class QualityConstants(NamedTuple):
    """Numbers of the gate.

    They were set by hand on rendered scans and on the two sudoku folders of `docs/robustness.md`.
    A field says so if it was set otherwise.

    Attributes:
        min_contrast: Contrast, of 255, below which nothing can be told from paper.
        min_noise_ratio: Factor by which ink stands out from the paper's grain at least.
        min_ink_px: Pixels of the working image that are ink at least.
        min_extent_fraction: Extent of the ink, of the image's longer side, below which it is a speck.
        max_shadow_contrast: Contrast, of 255, from which ink is no edge of a shadow.
        shadow_span_fraction: Part of the height or width that the edge of a shadow spans at least.
        crisp_rise: Rise from pixel to pixel, as a part of the contrast, that is crisp. Set on pale pencil.
        crisp_fraction: Part of an outline that is crisp in pale pencil at least, and in shadows is not.
        crisp_smooth_px: Side of the Gaussian window before an outline is measured: grain rises, too.
        max_filled_fraction: Part of the image beyond which it is ink all over.
        max_parts: Pieces as large as parts of a digit that a digit has at most.
        rim_fraction: Way from the middle to the edge. Beyond it lie the borders of boxes, maybe dashed.
        digit_height_fraction: Height, of the highest piece's, from which a piece is a digit of its own.
        digit_area_fraction: Area, of the largest piece's, from which a piece is a digit of its own.
        min_gap_fraction: Gap between digits side by side, of the highest piece's height.
        min_overlap_fraction: Part of its height that a digit shares at least with the one before it.
        tine_width_fraction: Width, of its height, up to which a piece may divide the boxes of a form.
        tine_aside_fraction: Way from the middle to the edge, from which it does. Set on drawn combs.
    """

    min_contrast: float = 9.0
    min_noise_ratio: float = 2.5
    min_ink_px: int = 8
    min_extent_fraction: float = 0.04
    max_shadow_contrast: float = 25.0
    shadow_span_fraction: float = 0.85
    crisp_rise: float = 0.4
    crisp_fraction: float = 0.55
    crisp_smooth_px: int = 5
    max_filled_fraction: float = 0.8
    max_parts: int = 9
    rim_fraction: float = 0.7
    digit_height_fraction: float = 0.7
    digit_area_fraction: float = 0.25
    min_gap_fraction: float = 0.05
    min_overlap_fraction: float = 0.5
    tine_width_fraction: float = 0.2
    tine_aside_fraction: float = 0.5


QUALITY = QualityConstants()


def check_single_digit(ink: Ink) -> Reason | None:
    """Check whether the ink can be one digit.

    Returns:
        The reason why digitbox refuses the scan, or None if the model should look at it.
    """
    if ink.is_blank or _is_faint(ink) or _is_speck(ink) or _is_shadow(ink):
        return Reason.BLANK
    if ink.filled_fraction > QUALITY.max_filled_fraction or _are_too_many(ink):
        return Reason.NOT_A_DIGIT
    if _are_several(ink):
        return Reason.SEVERAL_DIGITS
    return None


def _are_too_many(ink: Ink) -> bool:
    """Check whether more pieces are as large as parts of digits than a digit has.

    Pieces in the rim do not count: a border may be dashed.
    """
    if len(ink.parts) <= QUALITY.max_parts:
        return False
    left, top, width, height, _ = ink.parts.T
    aside_x = np.abs((2 * left + width) / ink.mask.shape[1] - 1.0)
    aside_y = np.abs((2 * top + height) / ink.mask.shape[0] - 1.0)
    inner = np.maximum(aside_x, aside_y) < QUALITY.rim_fraction
    return int(np.count_nonzero(inner)) > QUALITY.max_parts


def _is_faint(ink: Ink) -> bool:
    return bool(ink.contrast < max(QUALITY.min_contrast, QUALITY.min_noise_ratio * ink.noise))


def _is_speck(ink: Ink) -> bool:
    top, left, bottom, right = ink.box
    extent = max(bottom - top, right - left)
    if cv2.countNonZero(ink.mask) < QUALITY.min_ink_px:
        return True
    return bool(extent < QUALITY.min_extent_fraction * max(ink.mask.shape))


def _is_shadow(ink: Ink) -> bool:
    """Check whether the ink is the edge of a shadow: faint, soft, one piece from edge to edge of a scan."""
    if ink.contrast >= QUALITY.max_shadow_contrast or len(ink.parts) != 1:
        return False
    height, width = ink.mask.shape
    top, left, bottom, right = ink.box
    span_y, span_x = QUALITY.shadow_span_fraction * height, QUALITY.shadow_span_fraction * width
    down = bottom - top >= span_y and (top <= 1 or bottom >= height - 1)
    across = right - left >= span_x and (left <= 1 or right >= width - 1)
    return (down or across) and _crisp_fraction(ink) < QUALITY.crisp_fraction


def _crisp_fraction(ink: Ink) -> float:
    """Return the part of the ink's outline at which the contrast rises from one pixel to the next."""
    even = cv2.GaussianBlur(ink.contrast_map, (QUALITY.crisp_smooth_px, QUALITY.crisp_smooth_px), 0)
    rise = cv2.morphologyEx(even, cv2.MORPH_GRADIENT, NEIGHBOURS)
    at_outline = rise[outline(ink.mask) > 0]
    return float(np.mean(at_outline > QUALITY.crisp_rise * ink.contrast)) if at_outline.size else 0.0


def _are_several(ink: Ink) -> bool:
    """Check whether two pieces stand side by side, each as high and heavy as a digit."""
    if len(ink.parts) < 2:
        return False
    left, top, width, height, area = ink.parts.T
    right, bottom = left + width, top + height
    inside = (left > 0) & (top > 0) & (right < ink.mask.shape[1]) & (bottom < ink.mask.shape[0])
    aside = np.abs((left + right) / ink.mask.shape[1] - 1.0)
    tine = (width <= QUALITY.tine_width_fraction * height) & (aside >= QUALITY.tine_aside_fraction)
    digit = (
        inside
        & ~tine
        & (height >= QUALITY.digit_height_fraction * height.max())
        & (area >= QUALITY.digit_area_fraction * area.max())
    )
    order = np.flatnonzero(digit)[np.argsort(left[digit])]
    for first, second in itertools.pairwise(order):
        gap = left[second] - right[first]
        shared = min(bottom[first], bottom[second]) - max(top[first], top[second])
        enough = QUALITY.min_overlap_fraction * height[second]
        if gap >= QUALITY.min_gap_fraction * height.max() and shared >= enough:
            return True
    return False
