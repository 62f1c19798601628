"""From a grey scan of any size to the strip that the reader of numbers sees: one line, 40 pixels high.

The network of the numbers was trained on strips from this very function. So a change of one byte here needs
another training (`batch.inference.numbers`), or held-out fields that show that it reads as well as before.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from batch.preprocessing.look import LOOK, Place, level_curve, light_input, reduce, with_light_ink
from batch.preprocessing.shadow import has_dark_ink, level_paper
from batch.preprocessing.writing_line import find_line, find_small_line
from batch.records import Grey

WIDTHS_PX = (56, 80, 120, 160, 240, 360)
"""Widths of strips. A strip has the smallest that holds its line, and those of one width make a batch."""


class StripConstants(NamedTuple):
    """The constants of the strip. All were set by eye before the training, on rendered fields.

    Attributes:
        height_px: Height of the strip.
        margin_px: Ground on each side, so that no ink lies at the very rim.
        base_px: A scan is reduced until it is less high; a line of a third of it still fills the strip.
        ground: Level of the paper, as in the look's picture.
        reach_px: Columns of the strip to each side of a digit's middle that a digit may take.
        long_ratio: A scan so many times as long as wide shows its digits to the look as specks.
        widening: Width of a strip for its second reading, in those of the first. It was chosen among 1.1,
            1.15, 1.2 and 1.3, on held-out fields.
    """

    height_px: int = 40
    margin_px: int = 2
    base_px: int = 144
    ground: int = LOOK.ground
    reach_px: float = 22.0
    long_ratio: float = 5.0
    widening: float = 1.3


STRIP = StripConstants()
_INSIDE_PX = STRIP.height_px - 2 * STRIP.margin_px
_SQUARE = np.ones((2, 2), np.uint8)


class Strip(NamedTuple):
    """The strip of a scan.

    Attributes:
        picture: Uint8 (40, one of WIDTHS_PX): paper at 48, ink up to 255.
        left: The column of the scan at the strip's left rim; may be negative.
        columns: Columns of the scan for one column of the strip.
        is_uneven: Whether the light on the scan is uneven, so that a part of the line may be missing.
    """

    picture: Grey
    left: float
    columns: float
    is_uneven: bool = False


def strip_of(grey: Grey) -> Strip:
    """Make the strip of a scan. A scan and its inverse give the same strip.

    Args:
        grey: Grey image, uint8 (height, width), at least one pixel.
    """
    base = _reduce_to(with_light_ink(grey), STRIP.base_px)
    base = np.asarray(cv2.LUT(base, level_curve(base)))
    (left, top, right, bottom), is_uneven = find_line(base)
    height, width = bottom - top, right - left
    scale = _INSIDE_PX / height
    columns = min(max(1, round(width * scale)), WIDTHS_PX[-1] - 2 * STRIP.margin_px)
    line = base[top:bottom, left:right]
    while line.shape[0] >= 2 * _INSIDE_PX and line.shape[1] >= 2 * columns:
        line = reduce(line, 2)
    if line.shape != (_INSIDE_PX, columns):
        line = cv2.resize(line, (columns, _INSIDE_PX), interpolation=cv2.INTER_LINEAR)
    picture, before = _put_in_strip(line, STRIP.margin_px)
    to_grey, step = grey.shape[1] / base.shape[1], width / columns
    return Strip(picture, (left - before * step) * to_grey, step * to_grey, is_uneven)


def even_light(grey: Grey) -> Grey:
    """Return a scan as it would be in even light, reduced to the size from which a strip is made.

    Dark ink is expected to be as dark in a shadow as elsewhere, compared to the paper nearby.

    Args:
        grey: Grey image, uint8 (height, width), at least one pixel.
    """
    light = with_light_ink(grey)
    if has_dark_ink(light):
        light = cv2.bitwise_not(light)
    return level_paper(_reduce_to(light, STRIP.base_px))


def small_line_of(grey: Grey) -> Place | None:
    """Return the place of a line that takes little of a scan, with some paper around it.

    What is written there is small for a network that sees the whole scan. Of the place alone, it sees more
    pixels, and less of all else.

    Args:
        grey: Grey image, uint8 (height, width), at least one pixel.

    Returns:
        The place; None if the line is not small, or if it is not clear where it is.
    """
    light = with_light_ink(grey)
    base = _reduce_to(light, STRIP.base_px)
    curve = level_curve(base)
    place = find_small_line(cv2.LUT(base, curve), cv2.LUT(light[[0, -1]], curve))
    if place is None:
        return None
    (height, width), (rows, columns) = grey.shape, base.shape
    return Place(
        place.left * width // columns,
        place.top * height // rows,
        -(-place.right * width // columns),
        -(-place.bottom * height // rows),
    )


def widen(strip: Grey) -> Strip:
    """Stretch a strip along its line, for a second reading.

    Args:
        strip: Picture of a strip, uint8 (40, width).

    Returns:
        The wider strip; its scan is the strip that was given. The widest strip stays as it is.
    """
    height, width = strip.shape
    columns = min(round(STRIP.widening * width), WIDTHS_PX[-1])
    line = np.asarray(cv2.resize(strip, (columns, height), interpolation=cv2.INTER_LINEAR), np.uint8)
    picture, before = _put_in_strip(line, 0)
    return Strip(picture, -before * width / columns, width / columns)


def _put_in_strip(line: Grey, margin_px: int) -> tuple[Grey, int]:
    """Put a line into the middle of the smallest strip that holds it; return also the ground to its left."""
    columns = line.shape[1]
    width = next(size for size in WIDTHS_PX if size >= columns + 2 * margin_px)
    before = (width - columns) // 2
    sides = margin_px, margin_px, before, width - columns - before
    return np.asarray(cv2.copyMakeBorder(line, *sides, cv2.BORDER_CONSTANT, value=STRIP.ground)), before


def written_part(grey: Grey) -> Place | None:
    """Return the part of a long scan in which something is written; None if the scan is not long.

    Args:
        grey: Grey image, uint8 (height, width), at least one pixel.
    """
    height, width = grey.shape
    if max(height, width) < STRIP.long_ratio * min(height, width):
        return None
    strip = strip_of(grey if width >= height else cv2.transpose(grey))
    first = max(0, math.floor(strip.left))
    last = min(max(height, width), math.ceil(strip.left + strip.columns * strip.picture.shape[1]))
    return Place(first, 0, last, height) if width >= height else Place(0, first, width, last)


def digit_pictures(strip: Grey, middles: Sequence[float]) -> list[Grey]:
    """Cut the digits of a number out of its strip, and make the pictures of them that the look sees.

    Args:
        strip: Picture of a strip, uint8 (40, width).
        middles: The columns in which the digits have their middles, from left to right.

    Returns:
        A picture of each, uint8 (64, 64), from half way to the digit before to half way to the one after it.
    """
    cuts = [(before + after) / 2 for before, after in itertools.pairwise(middles)]
    pictures = []
    for middle, left, right in zip(middles, [0.0, *cuts], [*cuts, float(strip.shape[1])], strict=True):
        first = min(max(0, math.floor(max(left, middle - STRIP.reach_px))), strip.shape[1] - 1)
        last = min(strip.shape[1], math.ceil(min(right, middle + STRIP.reach_px)))
        pictures.append(light_input(strip[:, first : max(last, first + 1)]))
    return pictures


def _reduce_to(light: Grey, height_px: int) -> Grey:
    """Reduce a scan until it is less high than that, in steps that thin light strokes survive."""
    factor = light.shape[0] // height_px
    if factor > 2:
        light = reduce(light, factor // 2)
    if light.shape[0] >= height_px and light.shape[1] > 1:
        light = reduce(cv2.dilate(light, _SQUARE), 2)
    return light
