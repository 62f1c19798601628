"""The grey of a coloured image: its brightness, or the direction in colour that shows the ink."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from batch.records import Grey

_Bgr = npt.NDArray[np.uint8]
_BRIGHTNESS = np.array([0.114, 0.587, 0.299], np.float32)  # of blue, green and red


class _Constants(NamedTuple):
    """How digitbox decides whether brightness shows the ink; set on real scans and on drawn ones.

    Attributes:
        side_px: Longest side of the small image that is looked at; a digit of a tenth of it still shows.
        ink_fraction: Share of pixels that are ink in the emptiest scan.
        clear: Contrast in brightness that needs no colour; the palest pencil of real scans has 45.
        fraction: Largest contrast in brightness, as a share of that in colour, that needs colour.
        min_contrast: Contrast in colour below which there is only noise.
        light_paper: Level of bright paper in the result; dark paper gets 255 minus it.
    """

    side_px: int = 128
    ink_fraction: float = 1 / 1000
    clear: int = 40
    fraction: float = 0.4
    min_contrast: float = 32.0
    light_paper: float = 220.0


_C = _Constants()


def is_dark(pixels: npt.NDArray[np.uint8]) -> bool:
    """Return whether an image is darker than its inverse; either an image is, or its inverse.

    Steps that round make other scans of an image and of its inverse. So digitbox inverts a dark image before
    them, and inverts what comes out.

    Args:
        pixels: uint8 (height, width), or (height, width, 3 or 4). A fourth channel does not count.
    """
    values = pixels.size if pixels.ndim == 2 else pixels.shape[0] * pixels.shape[1] * 3
    twice = 2 * sum(cv2.sumElems(pixels)[:3])
    return twice < 255 * values or (twice == 255 * values and int(pixels.flat[0]) <= 127)


def invert(pixels: npt.NDArray[np.uint8]) -> None:
    """Invert an image where it lies, as a copy may be large; a fourth channel stays as it is."""
    cv2.bitwise_xor(pixels, (255, 255, 255, 0), dst=pixels)


def shows_ink(grey: Grey) -> bool:
    """Return whether brightness alone tells ink from paper; fast, for every coloured file."""
    small = _shrink(~grey if is_dark(grey) else grey)
    count = cv2.countNonZero(cv2.compare(cv2.absdiff(small, _ground(small)), _C.clear, cv2.CMP_GE))
    return count >= small.size * _C.ink_fraction


def to_grey(pixels: _Bgr, alpha: Grey | None = None) -> Grey:
    """Convert a coloured image to the grey that shows its ink.

    Args:
        pixels: uint8 (height, width, 3), blue, green, red.
        alpha: uint8 (height, width), 0 where a pixel is transparent; None if none is.

    Returns:
        Array of uint8 (height, width): the brightness, or what `find_ink` returns.
    """
    grey = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY), np.uint8)
    if alpha is None and shows_ink(grey):
        return grey
    ink = find_ink(pixels, alpha)
    return grey if ink is None else ink


def find_ink(pixels: _Bgr, alpha: Grey | None = None) -> Grey | None:
    """Convert a coloured image along the direction in colour in which ink and paper differ most.

    Args:
        pixels: uint8 (height, width, 3), blue, green, red.
        alpha: uint8 (height, width), 0 where a pixel is transparent; None if none is.

    Returns:
        Array of uint8 (height, width), or None if brightness shows the ink well enough. An image and its
        inverse give a grey and its inverse.
    """
    if is_dark(pixels):
        ink = find_ink(~pixels, alpha)
        return None if ink is None else ~ink
    if alpha is not None:
        is_transparent = alpha < 128
        if is_transparent.all():
            return None
        opaque = np.flatnonzero(~is_transparent)
        some = pixels.reshape(-1, 3)[opaque[:: _step(len(opaque))]]  # all would take much memory
        pixels = np.where(is_transparent[..., None], _middle(some), pixels)
    direction = _direction(pixels)
    if direction is None:
        return None
    paper = _middle(_shrink(pixels).reshape(-1, 3)).astype(np.float32)
    level = _C.light_paper
    if float(paper @ _BRIGHTNESS) < 127.5:
        level, direction = 255 - level, -direction
    # Along the direction, each pixel lies as far from the level of the paper as its colour from the paper's.
    weights = np.array([[*-direction, level + float(paper @ direction)]])
    return np.asarray(cv2.transform(pixels, weights), np.uint8).reshape(pixels.shape[:2])


def _direction(pixels: _Bgr) -> npt.NDArray[np.float32] | None:
    """Return the direction in colour from paper to ink, or None if brightness shows the ink well enough.

    The direction is the main axis of the distances from the paper around each pixel. Far pixels count most
    (the weights are the squares of their distances), because ink covers a small part of a scan.

    Returns:
        Array of float32 (3,): blue, green, red. The absolute values add up to 1, so that grey ink on grey
        paper has the same contrast along it as in brightness.
    """
    small = _shrink(pixels)
    distances = (small.astype(np.float32) - _ground(small)).reshape(-1, 3)
    weighted = distances * np.square(distances).sum(axis=1, keepdims=True)
    direction = np.linalg.eigh(weighted.T @ distances)[1][:, -1]
    direction /= np.abs(direction).sum()
    along = np.asarray(distances @ direction, np.float32)
    contrast = _contrast(along)
    brightness = _contrast(np.asarray(distances @ _BRIGHTNESS, np.float32))
    if contrast < _C.min_contrast or brightness > _C.fraction * contrast:
        return None
    # The cube keeps the sign, and counts the far pixels.
    return direction if float((along**3).sum()) > 0 else -direction


def _contrast(distances: npt.NDArray[np.float32]) -> float:
    """Return the mean distance of the pixels that are farthest from the paper: the ink, if there is any."""
    count = max(4, int(distances.size * _C.ink_fraction))
    far = np.partition(np.abs(distances), distances.size - count)[-count:]
    return float(far.mean())


def _shrink(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return a small copy of an image, or the image itself if it is small."""
    scale = _C.side_px / max(pixels.shape[:2])
    if scale >= 1:
        return pixels
    height, width = (max(1, round(side * scale)) for side in pixels.shape[:2])
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _ground(small: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return the mean of half of the image around each pixel; shadows are in it, and ink hardly is."""
    height, width = small.shape[:2]
    return np.asarray(cv2.blur(small, (width // 2 + 1, height // 2 + 1)), np.uint8)


def _middle(colours: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return the colour of the paper: the median of (pixels, 3) in each channel."""
    return np.asarray(np.median(colours[:: _step(len(colours))], axis=0), np.uint8)


def _step(count: int) -> int:
    """Return the step in which to take pixels for a median: of many, so many are enough."""
    return max(1, count >> 14)
