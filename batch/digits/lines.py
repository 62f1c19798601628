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
EDGE_SPAN_FRACTION = 0.64  # and, from one side of the image, runs at least this near to the other
SIDE_SPAN_FRACTION = 0.6  # the side of a box is at least this long
MAX_THICKNESS_FRACTION = 0.16  # thicker than this is not a printed line
MIN_INK_LEFT_FRACTION = 0.06  # if less would be left, the "lines" were the digit


def find_lines(mask: Mask) -> tuple[Mask, Mask]:
    """Finds the horizontal and vertical printed lines of an ink mask.

    Args:
        mask: ink mask, (height, width), 0 or 255.

    Returns:
        Two masks, (height, width), 0 or 255: the pixels that belong to lines for certain, and those that do
        so unless they are the digit itself: straight runs near an edge, such as the top of a 7 in a tight
        crop.
    """
    rows, top, bottom = _horizontal_lines(mask)
    columns, left, right = (part.T for part in _horizontal_lines(np.ascontiguousarray(mask.T)))
    lines = np.bitwise_or(rows, columns)
    # The sides of a box may touch no edge, as the top of a 7 and the foot of a 1 do not. But they meet the
    # other sides at both ends.
    across, along = rows | top | bottom, columns | left | right
    for side in (top, bottom):
        if _joins(side, along):
            lines |= side
    for side in (left, right):
        if _joins(side.T, across.T):
            lines |= side
    return lines, cv2.bitwise_and(across | along, cv2.bitwise_not(lines))


def _joins(side: Mask, others: Mask) -> bool:
    """Whether a horizontal line meets vertical ones at both ends."""
    columns = np.flatnonzero(side.any(axis=0))
    if not columns.size:
        return False
    near = cv2.dilate(np.ascontiguousarray(others), np.ones((9, 9), np.uint8)) & side
    end_px = max(2, columns.size // 8)
    return bool(near[:, columns[:end_px]].any() and near[:, columns[-end_px:]].any())


def mended(ink: Mask, lines: Mask, everything: Mask) -> Mask:
    """Mends the strokes from which printed lines were taken out.

    Args:
        ink: ink mask without lines, (height, width), 0 or 255.
        lines: the lines, likewise.
        everything: ink and lines, before anything was taken out.

    Returns:
        The ink with its gaps filled, only where there was something; `everything` when hardly anything but
        lines would be left (a 1 that fills its image is a digit, not a border).
    """
    if not lines.any():
        return ink
    left = _drop_slivers(ink, lines)
    thickness = 1 + 2 * int(cv2.distanceTransform(lines, cv2.DIST_L2, 3).max())
    bridge = cv2.getStructuringElement(cv2.MORPH_RECT, (3, thickness + 5))
    closed = cv2.bitwise_or(
        cv2.morphologyEx(left, cv2.MORPH_CLOSE, bridge),
        cv2.morphologyEx(left, cv2.MORPH_CLOSE, bridge.T),
    )
    left = cv2.bitwise_or(left, cv2.bitwise_and(closed, everything))
    if np.count_nonzero(left) < MIN_INK_LEFT_FRACTION * np.count_nonzero(everything):
        return everything
    return left


def _horizontal_lines(mask: Mask) -> tuple[Mask, Mask, Mask]:
    """Lines for certain, and what else could be the top and the bottom of a box."""
    height, width = mask.shape
    found, top_side, bottom_side = np.zeros((3, height, width), np.uint8)
    run_px = max(8, round(RUN_FRACTION * width)) | 1  # an even kernel would move what it opens
    # One pixel of slack above and below lets a line slope by a few degrees.
    slack = cv2.dilate(mask, np.ones((3, 1), np.uint8))
    runs = cv2.morphologyEx(slack, cv2.MORPH_OPEN, np.ones((1, run_px), np.uint8))
    if not runs.any():
        return found, top_side, bottom_side
    count, labels, stats, _ = cv2.connectedComponentsWithStats(runs, connectivity=8)
    band_px = max(2, round(EDGE_BAND_FRACTION * height))
    for component in range(1, count):
        left, top, span, rise, area = stats[component]
        at_left, at_right = left <= 1, left + span >= width - 1
        thickness = area / span - 2
        at_top, at_bottom = top + rise <= band_px, top >= height - band_px
        on_edge = (at_top and top <= 0) or (at_bottom and top + rise >= height)
        if thickness > MAX_THICKNESS_FRACTION * height and not on_edge:
            continue
        crosses = span >= SPAN_FRACTION * width and at_left and at_right
        borders = (at_top or at_bottom) and (at_left or at_right) and span >= EDGE_SPAN_FRACTION * width
        if crosses or borders or (on_edge and span >= SIDE_SPAN_FRACTION * width):
            found[labels == component] = 255
        elif (at_top or at_bottom) and span >= SIDE_SPAN_FRACTION * width:
            (top_side if at_top else bottom_side)[labels == component] = 255
    return cv2.bitwise_and(found, mask), cv2.bitwise_and(top_side, mask), cv2.bitwise_and(bottom_side, mask)


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
