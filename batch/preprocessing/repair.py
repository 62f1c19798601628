"""Strokes from which printed lines were taken out.

A gap is filled from the ink on both sides of it, and only where there was ink, or a 2 would become a 7.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from batch.preprocessing.arrays import Mask


class RepairConstants(NamedTuple):
    """Numbers of the repair, set by hand while looking at drawn digits on lines and at the sudoku folders.

    Attributes:
        sliver_rim_px: Side of the square within which ink belongs to the rim of a line.
        sliver_fraction: Part of a piece, from which on, in the rim, it is a sliver of the line.
        bridge_px: Width of the bridge that closes a gap.
        bridge_excess_px: Length of the bridge beyond the thickness of the thickest line.
        min_ink_fraction: Part of all ink. If less is left without the lines, the "lines" were the digit.
    """

    sliver_rim_px: int = 5
    sliver_fraction: float = 0.6
    bridge_px: int = 3
    bridge_excess_px: int = 5
    min_ink_fraction: float = 0.06


REPAIR = RepairConstants()
_RIM = np.ones((REPAIR.sliver_rim_px, REPAIR.sliver_rim_px), np.uint8)


def repair_strokes(ink: Mask, lines: Mask, everything: Mask) -> Mask:
    """Repair the strokes from which printed lines were taken out.

    Args:
        ink: Ink mask without lines, (height, width), 0 or 255.
        lines: The lines, likewise.
        everything: Ink and lines, before anything was taken out.

    Returns:
        The ink with its gaps filled where there was ink before; `everything` if hardly anything but lines
        would be left (a 1 that fills its image is a digit and no border).
    """
    if not cv2.countNonZero(lines):
        return ink
    strokes = _drop_slivers(ink, lines)
    thickness_px = 1 + 2 * int(cv2.distanceTransform(lines, cv2.DIST_L2, 3).max())
    size = REPAIR.bridge_px, thickness_px + REPAIR.bridge_excess_px
    bridge = cv2.getStructuringElement(cv2.MORPH_RECT, size)
    closed = cv2.bitwise_or(
        cv2.morphologyEx(strokes, cv2.MORPH_CLOSE, bridge),
        cv2.morphologyEx(strokes, cv2.MORPH_CLOSE, bridge.T),
    )
    strokes = cv2.bitwise_or(strokes, cv2.bitwise_and(closed, everything))
    if np.count_nonzero(strokes) < REPAIR.min_ink_fraction * np.count_nonzero(everything):
        return everything
    return strokes


def _drop_slivers(ink: Mask, lines: Mask) -> Mask:
    """Drop the frayed rims that a removed line leaves: thin pieces that only touch the line."""
    rim = cv2.dilate(lines, _RIM)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(ink, connectivity=8)
    if count == 1:
        return ink
    in_rim = np.bincount(labels[rim > 0], minlength=count)
    drop = in_rim >= REPAIR.sliver_fraction * stats[:, cv2.CC_STAT_AREA]
    drop[0] = False
    if drop.any():
        ink = ink.copy()
        ink[drop[labels]] = 0
    return ink
