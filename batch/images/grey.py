"""The conversion of pixels of any type and number of channels to grey."""

from __future__ import annotations

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
            numbers or bool. Floats from 0 to 1 are levels from black to white. digitbox stretches numbers of
            other types than uint8 to the whole range.
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
    if pixels.dtype == np.bool_ or (pixels.dtype.kind == "f" and pixels.min() >= 0 and pixels.max() <= 1):
        pixels = np.rint(pixels.astype(np.float32) * 255).astype(np.uint8)
    return to_grey(pixels.copy() if pixels.ndim == 3 else pixels)  # they are the program's own


def to_grey(pixels: npt.NDArray[np.generic], alpha: Grey | None = None) -> Grey:
    """Convert decoded pixels of any type and number of channels to grey, uint8 (height, width).

    Args:
        pixels: The pixels; dark ones with colours are inverted where they lie.
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
    is_integer = pixels.ndim == 3 and pixels.dtype != np.float32
    is_inverted = is_integer and (alpha is None or bool(alpha.any())) and colour.is_dark(pixels)
    if is_inverted:
        colour.invert(pixels)
    if pixels.ndim == 2:
        grey = np.asarray(pixels if pixels.dtype == np.uint8 else _stretch(pixels), np.uint8)
    else:
        levels = _stretch_colours(pixels)
        grey = colour.to_grey(
            cv2.cvtColor(levels, cv2.COLOR_BGRA2BGR) if levels.shape[2] == 4 else levels, alpha
        )
    if alpha is not None:
        grey = transparency.put_on_paper(grey, alpha)
    return ~grey if is_inverted else grey


def _opacity(pixels: npt.NDArray[np.generic]) -> Grey:
    """Return the fourth channel of an image as bytes."""
    opacity = cv2.extractChannel(pixels, 3)
    return _to_bytes(opacity, 0, 65535.0 if opacity.dtype == np.uint16 else max(1.0, float(opacity.max())))


def _to_bytes(pixels: npt.NDArray[np.generic], low: float, high: float) -> npt.NDArray[np.uint8]:
    """Convert 16-bit or float pixels to 0 at `low` and 255 at `high`, and leave 8-bit pixels as they are."""
    if pixels.dtype == np.uint8:
        return np.asarray(pixels, np.uint8)
    scale = 255 / (high - low)
    return np.asarray(cv2.convertScaleAbs(pixels, alpha=scale, beta=-low * scale), np.uint8)


def _stretch_colours(pixels: npt.NDArray[np.generic]) -> npt.NDArray[np.uint8]:
    """Stretch 16-bit colours to 0 to 255, all channels alike, and leave 8-bit colours as they are."""
    if pixels.dtype == np.uint8:
        return np.asarray(pixels, np.uint8)
    if pixels.dtype != np.uint16:
        return _stretch(pixels)
    low, high = int(pixels[..., :3].min()), int(pixels[..., :3].max())
    return _to_bytes(pixels, *((low, high) if low < high else (0, 65535)))


def _stretch(pixels: npt.NDArray[np.generic]) -> npt.NDArray[np.uint8]:
    """Stretch 16-bit or float pixels to 0 to 255."""
    values = pixels.astype(np.float32)
    finite = np.isfinite(values)
    if not finite.any():
        raise ImageError(Reason.DAMAGED, "its pixels are not numbers")
    low = float(values.min(where=finite, initial=np.inf))
    high = float(values.max(where=finite, initial=-np.inf))
    values[~finite] = low
    if low == high:  # all ink is in the alpha channel, if there is any
        low, high = 0.0, 65535.0
    if high - low > float(np.finfo(np.float32).max):  # a damaged float may be as large as floats are
        values, low, high = values / np.float32(2), low / 2, high / 2
    values -= low
    values *= 255.0 / (high - low)
    return np.asarray(np.rint(np.clip(values, 0, 255, out=values), out=values), np.uint8)
