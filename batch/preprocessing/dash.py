"""The check for a long dash beside a number, e.g. a minus.

The reader of numbers takes a dash that is longer than a digit is high for a piece of a printed line.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from batch.records import Grey

# An engineer set these by eye on drawn numbers with a minus, in pixels of a strip, which is 40 high.
MIN_INK = 120  # level
MIN_LENGTH_PX, MAX_THICKNESS_PX = 9, 7
MIN_RATIO = 2.5  # of its length to its thickness
HIGHEST_PX, LOWEST_PX = 11, 29  # rows in which its middle lies; above and below are lines of a form
REACH_PX = 6.0  # from the middle of a digit, there is nothing but that digit


def has_dash(strip: Grey, middles: Sequence[float]) -> bool:
    """Return whether a long dash stands to the left or right of a number, alone and at half its height.

    Several such bars are pieces of printed lines.

    Args:
        strip: Picture of a strip, uint8 (40, width).
        middles: The columns in which the digits have their middles, from left to right; at least one.
    """
    ink = (strip >= MIN_INK).view(np.uint8)
    _, _, stats, centres = cv2.connectedComponentsWithStats(ink, connectivity=8)
    rows = [
        row
        for (left, _, wide, tall, _), (_, row) in zip(stats[1:].tolist(), centres[1:].tolist(), strict=True)
        if wide >= max(MIN_LENGTH_PX, MIN_RATIO * tall)
        and tall <= MAX_THICKNESS_PX
        and (left + wide < middles[0] - REACH_PX or left > middles[-1] + REACH_PX)
    ]
    return len(rows) == 1 and HIGHEST_PX <= rows[0] <= LOWEST_PX
