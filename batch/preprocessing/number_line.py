"""From a grey scan of any size to the strip that the reader of numbers sees: one line, 40 pixels high.

The network of the numbers was trained on strips from this very function. So a change of one byte here needs
another training (`batch.inference.numbers`), or held-out fields that show that it reads as well as before.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from batch.preprocessing.look import LOOK, Place, is_ink_dark, level_curve, light_input, reduce
from batch.records import Grey

WIDTHS_PX = (56, 80, 120, 160, 240, 360)
"""Widths of strips. A strip has the smallest that holds its line, and those of one width make a batch."""


@dataclass(frozen=True, slots=True)
class StripSpec:
    """The constants of the strip. All were set by eye before the training, on rendered fields.

    Attributes:
        height_px: Height of the strip.
        margin_px: Ground on each side, so that no ink lies at the very rim.
        base_px: A scan is reduced until it is less high; a line of a third of it still fills the strip.
        find_px: The height, at most, at which the line is looked for.
        max_columns: A wider scan holds no line that fills the strip, and to look for it would take minutes.
        ground: Level of the paper, as in the look's picture.
        ink_level: Levels above the paper nearby from which a pixel counts as ink.
        open_fraction: Share of the height that no pen is wide; what is wider is paper or shadow.
        rule_fraction: A run of ink over so much of the width is a printed line, if it is longer than the
            height, too.
        upright_fraction: A run of ink over so much of the height is the side of a box.
        tall_fraction: A piece of ink this high, compared to the tallest one, is writing.
        max_pieces: With more pieces of ink the paper is patterned, and the whole scan is the line.
        max_ink_fraction: With more ink than that, too.
        min_band_fraction: The line is taken as at least this share of the scan's height.
        above_fraction: Paper above and below the line, as a share of its height.
        beside_fraction: Paper to the left and right, the same.
        reach_px: Columns of the strip to each side of a digit's middle that a digit may take.
        long_ratio: A scan so many times as long as wide shows its digits to the look as specks.
        widening: Width of a strip for its second reading, in those of the first. It was chosen among 1.1,
            1.15, 1.2 and 1.3, on held-out fields.
    """

    height_px: int = 40
    margin_px: int = 2
    base_px: int = 144
    find_px: int = 72
    max_columns: int = 10_000
    ground: int = LOOK.ground
    ink_level: int = 120
    open_fraction: float = 0.3
    rule_fraction: float = 0.5
    upright_fraction: float = 0.75
    tall_fraction: float = 0.45
    max_pieces: int = 70
    max_ink_fraction: float = 0.35
    min_band_fraction: float = 0.22
    above_fraction: float = 0.1
    beside_fraction: float = 0.5
    reach_px: float = 22.0
    long_ratio: float = 5.0
    widening: float = 1.3


STRIP = StripSpec()
_INSIDE_PX = STRIP.height_px - 2 * STRIP.margin_px
_SQUARE = np.ones((2, 2), np.uint8)


class Strip(NamedTuple):
    """The strip of a scan.

    Attributes:
        picture: Uint8 (40, one of WIDTHS_PX): paper at 48, ink up to 255.
        left: The column of the scan at the strip's left rim; may be negative.
        columns: Columns of the scan for one column of the strip.
    """

    picture: Grey
    left: float
    columns: float


def strip_of(grey: Grey) -> Strip:
    """Make the strip of a scan. A scan and its inverse give the same strip.

    Args:
        grey: Grey image, uint8 (height, width), at least one pixel.
    """
    base = _reduce_to(cv2.bitwise_not(grey) if is_ink_dark(grey) else grey, STRIP.base_px)
    base = cv2.LUT(base, level_curve(base))
    top, bottom, left, right = find_line(base)
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
    return Strip(picture, (left - before * step) * to_grey, step * to_grey)


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


def find_line(levels: Grey) -> tuple[int, int, int, int]:
    """Find the line of writing.

    Args:
        levels: Scan with paper at the ground and ink up to 255, uint8 (height, width).

    Returns:
        Top, bottom, left and right of the line with some paper around it; those of the whole scan if it is
        not clear where the line is.
    """
    height, width = levels.shape
    if width > STRIP.max_columns:
        return 0, height, 0, width
    factor = -(-height // STRIP.find_px)
    small = reduce(levels, factor) if factor > 1 else levels
    rows, columns = small.shape
    reach = max(3, round(STRIP.open_fraction * rows)) | 1
    paper = cv2.morphologyEx(small, cv2.MORPH_OPEN, np.ones((reach, reach), np.uint8))
    ink = (cv2.subtract(small, paper) > STRIP.ink_level).view(np.uint8)
    run = max(rows, round(STRIP.rule_fraction * columns))
    upright = _without_runs(ink, (max(4, round(STRIP.upright_fraction * rows)), 1))
    ink = _without_runs(ink, (1, run))
    whole = 0, height, 0, width
    upright &= ink
    count, _, stats, _ = cv2.connectedComponentsWithStats(upright, connectivity=8)
    if not 1 < count <= STRIP.max_pieces or int(ink.sum()) > STRIP.max_ink_fraction * ink.size:
        return whole
    pieces = stats[1:]
    pieces = pieces[pieces[:, cv2.CC_STAT_AREA] > 2]
    if not len(pieces):
        return whole
    tops, tall = pieces[:, cv2.CC_STAT_TOP], pieces[:, cv2.CC_STAT_HEIGHT]
    ends = tops + tall
    writing = tall >= STRIP.tall_fraction * tall.max()
    top, bottom = int(tops[writing].min()), int(ends[writing].max())
    missing = max(0.0, STRIP.min_band_fraction * rows - (bottom - top))
    above = STRIP.above_fraction * (bottom - top) + 1 + missing / 2
    # Here the upright runs count: one may be a 1 as high as the scan.
    inked = ink[top:bottom].any(axis=0)
    # A dot may stand a little below the digits.
    inked |= upright[max(0, round(top - above)) : round(bottom + above)].any(axis=0)
    beside = STRIP.beside_fraction * (bottom - top)
    written = np.flatnonzero(inked)
    first, last = int(written[0]), int(written[-1]) + 1
    return (
        max(0, round((top - above) * factor)),
        min(height, round((bottom + above) * factor)),
        max(0, round((first - beside) * factor)),
        min(width, round((last + beside) * factor)),
    )


def _without_runs(ink: Grey, kernel: tuple[int, int]) -> Grey:
    """Return ink, 0 or 1, without the runs that hold a kernel of this height and width."""
    if kernel[0] > ink.shape[0] or kernel[1] > ink.shape[1]:
        return ink
    runs = cv2.morphologyEx(ink, cv2.MORPH_OPEN, np.ones(kernel, np.uint8))
    return np.asarray(ink & (1 - cv2.dilate(runs, np.ones((3, 3), np.uint8))))


def _reduce_to(light: Grey, height_px: int) -> Grey:
    """Reduce a scan until it is less high than that, in steps that thin light strokes survive."""
    factor = light.shape[0] // height_px
    if factor > 2:
        light = reduce(light, factor // 2)
    if light.shape[0] >= height_px and light.shape[1] > 1:
        light = reduce(cv2.dilate(light, _SQUARE), 2)
    return light
