"""Scans at a working size."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from batch.records import Grey


class ResizeConstants(NamedTuple):
    """Numbers of the working size, set by hand.

    Attributes:
        min_px: Shorter side below which a scan is enlarged, so that neighbourhoods mean something.
        halve_from: Times the working size from which a scan is halved first. Set for speed: halving is forty
            times as fast as averaging over parts of pixels.
    """

    min_px: int = 24
    halve_from: int = 4


RESIZE = ResizeConstants()


def shrink(grey: Grey, longer_px: int) -> Grey:
    """Return a copy of an image whose longer side has at most `longer_px` pixels."""
    scale = longer_px / max(grey.shape)
    if scale >= 1:
        return grey.copy()
    width, height = (max(1, round(side * scale)) for side in grey.shape[::-1])
    return np.asarray(cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def resize(grey: Grey, longer_px: int) -> Grey:
    """Shrink a scan to a longer side of at most `longer_px` pixels; enlarge one that is very small."""
    height, width = grey.shape
    while max(height, width) >= RESIZE.halve_from * longer_px and min(height, width) > 1:
        height, width = height // 2, width // 2
        grey = np.asarray(
            cv2.resize(grey[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA),
            np.uint8,
        )
    if max(height, width) > longer_px:
        return shrink(grey, longer_px)
    scale = RESIZE.min_px / min(height, width)
    if scale > 1 and max(height, width) * scale <= longer_px:
        size = round(width * scale), round(height * scale)
        return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_CUBIC), np.uint8)
    return grey
