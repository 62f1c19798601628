"""Printed lines: borders of boxes, ruled and squared paper, taken out of an ink mask.

A line is straight, thin against the image and runs to its edge; a digit rarely does all three. What
is under a line is repaired from the ink on both sides of it, and only where there was ink, or a 2
would become a 7.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.uint8]
"""An ink mask, (height, width), 255 for ink and 0 elsewhere."""

RUN_FRACTION = 0.35  # of the image's side: the shortest straight run that can belong to a line
SPAN_FRACTION = 0.85  # a line in the middle of the image runs this far across it
EDGE_BAND_FRACTION = 0.22  # a border lies this near the edge
EDGE_SPAN_FRACTION = 0.45  # and is at least this long
MAX_THICKNESS_FRACTION = 0.16  # thicker than this is not a printed line
MIN_INK_LEFT_FRACTION = 0.06  # if less would be left, the "lines" were the digit


def find_lines(mask: Mask) -> Mask:
    """Finds the horizontal and vertical printed lines of an ink mask.

    Args:
        mask: ink mask, (height, width), 0 or 255.

    Returns:
        Mask of the pixels that belong to lines, (height, width), 0 or 255.
    """
    rows = _horizontal_lines(mask)
    columns = _horizontal_lines(np.ascontiguousarray(mask.T)).T
    return np.bitwise_or(rows, columns)


def remove_lines(mask: Mask) -> Mask:
    """Takes printed lines out of an ink mask and mends the strokes that cross them.

    Args:
        mask: ink mask, (height, width), 0 or 255.

    Returns:
        The mask without lines; the very same array when there are none, or when nothing but lines
        would be found (a 1 that fills its image is a digit, not a border).
    """
    lines = find_lines(mask)
    if not lines.any():
        return mask
    left = cv2.bitwise_and(mask, cv2.bitwise_not(lines))
    left = _drop_slivers(left, lines)
    thickness = 1 + 2 * int(cv2.distanceTransform(lines, cv2.DIST_L2, 3).max())
    bridge = cv2.getStructuringElement(cv2.MORPH_RECT, (3, thickness + 2))
    mended = cv2.bitwise_or(
        cv2.morphologyEx(left, cv2.MORPH_CLOSE, bridge),
        cv2.morphologyEx(left, cv2.MORPH_CLOSE, bridge.T),
    )
    left = cv2.bitwise_or(left, cv2.bitwise_and(mended, mask))
    if np.count_nonzero(left) < MIN_INK_LEFT_FRACTION * np.count_nonzero(mask):
        return mask
    return left


def _horizontal_lines(mask: Mask) -> Mask:
    height, width = mask.shape
    found = np.zeros_like(mask)
    run_px = max(8, round(RUN_FRACTION * width))
    # One pixel of slack above and below lets a line slope by a few degrees.
    slack = cv2.dilate(mask, np.ones((3, 1), np.uint8))
    runs = cv2.morphologyEx(slack, cv2.MORPH_OPEN, np.ones((1, run_px), np.uint8))
    if not runs.any():
        return found
    count, labels, stats, _ = cv2.connectedComponentsWithStats(runs, connectivity=8)
    band_px = max(2, round(EDGE_BAND_FRACTION * height))
    for component in range(1, count):
        left, top, span, rise, area = stats[component]
        at_left, at_right = left <= 1, left + span >= width - 1
        thickness = area / span - 2
        in_band = top + rise <= band_px or top >= height - band_px
        crosses = span >= SPAN_FRACTION * width and at_left and at_right
        borders = in_band and (at_left or at_right) and span >= EDGE_SPAN_FRACTION * width
        on_edge = in_band and (top <= 0 or top + rise >= height) and span >= 0.6 * width
        if thickness > MAX_THICKNESS_FRACTION * height and not (top <= 0 or top + rise >= height):
            continue
        if crosses or borders or on_edge:
            found[labels == component] = 255
    return cv2.bitwise_and(found, mask)


def _drop_slivers(left: Mask, lines: Mask) -> Mask:
    """Drops the frayed rims that a removed line leaves: thin pieces that only touch the line."""
    rim = cv2.dilate(lines, np.ones((5, 5), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(left, connectivity=8)
    if count == 1:
        return left
    inside = np.bincount(labels[rim > 0], minlength=count)
    drop = inside >= 0.6 * stats[:, cv2.CC_STAT_AREA]
    drop[0] = False
    if drop.any():
        left = left.copy()
        left[drop[labels]] = 0
    return left
