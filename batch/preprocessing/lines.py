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
_UPRIGHT = np.ones((3, 1), np.uint8)
MAX_BEND_FRACTION = 0.1  # of its length that a printed line rises, at most
STRAIGHT_FRACTION = 0.7  # of a printed line, at least, lies
MAX_WOBBLE_PX = 0.45  # this near to a straight one
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
    left, top, width, height = cv2.boundingRect(mask)
    rows = columns = None
    if _may_have_lines(mask, left, width):
        rows = _horizontal_lines(mask)
    turned = cv2.transpose(mask)
    if _may_have_lines(turned, top, height):
        columns = _horizontal_lines(turned)
    if rows is None and columns is None:
        return np.zeros(mask.shape, np.uint8), np.zeros(mask.shape, np.uint8)
    across, top, bottom = rows if rows is not None else np.zeros((3, *mask.shape), np.uint8)
    along, left, right = (
        [cv2.transpose(part) for part in columns]
        if columns is not None
        else np.zeros((3, *mask.shape), np.uint8)
    )
    lines = cv2.bitwise_or(across, along)
    across, along = across | top | bottom, along | left | right
    # The sides of a box may touch no edge, as the top of a 7 and the foot of a 1 do not. But they meet the
    # other sides at both ends.
    for side in (top, bottom):
        if _joins(side, along):
            lines |= side
    for side in (left, right):
        if _joins(side.T, across.T):
            lines |= side
    return lines, cv2.bitwise_and(across | along, cv2.bitwise_not(lines))


def _may_have_lines(mask: Mask, left: int, span: int) -> bool:
    """Whether there can be horizontal lines: cheaper to ask than to look for them; mostly there are none.

    Args:
        mask: ink mask, (height, width), 0 or 255.
        left: first column that has ink.
        span: columns from there to the last one that has some.
    """
    height, width = mask.shape
    if left <= 1 and left + span >= width - 1:
        return True  # one may cross the image
    shortest = SIDE_SPAN_FRACTION * width
    if span < shortest:
        return False
    # All others lie near an edge, and there is ink in each of their columns.
    band_px = _band_px(height) + 1  # with the slack of a sloping line
    return _may_hold_a_line(mask[:band_px], shortest) or _may_hold_a_line(mask[-band_px:], shortest)


def _may_hold_a_line(band: Mask, shortest: float) -> bool:
    if cv2.countNonZero(band) < shortest:
        return False
    return cv2.countNonZero(cv2.reduce(band, 0, cv2.REDUCE_MAX)) >= shortest


def _band_px(height: int) -> int:
    return max(2, round(EDGE_BAND_FRACTION * height))


def _joins(side: Mask, others: Mask) -> bool:
    """Whether a horizontal line meets vertical ones at both ends."""
    columns = np.flatnonzero(side.any(axis=0))
    if not columns.size:
        return False
    near = cv2.dilate(np.ascontiguousarray(others), np.ones((9, 9), np.uint8)) & side
    end_px = max(2, columns.size // 8)
    return bool(near[:, columns[:end_px]].any() and near[:, columns[-end_px:]].any())


def repair_strokes(ink: Mask, lines: Mask, everything: Mask) -> Mask:
    """Mends the strokes from which printed lines were taken out.

    Args:
        ink: ink mask without lines, (height, width), 0 or 255.
        lines: the lines, likewise.
        everything: ink and lines, before anything was taken out.

    Returns:
        The ink with its gaps filled, only where there was something; `everything` when hardly anything but
        lines would be left (a 1 that fills its image is a digit, not a border).
    """
    if not cv2.countNonZero(lines):
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


def _horizontal_lines(mask: Mask) -> tuple[Mask, Mask, Mask] | None:
    """Lines for certain, and what else could be the top and the bottom of a box; None if there are none."""
    height, width = mask.shape
    run_px = max(8, round(RUN_FRACTION * width)) | 1  # an even kernel would move what it opens
    # One pixel of slack above and below lets a line slope by a few degrees.
    slack = cv2.dilate(mask, _UPRIGHT)
    runs = cv2.erode(slack, np.ones((1, run_px), np.uint8))
    if not cv2.countNonZero(runs):
        return None
    runs = cv2.dilate(runs, np.ones((1, run_px), np.uint8))
    if cv2.countNonZero(cv2.reduce(runs, 0, cv2.REDUCE_MAX)) < SIDE_SPAN_FRACTION * width:
        return None  # all of them together are too short
    count, labels, stats, _ = cv2.connectedComponentsWithStats(runs, connectivity=8, ltype=cv2.CV_16U)
    band_px = _band_px(height)
    kinds = np.zeros(count, np.uint8)  # 1 for lines, 2 for a top, 3 for a bottom
    for component, (left, top, span, rise, area) in enumerate(stats[1:].tolist(), 1):
        at_left, at_right = left <= 1, left + span >= width - 1
        thickness = area / span - 2
        at_top, at_bottom = top + rise <= band_px, top >= height - band_px
        on_edge = (at_top and top <= 0) or (at_bottom and top + rise >= height)
        if thickness > MAX_THICKNESS_FRACTION * height and not on_edge:
            continue
        if rise - 2 - thickness > MAX_BEND_FRACTION * span:
            continue
        crosses = span >= SPAN_FRACTION * width and at_left and at_right
        borders = (at_top or at_bottom) and (at_left or at_right) and span >= EDGE_SPAN_FRACTION * width
        if crosses or borders or (on_edge and span >= SIDE_SPAN_FRACTION * width):
            place = slice(top, top + rise), slice(left, left + span)
            if _is_straight(cv2.bitwise_and(mask[place], cv2.inRange(labels[place], component, component))):
                kinds[component] = 1
        elif (at_top or at_bottom) and span >= SIDE_SPAN_FRACTION * width:
            kinds[component] = 2 if at_top else 3
    if not kinds.any():
        return None
    found = cv2.bitwise_and(kinds.take(labels), mask, mask=mask)
    lines, top_side, bottom_side = (cv2.compare(found, kind, cv2.CMP_EQ) for kind in (1, 2, 3))
    return lines, top_side, bottom_side


def _is_straight(run: Mask) -> bool:
    """Whether the middle of a run keeps to a straight line, as print does and a stroke of a pen does not."""
    middles = (run.argmax(axis=0) - run[::-1].argmax(axis=0)) / np.float32(2)
    at = np.arange(len(middles), dtype=np.float32)
    way_x, way_y, x, y = cv2.fitLine(np.column_stack((at, middles)), cv2.DIST_HUBER, 0, 0.01, 0.01).ravel()
    apart = np.abs((middles - y) * way_x - (at - x) * way_y)
    # Where strokes join the line its middle is elsewhere.
    return bool(np.quantile(apart, STRAIGHT_FRACTION) <= MAX_WOBBLE_PX)


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
