"""Printed lines in an ink mask: borders of boxes, ruled and squared paper.

A line is straight, thin against the image and runs to its edge; a digit rarely does all three.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from batch.preprocessing.arrays import Mask


class LineConstants(NamedTuple):
    """Numbers of the search for printed lines; of horizontal ones, and the same for vertical ones.

    They were set by hand on rendered scans and on the two sudoku folders of `docs/robustness.md`.
    A field says so if it was set otherwise.

    Attributes:
        min_run_fraction: Shortest straight run that can belong to a line, of the image's width.
        min_run_px: The same at least, in pixels.
        slack_px: Height of the kernel that thickens ink first, so that a line may slope by a few degrees.
        span_fraction: Part of the width that a line in the middle of the image crosses at least.
        edge_band_fraction: Part of the height, at the top and at the bottom, in which borders lie.
        min_band_px: Height of that band at least.
        edge_span_fraction: Part of the width that a border which begins at one side spans at least.
        side_span_fraction: Part of the width that the side of a box spans at least.
        max_thickness_fraction: Thickness, of the height, beyond which ink is no printed line.
        max_bend_fraction: Rise, of its length, beyond which ink is no printed line.
        straight_fraction: Part of a printed line that lies near a straight one at least. Set on drawn stems
            in the corners of scans.
        max_wobble_px: Distance from a straight line, in pixels of the working size, that is near. Set alike.
        fit_tolerance: Accuracy of the fitted line, in pixels and in radians. Set for speed.
        corner_px: Side of the square in which two sides of a box meet.
        end_fraction: Part of a side, at either end, that meets the other sides.
        min_end_px: Length of that part at least.
    """

    min_run_fraction: float = 0.35
    min_run_px: int = 8
    slack_px: int = 3
    span_fraction: float = 0.85
    edge_band_fraction: float = 0.22
    min_band_px: int = 2
    edge_span_fraction: float = 0.64
    side_span_fraction: float = 0.6
    max_thickness_fraction: float = 0.16
    max_bend_fraction: float = 0.1
    straight_fraction: float = 0.7
    max_wobble_px: float = 0.45
    fit_tolerance: float = 0.01
    corner_px: int = 9
    end_fraction: float = 0.125
    min_end_px: int = 2


LINES = LineConstants()
_UPRIGHT = np.ones((LINES.slack_px, 1), np.uint8)
_CORNER = np.ones((LINES.corner_px, LINES.corner_px), np.uint8)


def find_lines(mask: Mask) -> tuple[Mask, Mask]:
    """Find the horizontal and vertical printed lines of an ink mask.

    Args:
        mask: Ink mask, (height, width), 0 or 255.

    Returns:
        Two masks, (height, width), 0 or 255: the pixels that belong to lines for certain, and those that do
        so if they are not the digit itself: straight runs near an edge, e.g. the top of a 7 in a tight crop.
    """
    left, top, width, height = cv2.boundingRect(mask)
    rows = _horizontal_lines(mask) if _may_have_lines(mask, left, width) else None
    turned = cv2.transpose(mask)
    columns = _horizontal_lines(turned) if _may_have_lines(turned, top, height) else None
    if rows is None and columns is None:
        return np.zeros(mask.shape, np.uint8), np.zeros(mask.shape, np.uint8)
    across, top, bottom = rows or np.zeros((3, *mask.shape), np.uint8)
    along, left, right = map(cv2.transpose, columns or np.zeros((3, *turned.shape), np.uint8))
    lines = cv2.bitwise_or(across, along)
    across, along = across | top | bottom, along | left | right
    # The sides of a box may touch no edge, nor do the top of a 7 and the foot of a 1. But a side of a box
    # meets the other sides at both ends.
    for side in (top, bottom):
        if _joins(side, along):
            lines |= side
    for side in (left, right):
        if _joins(side.T, across.T):
            lines |= side
    return lines, cv2.bitwise_and(across | along, cv2.bitwise_not(lines))


def _may_have_lines(mask: Mask, left: int, span: int) -> bool:
    """Check whether there can be horizontal lines: mostly there are none, and this is cheaper than a search.

    Args:
        mask: Ink mask, (height, width), 0 or 255.
        left: First column that has ink.
        span: Number of columns from there to the last one that has ink.
    """
    height, width = mask.shape
    if left <= 1 and left + span >= width - 1:
        return True  # one may cross the image
    min_span = LINES.side_span_fraction * width
    if span < min_span:
        return False
    # All others lie near an edge, and there is ink in each of their columns.
    band_px = _band_px(height) + 1  # with the slack of a sloping line
    return _may_hold_a_line(mask[:band_px], min_span) or _may_hold_a_line(mask[-band_px:], min_span)


def _may_hold_a_line(band: Mask, min_span: float) -> bool:
    if cv2.countNonZero(band) < min_span:
        return False
    return cv2.countNonZero(cv2.reduce(band, 0, cv2.REDUCE_MAX)) >= min_span


def _band_px(height: int) -> int:
    return max(LINES.min_band_px, round(LINES.edge_band_fraction * height))


def _joins(side: Mask, crossing: Mask) -> bool:
    """Check whether a horizontal line meets vertical ones at both ends."""
    columns = np.flatnonzero(side.any(axis=0))
    if not columns.size:
        return False
    near = cv2.dilate(np.ascontiguousarray(crossing), _CORNER) & side
    end_px = max(LINES.min_end_px, int(LINES.end_fraction * columns.size))
    return bool(near[:, columns[:end_px]].any() and near[:, columns[-end_px:]].any())


def _horizontal_lines(mask: Mask) -> tuple[Mask, Mask, Mask] | None:
    """Return the certain lines, and what may be the top and the bottom of a box; None if there is nothing."""
    height, width = mask.shape
    # An even kernel would move what it opens.
    run_px = max(LINES.min_run_px, round(LINES.min_run_fraction * width)) | 1
    slack = cv2.dilate(mask, _UPRIGHT)
    runs = cv2.erode(slack, np.ones((1, run_px), np.uint8))
    if not cv2.countNonZero(runs):
        return None
    runs = cv2.dilate(runs, np.ones((1, run_px), np.uint8))
    min_span = LINES.side_span_fraction * width
    if cv2.countNonZero(cv2.reduce(runs, 0, cv2.REDUCE_MAX)) < min_span:
        return None  # all of them together are too short
    count, labels, stats, _ = cv2.connectedComponentsWithStats(runs, connectivity=8, ltype=cv2.CV_16U)
    band_px = _band_px(height)
    slack_px = LINES.slack_px - 1  # rows that the slack has added
    kinds = np.zeros(count, np.uint8)  # 1 for lines, 2 for a top, 3 for a bottom
    for component, (left, top, span, rise, area) in enumerate(stats[1:].tolist(), 1):
        at_left, at_right = left <= 1, left + span >= width - 1
        thickness = area / span - slack_px
        at_top, at_bottom = top + rise <= band_px, top >= height - band_px
        on_edge = (at_top and top <= 0) or (at_bottom and top + rise >= height)
        if thickness > LINES.max_thickness_fraction * height and not on_edge:
            continue
        if rise - slack_px - thickness > LINES.max_bend_fraction * span:
            continue
        crosses = span >= LINES.span_fraction * width and at_left and at_right
        borders = (at_top or at_bottom) and (at_left or at_right) and span >= LINES.edge_span_fraction * width
        if crosses or borders or (on_edge and span >= min_span):
            place = slice(top, top + rise), slice(left, left + span)
            if _is_straight(cv2.bitwise_and(mask[place], cv2.inRange(labels[place], component, component))):
                kinds[component] = 1
        elif (at_top or at_bottom) and span >= min_span:
            kinds[component] = 2 if at_top else 3
    if not kinds.any():
        return None
    kind_of_pixel = cv2.bitwise_and(kinds.take(labels), mask, mask=mask)
    lines, top_side, bottom_side = (cv2.compare(kind_of_pixel, kind, cv2.CMP_EQ) for kind in (1, 2, 3))
    return lines, top_side, bottom_side


def _is_straight(run: Mask) -> bool:
    """Check whether the middle of a run keeps to a straight line, as print does and a stroke does not."""
    middles = (run.argmax(axis=0) - run[::-1].argmax(axis=0)) / np.float32(2)
    columns = np.arange(len(middles), dtype=np.float32)
    points = np.column_stack((columns, middles))
    tolerance = LINES.fit_tolerance
    way_x, way_y, x, y = cv2.fitLine(points, cv2.DIST_HUBER, 0, tolerance, tolerance).ravel()
    apart = np.abs((middles - y) * way_x - (columns - x) * way_y)
    # Where strokes join the line its middle is elsewhere.
    return bool(np.quantile(apart, LINES.straight_fraction) <= LINES.max_wobble_px)
