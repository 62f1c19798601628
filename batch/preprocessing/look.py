"""From a grey scan of any size to the square picture that the look sees.

The look is a small network that sees the whole scan, see `batch.inference.look`. It was trained on pictures
from this very function, so a change of one byte here needs another training.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from batch.preprocessing.arrays import histogram
from batch.records import Grey


class LookPicture(NamedTuple):
    """The constants of the picture. All were set before the look's training, on rendered and real scans.

    Attributes:
        side_px: Side of the picture. At 64 pixels a digit of a quarter of the scan still has 15 of them.
        margin_px: Ground on each side, so that no ink lies at the very rim.
        ground: Level of the paper. Light spots may go below it, and the network takes it as zero.
        min_contrast: Levels between paper and ink. A scan with fewer is not stretched further.
        bend: How much pale ink is raised: t becomes (1 + bend) t / (1 + bend t). It was chosen by eye.
        sample_px: Rows and columns of the sample on which the sign of the ink is settled.
        cubic_below_px: Longer side below which a scan is enlarged with cubic interpolation.
        maximum_from_px: Longer side from which a scan is reduced by the maximum, so that thin strokes stay.
        sign_shares: The sign of the ink is that of the longer tails. They begin where one pixel in so many
            lies beyond.
        finest_share: The same, if those tails hardly differ: a small digit of a large scan is in none.
        finer: How many times as many rows and columns are counted then.
        ink_shares: The level of the ink is that beyond which one pixel in so many lies. The second is for
            scans with very little ink.
        place_growth: Side of the square that looking closer cuts out, in longer sides of the digit. It was
            chosen among 1.4 and 1.8, on held-out scenes.
        min_place_px: Side of the smallest such square, in pixels of the scan.
    """

    side_px: int = 64
    margin_px: int = 2
    ground: int = 48
    min_contrast: int = 8
    bend: float = 1.5
    sample_px: int = 96
    cubic_below_px: int = 24
    maximum_from_px: int = 240
    sign_shares: tuple[int, ...] = (64, 256, 1024)
    finest_share: int = 8192
    finer: int = 4
    ink_shares: tuple[int, int] = (128, 1024)
    place_growth: float = 1.8
    min_place_px: int = 8


LOOK = LookPicture()
SIDE_PX = LOOK.side_px

_INSIDE_PX = LOOK.side_px - 2 * LOOK.margin_px
_SQUARE = np.ones((2, 2), np.uint8)


def look_input(grey: Grey) -> Grey:
    """Make the picture of a scan that the look sees.

    A scan and its inverse give the same picture, to the last bit. Whether ink is dark or light is settled
    first, on counts of levels, and everything after that sees light ink.

    Args:
        grey: Grey image, uint8 (height, width), at least one pixel.

    Returns:
        The scan in the middle, in its own proportions, uint8 (64, 64): paper at 48, ink up to 255.
    """
    return light_input(with_light_ink(grey))


def light_input(light: Grey) -> Grey:
    """Make the picture of a scan whose ink is known to be lighter than the paper; see `look_input`.

    Args:
        light: Grey image, uint8 (height, width), at least one pixel.
    """
    small = _shrink(light)
    height, width = small.shape
    top, left = (LOOK.side_px - height) // 2, (LOOK.side_px - width) // 2
    return np.asarray(
        cv2.copyMakeBorder(
            cv2.LUT(small, level_curve(small)),
            top,
            LOOK.side_px - height - top,
            left,
            LOOK.side_px - width - left,
            cv2.BORDER_CONSTANT,
            value=LOOK.ground,
        )
    )


def inside(shape: tuple[int, int]) -> tuple[float, float, float]:
    """Return where a scan of this shape lies in its picture.

    Args:
        shape: Height and width of the scan.

    Returns:
        Pixels of the picture per pixel of the scan, and the left and top edge in the picture.
    """
    rows, columns = size_in_picture(shape)
    return _INSIDE_PX / max(shape), float((SIDE_PX - columns) // 2), float((SIDE_PX - rows) // 2)


def size_in_picture(shape: tuple[int, int]) -> tuple[int, int]:
    """Return the height and width in its picture of a scan of this height and width."""
    height, width = shape
    scale = _INSIDE_PX / max(shape)
    return max(1, round(height * scale)), max(1, round(width * scale))


class Place(NamedTuple):
    """A part of a scan, in its pixels; `right` and `bottom` are the first beyond it."""

    left: int
    top: int
    right: int
    bottom: int


def place_of(shape: tuple[int, int], where: Sequence[float]) -> Place:
    """Return the part of a scan to look at closer.

    Args:
        shape: Height and width of the scan.
        where: Middle x and y, width and height of the digit as shares of the side of the scan's picture.

    Returns:
        A square around the digit, as far as it lies in the scan; the whole scan if little of it does.
    """
    height, width = shape
    scale, left, top = inside(shape)
    x, y, wide, tall = (SIDE_PX * float(share) for share in where)
    half = max(LOOK.place_growth * max(wide, tall) / scale, LOOK.min_place_px) / 2
    x, y = (x - left) / scale, (y - top) / scale
    place = Place(
        max(0, round(x - half)),
        max(0, round(y - half)),
        min(width, round(x + half)),
        min(height, round(y + half)),
    )
    if min(place.right - place.left, place.bottom - place.top) < LOOK.min_place_px // 2:
        return Place(0, 0, width, height)
    return place


def with_light_ink(grey: Grey) -> Grey:
    """Return a scan whose ink is lighter than the paper: the scan itself, or its inverse.

    Args:
        grey: Grey image, uint8 (height, width), at least one pixel.
    """
    return cv2.bitwise_not(grey) if is_ink_dark(grey) else grey


def is_ink_dark(grey: Grey) -> bool:
    """Return whether ink is darker than paper; the inverse of a scan always gets the other answer.

    Args:
        grey: Grey image, uint8 (height, width), at least one pixel.
    """
    step = max(grey.shape) // LOOK.sample_px
    sample = grey[::step, ::step].copy() if step > 1 else grey
    cumulated = histogram(sample).cumsum()
    levels = cumulated.searchsorted(_sign_ranks(sample.size)).tolist()
    # Three levels on each side of twice the median: all are integers, so the inverse has the negative.
    balance = len(LOOK.sign_shares) * (levels[0] + levels[1]) - sum(levels[2:])
    if step > 1 and abs(balance) < LOOK.min_contrast:
        balance += levels[0] + levels[1] - _finest_tails(grey, max(1, step // LOOK.finer))
    if balance:
        return balance > 0
    counts = np.diff(cumulated, prepend=0)
    uneven = np.flatnonzero(counts != counts[::-1])
    if uneven.size:
        return bool(counts[uneven[0]] < counts[255 - uneven[0]])
    return bool(grey[0, 0] > 127)


def _finest_tails(grey: Grey, step: int) -> int:
    """Return the sum of the levels at which the finest tails of a scan begin, the dark and the light one."""
    sample = grey[::step, ::step].copy()
    tail = max(1, sample.size // LOOK.finest_share)
    ranks = np.array([tail, sample.size + 1 - tail], np.float32)
    return int(histogram(sample).cumsum().searchsorted(ranks).sum())


@functools.lru_cache(maxsize=4096)
def _sign_ranks(count: int) -> npt.NDArray[np.float32]:
    """Return the ranks of both medians and of the tails on each side among `count` pixels."""
    half = (count + 1) // 2
    tails = [max(1, count // share) for share in LOOK.sign_shares]
    return np.array([half, count + 1 - half, *tails, *(count + 1 - tail for tail in tails)], np.float32)


@functools.lru_cache(maxsize=4096)
def _level_ranks(count: int) -> npt.NDArray[np.float32]:
    """Return the ranks of the paper and of the two levels of ink among `count` pixels."""
    tails = [max(1, count // share) for share in LOOK.ink_shares]
    return np.array([(count + 1) // 2, *(count + 1 - tail for tail in tails)], np.float32)


def _shrink(grey: Grey) -> Grey:
    """Bring the longer side to 60 pixels, in steps that thin light strokes survive."""
    side = max(grey.shape)
    size = size_in_picture(grey.shape)[::-1]
    if side >= 2 * LOOK.maximum_from_px:
        grey = reduce(grey, side // LOOK.maximum_from_px)
    if max(grey.shape) >= LOOK.maximum_from_px:
        grey = reduce(cv2.dilate(grey, _SQUARE), 2)
    if max(grey.shape) >= 2 * _INSIDE_PX:
        grey = reduce(grey, 2)
    if (grey.shape[1], grey.shape[0]) == size:
        return grey
    interpolation = cv2.INTER_CUBIC if side < LOOK.cubic_below_px else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(grey, size, interpolation=interpolation))


def reduce(grey: Grey, factor: int) -> Grey:
    """Average blocks of `factor` by `factor` pixels; what fills no block at the far edges is left out."""
    rows, columns = grey.shape[0] // factor, grey.shape[1] // factor
    if rows and columns:
        grey = grey[: rows * factor, : columns * factor]
    size = max(1, columns), max(1, rows)
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA))


def level_curve(small: Grey) -> Grey:
    """Return the table of levels, uint8 (256,), that brings the median to the ground and the ink to 255."""
    cumulated = histogram(small).cumsum()
    paper, ink, extreme = cumulated.searchsorted(_level_ranks(small.size)).tolist()
    contrast = max(ink - paper, (extreme - paper) // 2, LOOK.min_contrast)
    return _CURVES[contrast, 255 - paper : 511 - paper]


def _curves() -> Grey:
    """Return the curve for each contrast, uint8 (256, 511): levels from 255 below the paper to 255 above."""
    above = np.arange(-255, 256, dtype=np.float64)[None]
    share = above / np.maximum(np.arange(256, dtype=np.float64), 1)[:, None]
    up = np.clip(share, 0, 1)
    raised = up * (1 + LOOK.bend) * (255 - LOOK.ground) / (1 + LOOK.bend * up)
    levels = np.floor(raised + np.minimum(share, 0) * LOOK.ground + (LOOK.ground + 0.5))
    return np.maximum(levels, 0).astype(np.uint8)


_CURVES = _curves()
