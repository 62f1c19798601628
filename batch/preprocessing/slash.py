"""The check for a slash inside a number, e.g. in a date.

The readers tell a slash from a 1 by its length. One that is hardly longer than the digits is a 1 to them.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from batch.preprocessing.dash import MIN_INK
from batch.records import Grey

# An engineer set these on drawn dates, and on held-out fields, of which few have such a 1.
MIN_RATIO = 1.05  # of its height to that of the digits, in the median
MIN_LEAN = 0.2  # columns to the right for a row up
MAX_FILL = 0.6  # of its box that is ink
REACH_PX = 2  # from the middle of a digit; its ink is there


def has_slash(strip: Grey, number: str, middles: Sequence[float]) -> bool:
    """Return whether a 1 between other digits stands alone, leans to the right, and is longer than they are.

    Args:
        strip: Picture of a strip, uint8 (40, width).
        number: The number that was read.
        middles: The columns in which its digits have their middles, from left to right.
    """
    if "1" not in number[1:-1]:
        return False
    ink = (strip >= MIN_INK).view(np.uint8)
    _, pieces, stats, _ = cv2.connectedComponentsWithStats(ink, connectivity=8)
    found = [_piece_at(pieces, middle) for middle in middles]
    heights = stats[:, cv2.CC_STAT_HEIGHT]
    others = [heights[piece] for piece, digit in zip(found, number, strict=True) if piece and digit != "1"]
    if not others:
        return False
    shortest = MIN_RATIO * float(np.median(others))
    for piece, digit in zip(found[1:-1], number[1:-1], strict=True):
        _, _, wide, tall, area = stats[piece].tolist()
        is_alone = digit == "1" and piece > 0 and found.count(piece) == 1
        if is_alone and tall >= shortest and area <= MAX_FILL * wide * tall:
            rows, columns = np.nonzero(pieces == piece)
            if -np.polyfit(rows, columns, 1)[0] >= MIN_LEAN:
                return True
    return False


def _piece_at(pieces: npt.NDArray[np.int32], middle: float) -> int:
    """Return the piece of ink with most pixels near a column; 0 if there is none."""
    first, last = int(middle) - REACH_PX, int(middle) + REACH_PX + 1
    near = pieces[:, max(0, first) : max(0, last)]  # a middle may lie beside the strip
    counts = np.bincount(near[near > 0])
    return int(counts.argmax()) if counts.size else 0
