"""The square picture that the look sees of a grey scan of any size."""

from __future__ import annotations

import functools

import cv2
import numpy as np
import numpy.typing as npt

from batch.records import Grey

SIDE_PX = 64
MARGIN_PX = 2  # of ground on each side, so that no ink lies at the very rim
INSIDE_PX = SIDE_PX - 2 * MARGIN_PX
GROUND = 48  # the level of the paper; ink goes up from it to 255
MIN_CONTRAST = 8  # levels; below it a scan is not stretched further
BEND = 1.5  # how much pale ink is raised: t -> (1 + BEND) t / (1 + BEND t)
SAMPLE_PX = 96  # the sign is settled on about so many rows and columns
SMOOTH_BELOW_PX = 24  # smaller scans are enlarged with cubic interpolation
KEEP_THIN_FROM_PX = 240  # a scan as large as that is reduced by the maximum, not only by the average

# The sign is that of the levels beyond which 1/64, 1/256 and 1/1024 of the pixels lie.
SIGN_SHARES = (64, 256, 1024)
INK_SHARES = 128, 1024

_CHANNEL, _BINS, _RANGE = [0], [256], [0, 256]


def look_input(grey: Grey) -> Grey:
    """Make the input of the first look.

    A scan and its inverse give the same picture, to the last bit: whether ink is dark or light is settled
    first, on counts of levels, and everything after that sees light ink.

    Args:
        grey: Levels, uint8 (height, width), at least one pixel.

    Returns:
        The picture, uint8 (64, 64): ground at 48, ink up to 255, the scan centred in its own proportions.
    """
    if ink_is_dark(grey):
        grey = cv2.bitwise_not(grey)
    small = _shrunk(grey)
    height, width = small.shape
    levelled = cv2.LUT(small, _curve(small))
    if height == width:
        pad = MARGIN_PX
        return cv2.copyMakeBorder(levelled, pad, pad, pad, pad, cv2.BORDER_CONSTANT, value=GROUND)
    above, before = (SIDE_PX - height) // 2, (SIDE_PX - width) // 2
    below, after = SIDE_PX - height - above, SIDE_PX - width - before
    return cv2.copyMakeBorder(levelled, above, below, before, after, cv2.BORDER_CONSTANT, value=GROUND)


def inside(shape: tuple[int, int]) -> tuple[float, float, float]:
    """Return where a scan of this shape lies in its picture: scale, left and top."""
    height, width = shape
    scale = INSIDE_PX / max(shape)
    rows, columns = max(1, round(height * scale)), max(1, round(width * scale))
    return scale, float((SIDE_PX - columns) // 2), float((SIDE_PX - rows) // 2)


def ink_is_dark(grey: Grey) -> bool:
    """Return whether ink is darker than the paper; the inverse of a scan always gets the other answer."""
    step = max(grey.shape) // SAMPLE_PX
    sample = grey[::step, ::step].copy() if step > 1 else grey
    cumulated = cv2.calcHist([sample], _CHANNEL, None, _BINS, _RANGE).cumsum()
    level = cumulated.searchsorted(_sign_ranks(sample.size)).tolist()
    # Three levels on each side of twice the median, all integers: exact, and exactly mirrored.
    balance = 3 * (level[0] + level[1]) - sum(level[2:])
    if balance:
        return balance > 0
    histogram = np.diff(cumulated, prepend=0)
    uneven = np.flatnonzero(histogram != histogram[::-1])
    if uneven.size:
        first = uneven[0]
        return bool(histogram[first] < histogram[255 - first])
    return bool(grey[0, 0] > 127)


@functools.lru_cache(maxsize=4096)
def _sign_ranks(count: int) -> npt.NDArray[np.float32]:
    """Return the ranks of the two medians and of both tails among `count` pixels; exact in float32."""
    half = (count + 1) // 2
    tails = [max(1, count // share) for share in SIGN_SHARES]
    return np.array([half, count + 1 - half, *tails, *(count + 1 - tail for tail in tails)], np.float32)


@functools.lru_cache(maxsize=4096)
def _level_ranks(count: int) -> npt.NDArray[np.float32]:
    """Return the ranks of the ground, of the ink and of its extreme among `count` pixels."""
    tails = [max(1, count // share) for share in INK_SHARES]
    return np.array([(count + 1) // 2, *(count + 1 - tail for tail in tails)], np.float32)


def _shrunk(grey: Grey) -> Grey:
    """Bring the longer side to 60 pixels in steps that thin, light strokes survive."""
    height, width = grey.shape
    side = max(height, width)
    scale = INSIDE_PX / side
    size = max(1, round(width * scale)), max(1, round(height * scale))
    if side >= 2 * KEEP_THIN_FROM_PX:
        factor = side // KEEP_THIN_FROM_PX
        grey = _reduced(grey, factor)
    if max(grey.shape) >= KEEP_THIN_FROM_PX:
        grey = _reduced(cv2.dilate(grey, _SQUARE), 2)
    if max(grey.shape) >= 2 * INSIDE_PX:
        grey = _reduced(grey, 2)
    if (grey.shape[1], grey.shape[0]) == size:
        return grey
    smooth = side < SMOOTH_BELOW_PX
    return cv2.resize(grey, size, interpolation=cv2.INTER_CUBIC if smooth else cv2.INTER_LINEAR)


_SQUARE = np.ones((2, 2), np.uint8)


def _reduced(grey: Grey, factor: int) -> Grey:
    """Average blocks of `factor` by `factor` pixels, without what fills no block at the far edges."""
    rows, columns = grey.shape[0] // factor, grey.shape[1] // factor
    if rows == 0 or columns == 0:
        size = max(1, columns), max(1, rows)
        return cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    whole = grey[: rows * factor, : columns * factor]
    return cv2.resize(whole, (columns, rows), interpolation=cv2.INTER_AREA)


def _curve(small: Grey) -> Grey:
    """Map levels so that the median becomes the ground, and the ink's level 255."""
    cumulated = cv2.calcHist([small], _CHANNEL, None, _BINS, _RANGE).cumsum()
    ground, ink, extreme = cumulated.searchsorted(_level_ranks(small.size)).tolist()
    contrast = max(ink - ground, (extreme - ground) // 2, MIN_CONTRAST)
    return _CURVES[contrast, 255 - ground : 511 - ground]


def _curves() -> Grey:
    """Tabulate the curve: for each contrast, what becomes of a level 255 below the ground to 255 above it."""
    above = np.arange(-255, 256, dtype=np.float64)[None]
    share = above / np.maximum(np.arange(256, dtype=np.float64), 1)[:, None]
    up = np.clip(share, 0, 1)
    raised = up * (1 + BEND) * (255 - GROUND) / (1 + BEND * up)
    return np.maximum(np.floor(raised + np.minimum(share, 0) * GROUND + (GROUND + 0.5)), 0).astype(np.uint8)


_CURVES = _curves()
