"""The conversion of pixels of any type and number of channels to grey."""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from batch.errors import ImageError
from batch.images import colour, transparency
from batch.images.container import check_side, check_size
from batch.records import Grey, Reason


def from_pixels(pixels: npt.NDArray[np.generic], max_pixels: int) -> Grey:
    """Convert an image that a program has in memory.

    Args:
        pixels: Array of (height, width), or (height, width, 3 or 4) in the order blue, green, red, alpha;
            numbers or bool. Black is 0, and white is 255 in uint8, else the highest level of the fewest bits
            that hold all of them, see `_white`. digitbox stretches negative numbers to the whole range.
        max_pixels: Largest number of pixels that the image may have.

    Returns:
        Array of uint8 (height, width), 0 black to 255 white; see `decode.decode`.

    Raises:
        ImageError: It has too few pixels or too many, or they are not numbers.
    """
    height, width = pixels.shape[:2]
    if not pixels.size:
        raise ImageError(Reason.EMPTY, "the array has no pixels")
    check_size(width, height, max_pixels)
    check_side(height, width)
    return to_grey(pixels.copy() if pixels.ndim == 3 else pixels)  # they are the program's own


def to_grey(pixels: npt.NDArray[np.generic], alpha: Grey | None = None) -> Grey:
    """Convert decoded pixels of any type and number of channels to grey, uint8 (height, width).

    Args:
        pixels: The pixels; dark ones of 8 bits with colours are inverted where they lie.
        alpha: uint8 (height, width), 0 where a grey pixel is transparent; None if none is.
    """
    # A large scan takes much memory, so each step keeps as few bytes and channels as it can.
    if pixels.dtype not in (np.uint8, np.uint16):
        with np.errstate(over="ignore"):  # a larger float becomes infinite
            pixels = pixels.astype(np.float32)
    if pixels.ndim == 3 and pixels.shape[2] == 4:
        alpha = _opacity(pixels)
    if alpha is not None and transparency.is_opaque(alpha):
        alpha = None
    levels = _to_bytes(pixels)
    is_inverted = levels.ndim == 3 and (alpha is None or bool(alpha.any())) and colour.is_dark(levels)
    if is_inverted:
        colour.invert(levels)
    if levels.ndim == 2:
        grey = np.asarray(levels, np.uint8)
    else:
        grey = colour.to_grey(
            cv2.cvtColor(levels, cv2.COLOR_BGRA2BGR) if levels.shape[2] == 4 else levels, alpha
        )
    if alpha is not None:
        grey = transparency.put_on_paper(grey, alpha)
    return ~grey if is_inverted else grey


def _opacity(pixels: npt.NDArray[np.generic]) -> Grey:
    """Return the fourth channel of an image as bytes."""
    opacity = cv2.extractChannel(pixels, 3)
    white = 65535.0 if opacity.dtype == np.uint16 else max(1.0, float(opacity.max()))
    return np.asarray(cv2.convertScaleAbs(opacity, alpha=255 / white), np.uint8)


def _white(highest: float) -> int:
    """Return the highest level of the fewest bits that hold a level.

    Few files of 16 bits use the whole range, e.g. those of 12 bits. To stretch each from its own lowest to
    its own highest level would make the shadows on blank paper as black as ink.
    """
    return (1 << max(1, math.ceil(highest).bit_length())) - 1


def _to_bytes(pixels: npt.NDArray[np.generic]) -> npt.NDArray[np.uint8]:
    """Convert 16-bit or float pixels to 0 at black and 255 at white, and leave 8-bit pixels as they are."""
    if pixels.dtype == np.uint8:
        return np.asarray(pixels, np.uint8)
    colours = pixels[..., :3] if pixels.ndim == 3 else pixels
    if pixels.dtype == np.uint16:
        return np.asarray(cv2.convertScaleAbs(pixels, alpha=255 / _white(int(colours.max()))), np.uint8)
    values = colours.astype(np.float32)
    finite = np.isfinite(values)
    if not finite.any():
        raise ImageError(Reason.DAMAGED, "its pixels are not numbers")
    low = float(values.min(where=finite, initial=np.inf))
    high = float(values.max(where=finite, initial=-np.inf))
    values[~finite] = low
    if low >= 0:
        low, high = 0.0, float(_white(high))
    elif low == high:
        high = 0.0
    if high - low > float(np.finfo(np.float32).max):  # a damaged float may be as large as floats are
        values, low, high = values / np.float32(2), low / 2, high / 2
    values -= low
    values *= 255.0 / (high - low)
    return np.asarray(np.rint(np.clip(values, 0, 255, out=values), out=values), np.uint8)
