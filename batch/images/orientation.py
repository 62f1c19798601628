"""How the pixels of a file lie: which way is up, and how wide a pixel is for its height."""

from __future__ import annotations

from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt

MIN_STRETCH = 1.01  # below, resampling would only blur the ink
MAX_STRETCH = 8.0  # faxes need 2.1; beyond this, a header makes no sense

_Level = TypeVar("_Level", bound=np.generic)


def aspect_of(x_density: float, y_density: float) -> float:
    """Return the width of a pixel divided by its height, or 1 if the densities make no sense.

    Args:
        x_density: Pixels for each unit of length along a row.
        y_density: Pixels for each unit of length along a column.
    """
    if not x_density > 0:
        return 1.0
    aspect = y_density / x_density
    return aspect if 1 / MAX_STRETCH <= aspect <= MAX_STRETCH else 1.0


def make_square(pixels: npt.NDArray[np.generic], aspect: float, max_pixels: int) -> npt.NDArray[np.generic]:
    """Stretch an image so that its pixels are square; the shorter side of a pixel stays as it is.

    Args:
        pixels: Array of (height, width) or (height, width, channels).
        aspect: The width of a pixel divided by its height.
        max_pixels: Largest number of pixels that the result may have; if it would have more, the longer side
            of a pixel stays as it is.
    """
    stretch = max(aspect, 1 / aspect)
    if stretch < MIN_STRETCH:
        return pixels
    height, width = pixels.shape[:2]
    grows = height * width * stretch <= max_pixels
    if (aspect > 1) == grows:
        width = max(1, round(width * aspect))
    else:
        height = max(1, round(height / aspect))
    return cv2.resize(pixels, (width, height), interpolation=cv2.INTER_LINEAR if grows else cv2.INTER_AREA)


def turn_upright(pixels: npt.NDArray[_Level], orientation: int) -> npt.NDArray[_Level]:
    """Turn an image upright.

    Args:
        pixels: Array of (height, width) or (height, width, channels).
        orientation: The number that EXIF and TIFF have for it, 1 (upright) to 8; others count as 1.
    """
    if not 2 <= orientation <= 8:
        return pixels
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)
