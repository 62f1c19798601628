"""The two tests for blank paper, on the picture that the look sees."""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np

from batch.preprocessing.look import LOOK, size_in_picture
from batch.records import Grey


class BlankConstants(NamedTuple):
    """Numbers of the tests.

    Attributes:
        ink_level: Level of ink in the picture. One pixel in 128 has it if the scan has any contrast.
        min_ink_share: Ink has at least one pixel of that level in so many of the scan. Of 5,000 rendered
            digits the least have three times as many.
        near_px: Side of the window that averages grain away and leaves strokes.
        around_px: Side of the window whose mean is the paper around a stroke, also in uneven light.
        strongest_px: Pixels that stand out most, whose mean counts.
        min_above: Levels by which these stand out from the paper around at least. Of 326 rendered digits,
            one in a hundred has less. Of empty paper, which may have a frame, a third has.
    """

    ink_level: int = 255
    min_ink_share: int = LOOK.ink_shares[1]
    near_px: int = 3
    around_px: int = 17
    strongest_px: int = 24
    min_above: float = 80.0


BLANK = BlankConstants()


def has_ink(picture: Grey, shape: tuple[int, int]) -> bool:
    """Return whether anything in a scan has more contrast than paper has by itself.

    Args:
        picture: Result of `look_input`, uint8 (64, 64).
        shape: Height and width of the scan; the picture of a long one is mostly margin.
    """
    least = max(1, math.prod(size_in_picture(shape)) // BLANK.min_ink_share)
    return int(np.count_nonzero(picture == BLANK.ink_level)) >= least


def has_strokes(picture: Grey) -> bool:
    """Return whether strokes stand out from the paper around them, and not grain alone.

    Args:
        picture: Result of `look_input`, uint8 (64, 64).
    """
    inside = slice(LOOK.margin_px, -LOOK.margin_px)  # a light corner beside the margin is no stroke
    levels = picture[inside, inside].astype(np.float32)
    near = cv2.blur(levels, (BLANK.near_px, BLANK.near_px))
    above = (near - cv2.blur(levels, (BLANK.around_px, BLANK.around_px))).ravel()
    strongest = np.partition(above, above.size - BLANK.strongest_px)[-BLANK.strongest_px :]
    return float(strongest.mean()) >= BLANK.min_above
