"""The check that a person could read each digit and each sign of a rendered scan.

Chance cuts characters off, hides them under others, or lets them sink into noise and shadow. A label that
nobody can see teaches the network to guess, and makes the thresholds stricter than practice needs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from batch.records import Grey
from batch.training.look.mixture import Box

Affine = npt.NDArray[np.float64]
UPRIGHT = np.eye(2, 3)  # writing that is not sheared

# An engineer set these by eye, on sheets of scans that pass and that do not.
MAX_CUT_FRACTION = 0.12  # of a character's height or width that may lie outside the scan
MAX_COVERED_FRACTION = 0.35  # of its ink that other characters may cover
MAX_TOUCHED_FRACTION = 0.15  # of the rim of a sign that other characters may touch
RIM_PX = 2  # of the canvas around a sign
MIN_SIGN_PX = 2.5  # of the longer side of a sign, e.g. a dot
MIN_CONTRAST = 10.0  # levels between its ink and the paper around it
MIN_CONTRAST_TO_NOISE = 1.6  # this difference, in deviations of the paper around it
MIN_SIGN_TO_NOISE = 4.0  # the same for a sign, since a dot in grain is a grain
NORMAL_QUARTILES = 1.349  # deviations of a normal distribution between its quartiles
STROKE_DISTANCE = 0.12  # between a pixel of paper and its neighbour, in heights of a character
AROUND = 0.3  # of a character's height on each side; the paper there counts as around it
MIN_AROUND_PX = 3.0  # for a dot
INKED, BARE = 128, 16  # levels of a mask from which a pixel is ink, and below which it is paper


class Written(NamedTuple):
    """A character on the canvas.

    Attributes:
        ink: Its ink alone, a part of a canvas of twice the scan's pixels, uint8.
        column: Where this part begins on the canvas.
        row: The row, likewise.
        box: Left, top, right and bottom in pixels of the scan, as if nothing were cut off.
        is_digit: A digit. Everything else is a sign, which may be as small as a dot.
    """

    ink: Grey
    column: int
    row: int
    box: Box
    is_digit: bool = True

    @classmethod
    def cut(cls, canvas: Grey, box: Box, is_digit: bool = True) -> Written:
        """Cut a character out of a canvas that holds nothing else."""
        x0, y0, x1, y1 = box
        pad = max(AROUND * (y1 - y0), MIN_AROUND_PX)
        rows = _part(2 * (y0 - pad), 2 * (y1 + pad), canvas.shape[0])
        columns = _part(2 * (x0 - pad), 2 * (x1 + pad), canvas.shape[1])
        return cls(canvas[rows, columns].copy(), columns.start, rows.start, box, is_digit)


def are_apart(characters: Sequence[Written], height: int, width: int) -> bool:
    """Return whether each character lies in the scan, and is not hidden by the others.

    Args:
        characters: The characters.
        height: Height of the scan.
        width: Width of the scan.
    """
    count = np.zeros((2 * height, 2 * width), np.uint8)
    places = []
    for ink, column, row, (x0, y0, x1, y1), is_digit in characters:
        wide, tall = x1 - x0, max(y1 - y0, 1.0)
        beside = max(0.0, -x0) + max(0.0, x1 - width)
        beyond = max(0.0, -y0) + max(0.0, y1 - height)
        if max(beside / max(wide, tall / 3), beyond / tall) > MAX_CUT_FRACTION:
            return False
        place = count[row : row + ink.shape[0], column : column + ink.shape[1]]
        inked = ink >= INKED
        place += inked
        places.append((place, inked, is_digit))
    return all(_stands_alone(*each) for each in places)


def _stands_alone(count: Grey, inked: npt.NDArray[np.bool_], is_digit: bool) -> bool:
    """Return whether the others neither hide a character nor, if it is a sign, hold its rim.

    Args:
        count: How many characters have ink in each pixel of its part of the canvas.
        inked: Where it has ink.
        is_digit: Whether it is a digit.
    """
    if not inked.any() or (count[inked] > 1).mean() > MAX_COVERED_FRACTION:
        return False
    if is_digit:
        return True
    rim = cv2.dilate(inked.view(np.uint8), np.ones((2 * RIM_PX + 1,) * 2, np.uint8)).view(np.bool_) & ~inked
    return bool((count[rim] > 0).mean() <= MAX_TOUCHED_FRACTION)


def canvas_to_scan(before: Box, after: Box) -> Affine:
    """Return the affine map from pixels of a canvas to those of the finished scan.

    Args:
        before: A box in pixels of the scan for which the canvas is.
        after: The same box in pixels of the finished scan.

    Returns:
        The matrix, (2, 3).
    """
    x = (after[2] - after[0]) / (before[2] - before[0])
    y = (after[3] - after[1]) / (before[3] - before[1])
    return np.array([[x / 2, 0, after[0] - x * before[0]], [0, y / 2, after[1] - y * before[1]]])


def are_visible(
    scan: Grey,
    characters: Sequence[Written],
    canvas: Grey,
    place: Affine,
    min_height_px: float,
    shear: Affine = UPRIGHT,
) -> bool:
    """Return whether each character is large enough, and stands out from the paper around it.

    Args:
        scan: The finished scan, dark ink on light paper, uint8 (height, width).
        characters: Its characters.
        canvas: All that is written and printed, sheared.
        place: From pixels of `canvas` to pixels of the scan, (2, 3).
        min_height_px: Height of the smallest digit that a person could read in the scan.
        shear: From pixels of the canvas of the digits to those of `canvas`, (2, 3).
    """
    bare = cv2.warpAffine(canvas, place, scan.shape[::-1], flags=cv2.INTER_AREA) < BARE
    matrix = place @ np.vstack([shear, (0, 0, 1)])
    for ink, column, row, (x0, y0, x1, y1), is_digit in characters:
        tall, wide = 2 * (y1 - y0) * matrix[1, 1], 2 * (x1 - x0) * matrix[0, 0]
        if (tall < min_height_px) if is_digit else (max(tall, wide) < MIN_SIGN_PX):
            return False
        corners = np.array([[column, row, 1], [column + ink.shape[1], row + ink.shape[0], 1]], np.float64)
        (left, top), (right, bottom) = corners @ matrix.T
        rows = _part(top, bottom, scan.shape[0])
        columns = _part(left, right, scan.shape[1])
        moved = matrix.copy()
        moved[:, 2] += matrix[:, :2] @ (column, row) - (columns.start, rows.start)
        size = columns.stop - columns.start, rows.stop - rows.start
        if min(size) < 1:
            return False
        cover = cv2.warpAffine(ink, moved, size, flags=cv2.INTER_AREA)
        levels = scan[rows, columns]
        mine = levels[cover >= max(BARE, int(cover.max()) / 2)]  # thin strokes fill no pixel
        paper = levels[bare[rows, columns]]
        if not mine.size or not paper.size:
            return False
        noise = _noise(levels, bare[rows, columns], max(1, round(STROKE_DISTANCE * tall)))
        to_noise = MIN_CONTRAST_TO_NOISE if is_digit else MIN_SIGN_TO_NOISE
        if float(np.median(paper)) - float(mine.mean()) < max(MIN_CONTRAST, to_noise * noise):
            return False
    return True


def _noise(levels: Grey, is_bare: npt.NDArray[np.bool_], distance: int) -> float:
    """Return the deviation of the paper's levels.

    Lines on the paper are few, and no noise; so quartiles count. Nor is the edge of a shadow, between whose
    sides the levels of most neighbours do not differ.

    Args:
        levels: Levels around a character, (height, width).
        is_bare: Where nothing is written or printed; somewhere it is.
        distance: From a pixel to its neighbour, along a row.
    """
    paper = levels.astype(np.float32)
    deviations = [_spread(paper[is_bare])]
    are_both = is_bare[:, distance:] & is_bare[:, :-distance]
    if are_both.any():
        differences = paper[:, distance:] - paper[:, :-distance]
        deviations.append(_spread(differences[are_both]) / math.sqrt(2))
    return min(deviations)


def _spread(values: npt.NDArray[np.float32]) -> float:
    low, high = np.percentile(values, (25, 75))
    return float(high - low) / NORMAL_QUARTILES


def _part(low: float, high: float, size: int) -> slice:
    start = min(max(0, math.floor(low)), size)
    return slice(start, max(start, min(size, math.ceil(high))))
