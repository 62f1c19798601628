"""The pieces of ink that make up the digit, told from specks and from what hangs on the edge."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from batch.preprocessing.arrays import Mask
from batch.records import Grey


class ComponentConstants(NamedTuple):
    """Numbers of the choice of pieces.

    They were set by hand on rendered scans and on the two sudoku folders of `docs/robustness.md`.
    The appeal of a piece is its ink times its extent, times a factor for where it lies.

    Attributes:
        one_edge_factor: Factor of the appeal of a piece that touches one edge of the image.
        more_edges_factor: The same for two or more edges.
        middle_factor: Factor in the middle of the image; at its edge it is less by 1.
        line_fraction: Part of a piece that may be printed lines, beyond which it is one.
        line_factor: Factor of the appeal of such a piece.
        max_gap_fraction: Gap to the main piece, of its extent, up to which a piece belongs to the digit.
        min_area_fraction: Area, of the main piece's, from which a piece belongs to the digit.
        min_ink_fraction: Sum of the contrast, of the main piece's, from which a piece belongs to the digit.
        min_area_px: Area from which a piece belongs to the digit, in pixels of the working size.
        rim_fraction: Way from the middle to the edge, beyond which a piece that touches an edge is left out.
        max_rim_area_fraction: Area, of the main piece's, from which such a piece is kept.
        min_part_area_fraction: Area, of the main piece's, from which a piece is as large as part of a digit.
    """

    one_edge_factor: float = 0.5
    more_edges_factor: float = 0.15
    middle_factor: float = 1.15
    line_fraction: float = 0.5
    line_factor: float = 0.05
    max_gap_fraction: float = 0.22
    min_area_fraction: float = 0.04
    min_ink_fraction: float = 0.03
    min_area_px: int = 3
    rim_fraction: float = 0.75
    max_rim_area_fraction: float = 0.5
    min_part_area_fraction: float = 0.15


COMPONENTS = ComponentConstants()


class DigitPieces(NamedTuple):
    """The pieces of ink that were chosen.

    Attributes:
        mask: uint8 (height, width), 255 where the ink of the digit is.
        box: Top, left, bottom, right of that ink; bottom and right are exclusive; all 0 if there is none.
        parts: Tight boxes of the pieces as large as parts of digits, (n, 5) int32: left, top, width, height,
            area.
    """

    mask: Mask
    box: tuple[int, int, int, int]
    parts: npt.NDArray[np.int32]


def choose_digit(mask: Mask, contrast: Grey, likely_lines: Mask) -> DigitPieces:
    """Choose the pieces of ink that make up the digit.

    Args:
        mask: Ink mask, (height, width), 0 or 255.
        contrast: uint8 (height, width), see `background.measure_contrast`.
        likely_lines: Mask of what may be printed lines.
    """
    height, width = mask.shape
    x, y, ink_width, ink_height = cv2.boundingRect(mask)
    inside = slice(y, y + ink_height), slice(x, x + ink_width)
    # Mostly there is one piece, and to count them is cheaper than to measure them.
    count = cv2.connectedComponents(mask[inside], connectivity=8, ltype=cv2.CV_16U)[0] if ink_width else 1
    if count == 1:
        return DigitPieces(mask, (0, 0, 0, 0), np.empty((0, 5), np.int32))
    if count == 2:
        piece = x, y, ink_width, ink_height, cv2.countNonZero(mask)
        return DigitPieces(mask, (y, x, y + ink_height, x + ink_width), np.array([piece], np.int32))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8, ltype=cv2.CV_16U)
    left, top, wide, high, area = stats[1:].T
    right, bottom = left + wide, top + high
    ink = np.bincount(labels[inside].ravel(), contrast[inside].ravel(), minlength=count)[1:]
    extent = np.maximum(wide, high)
    edges = (left <= 1).astype(int) + (top <= 1) + (right >= width - 1) + (bottom >= height - 1)
    # Distance of the piece's middle from the image's, 0 in the middle to 1 at the edge.
    aside = np.maximum(np.abs((left + right) / width - 1.0), np.abs((top + bottom) / height - 1.0))
    at_edges = np.where(edges == 1, COMPONENTS.one_edge_factor, COMPONENTS.more_edges_factor)
    appeal = ink * extent * np.where(edges == 0, 1.0, at_edges)
    appeal = appeal * (COMPONENTS.middle_factor - aside)
    of_lines = np.zeros(count - 1, bool)
    if cv2.countNonZero(likely_lines):
        line_px = np.bincount(labels[likely_lines > 0], minlength=count)[1:]
        of_lines = line_px > COMPONENTS.line_fraction * area
        appeal = np.where(of_lines, COMPONENTS.line_factor * appeal, appeal)
    main = int(np.argmax(appeal))
    # A piece belongs to the digit if it is large enough beside it and near enough to it.
    gap_x = np.maximum(left[main] - right, left - right[main])
    gap_y = np.maximum(top[main] - bottom, top - bottom[main])
    near = np.maximum(gap_x, gap_y) <= COMPONENTS.max_gap_fraction * extent[main]
    large = (
        (area >= COMPONENTS.min_area_fraction * area[main])
        & (ink >= COMPONENTS.min_ink_fraction * ink[main])
        & (area >= COMPONENTS.min_area_px)
    )
    in_rim = (
        (edges >= 1)
        & (aside > COMPONENTS.rim_fraction)
        & (area < COMPONENTS.max_rim_area_fraction * area[main])
    )
    member = near & large & ~in_rim & ~of_lines
    member[main] = True
    digit = np.concatenate(([0], member * np.uint8(255))).astype(np.uint8).take(labels)
    box = (
        int(top[member].min()),
        int(left[member].min()),
        int(bottom[member].max()),
        int(right[member].max()),
    )
    sizeable = (area >= COMPONENTS.min_part_area_fraction * area[main]) & (edges <= 1) & ~of_lines
    return DigitPieces(digit, box, stats[1:][sizeable | member])
