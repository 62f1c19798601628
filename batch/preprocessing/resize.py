"""Scans at a working size."""

from __future__ import annotations

import cv2
import numpy as np

from batch.records import Grey

MIN_WORK_PX = 24  # smaller scans are enlarged, so that neighbourhoods mean something


def resized(grey: Grey, longer_px: int) -> Grey:
    """Shrinks a scan to so many pixels on its longer side; enlarges one that is very small."""
    height, width = grey.shape
    # Halving is forty times as fast as averaging over parts of pixels.
    while max(height, width) >= 4 * longer_px and min(height, width) > 1:
        height, width = height // 2, width // 2
        grey = np.asarray(
            cv2.resize(grey[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA),
            np.uint8,
        )
    scale = longer_px / max(height, width)
    if scale < 1:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)
    scale = MIN_WORK_PX / min(height, width)
    if scale > 1 and max(height, width) * scale <= longer_px:
        size = round(width * scale), round(height * scale)
        return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_CUBIC), np.uint8)
    return grey
