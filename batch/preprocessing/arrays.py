"""Types of arrays, histograms with their quantiles, and the outline of a mask."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from batch.records import Grey

Mask = npt.NDArray[np.uint8]
"""An ink mask, (height, width), 255 for ink and 0 elsewhere."""

Counts = npt.NDArray[np.float32]
"""A histogram, (256,)."""

NEIGHBOURS = np.ones((3, 3), np.uint8)
"""A kernel that takes in a pixel and the eight around it."""


def histogram(grey: Grey | npt.NDArray[np.float32], counted: Mask | None = None) -> Counts:
    """Return how many pixels there are of each level, (256,).

    Args:
        grey: (height, width); a level of float counts with the whole one below it.
        counted: The mask of the pixels that count; None if all do.
    """
    return cv2.calcHist([grey], [0], counted, [256], [0, 256]).ravel()


def quantile(counts: npt.NDArray[Any], fraction: float) -> int:
    """Return the level at or below which that fraction of a histogram lies."""
    below = counts.cumsum()
    return int(below.searchsorted(fraction * below[-1]))


def interpolated_median(counts: npt.NDArray[Any]) -> float:
    """Return the median of a histogram to a fraction of a level: noise is often less than one."""
    below = counts.cumsum()
    rank = 0.5 * below[-1]
    level = int(below.searchsorted(rank))
    if level == 0:
        return 0.5 * float(rank / max(counts[0], 1e-9))
    return level - 0.5 + float((rank - below[level - 1]) / max(counts[level], 1e-9))


def outline(mask: Mask) -> Mask:
    """Return the pixels of a mask that have a pixel outside it beside them."""
    return cv2.subtract(mask, cv2.erode(mask, NEIGHBOURS))
